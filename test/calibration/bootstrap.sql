-- The bootstrap: :experiments experiments of log-normal values.  Those of the A/B treatment are
-- 1.1 times as large.  Units have names of their own in every experiment: equal ones have equal
-- weights.

SELECT setseed(:seed) \g /dev/null
SET jit = off;

\set x90 1.2815515655446004

CREATE TEMPORARY TABLE result AS
SELECT sizes,
	bootstrap_agg(unit, y, y * factor, v) AS means,
	bootstrap_agg(unit, y * size, size, v) AS ratio,
	bootstrap_agg(unit, y * factor * size, size, v) AS ratio_ab,
	bootstrap_agg(y, v, 1000, experiment) AS quantiles,
	bootstrap_agg(y * factor, v, 1000, experiment) AS quantiles_ab
FROM (
	SELECT sizes, experiment, format('%s %s %s', experiment, v, i) AS unit, v, factor, exp(normal()) AS y,
		(ARRAY[1, 1, 1, 2, 2, 4])[1 + floor(6 * random())::int]::float8 AS size
	FROM (VALUES ('50 + 50', 50, 50), ('500 + 500', 500, 500), ('450 + 50', 450, 50)) AS s (sizes, n_control, n),
		generate_series(1, :experiments) AS experiment,
		(VALUES ('control', 1.0::float8), ('treatment', 1.1)) AS arm (v, factor),
		LATERAL generate_series(1, CASE v WHEN 'control' THEN n_control ELSE n END) AS i
	OFFSET 0
) AS unit
GROUP BY sizes, experiment;

INSERT INTO rate
SELECT call, 'log-normal, ' || sizes, figure, promised, nominal, count(*), count(*) FILTER (WHERE hit)
FROM (
	SELECT sizes, 'bootstrap_mean, ' || way AS call, 0.1 * exp(0.5::float8) AS truth, aa, ab
	FROM result, unnest('{percentile,bca}'::text[]) AS way,
		bootstrap_mean(means, method => way) AS aa, bootstrap_mean(means, method => way, metric => 2) AS ab
	UNION ALL
	SELECT sizes, 'bootstrap_ratio, ' || way, 0.1 * exp(0.5::float8), aa, ab
	FROM result, unnest('{percentile,bca}'::text[]) AS way,
		bootstrap_ratio(ratio, method => way) AS aa, bootstrap_ratio(ratio_ab, method => way) AS ab
	UNION ALL
	SELECT sizes, 'bootstrap_quantile, ' || p, 0.1 * exp(CASE p WHEN 0.5 THEN 0 ELSE :x90 END), aa, ab
	FROM result, unnest('{0.5,0.9}'::float8[]) AS p,
		bootstrap_quantile(quantiles, p => p) AS aa, bootstrap_quantile(quantiles_ab, p => p) AS ab
) AS answer,
	LATERAL (VALUES ('p <= 0.05, no effect', '=', 0.05, (aa).p_value <= 0.05),
		('interval of diff holds the effect', '=', 0.95, truth BETWEEN (ab).diff_low AND (ab).diff_high),
		('interval of lift holds 10 %', '=', 0.95, 0.1 BETWEEN (ab).lift_low AND (ab).lift_high))
		AS f (figure, promised, nominal, hit)
GROUP BY call, sizes, figure, promised, nominal;
