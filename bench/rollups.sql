-- What a scorecard over stored states costs: 50 metrics, 3 variants, 20 segments, 30 daily cohorts.
-- On a private server:
--
--   script/with-server -c shared_buffers=1GB -c max_parallel_workers_per_gather=0 psql -X -q -f bench/rollups.sql
--
-- A state is as large for 90 units as for 90 million, so these are of few units; one of the queries shows that
-- many cost no more.
\set QUIET on
\pset footer off
SET jit = off;
CREATE EXTENSION expstat;
SELECT setseed(0.5) \g /dev/null

CREATE TABLE cohorts AS
SELECT day, segment,
       moments_agg(ARRAY(SELECT CASE WHEN k % 3 = 0 THEN (random() < 0.1)::int ELSE k * random() * i END
                         FROM generate_series(1, 50) AS k), 'variant-' || i % 3) AS m
FROM generate_series(1, 30) AS day, generate_series(1, 20) AS segment, generate_series(1, 90) AS i
GROUP BY day, segment;
CREATE TABLE cohort_metrics AS
SELECT day, segment, k AS metric, moments_select(m, ARRAY[k]) AS m FROM cohorts, generate_series(1, 50) AS k;
CREATE TABLE totals AS SELECT segment, moments_agg(m) AS m FROM cohorts GROUP BY segment;
CREATE TABLE total_metrics AS SELECT segment, metric, moments_agg(m) AS m FROM cohort_metrics GROUP BY segment, metric;
CREATE TABLE large_totals (LIKE totals);
INSERT INTO large_totals
WITH RECURSIVE doubled AS (
	SELECT segment, m, 1 AS i FROM totals
	UNION ALL
	SELECT segment, moments_merge(m, m), i + 1 FROM doubled WHERE i < 20
)
SELECT segment, m FROM doubled WHERE i = 20;
CREATE TABLE loaded AS SELECT * FROM cohorts;
ALTER TABLE loaded ADD PRIMARY KEY (day, segment);
VACUUM ANALYZE cohorts, loaded, cohort_metrics, totals, total_metrics, large_totals;

CREATE TEMP TABLE queries (id int, title text, query text);
INSERT INTO queries VALUES
(1, 'a state of 50 metrics: merge 30 days x 20 segments, then compare', 'SELECT segment, k AS metric, c.* FROM (SELECT segment, moments_agg(m) AS m FROM cohorts GROUP BY segment) AS s, generate_series(1, 50) AS k, welch_t(s.m, metric => k) AS c'),
(2, '  of which merging', 'SELECT segment, moments_agg(m) AS p_value FROM cohorts GROUP BY segment'),
(3, 'a state of 50 metrics: totals by segment, compared', 'SELECT segment, k AS metric, c.* FROM (SELECT segment, moments_agg(m) AS m FROM totals GROUP BY segment) AS s, generate_series(1, 50) AS k, welch_t(s.m, metric => k) AS c'),
(4, '  the same, of half a million times as many units', 'SELECT segment, k AS metric, c.* FROM (SELECT segment, moments_agg(m) AS m FROM large_totals GROUP BY segment) AS s, generate_series(1, 50) AS k, welch_t(s.m, metric => k) AS c'),
(5, 'a row per metric: merge 30 days x 20 segments x 50 metrics, compare', 'SELECT segment, metric, c.* FROM (SELECT segment, metric, moments_agg(m) AS m FROM cohort_metrics GROUP BY segment, metric) AS s, welch_t(s.m) AS c'),
(6, '  of which merging', 'SELECT segment, metric, moments_agg(m) AS p_value FROM cohort_metrics GROUP BY segment, metric'),
(7, 'a row per metric: totals by segment, compared', 'SELECT segment, metric, c.* FROM total_metrics AS s, welch_t(s.m) AS c');

UPDATE queries SET query = format('SELECT count(p_value) FROM (%s OFFSET 0) AS q', query);
INSERT INTO queries VALUES
(8, 'an hour''s upsert: 20 segments, a state of 50 metrics each', 'INSERT INTO loaded AS r SELECT day, segment, m FROM cohorts WHERE day = 30 ORDER BY day, segment ON CONFLICT (day, segment) DO UPDATE SET m = moments_merge(r.m, excluded.m)');

-- Time on the clock, and of the processor (Linux), which other work on the machine disturbs less.
CREATE FUNCTION pg_temp.measure(query text, OUT ms float8, OUT cpu_ms float8) LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz := clock_timestamp();
	cpu_started float8 := split_part(pg_read_file('/proc/self/schedstat'), ' ', 1);
BEGIN
	EXECUTE query;
	cpu_ms := (split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 - cpu_started) / 1e6;
	ms := 1000 * extract(epoch FROM clock_timestamp() - started);
END
$$;
CREATE TEMP TABLE times AS
SELECT run, id, t.ms, t.cpu_ms
FROM (SELECT * FROM generate_series(0, 20) AS run, queries ORDER BY run, id OFFSET 0) AS q, pg_temp.measure(query) AS t;

SELECT relname AS "table", reltuples::int AS rows, pg_size_pretty(pg_total_relation_size(oid)) AS size
FROM pg_class WHERE oid = ANY ('{cohorts,cohort_metrics,totals,total_metrics}'::regclass[]) ORDER BY oid;
SELECT title, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric(6, 1) AS median_ms, min(ms)::numeric(6, 1) AS fastest_ms,
	avg(cpu_ms)::numeric(6, 1) AS cpu_ms
FROM times JOIN queries USING (id) WHERE run > 0 GROUP BY id, title ORDER BY id;
