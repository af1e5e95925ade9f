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

CREATE FUNCTION how_long_still_check(integer, boolean) RETURNS boolean
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION how_long_still_check(integer, boolean) IS 'checks the arguments of how_long_still()';

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
