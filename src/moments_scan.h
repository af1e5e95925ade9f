/*
 * moments_scan.h
 *		Plans and executes "SELECT welch_t(y, variant), ... FROM table WHERE ..."
 *		a page at a time.
 */
#ifndef EXPSTAT_MOMENTS_SCAN_H
#define EXPSTAT_MOMENTS_SCAN_H

#include "postgres.h"

#include "nodes/extensible.h"

/* What the transition function does with the columns that a kernel names. */
typedef enum MomentsTransition
{
	TRANSITION_NONE = 0,
	TRANSITION_METRICS,	 /* (y, variant), (y, x, variant) */
	TRANSITION_ARRAY,	 /* (ys, variant) */
	TRANSITION_COVARIATE /* (y, x, variant): a missing x counts */
} MomentsTransition;

/*
 * The plan's custom_private is a list of two:
 *
 *		kernels: of each different state to be computed a list of
 *				 (integers: MomentsTransition, attnum of the variant, attnums of the metrics)
 *				 (the control label, a Const, or NULL)
 *		outputs: integers, the kernel of every column of the result
 *
 * and its only child is a sequential scan of the table.
 */
extern const CustomScanMethods moments_scan_methods;

extern void moments_plan_init(void);

#endif /* EXPSTAT_MOMENTS_SCAN_H */
