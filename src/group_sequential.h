/*
 * group_sequential.h
 *		Designs with a fixed number of looks: bounds for the statistic at each
 *		look, and what is to be reported after the last one.
 */
#ifndef EXPSTAT_GROUP_SEQUENTIAL_H
#define EXPSTAT_GROUP_SEQUENTIAL_H

#include "postgres.h"

#define LOOKS_MAX 200

typedef enum Spending
{
	SPEND_OBRIEN_FLEMING,
	SPEND_POCOCK,
	SPEND_POWER,
	SPEND_HWANG_SHIH_DECANI,
	CONSTANT_OBRIEN_FLEMING,
	CONSTANT_POCOCK
} Spending;

typedef struct Design
{
	int			  looks;
	const double *information; /* in any unit, increasing */
	double		  planned;	   /* that at which all of alpha is spent */
	double		  alpha;	   /* of a side */
	bool		  two_sided;
	Spending	  spending;
	double		  parameter;
} Design;

/* A look: the experiment stops at a statistic of `upper` or more, or beyond -upper if two-sided. */
typedef struct Look
{
	double upper;
	double spent; /* alpha of a side, up to this look */
} Look;

/* Of the drift: the mean of the statistic at the look stopped at. */
typedef struct Stagewise
{
	double p_value;
	double median;
	double low;
	double high;
} Stagewise;

extern bool	  reaches_planned_end(const Design *design, double information);
extern void	  design_looks(const Design *design, Look *looks);
extern double design_inflation(const Design *design, double power);
extern Stagewise
stagewise_analysis(const Design *design, const Look *looks, int look, double statistic);

#endif /* EXPSTAT_GROUP_SEQUENTIAL_H */
