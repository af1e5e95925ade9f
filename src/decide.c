/*
 * decide.c
 *		Checked arguments of decide(), which is written in SQL: sql/47-decide.sql.
 */
#include "postgres.h"

#include <math.h>

#include "arguments.h"
#include "comparison_rows.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(metric_result);
PG_FUNCTION_INFO_V1(decide_check);
PG_FUNCTION_INFO_V1(decide_number);

#define METRIC_RESULT_COLUMNS 7

static const char *
choice(FunctionCallInfo fcinfo, int number, const char *name, const char *const *choices, int count)
{
	require_argument(fcinfo, number, name);
	return choices[choice_named(PG_GETARG_TEXT_PP(number), name, choices, count)];
}

/* A number in [low, high]. */
static void
check_range(FunctionCallInfo fcinfo, int number, const char *name, double low, double high)
{
	double value;

	require_argument(fcinfo, number, name);
	value = PG_GETARG_FLOAT8(number);
	if (!(value >= low && value <= high))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %g and %g, not %g", name, low, high, value)));
}

/* (metric, role, result, better, margin, relative, weight) */
Datum
metric_result(PG_FUNCTION_ARGS)
{
	static const char *const roles[] = {"primary", "secondary", "guardrail"};
	static const char *const directions[] = {"higher", "lower"};
	Datum					 values[METRIC_RESULT_COLUMNS];
	bool					 nulls[METRIC_RESULT_COLUMNS];
	const char				*role;

	require_argument(fcinfo, 0, "metric");
	role = choice(fcinfo, 1, "role", roles, lengthof(roles));
	require_argument(fcinfo, 2, "result");
	(void) choice(fcinfo, 3, "better", directions, lengthof(directions));
	require_argument(fcinfo, 5, "relative");
	check_range(fcinfo, 6, "weight", 1e-6, 1e6);

	if (strcmp(role, "guardrail") == 0 && PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("guardrail \"%s\" has no margin", text_to_cstring(PG_GETARG_TEXT_PP(0))),
				 errhint("The margin is how much worse it may get: 0.5 in units of the metric, or "
						 "with relative => true 0.01 for 1 %%.")));
	if (!PG_ARGISNULL(4))
		check_range(fcinfo, 4, "margin", 0.0, 1e300);

	for (int i = 0; i < METRIC_RESULT_COLUMNS; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}

/*
 * (primaries, alpha, correction, primary_share, srm_alpha, max_lift, min_n,
 * srm_p_value): true, or an error
 */
Datum
decide_check(PG_FUNCTION_ARGS)
{
	static const char *const corrections[] = {"weighted", "none", "bonferroni", "holm",
											  "hochberg", "bh",	  "by"};

	if (PG_GETARG_INT64(0) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a decision needs a primary metric"),
				 errhint("Give the metric that the experiment is about the role 'primary'.")));
	(void) alpha_argument(fcinfo, 1);
	(void) choice(fcinfo, 2, "correction", corrections, lengthof(corrections));
	check_range(fcinfo, 3, "primary_share", 0.0, 1.0);
	check_range(fcinfo, 4, "srm_alpha", 0.0, 1.0);
	check_range(fcinfo, 5, "max_lift", 0.0, INFINITY);
	require_argument(fcinfo, 6, "min_n");
	if (!PG_ARGISNULL(7))
		check_range(fcinfo, 7, "srm_p_value", 0.0, 1.0);
	PG_RETURN_BOOL(true);
}

/* decide_number(number): as a reader wants it, where float8's own text has up to 17 digits */
Datum
decide_number(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%.6g", PG_GETARG_FLOAT8(0))));
}
