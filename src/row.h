/*
 * row.h
 *		A row of a composite type, column by column.
 */
#ifndef EXPSTAT_ROW_H
#define EXPSTAT_ROW_H

#include "arms.h"

#include "fmgr.h"
#include "funcapi.h"

#define ROW_COLUMNS_MAX 32

typedef struct Row
{
	TupleDesc descriptor;
	int		  columns; /* filled so far */
	Datum	  values[ROW_COLUMNS_MAX];
	bool	  nulls[ROW_COLUMNS_MAX];
} Row;

/* The row that the function returns; then its columns in their order. */
extern void	 row_start(Row *row, FunctionCallInfo fcinfo);
extern void	 row_null(Row *row);
extern void	 row_integer(Row *row, int32 value);
extern void	 row_bigint(Row *row, int64 value);
extern void	 row_boolean(Row *row, bool value);
extern void	 row_float8(Row *row, double value);	   /* NaN, undefined, is NULL */
extern void	 row_pointer(Row *row, const void *value); /* a varlena; NULL is NULL */
extern void	 row_string(Row *row, const char *value);
extern void	 row_label(Row *row, const Arm *arm); /* no arm is NULL */
extern Datum row_end(Row *row);

#endif /* EXPSTAT_ROW_H */
