/*
 * goodness.h
 *		Chi-square goodness of fit of counts to weights.
 */
#ifndef EXPSTAT_GOODNESS_H
#define EXPSTAT_GOODNESS_H

#include "postgres.h"

/* An undefined number is NaN here and NULL in SQL. */
typedef struct Goodness
{
	int64  n;
	double chi2;
	int	   df;
	double p_value;
} Goodness;

/* Also fills expected[cells], the counts that the weights make one expect. */
extern Goodness
goodness_of_fit(const int64 *observed, const double *weights, int cells, double *expected);

#endif /* EXPSTAT_GOODNESS_H */
