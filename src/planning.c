/*
 * planning.c
 *		Power, sample size, the smallest effect that is found, and the days that
 *		takes.
 *
 * Eighteen SQL functions, one for each kind of metric, unknown and source of the
 * baseline, have most of their arguments in common.  They find them by name: an
 * argument that a function does not have takes its default.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "arguments.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "comparison_rows.h"
#include "duration.h"
#include "estimators.h"
#include "history.h"
#include "power.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(power_mean);
PG_FUNCTION_INFO_V1(sample_size_mean);
PG_FUNCTION_INFO_V1(mde_mean);
PG_FUNCTION_INFO_V1(power_proportion);
PG_FUNCTION_INFO_V1(sample_size_proportion);
PG_FUNCTION_INFO_V1(mde_proportion);
PG_FUNCTION_INFO_V1(power_ratio);
PG_FUNCTION_INFO_V1(sample_size_ratio);
PG_FUNCTION_INFO_V1(mde_ratio);
PG_FUNCTION_INFO_V1(duration);
PG_FUNCTION_INFO_V1(how_long_still_check);

typedef enum Metric
{
	METRIC_MEAN,
	METRIC_PROPORTION,
	METRIC_RATIO
} Metric;

typedef enum Unknown
{
	UNKNOWN_POWER,
	UNKNOWN_UNITS,
	UNKNOWN_EFFECT
} Unknown;

/* ---- arguments by name ---- */

typedef struct Arguments
{
	FunctionCallInfo fcinfo;
	int				 count;
	char		   **names;
} Arguments;

static Arguments
arguments_of_call(FunctionCallInfo fcinfo)
{
	Arguments arguments = {fcinfo, 0, NULL};
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	Oid		 *types;
	char	 *modes;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	arguments.count = get_func_arg_info(tuple, &types, &arguments.names, &modes);
	ReleaseSysCache(tuple);
	return arguments;
}

/* Position of an argument, or -1 if the function has no such. */
static int
find_argument(const Arguments *arguments, const char *name)
{
	for (int i = 0; i < arguments->count; i++)
	{
		if (strcmp(arguments->names[i], name) == 0)
			return i;
	}
	return -1;
}

/* Larger or smaller numbers are mistakes, and their squares are out of range. */
#define NUMBER_MAX 1e100
#define UNITS_MAX  1e15
#define RATIO_MAX  1e6
#define ALPHA_MIN  1e-8
#define ALPHA_MAX  0.9999

/* Fewer than one unit in UNITS_MAX. */
#define PROPORTION_MIN 1e-15

static double
in_range(double value, const char *name, double low, double high)
{
	if (value < low || value > high)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be from %g to %g, but is %g", name, low, high, value)));
	return value;
}

/* A finite number, or its default. */
static double
number(const Arguments *arguments, const char *name, double otherwise)
{
	int position = find_argument(arguments, name);

	if (position < 0)
		return otherwise;
	return in_range(finite_argument(arguments->fcinfo, position, name), name, -NUMBER_MAX,
					NUMBER_MAX);
}

/* A number of which NULL says that it is not known: NaN. */
static double
number_or_null(const Arguments *arguments, const char *name)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;
	int				 position = find_argument(arguments, name);

	if (position < 0 || PG_ARGISNULL(position))
		return NAN;
	return finite_argument(fcinfo, position, name);
}

static double
positive(double value, const char *name)
{
	if (value <= 0.0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be positive, not %g", name, value)));
	return in_range(value, name, 1.0 / NUMBER_MAX, NUMBER_MAX);
}

static bool
flag(const Arguments *arguments, const char *name)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;
	int				 position = find_argument(arguments, name);

	require_argument(fcinfo, position, name);
	return PG_GETARG_BOOL(position);
}

/* A count of something, at least `least`. */
static int
count(const Arguments *arguments, const char *name, int least)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;
	int				 position = find_argument(arguments, name);

	require_argument(fcinfo, position, name);
	if (PG_GETARG_INT32(position) < least)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be at least %d, not %d", name, least, PG_GETARG_INT32(position))));
	return PG_GETARG_INT32(position);
}

/* A position of a metric in the state, or -1 for NULL. */
static int
metric_or_null(const Arguments *arguments, const char *name, const Moments *m)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;
	int				 position = find_argument(arguments, name);

	return PG_ARGISNULL(position) ? -1 : metric_argument(fcinfo, position, name, m);
}

/* ---- baseline: what is known of a unit before the experiment ---- */

typedef struct Baseline
{
	double		mean; /* NaN: not known */
	double		sd;	  /* NaN: not defined, in a thin history */
	double		sd_treatment;
	const char *test;
} Baseline;

/* The state of num and den, and of num_pre and den_pre if these are given. */
static const Moments *
select_ratio(const Arguments *arguments, const Moments *m)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;
	int positions[] = {metric_or_null(arguments, "num", m), metric_or_null(arguments, "den", m),
					   metric_or_null(arguments, "num_pre", m),
					   metric_or_null(arguments, "den_pre", m)};

	require_argument(fcinfo, find_argument(arguments, "num"), "num");
	require_argument(fcinfo, find_argument(arguments, "den"), "den");
	if ((positions[2] < 0) != (positions[3] < 0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("num_pre and den_pre must both be given or both be null"),
				 errhint("They are the ratio's two metrics before the experiment.")));
	return moments_select_metrics(m, positions, positions[2] < 0 ? 2 : 4);
}

static Baseline
baseline_of_history(const Moments *m, Metric metric, const Arguments *arguments)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;
	History			 history;
	Baseline		 baseline;

	if (metric == METRIC_RATIO)
	{
		m = select_ratio(arguments, m);
		history = history_of_ratio(m);
		baseline.test = m->metrics == 2 ? "delta_ratio"
			: history.used > 0			? "cuped_ratio"
										: "cuped_ratio, not adjusted";
	}
	else
	{
		int position = metric_argument(fcinfo, find_argument(arguments, "metric"), "metric", m);

		if (metric == METRIC_PROPORTION)
		{
			for (int i = 0; i < m->arms.count; i++)
				check_binary(m, moments_arm(m, i), position);
			m = moments_select_metrics(m, &position, 1);
		}
		else
			m = select_covariates(fcinfo, m, position, find_argument(arguments, "covariates"));
		history = history_of_mean(m);
		baseline.test = metric == METRIC_PROPORTION ? "proportion_z"
			: m->metrics == 1						? "welch_t"
													: covariates_used("cuped_adjust", history.used);
	}
	baseline.mean = history.mean;
	baseline.sd = history.sd > 0.0 ? history.sd : NAN;
	baseline.sd_treatment = baseline.sd;
	return baseline;
}

static Baseline
baseline_of_ratio(const Arguments *arguments)
{
	RatioParts parts = {number(arguments, "num_mean", NAN), number(arguments, "den_mean", NAN),
						positive(number(arguments, "num_sd", NAN), "num_sd"),
						number(arguments, "den_sd", NAN), number(arguments, "correlation", NAN)};
	Baseline   baseline;

	if (parts.den_mean == 0.0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("den_mean must not be 0"),
				 errhint("A ratio of means is not defined there.")));
	if (parts.den_sd < 0.0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("den_sd must not be negative, but is %g", parts.den_sd),
				 errhint("It is the standard deviation of the denominator in a unit.")));
	if (!(fabs(parts.correlation) <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("correlation must be between -1 and 1, not %g", parts.correlation)));
	baseline.mean = parts.num_mean / parts.den_mean;
	baseline.sd = ratio_sd(&parts);
	baseline.sd = baseline.sd > 0.0 ? baseline.sd : NAN;
	baseline.sd_treatment = baseline.sd;
	baseline.test = "delta_ratio";
	return baseline;
}

static Baseline
baseline_of_proportion(const Arguments *arguments)
{
	double	 p = number(arguments, "proportion", NAN);
	Baseline baseline = {p, sqrt(p * (1.0 - p)), NAN, "proportion_z"};

	if (!(p > 0.0 && p < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("proportion must be between 0 and 1, not %g", p),
				 errhint("It is the share of the control: 0.05 is 5 %%.")));
	in_range(p, "proportion", PROPORTION_MIN, 1.0 - PROPORTION_MIN);
	return baseline;
}

static Baseline
baseline_of_mean(const Arguments *arguments)
{
	Baseline baseline = {number_or_null(arguments, "mean"),
						 positive(number(arguments, "sd", NAN), "sd"),
						 number_or_null(arguments, "sd_treatment"), "welch_t"};

	if (isnan(baseline.sd_treatment))
		baseline.sd_treatment = baseline.sd;
	positive(baseline.sd_treatment, "sd_treatment");
	return baseline;
}

static Baseline
baseline_arguments(const Arguments *arguments, Metric metric)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;

	if (find_argument(arguments, "m") == 0)
		return baseline_of_history(PG_GETARG_MOMENTS(0), metric, arguments);
	switch (metric)
	{
		case METRIC_PROPORTION:
			return baseline_of_proportion(arguments);
		case METRIC_RATIO:
			return baseline_of_ratio(arguments);
		default:
			return baseline_of_mean(arguments);
	}
}

/* ---- design and plan ---- */

/*
 * The level of one test: alpha over the number of treatments times the number of
 * primary metrics (Bonferroni).
 */
static Design
design_arguments(const Arguments *arguments, Metric metric, const Baseline *baseline,
				 int treatments)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;
	Design			 design;

	design.proportion = metric == METRIC_PROPORTION;
	design.baseline = baseline->mean;
	design.sd = baseline->sd;
	design.sd_treatment = baseline->sd_treatment;
	design.null_diff = number(arguments, "null_diff", 0.0);
	design.ratio = in_range(positive(number(arguments, "ratio", 1.0), "ratio"), "ratio",
							1.0 / RATIO_MAX, RATIO_MAX);
	design.inflation = number(arguments, "inflation", 1.0);
	if (!(design.inflation >= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("inflation must be at least 1, not %g", design.inflation),
				 errhint("It is how many times the units of a test with a single look the design "
						 "needs.")));
	design.alpha = alpha_argument(fcinfo, find_argument(arguments, "alpha")) /
		((double) treatments * count(arguments, "metrics", 1));
	if (design.alpha < ALPHA_MIN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alpha of one test must be at least %g, not %g", ALPHA_MIN, design.alpha),
				 errhint("alpha is divided by the number of treatments and of metrics.")));
	if (design.alpha > ALPHA_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alpha of one test must be at most %g, not %.15g", ALPHA_MAX, design.alpha),
				 errhint("alpha is the rate of false positives: 0.05 is 5 %%.")));
	design.alternative = alternative_argument(fcinfo, find_argument(arguments, "alternative"));
	return design;
}

/* The effect, absolute. */
static double
effect_argument(const Arguments *arguments, const Baseline *baseline)
{
	double effect = number(arguments, "effect", NAN);

	if (!flag(arguments, "relative"))
		return effect;
	if (isnan(baseline->mean) && find_argument(arguments, "mean") >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("mean must not be null where the effect is relative"),
				 errhint("A relative effect of 0.02 is 2 %% of the control's mean.")));
	return effect * fabs(baseline->mean);
}

static double
power_argument(const Arguments *arguments, const Design *design)
{
	double power = number(arguments, "power", NAN);

	if (!(power > design->alpha && power < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("power must be between alpha and 1, not %g", power),
				 errhint("0.8 finds the effect in 80 %% of the experiments.")));
	return power;
}

static void
check_proportion(const Baseline *baseline, double effect)
{
	if (baseline->mean + effect < 0.0 || baseline->mean + effect > 1.0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a proportion of %g cannot change by %g", baseline->mean, effect),
				 errhint("The effect is a difference of proportions: 0.01 is one percentage point. "
						 "With relative => true it is a share of the control's.")));
}

/* What two of units, effect and power say, and the third; NaN if undefined. */
typedef struct PowerPlan
{
	double units; /* of the control */
	double effect;
	double power;
} PowerPlan;

static double
units_needed(const Design *design, double effect, double power)
{
	double units = design_units(design, effect, power);

	if (isnan(units))
		ereport(
			ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("no number of units finds an effect of %g with a power of %g", effect, power),
			 errhint(
				 "The effect must differ from null_diff, in the direction of the alternative, by "
				 "so much that %g units can tell.",
				 UNITS_MAX)));
	return units;
}

static PowerPlan
make_plan(const Arguments *arguments, const Design *design, const Baseline *baseline,
		  Unknown unknown)
{
	PowerPlan plan = {NAN, NAN, NAN};
	bool	  defined = !isnan(design->sd) &&
		(!design->proportion || (baseline->mean > 0.0 && baseline->mean < 1.0));

	if (unknown != UNKNOWN_UNITS)
		plan.units = in_range(positive(number(arguments, "n_control", NAN), "n_control"),
							  "n_control", 1.0 / NUMBER_MAX, UNITS_MAX);
	if (unknown != UNKNOWN_EFFECT)
		plan.effect = effect_argument(arguments, baseline);
	if (unknown != UNKNOWN_POWER)
		plan.power = power_argument(arguments, design);
	if (!defined || (unknown != UNKNOWN_EFFECT && isnan(plan.effect)))
		return plan;

	if (design->proportion && unknown != UNKNOWN_EFFECT)
		check_proportion(baseline, plan.effect);
	if (unknown == UNKNOWN_POWER)
		plan.power = design_power(design, plan.units, plan.effect);
	else if (unknown == UNKNOWN_UNITS)
		plan.units = units_needed(design, plan.effect, plan.power);
	else
		plan.effect = design_effect(design, plan.units, plan.power);
	return plan;
}

/* Whole units: the next number that is, if rounding alone keeps it apart, or else another. */
static double
whole(double units, double otherwise)
{
	double nearest = rint(units);

	return fabs(units - nearest) <= 1e-10 * units ? nearest : otherwise;
}

static Datum
plan_row(FunctionCallInfo fcinfo, const PowerPlan *plan, const Design *design,
		 const Baseline *baseline, int treatments)
{
	double		 treated = plan->units * design->ratio;
	double		 control = whole(plan->units, ceil(plan->units));
	double		 treatment = whole(treated, ceil(treated));
	double		 lift = plan->effect / fabs(baseline->mean);
	const double counts[] = {treatment, control, control + treatments * treatment};
	const double numbers[] = {plan->units,	plan->effect,	isfinite(lift) ? lift : NAN,
							  plan->power,	baseline->mean, baseline->sd,
							  design->alpha};
	Datum		 values[11] = {0};
	bool		 nulls[11] = {0};
	int			 column = 0;

	for (int i = 0; i < lengthof(counts); i++)
	{
		nulls[column] = isnan(counts[i]);
		if (!nulls[column] && counts[i] >= 9e18)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the number of units, %g, is out of range for bigint", counts[i])));
		values[column] = Int64GetDatum(nulls[column] ? 0 : (int64) counts[i]);
		column++;
	}
	for (int i = 0; i < lengthof(numbers); i++)
	{
		nulls[column] = isnan(numbers[i]);
		values[column++] = Float8GetDatum(numbers[i]);
	}
	values[column] = CStringGetTextDatum(baseline->test);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}

static Datum
answer(FunctionCallInfo fcinfo, Metric metric, Unknown unknown)
{
	Arguments arguments = arguments_of_call(fcinfo);
	int		  treatments = count(&arguments, "variants", 2) - 1;
	Baseline  baseline;
	Design	  design;
	PowerPlan plan;

	if (find_argument(&arguments, "m") == 0 && PG_ARGISNULL(0))
		PG_RETURN_NULL();
	baseline = baseline_arguments(&arguments, metric);
	design = design_arguments(&arguments, metric, &baseline, treatments);
	plan = make_plan(&arguments, &design, &baseline, unknown);
	return plan_row(fcinfo, &plan, &design, &baseline, treatments);
}

Datum
power_mean(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, METRIC_MEAN, UNKNOWN_POWER);
}

Datum
sample_size_mean(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, METRIC_MEAN, UNKNOWN_UNITS);
}

Datum
mde_mean(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, METRIC_MEAN, UNKNOWN_EFFECT);
}

Datum
power_proportion(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, METRIC_PROPORTION, UNKNOWN_POWER);
}

Datum
sample_size_proportion(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, METRIC_PROPORTION, UNKNOWN_UNITS);
}

Datum
mde_proportion(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, METRIC_PROPORTION, UNKNOWN_EFFECT);
}

Datum
power_ratio(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, METRIC_RATIO, UNKNOWN_POWER);
}

Datum
sample_size_ratio(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, METRIC_RATIO, UNKNOWN_UNITS);
}

Datum
mde_ratio(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, METRIC_RATIO, UNKNOWN_EFFECT);
}

/* ---- days ---- */

static Arrivals
arrivals_argument(FunctionCallInfo fcinfo, int position)
{
	Arrivals arrivals = {NULL, 0, 1.0};

	if (PG_ARGISNULL(position))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("arrivals must not be null"),
				 errhint("Give the new units of each day. how_long_still knows them by itself if "
						 "days_so_far is above 0.")));
	arrivals.units =
		array_elements(PG_GETARG_ARRAYTYPE_P(position), "arrivals", 0, &arrivals.count);
	for (int i = 0; i < arrivals.count; i++)
	{
		if (!(arrivals.units[i] >= 0.0 && arrivals.units[i] <= 1e15))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("arrivals[%d] must be a number of units, not %g", i + 1,
							arrivals.units[i])));
	}
	return arrivals;
}

/* (n_needed, arrivals, share, whole_weeks); units that are not known give NULL */
Datum
duration(PG_FUNCTION_ARGS)
{
	Arrivals arrivals = {NULL, 0, 1.0};
	Datum	 values[4];
	bool	 nulls[4] = {false, false, false, false};
	double	 needed;
	double	 days;
	double	 there;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	arrivals = arrivals_argument(fcinfo, 1);
	arrivals.share = finite_argument(fcinfo, 2, "share");
	if (!(arrivals.share > 0.0 && arrivals.share <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("share must be above 0 and at most 1, not %g", arrivals.share),
				 errhint("It is the share of the units that enter the experiment.")));
	require_argument(fcinfo, 3, "whole_weeks");

	needed = (double) PG_GETARG_INT64(0);
	days = days_until(&arrivals, needed);
	if (PG_GETARG_BOOL(3))
		days = 7.0 * ceil(days / 7.0);
	if (days > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%g days are out of range for integer", days)));

	nulls[0] = nulls[1] = nulls[3] = isnan(days);
	values[2] = Int64GetDatum(PG_GETARG_INT64(0));
	if (!isnan(days))
	{
		there = arrivals_after(&arrivals, days);
		values[0] = Int32GetDatum((int32) days);
		values[1] = Int64GetDatum((int64) fmin(whole(there, floor(there)), 9e18));
		values[3] = Int32GetDatum((int32) Max(0.0, days - arrivals.count));
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}

/* how_long_still_check(days_so_far, whole_weeks): true, or an error */
Datum
how_long_still_check(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0) && PG_GETARG_INT32(0) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("days_so_far must not be negative, but is %d", PG_GETARG_INT32(0)),
				 errhint("It is the number of days since the first units came: 0 with arrivals, if "
						 "none have.")));
	require_argument(fcinfo, 1, "whole_weeks");
	PG_RETURN_BOOL(true);
}
