/*
 * chi_square.c
 *		Are variant and category independent?
 *
 * The aggregate's state is a moments state of no metrics, which counts units by
 * cell.  A cell's label is
 *
 *		length of the variant in decimal, ':', variant, category
 *
 * which no other pair of variant and category shares.
 */
#include "aggregates.h"

#include "arguments.h"
#include "catalog/pg_type.h"
#include "independence.h"
#include "mb/pg_wchar.h"
#include "row.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(chi_square_accum);
PG_FUNCTION_INFO_V1(chi_square_combine);
PG_FUNCTION_INFO_V1(chi_square_final);
PG_FUNCTION_INFO_V1(chi_square);

#define LABELS_LENGTH_MAX (ARM_LABEL_MAX - (int) strlen("255:"))

/* A label within a state, not NUL-terminated. */
typedef struct Label
{
	const char *bytes;
	int			len;
} Label;

/* Labels in C collation order, each once. */
typedef struct Labels
{
	Label *items;
	int	   count;
} Labels;

/* The cell's label, of at most ARM_LABEL_MAX bytes; gives its length. */
static int
cell_label(const text *variant, const text *category, char *label)
{
	int variant_len = VARSIZE_ANY_EXHDR(variant);
	int category_len = VARSIZE_ANY_EXHDR(category);
	int len;

	if (variant_len > LABELS_LENGTH_MAX - Min(category_len, LABELS_LENGTH_MAX))
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("variant and category are too long: %d and %d bytes", variant_len,
						category_len),
				 errdetail("Together they may have %d bytes.", LABELS_LENGTH_MAX),
				 errhint("They are names such as 'control' and 'mobile', not payloads.")));

	len = pg_ltoa(variant_len, label);
	label[len++] = ':';
	memcpy(label + len, VARDATA_ANY(variant), variant_len);
	memcpy(label + len + variant_len, VARDATA_ANY(category), category_len);
	return len + variant_len + category_len;
}

static void malformed_cell(void) pg_attribute_noreturn();

/* Only by calling the final function on a state of another aggregate. */
static void
malformed_cell(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("this is not a state of the aggregate chi_square")));
}

static void
split_cell(const Arm *cell, Label *variant, Label *category)
{
	const char *bytes = cell->label;
	int			len = arm_label_length(cell);
	int			variant_len = 0;
	int			i = 0;

	while (i < len && i < 3 && bytes[i] >= '0' && bytes[i] <= '9')
		variant_len = 10 * variant_len + (bytes[i++] - '0');
	if (i == 0 || i == len || bytes[i++] != ':' || variant_len > len - i)
		malformed_cell();

	variant->bytes = bytes + i;
	variant->len = variant_len;
	category->bytes = bytes + i + variant_len;
	category->len = len - i - variant_len;
	if (!pg_verifymbstr(variant->bytes, variant_len, true))
		malformed_cell();
}

/* A state has room for so many cells; it would say so in words of variants. */
static void
too_many_cells(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("more than %d combinations of variant and category", ARMS_MAX),
			 errhint("A category is a name such as 'mobile'; a unit id may have been passed "
					 "in its place. Put rare categories together.")));
}

/* (state, variant, category) */
Datum
chi_square_accum(PG_FUNCTION_ARGS)
{
	char	 label[ARM_LABEL_MAX + 1];
	int		 len;
	Moments *m;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		RETURN_STATE_UNCHANGED();

	len = cell_label(PG_GETARG_TEXT_PP(1), PG_GETARG_TEXT_PP(2), label);
	m = aggregate_state(fcinfo, 0, MOMENTS_NO_CONSTANT, NULL, 0);
	if (m->arms.count >= ARMS_MAX && moments_find(m, label, len) < 0)
		too_many_cells();
	PG_RETURN_POINTER(aggregate_row(m, label, len, NULL, 0));
}

/* (state, state) */
Datum
chi_square_combine(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
	{
		Moments *into = PG_GETARG_MOMENTS(0);
		Moments *from = PG_GETARG_MOMENTS(1);
		int		 cells = into->arms.count;

		for (int i = 0; i < from->arms.count; i++)
		{
			const Arm *cell = moments_arm(from, i);

			cells += moments_find(into, cell->label, arm_label_length(cell)) < 0;
		}
		if (cells > ARMS_MAX)
			too_many_cells();
	}
	return moments_combine(fcinfo);
}

static int
compare_labels(const void *a, const void *b)
{
	const Label *x = a;
	const Label *y = b;

	return arm_label_compare(x->bytes, x->len, y->bytes, y->len);
}

static void
sort_labels(Labels *labels)
{
	int distinct = 0;

	qsort(labels->items, labels->count, sizeof(Label), compare_labels);
	for (int i = 0; i < labels->count; i++)
	{
		if (i == 0 || compare_labels(&labels->items[i], &labels->items[distinct - 1]) != 0)
			labels->items[distinct++] = labels->items[i];
	}
	labels->count = distinct;
}

static int
label_position(const Labels *labels, const Label *label)
{
	const Label *found =
		bsearch(label, labels->items, labels->count, sizeof(Label), compare_labels);

	return found - labels->items;
}

static ArrayType *
label_array(const Labels *labels)
{
	Datum *elements = palloc(labels->count * sizeof(Datum));

	for (int i = 0; i < labels->count; i++)
		elements[i] =
			PointerGetDatum(cstring_to_text_with_len(labels->items[i].bytes, labels->items[i].len));
	return construct_array(elements, labels->count, TEXTOID, -1, false, TYPALIGN_INT);
}

/* rows x columns numbers of eight bytes each */
static ArrayType *
matrix(Datum *elements, int rows, int columns, Oid type)
{
	int dims[2] = {rows, columns};
	int bounds[2] = {1, 1};

	return construct_md_array(elements, NULL, 2, dims, bounds, type, 8, FLOAT8PASSBYVAL,
							  TYPALIGN_DOUBLE);
}

static Datum
chi_square_result(FunctionCallInfo fcinfo, const int64 *observed, int rows, int columns,
				  const Labels *variants, const Labels *categories)
{
	int			 cells = rows * columns;
	double		*expected = palloc(cells * sizeof(double));
	Independence result = independence_test(observed, rows, columns, expected);
	Datum		*observed_datums = palloc(cells * sizeof(Datum));
	Datum		*expected_datums = palloc(cells * sizeof(Datum));
	Row			 row;

	for (int i = 0; i < cells; i++)
	{
		observed_datums[i] = Int64GetDatum(observed[i]);
		expected_datums[i] = Float8GetDatum(expected[i]);
	}
	row_start(&row, fcinfo);
	row_float8(&row, result.chi2);
	row_integer(&row, result.df);
	row_float8(&row, result.p_value);
	row_bigint(&row, result.n);
	row_float8(&row, result.cramers_v);
	row_float8(&row, result.min_expected);
	row_pointer(&row, variants == NULL ? NULL : label_array(variants));
	row_pointer(&row, categories == NULL ? NULL : label_array(categories));
	row_pointer(&row, matrix(observed_datums, rows, columns, INT8OID));
	row_pointer(&row, matrix(expected_datums, rows, columns, FLOAT8OID));
	return row_end(&row);
}

/* (state) */
Datum
chi_square_final(PG_FUNCTION_ARGS)
{
	Moments *m = PG_ARGISNULL(0) ? moments_create(MOMENTS_FULL, 0, MOMENTS_NO_CONSTANT, NULL, 0)
								 : PG_GETARG_MOMENTS(0);
	int		 cells = m->arms.count;
	Label	*pairs = palloc(2 * cells * sizeof(Label));
	Labels	 variants = {palloc(cells * sizeof(Label)), cells};
	Labels	 categories = {palloc(cells * sizeof(Label)), cells};
	int64	*observed;

	for (int i = 0; i < cells; i++)
	{
		split_cell(moments_arm(m, i), &pairs[2 * i], &pairs[2 * i + 1]);
		variants.items[i] = pairs[2 * i];
		categories.items[i] = pairs[2 * i + 1];
	}
	sort_labels(&variants);
	sort_labels(&categories);

	observed = palloc0(variants.count * categories.count * sizeof(int64));
	for (int i = 0; i < cells; i++)
	{
		int variant = label_position(&variants, &pairs[2 * i]);
		int category = label_position(&categories, &pairs[2 * i + 1]);

		observed[variant * categories.count + category] = moments_arm(m, i)->n;
	}
	return chi_square_result(fcinfo, observed, variants.count, categories.count, &variants,
							 &categories);
}

/* chi_square(counts bigint[]), strict */
Datum
chi_square(PG_FUNCTION_ARGS)
{
	ArrayType	*counts = PG_GETARG_ARRAYTYPE_P(0);
	int			 rows;
	int			 columns;
	const int64 *observed;

	if (ARR_NDIM(counts) != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("counts must be a two-dimensional array, a row per variant"),
				 errhint("For example '{{10,20},{30,40}}'.")));
	if (array_contains_nulls(counts))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("counts must not contain nulls"),
				 errhint("A cell without units counts 0.")));
	rows = ARR_DIMS(counts)[0];
	columns = ARR_DIMS(counts)[1];
	observed = (const int64 *) ARR_DATA_PTR(counts);
	check_counts(observed, "counts", rows * columns, columns);
	return chi_square_result(fcinfo, observed, rows, columns, NULL, NULL);
}
