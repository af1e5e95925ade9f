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

/*
 * How far an arm's (rounded) mean is from the mean over the units of all arms:
 * the differences of arms, averaged, so that a large common mean costs no
 * digits.
 */
static double
distance_to_centre(const Moments *m, const Arm *arm, int metric)
{
	double own = moments_mean(m, arm)[metric];
	double sum = 0.0;

	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *other = moments_arm(m, i);

		sum += (double) other->n * (own - moments_mean(m, other)[metric]) -
			moments_residual(m, other)[metric];
	}
	return sum / total_units(m);
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
covariate_model(const Moments *m, const Arm *arm, const CovariateSet *set)
{
	CovariateModel model = {*set, 0, {0}};
	double		   sxx[MOMENTS_METRICS_MAX * (MOMENTS_METRICS_MAX + 1) / 2];
	double		   sxy[MOMENTS_METRICS_MAX];

	for (int i = 0; i < set->count; i++)
	{
		int x = set->covariates[i];

		sxy[i] = within_comoment(m, arm, x, set->metric);
		for (int j = 0; j <= i; j++)
			sxx[packed_index(i, j)] = within_comoment(m, arm, x, set->covariates[j]);
	}
	model.used = solve_semidefinite(sxx, sxy, set->count, model.theta);
	return model;
}

/*
 * The adjusted mean, g = mean_y - theta' (mean_x - centre), its variance that
 * of y - theta' x:  s_yy - 2 theta' s_xy + theta' S_xx theta.
 */
Estimate
estimate_adjusted(const Moments *m, const Arm *arm, const CovariateModel *model)
{
	double gradient[MOMENTS_METRICS_MAX] = {0};
	double value;

	if (arm == NULL)
		return estimate_mean(m, arm, model->set.metric);

	value = moments_mean(m, arm)[model->set.metric];
	gradient[model->set.metric] = 1.0;
	for (int i = 0; i < model->set.count; i++)
	{
		int x = model->set.covariates[i];

		value -= model->theta[i] * distance_to_centre(m, arm, x);
		gradient[x] -= model->theta[i];
	}
	return estimate_at(m, arm, value, gradient);
}

/* Sample covariance of two metrics over the units of all arms. */
static double
pooled_covariance(const Moments *m, int i, int j)
{
	double sum = 0.0;

	for (int a = 0; a < m->arms.count; a++)
	{
		const Arm *arm = moments_arm(m, a);

		sum += moments_comoments(m, arm)[packed_index(i, j)] +
			(double) arm->n * distance_to_centre(m, arm, i) * distance_to_centre(m, arm, j);
	}
	return sum / (total_units(m) - 1.0);
}

/* Covariance of theta_a' x and theta_b' x for x the mean of all units. */
static double
centre_covariance(const Moments *m, const CovariateModel *a, const CovariateModel *b)
{
	double sum = 0.0;

	for (int i = 0; i < a->set.count; i++)
	{
		for (int j = 0; j < b->set.count; j++)
			sum += a->theta[i] * b->theta[j] *
				pooled_covariance(m, a->set.covariates[i], b->set.covariates[j]);
	}
	return sum / total_units(m);
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
shared_error(const Moments *m, const CovariateModel *treatment, const CovariateModel *control)
{
	SharedError shared;

	shared.treatment = centre_covariance(m, treatment, treatment);
	shared.control = centre_covariance(m, control, control);
	shared.covariance = centre_covariance(m, treatment, control);
	shared.df = total_units(m) - 1.0;
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
 * Theta and correlation are given the indicator of a missing covariate (the
 * set's second member), theta and mean_x so those of the units whose covariate
 * is known.  The reduction is of the variance of all units:
 *
 *		1 - var(y - theta' x) / var(y) = theta' s_xy / s_yy
 */
CovariateReport
covariate_report(const Moments *m, const Arm *arm, const CovariateSet *set)
{
	CovariateModel	model = covariate_model(m, arm, set);
	CovariateReport report = {NAN, NAN, NAN, NAN, NAN};
	int				y = set->metric;
	int				x = set->covariates[0];
	int				missing = set->covariates[1];
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
double
ratio_slope(const Moments *m, const int *positions)
{
	double sxx = 0.0;
	double sxy = 0.0;

	for (int a = 0; a < m->arms.count; a++)
	{
		const Arm *arm = moments_arm(m, a);
		double	   u[MOMENTS_METRICS_MAX] = {0};
		double	   v[MOMENTS_METRICS_MAX] = {0};

		if (moments_mean(m, arm)[positions[1]] == 0.0 || moments_mean(m, arm)[positions[3]] == 0.0)
			return 0.0;
		ratio_gradient(m, arm, positions[0], positions[1], u);
		ratio_gradient(m, arm, positions[2], positions[3], v);
		sxy += bilinear_form(m, arm, u, v);
		sxx += bilinear_form(m, arm, v, v);
	}
	return sxx > 0.0 ? sxy / sxx : 0.0;
}

/*
 * A ratio metric adjusted by its own ratio before the experiment:
 *
 *		g = R - theta (R_pre - centre),		R = num / den
 *
 * with theta the slope of the linearised values (Deng et al. 2013, appendix B),
 * and the centre the ratio before the experiment over all units.  Positions:
 * num, den, num_pre, den_pre.
 */
Estimate
estimate_adjusted_ratio(const Moments *m, const Arm *arm, const int *positions)
{
	Estimate ratio = estimate_ratio(m, arm, positions[0], positions[1]);
	Estimate before = estimate_ratio(m, arm, positions[2], positions[3]);
	double	 theta = ratio_slope(m, positions);
	double	 gradient[MOMENTS_METRICS_MAX] = {0};
	double	 pre[MOMENTS_METRICS_MAX] = {0};
	double	 centre;

	if (isnan(ratio.value) || theta == 0.0)
		return ratio;

	centre = total(m, positions[2]) / total(m, positions[3]);
	ratio_gradient(m, arm, positions[0], positions[1], gradient);
	ratio_gradient(m, arm, positions[2], positions[3], pre);
	for (int i = 0; i < m->metrics; i++)
		gradient[i] -= theta * pre[i];
	return estimate_at(m, arm, ratio.value - theta * (before.value - centre), gradient);
}
