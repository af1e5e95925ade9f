-- Sample ratio mismatch, watched while the experiment runs.

CREATE TYPE srm_sequential_result AS (
	log_bayes_factor float8,
	p_value float8,
	n bigint,
	observed bigint[],
	expected float8[]
);
COMMENT ON TYPE srm_sequential_result IS
'anytime-valid test that the variants'' sizes are in the proportion of their weights: the p-value holds however often one looks';

CREATE FUNCTION srm_sequential(
	observed bigint[],
	weights float8[],
	concentration float8 DEFAULT 10000
) RETURNS srm_sequential_result
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION srm_sequential(bigint[], float8[], float8) IS
'anytime-valid sample ratio mismatch test of the counts of units so far against weights';

CREATE FUNCTION srm_sequential_final(moments) RETURNS srm_sequential_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION srm_sequential_final(moments) IS 'aggregate final function';

CREATE AGGREGATE srm_sequential(variant text, weights jsonb) (
	SFUNC = srm_accum, STYPE = moments, SSPACE = 256,
	COMBINEFUNC = moments_combine, FINALFUNC = srm_sequential_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE srm_sequential(text, jsonb) IS
'anytime-valid sample ratio mismatch test of the units so far by variant, against weights such as {"control": 1, "treatment": 1}';

-- Looks come in an order, so their aggregates cannot be combined.
CREATE FUNCTION srm_sequential_accum(srm_sequential_result, bigint[], float8[])
RETURNS srm_sequential_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION srm_sequential_accum(srm_sequential_result, bigint[], float8[]) IS
'aggregate transition function';

CREATE FUNCTION srm_sequential_accum(srm_sequential_result, bigint[], float8[], float8)
RETURNS srm_sequential_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION srm_sequential_accum(srm_sequential_result, bigint[], float8[], float8) IS
'aggregate transition function';

CREATE AGGREGATE srm_sequential_agg(observed bigint[], weights float8[]) (
	SFUNC = srm_sequential_accum, STYPE = srm_sequential_result, SSPACE = 256, PARALLEL = SAFE
);
COMMENT ON AGGREGATE srm_sequential_agg(bigint[], float8[]) IS
'anytime-valid sample ratio mismatch test over looks: the new units of each look, OVER (ORDER BY look); the p-value is the smallest so far';

CREATE AGGREGATE srm_sequential_agg(observed bigint[], weights float8[], concentration float8) (
	SFUNC = srm_sequential_accum, STYPE = srm_sequential_result, SSPACE = 256, PARALLEL = SAFE
);
COMMENT ON AGGREGATE srm_sequential_agg(bigint[], float8[], float8) IS
'anytime-valid sample ratio mismatch test over looks, the concentration given';
