/*
 * posterior.c
 *		Normal prior, normal estimate, normal posterior.
 */
#include "posterior.h"

#include <math.h>

#include "stats.h"

static const NormalPosterior undefined_posterior = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};

/* E[max(-Z - z, 0)] for a standard normal Z, the unit normal loss (Raiffa and Schlaifer 1961). */
static double
unit_normal_loss(double z)
{
	return fmax(normal_pdf(z) - z * normal_sf(z), 0.0);
}

/* The effect that the prior is of, and its squared standard error. */
static void
observed_effect(const Estimate *treatment, const Estimate *control, bool on_lift, double *effect,
				double *squared_error)
{
	double c = control->value;
	double ratio = treatment->value / c;

	*effect = (treatment->value - c) + (treatment->low - control->low);
	*squared_error = treatment->squared_error + control->squared_error;
	if (on_lift)
	{
		*effect /= fabs(c);
		*squared_error =
			(treatment->squared_error + ratio * ratio * control->squared_error) / c / c;
	}
}

/* As with confidence intervals, a one-sided question leaves the other end open. */
static void
credible_interval(NormalPosterior *posterior, const Question *question)
{
	bool   two_sided = question->alternative == TWO_SIDED;
	double half = normal_isf(two_sided ? question->alpha / 2.0 : question->alpha) * posterior->sd;

	posterior->low = question->alternative == LESS ? -INFINITY : posterior->mean - half;
	posterior->high = question->alternative == GREATER ? INFINITY : posterior->mean + half;
}

static double
chance_beyond(const NormalPosterior *posterior, const Question *question)
{
	double z = (posterior->mean - question->null_diff) / posterior->sd;

	return normal_sf(question->alternative == LESS ? z : -z);
}

/*
 * The posterior of a normal mean with known variance (Gelman et al. 2013,
 * "Bayesian Data Analysis", eq. 2.10): precisions add, and means are weighted
 * by them.  With z = mean / sd,
 *
 *		chance to win					P(effect > 0) = Phi(z), or that it is beyond
 *										another value, on the side asked for
 *		expected loss of shipping		E max(-effect, 0) = sd L(z)
 *		expected loss of not shipping	E max(effect, 0) = sd L(-z)
 *
 * where L is the unit normal loss (Stucchio 2015, "Bayesian A/B Testing at
 * VWO", for the losses' use).
 */
NormalPosterior
normal_posterior(const Estimate *treatment, const Estimate *control, const NormalPrior *prior,
				 const Question *question)
{
	NormalPosterior posterior = undefined_posterior;
	double			effect;
	double			squared_error;
	double			odds;
	double			share;
	double			z;

	observed_effect(treatment, control, prior->on_lift, &effect, &squared_error);
	if (!(isfinite(effect) && isfinite(squared_error) && squared_error > 0.0))
		return posterior;

	/* The data's share of the precision, 1 / e / (1 / e + 1 / sd^2), is 1 / (1 + odds^2). */
	odds = sqrt(squared_error) / prior->sd;
	share = 1.0 / (1.0 + odds * odds);
	posterior.sd = sqrt(squared_error) / hypot(1.0, odds);
	if (!(posterior.sd > 0.0))
		return undefined_posterior;
	posterior.mean = share * effect + (1.0 - share) * prior->mean;
	credible_interval(&posterior, question);

	z = posterior.mean / posterior.sd;
	posterior.chance_to_win = chance_beyond(&posterior, question);
	posterior.loss_ship = posterior.sd * unit_normal_loss(z);
	posterior.loss_keep = posterior.sd * unit_normal_loss(-z);
	return posterior;
}
