/*
 * sequential.h
 *		Tests and intervals that hold at every look at once.
 *
 * Plain C, no PostgreSQL types.  All of them mix the likelihood ratio of a
 * normal statistic over a normal distribution of the effect; `v` is the
 * variance of that mixture in squared standard errors of the estimate, and
 * grows with the data.  A one-sided test mixes over one half of it.
 */
#ifndef EXPSTAT_SEQUENTIAL_H
#define EXPSTAT_SEQUENTIAL_H

#include <stdbool.h>

extern double mixture_variance(double alpha, double tuning_n);

/* Half the width of the 1 - alpha interval, in standard errors. */
extern double always_valid_quantile(double alpha, double v, bool one_sided);

/* The p-value of a statistic; a one-sided test looks for a positive one. */
extern double always_valid_p(double statistic, double v, bool one_sided);

#endif /* EXPSTAT_SEQUENTIAL_H */
