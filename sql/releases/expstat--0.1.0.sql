\echo Use "CREATE EXTENSION expstat" to load this file. \quit

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
'moments of an experiment: per variant the number of units, the means of up to 64 metrics and their centred co-moments';

CREATE FUNCTION moments_to_jsonb(moments) RETURNS jsonb
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION moments_to_jsonb(moments) IS 'the cast to jsonb';

CREATE CAST (moments AS jsonb) WITH FUNCTION moments_to_jsonb(moments);

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

-- Comparing variants: the row type that all comparisons return, Welch's t-test
-- and the two-proportion z-test.

CREATE TYPE comparison AS (
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
COMMENT ON TYPE comparison IS 'a treatment compared with the control';
COMMENT ON COLUMN comparison.variant IS 'label of the treatment';
COMMENT ON COLUMN comparison.control IS 'label of the control';
COMMENT ON COLUMN comparison.n IS 'units in the treatment';
COMMENT ON COLUMN comparison.n_control IS 'units in the control';
COMMENT ON COLUMN comparison.estimate IS 'estimate of the treatment';
COMMENT ON COLUMN comparison.estimate_control IS 'estimate of the control';
COMMENT ON COLUMN comparison.diff IS 'estimate - estimate_control';
COMMENT ON COLUMN comparison.std_error IS 'standard error of diff that the test uses';
COMMENT ON COLUMN comparison.statistic IS '(diff - null_diff) / std_error';
COMMENT ON COLUMN comparison.df IS 'degrees of freedom of the t distribution; NULL for the normal';
COMMENT ON COLUMN comparison.p_value IS 'p-value under the alternative asked for';
COMMENT ON COLUMN comparison.diff_low IS 'lower end of the 1 - alpha interval of diff';
COMMENT ON COLUMN comparison.diff_high IS 'upper end of the 1 - alpha interval of diff';
COMMENT ON COLUMN comparison.lift IS 'diff / |estimate_control|: 0.02 is +2 %';
COMMENT ON COLUMN comparison.lift_low IS 'lower end of the 1 - alpha interval of lift';
COMMENT ON COLUMN comparison.lift_high IS 'upper end of the 1 - alpha interval of lift';
COMMENT ON COLUMN comparison.alpha IS 'level of the intervals: 0.05 gives 95 %';
COMMENT ON COLUMN comparison.method IS 'the test';

CREATE FUNCTION welch_t_final(moments) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION welch_t_final(moments) IS 'aggregate final function';

CREATE FUNCTION proportion_z_final(moments) RETURNS comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION proportion_z_final(moments) IS 'aggregate final function';

CREATE AGGREGATE welch_t(metric float8, variant text) (
	SFUNC = moments_accum, STYPE = moments, SSPACE = 176,
	COMBINEFUNC = moments_combine, FINALFUNC = welch_t_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE welch_t(float8, text) IS
'Welch''s t-test of a metric''s mean between two variants; rows are units';

CREATE AGGREGATE welch_t(metric float8, variant text, control text) (
	SFUNC = moments_accum, STYPE = moments, SSPACE = 192,
	COMBINEFUNC = moments_combine, FINALFUNC = welch_t_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE welch_t(float8, text, text) IS
'Welch''s t-test of a metric''s mean between two variants, the control named; rows are units';

CREATE FUNCTION welch_t(
	m moments,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	metric integer DEFAULT 1,
	lift_method text DEFAULT 'delta'
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION welch_t(moments, text, float8, text, float8, integer, text) IS
'Welch''s t-test of a metric''s mean, each treatment against the control';

CREATE AGGREGATE proportion_z(success boolean, variant text) (
	SFUNC = moments_accum, STYPE = moments, SSPACE = 176,
	COMBINEFUNC = moments_combine, FINALFUNC = proportion_z_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE proportion_z(boolean, text) IS
'z-test of a proportion between two variants; rows are units';

CREATE AGGREGATE proportion_z(success boolean, variant text, control text) (
	SFUNC = moments_accum, STYPE = moments, SSPACE = 176,
	COMBINEFUNC = moments_combine, FINALFUNC = proportion_z_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE proportion_z(boolean, text, text) IS
'z-test of a proportion between two variants, the control named; rows are units';

CREATE FUNCTION proportion_z(
	m moments,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	metric integer DEFAULT 1,
	lift_method text DEFAULT 'delta'
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION proportion_z(moments, text, float8, text, float8, integer, text) IS
'z-test of a metric of zeros and ones, each treatment against the control';

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

-- Chi-square test of independence of variant and category.

CREATE TYPE chi_square_result AS (
	chi2 float8,
	df integer,
	p_value float8,
	n bigint,
	cramers_v float8,
	min_expected float8,
	variants text[],
	categories text[],
	observed bigint[],
	expected float8[]
);
COMMENT ON TYPE chi_square_result IS
'chi-square test that category and variant are independent, and Cramer''s V; arrays have a row per variant and a column per category, in the order of the labels (C collation), or as given';

CREATE FUNCTION chi_square_accum(moments, text, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION chi_square_accum(moments, text, text) IS 'aggregate transition function';

CREATE FUNCTION chi_square_final(moments) RETURNS chi_square_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION chi_square_final(moments) IS 'aggregate final function';

CREATE AGGREGATE chi_square(variant text, category text) (
	SFUNC = chi_square_accum, STYPE = moments, SSPACE = 512,
	COMBINEFUNC = moments_combine, FINALFUNC = chi_square_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE chi_square(text, text) IS
'chi-square test of independence of a unit''s category and its variant; rows are units';

CREATE FUNCTION chi_square(counts bigint[]) RETURNS chi_square_result
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION chi_square(bigint[]) IS
'chi-square test of independence of rows (variants) and columns (categories) of a matrix of counts';
-- Analysis of variance over all arms.

CREATE TYPE anova_result AS (
	f float8,
	df1 float8,
	df2 float8,
	p_value float8,
	k integer,
	n bigint,
	ss_between float8,
	ss_within float8,
	eta_squared float8,
	method text
);
COMMENT ON TYPE anova_result IS
'test that the k variants of a state have the same mean; sums of squares between and within variants, and the share of the former';

CREATE FUNCTION anova(m moments, metric integer DEFAULT 1) RETURNS anova_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION anova(moments, integer) IS
'one-way analysis of variance of a metric over all variants, which have one variance';

CREATE FUNCTION welch_anova(m moments, metric integer DEFAULT 1) RETURNS anova_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION welch_anova(moments, integer) IS
'Welch''s analysis of variance of a metric over all variants, whose variances may differ';
-- The effect by segment and by day: does it differ, does it fade?

CREATE TYPE heterogeneity_result AS (
	variant text,
	control text,
	segments integer,
	left_out integer,
	q float8,
	df integer,
	p_value float8,
	i_squared float8,
	diff float8,
	std_error float8,
	diff_low float8,
	diff_high float8,
	crude_diff float8,
	positive integer,
	negative integer,
	simpson boolean
);
COMMENT ON TYPE heterogeneity_result IS
'test that a treatment''s effect is the same in all segments (Cochran''s Q), the effect pooled over them, and whether the total, which mixes them, has the other sign (Simpson''s paradox)';

CREATE FUNCTION heterogeneity_final(moments[]) RETURNS heterogeneity_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION heterogeneity_final(moments[]) IS 'aggregate final function';

CREATE AGGREGATE heterogeneity(m moments) (
	SFUNC = strata_accum, STYPE = moments[], SSPACE = 4096,
	COMBINEFUNC = strata_combine, FINALFUNC = heterogeneity_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE heterogeneity(moments) IS
'does the difference of means between two variants depend on the segment? rows are the states of the segments';

CREATE AGGREGATE heterogeneity(m moments, control text) (
	SFUNC = strata_accum, STYPE = moments[], SSPACE = 4096,
	COMBINEFUNC = strata_combine, FINALFUNC = heterogeneity_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE heterogeneity(moments, text) IS
'does the difference of means between two variants depend on the segment, the control named? rows are the states of the segments';

CREATE TYPE novelty_result AS (
	days integer,
	left_out integer,
	slope float8,
	std_error float8,
	statistic float8,
	p_value float8,
	slope_low float8,
	slope_high float8,
	first_day float8,
	last_day float8,
	effect_first float8,
	effect_last float8
);
COMMENT ON TYPE novelty_result IS
'trend of an effect over days: how much it changes per day, and what it is on the line at the first and the last';

CREATE FUNCTION novelty_accum(float8[], float8, float8, float8) RETURNS float8[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION novelty_accum(float8[], float8, float8, float8) IS 'aggregate transition function';

CREATE FUNCTION novelty_combine(float8[], float8[]) RETURNS float8[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION novelty_combine(float8[], float8[]) IS 'aggregate combine function';

CREATE FUNCTION novelty_final(float8[]) RETURNS novelty_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION novelty_final(float8[]) IS 'aggregate final function';

CREATE AGGREGATE novelty(day float8, effect float8, std_error float8) (
	SFUNC = novelty_accum, STYPE = float8[], SSPACE = 128,
	COMBINEFUNC = novelty_combine, FINALFUNC = novelty_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE novelty(float8, float8, float8) IS
'does an effect fade or grow with the days since exposure? rows are days, with the effect and its standard error';
-- The effect of a treatment that was not randomised.

CREATE TYPE aipw_result AS (
	n bigint,
	n_control bigint,
	estimate float8,
	estimate_control float8,
	diff float8,
	std_error float8,
	statistic float8,
	p_value float8,
	diff_low float8,
	diff_high float8,
	lift float8,
	lift_low float8,
	lift_high float8,
	alpha float8,
	min_propensity float8,
	max_propensity float8,
	share_outside float8,
	ess float8,
	ess_control float8,
	covariates integer,
	note text
);
COMMENT ON TYPE aipw_result IS
'doubly robust average effect of a treatment, as in comparison, and how far treated and untreated units overlap: range of the propensity, share of units outside [0.05, 0.95], effective sample sizes; note says why there is no effect';

CREATE FUNCTION aipw_accum(internal, float8, boolean, float8[]) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION aipw_accum(internal, float8, boolean, float8[]) IS 'aggregate transition function';

CREATE FUNCTION aipw_final(internal) RETURNS aipw_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION aipw_final(internal) IS 'aggregate final function';

-- All rows of a group, up to work_mem: SSPACE keeps the planner from hashing
-- many groups at a time.
CREATE AGGREGATE aipw(y float8, treated boolean, x float8[]) (
	SFUNC = aipw_accum, STYPE = internal, SSPACE = 1048576,
	FINALFUNC = aipw_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE aipw(float8, boolean, float8[]) IS
'average effect of a treatment that was not randomised, adjusted for covariates by models of the outcome and of the propensity (doubly robust); rows are units';
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
-- Watching an experiment while it runs: intervals that hold at every look, and
-- designs with a fixed number of looks.

CREATE FUNCTION confidence_sequence(
	m moments,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	metric integer DEFAULT 1,
	lift_method text DEFAULT 'delta',
	tuning_n float8 DEFAULT 5000,
	estimator text DEFAULT 'mean',
	num integer DEFAULT 1,
	den integer DEFAULT 2,
	num_pre integer DEFAULT 3,
	den_pre integer DEFAULT 4,
	covariates integer[] DEFAULT NULL,
	interacted boolean DEFAULT false,
	planned_n float8 DEFAULT NULL,
	sequence_share float8 DEFAULT 0.5
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION confidence_sequence(moments, text, float8, text, float8, integer, text, float8, text, integer,
	integer, integer, integer, integer[], boolean, float8, float8) IS
'asymptotic confidence sequence: intervals and p-values that hold at every look, for the estimator mean, ratio, cuped or cuped_ratio, each treatment against the control';

CREATE FUNCTION msprt(
	m moments,
	control text DEFAULT NULL,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	null_diff float8 DEFAULT 0,
	metric integer DEFAULT 1,
	lift_method text DEFAULT 'delta',
	tau2 float8 DEFAULT NULL,
	estimator text DEFAULT 'mean',
	num integer DEFAULT 1,
	den integer DEFAULT 2,
	num_pre integer DEFAULT 3,
	den_pre integer DEFAULT 4,
	covariates integer[] DEFAULT NULL,
	interacted boolean DEFAULT false
) RETURNS SETOF comparison
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION msprt(moments, text, float8, text, float8, integer, text, float8, text, integer, integer,
	integer, integer, integer[], boolean) IS
'mixture sequential probability ratio test with a normal mixture of variance tau2: intervals and p-values that hold at every look, each treatment against the control';

CREATE FUNCTION group_sequential_bounds(
	information float8[],
	alpha float8 DEFAULT 0.05,
	sides integer DEFAULT 2,
	spending text DEFAULT 'obrien-fleming',
	spending_parameter float8 DEFAULT NULL,
	planned_information float8 DEFAULT NULL
) RETURNS TABLE (
	look integer,
	information float8,
	alpha_spent float8,
	z_lower float8,
	z_upper float8,
	nominal_p float8
)
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 10 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION group_sequential_bounds(float8[], float8, integer, text, float8, float8) IS
'bounds for the z statistic at each look of a group sequential design, by alpha spending';

CREATE TYPE group_sequential_result AS (
	look integer,
	information float8,
	diff float8,
	z float8,
	z_lower float8,
	z_upper float8,
	decision text,
	diff_low float8,
	diff_high float8,
	p_value float8,
	estimate float8,
	estimate_low float8,
	estimate_high float8
);
COMMENT ON TYPE group_sequential_result IS
'a look of a group sequential design: go or stop, the interval that holds at every look, and the result where the experiment ends';

CREATE FUNCTION group_sequential_test(
	diff float8[],
	std_error float8[],
	information float8[],
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	spending text DEFAULT 'obrien-fleming',
	spending_parameter float8 DEFAULT NULL,
	planned_information float8 DEFAULT NULL,
	null_diff float8 DEFAULT 0
) RETURNS SETOF group_sequential_result
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 10 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION group_sequential_test(float8[], float8[], float8[], float8, text, text, float8, float8, float8) IS
'group sequential bounds applied to the results of a series of looks: go or stop, and what to report at the end';

CREATE FUNCTION group_sequential_looks(
	looks comparison[],
	planned_n float8,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	spending text DEFAULT 'obrien-fleming',
	spending_parameter float8 DEFAULT NULL,
	null_diff float8 DEFAULT 0
) RETURNS SETOF group_sequential_result
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 10 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION group_sequential_looks(comparison[], float8, float8, text, text, float8, float8) IS
'group sequential bounds applied to one treatment''s comparisons at a series of looks, information being the units of both arms';
-- Many metrics, many variants: adjusted p-values.

CREATE FUNCTION p_adjust(p float8, method text) RETURNS float8
LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'p_adjust_window';
COMMENT ON FUNCTION p_adjust(float8, text) IS
'p-values adjusted for multiple testing over a window''s partition: bonferroni, holm, hochberg, bh or by; NULL is not counted';

CREATE FUNCTION p_adjust(p float8[], method text) RETURNS float8[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'p_adjust_array';
COMMENT ON FUNCTION p_adjust(float8[], text) IS
'p-values adjusted for multiple testing: bonferroni, holm, hochberg, bh or by; NULL stays and is not counted';

-- Planning: power, sample size and the smallest effect that is found, from numbers
-- or from the moments of the past; and how many days that takes.

CREATE TYPE power_plan AS (
	n bigint,
	n_control bigint,
	n_total bigint,
	n_control_exact float8,
	effect float8,
	lift float8,
	power float8,
	mean float8,
	sd float8,
	alpha float8,
	method text
);
COMMENT ON TYPE power_plan IS 'units, effect and power of a planned comparison with the control';
COMMENT ON COLUMN power_plan.n IS 'units in each treatment';
COMMENT ON COLUMN power_plan.n_control IS 'units in the control';
COMMENT ON COLUMN power_plan.n_total IS 'units in all variants';
COMMENT ON COLUMN power_plan.n_control_exact IS 'n_control before it was rounded up';
COMMENT ON COLUMN power_plan.effect IS 'difference of the treatment and the control, in units of the metric';
COMMENT ON COLUMN power_plan.lift IS 'effect / |mean|: 0.02 is +2 %';
COMMENT ON COLUMN power_plan.power IS 'chance of a significant result if that is the effect';
COMMENT ON COLUMN power_plan.mean IS 'mean of the control';
COMMENT ON COLUMN power_plan.sd IS 'standard deviation of a unit, after adjustment by covariates';
COMMENT ON COLUMN power_plan.alpha IS 'level of one test, after correction for variants and metrics';
COMMENT ON COLUMN power_plan.method IS 'the test that is planned';

CREATE FUNCTION power_mean(
	n_control float8,
	effect float8,
	sd float8,
	mean float8 DEFAULT NULL,
	relative boolean DEFAULT false,
	sd_treatment float8 DEFAULT NULL,
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION power_mean(float8, float8, float8, float8, boolean, float8, float8, float8, float8, text, integer, integer, float8) IS
'power of Welch''s t-test of a mean';

CREATE FUNCTION power_mean(
	m moments,
	n_control float8,
	effect float8,
	relative boolean DEFAULT false,
	metric integer DEFAULT 1,
	covariates integer[] DEFAULT '{}',
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION power_mean(moments, float8, float8, boolean, integer, integer[], float8, float8, float8, text, integer, integer, float8) IS
'power of Welch''s t-test of a mean, from the moments of the past';

CREATE FUNCTION sample_size_mean(
	effect float8,
	sd float8,
	mean float8 DEFAULT NULL,
	relative boolean DEFAULT false,
	power float8 DEFAULT 0.8,
	sd_treatment float8 DEFAULT NULL,
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_size_mean(float8, float8, float8, boolean, float8, float8, float8, float8, float8, text, integer, integer, float8) IS
'units needed by Welch''s t-test of a mean';

CREATE FUNCTION sample_size_mean(
	m moments,
	effect float8,
	relative boolean DEFAULT false,
	power float8 DEFAULT 0.8,
	metric integer DEFAULT 1,
	covariates integer[] DEFAULT '{}',
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_size_mean(moments, float8, boolean, float8, integer, integer[], float8, float8, float8, text, integer, integer, float8) IS
'units needed by Welch''s t-test of a mean, from the moments of the past';

CREATE FUNCTION mde_mean(
	n_control float8,
	sd float8,
	mean float8 DEFAULT NULL,
	power float8 DEFAULT 0.8,
	sd_treatment float8 DEFAULT NULL,
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION mde_mean(float8, float8, float8, float8, float8, float8, float8, float8, text, integer, integer, float8) IS
'smallest effect found by Welch''s t-test of a mean';

CREATE FUNCTION mde_mean(
	m moments,
	n_control float8,
	power float8 DEFAULT 0.8,
	metric integer DEFAULT 1,
	covariates integer[] DEFAULT '{}',
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION mde_mean(moments, float8, float8, integer, integer[], float8, float8, float8, text, integer, integer, float8) IS
'smallest effect found by Welch''s t-test of a mean, from the moments of the past';

CREATE FUNCTION power_proportion(
	n_control float8,
	effect float8,
	proportion float8,
	relative boolean DEFAULT false,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION power_proportion(float8, float8, float8, boolean, float8, float8, text, integer, integer, float8) IS
'power of the z-test of a proportion';

CREATE FUNCTION power_proportion(
	m moments,
	n_control float8,
	effect float8,
	relative boolean DEFAULT false,
	metric integer DEFAULT 1,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION power_proportion(moments, float8, float8, boolean, integer, float8, float8, text, integer, integer, float8) IS
'power of the z-test of a proportion, from the moments of the past';

CREATE FUNCTION sample_size_proportion(
	effect float8,
	proportion float8,
	relative boolean DEFAULT false,
	power float8 DEFAULT 0.8,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_size_proportion(float8, float8, boolean, float8, float8, float8, text, integer, integer, float8) IS
'units needed by the z-test of a proportion';

CREATE FUNCTION sample_size_proportion(
	m moments,
	effect float8,
	relative boolean DEFAULT false,
	power float8 DEFAULT 0.8,
	metric integer DEFAULT 1,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_size_proportion(moments, float8, boolean, float8, integer, float8, float8, text, integer, integer, float8) IS
'units needed by the z-test of a proportion, from the moments of the past';

CREATE FUNCTION mde_proportion(
	n_control float8,
	proportion float8,
	power float8 DEFAULT 0.8,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION mde_proportion(float8, float8, float8, float8, float8, text, integer, integer, float8) IS
'smallest effect found by the z-test of a proportion';

CREATE FUNCTION mde_proportion(
	m moments,
	n_control float8,
	power float8 DEFAULT 0.8,
	metric integer DEFAULT 1,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION mde_proportion(moments, float8, float8, integer, float8, float8, text, integer, integer, float8) IS
'smallest effect found by the z-test of a proportion, from the moments of the past';

CREATE FUNCTION power_ratio(
	n_control float8,
	effect float8,
	num_mean float8,
	den_mean float8,
	num_sd float8,
	den_sd float8,
	correlation float8,
	relative boolean DEFAULT false,
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION power_ratio(float8, float8, float8, float8, float8, float8, float8, boolean, float8, float8, float8, text, integer, integer, float8) IS
'power of the test of a ratio of sums';

CREATE FUNCTION power_ratio(
	m moments,
	n_control float8,
	effect float8,
	relative boolean DEFAULT false,
	num integer DEFAULT 1,
	den integer DEFAULT 2,
	num_pre integer DEFAULT NULL,
	den_pre integer DEFAULT NULL,
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION power_ratio(moments, float8, float8, boolean, integer, integer, integer, integer, float8, float8, float8, text, integer, integer, float8) IS
'power of the test of a ratio of sums, from the moments of the past';

CREATE FUNCTION sample_size_ratio(
	effect float8,
	num_mean float8,
	den_mean float8,
	num_sd float8,
	den_sd float8,
	correlation float8,
	relative boolean DEFAULT false,
	power float8 DEFAULT 0.8,
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_size_ratio(float8, float8, float8, float8, float8, float8, boolean, float8, float8, float8, float8, text, integer, integer, float8) IS
'units needed by the test of a ratio of sums';

CREATE FUNCTION sample_size_ratio(
	m moments,
	effect float8,
	relative boolean DEFAULT false,
	power float8 DEFAULT 0.8,
	num integer DEFAULT 1,
	den integer DEFAULT 2,
	num_pre integer DEFAULT NULL,
	den_pre integer DEFAULT NULL,
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sample_size_ratio(moments, float8, boolean, float8, integer, integer, integer, integer, float8, float8, float8, text, integer, integer, float8) IS
'units needed by the test of a ratio of sums, from the moments of the past';

CREATE FUNCTION mde_ratio(
	n_control float8,
	num_mean float8,
	den_mean float8,
	num_sd float8,
	den_sd float8,
	correlation float8,
	power float8 DEFAULT 0.8,
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION mde_ratio(float8, float8, float8, float8, float8, float8, float8, float8, float8, float8, text, integer, integer, float8) IS
'smallest effect found by the test of a ratio of sums';

CREATE FUNCTION mde_ratio(
	m moments,
	n_control float8,
	power float8 DEFAULT 0.8,
	num integer DEFAULT 1,
	den integer DEFAULT 2,
	num_pre integer DEFAULT NULL,
	den_pre integer DEFAULT NULL,
	null_diff float8 DEFAULT 0,
	ratio float8 DEFAULT 1,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	variants integer DEFAULT 2,
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1
) RETURNS power_plan
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION mde_ratio(moments, float8, float8, integer, integer, integer, integer, float8, float8, float8, text, integer, integer, float8) IS
'smallest effect found by the test of a ratio of sums, from the moments of the past';

CREATE TYPE duration_result AS (
	days integer,
	n bigint,
	n_needed bigint,
	days_extrapolated integer
);
COMMENT ON TYPE duration_result IS 'days until an experiment has the units it needs';
COMMENT ON COLUMN duration_result.days IS 'days that the experiment takes; NULL: it never gets there';
COMMENT ON COLUMN duration_result.n IS 'units that it has by then';
COMMENT ON COLUMN duration_result.n_needed IS 'units that it needs';
COMMENT ON COLUMN duration_result.days_extrapolated IS 'of the days, those after the end of the arrivals given';

CREATE FUNCTION duration(
	n_needed bigint,
	arrivals float8[],
	share float8 DEFAULT 1,
	whole_weeks boolean DEFAULT true
) RETURNS duration_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION duration(bigint, float8[], float8, boolean) IS
'days until so many units have arrived, from the new units of each day; the last week repeats itself';

CREATE FUNCTION duration(
	plan power_plan,
	arrivals float8[],
	share float8 DEFAULT 1,
	whole_weeks boolean DEFAULT true
) RETURNS duration_result
LANGUAGE SQL IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT duration((plan).n_total, arrivals, share, whole_weeks);
END;
COMMENT ON FUNCTION duration(power_plan, float8[], float8, boolean) IS
'days until a plan has its units, from the new units of each day; the last week repeats itself';

CREATE TYPE remaining_result AS (
	variant text,
	control text,
	n bigint,
	n_control bigint,
	n_needed bigint,
	n_control_needed bigint,
	power_now float8,
	effect_now float8,
	lift_now float8,
	days_so_far integer,
	days_still integer,
	method text
);
COMMENT ON TYPE remaining_result IS
'how far a running comparison is: units there and needed, power and smallest effect found if it ended now, days left';

CREATE FUNCTION how_long_still(
	m moments,
	days_so_far integer,
	effect float8,
	relative boolean DEFAULT false,
	power float8 DEFAULT 0.8,
	control text DEFAULT NULL,
	metric integer DEFAULT 1,
	covariates integer[] DEFAULT '{}',
	null_diff float8 DEFAULT 0,
	alpha float8 DEFAULT 0.05,
	alternative text DEFAULT 'two-sided',
	metrics integer DEFAULT 1,
	inflation float8 DEFAULT 1,
	arrivals float8[] DEFAULT NULL,
	whole_weeks boolean DEFAULT true
) RETURNS SETOF remaining_result
LANGUAGE SQL IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
WITH arms AS (
	SELECT greatest(2, count(*))::integer AS variants, sum(s.n)::float8 AS units
	FROM moments_summary(m) AS s WHERE s.metric = 1
),
-- An arm without two units has no plan.  A comparison has an alpha of its own: here it is the argument.
plans AS MATERIALIZED (
	SELECT c.variant, c.control, c.n, c.n_control, a.units,
		   CASE WHEN c.n > 1 AND c.n_control > 1 THEN
				sample_size_mean(m, effect, relative, power, metric, covariates, null_diff,
								 c.n::float8 / c.n_control, how_long_still.alpha, alternative, a.variants, metrics,
								 inflation) END AS whole,
		   CASE WHEN c.n > 1 AND c.n_control > 1 THEN
				power_mean(m, c.n_control, effect, relative, metric, covariates, null_diff,
						   c.n::float8 / c.n_control, how_long_still.alpha, alternative, a.variants, metrics,
						   inflation) END AS now,
		   CASE WHEN c.n > 1 AND c.n_control > 1 THEN
				mde_mean(m, c.n_control, power, metric, covariates, null_diff,
						 c.n::float8 / c.n_control, how_long_still.alpha, alternative, a.variants, metrics,
						 inflation) END AS smallest
	FROM arms AS a, welch_t(m, control) AS c
),
-- All arms grow alike.
rest AS MATERIALIZED (
	SELECT p.*,
		   duration(CASE WHEN (p.whole).n_control_exact > 0 THEN
						 ceil(greatest(0, p.units * ((p.whole).n_control_exact / p.n_control - 1)))::bigint END,
					coalesce(arrivals, CASE WHEN days_so_far > 0 THEN ARRAY[p.units / days_so_far] END), 1, false) AS days
	FROM plans AS p
)
SELECT r.variant, r.control, r.n, r.n_control, (r.whole).n, (r.whole).n_control, (r.now).power,
	   (r.smallest).effect, (r.smallest).lift, days_so_far,
	   CASE WHEN whole_weeks
			THEN (7 * ceil((days_so_far + (r.days).days) / 7.0))::integer - days_so_far
			ELSE (r.days).days END,
	   (r.whole).method
FROM rest AS r
ORDER BY r.variant COLLATE "C";
END;
COMMENT ON FUNCTION how_long_still(moments, integer, float8, boolean, float8, text, integer, integer[], float8, float8, text, integer, float8, float8[], boolean) IS
'days that a running experiment still needs to find an effect of its mean, from the variance and the arrivals so far';

CREATE FUNCTION group_sequential_inflation(
	information float8[],
	alpha float8 DEFAULT 0.05,
	sides integer DEFAULT 2,
	power float8 DEFAULT 0.8,
	spending text DEFAULT 'obrien-fleming',
	spending_parameter float8 DEFAULT NULL
) RETURNS float8
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION group_sequential_inflation(float8[], float8, integer, float8, text, float8) IS
'units at the last look of a group sequential design, per unit of a design with a single look and the same alpha and power: the inflation that sample_size_mean and its like take';
-- The metrics of an experiment together: ship, do not ship, or keep running.

CREATE TYPE metric_result AS (
	metric text,
	role text,
	result comparison,
	better text,
	margin float8,
	relative boolean,
	weight float8
);
COMMENT ON TYPE metric_result IS 'the result of a metric and its role in a decision';

CREATE FUNCTION metric_result(
	metric text,
	role text,
	result comparison,
	better text DEFAULT 'higher',
	margin float8 DEFAULT NULL,
	relative boolean DEFAULT false,
	weight float8 DEFAULT 1
) RETURNS metric_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION metric_result(text, text, comparison, text, float8, boolean, float8) IS
'a metric''s result for decide(): role primary, secondary or guardrail; higher or lower is better; the margin by which a guardrail may get worse';

CREATE FUNCTION decide_check(bigint, float8, text, float8, float8, float8, bigint, float8) RETURNS boolean
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION decide_check(bigint, float8, text, float8, float8, float8, bigint, float8) IS
'checks the arguments of decide()';

CREATE TYPE decision AS (
	variant text,
	decision text,
	reasons text
);
COMMENT ON TYPE decision IS 'ship, do not ship or keep running a variant, and why';

CREATE FUNCTION decide(
	results metric_result[],
	alpha float8 DEFAULT 0.05,
	correction text DEFAULT 'weighted',
	primary_share float8 DEFAULT 0.8,
	srm_p_value float8 DEFAULT NULL,
	srm_alpha float8 DEFAULT 0.001,
	max_lift float8 DEFAULT 0.3,
	min_n bigint DEFAULT 100,
	planned_n bigint DEFAULT NULL
) RETURNS SETOF decision
LANGUAGE SQL IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
WITH given AS (
	-- metric_result() checks also a row that was not made by it
	SELECT checked.position, (checked.row).metric, (checked.row).role, (checked.row).margin,
		   (checked.row).relative, (checked.row).weight, (checked.row).better,
		   ((checked.row).result).*
	FROM (SELECT r.position,
				 metric_result(r.metric, r.role, r.result, coalesce(r.better, 'higher'), r.margin,
							   coalesce(r.relative, false), coalesce(r.weight, 1)) AS row
		  FROM unnest(results) WITH ORDINALITY
			   AS r (metric, role, result, better, margin, relative, weight, position)
		  OFFSET 0) AS checked
	WHERE decide_check((SELECT count(*) FROM unnest(results) AS r WHERE r.role = 'primary'),
					   decide.alpha, correction, primary_share, srm_alpha, max_lift, min_n, srm_p_value)
),
-- Each role's share of alpha; a role that does not occur leaves its share to the other.
shares AS (
	SELECT g.*,
		   g.weight / sum(g.weight) OVER (PARTITION BY g.role)
		   * CASE WHEN count(*) FILTER (WHERE g.role = 'secondary') OVER () = 0 THEN 1
				  WHEN g.role = 'primary' THEN primary_share
				  ELSE 1 - primary_share END AS share
	FROM given AS g
),
adjusted AS (
	SELECT s.*,
		   CASE WHEN s.role = 'guardrail' OR correction = 'none' THEN s.p_value
				WHEN s.p_value IS NULL THEN NULL
				WHEN correction = 'weighted'
				THEN least(1, s.p_value / nullif(s.share, 0))
				ELSE p_adjust(CASE WHEN s.role <> 'guardrail' THEN s.p_value END,
							  CASE WHEN correction IN ('weighted', 'none') THEN 'bonferroni'
								   ELSE correction END) OVER () END AS p_adjusted
	FROM shares AS s
),
-- In the direction that is better: the change, and the ends of its interval.
changes AS (
	SELECT a.*,
		   CASE a.better WHEN 'lower' THEN -1 ELSE 1 END * a.diff AS gain,
		   CASE WHEN a.better = 'lower' THEN -CASE WHEN a.relative THEN a.lift_high ELSE a.diff_high END
				ELSE CASE WHEN a.relative THEN a.lift_low ELSE a.diff_low END END AS gain_low,
		   CASE WHEN a.better = 'lower' THEN -CASE WHEN a.relative THEN a.lift_low ELSE a.diff_low END
				ELSE CASE WHEN a.relative THEN a.lift_high ELSE a.diff_high END END AS gain_high
	FROM adjusted AS a
),
-- alpha is the argument: a comparison has one of its own.
judged AS (
	SELECT c.*,
		   CASE WHEN c.role = 'guardrail'
				THEN CASE WHEN c.gain_low > -c.margin THEN 'safe'
						  WHEN c.gain_high < -c.margin THEN 'harmed'
						  ELSE 'open' END
				WHEN c.p_adjusted < decide.alpha AND c.gain > 0 THEN 'better'
				WHEN c.p_adjusted < decide.alpha AND c.gain < 0 THEN 'worse'
				ELSE 'open' END AS status,
		   least(c.n, c.n_control) AS smaller_arm,
		   coalesce(CASE WHEN abs(c.lift) < 1e6 THEN to_char(100 * c.lift, 'FMSG999999990.00') || ' %' END,
					'difference ' || c.diff::text, 'no estimate') AS change,
		   CASE WHEN c.p_adjusted IS NULL THEN 'no p-value'
				WHEN c.p_adjusted < 0.0001 THEN 'adjusted p < 0.0001'
				ELSE 'adjusted p = ' || round(c.p_adjusted::numeric, 4) END AS evidence
	FROM changes AS c
),
worded AS (
	SELECT j.*,
		   CASE j.role || ' ' || j.status
				WHEN 'guardrail safe' THEN format('guardrail %s holds: %s, not worse by %s or more',
												  j.metric, j.change, j.margin_text)
				WHEN 'guardrail harmed' THEN format('guardrail %s is broken: %s, worse by more than %s',
													j.metric, j.change, j.margin_text)
				WHEN 'guardrail open' THEN format('guardrail %s is open: %s, and it may be worse by %s',
												  j.metric, j.change, j.margin_text)
				ELSE format('%s %s %s: %s, %s', j.role, j.metric,
							CASE j.status WHEN 'better' THEN 'got better' WHEN 'worse' THEN 'got worse'
										  ELSE 'shows no effect yet' END,
							j.change, j.evidence) END AS sentence
	FROM (SELECT j.*, CASE WHEN j.relative THEN to_char(100 * j.margin, 'FM999999990.00') || ' %'
						   ELSE j.margin::text END AS margin_text
		  FROM judged AS j) AS j
),
variants AS (
	SELECT w.variant,
		   coalesce(srm_p_value < srm_alpha, false) AS srm_failed,
		   bool_or(w.smaller_arm < min_n) FILTER (WHERE w.role <> 'secondary') AS few,
		   min(w.smaller_arm) FILTER (WHERE w.role <> 'secondary') AS smallest_arm,
		   bool_or(w.status IN ('harmed', 'worse') AND w.role <> 'secondary') AS harmed,
		   bool_or(w.status = 'better' AND w.role = 'primary') AS won,
		   coalesce(bool_or(w.status = 'open' AND w.role = 'guardrail'), false) AS unsafe,
		   coalesce(bool_or(abs(w.lift) > max_lift), false) AS odd,
		   string_agg(w.metric, ', ' ORDER BY w.position) FILTER (WHERE abs(w.lift) > max_lift) AS odd_metrics,
		   planned_n IS NOT NULL AND min(w.smaller_arm) FILTER (WHERE w.role = 'primary') < planned_n AS early,
		   bool_or(w.role = 'primary' AND (w.method ~ '^(confidence_sequence|msprt|group_sequential)') IS NOT TRUE) AS fixed,
		   string_agg(w.sentence, E'\n' ORDER BY w.role = 'guardrail', w.role = 'secondary', w.position) AS sentences
	FROM worded AS w
	GROUP BY w.variant
),
decided AS (
	SELECT v.*,
		   CASE WHEN v.srm_failed THEN 'do not ship'
				WHEN v.few THEN 'keep running'
				WHEN v.harmed THEN 'do not ship'
				WHEN v.early AND v.fixed THEN 'keep running'
				WHEN v.won AND NOT v.unsafe AND NOT v.odd THEN 'ship'
				WHEN v.won AND NOT v.unsafe THEN 'keep running'
				WHEN planned_n IS NOT NULL AND NOT v.early THEN 'do not ship'
				ELSE 'keep running' END AS decision
	FROM variants AS v
)
SELECT d.variant, d.decision,
	   concat_ws(E'\n',
		   CASE WHEN d.srm_failed THEN
				format('do not trust the numbers: the split is not the planned one (SRM p = %s)',
					   srm_p_value) END,
		   CASE WHEN d.few THEN
				format('too few units: %s in the smaller arm, fewer than %s', d.smallest_arm, min_n) END,
		   CASE WHEN d.odd THEN
				format('too good (or bad) to be true: a change of more than %s %% in %s; look for a bug first',
					   round((100 * max_lift)::numeric, 1), d.odd_metrics) END,
		   CASE WHEN d.early AND d.fixed THEN
				format('not yet at the planned %s units per arm: a p-value for one look must not be read before',
					   planned_n) END,
		   CASE WHEN d.decision = 'do not ship' AND NOT d.srm_failed AND NOT d.harmed THEN
				format('the planned %s units per arm are there, and %s', planned_n,
					   CASE WHEN d.won THEN 'a guardrail is still open' ELSE 'no primary metric got better' END) END,
		   d.sentences)
FROM decided AS d
ORDER BY d.variant COLLATE "C";
END;
COMMENT ON FUNCTION decide(metric_result[], float8, text, float8, float8, float8, float8, bigint, bigint) IS
'ship, do not ship or keep running, for each treatment, from the results of its metrics and their roles';
-- Public hash functions.

CREATE FUNCTION farm_fingerprint(data text) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION farm_fingerprint(text) IS
'FarmHash Fingerprint64 of the text''s bytes, as BigQuery''s FARM_FINGERPRINT';

CREATE FUNCTION farm_fingerprint(data bytea) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION farm_fingerprint(bytea) IS
'FarmHash Fingerprint64, as BigQuery''s FARM_FINGERPRINT';

CREATE FUNCTION murmur3_32(data text, seed int DEFAULT 0) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION murmur3_32(text, int) IS
'MurmurHash3_x86_32 of the text''s bytes, from 0 to 2^32 - 1';

CREATE FUNCTION murmur3_32(data bytea, seed int DEFAULT 0) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION murmur3_32(bytea, int) IS
'MurmurHash3_x86_32, from 0 to 2^32 - 1';

CREATE FUNCTION fnv1a_32(data text) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION fnv1a_32(text) IS
'FNV-1a of the text''s bytes, 32 bits, from 0 to 2^32 - 1';

CREATE FUNCTION fnv1a_32(data bytea) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION fnv1a_32(bytea) IS
'FNV-1a, 32 bits, from 0 to 2^32 - 1';

CREATE FUNCTION sha1_60(data text) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sha1_60(text) IS
'the first 15 hexadecimal digits of the SHA-1 of the text''s bytes, from 0 to 2^60 - 1';

CREATE FUNCTION sha1_60(data bytea) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION sha1_60(bytea) IS
'the first 15 hexadecimal digits of the SHA-1, from 0 to 2^60 - 1';
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
-- Exposure logs: one row per unit out of many per exposure, and what is wrong with them.

CREATE TYPE first_exposure_result AS (
	exposures bigint,
	exposed_at timestamptz,
	crossover boolean,
	variant text,
	segments text[]
);
COMMENT ON TYPE first_exposure_result IS 'what an exposure log says about a unit';
COMMENT ON COLUMN first_exposure_result.exposures IS 'number of exposures';
COMMENT ON COLUMN first_exposure_result.exposed_at IS 'time of the first exposure';
COMMENT ON COLUMN first_exposure_result.crossover IS 'was the unit exposed to more than one variant?';
COMMENT ON COLUMN first_exposure_result.variant IS 'variant of the first exposure';
COMMENT ON COLUMN first_exposure_result.segments IS 'segments at the first exposure';

CREATE FUNCTION first_exposure_accum(first_exposure_result, text, timestamptz) RETURNS first_exposure_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_accum(first_exposure_result, text, timestamptz) IS
'aggregate transition function';

CREATE FUNCTION first_exposure_accum(first_exposure_result, text, timestamptz, text[])
RETURNS first_exposure_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_accum(first_exposure_result, text, timestamptz, text[]) IS
'aggregate transition function';

CREATE FUNCTION first_exposure_combine(first_exposure_result, first_exposure_result) RETURNS first_exposure_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_combine(first_exposure_result, first_exposure_result) IS
'aggregate combine function';

CREATE AGGREGATE first_exposure(variant text, exposed_at timestamptz) (
	SFUNC = first_exposure_accum, STYPE = first_exposure_result, SSPACE = 96,
	COMBINEFUNC = first_exposure_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE first_exposure(text, timestamptz) IS
'first exposure of a unit, number of exposures, and whether there was more than one variant';

CREATE AGGREGATE first_exposure(variant text, exposed_at timestamptz, segments text[]) (
	SFUNC = first_exposure_accum, STYPE = first_exposure_result, SSPACE = 160,
	COMBINEFUNC = first_exposure_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE first_exposure(text, timestamptz, text[]) IS
'first exposure of a unit, with its segments';

-- What the functions below share.  They look names up and quote them, put a query together, and
-- have it run by exposure_rows, with the caller's rights.  Functions with SQL bodies are bound to
-- what they call when the extension is created, so that no search_path leads them astray, and are
-- inlined; those in plpgsql and the queries use nothing but pg_catalog, and of the extension what
-- they name with its schema.

CREATE FUNCTION exposure_relation(relation regclass, argument text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	kind "char";
BEGIN
	IF relation IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = format('%s must not be null', argument),
			HINT = 'Give a table or a view, for example ''exposures''.';
	END IF;
	SELECT relkind INTO kind FROM pg_class WHERE oid = relation;
	IF NOT found THEN
		RAISE undefined_table USING
			MESSAGE = format('relation with OID %s does not exist', relation),
			DETAIL = format('It was given as %s.', argument),
			HINT = 'Give a table or a view by its name.';
	END IF;
	IF kind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
		RAISE wrong_object_type USING
			MESSAGE = format('%s is not a table or a view', relation),
			DETAIL = format('It was given as %s.', argument),
			HINT = 'Give a table, a view, a materialized view or a foreign table.';
	END IF;
	RETURN format('%s', relation);
END
$$;
COMMENT ON FUNCTION exposure_relation(regclass, text) IS
'the quoted name of a relation that can be read';

CREATE FUNCTION exposure_column(relation regclass, "column" text, argument text, is_time boolean)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_type oid;
	base_type oid;
BEGIN
	IF "column" IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = format('%s must not be null', argument),
			HINT = format('Give the name of a column of %s.', relation);
	END IF;
	SELECT atttypid INTO found_type
	FROM pg_attribute
	WHERE attrelid = relation AND attname = "column" AND attnum > 0 AND NOT attisdropped;
	IF NOT found THEN
		RAISE undefined_column USING
			MESSAGE = format('column "%s" of relation %s does not exist', "column", relation),
			DETAIL = format('It was given as %s.', argument),
			HINT = format('The columns are: %s.',
				(SELECT coalesce(string_agg(quote_ident(attname), ', ' ORDER BY attnum), 'none')
				 FROM pg_attribute
				 WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped));
	END IF;
	IF is_time THEN
		SELECT coalesce(nullif(typbasetype, 0), oid) INTO base_type FROM pg_type WHERE oid = found_type;
		IF base_type NOT IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) THEN
			RAISE datatype_mismatch USING
				MESSAGE = format('column "%s" of relation %s is of type %s, not a time',
								 "column", relation, format_type(found_type, NULL)),
				DETAIL = format('It was given as %s.', argument),
				HINT = 'Times are timestamptz, timestamp or date. Convert others in a view, for example with to_timestamp().';
		END IF;
	END IF;
	RETURN format('%I', "column");
END
$$;
COMMENT ON FUNCTION exposure_column(regclass, text, text, boolean) IS
'the quoted name of a column that exists, of a time if that is asked for';

CREATE FUNCTION exposure_choice(value text, argument text, VARIADIC choices text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF value IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = format('%s must not be null', argument);
	ELSIF value <> ALL (choices) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('unknown %s policy "%s"', argument, value),
			HINT = format('Accepted: ''%s''.', array_to_string(choices, ''', '''));
	END IF;
	RETURN value;
END
$$;
COMMENT ON FUNCTION exposure_choice(text, text, text[]) IS 'a policy that is known';

CREATE FUNCTION exposure_share(value float8, argument text, below_one boolean) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF value IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = format('%s must not be null', argument);
	ELSIF below_one AND NOT (value > 0 AND value < 1) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s must be between 0 and 1, both excluded, not %s', argument, value);
	ELSIF NOT (value >= 0 AND value <= 1) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s must be between 0 and 1, not %s', argument, value),
			HINT = 'It is a share: 0.01 is 1 %.';
	END IF;
	RETURN value;
END
$$;
COMMENT ON FUNCTION exposure_share(float8, text, boolean) IS 'a share or a level that is one';

-- "Is this exposure within the dates?" NULL if every one is.  Times are written in a style that is read
-- back as it was written: others have zones such as IST, which is taken for Israel's and not for India's.
CREATE FUNCTION exposure_dates(exposed_at text, starts timestamptz, ends timestamptz) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET datestyle = ISO AS $$
BEGIN
	IF starts >= ends THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('ends (%s) must be after starts (%s)', ends, starts),
			HINT = 'An exposure counts from starts on and before ends.';
	END IF;
	RETURN '(' || nullif(concat_ws(' AND ',
		format('%s::timestamptz >= ', exposed_at) || quote_literal(starts) || '::timestamptz',
		format('%s::timestamptz < ', exposed_at) || quote_literal(ends) || '::timestamptz'), '') || ')';
END
$$;
COMMENT ON FUNCTION exposure_dates(text, timestamptz, timestamptz) IS
'the condition that an exposure is within the dates';

CREATE FUNCTION exposure_schema() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT quote_ident(n.nspname)
	FROM pg_extension AS x JOIN pg_namespace AS n ON n.oid = x.extnamespace
	WHERE x.extname = 'expstat';
END;
COMMENT ON FUNCTION exposure_schema() IS 'the quoted schema of the extension';

-- Not parallel safe, so that it runs in the leader, where the query may have workers of its own.
CREATE FUNCTION exposure_rows(query text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY EXECUTE query;
END
$$;
COMMENT ON FUNCTION exposure_rows(text) IS 'the rows of a query, with the caller''s rights';

-- A log as its user names it, with all names looked up and quoted, for the alias e.
CREATE TYPE exposure_log_result AS (
	relation text,
	unit text,
	variant text,
	exposed_at text,
	dates text
);
COMMENT ON TYPE exposure_log_result IS 'quoted names of an exposure log, and the condition that an exposure is within the dates';

CREATE FUNCTION exposure_log(
	exposures regclass, unit text, variant text, exposed_at text, starts timestamptz, ends timestamptz
) RETURNS exposure_log_result
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT l.relation, l.unit, l.variant, l.exposed_at, exposure_dates(l.exposed_at, starts, ends)
	FROM (SELECT exposure_relation(exposures, 'exposures') AS relation,
				 'e.' || exposure_column(exposures, unit, 'unit', false) AS unit,
				 'e.' || exposure_column(exposures, variant, 'variant', false) AS variant,
				 'e.' || exposure_column(exposures, exposed_at, 'exposed_at', true) AS exposed_at
		  OFFSET 0) AS l;
END;
COMMENT ON FUNCTION exposure_log(regclass, text, text, text, timestamptz, timestamptz) IS
'the quoted names of an exposure log';

-- The one pass over the log: a row per unit.
CREATE FUNCTION exposure_units_query(
	exposures regclass, unit text, variant text, exposed_at text,
	starts timestamptz, ends timestamptz, segments text[]
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format(
		'SELECT %2$s AS unit, count(*) AS logged, count(%3$s) AS with_variant, '
		'count(%4$s) AS with_time, %5$s AS outside, '
		'%6$s.first_exposure(%3$s::text, %4$s::timestamptz%7$s)%8$s AS first '
		'FROM %1$s AS e GROUP BY %2$s',
		l.relation, l.unit, l.variant, l.exposed_at,
		coalesce('count(*) FILTER (WHERE NOT ' || l.dates || ')', '0::bigint'),
		exposure_schema(),
		', ARRAY['
		|| (SELECT string_agg('e.' || exposure_column(exposures, s.name, 'segments', false) || '::text',
							  ', ' ORDER BY s.i)
			FROM unnest(segments) WITH ORDINALITY AS s (name, i)) || ']',
		' FILTER (WHERE ' || l.dates || ')')
	FROM exposure_log(exposures, unit, variant, exposed_at, starts, ends) AS l;
END;
COMMENT ON FUNCTION exposure_units_query(regclass, text, text, text, timestamptz, timestamptz, text[]) IS
'the query that turns an exposure log into a row per unit';

CREATE FUNCTION exposure_crossover(unit text, variant text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RAISE data_exception USING
		MESSAGE = format('unit "%s" was exposed to "%s" and to another variant', unit, variant),
		HINT = 'exposure_crossovers() lists all such units. crossovers => ''drop'' leaves them out, ''keep_first'' counts them where they were first.';
END
$$;
COMMENT ON FUNCTION exposure_crossover(text, text) IS 'raises the error of a crossover under the policy fail';

CREATE TYPE first_exposures_result AS (
	unit text,
	variant text,
	exposed_at timestamptz,
	exposures bigint,
	crossover boolean
);
COMMENT ON TYPE first_exposures_result IS 'a unit of an exposure log';

CREATE FUNCTION first_exposures(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	crossovers text DEFAULT 'drop',
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF first_exposures_result
LANGUAGE sql STABLE ROWS 100000
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_rows(format(
		'SELECT u.unit::text, %1$s, (u.first).exposed_at, (u.first).exposures, (u.first).crossover '
		'FROM (%2$s) AS u WHERE u.unit IS NOT NULL AND (u.first).exposures IS NOT NULL%3$s',
		CASE exposure_choice(crossovers, 'crossovers', 'drop', 'keep_first', 'fail')
			WHEN 'fail' THEN format(
				'CASE WHEN (u.first).crossover THEN %s.exposure_crossover(u.unit::text, (u.first).variant) '
				'ELSE (u.first).variant END', exposure_schema())
			ELSE '(u.first).variant' END,
		exposure_units_query(exposures, unit, variant, exposed_at, starts, ends, NULL),
		CASE crossovers WHEN 'drop' THEN ' AND NOT (u.first).crossover' END))
		AS r (unit text, variant text, exposed_at timestamptz, exposures bigint, crossover boolean);
END;
COMMENT ON FUNCTION first_exposures(regclass, text, text, text, text, timestamptz, timestamptz) IS
'first exposure of each unit of an exposure log; units in more than one variant are dropped, kept in their first, or an error';

CREATE TYPE exposure_crossovers_result AS (
	unit text,
	variants text[],
	exposed_at timestamptz[],
	exposures bigint[]
);
COMMENT ON TYPE exposure_crossovers_result IS
'a unit that was exposed to several variants: these in order, with the time of the first and the number of exposures to each';

CREATE FUNCTION exposure_crossovers(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF exposure_crossovers_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_log(exposures, unit, variant, exposed_at, starts, ends) AS l,
		 exposure_rows(format(
		'SELECT v.unit::text, array_agg(v.variant ORDER BY v.at, v.variant COLLATE "C"), '
		'array_agg(v.at ORDER BY v.at, v.variant COLLATE "C"), '
		'array_agg(v.n ORDER BY v.at, v.variant COLLATE "C") '
		'FROM (SELECT %2$s AS unit, %3$s::text AS variant, min(%4$s::timestamptz) AS at, count(*) AS n '
		'FROM %1$s AS e WHERE %2$s IS NOT NULL AND %3$s IS NOT NULL AND %4$s IS NOT NULL%5$s '
		'GROUP BY 1, 2) AS v GROUP BY v.unit HAVING count(*) > 1',
		l.relation, l.unit, l.variant, l.exposed_at, ' AND ' || l.dates))
		AS r (unit text, variants text[], exposed_at timestamptz[], exposures bigint[]);
END;
COMMENT ON FUNCTION exposure_crossovers(regclass, text, text, text, timestamptz, timestamptz) IS
'the units of an exposure log that were exposed to more than one variant';

CREATE TYPE exposures_outside_result AS (
	unit text,
	variant text,
	exposed_at timestamptz,
	side text
);
COMMENT ON TYPE exposures_outside_result IS 'an exposure before or after the dates of its experiment';

CREATE FUNCTION exposures_outside(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF exposures_outside_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_log(exposures, unit, variant, exposed_at, starts, ends) AS l,
		 exposure_rows(format(
		'SELECT %2$s::text, %3$s::text, %4$s::timestamptz, '
		'CASE WHEN %6$s THEN ''after'' ELSE ''before'' END FROM %1$s AS e WHERE NOT %5$s',
		l.relation, l.unit, l.variant, l.exposed_at, coalesce(l.dates, 'true'),
		coalesce(exposure_dates(l.exposed_at, starts, NULL), 'true')))
		AS r (unit text, variant text, exposed_at timestamptz, side text);
END;
COMMENT ON FUNCTION exposures_outside(regclass, text, text, text, timestamptz, timestamptz) IS
'the exposures outside the dates of the experiment, from starts on and before ends';

-- The expression of the variant that a unit should have, for the alias u; NULL without a salt.
-- assign_variant reads its arguments here, too, so that errors do not depend on the rows.
-- The numbers are written with all their digits.
CREATE FUNCTION exposure_assignment(
	salt text, variants text[], weights float8[], coverage float8, method text
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET extra_float_digits = 1
BEGIN ATOMIC
	SELECT CASE WHEN a.variant IS NOT NULL OR salt IS NOT NULL THEN
		format('%s.assign_variant(u.unit::text, %L, %L::text[], %L::float8[], %L::float8%s)',
			   exposure_schema(), salt, variants, weights, coverage,
			   ', method => ' || quote_literal(nullif(method, 'farm_fingerprint'))) END
	FROM assign_variant(CASE WHEN salt IS NULL THEN NULL ELSE '' END, coalesce(salt, ''),
						variants, weights, coverage) AS a (variant);
END;
COMMENT ON FUNCTION exposure_assignment(text, text[], float8[], float8, text) IS
'the expression of the variant that a unit should have';

CREATE TYPE assignment_mismatches_result AS (
	unit text,
	variant text,
	assigned text,
	exposed_at timestamptz,
	exposures bigint
);
COMMENT ON TYPE assignment_mismatches_result IS
'a unit whose logged variant is not the one that it is assigned; assigned is NULL outside the coverage';

CREATE FUNCTION assignment_mismatches(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	salt text,
	variants text[],
	weights float8[] DEFAULT NULL,
	coverage float8 DEFAULT 1,
	method text DEFAULT NULL,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF assignment_mismatches_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_rows(format(
		'SELECT x.* FROM (SELECT u.unit::text, (u.first).variant, %1$s AS assigned, '
		'(u.first).exposed_at, (u.first).exposures FROM (%2$s) AS u '
		'WHERE u.unit IS NOT NULL AND (u.first).exposures IS NOT NULL OFFSET 0) AS x '
		'WHERE x.variant IS DISTINCT FROM x.assigned',
		exposure_assignment(salt, variants, weights, coverage, method),
		exposure_units_query(exposures, unit, variant, exposed_at, starts, ends, NULL)))
		AS r (unit text, variant text, assigned text, exposed_at timestamptz, exposures bigint);
END;
COMMENT ON FUNCTION assignment_mismatches(regclass, text, text, text, text, text[], float8[], float8, text, timestamptz, timestamptz) IS
'the units whose logged variant is not the one that assign_variant gives';

-- '' if two columns can be compared as they are, '::text' if not: a type of an extension has its
-- equality in a schema that is not searched.
CREATE FUNCTION exposure_key_cast(relation regclass, "column" text, other regclass, other_column text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN count(DISTINCT (a.atttypid, a.attcollation)) > 1
					 OR bool_or(t.typnamespace <> 'pg_catalog'::regnamespace AND t.typtype = 'b')
				THEN '::text' ELSE '' END
	FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
	WHERE (a.attrelid = relation AND a.attname = "column") OR (a.attrelid = other AND a.attname = other_column);
END;
COMMENT ON FUNCTION exposure_key_cast(regclass, text, regclass, text) IS
'the cast that makes two columns comparable';

CREATE TYPE assigned_not_exposed_result AS (unit text, variant text);
COMMENT ON TYPE assigned_not_exposed_result IS 'a unit and the variant it was assigned';

CREATE FUNCTION assigned_not_exposed(
	assignments regclass,
	assigned_unit text,
	assigned_variant text,
	exposures regclass,
	unit text
) RETURNS SETOF assigned_not_exposed_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_rows(format(
		'SELECT a.%2$s::text, a.%3$s::text FROM %1$s AS a WHERE a.%2$s IS NOT NULL AND a.%3$s IS NOT NULL '
		'AND NOT EXISTS (SELECT FROM %4$s AS e WHERE e.%5$s%6$s = a.%2$s%6$s) GROUP BY 1, 2',
		exposure_relation(assignments, 'assignments'),
		exposure_column(assignments, assigned_unit, 'assigned_unit', false),
		exposure_column(assignments, assigned_variant, 'assigned_variant', false),
		exposure_relation(exposures, 'exposures'),
		exposure_column(exposures, unit, 'unit', false),
		exposure_key_cast(assignments, assigned_unit, exposures, unit)))
		AS r (unit text, variant text);
END;
COMMENT ON FUNCTION assigned_not_exposed(regclass, text, text, regclass, text) IS
'the assigned units that are not in the exposure log';

CREATE TYPE person_exposures_result AS (
	unit text,
	variant text,
	exposed_at timestamptz,
	exposures bigint,
	ids bigint,
	conflict boolean
);
COMMENT ON TYPE person_exposures_result IS
'a person of an exposure log, under one id; variant is NULL where the ids were exposed to different variants';

-- A row per id first, so that the log is read once; then a row per person.
CREATE FUNCTION person_exposures(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	identities regclass,
	anonymous_id text,
	user_id text,
	seen_at text,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF person_exposures_result
LANGUAGE sql STABLE ROWS 100000
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_rows(format(
		'SELECT p.unit, CASE WHEN NOT p.conflict THEN (p.first).variant END, (p.first).exposed_at, '
		'p.exposures, p.ids, p.conflict FROM ('
		'SELECT coalesce(i.user_id, u.unit::text) AS unit, '
		'%1$s.first_exposure((u.first).variant, (u.first).exposed_at) AS first, '
		'sum((u.first).exposures)::bigint AS exposures, count(*) AS ids, '
		'bool_or((u.first).crossover) OR min((u.first).variant) <> max((u.first).variant) AS conflict '
		'FROM (%2$s) AS u LEFT JOIN ('
		'SELECT DISTINCT ON (1) i.%4$s::text AS anonymous_id, i.%5$s::text AS user_id FROM %3$s AS i '
		'WHERE i.%4$s IS NOT NULL AND i.%5$s IS NOT NULL '
		'ORDER BY 1, i.%6$s::timestamptz, i.%5$s::text COLLATE "C") AS i ON i.anonymous_id = u.unit::text '
		'WHERE u.unit IS NOT NULL AND (u.first).exposures IS NOT NULL GROUP BY 1) AS p',
		exposure_schema(),
		exposure_units_query(exposures, unit, variant, exposed_at, starts, ends, NULL),
		exposure_relation(identities, 'identities'),
		exposure_column(identities, anonymous_id, 'anonymous_id', false),
		exposure_column(identities, user_id, 'user_id', false),
		exposure_column(identities, seen_at, 'seen_at', true)))
		AS r (unit text, variant text, exposed_at timestamptz, exposures bigint, ids bigint, conflict boolean);
END;
COMMENT ON FUNCTION person_exposures(regclass, text, text, text, regclass, text, text, text, timestamptz, timestamptz) IS
'first exposure of each person, whose logged-out ids are mapped to the logged-in id that was seen first with each';
-- What is wrong with an exposure log: from one row per unit to a few cells that all checks are made of.

CREATE TYPE exposure_cells_result AS (
	kind text,
	segment text,
	value text,
	class text,
	variant text,
	crossover boolean,
	units bigint,
	exposures bigint,
	exposures_squared float8,
	logged bigint,
	null_variants bigint,
	null_times bigint,
	outside bigint,
	mismatched bigint,
	uncovered bigint,
	unassigned bigint,
	reassigned bigint
);
COMMENT ON TYPE exposure_cells_result IS
'units of an exposure log, counted: kind is total, day or segment, class exposed, no_variant, not_counted, null_unit or not_exposed';

-- The join of the units u with those that were assigned, which gives NULL if these are not known.
CREATE FUNCTION exposure_assigned_join(
	assignments regclass, assigned_unit text, assigned_variant text, exposures regclass, unit text
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN assignments IS NULL THEN
		'CROSS JOIN (SELECT NULL::text AS low, NULL::text AS high) AS a'
	ELSE format(
		'FULL JOIN (SELECT a.%2$s%4$s AS unit, min(a.%3$s::text COLLATE "C") AS low, '
		'max(a.%3$s::text COLLATE "C") AS high FROM %1$s AS a '
		'WHERE a.%2$s IS NOT NULL AND a.%3$s IS NOT NULL GROUP BY 1) AS a ON a.unit = u.unit%4$s',
		exposure_relation(assignments, 'assignments'),
		exposure_column(assignments, assigned_unit, 'assigned_unit', false),
		exposure_column(assignments, assigned_variant, 'assigned_variant', false),
		exposure_key_cast(assignments, assigned_unit, exposures, unit)) END;
END;
COMMENT ON FUNCTION exposure_assigned_join(regclass, text, text, regclass, text) IS
'the join of the units with those that were assigned';

-- The planner cannot know how few cells there are, and would rather sort a row per unit.
CREATE FUNCTION exposure_hashed_rows(query text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_sort = off AS $$
BEGIN
	RETURN QUERY EXECUTE query;
END
$$;
COMMENT ON FUNCTION exposure_hashed_rows(text) IS
'the rows of a query, with the caller''s rights, by hashing rather than sorting';

CREATE FUNCTION exposure_cells(
	exposures regclass, unit text, variant text, exposed_at text,
	starts timestamptz, ends timestamptz, segments text[],
	assignment text DEFAULT NULL, assigned_join text DEFAULT exposure_assigned_join(NULL, NULL, NULL, NULL, NULL)
) RETURNS SETOF exposure_cells_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_hashed_rows(format(
		'WITH counted AS MATERIALIZED ('
		'SELECT x.class, x.variant, x.crossover, x.day, x.segments, count(*) AS units, '
		'sum(x.exposures)::bigint AS exposures, sum(x.exposures::float8 * x.exposures::float8) AS squares, '
		'sum(x.logged)::bigint AS logged, sum(x.logged - x.with_variant)::bigint AS null_variants, '
		'sum(x.logged - x.with_time)::bigint AS null_times, sum(x.outside)::bigint AS outside, '
		'count(*) FILTER (WHERE x.assigned IS DISTINCT FROM x.variant) AS mismatched, '
		'count(*) FILTER (WHERE x.assigned IS NULL) AS uncovered, '
		'count(*) FILTER (WHERE x.low IS NULL) AS unassigned, '
		'count(*) FILTER (WHERE x.variant NOT IN (x.low, x.high)) AS reassigned '
		'FROM (SELECT CASE WHEN u.logged IS NULL THEN ''not_exposed'' WHEN u.unit IS NULL THEN ''null_unit'' '
		'WHEN (u.first).exposures IS NOT NULL THEN ''exposed'' WHEN u.with_variant = 0 THEN ''no_variant'' '
		'ELSE ''not_counted'' END AS class, '
		'(u.first).variant, (u.first).crossover, (u.first).exposed_at::date AS day, (u.first).segments, '
		'(u.first).exposures, u.logged, u.with_variant, u.with_time, u.outside, '
		'%2$s AS assigned, a.low, a.high FROM (%1$s) AS u %3$s OFFSET 0) AS x GROUP BY 1, 2, 3, 4, 5) %4$s',
		exposure_units_query(exposures, unit, variant, exposed_at, starts, ends, segments),
		coalesce(assignment, 'NULL::text'), assigned_join,
		(SELECT string_agg(format(
			'SELECT %1$L::text, %2$L::text, %3$s, class, variant, crossover, sum(units)::bigint, '
			'sum(exposures)::bigint, sum(squares), sum(logged)::bigint, sum(null_variants)::bigint, '
			'sum(null_times)::bigint, sum(outside)::bigint, sum(mismatched)::bigint, sum(uncovered)::bigint, '
			'sum(unassigned)::bigint, sum(reassigned)::bigint FROM counted%4$s GROUP BY 3, 4, 5, 6',
			k.kind, k.segment, k.value,
			CASE WHEN k.kind <> 'total' THEN ' WHERE class = ''exposed''' END), ' UNION ALL ')
		 FROM (SELECT 'total' AS kind, NULL AS segment, 'NULL::text' AS value
			   UNION ALL SELECT 'day', NULL, 'day::text'
			   UNION ALL SELECT 'segment', s.name, format('segments[%s]', s.i)
			   FROM unnest(segments) WITH ORDINALITY AS s (name, i)) AS k)))
		AS r (kind text, segment text, value text, class text, variant text, crossover boolean,
			  units bigint, exposures bigint, exposures_squared float8, logged bigint,
			  null_variants bigint, null_times bigint, outside bigint, mismatched bigint,
			  uncovered bigint, unassigned bigint, reassigned bigint);
END;
COMMENT ON FUNCTION exposure_cells(regclass, text, text, text, timestamptz, timestamptz, text[], text, text) IS
'what all checks of an exposure log are made of, from one pass over it';

-- Sample ratio mismatch by the cells: in all, by day, by segment.

CREATE TYPE exposure_srm_result AS (
	kind text,
	segment text,
	value text,
	n bigint,
	observed bigint[],
	expected float8[],
	chi2 float8,
	p_value float8,
	p_adjusted float8,
	p_value_rest float8
);
COMMENT ON TYPE exposure_srm_result IS 'sample ratio mismatch among the units of a cell, and among all others';

CREATE FUNCTION exposure_weights(variants text[], weights float8[]) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(weights, array_fill(1::float8, ARRAY[coalesce(cardinality(variants), 0)]));
END;
COMMENT ON FUNCTION exposure_weights(text[], float8[]) IS 'the weights, equal by default';

-- Where a variant is expected to have fewer than 20 units, chi-square is no test at the levels used
-- here: a day or segment as thin as that has no p-value.
CREATE FUNCTION exposure_srm(
	cells exposure_cells_result[], variants text[], weights float8[], crossovers text
) RETURNS SETOF exposure_srm_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH counts AS (
		SELECT c.kind, c.segment, c.value, v.i,
			   coalesce(sum(c.units) FILTER (WHERE c.variant = v.label), 0)::bigint AS units
		FROM unnest(cells) AS c, unnest(variants) WITH ORDINALITY AS v (label, i)
		WHERE c.class = 'exposed' AND (crossovers = 'keep_first' OR NOT c.crossover)
		GROUP BY c.kind, c.segment, c.value, v.i
	), split AS (
		SELECT c.kind, c.segment, c.value, array_agg(c.units ORDER BY c.i) AS observed,
			   array_agg(c.total - c.units ORDER BY c.i) AS rest
		FROM (SELECT u.*, max(u.units) FILTER (WHERE u.kind = 'total') OVER (PARTITION BY u.i) AS total
			  FROM counts AS u) AS c
		GROUP BY c.kind, c.segment, c.value
	), tests AS (
		SELECT g.kind, g.segment, g.value, s.n, s.observed, s.expected, s.chi2,
			   CASE WHEN g.kind = 'total' OR (SELECT min(e) FROM unnest(s.expected) AS e) >= 20
					THEN s.p_value END AS p_value,
			   r.p_value AS p_value_rest
		FROM split AS g,
			 srm(g.observed, exposure_weights(variants, weights)) AS s,
			 srm(g.rest, exposure_weights(variants, weights)) AS r
	)
	SELECT t.kind, t.segment, t.value, t.n, t.observed, t.expected, t.chi2, t.p_value,
		   p_adjust(t.p_value, 'holm') OVER (PARTITION BY t.kind), t.p_value_rest
	FROM tests AS t;
END;
COMMENT ON FUNCTION exposure_srm(exposure_cells_result[], text[], float8[], text) IS
'sample ratio mismatch in all, by day and by segment, from the cells of an exposure log';

CREATE TYPE srm_by_day_result AS (
	day date,
	n bigint,
	observed bigint[],
	expected float8[],
	chi2 float8,
	p_value float8,
	p_adjusted float8,
	n_so_far bigint,
	observed_so_far bigint[],
	p_sequential float8
);
COMMENT ON TYPE srm_by_day_result IS 'sample ratio mismatch among the units first exposed on a day, and up to it';

CREATE FUNCTION srm_by_day(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	variants text[],
	weights float8[] DEFAULT NULL,
	crossovers text DEFAULT 'drop',
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF srm_by_day_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT d.day, d.n, d.observed, d.expected, d.chi2, d.p_value, d.p_adjusted,
		   (d.so_far).n, (d.so_far).observed, (d.so_far).p_value
	FROM (SELECT s.value::date AS day, s.n, s.observed, s.expected, s.chi2, s.p_value, s.p_adjusted,
				 srm_sequential_agg(s.observed, exposure_weights(variants, weights))
				 OVER (ORDER BY s.value::date) AS so_far
		  FROM (SELECT exposure_choice(crossovers, 'crossovers', 'drop', 'keep_first') AS policy,
					   exposure_assignment(NULL, variants, weights, 1, NULL) AS checked OFFSET 0) AS a,
			   LATERAL (SELECT array_agg(c) AS cells
						FROM exposure_cells(exposures, unit, variant, exposed_at, starts, ends, NULL,
											a.checked) AS c) AS c,
			   exposure_srm(c.cells, variants, weights, a.policy) AS s
		  WHERE s.kind = 'day') AS d
	ORDER BY d.day;
END;
COMMENT ON FUNCTION srm_by_day(regclass, text, text, text, text[], float8[], text, timestamptz, timestamptz) IS
'sample ratio mismatch by the day of first exposure, and sequentially up to each day';

CREATE TYPE srm_by_segment_result AS (
	segment text,
	value text,
	n bigint,
	observed bigint[],
	expected float8[],
	chi2 float8,
	p_value float8,
	p_adjusted float8,
	p_value_rest float8,
	driver boolean
);
COMMENT ON TYPE srm_by_segment_result IS
'sample ratio mismatch among the units of a segment, and among all others; a driver is a mismatch confined to it';

CREATE FUNCTION srm_by_segment(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	segments text[],
	variants text[],
	weights float8[] DEFAULT NULL,
	crossovers text DEFAULT 'drop',
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL,
	alpha float8 DEFAULT 0.001
) RETURNS SETOF srm_by_segment_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT s.segment, s.value, s.n, s.observed, s.expected, s.chi2, s.p_value, s.p_adjusted,
		   s.p_value_rest, coalesce(s.p_adjusted < a.level AND s.p_value_rest >= a.level, false)
	FROM (SELECT exposure_choice(crossovers, 'crossovers', 'drop', 'keep_first') AS policy,
				 exposure_share(alpha, 'alpha', true) AS level,
				 exposure_assignment(NULL, variants, weights, 1, NULL) AS checked OFFSET 0) AS a,
		 LATERAL (SELECT array_agg(c) AS cells
				  FROM exposure_cells(exposures, unit, variant, exposed_at, starts, ends, segments,
									  a.checked) AS c) AS c,
		 exposure_srm(c.cells, variants, weights, a.policy) AS s
	WHERE s.kind = 'segment'
	ORDER BY s.p_value, s.segment, s.value;
END;
COMMENT ON FUNCTION srm_by_segment(regclass, text, text, text, text[], text[], float8[], text, timestamptz, timestamptz, float8) IS
'sample ratio mismatch by segments at first exposure, and which segment drives it';

-- Exposures per unit by segment: a client that fires always shows as a segment with many more.

CREATE TYPE exposure_duplicates_result AS (
	segment text,
	value text,
	units bigint,
	exposures bigint,
	per_unit float8,
	per_unit_rest float8,
	ratio float8,
	always_fire boolean
);
COMMENT ON TYPE exposure_duplicates_result IS
'exposures per unit of a segment, and of all other units; always_fire if it has 3 times as many, and that is no chance';

CREATE FUNCTION exposure_rates(cells exposure_cells_result[]) RETURNS SETOF exposure_duplicates_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH inside AS (
		SELECT c.segment, c.value, sum(c.units)::float8 AS n, sum(c.exposures)::float8 AS s,
			   sum(c.exposures_squared) AS q
		FROM unnest(cells) AS c
		WHERE c.kind = 'segment' AND c.class = 'exposed'
		GROUP BY c.segment, c.value
	), rest AS (
		SELECT i.*, sum(i.n) OVER w - i.n AS rn, sum(i.s) OVER w - i.s AS rs, sum(i.q) OVER w - i.q AS rq
		FROM inside AS i
		WINDOW w AS (PARTITION BY i.segment)
	), means AS (
		SELECT r.*, r.s / r.n AS mean, r.rs / nullif(r.rn, 0) AS rest_mean,
			   sqrt(greatest(r.q / r.n - (r.s / r.n) ^ 2, 0) / r.n
					+ greatest(r.rq / nullif(r.rn, 0) - (r.rs / nullif(r.rn, 0)) ^ 2, 0) / nullif(r.rn, 0)) AS error
		FROM rest AS r
	)
	SELECT m.segment, m.value, m.n::bigint, m.s::bigint, m.mean, m.rest_mean, m.mean / m.rest_mean,
		   coalesce(m.mean > 3 * m.rest_mean AND m.mean - m.rest_mean > 5 * m.error
					AND least(m.n, m.rn) >= 20, false)
	FROM means AS m;
END;
COMMENT ON FUNCTION exposure_rates(exposure_cells_result[]) IS
'exposures per unit by segment, from the cells of an exposure log';

CREATE FUNCTION exposure_duplicates(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	segments text[],
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF exposure_duplicates_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM (SELECT array_agg(c) AS cells
		  FROM exposure_cells(exposures, unit, variant, exposed_at, starts, ends, segments) AS c) AS c,
		 exposure_rates(c.cells) AS r
	ORDER BY r.ratio DESC NULLS LAST, r.segment, r.value;
END;
COMMENT ON FUNCTION exposure_duplicates(regclass, text, text, text, text[], timestamptz, timestamptz) IS
'exposures per unit by segments at first exposure, and which segment fires always';

-- The list of checks.

CREATE TYPE exposure_health_result AS (
	check_name text,
	status text,
	value float8,
	threshold float8,
	detail text
);
COMMENT ON TYPE exposure_health_result IS 'a check of an exposure log; its status is ok, warn or fail';

CREATE TYPE exposure_totals_result AS (
	logged bigint,
	null_units bigint,
	null_variants bigint,
	null_times bigint,
	outside bigint,
	units bigint,
	exposures bigint,
	no_variant bigint,
	crossovers bigint,
	unknown bigint,
	mismatched bigint,
	uncovered bigint,
	assigned bigint,
	not_exposed bigint,
	unassigned bigint,
	reassigned bigint
);
COMMENT ON TYPE exposure_totals_result IS 'rows and units of an exposure log, counted';

CREATE FUNCTION exposure_totals(cells exposure_cells_result[], variants text[]) RETURNS exposure_totals_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(sum(c.logged), 0)::bigint,
		   coalesce(sum(c.logged) FILTER (WHERE c.class = 'null_unit'), 0)::bigint,
		   coalesce(sum(c.null_variants), 0)::bigint,
		   coalesce(sum(c.null_times), 0)::bigint,
		   coalesce(sum(c.outside), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.exposures) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'no_variant'), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'exposed' AND c.crossover), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'exposed' AND c.variant <> ALL (variants)), 0)::bigint,
		   coalesce(sum(c.mismatched) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.uncovered) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.units - c.unassigned) FILTER (WHERE c.class <> 'null_unit'), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'not_exposed'), 0)::bigint,
		   coalesce(sum(c.unassigned) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.reassigned) FILTER (WHERE c.class = 'exposed'), 0)::bigint
	FROM unnest(cells) AS c
	WHERE c.kind = 'total';
END;
COMMENT ON FUNCTION exposure_totals(exposure_cells_result[], text[]) IS
'rows and units of an exposure log, from its cells';

-- A count as a share, with its words.
CREATE FUNCTION exposure_share_check(name text, part bigint, whole bigint, words text, max_share float8)
RETURNS exposure_health_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT name,
		   CASE WHEN part > max_share * whole THEN 'fail' WHEN part > 0 THEN 'warn' ELSE 'ok' END,
		   part::float8 / nullif(whole, 0), max_share,
		   format('%s of %s %s', part, whole, words);
END;
COMMENT ON FUNCTION exposure_share_check(text, bigint, bigint, text, float8) IS
'a check of a share: ok if 0, fail above the threshold';

CREATE FUNCTION exposure_p_check(name text, p_value float8, alpha float8, detail text)
RETURNS exposure_health_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT name, CASE WHEN p_value < alpha THEN 'fail' ELSE 'ok' END, p_value, alpha,
		   coalesce(detail, 'too few units');
END;
COMMENT ON FUNCTION exposure_p_check(text, float8, float8, text) IS
'a check of a p-value: fail below the threshold';

-- "control 5012 (5000 expected), treatment 4988 (5000 expected)"
CREATE FUNCTION exposure_split_text(variants text[], observed bigint[], expected float8[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT string_agg(format('%s %s (%s expected)', v.label, observed[v.i], round(expected[v.i]::numeric, 1)),
					  ', ' ORDER BY v.i)
	FROM unnest(variants) WITH ORDINALITY AS v (label, i);
END;
COMMENT ON FUNCTION exposure_split_text(text[], bigint[], float8[]) IS 'a split in words';

CREATE FUNCTION exposure_srm_checks(
	cells exposure_cells_result[], variants text[], weights float8[], crossovers text, alpha float8
) RETURNS SETOF exposure_health_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH tests AS (
		SELECT s.*, exposure_split_text(variants, s.observed, s.expected) AS split,
			   row_number() OVER (PARTITION BY s.kind ORDER BY s.p_value NULLS LAST, s.segment, s.value) AS place,
			   count(*) FILTER (WHERE s.p_adjusted < alpha) OVER (PARTITION BY s.kind) AS bad,
			   count(s.p_value) OVER (PARTITION BY s.kind) AS tested
		FROM exposure_srm(cells, variants, weights, crossovers) AS s
	), worst AS (
		SELECT t.* FROM tests AS t WHERE t.place = 1
	)
	SELECT c.*
	FROM (VALUES (1, 'total'), (2, 'sequential'), (3, 'day'), (4, 'segment')) AS k (i, kind)
	LEFT JOIN worst AS w ON w.kind = CASE k.kind WHEN 'sequential' THEN 'total' ELSE k.kind END
	LEFT JOIN (SELECT srm_sequential_agg(d.observed, exposure_weights(variants, weights)
										 ORDER BY d.value::date) AS looks
			   FROM tests AS d WHERE d.kind = 'day') AS l ON true,
	LATERAL exposure_p_check(
		CASE k.kind WHEN 'total' THEN 'srm' WHEN 'sequential' THEN 'srm_sequential' ELSE 'srm_by_' || k.kind END,
		CASE k.kind WHEN 'total' THEN w.p_value WHEN 'sequential' THEN (l.looks).p_value ELSE w.p_adjusted END,
		alpha,
		CASE WHEN k.kind = 'total' THEN w.split
			 WHEN k.kind = 'sequential' THEN 'smallest p-value of all days so far, valid at every look'
			 WHEN w.tested > 0 THEN
				format('%s of %s; worst: %s: %s%s', w.bad,
					   w.tested || CASE k.kind WHEN 'day' THEN ' days' ELSE ' segments' END,
					   concat(w.segment || ' = ', coalesce(w.value, 'NULL')), w.split,
					   CASE WHEN w.p_adjusted < alpha AND w.p_value_rest IS NOT NULL THEN
							format('; without it p = %s', w.p_value_rest::numeric(20, 6))
							|| CASE WHEN w.p_value_rest >= alpha THEN ': it drives the mismatch' ELSE '' END
							ELSE '' END) END) AS c
	WHERE k.kind <> 'segment' OR EXISTS (SELECT FROM unnest(cells) AS u WHERE u.kind = 'segment')
	ORDER BY k.i;
END;
COMMENT ON FUNCTION exposure_srm_checks(exposure_cells_result[], text[], float8[], text, float8) IS
'the checks of sample ratio mismatch';

CREATE FUNCTION exposure_health(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	variants text[],
	weights float8[] DEFAULT NULL,
	salt text DEFAULT NULL,
	coverage float8 DEFAULT 1,
	method text DEFAULT NULL,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL,
	segments text[] DEFAULT NULL,
	assignments regclass DEFAULT NULL,
	assigned_unit text DEFAULT NULL,
	assigned_variant text DEFAULT NULL,
	crossovers text DEFAULT 'drop',
	alpha float8 DEFAULT 0.001,
	max_share float8 DEFAULT 0.01
) RETURNS SETOF exposure_health_result
LANGUAGE sql STABLE ROWS 20
BEGIN ATOMIC
	WITH arguments AS MATERIALIZED (
		SELECT exposure_assignment(salt, variants, weights, coverage, method) AS assignment,
			   exposure_assigned_join(assignments, coalesce(assigned_unit, unit),
									  coalesce(assigned_variant, variant), exposures, unit) AS assigned_join,
			   exposure_choice(crossovers, 'crossovers', 'drop', 'keep_first') AS policy,
			   exposure_share(alpha, 'alpha', true) AS level,
			   exposure_share(max_share, 'max_share', false) AS tolerated
	), log AS MATERIALIZED (
		SELECT a.*, c.cells
		FROM arguments AS a,
			 LATERAL (SELECT array_agg(c) AS cells
					  FROM exposure_cells(exposures, unit, variant, exposed_at, starts, ends, segments,
										  a.assignment, a.assigned_join) AS c) AS c
	), firing AS (
		SELECT r.* FROM log AS l, exposure_rates(l.cells) AS r
		WHERE r.always_fire ORDER BY r.ratio DESC, r.segment, r.value LIMIT 1
	), checks AS (
		SELECT 1 AS place, 'exposures' AS check_name, CASE WHEN t.units >= 1 THEN 'ok' ELSE 'fail' END AS status,
			   t.units::float8 AS value, 1::float8 AS threshold,
			   format('%s units with %s exposures, of %s rows', t.units, t.exposures, t.logged) AS detail
		FROM log AS l, exposure_totals(l.cells, variants) AS t
		UNION ALL
		SELECT k.place, c.*
		FROM log AS l, exposure_totals(l.cells, variants) AS t,
			 LATERAL (VALUES
				(2, true, 'null_unit', t.null_units, t.logged, 'rows have no unit'),
				(3, true, 'null_variant', t.null_variants, t.logged, 'rows have no variant'),
				(4, true, 'null_time', t.null_times, t.logged, 'rows have no time'),
				(5, starts IS NOT NULL OR ends IS NOT NULL, 'outside_dates', t.outside, t.logged,
				 'rows are outside the dates'),
				(6, true, 'unknown_variant', t.unknown, t.units,
				 format('units have a variant other than %s', array_to_string(variants, ', '))),
				(9, true, 'crossovers', t.crossovers, t.units, 'units were exposed to more than one variant'),
				(11, salt IS NOT NULL, 'assignment_mismatch', t.mismatched, t.units,
				 format('units are not where salt, variants and weights put them, %s of these outside the coverage; with a wrong salt it would be about %s %%',
						t.uncovered,
						(SELECT round((100 - 100 * coverage * sum((w / largest) ^ 2) / sum(w / largest) ^ 2)::numeric, 1)
						 FROM (SELECT w, max(w) OVER () AS largest
							   FROM unnest(exposure_weights(variants, weights)) AS w) AS w))),
				(12, assignments IS NOT NULL, 'assigned_variant_mismatch', t.reassigned, t.units,
				 'units have another variant than they were assigned'),
				(13, assignments IS NOT NULL, 'exposed_not_assigned', t.unassigned, t.units,
				 'units were exposed, but not assigned'))
				AS k (place, applies, name, part, whole, words),
			 exposure_share_check(k.name, k.part, k.whole, k.words, l.tolerated) AS c
		WHERE k.applies
		UNION ALL
		SELECT 7, 'duplicates', CASE WHEN t.exposures > 10 * t.units THEN 'warn' ELSE 'ok' END,
			   t.exposures::float8 / nullif(t.units, 0), 10,
			   format('%s exposures of %s units; %s repeat an earlier one', t.exposures, t.units, t.exposures - t.units)
		FROM log AS l, exposure_totals(l.cells, variants) AS t
		UNION ALL
		SELECT 8, 'duplicates_by_segment', CASE WHEN f.always_fire THEN 'warn' ELSE 'ok' END, f.ratio, 3,
			   CASE WHEN f.always_fire THEN
					format('%s = %s: %s exposures per unit, against %s', f.segment, coalesce(f.value, 'NULL'),
						   round(f.per_unit::numeric, 2), round(f.per_unit_rest::numeric, 2))
					ELSE 'no segment stands out' END
		FROM log AS l LEFT JOIN firing AS f ON true
		WHERE segments IS NOT NULL
		UNION ALL
		SELECT 10, 'assignment_rate',
			   CASE WHEN t.no_variant = 0 OR t.units >= coverage * (t.units + t.no_variant) THEN 'ok'
					WHEN coverage < 1 THEN CASE WHEN s.p_value < l.level THEN 'fail' ELSE 'ok' END
					WHEN t.no_variant > l.tolerated * (t.units + t.no_variant) THEN 'fail' ELSE 'warn' END,
			   t.units::float8 / nullif(t.units + t.no_variant, 0), coverage,
			   format('%s of %s units have a variant', t.units, t.units + t.no_variant)
		FROM log AS l, exposure_totals(l.cells, variants) AS t
		LEFT JOIN srm(ARRAY[t.units, t.no_variant],
					  CASE WHEN coverage > 0 AND coverage < 1 THEN ARRAY[coverage, 1 - coverage] END) AS s ON true
		UNION ALL
		SELECT 14, 'assigned_not_exposed',
			   CASE WHEN t.not_exposed > l.tolerated * t.assigned THEN 'warn' ELSE 'ok' END,
			   t.not_exposed::float8 / nullif(t.assigned, 0), l.tolerated,
			   format('%s of %s assigned units are not in the log', t.not_exposed, t.assigned)
		FROM log AS l, exposure_totals(l.cells, variants) AS t
		WHERE assignments IS NOT NULL
		UNION ALL
		SELECT 15 + row_number() OVER (), c.*
		FROM log AS l, exposure_srm_checks(l.cells, variants, weights, l.policy, l.level) AS c
	)
	SELECT c.check_name, c.status, c.value, c.threshold, c.detail FROM checks AS c ORDER BY c.place;
END;
COMMENT ON FUNCTION exposure_health(regclass, text, text, text, text[], float8[], text, float8, text, timestamptz, timestamptz, text[], regclass, text, text, text, float8, float8) IS
'everything that can be checked of an exposure log, for alerts: a row per check, with its status ok, warn or fail';
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
