/*
 * lexer.h
 *		Tokens of PromQL; for the files of the parser only.
 */
#ifndef TSDB_PROMQL_LEXER_H
#define TSDB_PROMQL_LEXER_H

#include "core/base/base.h"

/* Operators, aggregators and keywords stand in runs, which the token_is_*() tests rely on. */
typedef enum TokenType
{
	TOKEN_EOF,
	TOKEN_ERROR,				/* the lexer's TsdbError says what */
	TOKEN_IDENTIFIER,
	TOKEN_METRIC_IDENTIFIER,	/* an identifier with colons */
	TOKEN_NUMBER,
	TOKEN_DURATION,
	TOKEN_STRING,
	TOKEN_LEFT_PAREN,
	TOKEN_RIGHT_PAREN,
	TOKEN_LEFT_BRACE,
	TOKEN_RIGHT_BRACE,
	TOKEN_LEFT_BRACKET,
	TOKEN_RIGHT_BRACKET,
	TOKEN_COMMA,
	TOKEN_COLON,
	TOKEN_ASSIGN,				/* = */
	/* operators */
	TOKEN_ADD,
	TOKEN_SUB,
	TOKEN_MUL,
	TOKEN_DIV,
	TOKEN_MOD,
	TOKEN_POW,
	TOKEN_ATAN2,
	TOKEN_EQUAL,				/* == */
	TOKEN_NOT_EQUAL,
	TOKEN_LESS,
	TOKEN_LESS_EQUAL,
	TOKEN_GREATER,
	TOKEN_GREATER_EQUAL,
	TOKEN_TRIM_UPPER,
	TOKEN_TRIM_LOWER,
	TOKEN_AND,
	TOKEN_OR,
	TOKEN_UNLESS,
	TOKEN_MATCH_REGEX,			/* =~ */
	TOKEN_MATCH_NOT_REGEX,		/* !~ */
	TOKEN_AT,
	/* aggregators */
	TOKEN_AVG,
	TOKEN_BOTTOMK,
	TOKEN_COUNT,
	TOKEN_COUNT_VALUES,
	TOKEN_GROUP,
	TOKEN_LIMITK,
	TOKEN_LIMIT_RATIO,
	TOKEN_MAX,
	TOKEN_MIN,
	TOKEN_QUANTILE,
	TOKEN_STDDEV,
	TOKEN_STDVAR,
	TOKEN_SUM,
	TOKEN_TOPK,
	/* keywords */
	TOKEN_ANCHORED,
	TOKEN_BOOL,
	TOKEN_BY,
	TOKEN_FILL,
	TOKEN_FILL_LEFT,
	TOKEN_FILL_RIGHT,
	TOKEN_GROUP_LEFT,
	TOKEN_GROUP_RIGHT,
	TOKEN_IGNORING,
	TOKEN_OFFSET,
	TOKEN_ON,
	TOKEN_SMOOTHED,
	TOKEN_WITHOUT,
	/* names that mean something before a parenthesis only */
	TOKEN_START,
	TOKEN_END,
	TOKEN_STEP,
	TOKEN_RANGE,
	TOKEN_MAX_OF,
	TOKEN_MIN_OF
} TokenType;

static inline bool
token_is_operator(TokenType type)
{
	return type >= TOKEN_ADD && type <= TOKEN_AT;
}

static inline bool
token_is_aggregator(TokenType type)
{
	return type >= TOKEN_AVG && type <= TOKEN_TOPK;
}

static inline bool
token_is_keyword(TokenType type)
{
	return type >= TOKEN_ANCHORED && type <= TOKEN_WITHOUT;
}

typedef struct Token
{
	TokenType	type;
	int32_t		start;			/* byte position in the query */
	TsdbStr		text;			/* as written, quotes included */
} Token;

static inline int32_t
token_end(const Token *token)
{
	return token->start + (int32_t) token->text.len;
}

/* Where the lexer is, which decides how the next bytes read (see lexer.c). */
typedef enum LexerMode
{
	LEX_EXPRESSION,
	LEX_BRACES,
	LEX_BRACKETS
} LexerMode;

typedef struct Lexer
{
	const char *text;
	int32_t		len;
	int32_t		pos;
	int32_t		start;			/* of the token being read */
	LexerMode	mode;
	int			paren_depth;
	bool		in_brackets;
	bool		colon_seen;		/* since the bracket opened */
	bool		duration_seen;
	TsdbError  *error;
} Lexer;

/* lexer.c */
extern void tsdb_lexer_init(Lexer *lexer, TsdbStr query, TsdbError *error);
/* Comments are skipped.  After TOKEN_EOF and TOKEN_ERROR there is nothing more to ask for. */
extern Token tsdb_lexer_next(Lexer *lexer);

/* keywords.c */
/* In any case; TOKEN_IDENTIFIER when the word is none. */
extern TokenType tsdb_find_keyword(TsdbStr word);

/* runes.c: characters and quoting as Go prints them */

#define RUNE_EOF (-1)
#define RUNE_INVALID 0xfffd

/* Room for any result of tsdb_quote_rune(). */
#define QUOTED_RUNE_MAX 16

/* The code point at text[0], RUNE_INVALID for bad UTF-8; *width in bytes. */
extern int32_t tsdb_decode_rune(const char *text, size_t len, int32_t *width);
extern size_t tsdb_encode_rune(char *out, int32_t rune);
extern bool tsdb_rune_is_print(int32_t rune);
/* 'x', '\n', '\u00a0': %q of Go */
extern const char *tsdb_quote_rune(char out[QUOTED_RUNE_MAX], int32_t rune);
/* U+0070 'p': %#U of Go */
extern const char *tsdb_name_rune(char out[2 * QUOTED_RUNE_MAX], int32_t rune);
/*
 * "text": %q of Go, for any bytes.  U+FFFD is escaped, unlike there, because a
 * query may hold it only so.
 */
extern void tsdb_quote_string(TsdbBuffer *buffer, TsdbStr text);

#endif							/* TSDB_PROMQL_LEXER_H */
