\echo Use "ALTER EXTENSION expstat UPDATE TO '0.2.0'" to load this file. \quit

-- 10-moments: the way back from jsonb, and states without covariances.

COMMENT ON TYPE moments IS
'moments of an experiment: per variant the number of units, the means of up to 64 metrics and their centred co-moments, or of up to 1000 and their variances';

CREATE CAST (jsonb AS moments) WITH INOUT;

CREATE FUNCTION moments_accum_diagonal(moments, float8[], text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_accum_diagonal(moments, float8[], text) IS 'aggregate transition function';

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

CREATE FUNCTION moments_diagonal(m moments) RETURNS moments
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_diagonal(moments) IS
'moments without their covariances: means and variances only, as moments_diagonal_agg gathers them';

-- 20-comparisons: scorecards.

CREATE TYPE metric_comparison AS (
	metric integer,
	variant text,
	control text,
	n bigint,
	n_control bigint,
	estimate float8,
	estimate_control float8,
	diff float8,
	std_error float8,
	statistic float8,
	df float8,
	p_value float8,
	diff_low float8,
	diff_high float8,
	lift float8,
	lift_low float8,
	lift_high float8,
	alpha float8,
	method text
);
COMMENT ON TYPE metric_comparison IS 'a treatment compared with the control in one of several metrics: a comparison, and which metric';
COMMENT ON COLUMN metric_comparison.metric IS 'position of the metric in the state, from 1';

CREATE FUNCTION scorecard(
	m moments,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	lift_method text DEFAULT 'delta'
) RETURNS SETOF metric_comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION scorecard(moments, text, float8, text, float8, text) IS
'Welch''s t-test of every metric''s mean, each treatment against the control';

-- 48-hashes: seeds from 2^31.

CREATE FUNCTION murmur3_32(data text, seed float8) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'murmur3_32_any_seed';
COMMENT ON FUNCTION murmur3_32(text, float8) IS
'MurmurHash3_x86_32 of the text''s bytes, from 0 to 2^32 - 1; any seed of 32 bits, as an unsigned number too';

CREATE FUNCTION murmur3_32(data bytea, seed float8) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'murmur3_32_any_seed';
COMMENT ON FUNCTION murmur3_32(bytea, float8) IS
'MurmurHash3_x86_32, from 0 to 2^32 - 1; any seed of 32 bits, as an unsigned number too';

-- 55-exposure: a state of first_exposure that every node of a cluster reads alike.

CREATE TYPE first_exposure_state AS (
	exposures bigint,
	exposed_at bigint,
	crossover boolean,
	variant text,
	segments text[]
);
COMMENT ON TYPE first_exposure_state IS
'a first_exposure_result under way; its time is a number, that every node of a cluster reads alike';

CREATE FUNCTION first_exposure_accum(first_exposure_state, text, timestamptz) RETURNS first_exposure_state
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_accum(first_exposure_state, text, timestamptz) IS
'aggregate transition function';

CREATE FUNCTION first_exposure_accum(first_exposure_state, text, timestamptz, text[])
RETURNS first_exposure_state
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_accum(first_exposure_state, text, timestamptz, text[]) IS
'aggregate transition function';

CREATE FUNCTION first_exposure_combine(first_exposure_state, first_exposure_state) RETURNS first_exposure_state
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_combine(first_exposure_state, first_exposure_state) IS
'aggregate combine function';

CREATE FUNCTION first_exposure_final(first_exposure_state) RETURNS first_exposure_result
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_final(first_exposure_state) IS 'aggregate final function';

CREATE OR REPLACE AGGREGATE first_exposure(variant text, exposed_at timestamptz) (
	SFUNC = first_exposure_accum, STYPE = first_exposure_state, SSPACE = 96,
	COMBINEFUNC = first_exposure_combine, FINALFUNC = first_exposure_final, PARALLEL = SAFE
);
CREATE OR REPLACE AGGREGATE first_exposure(variant text, exposed_at timestamptz, segments text[]) (
	SFUNC = first_exposure_accum, STYPE = first_exposure_state, SSPACE = 160,
	COMBINEFUNC = first_exposure_combine, FINALFUNC = first_exposure_final, PARALLEL = SAFE
);

DROP FUNCTION first_exposure_accum(first_exposure_result, text, timestamptz);
DROP FUNCTION first_exposure_accum(first_exposure_result, text, timestamptz, text[]);
DROP FUNCTION first_exposure_combine(first_exposure_result, first_exposure_result);

-- 26-chi-square: too many cells found where workers merge theirs.

CREATE FUNCTION chi_square_combine(moments, moments) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION chi_square_combine(moments, moments) IS 'aggregate combine function';

CREATE OR REPLACE AGGREGATE chi_square(variant text, category text) (
	SFUNC = chi_square_accum, STYPE = moments, SSPACE = 512,
	COMBINEFUNC = chi_square_combine, FINALFUNC = chi_square_final, PARALLEL = SAFE
);

-- 45-planning: how_long_still checks its arguments.

CREATE FUNCTION how_long_still_check(integer, boolean) RETURNS boolean
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION how_long_still_check(integer, boolean) IS 'checks the arguments of how_long_still()';

-- 46-metric_result: reasons with six digits.

CREATE FUNCTION decide_number(float8) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION decide_number(float8) IS 'a number with six digits, as decide() has it in its reasons';

