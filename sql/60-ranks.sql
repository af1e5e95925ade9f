-- Not a mean: ranks.

-- Transition functions of all aggregates that sort their rows.

CREATE FUNCTION sample_accum(internal, float8, text) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_accum(internal, float8, text) IS 'aggregate transition function';

CREATE FUNCTION sample_accum(internal, float8, text, text) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_accum(internal, float8, text, text) IS 'aggregate transition function';

CREATE FUNCTION sample_accum(internal, float8, text, text, boolean) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_accum(internal, float8, text, text, boolean) IS 'aggregate transition function';

CREATE FUNCTION sample_accum(internal, float8, text, float8) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_accum(internal, float8, text, float8) IS 'aggregate transition function';

CREATE FUNCTION sample_accum(internal, float8, text, float8, text) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_accum(internal, float8, text, float8, text) IS 'aggregate transition function';

CREATE FUNCTION sample_accum(internal, float8, text, float8[]) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_accum(internal, float8, text, float8[]) IS 'aggregate transition function';

CREATE FUNCTION sample_accum(internal, float8, text, float8[], text) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_accum(internal, float8, text, float8[], text) IS 'aggregate transition function';

-- The Mann-Whitney test.

CREATE TYPE mann_whitney_result AS (
	variant text,
	control text,
	n bigint,
	n_control bigint,
	u float8,
	z float8,
	p_value float8,
	superiority float8,
	superiority_low float8,
	superiority_high float8,
	alpha float8,
	method text
);
COMMENT ON TYPE mann_whitney_result IS
'two variants compared by ranks: is a unit of the treatment likely to have the larger value?';
COMMENT ON COLUMN mann_whitney_result.variant IS 'label of the treatment';
COMMENT ON COLUMN mann_whitney_result.control IS 'label of the control';
COMMENT ON COLUMN mann_whitney_result.n IS 'units in the treatment';
COMMENT ON COLUMN mann_whitney_result.n_control IS 'units in the control';
COMMENT ON COLUMN mann_whitney_result.u IS
'pairs of a treatment and a control unit in which the treatment has the larger value; equal ones count one half';
COMMENT ON COLUMN mann_whitney_result.z IS
'distance of u from its mean under equal distributions, in standard deviations (ties corrected)';
COMMENT ON COLUMN mann_whitney_result.p_value IS 'two-sided p-value of equal distributions';
COMMENT ON COLUMN mann_whitney_result.superiority IS
'u / (n n_control): P(treatment > control) + P(equal) / 2; 0.5 is no difference';
COMMENT ON COLUMN mann_whitney_result.superiority_low IS 'lower end of the 1 - alpha interval of superiority';
COMMENT ON COLUMN mann_whitney_result.superiority_high IS 'upper end of the 1 - alpha interval of superiority';
COMMENT ON COLUMN mann_whitney_result.alpha IS 'level of the interval: 0.05 gives 95 %';
COMMENT ON COLUMN mann_whitney_result.method IS 'the test, and where its p-value comes from';

CREATE FUNCTION mann_whitney_final(internal) RETURNS mann_whitney_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION mann_whitney_final(internal) IS 'aggregate final function';

CREATE FUNCTION mann_whitney_final(internal, text) RETURNS mann_whitney_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION mann_whitney_final(internal, text) IS 'aggregate final function';

CREATE FUNCTION mann_whitney_final(internal, text, boolean) RETURNS mann_whitney_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION mann_whitney_final(internal, text, boolean) IS 'aggregate final function';

CREATE AGGREGATE mann_whitney(metric float8, variant text) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = mann_whitney_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mann_whitney(float8, text) IS
'Mann-Whitney (Wilcoxon rank-sum) test of a metric between two variants; rows are units';

CREATE AGGREGATE mann_whitney(metric float8, variant text, control text) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = mann_whitney_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mann_whitney(float8, text, text) IS
'Mann-Whitney test of a metric between two variants, the control named; rows are units';

CREATE AGGREGATE mann_whitney(metric float8, variant text, control text, continuity boolean) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = mann_whitney_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mann_whitney(float8, text, text, boolean) IS
'Mann-Whitney test of a metric between two variants, the control named (NULL: by the rule), with or without continuity correction; rows are units';

CREATE AGGREGATE mann_whitney(control text ORDER BY metric float8, variant text) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = mann_whitney_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mann_whitney(text, float8, text) IS
'Mann-Whitney test of a metric between two variants, the control named (NULL: by the rule), as an ordered-set aggregate; rows are units';

CREATE AGGREGATE mann_whitney(control text, continuity boolean ORDER BY metric float8, variant text) (
	SFUNC = sample_accum, STYPE = internal, SSPACE = 65536,
	FINALFUNC = mann_whitney_final, FINALFUNC_MODIFY = SHAREABLE, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mann_whitney(text, boolean, float8, text) IS
'Mann-Whitney test of a metric between two variants, the control named (NULL: by the rule), with or without continuity correction, as an ordered-set aggregate; rows are units';

