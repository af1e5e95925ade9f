/*
 * fuzz.c
 *		A coverage-guided fuzzer (libFuzzer) inside a PostgreSQL backend.
 *
 * script/fuzz builds it into expstat.so and calls the SQL functions below in
 * single-user mode:
 *
 *		fuzz(target text, options text[])	never returns: libFuzzer ends the process
 *		fuzz_prune(target text, directory text)
 *
 * Of the readers it asks more than to survive.  An input is refused with an error of
 * class 22, 42, 54 or 08P01, or what it gives is the same value after writing and
 * reading it again, in both forms, and fit for use: merged with itself and compared,
 * no result is NaN.
 */
#include "malloc_context.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "hash.h"
#include "hash32.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "methods.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"

PG_FUNCTION_INFO_V1(fuzz);
PG_FUNCTION_INFO_V1(fuzz_prune);

/* libFuzzer's entry, of FuzzerInterface.h */
extern int
LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

/* The counters that the compiler adds, one per edge of the control flow. */
extern uint8 __start___sancov_cntrs[];
extern uint8 __stop___sancov_cntrs[];

#define USES 2

typedef struct Type
{
	const char *name;
	const char *uses[USES]; /* queries over $1 that give true, or are refused */
	Oid			oid;
	Oid			ioparam;
	FmgrInfo	in;
	FmgrInfo	out;
	FmgrInfo	receive;
	FmgrInfo	send;
	SPIPlanPtr	plans[USES];
} Type;

typedef struct Target
{
	const char *name;
	void (*run)(const uint8_t *data, size_t size);
	Type *type; /* of a reader */
} Target;

static MemoryContext input_context;
static const Target *target;

/* libFuzzer keeps the input of a process that aborts. */
static void wrong(const char *what, const char *detail) pg_attribute_noreturn();

static void
wrong(const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s: %s\n", target->name, what, detail);
	abort();
}

/* ---- readers ---- */

#define NO_NAN                                                                                     \
	"'NaN' NOT IN (r.estimate, r.estimate_control, coalesce(r.diff, 0), coalesce(r.std_error, 0)," \
	" coalesce(r.statistic, 0), coalesce(r.df, 0), coalesce(r.p_value, 0),"                        \
	" coalesce(r.diff_low, 0), coalesce(r.diff_high, 0), coalesce(r.lift, 0),"                     \
	" coalesce(r.lift_low, 0), coalesce(r.lift_high, 0))"

static Type moments = {
	.name = "moments",
	.uses =
		{
			"SELECT (SELECT bool_and(coalesce(s.variance >= 0 AND s.n > 0, s.n = 1))"
			"  FROM moments_summary($1) s) IS NOT FALSE"
			" AND (SELECT bool_and(n = 2 * o) FROM (SELECT s.n, o.n AS o FROM"
			"  (SELECT moments_agg(m) AS m FROM (VALUES ($1), ($1)) q (m)) q, moments_summary(q.m) "
			"s"
			"  JOIN moments_summary($1) o USING (variant, metric)) q) IS NOT FALSE",
			"SELECT (SELECT bool_and(" NO_NAN
			") FROM (SELECT * FROM welch_t($1, lift_method => 'fieller')"
			"  UNION ALL SELECT * FROM welch_t($1, lift_method => 'log', alternative => 'greater'))"
			"  r) IS NOT FALSE",
		},
};

static Type bootstrap = {
	.name = "bootstrap",
	.uses =
		{
			"SELECT (SELECT bool_and(" NO_NAN ") FROM bootstrap_mean((SELECT bootstrap_agg(b)"
			"  FROM (VALUES ($1), ($1)) q (b)), method => 'bca') r) IS NOT FALSE",
			"SELECT (SELECT bool_and(" NO_NAN ") FROM bootstrap_quantile((SELECT bootstrap_agg(b)"
			"  FROM (VALUES ($1), ($1)) q (b))) r) IS NOT FALSE",
		},
};

/* The SQLSTATE of an error, which ends here. */
static int
error_code(MemoryContext context)
{
	int code = geterrcode();

	MemoryContextSwitchTo(context);
	FlushErrorState();
	return code;
}

static bool
is_refusal(int code)
{
	int category = ERRCODE_TO_CATEGORY(code);

	return category == ERRCODE_DATA_EXCEPTION || code == ERRCODE_PROTOCOL_VIOLATION ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR) ||
		category == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

static Datum
receive(Type *type, const void *data, size_t size)
{
	StringInfoData buffer;

	/* As PostgreSQL does it: the message ends with a zero byte. */
	initStringInfo(&buffer);
	appendBinaryStringInfo(&buffer, data, (int) size);
	return ReceiveFunctionCall(&type->receive, &buffer, type->ioparam, -1);
}

static void
must_be_equal(const bytea *a, const bytea *b, const char *what)
{
	if (VARSIZE(a) != VARSIZE(b) || memcmp(a, b, VARSIZE(a)) != 0)
		wrong("read", what);
}

/* Written and read again, an accepted value is the same. */
static void
must_survive(Type *type, Datum value)
{
	bytea *sent = SendFunctionCall(&type->send, value);
	char  *text = OutputFunctionCall(&type->out, value);
	Datum  again = InputFunctionCall(&type->in, text, type->ioparam, -1);

	must_be_equal(sent, SendFunctionCall(&type->send, again), "not the same after text");
	again = receive(type, VARDATA(sent), VARSIZE(sent) - VARHDRSZ);
	must_be_equal(sent, SendFunctionCall(&type->send, again), "not the same after binary");
	if (strcmp(text, OutputFunctionCall(&type->out, again)) != 0)
		wrong("read", "not the same text after binary");
}

static void
use(SPIPlanPtr plan, Datum value)
{
	bool isnull;

	if (SPI_execute_plan(plan, &value, NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		wrong("use", "no result");
	if (!DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)))
		wrong("use", "a result is wrong");
	SPI_freetuptable(SPI_tuptable);
}

/* Usable, or refused by the functions over it; SPI needs a subtransaction for errors. */
static void
must_be_usable(SPIPlanPtr plan, Datum value)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		use(plan, value);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;
		int		   code;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		code = error_code(context);
		RollbackAndReleaseCurrentSubTransaction();
		if (!is_refusal(code))
			wrong("use", error->message);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

/* Reading itself holds nothing but memory. */
static void
try_reader(const uint8_t *data, size_t size, bool text)
{
	MemoryContext  context = CurrentMemoryContext;
	Type		  *type = target->type;
	volatile Datum value = 0;
	volatile bool  accepted = false;

	/* No client can send such a text. */
	if (text &&
		(memchr(data, '\0', size) != NULL ||
		 !pg_verifymbstr((const char *) data, (int) size, true)))
		return;

	PG_TRY();
	{
		value = text
			? InputFunctionCall(&type->in, pnstrdup((const char *) data, size), type->ioparam, -1)
			: receive(type, data, size);
		accepted = true;
		must_survive(type, value);
	}
	PG_CATCH();
	{
		ErrorData *error;
		int		   code;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		code = error_code(context);
		if (accepted)
			wrong("accepted, but not read again", error->message);
		if (!is_refusal(code))
			wrong(unpack_sql_state(code), error->message);
	}
	PG_END_TRY();

	for (int i = 0; accepted && i < USES; i++)
		must_be_usable(type->plans[i], value);
}

static void
try_text(const uint8_t *data, size_t size)
{
	try_reader(data, size, true);
}

static void
try_binary(const uint8_t *data, size_t size)
{
	try_reader(data, size, false);
}

/* ---- hashes ---- */

static char *
copy_at(const void *data, size_t size, int offset)
{
	char *copy = (char *) palloc(size + offset) + offset;

	memcpy(copy, data, size);
	return copy;
}

static void
must_agree(bool agree, const char *what)
{
	if (!agree)
		wrong("hash", what);
}

/* The same bytes have the same hash wherever they stand, and nothing behind them is read. */
static void
try_hashes(const uint8_t *data, size_t size)
{
	uint32 seed = size < 4 ? 0 : data[0] | data[1] << 8 | data[2] << 16 | (uint32) data[3] << 24;
	int	   offset = size < 4 ? 1 : data[3] % 8;
	size_t unit = size < 1 ? 0 : data[0] % (size + 1);
	const char *here = copy_at(data, size, 0);
	const char *there = copy_at(data, size, offset);

	must_agree(farm_fingerprint64(here, size) == farm_fingerprint64(there, size), "farm");
	must_agree(murmur3_x86_32(here, size, seed) == murmur3_x86_32(there, size, seed), "murmur3");
	must_agree(fnv1a_hash32(here, size) == fnv1a_hash32(there, size), "fnv1a");
	must_agree(sha1_hash60(here, size) == sha1_hash60(there, size), "sha1");
	must_agree(sha1_hash60(here, size) >> 60 == 0, "sha1 of more than 60 bits");

	/* A unit and a salt, each in memory of its own. */
	for (int i = 0; i < BUCKET_METHODS; i++)
	{
		const BucketMethod *method = &bucket_methods[i];
		double				bucket = method_bucket(method, here, unit, here + unit, size - unit);
		double				again = method_bucket(method, copy_at(here, unit, offset), unit,
												  copy_at(here + unit, size - unit, 0), size - unit);

		must_agree(bucket >= 0.0 && bucket < 1.0, method->name);
		must_agree(bucket == again, method->name);
		if (method->steps > 0.0)
			must_agree(rint(bucket * method->steps) / method->steps == bucket, method->name);
	}
}

/* ---- running ---- */

static const Target targets[] = {
	{"moments_text", try_text, &moments},
	{"moments_binary", try_binary, &moments},
	{"bootstrap_text", try_text, &bootstrap},
	{"bootstrap_binary", try_binary, &bootstrap},
	{"hashes", try_hashes, NULL},
};

static void
prepare_type(Type *type)
{
	StringInfoData query;
	Oid			   function;
	bool		   varlena;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT '%s'::regtype", type->name);
	if (SPI_execute(query.data, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "no type %s", type->name);
	type->oid =
		DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &varlena));

	getTypeInputInfo(type->oid, &function, &type->ioparam);
	fmgr_info_cxt(function, &type->in, TopMemoryContext);
	getTypeOutputInfo(type->oid, &function, &varlena);
	fmgr_info_cxt(function, &type->out, TopMemoryContext);
	getTypeBinaryInputInfo(type->oid, &function, &type->ioparam);
	fmgr_info_cxt(function, &type->receive, TopMemoryContext);
	getTypeBinaryOutputInfo(type->oid, &function, &varlena);
	fmgr_info_cxt(function, &type->send, TopMemoryContext);

	for (int i = 0; i < USES; i++)
	{
		type->plans[i] = SPI_prepare(type->uses[i], 1, &type->oid);
		if (type->plans[i] == NULL || SPI_keepplan(type->plans[i]) != 0)
			elog(ERROR, "a query of %s cannot be prepared", type->name);
	}
}

/* libFuzzer's callback */
static int
run_input(const uint8_t *data, size_t size)
{
	MemoryContext context = MemoryContextSwitchTo(input_context);

	target->run(data, size);
	MemoryContextSwitchTo(context);
	MemoryContextReset(input_context);
	return 0;
}

static void
choose_target(const text *name)
{
	char *wanted = text_to_cstring(name);

	for (int i = 0; i < lengthof(targets); i++)
	{
		if (strcmp(targets[i].name, wanted) == 0)
			target = &targets[i];
	}
	if (target == NULL)
		elog(ERROR, "no target \"%s\"", wanted);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (target->type != NULL)
		prepare_type(target->type);
	input_context = malloc_context_create(TopMemoryContext);
}

/* fuzz(target text, options text[]): libFuzzer with these options */
Datum
fuzz(PG_FUNCTION_ARGS)
{
	Datum *options;
	int	   count;
	char **argv;
	int	   argc = 0;

	choose_target(PG_GETARG_TEXT_PP(0));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &options, NULL,
					  &count);
	argv = palloc0((count + 2) * sizeof(char *));
	argv[argc++] = pstrdup(target->name);
	for (int i = 0; i < count; i++)
		argv[argc++] = TextDatumGetCString(options[i]);

	/* libFuzzer leaves signals alone that somebody handles; here it is to handle them. */
	pqsignal(SIGALRM, SIG_DFL);
	pqsignal(SIGINT, SIG_DFL);
	pqsignal(SIGTERM, SIG_DFL);
	exit(LLVMFuzzerRunDriver(&argc, &argv, run_input));
}

/* ---- a small corpus ---- */

typedef struct InputFile
{
	char *path;
	off_t size;
} InputFile;

static int
smaller_first(const void *a, const void *b)
{
	const InputFile *x = a;
	const InputFile *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return strcmp(x->path, y->path);
}

static InputFile *
list_files(const char *directory, int *count)
{
	DIR			  *dir = AllocateDir(directory);
	struct dirent *entry;
	struct stat	   status;
	int			   room = 64;
	InputFile	  *files = palloc(room * sizeof(InputFile));

	*count = 0;
	while ((entry = ReadDir(dir, directory)) != NULL)
	{
		char *path = psprintf("%s/%s", directory, entry->d_name);

		if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
			continue;
		if (*count == room)
			files = repalloc(files, (room *= 2) * sizeof(InputFile));
		files[*count].path = path;
		files[(*count)++].size = status.st_size;
	}
	FreeDir(dir);
	qsort(files, *count, sizeof(InputFile), smaller_first);
	return files;
}

static void
run_file(const InputFile *file)
{
	uint8_t *data = palloc(file->size);
	FILE	*in = AllocateFile(file->path, "rb");

	if (in == NULL || fread(data, 1, file->size, in) != file->size)
		elog(ERROR, "cannot read %s", file->path);
	FreeFile(in);
	run_input(data, file->size);
	pfree(data);
}

/*
 * fuzz_prune(target text, directory text): removes the files that reach no edge which
 * a smaller one has not reached
 */
Datum
fuzz_prune(PG_FUNCTION_ARGS)
{
	size_t	   edges = __stop___sancov_cntrs - __start___sancov_cntrs;
	bool	  *reached = palloc0(edges);
	int		   count;
	InputFile *files;

	choose_target(PG_GETARG_TEXT_PP(0));
	files = list_files(text_to_cstring(PG_GETARG_TEXT_PP(1)), &count);
	for (int i = 0; i < count; i++)
	{
		bool useful = false;

		memset(__start___sancov_cntrs, 0, edges);
		run_file(&files[i]);
		for (size_t edge = 0; edge < edges; edge++)
		{
			if (__start___sancov_cntrs[edge] != 0 && !reached[edge])
				useful = reached[edge] = true;
		}
		if (!useful)
			unlink(files[i].path);
	}
	SPI_finish();
	PG_RETURN_VOID();
}
