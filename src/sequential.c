/*
 * sequential.c
 *		Tests and intervals that hold at every look at once.
 *
 * Under the hypothesis the mixed likelihood ratio
 *
 *		L = (1 + v)^(-1/2) exp(z^2/2 v/(1 + v))
 *
 * of the statistics z seen so far is a martingale of mean 1, so that it ever
 * reaches 1/alpha with a probability of at most alpha (Ville 1939; Robbins
 * 1970).  That makes 1/L a p-value, and the effects with L < 1/alpha an
 * interval, at every look at once.  For n units and v = n rho^2 this is the
 * asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and
 * Ramdas (2021, arXiv 2103.06476, eq. 9); for v = tau^2 / std_error^2 the
 * mixture SPRT (Johari, Koomen, Pekelis and Walsh 2017; Zhao, Liu and
 * Deng 2019, arXiv 1905.10493).  Both need a variance that is known, or enough
 * units to know it well.
 */
#include "sequential.h"

#include <math.h>

/*
 * The rho^2 that makes the sequence about as narrow as it can be at tuning_n
 * units (Waudby-Smith et al., eq. 161):
 *
 *		rho^2 = (-2 ln(alpha) + ln(1 - 2 ln(alpha))) / tuning_n
 */
double
mixture_variance(double alpha, double tuning_n)
{
	return (-2.0 * log(alpha) + log1p(-2.0 * log(alpha))) / tuning_n;
}

/*
 * z^2 = 2 (1 + v)/v times the logarithm of sqrt(1 + v)/alpha (Waudby-Smith et
 * al., eq. 9), or if one-sided, of 1 + sqrt(1 + v)/(2 alpha) (eq. 134).
 */
double
always_valid_quantile(double alpha, double v, bool one_sided)
{
	double log_ratio =
		one_sided ? log1p(sqrt(1.0 + v) / (2.0 * alpha)) : 0.5 * log1p(v) - log(alpha);

	return sqrt(2.0 * (1.0 + 1.0 / v) * log_ratio);
}

/* The smallest alpha whose interval leaves out the hypothesis: the above, solved for alpha. */
double
always_valid_p(double statistic, double v, bool one_sided)
{
	double exponent = 0.5 * statistic * statistic / (1.0 + 1.0 / v);
	double p = exp(0.5 * log1p(v) - exponent);

	if (one_sided)
		p = statistic > 0.0 ? 0.5 * p / -expm1(-exponent) : 1.0;
	return fmin(p, 1.0);
}
