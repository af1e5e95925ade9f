/*
 * history.h
 *		What the units of the past say of those to come: the mean of a metric, and
 *		the standard deviation of what a test will see of a unit.
 */
#ifndef EXPSTAT_HISTORY_H
#define EXPSTAT_HISTORY_H

#include "covariates.h"

/* NaN where the state has no units, or no two in any arm. */
typedef struct History
{
	double mean;
	double sd;
	int	   used; /* covariates */
} History;

extern History history_of_mean(const Moments *m);
extern History history_of_ratio(const Moments *m);

#endif /* EXPSTAT_HISTORY_H */
