/*
 * bucket.c
 *		From a hash to a place in [0, 1), and from that to a variant.
 */
#include "bucket.h"

/* The top 53 bits, all that a double holds, over 2^53. */
double
bucket_of_hash(uint64_t hash)
{
	return (double) (hash >> 11) * 0x1p-53;
}

/*
 * The variant of a bucket, or -1 outside the coverage.  Variant i owns the
 * range from the previous variant's end to its own, of width w_i, and takes
 * the first `coverage` of it:
 *
 *		[cum_i, cum_i + w_i coverage)
 *
 * The ranges do not move when the coverage grows, so neither does any unit.
 * The last end is 1.
 */
int
bucket_choice(double bucket, const double *ends, int count, double coverage)
{
	double start = 0.0;

	for (int i = 0; i < count; i++)
	{
		if (bucket < ends[i])
			return coverage == 1.0 || bucket < start + (ends[i] - start) * coverage ? i : -1;
		start = ends[i];
	}
	return -1;
}
