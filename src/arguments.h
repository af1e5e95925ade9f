/*
 * arguments.h
 *		Checking the arguments of SQL functions, with errors alike everywhere.
 */
#ifndef EXPSTAT_ARGUMENTS_H
#define EXPSTAT_ARGUMENTS_H

#include "versions.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"

extern void require_argument(FunctionCallInfo fcinfo, int number, const char *name);
extern int choice_named(const text *value, const char *what, const char *const *choices, int count);
extern int array_count(const ArrayType *array, const char *name, int most);
extern void	 *array_elements(ArrayType *array, const char *name, int most, int *count);
extern void	  check_counts(const int64 *counts, const char *name, int count, int columns);
extern Datum *label_elements(ArrayType *array, const char *name, int *count);
extern int	  metric_position(int position, int metrics, const char *name);
extern bool	  is_weight(double weight);
extern void	  weight_error(const char *which, double weight) pg_attribute_noreturn();
extern void	  require_share(double share, const char *name, const char *hint);
extern const void *
read_once(FunctionCallInfo fcinfo, int first, int last, void *(*read)(FunctionCallInfo fcinfo));
extern TupleDesc row_descriptor(FunctionCallInfo fcinfo);

#endif /* EXPSTAT_ARGUMENTS_H */
