/*
 * lexer.c
 *		Text of PromQL to tokens.
 *
 * Three modes, as the same bytes mean different things:
 *
 *		LEX_EXPRESSION	everything outside of braces and brackets; also what
 *						follows the first number inside brackets, where
 *						letters then are only step, range, min_of, max_of
 *		LEX_BRACES		{label="value", ...}: no keywords, no numbers
 *		LEX_BRACKETS	[5m:1m]: right after the bracket
 *
 * A word is a keyword in any case; whether a keyword stands for a name is the
 * parser's business, except for fill, fill_left and fill_right, which are
 * keywords only before a parenthesis.
 *
 * Positions are bytes.  Messages and the bytes they blame are Prometheus's
 * (promql/parser/lex.go of 3.14): an error reaches from the start of the token to the end
 * of the query.
 */
#include "core/promql/lexer.h"

/* ---- characters ---- */

static bool
is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alpha(int c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_alphanumeric(int c)
{
	return is_alpha(c) || is_digit(c);
}

static bool
is_hex_digit(int c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int
lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* The byte `ahead` of the cursor, or RUNE_EOF. */
static int
peek_at(const Lexer *lexer, int32_t ahead)
{
	return lexer->pos + ahead < lexer->len ? (unsigned char) lexer->text[lexer->pos + ahead] : RUNE_EOF;
}

static int
peek(const Lexer *lexer)
{
	return peek_at(lexer, 0);
}

static bool
accept(Lexer *lexer, const char *set)
{
	int			c = peek(lexer);

	if (c <= 0 || strchr(set, c) == NULL)
		return false;
	lexer->pos++;
	return true;
}

static void
skip_spaces(Lexer *lexer)
{
	while (is_space(peek(lexer)))
		lexer->pos++;
}

/* The code point at the cursor. */
static int32_t
peek_rune(const Lexer *lexer, int32_t *width)
{
	*width = 0;
	if (lexer->pos >= lexer->len)
		return RUNE_EOF;
	return tsdb_decode_rune(lexer->text + lexer->pos, (size_t) (lexer->len - lexer->pos), width);
}

static int32_t
next_rune(Lexer *lexer)
{
	int32_t		width;
	int32_t		rune = peek_rune(lexer, &width);

	lexer->pos += width;
	return rune;
}

/* ---- results ---- */

static Token
emit(Lexer *lexer, TokenType type)
{
	Token		token = {type, lexer->start, {lexer->text + lexer->start, (size_t) (lexer->pos - lexer->start)}};

	lexer->start = lexer->pos;
	return token;
}

/* A token of the next `width` bytes. */
static Token
emit_bytes(Lexer *lexer, TokenType type, int32_t width)
{
	lexer->pos += width;
	return emit(lexer, type);
}

static Token
failed(Lexer *lexer)
{
	return (Token){TOKEN_ERROR, lexer->start, {lexer->text + lexer->start, 0}};
}

static Token
fail(Lexer *lexer, const char *message)
{
	tsdb_fail_at(lexer->error, TSDB_ERR_SYNTAX, lexer->start, lexer->len, "%s", message);
	return failed(lexer);
}

/* "message 'r'" */
static Token
fail_at_rune(Lexer *lexer, const char *message, int32_t rune)
{
	char		quoted[QUOTED_RUNE_MAX];

	tsdb_fail_at(lexer->error, TSDB_ERR_SYNTAX, lexer->start, lexer->len, "%s %s", message, tsdb_quote_rune(quoted, rune));
	return failed(lexer);
}

/* What was read of a number: it has digits, letters, dots and underscores only, so it needs no escapes. */
static Token
fail_at_number(Lexer *lexer)
{
	tsdb_fail_at(lexer->error, TSDB_ERR_SYNTAX, lexer->start, lexer->len, "bad number or duration syntax: \"%.*s\"",
				 (int) (lexer->pos - lexer->start), lexer->text + lexer->start);
	return failed(lexer);
}

/* ---- numbers and durations ---- */

/* The byte at the cursor is a digit of the number being read. */
static bool
at_digit(const Lexer *lexer, bool hex)
{
	return hex ? is_hex_digit(peek(lexer)) : is_digit(peek(lexer));
}

/*
 * Reads the shape of a number, which need not be a valid one: the parser sees
 * to that.  False where it turns out not to be one, with the cursor behind the byte that shows it.
 */
static bool
scan_number(Lexer *lexer)
{
	bool		hex = false;
	bool		dot = false;
	bool		exponent = false;

	if (accept(lexer, "0") && accept(lexer, "xX"))
	{
		accept(lexer, "_");
		hex = true;
	}
	accept(lexer, ".");
	if (at_digit(lexer, hex))
		lexer->pos++;
	for (;;)
	{
		int			c = peek(lexer);

		if (c == '.')
		{
			lexer->pos++;
			if (dot || accept(lexer, "_.") || hex)
				return false;
			dot = true;
		}
		else if (lower(c) == 'e')
		{
			lexer->pos++;
			if (exponent)
				return false;
			exponent = true;
			accept(lexer, "+-");
			if (accept(lexer, "._eE") || peek(lexer) == RUNE_EOF)
				return false;
		}
		else if (c == '_')
		{
			lexer->pos++;
			if (accept(lexer, "._eE") || peek(lexer) == RUNE_EOF)
				return false;
		}
		else if (at_digit(lexer, hex))
			while (at_digit(lexer, hex))
				lexer->pos++;
		else
			break;
	}
	return !is_alphanumeric(peek(lexer));
}

/* The units and further numbers of a duration such as 1h30m, after its first number.  Bad units are found later. */
static bool
scan_rest_of_duration(Lexer *lexer)
{
	if (!accept(lexer, "smhdwy"))
		return false;
	accept(lexer, "s");			/* ms */
	while (is_digit(peek(lexer)))
	{
		while (is_digit(peek(lexer)))
			lexer->pos++;
		if (!accept(lexer, "smhdw"))
			return false;
		accept(lexer, "s");
	}
	if (!is_alphanumeric(peek(lexer)))
		return true;
	lexer->pos++;
	return false;
}

static Token
lex_number_or_duration(Lexer *lexer)
{
	lexer->mode = LEX_EXPRESSION;
	if (scan_number(lexer))
		return emit(lexer, TOKEN_NUMBER);
	if (scan_rest_of_duration(lexer))
		return emit(lexer, TOKEN_DURATION);
	return fail_at_number(lexer);
}

static bool
starts_number(const Lexer *lexer)
{
	return is_digit(peek(lexer)) || (peek(lexer) == '.' && is_digit(peek_at(lexer, 1)));
}

/* ---- strings ---- */

static int
digit_value(int c)
{
	if (is_digit(c))
		return c - '0';
	if (is_hex_digit(c))
		return lower(c) - 'a' + 10;
	return 16;
}

static bool
fail_escape(Lexer *lexer, const char *format, int32_t rune)
{
	char		name[2 * QUOTED_RUNE_MAX];

	if (rune == RUNE_EOF)
		fail(lexer, "escape sequence not terminated");
	else
		tsdb_fail_at(lexer->error, TSDB_ERR_SYNTAX, lexer->start, lexer->len, format, tsdb_name_rune(name, rune));
	return false;
}

/* The digits of a numeric escape. */
static bool
skip_code_point(Lexer *lexer, int digits, unsigned base, uint32_t max)
{
	uint32_t	value = 0;

	for (int i = 0; i < digits; i++)
	{
		int32_t		rune = next_rune(lexer);
		unsigned	digit = (unsigned) digit_value(rune);

		if (digit >= base)
			return fail_escape(lexer, "illegal character %s in escape sequence", rune);
		value = value * base + digit;
	}
	if (value > max || (value >= 0xd800 && value < 0xe000))
	{
		fail(lexer, "escape sequence is an invalid Unicode code point");
		return false;
	}
	return true;
}

/* After a backslash. */
static bool
skip_escape(Lexer *lexer, int quote)
{
	int32_t		rune = next_rune(lexer);

	if (rune == quote || (rune > 0 && rune < 0x80 && strchr("abfnrtv\\", rune) != NULL))
		return true;
	if (rune >= '0' && rune <= '7')
	{
		lexer->pos--;
		return skip_code_point(lexer, 3, 8, 0xff);
	}
	switch (rune)
	{
		case 'x':
			return skip_code_point(lexer, 2, 16, 0xff);
		case 'u':
			return skip_code_point(lexer, 4, 16, 0x10ffff);
		case 'U':
			return skip_code_point(lexer, 8, 16, 0x10ffff);
		default:
			return fail_escape(lexer, "unknown escape sequence %s", rune);
	}
}

/* Single or double quotes: escapes, and no line break. */
static Token
lex_string(Lexer *lexer)
{
	int			quote = next_rune(lexer);

	for (;;)
	{
		int32_t		rune = next_rune(lexer);

		if (rune == quote)
			return emit(lexer, TOKEN_STRING);
		if (rune == RUNE_EOF || rune == '\n')
			return fail(lexer, "unterminated quoted string");
		if (rune == RUNE_INVALID)
			return fail(lexer, "invalid UTF-8 rune");
		if (rune == '\\' && !skip_escape(lexer, quote))
			return failed(lexer);
	}
}

/* Backquotes: everything up to the next one. */
static Token
lex_raw_string(Lexer *lexer)
{
	lexer->pos++;
	for (;;)
	{
		int32_t		rune = next_rune(lexer);

		if (rune == '`')
			return emit(lexer, TOKEN_STRING);
		if (rune == RUNE_EOF)
			return fail(lexer, "unterminated raw string");
		if (rune == RUNE_INVALID)
			return fail(lexer, "invalid UTF-8 rune");
	}
}

/* ---- words ---- */

static TsdbStr
current_word(const Lexer *lexer)
{
	return (TsdbStr){lexer->text + lexer->start, (size_t) (lexer->pos - lexer->start)};
}

static bool
paren_follows(Lexer *lexer)
{
	int32_t		ahead = 0;

	while (is_space(peek_at(lexer, ahead)))
		ahead++;
	return peek_at(lexer, ahead) == '(';
}

static Token
lex_word(Lexer *lexer)
{
	TokenType	type;

	while (is_alphanumeric(peek(lexer)) || peek(lexer) == ':')
		lexer->pos++;
	type = tsdb_find_keyword(current_word(lexer));
	if ((type == TOKEN_FILL || type == TOKEN_FILL_LEFT || type == TOKEN_FILL_RIGHT) && !paren_follows(lexer))
		type = TOKEN_IDENTIFIER;
	if (type == TOKEN_IDENTIFIER && memchr(lexer->text + lexer->start, ':', (size_t) (lexer->pos - lexer->start)) != NULL)
		type = TOKEN_METRIC_IDENTIFIER;
	return emit(lexer, type);
}

static bool
is_duration_word(TokenType type)
{
	return type == TOKEN_STEP || type == TOKEN_RANGE || type == TOKEN_MAX_OF || type == TOKEN_MIN_OF;
}

/* step, range, min_of and max_of inside brackets; false for any other word. */
static bool
lex_duration_word(Lexer *lexer, Token *token)
{
	TokenType	type;

	while (is_alpha(peek(lexer)))
		lexer->pos++;
	type = tsdb_find_keyword(current_word(lexer));
	if (!is_duration_word(type))
		return false;
	*token = emit(lexer, type);
	return true;
}

/* ---- modes ---- */

static Token
lex_close_paren(Lexer *lexer)
{
	Token		token = emit_bytes(lexer, TOKEN_RIGHT_PAREN, 1);

	if (--lexer->paren_depth < 0)
		return fail_at_rune(lexer, "unexpected right parenthesis", ')');
	return token;
}

static Token
lex_open_paren(Lexer *lexer)
{
	lexer->paren_depth++;
	return emit_bytes(lexer, TOKEN_LEFT_PAREN, 1);
}

static Token
lex_open_bracket(Lexer *lexer)
{
	Token		token;

	if (lexer->in_brackets)
	{
		lexer->pos++;
		return fail_at_rune(lexer, "unexpected left bracket", '[');
	}
	lexer->colon_seen = false;
	token = emit_bytes(lexer, TOKEN_LEFT_BRACKET, 1);
	skip_spaces(lexer);
	lexer->start = lexer->pos;
	lexer->in_brackets = true;
	lexer->mode = LEX_BRACKETS;
	return token;
}

static Token
lex_close_bracket(Lexer *lexer)
{
	if (!lexer->in_brackets)
	{
		lexer->pos++;
		return fail_at_rune(lexer, "unexpected right bracket", ']');
	}
	lexer->in_brackets = false;
	return emit_bytes(lexer, TOKEN_RIGHT_BRACKET, 1);
}

static Token
lex_end(Lexer *lexer)
{
	if (lexer->paren_depth != 0)
		return fail(lexer, "unclosed left parenthesis");
	if (lexer->in_brackets)
		return fail(lexer, "unclosed left bracket");
	return emit(lexer, TOKEN_EOF);
}

/* A letter or a colon behind the first number of brackets. */
static Token
lex_word_in_brackets(Lexer *lexer)
{
	int			first = peek(lexer);
	char		quoted[QUOTED_RUNE_MAX];
	Token		token;

	if (first == ':')
	{
		if (lexer->colon_seen)
			return fail_at_rune(lexer, "unexpected colon", ':');
		lexer->colon_seen = true;
		return emit_bytes(lexer, TOKEN_COLON, 1);
	}
	if (lex_duration_word(lexer, &token))
		return token;
	tsdb_fail_at(lexer->error, TSDB_ERR_SYNTAX, lexer->start, lexer->len, "unexpected character: %s, expected ':'",
				 tsdb_quote_rune(quoted, first));
	return failed(lexer);
}

static Token
lex_assign(Lexer *lexer)
{
	if (peek_at(lexer, 1) == '=')
		return emit_bytes(lexer, TOKEN_EQUAL, 2);
	if (peek_at(lexer, 1) == '~')
		return fail_at_rune(lexer, "unexpected character after '=':", '~');
	return emit_bytes(lexer, TOKEN_ASSIGN, 1);
}

static Token
lex_not(Lexer *lexer)
{
	if (peek_at(lexer, 1) == '=')
		return emit_bytes(lexer, TOKEN_NOT_EQUAL, 2);
	lexer->pos++;
	return fail_at_rune(lexer, "unexpected character after '!':", next_rune(lexer));
}

/* < > and what may follow them: = or / */
static Token
lex_comparison(Lexer *lexer, TokenType plain, TokenType with_equal, TokenType with_slash)
{
	if (peek_at(lexer, 1) == '=')
		return emit_bytes(lexer, with_equal, 2);
	if (peek_at(lexer, 1) == '/')
		return emit_bytes(lexer, with_slash, 2);
	return emit_bytes(lexer, plain, 1);
}

/* What reads the same in and out of brackets; TOKEN_ERROR for anything else. */
static TokenType
arithmetic_operator(int c)
{
	static const char bytes[] = "+-*/%^,";
	static const TokenType types[] =
	{
		TOKEN_ADD, TOKEN_SUB, TOKEN_MUL, TOKEN_DIV, TOKEN_MOD, TOKEN_POW, TOKEN_COMMA
	};
	const char *found = c > 0 ? strchr(bytes, c) : NULL;

	return found != NULL ? types[found - bytes] : TOKEN_ERROR;
}

static Token
lex_expression(Lexer *lexer)
{
	int			c = peek(lexer);

	if (arithmetic_operator(c) != TOKEN_ERROR)
		return emit_bytes(lexer, arithmetic_operator(c), 1);
	if (starts_number(lexer))
		return lex_number_or_duration(lexer);
	if (is_alpha(c) || c == ':')
		return lexer->in_brackets ? lex_word_in_brackets(lexer) : lex_word(lexer);
	switch (c)
	{
		case RUNE_EOF:
			return lex_end(lexer);
		case '=':
			return lex_assign(lexer);
		case '!':
			return lex_not(lexer);
		case '<':
			return lex_comparison(lexer, TOKEN_LESS, TOKEN_LESS_EQUAL, TOKEN_TRIM_UPPER);
		case '>':
			return lex_comparison(lexer, TOKEN_GREATER, TOKEN_GREATER_EQUAL, TOKEN_TRIM_LOWER);
		case '@':
			return emit_bytes(lexer, TOKEN_AT, 1);
		case '"':
		case '\'':
			return lex_string(lexer);
		case '`':
			return lex_raw_string(lexer);
		case '(':
			return lex_open_paren(lexer);
		case ')':
			return lex_close_paren(lexer);
		case '{':
			lexer->mode = LEX_BRACES;
			return emit_bytes(lexer, TOKEN_LEFT_BRACE, 1);
		case '[':
			return lex_open_bracket(lexer);
		case ']':
			return lex_close_bracket(lexer);
		default:
			return fail_at_rune(lexer, "unexpected character:", next_rune(lexer));
	}
}

static Token
lex_not_in_braces(Lexer *lexer)
{
	if (peek_at(lexer, 1) == '=')
		return emit_bytes(lexer, TOKEN_NOT_EQUAL, 2);
	if (peek_at(lexer, 1) == '~')
		return emit_bytes(lexer, TOKEN_MATCH_NOT_REGEX, 2);
	lexer->pos++;
	return fail_at_rune(lexer, "unexpected character after '!' inside braces:", next_rune(lexer));
}

static Token
lex_braces(Lexer *lexer)
{
	int			c = peek(lexer);

	if (is_alpha(c))
	{
		while (is_alphanumeric(peek(lexer)))
			lexer->pos++;
		return emit(lexer, TOKEN_IDENTIFIER);
	}
	switch (c)
	{
		case RUNE_EOF:
			return fail(lexer, "unexpected end of input inside braces");
		case ',':
			return emit_bytes(lexer, TOKEN_COMMA, 1);
		case '"':
		case '\'':
			return lex_string(lexer);
		case '`':
			return lex_raw_string(lexer);
		case '=':
			if (peek_at(lexer, 1) == '~')
				return emit_bytes(lexer, TOKEN_MATCH_REGEX, 2);
			return emit_bytes(lexer, TOKEN_ASSIGN, 1);
		case '!':
			return lex_not_in_braces(lexer);
		case '{':
			return fail_at_rune(lexer, "unexpected left brace", '{');
		case '}':
			lexer->mode = LEX_EXPRESSION;
			return emit_bytes(lexer, TOKEN_RIGHT_BRACE, 1);
		default:
			return fail_at_rune(lexer, "unexpected character inside braces:", next_rune(lexer));
	}
}

static Token
lex_colon_in_brackets(Lexer *lexer)
{
	Token		token = emit_bytes(lexer, TOKEN_COLON, 1);

	if (!lexer->duration_seen)
		return fail(lexer, "unexpected colon before duration in duration expression");
	if (lexer->colon_seen)
		return fail(lexer, "unexpected repeated colon in duration expression");
	lexer->colon_seen = true;
	return token;
}

static Token
lex_brackets(Lexer *lexer)
{
	int32_t		c = peek(lexer);
	Token		token;

	if (arithmetic_operator(c) != TOKEN_ERROR)
		return emit_bytes(lexer, arithmetic_operator(c), 1);
	if (starts_number(lexer))
	{
		lexer->duration_seen = true;
		return lex_number_or_duration(lexer);
	}
	switch (c)
	{
		case RUNE_EOF:
			return fail(lexer, "unexpected end of input in duration expression");
		case ']':
			lexer->in_brackets = false;
			lexer->colon_seen = false;
			lexer->mode = LEX_EXPRESSION;
			return emit_bytes(lexer, TOKEN_RIGHT_BRACKET, 1);
		case ':':
			return lex_colon_in_brackets(lexer);
		case '(':
			return lex_open_paren(lexer);
		case ')':
			return lex_close_paren(lexer);
		default:
			if (is_alpha(c) && lex_duration_word(lexer, &token))
				return token;
			if (!is_alpha(c))
				c = next_rune(lexer);
			return fail_at_rune(lexer, "unexpected character in duration expression:", c);
	}
}

/* ---- entry ---- */

void
tsdb_lexer_init(Lexer *lexer, TsdbStr query, TsdbError *error)
{
	memset(lexer, 0, sizeof(*lexer));
	lexer->text = query.data;
	lexer->len = (int32_t) query.len;
	lexer->error = error;
}

/* Spaces, and comments up to the end of their line.  Right behind a bracket there are no comments. */
static void
skip_blanks(Lexer *lexer)
{
	for (;;)
	{
		skip_spaces(lexer);
		if (peek(lexer) != '#' || lexer->mode == LEX_BRACKETS)
			break;
		while (peek(lexer) != RUNE_EOF && peek(lexer) != '\n' && peek(lexer) != '\r')
			lexer->pos++;
	}
	lexer->start = lexer->pos;
}

Token
tsdb_lexer_next(Lexer *lexer)
{
	skip_blanks(lexer);
	switch (lexer->mode)
	{
		case LEX_BRACES:
			return lex_braces(lexer);
		case LEX_BRACKETS:
			return lex_brackets(lexer);
		default:
			return lex_expression(lexer);
	}
}
