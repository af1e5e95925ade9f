-- Watching an experiment: intervals that hold at every look, group sequential designs.
\pset null (null)
CREATE FUNCTION pg_temp.r(x float8, digits int DEFAULT 6) RETURNS text LANGUAGE sql
	RETURN CASE WHEN x IN ('Infinity', '-Infinity') THEN x::text ELSE round(x::numeric, digits)::text END;

-- Two arms of 3000 and 2900 units with means 100 and 103.5 and variances 2500 and 2700.
-- gbstats 0.8.0 (GrowthBook), SequentialTwoSidedTTest: -0.533157 to 7.533157, p 0.139825,
-- lift -0.006004 to 0.076004; tuned to 10000: -0.568024 to 7.568024, p 0.136437.
CREATE TEMP TABLE states AS SELECT '{"version": 1, "metrics": 1, "variants": {
	"control": {"n": 3000, "mean": [100], "residual": [0], "comoments": [7497500]},
	"treatment": {"n": 2900, "mean": [103.5], "residual": [0], "comoments": [7827300]}}}'::moments AS m;
SELECT variant, n, n_control, diff, pg_temp.r(std_error) AS std_error, pg_temp.r(statistic) AS z, df,
	pg_temp.r(p_value) AS p, alpha, method FROM states, confidence_sequence(m);
SELECT pg_temp.r(diff_low) AS low, pg_temp.r(diff_high) AS high, pg_temp.r(lift_low) AS lift_low, pg_temp.r(lift_high) AS lift_high
FROM states, confidence_sequence(m);
SELECT pg_temp.r(diff_low) AS low, pg_temp.r(diff_high) AS high, pg_temp.r(p_value) AS p
FROM states, confidence_sequence(m, tuning_n => 10000);
-- rho^2 = (5.991465 + ln(6.991465)) / 5000 = 0.001587231, v = 5900 rho^2 = 9.364662, root = sqrt(1 + v) = 3.219420.
-- One-sided (eq. 134): 1.328295 sqrt(2 (1 + 1/v) ln(1 + root/0.1)) = 3.698473; p = root / (2 (exp(z^2 v/(1 + v)/2) - 1)).
SELECT alternative, pg_temp.r(diff_low) AS low, pg_temp.r(diff_high) AS high, pg_temp.r(p_value) AS p
FROM states, unnest('{greater,less}'::text[]) alternative, confidence_sequence(m, alternative => alternative);
-- The mixture SPRT is the same with v = tau2 / std_error^2; its default is the sequence's.
SELECT pg_temp.r(diff_low) AS low, pg_temp.r(diff_high) AS high, pg_temp.r(p_value) AS p, method FROM states, msprt(m);
SELECT pg_temp.r(diff_low) AS low, pg_temp.r(diff_high) AS high, pg_temp.r(p_value) AS p
FROM states, msprt(m, tau2 => 0.001587231 * 5900 * 1.328295 ^ 2);
-- Half of alpha for looks at any time, half for one look at 5900 units: Welch's at 2.5 %.
SELECT planned_n, pg_temp.r(diff_low) AS low, pg_temp.r(p_value) AS p, pg_temp.r(df, 1) AS df, method
FROM states, unnest('{5901,5900}'::float8[]) planned_n, confidence_sequence(m, planned_n => planned_n);
SELECT pg_temp.r(diff_low) AS low, pg_temp.r(2 * p_value) AS p FROM states, welch_t(m, alpha => 0.025);

-- Other estimators answer with their own estimate and error.
CREATE TEMP TABLE four AS SELECT moments_agg(ARRAY[y, size, x, size_pre], v) AS m
FROM (SELECT CASE WHEN i % 2 = 0 THEN 'control' ELSE 'treatment' END AS v, 5 + x + sin(i) + 0.2 * (i % 2) AS y, x,
		1 + i % 3 AS size, 1 + i % 5 AS size_pre
	FROM (SELECT i, cos(i * i) AS x FROM generate_series(1, 1000) i) s) t;
SELECT c.diff = f.diff AND c.std_error = f.std_error AND c.diff_low < f.diff_low AS same, pg_temp.r(c.p_value) AS p, c.method
FROM four, confidence_sequence(m, estimator => 'ratio') c, delta_ratio(m) f
UNION ALL
SELECT c.diff = f.diff AND c.std_error = f.std_error AND c.diff_low < f.diff_low, pg_temp.r(c.p_value), c.method
FROM four, confidence_sequence(m, estimator => 'cuped', covariates => '{3}') c, cuped_adjust(m, covariates => '{3}') f
UNION ALL
SELECT c.diff = f.diff AND c.std_error = f.std_error AND c.diff_low < f.diff_low, pg_temp.r(c.p_value), c.method
FROM four, msprt(m, estimator => 'cuped', covariates => '{3}', interacted => true) c,
	cuped_adjust(m, covariates => '{3}', interacted => true) f
UNION ALL
SELECT c.diff = f.diff AND c.std_error = f.std_error AND c.diff_low < f.diff_low, pg_temp.r(c.p_value), c.method
FROM four, msprt(m, estimator => 'cuped_ratio') c, cuped_ratio(m) f;

-- Thin segments.
SELECT variant, control, n, n_control, diff, p_value, diff_low, lift_low, method
FROM (SELECT moments_agg(y, v) AS m FROM (VALUES (1, 'control'), (2, 'a'), (3, 'a'), (5, 'b')) t (y, v)) s, confidence_sequence(m);
SELECT count(*) FROM confidence_sequence(NULL);

-- Lan and DeMets, five looks: 4.8769 3.3569 2.6803 2.2898 2.0310 (O'Brien-Fleming type).
SELECT look, information, pg_temp.r(alpha_spent) AS alpha_spent, pg_temp.r(z_lower, 4) AS z_lower,
	pg_temp.r(z_upper, 4) AS z_upper, pg_temp.r(nominal_p) AS nominal_p
FROM group_sequential_bounds('{0.2,0.4,0.6,0.8,1}');
SELECT spending, string_agg(pg_temp.r(z_upper, 4), ' ' ORDER BY look) AS bounds
FROM (VALUES ('pocock', NULL), ('power', 3), ('hwang-shih-decani', -4), ('hwang-shih-decani', 0),
		('obrien-fleming-constant', NULL), ('pocock-constant', NULL)) s (spending, parameter),
	group_sequential_bounds('{0.2,0.4,0.6,0.8,1}', spending => spending, spending_parameter => parameter)
GROUP BY spending, parameter;
-- One-sided; counts of units; a plan that goes on; one that was overrun.
SELECT look, pg_temp.r(alpha_spent) AS alpha_spent, z_lower, pg_temp.r(z_upper, 4) AS z_upper
FROM group_sequential_bounds('{2000,4000}', 0.025, 1, planned_information => 10000);
SELECT look, information, pg_temp.r(alpha_spent) AS alpha_spent, pg_temp.r(z_upper, 4) AS z_upper
FROM group_sequential_bounds('{0.5,1.05}', planned_information => 1);

-- Looks at z 1.43, 3, 2.5 of five.
SELECT look, information AS t, diff, pg_temp.r(z, 3) AS z, pg_temp.r(z_upper, 3) AS z_upper, decision, pg_temp.r(diff_low, 3) AS diff_low,
	pg_temp.r(p_value, 5) AS p, pg_temp.r(estimate, 4) AS estimate, pg_temp.r(estimate_low, 4) AS low, pg_temp.r(estimate_high, 4) AS high
FROM group_sequential_test('{1,1.5,1}', '{0.7,0.5,0.4}', '{1,2,3,4,5}', spending => 'pocock');
SELECT look, pg_temp.r(z_lower, 3) AS z_lower, z_upper, decision, diff_low, pg_temp.r(diff_high, 3) AS diff_high, pg_temp.r(p_value, 5) AS p,
	pg_temp.r(estimate, 4) AS estimate, estimate_low AS low, pg_temp.r(estimate_high, 4) AS high
FROM group_sequential_test('{-1,-1.5}', '{0.7,0.5}', '{1,2}', spending => 'pocock', alternative => 'less', planned_information => 5);
-- One look is the fixed test.
SELECT decision, pg_temp.r(p_value) AS p, estimate, pg_temp.r(estimate_low) AS low, pg_temp.r(diff_low) AS diff_low
FROM group_sequential_test('{1}', '{0.4}', '{1}', null_diff => 0.1);
SELECT look, information, diff, pg_temp.r(z, 4) AS z, pg_temp.r(z_upper, 4) AS z_upper, decision, pg_temp.r(p_value) AS p
FROM group_sequential_looks((SELECT array_agg(c) FROM states, welch_t(m) c), 11800);
SELECT count(*) FROM group_sequential_looks('{}', 100);

SELECT confidence_sequence(m, tuning_n => 0) FROM states;
SELECT confidence_sequence(m, estimator => 'median') FROM states;
SELECT confidence_sequence(m, estimator => 'ratio') FROM states;
SELECT confidence_sequence(m, planned_n => -1) FROM states;
SELECT confidence_sequence(m, planned_n => 100, sequence_share => 1) FROM states;
SELECT msprt(m, tau2 => 0) FROM states;
SELECT group_sequential_bounds('{0.5,0.4}');
SELECT group_sequential_bounds('{0.5,0.50001}');
SELECT group_sequential_bounds('{0,1}');
SELECT group_sequential_bounds('{1}', sides => 3);
SELECT group_sequential_bounds('{1}', spending => 'linear');
SELECT group_sequential_bounds('{1}', spending => 'power');
SELECT group_sequential_bounds('{1}', spending => 'power', spending_parameter => 0);
SELECT group_sequential_bounds('{1}', spending => 'hwang-shih-decani', spending_parameter => -41);
SELECT group_sequential_bounds('{1}', spending_parameter => 1);
SELECT group_sequential_bounds('{0.5}', spending => 'pocock-constant');
SELECT group_sequential_bounds('{1}', planned_information => 0);
SELECT group_sequential_test('{1,2}', '{1}', '{1,2}');
SELECT group_sequential_test('{1,2}', '{1,1}', '{100,200}');
SELECT group_sequential_test('{1}', '{0}', '{1}');
SELECT group_sequential_test('{Infinity}', '{1}', '{1}');
SELECT group_sequential_test('{1e300}', '{1e-300}', '{1}');
