-- Public hash functions.

CREATE FUNCTION farm_fingerprint(data text) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION farm_fingerprint(text) IS
'FarmHash Fingerprint64 of the text''s bytes, as BigQuery''s FARM_FINGERPRINT';

CREATE FUNCTION farm_fingerprint(data bytea) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION farm_fingerprint(bytea) IS
'FarmHash Fingerprint64, as BigQuery''s FARM_FINGERPRINT';

CREATE FUNCTION murmur3_32(data text, seed int DEFAULT 0) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION murmur3_32(text, int) IS
'MurmurHash3_x86_32 of the text''s bytes, from 0 to 2^32 - 1';

CREATE FUNCTION murmur3_32(data bytea, seed int DEFAULT 0) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION murmur3_32(bytea, int) IS
'MurmurHash3_x86_32, from 0 to 2^32 - 1';

-- Seeds from 2^31, which integer does not hold.  Not bigint: of integer and bigint PostgreSQL could not choose for a
-- smallint or an untyped seed; of float8, which it prefers, it can.
CREATE FUNCTION murmur3_32(data text, seed float8) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'murmur3_32_any_seed';
COMMENT ON FUNCTION murmur3_32(text, float8) IS
'MurmurHash3_x86_32 of the text''s bytes, from 0 to 2^32 - 1; any seed of 32 bits, as an unsigned number too';

CREATE FUNCTION murmur3_32(data bytea, seed float8) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'murmur3_32_any_seed';
COMMENT ON FUNCTION murmur3_32(bytea, float8) IS
'MurmurHash3_x86_32, from 0 to 2^32 - 1; any seed of 32 bits, as an unsigned number too';

CREATE FUNCTION fnv1a_32(data text) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION fnv1a_32(text) IS
'FNV-1a of the text''s bytes, 32 bits, from 0 to 2^32 - 1';

CREATE FUNCTION fnv1a_32(data bytea) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION fnv1a_32(bytea) IS
'FNV-1a, 32 bits, from 0 to 2^32 - 1';

CREATE FUNCTION sha1_60(data text) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sha1_60(text) IS
'the first 15 hexadecimal digits of the SHA-1 of the text''s bytes, from 0 to 2^60 - 1';

CREATE FUNCTION sha1_60(data bytea) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sha1_60(bytea) IS
'the first 15 hexadecimal digits of the SHA-1, from 0 to 2^60 - 1';
