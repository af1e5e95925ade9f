/*
 * oneway.h
 *		One-way analysis of variance: do the means of all arms agree?
 */
#ifndef EXPSTAT_ONEWAY_H
#define EXPSTAT_ONEWAY_H

#include "estimate.h"

/* An undefined number is NaN here and NULL in SQL. */
typedef struct OneWay
{
	int	   arms;
	int64  n;
	double f;
	double df1;
	double df2;
	double p_value;
	double ss_between;
	double ss_within;
	double eta_squared; /* share of the variance that lies between the arms */
} OneWay;

extern OneWay oneway_anova(const Moments *m, int metric);
extern OneWay oneway_welch(const Moments *m, int metric);

#endif /* EXPSTAT_ONEWAY_H */
