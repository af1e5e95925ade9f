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

