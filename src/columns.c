/*
 * columns.c
 *		Reading a few columns of many rows of a heap table.
 *
 * The columns of a row follow each other, each aligned as its type asks.  So a
 * row without NULLs is a sequence of runs: some columns of fixed width, whose
 * places relative to the first are the same in every row, or one of variable
 * width, after which the next run begins.  The runs are worked out once, and only
 * what is needed is read.  Any other row (NULLs, columns added since it was
 * written) is left to PostgreSQL's heap_getattr().
 */
#include "columns.h"

#include "catalog/pg_type.h"

/* How a value of this type is read. */
ColumnKind
column_kind(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return COLUMN_BOOL;
		case INT2OID:
			return COLUMN_INT16;
		case INT4OID:
		case DATEOID:
			return COLUMN_INT32;
		case INT8OID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return COLUMN_INT64;
		case FLOAT4OID:
			return COLUMN_FLOAT4;
		case FLOAT8OID:
			return COLUMN_FLOAT8;
		case TEXTOID:
		case VARCHAROID:
			return COLUMN_TEXT;
		default:
			return COLUMN_UNKNOWN;
	}
}

void
columns_init(Columns *columns, TupleDesc desc)
{
	memset(columns, 0, sizeof(Columns));
	columns->desc = desc;
}

/* The index of a table's column among those to read, or -1 if it cannot be read. */
int
columns_add(Columns *columns, int attnum)
{
	ColumnKind kind;

	for (int i = 0; i < columns->count; i++)
	{
		if (columns->attnum[i] == attnum)
			return i;
	}

	if (attnum < 1 || attnum > columns->desc->natts || columns->count == COLUMNS_MAX)
		return -1;
	kind = column_kind(TupleDescAttr(columns->desc, attnum - 1)->atttypid);
	if (kind == COLUMN_UNKNOWN)
		return -1;

	columns->attnum[columns->count] = attnum;
	columns->kind[columns->count] = kind;
	columns->last = Max(columns->last, attnum);
	return columns->count++;
}

static int
column_of(const Columns *columns, int attnum)
{
	for (int i = 0; i < columns->count; i++)
	{
		if (columns->attnum[i] == attnum)
			return i;
	}
	return -1;
}

/* Bytes of a pg_attribute.attalign. */
static Size
alignment(char attalign)
{
	switch (attalign)
	{
		case TYPALIGN_CHAR:
			return 1;
		case TYPALIGN_SHORT:
			return ALIGNOF_SHORT;
		case TYPALIGN_INT:
			return ALIGNOF_INT;
		default:
			return ALIGNOF_DOUBLE;
	}
}

static ColumnRun *
add_run(Columns *columns, bool variable, Size align)
{
	ColumnRun *run = &columns->run[columns->runs++];

	run->variable = variable;
	run->column = -1;
	run->align = align;
	if (!variable)
		run->read = palloc0(columns->count * sizeof(ColumnRead));
	return run;
}

/* Work out the runs, when all columns have been added. */
void
columns_prepare(Columns *columns)
{
	ColumnRun *run = NULL;

	columns->run = palloc0(Max(columns->last, 1) * sizeof(ColumnRun));
	for (int attnum = 1; attnum <= columns->last; attnum++)
	{
		Form_pg_attribute att = TupleDescAttr(columns->desc, attnum - 1);
		Size			  align = alignment(att->attalign);
		int				  column = column_of(columns, attnum);

		if (att->attlen == -2)
		{
			columns->runs = 0;
			return;
		}
		if (att->attlen == -1)
		{
			add_run(columns, true, align)->column = column;
			run = NULL;
			continue;
		}

		/* One of stricter alignment may be preceded by padding, or not. */
		if (run == NULL || align > run->align)
			run = add_run(columns, false, align);
		run->length = TYPEALIGN(align, run->length);
		if (column >= 0)
			run->read[run->reads++] = (ColumnRead){column, columns->kind[column], run->length};
		run->length += att->attlen;
	}
}

static Cell
cell_of_datum(Datum datum, ColumnKind kind)
{
	Cell cell;

	switch (kind)
	{
		case COLUMN_FLOAT8:
			cell.number = DatumGetFloat8(datum);
			break;
		case COLUMN_FLOAT4:
			cell.number = DatumGetFloat4(datum);
			break;
		case COLUMN_INT64:
			cell.integer = DatumGetInt64(datum);
			break;
		case COLUMN_INT32:
			cell.integer = DatumGetInt32(datum);
			break;
		case COLUMN_INT16:
			cell.integer = DatumGetInt16(datum);
			break;
		case COLUMN_BOOL:
			cell.integer = DatumGetBool(datum);
			break;
		default:
			cell.text = (struct varlena *) DatumGetPointer(datum);
	}
	return cell;
}

/* The columns of any row, by PostgreSQL's own means. */
void
columns_read_any(const Columns *columns, HeapTuple tuple, Row *row)
{
	row->nulls = 0;
	for (int i = 0; i < columns->count; i++)
	{
		bool  isnull;
		Datum datum = heap_getattr(tuple, columns->attnum[i], columns->desc, &isnull);

		if (isnull)
			row->nulls |= column_bit(i);
		row->cells[i] = cell_of_datum(isnull ? (Datum) 0 : datum, columns->kind[i]);
	}
}
