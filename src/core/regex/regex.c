/*
 * regex.c
 *		Regular expressions with RE2 meaning on PCRE2.
 *
 * PCRE2 backtracks, so a match limit takes the place of RE2's linear time: a
 * pattern that hits it does not match, and the caller can ask.  No JIT: its code
 * pages are not arena memory, and an abandoned frame would leak them.
 */
#include "core/regex/regex_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_LIMIT 1000000		/* steps of one match, about 10 ms */
#define HEAP_LIMIT_KB 4096
#define MAX_PATTERN_BYTES 65536

struct TsdbRegex
{
	RegexShape	shape;
	TsdbStr    *strings;
	size_t		n_strings;
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	bool	   *limit_hit;
};

static void *
arena_malloc(PCRE2_SIZE size, void *arena)
{
	return tsdb_alloc(arena, size);
}

static void
arena_keeps(void *object, void *arena)
{
	(void) object;
	(void) arena;
}

/* Go's words where it has the same error, PCRE2's where not. */
static const char *
words_of(int code, PCRE2_UCHAR *text, size_t size)
{
	switch (code)
	{
		case PCRE2_ERROR_CLASS_RANGE_ORDER:
		case PCRE2_ERROR_CLASS_INVALID_RANGE:
		case PCRE2_ERROR_UNKNOWN_POSIX_CLASS:
		case PCRE2_ERROR_UNKNOWN_UNICODE_PROPERTY:
		case PCRE2_ERROR_MALFORMED_UNICODE_PROPERTY:
			return "invalid character class range";
		case PCRE2_ERROR_CODE_POINT_TOO_BIG:
			return "invalid escape sequence";
		case PCRE2_ERROR_INVALID_SUBPATTERN_NAME:
		case PCRE2_ERROR_SUBPATTERN_NAME_TOO_LONG:
			return "invalid named capture";
		default:
			pcre2_get_error_message(code, text, size);
			return (const char *) text;
	}
}

static TsdbStatus
compile(TsdbArena *arena, TsdbRegex *regex, TsdbStr pattern, TsdbError *error)
{
	const uint32_t options = PCRE2_UTF | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
		PCRE2_NEVER_BACKSLASH_C | PCRE2_DUPNAMES;
	pcre2_general_context *general = pcre2_general_context_create(arena_malloc, arena_keeps, arena);
	TsdbBuffer	translated;
	PCRE2_UCHAR text[128];
	PCRE2_SIZE	offset;
	int			code;

	tsdb_buffer_init(&translated, arena, pattern.len + 16);
	if (tsdb_regex_translate(&translated, pattern, error) != TSDB_OK)
		return error->code;
	regex->code = pcre2_compile(translated.data, translated.len, options, &code, &offset,
								pcre2_compile_context_create(general));
	if (regex->code == NULL)
		return tsdb_fail(error, TSDB_ERR_SYNTAX, "error parsing regexp: %s: `%.*s`", words_of(code, text, sizeof(text)),
						 (int) (pattern.len < 200 ? pattern.len : tsdb_utf8_valid_prefix(pattern.data, 200)), pattern.data);
	regex->match = pcre2_match_data_create_from_pattern(regex->code, general);
	regex->context = pcre2_match_context_create(general);
	pcre2_set_match_limit(regex->context, MATCH_LIMIT);
	pcre2_set_heap_limit(regex->context, HEAP_LIMIT_KB);
	return TSDB_OK;
}

TsdbStatus
tsdb_regex_compile(TsdbArena *arena, TsdbStr pattern, TsdbRegex **result, TsdbError *error)
{
	TsdbRegex  *regex = TSDB_NEW(arena, TsdbRegex);

	if (pattern.len > MAX_PATTERN_BYTES)
		return tsdb_fail(error, TSDB_ERR_LIMIT, "regular expression of %zu bytes is longer than %d", pattern.len,
						 MAX_PATTERN_BYTES);
	if (!tsdb_utf8_is_valid(pattern))
		return tsdb_fail(error, TSDB_ERR_ENCODING, "regular expression is not valid UTF-8");
	regex->limit_hit = TSDB_NEW(arena, bool);
	if (compile(arena, regex, pattern, error) != TSDB_OK)
		return error->code;
	regex->shape = tsdb_regex_shape(arena, pattern, &regex->strings, &regex->n_strings);
	*result = regex;
	return TSDB_OK;
}

static bool
run(const TsdbRegex *regex, TsdbStr text)
{
	int			n = pcre2_match(regex->code, (PCRE2_SPTR) (text.len > 0 ? text.data : ""), text.len, 0, 0, regex->match,
								regex->context);

	if (n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_HEAPLIMIT || n == PCRE2_ERROR_DEPTHLIMIT)
		*regex->limit_hit = true;
	return n >= 0;
}

static bool
is_alternative(const TsdbRegex *regex, TsdbStr text)
{
	size_t		low = 0;
	size_t		high = regex->n_strings;

	while (low < high)
	{
		size_t		middle = (low + high) / 2;
		int			order = tsdb_str_compare(regex->strings[middle], text);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool
starts_with(TsdbStr text, TsdbStr prefix)
{
	return text.len >= prefix.len && memcmp(text.data, prefix.data, prefix.len) == 0;
}

static bool
contains(TsdbStr text, TsdbStr part)
{
	for (const char *at = text.data; (size_t) (text.data + text.len - at) >= part.len; at++)
	{
		at = memchr(at, part.data[0], (size_t) (text.data + text.len - at) - part.len + 1);
		if (at == NULL)
			return false;
		if (memcmp(at, part.data, part.len) == 0)
			return true;
	}
	return false;
}

bool
tsdb_regex_matches(const TsdbRegex *regex, TsdbStr text)
{
	TsdbStr		one = regex->n_strings > 0 ? regex->strings[0] : (TsdbStr){NULL, 0};

	switch (regex->shape)
	{
		case SHAPE_ALTERNATIVES:
			return is_alternative(regex, text);
		case SHAPE_ANY:
			return true;
		case SHAPE_NOT_EMPTY:
			return text.len > 0;
		case SHAPE_PREFIX:
			return starts_with(text, one);
		case SHAPE_PREFIX_MORE:
			return text.len > one.len && starts_with(text, one);
		case SHAPE_SUFFIX:
			return text.len >= one.len && memcmp(text.data + text.len - one.len, one.data, one.len) == 0;
		case SHAPE_CONTAINS:
			return contains(text, one);
		case SHAPE_GENERAL:
			break;
	}
	if (one.len > 0 && !starts_with(text, one))
		return false;
	return run(regex, text);
}

bool
tsdb_regex_limit_hit(const TsdbRegex *regex)
{
	return *regex->limit_hit;
}

static void
append_group(const TsdbRegex *regex, TsdbStr text, const char *name, size_t len, TsdbBuffer *result)
{
	PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(regex->match);
	uint32_t	groups = pcre2_get_ovector_count(regex->match);
	uint32_t	number = 0;
	bool		digits = true;
	char		terminated[128];

	for (size_t i = 0; i < len; i++)
	{
		/* a number begins with no zero, other than the whole match */
		digits = digits && name[i] >= '0' && name[i] <= '9' && (i == 0 || name[0] != '0');
		if (digits && number < 1000000)
			number = number * 10 + (uint32_t) (name[i] - '0');
	}
	if (!digits)
	{
		int			found;

		if (len >= sizeof(terminated))
			return;
		memcpy(terminated, name, len);
		terminated[len] = '\0';
		found = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR) terminated);
		if (found < 0)
			return;
		number = (uint32_t) found;
	}
	if (number < groups && offsets[2 * number] != PCRE2_UNSET)
		tsdb_buffer_append(result, text.data + offsets[2 * number], offsets[2 * number + 1] - offsets[2 * number]);
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Letters and digits of any script, though groups have ASCII names only; the rare case is left to PCRE2. */
static size_t
name_length(TsdbArena *arena, const char *text, size_t len)
{
	static const char word[] = "[\\p{L}\\p{Nd}_]*";
	pcre2_general_context *general;
	pcre2_match_data *match;
	pcre2_code *code;
	PCRE2_SIZE	offset;
	size_t		n = 0;
	int			error;

	while (n < len && is_word(text[n]))
		n++;
	if (n == len || (unsigned char) text[n] < 0x80)
		return n;
	general = pcre2_general_context_create(arena_malloc, arena_keeps, arena);
	code = pcre2_compile((PCRE2_SPTR) word, sizeof(word) - 1, PCRE2_UTF | PCRE2_ANCHORED, &error, &offset,
						 pcre2_compile_context_create(general));
	match = pcre2_match_data_create_from_pattern(code, general);
	if (pcre2_match(code, (PCRE2_SPTR) text, len, 0, 0, match, NULL) < 0)
		return n;				/* not UTF-8 */
	return pcre2_get_ovector_pointer(match)[1];
}

/* Go's regexp.Expand: $name takes the longest name, ${name} is exact, $$ is a dollar, anything else a plain dollar. */
static void
expand(const TsdbRegex *regex, TsdbStr text, TsdbStr template, TsdbBuffer *result)
{
	size_t		at = 0;

	while (at < template.len)
	{
		const char *p = template.data + at;
		size_t		left = template.len - at;
		size_t		len = 0;

		if (*p != '$' || left == 1)
		{
			tsdb_buffer_u8(result, (uint8_t) *p);
			at++;
		}
		else if (p[1] == '$')
		{
			tsdb_buffer_u8(result, '$');
			at += 2;
		}
		else if (p[1] == '{')
		{
			len = name_length(result->arena, p + 2, left - 2);
			if (len > 0 && 2 + len < left && p[2 + len] == '}')
			{
				append_group(regex, text, p + 2, len, result);
				at += len + 3;
			}
			else
			{
				tsdb_buffer_u8(result, '$');
				at++;
			}
		}
		else
		{
			len = name_length(result->arena, p + 1, left - 1);
			if (len > 0)
				append_group(regex, text, p + 1, len, result);
			else
				tsdb_buffer_u8(result, '$');
			at += len + 1;
		}
	}
}

bool
tsdb_regex_replace(const TsdbRegex *regex, TsdbStr text, TsdbStr replacement, TsdbBuffer *result)
{
	if (text.len == 0)
		text.data = "";			/* groups are offsets from it */
	if (!run(regex, text))
		return false;
	expand(regex, text, replacement, result);
	return true;
}

const TsdbStr *
tsdb_regex_alternatives(const TsdbRegex *regex, size_t *n)
{
	*n = regex->shape == SHAPE_ALTERNATIVES ? regex->n_strings : 0;
	return regex->strings;
}

TsdbStr
tsdb_regex_prefix(const TsdbRegex *regex)
{
	if (regex->shape == SHAPE_PREFIX || regex->shape == SHAPE_PREFIX_MORE || regex->shape == SHAPE_GENERAL)
		return regex->strings[0];
	return (TsdbStr){NULL, 0};
}
