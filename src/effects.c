/*
 * effects.c
 *		Effects with known standard errors, of segments or days, together.
 *
 * With y_i the effects, e_i their standard errors and w_i = 1/e_i^2, all sums
 * are weighted by w_i and centred, updated one by one (West 1979, "Updating mean
 * and variance estimates", Comm. ACM 22(9), 532-535) and merged by the formula
 * of Chan, Golub and LeVeque (1979, eq. 2.1) with weights in place of counts.
 */
#include "effects.h"

#include <math.h>

#include "stats.h"

/* The level of the intervals. */
#define ALPHA 0.05

/*
 * Merge sums that hold at least one effect.  A sum of a single effect has no
 * squares, so that this adds one, too.
 */
static void
merge(Effects *into, const Effects *from)
{
	double total = into->weight + from->weight;
	double share = from->weight / total;
	double dx = from->mean_x - into->mean_x;
	double dy = from->mean - into->mean;
	double factor = into->weight * share;

	into->mean_x += share * dx;
	into->mean += share * dy;
	into->sxx += from->sxx + factor * dx * dx;
	into->sxy += from->sxy + factor * dx * dy;
	into->syy += from->syy + factor * dy * dy;
	into->first = fmin(into->first, from->first);
	into->last = fmax(into->last, from->last);
	into->count += from->count;
	into->weight = total;
}

void
effects_merge(Effects *into, const Effects *from)
{
	double left_out = into->left_out + from->left_out;

	if (into->count == 0.0)
		*into = *from;
	else if (from->count > 0.0)
		merge(into, from);
	into->left_out = left_out;
}

/* An effect whose weight is 0 or out of range is left out. */
void
effects_add_weighted(Effects *sums, double x, double effect, double weight)
{
	Effects one = {1.0, 0.0, x, x, weight, x, effect, 0.0, 0.0, 0.0};

	if (isfinite(effect) && weight > 0.0 && isfinite(weight))
		effects_merge(sums, &one);
	else
		sums->left_out++;
}

/* So is an effect without an error. */
void
effects_add(Effects *sums, double x, double effect, double std_error)
{
	effects_add_weighted(sums, x, effect, 1.0 / std_error / std_error);
}

static Effect
normal_test(double value, double std_error)
{
	Effect effect = {value, std_error, NAN, NAN, NAN, NAN};
	double half = normal_isf(ALPHA / 2.0) * std_error;

	effect.statistic = value / std_error;
	effect.p_value = 2.0 * normal_sf(fabs(effect.statistic));
	effect.low = value - half;
	effect.high = value + half;
	return effect;
}

static const Effect undefined_effect = {NAN, NAN, NAN, NAN, NAN, NAN};

/*
 * The inverse-variance mean, sum w_i y_i / sum w_i, with the standard error
 * 1/sqrt(sum w_i) (Cochran 1954, "The combination of estimates from different
 * experiments", Biometrics 10, 101-129).
 */
Effect
effects_mean(const Effects *sums)
{
	if (!(sums->count > 0.0 && isfinite(sums->mean)))
		return undefined_effect;
	return normal_test(sums->mean, 1.0 / sqrt(sums->weight));
}

/*
 * The slope of the weighted least squares line through the effects, with
 * variances that are known and not estimated from the scatter around it
 * (Thompson and Higgins 2002, "How should meta-regression analyses be
 * undertaken and interpreted?", Stat. Med. 21, 1559-1573, the fixed effect):
 *
 *		slope = sxy/sxx,	std_error = 1/sqrt(sxx)
 */
Effect
effects_slope(const Effects *sums)
{
	if (!(sums->last > sums->first && sums->sxx > 0.0 && isfinite(sums->sxx) &&
		  isfinite(sums->sxy)))
		return undefined_effect;
	return normal_test(sums->sxy / sums->sxx, 1.0 / sqrt(sums->sxx));
}

/* The effect on that line. */
double
effects_fitted(const Effects *sums, double x)
{
	return sums->mean + effects_slope(sums).value * (x - sums->mean_x);
}

/*
 * Cochran's Q = sum w_i (y_i - mean)^2, chi-square with k - 1 degrees of freedom
 * if the effects are one (Cochran 1954), and what part of their scatter is not
 * chance, I^2 = (Q - df)/Q (Higgins and Thompson 2002, "Quantifying heterogeneity
 * in a meta-analysis", Stat. Med. 21, 1539-1558), 0 if that is negative.
 */
Heterogeneity
effects_heterogeneity(const Effects *sums)
{
	Heterogeneity result = {NAN, sums->count > 0.0 ? (int) sums->count - 1 : 0, NAN, NAN};

	if (result.df < 1 || !isfinite(sums->syy))
		return result;
	result.q = sums->syy;
	result.p_value = chisq_sf(result.q, result.df);
	result.i_squared = result.q > result.df ? (result.q - result.df) / result.q : 0.0;
	return result;
}
