/*
 * propensity.h
 *		The probability of being treated, given covariates: a logistic
 *		regression over rows that are read again and again.
 *
 * Plain C, no PostgreSQL types.
 */
#ifndef EXPSTAT_PROPENSITY_H
#define EXPSTAT_PROPENSITY_H

#include <stdbool.h>

#include "linear.h"

/* An intercept comes in addition. */
#define COVARIATES_MAX (LINEAR_MAX - 1)

typedef struct Unit
{
	bool	treated;
	double	y;
	double *x;
} Unit;

/* Units in a store of any kind: rewind, then next until it returns false. */
typedef struct Units
{
	void (*rewind)(void *store);
	bool (*next)(void *store, Unit *unit);
	void *store;
	int	  covariates;
} Units;

/*
 * logit P(treated) = coefficients[0] + sum coefficients[j] z_j, with
 * z_j = (x_j - centre_j) / scale_j.
 */
typedef struct Propensity
{
	int	   covariates;
	double centre[COVARIATES_MAX];
	double scale[COVARIATES_MAX];
	double coefficients[LINEAR_MAX];
} Propensity;

extern bool propensity_fit(Propensity *model, const Units *units);
extern void
propensity_of(const Propensity *model, const Unit *unit, double *treated, double *untreated);

#endif /* EXPSTAT_PROPENSITY_H */
