/*
 * estimate.c
 *		The estimators: g and its gradient.
 */
#include "estimate.h"

#include <math.h>

/* The estimate of an arm without units. */
static const Estimate no_estimate = {0, NAN, 0.0, NAN, NAN};

/* An arm whose g is not defined at its means. */
static Estimate
undefined_estimate(const Arm *arm)
{
	Estimate estimate = no_estimate;

	estimate.n = arm->n;
	return estimate;
}

/*
 * The estimate g(mean) of an arm, given its value at the rounded means and its
 * gradient there.  By the delta method (Deng, Knoblich and Lu 2018, "Applying
 * the Delta Method in Metric Analytics", eq. 2) its variance is
 *
 *		g' S g / n,		S = C / (n - 1) the sample covariance matrix,
 *
 * and what rounding the means lost moves the value by g' residual / n.
 */
Estimate
estimate_at(const Moments *m, const Arm *arm, double value, const double *gradient)
{
	double	 n = (double) arm->n;
	Estimate estimate = {arm->n, value, 0.0, NAN, NAN};

	moments_need_covariances(m);
	for (int i = 0; i < m->metrics; i++)
		add_exactly(&estimate.value, &estimate.low,
					gradient[i] * (moments_residual(m, arm)[i] / n));
	if (arm->n > 1)
	{
		estimate.df = n - 1.0;
		estimate.squared_error = moments_quadratic_form(m, arm, gradient) / estimate.df / n;
	}
	return estimate;
}

/*
 * The mean of one metric (0-based): g = mean_i, whose gradient leaves of all
 * sums one term.  No arm: nothing is defined.
 */
Estimate
estimate_mean(const Moments *m, const Arm *arm, int metric)
{
	Estimate estimate;
	double	 n;

	if (arm == NULL)
		return no_estimate;

	n = (double) arm->n;
	estimate = undefined_estimate(arm);
	estimate.value = moments_mean(m, arm)[metric];
	add_exactly(&estimate.value, &estimate.low, moments_residual(m, arm)[metric] / n);
	if (arm->n > 1)
	{
		estimate.df = n - 1.0;
		estimate.squared_error = moments_squares(m, arm, metric) / estimate.df / n;
	}
	return estimate;
}

/*
 * The ratio of two means, g = R = mean_num / mean_den, with the gradient
 * (1, -R) / mean_den: a metric per event, or the mean over a cluster's members
 * (Deng, Knoblich and Lu 2018, eq. 3).  Its variance per unit is
 *
 *		(s_nn - 2 R s_nd + R^2 s_dd) / mean_den^2
 */
Estimate
estimate_ratio(const Moments *m, const Arm *arm, int num, int den)
{
	double gradient[MOMENTS_METRICS_MAX] = {0};
	double denominator;
	double ratio;

	if (arm == NULL)
		return no_estimate;

	moments_need_covariances(m);
	denominator = moments_mean(m, arm)[den];
	ratio = moments_mean(m, arm)[num] / denominator;
	if (denominator == 0.0)
		return undefined_estimate(arm);

	gradient[num] += 1.0 / denominator;
	gradient[den] -= ratio / denominator;
	return estimate_at(m, arm, ratio, gradient);
}

/*
 * Can the metric's values all have been 0 or 1?  Then the sum of squares
 * equals the sum, so that C = n p (1 - p).
 */
bool
is_binary_metric(const Moments *m, const Arm *arm, int metric)
{
	double n = (double) arm->n;
	double p = moments_mean(m, arm)[metric];
	double expected = n * p * (1.0 - p);
	double found = moments_squares(m, arm, metric);

	return p >= 0.0 && p <= 1.0 && fabs(found - expected) <= 1e-9 + 1e-12 * n;
}
