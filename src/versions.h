/*
 * versions.h
 *		What versions of PostgreSQL name or declare differently, from 15 on.
 */
#ifndef EXPSTAT_VERSIONS_H
#define EXPSTAT_VERSIONS_H

#include "postgres.h"

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
