-- Values of the stored types in all forms in which they are kept, as CSV: the fixtures of test/data/states,
-- written once by each released version.  See "How to release" in CONTRIBUTING.md.
\set ON_ERROR_STOP on
\set QUIET on
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS expstat;
BEGIN;
\ir disk.sql

-- Units whose values look random and are the same everywhere.
CREATE TEMP TABLE units AS
SELECT i, i::text AS unit, (hashint4(i) & 1023) / 8.0::float8 AS y, (hashint4(-i) & 255)::float8 AS x,
	   CASE (hashint4(i + 1000000) & 3) WHEN 0 THEN 'control' WHEN 1 THEN 'control' ELSE 'treatment' END AS variant
FROM generate_series(1, 500) AS i;

CREATE TEMP TABLE labels AS
SELECT i, label FROM unnest(ARRAY['', ' ', '"', '\', '''', E'\n', E'\t', E'\x01', E'\x7f', 'a,b', '{"n": 1}', 'NULL', 'ünï',
	'日本語', '😀', 'é', 'é', repeat('x', 255), repeat('ß', 127)]) WITH ORDINALITY AS l (label, i);

CREATE TEMP TABLE kept_moments AS
SELECT 'two variants' AS name, moments_agg(y, variant) AS m FROM units
UNION ALL SELECT 'two metrics', moments_agg(y, x, variant) FROM units
UNION ALL SELECT 'seven metrics', moments_agg(ARRAY[y, x, y * x, y - x, x / 3, 1, 0], variant) FROM units
UNION ALL SELECT '64 metrics', moments_agg(ARRAY(SELECT ((j * i) % 7)::float8 FROM generate_series(1, 64) AS j), variant) FROM units WHERE i <= 9
UNION ALL SELECT 'without covariances', moments_diagonal_agg(ARRAY[y, x, y * x], variant) FROM units
UNION ALL SELECT 'a thousand metrics', moments_diagonal_agg(ARRAY(SELECT ((j * i) % 7)::float8 FROM generate_series(1, 1000) AS j), variant) FROM units WHERE i <= 9
UNION ALL SELECT 'one unit', moments_agg(y, variant) FROM units WHERE i = 1
UNION ALL SELECT 'one variant', moments_agg(y, variant) FROM units WHERE variant = 'control'
UNION ALL SELECT 'no variant', '{"version": 1, "metrics": 1, "variants": {}}'
UNION ALL SELECT 'no metric', '{"version": 1, "metrics": 0, "variants": {"a": {"n": 2, "mean": [], "comoments": []}}}'
UNION ALL SELECT 'eight variants', moments_agg(y, chr(97 + i % 8)) FROM units
UNION ALL SELECT 'nine variants', moments_agg(y, chr(97 + i % 9)) FROM units
UNION ALL SELECT 'a hundred variants', moments_agg(y, 'variant ' || i % 100) FROM units
UNION ALL SELECT 'odd labels', moments_agg(i + j * j, label) FROM labels, generate_series(1, 3) AS j
UNION ALL SELECT 'mean 1e12', moments_agg(1e12 + y / 128, variant) FROM units
UNION ALL SELECT 'thirds', moments_agg(i / 3.0::float8, variant) FROM units
UNION ALL SELECT 'constant', moments_agg(0.1::float8, variant) FROM units
UNION ALL SELECT 'zeros', moments_agg(-0.0::float8, variant) FROM units
UNION ALL SELECT 'huge', moments_agg(y * 1e148, variant) FROM units
UNION ALL SELECT 'huge, one unit', moments_agg(1.7976931348623157e308::float8, variant) FROM units WHERE i = 1
UNION ALL SELECT 'tiny', moments_agg(5e-324::float8 * i, variant) FROM units
UNION ALL SELECT 'negative', moments_agg(-y, variant) FROM units
UNION ALL SELECT 'proportion', moments_agg((y > 64)::int, variant) FROM units
UNION ALL SELECT 'merged', moments_agg(m) FROM (SELECT moments_agg(y, variant) AS m FROM units GROUP BY i % 10) AS s
UNION ALL SELECT 'projected', moments_project(moments_agg(y, x, variant), '{1,-0.5}') FROM units
UNION ALL SELECT '2^53 units', '{"version": 1, "metrics": 1, "variants": {"a": {"n": 9007199254740992, "mean": [0.1], "residual": [-3.5], "comoments": [1e15]}, "b": {"n": 2, "mean": [0.3], "comoments": [0.02]}}}'
-- What an aggregate's state has on its way to another node of a distributed table.
UNION ALL SELECT 'with a control', '{"version": 1, "metrics": 1, "control": "ü", "variants": {"a": {"n": 5, "mean": [0.1], "comoments": [1]}, "ü": {"n": 2, "mean": [0.3], "comoments": [0.02]}}}'
UNION ALL SELECT 'with weights', '{"version": 1, "metrics": 0, "weights": {"a": 1, "b": 0.5}, "variants": {"a": {"n": 200, "mean": [], "comoments": []}, "b": {"n": 100, "mean": [], "comoments": []}}}';

CREATE TEMP TABLE kept_bootstraps AS
SELECT 'a metric' AS name, 'mean' AS kind, bootstrap_agg(unit, y, variant, 100, 0) AS b FROM units
UNION ALL SELECT 'a ratio', 'ratio', bootstrap_agg(unit, y, x + 1, variant, 100, 42) FROM units
UNION ALL SELECT 'a table of values', 'quantile', bootstrap_agg(y, variant, 500, -1) FROM units
UNION ALL SELECT 'many values', 'quantile', bootstrap_agg(y + i / 3.0::float8, variant, 100, 7) FROM units, generate_series(1, 9)
UNION ALL SELECT 'the highest number of replicates', 'quantile', bootstrap_agg(y, variant, 10000, 9223372036854775807) FROM units WHERE i <= 50
UNION ALL SELECT 'one unit', 'mean', bootstrap_agg(unit, y, variant, 101, 0) FROM units WHERE i = 1
UNION ALL SELECT 'odd labels of means', 'mean', bootstrap_agg(i::text, i + j * j, label, 100, 0) FROM labels, generate_series(1, 3) AS j WHERE i <= 9 OR i > 17
UNION ALL SELECT 'odd labels of values', 'quantile', bootstrap_agg(i + j * j, label, 100, 0) FROM labels, generate_series(1, 3) AS j WHERE i IN (1, 8, 18)
UNION ALL SELECT 'huge', 'mean', bootstrap_agg(unit, y * 1e305, variant, 100, 0) FROM units
UNION ALL SELECT 'tiny', 'mean', bootstrap_agg(unit, 5e-324::float8 * i, variant, 100, 0) FROM units
UNION ALL SELECT 'huge and tiny', 'quantile', bootstrap_agg(CASE i % 3 WHEN 0 THEN -1.7976931348623157e308 WHEN 1 THEN 5e-324 ELSE -0.0 END::float8, variant, 100, 0) FROM units
UNION ALL SELECT 'merged', 'mean', bootstrap_agg(b) FROM (SELECT bootstrap_agg(unit, y, variant, 100, 0) AS b FROM units GROUP BY i % 5) AS s;

COPY (
	SELECT 'moments' AS type, name, m::text AS text, moments_send(m) AS binary, m::disk::text AS disk,
		   (SELECT jsonb_agg(s) FROM moments_summary(m) AS s) AS summary,
		   CASE WHEN m::jsonb ->> 'metrics' <> '0' THEN (SELECT jsonb_agg(c) FROM welch_t(m) AS c) END AS answer
	FROM kept_moments
	UNION ALL
	SELECT 'bootstrap', name, b::text, bootstrap_send(b), b::disk::text, to_jsonb(kind),
		   CASE kind
			   WHEN 'mean' THEN (SELECT jsonb_agg(c) FROM bootstrap_mean(b) AS c)
			   WHEN 'ratio' THEN (SELECT jsonb_agg(c) FROM bootstrap_ratio(b) AS c)
			   ELSE (SELECT jsonb_agg(c) FROM bootstrap_quantile(b, p => 0.75) AS c)
		   END
	FROM kept_bootstraps
) TO STDOUT (FORMAT csv, HEADER);
ROLLBACK;
