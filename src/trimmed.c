/*
 * trimmed.c
 *		The trimmed mean of a sample, and its error.
 */
#include "trimmed.h"

#include <math.h>

Trimmed
trimmed_start(double trim, int64 n)
{
	Trimmed trimmed = {0};

	trimmed.n = n;
	trimmed.cut = (int64) floor(trim * (double) n);
	return trimmed;
}

void
trimmed_add(Trimmed *trimmed, double value)
{
	if (trimmed->kept.n == 0.0)
		trimmed->first = value;
	trimmed->last = value;
	spread_add(&trimmed->kept, value - trimmed->first, 1.0);
}

/*
 * With g = floor(trim n) values cut off at either end and h = n - 2 g kept, the
 * trimmed mean has the squared error
 *
 *		sum (w - mean w)^2 / (h (h - 1)),		h - 1 degrees of freedom,
 *
 * w the sample with the values cut off replaced by the nearest one kept, the
 * Winsorized sample (Yuen 1974, "The two-sample trimmed t for unequal
 * population variances", section 2).
 */
Estimate
trimmed_estimate(const Trimmed *trimmed)
{
	double	 h = trimmed->kept.n;
	Spread	 winsorized = trimmed->kept;
	Estimate estimate = {trimmed->n, NAN, 0.0, NAN, NAN};

	if (h == 0.0)
		return estimate;

	estimate.value = trimmed->first;
	add_exactly(&estimate.value, &estimate.low, trimmed->kept.mean);
	if (h > 1.0)
	{
		spread_add(&winsorized, 0.0, (double) trimmed->cut);
		spread_add(&winsorized, trimmed->last - trimmed->first, (double) trimmed->cut);
		estimate.df = h - 1.0;
		estimate.squared_error = winsorized.squares / estimate.df / h;
	}
	return estimate;
}
