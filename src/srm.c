/*
 * srm.c
 *		Sample ratio mismatch: are the arms as large as they should be?
 */
#include "aggregates.h"

#include <math.h>

#include "arguments.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "goodness.h"
#include "multinomial.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(srm_accum);
PG_FUNCTION_INFO_V1(srm_final);
PG_FUNCTION_INFO_V1(srm);
PG_FUNCTION_INFO_V1(srm_sequential_final);
PG_FUNCTION_INFO_V1(srm_sequential);
PG_FUNCTION_INFO_V1(srm_sequential_accum);

/* The share a variant should get, under its label. */
typedef struct Weight
{
	const char *label;
	int			len;
	double		value;
} Weight;

static void malformed_weights(void) pg_attribute_noreturn();

static void
malformed_weights(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("weights must be a JSON object of a positive number per variant"),
			 errhint("For example {\"control\": 1, \"treatment\": 1}.")));
}

static Weight
read_weight(const JsonbValue *key, const JsonbValue *value)
{
	Weight weight = {key->val.string.val, key->val.string.len, 0.0};

	if (value->type != jbvNumeric)
		malformed_weights();
	weight.value = DatumGetFloat8(
		DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	if (!is_weight(weight.value))
		weight_error(psprintf("weight of \"%.*s\"", Min(weight.len, ARM_LABEL_MAX), weight.label),
					 weight.value);
	return weight;
}

static int
compare_weights(const void *a, const void *b)
{
	const Weight *x = a;
	const Weight *y = b;

	return arm_label_compare(x->label, x->len, y->label, y->len);
}

/* The weights in C collation order of their labels, all checked. */
static Weight *
read_weights(JsonbContainer *object, int *count)
{
	JsonbIterator	  *iterator;
	JsonbIteratorToken token;
	JsonbValue		   key = {0};
	JsonbValue		   value;
	Weight			  *weights;

	if (!JsonContainerIsObject(object) || JsonContainerSize(object) == 0)
		malformed_weights();
	weights = palloc(JsonContainerSize(object) * sizeof(Weight));
	*count = 0;

	iterator = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = value;
		if (token == WJB_VALUE)
			weights[(*count)++] = read_weight(&key, &value);
	}
	qsort(weights, *count, sizeof(Weight), compare_weights);
	return weights;
}

static void
check_named(JsonbContainer *weights, const char *label, int len)
{
	if (getKeyJsonValueFromContainer(weights, label, len, NULL) == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("variant \"%.*s\" has no weight", Min(len, ARM_LABEL_MAX), label),
			 errdetail("The weights are %s.", JsonbToCString(NULL, weights, 0)),
			 errhint(
				 "Name every variant that occurs, or leave rows out with FILTER (WHERE ...).")));
}

/* (state, variant, weights): a state of no metrics, which only counts. */
Datum
srm_accum(PG_FUNCTION_ARGS)
{
	Jsonb	*weights;
	text	*variant;
	Moments *m;
	int		 arms;

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("weights must not be null"),
				 errhint("Give the share of each variant, for example {\"control\": 1, "
						 "\"treatment\": 1}.")));
	if (PG_ARGISNULL(1))
		RETURN_STATE_UNCHANGED();

	variant = PG_GETARG_TEXT_PP(1);
	weights = PG_GETARG_JSONB_P(2);
	m = aggregate_state(fcinfo, 0, MOMENTS_WEIGHTS, VARDATA(weights), VARSIZE(weights) - VARHDRSZ);
	if (m->arms.count == 0)
		(void) read_weights(&weights->root, &arms);

	arms = m->arms.count;
	m = aggregate_row(m, VARDATA_ANY(variant), VARSIZE_ANY_EXHDR(variant), NULL, 0);
	if (m->arms.count > arms)
		check_named(&weights->root, VARDATA_ANY(variant), VARSIZE_ANY_EXHDR(variant));
	PG_RETURN_POINTER(m);
}

static Datum
counts_datum(const int64 *counts, int cells)
{
	Datum *datums = palloc(cells * sizeof(Datum));

	for (int i = 0; i < cells; i++)
		datums[i] = Int64GetDatum(counts[i]);
	return PointerGetDatum(
		construct_array(datums, cells, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum
numbers_datum(const double *numbers, int cells)
{
	Datum *datums = palloc(cells * sizeof(Datum));

	for (int i = 0; i < cells; i++)
		datums[i] = Float8GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(datums, cells, FLOAT8OID, sizeof(double),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum
srm_result(FunctionCallInfo fcinfo, const int64 *observed, const double *weights, int cells)
{
	double	*expected = palloc(cells * sizeof(double));
	Goodness fit = goodness_of_fit(observed, weights, cells, expected);
	Datum	 values[6];
	bool	 nulls[6] = {isnan(fit.chi2), false, isnan(fit.p_value), false, false, false};

	values[0] = Float8GetDatum(fit.chi2);
	values[1] = Int32GetDatum(fit.df);
	values[2] = Float8GetDatum(fit.p_value);
	values[3] = Int64GetDatum(fit.n);
	values[4] = counts_datum(observed, cells);
	values[5] = numbers_datum(expected, cells);

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}

/* Over no rows: n = 0, everything else NULL, for the weights are not known. */
static Datum
srm_of_nothing(FunctionCallInfo fcinfo)
{
	Datum values[6] = {0};
	bool  nulls[6] = {true, true, true, false, true, true};

	values[3] = Int64GetDatum(0);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}

/* What a state has counted, by the labels of its weights; returns the number of these. */
static int
read_state(const Moments *m, int64 **observed, double **values)
{
	JsonbContainer *object;
	Weight		   *weights;
	int				cells;

	if (m->constantkind != MOMENTS_WEIGHTS)
		malformed_weights();
	object = (JsonbContainer *) m->data;
	weights = read_weights(object, &cells);
	for (int i = 0; i < m->arms.count; i++)
		check_named(object, moments_arm(m, i)->label, arm_label_length(moments_arm(m, i)));

	*observed = palloc(cells * sizeof(int64));
	*values = palloc(cells * sizeof(double));
	for (int i = 0; i < cells; i++)
	{
		int arm = moments_find(m, weights[i].label, weights[i].len);

		(*observed)[i] = arm < 0 ? 0 : moments_arm(m, arm)->n;
		(*values)[i] = weights[i].value;
	}
	return cells;
}

Datum
srm_final(PG_FUNCTION_ARGS)
{
	int64  *observed;
	double *weights;
	int		cells;

	if (PG_ARGISNULL(0))
		return srm_of_nothing(fcinfo);

	cells = read_state(PG_GETARG_MOMENTS(0), &observed, &weights);
	return srm_result(fcinfo, observed, weights, cells);
}

/* The arguments observed and weights of that number and the next, checked; returns their length. */
static int
read_counts(FunctionCallInfo fcinfo, int number, int64 **observed, double **weights)
{
	int cells;
	int count;

	*observed = array_elements(PG_GETARG_ARRAYTYPE_P(number), "observed", 0, &cells);
	*weights = array_elements(PG_GETARG_ARRAYTYPE_P(number + 1), "weights", 0, &count);
	if (cells != count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("observed has %d elements, but weights has %d", cells, count),
				 errhint("Give one weight per count, in the same order.")));
	check_counts(*observed, "observed", cells, 0);
	for (int i = 0; i < cells; i++)
	{
		if (!is_weight((*weights)[i]))
			weight_error(psprintf("weights[%d]", i + 1), (*weights)[i]);
	}
	return cells;
}

/* srm(observed bigint[], weights float8[]), strict */
Datum
srm(PG_FUNCTION_ARGS)
{
	int64  *observed;
	double *weights;
	int		cells = read_counts(fcinfo, 0, &observed, &weights);

	return srm_result(fcinfo, observed, weights, cells);
}

/* ---- watched while it runs ---- */

#define DEFAULT_CONCENTRATION 10000.0

/* A row of the type srm_sequential_result, whose p-value is at most p_most. */
static Datum
sequential_result(FunctionCallInfo fcinfo, const int64 *observed, const double *weights, int cells,
				  double concentration, double p_most)
{
	double		 *expected = palloc(cells * sizeof(double));
	SequentialFit fit = sequential_fit(observed, weights, cells, concentration, expected);
	Datum		  values[5];
	bool		  nulls[5] = {isnan(fit.log_bayes_factor), isnan(fit.p_value), false, false, false};

	values[0] = Float8GetDatum(fit.log_bayes_factor);
	values[1] = Float8GetDatum(Min(fit.p_value, p_most));
	values[2] = Int64GetDatum(fit.n);
	values[3] = counts_datum(observed, cells);
	values[4] = numbers_datum(expected, cells);

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}

/* Beyond these it is a mistake, and gamma functions of it are out of range. */
#define CONCENTRATION_MIN 1e-100
#define CONCENTRATION_MAX 1e100

static double
read_concentration(FunctionCallInfo fcinfo, int number)
{
	double concentration = PG_GETARG_FLOAT8(number);

	if (!(concentration >= CONCENTRATION_MIN && concentration <= CONCENTRATION_MAX))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("concentration must be a positive number, from %g to %g, not %g",
					CONCENTRATION_MIN, CONCENTRATION_MAX, concentration),
			 errhint("The larger it is, the smaller the mismatches the test looks for; 10000 suits "
					 "shares that are off by half a percentage point.")));
	return concentration;
}

/* srm_sequential(observed bigint[], weights float8[], concentration float8), strict */
Datum
srm_sequential(PG_FUNCTION_ARGS)
{
	int64  *observed;
	double *weights;
	int		cells = read_counts(fcinfo, 0, &observed, &weights);

	return sequential_result(fcinfo, observed, weights, cells, read_concentration(fcinfo, 2), 1.0);
}

/* Of the state of srm(variant, weights). */
Datum
srm_sequential_final(PG_FUNCTION_ARGS)
{
	Datum	values[5] = {0};
	bool	nulls[5] = {true, true, false, true, true};
	int64  *observed;
	double *weights;
	int		cells;

	if (!PG_ARGISNULL(0))
	{
		cells = read_state(PG_GETARG_MOMENTS(0), &observed, &weights);
		return sequential_result(fcinfo, observed, weights, cells, DEFAULT_CONCENTRATION, 1.0);
	}
	values[2] = Int64GetDatum(0);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(row_descriptor(fcinfo), values, nulls)));
}

/* Add what the looks before have counted, which must have had the same weights. */
static void
add_earlier_looks(const Datum *state, int64 *observed, const double *weights, int cells)
{
	int		counted;
	int		expecting;
	int64  *counts = array_elements(DatumGetArrayTypeP(state[3]), "observed", 0, &counted);
	double *expected = array_elements(DatumGetArrayTypeP(state[4]), "expected", 0, &expecting);
	bool	same = counted == cells && expecting == cells;

	if (same)
	{
		double *again = palloc(cells * sizeof(double));
		int64	n = expected_counts(counts, weights, cells, again, again);

		for (int i = 0; same && i < cells; i++)
			same = fabs(expected[i] - again[i]) <= 1e-9 * (double) n;
	}
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the weights change from look to look"),
				 errhint("Counts under different weights do not add up. Start anew where the split "
						 "was changed.")));
	for (int i = 0; i < cells; i++)
	{
		if (pg_add_s64_overflow(observed[i], counts[i], &observed[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the sum of the observed counts is out of range for bigint")));
	}
	check_counts(observed, "observed", cells, 0);
}

/*
 * (state srm_sequential_result, observed, weights [, concentration]): the units
 * of one more look; the p-value is the smallest so far
 */
Datum
srm_sequential_accum(PG_FUNCTION_ARGS)
{
	double		  concentration = DEFAULT_CONCENTRATION;
	double		  p_most = 1.0;
	HeapTupleData tuple = {0};
	Datum		  state[5];
	bool		  nulls[5];
	int64		 *observed;
	double		 *weights;
	int			  cells;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	require_argument(fcinfo, 2, "weights");
	if (PG_NARGS() > 3)
	{
		require_argument(fcinfo, 3, "concentration");
		concentration = read_concentration(fcinfo, 3);
	}

	cells = read_counts(fcinfo, 1, &observed, &weights);
	if (!PG_ARGISNULL(0))
	{
		tuple.t_data = PG_GETARG_HEAPTUPLEHEADER(0);
		tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
		heap_deform_tuple(&tuple, row_descriptor(fcinfo), state, nulls);
		if (nulls[2] || nulls[3] || nulls[4])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("the state of the looks before must not contain nulls")));
		observed = memcpy(palloc(cells * sizeof(int64)), observed, cells * sizeof(int64));
		add_earlier_looks(state, observed, weights, cells);
		p_most = nulls[1] ? 1.0 : DatumGetFloat8(state[1]);
	}
	return sequential_result(fcinfo, observed, weights, cells, concentration, p_most);
}
