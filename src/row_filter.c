/*
 * row_filter.c
 *		The simplest conditions of a WHERE, without the executor.
 *
 * Those are comparisons, by an operator of the type's own btree, of a column with
 * a constant: integers, floating-point numbers, times; of text only equality.
 * None of them can fail, and none tells anything of the rows it leaves out, so
 * they may come before any other condition, one of row security too.
 */
#include "row_filter.h"

#include <math.h>

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* The column itself, without a relabelling of varchar as text. */
static const Var *
plain_column(const Node *node)
{
	if (IsA(node, RelabelType))
		node = (const Node *) ((const RelabelType *) node)->arg;
	return IsA(node, Var) && ((const Var *) node)->varattno > 0 ? (const Var *) node : NULL;
}

/* Take the constant in the form of the column; false if it is of another kind. */
static bool
take_constant(RowCondition *condition, ColumnKind kind, Oid columntype, const Const *constant,
			  Oid collation)
{
	ColumnKind constkind = column_kind(constant->consttype);
	bool	   times =
		columntype == DATEOID || columntype == TIMESTAMPOID || columntype == TIMESTAMPTZOID;
	Datum value = constant->constvalue;

	if (times ? constant->consttype != columntype
			  : constant->consttype == DATEOID || constant->consttype == TIMESTAMPOID ||
				constant->consttype == TIMESTAMPTZOID)
		return false;

	if (column_is_integer(kind) && column_is_integer(constkind))
	{
		condition->integer = constkind == COLUMN_INT64 ? DatumGetInt64(value)
			: constkind == COLUMN_INT32				   ? DatumGetInt32(value)
													   : DatumGetInt16(value);
		return true;
	}
	if (column_is_float(kind) && column_is_float(constkind))
	{
		condition->number =
			constkind == COLUMN_FLOAT8 ? DatumGetFloat8(value) : DatumGetFloat4(value);
		return !isnan(condition->number);
	}
	if (kind == COLUMN_TEXT && constkind == COLUMN_TEXT &&
		condition->strategy == BTEqualStrategyNumber && OidIsValid(collation) &&
		get_collation_isdeterministic(collation))
	{
		condition->label = DatumGetTextPCopy(value);
		return true;
	}
	return false;
}

/* Translate a condition, unless it is none of the simplest. */
static bool
take_condition(RowCondition *condition, const Node *qual, Columns *columns)
{
	const OpExpr *op = (const OpExpr *) qual;
	const Var	 *var;
	const Const	 *constant;
	Oid			  type;

	if (!IsA(qual, OpExpr) || list_length(op->args) != 2)
		return false;
	var = plain_column(linitial(op->args));
	constant = lsecond(op->args);
	if (var == NULL || !IsA(constant, Const) || constant->constisnull)
		return false;

	type = exprType(linitial(op->args));
	if (column_kind(type) == COLUMN_UNKNOWN || column_kind(type) != column_kind(var->vartype))
		return false;
	condition->strategy = get_op_opfamily_strategy(
		op->opno, lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf);
	if (condition->strategy == 0 ||
		!take_constant(condition, column_kind(type), var->vartype, constant, op->inputcollid))
		return false;

	condition->column = columns_add(columns, var->varattno);
	return condition->column >= 0;
}

/* Take from the WHERE what is simple, and note the columns that it reads. */
void
row_filter_init(RowFilter *filter, List *quals, Columns *columns)
{
	ListCell *lc;

	filter->condition = palloc0(Max(list_length(quals), 1) * sizeof(RowCondition));
	filter->count = 0;
	filter->complete = true;
	foreach(lc, quals)
	{
		if (take_condition(&filter->condition[filter->count], lfirst(lc), columns))
			filter->count++;
		else
			filter->complete = false;
	}
}

/* As PostgreSQL's btrees compare: NaN equals itself and is greater than any number. */
static inline int
compare_numbers(double value, double with)
{
	return value < with ? -1 : value > with || isnan(value) ? 1 : 0;
}

static inline bool
satisfies(int comparison, int strategy)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			return comparison < 0;
		case BTLessEqualStrategyNumber:
			return comparison <= 0;
		case BTEqualStrategyNumber:
			return comparison == 0;
		case BTGreaterEqualStrategyNumber:
			return comparison >= 0;
		default:
			return comparison > 0;
	}
}

/* Under a deterministic collation texts are equal if their bytes are. */
static bool
same_text(struct varlena *value, const text *label)
{
	text *plain = VARATT_IS_COMPRESSED(value) || VARATT_IS_EXTERNAL(value)
		? pg_detoast_datum_packed(value)
		: (text *) value;
	bool  same = VARSIZE_ANY_EXHDR(plain) == VARSIZE_ANY_EXHDR(label) &&
		memcmp(VARDATA_ANY(plain), VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label)) == 0;

	if (plain != (text *) value)
		pfree(plain);
	return same;
}

bool
row_filter_passes(const RowFilter *filter, const Columns *columns, const Row *row)
{
	for (const RowCondition *c = filter->condition; c < filter->condition + filter->count; c++)
	{
		const Cell *cell = &row->cells[c->column];
		ColumnKind	kind = columns->kind[c->column];
		bool		passes;

		if (row->nulls & column_bit(c->column))
			return false;
		if (kind == COLUMN_TEXT)
			passes = same_text(cell->text, c->label);
		else if (column_is_float(kind))
			passes = satisfies(compare_numbers(cell->number, c->number), c->strategy);
		else
			passes = satisfies(cell->integer < c->integer		? -1
								   : cell->integer > c->integer ? 1
																: 0,
							   c->strategy);
		if (!passes)
			return false;
	}
	return true;
}
