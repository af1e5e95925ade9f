/*
 * multinomial.h
 *		Anytime-valid test of counts against weights.
 */
#ifndef EXPSTAT_MULTINOMIAL_H
#define EXPSTAT_MULTINOMIAL_H

#include "postgres.h"

/* An undefined number is NaN here and NULL in SQL. */
typedef struct SequentialFit
{
	int64  n;
	double log_bayes_factor;
	double p_value;
} SequentialFit;

/* Also fills expected[cells], the counts that the weights make one expect. */
extern SequentialFit sequential_fit(const int64 *observed, const double *weights, int cells,
									double concentration, double *expected);

#endif /* EXPSTAT_MULTINOMIAL_H */
