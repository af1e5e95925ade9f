-- Many metrics at once: means and variances without covariances.
\pset null NULL

-- Twelve visitors: what they spent, how often they came, whether they signed up.
CREATE TEMP TABLE visitors AS
	SELECT i AS visitor, CASE WHEN i % 2 = 0 THEN 'treatment' ELSE 'control' END AS variant,
		(i * 7 % 12)::float8 AS spend, i * 5 % 4 AS visits, i % 3 = 0 AS signed_up, (i * 3 % 7)::numeric AS minutes
	FROM generate_series(1, 12) i;
CREATE TEMP TABLE results AS
	SELECT moments_diagonal_agg(metric_array(spend, visits, signed_up, minutes), variant) AS m,
		moments_agg(ARRAY[spend, visits, signed_up::int, minutes], variant) AS whole
	FROM visitors;
SELECT m FROM results;
SELECT s.* FROM results, moments_summary(m) s;

-- A scorecard: the same numbers as from metric to metric, and as with covariances.
SELECT metric, variant, control, n, n_control, estimate, estimate_control, round(p_value::numeric, 4) AS p, method
FROM results, scorecard(m);
SELECT bool_and((s.diff, s.std_error, s.df, s.p_value, s.lift_low) = (w.diff, w.std_error, w.df, w.p_value, w.lift_low)) AS same, count(*)
FROM results, scorecard(whole, alpha => 0.1, alternative => 'greater', null_diff => -1, lift_method => 'log') s,
	welch_t(m, alpha => 0.1, alternative => 'greater', null_diff => -1, lift_method => 'log', metric => s.metric) w;
SELECT metric, variant, n, n_control, diff FROM results, scorecard(m, control => 'nobody');
SELECT metric, p_value, round(p_adjust(p_value, 'bh') OVER ()::numeric, 4) AS p_adjusted
FROM (SELECT metric, round(p_value::numeric, 4)::float8 AS p_value FROM results, scorecard(m)) s;
SELECT count(*) FROM scorecard(NULL);
SELECT count(*) FROM results, scorecard(moments_filter(m, '{}'));

-- Whatever needs means and variances only.
SELECT c.variant, round(c.p_value::numeric, 4) AS p FROM results, proportion_z(m, metric => 3) c;
SELECT c.variant, c.method FROM results, confidence_sequence(m, metric => 2) c;
SELECT round(p.effect::numeric, 4) AS effect, p.method FROM results, mde_mean(m, 1000, metric => 1) p;
SELECT moments_diagonal(whole) = m AS same, moments_diagonal(m) = m AS already, m = whole AS with_covariances FROM results;
SELECT m::text::moments = m AS text, m::jsonb::text::moments = m AS jsonb FROM results;
-- One metric has nothing but a variance: it is the same state as any other.
SELECT moments_select(m, '{2}') = moments_select(whole, '{2}') AS selected,
	moments_project(m, '{0,0,0,60}') = moments_project(whole, '{0,0,0,60}') AS projected,
	moments_diagonal(moments_select(whole, '{2}')) = moments_select(whole, '{2}') AS still_one
FROM results;
SELECT moments_select(m, '{4,1}') = moments_diagonal(moments_select(whole, '{4,1}')) AS selected,
	moments_filter(m, '{control}') = moments_diagonal(moments_filter(whole, '{control}')) AS filtered,
	moments_relabel(m, '{"treatment": "all", "control": "all"}') =
		moments_diagonal(moments_relabel(whole, '{"treatment": "all", "control": "all"}')) AS relabelled
FROM results;
SELECT moments_agg(part) = (SELECT moments_diagonal(moments_agg(part)) FROM (
		SELECT moments_agg(ARRAY[spend, minutes], variant) AS part FROM visitors GROUP BY visitor % 4 ORDER BY visitor % 4) w) AS merged
FROM (SELECT moments_diagonal_agg(ARRAY[spend, minutes], variant) AS part FROM visitors GROUP BY visitor % 4 ORDER BY visitor % 4) p;

-- What needs covariances says so.
\set VERBOSITY terse
SELECT moments_project(m, '{1,-1,0,0}') FROM results;
SELECT moments_covariance(m, 'control') FROM results;
SELECT delta_ratio(m, num => 1, den => 2) FROM results;
SELECT cuped_adjust(m) FROM results;
SELECT cuped_adjust(m, covariates => '{4}') FROM results;
SELECT cuped_adjust(moments_filter(m, '{}'), covariates => '{4}') FROM results;
SELECT cuped_ratio(m) FROM results;
SELECT confidence_sequence(m, estimator => 'ratio') FROM results;
SELECT mde_mean(m, 1000, covariates => '{2}') FROM results;
SELECT mde_ratio(m, 1000) FROM results;
\set VERBOSITY default
SELECT moments_agg(s) FROM (SELECT m AS s FROM results UNION ALL SELECT whole FROM results) u;
SELECT delta_ratio(m) FROM results;
SELECT c.method FROM results, cuped_adjust(m, metric => 2, covariates => '{}') c;

-- Rows: a NULL among the metrics skips the row, whatever does not fit is an error.
SELECT s.variant, s.n, s.metric, s.mean FROM (
	SELECT moments_diagonal_agg(metric_array(a, b), v) AS m
	FROM (VALUES (1, 10.5, 'x'), (2, NULL, 'x'), (3, 11, NULL), (4, 12, 'x')) r (a, b, v)) q, moments_summary(m) s;
SELECT moments_diagonal_agg(ys, v) FROM (VALUES (NULL::float8[], 'x')) r (ys, v);
SELECT metric_array(1::int2, 2, 3::bigint, 4.5, 5.5::float4, 6.5::float8, true, NULL::int);
SELECT metric_array(m1, m2) = ARRAY[m1, m2]::float8[] FROM (VALUES (1e300::float8, 2), (-0.0, NULL)) r (m1, m2);
SELECT metric_array(1, 'two'::text);
SELECT metric_array(1, NULL), metric_array(NULL);
SELECT metric_array(1, '2');
SELECT metric_array(VARIADIC ARRAY[1.5, 2]);
SELECT moments_diagonal_agg(ARRAY[1, 'NaN'::float8], 'x');
SELECT moments_diagonal_agg(ARRAY[1, '-Infinity'::float8], 'x');
SELECT moments_diagonal_agg('{}'::float8[], 'x');
SELECT moments_diagonal_agg('{{1,2}}'::float8[], 'x');
SELECT moments_diagonal_agg(ys, 'x') FROM (VALUES ('{1,2}'::float8[]), ('{1,2,3}')) r (ys);
SELECT (moments_diagonal_agg(array_fill(1::float8, '{1000}'), 'x')::jsonb)->'metrics' AS metrics;
SELECT moments_diagonal_agg(array_fill(1::float8, '{1001}'), 'x');
-- States and transition functions that do not belong together.
SELECT moments_accum_diagonal(moments_agg(ARRAY[1, 2], 'x'), '{1,2}'::float8[], 'x');
SELECT moments_accum(moments_diagonal_agg(ARRAY[1, 2], 'x'), 1, 2, 'x');
CREATE AGGREGATE pg_temp.wrong_agg(float8, float8, text) (SFUNC = moments_accum, STYPE = moments,
	INITCOND = '{"version": 2, "metrics": 2, "variants": {"x": {"n": 1, "mean": [1, 2], "squares": [0, 0]}}}');
SELECT pg_temp.wrong_agg(1, 2, 'x');

-- A state that only counts has no metric to compare.
SELECT count(*) FROM scorecard('{"version": 1, "metrics": 0, "variants": {"x": {"n": 2, "mean": [], "comoments": []}}}');
SELECT welch_t('{"version": 1, "metrics": 0, "variants": {"x": {"n": 2, "mean": [], "comoments": []}}}'::moments);
-- Both text forms are read for ever; what they cannot hold is refused.
SELECT '{"version": 2, "metrics": 2, "variants": {"x": {"n": 2, "mean": [1, 2]}}}'::moments;
\set VERBOSITY terse
SELECT '{"version": 2, "metrics": 2, "variants": {"x": {"n": 2, "mean": [1, 2], "squares": [0.5, 8]}}}'::moments;
-- The forms that the hint shows are right.
SELECT '{"version": 1, "metrics": 1, "variants": {"control": {"n": 2, "mean": [1.5], "comoments": [0.5]}}}'::moments;
SELECT '{"version": 2, "metrics": 2, "variants": {"control": {"n": 2, "mean": [1.5, 3], "squares": [0.5, 2]}}}'::moments;
SELECT '{"version": 2, "metrics": 1, "variants": {}}'::moments;
SELECT '{"version": 2, "metrics": 1001, "variants": {}}'::moments;
SELECT '{"version": 3, "metrics": 2, "variants": {}}'::moments;
SELECT '{"version": 2, "metrics": 2, "variants": {"x": {"n": 2, "mean": [1, 2], "comoments": [0.5, 0, 8]}}}'::moments;
SELECT '{"version": 1, "metrics": 2, "variants": {"x": {"n": 2, "mean": [1, 2], "squares": [0.5, 8]}}}'::moments;
SELECT '{"version": 2, "metrics": 2, "variants": {"x": {"n": 2, "mean": [1, 2], "squares": [0.5]}}}'::moments;
SELECT '{"version": 2, "metrics": 2, "variants": {"x": {"n": 2, "mean": [1, 2], "squares": [0.5, -8]}}}'::moments;
SELECT '{"version": 2, "metrics": 2, "variants": {"x": {"n": 1, "mean": [1, 2], "squares": [0, 8]}}}'::moments;
