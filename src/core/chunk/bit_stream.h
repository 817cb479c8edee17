/*
 * bit_stream.h
 *		Bits one after another, the lowest bit of a byte first.
 */
#ifndef TSDB_CHUNK_BIT_STREAM_H
#define TSDB_CHUNK_BIT_STREAM_H

#include "core/chunk/bytes.h"

typedef struct BitWriter
{
	TsdbBuffer *out;
	uint64_t	word;
	unsigned	used;			/* bits in word, fewer than 8 between calls */
} BitWriter;

static inline void
bits_put(BitWriter *writer, uint64_t value, unsigned n)
{
	if (n > 56)
	{
		bits_put(writer, value & UINT32_MAX, 32);
		value >>= 32;
		n -= 32;
	}
	writer->word |= value << writer->used;
	writer->used += n;
	if (tsdb_unlikely(writer->out->capacity - writer->out->len < 8))
		tsdb_buffer_reserve(writer->out, 8);
	tsdb_store64(writer->out->data + writer->out->len, writer->word);
	writer->out->len += writer->used / 8;
	writer->word >>= writer->used / 8 * 8;
	writer->used %= 8;
}

static inline void
bits_flush(BitWriter *writer)
{
	if (writer->used > 0)
		tsdb_buffer_u8(writer->out, (uint8_t) writer->word);
	writer->word = 0;
	writer->used = 0;
}

/* Reading behind the end gives zeros; bits_finish() tells. */
typedef struct BitReader
{
	const uint8_t *start;
	const uint8_t *end;
	size_t		position;		/* in bits */
} BitReader;

#define LOADED_BITS 57			/* that a load of 64 bits has at any position */

/* At least LOADED_BITS from the position on. */
static inline uint64_t
bits_peek(const BitReader *reader)
{
	size_t		byte = reader->position / 8;

	if (tsdb_unlikely(byte >= (size_t) (reader->end - reader->start)))
		return 0;
	return tsdb_load64_until(reader->start + byte, reader->end) >> (reader->position % 8);
}

static inline uint64_t
bits_get(BitReader *reader, unsigned n)
{
	uint64_t	value;

	if (n > 56)
	{
		uint64_t	low = bits_get(reader, 32);

		return low | bits_get(reader, n - 32) << 32;
	}
	value = tsdb_low_bits(bits_peek(reader), n);
	reader->position += n;
	return value;
}

/* Moves the reader behind the last byte that was used: false when bits are missing, or the last byte has some more. */
static inline bool
bits_finish(const BitReader *bits, TsdbReader *reader)
{
	size_t		bytes = (bits->position + 7) / 8;

	if (bytes > (size_t) (bits->end - bits->start))
		return false;
	reader->cursor = bits->start + bytes;
	return bits->position % 8 == 0 || bits->start[bytes - 1] >> (bits->position % 8) == 0;
}

#endif							/* TSDB_CHUNK_BIT_STREAM_H */
