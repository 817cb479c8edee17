/*
 * literals.c
 *		Values of number, duration and string literals.
 *
 * Numbers are Go's: a leading 0 makes an octal integer where all digits allow
 * it, 0x a hexadecimal one, underscores may separate digits.
 */
#include "core/promql/parser_internal.h"

#include <math.h>

#define NANOSECONDS INT64_C(1000000000)

static const struct
{
	const char *name;
	int			rank;			/* units go from big to small, each at most once */
	uint64_t	nanoseconds;
}			units[] =
{
	{"y", 1, 365 * 86400 * UINT64_C(1000000000)},
	{"w", 2, 7 * 86400 * UINT64_C(1000000000)},
	{"d", 3, 86400 * UINT64_C(1000000000)},
	{"h", 4, 3600 * UINT64_C(1000000000)},
	{"m", 5, 60 * UINT64_C(1000000000)},
	{"s", 6, UINT64_C(1000000000)},
	{"ms", 7, UINT64_C(1000000)},
};

/* ---- numbers ---- */

/* -1 for anything that is no digit of any base. */
static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static bool
is_hexadecimal(TsdbStr text)
{
	return text.len > 1 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x';
}

/* Each underscore stands between two digits, where the prefix 0x counts as a digit. */
static bool
underscores_are_valid(TsdbStr text)
{
	bool		hex = is_hexadecimal(text);
	bool		after_digit = hex;

	for (size_t i = hex ? 2 : 0; i < text.len; i++)
	{
		int			digit = digit_of(text.data[i]);
		bool		is_digit = digit >= 0 && (hex || digit < 10);

		if (text.data[i] == '_' && !after_digit)
			return false;
		if (i > 0 && text.data[i - 1] == '_' && !is_digit)
			return false;
		after_digit = is_digit;
	}
	return text.len == 0 || text.data[text.len - 1] != '_';
}

static TsdbStr
without_underscores(TsdbArena *arena, TsdbStr text)
{
	char	   *copy = tsdb_alloc(arena, text.len);
	size_t		n = 0;

	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '_')
			copy[n++] = text.data[i];
	return (TsdbStr){copy, n};
}

/* False when the text is no integer, or none of 63 bits. */
static bool
parse_integer(TsdbStr digits, double *value)
{
	bool		hex = is_hexadecimal(digits);
	uint64_t	base = hex ? 16 : digits.len > 1 && digits.data[0] == '0' ? 8 : 10;
	uint64_t	sum = 0;

	if (digits.len <= (hex ? 2 : 0))
		return false;
	for (size_t i = hex ? 2 : 0; i < digits.len; i++)
	{
		int			digit = digit_of(digits.data[i]);

		if (digit < 0 || (uint64_t) digit >= base || sum > (INT64_MAX - (uint64_t) digit) / base)
			return false;
		sum = sum * base + (uint64_t) digit;
	}
	*value = (double) sum;
	return true;
}

static bool
parse_number(Parser *parser, const Token *token, double *value)
{
	TsdbStr		digits = without_underscores(parser->arena, token->text);
	bool		valid = digits.len == token->text.len || underscores_are_valid(token->text);

	*value = 0;
	if (valid && (parse_integer(digits, value) || tsdb_parse_double(digits, value)))
		return true;
	return tsdb_parser_fail(parser, token_range(token), "error parsing number: strconv.ParseFloat: parsing %s: %s",
							tsdb_parser_quote(parser, token->text),
							isinf(*value) ? "value out of range" : "invalid syntax");
}

/* ---- durations ---- */

/* Consumes the unit at the front, up to the next digit: its index, or -1 when there is no such unit. */
static int
take_unit(TsdbStr *text, TsdbStr *unit)
{
	size_t		len = 0;
	int			found = -1;

	while (len < text->len && !(text->data[len] >= '0' && text->data[len] <= '9'))
		len++;
	*unit = (TsdbStr){text->data, len};
	for (size_t i = 0; i < TSDB_COUNT(units); i++)
		if (tsdb_str_equal(*unit, tsdb_str(units[i].name)))
			found = (int) i;
	text->data += len;
	text->len -= len;
	return found;
}

/* Digits at the front; false when there are none or too many. */
static bool
take_count(TsdbStr *text, uint64_t *count)
{
	size_t		len = 0;

	*count = 0;
	for (; len < text->len && text->data[len] >= '0' && text->data[len] <= '9'; len++)
	{
		uint64_t	digit = (uint64_t) (text->data[len] - '0');

		if (*count > (UINT64_MAX - digit) / 10)
			return false;
		*count = *count * 10 + digit;
	}
	text->data += len;
	text->len -= len;
	return len > 0;
}

static bool
parse_duration(Parser *parser, const Token *token, double *seconds)
{
	TsdbRange	range = token_range(token);
	TsdbStr		rest = token->text;
	const char *quoted = tsdb_parser_quote(parser, token->text);
	uint64_t	sum = 0;
	int			last_rank = 0;

	while (rest.len > 0)
	{
		uint64_t	count;
		TsdbStr		unit_text;
		int			unit;

		if (!take_count(&rest, &count) || rest.len == 0)
			return tsdb_parser_fail(parser, range, "not a valid duration string: %s", quoted);
		unit = take_unit(&rest, &unit_text);
		if (unit < 0)
			return tsdb_parser_fail(parser, range, "unknown unit %s in duration %s",
									tsdb_parser_quote(parser, unit_text), quoted);
		if (units[unit].rank <= last_rank)
			return tsdb_parser_fail(parser, range, "not a valid duration string: %s", quoted);
		last_rank = units[unit].rank;
		if (count > (UINT64_C(1) << 63) / units[unit].nanoseconds)
			return tsdb_parser_fail(parser, range, "duration out of range");
		sum += count * units[unit].nanoseconds;
		if (sum > INT64_MAX)
			return tsdb_parser_fail(parser, range, "duration out of range");
	}
	*seconds = (double) (sum / NANOSECONDS) + (double) (sum % NANOSECONDS) / 1e9;
	return true;
}

/* The next token is a number or a duration. */
TsdbExpr *
tsdb_parse_number_or_duration(Parser *parser)
{
	Token		token = tsdb_parser_take(parser);
	TsdbExpr   *node = tsdb_parser_node(parser, TSDB_EXPR_NUMBER, token_range(&token));

	node->number.is_duration = token.type == TOKEN_DURATION;
	if (token.type == TOKEN_DURATION)
		return parse_duration(parser, &token, &node->number.value) ? node : NULL;
	return parse_number(parser, &token, &node->number.value) ? node : NULL;
}

/* ---- strings ---- */

static int32_t
take_digits(const char **text, int n, int32_t base)
{
	int32_t		value = 0;

	for (int i = 0; i < n; i++)
		value = value * base + digit_of(*(*text)++);
	return value;
}

/* Writes what an escape stands for; *text is behind the backslash.  \x and octal make bytes, \u and \U code points. */
static size_t
unescape(const char **text, char *out)
{
	static const char letters[] = "abfnrtv";
	static const char controls[] = "\a\b\f\n\r\t\v";
	char		c = *(*text)++;
	const char *letter = strchr(letters, c);

	if (letter != NULL)
		*out = controls[letter - letters];
	else if (c == 'x')
		*out = (char) take_digits(text, 2, 16);
	else if (c == 'u' || c == 'U')
		return tsdb_encode_rune(out, take_digits(text, c == 'u' ? 4 : 8, 16));
	else if (c >= '0' && c <= '7')
	{
		(*text)--;
		*out = (char) take_digits(text, 3, 8);
	}
	else
		*out = c;				/* a backslash or a quote */
	return 1;
}

/*
 * The value of a string token.  The lexer has checked its escapes; none is
 * shorter than what it stands for.
 */
TsdbStr
tsdb_unquote(TsdbArena *arena, TsdbStr literal)
{
	const char *in = literal.data + 1;
	const char *end = literal.data + literal.len - 1;
	char	   *value;
	size_t		n = 0;

	if (*literal.data == '`' || memchr(in, '\\', (size_t) (end - in)) == NULL)
		return (TsdbStr){in, (size_t) (end - in)};
	value = tsdb_alloc(arena, literal.len);
	while (in < end)
	{
		if (*in != '\\')
			value[n++] = *in++;
		else
		{
			in++;
			n += unescape(&in, value + n);
		}
	}
	return (TsdbStr){value, n};
}
