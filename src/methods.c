/*
 * methods.c
 *		Bucketing methods: which string is hashed how, and its bucket.
 *
 * Except for the first, these are the definitions of the flag services and
 * libraries that they are named after.  docs/assignment.md says where each is
 * published, and test/data/hash has what they publish as test vectors.
 */
#include "methods.h"

#include "bucket.h"
#include "digest.h"
#include "hash.h"
#include "hash32.h"

static double
farm_fingerprint_bucket(const char *data, size_t length)
{
	return bucket_of_hash(farm_fingerprint64(data, length));
}

static double
growthbook_v1_bucket(const char *data, size_t length)
{
	return fnv1a_hash32(data, length) % 1000 / 1000.0;
}

/* The hash of the hash's decimal digits. */
static double
growthbook_v2_bucket(const char *data, size_t length)
{
	uint32 hash = fnv1a_hash32(data, length);
	char   digits[10]; /* 2^32 has ten */
	char  *end = digits + sizeof(digits);
	char  *first = end;

	do
		*--first = '0' + hash % 10;
	while ((hash /= 10) > 0);
	return fnv1a_hash32(first, end - first) % 10000 / 10000.0;
}

/* The first 15 hexadecimal digits. */
uint64
sha1_hash60(const char *data, size_t length)
{
	return digest_prefix64(PG_SHA1, data, length) >> 4;
}

/*
 * Over 2^60 - 1 by definition, which as a double is 2^60, as is the hash from
 * 2^60 - 64: the bucket would be 1.  It is the last one before 1 instead.
 */
static double
sha1_bucket(const char *data, size_t length)
{
	return Min((double) sha1_hash60(data, length) * 0x1p-60, 1.0 - 0x1p-53);
}

static double
unleash_bucket(const char *data, size_t length)
{
	return murmur3_x86_32(data, length, 0) % 100 / 100.0;
}

static double
unleash_variant_bucket(const char *data, size_t length)
{
	return murmur3_x86_32(data, length, 86028157) % 1000 / 1000.0;
}

static double
optimizely_bucket(const char *data, size_t length)
{
	return (double) (murmur3_x86_32(data, length, 1) * UINT64CONST(10000) >> 32) / 10000.0;
}

static double
eppo_bucket(const char *data, size_t length)
{
	return (digest_prefix64(PG_MD5, data, length) >> 32) % 10000 / 10000.0;
}

static double
statsig_bucket(const char *data, size_t length)
{
	return digest_prefix64(PG_SHA256, data, length) % 10000 / 10000.0;
}

static double
statsig_user_bucket(const char *data, size_t length)
{
	return digest_prefix64(PG_SHA256, data, length) % 1000 / 1000.0;
}

static double
flagd_bucket(const char *data, size_t length)
{
	return murmur3_x86_32(data, length, 0) * 0x1p-32;
}

const BucketMethod bucket_methods[BUCKET_METHODS] = {
	{"farm_fingerprint", false, ':', farm_fingerprint_bucket, 0.0, false},
	{"growthbook", true, '\0', growthbook_v1_bucket, 1000.0, true},
	{"growthbook_v1", true, '\0', growthbook_v1_bucket, 1000.0, true},
	{"growthbook_v2", false, '\0', growthbook_v2_bucket, 10000.0, true},
	{"launchdarkly", false, '.', sha1_bucket, 0.0, false},
	{"unleash", false, ':', unleash_bucket, 100.0, false},
	{"unleash_variant", false, ':', unleash_variant_bucket, 1000.0, false},
	{"optimizely", true, '\0', optimizely_bucket, 10000.0, false},
	{"eppo", false, '-', eppo_bucket, 10000.0, false},
	{"statsig", false, '.', statsig_bucket, 10000.0, false},
	{"statsig_user_bucket", false, '.', statsig_user_bucket, 1000.0, false},
	{"planout", false, '.', sha1_bucket, 0.0, false},
	{"flagd", false, '\0', flagd_bucket, 0x1p32, false},
};

/* Most ids and salts are short: join them on the stack. */
#define JOIN_BUFFER_SIZE 512

double
method_bucket(const BucketMethod *method, const char *unit, size_t unit_length, const char *salt,
			  size_t salt_length)
{
	const char *first = method->unit_first ? unit : salt;
	const char *second = method->unit_first ? salt : unit;
	size_t		first_length = method->unit_first ? unit_length : salt_length;
	size_t		second_length = method->unit_first ? salt_length : unit_length;
	size_t		length = first_length + second_length + 1;
	char		buffer[JOIN_BUFFER_SIZE];
	char	   *joined = buffer;
	char	   *end;
	double		bucket;

	if (length > sizeof(buffer))
		joined = MemoryContextAllocHuge(CurrentMemoryContext, length);
	memcpy(joined, first, first_length);
	end = joined + first_length;
	if (method->separator != '\0')
		*end++ = method->separator;
	memcpy(end, second, second_length);
	bucket = method->bucket(joined, end + second_length - joined);
	if (joined != buffer)
		pfree(joined);
	return bucket;
}
