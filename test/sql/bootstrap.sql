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

-- A state straight from a transition function, whose rows wait to be added.
SELECT (a).* , (a = f) AS finished FROM (
	SELECT bootstrap_mean(s) AS a, bootstrap_mean(bootstrap_final(s)) AS f
	FROM bootstrap_accum(bootstrap_accum(NULL, 'u', 1.0, 'a'), 'v', 2.0, 'a') AS s) q;
SELECT (bootstrap_quantile(bootstrap_accum(bootstrap_accum(NULL, 1.0, 'a'), 2.0, 'a'))).estimate_control;

-- Metrics of any size: only the units change.
SELECT size, std_error / size AS std_error, statistic, p_value
FROM (VALUES (1::float8), (1e-180), (1e180)) AS sizes (size),
	LATERAL (SELECT (bootstrap_mean(user_id, revenue * size, variant)).* FROM orders) c;
SELECT (bootstrap_quantile(y, v, 0.5)).estimate_control FROM (VALUES (1.7e308::float8, 'a'), (-1.7e308, 'a')) AS t (y, v);
SELECT (bootstrap_ratio(y::text, y, 1 / y, v)).estimate_control FROM (VALUES (1.7e308::float8, 'a'), (1.6e308, 'a')) AS t (y, v);

-- The text form is the same whatever the client's encoding is, and whatever that can express.
CREATE TEMP TABLE labelled AS
	SELECT b, b::text AS utf8 FROM (SELECT bootstrap_agg(user_id, revenue, U&'\5909\00FC') AS b FROM orders) s;
SET client_encoding = 'LATIN1';
SELECT b::text = utf8 AS same, control = U&'\5909\00FC' AS label
FROM labelled, bootstrap_mean(utf8::bootstrap);
RESET client_encoding;
SELECT (SELECT regexp_replace(utf8, 'e5a489', 'e5a4ff') FROM labelled)::bootstrap IS NULL;
