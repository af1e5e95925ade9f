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

/* The mean of the first metric, adjusted by the others, if there are any. */
History
history_of_mean(const Moments *m)
{
	History	   history = {overall_mean(m, 0), NAN, 0};
	Pool	   pool = {0.0, 0.0};
	Adjustment adjustment;

	adjustment_prepare(m, &adjustment);
	for (int i = 0; i < m->arms.count; i++)
	{
		Estimate estimate =
			estimate_adjusted(m, moments_arm(m, i), &adjustment, &adjustment.pooled);

		pool_add(&pool, &estimate);
	}
	history.used = adjustment.pooled.used;
	history.sd = pool_sd(&pool);
	return history;
}

/*
 * The ratio of the first two metrics' sums, and the standard deviation of its
 * linearised values; adjusted by the ratio of two more metrics, if there are any.
 */
History
history_of_ratio(const Moments *m)
{
	bool			adjusted = m->metrics == 4;
	RatioAdjustment adjustment = {0.0, 0.0};
	double			den = overall_mean(m, 1);
	History			history = {NAN, NAN, 0};
	Pool			pool = {0.0, 0.0};

	if (adjusted)
		adjustment = ratio_adjustment(m);
	history.used = adjustment.theta != 0.0 ? 1 : 0;
	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *arm = moments_arm(m, i);
		Estimate   estimate =
			  adjusted ? estimate_adjusted_ratio(m, arm, &adjustment) : estimate_ratio(m, arm, 0, 1);

		pool_add(&pool, &estimate);
	}
	if (den != 0.0)
		history.mean = overall_mean(m, 0) / den;
	history.sd = pool_sd(&pool);
	return history;
}
