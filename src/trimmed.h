/*
 * trimmed.h
 *		The trimmed mean of a sample, and its error.
 */
#ifndef EXPSTAT_TRIMMED_H
#define EXPSTAT_TRIMMED_H

#include "estimate.h"
#include "spread.h"

/*
 * The values of a sample that are kept, in ascending order: trimmed_add()
 * for each.
 */
typedef struct Trimmed
{
	int64  n;	/* size of the sample */
	int64  cut; /* values cut off at either end */
	double first;
	double last;
	Spread kept; /* of the differences from the first */
} Trimmed;

extern Trimmed	trimmed_start(double trim, int64 n);
extern void		trimmed_add(Trimmed *trimmed, double value);
extern Estimate trimmed_estimate(const Trimmed *trimmed);

#endif /* EXPSTAT_TRIMMED_H */
