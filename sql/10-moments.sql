-- The type moments: per variant n, means and centred co-moments.

CREATE TYPE moments;

CREATE FUNCTION moments_in(cstring) RETURNS moments
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE FUNCTION moments_out(moments) RETURNS cstring
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE FUNCTION moments_recv(internal) RETURNS moments
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE FUNCTION moments_send(moments) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE TYPE moments (
	INPUT = moments_in,
	OUTPUT = moments_out,
	RECEIVE = moments_recv,
	SEND = moments_send,
	ALIGNMENT = double,
	STORAGE = extended
);
COMMENT ON TYPE moments IS
'moments of an experiment: per variant the number of units, the means of up to 64 metrics and their centred co-moments, or of up to 1000 and their variances';

CREATE FUNCTION moments_to_jsonb(moments) RETURNS jsonb
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_to_jsonb(moments) IS 'the cast to jsonb';

CREATE CAST (moments AS jsonb) WITH FUNCTION moments_to_jsonb(moments);
CREATE CAST (jsonb AS moments) WITH INOUT;

CREATE FUNCTION moments_eq(moments, moments) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_eq(moments, moments) IS 'implementation of = operator';

CREATE FUNCTION moments_ne(moments, moments) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_ne(moments, moments) IS 'implementation of <> operator';

CREATE FUNCTION moments_hash(moments) RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_hash(moments) IS 'hash';

CREATE OPERATOR = (
	LEFTARG = moments, RIGHTARG = moments, FUNCTION = moments_eq,
	COMMUTATOR = =, NEGATOR = <>, HASHES, RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR = (moments, moments) IS 'the same metrics, variants and numbers';

CREATE OPERATOR <> (
	LEFTARG = moments, RIGHTARG = moments, FUNCTION = moments_ne,
	COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR <> (moments, moments) IS 'not the same metrics, variants or numbers';

CREATE OPERATOR CLASS moments_ops DEFAULT FOR TYPE moments USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 moments_hash(moments);

-- Transition, combine and final functions. Aggregates over the same arguments
-- share theirs, so that one SELECT computes a state once.

CREATE FUNCTION moments_accum(moments, float8, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_accum(moments, float8, text) IS 'aggregate transition function';

CREATE FUNCTION moments_accum(moments, float8, float8, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'moments_accum_pair';
COMMENT ON FUNCTION moments_accum(moments, float8, float8, text) IS 'aggregate transition function';

CREATE FUNCTION moments_accum(moments, float8[], text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'moments_accum_array';
COMMENT ON FUNCTION moments_accum(moments, float8[], text) IS 'aggregate transition function';

CREATE FUNCTION moments_accum_diagonal(moments, float8[], text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_accum_diagonal(moments, float8[], text) IS 'aggregate transition function';

CREATE FUNCTION moments_accum(moments, float8, text, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'moments_accum_control';
COMMENT ON FUNCTION moments_accum(moments, float8, text, text) IS 'aggregate transition function';

CREATE FUNCTION moments_accum(moments, boolean, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'moments_accum_boolean';
COMMENT ON FUNCTION moments_accum(moments, boolean, text) IS 'aggregate transition function';

CREATE FUNCTION moments_accum(moments, boolean, text, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'moments_accum_boolean_control';
COMMENT ON FUNCTION moments_accum(moments, boolean, text, text) IS 'aggregate transition function';

CREATE FUNCTION moments_combine(moments, moments) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_combine(moments, moments) IS 'aggregate combine function: the merged state of disjoint units';

CREATE FUNCTION moments_final(moments) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_final(moments) IS 'aggregate final function';

CREATE AGGREGATE moments_agg(y float8, variant text) (
	SFUNC = moments_accum, STYPE = moments, SSPACE = 176,
	COMBINEFUNC = moments_combine, FINALFUNC = moments_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE moments_agg(float8, text) IS
'moments of one metric by variant; rows are units';

CREATE AGGREGATE moments_agg(y float8, x float8, variant text) (
	SFUNC = moments_accum, STYPE = moments, SSPACE = 256,
	COMBINEFUNC = moments_combine, FINALFUNC = moments_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE moments_agg(float8, float8, text) IS
'moments of two metrics by variant; rows are units';

CREATE AGGREGATE moments_agg(ys float8[], variant text) (
	SFUNC = moments_accum, STYPE = moments, SSPACE = 2048,
	COMBINEFUNC = moments_combine, FINALFUNC = moments_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE moments_agg(float8[], text) IS
'moments of up to 64 metrics by variant; rows are units; a NULL element skips the row';

CREATE FUNCTION metric_array(VARIADIC "any") RETURNS float8[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION metric_array("any") IS
'up to 100 metrics of a row as an array for the aggregates: ARRAY[...], but faster, and of numbers of any type and booleans';

CREATE AGGREGATE moments_diagonal_agg(ys float8[], variant text) (
	SFUNC = moments_accum_diagonal, STYPE = moments, SSPACE = 2048,
	COMBINEFUNC = moments_combine, FINALFUNC = moments_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE moments_diagonal_agg(float8[], text) IS
'means and variances, without covariances, of up to 1000 metrics by variant: a scorecard; rows are units; a NULL element skips the row';

CREATE AGGREGATE moments_agg(m moments) (
	SFUNC = moments_combine, STYPE = moments, SSPACE = 256,
	COMBINEFUNC = moments_combine, FINALFUNC = moments_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE moments_agg(moments) IS
'the merged moments of disjoint units: segments, days of first exposure, shards';

-- Looking at a state and taking parts of it.

CREATE FUNCTION moments_project(m moments, weights float8[]) RETURNS moments
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_project(moments, float8[]) IS
'moments of one compound metric, the weighted sum of each unit''s metrics: {1,-1} is the first minus the second';

CREATE FUNCTION moments_select(m moments, dims integer[]) RETURNS moments
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_select(moments, integer[]) IS
'moments of some of the metrics, by their positions from 1';

CREATE FUNCTION moments_diagonal(m moments) RETURNS moments
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_diagonal(moments) IS
'moments without their covariances: means and variances only, as moments_diagonal_agg gathers them';

CREATE FUNCTION moments_filter(m moments, variants text[]) RETURNS moments
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_filter(moments, text[]) IS
'moments of some of the variants; labels that do not occur are ignored';

CREATE FUNCTION moments_relabel(m moments, labels jsonb) RETURNS moments
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_relabel(moments, jsonb) IS
'moments with variants renamed, {"old": "new"}; those that get the same label are merged';

CREATE FUNCTION moments_summary(m moments)
RETURNS TABLE (variant text, n bigint, metric integer, mean float8, variance float8)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 4 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_summary(moments) IS
'a row per variant and metric: number of units, mean and sample variance';

CREATE FUNCTION moments_covariance(m moments, variant text) RETURNS float8[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_covariance(moments, text) IS
'sample covariance matrix of a variant''s metrics; NULL if it has fewer than two units';

