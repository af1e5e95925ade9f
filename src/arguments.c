/*
 * arguments.c
 *		Checking the arguments of SQL functions, with errors alike everywhere.
 */
#include "arguments.h"

#include <math.h>

#include "arms.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "lib/stringinfo.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"

/* Refuse NULL for an argument of a function that is not strict. */
void
require_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
}

/* "'a', 'b' and 'c'" */
static char *
quoted_list(const char *const *choices, int count)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < count; i++)
		appendStringInfo(&list, "%s'%s'", i == 0 ? "" : i < count - 1 ? ", " : " and ", choices[i]);
	return list.data;
}

/* Position of a value in a list of accepted names. */
int
choice_named(const text *value, const char *what, const char *const *choices, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (strlen(choices[i]) == VARSIZE_ANY_EXHDR(value) &&
			memcmp(choices[i], VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown %s \"%s\"", what, text_to_cstring(value)),
			 errhint("Accepted: %s.", quoted_list(choices, count))));
}

/* Length of a one-dimensional array: from 1 to `most` (0: any number). */
int
array_count(const ArrayType *array, const char *name, int most)
{
	int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (ARR_NDIM(array) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a one-dimensional array with at least one element", name)));
	if (most > 0 && count > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have at most %d elements, not %d", name, most, count)));
	return count;
}

/* The elements of such an array of a fixed-length type, none of them NULL. */
void *
array_elements(ArrayType *array, const char *name, int most, int *count)
{
	*count = array_count(array, name, most);
	if (array_contains_nulls(array))
		ereport(
			ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not contain nulls", name)));
	return ARR_DATA_PTR(array);
}

/* "name[3]", or of a matrix of so many columns "name[2][1]" */
static char *
element_name(const char *name, int position, int columns)
{
	if (columns == 0)
		return psprintf("%s[%d]", name, position + 1);
	return psprintf("%s[%d][%d]", name, position / columns + 1, position % columns + 1);
}

/* Refuse negative counts, and counts whose sum is no count any more. */
void
check_counts(const int64 *counts, const char *name, int count, int columns)
{
	int64 total = 0;

	for (int i = 0; i < count; i++)
	{
		if (counts[i] < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not be negative, but is " INT64_FORMAT,
							element_name(name, i, columns), counts[i]),
					 errhint("Observed values are counts of units.")));
		if (pg_add_s64_overflow(total, counts[i], &total))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the sum of the observed counts is out of range for bigint")));
	}
}

/*
 * The same as array_elements() of a text array: text datums that point into it.
 * Names of variants and experiments are as few as the arms of a state.
 */
Datum *
label_elements(ArrayType *array, const char *name, int *count)
{
	Datum *labels;

	array_elements(array, name, ARMS_MAX, count);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &labels, NULL, count);
	return labels;
}

/* The 0-based index of a metric by its position from 1. */
int
metric_position(int position, int metrics, const char *name)
{
	if (metrics == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s is %d, but the state has no metrics", name, position),
			 errhint("It only counts units. Metrics are gathered by moments_agg(y, variant).")));
	if (position < 1 || position > metrics)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is %d, but the state has metrics 1 to %d", name, position, metrics),
				 errhint("Metrics are numbered from 1, in the order they were aggregated in.")));
	return position - 1;
}

/* A share of traffic. */
bool
is_weight(double weight)
{
	return isfinite(weight) && weight > 0.0;
}

void
weight_error(const char *which, double weight)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must be a positive number, not %g", which, weight),
			 errhint("Weights are shares of the traffic; they need not sum to 1. Leave out a "
					 "variant that gets no traffic.")));
}

/* Descriptor of the composite type that the function returns. */
TupleDesc
row_descriptor(FunctionCallInfo fcinfo)
{
	TupleDesc descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type of function %u is not a row type", fcinfo->flinfo->fn_oid);
	return BlessTupleDesc(descriptor);
}

/* Refuse what is no share of something. */
void
require_share(double share, const char *name, const char *hint)
{
	if (!(share >= 0.0 && share <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 0 and 1, not %g", name, share), errhint("%s", hint)));
}

/*
 * Written into the query as a constant?  (A parameter is none, although
 * get_fn_expr_arg_stable() would have it: PL/pgSQL evaluates `x := f(y)` with
 * the same FmgrInfo again when y has changed.)
 */
static bool
is_constant(FunctionCallInfo fcinfo, int number)
{
	Node *call = fcinfo->flinfo->fn_expr;

	return call != NULL && IsA(call, FuncExpr) &&
		IsA(list_nth(((FuncExpr *) call)->args, number), Const);
}

/*
 * What `read` makes of the arguments from first to last: once per query where
 * they are constants, as they are when a whole table is asked about.
 */
const void *
read_once(FunctionCallInfo fcinfo, int first, int last, void *(*read)(FunctionCallInfo fcinfo))
{
	FmgrInfo	 *function = fcinfo->flinfo;
	MemoryContext caller;

	if (function->fn_extra != NULL)
		return function->fn_extra;
	for (int i = first; i <= last; i++)
	{
		if (!is_constant(fcinfo, i))
			return read(fcinfo);
	}

	caller = MemoryContextSwitchTo(function->fn_mcxt);
	function->fn_extra = read(fcinfo);
	MemoryContextSwitchTo(caller);
	return function->fn_extra;
}
