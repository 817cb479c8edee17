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
#include "core/ingest/ingest.h"

#include <snappy-c.h>

#define MIN_ROOM 256
#define ANNOUNCE_AHEAD 12		/* series: some hundred nanoseconds, as long as memory takes to answer */

typedef struct WireEntry
{
	TsdbWireSeries series;
	size_t		first_sample;
	size_t		n_samples;
	size_t		n_exemplars;
	size_t		n_histograms;
} WireEntry;

typedef struct Walker
{
	TsdbArena  *arena;
	const uint8_t *start;		/* of the message */
	WireEntry  *entries;
	size_t		n_entries;
	size_t		entries_room;
	TsdbSample *samples;
	size_t		n_samples;
	size_t		samples_room;
	TsdbMetadata *metadata;
	size_t		n_metadata;
	size_t		metadata_room;
	TsdbError  *error;
} Walker;

/* ---- protobuf ---- */

enum
{
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5
};

#define TAG(field, wire) ((uint64_t) (field) << 3 | (wire))

static TsdbReader
read_message(TsdbReader *reader)
{
	uint64_t	len = tsdb_read_varint(reader);
	const uint8_t *bytes = tsdb_read_bytes(reader, len);

	return bytes == NULL ? tsdb_reader(reader->end, 0) : tsdb_reader(bytes, len);
}

static TsdbStr
read_text(TsdbReader *reader)
{
	TsdbReader	bytes = read_message(reader);

	return (TsdbStr){(const char *) bytes.cursor, tsdb_reader_left(&bytes)};
}

static uint64_t
read_fixed64(TsdbReader *reader)
{
	const uint8_t *bytes = tsdb_read_bytes(reader, 8);
	uint64_t	value = 0;

	if (bytes != NULL)
		for (int i = 7; i >= 0; i--)
			value = value << 8 | bytes[i];
	return value;
}

static void
skip_field(TsdbReader *reader, uint64_t tag)
{
	switch (tag & 7)
	{
		case WIRE_VARINT:
			tsdb_read_varint(reader);
			break;
		case WIRE_FIXED64:
			tsdb_read_bytes(reader, 8);
			break;
		case WIRE_BYTES:
			read_message(reader);
			break;
		case WIRE_FIXED32:
			tsdb_read_bytes(reader, 4);
			break;
		default:
			/* groups were never part of this protocol */
			reader->failed = true;
	}
	if (tag >> 3 == 0)
		reader->failed = true;
}

/* The tag of the next field; false at the end of the message, and when it is broken. */
static bool
next_field(TsdbReader *message, uint64_t *tag)
{
	if (message->failed || tsdb_reader_left(message) == 0)
		return false;
	*tag = tsdb_read_varint(message);
	return !message->failed;
}

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
		read_message(&reader);
		n++;
	}
	return n;
}

static bool
read_label(TsdbReader message, TsdbLabel *label)
{
	uint64_t	tag;

	*label = (TsdbLabel){{"", 0}, {"", 0}};
	while (next_field(&message, &tag))
	{
		if (tag == TAG(1, WIRE_BYTES))
			label->name = read_text(&message);
		else if (tag == TAG(2, WIRE_BYTES))
			label->value = read_text(&message);
		else
			skip_field(&message, tag);
	}
	return !message.failed;
}

/* `raw` is a run of label fields: one tag byte, length, message each. */
static TsdbStatus
decode_labels(const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error)
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
		if (!read_label(read_message(&reader), &pairs[i]))
			return malformed_label(error);
	}
	if (tsdb_labels_make(pairs, n, labels, error) != TSDB_OK)
		return error->code;
	if (tsdb_labels_get(*labels, TSDB_STR(TSDB_METRIC_NAME)).len == 0)
		return tsdb_fail(error, TSDB_ERR_LABELS, "series has no metric name");
	return TSDB_OK;
}

/* ---- the walk ---- */

static void *
more_room(TsdbArena *arena, void *array, size_t *room, size_t size)
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
	while (next_field(&message, &tag))
	{
		if (tag == TAG(1, WIRE_FIXED64))
			sample->v = tsdb_double_from_bits(read_fixed64(&message));
		else if (tag == TAG(2, WIRE_VARINT))
			sample->t = (int64_t) tsdb_read_varint(&message);
		else
			skip_field(&message, tag);
	}
	return !message.failed;
}

static bool
add_sample(Walker *walker, TsdbReader message)
{
	if (walker->n_samples == walker->samples_room)
		walker->samples = more_room(walker->arena, walker->samples, &walker->samples_room, sizeof(TsdbSample));
	return walk_sample(message, &walker->samples[walker->n_samples++]);
}

/*
 * Label fields come in one run from every known sender; protobuf allows them
 * anywhere, and then they are copied together, into a buffer that grows.
 */
static void
add_label_field(Walker *walker, TsdbBuffer *joined, TsdbStr *raw, const uint8_t *field, const uint8_t *end)
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
			tsdb_buffer_init(joined, walker->arena, 2 * (raw->len + len));
			tsdb_buffer_append_str(joined, *raw);
		}
		tsdb_buffer_append(joined, field, len);
		*raw = (TsdbStr){(const char *) joined->data, joined->len};
	}
}

static bool
walk_series(Walker *walker, TsdbReader message)
{
	WireEntry  *entry;
	TsdbBuffer	joined = {0};
	const uint8_t *field = message.cursor;
	uint64_t	tag;

	if (walker->n_entries == walker->entries_room)
		walker->entries = more_room(walker->arena, walker->entries, &walker->entries_room, sizeof(WireEntry));
	entry = &walker->entries[walker->n_entries++];
	*entry = (WireEntry){.series = {.raw = {"", 0}, .labels = decode_labels}, .first_sample = walker->n_samples};
	while (next_field(&message, &tag))
	{
		if (tag == TAG(1, WIRE_BYTES))
		{
			read_message(&message);
			/* a tag written in more bytes than it needs would break the run of one-byte tags */
			if (!message.failed && *field == TAG(1, WIRE_BYTES))
				add_label_field(walker, &joined, &entry->series.raw, field, message.cursor);
			else
				message.failed = true;
		}
		else if (tag == TAG(2, WIRE_BYTES))
		{
			TsdbReader	sample = read_message(&message);

			if (!message.failed && !add_sample(walker, sample))
				message.failed = true;
		}
		else
		{
			entry->n_exemplars += tag == TAG(3, WIRE_BYTES);
			entry->n_histograms += tag == TAG(4, WIRE_BYTES);
			skip_field(&message, tag);
		}
		field = message.cursor;
	}
	if (message.failed)
		return false;
	entry->n_samples = walker->n_samples - entry->first_sample;
	/* it would take many times the memory of its bytes, and say nothing */
	if (entry->n_samples == 0 && entry->n_exemplars == 0 && entry->n_histograms == 0)
		walker->n_entries--;
	return true;
}

static bool
walk_metadata(Walker *walker, TsdbReader message)
{
	static const char *const types[] = {
		"unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"
	};
	TsdbMetadata *metadata;
	uint64_t	tag;

	if (walker->n_metadata == walker->metadata_room)
		walker->metadata = more_room(walker->arena, walker->metadata, &walker->metadata_room, sizeof(TsdbMetadata));
	metadata = &walker->metadata[walker->n_metadata++];
	*metadata = (TsdbMetadata){.type = TSDB_STR("unknown")};
	while (next_field(&message, &tag))
	{
		if (tag == TAG(1, WIRE_VARINT))
		{
			uint64_t	type = tsdb_read_varint(&message);

			metadata->type = tsdb_str(types[type < TSDB_COUNT(types) ? type : 0]);
		}
		else if (tag == TAG(2, WIRE_BYTES))
			metadata->metric = read_text(&message);
		else if (tag == TAG(4, WIRE_BYTES))
			metadata->help = read_text(&message);
		else if (tag == TAG(5, WIRE_BYTES))
			metadata->unit = read_text(&message);
		else
			skip_field(&message, tag);
	}
	return !message.failed;
}

static TsdbStatus
walk_request(Walker *walker, TsdbReader reader)
{
	while (tsdb_reader_left(&reader) > 0)
	{
		const uint8_t *field = reader.cursor;
		uint64_t	tag = tsdb_read_varint(&reader);
		bool		good = true;

		if (tag == TAG(1, WIRE_BYTES) || tag == TAG(3, WIRE_BYTES))
		{
			TsdbReader	message = read_message(&reader);

			if (!reader.failed)
				good = tag == TAG(1, WIRE_BYTES) ? walk_series(walker, message) : walk_metadata(walker, message);
		}
		else
			skip_field(&reader, tag);
		if (reader.failed || !good)
		{
			tsdb_fail_at(walker->error, TSDB_ERR_INPUT, field - walker->start, reader.cursor - walker->start,
						 "remote write body is not a prometheus.WriteRequest: malformed protobuf in the field at byte %lld",
						 (long long) (field - walker->start));
			tsdb_error_hint(walker->error, "Send remote write protocol 1.0; nothing of this request was stored.");
			return walker->error->code;
		}
	}
	return TSDB_OK;
}

/* ---- snappy ---- */

static TsdbStatus
decompress(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits, TsdbReader *message,
		   TsdbError *error)
{
	size_t		bytes;
	char	   *plain;

	if (snappy_uncompressed_length(body, len, &bytes) != SNAPPY_OK)
	{
		tsdb_fail(error, TSDB_ERR_INPUT, "remote write body of %zu bytes is not a snappy block", len);
		tsdb_error_hint(error, "Compress the protobuf message in the snappy block format, not the framed one.");
		return error->code;
	}
	if (bytes > limits->max_body_bytes)
	{
		tsdb_fail(error, TSDB_ERR_LIMIT, "remote write body of %zu bytes after decompression is larger than %zu bytes",
				  bytes, limits->max_body_bytes);
		tsdb_error_hint(error, "Send fewer samples in one request.");
		return error->code;
	}
	/* a block cannot expand more than about 64 bytes from 3: a larger claim is a lie, and not worth the memory */
	plain = bytes / 24 > len ? NULL : tsdb_alloc(arena, bytes);
	if (plain == NULL || snappy_uncompress(body, len, plain, &bytes) != SNAPPY_OK)
	{
		tsdb_fail(error, TSDB_ERR_INPUT, "remote write body of %zu bytes is a truncated or damaged snappy block", len);
		tsdb_error_hint(error, "Nothing of this request was stored; send it again.");
		return error->code;
	}
	*message = tsdb_reader(plain, bytes);
	return TSDB_OK;
}

static void
feed(TsdbSampleSink *sink, const Walker *walker)
{
	size_t		announced = 0;

	for (size_t i = 0; i < walker->n_entries; i++)
	{
		const WireEntry *entry = &walker->entries[i];

		while (sink->announce != NULL && announced < walker->n_entries && announced < i + ANNOUNCE_AHEAD)
			sink->announce(sink, &walker->entries[announced++].series);
		if (entry->n_samples > 0)
			sink->samples(sink, &entry->series, walker->samples + entry->first_sample, entry->n_samples);
		if (entry->n_histograms > 0 && sink->unsupported != NULL)
			sink->unsupported(sink, &entry->series, "native histograms", entry->n_histograms);
		if (entry->n_exemplars > 0 && sink->unsupported != NULL)
			sink->unsupported(sink, &entry->series, "exemplars", entry->n_exemplars);
	}
	if (sink->metadata != NULL)
		for (size_t i = 0; i < walker->n_metadata; i++)
			if (walker->metadata[i].metric.len > 0)
				sink->metadata(sink, &walker->metadata[i]);
}

TsdbStatus
tsdb_remote_write_decode(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
						 TsdbSampleSink *sink, TsdbError *error)
{
	Walker		walker = {.arena = arena, .error = error};
	TsdbReader	message;

	if (decompress(arena, body, len, limits, &message, error) != TSDB_OK)
		return error->code;
	walker.start = message.cursor;
	if (walk_request(&walker, message) != TSDB_OK)
		return error->code;
	feed(sink, &walker);
	return TSDB_OK;
}
