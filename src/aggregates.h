/*
 * aggregates.h
 *		What the transition functions of all aggregates over moments share.
 */
#ifndef EXPSTAT_AGGREGATES_H
#define EXPSTAT_AGGREGATES_H

#include <math.h>

#include "moments_fmgr.h"

/* Leave the state as it is, for a row that is skipped. */
#define RETURN_STATE_UNCHANGED()             \
	do                                       \
	{                                        \
		if (PG_ARGISNULL(0))                 \
			PG_RETURN_NULL();                \
		PG_RETURN_DATUM(PG_GETARG_DATUM(0)); \
	} while (0)

/* The functions that a scan of our own knows aggregates by. */
extern Datum moments_accum(PG_FUNCTION_ARGS);
extern Datum moments_accum_control(PG_FUNCTION_ARGS);
extern Datum moments_accum_pair(PG_FUNCTION_ARGS);
extern Datum moments_accum_pair_control(PG_FUNCTION_ARGS);
extern Datum moments_accum_array(PG_FUNCTION_ARGS);
extern Datum moments_accum_boolean(PG_FUNCTION_ARGS);
extern Datum moments_accum_boolean_control(PG_FUNCTION_ARGS);
extern Datum covariate_accum_variant(PG_FUNCTION_ARGS);
extern Datum covariate_accum_control(PG_FUNCTION_ARGS);
extern Datum moments_combine(PG_FUNCTION_ARGS);

extern Moments *aggregate_state(FunctionCallInfo fcinfo, int metrics, MomentsConstant kind,
								const void *constant, Size size);
extern void metric_not_finite(double value, const char *name, int position) pg_attribute_noreturn();

/* Refuse NaN and infinity; the position in an array is 1-based, 0 for none. */
static inline void
check_metric(double value, const char *name, int position)
{
	if (unlikely(!isfinite(value)))
		metric_not_finite(value, name, position);
}

/* The arm of a row, which may be new; the state may move. */
static pg_attribute_always_inline Moments *
find_or_add_arm(Moments *m, const char *label, int len, Arm **arm)
{
	*arm = arms_find_arm(&m->arms, moments_records(m), label, len);
	if (unlikely(*arm == NULL))
		m = moments_add_arm(m, label, len, arm);
	return m;
}

/* Add one row of k metrics, the state's; the state may move. */
static pg_attribute_always_inline Moments *
aggregate_row(Moments *m, const char *label, int len, const double *values, int k)
{
	Arm *arm;

	m = find_or_add_arm(m, label, len, &arm);
	moments_add_row(m, arm, values, k);
	return m;
}

#endif /* EXPSTAT_AGGREGATES_H */
