/*
 * malloc_context.c
 *		A memory context in which every palloc() is a malloc() of its own.
 *
 * PostgreSQL carves what palloc() gives from blocks of kilobytes, within which
 * AddressSanitizer sees no overrun.  Here it sees one of a single byte, and every
 * use after pfree() or after the context was reset.
 *
 * PostgreSQL 15 finds the context of a chunk in the word before it, and the
 * context's methods in the context; from 16 on the methods are a fixed list.
 */
#include "malloc_context.h"

#include "nodes/memnodes.h"

#if PG_VERSION_NUM >= 160000
#error "the fuzzer needs PostgreSQL 15: later ones know no memory contexts of others"
#endif

/* What stands before each chunk, of a size that keeps malloc()'s alignment. */
typedef struct Chunk
{
	struct Chunk *previous;
	struct Chunk *next;
	Size		  size;
	MemoryContext context; /* the last, for PostgreSQL looks there */
} Chunk;

typedef struct MallocContext
{
	MemoryContextData header;
	Chunk			  all; /* head of a ring */
} MallocContext;

static inline Chunk *
chunk_of(void *pointer)
{
	return (Chunk *) pointer - 1;
}

static void
empty(MallocContext *own)
{
	own->all.previous = own->all.next = &own->all;
}

static void *
malloc_context_alloc(MemoryContext context, Size size)
{
	MallocContext *own = (MallocContext *) context;
	Chunk		  *chunk = malloc(sizeof(Chunk) + size);

	if (chunk == NULL)
		return NULL;
	chunk->size = size;
	chunk->context = context;
	chunk->previous = &own->all;
	chunk->next = own->all.next;
	chunk->next->previous = chunk;
	own->all.next = chunk;
	context->mem_allocated += size;
	return chunk + 1;
}

static void
malloc_context_free(MemoryContext context, void *pointer)
{
	Chunk *chunk = chunk_of(pointer);

	chunk->previous->next = chunk->next;
	chunk->next->previous = chunk->previous;
	context->mem_allocated -= chunk->size;
	free(chunk);
}

/* Always to another place, so that whoever kept the old pointer is caught. */
static void *
malloc_context_realloc(MemoryContext context, void *pointer, Size size)
{
	void *moved = malloc_context_alloc(context, size);

	if (moved == NULL)
		return NULL;
	memcpy(moved, pointer, Min(size, chunk_of(pointer)->size));
	malloc_context_free(context, pointer);
	return moved;
}

static void
malloc_context_reset(MemoryContext context)
{
	MallocContext *own = (MallocContext *) context;

	while (own->all.next != &own->all)
		malloc_context_free(context, own->all.next + 1);
}

static void
malloc_context_delete(MemoryContext context)
{
	malloc_context_reset(context);
	free(context);
}

static Size
malloc_context_chunk_space(MemoryContext context, void *pointer)
{
	return sizeof(Chunk) + chunk_of(pointer)->size;
}

static bool
malloc_context_is_empty(MemoryContext context)
{
	MallocContext *own = (MallocContext *) context;

	return own->all.next == &own->all;
}

/* Called by MemoryContextStats() only. */
static void
malloc_context_stats(MemoryContext context, MemoryStatsPrintFunc printfunc, void *passthru,
					 MemoryContextCounters *totals, bool print_to_stderr)
{
	if (totals != NULL)
		totals->totalspace += context->mem_allocated;
}

#ifdef MEMORY_CONTEXT_CHECKING
/* AddressSanitizer does it. */
static void
malloc_context_check(MemoryContext context)
{
}
#endif

MemoryContext
malloc_context_create(MemoryContext parent)
{
	static const MemoryContextMethods methods = {
		.alloc = malloc_context_alloc,
		.free_p = malloc_context_free,
		.realloc = malloc_context_realloc,
		.reset = malloc_context_reset,
		.delete_context = malloc_context_delete,
		.get_chunk_space = malloc_context_chunk_space,
		.is_empty = malloc_context_is_empty,
		.stats = malloc_context_stats,
#ifdef MEMORY_CONTEXT_CHECKING
		.check = malloc_context_check,
#endif
	};
	MallocContext *own = malloc(sizeof(MallocContext));

	if (own == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	empty(own);
	/* A context must have one of PostgreSQL's tags. */
	MemoryContextCreate(&own->header, T_AllocSetContext, &methods, parent, "fuzzed input");
	return &own->header;
}
