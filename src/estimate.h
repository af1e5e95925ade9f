/*
 * estimate.h
 *		From the moments of one arm to an estimate and its variance.
 *
 * Every estimator is a function g of the vector of means; the delta method
 * gives its variance from its gradient and the co-moments.  A new estimator
 * is a new g.
 */
#ifndef EXPSTAT_ESTIMATE_H
#define EXPSTAT_ESTIMATE_H

#include "moments.h"

/*
 * An undefined number is NaN here and NULL in SQL.  `low` is the part of the
 * value that rounding to float8 loses; it matters in differences of arms.
 */
typedef struct Estimate
{
	int64  n;	  /* units */
	double value; /* g(mean) */
	double low;
	double squared_error; /* variance of the estimate */
	double df;			  /* degrees of freedom of that */
} Estimate;

extern Estimate estimate_at(const Moments *m, const Arm *arm, double value, const double *gradient);
extern Estimate estimate_mean(const Moments *m, const Arm *arm, int metric);
extern Estimate estimate_ratio(const Moments *m, const Arm *arm, int num, int den);
extern bool		is_binary_metric(const Moments *m, const Arm *arm, int metric);

#endif /* EXPSTAT_ESTIMATE_H */
