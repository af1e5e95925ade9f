/*
 * comparison_rows.c
 *		Which arms are compared, with which question, and the row that comes out.
 */
#include "comparison_rows.h"

#include <math.h>

#include "arguments.h"
#include "utils/builtins.h"

#define COMPARISON_COLUMNS 18

static Datum
label_datum(const char *label, int len)
{
	return PointerGetDatum(cstring_to_text_with_len(label, len));
}

static HeapTuple
comparison_tuple(TupleDesc descriptor, const Comparison *c, const Arm *treatment,
				 const text *control)
{
	const double numbers[] = {
		c->estimate, c->estimate_control, c->diff, c->std_error, c->statistic, c->df,	c->p_value,
		c->diff_low, c->diff_high,		  c->lift, c->lift_low,	 c->lift_high, c->alpha};
	Datum values[COMPARISON_COLUMNS] = {0};
	bool  nulls[COMPARISON_COLUMNS] = {0};
	int	  column = 0;

	nulls[column] = treatment == NULL;
	if (treatment != NULL)
		values[column] = label_datum(treatment->label, arm_label_length(treatment));
	column++;
	nulls[column] = control == NULL;
	values[column++] = PointerGetDatum(control);
	values[column++] = Int64GetDatum(c->n);
	values[column++] = Int64GetDatum(c->n_control);
	for (int i = 0; i < lengthof(numbers); i++)
	{
		nulls[column] = isnan(numbers[i]);
		values[column++] = Float8GetDatum(numbers[i]);
	}
	values[column++] = CStringGetTextDatum(c->method);
	Assert(column == COMPARISON_COLUMNS && column == descriptor->natts);

	return heap_form_tuple(descriptor, values, nulls);
}

/* The control of a state: its arm, if it has any units, and its label, if known. */
typedef struct Control
{
	int		   position; /* -1 for none */
	const Arm *arm;
	text	  *label;
} Control;

static Control
find_control(const Moments *m, const char *label, int len)
{
	Control control = {-1, NULL, NULL};

	control.position = arms_control(&m->arms, moments_records(m), label, len);
	if (control.position >= 0)
	{
		control.arm = moments_arm(m, control.position);
		label = control.arm->label;
		len = arm_label_length(control.arm);
	}
	if (label != NULL)
		control.label = cstring_to_text_with_len(label, len);
	return control;
}

/* The first arm that is not the control, or NULL. */
static const Arm *
first_treatment(const Moments *m, const Control *control)
{
	for (int i = 0; i < m->arms.count; i++)
	{
		if (i != control->position)
			return moments_arm(m, i);
	}
	return NULL;
}

static void
check_two_variants(const Moments *m, const char *method)
{
	if (m->arms.count > 2)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a one-step comparison takes two variants, but there are %d", m->arms.count),
			 errhint("Use the two-step form, which gives a row per treatment: SELECT c.* FROM "
					 "(SELECT moments_agg(metric, variant) AS m FROM ...) s, %s(s.m) c.",
					 method)));
}

Datum
comparison_one_step(FunctionCallInfo fcinfo, CompareArms compare)
{
	const Moments *state =
		PG_ARGISNULL(0) ? moments_create(1, MOMENTS_NO_CONSTANT, NULL, 0) : PG_GETARG_MOMENTS(0);
	bool		   control_given = state->constantkind == MOMENTS_CONTROL;
	const Moments *m = moments_finish(state);
	Control	   control = find_control(m, control_given ? state->data : NULL, state->constantsize);
	const Arm *treatment = first_treatment(m, &control);
	Request	   request = {default_question, 0};
	Comparison comparison;

	comparison = compare(m, treatment, control.arm, &request);
	check_two_variants(m, comparison.method);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		comparison_tuple(row_descriptor(fcinfo), &comparison, treatment, control.label)));
}

static double
alpha_argument(FunctionCallInfo fcinfo, int number)
{
	double alpha;

	require_argument(fcinfo, number, "alpha");
	alpha = PG_GETARG_FLOAT8(number);
	if (!(alpha > 0.0 && alpha < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alpha must be between 0 and 1, not %g", alpha),
				 errhint("For 95 %% intervals alpha is 0.05.")));
	return alpha;
}

static double
null_diff_argument(FunctionCallInfo fcinfo, int number)
{
	double null_diff;

	require_argument(fcinfo, number, "null_diff");
	null_diff = PG_GETARG_FLOAT8(number);
	if (!isfinite(null_diff))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("null_diff must be a finite number, not %g", null_diff),
			 errhint(
				 "It is the difference under the null hypothesis, in the units of the metric.")));
	return null_diff;
}

static int
choice_argument(FunctionCallInfo fcinfo, int number, const char *name, const char *const *choices,
				int count)
{
	require_argument(fcinfo, number, name);
	return choice_named(PG_GETARG_TEXT_PP(number), name, choices, count);
}

/* A 1-based metric position as a 0-based one. */
static int
metric_argument(FunctionCallInfo fcinfo, int number, const Moments *m)
{
	int metric;

	require_argument(fcinfo, number, "metric");
	metric = PG_GETARG_INT32(number);
	if (metric < 1 || metric > m->metrics)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metric %d does not exist: the state has %d", metric, m->metrics),
				 errhint("Metrics are numbered from 1, in the order they were aggregated in.")));
	return metric - 1;
}

static Request
request_arguments(FunctionCallInfo fcinfo, const Moments *m)
{
	/* In the order of the enums Alternative and LiftMethod. */
	static const char *const alternatives[] = {"two-sided", "greater", "less"};
	static const char *const lift_methods[] = {"delta", "log", "fieller"};
	Request					 request;

	request.question.alpha = alpha_argument(fcinfo, 2);
	request.question.alternative =
		choice_argument(fcinfo, 3, "alternative", alternatives, lengthof(alternatives));
	request.question.null_diff = null_diff_argument(fcinfo, 4);
	request.metric = metric_argument(fcinfo, 5, m);
	request.question.lift_method =
		choice_argument(fcinfo, 6, "lift_method", lift_methods, lengthof(lift_methods));
	return request;
}

static Control
control_argument(FunctionCallInfo fcinfo, int number, const Moments *m)
{
	text *label;

	if (PG_ARGISNULL(number))
		return find_control(m, NULL, 0);
	label = PG_GETARG_TEXT_PP(number);
	return find_control(m, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
}

static void
put_row(FunctionCallInfo fcinfo, const Comparison *comparison, const Arm *treatment,
		const Control *control)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_puttuple(result->setResult,
						comparison_tuple(result->setDesc, comparison, treatment, control->label));
}

Datum
comparison_per_treatment(FunctionCallInfo fcinfo, CompareArms compare)
{
	const Moments *m;
	Control		   control;
	Request		   request;
	Comparison	   comparison;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;

	m = PG_GETARG_MOMENTS(0);
	control = control_argument(fcinfo, 1, m);
	request = request_arguments(fcinfo, m);

	/* No treatment: still a row, which says how many units the control has. */
	if (first_treatment(m, &control) == NULL)
	{
		comparison = compare(m, NULL, control.arm, &request);
		put_row(fcinfo, &comparison, NULL, &control);
	}
	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *treatment = moments_arm(m, i);

		if (i == control.position)
			continue;
		comparison = compare(m, treatment, control.arm, &request);
		put_row(fcinfo, &comparison, treatment, &control);
	}
	return (Datum) 0;
}
