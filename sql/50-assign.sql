-- Assignment of units to variants.

CREATE FUNCTION farm_fingerprint(data text) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION farm_fingerprint(text) IS
'FarmHash Fingerprint64 of the text''s bytes, as BigQuery''s FARM_FINGERPRINT';

CREATE FUNCTION farm_fingerprint(data bytea) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION farm_fingerprint(bytea) IS
'FarmHash Fingerprint64, as BigQuery''s FARM_FINGERPRINT';

CREATE FUNCTION assign_bucket(unit text, salt text, method text DEFAULT 'farm_fingerprint')
RETURNS float8
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION assign_bucket(text, text, text) IS
'place of a unit in [0, 1) under a salt';

CREATE FUNCTION assign_variant(
	unit text,
	salt text,
	variants text[],
	weights float8[] DEFAULT NULL,
	coverage float8 DEFAULT 1
) RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION assign_variant(text, text, text[], float8[], float8) IS
'variant of a unit under a salt; NULL outside the coverage; raising the coverage moves nobody';
