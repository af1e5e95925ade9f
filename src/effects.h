/*
 * effects.h
 *		Effects with known standard errors, of segments or days, together: their
 *		mean, whether they differ, and their trend.
 */
#ifndef EXPSTAT_EFFECTS_H
#define EXPSTAT_EFFECTS_H

/*
 * Sums over effects at places x (days; 0 where there are none), weighted by
 * 1 / std_error^2.  Doubles only: it is the state of an aggregate, an array.
 */
typedef struct Effects
{
	double count;
	double left_out; /* without a weight */
	double first;	 /* the places, from the first to the last */
	double last;
	double weight;
	double mean_x;
	double mean;
	double sxx; /* weighted squares and products around the means */
	double sxy;
	double syy;
} Effects;

/* How many doubles that is. */
#define EFFECTS_NUMBERS ((int) (sizeof(Effects) / sizeof(double)))

/* An undefined number is NaN here and NULL in SQL. */
typedef struct Effect
{
	double value;
	double std_error;
	double statistic;
	double p_value;
	double low;
	double high;
} Effect;

typedef struct Heterogeneity
{
	double q;
	int	   df;
	double p_value;
	double i_squared;
} Heterogeneity;

extern void			 effects_add(Effects *sums, double x, double effect, double std_error);
extern void			 effects_add_weighted(Effects *sums, double x, double effect, double weight);
extern void			 effects_merge(Effects *into, const Effects *from);
extern Effect		 effects_mean(const Effects *sums);
extern Effect		 effects_slope(const Effects *sums);
extern double		 effects_fitted(const Effects *sums, double x);
extern Heterogeneity effects_heterogeneity(const Effects *sums);

#endif /* EXPSTAT_EFFECTS_H */
