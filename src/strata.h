/*
 * strata.h
 *		Post-stratification: the arms' means in each stratum, weighted by the
 *		stratum's share of all units.
 */
#ifndef EXPSTAT_STRATA_H
#define EXPSTAT_STRATA_H

#include "estimate.h"

/*
 * Sums over the strata of one arm, to be divided by the units of all strata;
 * `low` is what rounding loses of them.
 */
typedef struct StratifiedArm
{
	int64  units;
	double sum;
	double low;
	double squared_error;
	double squared_error_low;
	double root; /* of the squares of squared errors over their degrees of freedom */
} StratifiedArm;

typedef struct Strata
{
	double		  units;
	int64		  left_out;
	StratifiedArm treatment;
	StratifiedArm control;
} Strata;

extern void
strata_add(Strata *strata, const Moments *m, const Arm *treatment, const Arm *control, int metric);
extern Estimate strata_estimate(const Strata *strata, const StratifiedArm *arm);

#endif /* EXPSTAT_STRATA_H */
