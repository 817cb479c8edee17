/*
 * explain.c
 *		A syntax tree as a plan, in the manner of EXPLAIN.
 */
#include "core/promql/explain.h"
#include "core/promql/printer_internal.h"

#define INDENT 6

static void explain_node(TsdbBuffer *out, const TsdbExpr *expr, int level);
static void begin_line(TsdbBuffer *out, int level, bool is_node);
static void describe(TsdbBuffer *out, const TsdbExpr *expr);
static void append_figures(TsdbBuffer *out, const TsdbNodeProfile *profile);
static void append_reading(TsdbBuffer *out, const TsdbNodeProfile *profile, int level);

static void
append_text(TsdbBuffer *out, const char *text)
{
	tsdb_buffer_append_str(out, tsdb_str(text));
}

void
tsdb_promql_explain(TsdbBuffer *out, const TsdbExpr *expr)
{
	explain_node(out, expr, 0);
}

/* Parentheses are not evaluated, and the selector of a range is described with it. */
static void
explain_node(TsdbBuffer *out, const TsdbExpr *expr, int level)
{
	const TsdbExpr *node = tsdb_expr_unwrap((TsdbExpr *) expr);
	const TsdbExpr *child;

	begin_line(out, level, true);
	describe(out, node);
	if (node->profile != NULL)
		append_figures(out, node->profile);
	if (node->profile != NULL && (node->kind == TSDB_EXPR_VECTOR || node->kind == TSDB_EXPR_MATRIX))
		append_reading(out, node->profile, level);
	if (node->kind == TSDB_EXPR_MATRIX)
		return;
	for (size_t i = 0; (child = tsdb_expr_child(node, i)) != NULL; i++)
		explain_node(out, child, level + 1);
}

/* What belongs to a node stands below its text, not below its arrow. */
static void
begin_line(TsdbBuffer *out, int level, bool is_node)
{
	int			indent = level * INDENT - (is_node && level > 0 ? INDENT - 2 : 0) + (is_node ? 0 : 2);

	if (out->len > 0)
		tsdb_buffer_u8(out, '\n');
	for (int i = 0; i < indent; i++)
		tsdb_buffer_u8(out, ' ');
	if (is_node && level > 0)
		append_text(out, "->  ");
}

static void
describe(TsdbBuffer *out, const TsdbExpr *expr)
{
	switch (expr->kind)
	{
		case TSDB_EXPR_NUMBER:
			append_text(out, "Number ");
			tsdb_promql_print(out, expr);
			break;
		case TSDB_EXPR_STRING:
			append_text(out, "String ");
			tsdb_promql_print(out, expr);
			break;
		case TSDB_EXPR_VECTOR:
			append_text(out, "Selector ");
			tsdb_promql_print(out, expr);
			break;
		case TSDB_EXPR_MATRIX:
			append_text(out, "Range Selector ");
			tsdb_promql_print(out, expr);
			break;
		case TSDB_EXPR_SUBQUERY:
			append_text(out, "Subquery ");
			tsdb_print_subquery_suffix(out, &expr->subquery);
			break;
		case TSDB_EXPR_AGGREGATE:
			append_text(out, "Aggregate ");
			tsdb_print_aggregate_operator(out, &expr->aggregate);
			break;
		case TSDB_EXPR_BINARY:
			append_text(out, "Binary ");
			tsdb_print_binary_operator(out, &expr->binary);
			break;
		case TSDB_EXPR_UNARY:
			append_text(out, expr->unary.negative ? "Unary -" : "Unary +");
			break;
		case TSDB_EXPR_CALL:
			append_text(out, "Function ");
			append_text(out, expr->call.function->name);
			break;
		case TSDB_EXPR_PAREN:
		case TSDB_EXPR_DURATION:
			break;				/* no nodes of a plan */
	}
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->len--;
}

static void
append_figures(TsdbBuffer *out, const TsdbNodeProfile *profile)
{
	if (profile->calls == 0)
		append_text(out, "  (never evaluated)");
	else
		tsdb_buffer_printf(out, "  (series=%llu points=%llu time=%.3f ms)", (unsigned long long) profile->series,
						   (unsigned long long) profile->points, (double) profile->ns / 1e6);
}

static void
append_reading(TsdbBuffer *out, const TsdbNodeProfile *profile, int level)
{
	const TsdbSourceStats *source = &profile->source;

	if (profile->calls == 0)
		return;
	begin_line(out, level, false);
	tsdb_buffer_printf(out, "Read: %llu series, %llu chunks, %llu head rows, %llu samples", (unsigned long long) source->series,
					   (unsigned long long) source->chunks, (unsigned long long) source->head_rows,
					   (unsigned long long) source->samples);
}
