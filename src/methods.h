/*
 * methods.h
 *		Bucketing methods: which string is hashed how, and its bucket.
 */
#ifndef EXPSTAT_METHODS_H
#define EXPSTAT_METHODS_H

#include "postgres.h"

typedef struct BucketMethod
{
	const char *name;
	bool		unit_first; /* unit, separator, salt; else salt, separator, unit */
	char		separator;	/* '\0': none */
	double (*bucket)(const char *data, size_t length); /* of the string, in [0, 1) */
	double steps;		 /* buckets are multiples of 1 / steps; 0: as fine as a double */
	bool   plain_shares; /* variants by bucket_ranges_of_shares, if the weights are shares */
} BucketMethod;

#define BUCKET_METHODS 13

extern const BucketMethod bucket_methods[BUCKET_METHODS];

extern double method_bucket(const BucketMethod *method, const char *unit, size_t unit_length,
							const char *salt, size_t salt_length);
extern uint64 sha1_hash60(const char *data, size_t length);

#endif /* EXPSTAT_METHODS_H */
