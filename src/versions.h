/*
 * versions.h
 *		What differs between the versions of PostgreSQL, 15 to 18.
 */
#ifndef EXPSTAT_VERSIONS_H
#define EXPSTAT_VERSIONS_H

#include "postgres.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h" /* was part of postgres.h */

#define JSON_ACTION JsonParseErrorType /* what the actions of the JSON parser return */
#define JSON_GO_ON	JSON_SUCCESS
#else
#define JSON_ACTION void
#define JSON_GO_ON
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
