/*
 * adjust.h
 *		p-values adjusted for multiple testing.
 */
#ifndef EXPSTAT_ADJUST_H
#define EXPSTAT_ADJUST_H

#include "postgres.h"

typedef enum Adjustment
{
	ADJUST_BONFERRONI,
	ADJUST_HOLM,
	ADJUST_HOCHBERG,
	ADJUST_BH,
	ADJUST_BY
} Adjustment;

/* One test: its p-value, adjusted in place. */
typedef struct Test
{
	double p;
	int	   position; /* the caller's */
} Test;

/* Sorts the tests by p-value. */
extern void adjust_p_values(Test *tests, int count, Adjustment method);

#endif /* EXPSTAT_ADJUST_H */
