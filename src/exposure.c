/*
 * exposure.c
 *		first_exposure: what an exposure log says about one unit.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "arguments.h"
#include "arms.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(first_exposure_accum);
PG_FUNCTION_INFO_V1(first_exposure_combine);
PG_FUNCTION_INFO_V1(first_exposure_final);

/*
 * The state is a row of the type first_exposure_state:
 *
 *		exposures bigint, exposed_at bigint, crossover boolean,
 *		variant text, segments text[]
 *
 * The time is a number in it, of microseconds as in a timestamptz, since the
 * text of a time depends on the DateStyle and the time zone, and nodes of
 * Citus send states as text, whatever each has set.
 *
 * Only segments may be NULL.  The columns of fixed length come first, so that
 * a row that is not the unit's first, as most are, counts in place, as
 * PostgreSQL does with the rows of its catalogs (GETSTRUCT).
 */
#define COLUMNS 5

typedef struct State
{
	int64		exposures;
	TimestampTz exposed_at;
	bool		crossover;
	char		variant[FLEXIBLE_ARRAY_MEMBER]; /* a varlena, from the next aligned byte */
} State;

/* A unit's exposure, in the state or in a row. */
typedef struct Exposure
{
	TimestampTz		exposed_at;
	struct varlena *variant;
	Datum			segments;
	bool			no_segments;
} Exposure;

static State *
state_of(HeapTupleHeader row)
{
	if (HeapTupleHeaderGetNatts(row) != COLUMNS ||
		((row->t_infomask & HEAP_HASNULL) != 0 && (row->t_bits[0] & 0x0f) != 0x0f))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("only the segments of a first_exposure_state may be null")));
	return (State *) ((char *) row + row->t_hoff);
}

static struct varlena *
variant_of(State *state)
{
	Size offset = offsetof(State, variant);

	offset = att_align_pointer(offset, TYPALIGN_INT, -1, (char *) state + offset);
	return (struct varlena *) ((char *) state + offset);
}

/*
 * The row that the state is.  Inside an aggregate it is ours and may be
 * changed, else it is copied.
 */
static HeapTupleHeader
modifiable_state(FunctionCallInfo fcinfo, int number)
{
	if (AggCheckCallContext(fcinfo, NULL) != 0)
		return PG_GETARG_HEAPTUPLEHEADER(number);
	return PG_GETARG_HEAPTUPLEHEADER_COPY(number);
}

/* That of the function's rows, looked up once per query. */
static TupleDesc
result_descriptor(FunctionCallInfo fcinfo)
{
	FmgrInfo	 *function = fcinfo->flinfo;
	MemoryContext caller;

	if (function->fn_extra == NULL)
	{
		caller = MemoryContextSwitchTo(function->fn_mcxt);
		function->fn_extra = CreateTupleDescCopy(row_descriptor(fcinfo));
		MemoryContextSwitchTo(caller);
	}
	return function->fn_extra;
}

static Datum
form_state(FunctionCallInfo fcinfo, int64 exposures, bool crossover, const Exposure *first)
{
	Datum values[COLUMNS] = {Int64GetDatum(exposures), Int64GetDatum(first->exposed_at),
							 BoolGetDatum(crossover), PointerGetDatum(first->variant),
							 first->segments};
	bool  nulls[COLUMNS] = {false, false, false, false, first->no_segments};

	return HeapTupleGetDatum(heap_form_tuple(result_descriptor(fcinfo), values, nulls));
}

/* The first exposure that a state holds. */
static Exposure
exposure_of(FunctionCallInfo fcinfo, HeapTupleHeader row)
{
	State		 *state = state_of(row);
	HeapTupleData tuple = {0};
	Exposure	  exposure = {state->exposed_at, variant_of(state), (Datum) 0, true};

	tuple.t_data = row;
	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	exposure.segments =
		heap_getattr(&tuple, COLUMNS, result_descriptor(fcinfo), &exposure.no_segments);
	return exposure;
}

static int
compare_bytes(const struct varlena *a, const struct varlena *b)
{
	return arm_label_compare(VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a), VARDATA_ANY(b),
							 VARSIZE_ANY_EXHDR(b));
}

/*
 * Which of two exposures is first?  At the same time the one that sorts first,
 * so that the answer does not depend on the order of the rows.
 */
static bool
is_before(const Exposure *a, const Exposure *b)
{
	int order;

	if (a->exposed_at != b->exposed_at)
		return a->exposed_at < b->exposed_at;
	order = compare_bytes(a->variant, b->variant);
	if (order != 0 || a->no_segments || b->no_segments)
		return order != 0 ? order < 0 : a->no_segments < b->no_segments;
	return compare_bytes(PG_DETOAST_DATUM_PACKED(a->segments),
						 PG_DETOAST_DATUM_PACKED(b->segments)) < 0;
}

/* (state, variant, exposed_at [, segments]): a row without variant or time is skipped */
Datum
first_exposure_accum(PG_FUNCTION_ARGS)
{
	Exposure		row = {0, NULL, (Datum) 0, true};
	Exposure		first;
	HeapTupleHeader header;
	State		   *state;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	row.variant = (struct varlena *) PG_GETARG_TEXT_PP(1);
	row.exposed_at = PG_GETARG_TIMESTAMPTZ(2);
	if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
	{
		row.segments = PG_GETARG_DATUM(3);
		row.no_segments = false;
	}
	if (PG_ARGISNULL(0))
	{
		arm_label_check(VARDATA_ANY(row.variant), VARSIZE_ANY_EXHDR(row.variant));
		return form_state(fcinfo, 1, false, &row);
	}

	header = modifiable_state(fcinfo, 0);
	state = state_of(header);
	state->exposures++;
	if (compare_bytes(variant_of(state), row.variant) != 0)
		state->crossover = true;
	if (row.exposed_at > state->exposed_at)
		PG_RETURN_HEAPTUPLEHEADER(header);

	first = exposure_of(fcinfo, header);
	if (!is_before(&row, &first))
		PG_RETURN_HEAPTUPLEHEADER(header);
	arm_label_check(VARDATA_ANY(row.variant), VARSIZE_ANY_EXHDR(row.variant));
	return form_state(fcinfo, state->exposures, state->crossover, &row);
}

/* (state, state) */
Datum
first_exposure_combine(PG_FUNCTION_ARGS)
{
	HeapTupleHeader headers[2];
	State		   *states[2];
	Exposure		first[2];
	bool			crossover;
	int				earlier;

	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(PG_ARGISNULL(0) ? 1 : 0));

	for (int i = 0; i < 2; i++)
	{
		headers[i] = PG_GETARG_HEAPTUPLEHEADER(i);
		states[i] = state_of(headers[i]);
		first[i] = exposure_of(fcinfo, headers[i]);
	}
	crossover = states[0]->crossover || states[1]->crossover ||
		compare_bytes(first[0].variant, first[1].variant) != 0;
	earlier = is_before(&first[1], &first[0]) ? 1 : 0;
	return form_state(fcinfo, states[0]->exposures + states[1]->exposures, crossover,
					  &first[earlier]);
}

/* (state): a first_exposure_result, which is the same row but for the type of exposed_at */
Datum
first_exposure_final(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	HeapTupleData	row = {0};
	TupleDesc		descriptor;
	Datum			values[COLUMNS];
	bool			nulls[COLUMNS];

	(void) state_of(header);
	row.t_data = header;
	row.t_len = HeapTupleHeaderGetDatumLength(header);
	descriptor =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	heap_deform_tuple(&row, descriptor, values, nulls);
	ReleaseTupleDesc(descriptor);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(result_descriptor(fcinfo), values, nulls)));
}
