/*
 * parser_internal.h
 *		What the files of the parser share.
 *
 * The first error ends the parse: a function that returns NULL or false has
 * recorded one in parser->error.
 */
#ifndef TSDB_PROMQL_PARSER_INTERNAL_H
#define TSDB_PROMQL_PARSER_INTERNAL_H

#include "core/promql/lexer.h"
#include "core/promql/parser.h"

/* What an unexpected token is said to be in, and what was expected there: the innermost construct that has a say. */
typedef struct ErrorContext
{
	const char *where;			/* "" at the top */
	const char *expected;		/* "" when it is not said */
} ErrorContext;

typedef struct Parser
{
	TsdbArena  *arena;
	TsdbStr		query;
	TsdbParseOptions options;
	TsdbError  *error;
	bool		failed;
	Lexer		lexer;
	Token		token;			/* the last one read */
	bool		is_ahead;		/* it is not consumed yet */
	int32_t		last_closing;	/* end of the last token read that may close a selector */
	int			nesting;
	ErrorContext context;
} Parser;

/* Binding powers, low to high; modifiers and brackets bind tightest and have none. */
typedef enum Precedence
{
	PRECEDENCE_NONE,
	PRECEDENCE_OR,
	PRECEDENCE_AND,
	PRECEDENCE_COMPARISON,
	PRECEDENCE_SUM,
	PRECEDENCE_PRODUCT,
	PRECEDENCE_POWER
} Precedence;

/* parser_state.c */
/* Reads a token only when asked to: when it is read decides which of two errors comes first. */
extern const Token *tsdb_parser_peek(Parser *parser);
extern Token tsdb_parser_take(Parser *parser);
extern bool tsdb_parser_accept(Parser *parser, TokenType type);
/* These record the error and return false; later ones than the first are dropped. */
extern bool tsdb_parser_fail(Parser *parser, TsdbRange range, const char *format, ...) TSDB_PRINTF(3, 4);
extern bool tsdb_parser_unexpected(Parser *parser, ErrorContext context);
extern bool tsdb_parser_unexpected_here(Parser *parser);
extern bool tsdb_parser_enter(Parser *parser);
extern void tsdb_parser_leave(Parser *parser);
extern TsdbExpr *tsdb_parser_node(Parser *parser, TsdbExprKind kind, TsdbRange range);
/* Puts the node above its children, which may be NULL; NULL when that is too high. */
extern TsdbExpr *tsdb_parser_stack(Parser *parser, TsdbExpr *node, const TsdbExpr *left, const TsdbExpr *right);
/* The text in double quotes, as a C string. */
extern const char *tsdb_parser_quote(Parser *parser, TsdbStr text);

static inline TsdbRange
token_range(const Token *token)
{
	return (TsdbRange){token->start, token_end(token)};
}

static inline bool
token_is_sign(TokenType type)
{
	return type == TOKEN_ADD || type == TOKEN_SUB;
}

/* literals.c */
extern TsdbExpr *tsdb_parse_number_or_duration(Parser *parser);
extern TsdbStr tsdb_unquote(TsdbArena *arena, TsdbStr literal);

/* parser_durations.c */
/* The range or step inside brackets: positive, where that can be known. */
extern TsdbExpr *tsdb_parse_positive_duration(Parser *parser);
/* What follows the keyword offset; less than a whole expression unless it is in parentheses. */
extern TsdbExpr *tsdb_parse_offset_duration(Parser *parser);

/* parser_selectors.c */
extern TsdbExpr *tsdb_parse_selector(Parser *parser, const Token *name);
/* Brackets, offset, @, anchored and smoothed behind an expression. */
extern TsdbExpr *tsdb_parse_modifiers(Parser *parser, TsdbExpr *expr);

/* typecheck.c */
extern bool tsdb_check_types(Parser *parser, TsdbExpr *expr);

#endif							/* TSDB_PROMQL_PARSER_INTERNAL_H */
