/*
 * fuzz_text_format.c
 *		Any bytes as a text format body.
 *
 * The first byte chooses the options.  What must hold: events lie inside the
 * body, the counts agree with the callbacks, samples come in the order in which they were
 * announced, and a sample written anew from its labels reads back as the same
 * labels and value.
 */
#include <stdlib.h>

#include "core/ingest/ingest.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Counts
{
	TsdbArena  *arena;
	TsdbStr		body;
	size_t		announced;
	size_t		samples;
	size_t		rejected;
	TsdbLabels	written;		/* of the line being read back */
	double		value;
} Counts;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_same(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
	Counts	   *counts = sink->context;
	TsdbLabels	labels;
	TsdbError	error;

	require(n == 1 && series->labels(series, counts->arena, &labels, &error) == TSDB_OK);
	require(tsdb_labels_equal(labels, counts->written));
	require(tsdb_double_bits(samples->v) == tsdb_double_bits(counts->value));
	counts->samples++;
}

/* name{..} value, every name in quotes, with the three escapes of the format. */
static void
write_quoted(TsdbBuffer *line, TsdbStr text)
{
	tsdb_buffer_u8(line, '"');
	for (size_t i = 0; i < text.len; i++)
	{
		char		c = text.data[i];

		if (c == '"' || c == '\\' || c == '\n')
			tsdb_buffer_u8(line, '\\');
		tsdb_buffer_u8(line, (uint8_t) (c == '\n' ? 'n' : c));
	}
	tsdb_buffer_u8(line, '"');
}

static void
read_back(Counts *counts, TsdbLabels labels, double value)
{
	Counts		again = {.arena = counts->arena, .written = labels, .value = value};
	TsdbSampleSink sink = {.samples = check_same, .context = &again};
	TsdbTextOptions options = {.now = 1};
	TsdbTextResult result;
	TsdbError	error;
	TsdbBuffer	line;
	char		number[TSDB_NUMBER_MAX];

	tsdb_buffer_init(&line, counts->arena, 64);
	tsdb_buffer_u8(&line, '{');
	for (size_t i = 0; i < labels.n; i++)
	{
		if (!tsdb_str_equal(labels.pairs[i].name, TSDB_STR(TSDB_METRIC_NAME)))
		{
			write_quoted(&line, labels.pairs[i].name);
			tsdb_buffer_u8(&line, '=');
		}
		write_quoted(&line, labels.pairs[i].value);
		tsdb_buffer_u8(&line, ',');
	}
	tsdb_format_double(number, value);
	tsdb_buffer_printf(&line, "} %s\n", number);
	require(tsdb_text_decode(counts->arena, (TsdbStr){(char *) line.data, line.len}, &options, &sink, &result,
							 &error) == TSDB_OK);
	require(again.samples == 1 && result.rejected == 0);
}

static void
on_announce(TsdbSampleSink *sink, TsdbWireSeries *series)
{
	Counts	   *counts = sink->context;

	series->memo.lo = ++counts->announced;
}

static void
on_samples(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
	Counts	   *counts = sink->context;
	TsdbLabels	labels;
	TsdbError	error;

	counts->samples += n;
	require(sink->announce == NULL || series->memo.lo == counts->samples);
	require(series->raw.data >= counts->body.data &&
			series->raw.data + series->raw.len <= counts->body.data + counts->body.len);
	if (series->labels(series, counts->arena, &labels, &error) == TSDB_OK)
		read_back(counts, labels, samples->v);
}

static void
on_metadata(TsdbSampleSink *sink, const TsdbMetadata *metadata)
{
	(void) sink;
	require(metadata->metric.len > 0 && tsdb_utf8_is_valid(metadata->metric) && tsdb_utf8_is_valid(metadata->help) &&
			tsdb_utf8_is_valid(metadata->unit));
}

static void
on_reject(TsdbSampleSink *sink, const TsdbError *error)
{
	Counts	   *counts = sink->context;

	require(error->start >= 0 && error->start <= error->end && error->end <= (int64_t) counts->body.len);
	require(tsdb_utf8_is_valid(tsdb_str(error->message)));
	counts->rejected++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbLabel	target[] = {{TSDB_STR("instance"), TSDB_STR("h:1")}, {TSDB_STR("job"), TSDB_STR("j")}};
	TsdbTextOptions options = {.now = 1700000000000};
	TsdbArena	arena;
	Counts		counts = {.arena = &arena};
	TsdbSampleSink sink = {on_samples, on_metadata, on_reject, NULL, &counts};
	TsdbTextResult result;
	TsdbError	error;

	if (size == 0)
		return 0;
	options.openmetrics = (data[0] & 1) != 0;
	options.honor_timestamps = (data[0] & 2) != 0;
	options.honor_labels = (data[0] & 4) != 0;
	if ((data[0] & 16) != 0)
		sink.announce = on_announce;
	if ((data[0] & 8) != 0)
		options.target_labels = (TsdbLabels){target, TSDB_COUNT(target)};
	counts.body = (TsdbStr){(const char *) data + 1, size - 1};

	tsdb_arena_init_malloc(&arena, 0);
	(void) tsdb_text_decode(&arena, counts.body, &options, &sink, &result, &error);
	require(result.samples == counts.samples && result.rejected == counts.rejected);
	tsdb_arena_free(&arena);
	return 0;
}
