/*
 * versions.h
 *		What we ask of PostgreSQL, and what differs between its versions, 15 to 18.
 */
#ifndef EXPSTAT_VERSIONS_H
#define EXPSTAT_VERSIONS_H

#include "postgres.h"

StaticAssertDecl(PG_VERSION_NUM >= 150000, "expstat needs PostgreSQL 15 or later");

/*
 * The exact sums of the bootstrap are of 128 bits, and states hold int64 and
 * float8 that must be aligned as palloc() and a tuple align them.  A 32-bit
 * build has neither, and was never tried.
 */
StaticAssertDecl(FLOAT8PASSBYVAL, "expstat needs a 64-bit PostgreSQL, with float8 passed by value");

#if PG_VERSION_NUM >= 160000
#include "varatt.h" /* was part of postgres.h */

#define JSON_ACTION JsonParseErrorType /* what the actions of the JSON parser return */
#define JSON_GO_ON	JSON_SUCCESS
#define get_sorted_datum(sort, value, isnull) \
	tuplesort_getdatum(sort, true, true, value, isnull, NULL)
#else
#define JSON_ACTION void
#define JSON_GO_ON
#define get_sorted_datum(sort, value, isnull) tuplesort_getdatum(sort, true, value, isnull, NULL)
#endif

#if PG_VERSION_NUM >= 170000
#define json_lexer(json, len) \
	makeJsonLexContextCstringLen(NULL, json, len, GetDatabaseEncoding(), true)
#define send_counted_text(buffer, text, len) pq_sendcountedtext(buffer, text, len)
#else
#define json_lexer(json, len)				 makeJsonLexContextCstringLen(json, len, GetDatabaseEncoding(), true)
#define send_counted_text(buffer, text, len) pq_sendcountedtext(buffer, text, len, false)
#endif

#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

#endif
