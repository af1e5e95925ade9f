-- What users of expstat keep in a database.
CREATE TABLE units AS
SELECT i, i::text AS unit, (hashint4(i) & 1023) / 8.0::float8 AS y, (hashint4(-i) & 255)::float8 AS x,
       CASE WHEN hashint4(i + 1000000) & 1 = 0 THEN 'control' ELSE 'treatment "' || E'\n' || 'ü"' END AS variant
FROM generate_series(1, 500) AS i;
CREATE TABLE states AS SELECT i % 5 AS segment, moments_agg(y, x, variant) AS m FROM units GROUP BY 1;
CREATE INDEX states_hash ON states USING hash (m);
-- Long enough for a TOAST table, and the bootstrap's.
CREATE TABLE wide AS SELECT moments_agg(ARRAY(SELECT y * j FROM generate_series(1, 60) AS j), variant) AS m FROM units;
CREATE TABLE bootstraps AS SELECT bootstrap_agg(unit, y, variant, 500, 7) AS b FROM units;
CREATE TABLE results_kept AS SELECT w AS result, (w).p_value FROM states, welch_t(m) AS w;
CREATE TABLE states_by_type (m moments CHECK (m <> '{"version": 1, "metrics": 1, "variants": {}}'), ms moments[]);
INSERT INTO states_by_type SELECT (array_agg(m))[1], array_agg(m ORDER BY segment) FROM states;
CREATE VIEW results AS SELECT segment, w.* FROM states, welch_t(m, alpha => 0.1) AS w;
CREATE MATERIALIZED VIEW together AS SELECT moments_agg(m) AS m FROM states;
CREATE VIEW direct AS SELECT (mann_whitney(y, variant)).*, (quantile_compare(0.5) WITHIN GROUP (ORDER BY y, variant)).diff AS median FROM units;
CREATE FUNCTION latest() RETURNS SETOF comparison LANGUAGE sql BEGIN ATOMIC SELECT w.* FROM together, welch_t(m) AS w; END;
CREATE TABLE log AS SELECT unit, variant, '2026-01-01'::timestamptz + i * interval '10 min' AS exposed_at FROM units;
CREATE VIEW health AS SELECT * FROM exposure_health('log', 'unit', 'variant', 'exposed_at', (SELECT array_agg(DISTINCT variant) FROM units));
CREATE TABLE generated (unit text, bucket float8 GENERATED ALWAYS AS (assign_bucket(unit, 'salt')) STORED);
INSERT INTO generated SELECT unit FROM units;
CREATE INDEX generated_variant ON generated (assign_variant(unit, 'salt', '{a,b}'));
