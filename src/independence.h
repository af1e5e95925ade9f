/*
 * independence.h
 *		Chi-square test of independence of rows and columns of a table of counts.
 */
#ifndef EXPSTAT_INDEPENDENCE_H
#define EXPSTAT_INDEPENDENCE_H

#include "postgres.h"

/* An undefined number is NaN here and NULL in SQL. */
typedef struct Independence
{
	int64  n;
	double chi2;
	int	   df;
	double p_value;
	double cramers_v;
	double min_expected;
} Independence;

/* Also fills expected[rows * columns], by rows as observed. */
extern Independence
independence_test(const int64 *observed, int rows, int columns, double *expected);

#endif /* EXPSTAT_INDEPENDENCE_H */
