/*
 * bayes.c
 *		bayes_normal: the posterior of each treatment's effect.
 */
#include "comparison_rows.h"

#include <math.h>

#include "arguments.h"
#include "posterior.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(bayes_normal);

#define BAYES_COLUMNS 15

static void
put_posterior(FunctionCallInfo fcinfo, const Estimate *t, const Estimate *c, const Arm *treatment,
			  const Control *control, const NormalPosterior *p, double alpha)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const double   numbers[] = {t->value, c->value,			p->mean,	  p->sd,		p->low,
								p->high,  p->chance_to_win, p->loss_ship, p->loss_keep, alpha};
	Datum		   values[BAYES_COLUMNS] = {0};
	bool		   nulls[BAYES_COLUMNS] = {0};

	nulls[0] = treatment == NULL;
	if (treatment != NULL)
		values[0] = PointerGetDatum(
			cstring_to_text_with_len(treatment->label, arm_label_length(treatment)));
	nulls[1] = control->label == NULL;
	values[1] = PointerGetDatum(control->label);
	values[2] = Int64GetDatum(t->n);
	values[3] = Int64GetDatum(c->n);
	for (int i = 0; i < lengthof(numbers); i++)
	{
		values[4 + i] = Float8GetDatum(numbers[i]);
		nulls[4 + i] = isnan(numbers[i]);
	}
	values[14] = CStringGetTextDatum("bayes_normal");
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static NormalPrior
prior_arguments(FunctionCallInfo fcinfo)
{
	static const char *const scales[] = {"lift", "diff"};
	NormalPrior				 prior;

	prior.mean = finite_argument(fcinfo, 1, "prior_mean");
	require_argument(fcinfo, 2, "prior_sd");
	prior.sd = PG_GETARG_FLOAT8(2);
	if (!(prior.sd > 0.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prior_sd must be positive, not %g", prior.sd),
				 errhint("'Infinity' is a flat prior.")));
	require_argument(fcinfo, 6, "scale");
	prior.on_lift = choice_named(PG_GETARG_TEXT_PP(6), "scale", scales, lengthof(scales)) == 0;
	return prior;
}

/* (m, prior_mean, prior_sd, control, alpha, metric, scale, alternative, null_diff) */
Datum
bayes_normal(PG_FUNCTION_ARGS)
{
	const Moments *m = comparison_start(fcinfo);
	NormalPrior	   prior;
	Control		   control;
	Question	   question = default_question;
	int			   metric;
	int			   position = -1;
	const Arm	  *treatment;

	if (m == NULL)
		return (Datum) 0;
	prior = prior_arguments(fcinfo);
	control = control_argument(fcinfo, 3, m);
	question.alpha = alpha_argument(fcinfo, 4);
	metric = metric_argument(fcinfo, 5, "metric", m);
	question.alternative = alternative_argument(fcinfo, 7);
	question.null_diff = finite_argument(fcinfo, 8, "null_diff");

	treatment = next_treatment(m, &control, &position);
	do
	{
		Estimate		t = estimate_mean(m, treatment, metric);
		Estimate		c = estimate_mean(m, control.arm, metric);
		NormalPosterior posterior = normal_posterior(&t, &c, &prior, &question);

		put_posterior(fcinfo, &t, &c, treatment, &control, &posterior, question.alpha);
		treatment = next_treatment(m, &control, &position);
	} while (treatment != NULL);
	return (Datum) 0;
}
