/*
 * stats.c
 *		Distributions and quantiles over GSL.
 *
 * GSL wherever it is accurate to 1e-12, and expansions of our own where it is
 * not: Student's t with many degrees of freedom, chi-square with very many,
 * Fisher's F.  They are checked against 50-digit arithmetic in
 * test/python/test_stats.py.
 */
#include <math.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sf_log.h>

#include "stats.h"

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/*
 * GSL's handler is one per process and takes no argument of ours, so this
 * pointer has to be static.  It is written once, by stats_init.
 */
static void (*error_callback)(const char *reason, int gsl_errno);

static void
gsl_handler(const char *reason, const char *file, int line, int gsl_errno)
{
	(void) file;
	(void) line;

	/* a p-value below the smallest double is 0 */
	if (gsl_errno == GSL_EUNDRFLW)
		return;

	error_callback(reason, gsl_errno);
}

void
stats_init(void (*on_error)(const char *reason, int gsl_errno))
{
	error_callback = on_error;
	gsl_set_error_handler(gsl_handler);
}

double
normal_pdf(double z)
{
	return exp(-0.5 * z * z) / (M_SQRT2 * M_SQRTPI);
}

/*
 * Standard normal.  Both GSL functions keep full relative accuracy in the upper
 * tail (Cody 1969; Wichura 1988, AS 241).
 */
double
normal_sf(double z)
{
	if (isnan(z))
		GSL_ERROR_VAL("z is not a number", GSL_EDOM, GSL_NAN);

	return gsl_cdf_ugaussian_Q(z);
}

double
normal_isf(double q)
{
	if (!(q >= 0 && q <= 1))
		GSL_ERROR_VAL("probability is not in [0, 1]", GSL_EDOM, GSL_NAN);

	return gsl_cdf_ugaussian_Qinv(q);
}

/*
 * Student's t with more than 30 degrees of freedom.
 *
 * Up to 30, and for t^2 >= 10 df, gsl_cdf_tdist_Q is good to 1e-13.  In between
 * it takes a Cornish-Fisher expansion which is wrong in the 7th digit (df = 100,
 * t = 31), and its incomplete beta function loses digits as df grows.  Instead:
 * the incomplete beta function for a large first and a small second parameter
 * (DiDonato and Morris 1992, ACM TOMS 18, 360-373, BGRAT, eq. 9-9.6).  With
 * second parameter 1/2 it needs nothing but normal integrals:
 *
 *	P(T > t) = 1/(2 B(df/2, 1/2)) int_0^x r^(df/2 - 1) (1 - r)^(-1/2) dr,
 *	x = df/(df + t^2).
 *
 * Substitute r = exp(-v), then v = w^2/N with N = df - 1/2, and expand
 * (sinh(s)/s)^(-1/2) = sum_n p_n s^(2n):
 *
 *	int_{-ln x}^inf exp(-v N/2) (2 sinh(v/2))^(-1/2) dv, up to a constant,
 *	P(T > t) = (1/D) sum_n p_n I_n,
 *	I_n = 1/(2N)^(2n) int_z^inf w^(4n) phi(w) dw,	phi the normal density,
 *	z = sqrt(N ln(1 + t^2/df)).
 *
 * D makes it 1/2 at t = 0.  The term n = 0 is the normal tail at the z of
 * Wallace (1959, Ann. Math. Statist. 30, 1121-1130).  By parts, twice:
 *
 *	I_{n+1} = ((4n + 1)(4n + 3) I_n + (z^2 + 4n + 3) z phi(z) y^(2n)) / (2N)^2,
 *	y = z^2/(2N) = ln(1 + t^2/df)/2 <= ln(11)/2.
 *
 * The terms fall as (y/pi)^(2n), and the first dropped one is below 1e-15 of
 * the sum.  An infinite df needs no special case: z = t and D = 1.
 */
#define T_GSL_MAX_DF	30
#define T_GSL_MIN_RATIO 10

static const double t_coef[] = {1.0,
								-0.08333333333333333,
								0.00625,
								-0.0005042989417989418,
								4.343722442680776e-5,
								-3.896385732323232e-6,
								3.5833354634507906e-7,
								-3.349747072060578e-8,
								3.1675854343161146e-9,
								-3.0210368517370963e-10,
								2.900415787669253e-11,
								-2.799396748375269e-12,
								2.713639320017204e-13,
								-2.6400478921841528e-14,
								2.576345276111418e-15,
								-2.5208132554200558e-16,
								2.472127507451747e-17,
								-2.4292486395023516e-18};

/* D above, which is twice sum_n p_n I_n at z = 0 */
static double
t_norm(double df)
{
	double two_n = 2 * df - 1;
	double moment = 1;
	double sum = 1;

	for (unsigned int n = 1; n < lengthof(t_coef); n++)
	{
		moment *= (4 * n - 3) / two_n * ((4 * n - 1) / two_n);
		sum += t_coef[n] * moment;
	}
	return sum;
}

/* z above; t^2/df may underflow */
static double
t_wallace(double t, double df)
{
	double root = t / sqrt(df);
	double s = root * root;

	return t * sqrt((1 - 0.5 / df) * (s < GSL_DBL_EPSILON ? 1 : log1p(s) / s));
}

/* P(T > t), t >= 0, df > T_GSL_MAX_DF, t^2 < T_GSL_MIN_RATIO df */
static double
t_expansion(double t, double df)
{
	double two_n = 2 * df - 1;
	double z = t_wallace(t, df);
	double y = z * z / two_n;
	double boundary = z * normal_pdf(z); /* z phi(z) y^(2n) */
	double integral = normal_sf(z);
	double sum = integral;

	for (unsigned int n = 1; n < lengthof(t_coef); n++)
	{
		integral = ((4 * n - 3) / two_n * (4 * n - 1) * integral +
					(z * z + 4 * n - 1) / two_n * boundary) /
			two_n;
		boundary *= y * y;
		sum += t_coef[n] * integral;
	}

	/* where the normal tail underflows, a correction alone may be left over */
	return fmax(sum, 0) / t_norm(df);
}

double
student_t_sf(double t, double df)
{
	/* t^2 overflows not far beyond, where only df < 3 has a tail left */
	const double t_max = 1e150;

	if (!(df > 0))
		GSL_ERROR_VAL("degrees of freedom are not positive", GSL_EDOM, GSL_NAN);
	if (isnan(t))
		GSL_ERROR_VAL("t is not a number", GSL_EDOM, GSL_NAN);

	if (t < 0)
		return 1 - student_t_sf(-t, df);
	if (isinf(t))
		return 0;

	/* the tail is a power of t there */
	if (t > t_max)
		return student_t_sf(t_max, df) * pow(t / t_max, -df);

	if (df > T_GSL_MAX_DF && t * t < T_GSL_MIN_RATIO * df)
		return t_expansion(t, df);

	return gsl_cdf_tdist_Q(t, df);
}

/* The density of t at 0, 1/(sqrt(df) B(df/2, 1/2)) */
static double
t_density_at_0(double df)
{
	if (df > T_GSL_MAX_DF)
		return normal_pdf(0) * sqrt(1 - 0.5 / df) / t_norm(df);
	return 1 / (sqrt(df) * gsl_sf_beta(df / 2, 0.5));
}

/*
 * Quantile of Student's t: Newton's method for ln P(T > t) = ln q in ln t, with
 * the tail above.  GSL's own inverse inherits the errors of its tail.
 *
 * ln P is a concave function of ln t, close to linear in a heavy tail and close
 * to -t^2/2 in a light one, so a few steps are enough from
 *
 *	df > 30: Wallace's z, inverted: t = sqrt(df (exp(z^2/(df - 1/2)) - 1));
 *	else:	 the larger of two lower bounds on t, from P(T > t) >= 1/2 - t f(0),
 *			 and from P(T > t) >= x^(df/2)/(df B(df/2, 1/2)), x = df/(df + t^2),
 *			 the first term of the series of the incomplete beta function (DLMF
 *			 8.17.7), whose terms are all positive.
 *
 * Near the median P has no relative accuracy left to give, and the reverted
 * Taylor series of P takes over (Shaw 2006, J. Comput. Finance 9(4), 37-73, the
 * central power series), with u = (1/2 - q)/f(0):
 *
 *	t = u + (df + 1)/(6 df) u^3 + (7 df^2 + 8 df + 1)/(120 df^2) u^5
 *		  + (127 df^3 + 135 df^2 + 9 df + 1)/(5040 df^3) u^7 + ...
 */
double
student_t_isf(double q, double df)
{
	double f0;
	double u;
	double inv = 1 / df;
	double t;

	if (!(df > 0))
		GSL_ERROR_VAL("degrees of freedom are not positive", GSL_EDOM, GSL_NAN);
	if (!(q >= 0 && q <= 1))
		GSL_ERROR_VAL("probability is not in [0, 1]", GSL_EDOM, GSL_NAN);

	if (isinf(df))
		return normal_isf(q);
	if (q > 0.5)
		return -student_t_isf(1 - q, df);

	/* there the tail itself underflows to 0 */
	if (q < 1e-307)
		return GSL_POSINF;

	f0 = t_density_at_0(df);
	u = (0.5 - q) / f0;

	if (u * u * (1 + inv) < 1e-4)
	{
		double u2 = u * u;

		return u +
			u * u2 *
			((1 + inv) / 6 +
			 u2 *
				 ((7 + inv * (8 + inv)) / 120 + u2 * (127 + inv * (135 + inv * (9 + inv))) / 5040));
	}

	if (df > T_GSL_MAX_DF)
	{
		double z = normal_isf(q);
		double s = z * z / (df - 0.5);

		t = z * sqrt((s < GSL_DBL_EPSILON ? 1 : expm1(s) / s) / (1 - 0.5 * inv));
	}
	else
	{
		/* ln x, of the second bound */
		double log_x = 2 * inv * log(q * sqrt(df) / f0);

		t = u;
		if (log_x < 0)
			t = fmax(t, sqrt(-df * expm1(log_x)) * exp(-0.5 * log_x));
	}

	/* the quantile itself overflows, as for q = 1e-300 and df = 1/2 */
	if (isinf(t))
		return t;

	for (int i = 0; i < 100; i++)
	{
		double root = t / sqrt(df);
		double log_tail = root < 1e8 ? log1p(root * root) : 2 * log(root);
		double t_density = f0 * exp(log(t) - (df + 1) / 2 * log_tail);
		double p = student_t_sf(t, df);
		double step = p / t_density * log(p / q);

		t *= exp(step);

		/* quadratic convergence: the next step would be below 1e-16 */
		if (fabs(step) < 1e-8)
			return t;
	}
	GSL_ERROR_VAL("quantile of Student's t did not converge", GSL_EMAXITER, GSL_NAN);
}

/*
 * Chi-square with more than 1000 degrees of freedom.
 *
 * Below that GSL's incomplete gamma function is good to 2e-13 (df < 0.4, which
 * nobody has: 1e-11); above, it keeps fewer digits near the mean (5e-11 at
 * df = 1e6) and then none (df = 1e8).
 * Instead: Temme's uniform expansion (1979, SIAM J. Math. Anal. 10, 757-766;
 * DLMF 8.12.1 and 8.12.4), in the recursive form of Temme (1987; Gil, Segura
 * and Temme 2012, SIAM J. Sci. Comput. 34, A2965-A2981).  With
 * a = df/2 and x/df = 1 + mu,
 *
 *	eta^2/2 = mu - ln(1 + mu), eta of the sign of mu,
 *	P(X > x) = normal_sf(eta sqrt(a)) + phi(eta sqrt(a)) S(eta)/sqrt(a),
 *
 * phi the normal density.  Differentiate by eta and put in the power series
 * S = sum_n s_n eta^n and eta/mu = sum_n f_n eta^n (f_n by reverting DLMF
 * 8.12.1; |eta| < 2 sqrt(pi)).  That gives
 *
 *	s_n = b_n/Gamma*(a),	b_{n-1} = f_n + (n + 1) b_{n+1}/a,
 *	Gamma*(a) = Gamma(a) exp(a) a^(-a) sqrt(a/(2 pi)) = 1 + b_1/a.
 *
 * For |mu| < 1/2, |eta| is below 0.63 and 22 terms leave less than 1e-16.
 * Farther out GSL is accurate again, if the tail has not underflowed.
 */
#define CHISQ_GSL_MAX_DF 1000
#define CHISQ_MAX_MU	 0.5

static const double chisq_coef[] = {1.0,
									-0.3333333333333333,
									0.08333333333333333,
									-0.014814814814814815,
									0.0011574074074074073,
									0.0003527336860670194,
									-0.0001787551440329218,
									3.919263178522438e-5,
									-2.185448510679992e-6,
									-1.85406221071516e-6,
									8.296711340953087e-7,
									-1.7665952736826078e-7,
									6.707853543401498e-9,
									1.0261809784240309e-8,
									-4.382036018453353e-9,
									9.14769958223679e-10,
									-2.5514193994946248e-11,
									-5.830772132550426e-11,
									2.4361948020667415e-11,
									-5.0276692801141755e-12,
									1.1004392031956135e-13,
									3.371763262400985e-13};

/* P(X > x), x = (1 + mu) df, df > CHISQ_GSL_MAX_DF, |mu| < CHISQ_MAX_MU */
static double
chisq_expansion(double mu, double df)
{
	double a = df / 2;
	double eta = copysign(sqrt(-2 * gsl_sf_log_1plusx_mx(mu)), mu);
	double z = eta * sqrt(a);
	double b1 = 0; /* b_n */
	double b2 = 0; /* b_{n+1} */
	double sum = 0;

	for (int n = lengthof(chisq_coef) - 1; n >= 1; n--)
	{
		double b0 = chisq_coef[n] + (n + 1) * b2 / a; /* b_{n-1} */

		b2 = b1;
		b1 = b0;
		sum = sum * eta + b0;
	}

	/* now b1 is b_0 and b2 is b_1; never below 0 where the tail underflows */
	return fmax(0, normal_sf(z) + normal_pdf(z) * sum / (1 + b2 / a) / sqrt(a));
}

double
chisq_sf(double x, double df)
{
	if (!(df > 0 && df <= GSL_DBL_MAX))
		GSL_ERROR_VAL("degrees of freedom are not positive and finite", GSL_EDOM, GSL_NAN);
	if (isnan(x))
		GSL_ERROR_VAL("chi-square is not a number", GSL_EDOM, GSL_NAN);

	if (isinf(x))
		return x > 0 ? 0 : 1;

	if (df > CHISQ_GSL_MAX_DF && fabs(x - df) < CHISQ_MAX_MU * df)
		return chisq_expansion((x - df) / df, df);

	return gsl_cdf_chisq_Q(x, df);
}

/*
 * Fisher's F.
 *
 * gsl_cdf_fdist_Q is wrong in the 7th digit for df2 = 1e6, and the incomplete
 * beta function beneath it loses digits as df2 grows: its continued fraction
 * cancels, and its factor in front is the exponential of a difference of large
 * numbers.  Instead: the continued fraction of DiDonato and Morris (1992, ACM
 * TOMS 18, 360-373, BFRAC, eq. 9), whose terms are positive, of
 *
 *	I_x(a, b) = x^a y^b / (B(a, b) (c_0 + a_1/(c_1 + a_2/(c_2 + ...)))),	y = 1 - x,
 *	a_m = (a + m - 1)(a + b + m - 1) m (b - m) x^2 / (a + 2m - 1)^2,
 *	c_m = m + m (b - m) x/(a + 2m - 1)
 *			+ (a + m)/(a + 2m + 1) (lambda + 1 + m (1 + y)),
 *	lambda = a - (a + b) x,	which must not be negative,
 *
 * and P(F > f) = I_y(df2/2, df1/2), y = df2/(df2 + df1 f), where f > 1, else the
 * complement of the lower tail, which is then not small.  A hundred terms are
 * more than enough up to a thousand df1, whatever df2.
 *
 * (a + m - 1)(...) / (a + 2m - 1)^2 is taken in two quotients: df2 may be 1e15.
 */
static double
beta_fraction(double a, double b, double x, double y, double lambda)
{
	const int max_terms = 100000;
	double	  fraction = a * (lambda + 1) / (a + 1);
	double	  numerator = fraction;
	double	  denominator = 0;

	/* modified Lentz (Thompson and Barnett 1986) */
	for (int m = 1; m <= max_terms; m++)
	{
		double odd = a + 2 * m - 1;
		double am = (a + m - 1) / odd * ((a + b + m - 1) / odd) * m * (b - m) * x * x;
		double cm = m + m * (b - m) * x / odd + (a + m) / (odd + 2) * (lambda + 1 + m * (1 + y));
		double factor;

		denominator = 1 / (cm + am * denominator);
		numerator = cm + am / numerator;
		factor = numerator * denominator;
		fraction *= factor;
		if (fabs(factor - 1) <= GSL_DBL_EPSILON)
			return fraction;
	}
	GSL_ERROR_VAL("incomplete beta function did not converge", GSL_EMAXITER, GSL_NAN);
}

/* ln(ratio) - excess, excess = ratio - 1, never positive */
static double
log_minus_excess(double ratio, double excess)
{
	return excess < -0.5 ? log(ratio) - excess : gsl_sf_log_1plusx_mx(excess);
}

/*
 * The factor x^a y^b / B(a, b), with a = df1/2, b = df2/2, x = 1 - y.  With
 * p = a/(a + b) it is, by Stirling's formula, whose error Gamma* makes good,
 *
 *	sqrt(a b / (2 pi (a + b))) Gamma*(a + b) / (Gamma*(a) Gamma*(b))
 *		exp(a (ln(x/p) - (x/p - 1)) + b (ln(y/q) - (y/q - 1))),	q = 1 - p,
 *
 * for a (x/p - 1) + b (y/q - 1) = 0.  No two terms differ in sign.
 */
static double
beta_factor(double a, double b, double x_ratio, double x_excess, double y_ratio, double y_excess)
{
	double stirling = gsl_sf_gammastar(a + b) / (gsl_sf_gammastar(a) * gsl_sf_gammastar(b));
	double exponent =
		a * log_minus_excess(x_ratio, x_excess) + b * log_minus_excess(y_ratio, y_excess);

	return sqrt(a / (a + b) * b / (2 * M_PI)) * stirling * exp(exponent);
}

double
fisher_f_sf(double f, double df1, double df2)
{
	double a = df1 / 2;
	double b = df2 / 2;
	double y;
	double x;
	double step; /* (f - 1)/(df2 + df1 f) */
	double factor;

	if (!(df1 > 0 && df1 <= GSL_DBL_MAX && df2 > 0 && df2 <= GSL_DBL_MAX))
		GSL_ERROR_VAL("degrees of freedom are not positive and finite", GSL_EDOM, GSL_NAN);
	if (isnan(f))
		GSL_ERROR_VAL("F is not a number", GSL_EDOM, GSL_NAN);

	if (f <= 0)
		return 1;
	if (isinf(f))
		return 0;
	f = fmin(f, 1e300);

	y = 1 / (1 + df1 * (f / df2));
	x = df1 * (f / df2) * y;
	step = (f - 1) / df2 * y;
	factor = beta_factor(a, b, x * (1 + df2 / df1), df2 * step, y * (1 + df1 / df2), -df1 * step);

	if (f > 1)
		return factor / beta_fraction(b, a, y, x, b * df1 * step);
	return 1 - factor / beta_fraction(a, b, x, y, -a * df2 * step);
}
