/*
 * assign_method.h
 *		Bucketing methods as arguments of SQL functions.
 */
#ifndef EXPSTAT_ASSIGN_METHOD_H
#define EXPSTAT_ASSIGN_METHOD_H

#include "postgres.h"

#include "methods.h"

extern const BucketMethod *method_named(const text *name);
extern double bucket_of_unit(const BucketMethod *method, const text *unit, const text *salt);

#endif /* EXPSTAT_ASSIGN_METHOD_H */
