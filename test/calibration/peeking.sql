-- Experiments number :first to :last that are looked at 50 times, each time with 20 more units
-- per arm of :metric.  The A/A and the A/B experiment have the same units: the values of the A/B
-- treatment are multiplied so that the fixed test at the end, of 1000 units per arm, has a power
-- of 90 %.
--
-- Metrics of the states: 1 y, 2 y in the A/B experiment, 3 x, the same metric before the
-- experiment, which has a correlation of 0.7 with y (its logarithm, of a log-normal one).

SELECT setseed(:seed) \g /dev/null
SET jit = off;

-- The factor: 1 + 3.2415 sqrt(2 / 1000) sd / mean, for the normal quantiles at 0.975 and 0.9.
SELECT CASE :'metric' WHEN 'normal' THEN 1.07248 ELSE 1.19001 END AS factor,
	CASE :'metric' WHEN 'normal' THEN 0.08406 ELSE 0.09816 END AS tau2
\gset

CREATE TEMPORARY TABLE running AS
SELECT experiment, look, 40 * look AS units,
	moments_agg(m) OVER (PARTITION BY experiment ORDER BY look) AS m
FROM (
	SELECT experiment, look, moments_agg(ARRAY[y, CASE WHEN treated THEN :factor * y ELSE y END, x], variant) AS m
	FROM (
		SELECT experiment, look, variant, treated,
			CASE :'metric' WHEN 'normal' THEN 4 + 2 * w ELSE exp(w) END AS y,
			CASE :'metric' WHEN 'normal' THEN 4 + 2 * a ELSE exp(a) END AS x
		FROM (
			SELECT experiment, look, variant, treated,
				r * cos(t) AS a,
				0.7 * r * cos(t) + 0.714142842854285 * r * sin(t) AS w
			FROM (
				SELECT experiment, look, variant, treated,
					sqrt(-2 * ln(1 - random())) AS r, 2 * pi() * random() AS t
				FROM generate_series(:first, :last) AS experiment,
					generate_series(1, 50) AS look,
					(VALUES ('control', false), ('treatment', true)) AS arm (variant, treated),
					generate_series(1, 20)
			) AS uniform
			OFFSET 0
		) AS normal
		OFFSET 0
	) AS unit
	GROUP BY experiment, look
) AS state;

-- Units at the first look that rejects; NULL if none does.
CREATE TEMPORARY TABLE verdict (method text, experiment integer, a integer, b integer);

CREATE TEMPORARY TABLE fixed AS
SELECT experiment, look, units, aa.p_value AS pa, ab.p_value AS pb, aa.statistic AS za, ab.statistic AS zb
FROM running, welch_t(m, metric => 1) AS aa, welch_t(m, metric => 2) AS ab;

INSERT INTO verdict
SELECT 'welch_t at every look', experiment, min(units) FILTER (WHERE pa <= 0.05), min(units) FILTER (WHERE pb <= 0.05)
FROM fixed GROUP BY experiment;

INSERT INTO verdict
SELECT 'welch_t once, at the end', experiment, min(units) FILTER (WHERE pa <= 0.05), min(units) FILTER (WHERE pb <= 0.05)
FROM fixed WHERE look = 50 GROUP BY experiment;

INSERT INTO verdict
SELECT format('group sequential, %s, %s looks', spending, looks), experiment,
	min(units) FILTER (WHERE abs(za) >= z_upper), min(units) FILTER (WHERE abs(zb) >= z_upper)
FROM (
	SELECT spending, looks, look * 50 / looks AS look, z_upper
	FROM unnest('{obrien-fleming,pocock}'::text[]) AS spending,
		unnest('{5,50}'::integer[]) AS looks,
		group_sequential_bounds((SELECT array_agg(k) FROM generate_series(1, looks) AS k), spending => spending)
) AS design JOIN fixed USING (look)
GROUP BY spending, looks, experiment;

INSERT INTO verdict
SELECT 'confidence_sequence, tuning_n ' || tuning, experiment,
	min(units) FILTER (WHERE aa.p_value <= 0.05), min(units) FILTER (WHERE ab.p_value <= 0.05)
FROM unnest('{1000,5000}'::integer[]) AS tuning, running,
	confidence_sequence(m, metric => 1, tuning_n => tuning) AS aa,
	confidence_sequence(m, metric => 2, tuning_n => tuning) AS ab
GROUP BY tuning, experiment;

INSERT INTO verdict
SELECT 'confidence_sequence, tuning_n 1000, cuped', experiment,
	min(units) FILTER (WHERE aa.p_value <= 0.05), min(units) FILTER (WHERE ab.p_value <= 0.05)
FROM running,
	confidence_sequence(m, metric => 1, tuning_n => 1000, estimator => 'cuped', covariates => '{3}') AS aa,
	confidence_sequence(m, metric => 2, tuning_n => 1000, estimator => 'cuped', covariates => '{3}') AS ab
GROUP BY experiment;

INSERT INTO verdict
SELECT 'confidence_sequence, tuning_n 1000, planned_n 2000', experiment,
	min(units) FILTER (WHERE aa.p_value <= 0.05), min(units) FILTER (WHERE ab.p_value <= 0.05)
FROM running,
	confidence_sequence(m, metric => 1, tuning_n => 1000, planned_n => 2000) AS aa,
	confidence_sequence(m, metric => 2, tuning_n => 1000, planned_n => 2000) AS ab
GROUP BY experiment;

-- tau2 is the squared effect.
INSERT INTO verdict
SELECT 'msprt, tau2 as large as the effect', experiment,
	min(units) FILTER (WHERE aa.p_value <= 0.05), min(units) FILTER (WHERE ab.p_value <= 0.05)
FROM running, msprt(m, metric => 1, tau2 => :tau2) AS aa, msprt(m, metric => 2, tau2 => :tau2) AS ab
GROUP BY experiment;

INSERT INTO peeking
SELECT :'metric', method, count(*), count(a), count(b), moments_agg(coalesce(b, 2000), 'A/B')
FROM verdict
GROUP BY method;
