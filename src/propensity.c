/*
 * propensity.c
 *		Logistic regression by Newton's method (iteratively reweighted least
 *		squares; McCullagh and Nelder 1989, "Generalized Linear Models", sections
 *		2.5 and 4.4).
 */
#include "propensity.h"

#include <math.h>
#include <string.h>

#define NEWTON_STEPS_MAX 25
#define HALVINGS_MAX	 10

/*
 * The Newton decrement g' H^-1 g is the squared distance from the maximum in
 * standard errors of the coefficients.  A last step from 1e-6 of them leaves
 * less than rounding does.
 */
#define DECREMENT_SMALL 1e-12

#define PACKED_MAX (LINEAR_MAX * (LINEAR_MAX + 1) / 2)

/* The log likelihood, its gradient, and the negative of its Hessian, packed. */
typedef struct Likelihood
{
	double value;
	double gradient[LINEAR_MAX];
	double information[PACKED_MAX];
} Likelihood;

/* The unit's regressors, 1 and z, and their linear combination. */
static double
linear_predictor(const Propensity *model, const Unit *unit, double *regressors)
{
	double eta = model->coefficients[0];

	regressors[0] = 1.0;
	for (int j = 0; j < model->covariates; j++)
	{
		regressors[j + 1] = (unit->x[j] - model->centre[j]) / model->scale[j];
		eta += model->coefficients[j + 1] * regressors[j + 1];
	}
	return eta;
}

/* Both probabilities, for one minus the other loses the digits of a small one. */
static void
logistic(double eta, double *treated, double *untreated)
{
	*treated = 1.0 / (1.0 + exp(-eta));
	*untreated = 1.0 / (1.0 + exp(eta));
}

void
propensity_of(const Propensity *model, const Unit *unit, double *treated, double *untreated)
{
	double regressors[LINEAR_MAX];

	logistic(linear_predictor(model, unit, regressors), treated, untreated);
}

static void
add_unit(Likelihood *sums, const Propensity *model, const Unit *unit)
{
	double	regressors[LINEAR_MAX];
	double	eta = linear_predictor(model, unit, regressors);
	double	towards = unit->treated ? eta : -eta;
	double *information = sums->information;
	double	treated;
	double	untreated;

	logistic(eta, &treated, &untreated);
	sums->value -= fmax(0.0, -towards) + log1p(exp(-fabs(eta)));
	for (int i = 0; i <= model->covariates; i++)
	{
		double weighted = treated * untreated * regressors[i];

		sums->gradient[i] += (unit->treated ? untreated : -treated) * regressors[i];
		for (int j = 0; j <= i; j++)
			*information++ += weighted * regressors[j];
	}
}

static void
likelihood_at(Likelihood *sums, const Propensity *model, const Units *units)
{
	Unit unit;

	memset(sums, 0, sizeof(*sums));
	units->rewind(units->store);
	while (units->next(units->store, &unit))
		add_unit(sums, model, &unit);
}

static void
move(Propensity *model, const double *step, double share)
{
	for (int i = 0; i <= model->covariates; i++)
		model->coefficients[i] += share * step[i];
}

/*
 * Fit the coefficients; those on entry are where to start.  False if there is
 * no maximum: the covariates separate treated from untreated units, at least
 * some of them, and the likelihood grows for ever (Albert and Anderson 1984, "On
 * the existence of maximum likelihood estimates in logistic regression models",
 * Biometrika 71, 1-10).  There each step divides the decrement by e; on the way
 * to a maximum, at the end, each step squares it.  And there the units that are
 * told apart lose their information, until a direction that had some has none
 * and no longer counts in the decrement: what is left may have a maximum.
 */
bool
propensity_fit(Propensity *model, const Units *units)
{
	Likelihood now;
	double	   before = HUGE_VAL; /* the decrement of the last step */
	int		   directions = 0;	  /* that had information at the start */

	likelihood_at(&now, model, units);
	for (int i = 0; i < NEWTON_STEPS_MAX; i++)
	{
		double step[LINEAR_MAX];
		double decrement = 0.0;
		double value = now.value;
		int rank = solve_semidefinite(now.information, now.gradient, model->covariates + 1, step);

		if (i == 0)
			directions = rank;
		for (int j = 0; j <= model->covariates; j++)
			decrement += now.gradient[j] * step[j];
		if (!isfinite(decrement))
			return false;

		move(model, step, 1.0);
		if (decrement <= DECREMENT_SMALL && decrement <= before / 100.0)
			return rank >= directions;
		before = decrement;

		/* too far a step is halved; near the maximum rounding alone decides */
		likelihood_at(&now, model, units);
		for (int j = 1; j <= HALVINGS_MAX && decrement > 1e-6 && !(now.value >= value); j++)
		{
			move(model, step, -ldexp(1.0, -j));
			likelihood_at(&now, model, units);
		}
	}
	return false;
}
