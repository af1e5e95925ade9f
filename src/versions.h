/*
 * versions.h
 *		What we ask of PostgreSQL, and what its versions name or declare differently.
 */
#ifndef EXPSTAT_VERSIONS_H
#define EXPSTAT_VERSIONS_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "expstat needs PostgreSQL 15 or later"
#endif

/*
 * The exact sums of the bootstrap are of 128 bits, and states hold int64 and
 * float8 that must be aligned as palloc() and a tuple align them.  A 32-bit
 * build has neither, and was never tried.
 */
#if !defined(USE_FLOAT8_BYVAL) || !defined(HAVE_INT128)
#error "expstat needs a 64-bit PostgreSQL: float8 passed by value, and 128-bit integers"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h" /* macros of varlena values; before, postgres.h had them */
/* What a semantic action of the JSON parser returns. */
#define JSON_ACTION_RESULT	JsonParseErrorType
#define JSON_ACTION_SUCCESS JSON_SUCCESS
#define get_sorted_datum(sort, value, isnull) \
	tuplesort_getdatum(sort, true, true, value, isnull, NULL)
#else
#define JSON_ACTION_RESULT void
#define JSON_ACTION_SUCCESS
#define get_sorted_datum(sort, value, isnull) tuplesort_getdatum(sort, true, value, isnull, NULL)
#endif

#if PG_VERSION_NUM >= 170000
#define make_json_lexer(json, length, encoding, escapes) \
	makeJsonLexContextCstringLen(NULL, json, length, encoding, escapes)
#define send_counted_text(buffer, text, length) pq_sendcountedtext(buffer, text, length)
#else
#define make_json_lexer(json, length, encoding, escapes) \
	makeJsonLexContextCstringLen(json, length, encoding, escapes)
#define send_counted_text(buffer, text, length) pq_sendcountedtext(buffer, text, length, false)
#endif

#endif /* EXPSTAT_VERSIONS_H */
