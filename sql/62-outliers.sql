-- Not a mean: outliers.

CREATE FUNCTION winsorize(x float8, low float8, high float8) RETURNS float8
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION winsorize(float8, float8, float8) IS
'x, or the bound that it is beyond; a NULL bound is none';

CREATE TYPE winsor_bounds AS (
	low float8,
	high float8,
	n bigint
);
COMMENT ON TYPE winsor_bounds IS 'bounds for winsorize, and the number of values they come from';

CREATE FUNCTION sample_accum_pooled(internal, float8) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_accum_pooled(internal, float8) IS 'aggregate transition function';

CREATE FUNCTION winsor_bounds_final(internal, float8, float8) RETURNS winsor_bounds
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION winsor_bounds_final(internal, float8, float8) IS 'aggregate final function';

CREATE AGGREGATE winsor_bounds(lower float8, upper float8 ORDER BY metric float8) (
	SFUNC = sample_accum_pooled, STYPE = internal, SSPACE = 65536,
	FINALFUNC = winsor_bounds_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE winsor_bounds(float8, float8, float8) IS
'two percentiles of a metric over all variants together, as bounds for winsorize; NULL for no bound';

CREATE FUNCTION trimmed_t_final(internal) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION trimmed_t_final(internal) IS 'aggregate final function';

CREATE AGGREGATE trimmed_t(metric float8, variant text, "trim" float8) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = trimmed_t_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE trimmed_t(float8, text, float8) IS
'Yuen''s test of a metric''s trimmed mean between two variants, a share of the units cut off at either end; rows are units';

CREATE AGGREGATE trimmed_t(metric float8, variant text, "trim" float8, control text) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = trimmed_t_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE trimmed_t(float8, text, float8, text) IS
'Yuen''s test of a metric''s trimmed mean between two variants, the control named; rows are units';
