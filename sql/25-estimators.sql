-- Ratios, covariates, strata, Bayes: further questions to the same moments.

CREATE FUNCTION moments_accum(moments, float8, float8, text, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'moments_accum_pair_control';
COMMENT ON FUNCTION moments_accum(moments, float8, float8, text, text) IS 'aggregate transition function';

CREATE FUNCTION delta_ratio_final(moments) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION delta_ratio_final(moments) IS 'aggregate final function';

CREATE AGGREGATE delta_ratio(num float8, den float8, variant text) (
	SFUNC = moments_accum, STYPE = moments, SSPACE = 256,
	COMBINEFUNC = moments_combine, FINALFUNC = delta_ratio_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE delta_ratio(float8, float8, text) IS
'ratio of sums between two variants, by the delta method; rows are the units (clusters) that were randomised';

CREATE AGGREGATE delta_ratio(num float8, den float8, variant text, control text) (
	SFUNC = moments_accum, STYPE = moments, SSPACE = 272,
	COMBINEFUNC = moments_combine, FINALFUNC = delta_ratio_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE delta_ratio(float8, float8, text, text) IS
'ratio of sums between two variants, by the delta method, the control named; rows are the units (clusters) that were randomised';

CREATE FUNCTION delta_ratio(
	m moments,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	num integer DEFAULT 1,
	den integer DEFAULT 2,
	lift_method text DEFAULT 'delta'
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION delta_ratio(moments, text, float8, text, float8, integer, integer, text) IS
'ratio of two metrics'' sums, by the delta method, each treatment against the control';

CREATE TYPE cuped_model AS (
	n bigint,
	theta float8,
	mean_y float8,
	mean_x float8,
	correlation float8,
	variance_reduction float8
);
COMMENT ON TYPE cuped_model IS
'how a metric depends on its covariate, and how much of its variance that explains';

CREATE FUNCTION covariate_accum(moments, float8, float8) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION covariate_accum(moments, float8, float8) IS 'aggregate transition function';

CREATE FUNCTION covariate_accum(moments, float8, float8, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'covariate_accum_variant';
COMMENT ON FUNCTION covariate_accum(moments, float8, float8, text) IS 'aggregate transition function';

CREATE FUNCTION covariate_accum(moments, float8, float8, text, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'covariate_accum_control';
COMMENT ON FUNCTION covariate_accum(moments, float8, float8, text, text) IS 'aggregate transition function';

CREATE FUNCTION cuped_model_final(moments) RETURNS cuped_model
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cuped_model_final(moments) IS 'aggregate final function';

CREATE FUNCTION cuped_adjust_final(moments) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cuped_adjust_final(moments) IS 'aggregate final function';

CREATE AGGREGATE cuped_adjust(y float8, x float8) (
	SFUNC = covariate_accum, STYPE = moments, SSPACE = 256,
	COMBINEFUNC = moments_combine, FINALFUNC = cuped_model_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE cuped_adjust(float8, float8) IS
'CUPED''s model of a metric by its covariate; a unit whose covariate is NULL counts';

CREATE AGGREGATE cuped_adjust(y float8, x float8, variant text) (
	SFUNC = covariate_accum, STYPE = moments, SSPACE = 384,
	COMBINEFUNC = moments_combine, FINALFUNC = cuped_adjust_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE cuped_adjust(float8, float8, text) IS
'CUPED: a metric''s mean between two variants, adjusted by its covariate; a unit whose covariate is NULL counts';

CREATE AGGREGATE cuped_adjust(y float8, x float8, variant text, control text) (
	SFUNC = covariate_accum, STYPE = moments, SSPACE = 400,
	COMBINEFUNC = moments_combine, FINALFUNC = cuped_adjust_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE cuped_adjust(float8, float8, text, text) IS
'CUPED: a metric''s mean between two variants, adjusted by its covariate, the control named; a unit whose covariate is NULL counts';

CREATE FUNCTION cuped_adjust(
	m moments,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	metric integer DEFAULT 1,
	lift_method text DEFAULT 'delta',
	covariates integer[] DEFAULT NULL,
	interacted boolean DEFAULT false
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cuped_adjust(moments, text, float8, text, float8, integer, text, integer[], boolean) IS
'CUPED: a metric''s mean adjusted by other metrics of the state (all, if not named), each treatment against the control; interacted fits each arm by itself (Lin)';

CREATE FUNCTION cuped_ratio(
	m moments,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	num integer DEFAULT 1,
	den integer DEFAULT 2,
	num_pre integer DEFAULT 3,
	den_pre integer DEFAULT 4,
	lift_method text DEFAULT 'delta'
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION cuped_ratio(moments, text, float8, text, float8, integer, integer, integer, integer, text) IS
'CUPED for a ratio of sums, adjusted by the same ratio before the experiment, each treatment against the control';

CREATE FUNCTION strata_accum(moments[], moments) RETURNS moments[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION strata_accum(moments[], moments) IS 'aggregate transition function';

CREATE FUNCTION strata_accum(moments[], moments, text) RETURNS moments[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'strata_accum_control';
COMMENT ON FUNCTION strata_accum(moments[], moments, text) IS 'aggregate transition function';

CREATE FUNCTION strata_combine(moments[], moments[]) RETURNS moments[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION strata_combine(moments[], moments[]) IS 'aggregate combine function';

CREATE FUNCTION stratified_t_final(moments[]) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION stratified_t_final(moments[]) IS 'aggregate final function';

CREATE AGGREGATE stratified_t(m moments) (
	SFUNC = strata_accum, STYPE = moments[], SSPACE = 4096,
	COMBINEFUNC = strata_combine, FINALFUNC = stratified_t_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE stratified_t(moments) IS
'post-stratified difference of means between two variants; rows are the states of the strata';

CREATE AGGREGATE stratified_t(m moments, control text) (
	SFUNC = strata_accum, STYPE = moments[], SSPACE = 4096,
	COMBINEFUNC = strata_combine, FINALFUNC = stratified_t_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE stratified_t(moments, text) IS
'post-stratified difference of means between two variants, the control named; rows are the states of the strata';

CREATE FUNCTION stratified_t(
	strata moments[],
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	metric integer DEFAULT 1,
	lift_method text DEFAULT 'delta'
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION stratified_t(moments[], text, float8, text, float8, integer, text) IS
'post-stratified difference of means over an array of the strata''s states, each treatment against the control';

CREATE TYPE bayes_result AS (
	variant text,
	control text,
	n bigint,
	n_control bigint,
	estimate float8,
	estimate_control float8,
	posterior_mean float8,
	posterior_sd float8,
	posterior_low float8,
	posterior_high float8,
	chance_to_win float8,
	loss_ship float8,
	loss_keep float8,
	alpha float8,
	method text
);
COMMENT ON TYPE bayes_result IS
'posterior of a treatment''s effect: its mean, standard deviation and credible interval, the chance that it is beyond null_diff, the expected losses of shipping and of not shipping';

CREATE FUNCTION bayes_normal(
	m moments,
	prior_mean float8 DEFAULT 0,
	prior_sd float8 DEFAULT 'Infinity',
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	metric integer DEFAULT 1,
	scale text DEFAULT 'lift',
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0
) RETURNS SETOF bayes_result
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION bayes_normal(moments, float8, float8, text, float8, integer, text, text, float8) IS
'posterior of the lift or the difference of a metric''s mean under a normal prior, each treatment against the control';

