/*
 * covariates.h
 *		Adjustment of an estimate by what was known of the units before the
 *		experiment (CUPED, regression adjustment).
 */
#ifndef EXPSTAT_COVARIATES_H
#define EXPSTAT_COVARIATES_H

#include "compare.h"

/*
 * All functions here take a state in which metric 0 is to be adjusted by all
 * others, which moments_select_metrics() makes of any other.
 */

/* y - theta' (x - mean of all units' x) has the smallest variance. */
typedef struct CovariateModel
{
	int	   used;		/* covariates that are neither constant nor collinear */
	double residual_df; /* of what theta is fitted to, after it */
	double theta[MOMENTS_METRICS_MAX];
} CovariateModel;

/* What the arms have in common. */
typedef struct Adjustment
{
	double		   units;						/* in all arms */
	double		   centre[MOMENTS_METRICS_MAX]; /* mean of all units, less the first arm's */
	CovariateModel pooled;
	double covariance[MOMENTS_METRICS_MAX * (MOMENTS_METRICS_MAX + 1) / 2]; /* of all units */
} Adjustment;

/* What a model of one covariate (and its missing indicator) says. */
typedef struct CovariateReport
{
	double theta;
	double mean_y;
	double mean_x;
	double correlation;
	double variance_reduction;
} CovariateReport;

extern void			   adjustment_prepare(const Moments *m, Adjustment *adjustment);
extern CovariateModel  covariate_model(const Moments *m, const Arm *arm);
extern CovariateReport covariate_report(const Moments *m, const Arm *arm);
extern Estimate	   estimate_adjusted(const Moments *m, const Arm *arm, const Adjustment *adjustment,
									 const CovariateModel *model);
extern SharedError shared_error(const Moments *m, const Adjustment *adjustment,
								const CovariateModel *treatment, const CovariateModel *control);

/* A ratio (metrics 0 and 1) adjusted by the one before the experiment (2 and 3). */
typedef struct RatioAdjustment
{
	double theta;  /* 0: there is nothing to adjust by */
	double centre; /* the ratio before, of all units */
} RatioAdjustment;

extern RatioAdjustment ratio_adjustment(const Moments *m);
extern Estimate
estimate_adjusted_ratio(const Moments *m, const Arm *arm, const RatioAdjustment *adjustment);

#endif /* EXPSTAT_COVARIATES_H */
