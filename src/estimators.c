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
	comparison.method =
		psprintf("cuped_adjust, %d covariate%s used", model->used, model->used == 1 ? "" : "s");
	return comparison;
}

/* One theta for all arms; details is a CovariateSet. */
Comparison
adjusted_arms(const Moments *m, const Arm *treatment, const Arm *control, const Question *question,
			  const void *details)
{
	CovariateModel model = covariate_model(m, NULL, details);
	Estimate	   t = estimate_adjusted(m, treatment, &model);
	Estimate	   c = estimate_adjusted(m, control, &model);

	return named_by_covariates(compare_welch(&t, &c, NULL, question, "cuped_adjust"), &model);
}

/* A theta for each arm (Lin 2013); details is a CovariateSet. */
Comparison
interacted_arms(const Moments *m, const Arm *treatment, const Arm *control,
				const Question *question, const void *details)
{
	CovariateModel model_t = covariate_model(m, treatment, details);
	CovariateModel model_c = covariate_model(m, control, details);
	Estimate	   t = estimate_adjusted(m, treatment, &model_t);
	Estimate	   c = estimate_adjusted(m, control, &model_c);
	SharedError	   shared = shared_error(m, &model_t, &model_c);
	Comparison	   comparison = compare_welch(&t, &c, &shared, question, "cuped_adjust");

	return named_by_covariates(comparison, model_t.used < model_c.used ? &model_t : &model_c);
}

/* The positions given, or all metrics but the adjusted one. */
CovariateSet
covariate_arguments(FunctionCallInfo fcinfo, int metric, int number, const Moments *m)
{
	CovariateSet set = {metric, 0, {0}};
	int32		*positions;
	int			 count;

	if (PG_ARGISNULL(number))
	{
		for (int i = 0; i < m->metrics; i++)
		{
			if (i != metric)
				set.covariates[set.count++] = i;
		}
		return set;
	}

	if (ARR_NDIM(PG_GETARG_ARRAYTYPE_P(number)) == 0)
		return set;
	positions =
		array_elements(PG_GETARG_ARRAYTYPE_P(number), "covariates", MOMENTS_METRICS_MAX, &count);
	for (int i = 0; i < count; i++)
	{
		int covariate = metric_position(positions[i], m->metrics, "covariate");

		if (covariate == metric)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("metric %d cannot be its own covariate", metric + 1),
					 errhint("A covariate is measured before the experiment.")));
		set.covariates[set.count++] = covariate;
	}
	return set;
}

/* details is the positions of num, den, num_pre, den_pre */
Comparison
adjusted_ratio_arms(const Moments *m, const Arm *treatment, const Arm *control,
					const Question *question, const void *details)
{
	Estimate t = estimate_adjusted_ratio(m, treatment, details);
	Estimate c = estimate_adjusted_ratio(m, control, details);

	return compare_welch(&t, &c, NULL, question,
						 ratio_slope(m, details) == 0.0 ? "cuped_ratio, not adjusted"
														: "cuped_ratio");
}
