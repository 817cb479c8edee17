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

static TsdbStatus walk_request(TsdbWriteRequest *request, TsdbReader reader, Symbols *symbols, uint64_t wanted);
static void add_symbol(TsdbWriteRequest *request, Symbols *symbols, TsdbReader text);
static bool walk_series(TsdbWriteRequest *request, TsdbReader message, Symbols *symbols);
static bool walk_fields(TsdbWriteRequest *request, TsdbReader message, TsdbWriteEntry *entry, Named *named);
static void add_reference(TsdbWriteRequest *request, Named *named, uint64_t reference);
static bool add_packed(TsdbWriteRequest *request, Named *named, TsdbReader packed);
static bool walk_metadata(TsdbReader message, Named *named);
static const char *write_labels(TsdbArena *arena, Symbols *symbols, const Named *named, TsdbStr *raw);
static TsdbStatus refuse_labels(const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error);
static size_t label_size(TsdbStr name, TsdbStr value);
static size_t text_size(TsdbStr text);
static size_t varint_size(uint64_t number);
static void put_text(TsdbBuffer *out, int field, TsdbStr text);
static void add_metadata(TsdbWriteRequest *request, const Symbols *symbols, const Named *named);
static TsdbStr family_of(TsdbStr name, TsdbStr type);

TsdbStatus
tsdb_remote_write_v2_open(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
						  TsdbWriteRequest **request, TsdbError *error)
{
	Symbols		symbols = {.bytes_left = limits->max_body_bytes};
	TsdbReader	message;

	tsdb_error_clear(error);
	if (tsdb_write_begin(arena, body, len, limits, request, &message, error) != TSDB_OK)
		return error->code;
	/* protobuf does not promise that symbols come before the series that refer to them */
	if (walk_request(*request, message, &symbols, TAG(4, WIRE_BYTES)) != TSDB_OK)
		return error->code;
	return walk_request(*request, message, &symbols, TAG(5, WIRE_BYTES));
}

static TsdbStatus
walk_request(TsdbWriteRequest *request, TsdbReader reader, Symbols *symbols, uint64_t wanted)
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
				add_symbol(request, symbols, message);
			else if (!reader.failed)
				good = walk_series(request, message, symbols);
		}
		else
			tsdb_pb_skip(&reader, tag);
		if (request->error->code == TSDB_ERR_LIMIT)
			return request->error->code;
		if (reader.failed || !good)
		{
			tsdb_fail_at(request->error, TSDB_ERR_INPUT, field - request->start, reader.cursor - request->start,
						 "remote write body is not an io.prometheus.write.v2.Request: malformed protobuf in the field at byte %lld",
						 (long long) (field - request->start));
			tsdb_error_hint(request->error, "Send remote write protocol 2.0; nothing of this request was stored.");
			return request->error->code;
		}
	}
	return TSDB_OK;
}

static void
add_symbol(TsdbWriteRequest *request, Symbols *symbols, TsdbReader text)
{
	if (symbols->n == symbols->room)
		symbols->all = tsdb_write_room(request->arena, symbols->all, &symbols->room, sizeof(TsdbStr));
	symbols->all[symbols->n++] = (TsdbStr){(const char *) text.cursor, tsdb_reader_left(&text)};
}

/* ---- a series ---- */

static bool
walk_series(TsdbWriteRequest *request, TsdbReader message, Symbols *symbols)
{
	TsdbWriteEntry *entry;
	Named		named = {0};
	const char *problem;

	if (request->n_entries == request->entries_room)
		request->entries = tsdb_write_room(request->arena, request->entries, &request->entries_room, sizeof(TsdbWriteEntry));
	entry = &request->entries[request->n_entries++];
	*entry = (TsdbWriteEntry){.series = {.raw = {"", 0}, .labels = tsdb_write_labels}, .first_sample = request->n_samples};
	if (!walk_fields(request, message, entry, &named))
		return false;
	entry->n_samples = request->n_samples - entry->first_sample;

	problem = write_labels(request->arena, symbols, &named, &entry->series.raw);
	if (problem != NULL)
	{
		entry->series.labels = refuse_labels;
		entry->series.decoder = problem;
	}
	else if (entry->series.raw.data == NULL)
	{
		tsdb_fail(request->error, TSDB_ERR_LIMIT, "labels of a remote write body are too long");
		tsdb_error_hint(request->error, "Send fewer series in one request.");
		return false;
	}
	else
		add_metadata(request, symbols, &named);
	/* it would take many times the memory of its bytes, and say nothing */
	if (entry->n_samples == 0 && entry->n_exemplars == 0 && entry->n_histograms == 0)
		request->n_entries--;
	return true;
}

static bool
walk_fields(TsdbWriteRequest *request, TsdbReader message, TsdbWriteEntry *entry, Named *named)
{
	uint64_t	tag;

	while (tsdb_pb_next(&message, &tag))
	{
		TsdbReader	part;

		if (tag == TAG(1, WIRE_VARINT))
		{
			add_reference(request, named, tsdb_read_varint(&message));
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
			!(tag == TAG(1, WIRE_BYTES) ? add_packed(request, named, part) :
			  tag == TAG(2, WIRE_BYTES) ? tsdb_write_sample(request, part) : walk_metadata(part, named)))
			return false;
	}
	return !message.failed;
}

/* One that is too large to be a reference is one that does not exist. */
static void
add_reference(TsdbWriteRequest *request, Named *named, uint64_t reference)
{
	if (named->n_labels == named->labels_room)
		named->labels = tsdb_write_room(request->arena, named->labels, &named->labels_room, sizeof(uint32_t));
	named->labels[named->n_labels++] = reference < UINT32_MAX ? (uint32_t) reference : UINT32_MAX;
}

static bool
add_packed(TsdbWriteRequest *request, Named *named, TsdbReader packed)
{
	while (!packed.failed && tsdb_reader_left(&packed) > 0)
		add_reference(request, named, tsdb_read_varint(&packed));
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
add_metadata(TsdbWriteRequest *request, const Symbols *symbols, const Named *named)
{
	TsdbMetadata metadata = {.type = tsdb_write_type(named->type)};
	const TsdbMetadata *last = request->n_metadata > 0 ? &request->metadata[request->n_metadata - 1] : NULL;

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
	if (request->n_metadata == request->metadata_room)
		request->metadata = tsdb_write_room(request->arena, request->metadata, &request->metadata_room, sizeof(TsdbMetadata));
	request->metadata[request->n_metadata++] = metadata;
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
