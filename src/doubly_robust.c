/*
 * doubly_robust.c
 *		Augmented inverse probability weighting (Robins, Rotnitzky and Zhao 1994,
 *		"Estimation of regression coefficients when some regressors are not
 *		always observed", JASA 89, 846-866; Glynn and Quinn 2010, "An introduction
 *		to the augmented inverse propensity weighted estimator", Political
 *		Analysis 18, 36-56).
 *
 * With e the propensity, m1 and m0 linear models of the outcome fitted to the
 * treated and to the untreated units, t = 1 for a treated unit and 0 else, every
 * unit has
 *
 *		psi1 = m1(x) + t (y - m1(x))/e(x)
 *		psi0 = m0(x) + (1 - t)(y - m0(x))/(1 - e(x))
 *
 * whose means estimate the mean outcomes if all were treated, and if none were.
 * Their difference is right if either the model of the propensity or those of
 * the outcome are.  psi1 - psi0 less its mean is the influence function, so that
 * its sample variance over n is the squared error of the effect.
 */
#include "doubly_robust.h"

#include <math.h>

/* A linear model of the outcome, through the arm's means. */
typedef struct Outcome
{
	double		  mean;
	const double *mean_x;
	double		  slopes[COVARIATES_MAX];
	int			  rank;
} Outcome;

/* Sum and sum of squares of the weights of an arm. */
typedef struct Weights
{
	double sum;
	double squares;
} Weights;

/* The x part of the packed co-moments of (y, x). */
static void
covariate_comoments(const double *comoments, int covariates, double *packed)
{
	for (int i = 1; i <= covariates; i++)
	{
		for (int j = 1; j <= i; j++)
			*packed++ = comoments[packed_index(i, j)];
	}
}

/* Least squares within an arm. */
static Outcome
fit_outcome(const Moments *m, const Arm *arm)
{
	double		  packed[LINEAR_MAX * (LINEAR_MAX + 1) / 2];
	double		  right[COVARIATES_MAX];
	const double *comoments = moments_comoments(m, arm);
	int			  covariates = m->metrics - 1;
	Outcome		  model;

	covariate_comoments(comoments, covariates, packed);
	for (int i = 0; i < covariates; i++)
		right[i] = comoments[packed_index(i + 1, 0)];
	model.mean = moments_mean(m, arm)[0];
	model.mean_x = moments_mean(m, arm) + 1;
	model.rank = solve_semidefinite(packed, right, covariates, model.slopes);
	return model;
}

static double
expected_outcome(const Outcome *model, const Unit *unit, int covariates)
{
	double y = model->mean;

	for (int i = 0; i < covariates; i++)
		y += model->slopes[i] * (unit->x[i] - model->mean_x[i]);
	return y;
}

/* Where the propensity model starts: the share treated, whatever the covariates. */
static Propensity
start_propensity(const Moments *pooled, double treated, double untreated)
{
	const Arm *arm = moments_arm(pooled, 0);
	Propensity model = {pooled->metrics - 1, {0}, {0}, {0}};

	model.coefficients[0] = log(treated / untreated);
	for (int i = 0; i < model.covariates; i++)
	{
		double squares = moments_comoments(pooled, arm)[packed_index(i + 1, i + 1)];

		model.centre[i] = moments_mean(pooled, arm)[i + 1];
		model.scale[i] = squares > 0.0 ? sqrt(squares / (double) arm->n) : 1.0;
	}
	return model;
}

/* Both arms in one. */
static Moments *
pool_arms(const Moments *m)
{
	const char *labels[] = {ARM_TREATED, ARM_TREATED};
	int			lengths[] = {1, 1};

	return moments_relabel_arms(m, labels, lengths);
}

/* Of the weights' arm: the number of units that, equally weighted, know as much
 * (Kish 1965, "Survey Sampling", section 11.7). */
static double
effective_size(const Weights *weights)
{
	return weights->sum * (weights->sum / weights->squares);
}

static void
add_weight(Weights *weights, double weight)
{
	weights->sum += weight;
	weights->squares += weight * weight;
}

/* A single arm of the units' psi1 and psi0; also fills the diagnostics. */
static Moments *
influences(DoublyRobust *result, const Propensity *propensity, const Outcome *treated,
		   const Outcome *untreated, const Units *units)
{
	Moments *psi = moments_create(MOMENTS_FULL, 2, MOMENTS_NO_CONSTANT, NULL, 0);
	Weights	 weights[2] = {{0.0, 0.0}, {0.0, 0.0}};
	double	 outside = 0.0;
	Arm		*arm;
	Unit	 unit;

	psi = moments_add_arm(psi, ARM_TREATED, 1, &arm);
	units->rewind(units->store);
	while (units->next(units->store, &unit))
	{
		double e;
		double rest;
		double values[] = {expected_outcome(treated, &unit, units->covariates),
						   expected_outcome(untreated, &unit, units->covariates)};

		propensity_of(propensity, &unit, &e, &rest);
		add_weight(&weights[unit.treated], 1.0 / (unit.treated ? e : rest));
		if (unit.treated)
			values[0] += (unit.y - values[0]) / e;
		else
			values[1] += (unit.y - values[1]) / rest;
		moments_add_row(psi, arm, values, 2);

		result->min_propensity = fmin(result->min_propensity, e);
		result->max_propensity = fmax(result->max_propensity, e);
		outside += e < 0.05 || rest < 0.05;
	}
	result->share_outside = outside / (double) arm->n;
	result->ess = effective_size(&weights[true]);
	result->ess_control = effective_size(&weights[false]);
	return moments_finish(psi);
}

/*
 * The comparison of the two means, which the same units give: all of their
 * error is shared.
 */
static Comparison
compare_influences(const Moments *psi, int64 n, int64 n_control)
{
	const Arm  *arm = moments_arm(psi, 0);
	Estimate	t = estimate_mean(psi, arm, 0);
	Estimate	c = estimate_mean(psi, arm, 1);
	double		covariance = moments_comoments(psi, arm)[packed_index(1, 0)];
	SharedError shared = {t.squared_error, c.squared_error, 0.0, INFINITY};
	Comparison	comparison;

	shared.covariance = covariance / ((double) arm->n - 1.0) / (double) arm->n;
	t.n = n;
	c.n = n_control;
	t.squared_error = c.squared_error = 0.0;
	t.df = c.df = INFINITY;
	comparison = compare_welch(&t, &c, &shared, &default_question, "aipw");
	comparison.df = NAN;
	return comparison;
}

/* Why the models of outcome and propensity cannot be fitted, or NULL. */
static const char *
why_not(const DoublyRobust *result, int rank, int rank_control)
{
	int64 coefficients = result->covariates + 1;

	if (result->effect.n == 0)
		return "no treated units";
	if (result->effect.n_control == 0)
		return "no untreated units";
	if (result->effect.n <= coefficients)
		return "too few treated units for so many covariates";
	if (result->effect.n_control <= coefficients)
		return "too few untreated units for so many covariates";
	if (rank < result->covariates)
		return "a covariate does not vary by itself among the treated units";
	if (rank_control < result->covariates)
		return "a covariate does not vary by itself among the untreated units";
	return NULL;
}

static const Arm *
find_arm(const Moments *m, const char *label)
{
	int position = moments_find(m, label, 1);

	return position < 0 ? NULL : moments_arm(m, position);
}

/* m: the finished moments of the units' (y, x), by arm. */
DoublyRobust
doubly_robust(const Moments *m, const Units *units)
{
	const Arm	*treated = find_arm(m, ARM_TREATED);
	const Arm	*untreated = find_arm(m, ARM_UNTREATED);
	Outcome		 outcome = {0};
	Outcome		 outcome_control = {0};
	Moments		*pooled = NULL;
	Propensity	 propensity;
	DoublyRobust result = {{0}, 0, NAN, NAN, NAN, NAN, NAN, NULL};
	Estimate	 nothing = {0, NAN, 0.0, NAN, NAN};

	result.effect = compare_welch(&nothing, &nothing, NULL, &default_question, "aipw");
	result.effect.n = treated == NULL ? 0 : treated->n;
	result.effect.n_control = untreated == NULL ? 0 : untreated->n;
	if (treated != NULL)
		outcome = fit_outcome(m, treated);
	if (untreated != NULL)
		outcome_control = fit_outcome(m, untreated);
	if (m->arms.count > 0)
	{
		pooled = pool_arms(m);
		result.covariates = fit_outcome(pooled, moments_arm(pooled, 0)).rank;
	}

	result.note = why_not(&result, outcome.rank, outcome_control.rank);
	if (pooled == NULL || result.note != NULL) /* without arms there is a note, too */
		return result;

	propensity =
		start_propensity(pooled, (double) result.effect.n, (double) result.effect.n_control);
	if (propensity_fit(&propensity, units))
		result.effect =
			compare_influences(influences(&result, &propensity, &outcome, &outcome_control, units),
							   result.effect.n, result.effect.n_control);
	else
		result.note = "the covariates separate treated from untreated units";
	return result;
}
