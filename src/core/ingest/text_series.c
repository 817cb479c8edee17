/*
 * text_series.c
 *		A series in the text format: its syntax, its labels, and those of its target.
 *
 * text_format.c has the grammar.
 */
#include "core/ingest/text_internal.h"

/* Continues a label name. */
static inline bool
is_name_char(char c)
{
	return (uint8_t) ((c | 0x20) - 'a') < 26 || is_digit(c) || c == '_';
}

static bool
stop(Scanner *scanner, const char *at, const char *problem)
{
	scanner->problem = problem;
	scanner->problem_at = at;
	return false;
}

static inline bool
accept(Scanner *scanner, char c)
{
	if (scanner->p == scanner->end || *scanner->p != c)
		return false;
	scanner->p++;
	return true;
}

TsdbStr
tsdb_text_scan_name(Scanner *scanner, bool colons)
{
	const char *start = scanner->p;

	if (scanner->p < scanner->end && !is_digit(*scanner->p))
		while (scanner->p < scanner->end && (is_name_char(*scanner->p) || (colons && *scanner->p == ':')))
			scanner->p++;
	return (TsdbStr){start, (size_t) (scanner->p - start)};
}

bool
tsdb_text_scan_string(Scanner *scanner, TsdbStr *content)
{
	const char *start = ++scanner->p;

	for (; scanner->p < scanner->end; scanner->p++)
	{
		if (*scanner->p == '"')
		{
			*content = (TsdbStr){start, (size_t) (scanner->p - start)};
			scanner->p++;
			return true;
		}
		if (*scanner->p == '\\' && scanner->p + 1 < scanner->end)
			scanner->p++;
	}
	return stop(scanner, start - 1, "string is not closed");
}

/* Writes at most text.len bytes. */
static size_t
unescape(char *out, TsdbStr text, bool quoted)
{
	size_t		n = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		char		c = text.data[i];
		char		next = i + 1 < text.len ? text.data[i + 1] : '\0';

		if (c == '\\' && (next == '\\' || next == 'n' || (quoted && next == '"')))
		{
			c = next == 'n' ? '\n' : next;
			i++;
		}
		out[n++] = c;
	}
	return n;
}

TsdbStr
tsdb_text_unescape(TsdbArena *arena, TsdbStr text, bool quoted)
{
	char	   *copy;

	if (text.len == 0 || memchr(text.data, '\\', text.len) == NULL)
		return text;
	copy = tsdb_alloc(arena, text.len);
	return (TsdbStr){copy, unescape(copy, text, quoted)};
}

static void
add_pair(PairList *list, TsdbStr name, TsdbStr value)
{
	if (list->n == list->capacity)
	{
		size_t		capacity = list->capacity == 0 ? 16 : list->capacity * 2;

		list->pairs = tsdb_grow(list->arena, list->pairs, list->capacity * sizeof(TsdbLabel),
								capacity * sizeof(TsdbLabel));
		list->capacity = capacity;
	}
	list->pairs[list->n++] = (TsdbLabel){name, value};
}

static inline void
found_pair(Scanner *scanner, TsdbStr name, TsdbStr value)
{
	PairList   *list = scanner->pairs;

	if (list != NULL)
		add_pair(list, tsdb_text_unescape(list->arena, name, true), tsdb_text_unescape(list->arena, value, true));
}

/* One label, or the metric name in quotes, which stands alone. */
static bool
scan_pair(Scanner *scanner, bool *named)
{
	const char *start = scanner->p;
	bool		quoted = *start == '"';
	TsdbStr		name;
	TsdbStr		value;

	if (!quoted)
		name = tsdb_text_scan_name(scanner, false);
	else if (!tsdb_text_scan_string(scanner, &name))
		return false;
	if (name.len == 0)
		return stop(scanner, start, quoted ? "name is empty" : "expected a label name or \"}\"");
	skip_blanks(scanner);
	if (quoted && scanner->p < scanner->end && (*scanner->p == ',' || *scanner->p == '}'))
	{
		if (*named)
			return stop(scanner, start, "metric name is given twice");
		*named = true;
		found_pair(scanner, TSDB_STR(TSDB_METRIC_NAME), name);
		return true;
	}
	if (!accept(scanner, '='))
		return stop(scanner, scanner->p, "expected \"=\" after the label name");
	skip_blanks(scanner);
	if (scanner->p == scanner->end || *scanner->p != '"')
		return stop(scanner, scanner->p, "expected a label value in double quotes");
	if (!tsdb_text_scan_string(scanner, &value))
		return false;
	found_pair(scanner, name, value);
	return true;
}

/* What stands between the braces, and the closing one. */
static bool
scan_pairs(Scanner *scanner, bool *named)
{
	for (;;)
	{
		skip_blanks(scanner);
		if (accept(scanner, '}'))
			return true;
		if (scanner->p == scanner->end)
			return stop(scanner, scanner->p, "label list is not closed");
		if (!scan_pair(scanner, named))
			return false;
		skip_blanks(scanner);
		if (!accept(scanner, ',') && (scanner->p == scanner->end || *scanner->p != '}'))
			return stop(scanner, scanner->p, "expected \",\" or \"}\" after a label");
	}
}

bool
tsdb_text_scan_series(Scanner *scanner)
{
	const char *start = scanner->p;
	TsdbStr		name = tsdb_text_scan_name(scanner, true);
	const char *after_name = scanner->p;
	bool		named = name.len > 0;

	if (named)
		found_pair(scanner, TSDB_STR(TSDB_METRIC_NAME), name);
	skip_blanks(scanner);
	if (!accept(scanner, '{'))
	{
		scanner->p = after_name;
		return named || stop(scanner, start, "expected a metric name");
	}
	if (!scan_pairs(scanner, &named))
		return false;
	return named || stop(scanner, start, "metric name is missing");
}

/* ---- labels of a target ---- */

#define EXPORTED "exported_"

static TsdbLabel *
find_pair(PairList *list, TsdbStr name)
{
	for (size_t i = 0; i < list->n; i++)
		if (tsdb_str_equal(list->pairs[i].name, name))
			return &list->pairs[i];
	return NULL;
}

/* Puts a clashing label back under the first of exported_x, exported_exported_x ... that is free. */
static void
add_exported(PairList *list, TsdbLabel clash)
{
	TsdbStr		name = clash.name;
	TsdbLabel  *taken;

	do
	{
		TsdbBuffer	longer;

		tsdb_buffer_init(&longer, list->arena, name.len + sizeof(EXPORTED));
		tsdb_buffer_append_str(&longer, TSDB_STR(EXPORTED));
		tsdb_buffer_append_str(&longer, name);
		name = (TsdbStr){(char *) longer.data, longer.len};
		taken = find_pair(list, name);
	} while (taken != NULL && taken->value.len > 0);

	if (taken != NULL)
		taken->value = clash.value;
	else
		add_pair(list, name, clash.value);
}

/* Shorter names choose first: `a` may not take exported_exported_a from exported_a. */
static void
sort_by_name_length(TsdbLabel *labels, size_t n)
{
	for (size_t i = 1; i < n; i++)
	{
		TsdbLabel	moving = labels[i];
		size_t		j = i;

		for (; j > 0 && labels[j - 1].name.len > moving.name.len; j--)
			labels[j] = labels[j - 1];
		labels[j] = moving;
	}
}

/*
 * The rule of Prometheus scrape/scrape.go.  With honor_labels a scraped label
 * wins, also an empty one, which so removes the target's.  Else the target's
 * wins and a scraped one that is not empty moves to an exported_ name.
 */
void
tsdb_text_add_target_labels(PairList *list, const TsdbTextOptions *options)
{
	TsdbLabels	target = options->target_labels;
	TsdbLabel  *clashes = TSDB_NEW_ARRAY(list->arena, TsdbLabel, target.n);
	size_t		n = 0;

	for (size_t i = 0; i < target.n; i++)
	{
		TsdbLabel  *scraped = find_pair(list, target.pairs[i].name);

		if (scraped == NULL)
			add_pair(list, target.pairs[i].name, target.pairs[i].value);
		else if (!options->honor_labels)
		{
			if (scraped->value.len > 0)
				clashes[n++] = *scraped;
			scraped->value = target.pairs[i].value;
		}
	}
	sort_by_name_length(clashes, n);
	for (size_t i = 0; i < n; i++)
		add_exported(list, clashes[i]);
}
