/*
 * compare.c
 *		Tests and intervals for the difference and the lift of two arms.
 */
#include "compare.h"

#include <math.h>

#include "sequential.h"
#include "stats.h"

/* The data are looked at once, whenever that is. */
const Question default_question = {0.05, TWO_SIDED, 0.0, LIFT_DELTA, {0.0, NAN, NAN, 0.0}};

typedef struct Interval
{
	double low;
	double high;
} Interval;

static const Interval undefined_interval = {NAN, NAN};

/*
 * Degrees of freedom of a sum of squared standard errors e_i (Satterthwaite
 * 1946; Welch 1947, eq. 28):
 *
 *		(sum e_i)^2 / sum (e_i^2 / df_i)
 *
 * written in shares of the sum, so that no square under- or overflows.
 */
double
welch_df(double a, double df_a, double b, double df_b, double c, double df_c)
{
	double sum = a + b + c;

	return 1.0 /
		(a / sum * (a / sum) / df_a + b / sum * (b / sum) / df_b + c / sum * (c / sum) / df_c);
}

/* Is this a look that what is not spent on looks at any time may be spent on? */
bool
is_fixed_look(const Monitoring *monitoring, int64 n, int64 n_control)
{
	return monitoring->share < 1.0 && (double) (n + n_control) >= monitoring->planned_n;
}

/*
 * What a statistic is held against: at a fixed look Student's t, whose df may
 * be infinite; at looks at any time a mixture, of variance v in squared standard
 * errors.
 */
typedef struct Reference
{
	bool   fixed;
	double df;
	double v;
} Reference;

static const Reference normal_reference = {true, INFINITY, 0.0};

static Reference
reference(const Comparison *c, double df, const Question *question)
{
	const Monitoring *monitoring = &question->monitoring;
	Reference		  r = {is_fixed_look(monitoring, c->n, c->n_control), df, 0.0};

	r.v = isnan(monitoring->tau2) ? (double) (c->n + c->n_control) * monitoring->rho2
								  : monitoring->tau2 / c->std_error / c->std_error;
	return r;
}

static double
fixed_p_value(double statistic, double df, Alternative alternative)
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

/*
 * The smallest alpha at which one of its two shares rejects, which by
 * Bonferroni's inequality is a p-value.
 */
static double
p_value(double statistic, const Reference *r, const Question *question)
{
	double share = question->monitoring.share;
	double p = 1.0;

	if (r->fixed)
		p = fmin(p, fixed_p_value(statistic, r->df, question->alternative) / (1.0 - share));
	if (share > 0.0)
		p = fmin(p,
				 always_valid_p(question->alternative == LESS ? -statistic : statistic, r->v,
								question->alternative != TWO_SIDED) /
					 share);
	return p;
}

/*
 * Half the width of an interval in standard errors.  Where both shares of alpha
 * have an interval, each holds, and the narrower one lies in the other.
 */
static double
quantile(const Question *question, const Reference *r)
{
	double share = question->monitoring.share;
	double fixed_alpha = question->alpha * (1.0 - share);
	double q = INFINITY;

	if (r->fixed)
		q = student_t_isf(question->alternative == TWO_SIDED ? fixed_alpha / 2.0 : fixed_alpha,
						  r->df);
	if (share > 0.0)
		q = fmin(q,
				 always_valid_quantile(question->alpha * share, r->v,
									   question->alternative != TWO_SIDED));
	return q;
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
 * Squared errors of the treatment's and the control's estimate, their
 * covariance, and the degrees of freedom of what they share.
 */
typedef struct Errors
{
	double t;
	double c;
	double tc;
	double shared_df;
} Errors;

/*
 * Delta method: r = m_t / m_c has the squared error
 *
 *		(e_t - 2 r e_tc + r^2 e_c) / m_c^2
 *
 * (Deng, Knoblich and Lu 2018, eq. 3).
 */
static Interval
lift_delta(double lift, double t, double c, Errors e, double q)
{
	double	 r = t / c;
	double	 half = q * sqrt(fmax(e.t - 2.0 * r * e.tc + r * r * e.c, 0.0)) / fabs(c);
	Interval interval = {lift - half, lift + half};

	return interval;
}

/*
 * The delta method on log r, for means of one sign (Katz et al. 1978 for
 * proportions):
 *
 *		r exp(+-q sqrt(e_t / m_t^2 - 2 e_tc / (m_t m_c) + e_c / m_c^2))
 *
 * computed as r - 1, which for large means and small differences is all.
 */
static Interval
lift_log(double diff, double t, double c, Errors e, double q)
{
	double	 log_ratio = log1p(diff / c);
	double	 half = q * sqrt(fmax(e.t / t / t - 2.0 * e.tc / t / c + e.c / c / c, 0.0));
	Interval excess = {expm1(log_ratio - half), expm1(log_ratio + half)};

	return excess_to_lift(excess, c);
}

/*
 * Fieller (1954): the ratios r with (m_t - r m_c)^2 <= q^2 (e_t - 2 r e_tc +
 * r^2 e_c).  With x = r - 1 and d = m_t - m_c that is between the roots of
 *
 *		(m_c^2 - q^2 e_c) x^2 - 2 (d m_c + q^2 (e_c - e_tc)) x
 *			+ d^2 - q^2 (e_t - 2 e_tc + e_c) = 0
 *
 * Where the first coefficient is not positive, the control mean cannot be told
 * from zero, the set is unbounded, and no ratio is refused.
 */
static Interval
lift_fieller(double diff, double t, double c, Errors e, double q)
{
	double	 leading = c * c - q * q * e.c;
	double	 middle = diff * c + q * q * (e.c - e.tc);
	double	 constant = diff * diff - q * q * (e.t - 2.0 * e.tc + e.c);
	double	 discriminant = e.t * leading + e.c * t * t - 2.0 * t * c * e.tc + q * q * e.tc * e.tc;
	double	 root = fabs(q) * sqrt(fmax(discriminant, 0.0));
	double	 larger = middle + copysign(root, middle);
	double	 x1 = larger / leading;
	double	 x2 = larger == 0.0 ? 0.0 : constant / larger;
	Interval excess = {fmin(x1, x2), fmax(x1, x2)};
	Interval swapped = {excess.high, excess.low};
	Interval everything = {-INFINITY, INFINITY};

	if (!(leading > 0.0))
		return everything;

	/* A one-sided limit of alpha over one half lies beyond the estimate. */
	return excess_to_lift(q < 0.0 ? swapped : excess, c);
}

/*
 * Degrees of freedom for the log of a ratio, if the difference has any: those
 * of the relative errors, of the two arms and of what they share.
 */
static double
log_df(const Estimate *treatment, const Estimate *control, Errors e, double df)
{
	double t = treatment->value;
	double c = control->value;
	double shared_t = e.t - treatment->squared_error;
	double shared_c = e.c - control->squared_error;
	double both = fmax(shared_t / t / t - 2.0 * e.tc / t / c + shared_c / c / c, 0.0);
	double a = treatment->squared_error / t / t;
	double b = control->squared_error / c / c;

	if (isinf(df) || a + b + both == 0.0)
		return df;
	return welch_df(a, treatment->df, b, control->df, both, e.shared_df);
}

static Interval
lift_interval(const Comparison *comparison, const Estimate *treatment, const Estimate *control,
			  Errors errors, const Reference *r, const Question *question)
{
	double	  diff = comparison->diff;
	double	  t = treatment->value;
	double	  c = control->value;
	Reference log_reference = *r;
	Interval  interval = undefined_interval;

	if (isnan(comparison->lift) || !(errors.t + errors.c > 0.0))
		return interval;

	switch (question->lift_method)
	{
		case LIFT_DELTA:
			interval = lift_delta(comparison->lift, t, c, errors, quantile(question, r));
			break;
		case LIFT_LOG:
			if ((t > 0.0) != (c > 0.0) || t == 0.0)
				break;
			log_reference.df = log_df(treatment, control, errors, r->df);
			interval = lift_log(diff, t, c, errors, quantile(question, &log_reference));
			break;
		case LIFT_FIELLER:
			interval = lift_fieller(diff, t, c, errors, quantile(question, r));
			break;
	}
	return open_end(interval, question->alternative);
}

/* What is defined without any error: sizes, estimates, difference and lift. */
Comparison
compare_values(const Estimate *treatment, const Estimate *control, const Question *question,
			   const char *method)
{
	Comparison c = {0};

	c.n = treatment->n;
	c.n_control = control->n;
	c.estimate = treatment->value;
	c.estimate_control = control->value;
	c.diff = (treatment->value - control->value) + (treatment->low - control->low);
	c.lift = c.diff / fabs(control->value);

	/* Not defined: a control mean of 0, or what is out of a float8's range. */
	if (!isfinite(c.diff))
		c.diff = NAN;
	if (!isfinite(c.lift))
		c.lift = NAN;
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
 *		std_error = sqrt(e_t + e_c)
 *
 * and the t distribution with Welch's degrees of freedom, or what the question's
 * monitoring puts in its place.  What the estimates share, if anything, adds the
 * variance of its own difference.
 */
Comparison
compare_welch(const Estimate *treatment, const Estimate *control, const SharedError *shared,
			  const Question *question, const char *method)
{
	static const SharedError nothing = {0.0, 0.0, 0.0, 1.0};
	const SharedError		*s = shared != NULL ? shared : &nothing;
	double					 both = fmax(s->treatment - 2.0 * s->covariance + s->control, 0.0);
	Errors errors = {treatment->squared_error + s->treatment, control->squared_error + s->control,
					 s->covariance, s->df};
	Comparison c = compare_values(treatment, control, question, method);
	Reference  r;
	double	   half;
	Interval   interval;

	c.std_error = sqrt(treatment->squared_error + control->squared_error + both);
	c.statistic = (c.diff - question->null_diff) / c.std_error;
	if (!(c.std_error > 0.0 && isfinite(c.statistic)))
	{
		c.statistic = NAN;
		return c;
	}

	r = reference(&c,
				  welch_df(treatment->squared_error, treatment->df, control->squared_error,
						   control->df, both, s->df),
				  question);
	if (r.fixed)
		c.df = r.df;
	c.p_value = p_value(c.statistic, &r, question);

	half = quantile(question, &r) * c.std_error;
	interval.low = c.diff - half;
	interval.high = c.diff + half;
	interval = open_end(interval, question->alternative);
	c.diff_low = interval.low;
	c.diff_high = interval.high;

	interval = lift_interval(&c, treatment, control, errors, &r, question);
	c.lift_low = interval.low;
	c.lift_high = interval.high;
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
	double	 z = quantile(question, &normal_reference);
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
	Errors	   errors = {0.0, 0.0, 0.0, 1.0};
	Interval   interval;

	if (treatment->n == 0 || control->n == 0)
		return c;

	c.std_error = sqrt(variance_under_null(*treatment, *control, question->null_diff));
	if (c.std_error > 0.0)
	{
		c.statistic = (c.diff - question->null_diff) / c.std_error;
		c.p_value = p_value(c.statistic, &normal_reference, question);
	}

	interval = newcombe(treatment, control, c.diff, question);
	c.diff_low = interval.low;
	c.diff_high = interval.high;

	errors.t = pt * (1.0 - pt) / nt;
	errors.c = pc * (1.0 - pc) / nc;
	interval = lift_interval(&c, treatment, control, errors, &normal_reference, question);
	c.lift_low = interval.low;
	c.lift_high = interval.high;
	return c;
}
