/*
 * stratified.c
 *		The aggregate stratified_t over the states of the strata.
 */
#include "segments.h"
#include "strata.h"

PG_FUNCTION_INFO_V1(stratified_t_final);

static Comparison
compare_strata(const Strata *strata)
{
	Estimate   t = strata_estimate(strata, &strata->treatment);
	Estimate   c = strata_estimate(strata, &strata->control);
	Comparison comparison = compare_welch(&t, &c, NULL, &default_question, "stratified_t");

	if (strata->left_out > 0)
		comparison.method = psprintf("stratified_t, " INT64_FORMAT " unit%s left out",
									 strata->left_out, strata->left_out == 1 ? "" : "s");
	return comparison;
}

Datum
stratified_t_final(PG_FUNCTION_ARGS)
{
	Segments   segments = segments_argument(fcinfo);
	Strata	   strata = {0};
	Comparison comparison;

	for (int i = 0; i < segments.count; i++)
	{
		const Moments *m = segment_state(&segments, i);

		strata_add(&strata, m, same_arm(m, segments.treatment), same_arm(m, segments.control.arm));
	}

	comparison = compare_strata(&strata);
	check_two_variants(segments.all,
					   "Give two variants to each call: stratified_t(moments_filter(m, "
					   "'{control,treatment}')).");
	return one_row(fcinfo, &comparison, segments.treatment, &segments.control);
}
