/*
 * printer_pretty.c
 *		A syntax tree as text on many lines, in the layout of Prometheus's Pretty().
 *
 * A node that fits into a line stands on one, by the other printer.  A longer one is
 * broken where it has operands or arguments, which stand two spaces further
 * in; selectors, numbers and strings are never broken.
 */
#include "core/promql/printer_internal.h"

#define LINE_BYTES 100			/* not counting the indent */
#define INDENT "  "

static void print_node(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr, int level);
static void print_subquery(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr, int level);
static void print_unary(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbUnaryExpr *unary, int level);
static bool print_if_short(TsdbBuffer *buffer, const TsdbExpr *expr);
static void print_broken(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr, int level);
static void print_broken_aggregate(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbAggregateExpr *aggregate, int level);
static void print_broken_binary(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbBinaryExpr *binary, int level);
static void print_broken_call(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbCallExpr *call, int level);
static void indent(TsdbBuffer *buffer, int level);
static void print_text(TsdbBuffer *buffer, const char *text);

void
tsdb_promql_print_pretty(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr)
{
	print_node(buffer, env, expr, 0);
}

static void
print_node(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr, int level)
{
	tsdb_check_interrupt(env);
	switch (expr->kind)
	{
		case TSDB_EXPR_SUBQUERY:
			print_subquery(buffer, env, expr, level);
			break;
		case TSDB_EXPR_UNARY:
			print_unary(buffer, env, &expr->unary, level);
			break;
		case TSDB_EXPR_AGGREGATE:
		case TSDB_EXPR_BINARY:
		case TSDB_EXPR_CALL:
		case TSDB_EXPR_PAREN:
			print_broken(buffer, env, expr, level);
			break;
		case TSDB_EXPR_NUMBER:
		case TSDB_EXPR_STRING:
		case TSDB_EXPR_VECTOR:
		case TSDB_EXPR_MATRIX:
		case TSDB_EXPR_DURATION:
			indent(buffer, level);
			tsdb_promql_print(buffer, expr);
			break;
	}
}

/* A short one stands at the beginning of its line, wherever that is: so does Prometheus print it. */
static void
print_subquery(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr, int level)
{
	if (print_if_short(buffer, expr))
		return;
	print_node(buffer, env, expr->subquery.expr, level);
	tsdb_print_subquery_suffix(buffer, &expr->subquery);
}

/* The sign stands before the indented operand, and takes its indent. */
static void
print_unary(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbUnaryExpr *unary, int level)
{
	size_t		start;
	size_t		spaces = 0;

	indent(buffer, level);
	print_text(buffer, unary->negative ? "-" : "+");
	start = buffer->len;
	print_node(buffer, env, unary->expr, level);
	while (start + spaces < buffer->len && buffer->data[start + spaces] == ' ')
		spaces++;
	memmove(buffer->data + start, buffer->data + start + spaces, buffer->len - start - spaces);
	buffer->len -= spaces;
}

/* The text goes through a local copy, since the buffer must not grow before what was allocated after the mark is gone. */
static bool
print_if_short(TsdbBuffer *buffer, const TsdbExpr *expr)
{
	TsdbArenaMark mark = tsdb_arena_mark(buffer->arena);
	char		line[LINE_BYTES];
	TsdbBuffer	text;
	bool		is_short;

	tsdb_buffer_init(&text, buffer->arena, 2 * LINE_BYTES);
	tsdb_promql_print(&text, expr);
	is_short = text.len <= LINE_BYTES;
	if (is_short)
		memcpy(line, text.data, text.len);
	tsdb_arena_rewind(buffer->arena, mark);
	if (is_short)
		tsdb_buffer_append(buffer, line, text.len);
	return is_short;
}

static void
print_broken(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr, int level)
{
	size_t		start = buffer->len;

	indent(buffer, level);
	if (print_if_short(buffer, expr))
		return;
	switch (expr->kind)
	{
		case TSDB_EXPR_AGGREGATE:
			print_broken_aggregate(buffer, env, &expr->aggregate, level);
			break;
		case TSDB_EXPR_BINARY:
			buffer->len = start;	/* its left operand brings its own indent */
			print_broken_binary(buffer, env, &expr->binary, level);
			break;
		case TSDB_EXPR_CALL:
			print_broken_call(buffer, env, &expr->call, level);
			break;
		default:
			print_text(buffer, "(\n");
			print_node(buffer, env, expr->paren, level + 1);
			print_text(buffer, "\n");
			indent(buffer, level);
			print_text(buffer, ")");
			break;
	}
}

static void
print_broken_aggregate(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbAggregateExpr *aggregate, int level)
{
	tsdb_print_aggregate_operator(buffer, aggregate);
	print_text(buffer, "(\n");
	if (aggregate->param != NULL)
	{
		print_node(buffer, env, aggregate->param, level + 1);
		print_text(buffer, ",\n");
	}
	print_node(buffer, env, aggregate->expr, level + 1);
	print_text(buffer, "\n");
	indent(buffer, level);
	print_text(buffer, ")");
}

static void
print_broken_binary(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbBinaryExpr *binary, int level)
{
	if (tsdb_prints_bare_infinity(binary))
	{
		indent(buffer, level + 1);
		print_text(buffer, "Inf");
	}
	else
		print_node(buffer, env, binary->lhs, level + 1);
	print_text(buffer, "\n");
	indent(buffer, level);
	tsdb_print_binary_operator(buffer, binary);
	print_text(buffer, "\n");
	print_node(buffer, env, binary->rhs, level + 1);
}

static void
print_broken_call(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbCallExpr *call, int level)
{
	print_text(buffer, call->function->name);
	print_text(buffer, "(\n");
	for (size_t i = 0; i < call->n_args; i++)
	{
		if (i > 0)
			print_text(buffer, ",\n");
		print_node(buffer, env, call->args[i], level + 1);
	}
	print_text(buffer, "\n");
	indent(buffer, level);
	print_text(buffer, ")");
}

static void
indent(TsdbBuffer *buffer, int level)
{
	for (int i = 0; i < level; i++)
		print_text(buffer, INDENT);
}

static void
print_text(TsdbBuffer *buffer, const char *text)
{
	tsdb_buffer_append_str(buffer, tsdb_str(text));
}
