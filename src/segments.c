/*
 * segments.c
 *		Aggregates over a state per segment: strata, countries, days.
 */
#include "segments.h"

#include "aggregates.h"
#include "arguments.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(strata_accum);
PG_FUNCTION_INFO_V1(strata_accum_control);
PG_FUNCTION_INFO_V1(strata_combine);

/* The states in an array; a NULL is a stratum without units. */
static void
strata_elements(ArrayType *array, Datum **elements, int *count)
{
	bool *nulls;
	int	  length;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE, elements, &nulls,
					  &length);
	*count = 0;
	for (int i = 0; i < length; i++)
	{
		if (!nulls[i])
			(*elements)[(*count)++] = (*elements)[i];
	}
}

/* The type moments, from the function's own signature. */
static Oid
moments_type(FunctionCallInfo fcinfo)
{
	Oid *types;
	int	 count;

	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
	return get_element_type(types[0]);
}

/*
 * The state as an expanded array, to which an element is added in place: a flat
 * one would be copied for each.
 */
static ExpandedArrayHeader *
expanded_state(FunctionCallInfo fcinfo)
{
	MemoryContext		 own = CurrentMemoryContext;
	MemoryContext		 caller;
	ExpandedArrayHeader *strata;

	(void) AggCheckCallContext(fcinfo, &own);
	if (PG_ARGISNULL(0))
		return construct_empty_expanded_array(moments_type(fcinfo), own, NULL);

	caller = MemoryContextSwitchTo(own);
	strata = PG_GETARG_EXPANDED_ARRAY(0);
	MemoryContextSwitchTo(caller);
	return strata;
}

static void
add_stratum(ExpandedArrayHeader *strata, Datum stratum)
{
	int position = strata->ndims == 0 ? 1 : strata->lbound[0] + strata->dims[0];

	(void) array_set_element(EOHPGetRWDatum(&strata->hdr), 1, &position, stratum, false, -1, -1,
							 false, TYPALIGN_DOUBLE);
}

static Datum
append_stratum(FunctionCallInfo fcinfo, const Moments *stratum)
{
	ExpandedArrayHeader *strata = expanded_state(fcinfo);

	add_stratum(strata, PointerGetDatum(stratum));
	PG_RETURN_DATUM(EOHPGetRWDatum(&strata->hdr));
}

/* (state, stratum) */
Datum
strata_accum(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		RETURN_STATE_UNCHANGED();
	return append_stratum(fcinfo, PG_GETARG_MOMENTS(1));
}

/* (state, stratum, control) */
Datum
strata_accum_control(PG_FUNCTION_ARGS)
{
	text	*control;
	Moments *m;

	if (PG_ARGISNULL(1))
		RETURN_STATE_UNCHANGED();
	m = PG_GETARG_MOMENTS(1);
	if (PG_ARGISNULL(2))
		return append_stratum(fcinfo, m);

	control = PG_GETARG_TEXT_PP(2);
	arm_label_check(VARDATA_ANY(control), VARSIZE_ANY_EXHDR(control));
	return append_stratum(fcinfo,
						  moments_with_constant(m, MOMENTS_CONTROL, VARDATA_ANY(control),
												VARSIZE_ANY_EXHDR(control)));
}

/* (state, state) */
Datum
strata_combine(PG_FUNCTION_ARGS)
{
	ExpandedArrayHeader *strata;
	Datum				*elements;
	int					 count;

	if (PG_ARGISNULL(1))
		RETURN_STATE_UNCHANGED();

	strata = expanded_state(fcinfo);
	strata_elements(PG_GETARG_ARRAYTYPE_P(1), &elements, &count);
	for (int i = 0; i < count; i++)
		add_stratum(strata, elements[i]);
	PG_RETURN_DATUM(EOHPGetRWDatum(&strata->hdr));
}

/* The merged states of all segments, which tell the arms and the control. */
static Moments *
merge_segments(const Segments *segments)
{
	const Moments *first;
	Moments		  *all;

	if (segments->count == 0)
		return moments_create(MOMENTS_FULL, 1, MOMENTS_NO_CONSTANT, NULL, 0);

	first = segment_state(segments, 0);
	all = moments_with_constant(first, first->constantkind, first->data, first->constantsize);
	for (int i = 1; i < segments->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		all = moments_merge(all, segment_state(segments, i));
	}
	return all;
}

const Arm *
same_arm(const Moments *m, const Arm *arm)
{
	int position = arm == NULL ? -1 : moments_find(m, arm->label, arm_label_length(arm));

	return position < 0 ? NULL : moments_arm(m, position);
}

Segments
segments_argument(FunctionCallInfo fcinfo)
{
	Segments segments = {0};

	if (!PG_ARGISNULL(0))
		strata_elements(PG_GETARG_ARRAYTYPE_P(0), &segments.states, &segments.count);
	segments.all = merge_segments(&segments);
	return segments;
}

void
segments_one_step(Segments *segments, const char *hint)
{
	const Moments *all = segments->all;
	int			   position = -1;

	segments->metric = metric_position(1, all->metrics, "metric");
	check_two_variants(all->arms.count, hint);
	segments->control = find_control(all, all->constantkind == MOMENTS_CONTROL ? all->data : NULL,
									 all->constantsize);
	segments->treatment = next_treatment(all, &segments->control, &position);
}
