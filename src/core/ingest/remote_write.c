/*
 * remote_write.c
 *		Decoder of Prometheus remote write 1.0: a snappy block that holds one
 *		protobuf message prometheus.WriteRequest.
 *
 *		WriteRequest	timeseries = 1, metadata = 3
 *		TimeSeries		labels = 1, samples = 2, exemplars = 3, histograms = 4
 *		Label			name = 1, value = 2
 *		Sample			value = 1 (double), timestamp = 2 (int64, ms)
 *		MetricMetadata	type = 1 (enum), metric_family_name = 2, help = 4, unit = 5
 *
 * Sources: Prometheus remote write 1.0 specification; prometheus/prompb;
 * protobuf encoding; snappy format description.  Unknown fields are skipped.
 *
 * A walker of its own because a generated decoder allocates an object per
 * label and sample: it took 1.8 CPU-seconds per million samples where this takes
 * less than 0.1.  The body is walked once into two flat arrays, and only when all
 * of it was well-formed does anything reach the sink.  The labels of a series
 * stay bytes until somebody asks for them.
 */
#include <snappy-c.h>

#include "core/ingest/remote_write_internal.h"

#define ANNOUNCE_AHEAD 12		/* series: some hundred nanoseconds, as long as memory takes to answer */

/* ---- labels, on demand ---- */

static TsdbStatus
malformed_label(TsdbError *error)
{
	return tsdb_fail(error, TSDB_ERR_INPUT, "label of a remote write series is not a protobuf message");
}

static size_t
count_labels(TsdbStr raw)
{
	TsdbReader	reader = tsdb_reader(raw.data, raw.len);
	size_t		n = 0;

	while (tsdb_reader_left(&reader) > 0)
	{
		tsdb_read_u8(&reader);
		tsdb_pb_message(&reader);
		n++;
	}
	return n;
}

static bool
read_label(TsdbReader message, TsdbLabel *label)
{
	uint64_t	tag;

	*label = (TsdbLabel){{"", 0}, {"", 0}};
	while (tsdb_pb_next(&message, &tag))
	{
		if (tag == TAG(1, WIRE_BYTES))
			label->name = tsdb_pb_text(&message);
		else if (tag == TAG(2, WIRE_BYTES))
			label->value = tsdb_pb_text(&message);
		else
			tsdb_pb_skip(&message, tag);
	}
	return !message.failed;
}

/* `raw` is a run of label fields: one tag byte, length, message each. */
TsdbStatus
tsdb_write_labels(const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error)
{
	TsdbReader	reader = tsdb_reader(series->raw.data, series->raw.len);
	size_t		n = count_labels(series->raw);
	TsdbLabel  *pairs;

	if (n > TSDB_MAX_LABELS)
		return tsdb_fail(error, TSDB_ERR_LABELS, "label set has %zu labels, more than %d", n, TSDB_MAX_LABELS);
	pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, n);
	for (size_t i = 0; i < n; i++)
	{
		tsdb_read_u8(&reader);
		if (!read_label(tsdb_pb_message(&reader), &pairs[i]))
			return malformed_label(error);
	}
	if (tsdb_labels_make(pairs, n, labels, error) != TSDB_OK)
		return error->code;
	if (tsdb_labels_get(*labels, TSDB_STR(TSDB_METRIC_NAME)).len == 0)
		return tsdb_fail(error, TSDB_ERR_LABELS, "series has no metric name");
	return TSDB_OK;
}

/* ---- the walk ---- */

#define MIN_ROOM 256

void *
tsdb_write_room(TsdbArena *arena, void *array, size_t *room, size_t size)
{
	size_t		wider = *room == 0 ? MIN_ROOM : *room * 2;

	array = tsdb_grow(arena, array, *room * size, wider * size);
	*room = wider;
	return array;
}

static bool
walk_sample(TsdbReader message, TsdbSample *sample)
{
	uint64_t	tag;

	*sample = (TsdbSample){0, 0};
	while (tsdb_pb_next(&message, &tag))
	{
		if (tag == TAG(1, WIRE_FIXED64))
			sample->v = tsdb_double_from_bits(tsdb_pb_fixed64(&message));
		else if (tag == TAG(2, WIRE_VARINT))
			sample->t = (int64_t) tsdb_read_varint(&message);
		else
			tsdb_pb_skip(&message, tag);
	}
	return !message.failed;
}

bool
tsdb_write_sample(TsdbWriteRequest *request, TsdbReader message)
{
	if (request->n_samples == request->samples_room)
		request->samples = tsdb_write_room(request->arena, request->samples, &request->samples_room, sizeof(TsdbSample));
	return walk_sample(message, &request->samples[request->n_samples++]);
}

/*
 * The end of the run of label fields that begins here, as far as they are short, as nearly all are.  What is behind it, and
 * whatever is wrong, is for the general walk.
 */
static const uint8_t *
short_labels(const uint8_t *field, const uint8_t *end)
{
	while (end - field >= 2 && field[0] == TAG(1, WIRE_BYTES) && field[1] < 0x80 && field[1] <= end - field - 2)
		field += 2 + field[1];
	return field;
}

/*
 * Label fields come in one run from every known sender; protobuf allows them
 * anywhere, and then they are copied together, into a buffer that grows.
 */
static void
add_label_field(TsdbWriteRequest *request, TsdbBuffer *joined, TsdbStr *raw, const uint8_t *field, const uint8_t *end)
{
	size_t		len = (size_t) (end - field);

	if (raw->len == 0)
		*raw = (TsdbStr){(const char *) field, len};
	else if (raw->data + raw->len == (const char *) field && joined->data == NULL)
		raw->len += len;
	else
	{
		if (joined->data == NULL)
		{
			tsdb_buffer_init(joined, request->arena, 2 * (raw->len + len));
			tsdb_buffer_append_str(joined, *raw);
		}
		tsdb_buffer_append(joined, field, len);
		*raw = (TsdbStr){(const char *) joined->data, joined->len};
	}
}

static bool
walk_series(TsdbWriteRequest *request, TsdbReader message)
{
	TsdbWriteEntry *entry;
	TsdbBuffer	joined = {0};
	const uint8_t *field = short_labels(message.cursor, message.end);
	uint64_t	tag;

	if (request->n_entries == request->entries_room)
		request->entries = tsdb_write_room(request->arena, request->entries, &request->entries_room, sizeof(TsdbWriteEntry));
	entry = &request->entries[request->n_entries++];
	*entry = (TsdbWriteEntry){.series = {.raw = {"", 0}, .labels = tsdb_write_labels}, .first_sample = request->n_samples};
	if (field > message.cursor)
		entry->series.raw = (TsdbStr){(const char *) message.cursor, (size_t) (field - message.cursor)};
	message.cursor = field;
	while (tsdb_pb_next(&message, &tag))
	{
		if (tag == TAG(1, WIRE_BYTES))
		{
			tsdb_pb_message(&message);
			/* a tag written in more bytes than it needs would break the run of one-byte tags */
			if (!message.failed && *field == TAG(1, WIRE_BYTES))
				add_label_field(request, &joined, &entry->series.raw, field, message.cursor);
			else
				message.failed = true;
		}
		else if (tag == TAG(2, WIRE_BYTES))
		{
			TsdbReader	sample = tsdb_pb_message(&message);

			if (!message.failed && !tsdb_write_sample(request, sample))
				message.failed = true;
		}
		else
		{
			entry->n_exemplars += tag == TAG(3, WIRE_BYTES);
			entry->n_histograms += tag == TAG(4, WIRE_BYTES);
			tsdb_pb_skip(&message, tag);
		}
		field = message.cursor;
	}
	if (message.failed)
		return false;
	entry->n_samples = request->n_samples - entry->first_sample;
	/* it would take many times the memory of its bytes, and say nothing */
	if (entry->n_samples == 0 && entry->n_exemplars == 0 && entry->n_histograms == 0)
		request->n_entries--;
	return true;
}

TsdbStr
tsdb_write_type(uint64_t number)
{
	static const char *const types[] = {
		"unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"
	};

	return tsdb_str(types[number < TSDB_COUNT(types) ? number : 0]);
}

static bool
walk_metadata(TsdbWriteRequest *request, TsdbReader message)
{
	TsdbMetadata *metadata;
	uint64_t	tag;

	if (request->n_metadata == request->metadata_room)
		request->metadata = tsdb_write_room(request->arena, request->metadata, &request->metadata_room, sizeof(TsdbMetadata));
	metadata = &request->metadata[request->n_metadata++];
	*metadata = (TsdbMetadata){.type = TSDB_STR("unknown")};
	while (tsdb_pb_next(&message, &tag))
	{
		if (tag == TAG(1, WIRE_VARINT))
			metadata->type = tsdb_write_type(tsdb_read_varint(&message));
		else if (tag == TAG(2, WIRE_BYTES))
			metadata->metric = tsdb_pb_text(&message);
		else if (tag == TAG(4, WIRE_BYTES))
			metadata->help = tsdb_pb_text(&message);
		else if (tag == TAG(5, WIRE_BYTES))
			metadata->unit = tsdb_pb_text(&message);
		else
			tsdb_pb_skip(&message, tag);
	}
	return !message.failed;
}

static TsdbStatus
walk_request(TsdbWriteRequest *request, TsdbReader reader)
{
	while (tsdb_reader_left(&reader) > 0)
	{
		const uint8_t *field = reader.cursor;
		uint64_t	tag = tsdb_read_varint(&reader);
		bool		good = true;

		if (tag == TAG(1, WIRE_BYTES) || tag == TAG(3, WIRE_BYTES))
		{
			TsdbReader	message = tsdb_pb_message(&reader);

			if (!reader.failed)
				good = tag == TAG(1, WIRE_BYTES) ? walk_series(request, message) : walk_metadata(request, message);
		}
		else
			tsdb_pb_skip(&reader, tag);
		if (reader.failed || !good)
		{
			tsdb_fail_at(request->error, TSDB_ERR_INPUT, field - request->start, reader.cursor - request->start,
						 "remote write body is not a prometheus.WriteRequest: malformed protobuf in the field at byte %lld",
						 (long long) (field - request->start));
			tsdb_error_hint(request->error, "Send remote write protocol 1.0; nothing of this request was stored.");
			return request->error->code;
		}
	}
	return TSDB_OK;
}

/* ---- snappy ---- */

TsdbStatus
tsdb_write_decompress(TsdbArena *arena, const char *what, const void *body, size_t len, const TsdbIngestLimits *limits,
					  TsdbReader *message, TsdbError *error)
{
	size_t		bytes;
	char	   *plain;

	if (snappy_uncompressed_length(body, len, &bytes) != SNAPPY_OK)
	{
		tsdb_fail(error, TSDB_ERR_INPUT, "%s body of %zu bytes is not a snappy block", what, len);
		tsdb_error_hint(error, "Compress the protobuf message in the snappy block format, not the framed one.");
		return error->code;
	}
	if (bytes > limits->max_body_bytes)
	{
		tsdb_fail(error, TSDB_ERR_LIMIT, "%s body of %zu bytes after decompression is larger than %zu bytes",
				  what, bytes, limits->max_body_bytes);
		tsdb_error_hint(error, "Send fewer samples in one request.");
		return error->code;
	}
	/* a block cannot expand more than about 64 bytes from 3: a larger claim is a lie, and not worth the memory */
	plain = bytes / 24 > len ? NULL : tsdb_alloc(arena, bytes);
	if (plain == NULL || snappy_uncompress(body, len, plain, &bytes) != SNAPPY_OK)
	{
		tsdb_fail(error, TSDB_ERR_INPUT, "%s body of %zu bytes is a truncated or damaged snappy block", what, len);
		tsdb_error_hint(error, "Nothing of this request was stored; send it again.");
		return error->code;
	}
	*message = tsdb_reader(plain, bytes);
	return TSDB_OK;
}

TsdbStatus
tsdb_write_begin(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits, TsdbWriteRequest **request,
				 TsdbReader *message, TsdbError *error)
{
	*request = TSDB_NEW(arena, TsdbWriteRequest);
	**request = (TsdbWriteRequest){.arena = arena, .error = error};
	if (tsdb_write_decompress(arena, "remote write", body, len, limits, message, error) != TSDB_OK)
		return error->code;
	(*request)->start = message->cursor;
	return TSDB_OK;
}

TsdbStatus
tsdb_remote_write_open(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
					   TsdbWriteRequest **request, TsdbError *error)
{
	TsdbReader	message;

	if (tsdb_write_begin(arena, body, len, limits, request, &message, error) != TSDB_OK)
		return error->code;
	return walk_request(*request, message);
}

/* ---- what was walked ---- */

void
tsdb_write_request_feed(const TsdbWriteRequest *request, TsdbSampleSink *sink)
{
	size_t		announced = 0;

	for (size_t i = 0; i < request->n_entries; i++)
	{
		const TsdbWriteEntry *entry = &request->entries[i];

		while (sink->announce != NULL && announced < request->n_entries && announced < i + ANNOUNCE_AHEAD)
			sink->announce(sink, &request->entries[announced++].series);
		if (entry->n_samples > 0)
			sink->samples(sink, &entry->series, request->samples + entry->first_sample, entry->n_samples);
		if (entry->n_histograms > 0 && sink->unsupported != NULL)
			sink->unsupported(sink, &entry->series, "native histograms", entry->n_histograms);
		if (entry->n_exemplars > 0 && sink->unsupported != NULL)
			sink->unsupported(sink, &entry->series, "exemplars", entry->n_exemplars);
	}
	if (sink->metadata != NULL)
		for (size_t i = 0; i < request->n_metadata; i++)
			if (request->metadata[i].metric.len > 0)
				sink->metadata(sink, &request->metadata[i]);
}

size_t
tsdb_write_request_samples(const TsdbWriteRequest *request)
{
	return request->n_samples;
}

size_t
tsdb_write_request_times(const TsdbWriteRequest *request, int64_t *t_min, int64_t *t_max)
{
	if (request->n_samples == 0)
		return 0;
	*t_min = *t_max = request->samples[0].t;
	for (size_t i = 1; i < request->n_samples; i++)
	{
		int64_t		t = request->samples[i].t;

		*t_min = t < *t_min ? t : *t_min;
		*t_max = t > *t_max ? t : *t_max;
	}
	return request->n_samples;
}

/* The raw labels of both versions are a run of label fields of version 1. */
void
tsdb_write_request_peek(const TsdbWriteRequest *request, const TsdbStr *names, size_t n, TsdbStr *values)
{
	TsdbReader	reader = tsdb_reader("", 0);
	TsdbLabel	label;

	for (size_t i = 0; i < n; i++)
		values[i] = (TsdbStr){NULL, 0};
	if (request->n_entries > 0)
		reader = tsdb_reader(request->entries[0].series.raw.data, request->entries[0].series.raw.len);
	while (tsdb_reader_left(&reader) > 0)
	{
		tsdb_read_u8(&reader);
		if (!read_label(tsdb_pb_message(&reader), &label))
			return;
		for (size_t i = 0; i < n; i++)
			if (label.value.len > 0 && tsdb_str_equal(label.name, names[i]))
				values[i] = label.value;
	}
}
