-- Power against theory: how often the planned effect is found in :experiments experiments of the planned
-- size, and how often it should be.

SELECT setseed(:seed) \g /dev/null
SET jit = off;

-- ---- means ----

-- What is planned, for a metric of standard deviation 1.  cuped has a covariate with correlation 0.7.
CREATE TEMPORARY TABLE plan AS
SELECT 'power_mean' AS call, '64 + 64, effect 0.5' AS setting, 64 AS n_control, 64 AS n, 0.5::float8 AS effect,
	1::float8 AS sd_treatment, 'two-sided' AS alternative, 0::float8 AS null_diff, (power_mean(64, 0.5, 1)).power
UNION ALL
SELECT 'power_mean', '8 + 8, effect 1.5', 8, 8, 1.5, 1, 'two-sided', 0, (power_mean(8, 1.5, 1)).power
UNION ALL
SELECT 'power_mean', '30 + 60, effect 1, treatment twice as wide', 30, 60, 1, 2, 'two-sided', 0,
	(power_mean(30, 1, 1, sd_treatment => 2, ratio => 2)).power
UNION ALL
SELECT 'power_mean', '100 + 100, no effect, not worse by 0.35', 100, 100, 0, 1, 'greater', -0.35,
	(power_mean(100, 0, 1, alternative => 'greater', null_diff => -0.35)).power
UNION ALL
SELECT 'sample_size_mean', 'effect 0.4, power 0.9', n_control::int, n::int, 0.4, 1, 'two-sided', 0,
	(power_mean(n_control, 0.4, 1)).power
FROM sample_size_mean(0.4, 1, power => 0.9)
UNION ALL
SELECT 'mde_mean', '100 + 100, power 0.8', 100, 100, (mde_mean(100, 1)).effect, 1, 'two-sided', 0, 0.8
UNION ALL
SELECT 'power_mean, covariate', '64 + 64, effect 0.35', 64, 64, 0.35, 1, 'cuped', 0,
	(power_mean(64, 0.35, sqrt(0.51::float8))).power;

INSERT INTO rate
SELECT call, setting, 'effect found', '=', power, count(*), count(*) FILTER (WHERE CASE alternative
	WHEN 'cuped' THEN (SELECT p_value FROM cuped_adjust(m, metric => 1, covariates => '{2}'))
	ELSE (SELECT p_value FROM welch_t(m, alternative => alternative, null_diff => null_diff)) END <= 0.05)
FROM (
	SELECT call, setting, alternative, null_diff, power, experiment,
		moments_agg(ARRAY[CASE WHEN treated THEN effect + sd_treatment * y ELSE y END, x],
			CASE WHEN treated THEN 'treatment' ELSE 'control' END) AS m
	FROM (
		SELECT call, setting, alternative, null_diff, power, effect, sd_treatment, experiment, treated, a AS x,
			0.7 * a + 0.714142842854285 * normal() AS y
		FROM (
			SELECT plan.*, experiment, treated, normal() AS a
			FROM plan, generate_series(1, :experiments) AS experiment, unnest('{false,true}'::boolean[]) AS treated,
				LATERAL generate_series(1, CASE WHEN treated THEN n ELSE n_control END)
			OFFSET 0
		) AS before
		OFFSET 0
	) AS unit
	GROUP BY call, setting, alternative, null_diff, power, experiment
) AS state
GROUP BY call, setting, power;

-- ---- proportions: 10 % to 14 % ----

INSERT INTO rate
SELECT call, setting, 'effect found', '=', power, count(*), count(*) FILTER (WHERE (z).p_value <= 0.05)
FROM (
	SELECT call, setting, power, proportion_z(success, v) AS z
	FROM (
		SELECT call, setting, power, experiment, v, random() < CASE v WHEN 'control' THEN 0.1 ELSE 0.1 + effect END AS success
		FROM (
			SELECT 'power_proportion' AS call, '1000 + 1000, 10 % to 14 %' AS setting, 1000::bigint AS n, 0.04::float8 AS effect,
				(power_proportion(1000, 0.04, 0.1)).power
			UNION ALL
			SELECT 'sample_size_proportion', '10 % to 15 %, power 0.9', n, 0.05, (power_proportion(n, 0.05, 0.1)).power
			FROM sample_size_proportion(0.05, 0.1, power => 0.9)
			UNION ALL
			SELECT 'mde_proportion', '1000 + 1000, power 0.8', 1000, (mde_proportion(1000, 0.1)).effect, 0.8
		) AS plan, generate_series(1, (:experiments + 1) / 2) AS experiment, (VALUES ('control'), ('treatment')) AS arm (v),
			LATERAL generate_series(1, n)
		OFFSET 0
	) AS unit
	GROUP BY call, setting, power, experiment
	OFFSET 0
) AS answer
GROUP BY call, setting, power;

-- ---- ratios ----

-- The denominator is 1, 2, 4 or 10 with mean 2.2 and mean square 9.1, the numerator that times
-- (1 + z / 2): a ratio of 1, variances 4.26 and 1.25 * 9.1 - 2.2², covariance 4.26.
INSERT INTO rate
SELECT call, '700 + 700, ' || setting, 'effect found', '=', power, count(*), count(*) FILTER (WHERE (r).p_value <= 0.05)
FROM (
	SELECT call, setting, power, delta_ratio(den * (1 + effect * (v = 'treatment')::int + normal() / 2), den, v) AS r
	FROM (
		SELECT plan.*, experiment, v, CASE WHEN u < 0.5 THEN 1 WHEN u < 0.8 THEN 2 WHEN u < 0.95 THEN 4 ELSE 10 END AS den
		FROM (
			SELECT 'power_ratio' AS call, 'effect 0.1' AS setting, 0.1::float8 AS effect,
				(power_ratio(700, 0.1, 2.2, 2.2, sqrt(6.535), sqrt(4.26), sqrt(4.26 / 6.535))).power
			UNION ALL
			SELECT 'mde_ratio', 'power 0.9', (mde_ratio(700, 2.2, 2.2, sqrt(6.535), sqrt(4.26), sqrt(4.26 / 6.535), power => 0.9)).effect, 0.9
		) AS plan, LATERAL (
			SELECT experiment, v, random() AS u
			FROM generate_series(1, (:experiments + 1) / 2 + 0 * power::int) AS experiment, (VALUES ('control'), ('treatment')) AS arm (v),
				generate_series(1, 700)
			OFFSET 0
		) AS unit
		OFFSET 0
	) AS unit
	GROUP BY call, setting, power, experiment
	OFFSET 0
) AS answer
GROUP BY call, setting, power;
