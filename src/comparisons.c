/*
 * comparisons.c
 *		welch_t and proportion_z, as final functions of one-step aggregates and
 *		as functions over a state.
 */
#include "comparison_rows.h"

#include <math.h>

PG_FUNCTION_INFO_V1(welch_t_final);
PG_FUNCTION_INFO_V1(welch_t);
PG_FUNCTION_INFO_V1(proportion_z_final);
PG_FUNCTION_INFO_V1(proportion_z);

static Comparison
welch_arms(const Moments *m, const Arm *treatment, const Arm *control, const Request *request)
{
	Estimate t = estimate_mean(m, treatment, request->metric);
	Estimate c = estimate_mean(m, control, request->metric);

	return compare_welch(&t, &c, &request->question);
}

Datum
welch_t_final(PG_FUNCTION_ARGS)
{
	return comparison_one_step(fcinfo, welch_arms);
}

Datum
welch_t(PG_FUNCTION_ARGS)
{
	return comparison_per_treatment(fcinfo, welch_arms);
}

static void
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

static Comparison
proportion_arms(const Moments *m, const Arm *treatment, const Arm *control, const Request *request)
{
	Estimate t = estimate_mean(m, treatment, request->metric);
	Estimate c = estimate_mean(m, control, request->metric);

	check_binary(m, treatment, request->metric);
	check_binary(m, control, request->metric);
	if (!(fabs(request->question.null_diff) < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("null_diff must be between -1 and 1, not %g", request->question.null_diff),
				 errhint("It is a difference of two proportions: 0.01 is one percentage point.")));
	return compare_proportions(&t, &c, &request->question);
}

Datum
proportion_z_final(PG_FUNCTION_ARGS)
{
	return comparison_one_step(fcinfo, proportion_arms);
}

Datum
proportion_z(PG_FUNCTION_ARGS)
{
	return comparison_per_treatment(fcinfo, proportion_arms);
}
