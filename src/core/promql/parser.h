/*
 * parser.h
 *		Text of PromQL to a checked syntax tree, and back to text.
 */
#ifndef TSDB_PROMQL_PARSER_H
#define TSDB_PROMQL_PARSER_H

#include "core/base/base.h"
#include "core/promql/ast.h"

/* Longest query, in bytes: positions are 32 bit, and nobody types a megabyte. */
#define TSDB_PROMQL_MAX_QUERY (1 << 20)

/*
 * What Prometheus keeps behind --enable-feature.  A stock Prometheus 3.14 has
 * duration expressions on and the other three off; here all are on unless a
 * caller asks otherwise.
 */
typedef struct TsdbParseOptions
{
	bool		no_experimental_functions;	/* promql-experimental-functions, limitk, limit_ratio */
	bool		no_duration_expressions;	/* promql-duration-expr */
	bool		no_extended_range_selectors;	/* promql-extended-range-selectors: anchored, smoothed */
	bool		no_fill_modifiers;			/* promql-binop-fill-modifiers: fill, fill_left, fill_right */
} TsdbParseOptions;

/* ---- parser.c ---- */

/*
 * Parse and type-check.  options may be NULL.  The tree may point into the query.
 * TSDB_ERR_SYNTAX with Prometheus's wording and the byte range at fault,
 * TSDB_ERR_ENCODING for a pattern that is not UTF-8, TSDB_ERR_LIMIT when too long or nested too deeply.
 */
extern TsdbStatus tsdb_promql_parse(TsdbArena *arena, TsdbStr query, const TsdbParseOptions *options,
									TsdbExpr **expr, TsdbError *error);
/*
 * One selector without modifiers (`up`, `{job="api",path=~"/v1/.+"}`), as in the API's match[].
 * Like Prometheus this does not ask for a non-empty matcher: the caller decides.
 */
extern TsdbStatus tsdb_promql_parse_selector(TsdbArena *arena, TsdbStr text, TsdbMatcher **matchers, size_t *n,
											 TsdbError *error);

/* ---- printer.c ---- */

/* Canonical text that parses to an equal tree. */
extern void tsdb_promql_print(TsdbBuffer *buffer, const TsdbExpr *expr);
/* A duration as PromQL writes it: 90000 is "1m30s". */
extern void tsdb_promql_print_duration(TsdbBuffer *buffer, int64_t milliseconds);

/* ---- printer_pretty.c ---- */

/*
 * Text for people, on as many lines as it takes: what is longer than 100 bytes is broken at its operators and
 * parentheses.  Parses to an equal tree.  env may be NULL.
 */
extern void tsdb_promql_print_pretty(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr);

/* ---- error_text.c ---- */

/* The error as the HTTP API words it: "1:5: parse error: unexpected ..."; other errors are just their message. */
extern void tsdb_promql_error_text(TsdbBuffer *buffer, TsdbStr query, const TsdbError *error);

#endif							/* TSDB_PROMQL_PARSER_H */
