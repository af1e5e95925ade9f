/*
 * stats.h
 *		Distributions and quantiles.
 *
 * Plain C over GSL, no PostgreSQL types.  Everything is an upper tail ("sf",
 * survival function) or its inverse ("isf"), because 1 - cdf loses every digit
 * of a small p-value.  The lower tail of z or t is the upper tail of -z or -t.
 *
 * Relative error below 1e-12 for tails from 1 down to 1e-300 (chi-square with
 * df < 0.4: 1e-11).  NaN, df <= 0 and a probability outside [0, 1] are domain
 * errors, GSL_EDOM.
 */
#ifndef EXPSTAT_STATS_H
#define EXPSTAT_STATS_H

/*
 * Install a GSL error handler that never aborts the process.  Call it once,
 * before anything below.  Underflow is ignored: a p-value below the smallest
 * double is 0.  Every other error calls on_error, which may longjmp; if it
 * returns, the function at fault returns NaN.
 */
extern void stats_init(void (*on_error)(const char *reason, int gsl_errno));

/* Standard normal: density, P(Z > z), and the z with P(Z > z) = q, 0 <= q <= 1 */
extern double normal_pdf(double z);
extern double normal_sf(double z);
extern double normal_isf(double q);

/*
 * Student's t with real df > 0: P(T > t), and the t with P(T > t) = q,
 * 0 <= q <= 1.  df may be infinite: the standard normal.  The quantile is
 * infinite where q is below 1e-307 or the quantile overflows (df < 1).
 */
extern double student_t_sf(double t, double df);
extern double student_t_isf(double q, double df);

/* Chi-square with real df > 0: P(X > x) */
extern double chisq_sf(double x, double df);

/* Fisher's F with real df1, df2 > 0: P(F > f).  Beyond 1e300, f counts as 1e300. */
extern double fisher_f_sf(double f, double df1, double df2);

#endif /* EXPSTAT_STATS_H */
