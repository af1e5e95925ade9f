-- quantile_compare.

-- 1 to 100, and 11 to 110: medians 50.5 and 60.5.  The outer interval of a median of 100 values
-- has the ranks 50 -+ 1.96 * 5, that is 40 and 60, so each standard error is 20 / (2 * 1.96).
CREATE TEMP TABLE line AS
	SELECT i::float8 AS y, 'control' AS v FROM generate_series(1, 100) AS i
	UNION ALL SELECT i + 10, 't' FROM generate_series(1, 100) AS i;
SELECT variant, control, n, n_control, estimate, estimate_control, diff, round(std_error::numeric, 4) AS std_error,
	round((20 / (2 * 1.959964) * sqrt(2))::numeric, 4) AS by_hand, round(statistic::numeric, 4) AS z, df,
	round(p_value::numeric, 4) AS p, round(lift::numeric, 4) AS lift, method
FROM (SELECT (quantile_compare(y, v, 0.5)).* FROM line) r;

-- Several quantiles in one pass, and another control.
SELECT c.method, c.variant, c.estimate, c.estimate_control, c.diff, round(c.p_value::numeric, 4) AS p
FROM (SELECT quantile_compare(ARRAY[0.1, 0.5, 0.9], 't') WITHIN GROUP (ORDER BY y, v) AS q FROM line) s, unnest(q) AS c;

-- Ten values for each unit, all the same: the standard error is about that of the units, sqrt(10) times as large.
CREATE TEMP TABLE loads AS
	SELECT y, v, v || ceil(y) AS unit FROM line, generate_series(1, 10);
SELECT method, n, n_control, estimate, round(std_error::numeric, 2) AS std_error
FROM (
	SELECT (quantile_compare(y, v, 0.5)).* FROM loads
	UNION ALL SELECT (quantile_compare(0.5) WITHIN GROUP (ORDER BY y, v, unit)).* FROM loads
	UNION ALL SELECT (quantile_compare(y, v, 0.5)).* FROM line
) r;

-- Thin segments: the row is there, what is undefined is NULL.
\pset null (null)
SELECT variant, control, n, n_control, estimate, estimate_control, diff, std_error, p_value, lift, method
FROM (
	SELECT 1 AS row, quantile_compare(y, v, 0.5) AS c FROM line WHERE false
	UNION ALL SELECT 2, quantile_compare(y, v, 0.5) FROM line WHERE v = 't'
	UNION ALL SELECT 3, quantile_compare(y, v, 0.5) FROM line WHERE y BETWEEN 20 AND 22
	UNION ALL SELECT 4, quantile_compare(y, v, 0.99) FROM line
	UNION ALL SELECT 5, quantile_compare(0, v, 0.5) FROM line
	UNION ALL SELECT 6, quantile_compare(0.5, 'x') WITHIN GROUP (ORDER BY y, v) FROM line
	UNION ALL SELECT 7, quantile_compare(0.5) WITHIN GROUP (ORDER BY y, v, 'u') FROM line
) r, LATERAL (SELECT (c).*) s ORDER BY row;
\pset null ''

-- Errors.
SELECT quantile_compare(y, v, 95) FROM line;
SELECT quantile_compare(NULL::float8) WITHIN GROUP (ORDER BY y, v) FROM line;
SELECT quantile_compare(y, v, 0.5, 'control') FROM line;
SELECT quantile_compare(0.5, v) WITHIN GROUP (ORDER BY y) FROM line;
