/*
 * history.c
 *		Mean and standard deviation of a metric from the moments of the past.
 *
 * The variance is pooled within the arms, so that what a past treatment changed
 * is not taken for noise; the mean is that of all units.  Both come from the
 * estimators of the tests themselves: a unit's variance is n times the squared
 * error of its arm's estimate.
 */
#include "history.h"

#include <math.h>

/* Sums over the arms. */
typedef struct Pool
{
	double squares; /* of what is left of the units */
	double df;
} Pool;

static void
pool_add(Pool *pool, const Estimate *estimate)
{
	if (isnan(estimate->squared_error) || isnan(estimate->value))
		return;
	pool->squares += estimate->squared_error * (double) estimate->n * estimate->df;
	pool->df += estimate->df;
}

static double
pool_sd(const Pool *pool)
{
	return pool->df > 0.0 ? sqrt(pool->squares / pool->df) : NAN;
}

/* The mean of a metric over the units of all arms. */
static double
overall_mean(const Moments *m, int metric)
{
	double sum = 0.0;
	double units = 0.0;

	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *arm = moments_arm(m, i);

		sum += (double) arm->n * estimate_mean(m, arm, metric).value;
		units += (double) arm->n;
	}
	return units > 0.0 ? sum / units : NAN;
}

/* A mean, adjusted by the covariates, of which there may be none. */
History
history_of_mean(const Moments *m, const CovariateSet *set)
{
	CovariateModel model = covariate_model(m, NULL, set);
	History		   history = {overall_mean(m, set->metric), NAN, model.used};
	Pool		   pool = {0.0, 0.0};

	for (int i = 0; i < m->arms.count; i++)
	{
		Estimate estimate = estimate_adjusted(m, moments_arm(m, i), &model);

		pool_add(&pool, &estimate);
	}
	history.sd = pool_sd(&pool);
	return history;
}

/*
 * The ratio of two metrics' sums, and the standard deviation of its linearised
 * values; adjusted by the ratio of two others, or not.  Positions: num, den,
 * num_pre, den_pre.
 */
History
history_of_ratio(const Moments *m, const int *positions, bool adjusted)
{
	double	den = overall_mean(m, positions[1]);
	History history = {NAN, NAN, adjusted ? 1 : 0};
	Pool	pool = {0.0, 0.0};

	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *arm = moments_arm(m, i);
		Estimate   estimate = adjusted ? estimate_adjusted_ratio(m, arm, positions)
									   : estimate_ratio(m, arm, positions[0], positions[1]);

		pool_add(&pool, &estimate);
	}
	if (den != 0.0)
		history.mean = overall_mean(m, positions[0]) / den;
	history.sd = pool_sd(&pool);
	return history;
}
