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
 * A sink that wants to be told of series before their samples come gets them in
 * runs of RUN_SAMPLES lines.
 */
#include "core/ingest/text_internal.h"

/* ---- the body ---- */

/* A sample on its way to the sink. */
typedef struct TextSample
{
	TsdbWireSeries series;
	const struct Decoder *decoder;
	TsdbSample	sample;
	bool		exemplar;
} TextSample;

#define RUN_SAMPLES 16

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
	size_t		n_run;
	TextSample	run[RUN_SAMPLES];	/* announced, but not handed over yet */
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
	decoder->result->rejected++;
	if (decoder->sink->reject != NULL)
		decoder->sink->reject(decoder->sink, &error);
}

static TsdbStr
rest_of_line(const Scanner *scanner)
{
	return (TsdbStr){scanner->p, (size_t) (scanner->end - scanner->p)};
}

/* ---- samples ---- */

static TsdbStatus
series_labels(const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error)
{
	const Decoder *decoder = ((const TextSample *) series->decoder)->decoder;
	PairList	list = {.arena = arena};
	Scanner		scanner = {.p = series->raw.data, .end = series->raw.data + series->raw.len, .pairs = &list};
	TsdbStatus	status = TSDB_OK;

	tsdb_error_clear(error);
	/* the same bytes passed the same scanner before */
	(void) tsdb_text_scan_series(&scanner);
	tsdb_text_add_target_labels(&list, decoder->options);
	/* no text of the server can hold it */
	if (memchr(series->raw.data, '\0', series->raw.len) != NULL)
		status = tsdb_fail(error, TSDB_ERR_ENCODING, "label has a zero byte");
	else
		status = tsdb_labels_make(list.pairs, list.n, labels, error);
	error->start = series->raw.data - decoder->body.data;
	error->end = error->start + (int64_t) series->raw.len;
	return status;
}

static bool
read_timestamp(Decoder *decoder, int64_t *t)
{
	TsdbStr		word = scan_word(&decoder->scanner);
	int64_t		own;

	if (decoder->options->openmetrics ? !tsdb_text_parse_seconds(word, &own) : !tsdb_text_parse_milliseconds(word, &own))
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
	if (!tsdb_text_parse_value(word, &sample->v))
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
hand_over_run(Decoder *decoder)
{
	TsdbSampleSink *sink = decoder->sink;

	for (size_t i = 0; i < decoder->n_run; i++)
	{
		TextSample *next = &decoder->run[i];

		sink->samples(sink, &next->series, &next->sample, 1);
		if (next->exemplar && sink->unsupported != NULL)
			sink->unsupported(sink, &next->series, "exemplars", 1);
	}
	decoder->n_run = 0;
}

static void
read_series_line(Decoder *decoder)
{
	Scanner    *scanner = &decoder->scanner;
	TsdbStr		raw = rest_of_line(scanner);
	TextSample *next = &decoder->run[decoder->n_run];

	if (!tsdb_text_scan_series(scanner))
	{
		scanner->p = scanner->problem_at;
		reject(decoder, TSDB_ERR_INPUT, rest_of_line(scanner), scanner->problem);
		return;
	}
	raw.len = (size_t) (scanner->p - raw.data);
	if (!read_sample(decoder, &next->sample, &next->exemplar))
		return;
	next->series = (TsdbWireSeries){.raw = raw, .labels = series_labels, .decoder = next};
	next->decoder = decoder;
	decoder->n_run++;
	decoder->result->samples++;
	if (decoder->sink->announce != NULL)
		decoder->sink->announce(decoder->sink, &next->series);
	if (decoder->sink->announce == NULL || decoder->n_run == RUN_SAMPLES)
		hand_over_run(decoder);
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
		*metric = tsdb_text_scan_name(scanner, true);
	else if (!tsdb_text_scan_string(scanner, metric))
		metric->len = 0;
	if (metric->len == 0 || (scanner->p < scanner->end && !is_blank(*scanner->p)))
	{
		scanner->p = start;
		reject(decoder, TSDB_ERR_INPUT, rest_of_line(scanner), "expected a metric name");
		return false;
	}
	if (quoted)
		*metric = tsdb_text_unescape(decoder->arena, *metric, true);
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
			decoder->family.help = tsdb_text_unescape(decoder->arena, text, decoder->options->openmetrics);
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

/* All but the run, which needs no start. */
static void
start(Decoder *decoder, TsdbArena *arena, TsdbStr body, const TsdbTextOptions *options, TsdbSampleSink *sink,
	  TsdbTextResult *result)
{
	memset(decoder, 0, offsetof(Decoder, run));
	decoder->arena = arena;
	decoder->body = body;
	decoder->options = options;
	decoder->sink = sink;
	decoder->result = result;
}

TsdbStatus
tsdb_text_decode(TsdbArena *arena, TsdbStr body, const TsdbTextOptions *options, TsdbSampleSink *sink,
				 TsdbTextResult *result, TsdbError *error)
{
	Decoder		decoder;
	const char *line = body.data;
	const char *end = body.len == 0 ? line : line + body.len;
	int64_t		len = (int64_t) body.len;

	tsdb_error_clear(error);
	*result = (TsdbTextResult){0};
	start(&decoder, arena, body, options, sink, result);
	while (line < end && !decoder.after_end)
	{
		const char *next = memchr(line, '\n', (size_t) (end - line));
		const char *line_end = next == NULL ? end : next;

		decoder.scanner.p = line;
		decoder.scanner.end = line_end > line && line_end[-1] == '\r' ? line_end - 1 : line_end;
		read_line(&decoder);
		line = next == NULL ? end : next + 1;
	}
	hand_over_run(&decoder);
	flush_family(&decoder);
	if (decoder.after_end)
		return tsdb_fail_at(error, TSDB_ERR_INPUT, decoder.scanner.p - body.data, len, "text after \"# EOF\"");
	if (options->openmetrics && !decoder.ended)
		return tsdb_fail_at(error, TSDB_ERR_INPUT, len, len, "OpenMetrics body does not end with \"# EOF\": it was cut short");
	return TSDB_OK;
}
