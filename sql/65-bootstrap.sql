-- Poisson bootstrap, keyed by unit and seed: the state, aggregates into it, and
-- questions to it.

CREATE TYPE bootstrap;

CREATE FUNCTION bootstrap_in(cstring) RETURNS bootstrap
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE FUNCTION bootstrap_out(bootstrap) RETURNS cstring
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE FUNCTION bootstrap_recv(internal) RETURNS bootstrap
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE FUNCTION bootstrap_send(bootstrap) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE TYPE bootstrap (
	INPUT = bootstrap_in,
	OUTPUT = bootstrap_out,
	RECEIVE = bootstrap_recv,
	SEND = bootstrap_send,
	ALIGNMENT = double,
	STORAGE = extended
);
COMMENT ON TYPE bootstrap IS
'Poisson bootstrap of one or two metrics: per variant and replicate the sums of weights and of weighted metrics';

CREATE FUNCTION bootstrap_accum(bootstrap, text, float8, text) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, text, float8, text) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_accum(bootstrap, text, float8, text, text) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'bootstrap_accum_control';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, text, float8, text, text) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_accum(bootstrap, text, float8, text, integer, bigint) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'bootstrap_accum_settings';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, text, float8, text, integer, bigint) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_accum(bootstrap, text, float8, float8, text) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'bootstrap_accum_pair';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, text, float8, float8, text) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_accum(bootstrap, text, float8, float8, text, text) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'bootstrap_accum_pair_control';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, text, float8, float8, text, text) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_accum(bootstrap, text, float8, float8, text, integer, bigint) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'bootstrap_accum_pair_settings';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, text, float8, float8, text, integer, bigint) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_accum(bootstrap, float8, text) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'bootstrap_accum_value';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, float8, text) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_accum(bootstrap, float8, text, integer, bigint) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'bootstrap_accum_value_settings';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, float8, text, integer, bigint) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_accum(bootstrap, float8, text, float8) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'bootstrap_accum_quantile';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, float8, text, float8) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_accum(bootstrap, float8, text, float8, text) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'bootstrap_accum_quantile_control';
COMMENT ON FUNCTION bootstrap_accum(bootstrap, float8, text, float8, text) IS 'aggregate transition function';

CREATE FUNCTION bootstrap_combine(bootstrap, bootstrap) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bootstrap_combine(bootstrap, bootstrap) IS 'aggregate combine function: the merged state of disjoint rows';

CREATE FUNCTION bootstrap_final(bootstrap) RETURNS bootstrap
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bootstrap_final(bootstrap) IS 'aggregate final function';

CREATE FUNCTION bootstrap_mean_final(bootstrap) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bootstrap_mean_final(bootstrap) IS 'aggregate final function';

CREATE FUNCTION bootstrap_ratio_final(bootstrap) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bootstrap_ratio_final(bootstrap) IS 'aggregate final function';

CREATE FUNCTION bootstrap_quantile_final(bootstrap) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bootstrap_quantile_final(bootstrap) IS 'aggregate final function';

CREATE AGGREGATE bootstrap_agg(unit text, y float8, variant text) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 67584,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_agg(text, float8, text) IS
'Poisson bootstrap of a metric by variant: 1000 replicates, seed 0';

CREATE AGGREGATE bootstrap_agg(unit text, y float8, variant text, replicates integer, seed bigint) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 67584,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_agg(text, float8, text, integer, bigint) IS
'Poisson bootstrap of a metric by variant';

CREATE AGGREGATE bootstrap_agg(unit text, num float8, den float8, variant text) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 116736,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_agg(text, float8, float8, text) IS
'Poisson bootstrap of two metrics by variant: 1000 replicates, seed 0';

CREATE AGGREGATE bootstrap_agg(unit text, num float8, den float8, variant text, replicates integer, seed bigint) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 116736,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_agg(text, float8, float8, text, integer, bigint) IS
'Poisson bootstrap of two metrics by variant';

CREATE AGGREGATE bootstrap_agg(y float8, variant text) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 148480,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_agg(float8, text) IS
'values of a metric by variant, for the bootstrap of quantiles: 1000 replicates, seed 0';

CREATE AGGREGATE bootstrap_agg(y float8, variant text, replicates integer, seed bigint) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 148480,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_agg(float8, text, integer, bigint) IS
'values of a metric by variant, for the bootstrap of quantiles';

CREATE AGGREGATE bootstrap_agg(b bootstrap) (
	SFUNC = bootstrap_combine, STYPE = bootstrap, SSPACE = 67584,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_agg(bootstrap) IS
'the merged bootstrap of disjoint rows: segments, days, shards';

CREATE AGGREGATE bootstrap_mean(unit text, metric float8, variant text) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 67584,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_mean_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_mean(text, float8, text) IS
'bootstrap of the difference of a metric''s mean between two variants';

CREATE AGGREGATE bootstrap_mean(unit text, metric float8, variant text, control text) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 67584,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_mean_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_mean(text, float8, text, text) IS
'bootstrap of the difference of a metric''s mean between two variants, the control named';

CREATE AGGREGATE bootstrap_ratio(unit text, num float8, den float8, variant text) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 116736,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_ratio_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_ratio(text, float8, float8, text) IS
'bootstrap of the difference of a ratio of sums between two variants';

CREATE AGGREGATE bootstrap_ratio(unit text, num float8, den float8, variant text, control text) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 116736,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_ratio_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_ratio(text, float8, float8, text, text) IS
'bootstrap of the difference of a ratio of sums between two variants, the control named';

CREATE AGGREGATE bootstrap_quantile(metric float8, variant text, p float8) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 148480,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_quantile_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_quantile(float8, text, float8) IS
'bootstrap of the difference of a metric''s quantile p between two variants';

CREATE AGGREGATE bootstrap_quantile(metric float8, variant text, p float8, control text) (
	SFUNC = bootstrap_accum, STYPE = bootstrap, SSPACE = 148480,
	COMBINEFUNC = bootstrap_combine, FINALFUNC = bootstrap_quantile_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE bootstrap_quantile(float8, text, float8, text) IS
'bootstrap of the difference of a metric''s quantile p between two variants, the control named';

CREATE FUNCTION bootstrap_mean(
	b bootstrap,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	method text DEFAULT 'percentile',
	metric integer DEFAULT 1
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bootstrap_mean(bootstrap, text, float8, text, float8, text, integer) IS
'bootstrap intervals of the difference and lift of a metric''s mean, each treatment against the control';

CREATE FUNCTION bootstrap_ratio(
	b bootstrap,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	method text DEFAULT 'percentile',
	num integer DEFAULT 1,
	den integer DEFAULT 2
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bootstrap_ratio(bootstrap, text, float8, text, float8, text, integer, integer) IS
'bootstrap intervals of the difference and lift of a ratio of sums, each treatment against the control';

CREATE FUNCTION bootstrap_quantile(
	b bootstrap,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	method text DEFAULT 'percentile',
	p float8 DEFAULT 0.5
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bootstrap_quantile(bootstrap, text, float8, text, float8, text, float8) IS
'bootstrap intervals of the difference and lift of a metric''s quantile p, each treatment against the control';
