/*
 * parser.c
 *		PromQL by recursive descent, with precedence climbing for operators.
 *
 *		expr	  := operand { op [bool] [matching] [fill] expr }
 *		operand	  := sign expr | primary { modifier }
 *		primary	  := number | duration | string | selector | (expr)
 *				   | name(expr, ...) | aggregator [grouping] (expr, ...) [grouping]
 *
 * The language, the wording of errors and the bytes they blame are those of
 * promql/parser in Prometheus 3.14, whose parser is an LALR automaton with
 * error productions.  Three rules reproduce what that reports:
 *
 *	- A token is read only when a decision needs it, so that an error found in
 *	  what is complete comes before an error of the lexer behind it, or after,
 *	  as it does there.
 *	- A token that fits nowhere is reported by the innermost construct that has
 *	  an error production: parser->context names it.  Constructs without one
 *	  (parentheses, calls) leave the context alone.
 *	- Only the first error counts, and types are checked when there was none.
 *
 * Nesting is counted on the way down and the height of the tree on the way
 * up: a chain of operators is high without being nested.
 */
#include "core/promql/parser_internal.h"

#define IN_AGGREGATION ((ErrorContext){"aggregation", ""})
#define OPENING_PAREN ((ErrorContext){"grouping opts", "\"(\""})
#define GROUPING_LABEL ((ErrorContext){"grouping opts", "label"})
#define COMMA_OR_PAREN ((ErrorContext){"grouping opts", "\",\" or \")\""})

/* Tokens and operators are numbered alike, so that one is the other by a subtraction. */
_Static_assert(TOKEN_TOPK - TOKEN_AVG == TSDB_AGG_TOPK, "aggregators");
_Static_assert(TOKEN_UNLESS - TOKEN_ADD == TSDB_OP_UNLESS && TOKEN_ATAN2 - TOKEN_ADD == TSDB_OP_ATAN2, "operators");

typedef struct ExprList
{
	TsdbExpr  **items;
	size_t		n;
} ExprList;

typedef struct NameList
{
	TsdbStr    *items;
	size_t		n;
} NameList;

static TsdbExpr *parse_expr(Parser *parser, Precedence lowest);

/* ---- lists, which grow at each power of two ---- */

static void *
grow_list(Parser *parser, void *items, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return items;
	return tsdb_grow(parser->arena, items, n * size, (n == 0 ? 1 : 2 * n) * size);
}

static void
add_expr(Parser *parser, ExprList *list, TsdbExpr *expr)
{
	list->items = grow_list(parser, list->items, list->n, sizeof(*list->items));
	list->items[list->n++] = expr;
}

static void
add_name(Parser *parser, NameList *list, TsdbStr name)
{
	list->items = grow_list(parser, list->items, list->n, sizeof(*list->items));
	list->items[list->n++] = name;
}

/* ---- what a token may begin ---- */

/* Keywords that are names of metrics where an operand stands. */
static bool
is_metric_name(TokenType type)
{
	switch (type)
	{
		case TOKEN_IDENTIFIER:
		case TOKEN_METRIC_IDENTIFIER:
		case TOKEN_AND:
		case TOKEN_OR:
		case TOKEN_UNLESS:
		case TOKEN_BY:
		case TOKEN_WITHOUT:
		case TOKEN_FILL:
		case TOKEN_FILL_LEFT:
		case TOKEN_FILL_RIGHT:
		case TOKEN_OFFSET:
		case TOKEN_ANCHORED:
		case TOKEN_SMOOTHED:
		case TOKEN_START:
		case TOKEN_END:
		case TOKEN_STEP:
		case TOKEN_RANGE:
		case TOKEN_MAX_OF:
		case TOKEN_MIN_OF:
			return true;
		default:
			return token_is_aggregator(type);
	}
}

/* Keywords that are names of labels in a list of labels. */
static bool
is_label_name(TokenType type)
{
	switch (type)
	{
		case TOKEN_ATAN2:
		case TOKEN_BOOL:
		case TOKEN_GROUP_LEFT:
		case TOKEN_GROUP_RIGHT:
		case TOKEN_IGNORING:
		case TOKEN_ON:
			return true;
		case TOKEN_WITHOUT:
			return false;
		default:
			return is_metric_name(type);
	}
}

/* Names that are functions before a parenthesis. */
static bool
is_function_name(TokenType type)
{
	return type == TOKEN_IDENTIFIER || (type >= TOKEN_START && type <= TOKEN_MIN_OF);
}

static bool
begins_operand(TokenType type)
{
	switch (type)
	{
		case TOKEN_NUMBER:
		case TOKEN_DURATION:
		case TOKEN_STRING:
		case TOKEN_LEFT_PAREN:
		case TOKEN_LEFT_BRACE:
			return true;
		default:
			return token_is_sign(type) || is_metric_name(type);
	}
}

/* ---- names in parentheses: by (...), on (...), group_left (...) ---- */

static bool
parse_label_name(Parser *parser, NameList *names)
{
	Token		token = *tsdb_parser_peek(parser);
	TsdbStr		name = token.text;

	if (token.type == TOKEN_STRING)
		name = tsdb_unquote(parser->arena, token.text);
	else if (!is_label_name(token.type))
		return tsdb_parser_unexpected(parser, GROUPING_LABEL);
	tsdb_parser_take(parser);
	if (name.len == 0 || !tsdb_utf8_is_valid(name))
		return tsdb_parser_fail(parser, token_range(&token), "invalid label name for grouping: %s",
								tsdb_parser_quote(parser, name));
	add_name(parser, names, name);
	return true;
}

static bool
parse_label_names(Parser *parser, NameList *names)
{
	if (!tsdb_parser_accept(parser, TOKEN_LEFT_PAREN))
		return tsdb_parser_unexpected(parser, OPENING_PAREN);
	while (!tsdb_parser_accept(parser, TOKEN_RIGHT_PAREN))
	{
		if (!parse_label_name(parser, names))
			return false;
		if (tsdb_parser_peek(parser)->type != TOKEN_RIGHT_PAREN && !tsdb_parser_accept(parser, TOKEN_COMMA))
			return tsdb_parser_unexpected(parser, COMMA_OR_PAREN);
	}
	return true;
}

/* ---- calls ---- */

/* (a, b, ...) */
static bool
parse_arguments(Parser *parser, ExprList *args)
{
	if (!tsdb_parser_accept(parser, TOKEN_LEFT_PAREN))
		return tsdb_parser_unexpected_here(parser);
	if (tsdb_parser_accept(parser, TOKEN_RIGHT_PAREN))
		return true;
	for (;;)
	{
		TsdbExpr   *arg = parse_expr(parser, PRECEDENCE_NONE);
		Token		comma;

		if (arg == NULL)
			return false;
		add_expr(parser, args, arg);
		if (tsdb_parser_accept(parser, TOKEN_RIGHT_PAREN))
			return true;
		if (tsdb_parser_peek(parser)->type != TOKEN_COMMA)
			return tsdb_parser_unexpected_here(parser);
		comma = tsdb_parser_take(parser);
		if (!begins_operand(tsdb_parser_peek(parser)->type))
			return tsdb_parser_fail(parser, token_range(&comma), "trailing commas not allowed in function call args");
	}
}

static TsdbExpr *
parse_call(Parser *parser, const Token *name)
{
	const TsdbFunction *function = tsdb_promql_find_function(name->text);
	ExprList	args = {NULL, 0};
	TsdbExpr   *call;

	if (!parse_arguments(parser, &args))
		return NULL;
	if (function == NULL || (function->experimental && parser->options.no_experimental_functions))
	{
		const char *quoted = tsdb_parser_quote(parser, name->text);

		if (function == NULL)
			tsdb_parser_fail(parser, token_range(name), "unknown function with name %s", quoted);
		else
			tsdb_parser_fail(parser, token_range(name), "function %s is not enabled", quoted);
		return NULL;
	}
	call = tsdb_parser_node(parser, TSDB_EXPR_CALL, (TsdbRange){name->start, parser->last_closing});
	call->call.function = function;
	call->call.args = args.items;
	call->call.n_args = args.n;
	for (size_t i = 0; i < args.n; i++)
		if (tsdb_parser_stack(parser, call, args.items[i], NULL) == NULL)
			return NULL;
	return call;
}

/* ---- aggregations ---- */

static bool
parse_grouping(Parser *parser, TsdbAggregateExpr *aggregate)
{
	NameList	names = {NULL, 0};

	aggregate->without = tsdb_parser_take(parser).type == TOKEN_WITHOUT;
	if (!parse_label_names(parser, &names))
		return false;
	aggregate->labels = names.items;
	aggregate->n_labels = names.n;
	return true;
}

static bool
grouping_follows(Parser *parser)
{
	TokenType	type = tsdb_parser_peek(parser)->type;

	return type == TOKEN_BY || type == TOKEN_WITHOUT;
}

/* The parameter, where there is one, and the vector. */
static bool
set_aggregate_args(Parser *parser, TsdbExpr *node, ExprList args)
{
	TsdbAggregateExpr *aggregate = &node->aggregate;
	bool		has_param = tsdb_aggregate_has_param(aggregate->op);
	size_t		wanted = has_param ? 2 : 1;

	if (args.n == 0)
		return tsdb_parser_fail(parser, node->range, "no arguments for aggregate expression provided");
	if (tsdb_aggregate_is_experimental(aggregate->op) && parser->options.no_experimental_functions)
		return tsdb_parser_fail(parser, node->range,
								"%s() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
								tsdb_aggregate_text(aggregate->op));
	if (args.n != wanted)
		return tsdb_parser_fail(parser, node->range,
								"wrong number of arguments for aggregate expression provided, expected %zu, got %zu",
								wanted, args.n);
	aggregate->expr = args.items[wanted - 1];
	aggregate->param = has_param ? args.items[0] : NULL;
	return tsdb_parser_stack(parser, node, aggregate->expr, aggregate->param) != NULL;
}

/* The grouping stands before or behind the arguments. */
static TsdbExpr *
parse_aggregate(Parser *parser, const Token *name)
{
	ErrorContext outer = parser->context;
	TsdbExpr   *node = tsdb_parser_node(parser, TSDB_EXPR_AGGREGATE, token_range(name));
	ExprList	args = {NULL, 0};
	bool		grouped = grouping_follows(parser);

	node->aggregate.op = (TsdbAggregateOp) (name->type - TOKEN_AVG);
	parser->context = IN_AGGREGATION;
	if (grouped && !parse_grouping(parser, &node->aggregate))
		return NULL;
	if (!parse_arguments(parser, &args))
		return NULL;
	node->range.end = parser->last_closing;
	if (!grouped && grouping_follows(parser))
	{
		if (!parse_grouping(parser, &node->aggregate))
			return NULL;
		node->range.end = parser->last_closing;
	}
	parser->context = outer;
	return set_aggregate_args(parser, node, args) ? node : NULL;
}

/* ---- operators ---- */

static Precedence
operator_precedence(TokenType type)
{
	switch (type)
	{
		case TOKEN_OR:
			return PRECEDENCE_OR;
		case TOKEN_AND:
		case TOKEN_UNLESS:
			return PRECEDENCE_AND;
		case TOKEN_EQUAL:
		case TOKEN_NOT_EQUAL:
		case TOKEN_LESS:
		case TOKEN_LESS_EQUAL:
		case TOKEN_GREATER:
		case TOKEN_GREATER_EQUAL:
		case TOKEN_TRIM_UPPER:
		case TOKEN_TRIM_LOWER:
			return PRECEDENCE_COMPARISON;
		case TOKEN_ADD:
		case TOKEN_SUB:
			return PRECEDENCE_SUM;
		case TOKEN_MUL:
		case TOKEN_DIV:
		case TOKEN_MOD:
		case TOKEN_ATAN2:
			return PRECEDENCE_PRODUCT;
		case TOKEN_POW:
			return PRECEDENCE_POWER;
		default:
			return PRECEDENCE_NONE;
	}
}

/* (number), which the lexer has seen to begin with a parenthesis */
static bool
parse_fill_value(Parser *parser, double *value)
{
	bool		negative = false;
	TsdbExpr   *number;
	TokenType	type;

	if (!tsdb_parser_accept(parser, TOKEN_LEFT_PAREN))
		return tsdb_parser_unexpected_here(parser);
	type = tsdb_parser_peek(parser)->type;
	if (token_is_sign(type))
	{
		negative = tsdb_parser_take(parser).type == TOKEN_SUB;
		type = tsdb_parser_peek(parser)->type;
	}
	if (type != TOKEN_NUMBER && type != TOKEN_DURATION)
		return tsdb_parser_unexpected_here(parser);
	number = tsdb_parse_number_or_duration(parser);
	if (number == NULL)
		return false;
	*value = negative ? -number->number.value : number->number.value;
	return tsdb_parser_accept(parser, TOKEN_RIGHT_PAREN) || tsdb_parser_unexpected_here(parser);
}

/* fill(x), or one or both of fill_left(x) and fill_right(x) */
static bool
parse_fill(Parser *parser, TsdbVectorMatching *matching)
{
	if (tsdb_parser_accept(parser, TOKEN_FILL))
	{
		matching->fills_left = matching->fills_right = true;
		if (!parse_fill_value(parser, &matching->fill_left))
			return false;
		matching->fill_right = matching->fill_left;
		return true;
	}
	for (;;)
	{
		if (!matching->fills_left && tsdb_parser_accept(parser, TOKEN_FILL_LEFT))
		{
			matching->fills_left = true;
			if (!parse_fill_value(parser, &matching->fill_left))
				return false;
		}
		else if (!matching->fills_right && tsdb_parser_accept(parser, TOKEN_FILL_RIGHT))
		{
			matching->fills_right = true;
			if (!parse_fill_value(parser, &matching->fill_right))
				return false;
		}
		else
			return !parser->failed;
	}
}

/* group_left or group_right, whose labels may be missing */
static bool
parse_group_side(Parser *parser, TsdbVectorMatching *matching)
{
	NameList	names = {NULL, 0};
	TokenType	type = tsdb_parser_peek(parser)->type;

	if (type != TOKEN_GROUP_LEFT && type != TOKEN_GROUP_RIGHT)
		return true;
	tsdb_parser_take(parser);
	matching->cardinality = type == TOKEN_GROUP_LEFT ? TSDB_MANY_TO_ONE : TSDB_ONE_TO_MANY;
	type = tsdb_parser_peek(parser)->type;
	if (type != TOKEN_LEFT_PAREN && begins_operand(type))
		return true;
	if (!parse_label_names(parser, &names))
		return false;
	matching->include = names.items;
	matching->n_include = names.n;
	return true;
}

/* What stands between an operator and its right operand. */
static bool
parse_matching(Parser *parser, TsdbBinaryExpr *binary)
{
	TsdbVectorMatching *matching = TSDB_NEW(parser->arena, TsdbVectorMatching);
	NameList	names = {NULL, 0};
	TokenType	type;

	binary->matching = matching;
	binary->returns_bool = tsdb_parser_accept(parser, TOKEN_BOOL);
	type = tsdb_parser_peek(parser)->type;
	if (type == TOKEN_ON || type == TOKEN_IGNORING)
	{
		tsdb_parser_take(parser);
		matching->on = type == TOKEN_ON;
		if (!parse_label_names(parser, &names))
			return false;
		matching->labels = names.items;
		matching->n_labels = names.n;
		if (!parse_group_side(parser, matching))
			return false;
	}
	return parse_fill(parser, matching);
}

/* The operator is the next token. */
static TsdbExpr *
parse_binary(Parser *parser, TsdbExpr *lhs, Precedence precedence)
{
	TsdbExpr   *node = tsdb_parser_node(parser, TSDB_EXPR_BINARY, lhs->range);
	TsdbBinaryExpr *binary = &node->binary;

	binary->op = (TsdbBinaryOp) (tsdb_parser_take(parser).type - TOKEN_ADD);
	binary->lhs = lhs;
	if (!parse_matching(parser, binary))
		return NULL;
	/* a power is right-associative, the others are left-associative */
	binary->rhs = parse_expr(parser, precedence == PRECEDENCE_POWER ? precedence : precedence + 1);
	if (binary->rhs == NULL)
		return NULL;
	node->range.end = binary->rhs->range.end;
	if (parser->options.no_fill_modifiers && (binary->matching->fills_left || binary->matching->fills_right))
	{
		tsdb_parser_fail(parser, node->range, "binop fill modifiers are experimental and not enabled");
		return NULL;
	}
	return tsdb_parser_stack(parser, node, lhs, binary->rhs);
}

/* ---- operands ---- */

static TsdbExpr *
parse_string(Parser *parser)
{
	Token		token = tsdb_parser_take(parser);
	TsdbExpr   *node = tsdb_parser_node(parser, TSDB_EXPR_STRING, token_range(&token));

	node->string = tsdb_unquote(parser->arena, token.text);
	return node;
}

static TsdbExpr *
parse_parens(Parser *parser)
{
	Token		open = tsdb_parser_take(parser);
	TsdbExpr   *inner = parse_expr(parser, PRECEDENCE_NONE);
	TsdbExpr   *node;

	if (inner == NULL)
		return NULL;
	if (tsdb_parser_peek(parser)->type != TOKEN_RIGHT_PAREN)
	{
		tsdb_parser_unexpected_here(parser);
		return NULL;
	}
	node = tsdb_parser_node(parser, TSDB_EXPR_PAREN, (TsdbRange){open.start, token_end(&parser->token)});
	tsdb_parser_take(parser);
	node->paren = inner;
	return tsdb_parser_stack(parser, node, inner, NULL);
}

/* A name begins an aggregation, a call or a selector: what follows it tells. */
static TsdbExpr *
parse_named(Parser *parser)
{
	Token		name = tsdb_parser_take(parser);
	TokenType	next = tsdb_parser_peek(parser)->type;

	if (token_is_aggregator(name.type) && (next == TOKEN_LEFT_PAREN || next == TOKEN_BY || next == TOKEN_WITHOUT))
		return parse_aggregate(parser, &name);
	if (is_function_name(name.type) && next == TOKEN_LEFT_PAREN)
		return parse_call(parser, &name);
	return tsdb_parse_selector(parser, &name);
}

/* A sign becomes part of a number, so that -1 is a literal. */
static TsdbExpr *
parse_signed(Parser *parser)
{
	Token		sign = tsdb_parser_take(parser);
	TsdbExpr   *operand = parse_expr(parser, PRECEDENCE_POWER);
	TsdbExpr   *node;

	if (operand == NULL)
		return NULL;
	if (operand->kind == TSDB_EXPR_NUMBER)
	{
		if (sign.type == TOKEN_SUB)
			operand->number.value = -operand->number.value;
		operand->range.start = sign.start;
		return operand;
	}
	node = tsdb_parser_node(parser, TSDB_EXPR_UNARY, (TsdbRange){sign.start, operand->range.end});
	node->unary.negative = sign.type == TOKEN_SUB;
	node->unary.expr = operand;
	return tsdb_parser_stack(parser, node, operand, NULL);
}

static TsdbExpr *
parse_primary(Parser *parser)
{
	TokenType	type = tsdb_parser_peek(parser)->type;

	switch (type)
	{
		case TOKEN_NUMBER:
		case TOKEN_DURATION:
			return tsdb_parse_number_or_duration(parser);
		case TOKEN_STRING:
			return parse_string(parser);
		case TOKEN_LEFT_PAREN:
			return parse_parens(parser);
		case TOKEN_LEFT_BRACE:
			return tsdb_parse_selector(parser, NULL);
		default:
			if (is_metric_name(type))
				return parse_named(parser);
			tsdb_parser_unexpected_here(parser);
			return NULL;
	}
}

/* An operand and the operators behind it that bind at least as tight as `lowest`. */
static TsdbExpr *
parse_expr(Parser *parser, Precedence lowest)
{
	TsdbExpr   *expr;

	if (!tsdb_parser_enter(parser))
		return NULL;
	if (token_is_sign(tsdb_parser_peek(parser)->type))
		expr = parse_signed(parser);
	else
		expr = tsdb_parse_modifiers(parser, parse_primary(parser));
	while (expr != NULL)
	{
		Precedence	precedence = operator_precedence(tsdb_parser_peek(parser)->type);

		if (precedence == PRECEDENCE_NONE || precedence < lowest)
			break;
		expr = parse_binary(parser, expr, precedence);
	}
	tsdb_parser_leave(parser);
	return expr;
}

/* ---- entry points ---- */

static TsdbStatus
begin(Parser *parser, TsdbArena *arena, TsdbStr query, const TsdbParseOptions *options, TsdbError *error)
{
	memset(parser, 0, sizeof(*parser));
	parser->arena = arena;
	parser->query = query;
	if (options != NULL)
		parser->options = *options;
	parser->error = error;
	parser->context = (ErrorContext){"", ""};
	if (query.len > TSDB_PROMQL_MAX_QUERY)
		return tsdb_fail(error, TSDB_ERR_LIMIT, "query of %zu bytes is longer than %d", query.len, TSDB_PROMQL_MAX_QUERY);
	tsdb_lexer_init(&parser->lexer, query, error);
	return TSDB_OK;
}

/* Nothing but the end may follow. */
static bool
at_end(Parser *parser)
{
	return tsdb_parser_peek(parser)->type == TOKEN_EOF || tsdb_parser_unexpected_here(parser);
}

TsdbStatus
tsdb_promql_parse(TsdbArena *arena, TsdbStr query, const TsdbParseOptions *options, TsdbExpr **expr, TsdbError *error)
{
	Parser		parser;

	if (begin(&parser, arena, query, options, error) != TSDB_OK)
		return error->code;
	if (tsdb_parser_peek(&parser)->type == TOKEN_EOF)
		return tsdb_fail_at(error, TSDB_ERR_SYNTAX, 0, 0, "no expression found in input");
	*expr = parse_expr(&parser, PRECEDENCE_NONE);
	if (*expr == NULL || !at_end(&parser) || !tsdb_check_types(&parser, *expr))
		return error->code;
	return TSDB_OK;
}

TsdbStatus
tsdb_promql_parse_selector(TsdbArena *arena, TsdbStr text, TsdbMatcher **matchers, size_t *n, TsdbError *error)
{
	Parser		parser;
	TsdbExpr   *selector = NULL;
	TokenType	type;

	if (begin(&parser, arena, text, NULL, error) != TSDB_OK)
		return error->code;
	type = tsdb_parser_peek(&parser)->type;
	if (is_metric_name(type))
	{
		Token		name = tsdb_parser_take(&parser);

		selector = tsdb_parse_selector(&parser, &name);
	}
	else if (type == TOKEN_LEFT_BRACE)
		selector = tsdb_parse_selector(&parser, NULL);
	else
		tsdb_parser_unexpected_here(&parser);
	if (selector == NULL || !at_end(&parser))
		return error->code;
	*matchers = selector->vector.matchers;
	*n = selector->vector.n_matchers;
	return TSDB_OK;
}
