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

/* The estimate's squared standard error. */
static double
squared_error(const Estimate *estimate)
{
	return estimate->variance / (double) estimate->n;
}

/*
 * Degrees of freedom of the sum of two squared standard errors a and b
 * (Satterthwaite 1946; Welch 1947, eq. 28):
 *
 *		(a + b)^2 / (a^2 / (n_a - 1) + b^2 / (n_b - 1))
 *
 * written in shares of a + b, so that no square under- or overflows.
 */
static double
welch_df(double a, int64 na, double b, int64 nb)
{
	double share_a = a / (a + b);
	double share_b = b / (a + b);

	return 1.0 / (share_a * share_a / (double) (na - 1) + share_b * share_b / (double) (nb - 1));
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
 * From the limits of the ratio r = m_t / m_c to those of the lift
 * (m_t - m_c) / |m_c|, which is r - 1, or 1 - r under a negative control.
 */
static Interval
ratio_to_lift(Interval ratio, double control)
{
	Interval lift;

	lift.low = control > 0.0 ? ratio.low - 1.0 : 1.0 - ratio.high;
	lift.high = control > 0.0 ? ratio.high - 1.0 : 1.0 - ratio.low;
	return lift;
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
 * The delta method on log(m_t / m_c), for means of one sign (Katz et al. 1978
 * for proportions):
 *
 *		r exp(+-q sqrt(a / m_t^2 + b / m_c^2))
 */
static Interval
lift_log(double treatment, double a, double control, double b, double q)
{
	double	 ratio = treatment / control;
	double	 half = q * sqrt(a / treatment / treatment + b / control / control);
	Interval interval = {ratio * exp(-half), ratio * exp(half)};

	if (!(ratio > 0.0))
		return undefined_interval;
	return ratio_to_lift(interval, control);
}

/*
 * Fieller (1954): the ratios r with (m_t - r m_c)^2 <= q^2 (a + r^2 b), that
 * is between the roots of
 *
 *		(m_c^2 - q^2 b) r^2 - 2 m_t m_c r + (m_t^2 - q^2 a) = 0
 *
 * Where the first coefficient is not positive, the control mean cannot be told
 * from zero, the set is unbounded, and no ratio is refused.
 */
static Interval
lift_fieller(double treatment, double a, double control, double b, double q)
{
	double	 leading = control * control - q * q * b;
	double	 middle = treatment * control;
	double	 root = q * sqrt(a * leading + b * treatment * treatment);
	Interval interval = {-INFINITY, INFINITY};

	if (leading > 0.0)
	{
		interval.low = (middle - root) / leading;
		interval.high = (middle + root) / leading;
	}
	return ratio_to_lift(interval, control);
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
	return welch_df(a / t / t, treatment->n, b / c / c, control->n);
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
				interval =
					lift_log(t, a, c, b, quantile(question, log_df(treatment, a, control, b, df)));
			break;
		case LIFT_FIELLER:
			interval = lift_fieller(t, a, c, b, quantile(question, df));
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
	double	   a = squared_error(treatment);
	double	   b = squared_error(control);
	double	   half;
	Interval   diff;
	Interval   lift;

	c.std_error = sqrt(a + b);
	if (!(c.std_error > 0.0))
		return c;

	c.statistic = (c.diff - question->null_diff) / c.std_error;
	c.df = welch_df(a, treatment->n, b, control->n);
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
 * Maximum likelihood estimate of the treatment's proportion under the
 * hypothesis p_t - p_c = d (Farrington and Manning 1990, appendix: the middle
 * root of the likelihood equation's cubic).  For d = 0 it is the pooled
 * proportion.
 */
static double
restricted_proportion(const Estimate *treatment, const Estimate *control, double d)
{
	double theta = (double) control->n / (double) treatment->n;
	double pt = treatment->value;
	double pc = control->value;
	double a;
	double b;
	double c;
	double v;
	double u;
	double cosine;

	if (d == 0.0)
		return (pt + theta * pc) / (1.0 + theta);

	a = 1.0 + theta;
	b = -(1.0 + theta + pt + theta * pc + d * (theta + 2.0)) / a;
	c = (d * d + d * (2.0 * pt + theta + 1.0) + pt + theta * pc) / a;
	v = b * b * b / 27.0 - b * c / 6.0 - pt * d * (1.0 + d) / (2.0 * a);
	u = copysign(sqrt(fmax(b * b / 9.0 - c / 3.0, 0.0)), v);
	cosine = u == 0.0 ? 0.0 : fmin(fmax(v / (u * u * u), -1.0), 1.0);
	return 2.0 * u * cos((M_PI + acos(cosine)) / 3.0) - b / 3.0;
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

	interval.low = diff - hypot(pt - t.low, c.high - pc);
	interval.high = diff + hypot(t.high - pt, pc - c.low);
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
	double	   under_null;
	double	   under_null_control;
	Interval   interval;

	if (treatment->n == 0 || control->n == 0)
		return c;

	under_null = restricted_proportion(treatment, control, question->null_diff);
	under_null_control = under_null - question->null_diff;
	c.std_error = sqrt(fmax(under_null * (1.0 - under_null) / nt +
								under_null_control * (1.0 - under_null_control) / nc,
							0.0));
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
