/*
 * posterior.h
 *		Normal prior, normal estimate, normal posterior.
 */
#ifndef EXPSTAT_POSTERIOR_H
#define EXPSTAT_POSTERIOR_H

#include "compare.h"

/* An infinite standard deviation is a flat prior. */
typedef struct NormalPrior
{
	double mean;
	double sd;
	bool   on_lift; /* of the lift, else of the difference */
} NormalPrior;

/* An undefined number is NaN here and NULL in SQL. */
typedef struct NormalPosterior
{
	double mean;
	double sd;
	double low;
	double high;
	double chance_to_win;
	double loss_ship;
	double loss_keep;
} NormalPosterior;

/* Of the question, null_diff is on the scale of the prior, and lift_method is not used. */
extern NormalPosterior normal_posterior(const Estimate *treatment, const Estimate *control,
										const NormalPrior *prior, const Question *question);

#endif /* EXPSTAT_POSTERIOR_H */
