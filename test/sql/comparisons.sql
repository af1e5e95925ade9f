-- welch_t and proportion_z, against published examples.

-- Student's sleep data ("The probable error of a mean", 1908), as in R's
-- example(t.test): t = -1.8608, df = 17.776, p-value = 0.07939,
-- 95 percent confidence interval -3.3654832 to 0.2054832.
CREATE TEMP TABLE sleep (extra float8, drug text);
INSERT INTO sleep
	SELECT unnest(ARRAY[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]), '1'
	UNION ALL
	SELECT unnest(ARRAY[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]), '2';
SELECT variant, control, n, n_control, round(statistic::numeric, 4) AS t, round(df::numeric, 3) AS df,
	round(p_value::numeric, 5) AS p, round(diff_low::numeric, 7) AS low, round(diff_high::numeric, 7) AS high,
	alpha, method
FROM (SELECT (welch_t(extra, drug, '2')).* FROM sleep) r;

-- The same by the two-step form, and with the arms swapped.
SELECT variant, control, round(statistic::numeric, 4) AS t, round(p_value::numeric, 5) AS p
FROM (SELECT moments_agg(extra, drug) AS m FROM sleep) s, welch_t(m, '2');
SELECT variant, control, round(statistic::numeric, 4) AS t, round(p_value::numeric, 5) AS p
FROM (SELECT moments_agg(extra, drug) AS m FROM sleep) s, welch_t(m);

-- One state, several questions (R: p-values 0.0397, 0.9603; interval from 0.1066 at 90 %).
SELECT alternative, round(p_value::numeric, 4) AS p, round(diff_low::numeric, 4) AS low, round(diff_high::numeric, 4) AS high
FROM (SELECT moments_agg(extra, drug) AS m FROM sleep) s,
	unnest(ARRAY['two-sided', 'greater', 'less']) AS alternative,
	welch_t(m, alternative => alternative, alpha => 0.10);
SELECT round(statistic::numeric, 4) AS t, round(p_value::numeric, 4) AS p
FROM (SELECT moments_agg(extra, drug) AS m FROM sleep) s,
	welch_t(m, alternative => 'greater', null_diff => -0.5);

-- Newcombe (1998), example (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339.
-- (The score test: z = 2.6502 from the pooled proportion 104/150.)
CREATE TEMP TABLE newcombe AS
	SELECT i <= 56 AS success, 'treatment' AS variant FROM generate_series(1, 70) i
	UNION ALL SELECT i <= 48, 'control' FROM generate_series(1, 80) i;
SELECT variant, control, n, n_control, estimate, estimate_control, round(diff::numeric, 4) AS diff,
	round(statistic::numeric, 4) AS z, df, round(diff_low::numeric, 4) AS low, round(diff_high::numeric, 4) AS high, method
FROM (SELECT (proportion_z(success, variant)).* FROM newcombe) r;
SELECT round(diff_low::numeric, 4) AS low, round(diff_high::numeric, 4) AS high
FROM (SELECT moments_agg(success::int, variant) AS m FROM newcombe) s, proportion_z(m);
-- The same example, cases (e) and (h): 5/56 - 0/29: -0.0381 to 0.1926; 10/10 - 0/10: 0.6075 to 1.0000.
SELECT round(diff_low::numeric, 4) AS low, round(diff_high::numeric, 4) AS high
FROM (SELECT (proportion_z(i <= 5, CASE WHEN i <= 56 THEN 't' ELSE 'control' END)).*
	FROM generate_series(1, 85) i) r;
SELECT round(diff_low::numeric, 4) AS low, round(diff_high::numeric, 4) AS high
FROM (SELECT (proportion_z(i <= 10, CASE WHEN i <= 10 THEN 't' ELSE 'control' END)).*
	FROM generate_series(1, 20) i) r;

-- Which arm is the control.
CREATE TEMP TABLE abc (y float8, v text);
INSERT INTO abc VALUES (1, 'A'), (2, 'A'), (3, 'B'), (4, 'B'), (5, 'control'), (7, 'control');
SELECT variant, control, n, n_control, diff FROM (SELECT moments_agg(y, v) AS m FROM abc) s, welch_t(m);
SELECT variant, control, n, n_control, diff FROM (SELECT moments_agg(y, v) AS m FROM abc WHERE v <> 'control') s, welch_t(m);
SELECT variant, control, n, n_control, diff FROM (SELECT moments_agg(y, v) AS m FROM abc) s, welch_t(m, 'B');
SELECT variant, control, n, n_control, estimate, estimate_control, diff, p_value
FROM (SELECT moments_agg(y, v) AS m FROM abc) s, welch_t(m, 'nobody');

-- Thin segments: the row is there, what is undefined is NULL.
\pset null (null)
SELECT variant, control, n, n_control, estimate, estimate_control, diff, std_error, p_value, lift
FROM (
	SELECT 1 AS row, welch_t(y, v) AS c FROM abc WHERE false
	UNION ALL SELECT 2, welch_t(y, v) FROM abc WHERE v = 'control'
	UNION ALL SELECT 3, welch_t(y, v, 'control') FROM abc WHERE v = 'A'
	UNION ALL SELECT 4, welch_t(y, v) FROM abc WHERE y IN (1, 5, 7)
	UNION ALL SELECT 5, welch_t(5, v) FROM abc WHERE v <> 'B'
	UNION ALL SELECT 6, welch_t(y - 6, v) FROM abc WHERE v <> 'B'
	UNION ALL SELECT 7, welch_t(y, v, 'nobody') FROM abc WHERE v <> 'B'
) r, LATERAL (SELECT (c).*) s ORDER BY row;
SELECT * FROM welch_t(NULL);
SELECT variant, n FROM welch_t('{"version": 1, "metrics": 1, "variants": {}}'::moments);
-- 0 of 3 against 0 of 2: no test, but Newcombe's interval.
SELECT statistic, p_value, round(diff_low::numeric, 4) AS low, round(diff_high::numeric, 4) AS high, lift
FROM (SELECT (proportion_z(false, v)).* FROM (VALUES ('control'), ('control'), ('t'), ('t'), ('t')) t (v)) r;
\pset null ''

-- Lift intervals.  m_t = 12, m_c = 10, standard errors 1 and 0.5, 101 units each.
CREATE TEMP TABLE lifts AS
	SELECT '{"version": 1, "metrics": 1, "variants": {"control": {"n": 101, "mean": [10], "comoments": [2525]},
		"treatment": {"n": 101, "mean": [12], "comoments": [10100]}}}'::moments AS m;
SELECT lift_method, round(lift::numeric, 3) AS lift, round(lift_low::numeric, 5) AS low, round(lift_high::numeric, 5) AS high
FROM lifts, unnest(ARRAY['delta', 'log', 'fieller']) lift_method, welch_t(m, lift_method => lift_method);
SELECT alternative, lift_method, round(lift_low::numeric, 4) AS low, round(lift_high::numeric, 4) AS high
FROM lifts, unnest(ARRAY['delta', 'log', 'fieller']) lift_method, unnest(ARRAY['greater', 'less']) alternative,
	welch_t(m, lift_method => lift_method, alternative => alternative);
-- Both means negated: the arms' ratio is the same, the lift has the other sign.
SELECT lift_method, round(lift::numeric, 3) AS lift, round(lift_low::numeric, 5) AS low, round(lift_high::numeric, 5) AS high
FROM lifts, unnest(ARRAY['delta', 'log', 'fieller']) lift_method,
	welch_t(moments_project(m, '{-1}'), lift_method => lift_method);
-- A control mean that cannot be told from 0: Fieller's set has no ends.
SELECT lift_method, round(lift::numeric, 3) AS lift, lift_low, lift_high
FROM lifts, unnest(ARRAY['fieller', 'log']) lift_method,
	welch_t('{"version": 1, "metrics": 1, "variants": {"control": {"n": 101, "mean": [0.5], "comoments": [2525]},
		"treatment": {"n": 101, "mean": [-12], "comoments": [10100]}}}', lift_method => lift_method);

-- A tail far below where 1 - cdf is 0.
SELECT p_value BETWEEN 1e-240 AND 1e-235 AS tiny
FROM welch_t('{"version": 1, "metrics": 1, "variants": {"control": {"n": 1001, "mean": [0], "comoments": [1000]},
	"treatment": {"n": 1001, "mean": [1.7], "comoments": [1000]}}}');

-- The state is computed once for both aggregates.
SELECT (welch_t(y, v)).n, moments_agg(y, v)::jsonb #>> '{variants,A,n}' AS n FROM abc WHERE v <> 'B';

-- Errors.
SELECT welch_t(y, v) FROM abc;
SELECT welch_t(y, v, v) FROM abc;
SELECT welch_t(y, v, CASE WHEN y > 1 THEN 'A' END) FROM abc;
SELECT welch_t(y, repeat(v, 10000)) FROM abc;
SELECT welch_t('NaN'::float8, v) FROM abc WHERE v <> 'B';
SELECT c.* FROM lifts, welch_t(m, alpha => 0) c;
SELECT c.* FROM lifts, welch_t(m, alpha => 'NaN') c;
SELECT c.* FROM lifts, welch_t(m, alpha => NULL) c;
SELECT c.* FROM lifts, welch_t(m, alternative => 'bigger') c;
SELECT c.* FROM lifts, welch_t(m, alternative => NULL) c;
SELECT c.* FROM lifts, welch_t(m, null_diff => 'Infinity') c;
SELECT c.* FROM lifts, welch_t(m, metric => 2) c;
SELECT c.* FROM lifts, welch_t(m, metric => 0) c;
SELECT c.* FROM lifts, welch_t(m, lift_method => 'magic') c;
SELECT c.* FROM lifts, proportion_z(m) c;
SELECT c.* FROM (SELECT moments_agg(success::int, variant) AS m FROM newcombe) s, proportion_z(m, null_diff => 1) c;
