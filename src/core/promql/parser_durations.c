/*
 * parser_durations.c
 *		Duration expressions: in brackets, and after the keyword offset.
 *
 *		duration := NUMBER | DURATION | step() | range()
 *				  | min_of(duration, duration) | max_of(duration, duration)
 *				  | (duration) | +duration | -duration | duration op duration
 *
 * op is one of + - * / % ^ with the precedence it has elsewhere.  An offset
 * takes less unless it begins with a parenthesis: in `a offset 5m * 2` the product
 * is that of the vector (see tsdb_parse_offset_duration()).
 *
 * Whatever has no step(), no parentheses and no operator but a sign stays a number.
 */
#include "core/promql/parser_internal.h"

/* Seconds that fit 64 bits of nanoseconds, as durations do in Prometheus. */
#define MAX_DURATION (9223372036854775808.0 / 1e9)

static TsdbExpr *parse_duration(Parser *parser, Precedence lowest);

/* Also true for NaN, which Prometheus takes for the most negative duration. */
static bool
is_out_of_range(double seconds)
{
	return !(seconds <= MAX_DURATION && seconds >= -MAX_DURATION);
}

static bool
allow(Parser *parser, const TsdbExpr *expr)
{
	if (parser->options.no_duration_expressions)
		return tsdb_parser_fail(parser, expr->range, "experimental duration expression is not enabled");
	return true;
}

/*
 * A node of this operator.  Its range is that of its operands, as Prometheus
 * reports it: parentheses around it and a function's name do not count.
 */
static TsdbExpr *
make(Parser *parser, TsdbDurationOp op, TsdbExpr *lhs, TsdbExpr *rhs, int32_t start)
{
	TsdbExpr   *node = tsdb_parser_node(parser, TSDB_EXPR_DURATION,
										(TsdbRange){lhs != NULL ? lhs->range.start : start, rhs->range.end});

	node->duration.op = op;
	node->duration.lhs = lhs;
	node->duration.rhs = rhs;
	return tsdb_parser_stack(parser, node, lhs, rhs);
}

/* Marks it as parenthesised; a plain number becomes an expression for that, so that its text has them too. */
static TsdbExpr *
put_in_parens(Parser *parser, TsdbExpr *expr, int32_t start)
{
	if (expr->kind == TSDB_EXPR_NUMBER)
		expr = make(parser, TSDB_DURATION_ADD, NULL, expr, start);
	if (expr != NULL)
		expr->duration.in_parens = true;
	return expr;
}

/* A literal; `blamed` is what is at fault when it is out of range, NULL for the literal. */
static TsdbExpr *
parse_literal(Parser *parser, const Token *blamed)
{
	TsdbExpr   *number = tsdb_parse_number_or_duration(parser);

	if (number != NULL && is_out_of_range(number->number.value))
	{
		tsdb_parser_fail(parser, blamed != NULL ? token_range(blamed) : number->range, "duration out of range");
		return NULL;
	}
	return number;
}

static TsdbExpr *
apply_sign(Parser *parser, const Token *sign, TsdbExpr *expr)
{
	if (expr == NULL)
		return NULL;
	if (expr->kind == TSDB_EXPR_DURATION)
		return sign->type == TOKEN_SUB ? make(parser, TSDB_DURATION_SUB, NULL, expr, sign->start) : expr;
	if (sign->type == TOKEN_SUB)
		expr->number.value = -expr->number.value;
	expr->range.start = sign->start;
	return expr;
}

/* step() or range() */
static TsdbExpr *
parse_query_time(Parser *parser)
{
	Token		word = tsdb_parser_take(parser);
	TsdbExpr   *node;

	if (!tsdb_parser_accept(parser, TOKEN_LEFT_PAREN) || tsdb_parser_peek(parser)->type != TOKEN_RIGHT_PAREN)
	{
		tsdb_parser_unexpected_here(parser);
		return NULL;
	}
	node = tsdb_parser_node(parser, TSDB_EXPR_DURATION, (TsdbRange){word.start, token_end(&parser->token)});
	tsdb_parser_take(parser);
	node->duration.op = word.type == TOKEN_STEP ? TSDB_DURATION_STEP : TSDB_DURATION_RANGE;
	return allow(parser, node) ? node : NULL;
}

/* min_of(a, b) or max_of(a, b) */
static TsdbExpr *
parse_choice(Parser *parser)
{
	Token		word = tsdb_parser_take(parser);
	TsdbDurationOp op = word.type == TOKEN_MIN_OF ? TSDB_DURATION_MIN_OF : TSDB_DURATION_MAX_OF;
	TsdbExpr   *lhs = NULL;
	TsdbExpr   *rhs = NULL;
	TsdbExpr   *node;

	if (tsdb_parser_accept(parser, TOKEN_LEFT_PAREN))
		lhs = parse_duration(parser, PRECEDENCE_NONE);
	if (lhs != NULL && tsdb_parser_accept(parser, TOKEN_COMMA))
		rhs = parse_duration(parser, PRECEDENCE_NONE);
	if (rhs == NULL || !tsdb_parser_accept(parser, TOKEN_RIGHT_PAREN))
	{
		tsdb_parser_unexpected_here(parser);
		return NULL;
	}
	node = make(parser, op, lhs, rhs, word.start);
	return node != NULL && allow(parser, node) ? node : NULL;
}

/* What is inside ( and ), without a mark that it was. */
static TsdbExpr *
parse_inside_parens(Parser *parser, Token *open)
{
	TsdbExpr   *expr;

	*open = tsdb_parser_take(parser);
	expr = parse_duration(parser, PRECEDENCE_NONE);
	if (expr == NULL)
		return NULL;
	if (!tsdb_parser_accept(parser, TOKEN_RIGHT_PAREN))
	{
		tsdb_parser_unexpected_here(parser);
		return NULL;
	}
	return expr;
}

static TsdbExpr *
parse_parens(Parser *parser)
{
	Token		open;
	TsdbExpr   *expr = parse_inside_parens(parser, &open);

	return expr != NULL && allow(parser, expr) ? put_in_parens(parser, expr, open.start) : NULL;
}

/* A sign binds its operand like a product: -2 ^ 2 is -(2 ^ 2), -2 * 3 is (-2) * 3. */
static TsdbExpr *
parse_signed(Parser *parser)
{
	Token		sign = tsdb_parser_take(parser);

	return apply_sign(parser, &sign, parse_duration(parser, PRECEDENCE_POWER));
}

static TsdbExpr *
parse_operand(Parser *parser)
{
	switch (tsdb_parser_peek(parser)->type)
	{
		case TOKEN_NUMBER:
		case TOKEN_DURATION:
			return parse_literal(parser, NULL);
		case TOKEN_STEP:
		case TOKEN_RANGE:
			return parse_query_time(parser);
		case TOKEN_MIN_OF:
		case TOKEN_MAX_OF:
			return parse_choice(parser);
		case TOKEN_LEFT_PAREN:
			return parse_parens(parser);
		case TOKEN_ADD:
		case TOKEN_SUB:
			return parse_signed(parser);
		default:
			tsdb_parser_unexpected_here(parser);
			return NULL;
	}
}

static Precedence
operator_precedence(TokenType type, TsdbDurationOp *op)
{
	switch (type)
	{
		case TOKEN_ADD:
			*op = TSDB_DURATION_ADD;
			return PRECEDENCE_SUM;
		case TOKEN_SUB:
			*op = TSDB_DURATION_SUB;
			return PRECEDENCE_SUM;
		case TOKEN_MUL:
			*op = TSDB_DURATION_MUL;
			return PRECEDENCE_PRODUCT;
		case TOKEN_DIV:
			*op = TSDB_DURATION_DIV;
			return PRECEDENCE_PRODUCT;
		case TOKEN_MOD:
			*op = TSDB_DURATION_MOD;
			return PRECEDENCE_PRODUCT;
		case TOKEN_POW:
			*op = TSDB_DURATION_POW;
			return PRECEDENCE_POWER;
		default:
			return PRECEDENCE_NONE;
	}
}

static bool
is_operator_next(Parser *parser)
{
	TsdbDurationOp op;

	return operator_precedence(tsdb_parser_peek(parser)->type, &op) != PRECEDENCE_NONE;
}

static TsdbExpr *
combine(Parser *parser, TsdbExpr *lhs, const Token *operator, TsdbDurationOp op, TsdbExpr *rhs)
{
	bool		by_zero = rhs->kind == TSDB_EXPR_NUMBER && rhs->number.value == 0;

	if (!allow(parser, lhs))
		return NULL;
	if (by_zero && (op == TSDB_DURATION_DIV || op == TSDB_DURATION_MOD))
	{
		tsdb_parser_fail(parser, token_range(operator), "%s by zero", op == TSDB_DURATION_DIV ? "division" : "modulo");
		return NULL;
	}
	return make(parser, op, lhs, rhs, lhs->range.start);
}

/* Operators of at least this precedence, behind lhs. */
static TsdbExpr *
parse_operators(Parser *parser, TsdbExpr *lhs, Precedence lowest)
{
	while (lhs != NULL)
	{
		TsdbDurationOp op;
		Precedence	precedence = operator_precedence(tsdb_parser_peek(parser)->type, &op);
		Token		operator;
		TsdbExpr   *rhs;

		if (precedence == PRECEDENCE_NONE || precedence < lowest)
			break;
		operator = tsdb_parser_take(parser);
		rhs = parse_duration(parser, precedence == PRECEDENCE_POWER ? precedence : precedence + 1);
		lhs = rhs != NULL ? combine(parser, lhs, &operator, op, rhs) : NULL;
	}
	return lhs;
}

static TsdbExpr *
parse_duration(Parser *parser, Precedence lowest)
{
	TsdbExpr   *expr;

	if (!tsdb_parser_enter(parser))
		return NULL;
	expr = parse_operators(parser, parse_operand(parser), lowest);
	tsdb_parser_leave(parser);
	return expr;
}

TsdbExpr *
tsdb_parse_positive_duration(Parser *parser)
{
	TsdbExpr   *expr = parse_duration(parser, PRECEDENCE_NONE);

	if (expr != NULL && expr->kind == TSDB_EXPR_NUMBER && !(expr->number.value > 0))
	{
		tsdb_parser_fail(parser, expr->range, "duration must be greater than 0");
		return NULL;
	}
	return expr;
}

/* A sign after offset: one operand, and no operator behind it unless another sign follows. */
static TsdbExpr *
parse_signed_offset(Parser *parser)
{
	Token		sign = tsdb_parser_take(parser);
	Token		open;
	TsdbExpr   *expr;

	switch (tsdb_parser_peek(parser)->type)
	{
		case TOKEN_ADD:
		case TOKEN_SUB:
			return parse_operators(parser, apply_sign(parser, &sign, parse_duration(parser, PRECEDENCE_POWER)),
								   PRECEDENCE_NONE);
		case TOKEN_LEFT_PAREN:
			expr = parse_inside_parens(parser, &open);
			if (expr != NULL)
				expr = put_in_parens(parser, expr, expr->range.start);
			if (expr != NULL)
				expr->duration.keeps_plus = sign.type == TOKEN_ADD && is_operator_next(parser);
			return apply_sign(parser, &sign, expr);
		case TOKEN_NUMBER:
		case TOKEN_DURATION:
			return apply_sign(parser, &sign, parse_literal(parser, &sign));
		default:
			return apply_sign(parser, &sign, parse_operand(parser));
	}
}

/*
 * A literal, step(), range(), min_of() or max_of() ends the offset, with or
 * without a sign, and so does a parenthesis behind a sign; a parenthesis or a second sign at
 * the beginning starts a whole expression.
 */
TsdbExpr *
tsdb_parse_offset_duration(Parser *parser)
{
	switch (tsdb_parser_peek(parser)->type)
	{
		case TOKEN_ADD:
		case TOKEN_SUB:
			return parse_signed_offset(parser);
		case TOKEN_LEFT_PAREN:
			return parse_operators(parser, parse_parens(parser), PRECEDENCE_NONE);
		default:
			return parse_operand(parser);
	}
}
