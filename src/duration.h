/*
 * duration.h
 *		How many days an experiment takes, from the units that arrive per day.
 *
 * Plain C, no PostgreSQL types.
 */
#ifndef EXPSTAT_DURATION_H
#define EXPSTAT_DURATION_H

/*
 * Units that arrive for the first time, by day; after the last one the last week
 * repeats itself (all days, if there are fewer than seven).
 */
typedef struct Arrivals
{
	const double *units;
	int			  count;
	double		  share; /* of the units, that enter the experiment */
} Arrivals;

/* Units that have entered after so many days. */
extern double arrivals_after(const Arrivals *arrivals, double days);

/* The first day after which so many have; NaN if that never comes. */
extern double days_until(const Arrivals *arrivals, double units);

#endif /* EXPSTAT_DURATION_H */
