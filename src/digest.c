/*
 * digest.c
 *		The beginning of a cryptographic hash, as a number.  The hashes are
 *		PostgreSQL's, which are OpenSSL's where it is built with that.
 */
#include "digest.h"

#include "common/sha2.h"
#include "port/pg_bswap.h"

/*
 * The first 8 bytes, big-endian.  Where a policy of the system forbids the hash
 * (MD5 under FIPS), that is an error.
 */
uint64
digest_prefix64(pg_cryptohash_type type, const char *data, size_t length)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(type);
	uint8			   digest[PG_SHA512_DIGEST_LENGTH]; /* the longest */
	uint64			   prefix;

	if (context == NULL || pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) data, length) < 0 ||
		pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not compute a hash: %s", pg_cryptohash_error(context))));
	pg_cryptohash_free(context);

	memcpy(&prefix, digest, sizeof(prefix));
	return pg_ntoh64(prefix);
}
