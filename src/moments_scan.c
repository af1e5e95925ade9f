/*
 * moments_scan.c
 *		Executes a scan that adds the rows of a table to moments states.
 *
 * The node stands between "Finalize Aggregate" and "Seq Scan", in the place of
 * "Partial Aggregate".  The sequential scan below it is PostgreSQL's own: it
 * opens and locks the table, holds the conditions, takes its share of a parallel
 * scan, and its scan descriptor says which rows the snapshot sees (heap_getnext()
 * does that for a whole page at once).  What is done here in another way is what
 * happens to a row after that: it is not stored in a slot, passed from node to
 * node and taken apart column by column, but the columns that are needed are
 * read where they lie and added to the state.  They are added in the order of the
 * rows by the code of the transition functions, so the result is the same, to the
 * last bit.
 */
#include "moments_scan.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "aggregates.h"
#include "columns.h"
#include "row_filter.h"

/* An integer is the variant's name in its text form, which is made once. */
#define INTEGER_LABELS 8

typedef struct IntegerLabel
{
	int64 value;
	int	  length; /* 0 if this one is free */
	char  text[24];
} IntegerLabel;

typedef struct Kernel
{
	MomentsTransition transition;
	int				  label; /* the variant's column */
	int				  metrics;
	int				  metric[MOMENTS_METRICS_MAX]; /* the metrics' columns */
	uint64			  required;					   /* the columns that must not be NULL */
	text			 *control;
	Moments			 *state;
} Kernel;

typedef struct MomentsScan
{
	CustomScanState css;
	Columns			columns;
	RowFilter		filter;
	int				kernels;
	Kernel		   *kernel;
	MemoryContext	memory; /* of the states */
	IntegerLabel	integer_labels[INTEGER_LABELS];
	bool			done;
} MomentsScan;

static SeqScanState *
scan_below(MomentsScan *scan)
{
	return linitial_node(SeqScanState, scan->css.custom_ps);
}

/* ---- beginning ---- */

static int
add_column(MomentsScan *scan, int attnum)
{
	int column = columns_add(&scan->columns, attnum);

	if (column < 0)
		elog(ERROR, "column %d cannot be read", attnum);
	return column;
}

static void
init_kernel(MomentsScan *scan, Kernel *kernel, List *description)
{
	List  *numbers = linitial(description);
	Const *control = lsecond(description);

	kernel->transition = linitial_int(numbers);
	kernel->label = add_column(scan, lsecond_int(numbers));
	kernel->required = column_bit(kernel->label);
	for (int i = 2; i < list_length(numbers); i++)
	{
		int column = add_column(scan, list_nth_int(numbers, i));

		if (kernel->transition != TRANSITION_COVARIATE || kernel->metrics == 0)
			kernel->required |= column_bit(column);
		kernel->metric[kernel->metrics++] = column;
	}
	if (control != NULL && !control->constisnull)
		kernel->control = DatumGetTextPP(control->constvalue);
}

static void
begin_moments_scan(CustomScanState *node, EState *estate, int eflags)
{
	MomentsScan *scan = (MomentsScan *) node;
	CustomScan	*plan = castNode(CustomScan, node->ss.ps.plan);
	PlanState	*below = ExecInitNode(linitial(plan->custom_plans), estate, eflags);
	List		*kernels = linitial(plan->custom_private);
	ListCell	*lc;

	if (!IsA(below, SeqScanState))
		elog(ERROR, "a moments scan stands above a sequential scan, not node type %d",
			 (int) nodeTag(below));
	node->custom_ps = list_make1(below);
	columns_init(&scan->columns, RelationGetDescr(scan_below(scan)->ss.ss_currentRelation));
	scan->kernel = palloc0(list_length(kernels) * sizeof(Kernel));
	foreach(lc, kernels)
		init_kernel(scan, &scan->kernel[scan->kernels++], lfirst(lc));
	row_filter_init(&scan->filter, below->plan->qual, &scan->columns);
	columns_prepare(&scan->columns);
	scan->memory =
		AllocSetContextCreate(estate->es_query_cxt, "expstat moments scan", ALLOCSET_DEFAULT_SIZES);
}

/* ---- rows ---- */

/* The text form of an integer; valid until the next call. */
static const IntegerLabel *
integer_label(MomentsScan *scan, int64 value)
{
	IntegerLabel *label = scan->integer_labels;

	for (int i = 0; i < INTEGER_LABELS; i++)
	{
		label = &scan->integer_labels[i];
		if (label->length == 0)
			break;
		if (label->value == value)
			return label;
	}
	label->value = value;
	label->length = snprintf(label->text, sizeof(label->text), INT64_FORMAT, value);
	return label;
}

/* The state of a kernel, created with its first row. */
static pg_noinline Moments *
create_state(Kernel *kernel, int metrics)
{
	if (kernel->control == NULL)
		return moments_create(MOMENTS_FULL, metrics, MOMENTS_NO_CONSTANT, NULL, 0);

	arm_label_check(VARDATA_ANY(kernel->control), VARSIZE_ANY_EXHDR(kernel->control));
	return moments_create(MOMENTS_FULL, metrics, MOMENTS_CONTROL, VARDATA_ANY(kernel->control),
						  VARSIZE_ANY_EXHDR(kernel->control));
}

/* Add a row of k metrics, a constant for the compiler, to the arm of that label. */
static pg_attribute_always_inline void
add_to_arm(Kernel *kernel, const char *label, int length, const double *values, int k)
{
	Moments *before = kernel->state;

	if (unlikely(before == NULL))
		before = create_state(kernel, k);
	kernel->state = aggregate_row(before, label, length, values, k);
	if (unlikely(kernel->state != before))
		pfree(before);
}

static pg_attribute_always_inline double
metric_value(const MomentsScan *scan, const Row *row, int column)
{
	return column_is_float(scan->columns.kind[column]) ? row->cells[column].number
													   : (double) row->cells[column].integer;
}

/* The metrics of a row, as the transition functions take them. */
static pg_attribute_always_inline int
row_metrics(const MomentsScan *scan, const Kernel *kernel, const Row *row, double *values)
{
	bool array = kernel->transition == TRANSITION_ARRAY;

	for (int i = 0; i < kernel->metrics; i++)
	{
		values[i] = metric_value(scan, row, kernel->metric[i]);
		if (kernel->transition == TRANSITION_COVARIATE && i == 1)
		{
			bool missing = (row->nulls & column_bit(kernel->metric[1])) != 0;

			values[2] = missing ? 1.0 : 0.0;
			values[1] = missing ? 0.0 : values[1];
		}
		check_metric(values[i], array ? "ys" : i == 0 ? "y" : "x", array ? i + 1 : 0);
	}
	return kernel->transition == TRANSITION_COVARIATE ? 3 : kernel->metrics;
}

static pg_attribute_always_inline void
add_values(Kernel *kernel, const char *label, int length, const double *values, int k)
{
	if (k == 1)
		add_to_arm(kernel, label, length, values, 1);
	else if (k == 2)
		add_to_arm(kernel, label, length, values, 2);
	else if (k == 3)
		add_to_arm(kernel, label, length, values, 3);
	else
		add_to_arm(kernel, label, length, values, k);
}

static pg_attribute_always_inline void
add_row(MomentsScan *scan, Kernel *kernel, const Row *row)
{
	double		values[MOMENTS_METRICS_MAX];
	const Cell *cell = &row->cells[kernel->label];
	text	   *label;
	int			k;

	if (unlikely(row->nulls & kernel->required))
		return;
	k = row_metrics(scan, kernel, row, values);

	if (scan->columns.kind[kernel->label] != COLUMN_TEXT)
	{
		const IntegerLabel *integer = integer_label(scan, cell->integer);

		add_values(kernel, integer->text, integer->length, values, k);
		return;
	}
	label = (text *) cell->text;
	if (unlikely(VARATT_IS_COMPRESSED(label) || VARATT_IS_EXTERNAL(label)))
		label = pg_detoast_datum_packed(cell->text);
	add_values(kernel, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label), values, k);
	if (unlikely(label != (text *) cell->text))
		pfree(label);
}

/* Do the conditions that the filter does not know hold for the row, too? */
static pg_noinline bool
satisfies_qual(SeqScanState *below, HeapTuple tuple, Buffer buffer)
{
	ExprContext *econtext = below->ss.ps.ps_ExprContext;

	econtext->ecxt_scantuple = ExecStoreBufferHeapTuple(tuple, below->ss.ss_ScanTupleSlot, buffer);
	ResetExprContext(econtext);
	return ExecQual(below->ss.ps.qual, econtext);
}

/* Add a row that the snapshot sees; false if the conditions leave it out. */
static pg_attribute_always_inline bool
take_tuple(MomentsScan *scan, SeqScanState *below, HeapTuple tuple, Buffer buffer)
{
	Row row;

	columns_read(&scan->columns, tuple, &row);
	if ((scan->filter.count > 0 && !row_filter_passes(&scan->filter, &scan->columns, &row)) ||
		(!scan->filter.complete && !satisfies_qual(below, tuple, buffer)))
		return false;

	for (int i = 0; i < scan->kernels; i++)
		add_row(scan, &scan->kernel[i], &row);
	return true;
}

/*
 * The row that heap_getnext() stands at, and the others of its page that the
 * snapshot sees: heap_getnext() has found them all, and keeps the page from
 * changing under us by its pin.  Returns how many the conditions let pass.
 */
static int
take_page(MomentsScan *scan, SeqScanState *below, HeapScanDesc heap)
{
	Relation	  rel = heap->rs_base.rs_rd;
	Page		  page = BufferGetPage(heap->rs_cbuf);
	HeapTupleData tuple;
	int			  taken = 0;

	tuple.t_tableOid = RelationGetRelid(rel);
	for (int i = heap->rs_cindex; i < (int) heap->rs_ntuples; i++)
	{
		ItemId item = PageGetItemId(page, heap->rs_vistuples[i]);

		if (i > (int) heap->rs_cindex)
			pgstat_count_heap_getnext(rel);
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		ItemPointerSet(&tuple.t_self, heap->rs_cblock, heap->rs_vistuples[i]);
		taken += take_tuple(scan, below, &tuple, heap->rs_cbuf);
	}
	InstrCountFiltered1(below, (int) heap->rs_ntuples - heap->rs_cindex - taken);
	heap->rs_cindex = heap->rs_ntuples - 1;
	return taken;
}

/*
 * The scan descriptor, which the sequential scan would make for itself with its
 * first row; in a parallel plan it has one already.
 */
static TableScanDesc
scan_descriptor(SeqScanState *below)
{
	EState *estate = below->ss.ps.state;

	if (below->ss.ss_currentScanDesc == NULL)
		below->ss.ss_currentScanDesc =
			table_beginscan(below->ss.ss_currentRelation, estate->es_snapshot, 0, NULL);
	if ((below->ss.ss_currentScanDesc->rs_flags & SO_ALLOW_PAGEMODE) == 0)
		elog(ERROR, "a moments scan needs an MVCC snapshot");
	return below->ss.ss_currentScanDesc;
}

static void
take_all(MomentsScan *scan, SeqScanState *below, TableScanDesc desc)
{
	Instrumentation *instrument = below->ss.ps.instrument;
	bool			 more = true;

	while (more)
	{
		int taken = 0;

		if (instrument)
			InstrStartNode(instrument);
		more = heap_getnext(desc, ForwardScanDirection) != NULL;
		if (more)
			taken = take_page(scan, below, (HeapScanDesc) desc);
		if (instrument)
			InstrStopNode(instrument, taken);
	}
	/* Do not hold the last page. */
	ExecClearTuple(below->ss.ss_ScanTupleSlot);
}

/* ---- the node ---- */

static TupleTableSlot *
result_row(MomentsScan *scan)
{
	CustomScanState *node = &scan->css;
	TupleTableSlot	*slot = node->ss.ss_ScanTupleSlot;
	List			*outputs = lsecond(castNode(CustomScan, node->ss.ps.plan)->custom_private);

	ExecClearTuple(slot);
	for (int i = 0; i < list_length(outputs); i++)
	{
		Moments *state = scan->kernel[list_nth_int(outputs, i)].state;

		slot->tts_values[i] = PointerGetDatum(state);
		slot->tts_isnull[i] = state == NULL;
	}
	ExecStoreVirtualTuple(slot);
	if (node->ss.ps.ps_ProjInfo == NULL)
		return slot;
	node->ss.ps.ps_ExprContext->ecxt_scantuple = slot;
	return ExecProject(node->ss.ps.ps_ProjInfo);
}

/* One row, the states. */
static TupleTableSlot *
exec_moments_scan(CustomScanState *node)
{
	MomentsScan	 *scan = (MomentsScan *) node;
	TableScanDesc desc;
	MemoryContext outer;

	if (scan->done)
		return NULL;
	desc = scan_descriptor(scan_below(scan));
	outer = MemoryContextSwitchTo(scan->memory);
	take_all(scan, scan_below(scan), desc);
	MemoryContextSwitchTo(outer);
	scan->done = true;
	return result_row(scan);
}

static void
end_moments_scan(CustomScanState *node)
{
	ExecEndNode(linitial(node->custom_ps));
}

static void
rescan_moments_scan(CustomScanState *node)
{
	MomentsScan *scan = (MomentsScan *) node;
	PlanState	*below = linitial(node->custom_ps);

	for (int i = 0; i < scan->kernels; i++)
		scan->kernel[i].state = NULL;
	MemoryContextReset(scan->memory);
	scan->done = false;

	/* PostgreSQL passes changed parameters to left and right children only. */
	if (node->ss.ps.chgParam != NULL)
		UpdateChangedParamSet(below, node->ss.ps.chgParam);
	ExecReScan(below);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "MomentsScan",
	.BeginCustomScan = begin_moments_scan,
	.ExecCustomScan = exec_moments_scan,
	.EndCustomScan = end_moments_scan,
	.ReScanCustomScan = rescan_moments_scan,
};

static Node *
create_moments_scan(CustomScan *plan)
{
	MomentsScan *scan = (MomentsScan *) newNode(sizeof(MomentsScan), T_CustomScanState);

	scan->css.methods = &exec_methods;
	return (Node *) scan;
}

const CustomScanMethods moments_scan_methods = {
	.CustomName = "MomentsScan",
	.CreateCustomScanState = create_moments_scan,
};
