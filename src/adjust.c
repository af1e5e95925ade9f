/*
 * adjust.c
 *		Adjusted p-values: the smallest level at which a procedure that controls
 *		the error rate over all m tests would reject.
 */
#include "adjust.h"

#include <math.h>

static int
compare_tests(const void *a, const void *b)
{
	const Test *x = a;
	const Test *y = b;

	if (x->p != y->p)
		return x->p < y->p ? -1 : 1;
	return x->position < y->position ? -1 : x->position > y->position;
}

/*
 * The factor of the i-th smallest of m p-values (i from 1):
 *
 *		Bonferroni (Dunn 1961)				m
 *		Holm (1979), Hochberg (1988)		m - i + 1
 *		Benjamini and Hochberg (1995)		m / i
 *		Benjamini and Yekutieli (2001)		m / i (1 + 1/2 + ... + 1/m)
 */
static double
factor(Adjustment method, int i, int m, double harmonic)
{
	switch (method)
	{
		case ADJUST_BONFERRONI:
			return m;
		case ADJUST_HOLM:
		case ADJUST_HOCHBERG:
			return m - i + 1;
		case ADJUST_BH:
			return (double) m / i;
		case ADJUST_BY:
			return harmonic * m / i;
	}
	return m;
}

/*
 * Holm steps down: an adjusted p-value is at least that of every smaller one.
 * Hochberg and the false discovery rates step up: at most that of every larger
 * one.  (Wright 1992, "Adjusted p-values for simultaneous inference".)
 */
void
adjust_p_values(Test *tests, int count, Adjustment method)
{
	double harmonic = 0.0;

	qsort(tests, count, sizeof(Test), compare_tests);

	for (int i = count; i >= 1; i--)
		harmonic += 1.0 / i;
	for (int i = 1; i <= count; i++)
		tests[i - 1].p = fmin(tests[i - 1].p * factor(method, i, count, harmonic), 1.0);

	if (method == ADJUST_HOLM)
	{
		for (int i = 1; i < count; i++)
			tests[i].p = fmax(tests[i].p, tests[i - 1].p);
	}
	else if (method != ADJUST_BONFERRONI)
	{
		for (int i = count - 1; i >= 1; i--)
			tests[i - 1].p = fmin(tests[i - 1].p, tests[i].p);
	}
}
