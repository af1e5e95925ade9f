/*
 * metric_array.c
 *		The metrics of a row as an array, for aggregates over an array.
 *
 * The executor's ARRAY[...] looks at every element four times, checks its type's
 * length and alignment, and costs more than the means and variances themselves.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(metric_array);

/* The types of the arguments, which are those of the call in the query. */
typedef struct MetricTypes
{
	bool all_float8;
	Oid	 types[FUNC_MAX_ARGS];
} MetricTypes;

/* A NULL needs no type; any other literal in quotes might be anything. */
static void
check_type(Oid type, bool null, int position)
{
	switch (type)
	{
		case UNKNOWNOID:
			if (null)
				return;
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("metric %d is a quoted literal, which has no type", position),
					 errhint("Leave out the quotes, or cast it to float8.")));
		case FLOAT8OID:
		case FLOAT4OID:
		case INT8OID:
		case INT4OID:
		case INT2OID:
		case NUMERICOID:
		case BOOLOID:
			return;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("metric %d is of type %s, which is no number", position,
							OidIsValid(type) ? format_type_be(type) : "unknown"),
					 errhint("Metrics are numbers or booleans; cast other types to float8.")));
	}
}

static MetricTypes *
read_types(FunctionCallInfo fcinfo)
{
	MetricTypes *types = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(MetricTypes));

	if (get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metric_array takes one number per metric, not VARIADIC"),
				 errhint("An array of metrics can be aggregated as it is.")));

	types->all_float8 = true;
	for (int i = 0; i < PG_NARGS(); i++)
	{
		Oid type = get_fn_expr_argtype(fcinfo->flinfo, i);

		types->types[i] = OidIsValid(type) ? getBaseType(type) : type;
		check_type(types->types[i], PG_ARGISNULL(i), i + 1);
		if (types->types[i] != FLOAT8OID)
			types->all_float8 = false;
	}
	return types;
}

static double
metric_value(Datum value, Oid type)
{
	switch (type)
	{
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT2OID:
			return DatumGetInt16(value);
		case BOOLOID:
			return DatumGetBool(value) ? 1.0 : 0.0;
		case NUMERICOID:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8, value));
		default:
			return DatumGetFloat8(value);
	}
}

/* An array of k elements, none of them NULL; the caller fills it in. */
static ArrayType *
create_array(int k)
{
	Size	   size = ARR_OVERHEAD_NONULLS(1) + k * sizeof(double);
	ArrayType *array = palloc(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = FLOAT8OID;
	ARR_DIMS(array)[0] = k;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

static ArrayType *
array_with_nulls(FunctionCallInfo fcinfo, const MetricTypes *types)
{
	int	  k = PG_NARGS();
	int	  lower = 1;
	Datum values[FUNC_MAX_ARGS];
	bool  nulls[FUNC_MAX_ARGS];

	for (int i = 0; i < k; i++)
	{
		nulls[i] = PG_ARGISNULL(i);
		values[i] =
			nulls[i] ? 0 : Float8GetDatum(metric_value(PG_GETARG_DATUM(i), types->types[i]));
	}
	return construct_md_array(values, nulls, 1, &k, &lower, FLOAT8OID, sizeof(double),
							  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* metric_array(VARIADIC "any") */
Datum
metric_array(PG_FUNCTION_ARGS)
{
	const MetricTypes *types = fcinfo->flinfo->fn_extra;
	int				   k = PG_NARGS();
	bool			   has_nulls = false;
	ArrayType		  *array;
	double			  *values;

	if (unlikely(types == NULL))
		types = fcinfo->flinfo->fn_extra = read_types(fcinfo);

	for (int i = 0; i < k; i++)
		has_nulls |= PG_ARGISNULL(i);
	if (unlikely(has_nulls))
		PG_RETURN_ARRAYTYPE_P(array_with_nulls(fcinfo, types));

	array = create_array(k);
	values = (double *) ARR_DATA_PTR(array);
	for (int i = 0; i < k && types->all_float8; i++)
		values[i] = PG_GETARG_FLOAT8(i);
	for (int i = 0; i < k && !types->all_float8; i++)
		values[i] = metric_value(PG_GETARG_DATUM(i), types->types[i]);
	PG_RETURN_ARRAYTYPE_P(array);
}
