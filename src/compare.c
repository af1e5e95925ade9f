/*
 * compare.c
 *		Tests and intervals for the difference and the lift of two arms.
 */
#include "compare.h"

#include <math.h>

#include "stats.h"

const Question default_question = {0.05, TWO_SIDED, 0.0, LIFT_DELTA};

typedef struct Interval
{
	double low;
	double high;
} Interval;

static const Interval undefined_interval = {NAN, NAN};

/*
 * Degrees of freedom of the sum of two squared standard errors a and b
 * (Satterthwaite 1946; Welch 1947, eq. 28):
 *
 *		(a + b)^2 / (a^2 / df_a + b^2 / df_b)
 *
 * written in shares of a + b, so that no square under- or overflows.
 */
static double
welch_df(double a, double df_a, double b, double df_b)
{
	double share_a = a / (a + b);
	double share_b = b / (a + b);

	return 1.0 / (share_a * share_a / df_a + share_b * share_b / df_b);
}

static double
p_value(double statistic, double df, Alternative alternative)
{
	switch (alternative)
	{
		case GREATER:
			return student_t_sf(statistic, df);
		case LESS:
			return student_t_sf(-statistic, df);
		default:
			return 2.0 * student_t_sf(fabs(statistic), df);
	}
}

/* Half the width of an interval in standard errors; df may be infinite. */
static double
quantile(const Question *question, double df)
{
	return student_t_isf(
		question->alternative == TWO_SIDED ? question->alpha / 2.0 : question->alpha, df);
}

/* A one-sided question leaves the other end of its interval open. */
static Interval
open_end(Interval interval, Alternative alternative)
{
	if (isnan(interval.low) || isnan(interval.high))
		return undefined_interval;
	if (alternative == GREATER)
		interval.high = INFINITY;
	if (alternative == LESS)
		interval.low = -INFINITY;
	return interval;
}

/*
 * From the limits of r - 1, r = m_t / m_c, to those of the lift
 * (m_t - m_c) / |m_c|, which is that, or its negative under a negative control.
 */
static Interval
excess_to_lift(Interval excess, double control)
{
	Interval lift = {-excess.high, -excess.low};

	return control > 0.0 ? excess : lift;
}

/*
 * Delta method: r = m_t / m_c has the squared error
 *
 *		(a + r^2 b) / m_c^2,	a, b the squared errors of m_t, m_c
 *
 * (Deng, Knoblich and Lu 2018, eq. 4, independent arms).
 */
static Interval
lift_delta(double lift, double treatment, double a, double control, double b, double q)
{
	double	 ratio = treatment / control;
	double	 half = q * sqrt(a + ratio * ratio * b) / fabs(control);
	Interval interval = {lift - half, lift + half};

	return interval;
}

/*
 * The delta method on log r, r = m_t / m_c, for means of one sign (Katz et al.
 * 1978 for proportions):
 *
 *		r exp(+-q sqrt(a / m_t^2 + b / m_c^2))
 *
 * computed as r - 1, which for large means and small differences is all.
 */
static Interval
lift_log(double diff, double treatment, double a, double control, double b, double q)
{
	double	 log_ratio = log1p(diff / control);
	double	 half = q * sqrt(a / treatment / treatment + b / control / control);
	Interval excess = {expm1(log_ratio - half), expm1(log_ratio + half)};

	return excess_to_lift(excess, control);
}

/*
 * Fieller (1954): the ratios r with (m_t - r m_c)^2 <= q^2 (a + r^2 b).  With
 * x = r - 1 and d = m_t - m_c that is between the roots of
 *
 *		(m_c^2 - q^2 b) x^2 - 2 (d m_c + q^2 b) x + d^2 - q^2 (a + b) = 0
 *
 * Where the first coefficient is not positive, the control mean cannot be told
 * from zero, the set is unbounded, and no ratio is refused.
 */
static Interval
lift_fieller(double diff, double treatment, double a, double control, double b, double q)
{
	double	 leading = control * control - q * q * b;
	double	 middle = diff * control + q * q * b;
	double	 constant = diff * diff - q * q * (a + b);
	double	 root = fabs(q) * sqrt(fmax(a * leading + b * treatment * treatment, 0.0));
	double	 larger = middle + copysign(root, middle);
	double	 x1 = larger / leading;
	double	 x2 = larger == 0.0 ? 0.0 : constant / larger;
	Interval excess = {fmin(x1, x2), fmax(x1, x2)};
	Interval everything = {-INFINITY, INFINITY};
	Interval swapped = {excess.high, excess.low};

	if (!(leading > 0.0))
		return everything;

	/* A one-sided limit of alpha over one half lies beyond the estimate. */
	return excess_to_lift(q < 0.0 ? swapped : excess, control);
}

/*
 * Degrees of freedom for the log of a ratio: those of the relative errors,
 * if the difference has any.
 */
static double
log_df(const Estimate *treatment, double a, const Estimate *control, double b, double df)
{
	double t = treatment->value;
	double c = control->value;

	if (isinf(df))
		return df;
	return welch_df(a / t / t, treatment->df, b / c / c, control->df);
}

/* The interval of the lift; a and b are the squared errors of the two means. */
static Interval
lift_interval(const Comparison *comparison, const Estimate *treatment, double a,
			  const Estimate *control, double b, double df, const Question *question)
{
	double	 t = treatment->value;
	double	 c = control->value;
	Interval interval = undefined_interval;

	if (isnan(comparison->lift) || !(a + b > 0.0))
		return interval;

	switch (question->lift_method)
	{
		case LIFT_DELTA:
			interval = lift_delta(comparison->lift, t, a, c, b, quantile(question, df));
			break;
		case LIFT_LOG:
			if (t * c > 0.0)
				interval = lift_log(comparison->diff, t, a, c, b,
									quantile(question, log_df(treatment, a, control, b, df)));
			break;
		case LIFT_FIELLER:
			interval = lift_fieller(comparison->diff, t, a, c, b, quantile(question, df));
			break;
	}
	return open_end(interval, question->alternative);
}

/* What is defined without any error: sizes, estimates, difference and lift. */
static Comparison
compare_values(const Estimate *treatment, const Estimate *control, const Question *question,
			   const char *method)
{
	Comparison c = {0};

	c.n = treatment->n;
	c.n_control = control->n;
	c.estimate = treatment->value;
	c.estimate_control = control->value;
	c.diff = (treatment->value - control->value) + (treatment->low - control->low);
	c.lift = control->value == 0.0 ? NAN : c.diff / fabs(control->value);
	c.std_error = c.statistic = c.df = c.p_value = NAN;
	c.diff_low = c.diff_high = c.lift_low = c.lift_high = NAN;
	c.alpha = question->alpha;
	c.method = method;
	return c;
}

/*
 * Welch's t-test for unequal variances (Welch 1947), with
 *
 *		statistic = (diff - null_diff) / std_error
 *		std_error = sqrt(s_t^2 / n_t + s_c^2 / n_c)
 *
 * and the t distribution with Welch's degrees of freedom.
 */
Comparison
compare_welch(const Estimate *treatment, const Estimate *control, const Question *question)
{
	Comparison c = compare_values(treatment, control, question, "welch_t");
	double	   a = treatment->squared_error;
	double	   b = control->squared_error;
	double	   half;
	Interval   diff;
	Interval   lift;

	c.std_error = sqrt(a + b);
	if (!(c.std_error > 0.0))
		return c;

	c.statistic = (c.diff - question->null_diff) / c.std_error;
	c.df = welch_df(a, treatment->df, b, control->df);
	c.p_value = p_value(c.statistic, c.df, question->alternative);

	half = quantile(question, c.df) * c.std_error;
	diff.low = c.diff - half;
	diff.high = c.diff + half;
	diff = open_end(diff, question->alternative);
	c.diff_low = diff.low;
	c.diff_high = diff.high;

	lift = lift_interval(&c, treatment, a, control, b, c.df, question);
	c.lift_low = lift.low;
	c.lift_high = lift.high;
	return c;
}

/*
 * Derivative of the likelihood of p_t = p, p_c = p - d; it falls with p.
 */
static double
restricted_score(const Estimate *treatment, const Estimate *control, double p, double d)
{
	double pc = p - d;

	return (double) treatment->n * (treatment->value - p) / (p * (1.0 - p)) +
		(double) control->n * (control->value - pc) / (pc * (1.0 - pc));
}

/*
 * Maximum likelihood estimate of p_t under the hypothesis p_t - p_c = d
 * (Farrington and Manning 1990).  They give the closed form of its cubic's
 * root; bisection of the score keeps the digits that the closed form loses
 * where a proportion is near 0.  For d = 0 it is the pooled proportion.
 */
static double
restricted_proportion(const Estimate *treatment, const Estimate *control, double d)
{
	double low = fmax(0.0, d);
	double high = fmin(1.0, 1.0 + d);
	double nt = (double) treatment->n;
	double nc = (double) control->n;

	if (d == 0.0)
		return (nt * treatment->value + nc * control->value) / (nt + nc);

	for (;;)
	{
		double middle = low + (high - low) / 2.0;

		if (middle <= low || middle >= high)
			return middle;
		if (restricted_score(treatment, control, middle, d) > 0.0)
			low = middle;
		else
			high = middle;
	}
}

/*
 * Variance of the difference of two proportions under the hypothesis that it
 * is d.  Failures are counted in place of successes where they are rarer: near
 * 1 a float8 is too coarse for what is left to 1.
 */
static double
variance_under_null(Estimate treatment, Estimate control, double d)
{
	double pt;
	double pc;

	if (treatment.value + control.value > 1.0)
	{
		treatment.value = 1.0 - treatment.value;
		control.value = 1.0 - control.value;
		d = -d;
	}
	pt = restricted_proportion(&treatment, &control, d);
	pc = pt - d;
	return fmax(pt * (1.0 - pt) / (double) treatment.n + pc * (1.0 - pc) / (double) control.n, 0.0);
}

/*
 * Wilson's score interval of a proportion (Wilson 1927), with the normal
 * quantile z.
 */
static Interval
wilson(const Estimate *estimate, double z)
{
	double	 n = (double) estimate->n;
	double	 p = estimate->value;
	double	 centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
	double	 half = z * sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n)) / (1.0 + z * z / n);
	Interval interval = {centre - half, centre + half};

	return interval;
}

/*
 * The hybrid score interval of a difference of proportions (Newcombe 1998,
 * "Interval estimation for the difference between independent proportions",
 * method 10).
 */
static Interval
newcombe(const Estimate *treatment, const Estimate *control, double diff, const Question *question)
{
	double	 z = quantile(question, INFINITY);
	Interval t = wilson(treatment, z);
	Interval c = wilson(control, z);
	double	 pt = treatment->value;
	double	 pc = control->value;
	Interval interval;

	/* A one-sided limit of alpha over one half, z < 0, lies beyond the estimate. */
	interval.low = diff - copysign(hypot(pt - t.low, c.high - pc), z);
	interval.high = diff + copysign(hypot(t.high - pt, pc - c.low), z);
	return open_end(interval, question->alternative);
}

/*
 * Two-proportion z-test: the score test of p_t - p_c = null_diff, which for
 * null_diff = 0 is the usual one with the pooled proportion (Fleiss, Levin and
 * Paik 2003, section 3.2), and Newcombe's interval.
 */
Comparison
compare_proportions(const Estimate *treatment, const Estimate *control, const Question *question)
{
	Comparison c = compare_values(treatment, control, question, "proportion_z");
	double	   pt = treatment->value;
	double	   pc = control->value;
	double	   nt = (double) treatment->n;
	double	   nc = (double) control->n;
	Interval   interval;

	if (treatment->n == 0 || control->n == 0)
		return c;

	c.std_error = sqrt(variance_under_null(*treatment, *control, question->null_diff));
	if (c.std_error > 0.0)
	{
		c.statistic = (c.diff - question->null_diff) / c.std_error;
		c.p_value = p_value(c.statistic, INFINITY, question->alternative);
	}

	interval = newcombe(treatment, control, c.diff, question);
	c.diff_low = interval.low;
	c.diff_high = interval.high;

	interval = lift_interval(&c, treatment, pt * (1.0 - pt) / nt, control, pc * (1.0 - pc) / nc,
							 INFINITY, question);
	c.lift_low = interval.low;
	c.lift_high = interval.high;
	return c;
}
