/*
 * oneway.c
 *		One-way analysis of variance.
 *
 * Means enter as differences from the first arm's: where all are near 1e12,
 * what they differ by keeps its digits.
 */
#include "oneway.h"

#include <math.h>

#include "effects.h"
#include "stats.h"

/* How far an arm's mean is from that of the first. */
static double
mean_from_first(const Moments *m, int arm, int metric)
{
	Estimate first = estimate_mean(m, moments_arm(m, 0), metric);
	Estimate other = estimate_mean(m, moments_arm(m, arm), metric);

	return (other.value - first.value) + (other.low - first.low);
}

/* What describes the data, whichever the test. */
static OneWay
describe(const Moments *m, int metric)
{
	OneWay	result = {m->arms.count, 0, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
	Effects between = {0};

	if (m->arms.count == 0)
		return result;

	result.ss_within = 0.0;
	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *arm = moments_arm(m, i);

		result.n += arm->n;
		result.ss_within += moments_squares(m, arm, metric);
		effects_add_weighted(&between, 0.0, mean_from_first(m, i, metric), (double) arm->n);
	}
	/* out of a float8's range, as the difference of means between arms left out */
	result.ss_within = isfinite(result.ss_within) ? result.ss_within : NAN;
	result.ss_between = between.left_out == 0.0 && isfinite(between.syy) ? between.syy : NAN;
	result.eta_squared = result.ss_between / (result.ss_between + result.ss_within);
	return result;
}

static void
test(OneWay *result)
{
	/* out of a float8's range */
	if (!isfinite(result->f))
	{
		result->f = NAN;
		return;
	}
	result->p_value = fisher_f_sf(result->f, result->df1, result->df2);
}

/*
 * Fisher (1925, "Statistical Methods for Research Workers", chapter VII): with k
 * arms and n units,
 *
 *		F = (SS_between / (k - 1)) / (SS_within / (n - k))
 *
 * has k - 1 and n - k degrees of freedom if the arms have the same variance.
 */
OneWay
oneway_anova(const Moments *m, int metric)
{
	OneWay result = describe(m, metric);

	if (result.arms < 2 || result.n <= result.arms)
		return result;

	result.df1 = result.arms - 1.0;
	result.df2 = (double) (result.n - result.arms);
	if (!(result.ss_within > 0.0))
		return result;
	result.f = result.ss_between / result.df1 / (result.ss_within / result.df2);
	test(&result);
	return result;
}

/*
 * Welch (1951, "On the comparison of several mean values: an alternative
 * approach", Biometrika 38, 330-336): with w_i = n_i / s_i^2, W their sum and
 * m the mean of the arms' means weighted by w_i,
 *
 *		F = (sum w_i (m_i - m)^2 / (k - 1)) / (1 + 2 (k - 2)/(k^2 - 1) L)
 *		L = sum (1 - w_i/W)^2 / (n_i - 1)
 *
 * has k - 1 and (k^2 - 1)/(3 L) degrees of freedom, whatever the variances.
 * An arm that has none, or a single unit, has no weight: nothing is defined.
 */
OneWay
oneway_welch(const Moments *m, int metric)
{
	OneWay	result = describe(m, metric);
	Effects between = {0};
	double	k = result.arms;
	double	correction = 0.0;

	if (result.arms < 2)
		return result;

	result.df1 = k - 1.0;
	for (int i = 0; i < result.arms; i++)
	{
		Estimate mean = estimate_mean(m, moments_arm(m, i), metric);

		effects_add_weighted(&between, 0.0, mean_from_first(m, i, metric),
							 1.0 / mean.squared_error);
	}
	if (between.left_out > 0.0 || !isfinite(between.weight))
		return result;

	for (int i = 0; i < result.arms; i++)
	{
		Estimate mean = estimate_mean(m, moments_arm(m, i), metric);
		double	 rest = 1.0 - 1.0 / mean.squared_error / between.weight;

		correction += rest * rest / mean.df;
	}
	result.df2 = (k * k - 1.0) / (3.0 * correction);
	result.f = between.syy / result.df1 / (1.0 + 2.0 * (k - 2.0) / (k * k - 1.0) * correction);
	test(&result);
	return result;
}
