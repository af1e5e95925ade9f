-- Experiments number :first to :last of one cell: :metric with :control and :treatment units.
-- The units of all experiments are generated and aggregated in one pass, to a state per
-- experiment and stratum; every estimator then answers from these states.  The A/A and the
-- A/B experiment have the same units: the values of the A/B treatment are 1.1 times those
-- of the A/A one.
--
-- Metrics of the states: 1 y, 2 y in the A/B experiment, 3 x, the same metric before the
-- experiment, 4 size, 5 size before the experiment, 6 success, 7 success in the A/B
-- experiment.

SELECT setseed(:seed) \g /dev/null
SET jit_above_cost = 0;

-- Standard normal variables, from which everything about a unit follows: a (what y and x
-- have in common), b, c and e independent, by Box and Muller; w has correlation 0.7 with a.
-- OFFSET 0 keeps the planner from computing a subquery's expressions anew wherever they
-- are used.  0.84 and so on are quantiles of the normal distribution.
CREATE TEMPORARY TABLE stratum_state AS
SELECT experiment, stratum,
	moments_agg(ARRAY[
		y,
		CASE WHEN treated THEN 1.1 * y ELSE y END,
		x, size, size_pre,
		CASE WHEN w > 1.28155156554460 THEN 1 ELSE 0 END,
		CASE WHEN w > CASE WHEN treated THEN 1.22652812003661 ELSE 1.28155156554460 END
			THEN 1 ELSE 0 END
	], variant) AS m
FROM (
	SELECT experiment, variant, treated, w,
		CASE WHEN a < 0 THEN 1 WHEN a < 0.841621233572914 THEN 2 ELSE 3 END AS stratum,
		CASE :'metric'
			WHEN 'normal' THEN 4 + 2 * w
			WHEN 'log-normal' THEN exp(w)
			WHEN 'zero-inflated' THEN CASE
				WHEN w > 0.841621233572914 THEN exp(0.7 * e + 0.714142842854285 * c) ELSE 0
			END
		END AS y,
		CASE :'metric'
			WHEN 'normal' THEN 4 + 2 * a
			WHEN 'log-normal' THEN exp(a)
			WHEN 'zero-inflated' THEN CASE WHEN a > 0.841621233572914 THEN exp(e) ELSE 0 END
		END AS x,
		CASE WHEN s < 0 THEN 1 WHEN s < 0.841621233572914 THEN 2
			WHEN s < 1.64485362695147 THEN 4 ELSE 10 END AS size,
		CASE WHEN s_pre < 0 THEN 1 WHEN s_pre < 0.841621233572914 THEN 2
			WHEN s_pre < 1.64485362695147 THEN 4 ELSE 10 END AS size_pre
	FROM (
		SELECT experiment, variant, treated, a, w, c, e,
			0.5 * w + 0.866025403784439 * c AS s,
			0.5 * a + 0.7 * c + 0.509901951359278 * e AS s_pre
		FROM (
			SELECT experiment, variant, treated,
				r1 * cos(t1) AS a,
				0.7 * r1 * cos(t1) + 0.714142842854285 * r1 * sin(t1) AS w,
				r2 * cos(t2) AS c,
				r2 * sin(t2) AS e
			FROM (
				SELECT experiment, variant, treated,
					sqrt(-2 * ln(1 - random())) AS r1, 2 * pi() * random() AS t1,
					sqrt(-2 * ln(1 - random())) AS r2, 2 * pi() * random() AS t2
				FROM generate_series(:first, :last) AS experiment,
					(VALUES ('control', false, :control), ('treatment', true, :treatment))
						AS arm (variant, treated, units),
					LATERAL generate_series(1, units)
			) AS uniform
			OFFSET 0
		) AS normal
		OFFSET 0
	) AS latent
	OFFSET 0
) AS unit
GROUP BY experiment, stratum;

SET jit = off;

CREATE TEMPORARY TABLE state AS
SELECT experiment, moments_agg(m) AS m FROM stratum_state GROUP BY experiment;

-- ---- the truth ----

-- E[y]: 4; exp(1/2); 0.2 exp(1/2).  E[size] = 0.5 + 0.3 * 2 + 0.15 * 4 + 0.05 * 10 = 2.2.
-- A tenth of it is the difference; a tenth is the lift, in all.
SELECT 0.1 * CASE :'metric' WHEN 'normal' THEN 4 WHEN 'log-normal' THEN exp(0.5::float8)
		ELSE 0.2 * exp(0.5::float8) END AS diff,
	:'metric' = 'normal' AS with_success
\gset

-- ---- the answers ----

\ir answers.sql

-- Estimators over a state.  A lift method other than delta changes the lift alone.
INSERT INTO answer
SELECT 'welch_t', :diff, aa.p_value, ab.diff_low, ab.diff_high, ab.lift_low, ab.lift_high,
	aa.diff, aa.std_error
FROM state, welch_t(m, metric => 1) AS aa, welch_t(m, metric => 2) AS ab;

INSERT INTO answer
SELECT 'welch_t, log', NULL, NULL, NULL, NULL, lift_low, lift_high
FROM state, welch_t(m, metric => 2, lift_method => 'log');

INSERT INTO answer
SELECT 'welch_t, fieller', NULL, NULL, NULL, NULL, lift_low, lift_high
FROM state, welch_t(m, metric => 2, lift_method => 'fieller');

INSERT INTO answer
SELECT 'delta_ratio', :diff / 2.2, aa.p_value, ab.diff_low, ab.diff_high, ab.lift_low, ab.lift_high,
	aa.diff, aa.std_error
FROM state, delta_ratio(m, num => 1, den => 4) AS aa, delta_ratio(m, num => 2, den => 4) AS ab;

INSERT INTO answer
SELECT 'cuped_adjust', :diff, aa.p_value, ab.diff_low, ab.diff_high, ab.lift_low, ab.lift_high,
	aa.diff, aa.std_error
FROM state, cuped_adjust(m, metric => 1, covariates => '{3}') AS aa,
	cuped_adjust(m, metric => 2, covariates => '{3}') AS ab;

INSERT INTO answer
SELECT 'cuped_adjust, interacted', :diff, aa.p_value, ab.diff_low, ab.diff_high, ab.lift_low, ab.lift_high,
	aa.diff, aa.std_error
FROM state, cuped_adjust(m, metric => 1, covariates => '{3}', interacted => true) AS aa,
	cuped_adjust(m, metric => 2, covariates => '{3}', interacted => true) AS ab;

INSERT INTO answer
SELECT 'cuped_ratio', :diff / 2.2, aa.p_value, ab.diff_low, ab.diff_high, ab.lift_low, ab.lift_high,
	aa.diff, aa.std_error
FROM state, cuped_ratio(m, num => 1, den => 4, num_pre => 3, den_pre => 5) AS aa,
	cuped_ratio(m, num => 2, den => 4, num_pre => 3, den_pre => 5) AS ab;

INSERT INTO answer
SELECT 'stratified_t', :diff, (aa).p_value, (ab).diff_low, (ab).diff_high, (ab).lift_low, (ab).lift_high,
	(aa).diff, (aa).std_error, (ab).method LIKE '%left out%'
FROM (
	SELECT stratified_t(moments_select(m, '{1}')) AS aa, stratified_t(moments_select(m, '{2}')) AS ab
	FROM stratum_state
	GROUP BY experiment
	OFFSET 0
) AS s;

-- A flat prior, so that the posterior interval should cover like a confidence interval.  It
-- rejects where it excludes 0.
INSERT INTO answer
SELECT 'bayes_normal', :diff,
	CASE WHEN aa.posterior_low > 0 OR aa.posterior_high < 0 THEN 0
		WHEN aa.posterior_low IS NOT NULL THEN 1 END,
	ab.posterior_low, ab.posterior_high, lift.posterior_low, lift.posterior_high,
	aa.posterior_mean, aa.posterior_sd
FROM state, bayes_normal(m, metric => 1, scale => 'diff') AS aa,
	bayes_normal(m, metric => 2, scale => 'diff') AS ab,
	bayes_normal(m, metric => 2, scale => 'lift') AS lift;

INSERT INTO outcome
SELECT :'metric', :control, :treatment, * FROM counts;

INSERT INTO spread
SELECT :'metric', :control, :treatment, * FROM errors;

-- Success or not: a metric of its own, from the same units as the normal one.
\if :with_success
TRUNCATE answer;

INSERT INTO answer
SELECT 'proportion_z', 0.01, aa.p_value, ab.diff_low, ab.diff_high, ab.lift_low, ab.lift_high,
	aa.diff, aa.std_error
FROM state, proportion_z(m, metric => 6) AS aa, proportion_z(m, metric => 7) AS ab;

INSERT INTO answer
SELECT 'proportion_z, log', NULL, NULL, NULL, NULL, lift_low, lift_high
FROM state, proportion_z(m, metric => 7, lift_method => 'log');

INSERT INTO answer
SELECT 'proportion_z, fieller', NULL, NULL, NULL, NULL, lift_low, lift_high
FROM state, proportion_z(m, metric => 7, lift_method => 'fieller');

INSERT INTO answer
SELECT 'welch_t', 0.01, aa.p_value, ab.diff_low, ab.diff_high, ab.lift_low, ab.lift_high,
	aa.diff, aa.std_error
FROM state, welch_t(m, metric => 6) AS aa, welch_t(m, metric => 7) AS ab;

INSERT INTO outcome
SELECT 'success', :control, :treatment, * FROM counts;

INSERT INTO spread
SELECT 'success', :control, :treatment, * FROM errors;
\endif
