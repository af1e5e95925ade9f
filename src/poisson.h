/*
 * poisson.h
 *		Poisson(1) weights of units in replicates, by hashing, and weighted sums.
 */
#ifndef EXPSTAT_POISSON_H
#define EXPSTAT_POISSON_H

#include <stdint.h>

#define POISSON_MAX 8 /* the largest weight */

/* Replicates are computed by blocks of so many, rows by batches of up to so many. */
#define POISSON_BLOCK 64
#define POISSON_BATCH 32

/* A weight is at most 8, so that the sum over a batch of weight * byte fits 16 bits. */
typedef uint16_t PoissonBlock[POISSON_BLOCK];

extern uint64_t poisson_key(uint64_t unit, int64_t seed);
extern void		poisson_weights(const uint64_t *keys, int rows, int block, PoissonBlock *weights);
extern void
poisson_dot(const PoissonBlock *weights, const uint16_t *values, int rows, uint16_t *sums);

#endif /* EXPSTAT_POISSON_H */
