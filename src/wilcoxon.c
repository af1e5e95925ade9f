/*
 * wilcoxon.c
 *		The Mann-Whitney (Wilcoxon rank-sum) test of two samples.
 *
 * n and m are the sizes of treatment and control, N = n + m.
 */
#include "wilcoxon.h"

#include <math.h>
#include <string.h>

#include "stats.h"

/* Below this size of both samples, without ties, the p-value is exact, as in R. */
#define EXACT_SIZE 50

RankSums
rank_sums_start(double n_t, double n_c)
{
	RankSums sums = {0};

	sums.n_t = n_t;
	sums.n_c = n_c;
	return sums;
}

/*
 * The next larger value, which so many units of treatment and of control have.
 *
 * The placement of a unit is the share of the other sample that lies on its
 * far side: below it for a unit of the treatment, above it for one of the
 * control, ties counting one half.  The mean of either sample's placements is
 * the probability of superiority.
 */
void
rank_sums_add(RankSums *sums, double ties_t, double ties_c)
{
	double all = sums->n_t + sums->n_c;
	double t = ties_t + ties_c;
	double beaten = sums->below_c + ties_c / 2.0;
	double above_t = sums->n_t - sums->below_t - ties_t / 2.0;

	sums->u += ties_t * beaten;
	sums->ties += t * (all - t) * (all + t);
	sums->tied = sums->tied || t > 1.0;
	spread_add(&sums->placements_t, beaten / sums->n_c, ties_t);
	spread_add(&sums->placements_c, above_t / sums->n_t, ties_c);
	sums->below_t += ties_t;
	sums->below_c += ties_c;
}

/*
 * P(U <= u) without ties, u <= n m / 2, n and m below EXACT_SIZE.
 *
 * The number of orders with U = k is the coefficient of q^k in the Gaussian
 * binomial (Mann and Whitney 1947; Andrews 1976, "The Theory of Partitions",
 * theorem 3.1)
 *
 *		prod_{i=1..n} (1 - q^(m+i)) / (1 - q^i)
 *
 * multiplied out factor by factor: every product so far is a Gaussian binomial
 * itself, its coefficients are counts, and those up to u need no others.
 */
static double
exact_lower_tail(int n, int m, int u)
{
	double count[(EXACT_SIZE - 1) * (EXACT_SIZE - 1) / 2 + 1] = {1.0};
	double tail = 0.0;
	double orders = 1.0;

	for (int i = 1; i <= n; i++)
	{
		for (int k = u; k >= m + i; k--)
			count[k] -= count[k - m - i];
		for (int k = i; k <= u; k++)
			count[k] += count[k - i];
		orders = orders * (m + i) / i;
	}
	for (int k = 0; k <= u; k++)
		tail += count[k];
	return tail / orders;
}

/*
 * U has mean n m / 2 and under the hypothesis of equal distributions, given
 * the ties, the variance
 *
 *		n m / 12 (N + 1 - sum (t^3 - t) / (N (N - 1)))
 *
 * t the number of units at each distinct value (Lehmann 1975,
 * "Nonparametrics", eq. 1.34).  With N = sum t that is
 *
 *		n m / (12 N (N - 1)) sum t (N - t) (N + t)
 *
 * in which nothing cancels, however many units share a value.  The continuity
 * correction takes 1/2 from the distance of U to its mean.
 */
static double
rank_z(const RankSums *sums, bool continuity)
{
	double n = sums->n_t;
	double m = sums->n_c;
	double all = n + m;
	double distance = sums->u - n * m / 2.0;
	double variance = n / all * m / (all - 1.0) / 12.0 * sums->ties;

	if (!(variance > 0.0))
		return NAN;
	if (continuity)
		distance = copysign(fmax(fabs(distance) - 0.5, 0.0), distance);
	return distance / sqrt(variance);
}

/*
 * Newcombe (2006), "Confidence intervals for an effect size measure based on
 * the Mann-Whitney statistic. Part 2", method 5, for an estimate of 1: the
 * lower end is the root of
 *
 *		(1 - s)^2 = z^2 V(s)
 *		V(s) = s (1 - s) (1 + n* ((1 - s) / (2 - s) + s / (1 + s))) / (n m)
 *
 * n* = N / 2 - 1, z the normal quantile.
 */
static double
complete_separation_low(double n, double m, double alpha)
{
	double z = normal_isf(alpha / 2.0);
	double low = 0.0;
	double high = 1.0;

	for (;;)
	{
		double s = low + (high - low) / 2.0;
		double v = s * (1.0 + ((n + m) / 2.0 - 1.0) * ((1.0 - s) / (2.0 - s) + s / (1.0 + s)));

		if (s <= low || s >= high)
			return s;
		if ((1.0 - s) * n * m > z * z * v)
			low = s;
		else
			high = s;
	}
}

/*
 * Interval of the probability of superiority s, without the assumption that
 * the distributions are alike: its squared error is the sum over both samples
 * of the variance of their placements over their size, with Satterthwaite's
 * degrees of freedom (Brunner and Munzel 2000, "The nonparametric
 * Behrens-Fisher problem"), on the scale of log(s / (1 - s)), so that the
 * interval stays within 0 and 1.
 *
 * Where one sample lies wholly above the other the placements do not vary, and
 * Newcombe's interval takes over.
 */
static void
superiority_interval(RankTest *test, const RankSums *sums, double alpha)
{
	double n = sums->n_t;
	double m = sums->n_c;
	double s = test->superiority;
	double other = (n * m - sums->u) / (n * m);
	double e_t = sums->placements_t.squares / (n - 1.0) / n;
	double e_c = sums->placements_c.squares / (m - 1.0) / m;
	double error = e_t + e_c;
	double half;

	if (n < 2.0 || m < 2.0)
		return;
	if (s == 0.0 || other == 0.0)
	{
		double low = complete_separation_low(n, m, alpha);

		test->superiority_low = s == 0.0 ? 0.0 : low;
		test->superiority_high = s == 0.0 ? 1.0 - low : 1.0;
		return;
	}
	if (!(error > 0.0))
		return;

	half = sqrt(error) / s / other *
		student_t_isf(alpha / 2.0,
					  1.0 /
						  (e_t / error * (e_t / error) / (n - 1.0) +
						   e_c / error * (e_c / error) / (m - 1.0)));
	test->superiority_low = s / (s + other * exp(half));
	test->superiority_high = s / (s + other * exp(-half));
}

RankTest
rank_test(const RankSums *sums, bool continuity, double alpha)
{
	double	 n = sums->n_t;
	double	 m = sums->n_c;
	RankTest test = {NAN, NAN, NAN, NAN, NAN, NAN, false};

	if (n == 0.0 || m == 0.0)
		return test;

	test.u = sums->u;
	test.superiority = sums->u / (n * m);
	test.z = rank_z(sums, continuity);
	test.exact = n < EXACT_SIZE && m < EXACT_SIZE && !sums->tied;
	if (test.exact)
		test.p_value = fmin(
			1.0, 2.0 * exact_lower_tail((int) n, (int) m, (int) fmin(sums->u, n * m - sums->u)));
	else if (!isnan(test.z))
		test.p_value = 2.0 * normal_sf(fabs(test.z));
	superiority_interval(&test, sums, alpha);
	return test;
}
