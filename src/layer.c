/*
 * layer.c
 *		Mutually exclusive experiments: a layer of traffic, divided by ranges.
 */
#include "postgres.h"

#include "arguments.h"
#include "assign_method.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(assign_layer);

/* An experiment's part of the layer: the buckets in [start, end). */
typedef struct Range
{
	double start;
	double end;
} Range;

/* A layer, read from the arguments. */
typedef struct Layer
{
	int					count;
	Datum			   *experiments; /* text */
	const Range		   *ranges;		 /* one per experiment */
	double				holdout;	 /* share of all units, in no layer at all */
	const BucketMethod *method;
} Layer;

static const Range *
read_ranges(const Layer *layer, ArrayType *array)
{
	const Range *ranges = (const Range *) ARR_DATA_PTR(array);

	if (ARR_NDIM(array) != 2 || ARR_DIMS(array)[0] != layer->count || ARR_DIMS(array)[1] != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ranges must have a start and an end for each of the %d experiments",
						layer->count),
				 errhint("For example '{{0,0.2},{0.2,0.5}}' for two.")));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("ranges must not contain nulls")));
	return ranges;
}

static void
check_range(const Layer *layer, int number)
{
	const Range *range = &layer->ranges[number];

	if (!(range->start >= 0.0 && range->start < range->end && range->end <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("range of \"%s\" must start before it ends, within 0 and 1, not {%g,%g}",
						TextDatumGetCString(layer->experiments[number]), range->start, range->end),
				 errhint("A range is a part of the layer's traffic, from 0 to 1.")));

	for (int i = 0; i < number; i++)
	{
		const Range *other = &layer->ranges[i];

		if (range->start < other->end && other->start < range->end)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("ranges {%g,%g} of \"%s\" and {%g,%g} of \"%s\" overlap", other->start,
							other->end, TextDatumGetCString(layer->experiments[i]), range->start,
							range->end, TextDatumGetCString(layer->experiments[number])),
					 errhint("Experiments that may share units belong in different layers.")));
	}
}

static void *
read_layer(FunctionCallInfo fcinfo)
{
	Layer *layer = palloc(sizeof(Layer));

	require_argument(fcinfo, 2, "experiments");
	require_argument(fcinfo, 3, "ranges");
	require_argument(fcinfo, 4, "holdout");
	require_argument(fcinfo, 6, "method");
	layer->experiments =
		label_elements(DatumGetArrayTypePCopy(PG_GETARG_DATUM(2)), "experiments", &layer->count);
	layer->ranges = read_ranges(layer, DatumGetArrayTypePCopy(PG_GETARG_DATUM(3)));
	for (int i = 0; i < layer->count; i++)
	{
		check_range(layer, i);
	}
	layer->holdout = PG_GETARG_FLOAT8(4);
	require_share(layer->holdout, "holdout",
				  "It is the share of all units that no experiment gets.");
	layer->method = method_named(PG_GETARG_TEXT_PP(6));
	return layer;
}

/*
 * With one salt for both, the units held out would be those of the first
 * buckets of the layer, and the experiment there would get fewer or none.
 */
static void
check_salts(const text *layer, const text *holdout_salt)
{
	if (VARSIZE_ANY_EXHDR(layer) == VARSIZE_ANY_EXHDR(holdout_salt) &&
		memcmp(VARDATA_ANY(layer), VARDATA_ANY(holdout_salt), VARSIZE_ANY_EXHDR(layer)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("layer and holdout_salt are both \"%s\"", text_to_cstring(layer)),
				 errhint("The holdout must be independent of the layer: give it a salt of its "
						 "own, the same in every layer.")));
}

/*
 * assign_layer(unit text, layer text, experiments text[], ranges float8[],
 * holdout float8, holdout_salt text, method text): NULL for a NULL unit, in the
 * holdout and in no range
 */
Datum
assign_layer(PG_FUNCTION_ARGS)
{
	const Layer *layer;
	const text	*unit;
	const text	*salt;
	const text	*holdout_salt;
	double		 bucket;

	require_argument(fcinfo, 1, "layer");
	require_argument(fcinfo, 5, "holdout_salt");
	layer = read_once(fcinfo, 2, 6, read_layer);
	salt = PG_GETARG_TEXT_PP(1);
	holdout_salt = PG_GETARG_TEXT_PP(5);
	if (layer->holdout > 0.0)
		check_salts(salt, holdout_salt);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();

	unit = PG_GETARG_TEXT_PP(0);
	if (layer->holdout > 0.0 && bucket_of_unit(layer->method, unit, holdout_salt) < layer->holdout)
		PG_RETURN_NULL();
	bucket = bucket_of_unit(layer->method, unit, salt);
	for (int i = 0; i < layer->count; i++)
	{
		if (bucket >= layer->ranges[i].start && bucket < layer->ranges[i].end)
			PG_RETURN_DATUM(layer->experiments[i]);
	}
	PG_RETURN_NULL();
}
