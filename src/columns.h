/*
 * columns.h
 *		Reading a few columns of many rows of a heap table.
 */
#ifndef EXPSTAT_COLUMNS_H
#define EXPSTAT_COLUMNS_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

#define COLUMNS_MAX 64 /* a bit each in Row.nulls */

typedef enum ColumnKind
{
	COLUMN_UNKNOWN = 0,
	COLUMN_BOOL,
	COLUMN_INT16,
	COLUMN_INT32,
	COLUMN_INT64,
	COLUMN_FLOAT4,
	COLUMN_FLOAT8,
	COLUMN_TEXT
} ColumnKind;

/* A value: by the kind of its column an integer, a floating-point number or a text in the row. */
typedef union Cell
{
	int64			integer;
	double			number;
	struct varlena *text; /* may be compressed or out of line */
} Cell;

typedef struct Row
{
	uint64 nulls; /* bit i: column i is NULL, and its cell has no meaning */
	Cell   cells[COLUMNS_MAX];
} Row;

typedef struct ColumnRun ColumnRun;

typedef struct Columns
{
	TupleDesc  desc;
	int		   count;
	int		   attnum[COLUMNS_MAX];
	ColumnKind kind[COLUMNS_MAX];
	int		   last; /* the greatest attnum */
	int		   runs; /* 0 if rows must be taken apart by PostgreSQL */
	ColumnRun *run;
} Columns;

extern ColumnKind column_kind(Oid type);
extern void		  columns_init(Columns *columns, TupleDesc desc);
extern int		  columns_add(Columns *columns, int attnum);
extern void		  columns_prepare(Columns *columns);
extern void		  columns_read(const Columns *columns, HeapTuple tuple, Row *row);

static inline uint64
column_bit(int column)
{
	return UINT64CONST(1) << column;
}

static inline bool
column_is_float(ColumnKind kind)
{
	return kind == COLUMN_FLOAT4 || kind == COLUMN_FLOAT8;
}

static inline bool
column_is_integer(ColumnKind kind)
{
	return kind == COLUMN_INT16 || kind == COLUMN_INT32 || kind == COLUMN_INT64;
}

#endif /* EXPSTAT_COLUMNS_H */
