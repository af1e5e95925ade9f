/*
 * goodness.c
 *		Chi-square goodness of fit, the usual test for a sample ratio mismatch.
 */
#include "goodness.h"

#include <math.h>

#include "stats.h"

/*
 * The shares that the weights stand for, and the counts that they make one
 * expect of all units, whose number is returned.
 */
int64
expected_counts(const int64 *observed, const double *weights, int cells, double *shares,
				double *expected)
{
	int64  n = 0;
	double largest = 0.0;
	double total = 0.0;

	for (int i = 0; i < cells; i++)
	{
		n += observed[i];
		largest = fmax(largest, weights[i]);
	}

	/* Scaled by the largest weight, so that no sum of weights overflows. */
	for (int i = 0; i < cells; i++)
		total += weights[i] / largest;
	for (int i = 0; i < cells; i++)
	{
		shares[i] = weights[i] / largest / total;
		expected[i] = (double) n * shares[i];
	}
	return n;
}

/*
 * Pearson (1900):
 *
 *		chi2 = sum (o_i - e_i)^2 / e_i,		e_i = n w_i / sum w
 *
 * with k - 1 degrees of freedom (Fabijan et al. 2019, "Diagnosing Sample Ratio
 * Mismatch in Online Controlled Experiments", for its use here).
 */
Goodness
goodness_of_fit(const int64 *observed, const double *weights, int cells, double *expected)
{
	Goodness result = {0, 0.0, cells - 1, NAN};

	/* The shares are not needed: their place is taken by the counts. */
	result.n = expected_counts(observed, weights, cells, expected, expected);
	if (result.n == 0 || cells < 2)
	{
		result.chi2 = NAN;
		return result;
	}
	for (int i = 0; i < cells; i++)
	{
		double excess = (double) observed[i] - expected[i];

		if (excess != 0.0)
			result.chi2 += excess / expected[i] * excess;
	}
	result.p_value = chisq_sf(result.chi2, result.df);
	return result;
}
