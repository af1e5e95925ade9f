-- mann_whitney, against published examples.

-- Permeability of the chorioamnion (Hollander and Wolfe 1973, p. 69f), as in R's
-- example(wilcox.test): W = 35, one-sided p-value = 0.1272.
CREATE TEMP TABLE permeability AS
	SELECT unnest(ARRAY[0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]::float8[]) AS y, 'at term' AS v
	UNION ALL
	SELECT unnest(ARRAY[1.15, 0.88, 0.90, 0.74, 1.21]), '12 to 26 weeks';
SELECT variant, control, n, n_control, u, round(p_value::numeric, 4) AS p, round((p_value / 2)::numeric, 4) AS one_sided,
	superiority, method
FROM (SELECT (mann_whitney(y, v, '12 to 26 weeks')).* FROM permeability) r;

-- Student's sleep data; R: wilcox.test(extra ~ group, data = sleep) has W = 25.5, p-value = 0.06933.
CREATE TEMP TABLE sleep AS
	SELECT unnest(ARRAY[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]::float8[]) AS extra, '1' AS drug
	UNION ALL
	SELECT unnest(ARRAY[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]), '2';
SELECT variant, u, round(z::numeric, 4) AS z, round(p_value::numeric, 5) AS p, method
FROM (SELECT (mann_whitney(extra, drug, '2', true)).* FROM sleep
	UNION ALL SELECT (mann_whitney(extra, drug, '2', false)).* FROM sleep) r;

-- Shoulder pain (Neubert and Brunner 2007), R: lawstat::brunner.munzel.test gives P(X<Y)+.5*P(X=Y) = 0.788961.
SELECT variant, n, n_control, round(superiority::numeric, 6) AS superiority,
	round(superiority_low::numeric, 4) AS low, round(superiority_high::numeric, 4) AS high
FROM (
	SELECT (mann_whitney(y, v)).*
	FROM (
		SELECT unnest('{1,2,1,1,1,1,1,1,1,1,2,4,1,1}'::float8[]) AS y, 'x' AS v
		UNION ALL
		SELECT unnest('{3,3,4,3,1,2,3,1,1,5,4}'::float8[]), 'y'
	) pain
) r;

-- The variant differs from row to row, so it cannot be a direct argument; it is sorted with the metric.
SELECT mann_whitney(drug) WITHIN GROUP (ORDER BY extra, drug) FROM sleep;
SELECT mann_whitney(NULL) WITHIN GROUP (ORDER BY extra, drug) = mann_whitney(extra, drug) AS same FROM sleep;

-- Segments, FILTER, thin segments.
\pset null (null)
SELECT part, (mann_whitney(extra, drug) FILTER (WHERE extra > -1)).*
FROM sleep, (VALUES ('all', -9), ('above 4', 4)) AS s (part, above)
WHERE extra > above
GROUP BY part ORDER BY part;
SELECT (mann_whitney(extra, drug, 'x')).* FROM sleep;
\pset null ''

-- Errors.
SELECT mann_whitney(extra, drug || (extra > 3)::text) FROM (SELECT * FROM sleep ORDER BY extra) s;
SELECT mann_whitney(extra, drug, drug) FROM sleep;
SELECT mann_whitney('NaN', drug) FROM sleep;
SELECT mann_whitney(extra, drug) OVER () FROM sleep;
SELECT mann_whitney(drug) WITHIN GROUP (ORDER BY extra) FROM sleep;

-- It sorts in files when work_mem is full, with the same result.
CREATE TEMP TABLE many AS
	SELECT (hashint4(i) % 100000)::float8 AS y, CASE WHEN hashint4(-i) % 2 = 0 THEN 'a' ELSE 'b' END AS v
	FROM generate_series(1, 50000) AS i;
CREATE TEMP TABLE answers AS SELECT mann_whitney(y, v) AS a FROM many;
SET work_mem = '64kB';
INSERT INTO answers SELECT mann_whitney(y, v) FROM many;
INSERT INTO answers SELECT mann_whitney(NULL) WITHIN GROUP (ORDER BY y, v) FROM many;
SELECT count(*), count(DISTINCT a) FROM answers;

-- A hashed aggregate is rescanned without being built again: its samples are read once more.
RESET work_mem; -- else the table of the groups spills, and is built again
SET enable_sort = off;
SET enable_material = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET max_parallel_workers_per_gather = 0;
ANALYZE many;
CREATE TEMP TABLE days AS SELECT generate_series(1, 3) AS day;
CREATE TEMP VIEW repeated AS
	SELECT * FROM days LEFT JOIN (
		SELECT y < 0 AS negative, mann_whitney(y, v) AS m, trimmed_t(y, v, 0.1) AS t
		FROM many GROUP BY y < 0) AS s ON day > 0;
EXPLAIN (COSTS OFF) SELECT * FROM repeated;
SELECT count(*), count(DISTINCT day), count(DISTINCT m), count(DISTINCT t) FROM repeated;
