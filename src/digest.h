/*
 * digest.h
 *		The beginning of a cryptographic hash, as a number.
 */
#ifndef EXPSTAT_DIGEST_H
#define EXPSTAT_DIGEST_H

#include "postgres.h"

#include "common/cryptohash.h"

extern uint64 digest_prefix64(pg_cryptohash_type type, const char *data, size_t length);

#endif /* EXPSTAT_DIGEST_H */
