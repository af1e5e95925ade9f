/*
 * assign_method.c
 *		Bucketing methods as arguments of SQL functions.
 */
#include "assign_method.h"

#include "arguments.h"

const BucketMethod *
method_named(const text *name)
{
	const char *names[BUCKET_METHODS];

	for (int i = 0; i < BUCKET_METHODS; i++)
		names[i] = bucket_methods[i].name;
	return &bucket_methods[choice_named(name, "bucketing method", names, BUCKET_METHODS)];
}

double
bucket_of_unit(const BucketMethod *method, const text *unit, const text *salt)
{
	return method_bucket(method, VARDATA_ANY(unit), VARSIZE_ANY_EXHDR(unit), VARDATA_ANY(salt),
						 VARSIZE_ANY_EXHDR(salt));
}
