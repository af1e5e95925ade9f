/*
 * poisson.c
 *		Poisson(1) weights of units in replicates, by hashing, and weighted sums.
 *
 * The weight of a unit in a replicate is a function of the unit, the seed and
 * the number of the replicate, and of nothing else: it is the same in any order
 * of rows, any plan, on any number of workers, and on every platform.
 *
 * All loops are over the lanes of a block, without branches, in integers of at
 * most 32 bits, so that compilers make vectors of them.
 */
#include "poisson.h"

/* One word of 32 random bits serves two replicates. */
#define WORDS (POISSON_BLOCK / 2)

/*
 * The key of a unit under a seed: the unit's 64-bit hash plus (seed + 1) times
 * the golden ratio, mixed by the finaliser of SplitMix64 (Steele, Lea and Flood
 * 2014, figure 15, with Stafford's "variant 13" constants), a bijection.
 */
uint64_t
poisson_key(uint64_t unit, int64_t seed)
{
	uint64_t z = unit + ((uint64_t) seed + 1) * UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/*
 * Sixteen random bits per replicate of a block.  Word i of a unit's stream is
 *
 *		x = low half of the key + i * 0x9E3779B9
 *		x = (x ^ x >> 16) * 0x21F0AAAD
 *		x = (x ^ x >> 15 ^ high half of the key) * 0x735A2D97
 *		x =  x ^ x >> 15
 *
 * which is "lowbias32" (Wellons 2018, hash-prospector), a bijection of 32 bits
 * with next to no bias, as the output of a counter (a Weyl sequence); the other
 * half of the key goes in between its two rounds.  In a block of 64 replicates
 * the low halves of 32 words serve the first 32 replicates, the high halves the
 * other 32.
 */
static inline void
random_block(uint64_t key, uint32_t first, uint16_t *bits)
{
	uint32_t low = (uint32_t) key;
	uint32_t high = (uint32_t) (key >> 32);

	for (uint32_t i = 0; i < WORDS; i++)
	{
		uint32_t x = low + (first + i) * UINT32_C(0x9E3779B9);

		x = (x ^ (x >> 16)) * UINT32_C(0x21F0AAAD);
		x = (x ^ (x >> 15) ^ high) * UINT32_C(0x735A2D97);
		x ^= x >> 15;
		bits[i] = (uint16_t) x;
		bits[i + WORDS] = (uint16_t) (x >> 16);
	}
}

/*
 * 65536 P(W >= k) of the Poisson distribution with mean 1, k = 1 .. 8, rounded
 * so that mean and variance are exactly 1:
 *
 *		sum of P(W >= k) = 1,  2 * sum of (k - 1) P(W >= k) = E[W (W - 1)] = 1
 *
 * No probability is off by more than 1.9e-5, E[W (W - 1) (W - 2)] by 3.1e-5.
 */
#define WEIGHT(u)                                                                             \
	(((u) < 41427) + ((u) < 17317) + ((u) < 5262) + ((u) < 1245) + ((u) < 240) + ((u) < 39) + \
	 ((u) < 5) + ((u) < 1))

/*
 * Weights of up to POISSON_BATCH units in the replicates of a block.
 */
void
poisson_weights(const uint64_t *keys, int rows, int block, PoissonBlock *weights)
{
	for (int row = 0; row < rows; row++)
	{
		uint16_t bits[POISSON_BLOCK];

		random_block(keys[row], (uint32_t) block * WORDS, bits);
		for (int i = 0; i < POISSON_BLOCK; i++)
			weights[row][i] = (uint16_t) WEIGHT(bits[i]);
	}
}

/*
 * Per replicate the sum over the units of weight * value, for values of one
 * byte, modulo 65536.
 */
void
poisson_dot(const PoissonBlock *weights, const uint16_t *values, int rows, uint16_t *sums)
{
	uint16_t block[POISSON_BLOCK] = {0};

	for (int row = 0; row < rows; row++)
	{
		for (int i = 0; i < POISSON_BLOCK; i++)
			block[i] = (uint16_t) (block[i] + weights[row][i] * values[row]);
	}
	for (int i = 0; i < POISSON_BLOCK; i++)
		sums[i] = block[i];
}
