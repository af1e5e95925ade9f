/*
 * assign.c
 *		Assignment of units to variants.
 */
#include "postgres.h"

#include "arguments.h"
#include "arms.h"
#include "assign_method.h"
#include "bucket.h"
#include "catalog/pg_collation.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(assign_bucket);
PG_FUNCTION_INFO_V1(assign_variant);

static void *
read_method(FunctionCallInfo fcinfo)
{
	return unconstify(BucketMethod *, method_named(PG_GETARG_TEXT_PP(2)));
}

/* assign_bucket(unit text, salt text, method text), strict */
Datum
assign_bucket(PG_FUNCTION_ARGS)
{
	const BucketMethod *method = read_once(fcinfo, 2, 2, read_method);

	PG_RETURN_FLOAT8(bucket_of_unit(method, PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1)));
}

/* How an experiment splits its traffic, read from the arguments. */
typedef struct Split
{
	int					count;
	Datum			   *labels; /* text */
	BucketRange		   *ranges; /* one per label */
	const BucketMethod *method;
} Split;

static void
read_labels(Split *split, ArrayType *variants)
{
	split->labels = label_elements(variants, "variants", &split->count);
	for (int i = 0; i < split->count; i++)
	{
		const text *label = DatumGetTextPP(split->labels[i]);

		arm_label_check(VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
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

/* One weight per variant, checked; equal ones for NULL. */
static const double *
read_weights(const Split *split, ArrayType *weights)
{
	int			  count;
	const double *values;

	if (weights == NULL)
	{
		double *equal = palloc(split->count * sizeof(double));

		for (int i = 0; i < split->count; i++)
			equal[i] = 1.0 / split->count;
		return equal;
	}

	values = array_elements(weights, "weights", 0, &count);
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

static void *
read_split(FunctionCallInfo fcinfo)
{
	Split		 *split = palloc(sizeof(Split));
	const double *weights;
	double		  coverage;

	require_argument(fcinfo, 2, "variants");
	require_argument(fcinfo, 4, "coverage");
	require_argument(fcinfo, 5, "method");
	read_labels(split, DatumGetArrayTypePCopy(PG_GETARG_DATUM(2)));
	weights = read_weights(split, PG_ARGISNULL(3) ? NULL : PG_GETARG_ARRAYTYPE_P(3));
	coverage = PG_GETARG_FLOAT8(4);
	require_share(coverage, "coverage",
				  "It is the share of each variant's traffic that is in the experiment.");
	split->method = method_named(PG_GETARG_TEXT_PP(5));

	split->ranges = palloc(split->count * sizeof(BucketRange));
	if (split->method->plain_shares && weights_are_shares(weights, split->count))
		bucket_ranges_of_shares(split->ranges, weights, split->count, coverage);
	else
		bucket_ranges(split->ranges, weights, split->count, coverage, split->method->steps);
	return split;
}

/*
 * assign_variant(unit text, salt text, variants text[], weights float8[],
 * coverage float8, method text): NULL for a NULL unit and outside the coverage
 */
Datum
assign_variant(PG_FUNCTION_ARGS)
{
	const Split *split;
	int			 choice;

	require_argument(fcinfo, 1, "salt");
	split = read_once(fcinfo, 2, 5, read_split);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();

	choice =
		bucket_choice(bucket_of_unit(split->method, PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1)),
					  split->ranges, split->count);
	if (choice < 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(split->labels[choice]);
}
