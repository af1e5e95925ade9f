/*
 * hashes.c
 *		Public hash functions.  Those of 32 bits are unsigned, so they are bigint.
 */
#include "versions.h"

#include <math.h>

#include "fmgr.h"
#include "hash.h"
#include "hash32.h"
#include "methods.h"

PG_FUNCTION_INFO_V1(farm_fingerprint);
PG_FUNCTION_INFO_V1(murmur3_32);
PG_FUNCTION_INFO_V1(murmur3_32_any_seed);
PG_FUNCTION_INFO_V1(fnv1a_32);
PG_FUNCTION_INFO_V1(sha1_60);

/* Each is there for text and for bytea: the same bytes either way. */

/* farm_fingerprint(data) */
Datum
farm_fingerprint(PG_FUNCTION_ARGS)
{
	struct varlena *data = PG_GETARG_VARLENA_PP(0);

	PG_RETURN_INT64((int64) farm_fingerprint64(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data)));
}

/* murmur3_32(data, seed integer): a negative seed stands for seed + 2^32 */
Datum
murmur3_32(PG_FUNCTION_ARGS)
{
	struct varlena *data = PG_GETARG_VARLENA_PP(0);

	PG_RETURN_INT64(
		murmur3_x86_32(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), (uint32) PG_GETARG_INT32(1)));
}

/* murmur3_32(data, seed float8): the seed as a signed or as an unsigned integer of 32 bits */
Datum
murmur3_32_any_seed(PG_FUNCTION_ARGS)
{
	struct varlena *data = PG_GETARG_VARLENA_PP(0);
	double			seed = PG_GETARG_FLOAT8(1);

	if (!(seed >= PG_INT32_MIN && seed <= PG_UINT32_MAX && seed == floor(seed)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("seed must be an integer of 32 bits, not %.17g", seed),
				 errhint("Accepted are %d to %u; a negative seed stands for seed + 2^32.",
						 PG_INT32_MIN, PG_UINT32_MAX)));
	PG_RETURN_INT64(
		murmur3_x86_32(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), (uint32) (int64) seed));
}

/* fnv1a_32(data) */
Datum
fnv1a_32(PG_FUNCTION_ARGS)
{
	struct varlena *data = PG_GETARG_VARLENA_PP(0);

	PG_RETURN_INT64(fnv1a_hash32(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data)));
}

/* sha1_60(data): the first 15 hexadecimal digits of SHA-1 */
Datum
sha1_60(PG_FUNCTION_ARGS)
{
	struct varlena *data = PG_GETARG_VARLENA_PP(0);

	PG_RETURN_INT64((int64) sha1_hash60(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data)));
}
