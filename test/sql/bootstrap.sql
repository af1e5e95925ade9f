-- The Poisson bootstrap, from the user's side.
SET extra_float_digits = -9;
CREATE TEMP TABLE orders AS
SELECT 'user-' || i AS user_id, CASE WHEN i % 2 = 0 THEN 'control' ELSE 'treatment' END AS variant,
	round((-20 * ln(1 - assign_bucket('user-' || i, 'revenue')) * (1 + 0.1 * (i % 2)))::numeric, 2)::float8 AS revenue,
	1 + floor(5 * assign_bucket('user-' || i, 'sessions')) AS sessions
FROM generate_series(1, 4000) AS i;

\x
SELECT (bootstrap_mean(user_id, revenue, variant)).* FROM orders;
SELECT (bootstrap_ratio(user_id, revenue, sessions, variant, 'treatment')).* FROM orders;
\x

-- One state, many questions.
CREATE TEMP TABLE stored AS SELECT bootstrap_agg(user_id, revenue, sessions, variant, 2000, 42) AS b FROM orders;
SELECT method, diff_low, diff_high, lift_low, lift_high, p_value
FROM stored, LATERAL (
	SELECT * FROM bootstrap_mean(b) UNION ALL
	SELECT * FROM bootstrap_mean(b, method => 'bca') UNION ALL
	SELECT * FROM bootstrap_ratio(b, method => 'bca', alpha => 0.1) UNION ALL
	SELECT * FROM bootstrap_mean(b, metric => 2, alternative => 'greater', null_diff => -0.1)) c;

-- Quantiles: without units, for the ranks are drawn, not the rows.
SELECT method, n, estimate, estimate_control, diff, diff_low, diff_high, p_value
FROM (SELECT (bootstrap_quantile(revenue, variant, 0.9)).* FROM orders) q;
SELECT p, c.diff, c.diff_low, c.diff_high
FROM (SELECT bootstrap_agg(revenue, variant) AS b FROM orders) s, unnest('{0.25,0.5,0.75}'::float8[]) p, bootstrap_quantile(b, p => p) c;

-- Any order of the rows, any parts: the same bytes.
SELECT count(DISTINCT t) FROM (
	SELECT bootstrap_agg(user_id, revenue, variant ORDER BY revenue)::text AS t FROM orders UNION ALL
	SELECT bootstrap_agg(user_id, revenue, variant ORDER BY user_id)::text FROM orders UNION ALL
	SELECT bootstrap_agg(b)::text FROM (SELECT bootstrap_agg(user_id, revenue, variant) AS b FROM orders GROUP BY sessions) s) q;
SELECT pg_column_size(bootstrap_agg(user_id, revenue, variant)) AS bytes, left(bootstrap_agg(user_id, revenue, variant)::text, 40) AS text
FROM orders;

-- Thin segments still have a row.
SELECT variant, control, n, n_control, estimate_control, diff, diff_low, method
FROM (SELECT (bootstrap_mean(user_id, revenue, variant)).* FROM orders WHERE user_id IN ('user-2', 'user-4')) q;

-- Errors.
SELECT bootstrap_mean(user_id, 'NaN', variant) FROM orders;
SELECT bootstrap_mean(user_id, revenue, user_id) FROM orders WHERE sessions = 1;
SELECT bootstrap_agg(user_id, revenue, variant, 50, 0) FROM orders;
SELECT bootstrap_agg(user_id, revenue, variant, 100, sessions::bigint) FROM orders;
SELECT c.* FROM stored, bootstrap_mean(b, method => 'basic') c;
SELECT c.* FROM stored, bootstrap_mean(b, metric => 3) c;
SELECT c.* FROM stored, bootstrap_quantile(b, p => 0.9) c;
SELECT bootstrap_quantile(revenue, variant, 90) FROM orders;
SELECT bootstrap_agg(b) FROM (SELECT b FROM stored UNION ALL SELECT bootstrap_agg(user_id, revenue, sessions, variant) FROM orders) q;
SELECT '\x01'::bootstrap;
