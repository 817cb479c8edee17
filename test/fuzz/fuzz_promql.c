/*
 * fuzz_promql.c
 *		Any bytes as a PromQL query, and as a selector.
 *
 * What must hold: a failure has a message and a range inside the query; what
 * parses is printed, on one line and on many, as text that parses again, and prints the same; durations
 * resolve or fail, but do not overflow; the tree can be shown as JSON.
 */
#include <stdlib.h>

#include "core/json/json.h"
#include "core/promql/parser.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Milliseconds that a double of seconds holds exactly: beyond, `@` loses some of them on the way through text. */
#define EXACT_MS (INT64_C(1) << 51)

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_error(TsdbArena *arena, TsdbStr query, TsdbStatus status, const TsdbError *error)
{
	TsdbBuffer	text;

	require(status == TSDB_ERR_SYNTAX || status == TSDB_ERR_LIMIT || status == TSDB_ERR_ENCODING);
	require(error->code == status && error->message[0] != '\0');
	require(error->start >= 0 && error->start <= (int64_t) query.len && error->end <= (int64_t) query.len);
	tsdb_buffer_init(&text, arena, 64);
	tsdb_promql_error_text(&text, query, error);
	require(text.len > 0);
}

static TsdbStr
print(TsdbArena *arena, const TsdbExpr *expr)
{
	TsdbBuffer	text;

	tsdb_buffer_init(&text, arena, 64);
	tsdb_promql_print(&text, expr);
	return (TsdbStr){(const char *) text.data, text.len};
}

static TsdbStr
print_pretty(TsdbArena *arena, const TsdbExpr *expr)
{
	TsdbBuffer	text;

	tsdb_buffer_init(&text, arena, 64);
	tsdb_promql_print_pretty(&text, NULL, expr);
	return (TsdbStr){(const char *) text.data, text.len};
}

static bool
is_exact(TsdbExpr *expr, void *context)
{
	const TsdbTimeShift *shift = expr->kind == TSDB_EXPR_VECTOR ? &expr->vector.shift :
		expr->kind == TSDB_EXPR_SUBQUERY ? &expr->subquery.shift : NULL;

	(void) context;
	require(expr->depth <= TSDB_PROMQL_MAX_DEPTH && expr->range.start >= 0);
	return shift == NULL || (shift->at_ms < EXACT_MS && shift->at_ms > -EXACT_MS);
}

static void
check_reads_back(TsdbArena *arena, TsdbStr text, const TsdbExpr *expr, TsdbStr printed)
{
	TsdbExpr   *again;
	TsdbError	error;

	if (text.len > TSDB_PROMQL_MAX_QUERY)
		return;
	require(tsdb_promql_parse(arena, text, NULL, &again, &error) == TSDB_OK);
	require(again->kind == expr->kind && tsdb_expr_type(again) == tsdb_expr_type(expr));
	require(tsdb_str_equal(printed, print(arena, again)));
}

static void
check_round_trip(TsdbArena *arena, TsdbExpr *expr)
{
	TsdbStr		text = print(arena, expr);

	if (!tsdb_expr_walk(expr, is_exact, NULL))
		return;
	check_reads_back(arena, text, expr, text);
	check_reads_back(arena, print_pretty(arena, expr), expr, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbStr		query = {(const char *) data, size};
	TsdbArena	arena;
	TsdbExpr   *expr;
	TsdbMatcher *matchers;
	TsdbBuffer	tree;
	size_t		n;
	TsdbError	error;
	TsdbStatus	status;

	tsdb_arena_init_malloc(&arena, 0);
	status = tsdb_promql_parse(&arena, query, NULL, &expr, &error);
	if (status == TSDB_OK)
	{
		check_round_trip(&arena, expr);
		tsdb_buffer_init(&tree, &arena, 64);
		tsdb_json_syntax_tree(&tree, NULL, expr);
		require(tsdb_utf8_is_valid((TsdbStr){(const char *) tree.data, tree.len}));
		status = tsdb_promql_resolve_durations(expr, 0, 3600000, 15000, &error);
	}
	if (status != TSDB_OK)
		check_error(&arena, query, status, &error);
	status = tsdb_promql_parse_selector(&arena, query, &matchers, &n, &error);
	if (status != TSDB_OK)
		check_error(&arena, query, status, &error);
	tsdb_arena_free(&arena);
	return 0;
}
