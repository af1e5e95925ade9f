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

/* What is asked of a comparison. */
typedef struct Question
{
	double		alpha;
	Alternative alternative;
	double		null_diff;
	LiftMethod	lift_method;
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

extern Comparison compare_values(const Estimate *treatment, const Estimate *control,
								 const Question *question, const char *method);
extern Comparison
compare_welch(const Estimate *treatment, const Estimate *control, const SharedError *shared,
			  const Question *question, const char *method);
extern Comparison
compare_proportions(const Estimate *treatment, const Estimate *control, const Question *question);

#endif /* EXPSTAT_COMPARE_H */
