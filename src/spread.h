/*
 * spread.h
 *		Size, mean and sum of squared deviations of a set of numbers, in one pass.
 */
#ifndef EXPSTAT_SPREAD_H
#define EXPSTAT_SPREAD_H

typedef struct Spread
{
	double n;
	double mean;
	double squares; /* sum of squared deviations from the mean */
} Spread;

/*
 * Add n equal numbers (Chan, Golub and LeVeque 1979, eq. 2.1, for a second set
 * without any spread).
 */
static inline void
spread_add(Spread *spread, double value, double n)
{
	double total = spread->n + n;
	double d = value - spread->mean;

	if (n <= 0.0)
		return;
	spread->squares += d * d * (spread->n / total * n);
	spread->mean += d * (n / total);
	spread->n = total;
}

#endif /* EXPSTAT_SPREAD_H */
