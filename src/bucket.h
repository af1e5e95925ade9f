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

extern double bucket_of_hash(uint64_t hash);
extern void
bucket_ranges(BucketRange *ranges, const double *weights, int count, double coverage, double steps);
extern void
bucket_ranges_as_given(BucketRange *ranges, const double *weights, int count, double coverage);
extern int bucket_choice(double bucket, const BucketRange *ranges, int count);

#endif /* EXPSTAT_BUCKET_H */
