/*
 * strata.c
 *		Post-stratification (Miratrix, Sekhon and Yu 2013, "Adjusting treatment
 *		effect estimates by post-stratification in randomized experiments").
 *
 * With N_s the units of stratum s and N those of all strata, an arm's estimate
 * and its squared error are
 *
 *		sum_s N_s / N mean_s,		sum_s (N_s / N)^2 s_s^2 / n_s
 *
 * and the degrees of freedom those of the sum (Satterthwaite 1946).  The strata
 * and their shares are those of the units at hand: how they would vary in other
 * samples, which matters where effects differ between strata, is no part of it.
 */
#include "strata.h"

#include <math.h>

static void
add_arm(StratifiedArm *sums, const Moments *m, const Arm *arm, int metric, double weight)
{
	Estimate estimate = estimate_mean(m, arm, metric);
	double	 weighted = weight * estimate.value;
	double	 squared_error = weight * weight * estimate.squared_error;

	sums->units += arm->n;
	add_exactly(&sums->sum, &sums->low, weighted);
	sums->low += fma(weight, estimate.value, -weighted) + weight * estimate.low;
	add_exactly(&sums->squared_error, &sums->squared_error_low, squared_error);

	/* The square itself may overflow. */
	sums->root = hypot(sums->root, squared_error / sqrt(estimate.df));
}

/* A stratum counts if both arms have the two units that a variance needs. */
void
strata_add(Strata *strata, const Moments *m, const Arm *treatment, const Arm *control, int metric)
{
	double weight;

	if (treatment == NULL || control == NULL || treatment->n < 2 || control->n < 2)
	{
		strata->left_out +=
			(treatment != NULL ? treatment->n : 0) + (control != NULL ? control->n : 0);
		return;
	}
	weight = (double) treatment->n + (double) control->n;
	strata->units += weight;
	add_arm(&strata->treatment, m, treatment, metric, weight);
	add_arm(&strata->control, m, control, metric, weight);
}

Estimate
strata_estimate(const Strata *strata, const StratifiedArm *arm)
{
	Estimate estimate = {arm->units, NAN, 0.0, NAN, NAN};
	double	 squared_error = arm->squared_error + arm->squared_error_low;

	if (arm->units == 0)
		return estimate;

	estimate.value = arm->sum / strata->units;
	estimate.low =
		fma(-estimate.value, strata->units, arm->sum) / strata->units + arm->low / strata->units;
	estimate.squared_error = squared_error / strata->units / strata->units;

	/* Without any variance the degrees of freedom do not matter. */
	estimate.df = arm->root > 0.0 ? squared_error / arm->root * (squared_error / arm->root) : 1.0;
	return estimate;
}
