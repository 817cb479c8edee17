/*
 * parser_selectors.c
 *		Selectors and the modifiers behind an expression.
 *
 *		selector  := name [ {matchers} ] | {matchers}
 *		matcher	  := label op "value" | "metric name"
 *		modifier  := [range] | [range:] | [range:step] | offset duration
 *				   | @ timestamp | @ start() | @ end() | anchored | smoothed
 *
 * Modifiers bind tighter than any operator and may come in any order, except
 * that a range ends what may stand before it.
 */
#include "core/promql/parser_internal.h"

#include <math.h>
#include <stdio.h>

#define IDENTIFIER_OR_BRACE ((ErrorContext){"label matching", "identifier or \"}\""})
#define COMMA_OR_BRACE ((ErrorContext){"label matching", "\",\" or \"}\""})
#define MATCHING_OPERATOR ((ErrorContext){"label matching", "label matching operator"})
#define MATCHING_STRING ((ErrorContext){"label matching", "string"})
#define RANGE_OR_SUBQUERY ((ErrorContext){"subquery or range selector", "number, duration, step(), or range()"})
#define END_OF_RANGE ((ErrorContext){"subquery or range", "\":\" or \"]\""})
#define SUBQUERY_STEP ((ErrorContext){"subquery selector", "number, duration, step(), range(), or \"]\""})
#define END_OF_SUBQUERY ((ErrorContext){"subquery selector", "\"]\""})
#define OFFSET_VALUE ((ErrorContext){"offset", "number, duration, step(), or range()"})
#define TIMESTAMP ((ErrorContext){"@", "timestamp"})

/* Seconds whose milliseconds leave the evaluator room to add and subtract durations in 64 bits. */
#define MAX_TIMESTAMP 9e15

/* ---- selectors ---- */

static bool
match_type(TokenType token, TsdbMatchType *type)
{
	switch (token)
	{
		case TOKEN_ASSIGN:
			*type = TSDB_MATCH_EQUAL;
			return true;
		case TOKEN_NOT_EQUAL:
			*type = TSDB_MATCH_NOT_EQUAL;
			return true;
		case TOKEN_MATCH_REGEX:
			*type = TSDB_MATCH_REGEX;
			return true;
		case TOKEN_MATCH_NOT_REGEX:
			*type = TSDB_MATCH_NOT_REGEX;
			return true;
		default:
			return false;
	}
}

/* The value behind a matching operator. */
static bool
parse_matcher_value(Parser *parser, int32_t start, TsdbMatchType type, TsdbStr label, TsdbMatcher *matcher)
{
	Token		value;

	if (tsdb_parser_peek(parser)->type != TOKEN_STRING)
		return tsdb_parser_unexpected(parser, MATCHING_STRING);
	value = tsdb_parser_take(parser);
	if (tsdb_matcher_make(parser->arena, type, label, tsdb_unquote(parser->arena, value.text), matcher,
						  parser->error) == TSDB_OK)
		return true;
	parser->failed = true;
	parser->error->start = start;
	parser->error->end = token_end(&value);
	return false;
}

static bool
parse_matcher(Parser *parser, TsdbMatcher *matcher)
{
	TokenType	type = tsdb_parser_peek(parser)->type;
	TsdbMatchType operator;
	Token		label;
	TsdbStr		name;

	if (type != TOKEN_IDENTIFIER && type != TOKEN_STRING)
		return tsdb_parser_unexpected(parser, IDENTIFIER_OR_BRACE);
	label = tsdb_parser_take(parser);
	name = type == TOKEN_STRING ? tsdb_unquote(parser->arena, label.text) : label.text;
	if (match_type(tsdb_parser_peek(parser)->type, &operator))
	{
		tsdb_parser_take(parser);
		return parse_matcher_value(parser, label.start, operator, name, matcher);
	}
	if (type == TOKEN_IDENTIFIER)
		return tsdb_parser_unexpected(parser, MATCHING_OPERATOR);
	*matcher = (TsdbMatcher){TSDB_MATCH_EQUAL, TSDB_STR(TSDB_METRIC_NAME), name, NULL};
	return true;
}

static void
add_matcher(Parser *parser, TsdbVectorExpr *vector, TsdbMatcher matcher)
{
	size_t		n = vector->n_matchers;

	/* grows at each power of two */
	if ((n & (n - 1)) == 0)
		vector->matchers = tsdb_grow(parser->arena, vector->matchers, n * sizeof(TsdbMatcher),
									 (n == 0 ? 1 : 2 * n) * sizeof(TsdbMatcher));
	vector->matchers[n] = matcher;
	vector->n_matchers++;
}

/* { ... } */
static bool
parse_matchers(Parser *parser, TsdbExpr *selector)
{
	TsdbMatcher matcher;

	tsdb_parser_take(parser);
	while (tsdb_parser_peek(parser)->type != TOKEN_RIGHT_BRACE)
	{
		if (!parse_matcher(parser, &matcher))
			return false;
		add_matcher(parser, &selector->vector, matcher);
		if (tsdb_parser_peek(parser)->type != TOKEN_RIGHT_BRACE && !tsdb_parser_accept(parser, TOKEN_COMMA))
			return tsdb_parser_unexpected(parser, COMMA_OR_BRACE);
	}
	selector->range.end = token_end(&parser->token);
	tsdb_parser_take(parser);
	return true;
}

/* `name` has been consumed, or is NULL when the selector begins with a brace. */
TsdbExpr *
tsdb_parse_selector(Parser *parser, const Token *name)
{
	const Token *next = tsdb_parser_peek(parser);
	TsdbExpr   *selector = tsdb_parser_node(parser, TSDB_EXPR_VECTOR, token_range(name != NULL ? name : next));

	if (next->type == TOKEN_LEFT_BRACE && !parse_matchers(parser, selector))
		return NULL;
	if (name != NULL)
	{
		selector->vector.name = name->text;
		add_matcher(parser, &selector->vector,
					(TsdbMatcher){TSDB_MATCH_EQUAL, TSDB_STR(TSDB_METRIC_NAME), name->text, NULL});
	}
	return selector;
}

/* ---- offset and @ ---- */

/* What a time modifier behind this expression applies to; NULL and an error when it may not have one. */
static TsdbTimeShift *
find_time_shift(Parser *parser, TsdbExpr *expr, const char *modifier)
{
	switch (expr->kind)
	{
		case TSDB_EXPR_VECTOR:
			return &expr->vector.shift;
		case TSDB_EXPR_MATRIX:
			return &expr->matrix.selector->vector.shift;
		case TSDB_EXPR_SUBQUERY:
			return &expr->subquery.shift;
		default:
			tsdb_parser_fail(parser, expr->range,
							 "%s modifier must be preceded by an instant vector selector or range vector selector or a subquery",
							 modifier);
			return NULL;
	}
}

/*
 * Nanoseconds rounded, then milliseconds cut off, as Prometheus has it; what
 * binary fractions take from a whole millisecond is given back.
 */
static int64_t
to_milliseconds(double seconds)
{
	return (int64_t) ((round(seconds * 1e9) + copysign(1e4, seconds)) / 1e6);
}

static TsdbExpr *
parse_offset(Parser *parser, TsdbExpr *expr)
{
	TsdbTimeShift *shift;
	TsdbExpr   *offset;

	tsdb_parser_take(parser);
	parser->context = OFFSET_VALUE;
	offset = tsdb_parse_offset_duration(parser);
	if (offset == NULL)
		return NULL;
	shift = find_time_shift(parser, expr, "offset");
	if (shift == NULL)
		return NULL;
	if (shift->has_offset)
	{
		tsdb_parser_fail(parser, expr->range, "offset may not be set multiple times");
		return NULL;
	}
	if (offset->kind == TSDB_EXPR_DURATION)
	{
		shift->offset_expr = offset;
		shift->has_offset = true;
	}
	else
	{
		shift->offset_ms = to_milliseconds(offset->number.value);
		shift->has_offset = shift->offset_ms != 0;
	}
	expr->range.end = parser->last_closing;
	return tsdb_parser_stack(parser, expr, expr, offset);
}

/* Checks the value first, then the place, as Prometheus does. */
static bool
set_timestamp(Parser *parser, TsdbExpr *expr, double seconds)
{
	TsdbTimeShift *shift;

	if (!(fabs(seconds) <= MAX_TIMESTAMP))
	{
		char		text[TSDB_NUMBER_MAX];

		if (isfinite(seconds))
			snprintf(text, sizeof(text), "%f", seconds);
		else
			tsdb_format_double(text, seconds);
		return tsdb_parser_fail(parser, expr->range, "timestamp out of bounds for @ modifier: %s", text);
	}
	shift = find_time_shift(parser, expr, "@");
	if (shift == NULL)
		return false;
	if (shift->at != TSDB_AT_NONE)
		return tsdb_parser_fail(parser, expr->range, "@ <timestamp> may not be set multiple times");
	shift->at = TSDB_AT_TIME;
	shift->at_ms = (int64_t) round(seconds * 1000);
	return true;
}

/* A number, with or without a sign. */
static bool
parse_timestamp(Parser *parser, TsdbExpr *expr)
{
	TokenType	type = tsdb_parser_peek(parser)->type;
	bool		negative = type == TOKEN_SUB;
	TsdbExpr   *number;

	if (token_is_sign(type))
	{
		tsdb_parser_take(parser);
		type = tsdb_parser_peek(parser)->type;
	}
	if (type != TOKEN_NUMBER && type != TOKEN_DURATION)
		return tsdb_parser_unexpected(parser, TIMESTAMP);
	number = tsdb_parse_number_or_duration(parser);
	return number != NULL && set_timestamp(parser, expr, negative ? -number->number.value : number->number.value);
}

/* start() or end() */
static bool
parse_query_bound(Parser *parser, TsdbExpr *expr)
{
	Token		word = tsdb_parser_take(parser);
	TsdbTimeShift *shift;

	if (!tsdb_parser_accept(parser, TOKEN_LEFT_PAREN) || !tsdb_parser_accept(parser, TOKEN_RIGHT_PAREN))
		return tsdb_parser_unexpected(parser, TIMESTAMP);
	shift = find_time_shift(parser, expr, "@");
	if (shift == NULL)
		return false;
	if (shift->at != TSDB_AT_NONE)
		return tsdb_parser_fail(parser, expr->range, "@ <timestamp> may not be set multiple times");
	shift->at = word.type == TOKEN_START ? TSDB_AT_START : TSDB_AT_END;
	return true;
}

static TsdbExpr *
parse_at(Parser *parser, TsdbExpr *expr)
{
	TokenType	type;
	bool		parsed;

	tsdb_parser_take(parser);
	type = tsdb_parser_peek(parser)->type;
	parsed = type == TOKEN_START || type == TOKEN_END ? parse_query_bound(parser, expr) : parse_timestamp(parser, expr);
	if (!parsed)
		return NULL;
	expr->range.end = parser->last_closing;
	return expr;
}

/* ---- anchored and smoothed ---- */

/* The selector such a modifier applies to. */
static TsdbVectorExpr *
find_extended_selector(Parser *parser, TsdbExpr *expr, const char *modifier)
{
	switch (expr->kind)
	{
		case TSDB_EXPR_VECTOR:
			return &expr->vector;
		case TSDB_EXPR_MATRIX:
			return &expr->matrix.selector->vector;
		case TSDB_EXPR_SUBQUERY:
			tsdb_parser_fail(parser, expr->range, "%s modifier is not supported for subqueries", modifier);
			return NULL;
		default:
			tsdb_parser_fail(parser, expr->range, "%s modifier not implemented", modifier);
			return NULL;
	}
}

static TsdbExpr *
parse_extended(Parser *parser, TsdbExpr *expr)
{
	bool		anchored = tsdb_parser_take(parser).type == TOKEN_ANCHORED;
	const char *modifier = anchored ? "anchored" : "smoothed";
	TsdbVectorExpr *selector;

	if (parser->options.no_extended_range_selectors)
	{
		tsdb_parser_fail(parser, expr->range, "%s modifier is experimental and not enabled", modifier);
		return NULL;
	}
	selector = find_extended_selector(parser, expr, modifier);
	if (selector == NULL)
		return NULL;
	if (anchored ? selector->smoothed : selector->anchored)
	{
		tsdb_parser_fail(parser, expr->range, "anchored and smoothed modifiers cannot be used together");
		return NULL;
	}
	if (anchored)
		selector->anchored = true;
	else
		selector->smoothed = true;
	return expr;
}

/* ---- ranges and subqueries ---- */

/* A duration of brackets: milliseconds when it is a number, else the expression. */
static bool
set_duration(Parser *parser, TsdbExpr *duration, int64_t *milliseconds, TsdbExpr **expr)
{
	if (duration->kind == TSDB_EXPR_DURATION)
	{
		*expr = duration;
		return true;
	}
	*milliseconds = to_milliseconds(duration->number.value);
	if (*milliseconds > 0)
		return true;
	return tsdb_parser_fail(parser, duration->range, "duration must be at least 1ms");
}

static TsdbExpr *
make_matrix(Parser *parser, TsdbExpr *selector, TsdbExpr *range, TsdbRange brackets)
{
	const TsdbTimeShift *shift = &selector->vector.shift;
	const char *problem = NULL;
	TsdbExpr   *matrix;

	if (selector->kind != TSDB_EXPR_VECTOR)
		problem = "ranges only allowed for vector selectors";
	else if (shift->has_offset)
		problem = "no offset modifiers allowed before range";
	else if (shift->at != TSDB_AT_NONE)
		problem = "no @ modifiers allowed before range";
	if (problem != NULL)
	{
		tsdb_parser_fail(parser, brackets, "%s", problem);
		return NULL;
	}
	matrix = tsdb_parser_node(parser, TSDB_EXPR_MATRIX, (TsdbRange){selector->range.start, brackets.end});
	matrix->matrix.selector = selector;
	if (!set_duration(parser, range, &matrix->matrix.range_ms, &matrix->matrix.range_expr))
		return NULL;
	return tsdb_parser_stack(parser, matrix, selector, range);
}

/* After [range: */
static TsdbExpr *
parse_subquery(Parser *parser, TsdbExpr *expr, TsdbExpr *range)
{
	TsdbExpr   *subquery = tsdb_parser_node(parser, TSDB_EXPR_SUBQUERY, expr->range);
	TsdbExpr   *step = NULL;

	subquery->subquery.expr = expr;
	if (!set_duration(parser, range, &subquery->subquery.range_ms, &subquery->subquery.range_expr))
		return NULL;
	if (tsdb_parser_peek(parser)->type != TOKEN_RIGHT_BRACKET)
	{
		parser->context = SUBQUERY_STEP;
		step = tsdb_parse_positive_duration(parser);
		if (step == NULL ||
			!set_duration(parser, step, &subquery->subquery.step_ms, &subquery->subquery.step_expr))
			return NULL;
		if (tsdb_parser_peek(parser)->type != TOKEN_RIGHT_BRACKET)
		{
			tsdb_parser_unexpected(parser, END_OF_SUBQUERY);
			return NULL;
		}
	}
	subquery->range.end = token_end(&parser->token);
	tsdb_parser_take(parser);
	if (tsdb_parser_stack(parser, subquery, expr, range) == NULL)
		return NULL;
	return tsdb_parser_stack(parser, subquery, subquery, step);
}

static TsdbExpr *
parse_brackets(Parser *parser, TsdbExpr *expr)
{
	Token		open = tsdb_parser_take(parser);
	TsdbExpr   *range;
	Token		close;

	parser->context = RANGE_OR_SUBQUERY;
	range = tsdb_parse_positive_duration(parser);
	if (range == NULL)
		return NULL;
	if (tsdb_parser_accept(parser, TOKEN_COLON))
		return parse_subquery(parser, expr, range);
	if (tsdb_parser_peek(parser)->type != TOKEN_RIGHT_BRACKET)
	{
		tsdb_parser_unexpected(parser, END_OF_RANGE);
		return NULL;
	}
	close = tsdb_parser_take(parser);
	return make_matrix(parser, expr, range, (TsdbRange){open.start, token_end(&close)});
}

TsdbExpr *
tsdb_parse_modifiers(Parser *parser, TsdbExpr *expr)
{
	ErrorContext context = parser->context;

	while (expr != NULL)
	{
		switch (tsdb_parser_peek(parser)->type)
		{
			case TOKEN_LEFT_BRACKET:
				expr = parse_brackets(parser, expr);
				break;
			case TOKEN_OFFSET:
				expr = parse_offset(parser, expr);
				break;
			case TOKEN_AT:
				expr = parse_at(parser, expr);
				break;
			case TOKEN_ANCHORED:
			case TOKEN_SMOOTHED:
				expr = parse_extended(parser, expr);
				break;
			default:
				return expr;
		}
		parser->context = context;
	}
	return NULL;
}
