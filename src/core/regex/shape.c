/*
 * shape.c
 *		Patterns that need no regular expression engine.
 *
 * Most patterns in dashboards are a literal, a few alternatives, a prefix or
 * .*; comparing strings is some hundred times cheaper than running them, and an
 * index can look the strings up.
 */
#include "core/regex/regex_internal.h"

/* Reads literal characters up to something with a meaning; \. and its like are literals.  They go to `text`. */
static TsdbStr
literal_run(char *text, TsdbStr pattern, size_t *at)
{
	size_t		len = 0;

	while (*at < pattern.len)
	{
		char		c = pattern.data[*at];
		size_t		bytes = 1;
		char		next;

		if (c == '\\')
		{
			next = *at + 1 < pattern.len ? pattern.data[*at + 1] : 'a';
			if ((unsigned char) next >= 0x80 || next == '_' || (next >= '0' && next <= '9') ||
				(next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z'))
				break;
			c = next;
			bytes = 2;
		}
		else if (c == '\0' || strchr("^$.|?*+()[]{}", c) != NULL)
			break;
		next = *at + bytes < pattern.len ? pattern.data[*at + bytes] : '\0';
		/* the last character belongs to the repeat behind it; so would the last byte of a longer one */
		if (next != '\0' && strchr("?*+{", next) != NULL)
		{
			while ((unsigned char) c >= 0x80 && (unsigned char) c < 0xc0 && len > 0)
			{
				c = text[--len];
				--*at;
			}
			break;
		}
		text[len++] = c;
		*at += bytes;
	}
	return (TsdbStr){text, len};
}

static bool
take(TsdbStr pattern, size_t *at, const char *word)
{
	size_t		len = strlen(word);

	if (pattern.len - *at < len || memcmp(pattern.data + *at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Removes one pair of parentheses around the whole pattern. */
static TsdbStr
unwrap(TsdbStr pattern)
{
	size_t		open = 0;

	if (!take(pattern, &open, "(?:") && !take(pattern, &open, "("))
		return pattern;
	if (open < pattern.len && pattern.data[open] == '?')
		return pattern;
	for (size_t i = open; i < pattern.len; i++)
		if (pattern.data[i] == '(' || pattern.data[i] == '[' || pattern.data[i] == '\\' ||
			(pattern.data[i] == ')' && i + 1 < pattern.len))
			return pattern;
	if (pattern.data[pattern.len - 1] != ')')
		return pattern;
	return (TsdbStr){pattern.data + open, pattern.len - 1 - open};
}

static size_t
sort_unique(TsdbStr *strings, size_t n)
{
	size_t		kept = 0;

	/* insertion sort with a binary search: patterns list tens of strings, in order more often than not */
	for (size_t i = 0; i < n; i++)
	{
		TsdbStr		next = strings[i];
		size_t		low = 0;
		size_t		high = kept;

		while (low < high)
		{
			size_t		middle = (low + high) / 2;

			if (tsdb_str_compare(strings[middle], next) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		if (low < kept && tsdb_str_equal(strings[low], next))
			continue;
		memmove(&strings[low + 1], &strings[low], (kept - low) * sizeof(TsdbStr));
		strings[low] = next;
		kept++;
	}
	return kept;
}

static bool
alternatives(TsdbArena *arena, TsdbStr pattern, TsdbStr **strings, size_t *n)
{
	size_t		at = 0;
	size_t		count = 1;
	TsdbStr    *found;
	char	   *texts;

	for (size_t i = 0; i < pattern.len; i++)
		count += pattern.data[i] == '|';
	if (count > 1000)
		return false;
	found = TSDB_NEW_ARRAY(arena, TsdbStr, count);
	texts = tsdb_alloc(arena, pattern.len);
	for (*n = 0;; (*n)++)
	{
		found[*n] = literal_run(texts, pattern, &at);
		texts += found[*n].len;
		if (at == pattern.len)
			break;
		if (pattern.data[at++] != '|')
			return false;
	}
	*n = sort_unique(found, *n + 1);
	*strings = found;
	return true;
}

RegexShape
tsdb_regex_shape(TsdbArena *arena, TsdbStr pattern, TsdbStr **strings, size_t *n)
{
	size_t		at = 0;
	bool		leading;
	TsdbStr    *one;

	pattern = unwrap(pattern);
	if (alternatives(arena, pattern, strings, n))
		return SHAPE_ALTERNATIVES;
	one = TSDB_NEW(arena, TsdbStr);
	*strings = one;
	*n = 1;
	leading = take(pattern, &at, ".*");
	if (leading && at == pattern.len)
		return SHAPE_ANY;
	if (take(pattern, &at, ".+") && at == pattern.len && !leading)
		return SHAPE_NOT_EMPTY;
	at = leading ? 2 : 0;
	*one = literal_run(tsdb_alloc(arena, pattern.len - at), pattern, &at);
	if (one->len > 0)
	{
		size_t		end = at;

		if (leading && at == pattern.len)
			return SHAPE_SUFFIX;
		if (take(pattern, &end, ".*") && end == pattern.len)
			return leading ? SHAPE_CONTAINS : SHAPE_PREFIX;
		end = at;
		if (!leading && take(pattern, &end, ".+") && end == pattern.len)
			return SHAPE_PREFIX_MORE;
	}
	/* with a | somewhere a prefix of the first branch says nothing of the others */
	if (leading || memchr(pattern.data, '|', pattern.len) != NULL)
		one->len = 0;
	return SHAPE_GENERAL;
}
