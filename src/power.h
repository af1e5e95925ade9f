/*
 * power.h
 *		Power, sample size and the smallest effect that is found, of the tests of
 *		compare.h.
 *
 * Any two of units, effect and power give the third; the three functions below
 * are exact inverses of each other.  An undefined number is NaN.
 */
#ifndef EXPSTAT_POWER_H
#define EXPSTAT_POWER_H

#include "compare.h"

/* A comparison of one treatment with the control, as it is planned. */
typedef struct Design
{
	bool		proportion; /* of a metric of zeros and ones, else of any mean */
	double		baseline;	/* mean of the control; of a mean it may be unknown */
	double		sd;			/* of a unit of the control; not for a proportion */
	double		sd_treatment;
	double		null_diff; /* not for a proportion, where it is 0 */
	double		ratio;	   /* units of the treatment per unit of the control */
	double		inflation; /* units of the design per unit of one with a single look */
	double		alpha;
	Alternative alternative;
} Design;

/* Units are those of the control, effects in units of the metric. */
extern double design_power(const Design *design, double units, double effect);
extern double design_units(const Design *design, double effect, double power);
extern double design_effect(const Design *design, double units, double power);

/* Means, standard deviations and correlation of a ratio's two metrics. */
typedef struct RatioParts
{
	double num_mean;
	double den_mean;
	double num_sd;
	double den_sd;
	double correlation;
} RatioParts;

extern double ratio_sd(const RatioParts *parts);

#endif /* EXPSTAT_POWER_H */
