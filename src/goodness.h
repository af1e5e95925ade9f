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

/* Fills shares[cells] and expected[cells], which may be the same; returns the number of units. */
extern int64 expected_counts(const int64 *observed, const double *weights, int cells,
							 double *shares, double *expected);

/* Also fills expected[cells], the counts that the weights make one expect. */
extern Goodness
goodness_of_fit(const int64 *observed, const double *weights, int cells, double *expected);

#endif /* EXPSTAT_GOODNESS_H */
