/*
 * noncentral.c
 *		Tails of the noncentral t distribution, by quadrature.
 *
 * GSL has none, and the usual series (Lenth 1989, AS 243; Benton and
 * Krishnamoorthy 2003) sum terms that underflow for a large ncp and give the
 * upper tail as 1 - cdf.  Instead, with S = sqrt(X / df) and T > t the same as
 * Z > t S - ncp (Johnson, Kotz and Balakrishnan 1995, vol. 2, chapter 31):
 *
 *		P(T > t) = int_0^inf f_S(s) P(Z > t s - ncp) ds.
 *
 * No term is negative, so nothing cancels, and a tail keeps its digits however
 * small it is.  With s = exp(u), a = df/2 and x = s^2 - 1 the density of u is
 *
 *		2 sqrt(a / (2 pi)) / Gamma*(a) exp(a (ln(1 + x) - x)),
 *		Gamma*(a) = Gamma(a) / (sqrt(2 pi) a^(a - 1/2) exp(-a)),
 *
 * which loses no digits for a large df.  Over u the integrand is analytic, has
 * one peak and falls on both sides at least exponentially: the trapezoidal rule
 * converges faster than any power of its step (Trefethen and Weideman 2014,
 * "The exponentially convergent trapezoidal rule", section 5).  Against 40-digit
 * arithmetic: test/python/test_planning.py.
 */
#include "noncentral.h"

#include <math.h>
#include <stdbool.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_sf_erf.h>
#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sf_log.h>

#include "stats.h"

/* One tail of T at t >= 0. */
typedef struct Tail
{
	double t;
	double df;
	double ncp;
	bool   upper;
	double scale; /* the factor of the density before exp */
} Tail;

/* t s - ncp; s is almost 1 for large df, and almost 0 for large t */
static double
normal_limit(const Tail *tail, double u)
{
	if (fabs(u) < 0.5)
		return tail->t * expm1(u) + (tail->t - tail->ncp);
	return tail->t * exp(u) - tail->ncp;
}

static double
integrand(const Tail *tail, double u)
{
	double x = expm1(2 * u);
	double z = normal_limit(tail, u);
	double exponent = fabs(u) < 0.5 ? gsl_sf_log_1plusx_mx(x) : 2 * u - x;

	return tail->scale * exp(tail->df / 2 * exponent) * normal_sf(tail->upper ? z : -z);
}

/* Derivative by u of the logarithm of the integrand. */
static double
slope(const Tail *tail, double u)
{
	double z = normal_limit(tail, u);
	double ts = tail->t * exp(u);
	double normal = tail->upper ? -gsl_sf_hazard(z) * ts : gsl_sf_hazard(-z) * ts;

	return normal - tail->df * expm1(2 * u);
}

/*
 * Where the integrand is largest.  The density of u peaks at 0; the normal tail
 * falls with u if it is the upper one, and rises otherwise.
 */
static double
peak(const Tail *tail)
{
	double inner = 0; /* towards 0 from the peak */
	double outer = tail->upper ? -1 : 1;

	/* beyond this the integrand is 0, and the slope would overflow */
	while (fabs(outer) < 300 && tail->upper == (slope(tail, outer) < 0))
	{
		inner = outer;
		outer *= 2;
	}
	for (int i = 0; i < 60; i++)
	{
		double middle = (inner + outer) / 2;

		if (tail->upper == (slope(tail, middle) < 0))
			inner = middle;
		else
			outer = middle;
	}
	return inner;
}

/* Sum of the integrand at u, u + step, u + 2 step, ... */
static double
sum_from(const Tail *tail, double u, double step)
{
	double sum = 0;
	double term;

	do
	{
		term = integrand(tail, u);
		sum += term;
		u += step;
	} while (term > sum * (GSL_DBL_EPSILON / 100));
	return sum;
}

/*
 * The error of the trapezoidal rule with step h is exp(-2 pi d / h) times what the
 * integrand grows to at the distance d from the real line: about exp(d^2 c / 2),
 * c the curvature of its logarithm.  At the best d that is exp(-2 pi^2 / (h^2 c)),
 * and h = 0.4 / sqrt(c) leaves nothing.  c is at most that of the density, 2 df s^2,
 * and that of the normal tail, (t s)^2 + |z| t s.  Where both are small the
 * exponential of an exponential, exp(-a exp(2 u)), takes over: it decays only up to
 * d = pi/4, which h = 0.08 leaves nothing of, either.
 */
static double
tail_probability(const Tail *tail)
{
	double top = peak(tail);
	double s = exp(top);
	double ts = tail->t * s;
	double curvature = 2 * tail->df * s * s + ts * ts + ts * fabs(normal_limit(tail, top));
	double step = fmin(0.08, 0.4 / sqrt(curvature));

	return fmin(1, step * (sum_from(tail, top, step) + sum_from(tail, top - step, -step)));
}

static double
tail_at(double t, double df, double ncp, bool upper)
{
	Tail tail = {t, df, ncp, upper, 0};

	if (!(df > 0))
		GSL_ERROR_VAL("degrees of freedom are not positive", GSL_EDOM, GSL_NAN);
	if (isnan(t) || !isfinite(ncp))
		GSL_ERROR_VAL("t is not a number or the noncentrality is not finite", GSL_EDOM, GSL_NAN);

	if (isinf(t))
		return (t > 0) == upper ? 0 : 1;
	if (isinf(df))
		return normal_sf(upper ? t - ncp : ncp - t);

	/* -T is noncentral, too, with -ncp */
	if (t < 0)
		return tail_at(-t, df, -ncp, !upper);

	tail.scale = 2 * sqrt(df / (4 * M_PI)) / gsl_sf_gammastar(df / 2);
	return tail_probability(&tail);
}

double
noncentral_t_sf(double t, double df, double ncp)
{
	return tail_at(t, df, ncp, true);
}

double
noncentral_t_cdf(double t, double df, double ncp)
{
	return tail_at(t, df, ncp, false);
}
