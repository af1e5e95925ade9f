/*
 * arguments.h
 *		Checking the arguments of SQL functions, with errors alike everywhere.
 */
#ifndef EXPSTAT_ARGUMENTS_H
#define EXPSTAT_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"

extern void require_argument(FunctionCallInfo fcinfo, int number, const char *name);
extern int choice_named(const text *value, const char *what, const char *const *choices, int count);
extern void		*array_elements(ArrayType *array, const char *name, int most, int *count);
extern void		 check_weight(double weight, const char *label, int len);
extern TupleDesc row_descriptor(FunctionCallInfo fcinfo);

#endif /* EXPSTAT_ARGUMENTS_H */
