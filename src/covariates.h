/*
 * covariates.h
 *		Adjustment of an estimate by what was known of the units before the
 *		experiment (CUPED, regression adjustment).
 */
#ifndef EXPSTAT_COVARIATES_H
#define EXPSTAT_COVARIATES_H

#include "compare.h"

/* Which metric is adjusted by which others (0-based positions). */
typedef struct CovariateSet
{
	int metric;
	int count;
	int covariates[MOMENTS_METRICS_MAX];
} CovariateSet;

/* y - theta' (x - mean of all units' x) has the smallest variance. */
typedef struct CovariateModel
{
	CovariateSet set;
	int			 used; /* covariates that are neither constant nor collinear */
	double		 theta[MOMENTS_METRICS_MAX];
} CovariateModel;

/* What a model of one covariate (and its missing indicator) says. */
typedef struct CovariateReport
{
	double theta;
	double mean_y;
	double mean_x;
	double correlation;
	double variance_reduction;
} CovariateReport;

extern CovariateModel  covariate_model(const Moments *m, const Arm *arm, const CovariateSet *set);
extern CovariateReport covariate_report(const Moments *m, const Arm *arm, const CovariateSet *set);
extern Estimate estimate_adjusted(const Moments *m, const Arm *arm, const CovariateModel *model);
extern SharedError
shared_error(const Moments *m, const CovariateModel *treatment, const CovariateModel *control);
extern double	ratio_slope(const Moments *m, const int *positions);
extern Estimate estimate_adjusted_ratio(const Moments *m, const Arm *arm, const int *positions);

#endif /* EXPSTAT_COVARIATES_H */
