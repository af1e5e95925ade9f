/*
 * samples.c
 *		Transition functions that sort, and reading what they have sorted.
 *
 * The state is `internal`: it points to tuplesorts, and is of no use outside of
 * its aggregate.  Ordinary and ordered-set aggregates have it in common.  The
 * former take further arguments, the constants, with every row; the latter
 * give theirs to the final function alone.
 */
#include "samples.h"

#include <math.h>

#include "aggregates.h"
#include "catalog/pg_type.h"
#include "hash.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
#include "utils/uuid.h"
#include "versions.h"

PG_FUNCTION_INFO_V1(sample_accum);
PG_FUNCTION_INFO_V1(sample_accum_unit);
PG_FUNCTION_INFO_V1(sample_accum_pooled);

/* ---- values as what tuplesort is fast at ---- */

/* A float8 as an int64 of the same order; -0 is 0.  And back. */
static inline int64
ordered_bits(double value)
{
	int64 bits;

	value += 0.0;
	memcpy(&bits, &value, sizeof(bits));
	return bits < 0 ? bits ^ PG_INT64_MAX : bits;
}

static inline double
from_ordered_bits(int64 bits)
{
	double value;

	bits = bits < 0 ? bits ^ PG_INT64_MAX : bits;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* A value with its unit, as the 16 bytes of a uuid, which sort by unit. */
typedef struct UnitValue
{
	uint64 unit; /* hash of the unit's name */
	double value;
} UnitValue;

StaticAssertDecl(sizeof(UnitValue) == UUID_LEN, "a unit's value has the size of a uuid");

/* ---- building the state ---- */

/* Is this an aggregate by hashing, which only ordinary ones come to? */
static bool
is_hashed(FunctionCallInfo fcinfo)
{
	AggStrategy strategy = castNode(AggState, fcinfo->context)->aggstrategy;

	return strategy == AGG_HASHED || strategy == AGG_MIXED;
}

/*
 * The memory of one of `sorts` tuplesorts, in kB.  With groups in order, one
 * state lives at a time and has all of work_mem.  HashAggregate keeps as many
 * states as fit in its own memory: every tuplesort gets the least it can do with.
 */
static int
sort_memory(FunctionCallInfo fcinfo, int sorts)
{
	return is_hashed(fcinfo) ? 64 : work_mem / sorts;
}

/*
 * A sample is read again by each aggregate that shares the state, and by each
 * rescan of a HashAggregate, which keeps its states and repeats the final
 * functions.
 */
static Tuplesortstate *
start_sort(FunctionCallInfo fcinfo, Oid type, int memory)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_LT_OPR);
	bool			again = AggStateIsShared(fcinfo) || is_hashed(fcinfo);
	int				options = again ? TUPLESORT_RANDOMACCESS : TUPLESORT_NONE;

	return tuplesort_begin_datum(type, entry->lt_opr, InvalidOid, false, memory, NULL, options);
}

/* Temporary files are no memory of the aggregate's: it must be told to close them. */
static void
end_sorts(Datum argument)
{
	Samples *samples = (Samples *) DatumGetPointer(argument);

	for (int i = 0; i < samples->count; i++)
	{
		Sample *sample = &samples->samples[i];

		tuplesort_end(sample->values);
		if (sample->units != NULL)
			tuplesort_end(sample->units);
	}
	samples->count = 0;
}

/* The constants of an ordinary aggregate, from its first row. */
static void
keep_constants(FunctionCallInfo fcinfo, Samples *samples, int first)
{
	for (int number = first; number < PG_NARGS(); number++)
	{
		SampleConstant *constant = &samples->constant[samples->constants++];

		get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, number), &constant->length,
						&constant->byvalue);
		constant->isnull = PG_ARGISNULL(number);
		if (!constant->isnull)
			constant->value =
				datumCopy(PG_GETARG_DATUM(number), constant->byvalue, constant->length);
	}
}

static void
check_constants(FunctionCallInfo fcinfo, const Samples *samples, int first)
{
	for (int i = 0; i < samples->constants; i++)
	{
		const SampleConstant *constant = &samples->constant[i];
		int					  number = first + i;

		if (constant->isnull != PG_ARGISNULL(number) ||
			(!constant->isnull &&
			 !datum_image_eq(constant->value, PG_GETARG_DATUM(number), constant->byvalue,
							 constant->length)))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument %d of the aggregate changes from row to row", number),
				 errhint("Arguments after the metric and the variant must be the same constants "
						 "in every row of a group.")));
	}
}

/* The state, created with its first row; arguments from `first` on are constants. */
static Samples *
samples_state(FunctionCallInfo fcinfo, int first)
{
	MemoryContext context;
	MemoryContext old;
	Samples		 *samples;

	if (!PG_ARGISNULL(0))
	{
		samples = (Samples *) PG_GETARG_POINTER(0);
		check_constants(fcinfo, samples, first);
		return samples;
	}
	if (AggCheckCallContext(fcinfo, &context) != AGG_CONTEXT_AGGREGATE)
		elog(ERROR, "function %u called outside of an aggregate", fcinfo->flinfo->fn_oid);

	old = MemoryContextSwitchTo(context);
	samples = palloc0(sizeof(Samples));
	samples->context = context;
	keep_constants(fcinfo, samples, first);
	AggRegisterCallback(fcinfo, end_sorts, PointerGetDatum(samples));
	MemoryContextSwitchTo(old);
	return samples;
}

static Sample *
find_sample(Samples *samples, const char *label, int len)
{
	for (int i = 0; i < samples->count; i++)
	{
		text *other = samples->samples[i].label;

		if (VARSIZE(other) - VARHDRSZ == len && memcmp(VARDATA(other), label, len) == 0)
			return &samples->samples[i];
	}
	return NULL;
}

static Sample *
add_sample(FunctionCallInfo fcinfo, Samples *samples, const char *label, int len, int most,
		   bool with_units)
{
	Sample		 *sample = &samples->samples[samples->count];
	int			  memory = sort_memory(fcinfo, with_units ? 2 * most : most);
	MemoryContext old;

	arm_label_check(label, len);
	if (samples->count == most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a one-step comparison takes two variants, but \"%.*s\" is a third", len,
						label),
				 errhint("Compare two at a time: add FILTER (WHERE variant IN ('control', "
						 "'treatment')) to the call.")));

	old = MemoryContextSwitchTo(samples->context);
	sample->label = cstring_to_text_with_len(label, len);
	sample->values = start_sort(fcinfo, INT8OID, memory);
	sample->units = with_units ? start_sort(fcinfo, UUIDOID, memory) : NULL;
	MemoryContextSwitchTo(old);
	samples->count++; /* last, for end_sorts */
	return sample;
}

static void
put_value(Sample *sample, double value)
{
	sample->n++;
	tuplesort_putdatum(sample->values, Int64GetDatum(ordered_bits(value)), false);
}

/* The sample of a variant; a new one for its first row. */
static Sample *
sample_of(FunctionCallInfo fcinfo, Samples *samples, text *label, bool with_units)
{
	Sample *sample = find_sample(samples, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));

	if (sample != NULL)
		return sample;
	return add_sample(fcinfo, samples, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label), SAMPLES_MAX,
					  with_units);
}

/* (state, metric, variant [, constant [, constant]]) */
Datum
sample_accum(PG_FUNCTION_ARGS)
{
	Samples *samples;
	double	 value;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		RETURN_STATE_UNCHANGED();

	value = PG_GETARG_FLOAT8(1);
	check_metric(value, "y", 0);
	samples = samples_state(fcinfo, 3);
	put_value(sample_of(fcinfo, samples, PG_GETARG_TEXT_PP(2), false), value);
	PG_RETURN_POINTER(samples);
}

/* (state, metric, variant, unit) */
Datum
sample_accum_unit(PG_FUNCTION_ARGS)
{
	Samples	 *samples;
	Sample	 *sample;
	text	 *unit;
	UnitValue row;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		RETURN_STATE_UNCHANGED();

	row.value = PG_GETARG_FLOAT8(1);
	check_metric(row.value, "y", 0);
	unit = PG_GETARG_TEXT_PP(3);
	row.unit = farm_fingerprint64(VARDATA_ANY(unit), VARSIZE_ANY_EXHDR(unit));
	samples = samples_state(fcinfo, PG_NARGS());
	sample = sample_of(fcinfo, samples, PG_GETARG_TEXT_PP(2), true);
	put_value(sample, row.value);
	tuplesort_putdatum(sample->units, PointerGetDatum(&row), false);
	PG_RETURN_POINTER(samples);
}

/* (state, metric): all variants in one sample */
Datum
sample_accum_pooled(PG_FUNCTION_ARGS)
{
	Samples *samples;
	double	 value;

	if (PG_ARGISNULL(1))
		RETURN_STATE_UNCHANGED();

	value = PG_GETARG_FLOAT8(1);
	check_metric(value, "y", 0);
	samples = samples_state(fcinfo, PG_NARGS());
	if (samples->count == 0)
		add_sample(fcinfo, samples, "", 0, 1, false);
	put_value(&samples->samples[0], value);
	PG_RETURN_POINTER(samples);
}

/* ---- final functions: arguments and samples ---- */

/*
 * A constant argument: the final function's own (ordered-set aggregates), or
 * one that came with the rows.  False if it is NULL, or unknown for want of
 * rows.
 */
bool
sample_constant(FunctionCallInfo fcinfo, int number, Datum *value)
{
	const Samples *samples = samples_argument(fcinfo);

	if (PG_NARGS() > 1)
	{
		if (number + 1 >= PG_NARGS() || PG_ARGISNULL(number + 1))
			return false;
		*value = PG_GETARG_DATUM(number + 1);
		return true;
	}
	if (samples == NULL || number >= samples->constants || samples->constant[number].isnull)
		return false;
	*value = samples->constant[number].value;
	return true;
}

static int
compare_labels(const text *a, const text *b)
{
	return arm_label_compare(VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a), VARDATA_ANY(b),
							 VARSIZE_ANY_EXHDR(b));
}

/*
 * Treatment and control.  The control is the variant named by the constant of
 * that number, else "control", else the first; the treatment the first other
 * one.
 */
SamplePair
sample_pair(FunctionCallInfo fcinfo, int control)
{
	Samples	  *samples = samples_argument(fcinfo);
	SamplePair pair = {NULL, NULL, NULL};
	Sample	  *first;
	Sample	  *second;
	Datum	   label;

	if (sample_constant(fcinfo, control, &label))
	{
		pair.label = DatumGetTextPP(label);
		arm_label_check(VARDATA_ANY(pair.label), VARSIZE_ANY_EXHDR(pair.label));
	}
	if (samples == NULL)
		return pair;

	first = &samples->samples[0];
	second = samples->count > 1 ? &samples->samples[1] : NULL;
	if (second != NULL && compare_labels(first->label, second->label) > 0)
	{
		Sample *swap = first;

		first = second;
		second = swap;
	}

	if (pair.label != NULL)
		pair.control = find_sample(samples, VARDATA_ANY(pair.label), VARSIZE_ANY_EXHDR(pair.label));
	else
	{
		pair.control = find_sample(samples, "control", strlen("control"));
		if (pair.control == NULL)
			pair.control = first;
		pair.label = pair.control->label;
	}
	pair.treatment = pair.control == first ? second : first;
	return pair;
}

/* ---- reading ---- */

/* A final function may have read the sample before. */
void
sample_start(Sample *sample)
{
	if (!sample->sorted)
	{
		tuplesort_performsort(sample->values);
		if (sample->units != NULL)
			tuplesort_performsort(sample->units);
		sample->sorted = true;
	}
	else
	{
		tuplesort_rescan(sample->values);
		if (sample->units != NULL)
			tuplesort_rescan(sample->units);
	}
}

static bool
next_datum(Tuplesortstate *sort, Datum *value)
{
	bool isnull;

	CHECK_FOR_INTERRUPTS();
	return get_sorted_datum(sort, value, &isnull);
}

/* The next larger value into sample->value; false at the end. */
bool
sample_next(Sample *sample)
{
	Datum value;

	if (!next_datum(sample->values, &value))
		return false;
	sample->value = from_ordered_bits(DatumGetInt64(value));
	return true;
}

void
sample_skip(Sample *sample, int64 count)
{
	tuplesort_skiptuples(sample->values, count, true);
}

static int
compare_ranks(const void *a, const void *b)
{
	int64 left = ((const OrderStatistic *) a)->rank;
	int64 right = ((const OrderStatistic *) b)->rank;

	return left < right ? -1 : left > right;
}

/* Values by their ranks, in one pass; rank 0 is none, NaN.  Sorts `wanted`. */
void
sample_order_statistics(Sample *sample, OrderStatistic *wanted, int count)
{
	int64 rank = 0;

	qsort(wanted, count, sizeof(OrderStatistic), compare_ranks);
	sample_start(sample);
	for (int i = 0; i < count; i++)
	{
		if (wanted[i].rank > rank)
		{
			sample_skip(sample, wanted[i].rank - rank - 1);
			if (!sample_next(sample))
				elog(ERROR, "a sample of " INT64_FORMAT " values ends early", sample->n);
			rank = wanted[i].rank;
		}
		*wanted[i].place = rank > 0 ? sample->value : NAN;
	}
}

/* The values again, those of a unit one after the other. */
bool
sample_next_of_unit(Sample *sample, uint64 *unit, double *value)
{
	Datum	  datum;
	UnitValue row;

	if (!next_datum(sample->units, &datum))
		return false;
	memcpy(&row, DatumGetPointer(datum), sizeof(row));
	pfree(DatumGetPointer(datum));
	*unit = row.unit;
	*value = row.value;
	return true;
}
