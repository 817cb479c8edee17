/*
 * fuzz_remote_write.c
 *		Remote write of both versions: any bytes, as a snappy block and as the message inside one.
 */
#include <stdlib.h>

#include "core/ingest/ingest.h"
#include "fuzz_check.h"

typedef struct Seen
{
	TsdbArena  *arena;
	size_t		samples;
} Seen;

static void
use_samples(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
	Seen	   *seen = sink->context;
	TsdbLabels	labels;
	TsdbError	error;

	if (series->labels(series, seen->arena, &labels, &error) == TSDB_OK)
	{
		TsdbBuffer	text;
		TsdbLabels	again;

		/* what is accepted has a text and an encoding that read back */
		tsdb_buffer_init(&text, seen->arena, 0);
		tsdb_labels_print(&text, labels);
		if (tsdb_labels_parse(seen->arena, (TsdbStr){(char *) text.data, text.len}, &again, &error) != TSDB_OK ||
			!tsdb_labels_equal(labels, again))
			abort();
		text.len = 0;
		tsdb_labels_encode(&text, labels);
		if (tsdb_labels_decode(seen->arena, text.data, text.len, &again, &error) != TSDB_OK || !tsdb_labels_equal(labels, again))
			abort();
	}
	for (size_t i = 0; i < n; i++)
		seen->samples += samples[i].t != 0;
}

/* What is told of a request without its labels being decoded agrees with what is fed. */
static void
peek(TsdbArena *arena, const TsdbWriteRequest *request, size_t samples)
{
	const TsdbStr names[] = {TSDB_STR("cluster"), TSDB_STR("__replica__"), TSDB_STR("__name__")};
	TsdbStr		values[3];
	int64_t		t_min = 0;
	int64_t		t_max = 0;

	tsdb_write_request_peek(request, names, 3, values);
	for (int i = 0; i < 3; i++)
		if (values[i].data != NULL)
			tsdb_str_copy(arena, values[i]);
	if (tsdb_write_request_times(request, &t_min, &t_max) > 0)
		check(t_min <= t_max);
	check(samples == 0 || t_min != 0 || t_max != 0);
}

static void
decode_as(TsdbWriteOpen open_request, TsdbArena *arena, const void *body, size_t len)
{
	TsdbIngestLimits limits = {1 << 20};
	Seen		seen = {arena, 0};
	TsdbSampleSink sink = {.samples = use_samples, .context = &seen};
	TsdbWriteRequest *request;
	TsdbError	error;

	if (open_request(arena, body, len, &limits, &request, &error) != TSDB_OK)
		return;
	tsdb_write_request_feed(request, &sink);
	peek(arena, request, seen.samples);
}

static void
decode(TsdbArena *arena, const void *body, size_t len)
{
	decode_as(tsdb_remote_write_open, arena, body, len);
	decode_as(tsdb_remote_write_v2_open, arena, body, len);
}

#include "snappy_input.h"
