/*
 * group_sequential_functions.c
 *		group_sequential_bounds, group_sequential_inflation, group_sequential_test,
 *		group_sequential_looks.
 */
#include "arguments.h"

#include <math.h>

#include "catalog/pg_collation.h"
#include "comparison_rows.h"
#include "executor/executor.h"
#include "group_sequential.h"
#include "stats.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(group_sequential_bounds);
PG_FUNCTION_INFO_V1(group_sequential_inflation);
PG_FUNCTION_INFO_V1(group_sequential_test);
PG_FUNCTION_INFO_V1(group_sequential_looks);

/* Looks closer together than this share of the information are one look. */
#define CLOSEST_LOOKS 1e-3

/* Where the bounds are computed exactly; nobody needs more. */
#define DESIGN_ALPHA_MIN 1e-12
#define DESIGN_ALPHA_MAX 0.99

/* Power that is alpha is had without any units. */
#define POWER_ABOVE_ALPHA 1e-6

static void
check_information(const double *information, int looks)
{
	for (int k = 0; k < looks; k++)
	{
		double last = k == 0 ? 0.0 : information[k - 1];

		if (!(isfinite(information[k]) && information[k] > 0.0))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("information[%d] must be a positive number, not %g", k + 1, information[k]),
				 errhint("Information is what has been seen at a look: the share of the "
						 "planned units, or the number of units.")));
		if (k > 0 && !(information[k] - last >= CLOSEST_LOOKS * information[k]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("information must increase from look to look, but is %g after %g",
							information[k], last),
					 errhint("Leave out a look that adds less than %g of the information.",
							 CLOSEST_LOOKS)));
	}
}

static const double *
information_argument(FunctionCallInfo fcinfo, int number, int *looks)
{
	const double *information;

	require_argument(fcinfo, number, "information");
	information = array_elements(PG_GETARG_ARRAYTYPE_P(number), "information", LOOKS_MAX, looks);
	check_information(information, *looks);
	return information;
}

/* The information at which all of alpha is spent. */
static double
planned_argument(FunctionCallInfo fcinfo, int number, const char *name, const Design *design)
{
	double last = design->information[design->looks - 1];
	double planned;

	if (PG_ARGISNULL(number))
		return fmax(last, 1.0);

	planned = finite_argument(fcinfo, number, name);
	if (!(planned > 0.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("planned_information must be positive, not %g", planned),
				 errhint("It is the information at the planned end, in the unit of "
						 "information.")));
	return planned;
}

static void
spending_arguments(FunctionCallInfo fcinfo, int number, Design *design)
{
	/* In the order of the enum Spending. */
	static const char *const names[] = {
		"obrien-fleming",		   "pocock",		 "power", "hwang-shih-decani",
		"obrien-fleming-constant", "pocock-constant"};
	int			parameter = number + 1;
	const char *name;

	design->spending = choice_argument(fcinfo, number, "spending", names, lengthof(names));
	name = names[design->spending];
	if (design->spending != SPEND_POWER && design->spending != SPEND_HWANG_SHIH_DECANI)
	{
		if (!PG_ARGISNULL(parameter))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("spending \"%s\" takes no spending_parameter", name),
					 errhint("\"power\" and \"hwang-shih-decani\" take one.")));
		return;
	}

	if (PG_ARGISNULL(parameter))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("spending \"%s\" needs a spending_parameter", name),
				 design->spending == SPEND_POWER
					 ? errhint("It is the exponent: 1 spends evenly, 3 little at first.")
					 : errhint("It is gamma: -4 spends little at first, 0 evenly, 1 much at "
							   "first.")));
	design->parameter = finite_argument(fcinfo, parameter, "spending_parameter");
	if (design->spending == SPEND_POWER && !(design->parameter > 0.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the exponent of spending \"power\" must be positive, not %g",
						design->parameter)));
	if (design->spending == SPEND_HWANG_SHIH_DECANI && !(fabs(design->parameter) <= 40.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the gamma of spending \"hwang-shih-decani\" must be between -40 and 40, "
						"not %g",
						design->parameter)));
}

/* The constants are those of a design whose looks are all known. */
static void
check_constant(const Design *design)
{
	double last = design->information[design->looks - 1];

	if (design->spending != CONSTANT_OBRIEN_FLEMING && design->spending != CONSTANT_POCOCK)
		return;
	if (fabs(design->planned - last) > 1e-9 * last)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("constant bounds need the information of all looks up to the planned %g, "
						"but the last is %g",
						design->planned, last),
				 errhint("A spending function does not need to know the looks to come.")));
}

/* (..., alpha, ..., spending, spending_parameter): alpha and spending at the given positions. */
static void
design_arguments(FunctionCallInfo fcinfo, int alpha, int spending, bool two_sided, Design *design)
{
	design->alpha = alpha_argument(fcinfo, alpha);
	if (!(design->alpha >= DESIGN_ALPHA_MIN && design->alpha <= DESIGN_ALPHA_MAX))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alpha of a group sequential design must be between %g and %g, not %g",
						DESIGN_ALPHA_MIN, DESIGN_ALPHA_MAX, design->alpha)));
	design->two_sided = two_sided;
	if (two_sided)
		design->alpha /= 2.0;
	spending_arguments(fcinfo, spending, design);
}

static int
sides_argument(FunctionCallInfo fcinfo, int number)
{
	int sides;

	require_argument(fcinfo, number, "sides");
	sides = PG_GETARG_INT32(number);
	if (sides != 1 && sides != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sides must be 1 or 2, not %d", sides)));
	return sides;
}

static void
put_values(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* (information, alpha, sides, spending, spending_parameter, planned_information) */
Datum
group_sequential_bounds(PG_FUNCTION_ARGS)
{
	int	   sides;
	Design design = {0};
	Look   looks[LOOKS_MAX];

	InitMaterializedSRF(fcinfo, 0);
	sides = sides_argument(fcinfo, 2);
	design.information = information_argument(fcinfo, 0, &design.looks);
	design_arguments(fcinfo, 1, 3, sides == 2, &design);
	design.planned = planned_argument(fcinfo, 5, "planned_information", &design);
	check_constant(&design);
	design_looks(&design, looks);

	for (int k = 0; k < design.looks; k++)
	{
		Datum values[6];
		bool  nulls[6] = {0};

		values[0] = Int32GetDatum(k + 1);
		values[1] = Float8GetDatum(design.information[k]);
		values[2] = Float8GetDatum(sides * looks[k].spent);
		values[3] = Float8GetDatum(sides == 2 ? -looks[k].upper : -INFINITY);
		values[4] = Float8GetDatum(looks[k].upper);
		values[5] = Float8GetDatum(sides * normal_sf(looks[k].upper));
		put_values(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/* The power of a design whose alpha, in all, is given. */
static double
power_argument(FunctionCallInfo fcinfo, int number, double alpha)
{
	double power = finite_argument(fcinfo, number, "power");

	if (!(power - alpha >= POWER_ABOVE_ALPHA && power < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("power must be between alpha and 1, not %g", power),
				 errhint("0.8 finds the effect in 80 %% of the experiments.")));
	return power;
}

/* (information, alpha, sides, power, spending, spending_parameter) */
Datum
group_sequential_inflation(PG_FUNCTION_ARGS)
{
	int	   sides = sides_argument(fcinfo, 2);
	Design design = {0};
	double last;
	double power;

	design.information = information_argument(fcinfo, 0, &design.looks);
	design_arguments(fcinfo, 1, 4, sides == 2, &design);
	power = power_argument(fcinfo, 3, sides * design.alpha);
	last = design.information[design.looks - 1];
	design.planned = fmax(last, 1.0);
	if (last < design.planned * (1.0 - 1e-9))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the last of information must be the planned end, 1, not %g", last),
				 errhint("Give all looks, the one at the end included.")));
	PG_RETURN_FLOAT8(design_inflation(&design, power));
}

/* ---- a series of looks ---- */

#define TEST_COLUMNS 13

/* The results of the looks so far, turned so that the alternative is upwards. */
typedef struct Series
{
	int			  count;
	const double *diff;
	const double *std_error;
	double		  null_diff;
	double		  sign;
} Series;

static void
check_series(const Series *series)
{
	for (int k = 0; k < series->count; k++)
	{
		if (!isfinite(series->diff[k]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("diff[%d] must be a finite number, not %g", k + 1, series->diff[k])));
		if (!(isfinite(series->std_error[k]) && series->std_error[k] > 0.0))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("std_error[%d] must be a positive number, not %g", k + 1,
							series->std_error[k]),
					 errhint("Leave out a look at which it is not known.")));
		if (!isfinite((series->diff[k] - series->null_diff) / series->std_error[k]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("diff[%d] divided by std_error[%d] is out of range", k + 1, k + 1)));
	}
}

static double
statistic(const Series *series, int k)
{
	return series->sign * (series->diff[k] - series->null_diff) / series->std_error[k];
}

/*
 * Whoever gives the looks so far as counts must say what they are a part of:
 * else each look would be taken for the last, and all of alpha spent on it.
 */
static void
check_planned(FunctionCallInfo fcinfo, int number, const Design *design, const Series *series)
{
	double last = design->information[design->looks - 1];

	if (PG_ARGISNULL(number) && series->count == design->looks && last > 1.0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("planned_information is needed, for information goes up to %g and is no "
						"share of it",
						last),
				 errhint("Give planned_information, or the information of the looks to come as "
						 "well.")));
}

/* A pair of ends; downwards, they trade places. */
static void
set_ends(Datum *values, int low, double a, double b, double sign)
{
	values[low] = Float8GetDatum(sign > 0.0 ? a : -b);
	values[low + 1] = Float8GetDatum(sign > 0.0 ? b : -a);
}

/* The interval that holds at every look. */
static void
set_interval(Datum *values, const Design *design, double upper, const Series *series, int k)
{
	double diff = series->sign * series->diff[k];
	double half = upper * series->std_error[k];

	set_ends(values, 7, diff - half, design->two_sided ? diff + half : INFINITY, series->sign);
}

/*
 * The result, where the experiment ends: at a look where it goes on it would be
 * one more p-value to peek at.
 */
static void
set_result(Datum *values, bool *nulls, const Design *design, const Look *looks,
		   const Series *series, int k)
{
	double	  error = series->std_error[k];
	double	  null = series->sign * series->null_diff;
	Stagewise end = stagewise_analysis(design, looks, k, statistic(series, k));

	values[9] = Float8GetDatum(end.p_value);
	values[10] = Float8GetDatum(series->sign * (null + end.median * error));
	nulls[10] = !isfinite(end.median); /* beyond what any drift explains */
	set_ends(values, 11, null + end.low * error, null + end.high * error, series->sign);
}

/* Is the bound crossed at look k? */
static bool
crosses(const Design *design, const Look *look, double z)
{
	return z >= look->upper || (design->two_sided && z <= -look->upper);
}

static bool
goes_on(const Design *design, const Look *looks, const Series *series, int k)
{
	return !reaches_planned_end(design, design->information[k]) &&
		!crosses(design, &looks[k], statistic(series, k));
}

/* The look at which the experiment ends, or else the last one so far. */
static int
last_look(const Design *design, const Look *looks, const Series *series)
{
	for (int k = 0; k < series->count; k++)
	{
		if (!goes_on(design, looks, series, k))
			return k;
	}
	return series->count - 1;
}

static const char *
decision(const Design *design, const Look *looks, const Series *series, int k, int last)
{
	if (k > last)
		return "stopped";
	if (goes_on(design, looks, series, k))
		return "go";
	return crosses(design, &looks[k], statistic(series, k)) ? "stop" : "end";
}

/* alternative at the given position, null_diff at another */
static void
direction_arguments(FunctionCallInfo fcinfo, int alternative, int null_diff, Design *design,
					Series *series)
{
	static const char *const alternatives[] = {"two-sided", "greater", "less"};
	int						 chosen =
		choice_argument(fcinfo, alternative, "alternative", alternatives, lengthof(alternatives));

	design_arguments(fcinfo, alternative - 1, alternative + 1, chosen == TWO_SIDED, design);
	series->sign = chosen == LESS ? -1.0 : 1.0;
	series->null_diff = finite_argument(fcinfo, null_diff, "null_diff");
}

static Datum
put_looks(FunctionCallInfo fcinfo, const Design *design, const Series *series)
{
	Look looks[LOOKS_MAX];
	int	 last;
	bool ended;

	design_looks(design, looks);
	last = last_look(design, looks, series);
	ended = !goes_on(design, looks, series, last);

	for (int k = 0; k < design->looks; k++)
	{
		Datum values[TEST_COLUMNS] = {0};
		bool  nulls[TEST_COLUMNS] = {0};

		values[0] = Int32GetDatum(k + 1);
		values[1] = Float8GetDatum(design->information[k]);
		set_ends(values, 4, design->two_sided ? -looks[k].upper : -INFINITY, looks[k].upper,
				 series->sign);
		nulls[2] = nulls[3] = nulls[6] = k >= series->count;
		nulls[7] = nulls[8] = k > last;
		nulls[9] = nulls[10] = nulls[11] = nulls[12] = k != last || !ended;

		if (k < series->count)
		{
			values[2] = Float8GetDatum(series->diff[k]);
			values[3] = Float8GetDatum(series->sign * statistic(series, k));
			values[6] = CStringGetTextDatum(decision(design, looks, series, k, last));
		}
		if (k <= last)
			set_interval(values, design, looks[k].upper, series, k);
		if (k == last && ended)
			set_result(values, nulls, design, looks, series, k);
		put_values(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/*
 * (diff, std_error, information, alpha, alternative, spending,
 * spending_parameter, planned_information, null_diff)
 */
Datum
group_sequential_test(PG_FUNCTION_ARGS)
{
	Design design = {0};
	Series series = {0};
	int	   errors;

	InitMaterializedSRF(fcinfo, 0);
	require_argument(fcinfo, 0, "diff");
	require_argument(fcinfo, 1, "std_error");
	series.diff = array_elements(PG_GETARG_ARRAYTYPE_P(0), "diff", LOOKS_MAX, &series.count);
	series.std_error = array_elements(PG_GETARG_ARRAYTYPE_P(1), "std_error", LOOKS_MAX, &errors);
	design.information = information_argument(fcinfo, 2, &design.looks);
	if (series.count != errors || series.count > design.looks)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are %d of diff and %d of std_error for %d looks", series.count,
						errors, design.looks),
				 errhint("Give one diff and one std_error per look so far; information may have "
						 "looks to come.")));
	direction_arguments(fcinfo, 4, 8, &design, &series);
	check_series(&series);
	check_planned(fcinfo, 7, &design, &series);
	design.planned = planned_argument(fcinfo, 7, "planned_information", &design);
	check_constant(&design);
	return put_looks(fcinfo, &design, &series);
}

/* A column of a row of type comparison, if it is not NULL. */
static bool
get_column(HeapTupleHeader row, const char *name, Datum *value)
{
	bool isnull;

	*value = GetAttributeByName(row, name, &isnull);
	return !isnull;
}

/* Another treatment's rows would pass for looks of the first. */
static void
check_one_variant(text **variant, HeapTupleHeader row)
{
	Datum found;

	if (!get_column(row, "variant", &found))
		return;
	if (*variant != NULL &&
		!DatumGetBool(
			DirectFunctionCall2Coll(texteq, C_COLLATION_OID, PointerGetDatum(*variant), found)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("looks must be of one variant, but are of \"%s\" and \"%s\"",
						text_to_cstring(*variant), TextDatumGetCString(found)),
				 errhint("Group the rows by variant.")));
	*variant = DatumGetTextPP(found);
}

/*
 * Fills the arrays with the looks whose standard error is known, and counts them.
 * A day that hardly adds a unit is no look of its own: no more people came, or the
 * experiment is over, and a dashboard goes on.
 */
static int
read_looks(ArrayType *array, double *diff, double *std_error, double *information)
{
	text  *variant = NULL;
	int	   looks = 0;
	int	   count;
	Datum *rows;
	bool  *nulls;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE, &rows, &nulls,
					  &count);
	for (int i = 0; i < count; i++)
	{
		HeapTupleHeader row;
		Datum			value[4];
		double			units;

		if (nulls[i])
			continue;
		row = DatumGetHeapTupleHeader(rows[i]);
		check_one_variant(&variant, row);
		if (!get_column(row, "diff", &value[0]) || !get_column(row, "std_error", &value[1]) ||
			!get_column(row, "n", &value[2]) || !get_column(row, "n_control", &value[3]) ||
			DatumGetFloat8(value[1]) == 0.0)
			continue;
		units = (double) DatumGetInt64(value[2]) + (double) DatumGetInt64(value[3]);
		if (looks > 0 && units >= information[looks - 1] &&
			units - information[looks - 1] < CLOSEST_LOOKS * units)
			continue;
		if (looks == LOOKS_MAX)
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "looks must have at most %d elements, not counting such as have no new units",
					 LOOKS_MAX),
				 errhint("Look less often: once a day is enough.")));
		diff[looks] = DatumGetFloat8(value[0]);
		std_error[looks] = DatumGetFloat8(value[1]);
		information[looks++] = units;
	}
	return looks;
}

/*
 * (looks, planned_n, alpha, alternative, spending, spending_parameter,
 * null_diff): no rows if there is no look.
 */
Datum
group_sequential_looks(PG_FUNCTION_ARGS)
{
	Design design = {0};
	Series series = {0};
	double diff[LOOKS_MAX];
	double std_error[LOOKS_MAX];
	double information[LOOKS_MAX];

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	series.count = read_looks(PG_GETARG_ARRAYTYPE_P(0), diff, std_error, information);
	if (series.count == 0)
		return (Datum) 0;

	series.diff = diff;
	series.std_error = std_error;
	design.looks = series.count;
	design.information = information;
	check_information(information, design.looks);
	direction_arguments(fcinfo, 3, 6, &design, &series);
	check_series(&series);
	require_argument(fcinfo, 1, "planned_n");
	design.planned = planned_argument(fcinfo, 1, "planned_n", &design);
	check_constant(&design);
	return put_looks(fcinfo, &design, &series);
}
