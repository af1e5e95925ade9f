/*
 * monitoring.c
 *		confidence_sequence and msprt: any estimator, looked at at any time.
 */
#include "estimators.h"

#include <math.h>

#include "arguments.h"
#include "sequential.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(confidence_sequence);
PG_FUNCTION_INFO_V1(msprt);

/* The tuning of GrowthBook, for both functions. */
#define DEFAULT_TUNING_N 5000.0

/* An estimator, and what it is of. */
typedef struct Watched
{
	const char	   *function;
	CompareArms		compare;
	bool			plain_mean;
	int				positions[4];
	Adjustment		adjustment;
	RatioAdjustment ratio_adjustment;
	const void	   *details; /* one of these */
	double			tuning_n;
	Monitoring		monitoring;
} Watched;

/* The estimator answers, with the watched test in place of Student's t. */
static Comparison
watched_arms(const Moments *m, const Arm *treatment, const Arm *control, const Question *question,
			 const void *details)
{
	const Watched *watched = details;
	Question	   asked = *question;
	Comparison	   c;

	asked.monitoring = watched->monitoring;
	asked.monitoring.rho2 =
		mixture_variance(question->alpha * watched->monitoring.share, watched->tuning_n);
	c = watched->compare(m, treatment, control, &asked, watched->details);
	c.method = psprintf("%s%s%s%s", watched->function, watched->plain_mean ? "" : ", ",
						watched->plain_mean ? "" : c.method,
						is_fixed_look(&asked.monitoring, c.n, c.n_control) ? ", fixed look" : "");
	return c;
}

static double
positive_argument(FunctionCallInfo fcinfo, int number, const char *name, const char *hint)
{
	double value = finite_argument(fcinfo, number, name);

	if (!(value > 0.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be positive, not %g", name, value), errhint("%s", hint)));
	return value;
}

/*
 * (..., metric at 5, ..., estimator, num, den, num_pre, den_pre, covariates,
 * interacted, from 8 on).  Only what the estimator uses is checked.  Returns
 * the state of the metrics that it uses, where it wants them in a certain order.
 */
static const Moments *
estimator_arguments(FunctionCallInfo fcinfo, const Moments *m, Watched *watched)
{
	static const char *const estimators[] = {"mean", "ratio", "cuped", "cuped_ratio"};
	static const char *const names[] = {"num", "den", "num_pre", "den_pre"};
	static const int		 ratios[] = {0, 2, 0, 4}; /* how many of these the estimator has */
	int estimator = choice_argument(fcinfo, 8, "estimator", estimators, lengthof(estimators));

	for (int i = 0; i < ratios[estimator]; i++)
		watched->positions[i] = metric_argument(fcinfo, 9 + i, names[i], m);
	if (ratios[estimator] == 0)
		watched->positions[0] = metric_argument(fcinfo, 5, "metric", m);
	watched->plain_mean = estimator == 0;
	watched->details = watched->positions;

	switch (estimator)
	{
		case 0:
			watched->compare = welch_arms;
			break;
		case 1:
			watched->compare = ratio_arms;
			break;
		case 2:
			m = select_covariates(fcinfo, m, watched->positions[0], 13);
			require_argument(fcinfo, 14, "interacted");
			watched->compare = PG_GETARG_BOOL(14) ? interacted_arms : adjusted_arms;
			adjustment_prepare(m, &watched->adjustment);
			watched->details = &watched->adjustment;
			break;
		default:
			m = moments_select_metrics(m, watched->positions, 4);
			watched->compare = adjusted_ratio_arms;
			watched->ratio_adjustment = ratio_adjustment(m);
			watched->details = &watched->ratio_adjustment;
			break;
	}
	return m;
}

/* alpha's share for looks at any time, if the rest is for one look at planned_n. */
static void
hybrid_arguments(FunctionCallInfo fcinfo, Monitoring *monitoring)
{
	double share = finite_argument(fcinfo, 16, "sequence_share");

	if (!(share > 0.0 && share < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sequence_share must be between 0 and 1, not %g", share),
				 errhint("It is the part of alpha for looks at any time; the rest is for one look "
						 "at planned_n units. Without planned_n all of alpha is for looks at any "
						 "time.")));
	if (PG_ARGISNULL(15))
		return;
	monitoring->planned_n = positive_argument(fcinfo, 15, "planned_n",
											  "It is the planned number of units in both arms.");
	monitoring->share = share;
}

/*
 * (m, control, alpha, alternative, null_diff, metric, lift_method, tuning_n,
 * estimator, num, den, num_pre, den_pre, covariates, interacted, planned_n,
 * sequence_share)
 */
Datum
confidence_sequence(PG_FUNCTION_ARGS)
{
	const Moments *m = comparison_start(fcinfo);
	Watched watched = {.function = "confidence_sequence", .monitoring = {1.0, NAN, NAN, INFINITY}};

	if (m == NULL)
		return (Datum) 0;
	watched.tuning_n =
		positive_argument(fcinfo, 7, "tuning_n",
						  "It is the number of units at which the sequence is to be narrowest.");
	m = estimator_arguments(fcinfo, m, &watched);
	hybrid_arguments(fcinfo, &watched.monitoring);
	return comparison_per_treatment(fcinfo, m, 6, watched_arms, &watched);
}

/*
 * (m, control, alpha, alternative, null_diff, metric, lift_method, tau2,
 * estimator, num, den, num_pre, den_pre, covariates, interacted)
 */
Datum
msprt(PG_FUNCTION_ARGS)
{
	const Moments *m = comparison_start(fcinfo);
	Watched		   watched = {
			   .function = "msprt", .tuning_n = DEFAULT_TUNING_N, .monitoring = {1.0, NAN, NAN, INFINITY}};

	if (m == NULL)
		return (Datum) 0;
	if (!PG_ARGISNULL(7))
		watched.monitoring.tau2 = positive_argument(
			fcinfo, 7, "tau2",
			"It is the variance of the true differences among experiments like this one.");
	m = estimator_arguments(fcinfo, m, &watched);
	return comparison_per_treatment(fcinfo, m, 6, watched_arms, &watched);
}
