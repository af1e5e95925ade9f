/*
 * stratified.c
 *		stratified_t over the states of the strata, as aggregate and as function.
 */
#include "arguments.h"
#include "miscadmin.h"
#include "segments.h"
#include "strata.h"

PG_FUNCTION_INFO_V1(stratified_t_final);
PG_FUNCTION_INFO_V1(stratified_t);

/* Compares arms of the merged strata; details is the Segments. */
static Comparison
stratified_arms(const Moments *all, const Arm *treatment, const Arm *control,
				const Question *question, const void *details)
{
	const Segments *segments = details;
	Strata			strata = {0};
	Estimate		t;
	Estimate		c;
	Comparison		comparison;

	for (int i = 0; i < segments->count; i++)
	{
		const Moments *m = segment_state(segments, i);

		CHECK_FOR_INTERRUPTS();
		strata_add(&strata, m, same_arm(m, treatment), same_arm(m, control), segments->metric);
	}

	t = strata_estimate(&strata, &strata.treatment);
	c = strata_estimate(&strata, &strata.control);
	comparison = compare_welch(&t, &c, NULL, question, "stratified_t");
	if (strata.left_out > 0)
		comparison.method = psprintf("stratified_t, " INT64_FORMAT " unit%s left out",
									 strata.left_out, strata.left_out == 1 ? "" : "s");
	return comparison;
}

Datum
stratified_t_final(PG_FUNCTION_ARGS)
{
	Segments   segments = segments_argument(fcinfo);
	Comparison comparison;

	segments_one_step(&segments,
					  "Use the form over an array, which gives a row per treatment: SELECT c.* "
					  "FROM (SELECT array_agg(m) AS strata FROM ...) s, stratified_t(s.strata) c.");
	comparison = stratified_arms(segments.all, segments.treatment, segments.control.arm,
								 &default_question, &segments);
	return one_row(fcinfo, &comparison, segments.treatment, &segments.control);
}

/* (strata moments[], control, alpha, alternative, null_diff, metric, lift_method) */
Datum
stratified_t(PG_FUNCTION_ARGS)
{
	Segments segments;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	segments = segments_argument(fcinfo);
	segments.metric = metric_argument(fcinfo, 5, "metric", segments.all);
	return comparison_per_treatment(fcinfo, segments.all, 6, stratified_arms, &segments);
}
