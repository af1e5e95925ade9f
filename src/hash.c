/*
 * hash.c
 *		Public hash functions, bit for bit.
 *
 * FarmHash Fingerprint64 (Pike 2014, Google): the function that BigQuery calls
 * FARM_FINGERPRINT.  It is defined on little-endian words, whatever the
 * machine.
 */
#include "hash.h"

#include <string.h>

/* Odd primes between 2^63 and 2^64, from the definition. */
static const uint64_t k0 = UINT64_C(0xc3a5c85c97cb3127);
static const uint64_t k1 = UINT64_C(0xb492b66fbe98f273);
static const uint64_t k2 = UINT64_C(0x9ae16a3b2f90404f);

static inline uint64_t
word64(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline uint64_t
word32(const char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap32(word);
#endif
	return word;
}

static inline uint64_t
byte(const char *p)
{
	return (unsigned char) *p;
}

static inline uint64_t
rotate_right(uint64_t word, int bits)
{
	return (word >> bits) | (word << (64 - bits));
}

static inline uint64_t
shift_mix(uint64_t word)
{
	return word ^ (word >> 47);
}

/* Murmur-like mix of two words with a multiplier. */
static inline uint64_t
mix(uint64_t u, uint64_t v, uint64_t multiplier)
{
	uint64_t a = shift_mix((u ^ v) * multiplier);

	return shift_mix((v ^ a) * multiplier) * multiplier;
}

static uint64_t
fingerprint_0_to_16(const char *s, size_t length)
{
	if (length >= 8)
	{
		uint64_t multiplier = k2 + length * 2;
		uint64_t a = word64(s) + k2;
		uint64_t b = word64(s + length - 8);
		uint64_t c = rotate_right(b, 37) * multiplier + a;
		uint64_t d = (rotate_right(a, 25) + b) * multiplier;

		return mix(c, d, multiplier);
	}
	if (length >= 4)
		return mix(length + (word32(s) << 3), word32(s + length - 4), k2 + length * 2);
	if (length > 0)
	{
		uint64_t y = byte(s) + (byte(s + length / 2) << 8);
		uint64_t z = length + (byte(s + length - 1) << 2);

		return shift_mix((y * k2) ^ (z * k0)) * k2;
	}
	return k2;
}

static uint64_t
fingerprint_17_to_32(const char *s, size_t length)
{
	uint64_t multiplier = k2 + length * 2;
	uint64_t a = word64(s) * k1;
	uint64_t b = word64(s + 8);
	uint64_t c = word64(s + length - 8) * multiplier;
	uint64_t d = word64(s + length - 16) * k2;

	return mix(rotate_right(a + b, 43) + rotate_right(c, 30) + d, a + rotate_right(b + k2, 18) + c,
			   multiplier);
}

static uint64_t
fingerprint_33_to_64(const char *s, size_t length)
{
	uint64_t multiplier = k2 + length * 2;
	uint64_t a = word64(s) * k2;
	uint64_t b = word64(s + 8);
	uint64_t c = word64(s + length - 8) * multiplier;
	uint64_t d = word64(s + length - 16) * k2;
	uint64_t y = rotate_right(a + b, 43) + rotate_right(c, 30) + d;
	uint64_t z = mix(y, a + rotate_right(b + k2, 18) + c, multiplier);
	uint64_t e = word64(s + 16) * multiplier;
	uint64_t f = word64(s + 24);
	uint64_t g = (y + word64(s + length - 32)) * multiplier;
	uint64_t h = (z + word64(s + length - 24)) * multiplier;

	return mix(rotate_right(e + f, 43) + rotate_right(g, 30) + h, e + rotate_right(f + a, 18) + g,
			   multiplier);
}

typedef struct Pair
{
	uint64_t first;
	uint64_t second;
} Pair;

/* Fold 32 bytes into a pair of seeds. */
static inline Pair
weak_hash_32(const char *s, uint64_t a, uint64_t b)
{
	uint64_t start;
	Pair	 result;

	a += word64(s);
	b = rotate_right(b + a + word64(s + 24), 21);
	start = a;
	a += word64(s + 8);
	a += word64(s + 16);
	b += rotate_right(a, 44);
	result.first = a + word64(s + 24);
	result.second = b + start;
	return result;
}

static inline void
swap(uint64_t *a, uint64_t *b)
{
	uint64_t held = *a;

	*a = *b;
	*b = held;
}

/* Over 64 bytes: rounds of 64, then the last 64 again, whatever they overlap. */
static uint64_t
fingerprint_long(const char *s, size_t length)
{
	const char *end = s + (length - 1) / 64 * 64;
	const char *last64 = s + length - 64;
	uint64_t	seed = 81;
	uint64_t	x = seed * k2 + word64(s);
	uint64_t	y = seed * k1 + 113;
	uint64_t	z = shift_mix(y * k2 + 113) * k2;
	Pair		v = {0, 0};
	Pair		w = {0, 0};
	uint64_t	multiplier;

	do
	{
		x = rotate_right(x + y + v.first + word64(s + 8), 37) * k1;
		y = rotate_right(y + v.second + word64(s + 48), 42) * k1;
		x ^= w.second;
		y += v.first + word64(s + 40);
		z = rotate_right(z + w.first, 33) * k1;
		v = weak_hash_32(s, v.second * k1, x + w.first);
		w = weak_hash_32(s + 32, z + w.second, y + word64(s + 16));
		swap(&z, &x);
		s += 64;
	} while (s != end);

	multiplier = k1 + ((z & 0xff) << 1);
	s = last64;
	w.first += (length - 1) & 63;
	v.first += w.first;
	w.first += v.first;
	x = rotate_right(x + y + v.first + word64(s + 8), 37) * multiplier;
	y = rotate_right(y + v.second + word64(s + 48), 42) * multiplier;
	x ^= w.second * 9;
	y += v.first * 9 + word64(s + 40);
	z = rotate_right(z + w.first, 33) * multiplier;
	v = weak_hash_32(s, v.second * multiplier, x + w.first);
	w = weak_hash_32(s + 32, z + w.second, y + word64(s + 16));
	swap(&z, &x);
	return mix(mix(v.first, w.first, multiplier) + shift_mix(y) * k0 + z,
			   mix(v.second, w.second, multiplier) + x, multiplier);
}

uint64_t
farm_fingerprint64(const char *data, size_t length)
{
	if (length <= 16)
		return fingerprint_0_to_16(data, length);
	if (length <= 32)
		return fingerprint_17_to_32(data, length);
	if (length <= 64)
		return fingerprint_33_to_64(data, length);
	return fingerprint_long(data, length);
}
