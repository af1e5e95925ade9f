/*
 * compare.h
 *		Two estimates, one of a treatment and one of the control, to a comparison.
 */
#ifndef EXPSTAT_COMPARE_H
#define EXPSTAT_COMPARE_H

#include "estimate.h"

typedef enum Alternative
{
	TWO_SIDED,
	GREATER,
	LESS
} Alternative;

typedef enum LiftMethod
{
	LIFT_DELTA,
	LIFT_LOG,
	LIFT_FIELLER
} LiftMethod;

/*
 * When the data may be looked at.  `share` of alpha is spent on looks at any
 * time, by a normal mixture of variance tau2, in squared units of diff, or
 * rho2, in variances of sqrt(n) diff, if tau2 is NaN; n counts the units of
 * both arms.  The rest of alpha is spent on a single look at planned_n units.
 */
typedef struct Monitoring
{
	double share;
	double rho2;
	double tau2;
	double planned_n;
} Monitoring;

/* What is asked of a comparison. */
typedef struct Question
{
	double		alpha;
	Alternative alternative;
	double		null_diff;
	LiftMethod	lift_method;
	Monitoring	monitoring;
} Question;

extern const Question default_question;

/* An undefined number is NaN here and NULL in SQL. */
typedef struct Comparison
{
	int64		n;
	int64		n_control;
	double		estimate;
	double		estimate_control;
	double		diff;
	double		std_error;
	double		statistic;
	double		df;
	double		p_value;
	double		diff_low;
	double		diff_high;
	double		lift;
	double		lift_low;
	double		lift_high;
	double		alpha;
	const char *method;
} Comparison;

extern bool is_fixed_look(const Monitoring *monitoring, int64 n, int64 n_control);

/*
 * What two estimates share, beyond the errors of their own arms: the
 * covariances of treatment and control, and the degrees of freedom of these.
 */
typedef struct SharedError
{
	double treatment;
	double control;
	double covariance;
	double df;
} SharedError;

extern double	  welch_df(double a, double df_a, double b, double df_b, double c, double df_c);
extern Comparison compare_values(const Estimate *treatment, const Estimate *control,
								 const Question *question, const char *method);
extern Comparison
compare_welch(const Estimate *treatment, const Estimate *control, const SharedError *shared,
			  const Question *question, const char *method);
extern Comparison
compare_proportions(const Estimate *treatment, const Estimate *control, const Question *question);

#endif /* EXPSTAT_COMPARE_H */
