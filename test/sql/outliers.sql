-- winsorize, winsor_bounds, trimmed_t.

SELECT x, winsorize(x, 2, 5), winsorize(x, NULL, 5) AS high_only, winsorize(x, 2, NULL) AS low_only
FROM unnest('{-1,2,3.5,5,900,NULL}'::float8[]) AS x;
SELECT winsorize(1, 5, 2);
SELECT winsorize('NaN', 2, 5);

-- Bounds over all variants together, here of the units that bought anything; then any test.
CREATE TEMP TABLE orders AS
	SELECT CASE WHEN i % 3 = 0 THEN i WHEN i = 1 THEN 90000 ELSE 0 END::float8 AS revenue,
		CASE WHEN i % 2 = 0 THEN 'control' ELSE 'treatment' END AS variant
	FROM generate_series(1, 60) AS i;
SELECT (winsor_bounds(0.05, 0.95) WITHIN GROUP (ORDER BY revenue)).* FROM orders;
SELECT (winsor_bounds(NULL, 0.95) WITHIN GROUP (ORDER BY revenue) FILTER (WHERE revenue <> 0)).* FROM orders;
SELECT variant, n, estimate, round(estimate_control::numeric, 3) AS estimate_control, round(p_value::numeric, 3) AS p
FROM (
	SELECT (welch_t(winsorize(revenue, (b).low, (b).high), variant)).*
	FROM orders, (SELECT winsor_bounds(NULL, 0.95) WITHIN GROUP (ORDER BY revenue) FILTER (WHERE revenue <> 0) AS b
		FROM orders) AS bounds
) r;
SELECT winsor_bounds(1, 99) WITHIN GROUP (ORDER BY revenue) FROM orders;
SELECT winsor_bounds(0.9, 0.1) WITHIN GROUP (ORDER BY revenue) FROM orders;
SELECT winsor_bounds(0.1, 0.9) WITHIN GROUP (ORDER BY revenue) FROM orders WHERE false;

-- scipy 1.10, ttest_ind(b, a, equal_var=False, trim=0.2) of the two samples in the example of its
-- documentation, which pools the variances): statistic -4.591599, p-value 0.0099891.
CREATE TEMP TABLE trimmed AS
	SELECT unnest('{56,128.6,12,123.8,64.34,78,763.3}'::float8[]) AS y, 'a' AS v
	UNION ALL SELECT unnest('{1.1,2.9,4.2}'::float8[]), 'b';
SELECT variant, control, n, n_control, round(estimate::numeric, 4) AS estimate, estimate_control,
	round(statistic::numeric, 6) AS t, round(df::numeric, 4) AS df, round(p_value::numeric, 7) AS p, method
FROM (SELECT (trimmed_t(y, v, 0.2)).* FROM trimmed) r;
SELECT variant, control, estimate FROM (SELECT (trimmed_t(y, v, 0.2, 'b')).* FROM trimmed) r;
\pset null (null)
SELECT (trimmed_t(y, v, 0.4)).* FROM trimmed WHERE v = 'b' \gx
\pset null ''
SELECT trimmed_t(y, v, 0.5) FROM trimmed;
SELECT trimmed_t(y, v, y) FROM trimmed;
