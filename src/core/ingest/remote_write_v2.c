/*
 * remote_write_v2.c
 *		Decoder of Prometheus remote write 2.0: a snappy block that holds one
 *		protobuf message io.prometheus.write.v2.Request.
 *
 *		Request			symbols = 4, timeseries = 5
 *		TimeSeries		labels_refs = 1, samples = 2, histograms = 3, exemplars = 4, metadata = 5
 *		Sample			value = 1 (double), timestamp = 2 (int64, ms)
 *		Metadata		type = 1 (enum), help_ref = 3, unit_ref = 4
 *
 * References count symbols of the same request, so they name a series in that request only.
 * The labels of a series are therefore written anew, as the label fields that a sender of version 1
 * would send: the same series has the same `raw` in both, and whoever keys on it knows it already.
 */
#include "core/ingest/remote_write_internal.h"

/* A request's symbols, and the bytes that its labels may still take: a few references can name a lot of text. */
typedef struct Symbols
{
	TsdbStr    *all;
	size_t		n;
	size_t		room;
	size_t		bytes_left;
} Symbols;

/* Of one series, as references. */
typedef struct Named
{
	uint32_t   *labels;			/* names and values by turns */
	size_t		n_labels;
	size_t		labels_room;
	uint64_t	type;
	uint64_t	help;
	uint64_t	unit;
} Named;

static TsdbStatus walk_request(TsdbWriteWalker *walker, TsdbReader reader, Symbols *symbols, uint64_t wanted);
static void add_symbol(TsdbWriteWalker *walker, Symbols *symbols, TsdbReader text);
static bool walk_series(TsdbWriteWalker *walker, TsdbReader message, Symbols *symbols);
static bool walk_fields(TsdbWriteWalker *walker, TsdbReader message, TsdbWriteEntry *entry, Named *named);
static void add_reference(TsdbWriteWalker *walker, Named *named, uint64_t reference);
static bool add_packed(TsdbWriteWalker *walker, Named *named, TsdbReader packed);
static bool walk_metadata(TsdbReader message, Named *named);
static const char *write_labels(TsdbArena *arena, Symbols *symbols, const Named *named, TsdbStr *raw);
static TsdbStatus refuse_labels(const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error);
static size_t label_size(TsdbStr name, TsdbStr value);
static size_t text_size(TsdbStr text);
static size_t varint_size(uint64_t number);
static void put_text(TsdbBuffer *out, int field, TsdbStr text);
static void add_metadata(TsdbWriteWalker *walker, const Symbols *symbols, const Named *named);
static TsdbStr family_of(TsdbStr name, TsdbStr type);

TsdbStatus
tsdb_remote_write_v2_decode(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
							TsdbSampleSink *sink, TsdbError *error)
{
	TsdbWriteWalker walker = {.arena = arena, .error = error};
	Symbols		symbols = {.bytes_left = limits->max_body_bytes};
	TsdbReader	message;

	tsdb_error_clear(error);
	if (tsdb_write_decompress(arena, "remote write", body, len, limits, &message, error) != TSDB_OK)
		return error->code;
	walker.start = message.cursor;
	/* protobuf does not promise that symbols come before the series that refer to them */
	if (walk_request(&walker, message, &symbols, TAG(4, WIRE_BYTES)) != TSDB_OK ||
		walk_request(&walker, message, &symbols, TAG(5, WIRE_BYTES)) != TSDB_OK)
		return error->code;
	tsdb_write_feed(sink, &walker);
	return TSDB_OK;
}

static TsdbStatus
walk_request(TsdbWriteWalker *walker, TsdbReader reader, Symbols *symbols, uint64_t wanted)
{
	while (tsdb_reader_left(&reader) > 0)
	{
		const uint8_t *field = reader.cursor;
		uint64_t	tag = tsdb_read_varint(&reader);
		bool		good = true;

		if (tag == wanted)
		{
			TsdbReader	message = tsdb_pb_message(&reader);

			if (!reader.failed && wanted == TAG(4, WIRE_BYTES))
				add_symbol(walker, symbols, message);
			else if (!reader.failed)
				good = walk_series(walker, message, symbols);
		}
		else
			tsdb_pb_skip(&reader, tag);
		if (walker->error->code == TSDB_ERR_LIMIT)
			return walker->error->code;
		if (reader.failed || !good)
		{
			tsdb_fail_at(walker->error, TSDB_ERR_INPUT, field - walker->start, reader.cursor - walker->start,
						 "remote write body is not an io.prometheus.write.v2.Request: malformed protobuf in the field at byte %lld",
						 (long long) (field - walker->start));
			tsdb_error_hint(walker->error, "Send remote write protocol 2.0; nothing of this request was stored.");
			return walker->error->code;
		}
	}
	return TSDB_OK;
}

static void
add_symbol(TsdbWriteWalker *walker, Symbols *symbols, TsdbReader text)
{
	if (symbols->n == symbols->room)
		symbols->all = tsdb_write_room(walker->arena, symbols->all, &symbols->room, sizeof(TsdbStr));
	symbols->all[symbols->n++] = (TsdbStr){(const char *) text.cursor, tsdb_reader_left(&text)};
}

/* ---- a series ---- */

static bool
walk_series(TsdbWriteWalker *walker, TsdbReader message, Symbols *symbols)
{
	TsdbWriteEntry *entry;
	Named		named = {0};
	const char *problem;

	if (walker->n_entries == walker->entries_room)
		walker->entries = tsdb_write_room(walker->arena, walker->entries, &walker->entries_room, sizeof(TsdbWriteEntry));
	entry = &walker->entries[walker->n_entries++];
	*entry = (TsdbWriteEntry){.series = {.raw = {"", 0}, .labels = tsdb_write_labels}, .first_sample = walker->n_samples};
	if (!walk_fields(walker, message, entry, &named))
		return false;
	entry->n_samples = walker->n_samples - entry->first_sample;

	problem = write_labels(walker->arena, symbols, &named, &entry->series.raw);
	if (problem != NULL)
	{
		entry->series.labels = refuse_labels;
		entry->series.decoder = problem;
	}
	else if (entry->series.raw.data == NULL)
	{
		tsdb_fail(walker->error, TSDB_ERR_LIMIT, "labels of a remote write body are too long");
		tsdb_error_hint(walker->error, "Send fewer series in one request.");
		return false;
	}
	else
		add_metadata(walker, symbols, &named);
	/* it would take many times the memory of its bytes, and say nothing */
	if (entry->n_samples == 0 && entry->n_exemplars == 0 && entry->n_histograms == 0)
		walker->n_entries--;
	return true;
}

static bool
walk_fields(TsdbWriteWalker *walker, TsdbReader message, TsdbWriteEntry *entry, Named *named)
{
	uint64_t	tag;

	while (tsdb_pb_next(&message, &tag))
	{
		TsdbReader	part;

		if (tag == TAG(1, WIRE_VARINT))
		{
			add_reference(walker, named, tsdb_read_varint(&message));
			continue;
		}
		if (tag != TAG(1, WIRE_BYTES) && tag != TAG(2, WIRE_BYTES) && tag != TAG(5, WIRE_BYTES))
		{
			entry->n_histograms += tag == TAG(3, WIRE_BYTES);
			entry->n_exemplars += tag == TAG(4, WIRE_BYTES);
			tsdb_pb_skip(&message, tag);
			continue;
		}
		part = tsdb_pb_message(&message);
		if (message.failed ||
			!(tag == TAG(1, WIRE_BYTES) ? add_packed(walker, named, part) :
			  tag == TAG(2, WIRE_BYTES) ? tsdb_write_sample(walker, part) : walk_metadata(part, named)))
			return false;
	}
	return !message.failed;
}

/* One that is too large to be a reference is one that does not exist. */
static void
add_reference(TsdbWriteWalker *walker, Named *named, uint64_t reference)
{
	if (named->n_labels == named->labels_room)
		named->labels = tsdb_write_room(walker->arena, named->labels, &named->labels_room, sizeof(uint32_t));
	named->labels[named->n_labels++] = reference < UINT32_MAX ? (uint32_t) reference : UINT32_MAX;
}

static bool
add_packed(TsdbWriteWalker *walker, Named *named, TsdbReader packed)
{
	while (!packed.failed && tsdb_reader_left(&packed) > 0)
		add_reference(walker, named, tsdb_read_varint(&packed));
	return !packed.failed;
}

static bool
walk_metadata(TsdbReader message, Named *named)
{
	uint64_t	tag;

	while (tsdb_pb_next(&message, &tag))
	{
		if (tag == TAG(1, WIRE_VARINT))
			named->type = tsdb_read_varint(&message);
		else if (tag == TAG(3, WIRE_VARINT))
			named->help = tsdb_read_varint(&message);
		else if (tag == TAG(4, WIRE_VARINT))
			named->unit = tsdb_read_varint(&message);
		else
			tsdb_pb_skip(&message, tag);
	}
	return !message.failed;
}

/* ---- labels ---- */

/* What is wrong with the references, or NULL; raw without data when the labels of the request have become too long. */
static const char *
write_labels(TsdbArena *arena, Symbols *symbols, const Named *named, TsdbStr *raw)
{
	TsdbBuffer	out;
	size_t		bytes = 0;

	if (named->n_labels % 2 != 0)
		return "odd number of label references in a remote write series";
	for (size_t i = 0; i < named->n_labels; i += 2)
	{
		if (named->labels[i] >= symbols->n || named->labels[i + 1] >= symbols->n)
			return "label of a remote write series refers to a symbol that is not in the request";
		bytes += label_size(symbols->all[named->labels[i]], symbols->all[named->labels[i + 1]]);
		if (bytes > symbols->bytes_left)
		{
			*raw = (TsdbStr){NULL, 0};
			return NULL;
		}
	}
	symbols->bytes_left -= bytes;
	tsdb_buffer_init(&out, arena, bytes);
	for (size_t i = 0; i < named->n_labels; i += 2)
	{
		TsdbStr		name = symbols->all[named->labels[i]];
		TsdbStr		value = symbols->all[named->labels[i + 1]];

		tsdb_buffer_u8(&out, TAG(1, WIRE_BYTES));
		tsdb_buffer_varint(&out, text_size(name) + text_size(value));
		put_text(&out, 1, name);
		put_text(&out, 2, value);
	}
	*raw = (TsdbStr){out.len > 0 ? (const char *) out.data : "", out.len};
	return NULL;
}

static TsdbStatus
refuse_labels(const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error)
{
	(void) arena;
	(void) labels;
	return tsdb_fail(error, TSDB_ERR_LABELS, "%s", (const char *) series->decoder);
}

static size_t
label_size(TsdbStr name, TsdbStr value)
{
	size_t		message = text_size(name) + text_size(value);

	return 1 + varint_size(message) + message;
}

/* An empty text is left out, as in proto3. */
static size_t
text_size(TsdbStr text)
{
	return text.len == 0 ? 0 : 1 + varint_size(text.len) + text.len;
}

static size_t
varint_size(uint64_t number)
{
	size_t		size = 1;

	for (; number >= 0x80; number >>= 7)
		size++;
	return size;
}

static void
put_text(TsdbBuffer *out, int field, TsdbStr text)
{
	if (text.len == 0)
		return;
	tsdb_buffer_u8(out, (uint8_t) TAG(field, WIRE_BYTES));
	tsdb_buffer_varint(out, text.len);
	tsdb_buffer_append(out, text.data, text.len);
}

/* ---- metadata ---- */

/* Every series tells it, those of one family alike and mostly one behind the other. */
static void
add_metadata(TsdbWriteWalker *walker, const Symbols *symbols, const Named *named)
{
	TsdbMetadata metadata = {.type = tsdb_write_type(named->type)};
	const TsdbMetadata *last = walker->n_metadata > 0 ? &walker->metadata[walker->n_metadata - 1] : NULL;

	if (named->type == 0 && named->help == 0 && named->unit == 0)
		return;
	for (size_t i = 0; i < named->n_labels; i += 2)
		if (tsdb_str_equal(symbols->all[named->labels[i]], TSDB_STR(TSDB_METRIC_NAME)))
			metadata.metric = family_of(symbols->all[named->labels[i + 1]], metadata.type);
	if (named->help > 0 && named->help < symbols->n)
		metadata.help = symbols->all[named->help];
	if (named->unit > 0 && named->unit < symbols->n)
		metadata.unit = symbols->all[named->unit];
	if (last != NULL && tsdb_str_equal(last->metric, metadata.metric) && tsdb_str_equal(last->type, metadata.type) &&
		tsdb_str_equal(last->help, metadata.help) && tsdb_str_equal(last->unit, metadata.unit))
		return;
	if (walker->n_metadata == walker->metadata_room)
		walker->metadata = tsdb_write_room(walker->arena, walker->metadata, &walker->metadata_room, sizeof(TsdbMetadata));
	walker->metadata[walker->n_metadata++] = metadata;
}

/* The series of a classic histogram or a summary are several metrics of one family. */
static TsdbStr
family_of(TsdbStr name, TsdbStr type)
{
	static const TsdbStr suffixes[] = {TSDB_STR("_bucket"), TSDB_STR("_sum"), TSDB_STR("_count")};

	if (!tsdb_str_equal(type, TSDB_STR("histogram")) && !tsdb_str_equal(type, TSDB_STR("summary")))
		return name;
	for (size_t i = 0; i < TSDB_COUNT(suffixes); i++)
		if (name.len > suffixes[i].len &&
			memcmp(name.data + name.len - suffixes[i].len, suffixes[i].data, suffixes[i].len) == 0)
			return (TsdbStr){name.data, name.len - suffixes[i].len};
	return name;
}
