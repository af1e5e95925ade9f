/*
 * aggregates.h
 *		What the transition functions of all aggregates over moments share.
 */
#ifndef EXPSTAT_AGGREGATES_H
#define EXPSTAT_AGGREGATES_H

#include "moments_fmgr.h"

extern Moments *aggregate_state(FunctionCallInfo fcinfo, int metrics, MomentsConstant kind,
								const void *constant, Size size);
extern Moments *aggregate_row(Moments *m, const text *variant, const double *values);
extern void		check_metric(double value, const char *name, int position);

#endif /* EXPSTAT_AGGREGATES_H */
