/*
 * aipw.c
 *		The aggregate aipw: a treatment's effect without randomisation.
 *
 * The propensity model needs several passes over the rows.  They are kept in a
 * tuplestore, which spills to disk beyond work_mem; the outcome models need the
 * moments alone, which are kept up on the way.
 */
#include "aggregates.h"

#include "access/htup_details.h"
#include "arguments.h"
#include "catalog/pg_type.h"
#include "doubly_robust.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "row.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(aipw_accum);
PG_FUNCTION_INFO_V1(aipw_final);

/* Columns of a stored row: treated (1 or 0), y, then the covariates. */
#define FIRST_COVARIATE 2

/* Kilobytes, the SSPACE of the aggregate. */
#define GROUP_MEMORY 1024

typedef struct AipwState
{
	int				 covariates;
	Moments			*moments; /* of (y, x), by arm */
	TupleDesc		 descriptor;
	Tuplestorestate *rows;
	TupleTableSlot	*slot; /* while they are read */
	double			 x[COVARIATES_MAX];
} AipwState;

static void
end_rows(Datum state)
{
	tuplestore_end(((AipwState *) DatumGetPointer(state))->rows);
}

/*
 * How many kilobytes of rows a group keeps in memory.  A hash table holds many
 * groups at a time, as many as the SSPACE of the aggregate makes it believe fit:
 * each keeps to that.
 */
static int
rows_memory(FunctionCallInfo fcinfo)
{
	const AggState *aggregate = castNode(AggState, fcinfo->context);
	bool			hashed = aggregate->curaggcontext == aggregate->hashcontext;

	return hashed ? Min(work_mem, GROUP_MEMORY) : work_mem;
}

static AipwState *
create_state(FunctionCallInfo fcinfo, int covariates)
{
	AipwState *state = palloc0(sizeof(AipwState));

	state->covariates = covariates;
	state->moments = moments_create(MOMENTS_FULL, 1 + covariates, MOMENTS_NO_CONSTANT, NULL, 0);
	state->descriptor = CreateTemplateTupleDesc(FIRST_COVARIATE + covariates);
	for (int i = 0; i < FIRST_COVARIATE + covariates; i++)
		TupleDescInitEntry(state->descriptor, i + 1, NULL, FLOAT8OID, -1, 0);
	state->rows = tuplestore_begin_heap(false, false, rows_memory(fcinfo));
	AggRegisterCallback(fcinfo, end_rows, PointerGetDatum(state));
	return state;
}

static void
store_row(AipwState *state, bool treated, const double *values)
{
	Datum row[FIRST_COVARIATE + COVARIATES_MAX];
	bool  nulls[FIRST_COVARIATE + COVARIATES_MAX] = {0};

	row[0] = Float8GetDatum(treated ? 1.0 : 0.0);
	for (int i = 0; i <= state->covariates; i++)
		row[1 + i] = Float8GetDatum(values[i]);
	tuplestore_putvalues(state->rows, state->descriptor, row, nulls);
}

/* The covariates of a row, all of them known. */
static const double *
covariates_argument(FunctionCallInfo fcinfo, int number, int *count)
{
	ArrayType *array = PG_ARGISNULL(number) ? NULL : PG_GETARG_ARRAYTYPE_P(number);

	if (array == NULL || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 array == NULL ? errmsg("covariates x must not be null")
							   : errmsg("covariates x must not contain nulls"),
				 errhint("Who lacks a covariate differs from the others. Keep such units: ARRAY["
						 "coalesce(age, 0), (age IS NULL)::int].")));
	*count = array_count(array, "x", COVARIATES_MAX);
	return (const double *) ARR_DATA_PTR(array);
}

/* (state, y, treated, x) */
Datum
aipw_accum(PG_FUNCTION_ARGS)
{
	AipwState	 *state = PG_ARGISNULL(0) ? NULL : (AipwState *) PG_GETARG_POINTER(0);
	double		  values[1 + COVARIATES_MAX];
	const double *x;
	bool		  treated;
	int			  covariates;
	MemoryContext own;
	MemoryContext caller;

	/* A window would not tell us when to close the file that rows spill to. */
	if (AggCheckCallContext(fcinfo, &own) != AGG_CONTEXT_AGGREGATE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("aipw can only be called as an aggregate, without OVER"),
				 errhint("Use GROUP BY.")));
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		RETURN_STATE_UNCHANGED();

	values[0] = PG_GETARG_FLOAT8(1);
	treated = PG_GETARG_BOOL(2);
	x = covariates_argument(fcinfo, 3, &covariates);
	check_metric(values[0], "y", 0);
	for (int i = 0; i < covariates; i++)
		check_metric(x[i], "x", i + 1);
	memcpy(values + 1, x, covariates * sizeof(double));
	if (state != NULL && state->covariates != covariates)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("x has %d elements where earlier rows have %d", covariates, state->covariates),
			 errhint("The array of covariates must have the same length in every row.")));

	caller = MemoryContextSwitchTo(own);
	if (state == NULL)
		state = create_state(fcinfo, covariates);
	state->moments = aggregate_row(state->moments, treated ? ARM_TREATED : ARM_UNTREATED, 1, values,
								   1 + covariates);
	store_row(state, treated, values);
	MemoryContextSwitchTo(caller);
	PG_RETURN_POINTER(state);
}

/* ---- the rows as Units ---- */

static void
rewind_rows(void *store)
{
	tuplestore_rescan(((AipwState *) store)->rows);
}

static bool
next_row(void *store, Unit *unit)
{
	AipwState *state = store;

	CHECK_FOR_INTERRUPTS();
	if (!tuplestore_gettupleslot(state->rows, true, false, state->slot))
		return false;

	slot_getallattrs(state->slot);
	unit->treated = DatumGetFloat8(state->slot->tts_values[0]) != 0.0;
	unit->y = DatumGetFloat8(state->slot->tts_values[1]);
	unit->x = state->x;
	for (int i = 0; i < state->covariates; i++)
		state->x[i] = DatumGetFloat8(state->slot->tts_values[FIRST_COVARIATE + i]);
	return true;
}

static DoublyRobust
answer(AipwState *state)
{
	Units		 units = {rewind_rows, next_row, state, state->covariates};
	DoublyRobust result;

	state->slot = MakeSingleTupleTableSlot(state->descriptor, &TTSOpsMinimalTuple);
	result = doubly_robust(moments_finish(state->moments), &units);
	ExecDropSingleTupleTableSlot(state->slot);
	return result;
}

static DoublyRobust
answer_over_nothing(void)
{
	return doubly_robust(moments_create(MOMENTS_FULL, 1, MOMENTS_NO_CONSTANT, NULL, 0), NULL);
}

/* (state) */
Datum
aipw_final(PG_FUNCTION_ARGS)
{
	DoublyRobust r =
		PG_ARGISNULL(0) ? answer_over_nothing() : answer((AipwState *) PG_GETARG_POINTER(0));
	const double numbers[] = {
		r.effect.estimate,	r.effect.estimate_control, r.effect.diff,	   r.effect.std_error,
		r.effect.statistic, r.effect.p_value,		   r.effect.diff_low,  r.effect.diff_high,
		r.effect.lift,		r.effect.lift_low,		   r.effect.lift_high, r.effect.alpha,
		r.min_propensity,	r.max_propensity,		   r.share_outside,	   r.ess,
		r.ess_control};
	Row row;

	row_start(&row, fcinfo);
	row_bigint(&row, r.effect.n);
	row_bigint(&row, r.effect.n_control);
	for (int i = 0; i < lengthof(numbers); i++)
		row_float8(&row, numbers[i]);
	row_integer(&row, r.covariates);
	row_string(&row, r.note);
	return row_end(&row);
}
