/*
 * power.c
 *		Power of Welch's t-test and of the two-proportion z-test, and its
 *		inverses in the units and in the effect.
 */
#include "power.h"

#include <math.h>

#include <gsl/gsl_roots.h>

#include "miscadmin.h"
#include "noncentral.h"
#include "stats.h"

/* An experiment beyond this is not feasible on any site. */
#define UNITS_MAX 1e15

/*
 * Beyond this the power is 0 or 1 at any level that a plan may have, the lowest of
 * which has a quantile of 1e4 with two units in each arm; and the quadrature would
 * take long.
 */
#define NCP_MAX 1e5

/* From one standard error to NCP_MAX of them. */
#define DOUBLINGS_MAX 17

/* The level of one tail. */
static double
tail_alpha(const Design *design)
{
	return design->alternative == TWO_SIDED ? design->alpha / 2.0 : design->alpha;
}

static double
standard_error(const Design *design, double units)
{
	return hypot(design->sd, design->sd_treatment / sqrt(design->ratio)) / sqrt(units);
}

/*
 * Where both arms have the same variance, the n_t + n_c - 2 of Student's test;
 * else Welch's, at the variances planned for.  With arms of one size and one
 * variance they are the same.
 */
static double
degrees_of_freedom(const Design *design, double units)
{
	double treated = units * design->ratio;

	if (design->sd == design->sd_treatment)
		return units + treated - 2.0;
	return welch_df(design->sd_treatment * design->sd_treatment / treated, treated - 1.0,
					design->sd * design->sd / units, units - 1.0, 0.0, 1.0);
}

/*
 * Power of the t-test: with q the quantile of its level and
 *
 *		ncp = (effect - null_diff) / std_error
 *
 * that is P(T > q) for T noncentral t (Johnson and Welch 1940; Cohen 1988,
 * section 2.2), and in a two-sided test P(T < -q), the chance of being
 * significant in the wrong direction, too.
 */
static double
power_of_means(const Design *design, double units, double effect)
{
	double df = degrees_of_freedom(design, units);
	double distance = (effect - design->null_diff) / standard_error(design, units);
	double ncp = fmax(-NCP_MAX, fmin(NCP_MAX, distance));
	double q = student_t_isf(tail_alpha(design), df);

	switch (design->alternative)
	{
		case GREATER:
			return noncentral_t_sf(q, df, ncp);
		case LESS:
			return noncentral_t_sf(q, df, -ncp);
		default:
			return noncentral_t_sf(q, df, ncp) + noncentral_t_sf(q, df, -ncp);
	}
}

/*
 * Power of the pooled z-test (Fleiss, Levin and Paik 2003, section 4.2, without
 * the continuity correction): it divides the difference by sqrt(v0 / n), which
 * varies with sqrt(v1 / n),
 *
 *		v0 = p (1 - p) (1 + 1/ratio),	p = (p_c + ratio p_t) / (1 + ratio)
 *		v1 = p_c (1 - p_c) + p_t (1 - p_t) / ratio
 *
 * so that P(Z > (q sqrt(v0) - effect sqrt(n)) / sqrt(v1)) are significant.
 */
static double
power_of_proportions(const Design *design, double units, double effect)
{
	double pc = design->baseline;
	double pt = fmax(0.0, fmin(1.0, pc + effect));
	double pooled = (pc + design->ratio * pt) / (1.0 + design->ratio);
	double v0 = pooled * (1.0 - pooled) * (1.0 + 1.0 / design->ratio);
	double v1 = pc * (1.0 - pc) + pt * (1.0 - pt) / design->ratio;
	double threshold = normal_isf(tail_alpha(design)) * sqrt(v0 / v1);
	double shift = effect * sqrt(units / v1);

	switch (design->alternative)
	{
		case GREATER:
			return normal_sf(threshold - shift);
		case LESS:
			return normal_sf(threshold + shift);
		default:
			return normal_sf(threshold - shift) + normal_sf(threshold + shift);
	}
}

/*
 * Standard deviation of a ratio's linearised values, by the delta method (Deng,
 * Knoblich and Lu 2018, eq. 3), with R = num_mean / den_mean:
 *
 *		sqrt(s_n^2 - 2 R r s_n s_d + R^2 s_d^2) / |den_mean|
 */
double
ratio_sd(const RatioParts *parts)
{
	double r = parts->num_mean / parts->den_mean;
	double n = parts->num_sd;
	double d = r * parts->den_sd;

	return sqrt((n - d) * (n - d) + 2.0 * (1.0 - parts->correlation) * n * d) /
		fabs(parts->den_mean);
}

/* The fewest units of the control that give both arms a variance, or a unit. */
static double
fewest_units(const Design *design)
{
	return (design->proportion ? 1.0 : 2.0) * fmax(1.0, 1.0 / design->ratio);
}

/* Power of the design with a single look. */
static double
fixed_power(const Design *design, double units, double effect)
{
	return design->proportion ? power_of_proportions(design, units, effect)
							  : power_of_means(design, units, effect);
}

double
design_power(const Design *design, double units, double effect)
{
	/* the tolerance is that of the inverse */
	if (!(units / design->inflation >= fewest_units(design) * (1.0 - 1e-12)))
		return NAN;
	return fixed_power(design, units / design->inflation, effect);
}

/* ---- inverses ---- */

/*
 * What to solve power(x) = target for: x is the logarithm of the units, or how
 * far the effect is from null_diff in the direction of the alternative (up, if
 * two-sided).
 */
typedef struct Equation
{
	const Design *design;
	double		  units; /* NaN: solve for it */
	double		  effect;
	double		  target;
} Equation;

static double
effect_at(const Design *design, double distance)
{
	return design->null_diff + (design->alternative == LESS ? -distance : distance);
}

static double
excess_power(double x, void *parameters)
{
	const Equation *e = parameters;
	bool			solve_units = isnan(e->units);
	double			units = solve_units ? exp(x) : e->units;
	double			effect = solve_units ? e->effect : effect_at(e->design, x);

	/* a quantile of 1e5, of a few units of unequal variances, takes half a second */
	CHECK_FOR_INTERRUPTS();
	return fixed_power(e->design, units, effect) - e->target;
}

/*
 * The root between a low x, without the power, and a high one, with it (Brent
 * 1973); one of them, if rounding has put the root beyond.  GSL's solver has its
 * memory from us, where an error frees it.
 */
static double
solve(Equation *equation, double low, double high)
{
	gsl_function	 f = {excess_power, equation};
	gsl_root_fsolver solver = {.type = gsl_root_fsolver_brent};

	if (excess_power(low, equation) >= 0.0)
		return low;
	if (excess_power(high, equation) <= 0.0)
		return high;

	solver.state = palloc0(solver.type->size);
	gsl_root_fsolver_set(&solver, &f, low, high);
	for (int i = 0; i < 100; i++)
	{
		gsl_root_fsolver_iterate(&solver);
		if (fabs(solver.x_upper - solver.x_lower) <= 1e-15 * fabs(solver.root))
			break;
	}
	pfree(solver.state);
	return solver.root;
}

/*
 * The units of the control, a real number, at which the effect is found with the
 * power; the fewest possible if these have more power; NaN if none have.
 */
double
design_units(const Design *design, double effect, double power)
{
	Equation equation = {design, NAN, effect, power};
	double	 fewest = fewest_units(design);
	double	 low = log(fewest);
	double	 high = log(UNITS_MAX);

	if (fixed_power(design, fewest, effect) >= power)
		return fewest * design->inflation;
	if (!(fixed_power(design, UNITS_MAX, effect) >= power))
		return NAN;
	return exp(solve(&equation, low, high)) * design->inflation;
}

/*
 * The smallest effect that is found with the power; NaN if there is none, as for
 * a proportion whose every change is too small for so few units.
 */
double
design_effect(const Design *design, double units, double power)
{
	double	 fixed = units / design->inflation;
	Equation equation = {design, fixed, NAN, power};
	double	 farthest;

	if (!(fixed >= fewest_units(design) * (1.0 - 1e-12)))
		return NAN;

	if (design->proportion)
	{
		farthest = design->alternative == LESS ? design->baseline : 1.0 - design->baseline;
		if (!(excess_power(farthest, &equation) >= 0.0))
			return NAN;
	}
	else
	{
		farthest = standard_error(design, fixed);
		for (int i = 0; excess_power(farthest, &equation) < 0.0; i++)
		{
			if (i == DOUBLINGS_MAX)
				return NAN;
			farthest *= 2.0;
		}
	}
	return effect_at(design, solve(&equation, 0.0, farthest));
}
