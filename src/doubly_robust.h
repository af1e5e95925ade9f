/*
 * doubly_robust.h
 *		The average effect of a treatment that was not randomised: augmented
 *		inverse probability weighting.
 */
#ifndef EXPSTAT_DOUBLY_ROBUST_H
#define EXPSTAT_DOUBLY_ROBUST_H

#include "compare.h"
#include "propensity.h"

/* An undefined number is NaN here and NULL in SQL. */
typedef struct DoublyRobust
{
	Comparison	effect;		/* n and n_control: treated and untreated units */
	int			covariates; /* used: not constant, not combinations of others */
	double		min_propensity;
	double		max_propensity;
	double		share_outside; /* share of units outside [0.05, 0.95] */
	double		ess;		   /* effective sample sizes, treated and untreated */
	double		ess_control;
	const char *note; /* why there is no effect; NULL if there is */
} DoublyRobust;

/*
 * The moments of (y, x) of the two arms; metrics of the state: 1 + covariates.
 */
#define ARM_UNTREATED "0"
#define ARM_TREATED	  "1"

extern DoublyRobust doubly_robust(const Moments *m, const Units *units);

#endif /* EXPSTAT_DOUBLY_ROBUST_H */
