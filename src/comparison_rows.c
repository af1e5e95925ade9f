/*
 * comparison_rows.c
 *		Which arms are compared, with which question, and the row that comes out.
 */
#include "comparison_rows.h"

#include <math.h>

#include "arguments.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* Refuse an estimate that a float8 cannot hold, or whose variance it cannot. */
void
check_estimate(const Estimate *estimate, const char *what)
{
	if (isinf(estimate->value) || isinf(estimate->squared_error))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the variance of the %s is out of range for double precision", what),
				 errhint("Scale the metric down, for instance by choosing a larger unit.")));
}

/* The columns of the type comparison; a label that is not known is NULL. */
void
comparison_columns(const Comparison *c, const text *treatment, const text *control, Datum *values,
				   bool *nulls)
{
	const double numbers[] = {
		c->estimate, c->estimate_control, c->diff, c->std_error, c->statistic, c->df,	c->p_value,
		c->diff_low, c->diff_high,		  c->lift, c->lift_low,	 c->lift_high, c->alpha};
	int column = 0;

	nulls[column] = treatment == NULL;
	values[column++] = PointerGetDatum(treatment);
	nulls[column] = control == NULL;
	values[column++] = PointerGetDatum(control);
	for (int i = 0; i < 2; i++)
	{
		nulls[column] = false;
		values[column++] = Int64GetDatum(i == 0 ? c->n : c->n_control);
	}
	for (int i = 0; i < lengthof(numbers); i++)
	{
		nulls[column] = isnan(numbers[i]);
		values[column++] = Float8GetDatum(numbers[i]);
	}
	nulls[column] = false;
	values[column++] = CStringGetTextDatum(c->method);
	Assert(column == COMPARISON_COLUMNS);
}

HeapTuple
comparison_tuple(TupleDesc descriptor, const Comparison *c, const text *treatment,
				 const text *control)
{
	Datum values[COMPARISON_COLUMNS];
	bool  nulls[COMPARISON_COLUMNS];

	Assert(descriptor->natts == COMPARISON_COLUMNS);
	comparison_columns(c, treatment, control, values, nulls);
	return heap_form_tuple(descriptor, values, nulls);
}

text *
arm_label(const Arm *arm)
{
	return arm == NULL ? NULL : cstring_to_text_with_len(arm->label, arm_label_length(arm));
}

Control
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

/*
 * The treatments of a state are its arms but the control, in their order, or a
 * single NULL if there are none: a thin segment still gets a row, which says how
 * many units the control has.  *position starts at -1; at the end the result is
 * NULL and *position past the last arm.
 */
const Arm *
next_treatment(const Moments *m, const Control *control, int *position)
{
	do
	{
		(*position)++;
	} while (*position < m->arms.count && *position == control->position);
	return *position < m->arms.count ? moments_arm(m, *position) : NULL;
}

/* A one-step aggregate has one row to give; the hint says how to get more. */
void
check_two_variants(int variants, const char *hint)
{
	if (variants > 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a one-step comparison takes two variants, but there are %d", variants),
				 errhint("%s", hint)));
}

Datum
one_row(FunctionCallInfo fcinfo, const Comparison *comparison, const Arm *treatment,
		const Control *control)
{
	PG_RETURN_DATUM(HeapTupleGetDatum(comparison_tuple(row_descriptor(fcinfo), comparison,
													   arm_label(treatment), control->label)));
}

/*
 * The finished state of an aggregate of so many metrics, and at least so many
 * arms.  A final function is a function that anybody can call with any state.
 */
const Moments *
final_state(FunctionCallInfo fcinfo, int metrics, int arms)
{
	const Moments *m = PG_GETARG_MOMENTS(0);

	if (m->metrics != metrics || m->arms.count < arms)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a state of this aggregate: it has %d metrics and %d variants",
						m->metrics, m->arms.count),
				 errhint("Final functions are not meant to be called; the functions over moments, "
						 "such as welch_t(m), are.")));
	return moments_finish(m);
}

Datum
comparison_one_step(FunctionCallInfo fcinfo, int metrics, const char *function,
					const char *two_step, CompareArms compare, const void *details)
{
	const Moments *state = PG_ARGISNULL(0)
		? moments_create(MOMENTS_FULL, metrics, MOMENTS_NO_CONSTANT, NULL, 0)
		: PG_GETARG_MOMENTS(0);
	const Moments *m = PG_ARGISNULL(0) ? state : final_state(fcinfo, metrics, 0);
	bool		   control_given = state->constantkind == MOMENTS_CONTROL;
	Control	   control = find_control(m, control_given ? state->data : NULL, state->constantsize);
	int		   position = -1;
	const Arm *treatment = next_treatment(m, &control, &position);
	Comparison comparison;

	check_two_variants(m->arms.count,
					   psprintf("Use the two-step form, which gives a row per treatment: SELECT "
								"c.* FROM (SELECT %s AS m FROM ...) s, %s(s.m) c.",
								two_step, function));
	comparison = compare(m, treatment, control.arm, &default_question, details);
	return one_row(fcinfo, &comparison, treatment, &control);
}

double
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

double
finite_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	double value;

	require_argument(fcinfo, number, name);
	value = PG_GETARG_FLOAT8(number);
	if (!isfinite(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a finite number, not %g", name, value)));
	return value;
}

int
choice_argument(FunctionCallInfo fcinfo, int number, const char *name, const char *const *choices,
				int count)
{
	require_argument(fcinfo, number, name);
	return choice_named(PG_GETARG_TEXT_PP(number), name, choices, count);
}

/* A 1-based metric position as a 0-based one. */
int
metric_argument(FunctionCallInfo fcinfo, int number, const char *name, const Moments *m)
{
	require_argument(fcinfo, number, name);
	return metric_position(PG_GETARG_INT32(number), m->metrics, name);
}

/* A proportion's values are 0 and 1. */
void
check_binary(const Moments *m, const Arm *arm, int metric)
{
	if (arm != NULL && !is_binary_metric(m, arm, metric))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metric %d of variant \"%.*s\" is not a proportion: it has values other "
						"than 0 and 1",
						metric + 1, arm_label_length(arm), arm->label),
				 errhint("Use welch_t for the mean of a metric with other values.")));
}

/* The method of a test that adjusts by covariates. */
const char *
covariates_used(const char *test, int used)
{
	return psprintf("%s, %d covariate%s used", test, used, used == 1 ? "" : "s");
}

Alternative
alternative_argument(FunctionCallInfo fcinfo, int number)
{
	/* In the order of the enum Alternative. */
	static const char *const names[] = {"two-sided", "greater", "less"};

	return (Alternative) choice_argument(fcinfo, number, "alternative", names, lengthof(names));
}

Question
question_arguments(FunctionCallInfo fcinfo, int lift_method)
{
	/* In the order of the enum LiftMethod. */
	static const char *const lift_methods[] = {"delta", "log", "fieller"};
	Question				 question = default_question;

	question.alpha = alpha_argument(fcinfo, 2);
	question.alternative = alternative_argument(fcinfo, 3);
	question.null_diff = finite_argument(fcinfo, 4, "null_diff");
	question.lift_method =
		choice_argument(fcinfo, lift_method, "lift_method", lift_methods, lengthof(lift_methods));
	return question;
}

Control
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

	tuplestore_puttuple(
		result->setResult,
		comparison_tuple(result->setDesc, comparison, arm_label(treatment), control->label));
}

const Moments *
comparison_start(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	return PG_ARGISNULL(0) ? NULL : PG_GETARG_MOMENTS(0);
}

Datum
comparison_per_treatment(FunctionCallInfo fcinfo, const Moments *m, int lift_method,
						 CompareArms compare, const void *details)
{
	Control	   control = control_argument(fcinfo, 1, m);
	Question   question = question_arguments(fcinfo, lift_method);
	int		   position = -1;
	const Arm *treatment = next_treatment(m, &control, &position);

	do
	{
		Comparison comparison = compare(m, treatment, control.arm, &question, details);

		CHECK_FOR_INTERRUPTS();
		put_row(fcinfo, &comparison, treatment, &control);
		treatment = next_treatment(m, &control, &position);
	} while (treatment != NULL);
	return (Datum) 0;
}
