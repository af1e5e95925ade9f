/*
 * estimators.h
 *		Each estimator as a comparison of two arms of a state.
 */
#ifndef EXPSTAT_ESTIMATORS_H
#define EXPSTAT_ESTIMATORS_H

#include "comparison_rows.h"
#include "covariates.h"

extern Comparison welch_arms(const Moments *m, const Arm *treatment, const Arm *control,
							 const Question *question, const void *details);
extern Comparison ratio_arms(const Moments *m, const Arm *treatment, const Arm *control,
							 const Question *question, const void *details);
extern Comparison adjusted_arms(const Moments *m, const Arm *treatment, const Arm *control,
								const Question *question, const void *details);
extern Comparison interacted_arms(const Moments *m, const Arm *treatment, const Arm *control,
								  const Question *question, const void *details);
extern Comparison adjusted_ratio_arms(const Moments *m, const Arm *treatment, const Arm *control,
									  const Question *question, const void *details);

extern const Moments *
select_covariates(FunctionCallInfo fcinfo, const Moments *m, int metric, int number);

#endif /* EXPSTAT_ESTIMATORS_H */
