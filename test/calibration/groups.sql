-- More than two arms, segments, days: :experiments experiments each.

SELECT setseed(:seed) \g /dev/null
SET jit = off;

-- ---- four arms with one mean ----

CREATE TEMPORARY TABLE arms AS
SELECT setting, experiment, moments_agg(y, arm::text) AS m
FROM (
	SELECT setting, experiment, arm,
		CASE WHEN setting LIKE 'log-normal%' THEN exp(normal()) ELSE sds[arm] * normal() END AS y
	FROM (VALUES ('normal, 4 x 50', '{50,50,50,50}'::integer[], '{1,1,1,1}'::float8[]),
			('normal, 20 to 160, the small ones 4 times as wide', '{20,40,80,160}', '{4,3,2,1}'),
			('log-normal, 4 x 50', '{50,50,50,50}', NULL)) AS s (setting, sizes, sds),
		generate_series(1, :experiments) AS experiment, generate_series(1, 4) AS arm,
		LATERAL generate_series(1, sizes[arm])
	OFFSET 0
) AS unit
GROUP BY setting, experiment;

INSERT INTO rate
SELECT a.method, setting, 'p <= 0.05, no difference', '=', 0.05, count(*), count(*) FILTER (WHERE a.p_value <= 0.05)
FROM arms, LATERAL (SELECT * FROM anova(m) UNION ALL SELECT * FROM welch_anova(m)) AS a
GROUP BY a.method, setting;

-- ---- five segments with one effect, or with effects that differ ----

CREATE TEMPORARY TABLE segment AS
SELECT n, experiment, segment, moments_agg(ARRAY[y, y + treated::int * 0.1 * segment], v) AS m
FROM (
	SELECT n, experiment, segment, treated, CASE WHEN treated THEN 'treatment' ELSE 'control' END AS v,
		segment + normal() + 0.2 * treated::int AS y
	FROM unnest('{30,200}'::integer[]) AS n, generate_series(1, :experiments) AS experiment,
		generate_series(1, 5) AS segment, unnest('{false,true}'::boolean[]) AS treated, LATERAL generate_series(1, n)
	OFFSET 0
) AS unit
GROUP BY n, experiment, segment;

INSERT INTO rate
SELECT 'heterogeneity', format('5 segments of %s + %s', n, n), figure, promised, nominal, count(*), count(*) FILTER (WHERE hit)
FROM (
	SELECT n, heterogeneity(moments_select(m, '{1}')) AS same, heterogeneity(moments_select(m, '{2}')) AS differs
	FROM segment
	GROUP BY n, experiment
	OFFSET 0
) AS answer,
	LATERAL (VALUES ('p <= 0.05, one effect', '=', 0.05, (same).p_value <= 0.05),
		('interval of diff holds the effect', '=', 0.95, 0.2 BETWEEN (same).diff_low AND (same).diff_high),
		('p <= 0.05, effects from 0.3 to 0.7', NULL, NULL, (differs).p_value <= 0.05)) AS f (figure, promised, nominal, hit)
GROUP BY n, figure, promised, nominal;

-- ---- fourteen days ----

INSERT INTO rate
SELECT 'novelty', '14 days of 100 + 100', figure, promised, nominal, count(*), count(*) FILTER (WHERE hit)
FROM (
	SELECT novelty(day, a.diff, a.std_error) AS steady, novelty(day, b.diff, b.std_error) AS fading
	FROM (
		SELECT experiment, day, moments_agg(ARRAY[y, y - 0.02 * day * treated::int],
			CASE WHEN treated THEN 'treatment' ELSE 'control' END) AS m
		FROM (
			SELECT experiment, day, treated, normal() + 0.4 * treated::int AS y
			FROM generate_series(1, (:experiments + 3) / 4) AS experiment, generate_series(1, 14) AS day,
				unnest('{false,true}'::boolean[]) AS treated, generate_series(1, 100)
			OFFSET 0
		) AS unit
		GROUP BY experiment, day
	) AS state, welch_t(m, metric => 1) AS a, welch_t(m, metric => 2) AS b
	GROUP BY experiment
	OFFSET 0
) AS answer,
	LATERAL (VALUES ('p <= 0.05, a steady effect', '=', 0.05, (steady).p_value <= 0.05),
		('interval of slope holds -0.02', '=', 0.95, -0.02 BETWEEN (fading).slope_low AND (fading).slope_high),
		('p <= 0.05, slope -0.02', NULL, NULL, (fading).p_value <= 0.05)) AS f (figure, promised, nominal, hit)
GROUP BY figure, promised, nominal;
