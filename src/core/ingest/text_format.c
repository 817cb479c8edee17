/*
 * text_format.c
 *		Prometheus text format 0.0.4, and what OpenMetrics 1.0 shares with it.
 *
 *		line    := blank* ( sample | comment )? '\r'? '\n'
 *		sample  := series blank+ value ( blank+ timestamp )? ( blank+ '#' exemplar )?
 *		series  := name ( blank* '{' pairs '}' )?  |  '{' pairs '}'
 *		pairs   := ( pair ( ',' pair )* ','? )?
 *		pair    := label '=' string  |  string			the latter is the metric name, given once
 *		label   := [a-zA-Z_][a-zA-Z0-9_]*  |  string
 *		name    := [a-zA-Z_:][a-zA-Z0-9_:]*
 *		comment := '#' blank+ ( 'HELP' | 'TYPE' | 'UNIT' ) blank+ ( name | string ) blank text  |  '#' anything
 *
 * Blanks are spaces and tabs, allowed between any two tokens of a series.  A
 * string knows the escapes \\ \" and \n; a backslash before anything else is
 * itself, as in Prometheus model/textparse.  Timestamps are milliseconds, in
 * OpenMetrics seconds.  Lines are independent: one that breaks these rules is
 * rejected with its byte range and costs nothing but itself.
 *
 * The syntax of a series is checked on every line, by one pass over its bytes;
 * label sets are built only when the sink asks, which it does for series it has
 * not met.  Both are the same scanner, with or without somewhere to put the pairs.
 *
 * Values: of up to 19 digits with a decimal exponent within 10^+-22 and a
 * mantissa below 2^53, the product or quotient of two exact doubles is the
 * correctly rounded result (Clinger 1990), so most lines need no strtod().
 */
#include "core/ingest/ingest.h"

#include <math.h>
#include <stdio.h>

static inline bool
is_digit(char c)
{
	return (uint8_t) (c - '0') < 10;
}

/* Continues a label name. */
static inline bool
is_name_char(char c)
{
	return (uint8_t) ((c | 0x20) - 'a') < 26 || is_digit(c) || c == '_';
}

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- scanner of one line ---- */

/* Where a scanned series puts its pairs; names and values are unescaped into the arena when they need it. */
typedef struct PairList
{
	TsdbArena  *arena;
	TsdbLabel  *pairs;
	size_t		n;
	size_t		capacity;
} PairList;

typedef struct Scanner
{
	const char *p;
	const char *end;			/* of the line, its break not included */
	PairList   *pairs;			/* NULL: check the syntax only */
	const char *problem;		/* why the scan stopped, */
	const char *problem_at;		/* and where */
} Scanner;

static bool
stop(Scanner *scanner, const char *at, const char *problem)
{
	scanner->problem = problem;
	scanner->problem_at = at;
	return false;
}

static inline void
skip_blanks(Scanner *scanner)
{
	while (scanner->p < scanner->end && is_blank(*scanner->p))
		scanner->p++;
}

static inline bool
accept(Scanner *scanner, char c)
{
	if (scanner->p == scanner->end || *scanner->p != c)
		return false;
	scanner->p++;
	return true;
}

/* A name without quotes, which for metrics may have colons; empty when there is none. */
static inline TsdbStr
scan_bare_name(Scanner *scanner, bool colons)
{
	const char *start = scanner->p;

	if (scanner->p < scanner->end && !is_digit(*scanner->p))
		while (scanner->p < scanner->end && (is_name_char(*scanner->p) || (colons && *scanner->p == ':')))
			scanner->p++;
	return (TsdbStr){start, (size_t) (scanner->p - start)};
}

/* What stands between the quotes, escapes and all; the scanner is at the first quote. */
static bool
scan_string(Scanner *scanner, TsdbStr *content)
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

static TsdbStr
unescape_in(TsdbArena *arena, TsdbStr text, bool quoted)
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
		add_pair(list, unescape_in(list->arena, name, true), unescape_in(list->arena, value, true));
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
		name = scan_bare_name(scanner, false);
	else if (!scan_string(scanner, &name))
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
	if (!scan_string(scanner, &value))
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

/* Ends right behind the name or the closing brace. */
static bool
scan_series(Scanner *scanner)
{
	const char *start = scanner->p;
	TsdbStr		name = scan_bare_name(scanner, true);
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

/* A word that ends at a blank; empty at the end of the line. */
static inline TsdbStr
scan_word(Scanner *scanner)
{
	const char *start = scanner->p;

	while (scanner->p < scanner->end && !is_blank(*scanner->p))
		scanner->p++;
	return (TsdbStr){start, (size_t) (scanner->p - start)};
}

/* ---- numbers ---- */

static const double exact_powers[] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define MAX_EXACT_POWER ((int) TSDB_COUNT(exact_powers) - 1)

/* The exponent behind an 'e', of at most three digits. */
static bool
parse_exponent(const char *p, const char *end, int *exponent)
{
	bool		negative = p < end && *p == '-';
	int			n = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (p == end || end - p > 3)
		return false;
	for (; p < end; p++)
	{
		if (!is_digit(*p))
			return false;
		n = n * 10 + (*p - '0');
	}
	*exponent = negative ? -n : n;
	return true;
}

/* False for whatever is not short enough to be exact, or not a decimal number. */
static bool
parse_short_decimal(TsdbStr text, double *value)
{
	const char *p = text.data;
	const char *end = p + text.len;
	bool		negative = p < end && *p == '-';
	uint64_t	mantissa = 0;
	int			digits = 0;
	int			decimals = 0;
	int			exponent = 0;
	bool		point = false;

	if (negative)
		p++;
	for (; p < end; p++)
	{
		if (is_digit(*p))
		{
			mantissa = mantissa * 10 + (uint64_t) (*p - '0');
			decimals += point;
			if (++digits > 19)
				return false;
		}
		else if (*p == '.' && !point)
			point = true;
		else
			break;
	}
	if (digits == 0 || mantissa > UINT64_C(1) << 53)
		return false;
	if (p < end && ((*p | 0x20) != 'e' || !parse_exponent(p + 1, end, &exponent)))
		return false;
	exponent -= decimals;
	if (exponent < -MAX_EXACT_POWER || exponent > MAX_EXACT_POWER)
		return false;
	*value = exponent < 0 ? (double) mantissa / exact_powers[-exponent] : (double) mantissa * exact_powers[exponent];
	if (negative)
		*value = -*value;
	return true;
}

/* Go's ParseFloat without the hexadecimal floats, which Prometheus refuses here. */
static bool
parse_value(TsdbStr text, double *value)
{
	if (tsdb_likely(parse_short_decimal(text, value)))
		return true;
	for (size_t i = 0; i < text.len; i++)
		if ((text.data[i] | 0x20) == 'x')
			return false;
	if (!tsdb_parse_double(text, value))
		return false;
	/* 1e999 is out of range; the infinities are spelt with letters */
	return !isinf(*value) || (text.data[text.len - 1] | 0x20) >= 'a';
}

/* [-]digits into a number of milliseconds. */
static bool
parse_milliseconds(TsdbStr text, int64_t *t)
{
	bool		negative = text.len > 0 && text.data[0] == '-';
	int64_t		n = 0;

	if (text.len == negative)
		return false;
	for (size_t i = negative; i < text.len; i++)
	{
		int			digit = text.data[i] - '0';

		if (!is_digit(text.data[i]) || n > (INT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*t = negative ? -n : n;
	return true;
}

/* Seconds with decimals; what is below a millisecond is cut off. */
static bool
parse_seconds(TsdbStr text, int64_t *t)
{
	bool		negative = text.len > 0 && text.data[0] == '-';
	size_t		i = negative;
	int64_t		n = 0;
	int			decimals = -1;
	double		value;

	for (; i < text.len && n < INT64_MAX / 10000; i++)
	{
		if (text.data[i] == '.' && decimals < 0 && i > negative)
			decimals = 0;
		else if (!is_digit(text.data[i]))
			break;
		else if (decimals < 3)
		{
			n = n * 10 + (text.data[i] - '0');
			decimals += decimals >= 0;
		}
	}
	if (i == text.len && i > negative)
	{
		for (decimals = decimals < 0 ? 0 : decimals; decimals < 3; decimals++)
			n *= 10;
		*t = negative ? -n : n;
		return true;
	}
	/* 1.6e9 and the like */
	if (!parse_value(text, &value) || !(fabs(value) < 9e15))
		return false;
	*t = (int64_t) (value * 1000);
	return true;
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
static void
add_target_labels(PairList *list, const TsdbTextOptions *options)
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

/* ---- the body ---- */

typedef struct Decoder
{
	TsdbArena  *arena;
	const TsdbTextOptions *options;
	TsdbSampleSink *sink;
	TsdbTextResult *result;
	TsdbStr		body;
	Scanner		scanner;		/* of the current line */
	TsdbMetadata family;		/* HELP, TYPE and UNIT of the metric that they named last */
	bool		ended;			/* # EOF was met */
	bool		after_end;		/* and then something else */
} Decoder;

#define EXCERPT_BYTES 48

/* Printable ASCII of the start of some text, whatever bytes it has. */
static const char *
excerpt(char *out, TsdbStr text)
{
	static const char hex[] = "0123456789abcdef";
	size_t		n = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		uint8_t		c = (uint8_t) text.data[i];

		if (n > EXCERPT_BYTES - 8)
		{
			strcpy(out + n, "...");
			return out;
		}
		if (c >= 0x20 && c < 0x7f)
			out[n++] = (char) c;
		else
		{
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		}
	}
	out[n] = '\0';
	return out;
}

static void
report(Decoder *decoder, const TsdbError *error)
{
	decoder->result->rejected++;
	if (decoder->sink->reject != NULL)
		decoder->sink->reject(decoder->sink, error);
}

/* What is wrong with `text`, which is part of the body. */
static void
reject(Decoder *decoder, TsdbStatus code, TsdbStr text, const char *problem)
{
	char		shown[EXCERPT_BYTES];
	TsdbError	error;
	int64_t		start = text.data - decoder->body.data;

	if (text.len == 0)
		tsdb_fail_at(&error, code, start, start, "%s", problem);
	else
		tsdb_fail_at(&error, code, start, start + (int64_t) text.len, "%s: \"%s\"", problem, excerpt(shown, text));
	report(decoder, &error);
}

static TsdbStr
rest_of_line(const Scanner *scanner)
{
	return (TsdbStr){scanner->p, (size_t) (scanner->end - scanner->p)};
}

/* ---- samples ---- */

typedef struct TextSeries
{
	TsdbWireSeries wire;
	const Decoder *decoder;
} TextSeries;

static TsdbStatus
series_labels(const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error)
{
	const TextSeries *text = series->decoder;
	const char *body = text->decoder->body.data;
	PairList	list = {.arena = arena};
	Scanner		scanner = {.p = series->raw.data, .end = series->raw.data + series->raw.len, .pairs = &list};
	TsdbStatus	status = TSDB_OK;

	tsdb_error_clear(error);
	/* the same bytes passed the same scanner before */
	(void) scan_series(&scanner);
	add_target_labels(&list, text->decoder->options);
	/* no text of the server can hold it */
	if (memchr(series->raw.data, '\0', series->raw.len) != NULL)
		status = tsdb_fail(error, TSDB_ERR_ENCODING, "label has a zero byte");
	else
		status = tsdb_labels_make(list.pairs, list.n, labels, error);
	error->start = series->raw.data - body;
	error->end = error->start + (int64_t) series->raw.len;
	return status;
}

static bool
read_timestamp(Decoder *decoder, int64_t *t)
{
	TsdbStr		word = scan_word(&decoder->scanner);
	int64_t		own;

	if (decoder->options->openmetrics ? !parse_seconds(word, &own) : !parse_milliseconds(word, &own))
	{
		reject(decoder, TSDB_ERR_INPUT, word, "invalid timestamp");
		return false;
	}
	if (decoder->options->honor_timestamps)
		*t = own;
	return true;
}

/* What follows the series: value, timestamp, exemplar. */
static bool
read_sample(Decoder *decoder, TsdbSample *sample, bool *exemplar)
{
	Scanner    *scanner = &decoder->scanner;
	const char *after_series = scanner->p;
	TsdbStr		word;

	skip_blanks(scanner);
	word = scan_word(scanner);
	if (word.len == 0)
	{
		reject(decoder, TSDB_ERR_INPUT, word, "expected a value after the metric");
		return false;
	}
	/* `up{} 1` may also be written `up{}1` */
	if (word.data == after_series && after_series[-1] != '}')
	{
		reject(decoder, TSDB_ERR_INPUT, word, "invalid character in the metric name");
		return false;
	}
	if (!parse_value(word, &sample->v))
	{
		reject(decoder, TSDB_ERR_INPUT, word, "invalid value");
		return false;
	}
	sample->t = decoder->options->now;
	skip_blanks(scanner);
	if (scanner->p < scanner->end && *scanner->p != '#' && !read_timestamp(decoder, &sample->t))
		return false;
	skip_blanks(scanner);
	*exemplar = scanner->p < scanner->end && *scanner->p == '#';
	if (scanner->p < scanner->end && !*exemplar)
	{
		reject(decoder, TSDB_ERR_INPUT, rest_of_line(scanner), "unexpected text after the sample");
		return false;
	}
	return true;
}

static void
read_series_line(Decoder *decoder)
{
	Scanner    *scanner = &decoder->scanner;
	TsdbStr		raw = rest_of_line(scanner);
	TextSeries	series;
	TsdbSample	sample;
	bool		exemplar;

	if (!scan_series(scanner))
	{
		scanner->p = scanner->problem_at;
		reject(decoder, TSDB_ERR_INPUT, rest_of_line(scanner), scanner->problem);
		return;
	}
	raw.len = (size_t) (scanner->p - raw.data);
	if (!read_sample(decoder, &sample, &exemplar))
		return;
	series.wire = (TsdbWireSeries){.raw = raw, .labels = series_labels, .decoder = &series};
	series.decoder = decoder;
	decoder->result->samples++;
	decoder->sink->samples(decoder->sink, &series.wire, &sample, 1);
	if (exemplar && decoder->sink->unsupported != NULL)
		decoder->sink->unsupported(decoder->sink, &series.wire, "exemplars", 1);
}

/* ---- metadata ---- */

static void
flush_family(Decoder *decoder)
{
	if (decoder->family.metric.len > 0 && decoder->sink->metadata != NULL)
		decoder->sink->metadata(decoder->sink, &decoder->family);
	decoder->family = (TsdbMetadata){0};
}

static const TsdbStr known_types[] = {
	TSDB_STR("counter"), TSDB_STR("gauge"), TSDB_STR("histogram"), TSDB_STR("summary"),
	TSDB_STR("gaugehistogram"), TSDB_STR("info"), TSDB_STR("stateset"), TSDB_STR("unknown"),
};

static bool
find_type(TsdbStr text, TsdbStr *type)
{
	if (tsdb_str_equal(text, TSDB_STR("untyped")))
		text = TSDB_STR("unknown");
	for (size_t i = 0; i < TSDB_COUNT(known_types); i++)
		if (tsdb_str_equal(text, known_types[i]))
		{
			*type = known_types[i];
			return true;
		}
	return false;
}

/* Samples come between families, metadata of one metric in up to three lines. */
static void
enter_family(Decoder *decoder, TsdbStr metric)
{
	if (tsdb_str_equal(decoder->family.metric, metric))
		return;
	flush_family(decoder);
	decoder->family.metric = metric;
}

static bool
read_family_name(Decoder *decoder, TsdbStr *metric)
{
	Scanner    *scanner = &decoder->scanner;
	const char *start = scanner->p;
	bool		quoted = scanner->p < scanner->end && *scanner->p == '"';

	if (!quoted)
		*metric = scan_bare_name(scanner, true);
	else if (!scan_string(scanner, metric))
		metric->len = 0;
	if (metric->len == 0 || (scanner->p < scanner->end && !is_blank(*scanner->p)))
	{
		scanner->p = start;
		reject(decoder, TSDB_ERR_INPUT, rest_of_line(scanner), "expected a metric name");
		return false;
	}
	if (quoted)
		*metric = unescape_in(decoder->arena, *metric, true);
	if (!tsdb_utf8_is_valid(*metric))
	{
		reject(decoder, TSDB_ERR_ENCODING, (TsdbStr){start, (size_t) (scanner->p - start)}, "metric name is not valid UTF-8");
		return false;
	}
	return true;
}

static void
read_metadata_text(Decoder *decoder, TsdbStr keyword, TsdbStr metric, TsdbStr text)
{
	TsdbStr		type;

	if (keyword.data[0] == 'T' && !find_type(text, &type))
		reject(decoder, TSDB_ERR_INPUT, text, "invalid metric type");
	else if (!tsdb_utf8_is_valid(text) || (text.len > 0 && memchr(text.data, '\0', text.len) != NULL))
		reject(decoder, TSDB_ERR_ENCODING, text, "metadata is not valid UTF-8 text");
	else
	{
		enter_family(decoder, metric);
		if (keyword.data[0] == 'T')
			decoder->family.type = type;
		else if (keyword.data[0] == 'U')
			decoder->family.unit = text;
		else
			decoder->family.help = unescape_in(decoder->arena, text, decoder->options->openmetrics);
	}
}

/* A comment that is no metadata means nothing. */
static void
read_comment_line(Decoder *decoder)
{
	Scanner    *scanner = &decoder->scanner;
	TsdbStr		keyword;
	TsdbStr		metric;

	scanner->p++;
	if (scanner->p == scanner->end || !is_blank(*scanner->p))
		return;
	if (decoder->options->openmetrics && tsdb_str_equal(rest_of_line(scanner), TSDB_STR(" EOF")))
	{
		decoder->ended = true;
		return;
	}
	skip_blanks(scanner);
	keyword = scan_word(scanner);
	if (!tsdb_str_equal(keyword, TSDB_STR("HELP")) && !tsdb_str_equal(keyword, TSDB_STR("TYPE")) &&
		!tsdb_str_equal(keyword, TSDB_STR("UNIT")))
		return;
	skip_blanks(scanner);
	if (!read_family_name(decoder, &metric))
		return;
	/* one blank separates, further ones belong to a help text */
	if (scanner->p < scanner->end)
		scanner->p++;
	if (keyword.data[0] != 'H')
	{
		skip_blanks(scanner);
		while (scanner->end > scanner->p && is_blank(scanner->end[-1]))
			scanner->end--;
	}
	read_metadata_text(decoder, keyword, metric, rest_of_line(scanner));
}

/* ---- lines ---- */

static void
read_line(Decoder *decoder)
{
	Scanner    *scanner = &decoder->scanner;

	skip_blanks(scanner);
	if (scanner->p == scanner->end)
		return;
	if (decoder->ended)
		decoder->after_end = true;
	else if (*scanner->p == '#')
		read_comment_line(decoder);
	else
	{
		flush_family(decoder);
		read_series_line(decoder);
	}
}

TsdbStatus
tsdb_text_decode(TsdbArena *arena, TsdbStr body, const TsdbTextOptions *options, TsdbSampleSink *sink,
				 TsdbTextResult *result, TsdbError *error)
{
	Decoder		decoder = {.arena = arena, .options = options, .sink = sink, .result = result, .body = body};
	const char *line = body.data;
	const char *end = body.len == 0 ? line : line + body.len;
	int64_t		len = (int64_t) body.len;

	tsdb_error_clear(error);
	*result = (TsdbTextResult){0};
	while (line < end && !decoder.after_end)
	{
		const char *next = memchr(line, '\n', (size_t) (end - line));
		const char *line_end = next == NULL ? end : next;

		decoder.scanner.p = line;
		decoder.scanner.end = line_end > line && line_end[-1] == '\r' ? line_end - 1 : line_end;
		read_line(&decoder);
		line = next == NULL ? end : next + 1;
	}
	flush_family(&decoder);
	if (decoder.after_end)
		return tsdb_fail_at(error, TSDB_ERR_INPUT, decoder.scanner.p - body.data, len, "text after \"# EOF\"");
	if (options->openmetrics && !decoder.ended)
		return tsdb_fail_at(error, TSDB_ERR_INPUT, len, len, "OpenMetrics body does not end with \"# EOF\": it was cut short");
	return TSDB_OK;
}
