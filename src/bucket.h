/*
 * bucket.h
 *		From a hash to a place in [0, 1), and from that to a variant.
 */
#ifndef EXPSTAT_BUCKET_H
#define EXPSTAT_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A variant owns the buckets from the end of the one before it (0 for the
 * first) to its own end; those before `covered` take part.
 */
typedef struct BucketRange
{
	double covered;
	double end;
} BucketRange;

/* A place from the top 53 bits of a hash, all that a double holds, over 2^53. */
static inline double
bucket_of_hash(uint64_t hash)
{
	return (double) (hash >> 11) * 0x1p-53;
}

/* The variant of a bucket, or -1 for none. */
static inline int
bucket_choice(double bucket, const BucketRange *ranges, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (bucket < ranges[i].end)
			return bucket < ranges[i].covered ? i : -1;
	}
	return -1;
}

extern void
bucket_ranges(BucketRange *ranges, const double *weights, int count, double coverage, double steps);
extern void
bucket_ranges_of_shares(BucketRange *ranges, const double *shares, int count, double coverage);
extern bool weights_are_shares(const double *weights, int count);

#endif /* EXPSTAT_BUCKET_H */
