-- Sample ratio mismatch.

CREATE TYPE srm_result AS (
	chi2 float8,
	df integer,
	p_value float8,
	n bigint,
	observed bigint[],
	expected float8[]
);
COMMENT ON TYPE srm_result IS
'chi-square test that the variants'' sizes are in the proportion of their weights; arrays in the order of the labels (C collation), or as given';

CREATE FUNCTION srm_accum(moments, text, jsonb) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION srm_accum(moments, text, jsonb) IS 'aggregate transition function';

CREATE FUNCTION srm_final(moments) RETURNS srm_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION srm_final(moments) IS 'aggregate final function';

CREATE AGGREGATE srm(variant text, weights jsonb) (
	SFUNC = srm_accum, STYPE = moments, SSPACE = 256,
	COMBINEFUNC = moments_combine, FINALFUNC = srm_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE srm(text, jsonb) IS
'sample ratio mismatch check of units by variant, against weights such as {"control": 1, "treatment": 1}';

CREATE FUNCTION srm(observed bigint[], weights float8[]) RETURNS srm_result
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION srm(bigint[], float8[]) IS
'sample ratio mismatch check of counts of units against weights';

