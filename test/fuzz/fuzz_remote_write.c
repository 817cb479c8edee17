/*
 * fuzz_remote_write.c
 *		Remote write of both versions: any bytes, as a snappy block and as the message inside one.
 */
#include <stdlib.h>

#include "core/ingest/ingest.h"

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

static void
decode(TsdbArena *arena, const void *body, size_t len)
{
	TsdbIngestLimits limits = {1 << 20};
	Seen		seen = {arena, 0};
	TsdbSampleSink sink = {.samples = use_samples, .context = &seen};
	TsdbError	error;

	tsdb_remote_write_decode(arena, body, len, &limits, &sink, &error);
	tsdb_remote_write_v2_decode(arena, body, len, &limits, &sink, &error);
}

#include "snappy_input.h"
