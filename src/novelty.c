/*
 * novelty.c
 *		The aggregate novelty: the trend of an effect over the days since
 *		exposure.
 *
 * Its rows are comparisons, one a day, so that it serves every estimator.
 */
#include "aggregates.h"

#include "arguments.h"
#include "catalog/pg_type.h"
#include "effects.h"
#include "row.h"

PG_FUNCTION_INFO_V1(novelty_accum);
PG_FUNCTION_INFO_V1(novelty_combine);
PG_FUNCTION_INFO_V1(novelty_final);

static bool
is_count(double number)
{
	return number >= 0.0 && number <= PG_INT32_MAX;
}

static Effects *
effects_of(ArrayType *array)
{
	return (Effects *) ARR_DATA_PTR(array);
}

/* Argument `number`, an array that holds an Effects. */
static ArrayType *
effects_array(FunctionCallInfo fcinfo, int number)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(number);

	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != EFFECTS_NUMBERS || ARR_HASNULL(array) ||
		!is_count(effects_of(array)->count) || !is_count(effects_of(array)->left_out))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this is not a state of the aggregate novelty")));
	return array;
}

/* The state: in place inside an aggregate, else a copy; new if it is NULL. */
static ArrayType *
modifiable_effects(FunctionCallInfo fcinfo)
{
	Datum zeros[EFFECTS_NUMBERS];

	if (!PG_ARGISNULL(0) && AggCheckCallContext(fcinfo, NULL))
		return effects_array(fcinfo, 0);
	if (!PG_ARGISNULL(0))
		return DatumGetArrayTypePCopy(PointerGetDatum(effects_array(fcinfo, 0)));

	for (int i = 0; i < EFFECTS_NUMBERS; i++)
		zeros[i] = Float8GetDatum(0.0);
	return construct_array(zeros, EFFECTS_NUMBERS, FLOAT8OID, sizeof(double), FLOAT8PASSBYVAL,
						   TYPALIGN_DOUBLE);
}

static void
check_finite(double value, const char *name)
{
	if (!isfinite(value))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s must be a finite number, not %g", name, value)));
}

/* (state, day, effect, std_error) */
Datum
novelty_accum(PG_FUNCTION_ARGS)
{
	double	   day;
	double	   effect;
	double	   std_error;
	ArrayType *state;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		RETURN_STATE_UNCHANGED();

	day = PG_GETARG_FLOAT8(1);
	effect = PG_GETARG_FLOAT8(2);
	std_error = PG_GETARG_FLOAT8(3);
	check_finite(day, "day");
	check_finite(effect, "effect");
	check_finite(std_error, "std_error");
	if (std_error < 0.0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("std_error must not be negative, but is %g", std_error),
				 errhint("The arguments are day, effect and std_error, in this order.")));

	state = modifiable_effects(fcinfo);
	effects_add(effects_of(state), day, effect, std_error);
	PG_RETURN_POINTER(state);
}

/* (state, state) */
Datum
novelty_combine(PG_FUNCTION_ARGS)
{
	ArrayType *state;

	if (PG_ARGISNULL(1))
		RETURN_STATE_UNCHANGED();
	state = modifiable_effects(fcinfo);
	effects_merge(effects_of(state), effects_of(effects_array(fcinfo, 1)));
	PG_RETURN_POINTER(state);
}

/* (state) */
Datum
novelty_final(PG_FUNCTION_ARGS)
{
	Effects nothing = {0};
	Effects sums = PG_ARGISNULL(0) ? nothing : *effects_of(effects_array(fcinfo, 0));
	Effect	slope = effects_slope(&sums);
	bool	any = sums.count > 0.0;
	Row		row;

	row_start(&row, fcinfo);
	row_integer(&row, (int) sums.count);
	row_integer(&row, (int) sums.left_out);
	row_float8(&row, slope.value);
	row_float8(&row, slope.std_error);
	row_float8(&row, slope.statistic);
	row_float8(&row, slope.p_value);
	row_float8(&row, slope.low);
	row_float8(&row, slope.high);
	row_float8(&row, any ? sums.first : NAN);
	row_float8(&row, any ? sums.last : NAN);
	row_float8(&row, effects_fitted(&sums, sums.first));
	row_float8(&row, effects_fitted(&sums, sums.last));
	return row_end(&row);
}
