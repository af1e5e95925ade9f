/*
 * hash32.c
 *		Public hash functions of 32 bits, bit for bit.
 */
#include "hash32.h"

#include <string.h>

static inline uint32_t
rotate_left(uint32_t word, int bits)
{
	return (word << bits) | (word >> (32 - bits));
}

/* What a word of the input is turned into before it enters the hash. */
static inline uint32_t
scramble(uint32_t word)
{
	return rotate_left(word * UINT32_C(0xcc9e2d51), 15) * UINT32_C(0x1b873593);
}

/*
 * MurmurHash3_x86_32 (Appleby 2011): words of four bytes, little-endian on
 * every machine; then the last one to three bytes, the length, and an avalanche.
 */
uint32_t
murmur3_x86_32(const char *data, size_t length, uint32_t seed)
{
	const unsigned char *p = (const unsigned char *) data;
	uint32_t			 hash = seed;
	uint32_t			 tail = 0;

	for (size_t words = length / 4; words > 0; words--, p += 4)
	{
		uint32_t word = p[0] | p[1] << 8 | p[2] << 16 | (uint32_t) p[3] << 24;

		hash = rotate_left(hash ^ scramble(word), 13) * 5 + UINT32_C(0xe6546b64);
	}
	for (size_t i = length % 4; i > 0; i--)
		tail = tail << 8 | p[i - 1];
	hash ^= scramble(tail);

	hash ^= (uint32_t) length;
	hash = (hash ^ hash >> 16) * UINT32_C(0x85ebca6b);
	hash = (hash ^ hash >> 13) * UINT32_C(0xc2b2ae35);
	return hash ^ hash >> 16;
}

/* FNV-1a (Fowler, Noll and Vo; RFC 9923), 32 bits. */
uint32_t
fnv1a_hash32(const char *data, size_t length)
{
	uint32_t hash = UINT32_C(0x811c9dc5);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char) data[i]) * UINT32_C(0x01000193);
	return hash;
}
