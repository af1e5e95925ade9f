/*
 * assign.c
 *		Assignment of units to variants, and the hash functions behind it.
 */
#include "postgres.h"

#include "arguments.h"
#include "bucket.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "hash.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(farm_fingerprint);
PG_FUNCTION_INFO_V1(assign_bucket);
PG_FUNCTION_INFO_V1(assign_variant);

/* farm_fingerprint(text), farm_fingerprint(bytea): the same bytes either way */
Datum
farm_fingerprint(PG_FUNCTION_ARGS)
{
	struct varlena *data = PG_GETARG_VARLENA_PP(0);

	PG_RETURN_INT64((int64) farm_fingerprint64(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data)));
}

/* Most ids and salts are short: join them on the stack. */
#define JOIN_BUFFER_SIZE 512

/* The default method: Fingerprint64 of salt ':' unit. */
static double
farm_fingerprint_bucket(const text *unit, const text *salt)
{
	Size   saltlen = VARSIZE_ANY_EXHDR(salt);
	Size   unitlen = VARSIZE_ANY_EXHDR(unit);
	Size   length = saltlen + 1 + unitlen;
	char   buffer[JOIN_BUFFER_SIZE];
	char  *joined = length <= sizeof(buffer) ? buffer : palloc(length);
	uint64 hash;

	memcpy(joined, VARDATA_ANY(salt), saltlen);
	joined[saltlen] = ':';
	memcpy(joined + saltlen + 1, VARDATA_ANY(unit), unitlen);
	hash = farm_fingerprint64(joined, length);
	if (joined != buffer)
		pfree(joined);
	return bucket_of_hash(hash);
}

typedef double (*BucketMethod)(const text *unit, const text *salt);

/* The bucketing methods by name. */
static const char *const  method_names[] = {"farm_fingerprint"};
static const BucketMethod methods[] = {farm_fingerprint_bucket};

/* assign_bucket(unit text, salt text, method text), strict */
Datum
assign_bucket(PG_FUNCTION_ARGS)
{
	int method = choice_named(PG_GETARG_TEXT_PP(2), "bucketing method", method_names,
							  lengthof(method_names));

	PG_RETURN_FLOAT8(methods[method](PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1)));
}

/* How an experiment splits its traffic, read from the arguments. */
typedef struct Split
{
	int		count;
	Datum  *labels; /* text */
	double *ends;	/* upper end of each variant's range of buckets */
	double	coverage;
} Split;

static void
read_labels(Split *split, ArrayType *variants)
{
	bool *nulls;

	deconstruct_array(variants, TEXTOID, -1, false, TYPALIGN_INT, &split->labels, &nulls,
					  &split->count);
	if (ARR_NDIM(variants) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("variants must be a one-dimensional array with at least one label"),
				 errhint("For example ARRAY['control', 'treatment'].")));

	for (int i = 0; i < split->count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("variants must not contain nulls")));
		for (int j = 0; j < i; j++)
		{
			if (DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, split->labels[i],
													 split->labels[j])))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("variant \"%s\" is listed twice",
								TextDatumGetCString(split->labels[i])),
						 errhint("Give a variant more traffic by its weight.")));
		}
	}
}

/* One weight per variant, checked. */
static const double *
read_weights(const Split *split, ArrayType *weights)
{
	int			  count;
	const double *values = array_elements(weights, "weights", 0, &count);

	if (count != split->count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weights has %d elements, but there are %d variants", count, split->count),
				 errhint("Give one weight per variant, in the same order.")));
	for (int i = 0; i < count; i++)
	{
		if (!is_weight(values[i]))
			weight_error(psprintf("weight of \"%s\"", TextDatumGetCString(split->labels[i])),
						 values[i]);
	}
	return values;
}

/* Cumulative shares; the last is 1 by definition. No weights: equal shares. */
static void
read_ends(Split *split, ArrayType *weights)
{
	const double *values = NULL;
	double		  largest = 0.0;
	double		  total = 0.0;

	if (weights != NULL)
	{
		values = read_weights(split, weights);
		for (int i = 0; i < split->count; i++)
			largest = Max(largest, values[i]);
	}

	split->ends = palloc(split->count * sizeof(double));
	for (int i = 0; i < split->count; i++)
		split->ends[i] = total += values != NULL ? values[i] / largest : 1.0;
	for (int i = 0; i < split->count; i++)
		split->ends[i] /= total;
}

static Split *
read_split(FunctionCallInfo fcinfo)
{
	Split *split = palloc(sizeof(Split));

	read_labels(split, DatumGetArrayTypePCopy(PG_GETARG_DATUM(2)));
	read_ends(split, PG_ARGISNULL(3) ? NULL : PG_GETARG_ARRAYTYPE_P(3));
	split->coverage = PG_GETARG_FLOAT8(4);
	if (!(split->coverage >= 0.0 && split->coverage <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("coverage must be between 0 and 1, not %g", split->coverage),
				 errhint("It is the share of each variant's traffic that is in the experiment.")));
	return split;
}

/*
 * The split is read once per query where its arguments are constants, as they
 * are when a whole table is assigned.
 */
static const Split *
cached_split(FunctionCallInfo fcinfo)
{
	FmgrInfo	 *function = fcinfo->flinfo;
	MemoryContext caller;

	if (function->fn_extra != NULL)
		return function->fn_extra;
	if (!get_fn_expr_arg_stable(function, 2) || !get_fn_expr_arg_stable(function, 3) ||
		!get_fn_expr_arg_stable(function, 4))
		return read_split(fcinfo);

	caller = MemoryContextSwitchTo(function->fn_mcxt);
	function->fn_extra = read_split(fcinfo);
	MemoryContextSwitchTo(caller);
	return function->fn_extra;
}

/*
 * assign_variant(unit text, salt text, variants text[], weights float8[],
 * coverage float8): NULL for a NULL unit and outside the coverage
 */
Datum
assign_variant(PG_FUNCTION_ARGS)
{
	const Split *split;
	int			 choice;

	require_argument(fcinfo, 1, "salt");
	require_argument(fcinfo, 2, "variants");
	require_argument(fcinfo, 4, "coverage");
	split = cached_split(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();

	choice = bucket_choice(farm_fingerprint_bucket(PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1)),
						   split->ends, split->count, split->coverage);
	if (choice < 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(split->labels[choice]);
}
