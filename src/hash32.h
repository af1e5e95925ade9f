/*
 * hash32.h
 *		Public hash functions of 32 bits, bit for bit.
 */
#ifndef EXPSTAT_HASH32_H
#define EXPSTAT_HASH32_H

#include <stddef.h>
#include <stdint.h>

extern uint32_t murmur3_x86_32(const char *data, size_t length, uint32_t seed);
extern uint32_t fnv1a_hash32(const char *data, size_t length);

#endif /* EXPSTAT_HASH32_H */
