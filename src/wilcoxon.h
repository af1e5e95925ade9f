/*
 * wilcoxon.h
 *		The Mann-Whitney (Wilcoxon rank-sum) test of two samples.
 *
 * The samples are merged in the order of their values and given to
 * rank_sums_add() one distinct value at a time.
 */
#ifndef EXPSTAT_WILCOXON_H
#define EXPSTAT_WILCOXON_H

#include <stdbool.h>

#include "spread.h"

typedef struct RankSums
{
	double n_t; /* sizes of treatment and control, known beforehand */
	double n_c;
	double below_t; /* how many of them are smaller than what comes next */
	double below_c;
	double u;	 /* pairs in which the treatment is larger, ties count one half */
	double ties; /* sum over distinct values of t (N - t) (N + t), see wilcoxon.c */
	bool   tied;
	Spread placements_t; /* shares of the other sample below (above) each value */
	Spread placements_c;
} RankSums;

/* An undefined number is NaN. */
typedef struct RankTest
{
	double u;
	double z;
	double p_value;
	double superiority;
	double superiority_low;
	double superiority_high;
	bool   exact;
} RankTest;

extern RankSums rank_sums_start(double n_t, double n_c);
extern void		rank_sums_add(RankSums *sums, double ties_t, double ties_c);
extern RankTest rank_test(const RankSums *sums, bool continuity, double alpha);

#endif /* EXPSTAT_WILCOXON_H */
