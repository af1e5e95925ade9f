/*
 * estimators.c
 *		Each estimator as a comparison of two arms of a state.
 */
#include "estimators.h"

#include "arguments.h"

/* details is the metric's position */
Comparison
welch_arms(const Moments *m, const Arm *treatment, const Arm *control, const Question *question,
		   const void *details)
{
	int		 metric = *(const int *) details;
	Estimate t = estimate_mean(m, treatment, metric);
	Estimate c = estimate_mean(m, control, metric);

	return compare_welch(&t, &c, NULL, question, "welch_t");
}

/* details is the positions of num and den */
Comparison
ratio_arms(const Moments *m, const Arm *treatment, const Arm *control, const Question *question,
		   const void *details)
{
	const int *positions = details;
	Estimate   t = estimate_ratio(m, treatment, positions[0], positions[1]);
	Estimate   c = estimate_ratio(m, control, positions[0], positions[1]);

	return compare_welch(&t, &c, NULL, question, "delta_ratio");
}

static Comparison
named_by_covariates(Comparison comparison, const CovariateModel *model)
{
	comparison.method = covariates_used("cuped_adjust", model->used);
	return comparison;
}

/* One theta for all arms; details is an Adjustment. */
Comparison
adjusted_arms(const Moments *m, const Arm *treatment, const Arm *control, const Question *question,
			  const void *details)
{
	const Adjustment *adjustment = details;
	Estimate		  t = estimate_adjusted(m, treatment, adjustment, &adjustment->pooled);
	Estimate		  c = estimate_adjusted(m, control, adjustment, &adjustment->pooled);

	return named_by_covariates(compare_welch(&t, &c, NULL, question, "cuped_adjust"),
							   &adjustment->pooled);
}

/* A theta for each arm (Lin 2013); details is an Adjustment. */
Comparison
interacted_arms(const Moments *m, const Arm *treatment, const Arm *control,
				const Question *question, const void *details)
{
	const Adjustment *adjustment = details;
	CovariateModel	  model_t = covariate_model(m, treatment);
	CovariateModel	  model_c = covariate_model(m, control);
	Estimate		  t = estimate_adjusted(m, treatment, adjustment, &model_t);
	Estimate		  c = estimate_adjusted(m, control, adjustment, &model_c);
	SharedError		  shared = shared_error(m, adjustment, &model_t, &model_c);
	Comparison		  comparison = compare_welch(&t, &c, &shared, question, "cuped_adjust");

	return named_by_covariates(comparison, model_t.used < model_c.used ? &model_t : &model_c);
}

/*
 * The state of the metric and its covariates: those at the positions given, or
 * all metrics but the adjusted one.
 */
const Moments *
select_covariates(FunctionCallInfo fcinfo, const Moments *m, int metric, int number)
{
	int	   selected[MOMENTS_METRICS_MAX] = {metric};
	int	   count = 1;
	int32 *positions;
	int	   given;

	if (PG_ARGISNULL(number))
	{
		moments_need_covariances(m);
		for (int i = 0; i < m->metrics; i++)
		{
			if (i != metric)
				selected[count++] = i;
		}
		return moments_select_metrics(m, selected, count);
	}

	if (ARR_NDIM(PG_GETARG_ARRAYTYPE_P(number)) == 0)
		return moments_select_metrics(m, selected, count);
	positions = array_elements(PG_GETARG_ARRAYTYPE_P(number), "covariates", MOMENTS_METRICS_MAX - 1,
							   &given);
	for (int i = 0; i < given; i++)
	{
		int covariate = metric_position(positions[i], m->metrics, "covariate");

		if (covariate == metric)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("metric %d cannot be its own covariate", metric + 1),
					 errhint("A covariate is measured before the experiment.")));
		selected[count++] = covariate;
	}
	return moments_select_metrics(m, selected, count);
}

/* details is a RatioAdjustment */
Comparison
adjusted_ratio_arms(const Moments *m, const Arm *treatment, const Arm *control,
					const Question *question, const void *details)
{
	const RatioAdjustment *adjustment = details;
	Estimate			   t = estimate_adjusted_ratio(m, treatment, adjustment);
	Estimate			   c = estimate_adjusted_ratio(m, control, adjustment);

	return compare_welch(&t, &c, NULL, question,
						 adjustment->theta == 0.0 ? "cuped_ratio, not adjusted" : "cuped_ratio");
}
