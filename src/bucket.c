/*
 * bucket.c
 *		From a hash to a place in [0, 1), and from that to a variant.
 */
#include "bucket.h"

#include <math.h>

/*
 * Buckets of a coarse method are multiples of 1 / steps.  A boundary that
 * misses one by a rounding error would give a whole step, 1 % of the units if
 * there are 100, to the wrong side.
 */
static double
snapped(double boundary, double steps)
{
	double step = rint(boundary * steps);

	return fabs(boundary * steps - step) < 1e-6 ? step / steps : boundary;
}

static double
weight_sum(const double *weights, int count, double unit)
{
	double sum = 0.0;

	for (int i = 0; i < count; i++)
		sum += weights[i] / unit;
	return sum;
}

/*
 * Variant i owns [cum_i, cum_i + w_i), with weights w divided by their sum and
 * cum_i the sum of those before i, and takes the first `coverage` of it:
 *
 *		[cum_i, cum_i + w_i coverage)
 *
 * The starts do not move when the coverage grows, so neither does any unit.
 * The last end is 1.
 */
void
bucket_ranges(BucketRange *ranges, const double *weights, int count, double coverage, double steps)
{
	double largest = 0.0;
	double total;
	double sum = 0.0;
	double start = 0.0;

	/* Scaled by the largest weight, so that no sum of weights overflows. */
	for (int i = 0; i < count; i++)
		largest = fmax(largest, weights[i]);
	total = weight_sum(weights, count, largest);

	for (int i = 0; i < count; i++)
	{
		BucketRange *range = &ranges[i];

		sum += weights[i] / largest;
		range->end = sum / total;
		range->covered = coverage == 1.0 ? range->end : start + (range->end - start) * coverage;
		start = range->end;
		if (steps > 0.0)
		{
			range->end = snapped(range->end, steps);
			range->covered = snapped(range->covered, steps);
		}
	}
}

/*
 * The same as GrowthBook's SDKs have it (getBucketRanges), for weights that sum
 * to 1, give or take 0.01: summed as they are.  With the rounding errors, for
 * they decide about buckets that are round numbers (0.3 is before 0.1 + 0.2);
 * and if the sum is less than 1, the last buckets have no variant.
 */
void
bucket_ranges_of_shares(BucketRange *ranges, const double *shares, int count, double coverage)
{
	double start = 0.0;

	for (int i = 0; i < count; i++)
	{
		ranges[i].covered = start + coverage * shares[i];
		ranges[i].end = start + shares[i];
		start = ranges[i].end;
	}
}

bool
weights_are_shares(const double *weights, int count)
{
	double sum = weight_sum(weights, count, 1.0);

	return sum >= 0.99 && sum <= 1.01;
}
