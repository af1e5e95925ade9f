/*
 * comparisons.c
 *		The comparisons of variants, as final functions of one-step aggregates
 *		and as functions over a state: which estimator, of which metrics.
 */
#include "estimators.h"

#include <math.h>

#include "arguments.h"
#include "miscadmin.h"

PG_FUNCTION_INFO_V1(welch_t_final);
PG_FUNCTION_INFO_V1(welch_t);
PG_FUNCTION_INFO_V1(scorecard);
PG_FUNCTION_INFO_V1(proportion_z_final);
PG_FUNCTION_INFO_V1(proportion_z);
PG_FUNCTION_INFO_V1(delta_ratio_final);
PG_FUNCTION_INFO_V1(delta_ratio);
PG_FUNCTION_INFO_V1(cuped_adjust_final);
PG_FUNCTION_INFO_V1(cuped_adjust);
PG_FUNCTION_INFO_V1(cuped_model_final);
PG_FUNCTION_INFO_V1(cuped_ratio);

/* ---- means ---- */

static const int first_metric = 0;

Datum
welch_t_final(PG_FUNCTION_ARGS)
{
	return comparison_one_step(fcinfo, 1, "welch_t", "moments_agg(metric, variant)", welch_arms,
							   &first_metric);
}

/* Functions whose arguments 5 and 6 are the metric and the lift method. */
static Datum
compare_metric(FunctionCallInfo fcinfo, CompareArms compare)
{
	const Moments *m = comparison_start(fcinfo);
	int			   metric;

	if (m == NULL)
		return (Datum) 0;
	metric = metric_argument(fcinfo, 5, "metric", m);
	return comparison_per_treatment(fcinfo, m, 6, compare, &metric);
}

Datum
welch_t(PG_FUNCTION_ARGS)
{
	return compare_metric(fcinfo, welch_arms);
}

/* Welch's test of one metric, a row per treatment with the metric before it. */
static void
put_metric(FunctionCallInfo fcinfo, const Moments *m, const Control *control,
		   const Question *question, int metric)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			   position = -1;
	const Arm	  *treatment = next_treatment(m, control, &position);
	Datum		   values[1 + COMPARISON_COLUMNS];
	bool		   nulls[1 + COMPARISON_COLUMNS] = {false};

	values[0] = Int32GetDatum(metric + 1);
	do
	{
		Comparison comparison = welch_arms(m, treatment, control->arm, question, &metric);

		CHECK_FOR_INTERRUPTS();
		comparison_columns(&comparison, arm_label(treatment), control->label, values + 1,
						   nulls + 1);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		treatment = next_treatment(m, control, &position);
	} while (treatment != NULL);
}

/* (m, control, alpha, alternative, null_diff, lift_method): all metrics */
Datum
scorecard(PG_FUNCTION_ARGS)
{
	const Moments *m = comparison_start(fcinfo);
	Control		   control;
	Question	   question;

	if (m == NULL)
		return (Datum) 0;
	control = control_argument(fcinfo, 1, m);
	question = question_arguments(fcinfo, 5);
	for (int metric = 0; metric < m->metrics; metric++)
		put_metric(fcinfo, m, &control, &question, metric);
	return (Datum) 0;
}

/* ---- proportions: details is the metric's position ---- */

static Comparison
proportion_arms(const Moments *m, const Arm *treatment, const Arm *control,
				const Question *question, const void *details)
{
	int		 metric = *(const int *) details;
	Estimate t = estimate_mean(m, treatment, metric);
	Estimate c = estimate_mean(m, control, metric);

	check_binary(m, treatment, metric);
	check_binary(m, control, metric);
	if (!(fabs(question->null_diff) < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("null_diff must be between -1 and 1, not %g", question->null_diff),
				 errhint("It is a difference of two proportions: 0.01 is one percentage point.")));
	return compare_proportions(&t, &c, question);
}

Datum
proportion_z_final(PG_FUNCTION_ARGS)
{
	return comparison_one_step(fcinfo, 1, "proportion_z", "moments_agg(success::int, variant)",
							   proportion_arms, &first_metric);
}

Datum
proportion_z(PG_FUNCTION_ARGS)
{
	return compare_metric(fcinfo, proportion_arms);
}

/* ---- ratios ---- */

Datum
delta_ratio_final(PG_FUNCTION_ARGS)
{
	static const int positions[] = {0, 1};

	return comparison_one_step(fcinfo, 2, "delta_ratio", "moments_agg(num, den, variant)",
							   ratio_arms, positions);
}

/* (m, control, alpha, alternative, null_diff, num, den, lift_method) */
Datum
delta_ratio(PG_FUNCTION_ARGS)
{
	const Moments *m = comparison_start(fcinfo);
	int			   positions[2];

	if (m == NULL)
		return (Datum) 0;
	positions[0] = metric_argument(fcinfo, 5, "num", m);
	positions[1] = metric_argument(fcinfo, 6, "den", m);
	return comparison_per_treatment(fcinfo, m, 7, ratio_arms, positions);
}

/* ---- covariates ---- */

/* A state of y, x and whether x is missing. */
#define COVARIATE_METRICS 3

static Comparison
adjusted_pair(const Moments *m, const Arm *treatment, const Arm *control, const Question *question,
			  const void *details)
{
	Adjustment adjustment;

	adjustment_prepare(m, &adjustment);
	return adjusted_arms(m, treatment, control, question, &adjustment);
}

Datum
cuped_adjust_final(PG_FUNCTION_ARGS)
{
	return comparison_one_step(fcinfo, COVARIATE_METRICS, "cuped_adjust",
							   "moments_agg(ARRAY[y, coalesce(x, 0), (x IS NULL)::int], variant)",
							   adjusted_pair, NULL);
}

/*
 * (m, control, alpha, alternative, null_diff, metric, lift_method, covariates,
 * interacted)
 */
Datum
cuped_adjust(PG_FUNCTION_ARGS)
{
	const Moments *m = comparison_start(fcinfo);
	Adjustment	   adjustment;

	if (m == NULL)
		return (Datum) 0;
	m = select_covariates(fcinfo, m, metric_argument(fcinfo, 5, "metric", m), 7);
	require_argument(fcinfo, 8, "interacted");
	adjustment_prepare(m, &adjustment);
	return comparison_per_treatment(
		fcinfo, m, 6, PG_GETARG_BOOL(8) ? interacted_arms : adjusted_arms, &adjustment);
}

/* The model alone, of units without variants. */
Datum
cuped_model_final(PG_FUNCTION_ARGS)
{
	Datum values[6] = {0};
	bool  nulls[6] = {false, true, true, true, true, true};

	if (!PG_ARGISNULL(0))
	{
		const Moments  *m = final_state(fcinfo, COVARIATE_METRICS, 1);
		CovariateReport report = covariate_report(m, moments_arm(m, 0));
		const double	numbers[] = {report.theta, report.mean_y, report.mean_x, report.correlation,
									 report.variance_reduction};

		values[0] = Int64GetDatum(moments_arm(m, 0)->n);
		for (int i = 0; i < lengthof(numbers); i++)
		{
			values[i + 1] = Float8GetDatum(numbers[i]);
			nulls[i + 1] = isnan(numbers[i]);
		}
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}

/* ---- adjusted ratios ---- */

/*
 * (m, control, alpha, alternative, null_diff, num, den, num_pre, den_pre,
 * lift_method)
 */
Datum
cuped_ratio(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"num", "den", "num_pre", "den_pre"};
	const Moments			*m = comparison_start(fcinfo);
	int						 positions[lengthof(names)];
	RatioAdjustment			 adjustment;

	if (m == NULL)
		return (Datum) 0;
	for (int i = 0; i < lengthof(names); i++)
		positions[i] = metric_argument(fcinfo, 5 + i, names[i], m);
	m = moments_select_metrics(m, positions, lengthof(names));
	adjustment = ratio_adjustment(m);
	return comparison_per_treatment(fcinfo, m, 9, adjusted_ratio_arms, &adjustment);
}
