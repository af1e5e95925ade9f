/*
 * anova.c
 *		Analysis of variance over all arms of a state.
 */
#include "comparison_rows.h"
#include "oneway.h"
#include "row.h"

PG_FUNCTION_INFO_V1(anova);
PG_FUNCTION_INFO_V1(welch_anova);

/* (m moments, metric integer) */
static Datum
analyse(FunctionCallInfo fcinfo, OneWay (*test)(const Moments *m, int metric), const char *method)
{
	const Moments *m;
	OneWay		   result;
	Row			   row;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	m = PG_GETARG_MOMENTS(0);
	result = test(m, metric_argument(fcinfo, 1, "metric", m));

	row_start(&row, fcinfo);
	row_float8(&row, result.f);
	row_float8(&row, result.df1);
	row_float8(&row, result.df2);
	row_float8(&row, result.p_value);
	row_integer(&row, result.arms);
	row_bigint(&row, result.n);
	row_float8(&row, result.ss_between);
	row_float8(&row, result.ss_within);
	row_float8(&row, result.eta_squared);
	row_string(&row, method);
	return row_end(&row);
}

Datum
anova(PG_FUNCTION_ARGS)
{
	return analyse(fcinfo, oneway_anova, "anova");
}

Datum
welch_anova(PG_FUNCTION_ARGS)
{
	return analyse(fcinfo, oneway_welch, "welch_anova");
}
