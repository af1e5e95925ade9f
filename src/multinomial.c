/*
 * multinomial.c
 *		Anytime-valid test of counts against weights: Lindon and Malek (2022),
 *		"Anytime-Valid Inference for Multinomial Count Data", NeurIPS 35.
 */
#include "multinomial.h"

#include <math.h>

#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sf_log.h>

#include "goodness.h"

/* What Stirling's formula leaves out: ln Gamma(z) - (z - 1/2) ln z + z - ln(2 pi) / 2. */
static double
stirling_rest(double z)
{
	return log(gsl_sf_gammastar(z));
}

/* (1 + u) ln(1 + u) - u, not negative, u >= -1; the small difference of large numbers by parts */
static double
divergence(double u)
{
	if (u <= -1.0)
		return 1.0;
	if (fabs(u) > 0.5)
		return (1.0 + u) * log1p(u) - u;
	return (1.0 + u) * gsl_sf_log_1plusx_mx(u) + u * u;
}

/*
 * Counts x_i of n units, shares r_i under the null hypothesis, and under the
 * alternative shares drawn from a Dirichlet distribution with parameters
 * a_i = A r_i, where A is the concentration.  The Bayes factor against the
 * null hypothesis is (the inverse of their posterior odds for it)
 *
 *		B = Gamma(A) / Gamma(A + n) prod_i Gamma(a_i + x_i) / Gamma(a_i) r_i^-x_i
 *
 * Under the null hypothesis it is a martingale with mean 1 in the number of
 * units, so it reaches 1 / alpha at any time with probability at most alpha
 * (Ville 1939), and p = min(1, 1 / B) may be looked at after every unit.
 *
 * The terms of ln B are as large as n ln n and cancel.  With Stirling's formula
 * they cancel on paper: for e_i = n r_i, u_i = (x_i - e_i) / (a_i + e_i) and c
 * the rest of that formula,
 *
 *		ln B = sum_i (a_i + e_i) ((1 + u_i) ln(1 + u_i) - u_i)
 *			 - 1/2 sum_i ln(1 + u_i) - (k - 1)/2 ln(1 + n / A)
 *			 + sum_i (c(a_i + x_i) - c(a_i)) - c(A + n) + c(A)
 *
 * The first sum is A + n times the divergence of the posterior mean from r.
 */
static double
log_bayes_factor(const int64 *observed, const double *expected, int64 n, int cells,
				 const double *shares, double concentration)
{
	double result = -0.5 * (cells - 1) * log1p((double) n / concentration) +
		stirling_rest(concentration) - stirling_rest(concentration + (double) n);

	for (int i = 0; i < cells; i++)
	{
		/* Kept so far from 0 that u is finite: else p would be 1 for counts where none may be. */
		double a = fmax(concentration * shares[i], 1e-280);
		double x = (double) observed[i];
		double u = (x - expected[i]) / (a + expected[i]);
		double ratio = (a + x) / (a + expected[i]);

		result += (a + expected[i]) * divergence(u) -
			0.5 * (fabs(u) > 0.5 ? log(ratio) : log1p(u)) + stirling_rest(a + x) - stirling_rest(a);
	}
	return result;
}

SequentialFit
sequential_fit(const int64 *observed, const double *weights, int cells, double concentration,
			   double *expected)
{
	SequentialFit result = {0, NAN, NAN};
	double		 *shares = palloc(cells * sizeof(double));

	result.n = expected_counts(observed, weights, cells, shares, expected);
	if (cells >= 2)
	{
		result.log_bayes_factor =
			log_bayes_factor(observed, expected, result.n, cells, shares, concentration);
		result.p_value = fmin(1.0, exp(-result.log_bayes_factor));
	}
	pfree(shares);
	return result;
}
