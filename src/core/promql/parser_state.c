/*
 * parser_state.c
 *		The parser's tokens, nodes and errors.
 */
#include "core/promql/parser_internal.h"

#include <stdio.h>

/* Runes of a token that a message shows. */
#define SHOWN_RUNES 10

/* ---- tokens ---- */

static bool
may_close_selector(TokenType type)
{
	return type == TOKEN_RIGHT_BRACE || type == TOKEN_RIGHT_PAREN || type == TOKEN_RIGHT_BRACKET ||
		type == TOKEN_DURATION || type == TOKEN_NUMBER;
}

const Token *
tsdb_parser_peek(Parser *parser)
{
	if (parser->is_ahead)
		return &parser->token;
	parser->is_ahead = true;
	parser->token = tsdb_lexer_next(&parser->lexer);
	if (parser->token.type == TOKEN_ERROR)
		parser->failed = true;
	else if (may_close_selector(parser->token.type))
		parser->last_closing = token_end(&parser->token);
	return &parser->token;
}

Token
tsdb_parser_take(Parser *parser)
{
	Token		token = *tsdb_parser_peek(parser);

	parser->is_ahead = false;
	return token;
}

bool
tsdb_parser_accept(Parser *parser, TokenType type)
{
	if (tsdb_parser_peek(parser)->type != type)
		return false;
	parser->is_ahead = false;
	return true;
}

/* ---- nodes ---- */

TsdbExpr *
tsdb_parser_node(Parser *parser, TsdbExprKind kind, TsdbRange range)
{
	TsdbExpr   *node = TSDB_NEW(parser->arena, TsdbExpr);

	node->kind = kind;
	node->depth = 1;
	node->range = range;
	return node;
}

static bool
fail_depth(Parser *parser, TsdbRange range)
{
	if (!parser->failed)
	{
		parser->failed = true;
		tsdb_fail_at(parser->error, TSDB_ERR_LIMIT, range.start, range.end,
					 "expression is nested more than %d levels deep", TSDB_PROMQL_MAX_DEPTH);
	}
	return false;
}

TsdbExpr *
tsdb_parser_stack(Parser *parser, TsdbExpr *node, const TsdbExpr *left, const TsdbExpr *right)
{
	if (left != NULL && left != node && node->depth <= left->depth)
		node->depth = left->depth + 1;
	if (right != NULL && node->depth <= right->depth)
		node->depth = right->depth + 1;
	if (node->depth <= TSDB_PROMQL_MAX_DEPTH)
		return node;
	fail_depth(parser, node->range);
	return NULL;
}

bool
tsdb_parser_enter(Parser *parser)
{
	if (++parser->nesting <= TSDB_PROMQL_MAX_DEPTH)
		return true;
	return fail_depth(parser, token_range(tsdb_parser_peek(parser)));
}

void
tsdb_parser_leave(Parser *parser)
{
	parser->nesting--;
}

/* ---- errors ---- */

bool
tsdb_parser_fail(Parser *parser, TsdbRange range, const char *format, ...)
{
	va_list		args;

	if (parser->failed)
		return false;
	parser->failed = true;
	va_start(args, format);
	tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, range.start, range.end, "%s", "");
	vsnprintf(parser->error->message, sizeof(parser->error->message), format, args);
	va_end(args);
	return false;
}

const char *
tsdb_parser_quote(Parser *parser, TsdbStr text)
{
	TsdbBuffer	buffer;

	tsdb_buffer_init(&buffer, parser->arena, text.len + 16);
	tsdb_quote_string(&buffer, text);
	return tsdb_buffer_cstring(&buffer);
}

/* The beginning of a token in quotes, with dots when there is more. */
static const char *
quote_beginning(Parser *parser, TsdbStr text)
{
	TsdbStr		shown = {text.data, 0};
	int32_t		width;

	if (text.len <= SHOWN_RUNES)
		return tsdb_parser_quote(parser, text);
	for (int i = 0; i < SHOWN_RUNES && shown.len < text.len; i++)
	{
		tsdb_decode_rune(text.data + shown.len, text.len - shown.len, &width);
		shown.len += (size_t) width;
	}
	return tsdb_parser_quote(parser, shown);
}

static void
describe(Parser *parser, TsdbBuffer *out, const Token *token)
{
	static const struct
	{
		TokenType	type;
		const char *kind;
	}			kinds[] =
	{
		{TOKEN_IDENTIFIER, "identifier"},
		{TOKEN_METRIC_IDENTIFIER, "metric identifier"},
		{TOKEN_NUMBER, "number"},
		{TOKEN_DURATION, "duration"},
		{TOKEN_STRING, "string"},
	};
	bool		is_name = token->type == TOKEN_IDENTIFIER || token->type == TOKEN_METRIC_IDENTIFIER;
	const char *group = token_is_keyword(token->type) ? "" : token_is_operator(token->type) ? "op:" :
		token_is_aggregator(token->type) ? "aggr:" : NULL;

	if (token->type == TOKEN_EOF)
	{
		tsdb_buffer_append_str(out, TSDB_STR("end of input"));
		return;
	}
	for (size_t i = 0; i < TSDB_COUNT(kinds); i++)
		if (kinds[i].type == token->type)
			tsdb_buffer_printf(out, "%s ", kinds[i].kind);
	if (group != NULL)
		tsdb_buffer_printf(out, "<%s%.*s>", group, (int) token->text.len, token->text.data);
	else if (is_name)
		tsdb_buffer_printf(out, "%s", tsdb_parser_quote(parser, token->text));
	else
		tsdb_buffer_printf(out, "%s%s", quote_beginning(parser, token->text),
						   token->text.len > SHOWN_RUNES ? "..." : "");
}

bool
tsdb_parser_unexpected(Parser *parser, ErrorContext context)
{
	TsdbBuffer	what;

	/* an error of the lexer is already known */
	if (parser->failed)
		return false;
	tsdb_buffer_init(&what, parser->arena, 64);
	describe(parser, &what, &parser->token);
	return tsdb_parser_fail(parser, token_range(&parser->token), "unexpected %s%s%s%s%s", tsdb_buffer_cstring(&what),
							context.where[0] != '\0' ? " in " : "", context.where,
							context.expected[0] != '\0' ? ", expected " : "", context.expected);
}

bool
tsdb_parser_unexpected_here(Parser *parser)
{
	return tsdb_parser_unexpected(parser, parser->context);
}
