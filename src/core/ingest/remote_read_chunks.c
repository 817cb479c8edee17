/*
 * remote_read_chunks.c
 *		Prometheus remote read, response type STREAMED_XOR_CHUNKS: frames of chunks.
 *
 *		frame				varint length of the message, its CRC-32C in 4 bytes big-endian, the message
 *		ChunkedReadResponse	chunked_series = 1, query_index = 2
 *		ChunkedSeries		labels = 1, chunks = 2
 *		Chunk				min_time_ms = 1, max_time_ms = 2, type = 3 (1: XOR), data = 4
 *
 * A message has one series; one that is longer than a frame shall be goes on in the next.
 */
#include "core/chunk/xor_chunk.h"
#include "core/ingest/remote_write_internal.h"

#define XOR 1
/* From here on a frame is ended, as Prometheus does by default; what reads takes 50 MB. */
#define MAX_FRAME_BYTES (1024 * 1024)

static void put_chunk(TsdbFrameWriter *writer, const int64_t *t, const double *v, size_t n);
static void put_number(TsdbBuffer *out, int field, uint64_t value);
static void end_frame(TsdbFrameWriter *writer, size_t query);

void
tsdb_frames_init(TsdbFrameWriter *writer, TsdbArena *arena)
{
	tsdb_buffer_init(&writer->out, arena, 64 * 1024);
	tsdb_buffer_init(&writer->series, arena, 4096);
	tsdb_buffer_init(&writer->message, arena, 4096);
	tsdb_buffer_init(&writer->chunk, arena, 1024);
}

void
tsdb_frames_add(TsdbFrameWriter *writer, size_t query, TsdbLabels labels, const int64_t *t, const double *v, size_t n)
{
	size_t		head;

	writer->series.len = 0;
	for (size_t i = 0; i < labels.n; i++)
		tsdb_read_put_label(&writer->series, &writer->chunk, &labels.pairs[i]);
	head = writer->series.len;
	for (size_t i = 0; i < n; i += TSDB_XOR_CHUNK_SAMPLES)
	{
		size_t		left = n - i;

		put_chunk(writer, t + i, v + i, left < TSDB_XOR_CHUNK_SAMPLES ? left : TSDB_XOR_CHUNK_SAMPLES);
		if (left > TSDB_XOR_CHUNK_SAMPLES && writer->series.len < MAX_FRAME_BYTES)
			continue;
		end_frame(writer, query);
		writer->series.len = head;
	}
}

static void
put_chunk(TsdbFrameWriter *writer, const int64_t *t, const double *v, size_t n)
{
	TsdbBuffer *chunk = &writer->chunk;
	TsdbBuffer *data = &writer->message;

	chunk->len = data->len = 0;
	tsdb_xor_chunk_write(data, t, v, n);
	put_number(chunk, 1, (uint64_t) t[0]);
	put_number(chunk, 2, (uint64_t) t[n - 1]);
	put_number(chunk, 3, XOR);
	tsdb_read_put_bytes(chunk, 4, data->data, data->len);
	tsdb_read_put_bytes(&writer->series, 2, chunk->data, chunk->len);
}

/* What is zero is left out. */
static void
put_number(TsdbBuffer *out, int field, uint64_t value)
{
	if (value == 0)
		return;
	tsdb_buffer_u8(out, (uint8_t) TAG(field, WIRE_VARINT));
	tsdb_buffer_varint(out, value);
}

static void
end_frame(TsdbFrameWriter *writer, size_t query)
{
	TsdbBuffer *message = &writer->message;
	uint32_t	sum;

	message->len = 0;
	tsdb_read_put_bytes(message, 1, writer->series.data, writer->series.len);
	put_number(message, 2, query);
	sum = tsdb_crc32c(message->data, message->len);
	tsdb_buffer_varint(&writer->out, message->len);
	for (int shift = 24; shift >= 0; shift -= 8)
		tsdb_buffer_u8(&writer->out, (uint8_t) (sum >> shift));
	tsdb_buffer_append(&writer->out, message->data, message->len);
}
