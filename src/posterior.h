/*
 * posterior.h
 *		Normal prior, normal estimate, normal posterior.
 */
#ifndef EXPSTAT_POSTERIOR_H
#define EXPSTAT_POSTERIOR_H

#include "estimate.h"

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

extern NormalPosterior normal_posterior(const Estimate *treatment, const Estimate *control,
										const NormalPrior *prior, double alpha);

#endif /* EXPSTAT_POSTERIOR_H */
