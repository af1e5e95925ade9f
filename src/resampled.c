/*
 * resampled.c
 *		From the sums of a bootstrap to estimates and their replicates, and from
 *		these to a comparison.
 *
 * In a replicate of the Poisson bootstrap each unit has a weight of its own from
 * the Poisson distribution with mean 1, in place of the number of times that it
 * is drawn with replacement (Hanley and MacGibbon 2006; Chamandy, Muralidharan,
 * Najmi and Naidu 2012, section 3).
 */
#include "resampled.h"

#include <float.h>
#include <math.h>

#include "hash.h"
#include "orderstat.h"
#include "stats.h"

/* ---- estimates ---- */

/* A sum in units of 2^exponent. */
typedef struct Sum
{
	int128 units;
	int	   exponent;
} Sum;

static int
sum_exponent(const BootstrapSums *sums, int metric)
{
	return 32 * (sums->metrics[metric].top - (BOOTSTRAP_DIGITS - 1));
}

static int128
join_digits(int64 low, int64 middle, int64 high)
{
	return (((int128) high << 32) + middle) * ((int128) 1 << 32) + low;
}

static Sum
sample_sum(const BootstrapSums *sums, int metric)
{
	const int64 *digits = sums->metrics[metric].sample;
	Sum			 sum = {join_digits(digits[0], digits[1], digits[2]), sum_exponent(sums, metric)};

	return sum;
}

static Sum
replicate_sum(const Bootstrap *b, BootstrapSums *sums, int metric, int replicate)
{
	Sum sum = {join_digits(bootstrap_digits(b, sums, metric, 0)[replicate],
						   bootstrap_digits(b, sums, metric, 1)[replicate],
						   bootstrap_digits(b, sums, metric, 2)[replicate]),
			   sum_exponent(sums, metric)};

	return sum;
}

/* A number to twice the precision of a float8. */
typedef struct Pair
{
	double value;
	double low;
} Pair;

static const Pair undefined = {NAN, NAN};

/*
 * sum / count by division of integers: equal values have themselves as mean, to
 * the last bit.
 */
static Pair
divide_sum(Sum sum, int64 count)
{
	int128 quotient;
	double value;
	double low;
	Pair   mean;

	if (count == 0)
		return undefined;
	quotient = sum.units / count;
	value = (double) quotient;
	low = (double) (quotient - (int128) value) +
		(double) (sum.units - quotient * count) / (double) count;
	mean.value = ldexp(value + low, sum.exponent);
	mean.low = ldexp(low - ((value + low) - value), sum.exponent);
	return mean;
}

static double
deviation_from(Pair replicate, const Resampled *sample)
{
	return (replicate.value - sample->value) + (replicate.low - sample->low);
}

static Resampled
resampled(const Bootstrap *b, const Arm *arm)
{
	Resampled r = {0, NAN, NAN, 0.0, NULL, NULL};

	r.n = arm == NULL ? 0 : arm->n;
	r.deviation = palloc(2 * b->replicates * sizeof(double));
	r.linear = r.deviation + b->replicates;
	for (int i = 0; i < 2 * b->replicates; i++)
		r.deviation[i] = NAN;
	return r;
}

/*
 * The mean sum w y / sum w.  With m the sample's mean, n its rows and W the sum
 * of the weights, a replicate m* differs from m by, in the part that is linear
 * in the weights,
 *
 *		sum w (y - m) / n = W / n (m* - m)
 *
 * An arm without rows, NULL, and a replicate without weights have none.
 */
Resampled
resample_mean(const Bootstrap *b, const Arm *arm, int metric)
{
	Resampled	   r = resampled(b, arm);
	BootstrapSums *sums;
	Pair		   mean;

	if (arm == NULL)
		return r;
	sums = bootstrap_sums(b, arm);
	mean = divide_sum(sample_sum(sums, metric), r.n);
	r.value = mean.value;
	r.low = mean.low;
	for (int i = 0; i < b->replicates; i++)
	{
		int64 weights = bootstrap_weights(sums)[i];

		r.deviation[i] = deviation_from(divide_sum(replicate_sum(b, sums, metric, i), weights), &r);
		r.linear[i] = (double) weights / (double) r.n * r.deviation[i];
	}
	return r;
}

/*
 * The ratio R = sum w num / sum w den; with D the sample's sum of den and D* the
 * replicate's, the linear part of its difference from R is
 *
 *		sum w (num - R den) / D = D* / D (R* - R)
 */
Resampled
resample_ratio(const Bootstrap *b, const Arm *arm, int num, int den)
{
	Resampled	   r = resampled(b, arm);
	BootstrapSums *sums;
	Sum			   d;
	int			   exponent;

	if (arm == NULL)
		return r;
	sums = bootstrap_sums(b, arm);
	d = sample_sum(sums, den);
	if (d.units == 0)
		return r;
	exponent = sum_exponent(sums, num) - d.exponent;
	r.value = ldexp((double) sample_sum(sums, num).units / (double) d.units, exponent);
	r.low = 0.0;
	r.rounding = 8.0 * DBL_EPSILON * fabs(r.value);
	for (int i = 0; i < b->replicates; i++)
	{
		double numerator = (double) replicate_sum(b, sums, num, i).units;
		double denominator = (double) replicate_sum(b, sums, den, i).units;

		if (denominator == 0.0)
			continue;
		r.deviation[i] = ldexp(numerator / denominator, exponent) - r.value;
		r.linear[i] = denominator / (double) d.units * r.deviation[i];
	}
	return r;
}

/* ---- moments of replicates ---- */

static double
mean_of(const double *values, int count)
{
	double sum = 0.0;

	for (int i = 0; i < count; i++)
		sum += values[i];
	return sum / count;
}

/* Sum of the powers of the differences from the mean, in units of `scale`. */
static double
central_sum(const double *values, int count, int power, double scale)
{
	double mean = mean_of(values, count);
	double sum = 0.0;

	for (int i = 0; i < count; i++)
	{
		double x = (values[i] - mean) / scale;

		sum += power == 2 ? x * x : x * x * x;
	}
	return sum;
}

/*
 * The standard deviation, by a divisor.  A power of 2 near the largest value is
 * taken out first, so that no square over- or underflows.
 */
static double
standard_deviation(const double *values, int count, double divisor)
{
	double largest = 0.0;
	int	   exponent;

	for (int i = 0; i < count; i++)
		largest = fmax(largest, fabs(values[i]));
	(void) frexp(largest, &exponent);
	return ldexp(sqrt(central_sum(values, count, 2, ldexp(0.5, exponent)) / divisor), exponent - 1);
}

/* ---- quantiles ---- */

/* Probabilities of successive ranks, cumulated. */
typedef struct RankDistribution
{
	int64	first;
	int		count;
	double *cumulated;
} RankDistribution;

/*
 * Which order statistic the quantile p of a Poisson-bootstrapped sample of n is:
 * its rank is binomial with n + 1 trials of probability p (Schultzberg and
 * Ankargren 2022), here kept within 1 .. n.  The probabilities come from their
 * ratios, outwards from the mode, as far as 12 standard deviations.
 */
static RankDistribution
rank_distribution(int64 n, double p)
{
	double			 trials = (double) n + 1.0;
	double			 spread = 12.0 * sqrt(trials * p * (1.0 - p)) + 40.0;
	int64			 mode = Min(n + 1, (int64) ((trials + 1.0) * p));
	int64			 last = (int64) fmin(trials, (double) mode + spread);
	RankDistribution d;
	double			 sum = 0.0;

	d.first = (int64) fmax(0.0, (double) mode - spread);
	d.count = (int) (last - d.first + 1);
	d.cumulated = palloc(d.count * sizeof(double));
	d.cumulated[mode - d.first] = 1.0;
	for (int64 k = mode + 1; k <= last; k++)
		d.cumulated[k - d.first] = d.cumulated[k - 1 - d.first] *
			((trials - (double) k + 1.0) / (double) k) * (p / (1.0 - p));
	for (int64 k = mode - 1; k >= d.first; k--)
		d.cumulated[k - d.first] = d.cumulated[k + 1 - d.first] *
			((double) (k + 1) / (trials - (double) k)) * ((1.0 - p) / p);

	for (int i = 0; i < d.count; i++)
	{
		sum += d.cumulated[i];
		d.cumulated[i] = sum;
	}
	for (int i = 0; i < d.count; i++)
		d.cumulated[i] /= sum;
	return d;
}

/* The rank whose cumulated probability is the first above u, 0 <= u < 1. */
static int64
rank_at(const RankDistribution *d, int64 n, double u)
{
	int low = 0;
	int high = d->count - 1;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (d->cumulated[middle] <= u)
			low = middle + 1;
		else
			high = middle;
	}
	return Min(n, Max(1, d->first + low));
}

/* The quantile p with interpolation, as PostgreSQL's percentile_cont. */
static double
sample_quantile(const ValueTable *table, const int64 *ends, int64 n, double p)
{
	QuantilePoint point = quantile_point(p, n);

	return quantile_between(value_table_at(table, ends, point.rank),
							value_table_at(table, ends, point.next), point.fraction);
}

/*
 * The linear parts of the replicates of a quantile.  To first order the rank r
 * lies as far from n p as the weights below the quantile from their share, on
 * the other side, and the quantile moves by
 *
 *		sum w_i (p - 1{x_i <= q}) / (n f)
 *
 * f the density there.  Its skewness is that of (n + 1) p - r, and 1 / (n f) is
 * taken as the ratio of the standard deviations of replicates and ranks.
 */
static void
linearise_ranks(Resampled *r, int replicates, double p)
{
	double trials = (double) r->n + 1.0;
	double slope =
		standard_deviation(r->deviation, replicates, replicates) / sqrt(trials * p * (1.0 - p));

	for (int i = 0; i < replicates; i++)
		r->linear[i] = slope * (trials * p - r->linear[i]);
}

/*
 * The quantile p, 0 < p < 1.  A replicate's rank is drawn by a number that is a
 * function of the arm's label, the seed and the number of the replicate.
 */
Resampled
resample_quantile(const Bootstrap *b, const Arm *arm, double p)
{
	Resampled		  r = resampled(b, arm);
	const ValueTable *table;
	RankDistribution  ranks;
	int64			 *ends;
	uint64			  key;

	if (arm == NULL)
		return r;
	table = bootstrap_values(b, arm);
	ends = palloc(table->distinct * sizeof(int64));
	for (int i = 0; i < table->distinct; i++)
		ends[i] = table->counts[i] + (i > 0 ? ends[i - 1] : 0);

	r.value = sample_quantile(table, ends, r.n, p);
	r.low = 0.0;
	ranks = rank_distribution(r.n, p);
	key = poisson_key(farm_fingerprint64(arm->label, arm_label_length(arm)), b->seed);
	for (int i = 0; i < b->replicates; i++)
	{
		double u = ldexp((double) (poisson_key(key, i) >> 11), -53);
		int64  rank = rank_at(&ranks, r.n, u);

		r.deviation[i] = value_table_at(table, ends, rank) - r.value;
		r.linear[i] = (double) rank;
	}
	linearise_ranks(&r, b->replicates, p);
	pfree(ends);
	pfree(ranks.cumulated);
	return r;
}

/* ---- distributions ---- */

/* The replicates of a statistic as differences from the sample's, and its linear parts. */
typedef struct Distribution
{
	int		count;
	double *deviation; /* in ascending order */
	double *linear;
} Distribution;

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static Distribution
distribution_start(int replicates)
{
	Distribution d = {0, NULL, NULL};

	d.deviation = palloc(replicates * sizeof(double));
	d.linear = palloc(replicates * sizeof(double));
	return d;
}

/* A replicate in which the statistic is not defined does not count. */
static void
distribution_add(Distribution *d, double deviation, double linear)
{
	if (!isfinite(deviation) || !isfinite(linear))
		return;
	d->deviation[d->count] = deviation;
	d->linear[d->count++] = linear;
}

/*
 * Has the statistic a distribution: replicates, most of them defined, that
 * differ by more than rounding?
 */
static bool
distribution_finish(Distribution *d, int replicates, double rounding)
{
	if (2 * d->count < replicates)
		return false;
	qsort(d->deviation, d->count, sizeof(double), compare_doubles);
	return d->deviation[d->count - 1] - d->deviation[0] > rounding;
}

static void
distribution_free(Distribution *d)
{
	pfree(d->deviation);
	pfree(d->linear);
}

/* The share q of the replicates, interpolated (Hyndman and Fan 1996, definition 7). */
static double
distribution_quantile(const Distribution *d, double q)
{
	double position = q * (d->count - 1);
	int	   below = (int) floor(position);
	int	   above = Min(below + 1, d->count - 1);

	return d->deviation[below] + (position - below) * (d->deviation[above] - d->deviation[below]);
}

/* How many replicates differ from the sample by less than x, and by exactly x. */
static void
count_below(const Distribution *d, double x, int *below, int *equal)
{
	*below = *equal = 0;
	for (int i = 0; i < d->count; i++)
	{
		*below += d->deviation[i] < x;
		*equal += d->deviation[i] == x;
	}
}

/* ---- intervals ---- */

/*
 * Bias correction and acceleration (Efron 1987; Efron and Tibshirani 1993, section
 * 14.3): the interval at level a ends at the share of the replicates
 *
 *		Phi(z0 + (z0 + z_a) / (1 - acceleration (z0 + z_a)))
 *
 * Zeros leave it as it is: the percentile interval.
 */
typedef struct Correction
{
	double z0;
	double acceleration;
} Correction;

/*
 * z0 is the normal quantile of the share of replicates below the sample's
 * statistic, those equal to it counting half.
 *
 * The acceleration is sum l^3 / (6 (sum l^2)^1.5) over the units' influences l
 * (Efron and Tibshirani 1993, eq. 14.15).  All cumulants of the Poisson distribution with mean 1
 * are 1, so that sum l^2 and sum l^3 are the variance and the third central
 * moment of sum w l, the linear part of a replicate: the acceleration is a sixth
 * of the skewness of these, here over the replicates.
 */
static Correction
correction(const Distribution *d, BootstrapMethod method)
{
	Correction c = {0.0, 0.0};
	int		   below;
	int		   equal;
	double	   scale;

	if (method == BOOTSTRAP_PERCENTILE)
		return c;
	count_below(d, 0.0, &below, &equal);
	c.z0 = -normal_isf((below + equal / 2.0) / d->count);

	scale = standard_deviation(d->linear, d->count, d->count);
	if (scale > 0.0)
		c.acceleration = central_sum(d->linear, d->count, 3, scale) / d->count / 6.0;
	return c;
}

/* The end of a one-sided interval at level a, as a difference from the sample's. */
static double
limit(const Distribution *d, Correction c, double a)
{
	double z = c.z0 - normal_isf(a);
	double shrink = 1.0 - c.acceleration * z;

	if (!isfinite(c.z0) || !(shrink > 0.0))
		return NAN;
	return distribution_quantile(d, normal_sf(-(c.z0 + z / shrink)));
}

static void
set_interval(const Distribution *d, Correction c, double centre, const Question *question,
			 double *low, double *high)
{
	double a = question->alternative == TWO_SIDED ? question->alpha / 2.0 : question->alpha;

	*low = question->alternative == LESS ? -INFINITY : centre + limit(d, c, a);
	*high = question->alternative == GREATER ? INFINITY : centre + limit(d, c, 1.0 - a);
	if (isnan(*low) || isnan(*high))
		*low = *high = NAN;
}

/*
 * The level whose interval ends at a given share of the replicates: the inverse
 * of the correction.
 */
static double
level_of_share(double share, Correction c)
{
	double w = -normal_isf(share) - c.z0;
	double stretch = 1.0 + c.acceleration * w;

	if (isinf(w) || !(stretch > 0.0))
		return w < 0.0 ? 0.0 : 1.0;
	return normal_sf(c.z0 - w / stretch);
}

/*
 * The p-value is the smallest alpha whose interval leaves out null_diff.  With B
 * replicates a tail is no smaller than 1 / (B + 1): the sample itself counts as
 * one (Davison and Hinkley 1997, section 4.2).
 */
static double
p_value(const Distribution *d, Correction c, double null_deviation, Alternative alternative)
{
	double least = 1.0 / (d->count + 1.0);
	int	   below;
	int	   equal;
	double greater;
	double less;

	if (!isfinite(c.z0))
		return NAN;
	count_below(d, null_deviation, &below, &equal);
	greater = level_of_share((below + equal + 1) * least, c);
	less = 1.0 - level_of_share(below * least, c);
	greater = fmax(greater, least);
	less = fmax(less, least);
	switch (alternative)
	{
		case GREATER:
			return greater;
		case LESS:
			return less;
		default:
			return fmin(1.0, 2.0 * fmin(greater, less));
	}
}

/* ---- comparison ---- */

/* The difference: deviations and linear parts are those of the arms, subtracted. */
static void
set_diff(Comparison *c, const Resampled *treatment, const Resampled *control, int replicates,
		 const Question *question, BootstrapMethod method)
{
	Distribution d = distribution_start(replicates);
	Correction	 corrected;

	for (int i = 0; i < replicates; i++)
		distribution_add(&d, treatment->deviation[i] - control->deviation[i],
						 treatment->linear[i] - control->linear[i]);
	if (!isnan(c->diff) &&
		distribution_finish(&d, replicates, treatment->rounding + control->rounding))
	{
		corrected = correction(&d, method);
		c->std_error = standard_deviation(d.deviation, d.count, d.count - 1.0);
		c->statistic = (c->diff - question->null_diff) / c->std_error;
		c->p_value = p_value(&d, corrected, question->null_diff - c->diff, question->alternative);
		set_interval(&d, corrected, c->diff, question, &c->diff_low, &c->diff_high);
	}
	distribution_free(&d);
}

/*
 * The lift (t - c) / |c|.  Its linear part is that of r = t / c, up to a factor:
 *
 *		linear(t) - r linear(c)
 */
static void
set_lift(Comparison *c, const Resampled *treatment, const Resampled *control, int replicates,
		 const Question *question, BootstrapMethod method)
{
	double		 r = treatment->value / control->value;
	Distribution d = distribution_start(replicates);

	for (int i = 0; i < replicates; i++)
	{
		double diff = c->diff + treatment->deviation[i] - control->deviation[i];

		distribution_add(&d, diff / fabs(control->value + control->deviation[i]) - c->lift,
						 treatment->linear[i] - r * control->linear[i]);
	}
	if (!isnan(c->lift) &&
		distribution_finish(&d, replicates,
							(treatment->rounding + fabs(r) * control->rounding) /
								fabs(control->value)))
		set_interval(&d, correction(&d, method), c->lift, question, &c->lift_low, &c->lift_high);
	distribution_free(&d);
}

/*
 * Percentile or BCa intervals of the difference and of the lift.  The units of
 * two arms are drawn independently of each other, so that the replicates of the
 * difference are the differences of those of the arms.
 */
Comparison
compare_resampled(const Resampled *treatment, const Resampled *control, int replicates,
				  const Question *question, BootstrapMethod method, const char *name)
{
	Estimate   t = {treatment->n, treatment->value, treatment->low, NAN, NAN};
	Estimate   e = {control->n, control->value, control->low, NAN, NAN};
	Comparison c = compare_values(&t, &e, question, name);

	if (c.n < 2 || c.n_control < 2)
		return c;
	set_diff(&c, treatment, control, replicates, question, method);
	set_lift(&c, treatment, control, replicates, question, method);
	return c;
}
