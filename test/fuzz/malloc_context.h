/*
 * malloc_context.h
 *		A memory context in which every palloc() is a malloc() of its own.
 */
#ifndef EXPSTAT_MALLOC_CONTEXT_H
#define EXPSTAT_MALLOC_CONTEXT_H

#include "postgres.h"

#include "utils/memutils.h"

extern MemoryContext malloc_context_create(MemoryContext parent);

#endif /* EXPSTAT_MALLOC_CONTEXT_H */
