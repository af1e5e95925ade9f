-- The same answer from every plan: parallel, partition-wise, grouped, windowed.
CREATE TABLE metrics (unit int, variant text, y float8, x float8) PARTITION BY HASH (unit);
CREATE TABLE metrics_0 PARTITION OF metrics FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE metrics_1 PARTITION OF metrics FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO metrics
	SELECT i, CASE WHEN i % 3 = 0 THEN 'treatment' ELSE 'control' END, (i * 7919 % 1000) / 10.0, (i * 104729 % 997) / 7.0
	FROM generate_series(1, 20000) i;
ANALYZE metrics;
CREATE TEMP TABLE serial AS SELECT welch_t(y, variant) AS c, srm(variant, '{"control": 2, "treatment": 1}') AS s FROM metrics;

CREATE FUNCTION close(a float8, b float8) RETURNS boolean IMMUTABLE LANGUAGE sql AS
	'SELECT abs(a - b) <= 1e-12 * greatest(abs(a), abs(b))';
-- Counts exactly, numbers to 1e-12: merging rounds in another order.
CREATE FUNCTION agrees(c comparison, s srm_result) RETURNS boolean STABLE LANGUAGE sql AS $$
	SELECT c.n = (r.c).n AND c.n_control = (r.c).n_control AND close(c.diff, (r.c).diff) AND close(c.std_error, (r.c).std_error)
		AND close(c.estimate, (r.c).estimate) AND close(c.df, (r.c).df) AND s = r.s
	FROM serial r
$$;

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT welch_t(y, variant), srm(variant, '{"control": 2, "treatment": 1}') FROM metrics;
SELECT agrees(welch_t(y, variant), srm(variant, '{"control": 2, "treatment": 1}')) AS parallel FROM metrics;
-- The control label travels with the state.
SELECT agrees(welch_t(y, variant, 'control'), srm(variant, '{"control": 2, "treatment": 1}')) AS parallel_control FROM metrics;
-- A FILTER that leaves workers with nothing.
SELECT (welch_t(y, variant) FILTER (WHERE unit IN (3, 4, 5, 6))).n FROM metrics;

SET max_parallel_workers_per_gather = 0;
SET enable_partitionwise_aggregate = on;
EXPLAIN (COSTS OFF) SELECT welch_t(y, variant) FROM metrics;
SELECT agrees(welch_t(y, variant), srm(variant, '{"control": 2, "treatment": 1}')) AS partitionwise FROM metrics;
RESET enable_partitionwise_aggregate;

-- Thousands of groups, hashed and spilling, against the same groups sorted.
SET work_mem = '64kB';
CREATE TEMP TABLE hashed AS SELECT unit % 5000 AS g, moments_agg(y, x, variant) AS m FROM metrics GROUP BY 1;
SET enable_hashagg = off;
CREATE TEMP TABLE sorted AS SELECT unit % 5000 AS g, moments_agg(y, x, variant) AS m FROM metrics GROUP BY 1;
RESET enable_hashagg;
SELECT count(*), count(*) FILTER (WHERE h.m = s.m) AS same FROM hashed h JOIN sorted s USING (g);
SELECT agrees(c, s) AS rolled_up FROM (SELECT moments_agg(moments_select(m, '{1}')) AS m FROM hashed) h, welch_t(h.m) c, serial
WHERE true;

-- Grouping sets: the total is the merge of the groups.
SELECT g, (welch_t(y, variant)).n FROM (SELECT unit % 2 AS g, y, variant FROM metrics) m GROUP BY GROUPING SETS ((g), ()) ORDER BY g;

-- A window: every prefix.
SELECT count(*) FILTER (WHERE abs((running).diff - (again).diff) <= 1e-12 * (again).estimate) AS same, count(*)
FROM (SELECT unit, welch_t(y, variant) OVER (ORDER BY unit) AS running FROM metrics WHERE unit <= 100) r,
	LATERAL (SELECT welch_t(y, variant) AS again FROM metrics WHERE unit <= r.unit) a
WHERE unit > 3;

-- A dump and its restoration.
CREATE TABLE stored AS SELECT unit % 7 AS segment, moments_agg(y, variant) AS m FROM metrics GROUP BY 1;
CREATE TABLE restored (LIKE stored);
\copy stored TO 'results/stored.bin' (FORMAT binary)
\copy restored FROM 'results/stored.bin' (FORMAT binary)
SELECT count(*) AS same FROM stored JOIN restored USING (segment) WHERE stored.m = restored.m;
DROP TABLE metrics, stored, restored CASCADE;
