-- Assignment of units to variants, and to the experiments of a layer.

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
	coverage float8 DEFAULT 1,
	method text DEFAULT 'farm_fingerprint'
) RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION assign_variant(text, text, text[], float8[], float8, text) IS
'variant of a unit under a salt; NULL outside the coverage; raising the coverage moves nobody';

CREATE FUNCTION assign_layer(
	unit text,
	layer text,
	experiments text[],
	ranges float8[],
	holdout float8 DEFAULT 0,
	holdout_salt text DEFAULT 'holdout',
	method text DEFAULT 'farm_fingerprint'
) RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION assign_layer(text, text, text[], float8[], float8, text, text) IS
'the one experiment of a layer that a unit is in; NULL in the holdout and outside all ranges';
