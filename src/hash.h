/*
 * hash.h
 *		Public hash functions, bit for bit.
 */
#ifndef EXPSTAT_HASH_H
#define EXPSTAT_HASH_H

#include <stddef.h>
#include <stdint.h>

extern uint64_t farm_fingerprint64(const char *data, size_t length);

#endif /* EXPSTAT_HASH_H */
