-- A scan of expstat's own: off by default; the same answers to the last bit, the same rights,
-- conditions and snapshots as a sequential scan, which stays part of the plan.
LOAD 'expstat';
SHOW expstat.enable_moments_scan;
SET max_parallel_workers_per_gather = 0;

-- Rows of all kinds: NULLs, text before and after, a dropped column, columns added later.
CREATE TABLE scanned (flag boolean, note text, small smallint, y float8, gone int, variant text, x real, n bigint, day date,
	seen timestamptz, success boolean, arm int);
INSERT INTO scanned
	SELECT i % 7 = 0, CASE WHEN i % 5 > 0 THEN repeat('é', i % 50) END, i % 100, CASE WHEN i % 11 > 0 THEN (i * 7919 % 1000) / 10.0 END,
		i, CASE WHEN i % 13 > 0 THEN (ARRAY['control', 'treatment', ''])[1 + i % 3] END, CASE WHEN i % 17 > 0 THEN i / 3.0 END,
		i::bigint * 1000000007, date '2026-01-01' + i % 60, timestamptz '2026-01-01 00:00Z' + i * interval '1 minute',
		CASE WHEN i % 19 > 0 THEN i % 4 = 0 END, i % 3
	FROM generate_series(1, 5000) i;
ALTER TABLE scanned DROP COLUMN gone;
ALTER TABLE scanned ADD COLUMN z float8 DEFAULT 2.5, ADD COLUMN label text DEFAULT 'before';
INSERT INTO scanned SELECT flag, note, small, y, variant, x, n, day, seen, success, arm, y / 3, 'after' FROM scanned WHERE small < 50;
DELETE FROM scanned WHERE small = 7;
UPDATE scanned SET y = y + 1 WHERE small = 8;
ANALYZE scanned;

EXPLAIN (COSTS OFF) SELECT welch_t(y, variant) FROM scanned;
SET expstat.enable_moments_scan = on;
EXPLAIN (COSTS OFF) SELECT welch_t(y, variant) FROM scanned;
EXPLAIN (VERBOSE, COSTS OFF)
SELECT moments_agg(y, variant), moments_agg(ARRAY[y, n], arm::text) FROM scanned WHERE small < 50 AND length(note) > 3
HAVING moments_agg(y, variant) IS NOT NULL;
-- PostgreSQL 18 writes rows=1.00.
CREATE FUNCTION executed(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query
	LOOP
		RETURN NEXT regexp_replace(line, '(rows=\d+)\.00', '\1');
	END LOOP;
END
$$;
SELECT executed('SELECT moments_agg(y, variant) FROM scanned WHERE small < 50');

-- Does the plan of a query have the scan, and does the query answer the same with and without?
CREATE FUNCTION scan_used(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
	used boolean := false;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		used := used OR line LIKE '%MomentsScan%';
	END LOOP;
	RETURN used;
END
$$;
CREATE FUNCTION answer(query text, enabled boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM set_config('expstat.enable_moments_scan', enabled::text, true);
	EXECUTE 'SELECT string_agg(r::text, E''\n'') FROM (' || query || ') r' INTO result;
	PERFORM set_config('expstat.enable_moments_scan', 'on', true);
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	PERFORM set_config('expstat.enable_moments_scan', 'on', true);
	RETURN format('%s: %s', SQLSTATE, SQLERRM);
END
$$;
CREATE TABLE queries (number int GENERATED ALWAYS AS IDENTITY, query text);
CREATE FUNCTION try_queries() RETURNS TABLE (query text, scan boolean, same boolean) LANGUAGE sql AS $$
	SELECT query, scan_used(query), answer(query, true) IS NOT DISTINCT FROM answer(query, false) FROM queries ORDER BY number
$$;

-- What it takes.
INSERT INTO queries (query) VALUES
	('SELECT moments_agg(y, variant) FROM scanned'),
	('SELECT moments_agg(x, variant) FROM scanned'),
	('SELECT moments_agg(small, variant), moments_agg(n, variant), moments_agg(z, label) FROM scanned'),
	('SELECT moments_agg(y, x, variant) FROM scanned'),
	('SELECT moments_agg(ARRAY[y, x, z, n, small], variant) FROM scanned'),
	('SELECT moments_agg(y, arm::text), moments_agg(y, small::text) FROM scanned'),
	('SELECT welch_t(y, arm::text, ''0'') FROM scanned WHERE arm < 2'),
	('SELECT delta_ratio(y, z, arm::text, ''1''), delta_ratio(y, z, arm::text) FROM scanned WHERE arm < 2'),
	('SELECT cuped_adjust(y, x, arm::text), cuped_adjust(y, x, arm::text, ''1'') FROM scanned WHERE arm < 2'),
	('SELECT proportion_z(success, arm::text), proportion_z(success, arm::text, ''0'') FROM scanned WHERE arm < 2'),
	('SELECT (welch_t(y, arm::text)).p_value + 1, welch_t(z, arm::text) FROM scanned WHERE arm < 2'),
	('SELECT 1 FROM scanned HAVING moments_agg(y, variant) IS NOT NULL'),
	('SELECT m.*, welch_t(m, ''control'') FROM (SELECT moments_agg(y, variant) AS m FROM scanned) m'),
	('SELECT moments_agg(y, variant), moments_agg(y, variant) FROM ONLY scanned AS s'),
	('SELECT moments_agg(y, variant), count(*) OVER () FROM scanned'),
	('WITH s AS (SELECT * FROM scanned) SELECT moments_agg(y, variant) FROM s WHERE n > 5');
SELECT * FROM try_queries();

-- Conditions, by the filter and by the executor.
TRUNCATE queries;
INSERT INTO queries (query) SELECT 'SELECT moments_agg(z, label), moments_agg(y, variant) FROM scanned WHERE ' || condition FROM unnest(ARRAY[
	'small < 20', 'small <= 20::bigint', 'small = 20', 'small >= 20', 'small > 20', 'small <> 20', '20 > small',
	'n > 3000000000', 'arm = 2', 'arm > 1.5', 'x < 500', 'x >= 333.3333', 'x = 100::real', 'y > 50', 'y <= 50', 'y <> 50', 'y > ''NaN''', 'x <= ''Infinity''',
	'day < ''2026-01-20''', 'day > ''2026-02-20 12:00''::timestamp', 'seen >= ''2026-01-02''', 'seen < ''2026-01-02''::date', 'variant = ''control''', 'variant < ''d''', 'variant = ''''',
	'label = ''after''', 'note = repeat(''é'', 20)', 'variant IS NULL', 'y IS NOT NULL', 'flag', 'NOT flag', 'flag OR success', 'small IN (1, 2, 3)',
	'length(note) > 10 AND small > 10', 'small > 10 AND small < 90 AND y > 10 AND variant = ''control''', 'ctid > ''(3,1)''',
	'tableoid = ''scanned''::regclass', 'xmin IS NOT NULL', 'small > 1000', 'n > (SELECT avg(n) FROM scanned)', 'false', 'NULL', 'random() < 2',
	'note = (SELECT note FROM scanned LIMIT 1 OFFSET 5)', 'scanned IS NOT NULL', 'note COLLATE "C" = ''é''',
	-- Those without a column become a node of their own between the scan and the table.
	'now() > ''2026-01-01''', 'now() > ''2026-01-01'' AND small < 20', 'current_user = ''nobody''', '(SELECT true)', 'EXISTS (SELECT 1 FROM queries)'
]) AS condition;
SELECT * FROM try_queries();

-- What it leaves to PostgreSQL.
CREATE TABLE parent (y float8, variant text) PARTITION BY LIST (variant);
CREATE TABLE child PARTITION OF parent DEFAULT;
INSERT INTO parent SELECT y, variant FROM scanned WHERE y IS NOT NULL;
CREATE TABLE others (small int);
INSERT INTO others SELECT generate_series(1, 10);
-- Aggregates of somebody's own: with the same transition function, but not the same state.
CREATE AGGREGATE no_combine(float8, text) (SFUNC = moments_accum, STYPE = moments);
CREATE AGGREGATE with_initial(float8, text) (SFUNC = moments_accum, STYPE = moments, COMBINEFUNC = moments_combine,
	INITCOND = '{"version":1,"metrics":1,"variants":{}}');
TRUNCATE queries;
INSERT INTO queries (query) VALUES
	('SELECT variant, moments_agg(y, variant) FROM scanned GROUP BY variant ORDER BY variant'),
	('SELECT moments_agg(y, variant) FROM scanned GROUP BY ()'),
	('SELECT moments_agg(y, variant) FILTER (WHERE small < 5) FROM scanned'),
	('SELECT moments_agg(DISTINCT y, variant) FROM scanned'),
	('SELECT moments_agg(y, variant ORDER BY n) FROM scanned'),
	('SELECT moments_agg(y, variant), count(*) FROM scanned'),
	('SELECT moments_agg(y + 1, variant) FROM scanned'),
	('SELECT moments_agg(coalesce(y, 0), variant) FROM scanned'),
	('SELECT moments_agg(y, upper(variant)) FROM scanned'),
	('SELECT moments_agg(y, ''all'') FROM scanned'),
	('SELECT moments_agg(y, day::text) FROM scanned'),
	('SELECT moments_agg(y, arm::regclass::text) FROM scanned'), -- 0 is '-'
	('SELECT moments_agg(y, (arm - 1)::oid::text), moments_agg(y, arm::oid::text) FROM scanned'),
	('SELECT k, (SELECT moments_agg(y, variant) FROM scanned WHERE k > 1) FROM generate_series(1, 3) k'),
	('SELECT moments_agg(y, variant) FROM scanned TABLESAMPLE BERNOULLI (50) REPEATABLE (1)'),
	('SELECT moments_agg(y, variant) FROM scanned JOIN others USING (small)'),
	('SELECT moments_agg(y, variant) FROM parent'),
	('SELECT moments_agg(y, variant) FROM (SELECT * FROM scanned ORDER BY n LIMIT 100) s'),
	('SELECT moments_agg(y, variant) FROM generate_series(1, 10) y, (VALUES (''a'')) v (variant)'),
	('SELECT no_combine(y, variant) FROM scanned'),
	('SELECT with_initial(y, variant) FROM scanned');
SELECT * FROM try_queries();

-- Compressed and toasted values, in the columns and before them.
CREATE TABLE toasted (payload text, variant text, y float8) WITH (toast_tuple_target = 128);
ALTER TABLE toasted ALTER payload SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT repeat(i::text, 3000), CASE WHEN i % 2 = 0 THEN 'short' ELSE repeat('long', 60) END, i FROM generate_series(1, 200) i;
ANALYZE toasted;
TRUNCATE queries;
INSERT INTO queries (query) VALUES ('SELECT moments_agg(y, variant) FROM toasted'),
	('SELECT moments_agg(y, variant) FROM toasted WHERE variant = repeat(''long'', 60)'),
	('SELECT moments_agg(y, variant) FROM toasted WHERE payload > ''5''');
SELECT * FROM try_queries();

-- Errors are the same.
CREATE TABLE bad (number int, y float8, x float8, variant text);
INSERT INTO bad VALUES (1, 1, 1, 'a'), (2, 'NaN', 1, 'a'), (3, 1, '-Infinity', 'b'), (4, 1, 1, repeat('x', 300));
INSERT INTO bad SELECT 5, i, i, i::text FROM generate_series(1, 1001) i;
INSERT INTO bad SELECT 6, 1, 1, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 3000) i;
ANALYZE bad;
TRUNCATE queries;
INSERT INTO queries (query) SELECT 'SELECT moments_agg(y, variant), moments_agg(y, x, variant), moments_agg(ARRAY[y, x], variant) FROM bad WHERE number = ' || i
	FROM generate_series(1, 6) i;
INSERT INTO queries (query) VALUES ('SELECT welch_t(y, variant, repeat(''x'', 300)) FROM bad WHERE number = 6'),
	('SELECT welch_t(y, variant, NULL) FROM bad WHERE number = 6');
SELECT q.*, answer(q.query, true) LIKE '2____: %' AS error FROM try_queries() q;

-- Empty tables, and changes of the same transaction.
CREATE TABLE changing (y float8, variant text);
SELECT moments_agg(y, variant), welch_t(y, variant) IS NULL AS no_comparison FROM changing;
BEGIN;
INSERT INTO changing SELECT i, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 4000) i;
ANALYZE changing;
SELECT scan_used('SELECT moments_agg(y, variant) FROM changing');
SELECT (welch_t(y, variant)).n FROM changing;
SAVEPOINT before;
DELETE FROM changing WHERE y <= 2000;
UPDATE changing SET y = 0 WHERE y > 3000;
SELECT (c).n, (c).estimate FROM (SELECT welch_t(y, variant) AS c FROM changing) t;
ROLLBACK TO before;
SELECT (c).n, (c).estimate FROM (SELECT welch_t(y, variant) AS c FROM changing) t;
-- A cursor sees the table as it was when it was opened.
DECLARE earlier CURSOR FOR SELECT (welch_t(y, variant)).n FROM changing;
DELETE FROM changing WHERE y <= 2000;
FETCH ALL FROM earlier;
COMMIT;

-- Again and again with other parameters: a correlated subquery, a prepared statement, a function.
SELECT k, (SELECT moments_agg(y, variant) FROM changing WHERE y > k) = (SELECT moments_agg(y + 0, variant) FROM changing WHERE y > k) AS same
	FROM generate_series(2000, 4000, 500) k;
EXPLAIN (COSTS OFF) SELECT k, (SELECT moments_agg(y, variant) FROM changing WHERE y > k) FROM generate_series(2000, 4000, 500) k;
PREPARE above(float8) AS SELECT (welch_t(y, variant)).n FROM changing WHERE y > $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE above(3000);
EXECUTE above(3500);
EXPLAIN (COSTS OFF) EXECUTE above(3500);
PREPARE whether(boolean) AS SELECT (welch_t(y, variant)).n FROM changing WHERE $1;
EXECUTE whether(true);
EXECUTE whether(false);
RESET plan_cache_mode;
CREATE FUNCTION units(at_least float8) RETURNS bigint STABLE LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT (welch_t(y, variant)).n FROM changing WHERE y >= at_least);
END
$$;
SELECT k, units(k) FROM generate_series(2000, 4000, 500) k;

-- Rights: of the columns, and of the aggregate.
CREATE ROLE expstat_scan_reader;
GRANT SELECT (y) ON changing TO expstat_scan_reader;
SET ROLE expstat_scan_reader;
SELECT (welch_t(y, variant)).n FROM changing;
RESET ROLE;
GRANT SELECT (variant) ON changing TO expstat_scan_reader;
SET ROLE expstat_scan_reader;
SELECT (welch_t(y, variant)).n FROM changing;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION welch_t(float8, text) FROM PUBLIC;
SET ROLE expstat_scan_reader;
SELECT (welch_t(y, variant)).n FROM changing;
RESET ROLE;
GRANT EXECUTE ON FUNCTION welch_t(float8, text) TO PUBLIC;

-- Row security: rows that a policy hides neither count nor raise an error, whatever the query's own conditions.
INSERT INTO changing VALUES ('NaN', 'hidden'), (5000, repeat('hidden', 50));
GRANT SELECT ON changing TO expstat_scan_reader;
CREATE POLICY visible ON changing TO expstat_scan_reader USING (length(variant) = 1);
ALTER TABLE changing ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION leak(y float8) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$
BEGIN
	IF y = 'NaN' OR y = 5000 THEN RAISE WARNING 'leaked %', y; END IF;
	RETURN true;
END
$$;
SET ROLE expstat_scan_reader;
EXPLAIN (COSTS OFF) SELECT (welch_t(y, variant)).n FROM changing WHERE y > 3000 AND leak(y);
SELECT (welch_t(y, variant)).n FROM changing WHERE y > 3000 AND leak(y);
RESET ROLE;
SELECT (welch_t(y, variant)).n FROM changing;
-- A view with a security barrier does as well.
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM changing WHERE length(variant) = 1;
SELECT (welch_t(y, variant)).n FROM barrier WHERE leak(y);
ALTER TABLE changing DISABLE ROW LEVEL SECURITY;
DELETE FROM changing WHERE length(variant) > 1;

-- In parallel: the same counts, the same numbers but for rounding.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT welch_t(y, variant) FROM changing;
WITH parallel AS MATERIALIZED (SELECT welch_t(y, variant) AS c FROM changing),
	exact AS MATERIALIZED (SELECT welch_t(y + 0, variant) AS c FROM changing)
SELECT (p.c).n = (e.c).n AND (p.c).n_control = (e.c).n_control AND abs((p.c).std_error / (e.c).std_error - 1) < 1e-12
	AND abs((p.c).diff - (e.c).diff) < 1e-9 AS same FROM parallel p, exact e;

DROP VIEW barrier;
DROP TABLE scanned, parent, others, toasted, bad, changing, queries;
DROP FUNCTION scan_used, answer, try_queries, units, leak;
DROP AGGREGATE no_combine(float8, text);
DROP AGGREGATE with_initial(float8, text);
DROP ROLE expstat_scan_reader;
