-- Experiments of one cell, for the estimators that sort their rows: :experiments times :control
-- and :treatment units.  As in simulate.sql, the values of the A/B treatment are 1.1 times those
-- of the A/A one.

SELECT setseed(:seed) \g /dev/null
SET jit = off;

\ir answers.sql

-- Of y = exp(x), x standard normal: the mean between the 10th and the 90th percentile, and
-- P(1.1 y1 > y2) - 1/2 = P(x < ln(1.1) / sqrt(2)) - 1/2.
\set trimmed_mean 1.2357132822562433
\set superiority 0.0268661660323999
-- The 90th percentiles of x and of 0.8 x1 + 0.5 x2.
\set x90 1.2815515655446004
\set load90 1.2090133289105363

-- ---- log-normal: a value per unit ----

-- The experiment is part of the innermost query, so that every experiment has new numbers.
CREATE TEMPORARY TABLE result AS
SELECT r.*
FROM generate_series(1, :experiments) AS experiment, LATERAL (
	SELECT mann_whitney(y, variant) AS mw, mann_whitney(y_ab, variant) AS mw_ab,
		trimmed_t(y, variant, 0.1) AS trimmed, trimmed_t(y_ab, variant, 0.1) AS trimmed_ab,
		quantile_compare(y, variant, '{0.5,0.9}'::float8[]) AS q,
		quantile_compare(y_ab, variant, '{0.5,0.9}'::float8[]) AS q_ab
	FROM (
		SELECT variant, y, y * factor AS y_ab
		FROM (
			SELECT variant, factor, exp(sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) AS y
			FROM (VALUES ('control', 1.0::float8, :control), ('treatment', 1.1, :treatment))
					AS arm (variant, factor, units),
				LATERAL generate_series(1, units + 0 * experiment)
			OFFSET 0
		) AS unit
	) AS experiment_units
) AS r;

INSERT INTO answer
SELECT 'mann_whitney', :superiority, (mw).p_value,
	(mw_ab).superiority_low - 0.5, (mw_ab).superiority_high - 0.5
FROM result;

INSERT INTO answer
SELECT 'trimmed_t', 0.1 * :trimmed_mean, (trimmed).p_value, (trimmed_ab).diff_low, (trimmed_ab).diff_high,
	(trimmed_ab).lift_low, (trimmed_ab).lift_high, (trimmed).diff, (trimmed).std_error
FROM result;

INSERT INTO answer
SELECT aa.method, 0.1 * exp(CASE i WHEN 1 THEN 0 ELSE :x90 END), aa.p_value, ab.diff_low, ab.diff_high,
	ab.lift_low, ab.lift_high, aa.diff, aa.std_error
FROM result, generate_series(1, 2) AS i, unnest(q[i:i]) AS aa, unnest(q_ab[i:i]) AS ab;

INSERT INTO outcome
SELECT 'log-normal', :control, :treatment, * FROM counts;

INSERT INTO spread
SELECT 'log-normal', :control, :treatment, * FROM errors;

-- ---- page loads: 1, 2, 4 or 10 values per unit, which are alike ----

TRUNCATE answer;

DROP TABLE result;
CREATE TEMPORARY TABLE result AS
SELECT r.*
FROM generate_series(1, :experiments) AS experiment, LATERAL (
	SELECT quantile_compare('{0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY y, variant, unit) AS q,
		quantile_compare('{0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY y * factor, variant, unit) AS q_ab
	FROM (
		SELECT variant, factor, unit,
			exp(0.8 * speed + 0.5 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) AS y
		FROM (
			SELECT variant, factor, unit::text,
				sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS speed, random() AS s
			FROM (VALUES ('control', 1.0::float8, :control), ('treatment', 1.1, :treatment))
					AS arm (variant, factor, units),
				LATERAL generate_series(1, units + 0 * experiment) AS unit
			OFFSET 0
		) AS unit,
			LATERAL generate_series(1, CASE WHEN s < 0.5 THEN 1 WHEN s < 0.8 THEN 2
				WHEN s < 0.95 THEN 4 ELSE 10 END)
		OFFSET 0
	) AS load
) AS r;

INSERT INTO answer
SELECT aa.method, 0.1 * exp(CASE i WHEN 1 THEN 0 ELSE :load90 END), aa.p_value, ab.diff_low, ab.diff_high,
	ab.lift_low, ab.lift_high, aa.diff, aa.std_error
FROM result, generate_series(1, 2) AS i, unnest(q[i:i]) AS aa, unnest(q_ab[i:i]) AS ab;

INSERT INTO outcome
SELECT 'page loads', :control, :treatment, * FROM counts;

INSERT INTO spread
SELECT 'page loads', :control, :treatment, * FROM errors;
