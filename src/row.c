/*
 * row.c
 *		A row of a composite type, column by column.
 */
#include "row.h"

#include <math.h>

#include "arguments.h"
#include "utils/builtins.h"

static void
add_column(Row *row, Datum value, bool isnull)
{
	Assert(row->columns < row->descriptor->natts);
	row->values[row->columns] = value;
	row->nulls[row->columns] = isnull;
	row->columns++;
}

void
row_start(Row *row, FunctionCallInfo fcinfo)
{
	row->descriptor = row_descriptor(fcinfo);
	row->columns = 0;
	Assert(row->descriptor->natts <= ROW_COLUMNS_MAX);
}

void
row_null(Row *row)
{
	add_column(row, (Datum) 0, true);
}

void
row_integer(Row *row, int32 value)
{
	add_column(row, Int32GetDatum(value), false);
}

void
row_bigint(Row *row, int64 value)
{
	add_column(row, Int64GetDatum(value), false);
}

void
row_boolean(Row *row, bool value)
{
	add_column(row, BoolGetDatum(value), false);
}

void
row_float8(Row *row, double value)
{
	add_column(row, Float8GetDatum(value), isnan(value));
}

void
row_pointer(Row *row, const void *value)
{
	add_column(row, PointerGetDatum(value), value == NULL);
}

void
row_string(Row *row, const char *value)
{
	row_pointer(row, value == NULL ? NULL : cstring_to_text(value));
}

void
row_label(Row *row, const Arm *arm)
{
	row_pointer(row,
				arm == NULL ? NULL : cstring_to_text_with_len(arm->label, arm_label_length(arm)));
}

Datum
row_end(Row *row)
{
	Assert(row->columns == row->descriptor->natts);
	return HeapTupleGetDatum(heap_form_tuple(row->descriptor, row->values, row->nulls));
}
