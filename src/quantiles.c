/*
 * quantiles.c
 *		quantile_compare: quantiles of two samples.
 */
#include "comparison_rows.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "orderstat.h"
#include "samples.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(quantile_compare_final);
PG_FUNCTION_INFO_V1(quantile_compare_array_final);

#define QUANTILES_MAX 1000

/* A quantile of one sample. */
typedef struct Quantile
{
	double		p;
	double		value;
	double		next; /* the order statistic after it */
	double		low;  /* ends of its outer interval */
	double		high;
	ClusterSums clusters;
} Quantile;

/* Of a sample with values, in one pass: its quantiles, and the ends of their intervals. */
static void
read_quantiles(Sample *sample, Quantile *quantiles, int count, double alpha)
{
	OrderStatistic *wanted = palloc(4 * count * sizeof(OrderStatistic));

	for (int i = 0; i < count; i++)
	{
		Quantile	  *q = &quantiles[i];
		QuantilePoint  point = quantile_point(q->p, sample->n);
		QuantileRanks  ranks = quantile_ranks(q->p, sample->n, alpha);
		OrderStatistic four[] = {{point.rank, &q->value},
								 {point.next, &q->next},
								 {ranks.low, &q->low},
								 {ranks.high, &q->high}};

		memcpy(&wanted[4 * i], four, sizeof(four));
	}
	sample_order_statistics(sample, wanted, 4 * count);
	pfree(wanted);

	for (int i = 0; i < count; i++)
	{
		Quantile *q = &quantiles[i];

		q->value = quantile_between(q->value, q->next, quantile_point(q->p, sample->n).fraction);
	}
}

/* The unit is complete: its values, and those of them at or below each quantile. */
static void
end_unit(Quantile *quantiles, int count, int64 values, int64 *below)
{
	if (values == 0)
		return;
	for (int i = 0; i < count; i++)
	{
		cluster_add(&quantiles[i].clusters, quantiles[i].p, (double) values, (double) below[i]);
		below[i] = 0;
	}
}

/* The values once more, by unit. */
static void
read_clusters(Sample *sample, Quantile *quantiles, int count)
{
	int64 *below = palloc0(count * sizeof(int64));
	int64  values = 0;
	uint64 current = 0;
	uint64 unit;
	double value;

	while (sample_next_of_unit(sample, &unit, &value))
	{
		if (unit != current)
		{
			end_unit(quantiles, count, values, below);
			values = 0;
			current = unit;
		}
		values++;
		for (int i = 0; i < count; i++)
			below[i] += value <= quantiles[i].value;
	}
	end_unit(quantiles, count, values, below);
	pfree(below);
}

/* Quantiles of one sample; NULL is one without values. */
static Estimate *
estimate_quantiles(Sample *sample, const double *ps, int count, double alpha)
{
	Estimate *estimates = palloc(count * sizeof(Estimate));
	Quantile *quantiles = palloc0(count * sizeof(Quantile));

	for (int i = 0; i < count; i++)
		quantiles[i].p = ps[i];
	if (sample != NULL)
	{
		read_quantiles(sample, quantiles, count, alpha);
		if (sample->units != NULL)
			read_clusters(sample, quantiles, count);
	}

	for (int i = 0; i < count; i++)
	{
		const Quantile *q = &quantiles[i];

		if (sample == NULL)
			estimates[i] = quantile_estimate(0, NAN, NAN, NAN, NAN, alpha);
		else if (sample->units == NULL)
			estimates[i] = quantile_estimate(sample->n, q->value, q->low, q->high, 1.0, alpha);
		else
			estimates[i] = quantile_estimate((int64) q->clusters.units, q->value, q->low, q->high,
											 cluster_inflation(&q->clusters, q->p), alpha);
		check_estimate(&estimates[i], "quantile");
	}
	pfree(quantiles);
	return estimates;
}

static void
check_p(double p)
{
	if (!(p > 0.0 && p < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p must be between 0 and 1, not %g", p),
				 errhint("The median is 0.5, the 95th percentile 0.95.")));
}

/* The quantiles asked for; false if they are unknown, for there were no rows. */
static bool
quantiles_argument(FunctionCallInfo fcinfo, Datum *value)
{
	if (sample_constant(fcinfo, 0, value))
		return true;
	if (samples_argument(fcinfo) != NULL || PG_NARGS() > 1)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("p must not be null")));
	return false;
}

static const char *
method_name(double p, const SamplePair *pair)
{
	const Sample *any = pair->treatment != NULL ? pair->treatment : pair->control;

	if (any == NULL)
		return "quantile_compare";
	return psprintf("quantile_compare, %g%s", p, any->units != NULL ? ", clustered" : "");
}

/* A tuple for each quantile. */
static HeapTuple *
compare_quantiles(FunctionCallInfo fcinfo, TupleDesc descriptor, const double *ps, int count)
{
	const Question *question = &default_question;
	SamplePair		pair = sample_pair(fcinfo, 1);
	const text	   *treatment = pair.treatment != NULL ? pair.treatment->label : NULL;
	Estimate	   *t = estimate_quantiles(pair.treatment, ps, count, question->alpha);
	Estimate	   *c = estimate_quantiles(pair.control, ps, count, question->alpha);
	HeapTuple	   *tuples = palloc(count * sizeof(HeapTuple));

	for (int i = 0; i < count; i++)
	{
		Comparison comparison =
			compare_welch(&t[i], &c[i], NULL, question, method_name(ps[i], &pair));

		comparison.df = NAN; /* the normal distribution */
		tuples[i] = comparison_tuple(descriptor, &comparison, treatment, pair.label);
	}
	return tuples;
}

/* (state [, p [, control]]), or these as constants with the rows */
Datum
quantile_compare_final(PG_FUNCTION_ARGS)
{
	Datum  argument;
	double p = NAN;

	if (quantiles_argument(fcinfo, &argument))
	{
		p = DatumGetFloat8(argument);
		check_p(p);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(compare_quantiles(fcinfo, row_descriptor(fcinfo), &p, 1)[0]));
}

/* The same with an array for p: an array of comparisons, in its order. */
Datum
quantile_compare_array_final(PG_FUNCTION_ARGS)
{
	Oid			  element = get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid));
	TupleDesc	  descriptor = lookup_rowtype_tupdesc_copy(element, -1);
	Datum		  argument;
	const double *ps;
	int			  count;
	HeapTuple	 *tuples;
	Datum		 *rows;

	if (!quantiles_argument(fcinfo, &argument))
		PG_RETURN_NULL();

	ps = array_elements(DatumGetArrayTypeP(argument), "p", QUANTILES_MAX, &count);
	for (int i = 0; i < count; i++)
		check_p(ps[i]);
	tuples = compare_quantiles(fcinfo, descriptor, ps, count);
	rows = palloc(count * sizeof(Datum));
	for (int i = 0; i < count; i++)
		rows[i] = HeapTupleGetDatum(tuples[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(rows, count, element, -1, false, TYPALIGN_DOUBLE));
}
