/*
 * srm.c
 *		Sample ratio mismatch: are the arms as large as they should be?
 */
#include "aggregates.h"

#include <math.h>

#include "arguments.h"
#include "catalog/pg_type.h"
#include "goodness.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(srm_accum);
PG_FUNCTION_INFO_V1(srm_final);
PG_FUNCTION_INFO_V1(srm);

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
srm_result(FunctionCallInfo fcinfo, const int64 *observed, const double *weights, int cells)
{
	double	*expected = palloc(cells * sizeof(double));
	Goodness fit = goodness_of_fit(observed, weights, cells, expected);
	Datum	*observed_datums = palloc(cells * sizeof(Datum));
	Datum	*expected_datums = palloc(cells * sizeof(Datum));
	Datum	 values[6];
	bool	 nulls[6] = {isnan(fit.chi2), false, isnan(fit.p_value), false, false, false};

	for (int i = 0; i < cells; i++)
	{
		observed_datums[i] = Int64GetDatum(observed[i]);
		expected_datums[i] = Float8GetDatum(expected[i]);
	}
	values[0] = Float8GetDatum(fit.chi2);
	values[1] = Int32GetDatum(fit.df);
	values[2] = Float8GetDatum(fit.p_value);
	values[3] = Int64GetDatum(fit.n);
	values[4] = PointerGetDatum(construct_array(observed_datums, cells, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[5] = PointerGetDatum(construct_array(expected_datums, cells, FLOAT8OID, sizeof(double),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));

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

Datum
srm_final(PG_FUNCTION_ARGS)
{
	Moments		   *m;
	JsonbContainer *object;
	Weight		   *weights;
	int				cells;
	int64		   *observed;
	double		   *values;

	if (PG_ARGISNULL(0))
		return srm_of_nothing(fcinfo);

	m = PG_GETARG_MOMENTS(0);
	if (m->constantkind != MOMENTS_WEIGHTS)
		malformed_weights();
	object = (JsonbContainer *) m->data;
	weights = read_weights(object, &cells);
	for (int i = 0; i < m->arms.count; i++)
		check_named(object, moments_arm(m, i)->label, arm_label_length(moments_arm(m, i)));

	observed = palloc(cells * sizeof(int64));
	values = palloc(cells * sizeof(double));
	for (int i = 0; i < cells; i++)
	{
		int arm = moments_find(m, weights[i].label, weights[i].len);

		observed[i] = arm < 0 ? 0 : moments_arm(m, arm)->n;
		values[i] = weights[i].value;
	}
	return srm_result(fcinfo, observed, values, cells);
}

/* srm(observed bigint[], weights float8[]), strict */
Datum
srm(PG_FUNCTION_ARGS)
{
	int		cells;
	int		count;
	int64  *observed = array_elements(PG_GETARG_ARRAYTYPE_P(0), "observed", 0, &cells);
	double *weights = array_elements(PG_GETARG_ARRAYTYPE_P(1), "weights", 0, &count);

	if (cells != count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("observed has %d elements, but weights has %d", cells, count),
				 errhint("Give one weight per count, in the same order.")));
	check_counts(observed, "observed", cells, 0);
	for (int i = 0; i < cells; i++)
	{
		if (!is_weight(weights[i]))
			weight_error(psprintf("weights[%d]", i + 1), weights[i]);
	}
	return srm_result(fcinfo, observed, weights, cells);
}
