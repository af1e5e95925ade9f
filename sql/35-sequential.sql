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
