/*
 * bucket.h
 *		From a hash to a place in [0, 1), and from that to a variant.
 */
#ifndef EXPSTAT_BUCKET_H
#define EXPSTAT_BUCKET_H

#include <stdint.h>

extern double bucket_of_hash(uint64_t hash);
extern int	  bucket_choice(double bucket, const double *ends, int count, double coverage);

#endif /* EXPSTAT_BUCKET_H */
