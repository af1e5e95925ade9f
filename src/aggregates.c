/*
 * aggregates.c
 *		Transition, combine and final functions over moments states.
 *
 * None of them is strict: the state starts as NULL, and a row with a NULL
 * metric or variant leaves it as it is.  Aggregates over the same arguments
 * share one transition function, so that PostgreSQL computes the state once
 * for welch_t(y, v) and moments_agg(y, v) in one SELECT.
 */
#include "aggregates.h"

#include "access/htup_details.h"
#include "arguments.h"
#include "catalog/pg_proc.h"
#include "nodes/execnodes.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(moments_accum);
PG_FUNCTION_INFO_V1(moments_accum_control);
PG_FUNCTION_INFO_V1(moments_accum_pair);
PG_FUNCTION_INFO_V1(moments_accum_pair_control);
PG_FUNCTION_INFO_V1(moments_accum_array);
PG_FUNCTION_INFO_V1(moments_accum_diagonal);
PG_FUNCTION_INFO_V1(moments_accum_boolean);
PG_FUNCTION_INFO_V1(moments_accum_boolean_control);
PG_FUNCTION_INFO_V1(covariate_accum);
PG_FUNCTION_INFO_V1(covariate_accum_variant);
PG_FUNCTION_INFO_V1(covariate_accum_control);
PG_FUNCTION_INFO_V1(moments_combine);
PG_FUNCTION_INFO_V1(moments_final);

/*
 * The first argument as a state that may be modified: in place inside an
 * aggregate, where it is ours (PostgreSQL copies what we return, as it is,
 * into the aggregate's own memory), else a copy.
 */
static Moments *
modifiable_state(FunctionCallInfo fcinfo)
{
	struct varlena *state = (struct varlena *) PG_GETARG_POINTER(0);

	if (AggCheckCallContext(fcinfo, NULL) != 0 && VARATT_IS_4B_U(state))
		return (Moments *) state;
	return PG_GETARG_MOMENTS_COPY(0);
}

static void
check_state(const Moments *m, MomentsShape shape, int metrics, MomentsConstant kind,
			const void *constant, Size size)
{
	if (m->metrics != metrics)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ys has %d elements where earlier rows have %d", metrics, m->metrics),
				 errhint("The array of metrics must have the same length in every row.")));

	/* Only who calls a transition function, or makes an aggregate of it, gets here. */
	if (m->shape != shape && metrics > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a state of this aggregate: it is one %s covariances",
						shape == MOMENTS_FULL ? "without" : "with")));

	if (!moments_has_constant(m, kind, constant, size))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the %s argument changes from row to row",
						Max(m->constantkind, kind) == MOMENTS_WEIGHTS ? "weights" : "control"),
				 errhint("It must be the same constant in every row of a group.")));
}

static Moments *
shaped_state(FunctionCallInfo fcinfo, MomentsShape shape, int metrics, MomentsConstant kind,
			 const void *constant, Size size)
{
	Moments *m;

	if (PG_ARGISNULL(0))
		return moments_create(shape, metrics, kind, constant, size);

	m = modifiable_state(fcinfo);
	check_state(m, shape, metrics, kind, constant, size);
	return m;
}

/* The state of an aggregate, created with its first row. */
Moments *
aggregate_state(FunctionCallInfo fcinfo, int metrics, MomentsConstant kind, const void *constant,
				Size size)
{
	return shaped_state(fcinfo, MOMENTS_FULL, metrics, kind, constant, size);
}

void
metric_not_finite(double value, const char *name, int position)
{
	const char *found = isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";

	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 position > 0 ? errmsg("metric %s[%d] is %s", name, position, found)
						  : errmsg("metric %s is %s", name, found),
			 errhint("A metric must be a finite number. Repair such rows, or leave them out with "
					 "FILTER (WHERE ...) knowing that this changes who is compared.")));
}

/* The state of an aggregate whose argument `number` is the control label. */
static Moments *
state_with_control(FunctionCallInfo fcinfo, int metrics, int number)
{
	text *control;

	if (PG_ARGISNULL(number))
		return aggregate_state(fcinfo, metrics, MOMENTS_NO_CONSTANT, NULL, 0);

	control = PG_GETARG_TEXT_PP(number);
	arm_label_check(VARDATA_ANY(control), VARSIZE_ANY_EXHDR(control));
	return aggregate_state(fcinfo, metrics, MOMENTS_CONTROL, VARDATA_ANY(control),
						   VARSIZE_ANY_EXHDR(control));
}

/*
 * The state of almost every row, without a call: a plain aggregate's own, of so
 * many metrics and without a constant.  NULL in every other case, which
 * aggregate_state() sorts out.
 */
static pg_attribute_always_inline Moments *
plain_state(FunctionCallInfo fcinfo, MomentsShape shape, int metrics)
{
	Moments *m = (Moments *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(0) || fcinfo->context == NULL || !IsA(fcinfo->context, AggState) ||
		!VARATT_IS_4B_U(m) || m->shape != shape || m->metrics != metrics ||
		m->constantkind != MOMENTS_NO_CONSTANT)
		return NULL;
	return m;
}

/* A text argument, without a call if it is stored in place and as it is. */
static pg_attribute_always_inline text *
plain_text(FunctionCallInfo fcinfo, int number)
{
	text *value = (text *) PG_GETARG_POINTER(number);

	if (unlikely(VARATT_IS_COMPRESSED(value) || VARATT_IS_EXTERNAL(value)))
		return PG_GETARG_TEXT_PP(number);
	return value;
}

/*
 * Add a row of k metrics.  Its variant is the argument of that number, and the
 * control, if the aggregate takes it, the next one.
 */
static pg_attribute_always_inline Datum
accumulate(FunctionCallInfo fcinfo, const double *values, int k, int variant, bool has_control)
{
	text	*label = plain_text(fcinfo, variant);
	Moments *m = has_control ? NULL : plain_state(fcinfo, MOMENTS_FULL, k);

	if (has_control)
		m = state_with_control(fcinfo, k, variant + 1);
	else if (unlikely(m == NULL))
		m = aggregate_state(fcinfo, k, MOMENTS_NO_CONSTANT, NULL, 0);

	PG_RETURN_POINTER(aggregate_row(m, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label), values, k));
}

/* (state, y, variant [, control]) */
static pg_attribute_always_inline Datum
accumulate_metric(FunctionCallInfo fcinfo, bool has_control)
{
	double y;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		RETURN_STATE_UNCHANGED();

	y = PG_GETARG_FLOAT8(1);
	check_metric(y, "y", 0);
	return accumulate(fcinfo, &y, 1, 2, has_control);
}

Datum
moments_accum(PG_FUNCTION_ARGS)
{
	return accumulate_metric(fcinfo, false);
}

Datum
moments_accum_control(PG_FUNCTION_ARGS)
{
	return accumulate_metric(fcinfo, true);
}

/*
 * What the aggregate that is computed calls its argument (0-based): delta_ratio
 * has the transition function of moments_agg, and names of its own.  A window
 * does not say which aggregate it computes.
 */
static const char *
argument_name(FunctionCallInfo fcinfo, int number, const char *otherwise)
{
	Aggref	 *aggregate = AggGetAggref(fcinfo);
	HeapTuple function;
	Oid		 *types;
	char	**names = NULL;
	char	 *modes;

	if (aggregate == NULL)
		return otherwise;
	function = SearchSysCache1(PROCOID, ObjectIdGetDatum(aggregate->aggfnoid));
	if (!HeapTupleIsValid(function))
		return otherwise;
	get_func_arg_info(function, &types, &names, &modes);
	ReleaseSysCache(function);
	return names == NULL || names[number][0] == '\0' ? otherwise : names[number];
}

/* (state, y, x, variant [, control]) */
static pg_attribute_always_inline Datum
accumulate_pair(FunctionCallInfo fcinfo, bool has_control)
{
	double values[2];

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		RETURN_STATE_UNCHANGED();

	values[0] = PG_GETARG_FLOAT8(1);
	values[1] = PG_GETARG_FLOAT8(2);
	if (unlikely(!isfinite(values[0])))
		metric_not_finite(values[0], argument_name(fcinfo, 0, "y"), 0);
	if (unlikely(!isfinite(values[1])))
		metric_not_finite(values[1], argument_name(fcinfo, 1, "x"), 0);
	return accumulate(fcinfo, values, 2, 3, has_control);
}

Datum
moments_accum_pair(PG_FUNCTION_ARGS)
{
	return accumulate_pair(fcinfo, false);
}

Datum
moments_accum_pair_control(PG_FUNCTION_ARGS)
{
	return accumulate_pair(fcinfo, true);
}

/*
 * Without a branch for each, and in vectors: adding one to an exponent of all
 * ones, that of infinity and NaN, carries into the place of the sign.
 */
static pg_attribute_always_inline bool
all_finite(const double *values, int count)
{
	uint64 carry = 0;

	for (int i = 0; i < count; i++)
	{
		uint64 bits;

		memcpy(&bits, &values[i], sizeof(bits));
		carry |= (bits & ~(UINT64CONST(1) << 63)) + (UINT64CONST(1) << 52);
	}
	return carry >> 63 == 0;
}

/* The metrics that an array holds; NULL if one of them is. */
static pg_attribute_always_inline const double *
array_metrics(FunctionCallInfo fcinfo, int most, int *k)
{
	ArrayType	 *array = PG_GETARG_ARRAYTYPE_P(1);
	const double *ys = (const double *) ARR_DATA_PTR(array);

	*k = array_count(array, "ys", most);
	if (array_contains_nulls(array))
		return NULL;

	if (unlikely(!all_finite(ys, *k)))
	{
		for (int i = 0; i < *k; i++)
			check_metric(ys[i], "ys", i + 1);
	}
	return ys;
}

/* (state, ys, variant) */
Datum
moments_accum_array(PG_FUNCTION_ARGS)
{
	const double *ys = NULL;
	int			  k = 0;

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		ys = array_metrics(fcinfo, MOMENTS_METRICS_MAX, &k);
	if (ys == NULL)
		RETURN_STATE_UNCHANGED();
	return accumulate(fcinfo, ys, k, 2, false);
}

/* (state, ys, variant), without co-moments */
Datum
moments_accum_diagonal(PG_FUNCTION_ARGS)
{
	const double *ys = NULL;
	int			  k = 0;
	text		 *label;
	Moments		 *m;
	Arm			 *arm;

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		ys = array_metrics(fcinfo, MOMENTS_DIAGONAL_MAX, &k);
	if (ys == NULL)
		RETURN_STATE_UNCHANGED();

	label = plain_text(fcinfo, 2);
	m = plain_state(fcinfo, MOMENTS_DIAGONAL, k);
	if (unlikely(m == NULL))
		m = shaped_state(fcinfo, MOMENTS_DIAGONAL, k, MOMENTS_NO_CONSTANT, NULL, 0);
	m = find_or_add_arm(m, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label), &arm);
	moments_add_diagonal_row(m, arm, ys, k);
	PG_RETURN_POINTER(m);
}

/* (state, success, variant [, control]) */
static Datum
accumulate_boolean(FunctionCallInfo fcinfo, bool has_control)
{
	double y;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		RETURN_STATE_UNCHANGED();

	y = PG_GETARG_BOOL(1) ? 1.0 : 0.0;
	return accumulate(fcinfo, &y, 1, 2, has_control);
}

Datum
moments_accum_boolean(PG_FUNCTION_ARGS)
{
	return accumulate_boolean(fcinfo, false);
}

Datum
moments_accum_boolean_control(PG_FUNCTION_ARGS)
{
	return accumulate_boolean(fcinfo, true);
}

/*
 * The metrics of a unit whose covariate may be missing: y, x or 0, and whether
 * x is missing (the missing-indicator method).  The unit counts either way.
 */
static inline void
covariate_values(FunctionCallInfo fcinfo, double *values)
{
	values[0] = PG_GETARG_FLOAT8(1);
	values[1] = PG_ARGISNULL(2) ? 0.0 : PG_GETARG_FLOAT8(2);
	values[2] = PG_ARGISNULL(2) ? 1.0 : 0.0;
	check_metric(values[0], "y", 0);
	check_metric(values[1], "x", 0);
}

/* (state, y, x): one arm, without a name */
Datum
covariate_accum(PG_FUNCTION_ARGS)
{
	double	 values[3];
	Moments *m;

	if (PG_ARGISNULL(1))
		RETURN_STATE_UNCHANGED();

	covariate_values(fcinfo, values);
	m = aggregate_state(fcinfo, 3, MOMENTS_NO_CONSTANT, NULL, 0);
	PG_RETURN_POINTER(aggregate_row(m, "", 0, values, 3));
}

/* (state, y, x, variant [, control]) */
static pg_attribute_always_inline Datum
accumulate_covariate(FunctionCallInfo fcinfo, bool has_control)
{
	double values[3];

	if (PG_ARGISNULL(1) || PG_ARGISNULL(3))
		RETURN_STATE_UNCHANGED();

	covariate_values(fcinfo, values);
	return accumulate(fcinfo, values, 3, 3, has_control);
}

Datum
covariate_accum_variant(PG_FUNCTION_ARGS)
{
	return accumulate_covariate(fcinfo, false);
}

Datum
covariate_accum_control(PG_FUNCTION_ARGS)
{
	return accumulate_covariate(fcinfo, true);
}

/*
 * (state, state): the combine function of these aggregates, and the transition
 * function of moments_agg(moments).
 */
Datum
moments_combine(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		RETURN_STATE_UNCHANGED();
	if (PG_ARGISNULL(0))
		PG_RETURN_POINTER(PG_GETARG_MOMENTS(1));

	PG_RETURN_POINTER(moments_merge(modifiable_state(fcinfo), PG_GETARG_MOMENTS(1)));
}

/* (state): what the aggregates hand out never aliases the live state. */
Datum
moments_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(moments_finish(PG_GETARG_MOMENTS(0)));
}
