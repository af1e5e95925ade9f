/*
 * comparison_rows.h
 *		Answering a question about the arms of a state with rows of the SQL type
 *		comparison.
 */
#ifndef EXPSTAT_COMPARISON_ROWS_H
#define EXPSTAT_COMPARISON_ROWS_H

#include "compare.h"
#include "moments_fmgr.h"

#include "funcapi.h"

/*
 * How to compare two arms; either may be NULL, an arm without units.  `details`
 * is what the estimator needs beyond the question.
 */
typedef Comparison (*CompareArms)(const Moments *m, const Arm *treatment, const Arm *control,
								  const Question *question, const void *details);

/* The control of a state: its arm, if it has any units, and its label, if known. */
typedef struct Control
{
	int		   position; /* -1 for none */
	const Arm *arm;
	text	  *label;
} Control;

extern Control	  find_control(const Moments *m, const char *label, int len);
extern Control	  control_argument(FunctionCallInfo fcinfo, int number, const Moments *m);
extern const Arm *next_treatment(const Moments *m, const Control *control, int *position);

extern double	   alpha_argument(FunctionCallInfo fcinfo, int number);
extern Alternative alternative_argument(FunctionCallInfo fcinfo, int number);
extern double	   finite_argument(FunctionCallInfo fcinfo, int number, const char *name);
extern int		   choice_argument(FunctionCallInfo fcinfo, int number, const char *name,
								   const char *const *choices, int count);
extern int metric_argument(FunctionCallInfo fcinfo, int number, const char *name, const Moments *m);
extern const Moments			 *
select_covariates(FunctionCallInfo fcinfo, const Moments *m, int metric, int number);
extern void check_binary(const Moments *m, const Arm *arm, int metric);
extern const char *covariates_used(const char *test, int used);

extern text	   *arm_label(const Arm *arm);
extern void		check_estimate(const Estimate *estimate, const char *what);
extern Question question_arguments(FunctionCallInfo fcinfo, int lift_method);

#define COMPARISON_COLUMNS 18

extern void		 comparison_columns(const Comparison *c, const text *treatment, const text *control,
									Datum *values, bool *nulls);
extern HeapTuple comparison_tuple(TupleDesc descriptor, const Comparison *c, const text *treatment,
								  const text *control);

/*
 * Final function of a one-step aggregate over states of so many metrics.  For
 * more than two variants there is `function` over the state that `two_step`
 * gathers.
 */
extern Datum comparison_one_step(FunctionCallInfo fcinfo, int metrics, const char *function,
								 const char *two_step, CompareArms compare, const void *details);
extern const Moments *final_state(FunctionCallInfo fcinfo, int metrics, int arms);
extern void			  check_two_variants(int variants, const char *hint);
extern Datum one_row(FunctionCallInfo fcinfo, const Comparison *comparison, const Arm *treatment,
					 const Control *control);

/*
 * Functions (moments, control, alpha, alternative, null_diff, ..., lift_method,
 * ...), lift_method at the given position, give one row per treatment.  First
 * comparison_start(), which returns NULL for a NULL state, then
 * comparison_per_treatment().
 */
extern const Moments *comparison_start(FunctionCallInfo fcinfo);
extern Datum comparison_per_treatment(FunctionCallInfo fcinfo, const Moments *m, int lift_method,
									  CompareArms compare, const void *details);

#endif /* EXPSTAT_COMPARISON_ROWS_H */
