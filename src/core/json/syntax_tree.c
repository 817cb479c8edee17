/*
 * syntax_tree.c
 *		A syntax tree as the parse_query endpoint shows it.
 *
 * Each node is an object with a "type".  Prometheus makes it out of a map, so that
 * the keys are in alphabetical order.  Durations are milliseconds; one that is an
 * expression is 0, and the tree of the expression stands beside it.
 */
#include "core/json/json_internal.h"

#include <math.h>

#include "core/promql/ast.h"

static void append_expr(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr);
static void append_aggregate(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbAggregateExpr *aggregate);
static void append_binary(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbBinaryExpr *binary);
static void append_matching(TsdbBuffer *buffer, const TsdbVectorMatching *matching);
static void append_fill_value(TsdbBuffer *buffer, bool fills, double value);
static void append_call(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbCallExpr *call);
static void append_function(TsdbBuffer *buffer, const TsdbFunction *function);
static void append_matrix(TsdbBuffer *buffer, const TsdbMatrixExpr *matrix);
static void append_subquery(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbSubqueryExpr *subquery);
static void append_vector(TsdbBuffer *buffer, const TsdbVectorExpr *vector);
static void append_selector_head(TsdbBuffer *buffer, const TsdbVectorExpr *vector);
static void append_matchers(TsdbBuffer *buffer, const TsdbVectorExpr *vector);
static void append_offset(TsdbBuffer *buffer, const TsdbTimeShift *shift);
static void append_start_or_end(TsdbBuffer *buffer, const TsdbTimeShift *shift);
static void append_timestamp(TsdbBuffer *buffer, const TsdbTimeShift *shift);
static void append_duration(TsdbBuffer *buffer, const char *name, int64_t milliseconds, const TsdbExpr *expr);
static void append_duration_tree(TsdbBuffer *buffer, const TsdbExpr *expr);
static void append_number_value(TsdbBuffer *buffer, double value);
static void append_names(TsdbBuffer *buffer, const TsdbStr *names, size_t n);

void
tsdb_json_syntax_tree(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr)
{
	append_text(buffer, "{\"status\":\"success\",\"data\":");
	append_expr(buffer, env, expr);
	tsdb_buffer_u8(buffer, '}');
}

/* NULL is an aggregation's missing parameter. */
static void
append_expr(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr)
{
	tsdb_check_interrupt(env);
	if (expr == NULL)
	{
		append_text(buffer, "null");
		return;
	}
	switch (expr->kind)
	{
		case TSDB_EXPR_NUMBER:
			append_text(buffer, "{\"type\":\"numberLiteral\",\"val\":");
			append_number_value(buffer, expr->number.value);
			tsdb_buffer_u8(buffer, '}');
			break;
		case TSDB_EXPR_STRING:
			append_text(buffer, "{\"type\":\"stringLiteral\",\"val\":");
			tsdb_json_html_string(buffer, expr->string);
			tsdb_buffer_u8(buffer, '}');
			break;
		case TSDB_EXPR_VECTOR:
			append_vector(buffer, &expr->vector);
			break;
		case TSDB_EXPR_MATRIX:
			append_matrix(buffer, &expr->matrix);
			break;
		case TSDB_EXPR_SUBQUERY:
			append_subquery(buffer, env, &expr->subquery);
			break;
		case TSDB_EXPR_AGGREGATE:
			append_aggregate(buffer, env, &expr->aggregate);
			break;
		case TSDB_EXPR_BINARY:
			append_binary(buffer, env, &expr->binary);
			break;
		case TSDB_EXPR_UNARY:
			append_text(buffer, "{\"expr\":");
			append_expr(buffer, env, expr->unary.expr);
			append_text(buffer, expr->unary.negative ? ",\"op\":\"-\"" : ",\"op\":\"+\"");
			append_text(buffer, ",\"type\":\"unaryExpr\"}");
			break;
		case TSDB_EXPR_CALL:
			append_call(buffer, env, &expr->call);
			break;
		case TSDB_EXPR_PAREN:
			append_text(buffer, "{\"expr\":");
			append_expr(buffer, env, expr->paren);
			append_text(buffer, ",\"type\":\"parenExpr\"}");
			break;
		case TSDB_EXPR_DURATION:
			append_duration_tree(buffer, expr);
			break;
	}
}

/* ---- operations ---- */

static void
append_aggregate(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbAggregateExpr *aggregate)
{
	append_text(buffer, "{\"expr\":");
	append_expr(buffer, env, aggregate->expr);
	append_text(buffer, ",\"grouping\":");
	append_names(buffer, aggregate->labels, aggregate->n_labels);
	tsdb_buffer_printf(buffer, ",\"op\":\"%s\",\"param\":", tsdb_aggregate_text(aggregate->op));
	append_expr(buffer, env, aggregate->param);
	append_text(buffer, ",\"type\":\"aggregation\",\"without\":");
	append_bool(buffer, aggregate->without);
	tsdb_buffer_u8(buffer, '}');
}

static void
append_binary(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbBinaryExpr *binary)
{
	append_text(buffer, "{\"bool\":");
	append_bool(buffer, binary->returns_bool);
	append_text(buffer, ",\"lhs\":");
	append_expr(buffer, env, binary->lhs);
	append_text(buffer, ",\"matching\":");
	append_matching(buffer, binary->matching);
	append_text(buffer, ",\"op\":");
	tsdb_json_html_string(buffer, tsdb_str(tsdb_binary_op_text(binary->op)));
	append_text(buffer, ",\"rhs\":");
	append_expr(buffer, env, binary->rhs);
	append_text(buffer, ",\"type\":\"binaryExpr\"}");
}

static void
append_matching(TsdbBuffer *buffer, const TsdbVectorMatching *matching)
{
	static const char *const cardinalities[] =
	{
		[TSDB_ONE_TO_ONE] = "one-to-one",
		[TSDB_MANY_TO_ONE] = "many-to-one",
		[TSDB_ONE_TO_MANY] = "one-to-many",
		[TSDB_MANY_TO_MANY] = "many-to-many",
	};

	if (matching == NULL)
	{
		append_text(buffer, "null");
		return;
	}
	tsdb_buffer_printf(buffer, "{\"card\":\"%s\",\"fillValues\":{\"lhs\":", cardinalities[matching->cardinality]);
	append_fill_value(buffer, matching->fills_left, matching->fill_left);
	append_text(buffer, ",\"rhs\":");
	append_fill_value(buffer, matching->fills_right, matching->fill_right);
	append_text(buffer, "},\"include\":");
	append_names(buffer, matching->include, matching->n_include);
	append_text(buffer, ",\"labels\":");
	append_names(buffer, matching->labels, matching->n_labels);
	append_text(buffer, ",\"on\":");
	append_bool(buffer, matching->on);
	tsdb_buffer_u8(buffer, '}');
}

/* A number, which JSON does not have for infinities and NaN: Prometheus fails there, here they are strings. */
static void
append_fill_value(TsdbBuffer *buffer, bool fills, double value)
{
	if (!fills)
		append_text(buffer, "null");
	else if (!isfinite(value))
		tsdb_json_value(buffer, value);
	else
		tsdb_json_number(buffer, value);
}

static void
append_call(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbCallExpr *call)
{
	append_text(buffer, "{\"args\":");
	for (size_t i = 0; i < call->n_args; i++)
	{
		append_separator(buffer, i);
		append_expr(buffer, env, call->args[i]);
	}
	append_list_end(buffer, call->n_args);
	append_text(buffer, ",\"func\":");
	append_function(buffer, call->function);
	append_text(buffer, ",\"type\":\"call\"}");
}

static void
append_function(TsdbBuffer *buffer, const TsdbFunction *function)
{
	append_text(buffer, "{\"argTypes\":");
	for (int i = 0; i < function->n_args; i++)
	{
		append_separator(buffer, (size_t) i);
		tsdb_buffer_printf(buffer, "\"%s\"", tsdb_value_type_name(function->args[i]));
	}
	append_list_end(buffer, (size_t) function->n_args);
	tsdb_buffer_printf(buffer, ",\"name\":\"%s\",\"returnType\":\"%s\",\"variadic\":%d}",
					   function->name, tsdb_value_type_name(function->returns), function->variadic);
}

/* ---- selectors ---- */

static void
append_vector(TsdbBuffer *buffer, const TsdbVectorExpr *vector)
{
	append_selector_head(buffer, vector);
	append_text(buffer, ",\"smoothed\":");
	append_bool(buffer, vector->smoothed);
	append_start_or_end(buffer, &vector->shift);
	append_timestamp(buffer, &vector->shift);
	append_text(buffer, ",\"type\":\"vectorSelector\"}");
}

static void
append_matrix(TsdbBuffer *buffer, const TsdbMatrixExpr *matrix)
{
	const TsdbVectorExpr *vector = &matrix->selector->vector;

	append_selector_head(buffer, vector);
	append_duration(buffer, "range", matrix->range_ms, matrix->range_expr);
	append_text(buffer, ",\"smoothed\":");
	append_bool(buffer, vector->smoothed);
	append_start_or_end(buffer, &vector->shift);
	append_timestamp(buffer, &vector->shift);
	append_text(buffer, ",\"type\":\"matrixSelector\"}");
}

/* What selectors with and without a range begin with. */
static void
append_selector_head(TsdbBuffer *buffer, const TsdbVectorExpr *vector)
{
	append_text(buffer, "{\"anchored\":");
	append_bool(buffer, vector->anchored);
	append_text(buffer, ",\"matchers\":");
	append_matchers(buffer, vector);
	append_text(buffer, ",\"name\":");
	tsdb_json_html_string(buffer, vector->name);
	append_offset(buffer, &vector->shift);
}

static void
append_matchers(TsdbBuffer *buffer, const TsdbVectorExpr *vector)
{
	static const char *const operators[] =
	{
		[TSDB_MATCH_EQUAL] = "=",
		[TSDB_MATCH_NOT_EQUAL] = "!=",
		[TSDB_MATCH_REGEX] = "=~",
		[TSDB_MATCH_NOT_REGEX] = "!~",
	};

	for (size_t i = 0; i < vector->n_matchers; i++)
	{
		const TsdbMatcher *matcher = &vector->matchers[i];

		append_separator(buffer, i);
		append_text(buffer, "{\"name\":");
		tsdb_json_html_string(buffer, matcher->name);
		tsdb_buffer_printf(buffer, ",\"type\":\"%s\",\"value\":", operators[matcher->type]);
		tsdb_json_html_string(buffer, matcher->value);
		tsdb_buffer_u8(buffer, '}');
	}
	append_list_end(buffer, vector->n_matchers);
}

static void
append_subquery(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbSubqueryExpr *subquery)
{
	append_text(buffer, "{\"expr\":");
	append_expr(buffer, env, subquery->expr);
	append_offset(buffer, &subquery->shift);
	append_duration(buffer, "range", subquery->range_ms, subquery->range_expr);
	append_start_or_end(buffer, &subquery->shift);
	append_duration(buffer, "step", subquery->step_ms, subquery->step_expr);
	append_timestamp(buffer, &subquery->shift);
	append_text(buffer, ",\"type\":\"subquery\"}");
}

static void
append_start_or_end(TsdbBuffer *buffer, const TsdbTimeShift *shift)
{
	append_text(buffer, ",\"startOrEnd\":");
	append_text(buffer, shift->at == TSDB_AT_START ? "\"start\"" : shift->at == TSDB_AT_END ? "\"end\"" : "null");
}

static void
append_timestamp(TsdbBuffer *buffer, const TsdbTimeShift *shift)
{
	append_text(buffer, ",\"timestamp\":");
	if (shift->at == TSDB_AT_TIME)
		tsdb_buffer_printf(buffer, "%lld", (long long) shift->at_ms);
	else
		append_text(buffer, "null");
}

/* ---- durations ---- */

static void
append_offset(TsdbBuffer *buffer, const TsdbTimeShift *shift)
{
	append_duration(buffer, "offset", shift->offset_ms, shift->offset_expr);
}

/* ,"range":300000,"rangeExpr":null */
static void
append_duration(TsdbBuffer *buffer, const char *name, int64_t milliseconds, const TsdbExpr *expr)
{
	tsdb_buffer_printf(buffer, ",\"%s\":%lld,\"%sExpr\":", name, expr == NULL ? (long long) milliseconds : 0, name);
	append_duration_tree(buffer, expr);
}

static void
append_duration_tree(TsdbBuffer *buffer, const TsdbExpr *expr)
{
	if (expr == NULL)
		append_text(buffer, "null");
	else if (expr->kind == TSDB_EXPR_NUMBER)
	{
		append_text(buffer, "{\"duration\":");
		append_bool(buffer, expr->number.is_duration);
		append_text(buffer, ",\"type\":\"numberLiteral\",\"val\":");
		append_number_value(buffer, expr->number.value);
		tsdb_buffer_u8(buffer, '}');
	}
	else
	{
		append_text(buffer, "{\"lhs\":");
		append_duration_tree(buffer, expr->duration.lhs);
		tsdb_buffer_printf(buffer, ",\"op\":\"%s\",\"rhs\":", tsdb_duration_op_text(expr->duration.op));
		append_duration_tree(buffer, expr->duration.rhs);
		append_text(buffer, ",\"type\":\"durationExpr\",\"wrapped\":");
		append_bool(buffer, expr->duration.in_parens);
		tsdb_buffer_u8(buffer, '}');
	}
}

/* ---- parts ---- */

/* In quotes, and never with an exponent. */
static void
append_number_value(TsdbBuffer *buffer, double value)
{
	char		text[TSDB_NUMBER_MAX];

	tsdb_format_double(text, value);
	tsdb_buffer_printf(buffer, "\"%s\"", text);
}

static void
append_names(TsdbBuffer *buffer, const TsdbStr *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		append_separator(buffer, i);
		tsdb_json_html_string(buffer, names[i]);
	}
	append_list_end(buffer, n);
}
