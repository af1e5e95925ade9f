/*
 * noncentral.h
 *		The noncentral t distribution, that of (Z + ncp) / sqrt(X / df) with Z
 *		standard normal and X chi-square of df degrees of freedom.
 *
 * Plain C over GSL, no PostgreSQL types.  Relative error below 1e-11 for tails
 * down to 1e-300, for any real df > 0 (infinite, too) and any finite ncp.
 * Microseconds, but for t and ncp in the thousands together with a small df: the
 * time grows with ncp.  NaN, an infinite ncp and df <= 0 are domain errors, GSL_EDOM.
 */
#ifndef EXPSTAT_NONCENTRAL_H
#define EXPSTAT_NONCENTRAL_H

/* P(T > t) and P(T < t) */
extern double noncentral_t_sf(double t, double df, double ncp);
extern double noncentral_t_cdf(double t, double df, double ncp);

#endif /* EXPSTAT_NONCENTRAL_H */
