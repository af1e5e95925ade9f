/*
 * comparison_rows.h
 *		Answering a question about the arms of a state with rows of the SQL type
 *		comparison.
 */
#ifndef EXPSTAT_COMPARISON_ROWS_H
#define EXPSTAT_COMPARISON_ROWS_H

#include "compare.h"
#include "moments_fmgr.h"

/* A question about one metric (0-based). */
typedef struct Request
{
	Question question;
	int		 metric;
} Request;

/* How to compare two arms; either may be NULL, an arm without units. */
typedef Comparison (*CompareArms)(const Moments *m, const Arm *treatment, const Arm *control,
								  const Request *request);

/* Final function of a one-step aggregate. */
extern Datum comparison_one_step(FunctionCallInfo fcinfo, CompareArms compare);

/*
 * Function (moments, control, alpha, alternative, null_diff, metric,
 * lift_method): one row per treatment.
 */
extern Datum comparison_per_treatment(FunctionCallInfo fcinfo, CompareArms compare);

#endif /* EXPSTAT_COMPARISON_ROWS_H */
