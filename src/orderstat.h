/*
 * orderstat.h
 *		Quantiles of a sample and their errors, from its order statistics.
 */
#ifndef EXPSTAT_ORDERSTAT_H
#define EXPSTAT_ORDERSTAT_H

#include "estimate.h"

/* A point between two neighbouring order statistics, by their 1-based ranks. */
typedef struct QuantilePoint
{
	int64  rank;
	int64  next;
	double fraction; /* of the way to the next */
} QuantilePoint;

/* The ranks of the interval's ends; 0 where the sample is too small for one. */
typedef struct QuantileRanks
{
	int64 low;
	int64 high;
} QuantileRanks;

/* Over the units of a sample: what the indicators of (value <= quantile) add up to. */
typedef struct ClusterSums
{
	double units;
	double values;
	double below;	  /* sum of s, the unit's values at or below the quantile */
	double squares;	  /* sum of r^2, r = s - p v, v the unit's values */
	double products;  /* sum of r v */
	double squares_v; /* sum of v^2 */
} ClusterSums;

extern QuantilePoint quantile_point(double p, int64 n);
extern double		 quantile_between(double value, double next, double fraction);
extern QuantileRanks quantile_ranks(double p, int64 n, double alpha);
extern void			 cluster_add(ClusterSums *sums, double p, double values, double below);
extern double		 cluster_inflation(const ClusterSums *sums, double p);
extern Estimate		 quantile_estimate(int64 units, double value, double low, double high,
									   double inflation, double alpha);

#endif /* EXPSTAT_ORDERSTAT_H */
