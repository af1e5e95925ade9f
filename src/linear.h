/*
 * linear.h
 *		Linear algebra.
 *
 * Plain C over GSL, no PostgreSQL types.
 */
#ifndef EXPSTAT_LINEAR_H
#define EXPSTAT_LINEAR_H

#define LINEAR_MAX 64

/*
 * A variable of which the others explain all but this share of its variance
 * adds nothing but noise.
 */
#define COLLINEAR_SHARE 1e-9

extern int solve_semidefinite(const double *packed, const double *right, int n, double *solution);

#endif /* EXPSTAT_LINEAR_H */
