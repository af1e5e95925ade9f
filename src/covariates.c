/*
 * covariates.c
 *		CUPED and regression adjustment, from co-moments alone.
 */
#include "covariates.h"

#include <math.h>

#include "linear.h"

/* Units in all arms. */
static double
total_units(const Moments *m)
{
	double total = 0.0;

	for (int i = 0; i < m->arms.count; i++)
		total += (double) moments_arm(m, i)->n;
	return total;
}

/* Sum of a metric over the units of all arms. */
static double
total(const Moments *m, int metric)
{
	double sum = 0.0;

	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *arm = moments_arm(m, i);

		sum += (double) arm->n * moments_mean(m, arm)[metric];
	}
	return sum;
}

/* The co-moment of two metrics within one arm, or summed over all (NULL). */
static double
within_comoment(const Moments *m, const Arm *arm, int i, int j)
{
	double sum = 0.0;

	if (arm != NULL)
		return moments_comoments(m, arm)[packed_index(i, j)];
	for (int a = 0; a < m->arms.count; a++)
		sum += moments_comoments(m, moments_arm(m, a))[packed_index(i, j)];
	return sum;
}

/*
 * Fit theta = S_xx^-1 s_xy (Deng, Xu, Kohavi and Walker 2013, "Improving the
 * Sensitivity of Online Controlled Experiments by Utilizing Pre-Experiment
 * Data", eq. 4, for several covariates) from the co-moments within arms: those
 * of all arms pooled (ANCOVA), or of one arm (Lin 2013).
 */
CovariateModel
covariate_model(const Moments *m, const Arm *arm)
{
	CovariateModel model = {0};
	int			   covariates = m->metrics - 1;
	double		   sxx[MOMENTS_METRICS_MAX * (MOMENTS_METRICS_MAX + 1) / 2];
	double		   sxy[MOMENTS_METRICS_MAX];

	moments_need_covariances(m);
	for (int i = 0; i < covariates; i++)
	{
		sxy[i] = within_comoment(m, arm, i + 1, 0);
		for (int j = 0; j <= i; j++)
			sxx[packed_index(i, j)] = within_comoment(m, arm, i + 1, j + 1);
	}
	model.used = solve_semidefinite(sxx, sxy, covariates, model.theta);
	model.residual_df = arm != NULL ? (double) arm->n - 1.0 : total_units(m) - m->arms.count;
	model.residual_df -= model.used;
	return model;
}

/*
 * How far an arm's (rounded) mean is from that of the first arm: a large common
 * mean costs no digits.
 */
static double
distance_to_first(const Moments *m, const Arm *arm, int metric)
{
	return moments_mean(m, arm)[metric] - moments_mean(m, moments_arm(m, 0))[metric];
}

static double
distance_to_centre(const Moments *m, const Arm *arm, const Adjustment *adjustment, int metric)
{
	return distance_to_first(m, arm, metric) - adjustment->centre[metric];
}

/* Sample covariance of two metrics over the units of all arms. */
static double
pooled_covariance(const Moments *m, const Adjustment *adjustment, int i, int j)
{
	double sum = 0.0;

	for (int a = 0; a < m->arms.count; a++)
	{
		const Arm *arm = moments_arm(m, a);

		sum += moments_comoments(m, arm)[packed_index(i, j)] +
			(double) arm->n * distance_to_centre(m, arm, adjustment, i) *
				distance_to_centre(m, arm, adjustment, j);
	}
	return sum / (adjustment->units - 1.0);
}

void
adjustment_prepare(const Moments *m, Adjustment *adjustment)
{
	adjustment->units = total_units(m);
	adjustment->pooled = covariate_model(m, NULL);
	for (int i = 0; i < m->metrics; i++)
	{
		double sum = 0.0;

		for (int a = 0; a < m->arms.count; a++)
		{
			const Arm *arm = moments_arm(m, a);

			sum += (double) arm->n * distance_to_first(m, arm, i) + moments_residual(m, arm)[i];
		}
		adjustment->centre[i] = sum / adjustment->units;
		for (int j = 0; j <= i; j++)
			adjustment->covariance[packed_index(i, j)] = pooled_covariance(m, adjustment, i, j);
	}
}

/* What a fit leaves of a variance that it explains in full is rounding. */
#define ROUNDING_SHARE 1e-14

/*
 * The adjusted mean, g = mean_y - theta' (mean_x - centre), its variance that
 * of y - theta' x:  s_yy - 2 theta' s_xy + theta' S_xx theta.  A theta that
 * fits its units whatever they are leaves nothing to tell the error from.
 */
Estimate
estimate_adjusted(const Moments *m, const Arm *arm, const Adjustment *adjustment,
				  const CovariateModel *model)
{
	double	 gradient[MOMENTS_METRICS_MAX] = {1.0};
	double	 value;
	double	 unadjusted;
	Estimate estimate;

	if (arm == NULL)
		return estimate_mean(m, arm, 0);

	value = moments_mean(m, arm)[0];
	for (int i = 1; i < m->metrics; i++)
	{
		value -= model->theta[i - 1] * distance_to_centre(m, arm, adjustment, i);
		gradient[i] = -model->theta[i - 1];
	}
	estimate = estimate_at(m, arm, value, gradient);
	unadjusted = estimate_mean(m, arm, 0).squared_error;
	if (estimate.squared_error <= ROUNDING_SHARE * unadjusted)
		estimate.squared_error = 0.0;
	if (model->used > 0 && model->residual_df <= 0.0)
		estimate.squared_error = NAN;
	return estimate;
}

/* Covariance of theta_a' x and theta_b' x for x the mean of all units. */
static double
centre_covariance(const Moments *m, const Adjustment *adjustment, const CovariateModel *a,
				  const CovariateModel *b)
{
	double sum = 0.0;

	for (int i = 1; i < m->metrics; i++)
	{
		for (int j = 1; j < m->metrics; j++)
			sum += a->theta[i - 1] * b->theta[j - 1] * adjustment->covariance[packed_index(i, j)];
	}
	return sum / adjustment->units;
}

/*
 * The centre is estimated, too.  With a theta for each arm, what it is off by
 * moves the two adjusted means differently, so that the variance of their
 * difference grows by
 *
 *		(theta_t - theta_c)' S (theta_t - theta_c) / N
 *
 * over the N units of all arms, S the covariance of their covariates (Lin 2013,
 * "Agnostic notes on regression adjustments to experimental data"; Negi and
 * Wooldridge 2021, "Revisiting regression adjustment in experiments with
 * heterogeneous treatment effects", for units that are a sample themselves).
 */
SharedError
shared_error(const Moments *m, const Adjustment *adjustment, const CovariateModel *treatment,
			 const CovariateModel *control)
{
	SharedError shared;

	shared.treatment = centre_covariance(m, adjustment, treatment, treatment);
	shared.control = centre_covariance(m, adjustment, control, control);
	shared.covariance = centre_covariance(m, adjustment, treatment, control);
	shared.df = adjustment->units - 1.0;
	return shared;
}

/* Co-moment of two metrics given a third: what is left when it explains its part. */
static double
partial_comoment(const double *c, int i, int j, int given)
{
	double variance = c[packed_index(given, given)];
	double explained = c[packed_index(i, given)] * c[packed_index(j, given)];

	return c[packed_index(i, j)] - (variance > 0.0 ? explained / variance : 0.0);
}

/*
 * The report on a state of y, x and the indicator of a missing x.  Theta and
 * correlation are given the indicator, theta and mean_x so those of the units
 * whose covariate is known.  The reduction is of the variance of all units:
 *
 *		1 - var(y - theta' x) / var(y) = theta' s_xy / s_yy
 */
CovariateReport
covariate_report(const Moments *m, const Arm *arm)
{
	enum
	{
		y,
		x,
		missing
	};
	CovariateModel	model = covariate_model(m, arm);
	CovariateReport report = {NAN, NAN, NAN, NAN, NAN};
	const double   *mean = moments_mean(m, arm);
	const double   *c = moments_comoments(m, arm);
	double			sxx = partial_comoment(c, x, x, missing);
	double			sxy = partial_comoment(c, x, y, missing);
	double			syy = partial_comoment(c, y, y, missing);

	report.mean_y = mean[y];
	if (mean[missing] < 1.0)
		report.mean_x = mean[x] / (1.0 - mean[missing]);
	if (c[packed_index(y, y)] > 0.0)
		report.variance_reduction = (model.theta[0] * c[packed_index(x, y)] +
									 model.theta[1] * c[packed_index(missing, y)]) /
			c[packed_index(y, y)];

	/* A constant covariate has neither a slope nor a correlation. */
	if (sxx > c[packed_index(x, x)] * COLLINEAR_SHARE)
	{
		report.theta = sxy / sxx;
		if (syy > 0.0)
			report.correlation = fmax(-1.0, fmin(1.0, sxy / sqrt(sxx) / sqrt(syy)));
	}
	return report;
}

/* Gradient of a ratio of two means: the linearised values of a unit. */
static void
ratio_gradient(const Moments *m, const Arm *arm, int num, int den, double *gradient)
{
	double denominator = moments_mean(m, arm)[den];

	gradient[num] = 1.0 / denominator;
	gradient[den] = -moments_mean(m, arm)[num] / denominator / denominator;
}

/* u' C v for the co-moments C of an arm. */
static double
bilinear_form(const Moments *m, const Arm *arm, const double *u, const double *v)
{
	double sum = 0.0;

	for (int i = 0; i < m->metrics; i++)
	{
		for (int j = 0; j < m->metrics; j++)
			sum += u[i] * v[j] * moments_comoments(m, arm)[packed_index(i, j)];
	}
	return sum;
}

/*
 * The slope, pooled within arms, of a ratio's linearised values on those of the
 * ratio before the experiment; 0 if there is nothing to adjust by: a ratio
 * before that did not vary, or is not defined in some arm.
 */
static double
ratio_slope(const Moments *m)
{
	double sxx = 0.0;
	double sxy = 0.0;

	for (int a = 0; a < m->arms.count; a++)
	{
		const Arm *arm = moments_arm(m, a);
		double	   u[4] = {0};
		double	   v[4] = {0};

		if (moments_mean(m, arm)[1] == 0.0 || moments_mean(m, arm)[3] == 0.0)
			return 0.0;
		ratio_gradient(m, arm, 0, 1, u);
		ratio_gradient(m, arm, 2, 3, v);
		sxy += bilinear_form(m, arm, u, v);
		sxx += bilinear_form(m, arm, v, v);
	}
	return sxx > 0.0 ? sxy / sxx : 0.0;
}

RatioAdjustment
ratio_adjustment(const Moments *m)
{
	RatioAdjustment adjustment;

	moments_need_covariances(m);
	adjustment.theta = ratio_slope(m);
	adjustment.centre = total(m, 2) / total(m, 3);
	return adjustment;
}

/*
 * A ratio metric adjusted by its own ratio before the experiment:
 *
 *		g = R - theta (R_pre - centre),		R = num / den
 *
 * with theta the slope of the linearised values (Deng et al. 2013, appendix B),
 * and the centre the ratio before the experiment over all units.
 */
Estimate
estimate_adjusted_ratio(const Moments *m, const Arm *arm, const RatioAdjustment *adjustment)
{
	Estimate ratio = estimate_ratio(m, arm, 0, 1);
	double	 theta = adjustment->theta;
	double	 gradient[4] = {0};
	double	 pre[4] = {0};
	double	 before;

	if (isnan(ratio.value) || theta == 0.0)
		return ratio;

	before = moments_mean(m, arm)[2] / moments_mean(m, arm)[3];
	ratio_gradient(m, arm, 0, 1, gradient);
	ratio_gradient(m, arm, 2, 3, pre);
	for (int i = 0; i < 4; i++)
		gradient[i] -= theta * pre[i];
	return estimate_at(m, arm, ratio.value - theta * (before - adjustment->centre), gradient);
}
