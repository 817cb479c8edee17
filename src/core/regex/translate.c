/*
 * translate.c
 *		RE2 syntax (https://github.com/google/re2/wiki/Syntax, as Go's
 *		regexp/syntax has it) to PCRE2 syntax.
 *
 * The two agree on nearly everything that RE2 has.  Differences handled here:
 * \v is one character in RE2 and a class in PCRE2, \s has no vertical tab, (?
 * opens only groups and the flags imsU, repeats end at 1000, and PCRE2's own
 * constructs are refused.
 */
#include "core/regex/regex_internal.h"

#define MAX_REPEAT 1000

typedef struct Translator
{
	TsdbBuffer *out;
	TsdbStr		pattern;
	size_t		at;
	bool		after_repeat;	/* the last thing was *, +, ?, {n} with its optional ? */
	TsdbError  *error;
} Translator;

static TsdbStatus
fail(Translator *t, size_t start, size_t len, const char *what)
{
	if (len > t->pattern.len - start)
		len = t->pattern.len - start;
	tsdb_fail(t->error, TSDB_ERR_SYNTAX, "error parsing regexp: %s: `%.*s`", what, (int) len, t->pattern.data + start);
	tsdb_error_hint(t->error, "Regular expressions have the syntax of RE2.");
	return t->error->code;
}

static char
peek(const Translator *t, size_t ahead)
{
	return t->at + ahead < t->pattern.len ? t->pattern.data[t->at + ahead] : '\0';
}

static void
copy(Translator *t, size_t n)
{
	tsdb_buffer_append(t->out, t->pattern.data + t->at, n);
	t->at += n;
}

/* \Q...\E: the end is optional */
static void
quoted_run(Translator *t)
{
	size_t		end = t->at + 2;

	while (end < t->pattern.len && !(t->pattern.data[end] == '\\' && end + 1 < t->pattern.len && t->pattern.data[end + 1] == 'E'))
		end++;
	t->at += 2;
	while (t->at < end)
	{
		char		c = t->pattern.data[t->at];

		if (strchr("\\^$.|?*+()[]{}-", c) != NULL && c != '\0')
			tsdb_buffer_u8(t->out, '\\');
		copy(t, 1);
	}
	if (t->at < t->pattern.len)
		t->at += 2;
}

static TsdbStatus
escape(Translator *t, bool in_class)
{
	char		c = peek(t, 1);

	if (t->at + 1 >= t->pattern.len)
		return fail(t, t->at, 1, "trailing backslash at end of expression");
	if (c == 'v')
	{
		tsdb_buffer_append(t->out, "\\x0b", 4);
		t->at += 2;
	}
	else if (c == 's' || (c == 'S' && !in_class))
	{
		tsdb_buffer_printf(t->out, in_class ? "\\t\\n\\f\\r " : c == 's' ? "[\\t\\n\\f\\r ]" : "[^\\t\\n\\f\\r ]");
		t->at += 2;
	}
	else if (c == 'Q')
		quoted_run(t);
	else if (c == 'E')
		t->at += 2;
	else if (c >= '1' && c <= '7' && !(peek(t, 2) >= '0' && peek(t, 2) <= '7'))
		return fail(t, t->at, 2, "invalid escape sequence");
	else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '8' && c <= '9'))
	{
		if (strchr("aftnrxdDwWpPSB", c) == NULL && (in_class || strchr("bAz", c) == NULL))
			return fail(t, t->at, 2, "invalid escape sequence");
		copy(t, 2);
		if (strchr("xpP", c) != NULL && peek(t, 0) == '{')
			while (t->at < t->pattern.len && t->out->data[t->out->len - 1] != '}')
				copy(t, 1);
	}
	else if (c >= '0' && c <= '7')
		copy(t, 2);
	else if ((unsigned char) c < 0x80)
	{
		/* punctuation stands for itself */
		copy(t, 2);
	}
	else
		return fail(t, t->at, 2, "invalid escape sequence");
	return TSDB_OK;
}

static TsdbStatus
character_class(Translator *t)
{
	size_t		start = t->at;

	copy(t, 1);
	if (peek(t, 0) == '^')
		copy(t, 1);
	if (peek(t, 0) == ']')
	{
		tsdb_buffer_u8(t->out, '\\');
		copy(t, 1);
	}
	while (t->at < t->pattern.len && peek(t, 0) != ']')
	{
		if (peek(t, 0) == '\\')
		{
			if (escape(t, true) != TSDB_OK)
				return t->error->code;
		}
		else if (peek(t, 0) == '[' && peek(t, 1) == ':')
		{
			size_t		end = t->at + 2;

			while (end + 1 < t->pattern.len && !(t->pattern.data[end] == ':' && t->pattern.data[end + 1] == ']'))
				end++;
			if (end + 1 < t->pattern.len)
				copy(t, end + 2 - t->at);
			else
			{
				tsdb_buffer_u8(t->out, '\\');
				copy(t, 1);
			}
		}
		else
		{
			/* PCRE2 reads [. and [= as POSIX constructs it does not support */
			if (peek(t, 0) == '[')
				tsdb_buffer_u8(t->out, '\\');
			copy(t, 1);
		}
	}
	if (t->at >= t->pattern.len)
		return fail(t, start, t->pattern.len - start, "missing closing ]");
	copy(t, 1);
	return TSDB_OK;
}

/* (?:  (?P<name>  (?<name>  (?flags)  (?flags:  -- and nothing else behind (? */
static TsdbStatus
group(Translator *t)
{
	size_t		start = t->at;
	size_t		end;

	if (peek(t, 1) == '*')
		return fail(t, start + 1, 1, "missing argument to repetition operator");
	if (peek(t, 1) != '?')
	{
		copy(t, 1);
		return TSDB_OK;
	}
	if ((peek(t, 2) == 'P' && peek(t, 3) == '<') || (peek(t, 2) == '<' && peek(t, 3) != '=' && peek(t, 3) != '!'))
	{
		copy(t, peek(t, 2) == 'P' ? 4 : 3);
		return TSDB_OK;
	}
	for (end = start + 2; end < t->pattern.len && strchr("imsU-", t->pattern.data[end]) != NULL && t->pattern.data[end] != '\0'; end++)
		;
	if (end >= t->pattern.len || (t->pattern.data[end] != ':' && (t->pattern.data[end] != ')' || end == start + 2)))
		return fail(t, start, end + 1 - start, "invalid or unsupported Perl syntax");
	copy(t, end + 1 - start);
	return TSDB_OK;
}

/* {n}, {n,}, {n,m}: bytes, or 0 where the brace is a plain character */
static size_t
counted_repeat(const Translator *t, int *largest)
{
	size_t		i = 1;
	int			numbers[2] = {-1, -1};

	for (int part = 0; part < 2; part++)
	{
		while (peek(t, i) >= '0' && peek(t, i) <= '9')
		{
			int			value = numbers[part] < 0 ? 0 : numbers[part];

			numbers[part] = value > MAX_REPEAT ? value : value * 10 + (peek(t, i) - '0');
			i++;
		}
		if (part == 0 && numbers[0] < 0)
			return 0;
		if (part == 0 && peek(t, i) == ',')
			i++;
		else
			break;
	}
	if (peek(t, i) != '}')
		return 0;
	*largest = numbers[1] > numbers[0] ? numbers[1] : numbers[0];
	return i + 1;
}

static TsdbStatus
repeat(Translator *t)
{
	size_t		start = t->at;
	size_t		len = 1;

	if (peek(t, 0) == '{')
	{
		int			largest = 0;

		len = counted_repeat(t, &largest);
		if (len == 0)
		{
			tsdb_buffer_u8(t->out, '\\');
			copy(t, 1);
			t->after_repeat = false;
			return TSDB_OK;
		}
		if (largest > MAX_REPEAT)
			return fail(t, start, len, "invalid repeat count");
	}
	/* a** is an error in RE2, and a++ would be possessive in PCRE2 */
	if (t->after_repeat)
		return fail(t, start, len, "invalid nested repetition operator");
	copy(t, len);
	if (peek(t, 0) == '?')
		copy(t, 1);
	t->after_repeat = true;
	return TSDB_OK;
}

static TsdbStatus
element(Translator *t)
{
	switch (peek(t, 0))
	{
		case '\\':
			return escape(t, false);
		case '[':
			return character_class(t);
		case '(':
			return group(t);
		default:
			copy(t, 1);
			return TSDB_OK;
	}
}

TsdbStatus
tsdb_regex_translate(TsdbBuffer *out, TsdbStr pattern, TsdbError *error)
{
	Translator	t = {.out = out, .pattern = pattern, .error = error};

	while (t.at < pattern.len)
	{
		char		c = pattern.data[t.at];
		bool		repeats = c == '*' || c == '+' || c == '?' || c == '{';
		TsdbStatus	status = repeats ? repeat(&t) : element(&t);

		if (status != TSDB_OK)
			return status;
		if (!repeats)
			t.after_repeat = false;
	}
	return TSDB_OK;
}
