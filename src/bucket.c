/*
 * bucket.c
 *		From a hash to a place in [0, 1), and from that to a variant.
 */
#include "bucket.h"

#include <math.h>

/* The top 53 bits, all that a double holds, over 2^53. */
double
bucket_of_hash(uint64_t hash)
{
	return (double) (hash >> 11) * 0x1p-53;
}

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

/* So that no sum of weights overflows. */
static double
largest_weight(const double *weights, int count)
{
	double largest = 0.0;

	for (int i = 0; i < count; i++)
		largest = fmax(largest, weights[i]);
	return largest;
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
	double largest = largest_weight(weights, count);
	double total = weight_sum(weights, count, largest);
	double sum = 0.0;
	double start = 0.0;

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
 * The same by GrowthBook's SDKs (getBucketRanges): weights that sum to 1, give
 * or take 0.01, are summed as they are.  With their rounding errors, because
 * buckets are round numbers: 0.3 is before 0.1 + 0.2.  And if the sum is less
 * than 1, the buckets from there have no variant.
 */
void
bucket_ranges_as_given(BucketRange *ranges, const double *weights, int count, double coverage)
{
	double largest = largest_weight(weights, count);
	double total = weight_sum(weights, count, largest);
	double sum = weight_sum(weights, count, 1.0);
	bool   shares = sum >= 0.99 && sum <= 1.01;
	double start = 0.0;

	for (int i = 0; i < count; i++)
	{
		double share = shares ? weights[i] : weights[i] / largest / total;

		ranges[i].covered = start + coverage * share;
		ranges[i].end = start + share;
		start = ranges[i].end;
	}
}

/* The variant of a bucket, or -1 for none. */
int
bucket_choice(double bucket, const BucketRange *ranges, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (bucket < ranges[i].end)
			return bucket < ranges[i].covered ? i : -1;
	}
	return -1;
}
