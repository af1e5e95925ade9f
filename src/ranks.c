/*
 * ranks.c
 *		mann_whitney: two samples by their ranks.
 */
#include "samples.h"

#include <math.h>

#include "compare.h"
#include "utils/builtins.h"
#include "wilcoxon.h"

PG_FUNCTION_INFO_V1(mann_whitney_final);

#define MANN_WHITNEY_COLUMNS 12

/* How many values of the sample equal `value`, which it may be at; moves past them. */
static int64
count_equal(Sample *sample, bool *more, double value)
{
	int64 count = 0;

	while (*more && sample->value == value)
	{
		count++;
		*more = sample_next(sample);
	}
	return count;
}

/* Merge the sorted samples. */
static RankSums
merge_samples(Sample *t, Sample *c)
{
	RankSums sums = rank_sums_start((double) t->n, (double) c->n);
	bool	 more_t;
	bool	 more_c;

	sample_start(t);
	sample_start(c);
	more_t = sample_next(t);
	more_c = sample_next(c);
	while (more_t || more_c)
	{
		double value = !more_c || (more_t && t->value < c->value) ? t->value : c->value;
		int64  ties_t = count_equal(t, &more_t, value);
		int64  ties_c = count_equal(c, &more_c, value);

		rank_sums_add(&sums, (double) ties_t, (double) ties_c);
	}
	return sums;
}

static RankTest
test_pair(const SamplePair *pair, bool continuity, double alpha)
{
	RankSums none = {0};

	if (pair->treatment == NULL || pair->control == NULL)
		return rank_test(&none, continuity, alpha);
	else
	{
		RankSums sums = merge_samples(pair->treatment, pair->control);

		return rank_test(&sums, continuity, alpha);
	}
}

static const char *
method_name(const RankTest *test, bool continuity)
{
	if (isnan(test->p_value))
		return "mann_whitney";
	if (test->exact)
		return "mann_whitney, exact";
	return continuity ? "mann_whitney, normal, continuity correction" : "mann_whitney, normal";
}

/* (state [, control [, continuity]]), or constants with the rows */
Datum
mann_whitney_final(PG_FUNCTION_ARGS)
{
	SamplePair pair = sample_pair(fcinfo, 0);
	double	   alpha = default_question.alpha;
	Datum	   argument;
	bool	   continuity = sample_constant(fcinfo, 1, &argument) && DatumGetBool(argument);
	RankTest   test = test_pair(&pair, continuity, alpha);
	double	   numbers[] = {
			test.u, test.z, test.p_value, test.superiority, test.superiority_low, test.superiority_high,
			alpha};
	Datum values[MANN_WHITNEY_COLUMNS];
	bool  nulls[MANN_WHITNEY_COLUMNS] = {0};
	int	  column = 0;

	nulls[column] = pair.treatment == NULL;
	values[column++] = PointerGetDatum(pair.treatment != NULL ? pair.treatment->label : NULL);
	nulls[column] = pair.label == NULL;
	values[column++] = PointerGetDatum(pair.label);
	values[column++] = Int64GetDatum(pair.treatment != NULL ? pair.treatment->n : 0);
	values[column++] = Int64GetDatum(pair.control != NULL ? pair.control->n : 0);
	for (int i = 0; i < lengthof(numbers); i++)
	{
		nulls[column] = isnan(numbers[i]);
		values[column++] = Float8GetDatum(numbers[i]);
	}
	values[column++] = CStringGetTextDatum(method_name(&test, continuity));
	Assert(column == MANN_WHITNEY_COLUMNS);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}
