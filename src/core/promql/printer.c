/*
 * printer.c
 *		A syntax tree as canonical text, in the spelling of Prometheus's String().
 *
 * What comes out parses to an equal tree: parentheses are nodes of their own,
 * so precedence needs none added.  Matchers come out sorted.
 */
#include "core/promql/lexer.h"
#include "core/promql/parser.h"
#include "core/promql/printer_internal.h"

#include <math.h>
#include <stdlib.h>

static void
print_text(TsdbBuffer *buffer, const char *text)
{
	tsdb_buffer_append_str(buffer, tsdb_str(text));
}

/* ---- durations ---- */

/* Years and weeks only where nothing is left over: 90d reads better than 12w6d. */
void
tsdb_promql_print_duration(TsdbBuffer *buffer, int64_t milliseconds)
{
	static const struct
	{
		const char *unit;
		uint64_t	milliseconds;
		bool		whole;
	}			units[] =
	{
		{"y", UINT64_C(365) * 86400000, true},
		{"w", UINT64_C(7) * 86400000, true},
		{"d", 86400000, false},
		{"h", 3600000, false},
		{"m", 60000, false},
		{"s", 1000, false},
		{"ms", 1, false},
	};
	uint64_t	left = milliseconds < 0 ? 0 - (uint64_t) milliseconds : (uint64_t) milliseconds;

	if (left == 0)
		print_text(buffer, "0s");
	if (milliseconds < 0)
		print_text(buffer, "-");
	for (size_t i = 0; i < TSDB_COUNT(units); i++)
	{
		uint64_t	count = left / units[i].milliseconds;

		if (count == 0 || (units[i].whole && left % units[i].milliseconds != 0))
			continue;
		tsdb_buffer_printf(buffer, "%llu%s", (unsigned long long) count, units[i].unit);
		left %= units[i].milliseconds;
	}
}

static void
print_duration_operands(TsdbBuffer *buffer, const TsdbDurationExpr *duration)
{
	const char *operator = tsdb_duration_op_text(duration->op);

	switch (duration->op)
	{
		case TSDB_DURATION_STEP:
		case TSDB_DURATION_RANGE:
			tsdb_buffer_printf(buffer, "%s()", operator);
			return;
		case TSDB_DURATION_MIN_OF:
		case TSDB_DURATION_MAX_OF:
			tsdb_buffer_printf(buffer, "%s(", operator);
			tsdb_promql_print(buffer, duration->lhs);
			print_text(buffer, ", ");
			tsdb_promql_print(buffer, duration->rhs);
			print_text(buffer, ")");
			return;
		default:
			if (duration->lhs != NULL)
			{
				tsdb_promql_print(buffer, duration->lhs);
				tsdb_buffer_printf(buffer, " %s ", operator);
			}
			else if (duration->op == TSDB_DURATION_SUB)
				print_text(buffer, operator);
			tsdb_promql_print(buffer, duration->rhs);
	}
}

static void
print_duration_expr(TsdbBuffer *buffer, const TsdbDurationExpr *duration)
{
	if (duration->in_parens)
		print_text(buffer, "(");
	print_duration_operands(buffer, duration);
	if (duration->in_parens)
		print_text(buffer, ")");
}

/* An expression where there is one, else the milliseconds. */
static void
print_duration(TsdbBuffer *buffer, const TsdbExpr *expr, int64_t milliseconds)
{
	if (expr != NULL)
		print_duration_expr(buffer, &expr->duration);
	else
		tsdb_promql_print_duration(buffer, milliseconds);
}

/* ---- literals ---- */

static void
print_number(TsdbBuffer *buffer, const TsdbNumberExpr *number)
{
	char		text[TSDB_NUMBER_MAX];

	/* 1.001 s is 1.0009999999999999e9 ns: rounding gives the millisecond back */
	if (number->is_duration)
		tsdb_promql_print_duration(buffer, (int64_t) (number->value * 1000 + (number->value < 0 ? -0.5 : 0.5)));
	else
	{
		tsdb_format_double(text, number->value);
		print_text(buffer, text);
	}
}

static void
print_label_name(TsdbBuffer *buffer, TsdbStr name)
{
	if (tsdb_is_legacy_label_name(name))
		tsdb_buffer_append_str(buffer, name);
	else
		tsdb_quote_string(buffer, name);
}

static void
print_names(TsdbBuffer *buffer, const TsdbStr *names, size_t n)
{
	print_text(buffer, "(");
	for (size_t i = 0; i < n; i++)
	{
		if (i > 0)
			print_text(buffer, ", ");
		print_label_name(buffer, names[i]);
	}
	print_text(buffer, ")");
}

/* ---- selectors ---- */

static int
compare_texts(const void *a, const void *b)
{
	return tsdb_str_compare(*(const TsdbStr *) a, *(const TsdbStr *) b);
}

/* The name before the braces is the last matcher, and is not repeated in them. */
static void
print_matchers(TsdbBuffer *buffer, const TsdbVectorExpr *vector)
{
	static const char *const operators[] =
	{
		[TSDB_MATCH_EQUAL] = "=",
		[TSDB_MATCH_NOT_EQUAL] = "!=",
		[TSDB_MATCH_REGEX] = "=~",
		[TSDB_MATCH_NOT_REGEX] = "!~",
	};
	size_t		n = vector->name.len > 0 ? vector->n_matchers - 1 : vector->n_matchers;
	TsdbStr    *texts = TSDB_NEW_ARRAY(buffer->arena, TsdbStr, n);

	for (size_t i = 0; i < n; i++)
	{
		TsdbBuffer	text;

		tsdb_buffer_init(&text, buffer->arena, 64);
		print_label_name(&text, vector->matchers[i].name);
		print_text(&text, operators[vector->matchers[i].type]);
		tsdb_quote_string(&text, vector->matchers[i].value);
		texts[i] = (TsdbStr){(const char *) text.data, text.len};
	}
	qsort(texts, n, sizeof(*texts), compare_texts);
	if (n == 0 && vector->name.len > 0)
		return;
	print_text(buffer, "{");
	for (size_t i = 0; i < n; i++)
	{
		if (i > 0)
			print_text(buffer, ",");
		tsdb_buffer_append_str(buffer, texts[i]);
	}
	print_text(buffer, "}");
}

/* Has no operator outside of its parentheses, not even a sign. */
static bool
is_single(const TsdbExpr *expr)
{
	return expr->kind == TSDB_EXPR_NUMBER || expr->duration.in_parens || expr->duration.op <= TSDB_DURATION_MAX_OF;
}

/* One operand with or without a sign, which is all that an offset takes unless told otherwise. */
static bool
is_operand(const TsdbExpr *expr)
{
	return is_single(expr) || (expr->duration.lhs == NULL && is_single(expr->duration.rhs));
}

static void
print_timestamp(TsdbBuffer *buffer, const TsdbTimeShift *shift)
{
	switch (shift->at)
	{
		case TSDB_AT_NONE:
			break;
		case TSDB_AT_TIME:
			tsdb_buffer_printf(buffer, " @ %.3f", (double) shift->at_ms / 1000);
			break;
		case TSDB_AT_START:
			print_text(buffer, " @ start()");
			break;
		case TSDB_AT_END:
			print_text(buffer, " @ end()");
			break;
	}
}

/*
 * An offset is a whole expression only when it begins with a parenthesis or with two
 * signs, so where there are less of these, plus signs make up for them.
 */
static void
print_offset_expr(TsdbBuffer *buffer, const TsdbExpr *offset)
{
	TsdbBuffer	text;
	size_t		signs = 0;

	tsdb_buffer_init(&text, buffer->arena, 64);
	print_duration_expr(&text, &offset->duration);
	while (signs < text.len && text.data[signs] == '-')
		signs++;
	if (offset->kind == TSDB_EXPR_DURATION && offset->duration.keeps_plus)
		print_text(buffer, "+");
	if (!is_operand(offset) && text.data[0] != '(' && signs < 2)
		print_text(buffer, signs == 0 ? "++" : "+");
	tsdb_buffer_append(buffer, text.data, text.len);
}

/*
 * Such an offset would take in an operator that follows it.  In the query there
 * may have been an `@` between the two, which then has to stay there.
 */
static bool
is_open(const TsdbTimeShift *shift)
{
	const TsdbExpr *offset = shift->offset_expr;

	if (offset == NULL || (offset->kind == TSDB_EXPR_DURATION && offset->duration.keeps_plus))
		return false;
	return !is_operand(offset) || (offset->kind == TSDB_EXPR_DURATION && offset->duration.in_parens);
}

static void
print_at(TsdbBuffer *buffer, const TsdbTimeShift *shift)
{
	if (!is_open(shift))
		print_timestamp(buffer, shift);
}

static void
print_offset(TsdbBuffer *buffer, const TsdbTimeShift *shift)
{
	if (!shift->has_offset)
		return;
	print_text(buffer, " offset ");
	if (shift->offset_expr != NULL)
		print_offset_expr(buffer, shift->offset_expr);
	else
		tsdb_promql_print_duration(buffer, shift->offset_ms);
	if (is_open(shift))
		print_timestamp(buffer, shift);
}

static void
print_extension(TsdbBuffer *buffer, const TsdbVectorExpr *vector)
{
	if (vector->anchored)
		print_text(buffer, " anchored");
	else if (vector->smoothed)
		print_text(buffer, " smoothed");
}

static void
print_vector(TsdbBuffer *buffer, const TsdbVectorExpr *vector)
{
	tsdb_buffer_append_str(buffer, vector->name);
	print_matchers(buffer, vector);
	print_at(buffer, &vector->shift);
	print_extension(buffer, vector);
	print_offset(buffer, &vector->shift);
}

static void
print_matrix(TsdbBuffer *buffer, const TsdbMatrixExpr *matrix)
{
	const TsdbVectorExpr *vector = &matrix->selector->vector;

	tsdb_buffer_append_str(buffer, vector->name);
	print_matchers(buffer, vector);
	print_text(buffer, "[");
	print_duration(buffer, matrix->range_expr, matrix->range_ms);
	print_text(buffer, "]");
	print_extension(buffer, vector);
	print_at(buffer, &vector->shift);
	print_offset(buffer, &vector->shift);
}

void
tsdb_print_subquery_suffix(TsdbBuffer *buffer, const TsdbSubqueryExpr *subquery)
{
	print_text(buffer, "[");
	print_duration(buffer, subquery->range_expr, subquery->range_ms);
	print_text(buffer, ":");
	if (subquery->step_expr != NULL || subquery->step_ms != 0)
		print_duration(buffer, subquery->step_expr, subquery->step_ms);
	print_text(buffer, "]");
	print_at(buffer, &subquery->shift);
	print_offset(buffer, &subquery->shift);
}

/* ---- operations ---- */

void
tsdb_print_aggregate_operator(TsdbBuffer *buffer, const TsdbAggregateExpr *aggregate)
{
	print_text(buffer, tsdb_aggregate_text(aggregate->op));
	if (aggregate->without || aggregate->n_labels > 0)
	{
		print_text(buffer, aggregate->without ? " without " : " by ");
		print_names(buffer, aggregate->labels, aggregate->n_labels);
		print_text(buffer, " ");
	}
}

static void
print_aggregate(TsdbBuffer *buffer, const TsdbAggregateExpr *aggregate)
{
	tsdb_print_aggregate_operator(buffer, aggregate);
	print_text(buffer, "(");
	if (aggregate->param != NULL)
	{
		tsdb_promql_print(buffer, aggregate->param);
		print_text(buffer, ", ");
	}
	tsdb_promql_print(buffer, aggregate->expr);
	print_text(buffer, ")");
}

static void
print_fill_value(TsdbBuffer *buffer, const char *keyword, double value)
{
	char		text[TSDB_NUMBER_MAX];

	tsdb_format_general_double(text, value);
	tsdb_buffer_printf(buffer, " %s (%s)", keyword, text);
}

static void
print_fill(TsdbBuffer *buffer, const TsdbVectorMatching *matching)
{
	if (matching->fills_left && matching->fills_right && matching->fill_left == matching->fill_right)
	{
		print_fill_value(buffer, "fill", matching->fill_left);
		return;
	}
	if (matching->fills_left)
		print_fill_value(buffer, "fill_left", matching->fill_left);
	if (matching->fills_right)
		print_fill_value(buffer, "fill_right", matching->fill_right);
}

static void
print_matching(TsdbBuffer *buffer, const TsdbVectorMatching *matching)
{
	bool		grouped = matching->cardinality == TSDB_MANY_TO_ONE || matching->cardinality == TSDB_ONE_TO_MANY;

	if (matching->n_labels > 0 || matching->on || grouped)
	{
		print_text(buffer, matching->on ? " on " : " ignoring ");
		print_names(buffer, matching->labels, matching->n_labels);
	}
	if (grouped)
	{
		print_text(buffer, matching->cardinality == TSDB_MANY_TO_ONE ? " group_left " : " group_right ");
		print_names(buffer, matching->include, matching->n_include);
	}
	print_fill(buffer, matching);
}

bool
tsdb_prints_bare_infinity(const TsdbBinaryExpr *binary)
{
	return binary->op == TSDB_OP_POW && binary->lhs->kind == TSDB_EXPR_NUMBER && binary->lhs->number.value == INFINITY;
}

void
tsdb_print_binary_operator(TsdbBuffer *buffer, const TsdbBinaryExpr *binary)
{
	print_text(buffer, tsdb_binary_op_text(binary->op));
	if (binary->returns_bool)
		print_text(buffer, " bool");
	if (binary->matching != NULL)
		print_matching(buffer, binary->matching);
}

static void
print_binary(TsdbBuffer *buffer, const TsdbBinaryExpr *binary)
{
	if (tsdb_prints_bare_infinity(binary))
		print_text(buffer, "Inf");
	else
		tsdb_promql_print(buffer, binary->lhs);
	print_text(buffer, " ");
	tsdb_print_binary_operator(buffer, binary);
	print_text(buffer, " ");
	tsdb_promql_print(buffer, binary->rhs);
}

static void
print_call(TsdbBuffer *buffer, const TsdbCallExpr *call)
{
	tsdb_buffer_printf(buffer, "%s(", call->function->name);
	for (size_t i = 0; i < call->n_args; i++)
	{
		if (i > 0)
			print_text(buffer, ", ");
		tsdb_promql_print(buffer, call->args[i]);
	}
	print_text(buffer, ")");
}

void
tsdb_promql_print(TsdbBuffer *buffer, const TsdbExpr *expr)
{
	switch (expr->kind)
	{
		case TSDB_EXPR_NUMBER:
			print_number(buffer, &expr->number);
			break;
		case TSDB_EXPR_STRING:
			tsdb_quote_string(buffer, expr->string);
			break;
		case TSDB_EXPR_VECTOR:
			print_vector(buffer, &expr->vector);
			break;
		case TSDB_EXPR_MATRIX:
			print_matrix(buffer, &expr->matrix);
			break;
		case TSDB_EXPR_SUBQUERY:
			tsdb_promql_print(buffer, expr->subquery.expr);
			tsdb_print_subquery_suffix(buffer, &expr->subquery);
			break;
		case TSDB_EXPR_AGGREGATE:
			print_aggregate(buffer, &expr->aggregate);
			break;
		case TSDB_EXPR_BINARY:
			print_binary(buffer, &expr->binary);
			break;
		case TSDB_EXPR_UNARY:
			print_text(buffer, expr->unary.negative ? "-" : "+");
			tsdb_promql_print(buffer, expr->unary.expr);
			break;
		case TSDB_EXPR_CALL:
			print_call(buffer, &expr->call);
			break;
		case TSDB_EXPR_PAREN:
			print_text(buffer, "(");
			tsdb_promql_print(buffer, expr->paren);
			print_text(buffer, ")");
			break;
		case TSDB_EXPR_DURATION:
			print_duration_expr(buffer, &expr->duration);
			break;
	}
}
