/*
 * moments_plan.c
 *		Finds the queries that a scan of our own can answer, and plans it.
 *
 * Off by default.  With expstat.enable_moments_scan on, the planner is offered
 *
 *		Finalize Aggregate -> Custom Scan (MomentsScan) -> Seq Scan
 *		Finalize Aggregate -> Gather -> Custom Scan (MomentsScan) -> Parallel Seq Scan
 *
 * beside its own plans of an aggregation without GROUP BY over one plain table,
 * if all its aggregates keep moments of plain columns.  Everything but the way
 * from the row to the state stays PostgreSQL's: rights, row security, conditions,
 * locks, snapshots, the division among workers, final functions, HAVING.
 */
#include "moments_scan.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"
#include "optimizer/prep.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "aggregates.h"
#include "columns.h"

static bool							enable_moments_scan = false;
static create_upper_paths_hook_type next_upper_paths_hook = NULL;

/* ---- from an aggregate to a kernel ---- */

static const struct
{
	PGFunction		  function;
	MomentsTransition transition;
	int				  metrics; /* arguments that are metrics; an array is one */
	bool			  control; /* a control label is the last argument */
} transitions[] = {
	{moments_accum, TRANSITION_METRICS, 1, false},
	{moments_accum_control, TRANSITION_METRICS, 1, true},
	{moments_accum_pair, TRANSITION_METRICS, 2, false},
	{moments_accum_pair_control, TRANSITION_METRICS, 2, true},
	{moments_accum_array, TRANSITION_ARRAY, 1, false},
	{moments_accum_boolean, TRANSITION_METRICS, 1, false},
	{moments_accum_boolean_control, TRANSITION_METRICS, 1, true},
	{covariate_accum_variant, TRANSITION_COVARIATE, 2, false},
	{covariate_accum_control, TRANSITION_COVARIATE, 2, true},
};

/*
 * The address of a C function, else NULL.  Names and types are the user's to
 * choose, so only the address says that a function is one of ours.
 */
static PGFunction
c_function(Oid oid)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	bool	  is_c;
	FmgrInfo  info;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	is_c = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId;
	ReleaseSysCache(tuple);
	if (!is_c)
		return NULL;

	fmgr_info(oid, &info);
	return info.fn_addr;
}

/*
 * What an aggregate calls for a row, if its states begin and are combined as
 * ours; an aggregate of the user's own may use our functions in other ways.
 */
static PGFunction
transition_function(Oid aggregate)
{
	HeapTuple		  tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Form_pg_aggregate form;
	PGFunction		  function = NULL;
	bool			  no_initial_state;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	(void) SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, &no_initial_state);
	if (no_initial_state && OidIsValid(form->aggcombinefn) && !OidIsValid(form->aggserialfn) &&
		c_function(form->aggcombinefn) == moments_combine)
		function = c_function(form->aggtransfn);
	ReleaseSysCache(tuple);
	return function;
}

static Node *
without_relabel(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

/* A column of the table, as it is stored; NULL if the expression is anything else. */
static const Var *
stored_column(Node *node, Index table)
{
	const Var *var = (const Var *) node;

	return IsA(var, Var) && var->varno == (int) table && var->varlevelsup == 0 &&
			var->varattno > 0 && column_kind(var->vartype) != COLUMN_UNKNOWN
		? var
		: NULL;
}

/* The argument of a cast from a number to float8, else the expression itself. */
static Node *
without_cast_to_float8(Node *node)
{
	const FuncExpr *call = (const FuncExpr *) node;

	if (IsA(call, FuncExpr) &&
		(call->funcid == F_FLOAT8_INT2 || call->funcid == F_FLOAT8_INT4 ||
		 call->funcid == F_FLOAT8_INT8 || call->funcid == F_FLOAT8_FLOAT4))
		return linitial(call->args);
	return node;
}

/* The attnum of a metric, or 0. */
static int
metric_column(Node *node, Index table)
{
	const Var *var = stored_column(without_cast_to_float8(node), table);

	if (var == NULL)
		return 0;
	switch (var->vartype)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
			return var->varattno;
		default:
			return 0;
	}
}

/*
 * The attnum of a variant, a text or an integer cast to text, or 0.  A text read
 * as another type has the same bytes, but not an integer the same text form.
 */
static int
variant_column(Node *node, Index table)
{
	Node			  *plain = without_relabel(node);
	const CoerceViaIO *cast = (const CoerceViaIO *) plain;
	bool			   to_text = IsA(cast, CoerceViaIO) && cast->resulttype == TEXTOID;
	const Var		  *var = stored_column(to_text ? (Node *) cast->arg : plain, table);

	if (var == NULL)
		return 0;
	if (to_text)
		return var->vartype == INT2OID || var->vartype == INT4OID || var->vartype == INT8OID
			? var->varattno
			: 0;
	return column_kind(var->vartype) == COLUMN_TEXT ? var->varattno : 0;
}

/* Append the metrics' attnums; false if not all are plain columns. */
static bool
add_metric_columns(List **numbers, List *expressions, Index table)
{
	ListCell *lc;

	foreach(lc, expressions)
	{
		int attnum = metric_column(lfirst(lc), table);

		if (attnum == 0)
			return false;
		*numbers = lappend_int(*numbers, attnum);
	}
	return true;
}

static List *
argument_expressions(const Aggref *agg)
{
	List	 *expressions = NIL;
	ListCell *lc;

	foreach(lc, agg->args)
		expressions = lappend(expressions, lfirst_node(TargetEntry, lc)->expr);
	return expressions;
}

/* The metrics of an ARRAY[...] written out, or NIL. */
static List *
array_elements(Node *node)
{
	ArrayExpr *array = (ArrayExpr *) node;

	if (!IsA(array, ArrayExpr) || array->multidims ||
		list_length(array->elements) > MOMENTS_METRICS_MAX)
		return NIL;
	return array->elements;
}

/* What moments_scan.h says of a kernel, or NIL if the aggregate has none. */
static List *
kernel_of_transition(const Aggref *agg, int which, Index table)
{
	List  *arguments = argument_expressions(agg);
	int	   metrics = transitions[which].metrics;
	List  *numbers;
	List  *values;
	Const *control = NULL;
	int	   variant;

	if (list_length(arguments) != metrics + 1 + transitions[which].control)
		return NIL;
	if (transitions[which].control)
	{
		control = llast(arguments);
		if (!IsA(control, Const) || control->consttype != TEXTOID)
			return NIL;
	}

	variant = variant_column(list_nth(arguments, metrics), table);
	values = transitions[which].transition == TRANSITION_ARRAY
		? array_elements(linitial(arguments))
		: list_truncate(list_copy(arguments), metrics);
	numbers = list_make2_int(transitions[which].transition, variant);
	if (variant == 0 || values == NIL || !add_metric_columns(&numbers, values, table))
		return NIL;
	return list_make2(numbers, control);
}

static List *
kernel_of(const Aggref *agg, Index table)
{
	PGFunction function;

	if (agg->aggkind != AGGKIND_NORMAL || agg->aggfilter != NULL || agg->aggdistinct != NIL ||
		agg->aggorder != NIL || agg->aggvariadic || agg->agglevelsup != 0)
		return NIL;

	function = transition_function(agg->aggfnoid);
	for (int i = 0; i < lengthof(transitions); i++)
	{
		if (transitions[i].function == function)
			return kernel_of_transition(agg, i, table);
	}
	return NIL;
}

/* ---- from a query to a path ---- */

/* All that a path needs to know. */
typedef struct ScanRequest
{
	List	   *kernels;
	List	   *outputs;
	PathTarget *target; /* the aggregates' states */
} ScanRequest;

/* A table of PostgreSQL's own kind, not a parent of others, all of it to be read. */
static bool
is_plain_table(const RangeTblEntry *rte)
{
	HeapTuple tuple;
	bool	  heap;

	if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_RELATION || rte->inh ||
		rte->tablesample != NULL)
		return false;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(rte->relid));
	heap =
		HeapTupleIsValid(tuple) && ((Form_pg_class) GETSTRUCT(tuple))->relam == HEAP_TABLE_AM_OID;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return heap;
}

static int
kernel_position(List **kernels, List *kernel)
{
	int		  position = 0;
	ListCell *lc;

	foreach(lc, *kernels)
	{
		if (equal(lfirst(lc), kernel))
			return position;
		position++;
	}
	*kernels = lappend(*kernels, kernel);
	return position;
}

/* Add an aggregate to what the scan returns; false if the scan cannot. */
static bool
request_aggregate(ScanRequest *request, Node *node, Index table)
{
	Aggref *partial;
	List   *kernel;
	int		position;

	if (!IsA(node, Aggref))
		return false;
	kernel = kernel_of((Aggref *) node, table);
	if (kernel == NIL)
		return false;
	position = kernel_position(&request->kernels, kernel);

	/* As the planner itself does where it splits an aggregation in two. */
	partial = makeNode(Aggref);
	memcpy(partial, node, sizeof(Aggref));
	mark_partial_aggref(partial, AGGSPLIT_INITIAL_SERIAL);
	if (!list_member(request->target->exprs, partial))
	{
		add_column_to_pathtarget(request->target, (Expr *) partial, 0);
		request->outputs = lappend_int(request->outputs, position);
	}
	return true;
}

/* No more columns than a row of ours has room for, the conditions' included. */
static bool
few_columns(const ScanRequest *request)
{
	int		  columns = 0;
	ListCell *lc;

	foreach(lc, request->kernels)
		columns += list_length(linitial(lfirst(lc))) - 1;
	return columns <= COLUMNS_MAX;
}

static bool
make_request(PlannerInfo *root, RelOptInfo *grouped, Index table, ScanRequest *request)
{
	List	 *expressions = list_copy(grouped->reltarget->exprs);
	ListCell *lc;

	request->kernels = NIL;
	request->outputs = NIL;
	request->target = create_empty_pathtarget();

	expressions = lappend(expressions, root->parse->havingQual);
	foreach(lc,
			pull_var_clause((Node *) expressions,
							PVC_INCLUDE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
								PVC_INCLUDE_PLACEHOLDERS))
	{
		if (!request_aggregate(request, lfirst(lc), table))
			return false;
	}
	set_pathtarget_cost_width(root, request->target);
	return request->kernels != NIL && few_columns(request);
}

/* The sequential scan among a table's paths. */
static Path *
find_seq_scan(List *paths)
{
	ListCell *lc;

	foreach(lc, paths)
	{
		Path *path = lfirst(lc);

		if (IsA(path, ProjectionPath))
			path = ((ProjectionPath *) path)->subpath;
		if (path->pathtype == T_SeqScan && path->param_info == NULL)
			return path;
	}
	return NULL;
}

/*
 * A cached plan is made anew when one of its functions changes.  PostgreSQL knows
 * of the aggregates; what we have looked at beneath them, it has not.
 */
static void
depend_on_aggregate(PlannerInfo *root, Oid aggregate)
{
	HeapTuple		  tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Form_pg_aggregate form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggregate);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	record_plan_function_dependency(root, form->aggtransfn);
	record_plan_function_dependency(root, form->aggcombinefn);
	ReleaseSysCache(tuple);
}

static Plan *
plan_moments_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
				  List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);
	ListCell   *lc;

	foreach(lc, path->path.pathtarget->exprs)
		depend_on_aggregate(root, lfirst_node(Aggref, lc)->aggfnoid);

	scan->scan.plan.targetlist = tlist;
	scan->custom_scan_tlist = copyObject(tlist);
	scan->custom_plans = custom_plans;
	scan->custom_private = path->custom_private;
	scan->methods = &moments_scan_methods;
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "MomentsScan",
	.PlanCustomPath = plan_moments_scan,
};

/*
 * What the scan costs and adding its rows to the states, less what we save: about
 * half of what PostgreSQL reckons for a row, whether it passes the conditions or not.
 */
static Cost
scan_cost(PlannerInfo *root, const Path *seq_scan)
{
	const RelOptInfo *table = seq_scan->parent;
	double			  share = table->rows > 0 ? seq_scan->rows / table->rows : 1;
	AggClauseCosts	  costs;

	MemSet(&costs, 0, sizeof(costs));
	get_agg_clause_costs(root, AGGSPLIT_INITIAL_SERIAL, &costs);
	return seq_scan->total_cost + costs.transCost.startup +
		seq_scan->rows * costs.transCost.per_tuple - 0.5 * cpu_tuple_cost * table->tuples * share;
}

static Path *
make_scan_path(PlannerInfo *root, RelOptInfo *grouped, Path *seq_scan, const ScanRequest *request)
{
	CustomPath *path = makeNode(CustomPath);

	path->path.pathtype = T_CustomScan;
	path->path.parent = grouped;
	path->path.pathtarget = request->target;
	path->path.parallel_safe = seq_scan->parallel_safe;
	path->path.parallel_workers = seq_scan->parallel_workers;
	path->path.rows = 1;
	path->path.startup_cost = path->path.total_cost = scan_cost(root, seq_scan);
#if PG_VERSION_NUM >= 180000
	path->path.disabled_nodes = seq_scan->disabled_nodes;
#endif
	path->custom_paths = list_make1(seq_scan);
	path->custom_private = list_make2(request->kernels, request->outputs);
	path->methods = &path_methods;
	return &path->path;
}

/* Offer the final aggregation of the states that `path` returns. */
static void
add_finalize_path(PlannerInfo *root, RelOptInfo *grouped, Path *path)
{
	AggClauseCosts costs;

	MemSet(&costs, 0, sizeof(costs));
	get_agg_clause_costs(root, AGGSPLIT_FINAL_DESERIAL, &costs);
	add_path(grouped,
			 (Path *) create_agg_path(root, grouped, path, grouped->reltarget, AGG_PLAIN,
									  AGGSPLIT_FINAL_DESERIAL, NIL,
									  (List *) root->parse->havingQual, &costs, 1));
}

static void
add_moments_scans(PlannerInfo *root, RelOptInfo *input, RelOptInfo *grouped)
{
	Query	   *query = root->parse;
	ScanRequest request;
	Path	   *seq_scan;

	/* A condition without columns becomes a node of its own above the sequential scan. */
	if (root->hasPseudoConstantQuals)
		return;
	if (!query->hasAggs || query->groupClause != NIL || query->groupingSets != NIL ||
		query->rowMarks != NIL || input->reloptkind != RELOPT_BASEREL ||
		!is_plain_table(planner_rt_fetch(input->relid, root)) ||
		!make_request(root, grouped, input->relid, &request))
		return;

	seq_scan = find_seq_scan(input->pathlist);
	if (seq_scan != NULL)
		add_finalize_path(root, grouped, make_scan_path(root, grouped, seq_scan, &request));

	seq_scan = find_seq_scan(input->partial_pathlist);
	if (seq_scan != NULL && grouped->consider_parallel)
	{
		double rows = seq_scan->parallel_workers;
		Path  *path = make_scan_path(root, grouped, seq_scan, &request);

		path = (Path *) create_gather_path(root, grouped, path, request.target, NULL, &rows);
		add_finalize_path(root, grouped, path);
	}
}

static void
moments_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
					RelOptInfo *output, void *extra)
{
	if (next_upper_paths_hook)
		next_upper_paths_hook(root, stage, input, output, extra);
	if (enable_moments_scan && stage == UPPERREL_GROUP_AGG)
		add_moments_scans(root, input, output);
}

void
moments_plan_init(void)
{
	DefineCustomBoolVariable("expstat.enable_moments_scan",
							 "Lets the planner read tables for aggregates of moments by a scan of "
							 "expstat's own.",
							 NULL, &enable_moments_scan, false, PGC_USERSET, GUC_EXPLAIN, NULL,
							 NULL, NULL);
	MarkGUCPrefixReserved("expstat");
	RegisterCustomScanMethods(&moments_scan_methods);
	next_upper_paths_hook = create_upper_paths_hook;
	create_upper_paths_hook = moments_upper_paths;
}
