/*
 * stratified.c
 *		stratified_t over the states of the strata, as aggregate and as function.
 *
 * The aggregate's state is the array of these states, for which strata count, and with what
 * weight, is known only at the end.  The control label travels in each of them.
 */
#include "comparison_rows.h"

#include "arguments.h"
#include "miscadmin.h"
#include "strata.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(strata_accum);
PG_FUNCTION_INFO_V1(strata_accum_control);
PG_FUNCTION_INFO_V1(strata_combine);
PG_FUNCTION_INFO_V1(stratified_t_final);
PG_FUNCTION_INFO_V1(stratified_t);

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

static Datum
unchanged_strata(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* (state, stratum) */
Datum
strata_accum(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		return unchanged_strata(fcinfo);
	return append_stratum(fcinfo, PG_GETARG_MOMENTS(1));
}

/* (state, stratum, control) */
Datum
strata_accum_control(PG_FUNCTION_ARGS)
{
	text	*control;
	Moments *m;

	if (PG_ARGISNULL(1))
		return unchanged_strata(fcinfo);
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
		return unchanged_strata(fcinfo);

	strata = expanded_state(fcinfo);
	strata_elements(PG_GETARG_ARRAYTYPE_P(1), &elements, &count);
	for (int i = 0; i < count; i++)
		add_stratum(strata, elements[i]);
	PG_RETURN_DATUM(EOHPGetRWDatum(&strata->hdr));
}

typedef struct StratumList
{
	Datum *states;
	int	   count;
	int	   metric;
} StratumList;

/* The merged states of all strata, which tell the arms and the control. */
static Moments *
merge_strata(const StratumList *list)
{
	const Moments *first;
	Moments		  *all;

	if (list->count == 0)
		return moments_create(1, MOMENTS_NO_CONSTANT, NULL, 0);

	first = DatumGetMoments(list->states[0]);
	all = moments_with_constant(first, first->constantkind, first->data, first->constantsize);
	for (int i = 1; i < list->count; i++)
		all = moments_merge(all, DatumGetMoments(list->states[i]));
	return all;
}

static const Arm *
same_arm(const Moments *m, const Arm *arm)
{
	int position = arm == NULL ? -1 : moments_find(m, arm->label, arm_label_length(arm));

	return position < 0 ? NULL : moments_arm(m, position);
}

/* Compares arms of the merged strata; details is the StratumList. */
static Comparison
stratified_arms(const Moments *all, const Arm *treatment, const Arm *control,
				const Question *question, const void *details)
{
	const StratumList *list = details;
	Strata			   strata = {0};
	Estimate		   t;
	Estimate		   c;
	Comparison		   comparison;

	for (int i = 0; i < list->count; i++)
	{
		const Moments *m = DatumGetMoments(list->states[i]);

		CHECK_FOR_INTERRUPTS();
		strata_add(&strata, m, same_arm(m, treatment), same_arm(m, control), list->metric);
	}

	t = strata_estimate(&strata, &strata.treatment);
	c = strata_estimate(&strata, &strata.control);
	comparison = compare_welch(&t, &c, NULL, question, "stratified_t");
	if (strata.left_out > 0)
		comparison.method = psprintf("stratified_t, " INT64_FORMAT " unit%s left out",
									 strata.left_out, strata.left_out == 1 ? "" : "s");
	return comparison;
}

Datum
stratified_t_final(PG_FUNCTION_ARGS)
{
	StratumList list = {NULL, 0, 0};
	Moments	   *all;
	Control		control;
	const Arm  *treatment;
	int			position = -1;
	Comparison	comparison;

	if (!PG_ARGISNULL(0))
		strata_elements(PG_GETARG_ARRAYTYPE_P(0), &list.states, &list.count);
	all = merge_strata(&list);
	(void) metric_position(1, all->metrics, "metric");
	check_two_variants(
		all,
		"Use the form over an array, which gives a row per treatment: SELECT c.* "
		"FROM (SELECT array_agg(m) AS strata FROM ...) s, stratified_t(s.strata) c.");

	control = find_control(all, all->constantkind == MOMENTS_CONTROL ? all->data : NULL,
						   all->constantsize);
	treatment = next_treatment(all, &control, &position);
	comparison = stratified_arms(all, treatment, control.arm, &default_question, &list);
	return one_row(fcinfo, &comparison, treatment, &control);
}

/* (strata moments[], control, alpha, alternative, null_diff, metric, lift_method) */
Datum
stratified_t(PG_FUNCTION_ARGS)
{
	StratumList list = {NULL, 0, 0};
	Moments	   *all;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	strata_elements(PG_GETARG_ARRAYTYPE_P(0), &list.states, &list.count);
	all = merge_strata(&list);
	list.metric = metric_argument(fcinfo, 5, "metric", all);
	return comparison_per_treatment(fcinfo, all, 6, stratified_arms, &list);
}
