/*
 * multiple.c
 *		p_adjust, as a window function and over an array.
 */
#include "postgres.h"

#include "adjust.h"
#include "arguments.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "windowapi.h"

PG_FUNCTION_INFO_V1(p_adjust_window);
PG_FUNCTION_INFO_V1(p_adjust_array);

static Adjustment
adjustment_named(const text *method)
{
	/* In the order of the enum Adjustment. */
	static const char *const names[] = {"bonferroni", "holm", "hochberg", "bh", "by"};

	return (Adjustment) choice_named(method, "p-value adjustment", names, lengthof(names));
}

static double
check_p(double p)
{
	if (!(p >= 0.0 && p <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a p-value must be between 0 and 1, not %g", p)));
	return p;
}

/* p_adjust(p float8[], method text), strict: the same shape, NULLs kept */
Datum
p_adjust_array(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	Adjustment method = adjustment_named(PG_GETARG_TEXT_PP(1));
	Datum	  *values;
	bool	  *nulls;
	int		   count;
	int		   tested = 0;
	Test	  *tests;

	deconstruct_array(array, FLOAT8OID, sizeof(double), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values,
					  &nulls, &count);
	tests = palloc(count * sizeof(Test));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			continue;
		tests[tested].p = check_p(DatumGetFloat8(values[i]));
		tests[tested++].position = i;
	}

	adjust_p_values(tests, tested, method);
	for (int i = 0; i < tested; i++)
		values[tests[i].position] = Float8GetDatum(tests[i].p);

	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, ARR_NDIM(array), ARR_DIMS(array),
											 ARR_LBOUND(array), FLOAT8OID, sizeof(double),
											 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* The adjusted p-values of a partition by row, computed at its first row. */
typedef struct Partition
{
	bool   adjusted;
	double p[FLEXIBLE_ARRAY_MEMBER];
} Partition;

/* The method, which must be the same in every row of the partition. */
static Adjustment
partition_method(WindowObject window, int64 rows)
{
	Adjustment method = ADJUST_BONFERRONI;

	for (int64 row = 0; row < rows; row++)
	{
		bool  isnull;
		bool  isout;
		Datum value =
			WinGetFuncArgInPartition(window, 1, row, WINDOW_SEEK_HEAD, false, &isnull, &isout);
		Adjustment row_method;

		if (isnull)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("the p-value adjustment must not be null")));
		row_method = adjustment_named(DatumGetTextPP(value));
		if (row > 0 && row_method != method)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the p-value adjustment changes from row to row"),
					 errhint("It must be the same in all rows of a partition.")));
		method = row_method;
	}
	return method;
}

static void
adjust_partition(WindowObject window, Partition *partition, int64 rows)
{
	Test	  *tests = palloc(rows * sizeof(Test));
	int		   tested = 0;
	Adjustment method = partition_method(window, rows);

	for (int64 row = 0; row < rows; row++)
	{
		bool  isnull;
		bool  isout;
		Datum p =
			WinGetFuncArgInPartition(window, 0, row, WINDOW_SEEK_HEAD, false, &isnull, &isout);

		CHECK_FOR_INTERRUPTS();
		if (isnull)
			continue;
		tests[tested].p = check_p(DatumGetFloat8(p));
		tests[tested++].position = (int) row;
	}

	adjust_p_values(tests, tested, method);
	for (int i = 0; i < tested; i++)
		partition->p[tests[i].position] = tests[i].p;
	partition->adjusted = true;
	pfree(tests);
}

/* p_adjust(p float8, method text) OVER (...): over the whole partition */
Datum
p_adjust_window(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	int64		 rows = WinGetPartitionRowCount(window);
	Partition	*partition;
	bool		 isnull;

	if (rows > MaxAllocSize / sizeof(Test))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many p-values in one partition: " INT64_FORMAT, rows)));

	partition = WinGetPartitionLocalMemory(window, offsetof(Partition, p) + rows * sizeof(double));
	if (!partition->adjusted)
		adjust_partition(window, partition, rows);

	(void) WinGetFuncArgCurrent(window, 0, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(partition->p[WinGetCurrentPosition(window)]);
}
