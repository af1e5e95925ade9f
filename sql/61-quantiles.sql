-- Not a mean: quantiles.

CREATE FUNCTION sample_accum_unit(internal, float8, text, text) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_accum_unit(internal, float8, text, text) IS 'aggregate transition function';

CREATE FUNCTION quantile_compare_final(internal) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION quantile_compare_final(internal) IS 'aggregate final function';

CREATE FUNCTION quantile_compare_final(internal, float8) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION quantile_compare_final(internal, float8) IS 'aggregate final function';

CREATE FUNCTION quantile_compare_final(internal, float8, text) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION quantile_compare_final(internal, float8, text) IS 'aggregate final function';

CREATE FUNCTION quantile_compare_array_final(internal) RETURNS comparison[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION quantile_compare_array_final(internal) IS 'aggregate final function';

CREATE FUNCTION quantile_compare_array_final(internal, float8[]) RETURNS comparison[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION quantile_compare_array_final(internal, float8[]) IS 'aggregate final function';

CREATE FUNCTION quantile_compare_array_final(internal, float8[], text) RETURNS comparison[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION quantile_compare_array_final(internal, float8[], text) IS 'aggregate final function';

CREATE AGGREGATE quantile_compare(p float8 ORDER BY metric float8, variant text) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8, float8, text) IS
'a quantile of a metric between two variants; rows are units';

CREATE AGGREGATE quantile_compare(p float8, control text ORDER BY metric float8, variant text) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8, text, float8, text) IS
'a quantile of a metric between two variants, the control named; rows are units';

CREATE AGGREGATE quantile_compare(p float8[] ORDER BY metric float8, variant text) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_array_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8[], float8, text) IS
'several quantiles of a metric between two variants; rows are units';

CREATE AGGREGATE quantile_compare(p float8[], control text ORDER BY metric float8, variant text) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_array_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8[], text, float8, text) IS
'several quantiles of a metric between two variants, the control named; rows are units';

CREATE AGGREGATE quantile_compare(p float8 ORDER BY metric float8, variant text, unit text) (
	SFUNC = sample_accum_unit, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8, float8, text, text) IS
'a quantile between two variants of values of which a unit has many; rows are values';

CREATE AGGREGATE quantile_compare(p float8, control text ORDER BY metric float8, variant text, unit text) (
	SFUNC = sample_accum_unit, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8, text, float8, text, text) IS
'a quantile between two variants of values of which a unit has many, the control named; rows are values';

CREATE AGGREGATE quantile_compare(p float8[] ORDER BY metric float8, variant text, unit text) (
	SFUNC = sample_accum_unit, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_array_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8[], float8, text, text) IS
'several quantiles between two variants of values of which a unit has many; rows are values';

CREATE AGGREGATE quantile_compare(p float8[], control text ORDER BY metric float8, variant text, unit text) (
	SFUNC = sample_accum_unit, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_array_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8[], text, float8, text, text) IS
'several quantiles between two variants of values of which a unit has many, the control named; rows are values';

CREATE AGGREGATE quantile_compare(metric float8, variant text, p float8) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8, text, float8) IS
'a quantile of a metric between two variants, the short form; rows are units';

CREATE AGGREGATE quantile_compare(metric float8, variant text, p float8[]) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = quantile_compare_array_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_compare(float8, text, float8[]) IS
'several quantiles of a metric between two variants, the short form; rows are units';
