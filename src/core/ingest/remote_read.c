/*
 * remote_read.c
 *		Prometheus remote read: a request decoded; an answer of type SAMPLES encoded.
 *
 *		ReadRequest		queries = 1, accepted_response_types = 2
 *		Query			start_timestamp_ms = 1, end_timestamp_ms = 2, matchers = 3, hints = 4
 *		LabelMatcher	type = 1 (enum), name = 2, value = 3
 *		ReadResponse	results = 1
 *		QueryResult		timeseries = 1
 *		TimeSeries		labels = 1, samples = 2, as in remote write
 *
 * Both are snappy blocks.  Who sends no list of response types takes SAMPLES.  Of a list the first that there is counts;
 * the other one, STREAMED_XOR_CHUNKS, is in remote_read_chunks.c.
 */
#include <snappy-c.h>

#include "core/ingest/remote_write_internal.h"

#define SAMPLES 0
#define STREAMED_XOR_CHUNKS 1

static bool walk_query(TsdbArena *arena, TsdbReader message, TsdbReadQuery *query, TsdbError *error);
static bool walk_matcher(TsdbArena *arena, TsdbReader message, TsdbMatcher *matcher, TsdbError *error);
static void take_type(TsdbReadRequest *request, uint64_t type);
static void put_sample(TsdbBuffer *out, int64_t t, double v);

/* ---- request ---- */

TsdbStatus
tsdb_remote_read_decode(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
						TsdbReadRequest *request, TsdbError *error)
{
	size_t		room = 0;
	bool		has_types = false;
	uint64_t	tag;
	TsdbReader	message;

	*request = (TsdbReadRequest){0};
	tsdb_error_clear(error);
	if (tsdb_write_decompress(arena, "remote read", body, len, limits, &message, error) != TSDB_OK)
		return error->code;
	while (tsdb_pb_next(&message, &tag))
	{
		if (tag == TAG(1, WIRE_BYTES))
		{
			TsdbReader	query = tsdb_pb_message(&message);

			if (request->n == room)
				request->queries = tsdb_write_room(arena, request->queries, &room, sizeof(TsdbReadQuery));
			if (!message.failed && !walk_query(arena, query, &request->queries[request->n++], error))
				message.failed = true;
		}
		else if (tag == TAG(2, WIRE_BYTES) || tag == TAG(2, WIRE_VARINT))
		{
			TsdbReader	types = {0};

			if (tag == TAG(2, WIRE_BYTES))
				types = tsdb_pb_message(&message);
			else
			{
				take_type(request, tsdb_read_varint(&message));
				has_types = true;
			}
			while (!types.failed && tsdb_reader_left(&types) > 0)
			{
				take_type(request, tsdb_read_varint(&types));
				has_types = true;
			}
		}
		else
			tsdb_pb_skip(&message, tag);
	}
	if (error->code != TSDB_OK)
		return error->code;
	if (message.failed)
	{
		tsdb_fail(error, TSDB_ERR_INPUT, "remote read body is not a prometheus.ReadRequest: malformed protobuf");
		tsdb_error_hint(error, "Send remote read protocol 0.1.0.");
		return error->code;
	}
	request->takes_samples |= !has_types;
	if (!request->takes_samples && !request->wants_chunks)
		return tsdb_fail(error, TSDB_ERR_UNSUPPORTED,
						 "server does not support any of the requested response types; supported: SAMPLES, STREAMED_XOR_CHUNKS");
	return TSDB_OK;
}

static void
take_type(TsdbReadRequest *request, uint64_t type)
{
	if (type == SAMPLES)
		request->takes_samples = true;
	else if (type == STREAMED_XOR_CHUNKS && !request->takes_samples)
		request->wants_chunks = true;
}

static bool
walk_query(TsdbArena *arena, TsdbReader message, TsdbReadQuery *query, TsdbError *error)
{
	size_t		room = 0;
	uint64_t	tag;

	*query = (TsdbReadQuery){0};
	while (tsdb_pb_next(&message, &tag))
	{
		if (tag == TAG(1, WIRE_VARINT))
			query->t_min = (int64_t) tsdb_read_varint(&message);
		else if (tag == TAG(2, WIRE_VARINT))
			query->t_max = (int64_t) tsdb_read_varint(&message);
		else if (tag == TAG(3, WIRE_BYTES))
		{
			TsdbReader	matcher = tsdb_pb_message(&message);

			if (query->n_matchers == room)
				query->matchers = tsdb_write_room(arena, query->matchers, &room, sizeof(TsdbMatcher));
			if (message.failed || !walk_matcher(arena, matcher, &query->matchers[query->n_matchers++], error))
				return false;
		}
		else
			tsdb_pb_skip(&message, tag);
	}
	return !message.failed;
}

/* The numbers of the types are those of TsdbMatchType. */
static bool
walk_matcher(TsdbArena *arena, TsdbReader message, TsdbMatcher *matcher, TsdbError *error)
{
	uint64_t	type = TSDB_MATCH_EQUAL;
	TsdbStr		name = {"", 0};
	TsdbStr		value = {"", 0};
	uint64_t	tag;

	while (tsdb_pb_next(&message, &tag))
	{
		if (tag == TAG(1, WIRE_VARINT))
			type = tsdb_read_varint(&message);
		else if (tag == TAG(2, WIRE_BYTES))
			name = tsdb_pb_text(&message);
		else if (tag == TAG(3, WIRE_BYTES))
			value = tsdb_pb_text(&message);
		else
			tsdb_pb_skip(&message, tag);
	}
	if (message.failed || type > TSDB_MATCH_NOT_REGEX)
		return false;
	if (!tsdb_utf8_is_valid(name) || !tsdb_utf8_is_valid(value))
	{
		tsdb_fail(error, TSDB_ERR_ENCODING, "matcher of a remote read request is not valid UTF-8");
		return false;
	}
	return tsdb_matcher_make(arena, (TsdbMatchType) type, name, value, matcher, error) == TSDB_OK;
}

/* ---- answer ---- */

void
tsdb_remote_read_series(TsdbBuffer *result, TsdbLabels labels, const int64_t *t, const double *v, size_t n)
{
	TsdbBuffer	series;
	TsdbBuffer	scratch;

	tsdb_buffer_init(&series, result->arena, 64 + 20 * n);
	tsdb_buffer_init(&scratch, result->arena, 64);
	for (size_t i = 0; i < labels.n; i++)
		tsdb_read_put_label(&series, &scratch, &labels.pairs[i]);
	for (size_t i = 0; i < n; i++)
		put_sample(&series, t[i], v[i]);
	tsdb_read_put_bytes(result, 1, series.data, series.len);
}

void
tsdb_read_put_bytes(TsdbBuffer *out, int field, const void *bytes, size_t len)
{
	tsdb_buffer_u8(out, (uint8_t) TAG(field, WIRE_BYTES));
	tsdb_buffer_varint(out, len);
	tsdb_buffer_append(out, bytes, len);
}

void
tsdb_read_put_label(TsdbBuffer *out, TsdbBuffer *scratch, const TsdbLabel *label)
{
	scratch->len = 0;
	tsdb_read_put_bytes(scratch, 1, label->name.data, label->name.len);
	tsdb_read_put_bytes(scratch, 2, label->value.data, label->value.len);
	tsdb_read_put_bytes(out, 1, scratch->data, scratch->len);
}

/* Bit by bit: a stale marker must arrive as one. */
static void
put_sample(TsdbBuffer *out, int64_t t, double v)
{
	uint8_t		message[24];
	size_t		len = 0;
	uint64_t	bits = tsdb_double_bits(v);
	uint64_t	time = (uint64_t) t;

	message[len++] = TAG(1, WIRE_FIXED64);
	for (int i = 0; i < 8; i++)
		message[len++] = (uint8_t) (bits >> (8 * i));
	message[len++] = TAG(2, WIRE_VARINT);
	for (; time >= 0x80; time >>= 7)
		message[len++] = (uint8_t) (time | 0x80);
	message[len++] = (uint8_t) time;
	tsdb_read_put_bytes(out, 2, message, len);
}

void
tsdb_remote_read_result(TsdbBuffer *response, const TsdbBuffer *result)
{
	tsdb_read_put_bytes(response, 1, result->data, result->len);
}

TsdbStr
tsdb_remote_read_compress(TsdbArena *arena, const TsdbBuffer *response)
{
	size_t		len = snappy_max_compressed_length(response->len);
	char	   *block = tsdb_alloc(arena, len);

	if (snappy_compress((const char *) response->data, response->len, block, &len) != SNAPPY_OK)
		len = 0;
	return (TsdbStr){block, len};
}
