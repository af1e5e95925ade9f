/*
 * duration.c
 *		How many days an experiment takes, from the units that arrive per day.
 */
#include "duration.h"

#include <math.h>

#define WEEK 7

/* A share of whole units need not be exact: ten days of 0.1 units are one unit. */
#define ROUNDING 1e-12

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

/* Units that enter on so many days from one on. */
static double
entering_from(const Arrivals *arrivals, double day, int days)
{
	double sum = 0.0;

	for (int i = 0; i < days; i++)
		sum += entering(arrivals, day + i);
	return sum;
}

/* Units of a period after the table. */
static double
repeated(const Arrivals *arrivals)
{
	return entering_from(arrivals, arrivals->count, period_length(arrivals));
}

double
arrivals_after(const Arrivals *arrivals, double days)
{
	int	   period = period_length(arrivals);
	int	   known = (int) fmin(days, arrivals->count);
	double periods = floor((days - known) / period);
	double last = known + periods * period;

	return entering_from(arrivals, 0.0, known) + periods * repeated(arrivals) +
		entering_from(arrivals, last, (int) (days - last));
}

double
days_until(const Arrivals *arrivals, double units)
{
	double sum = 0.0;
	double day = 0.0;

	units *= 1.0 - ROUNDING;
	while (day < arrivals->count && sum < units)
		sum += entering(arrivals, day++);

	if (sum < units)
	{
		double period = repeated(arrivals);
		double periods = floor((units - sum) / period);

		if (!(period > 0.0))
			return NAN;
		sum += periods * period;
		day += periods * period_length(arrivals);
		/* at most a period more, also where the sum is too large to count by ones */
		for (int i = 0; i < period_length(arrivals) && sum < units; i++)
			sum += entering(arrivals, day++);
	}
	return day;
}
