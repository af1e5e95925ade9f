/*
 * group_sequential.c
 *		Designs with a fixed number of looks.
 *
 * At look k, with information I_k, the statistic Z_k is normal with mean
 * theta sqrt(I_k) and variance 1, and what is added to it is independent of
 * the past (Jennison and Turnbull 2000, "Group Sequential Methods", eq. 3.1):
 * given Z_{k-1} = y, Z_k has
 *
 *		mean		r y + theta (I_k - I_{k-1}) / sqrt(I_k),	r = sqrt(I_{k-1} / I_k)
 *		variance	s^2 = 1 - r^2
 *
 * So the density of Z_k among experiments that still run is an integral over
 * that of Z_{k-1}, and the chance to stop at k is another (Armitage, McPherson
 * and Rowe 1969; Jennison and Turnbull, chapter 19).  The integrals are sums
 * over Gauss-Legendre panels, narrow against s at this look and the next, which
 * leaves errors below 1e-10.
 *
 * The densities are those of theta = 0: any other theta multiplies them by the
 * likelihood ratio exp(theta sqrt(I_k) z - theta^2 I_k / 2).
 */
#include "group_sequential.h"

#include <math.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_roots.h>

#include "miscadmin.h"
#include "stats.h"

#define PANEL_NODES 20
#define PANEL_WIDTH 6.0 /* in s */

/* Less than 1e-18 of a standard normal is beyond, and less than 1e-300. */
#define Z_NEGLIGIBLE 9.0
#define Z_MAX		 37.0
#define Z_UNDERFLOW	 39.0

/* Ten are usual; where a tail has no digits left, more do not help. */
#define ITERATIONS_MAX 200

/* Alpha too small to have a bound below Z_MAX is not spent. */
#define ALPHA_MIN 1e-250

/* Z_k among experiments that still run after look k, as weighted points. */
typedef struct Running
{
	double	information;
	int		count;
	double *z;
	double *mass;
} Running;

/* From one look to the next. */
typedef struct Step
{
	double r;
	double s;
	double shift; /* (I_k - I_{k-1}) / sqrt(I_k), the mean's part that theta multiplies */
} Step;

static Step
step_to(const Running *before, double information)
{
	double added = information - before->information;
	Step   step = {sqrt(before->information / information), sqrt(added / information),
				   added / sqrt(information)};

	return step;
}

/* Before the first look everybody is at 0. */
static Running
start_running(void)
{
	Running running = {0.0, 1, palloc0(sizeof(double)), palloc(sizeof(double))};

	running.mass[0] = 1.0;
	return running;
}

/* The chance to run up to a look and be at z or above there (direction 1), or at or below (-1). */
static double
tail(const Running *before, double information, double theta, double z, double direction)
{
	Step   step = step_to(before, information);
	double root = sqrt(before->information);
	double sum = 0.0;

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < before->count; i++)
	{
		double y = before->z[i];
		double ratio = exp(theta * root * (y - 0.5 * theta * root));
		double mean = step.r * y + theta * step.shift;

		sum += before->mass[i] * ratio * normal_sf(direction * (z - mean) / step.s);
	}
	return sum;
}

/* The first of the points, which are in order, at z or above. */
static int
first_above(const Running *running, double z)
{
	int low = 0;
	int high = running->count;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (running->z[middle] < z)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Density at z, for theta = 0.  Farther than Z_UNDERFLOW away it is 0 in a
 * float8; where looks are close together that is most of the points.
 */
static double
density(const Running *before, Step step, double z)
{
	double reach = Z_UNDERFLOW * step.s;
	double sum = 0.0;

	for (int i = first_above(before, (z - reach) / step.r); i < before->count; i++)
	{
		double distance = z - step.r * before->z[i];

		if (distance < -reach)
			break;
		sum += before->mass[i] * normal_pdf(distance / step.s);
	}
	return sum / step.s;
}

/* Those that still run after a look, which go on between low and high. */
static Running
run_on(const Running *before, double information, double next_information, double low, double high)
{
	Step   step = step_to(before, information);
	double next_s = sqrt(1.0 - information / next_information);
	int	   panels = (int) ceil((high - low) / (PANEL_WIDTH * fmin(step.s, next_s))) + 1;
	double width = (high - low) / panels;
	gsl_integration_glfixed_table *table;
	double						   node[PANEL_NODES];
	double						   weight[PANEL_NODES];
	Running						   after = {information, panels * PANEL_NODES, NULL, NULL};

	/* GSL's table is not in a memory context: away with it before anything can fail. */
	table = gsl_integration_glfixed_table_alloc(PANEL_NODES);
	for (int i = 0; i < PANEL_NODES; i++)
		gsl_integration_glfixed_point(0.0, width, i, &node[i], &weight[i], table);
	gsl_integration_glfixed_table_free(table);

	after.z = palloc(after.count * sizeof(double));
	after.mass = palloc(after.count * sizeof(double));
	for (int i = 0; i < after.count; i++)
	{
		int panel = i / PANEL_NODES;

		CHECK_FOR_INTERRUPTS();
		after.z[i] = low + width * panel + node[i % PANEL_NODES];
		after.mass[i] = weight[i % PANEL_NODES] * density(before, step, after.z[i]);
	}
	return after;
}

/* ---- bounds ---- */

/* Shares such as 0.7 + 0.2 + 0.1 reach the planned end but for the rounding of their sum. */
bool
reaches_planned_end(const Design *design, double information)
{
	return information >= design->planned * (1.0 - 1e-9);
}

/*
 * Alpha of a side spent up to the share t of the planned information.
 *
 *		O'Brien-Fleming type	2 (1 - Phi(z_{alpha/2} / sqrt(t)))
 *		Pocock type				alpha ln(1 + (e - 1) t)
 *			(Lan and DeMets 1983)
 *		power					alpha t^parameter
 *			(Kim and DeMets 1987)
 *		Hwang-Shih-DeCani		alpha (1 - exp(-parameter t)) / (1 - exp(-parameter))
 *			(1990), alpha t for 0
 */
static double
alpha_spent(const Design *design, double information)
{
	double alpha = design->alpha;
	double gamma = design->parameter;
	double t = information / design->planned;

	if (reaches_planned_end(design, information))
		return alpha;
	switch (design->spending)
	{
		case SPEND_OBRIEN_FLEMING:
			return 2.0 * normal_sf(normal_isf(alpha / 2.0) / sqrt(t));
		case SPEND_POCOCK:
			return alpha * log1p(expm1(1.0) * t);
		case SPEND_POWER:
			return alpha * pow(t, gamma);
		default:
			return gamma == 0.0 ? alpha * t : alpha * expm1(-gamma * t) / expm1(-gamma);
	}
}

/*
 * The bound that is crossed with a given probability: Newton's method for
 * ln P(c) = ln(probability).  A truncated normal density and its convolutions
 * are log-concave (Prekopa 1973), and so is P: from the right every step stays
 * on the right of the root.  It starts where P would be if everybody that runs
 * were at the highest place, or ran from the beginning without bounds.
 */
static double
bound_crossed(const Running *before, double information, double probability)
{
	Step   step = step_to(before, information);
	double highest = before->z[before->count - 1];
	double c;

	if (!(probability > ALPHA_MIN))
		return INFINITY;

	c = fmin(normal_isf(probability), step.r * highest + step.s * normal_isf(probability));
	for (int i = 0; i < ITERATIONS_MAX; i++)
	{
		double p = tail(before, information, 0.0, c, 1.0);
		double change = log(p / probability) * p / density(before, step, c);

		c += change;
		if (!(fabs(change) > 1e-12 * fmax(1.0, fabs(c))))
			break;
	}
	return c;
}

static Running
run_within(const Design *design, const Running *before, int k, double upper, double reach)
{
	double high = fmin(upper, Z_MAX);
	double low = fmax(-reach, -Z_MAX);

	if (design->two_sided)
		low = fmax(low, -upper);
	else
		low = fmin(low, high - 1.0); /* alpha near 1: hardly anybody goes on */
	high = fmax(high, low);
	return run_on(before, design->information[k], design->information[k + 1], low, high);
}

static void
spending_looks(const Design *design, Look *looks)
{
	Running running = start_running();

	for (int k = 0; k < design->looks; k++)
	{
		double already = k == 0 ? 0.0 : looks[k - 1].spent;

		looks[k].spent = alpha_spent(design, design->information[k]);
		looks[k].upper = bound_crossed(&running, design->information[k], looks[k].spent - already);
		if (k + 1 < design->looks)
			running = run_within(design, &running, k, looks[k].upper, Z_NEGLIGIBLE);
	}
}

/*
 * The original bounds: the same at every look (Pocock 1977), or for O'Brien and
 * Fleming (1979) proportional to 1/sqrt(I_k), so that the last one is c.
 * Returns the alpha of a side that is spent in all.
 */
static double
constant_looks(const Design *design, double c, Look *looks)
{
	Running running = start_running();
	double	spent = 0.0;

	for (int k = 0; k < design->looks; k++)
	{
		looks[k].upper = design->spending == CONSTANT_POCOCK
			? c
			: c * sqrt(design->information[design->looks - 1] / design->information[k]);
		spent += tail(&running, design->information[k], 0.0, looks[k].upper, 1.0);
		looks[k].spent = spent;
		if (k + 1 < design->looks)
			running = run_within(design, &running, k, looks[k].upper, Z_NEGLIGIBLE);
	}
	return spent;
}

/* The root of a function between low and high, by Brent's method; NaN if it is not found. */
static double
find_root(double (*function)(double x, void *data), void *data, double low, double high)
{
	gsl_function	 f = {function, data};
	gsl_root_fsolver solver = {
		gsl_root_fsolver_brent, &f, 0.0, 0.0, 0.0, palloc0(gsl_root_fsolver_brent->size)};

	(void) gsl_root_fsolver_set(&solver, &f, low, high);
	for (int i = 0; i < ITERATIONS_MAX; i++)
	{
		(void) gsl_root_fsolver_iterate(&solver);
		if (gsl_root_test_interval(solver.x_lower, solver.x_upper, 1e-11, 1e-11) == GSL_SUCCESS)
			return solver.root;
	}
	return NAN;
}

typedef struct ConstantSearch
{
	const Design *design;
	Look		 *looks;
} ConstantSearch;

static double
excess_alpha(double c, void *data)
{
	ConstantSearch *search = data;

	return log(constant_looks(search->design, c, search->looks) / search->design->alpha);
}

/* Between the bound of a single look and Bonferroni's. */
static void
search_constant(const Design *design, Look *looks)
{
	ConstantSearch search = {design, looks};
	double		   low = normal_isf(design->alpha) - 1e-6;
	double		   high = normal_isf(design->alpha / design->looks) + 1e-6;

	(void) constant_looks(design, find_root(excess_alpha, &search, low, high), looks);
}

void
design_looks(const Design *design, Look *looks)
{
	if (design->spending == CONSTANT_OBRIEN_FLEMING || design->spending == CONSTANT_POCOCK)
		search_constant(design, looks);
	else
		spending_looks(design, looks);
}

/* ---- after the experiment has stopped ---- */

/* Where an experiment stopped, who still ran before each look, and which tail is looked for. */
typedef struct Stopped
{
	const Design *design;
	const Look	 *looks;
	int			  look;
	double		  statistic;
	Running		  before[LOOKS_MAX];
	double		  direction;
	double		  target; /* the probability of the tail */
} Stopped;

/*
 * Under a drift of the size of the statistic, or a quantile farther, experiments
 * run on where theta = 0 has next to none.
 */
static void
run_before(Stopped *stopped)
{
	double quantile = fmax(normal_isf(stopped->design->alpha), 0.0);
	double reach = Z_NEGLIGIBLE + fabs(stopped->statistic) + quantile;

	stopped->before[0] = start_running();
	for (int k = 0; k < stopped->look; k++)
		stopped->before[k + 1] =
			run_within(stopped->design, &stopped->before[k], k, stopped->looks[k].upper, reach);
}

/*
 * The chance of an outcome as high (direction 1), or as low (-1), as the one
 * seen, in the stagewise ordering (Fairbanks and Madsen 1982; Tsiatis, Rosner
 * and Mehta 1984): higher is who stopped earlier at an upper bound, or at the
 * same look with a larger statistic, or later if it stopped at a lower one.
 * drift is theta sqrt(I) at the look stopped at.  A low tail is that of a
 * two-sided design.
 */
static double
stagewise_tail(const Stopped *stopped, double drift, double direction)
{
	const double *information = stopped->design->information;
	int			  look = stopped->look;
	double		  theta = drift / sqrt(information[look]);
	double		  sum = 0.0;

	for (int k = 0; k < look; k++)
		sum += tail(&stopped->before[k], information[k], theta, direction * stopped->looks[k].upper,
					direction);
	return sum +
		tail(&stopped->before[look], information[look], theta, stopped->statistic, direction);
}

static double
excess_tail(double drift, void *data)
{
	const Stopped *stopped = data;

	return stagewise_tail(stopped, drift, stopped->direction) - stopped->target;
}

/*
 * Are all experiments under this drift, stopped and still running, accounted
 * for?  Z_MAX is where theta = 0 has none left to weight: of a one-sided design
 * with a statistic far below it, most are missing.
 */
static bool
within_reach(const Stopped *stopped, double drift)
{
	const Design *design = stopped->design;
	int			  look = stopped->look;
	double		  theta = drift / sqrt(design->information[look]);
	double sum = tail(&stopped->before[look], design->information[look], theta, -INFINITY, 1.0);

	for (int k = 0; k < look; k++)
	{
		double upper = stopped->looks[k].upper;

		sum += tail(&stopped->before[k], design->information[k], theta, upper, 1.0);
		if (design->two_sided)
			sum += tail(&stopped->before[k], design->information[k], theta, -upper, -1.0);
	}
	return fabs(sum - 1.0) < 1e-6;
}

/*
 * The drift under which the outcome, or one further in the given direction, has
 * a given probability; infinite if none within reach has.  Both tails change
 * with the drift one way only.
 */
static double
drift_with_tail(Stopped *stopped, double direction, double probability)
{
	double low = fmin(stopped->statistic, 0.0);
	double high = fmax(stopped->statistic, 0.0);

	stopped->direction = direction;
	stopped->target = probability;
	for (int doubled = 0; doubled < 6; doubled++)
	{
		double reach = ldexp(4.0, doubled);
		bool   low_enough = direction * excess_tail(low - reach, stopped) < 0.0;
		bool   high_enough = direction * excess_tail(high + reach, stopped) > 0.0;

		if (low_enough && high_enough)
		{
			double drift = find_root(excess_tail, stopped, low - reach, high + reach);

			if (isfinite(drift) && within_reach(stopped, drift))
				return drift;
			break;
		}
	}
	return direction > 0.0 ? -INFINITY : INFINITY;
}

/*
 * What to report at look number `look` (from 0), if the experiment ends there
 * with this statistic: the p-value, the median-unbiased estimate and the
 * interval of the stagewise ordering (Jennison and Turnbull 2000, sections 8.4
 * and 8.5), of the drift.
 */
Stagewise
stagewise_analysis(const Design *design, const Look *looks, int look, double statistic)
{
	Stopped	  stopped = {.design = design, .looks = looks, .look = look, .statistic = statistic};
	Stagewise result = {0.0, 0.0, 0.0, INFINITY};

	run_before(&stopped);
	result.p_value = stagewise_tail(&stopped, 0.0, 1.0);
	result.median = drift_with_tail(&stopped, 1.0, 0.5);
	result.low = drift_with_tail(&stopped, 1.0, design->alpha);
	if (design->two_sided)
	{
		result.p_value = 2.0 * fmin(result.p_value, stagewise_tail(&stopped, 0.0, -1.0));
		result.high = drift_with_tail(&stopped, -1.0, design->alpha);
	}
	result.p_value = fmin(result.p_value, 1.0);
	return result;
}

/* ---- before it starts ---- */

static double
last_information(const Design *design)
{
	return design->information[design->looks - 1];
}

/* The chance to reject nothing at any look, less the one wanted. */
static double
excess_miss(double drift, void *data)
{
	const Stopped *stopped = data;
	const Running *before = &stopped->before[stopped->look];
	double		   information = stopped->design->information[stopped->look];
	double		   theta = drift / sqrt(last_information(stopped->design));
	double		   miss = tail(before, information, theta, stopped->statistic, -1.0);

	if (stopped->design->two_sided)
		miss -= tail(before, information, theta, -stopped->statistic, -1.0);
	return miss - stopped->target;
}

/*
 * A drift with at least the given power: that with which one of the looks has
 * it, whatever the others do.
 */
static double
enough_drift(const Design *design, const Look *looks, double power)
{
	double quantile = normal_isf(1.0 - power);
	double drift = INFINITY;

	for (int k = 0; k < design->looks; k++)
		drift = fmin(drift,
					 (looks[k].upper + quantile) *
						 sqrt(last_information(design) / design->information[k]));
	return drift + 1e-6;
}

/*
 * The drift theta sqrt(I) at the last look with which a design has the given
 * power, above its alpha.  A rejection on either side counts.
 */
static double
drift_with_power(const Design *design, double power)
{
	Look	looks[LOOKS_MAX] = {0};
	Stopped last = {
		.design = design, .looks = looks, .look = design->looks - 1, .target = 1.0 - power};

	design_looks(design, looks);
	while (last.look > 0 && isinf(looks[last.look].upper)) /* all of alpha was spent before */
		last.look--;
	last.statistic = looks[last.look].upper;
	run_before(&last);
	return find_root(excess_miss, &last, 0.0, enough_drift(design, looks, power));
}

/*
 * The information at the last look, per information that a design with that
 * look alone needs for the same power: the ratio of the squared drifts (Jennison
 * and Turnbull 2000, section 2.3.3 and chapter 19).
 */
double
design_inflation(const Design *design, double power)
{
	Design single = *design;
	double ratio;

	single.looks = 1;
	single.information += design->looks - 1;
	ratio = drift_with_power(design, power) / drift_with_power(&single, power);
	return fmax(ratio * ratio, 1.0); /* rounding alone makes it less */
}
