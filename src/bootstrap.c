/*
 * bootstrap.c
 *		The Poisson bootstrap: aggregates, and functions over their state.
 */
#include "bootstrap_fmgr.h"

#include "aggregates.h"
#include "arguments.h"
#include "comparison_rows.h"
#include "hash.h"
#include "miscadmin.h"
#include "resampled.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(bootstrap_accum);
PG_FUNCTION_INFO_V1(bootstrap_accum_control);
PG_FUNCTION_INFO_V1(bootstrap_accum_settings);
PG_FUNCTION_INFO_V1(bootstrap_accum_pair);
PG_FUNCTION_INFO_V1(bootstrap_accum_pair_control);
PG_FUNCTION_INFO_V1(bootstrap_accum_pair_settings);
PG_FUNCTION_INFO_V1(bootstrap_accum_value);
PG_FUNCTION_INFO_V1(bootstrap_accum_value_settings);
PG_FUNCTION_INFO_V1(bootstrap_accum_quantile);
PG_FUNCTION_INFO_V1(bootstrap_accum_quantile_control);
PG_FUNCTION_INFO_V1(bootstrap_combine);
PG_FUNCTION_INFO_V1(bootstrap_final);
PG_FUNCTION_INFO_V1(bootstrap_mean_final);
PG_FUNCTION_INFO_V1(bootstrap_ratio_final);
PG_FUNCTION_INFO_V1(bootstrap_quantile_final);
PG_FUNCTION_INFO_V1(bootstrap_mean);
PG_FUNCTION_INFO_V1(bootstrap_ratio);
PG_FUNCTION_INFO_V1(bootstrap_quantile);

/* ---- transition ---- */

/*
 * The first argument as a state that may be modified: in place inside an
 * aggregate, where it is ours, else a copy.
 */
static Bootstrap *
modifiable_state(FunctionCallInfo fcinfo)
{
	struct varlena *state = (struct varlena *) PG_GETARG_POINTER(0);
	Bootstrap	   *b;

	if (AggCheckCallContext(fcinfo, NULL) != 0 && VARATT_IS_4B_U(state))
		return (Bootstrap *) state;

	b = (Bootstrap *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0));
	bootstrap_check_version(b);
	return b;
}

/* What the arguments after the variant say, if there are any. */
typedef struct Settings
{
	int			replicates;
	int64		seed;
	double		quantile; /* 0 for none */
	const char *control;
	int			controllen; /* -1 for none */
} Settings;

typedef enum MoreArguments
{
	NO_MORE,
	CONTROL,
	SETTINGS
} MoreArguments;

static int
replicates_argument(FunctionCallInfo fcinfo, int number)
{
	int replicates;

	require_argument(fcinfo, number, "replicates");
	replicates = PG_GETARG_INT32(number);
	if (replicates < BOOTSTRAP_REPLICATES_MIN || replicates > BOOTSTRAP_REPLICATES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("replicates must be from %d to %d, not %d", BOOTSTRAP_REPLICATES_MIN,
						BOOTSTRAP_REPLICATES_MAX, replicates),
				 errhint("1000 are enough for 95 %% intervals.")));
	return replicates;
}

static Settings
settings_arguments(FunctionCallInfo fcinfo, int number, MoreArguments more)
{
	Settings s = {BOOTSTRAP_REPLICATES, BOOTSTRAP_SEED, 0.0, NULL, -1};

	if (more == CONTROL && !PG_ARGISNULL(number))
	{
		text *control = PG_GETARG_TEXT_PP(number);

		s.control = VARDATA_ANY(control);
		s.controllen = VARSIZE_ANY_EXHDR(control);
		arm_label_check(s.control, s.controllen);
	}
	if (more == SETTINGS)
	{
		s.replicates = replicates_argument(fcinfo, number);
		require_argument(fcinfo, number + 1, "seed");
		s.seed = PG_GETARG_INT64(number + 1);
	}
	return s;
}

/*
 * A transition or final function is a function that anybody can call with any
 * state.
 */
static void
check_kind(const Bootstrap *b, int metrics)
{
	if (b->metrics != metrics)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a state of this aggregate: it has %d metrics, not %d", b->metrics,
						metrics),
				 errhint("Transition and final functions are not meant to be called; the functions "
						 "over a bootstrap, such as bootstrap_mean(b), are.")));
}

static void
check_settings(const Bootstrap *b, const Settings *s)
{
	if (b->replicates != s->replicates || b->seed != s->seed)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the replicates or seed argument changes from row to row"),
				 errhint("They must be the same constants in every row of a group.")));
	if (!bootstrap_has_control(b, s->control, s->controllen) || b->quantile != s->quantile)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the %s argument changes from row to row",
						b->quantile != s->quantile ? "p" : "control"),
				 errhint("It must be the same constant in every row of a group.")));
}

/* The state, created with its first row. */
static Bootstrap *
state_argument(FunctionCallInfo fcinfo, int metrics, const Settings *s)
{
	Bootstrap *b;

	if (PG_ARGISNULL(0))
		return bootstrap_create(metrics, s->replicates, s->seed, s->quantile, s->control,
								s->controllen);
	b = modifiable_state(fcinfo);
	check_kind(b, metrics);
	check_settings(b, s);
	return b;
}

/*
 * (state, unit, metric ..., variant [, control | replicates, seed]).  A row
 * with a NULL unit, metric or variant is skipped.
 */
static Datum
accumulate(FunctionCallInfo fcinfo, const char *const *names, int metrics, MoreArguments more)
{
	int		   variant = 2 + metrics;
	double	   values[BOOTSTRAP_METRICS_MAX];
	Settings   settings;
	text	  *unit;
	text	  *label;
	Bootstrap *b;
	Arm		  *arm;

	for (int i = 1; i <= variant; i++)
	{
		if (PG_ARGISNULL(i))
			RETURN_STATE_UNCHANGED();
	}
	for (int i = 0; i < metrics; i++)
	{
		values[i] = PG_GETARG_FLOAT8(2 + i);
		check_metric(values[i], names[i], 0);
	}
	settings = settings_arguments(fcinfo, variant + 1, more);
	unit = PG_GETARG_TEXT_PP(1);
	label = PG_GETARG_TEXT_PP(variant);

	b = state_argument(fcinfo, metrics, &settings);
	b = bootstrap_find_arm(b, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label), &arm);
	bootstrap_add_row(
		b, arm,
		poisson_key(farm_fingerprint64(VARDATA_ANY(unit), VARSIZE_ANY_EXHDR(unit)), b->seed),
		values);
	PG_RETURN_POINTER(b);
}

static const char *const mean_names[] = {"y"};
static const char *const ratio_names[] = {"num", "den"};

Datum
bootstrap_accum(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, mean_names, 1, NO_MORE);
}

Datum
bootstrap_accum_control(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, mean_names, 1, CONTROL);
}

Datum
bootstrap_accum_settings(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, mean_names, 1, SETTINGS);
}

Datum
bootstrap_accum_pair(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, ratio_names, 2, NO_MORE);
}

Datum
bootstrap_accum_pair_control(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, ratio_names, 2, CONTROL);
}

Datum
bootstrap_accum_pair_settings(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, ratio_names, 2, SETTINGS);
}

static double
quantile_argument(FunctionCallInfo fcinfo, int number)
{
	double p;

	require_argument(fcinfo, number, "p");
	p = PG_GETARG_FLOAT8(number);
	if (!(p > 0.0 && p < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p must be between 0 and 1, not %g", p),
				 errhint("0.5 is the median, 0.9 the value that 90 %% of the rows are below.")));
	return p;
}

/*
 * (state, metric, variant [, p] [, control | replicates, seed]).  A row with a
 * NULL metric or variant is skipped.
 */
static Datum
accumulate_value(FunctionCallInfo fcinfo, bool has_quantile, MoreArguments more)
{
	double	   value;
	Settings   settings;
	text	  *label;
	Bootstrap *b;
	Arm		  *arm;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		RETURN_STATE_UNCHANGED();
	value = PG_GETARG_FLOAT8(1);
	check_metric(value, "y", 0);
	settings = settings_arguments(fcinfo, has_quantile ? 4 : 3, more);
	if (has_quantile)
		settings.quantile = quantile_argument(fcinfo, 3);
	label = PG_GETARG_TEXT_PP(2);

	b = state_argument(fcinfo, 0, &settings);
	b = bootstrap_find_arm(b, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label), &arm);
	bootstrap_add_value(b, arm, value);
	PG_RETURN_POINTER(b);
}

Datum
bootstrap_accum_value(PG_FUNCTION_ARGS)
{
	return accumulate_value(fcinfo, false, NO_MORE);
}

Datum
bootstrap_accum_value_settings(PG_FUNCTION_ARGS)
{
	return accumulate_value(fcinfo, false, SETTINGS);
}

Datum
bootstrap_accum_quantile(PG_FUNCTION_ARGS)
{
	return accumulate_value(fcinfo, true, NO_MORE);
}

Datum
bootstrap_accum_quantile_control(PG_FUNCTION_ARGS)
{
	return accumulate_value(fcinfo, true, CONTROL);
}

/*
 * (state, state): the combine function of all aggregates, and the transition
 * function of bootstrap_agg(bootstrap).
 */
Datum
bootstrap_combine(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		RETURN_STATE_UNCHANGED();
	if (PG_ARGISNULL(0))
		PG_RETURN_POINTER(PG_GETARG_BOOTSTRAP(1));

	PG_RETURN_POINTER(bootstrap_merge(modifiable_state(fcinfo), PG_GETARG_BOOTSTRAP(1)));
}

/* (state): what the aggregates hand out never aliases the live state. */
Datum
bootstrap_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(bootstrap_finish(PG_GETARG_BOOTSTRAP(0)));
}

/* ---- questions ---- */

/* Which estimate of an arm; metrics by their 0-based positions. */
typedef struct Statistic
{
	Resampled (*resample)(const Bootstrap *b, const Arm *arm, const struct Statistic *statistic);
	int			metrics[2];
	double		quantile;
	const char *names[2]; /* by BootstrapMethod */
} Statistic;

static Resampled
mean_of_arm(const Bootstrap *b, const Arm *arm, const Statistic *statistic)
{
	return resample_mean(b, arm, statistic->metrics[0]);
}

static Resampled
ratio_of_arm(const Bootstrap *b, const Arm *arm, const Statistic *statistic)
{
	return resample_ratio(b, arm, statistic->metrics[0], statistic->metrics[1]);
}

static Resampled
quantile_of_arm(const Bootstrap *b, const Arm *arm, const Statistic *statistic)
{
	return resample_quantile(b, arm, statistic->quantile);
}

static const Statistic mean_statistic = {
	mean_of_arm, {0, 0}, 0.0, {"bootstrap_mean, percentile", "bootstrap_mean, bca"}};
static const Statistic ratio_statistic = {
	ratio_of_arm, {0, 1}, 0.0, {"bootstrap_ratio, percentile", "bootstrap_ratio, bca"}};

static const Statistic quantile_statistic = {
	quantile_of_arm, {0, 0}, 0.5, {"bootstrap_quantile, percentile", "bootstrap_quantile, bca"}};

/* The control of a state, its estimate, and its label, if known. */
typedef struct ControlArm
{
	int		  position; /* -1 for none */
	text	 *label;
	Resampled resampled;
} ControlArm;

static Resampled
resample_arm(const Bootstrap *b, const Arm *arm, const Statistic *statistic)
{
	Resampled resampled = statistic->resample(b, arm, statistic);
	Estimate  estimate = {resampled.n, resampled.value, resampled.low, NAN, NAN};

	check_estimate(&estimate, "estimate");
	return resampled;
}

static ControlArm
find_control_arm(const Bootstrap *b, const char *label, int len, const Statistic *statistic)
{
	ControlArm control = {arms_control(&b->arms, bootstrap_records(b), label, len), NULL, {0}};
	const Arm *arm = control.position < 0 ? NULL : bootstrap_arm(b, control.position);

	if (arm != NULL)
		control.label = arm_label(arm);
	else if (label != NULL)
		control.label = cstring_to_text_with_len(label, len);
	control.resampled = resample_arm(b, arm, statistic);
	return control;
}

static HeapTuple
compared(TupleDesc descriptor, const Bootstrap *b, const Arm *treatment, const ControlArm *control,
		 const Statistic *statistic, const Question *question, BootstrapMethod method)
{
	Resampled  resampled = resample_arm(b, treatment, statistic);
	Comparison comparison = compare_resampled(&resampled, &control->resampled, b->replicates,
											  question, method, statistic->names[method]);

	pfree(resampled.deviation);
	return comparison_tuple(descriptor, &comparison, arm_label(treatment), control->label);
}

/* The next arm that is not the control, from *position on; NULL if there is none. */
static const Arm *
next_arm(const Bootstrap *b, const ControlArm *control, int *position)
{
	*position += *position == control->position;
	return *position < b->arms.count ? bootstrap_arm(b, (*position)++) : NULL;
}

static Datum
bootstrap_one_step(FunctionCallInfo fcinfo, const Statistic *statistic, int metrics,
				   const char *hint)
{
	const Bootstrap *state = PG_ARGISNULL(0)
		? bootstrap_create(metrics, BOOTSTRAP_REPLICATES, BOOTSTRAP_SEED, 0.0, NULL, -1)
		: PG_GETARG_BOOTSTRAP(0);
	const Bootstrap *b = bootstrap_finish(state);
	ControlArm		 control;
	int				 position = 0;

	check_kind(b, metrics);
	check_two_variants(b->arms.count, hint);
	control = find_control_arm(b, state->controllen >= 0 ? state->data : NULL, state->controllen,
							   statistic);
	PG_RETURN_DATUM(
		HeapTupleGetDatum(compared(row_descriptor(fcinfo), b, next_arm(b, &control, &position),
								   &control, statistic, &default_question, BOOTSTRAP_PERCENTILE)));
}

Datum
bootstrap_mean_final(PG_FUNCTION_ARGS)
{
	return bootstrap_one_step(
		fcinfo, &mean_statistic, 1,
		"Use the two-step form, which gives a row per treatment: SELECT c.* FROM (SELECT "
		"bootstrap_agg(unit, metric, variant) AS b FROM ...) s, bootstrap_mean(s.b) c.");
}

Datum
bootstrap_ratio_final(PG_FUNCTION_ARGS)
{
	return bootstrap_one_step(
		fcinfo, &ratio_statistic, 2,
		"Use the two-step form, which gives a row per treatment: SELECT c.* FROM (SELECT "
		"bootstrap_agg(unit, num, den, variant) AS b FROM ...) s, bootstrap_ratio(s.b) c.");
}

Datum
bootstrap_quantile_final(PG_FUNCTION_ARGS)
{
	Statistic statistic = quantile_statistic;

	/* A state without a quantile is none of the aggregate, which bootstrap_agg gives. */
	if (!PG_ARGISNULL(0) && PG_GETARG_BOOTSTRAP(0)->quantile > 0.0)
		statistic.quantile = PG_GETARG_BOOTSTRAP(0)->quantile;
	return bootstrap_one_step(
		fcinfo, &statistic, 0,
		"Use the two-step form, which gives a row per treatment: SELECT c.* FROM (SELECT "
		"bootstrap_agg(metric, variant) AS b FROM ...) s, bootstrap_quantile(s.b, p => 0.5) c.");
}

static BootstrapMethod
method_argument(FunctionCallInfo fcinfo, int number)
{
	/* In the order of the enum BootstrapMethod. */
	static const char *const methods[] = {"percentile", "bca"};

	return choice_argument(fcinfo, number, "method", methods, lengthof(methods));
}

static Question
bootstrap_question(FunctionCallInfo fcinfo)
{
	Question question = default_question;

	question.alpha = alpha_argument(fcinfo, 2);
	question.alternative = alternative_argument(fcinfo, 3);
	question.null_diff = finite_argument(fcinfo, 4, "null_diff");
	return question;
}

/* (b, control, alpha, alternative, null_diff, ...): one row per treatment */
static Datum
bootstrap_per_treatment(FunctionCallInfo fcinfo, const Bootstrap *b, const Statistic *statistic,
						BootstrapMethod method)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Question	   question = bootstrap_question(fcinfo);
	text		  *label = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	ControlArm	   control = find_control_arm(b, label == NULL ? NULL : VARDATA_ANY(label),
										  label == NULL ? 0 : VARSIZE_ANY_EXHDR(label), statistic);
	int			   position = 0;
	const Arm	  *treatment = next_arm(b, &control, &position);

	/* A thin segment still gets a row, which says how many rows the control has. */
	do
	{
		CHECK_FOR_INTERRUPTS();
		tuplestore_puttuple(
			result->setResult,
			compared(result->setDesc, b, treatment, &control, statistic, &question, method));
		treatment = next_arm(b, &control, &position);
	} while (treatment != NULL);
	return (Datum) 0;
}

static int
bootstrap_metric(FunctionCallInfo fcinfo, int number, const char *name, const Bootstrap *b)
{
	require_argument(fcinfo, number, name);
	if (b->metrics == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this bootstrap is one of quantiles, it has no sums"),
				 errhint("For means and ratios it must know the units: bootstrap_agg(unit, "
						 "metric, variant).")));
	return metric_position(PG_GETARG_INT32(number), b->metrics, name);
}

/* (b, control, alpha, alternative, null_diff, method, metric) */
Datum
bootstrap_mean(PG_FUNCTION_ARGS)
{
	Statistic		 statistic = mean_statistic;
	const Bootstrap *b;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	b = bootstrap_finish(PG_GETARG_BOOTSTRAP(0)); /* a transition function's, perhaps */
	statistic.metrics[0] = bootstrap_metric(fcinfo, 6, "metric", b);
	return bootstrap_per_treatment(fcinfo, b, &statistic, method_argument(fcinfo, 5));
}

/* (b, control, alpha, alternative, null_diff, method, num, den) */
Datum
bootstrap_ratio(PG_FUNCTION_ARGS)
{
	Statistic		 statistic = ratio_statistic;
	const Bootstrap *b;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	b = bootstrap_finish(PG_GETARG_BOOTSTRAP(0)); /* a transition function's, perhaps */
	statistic.metrics[0] = bootstrap_metric(fcinfo, 6, "num", b);
	statistic.metrics[1] = bootstrap_metric(fcinfo, 7, "den", b);
	return bootstrap_per_treatment(fcinfo, b, &statistic, method_argument(fcinfo, 5));
}

/* (b, control, alpha, alternative, null_diff, method, p) */
Datum
bootstrap_quantile(PG_FUNCTION_ARGS)
{
	Statistic		 statistic = quantile_statistic;
	const Bootstrap *b;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	b = bootstrap_finish(PG_GETARG_BOOTSTRAP(0)); /* a transition function's, perhaps */
	if (b->metrics > 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("this bootstrap is one of sums, it has no quantiles"),
			 errhint("For quantiles aggregate without units: bootstrap_agg(metric, variant).")));
	statistic.quantile = quantile_argument(fcinfo, 6);
	return bootstrap_per_treatment(fcinfo, b, &statistic, method_argument(fcinfo, 5));
}
