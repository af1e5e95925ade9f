/*
 * duration.c
 *		How many days an experiment takes, from the units that arrive per day.
 */
#include "duration.h"

#include <math.h>

#define WEEK 7

static int
period_length(const Arrivals *arrivals)
{
	return arrivals->count < WEEK ? arrivals->count : WEEK;
}

/* Units that enter on a day, counted from 0. */
static double
entering(const Arrivals *arrivals, double day)
{
	int period = period_length(arrivals);
	int index;

	if (day < arrivals->count)
		index = (int) day;
	else
		index = arrivals->count - period + (int) fmod(day - arrivals->count, period);
	return arrivals->units[index] * arrivals->share;
}

/* Units that enter from one day to before another, at most a table apart. */
static double
entering_between(const Arrivals *arrivals, double from, double to)
{
	double sum = 0.0;

	for (double day = from; day < to; day++)
		sum += entering(arrivals, day);
	return sum;
}

/* Units of a period after the table. */
static double
repeated(const Arrivals *arrivals)
{
	return entering_between(arrivals, arrivals->count,
							(double) arrivals->count + period_length(arrivals));
}

double
arrivals_after(const Arrivals *arrivals, double days)
{
	double known = fmin(days, arrivals->count);
	double periods = floor((days - known) / period_length(arrivals));

	return entering_between(arrivals, 0.0, known) + periods * repeated(arrivals) +
		entering_between(arrivals, known + periods * period_length(arrivals), days);
}

double
days_until(const Arrivals *arrivals, double units)
{
	double sum = 0.0;
	double day = 0.0;

	while (day < arrivals->count && sum < units)
		sum += entering(arrivals, day++);

	if (sum < units)
	{
		double period = repeated(arrivals);
		double whole = floor((units - sum) / period);

		if (!(period > 0.0))
			return NAN;
		sum += whole * period;
		day += whole * period_length(arrivals);
		while (sum < units)
			sum += entering(arrivals, day++);
	}
	return day;
}
