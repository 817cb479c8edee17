/*
 * translate.c
 *		RE2 syntax (https://github.com/google/re2/wiki/Syntax, as Go's
 *		regexp/syntax has it) to PCRE2 syntax.
 *
 * The two agree on nearly everything that RE2 has.  Differences handled here:
 * \v is one character in RE2 and a class in PCRE2, \s has no vertical tab, (?
 * opens only groups and the flags imsU, repeats end at 1000, also ^ and \b can be
 * repeated, and PCRE2's own constructs are refused.
 *
 * Mistakes that people make are found here, too, since PCRE2 words them otherwise
 * than Go and counts bytes of the translation.
 */
#include "core/regex/regex_internal.h"

#define MAX_REPEAT 1000

typedef struct Translator
{
	TsdbBuffer *out;
	TsdbStr		pattern;
	size_t		at;
	size_t		open;			/* groups */
	bool		can_repeat;		/* there is something that a repeat could be of */
	bool		after_repeat;	/* the last thing was *, +, ?, {n} with its optional ? */
	size_t		repeat_start;	/* of that */
	TsdbError  *error;
} Translator;

static TsdbStatus
fail(Translator *t, size_t start, size_t len, const char *what)
{
	if (len > t->pattern.len - start)
		len = t->pattern.len - start;
	while (start + len < t->pattern.len && (t->pattern.data[start + len] & 0xc0) == 0x80)
		len++;					/* whole characters */
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

static TsdbStatus
fail_whole(Translator *t, const char *what)
{
	return fail(t, 0, t->pattern.len, what);
}

static bool
is_hexadecimal(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* \xff with two digits, \x{10ffff} with any */
static TsdbStatus
hexadecimal(Translator *t)
{
	bool		in_braces = peek(t, 2) == '{';
	size_t		digits = in_braces ? 3 : 2;
	size_t		n = 0;

	while (is_hexadecimal(peek(t, digits + n)) && (in_braces || n < 2))
		n++;
	if (in_braces ? n == 0 || peek(t, digits + n) != '}' : n < 2)
		return fail(t, t->at, digits + n + 1, "invalid escape sequence");
	copy(t, digits + n + in_braces);
	return TSDB_OK;
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
		return fail(t, t->at + 1, 0, "trailing backslash at end of expression");
	if (c == 'x')
		return hexadecimal(t);
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
		if (strchr("aftnrdDwWpPSB", c) == NULL && (in_class || strchr("bAz", c) == NULL))
			return fail(t, t->at, 2, "invalid escape sequence");
		copy(t, 2);
		if (strchr("pP", c) != NULL && peek(t, 0) == '{')
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

static bool
is_group_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] != '_' && !(name[i] >= '0' && name[i] <= '9') && !(name[i] >= 'a' && name[i] <= 'z') &&
			!(name[i] >= 'A' && name[i] <= 'Z'))
			return false;
	return len > 0;
}

static TsdbStatus
named_group(Translator *t, size_t name)
{
	const char *start = t->pattern.data + t->at;
	const char *end = memchr(start, '>', t->pattern.len - t->at);

	if (end == NULL)
		return fail(t, t->at, t->pattern.len, "invalid named capture");
	if (!is_group_name(start + name, (size_t) (end - start) - name))
		return fail(t, t->at, (size_t) (end - start) + 1, "invalid named capture");
	copy(t, (size_t) (end - start) + 1);
	t->open++;
	t->can_repeat = false;
	return TSDB_OK;
}

/* (?flags)  (?flags:  with flags to set, and behind a minus some to reset */
static TsdbStatus
flags(Translator *t)
{
	size_t		len = 2;
	bool		resets = false;
	char		c;

	for (; (c = peek(t, len)) != '\0' && strchr("imsU-", c) != NULL; len++)
	{
		if (c == '-' && resets)
			break;
		resets = resets || c == '-';
	}
	if ((c != ':' && c != ')') || peek(t, len - 1) == '-')
		return fail(t, t->at, len + 1, "invalid or unsupported Perl syntax");
	copy(t, len + 1);
	if (c == ')')
		return TSDB_OK;
	t->open++;
	t->can_repeat = false;
	return TSDB_OK;
}

/* (  (?:  (?P<name>  (?<name>  (?flags)  (?flags:  -- and nothing else behind (? */
static TsdbStatus
group(Translator *t)
{
	if (peek(t, 1) == '?')
	{
		if (peek(t, 2) == 'P' && peek(t, 3) == '<')
			return named_group(t, 4);
		return peek(t, 2) == '<' ? named_group(t, 3) : flags(t);
	}
	copy(t, 1);
	t->open++;
	t->can_repeat = false;
	return TSDB_OK;
}

static TsdbStatus
group_end(Translator *t)
{
	if (t->open == 0)
		return fail_whole(t, "unexpected )");
	t->open--;
	t->can_repeat = true;
	copy(t, 1);
	return TSDB_OK;
}

/* ^ $ \b \B \A \z: PCRE2 repeats them only within a group */
static TsdbStatus
assertion(Translator *t, size_t len)
{
	char		next = peek(t, len);
	bool		is_repeated = next != '\0' && strchr("*+?{", next) != NULL;

	if (is_repeated)
		tsdb_buffer_append(t->out, "(?:", 3);
	copy(t, len);
	if (is_repeated)
		tsdb_buffer_u8(t->out, ')');
	t->can_repeat = true;
	return TSDB_OK;
}

/* {n}, {n,}, {n,m}: bytes, or 0 where the brace is a plain character */
static size_t
counted_repeat(const Translator *t, bool *is_valid)
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
	*is_valid = numbers[0] <= MAX_REPEAT && numbers[1] <= MAX_REPEAT && (numbers[1] < 0 || numbers[0] <= numbers[1]);
	return i + 1;
}

static TsdbStatus
repeat(Translator *t)
{
	size_t		start = t->at;
	size_t		len = 1;

	if (peek(t, 0) == '{')
	{
		bool		is_valid = false;

		len = counted_repeat(t, &is_valid);
		if (len == 0)
		{
			tsdb_buffer_u8(t->out, '\\');
			copy(t, 1);
			t->can_repeat = true;
			t->after_repeat = false;
			return TSDB_OK;
		}
		if (!is_valid)
			return fail(t, start, len, "invalid repeat count");
	}
	len += peek(t, len) == '?';
	/* a** is an error in RE2, and a++ would be possessive in PCRE2 */
	if (t->after_repeat)
		return fail(t, t->repeat_start, start + len - t->repeat_start, "invalid nested repetition operator");
	if (!t->can_repeat)
		return fail(t, start, len, "missing argument to repetition operator");
	copy(t, len);
	t->after_repeat = true;
	t->repeat_start = start;
	return TSDB_OK;
}

static TsdbStatus
element(Translator *t)
{
	char		next = peek(t, 1);

	switch (peek(t, 0))
	{
		case '(':
			return group(t);
		case ')':
			return group_end(t);
		case '|':
			t->can_repeat = false;
			copy(t, 1);
			return TSDB_OK;
		case '^':
		case '$':
			return assertion(t, 1);
		case '\\':
			if (next != '\0' && strchr("bBAz", next) != NULL)
				return assertion(t, 2);
			/* an empty quotation is nothing that could be repeated */
			t->can_repeat = t->can_repeat || (next != 'Q' && next != 'E') || (next == 'Q' && peek(t, 2) != '\\');
			return escape(t, false);
		case '[':
			t->can_repeat = true;
			return character_class(t);
		default:
			t->can_repeat = true;
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
	return t.open == 0 ? TSDB_OK : fail_whole(&t, "missing closing )");
}
