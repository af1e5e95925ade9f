/*
 * orderstat.c
 *		Quantiles of a sample and their errors, from its order statistics.
 */
#include "orderstat.h"

#include <math.h>

#include "stats.h"

/*
 * Where the p-quantile of n values lies: h = (n - 1) p ranks above the first
 * (Hyndman and Fan 1996, definition 7; PostgreSQL's percentile_cont).
 */
QuantilePoint
quantile_point(double p, int64 n)
{
	double		  h = p * (double) (n - 1);
	double		  whole = floor(h);
	int64		  rank = (int64) whole + 1;
	QuantilePoint point = {rank, Min(rank + 1, n), h - whole};

	return point;
}

/* Halves, so that no difference of two float8 overflows. */
double
quantile_between(double value, double next, double fraction)
{
	return value + 2.0 * fraction * (next / 2.0 - value / 2.0);
}

/*
 * The outer confidence interval of a quantile of independent values (Deng,
 * Knoblich and Lu 2018, section 4): the order statistics around n p of ranks
 *
 *		floor(n p - w),	floor(n p + w) + 1,		w = z sqrt(n p (1 - p)),
 *
 * because the number of values below the quantile is binomial.  It is not
 * defined where one of them would lie outside of the sample.
 */
QuantileRanks
quantile_ranks(double p, int64 n, double alpha)
{
	double		  centre = (double) n * p;
	double		  w = normal_isf(alpha / 2.0) * sqrt(centre * (1.0 - p));
	double		  low = floor(centre - w);
	double		  high = floor(centre + w) + 1.0;
	QuantileRanks ranks = {0, 0};

	if (low >= 1.0 && high <= (double) n)
	{
		ranks.low = (int64) low;
		ranks.high = (int64) high;
	}
	return ranks;
}

/* A unit with so many values, so many of them at or below the quantile. */
void
cluster_add(ClusterSums *sums, double p, double values, double below)
{
	double r = below - p * values;

	sums->units += 1.0;
	sums->values += values;
	sums->below += below;
	sums->squares += r * r;
	sums->products += r * values;
	sums->squares_v += values * values;
}

/*
 * How much wider the interval is because values of a unit are alike: the
 * standard error of the share F of values at or below the quantile, a ratio of
 * two means over the K units, by the delta method (Deng, Knoblich and Lu 2018,
 * eq. 3 and section 4), over that of n independent values:
 *
 *		K / (K - 1) sum (s - F v)^2 / n^2,		p (1 - p) / n
 *
 * The sum is that of (r - d v)^2 with d = F - p, which is small.
 */
double
cluster_inflation(const ClusterSums *sums, double p)
{
	double d = sums->below / sums->values - p;
	double squares = sums->squares - 2.0 * d * sums->products + d * d * sums->squares_v;

	if (sums->units < 2.0)
		return NAN;
	return sqrt(sums->units / (sums->units - 1.0) * fmax(squares, 0.0) / sums->values / p /
				(1.0 - p));
}

/*
 * The standard error of a quantile is that which gives the outer interval,
 * (high - low) / (2 z), adjusted afterwards for the clusters.
 */
Estimate
quantile_estimate(int64 units, double value, double low, double high, double inflation,
				  double alpha)
{
	double	 z = normal_isf(alpha / 2.0);
	double	 error = inflation * (high / (2.0 * z) - low / (2.0 * z));
	Estimate estimate = {units, value, 0.0, error * error, INFINITY};

	return estimate;
}
