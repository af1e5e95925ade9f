/*
 * outliers.c
 *		Means that a few huge values do not decide: bounds and winsorising, and
 *		trimmed means.
 */
#include "comparison_rows.h"

#include <math.h>

#include "aggregates.h"
#include "orderstat.h"
#include "samples.h"
#include "trimmed.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(winsorize);
PG_FUNCTION_INFO_V1(winsor_bounds_final);
PG_FUNCTION_INFO_V1(trimmed_t_final);

/* ---- winsorising ---- */

/* A bound; none is infinite. */
static double
bound_argument(FunctionCallInfo fcinfo, int number, const char *name, double none)
{
	double bound = PG_ARGISNULL(number) ? none : PG_GETARG_FLOAT8(number);

	if (isnan(bound))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must not be NaN", name),
				 errhint("NULL is no bound.")));
	return bound;
}

/* (x, low, high) */
Datum
winsorize(PG_FUNCTION_ARGS)
{
	double low = bound_argument(fcinfo, 1, "low", -INFINITY);
	double high = bound_argument(fcinfo, 2, "high", INFINITY);
	double x;

	if (low > high)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("low must not be above high, but %g is above %g", low, high)));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	x = PG_GETARG_FLOAT8(0);
	check_metric(x, "x", 0);
	PG_RETURN_FLOAT8(x < low ? low : x > high ? high : x);
}

/* The share of values below a bound; false for NULL, no bound. */
static bool
share_argument(FunctionCallInfo fcinfo, int number, const char *name, double *share)
{
	if (PG_ARGISNULL(number))
		return false;
	*share = PG_GETARG_FLOAT8(number);
	if (!(*share >= 0.0 && *share <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be from 0 to 1, not %g", name, *share),
				 errhint("The 99th percentile is 0.99.")));
	return true;
}

/* (state, lower, upper) */
Datum
winsor_bounds_final(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"lower", "upper"};
	Samples					*samples = samples_argument(fcinfo);
	Sample					*sample = samples != NULL ? &samples->samples[0] : NULL;
	double					 shares[lengthof(names)] = {0.0, 1.0};
	Datum					 values[lengthof(names) + 1] = {0};
	bool					 nulls[lengthof(names) + 1] = {0};

	for (int i = 0; i < lengthof(names); i++)
		nulls[i] = !share_argument(fcinfo, i + 1, names[i], &shares[i]) || sample == NULL;
	if (shares[0] > shares[1])
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("lower must not be above upper, but %g is above %g", shares[0], shares[1])));

	if (sample != NULL)
	{
		OrderStatistic wanted[2 * lengthof(names)];
		double		   below[lengthof(names)];
		double		   above[lengthof(names)];

		for (int i = 0; i < lengthof(names); i++)
		{
			QuantilePoint point = quantile_point(shares[i], sample->n);

			wanted[2 * i].rank = point.rank;
			wanted[2 * i].place = &below[i];
			wanted[2 * i + 1].rank = point.next;
			wanted[2 * i + 1].place = &above[i];
		}
		sample_order_statistics(sample, wanted, lengthof(wanted));
		for (int i = 0; i < lengthof(names); i++)
			values[i] = Float8GetDatum(quantile_between(
				below[i], above[i], quantile_point(shares[i], sample->n).fraction));
	}
	values[lengthof(names)] = Int64GetDatum(sample != NULL ? sample->n : 0);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}

/* ---- trimmed means ---- */

/* The share cut off at either end; 0 if it is unknown, for there were no rows. */
static double
trim_argument(FunctionCallInfo fcinfo)
{
	Datum  argument;
	double trim;

	if (!sample_constant(fcinfo, 0, &argument))
	{
		if (samples_argument(fcinfo) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("trim must not be null")));
		return 0.0;
	}
	trim = DatumGetFloat8(argument);
	if (!(trim >= 0.0 && trim < 0.5))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("trim must be from 0 to below 0.5, not %g", trim),
				 errhint("It is the share of units cut off at either end: 0.1 keeps 80 %%.")));
	return trim;
}

static Estimate
estimate_trimmed(Sample *sample, double trim)
{
	Trimmed	 trimmed = trimmed_start(trim, sample != NULL ? sample->n : 0);
	Estimate estimate;

	if (sample != NULL)
	{
		sample_start(sample);
		sample_skip(sample, trimmed.cut);
		for (int64 i = trimmed.cut; i < trimmed.n - trimmed.cut && sample_next(sample); i++)
			trimmed_add(&trimmed, sample->value);
	}
	estimate = trimmed_estimate(&trimmed);
	check_estimate(&estimate, "trimmed mean");
	return estimate;
}

/* (state), and trim and control as constants with the rows */
Datum
trimmed_t_final(PG_FUNCTION_ARGS)
{
	double	   trim = trim_argument(fcinfo);
	SamplePair pair = sample_pair(fcinfo, 1);
	Estimate   t = estimate_trimmed(pair.treatment, trim);
	Estimate   c = estimate_trimmed(pair.control, trim);
	Comparison comparison = compare_welch(&t, &c, NULL, &default_question, "trimmed_t");

	PG_RETURN_DATUM(HeapTupleGetDatum(
		comparison_tuple(row_descriptor(fcinfo), &comparison,
						 pair.treatment != NULL ? pair.treatment->label : NULL, pair.label)));
}
