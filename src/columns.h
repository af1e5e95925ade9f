/*
 * columns.h
 *		Reading a few columns of many rows of a heap table.
 */
#ifndef EXPSTAT_COLUMNS_H
#define EXPSTAT_COLUMNS_H

#include "postgres.h"

#include "access/htup_details.h"
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
	uint64 nulls; /* bit i: column i is NULL, and its cell zero */
	Cell   cells[COLUMNS_MAX];
} Row;

typedef struct ColumnRead
{
	int		   column;
	ColumnKind kind;
	int		   offset; /* bytes from the beginning of the run */
} ColumnRead;

typedef struct ColumnRun
{
	bool		variable; /* one column of variable width */
	int			column;	  /* of variable width, or -1 if it is not needed */
	Size		align;	  /* bytes */
	int			length;	  /* bytes */
	int			reads;
	ColumnRead *read;
} ColumnRun;

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
extern void		  columns_read_any(const Columns *columns, HeapTuple tuple, Row *row);

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

static inline Cell
read_fixed(const char *at, ColumnKind kind)
{
	Cell cell;

	switch (kind)
	{
		case COLUMN_FLOAT8:
			cell.number = *(const float8 *) at;
			break;
		case COLUMN_FLOAT4:
			cell.number = *(const float4 *) at;
			break;
		case COLUMN_INT64:
			cell.integer = *(const int64 *) at;
			break;
		case COLUMN_INT32:
			cell.integer = *(const int32 *) at;
			break;
		case COLUMN_INT16:
			cell.integer = *(const int16 *) at;
			break;
		default:
			cell.integer = *(const bool *) at;
	}
	return cell;
}

/*
 * The columns of a row.  What they point to is part of the tuple.
 *
 * Inline, for it runs for every row of a table.
 */
static pg_attribute_always_inline void
columns_read(const Columns *columns, HeapTuple tuple, Row *row)
{
	HeapTupleHeader header = tuple->t_data;
	char		   *data = (char *) header + header->t_hoff;
	Size			offset = 0;

	if (unlikely((header->t_infomask & HEAP_HASNULL) != 0 ||
				 HeapTupleHeaderGetNatts(header) < columns->last || columns->runs == 0))
	{
		columns_read_any(columns, tuple, row);
		return;
	}

	row->nulls = 0;
	for (const ColumnRun *run = columns->run; run < columns->run + columns->runs; run++)
	{
		if (run->variable)
		{
			/* A short header, which is never zero, may begin anywhere. */
			if (!VARATT_NOT_PAD_BYTE(data + offset))
				offset = TYPEALIGN(run->align, offset);
			if (run->column >= 0)
				row->cells[run->column].text = (struct varlena *) (data + offset);
			offset += VARSIZE_ANY(data + offset);
			continue;
		}

		offset = TYPEALIGN(run->align, offset);
		for (int i = 0; i < run->reads; i++)
			row->cells[run->read[i].column] =
				read_fixed(data + offset + run->read[i].offset, run->read[i].kind);
		offset += run->length;
	}
}

#endif /* EXPSTAT_COLUMNS_H */
