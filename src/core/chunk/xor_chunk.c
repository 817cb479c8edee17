/*
 * xor_chunk.c
 *		Prometheus's XOR chunk of floats (tsdb/docs/format/chunks.md, encoding 1).
 *
 *		2 bytes			number of samples, big-endian
 *		bit stream, highest bit first:
 *		varint			first time, zigzag, in bytes of 7 bits
 *		64 bits			first value
 *		varint			second time - first
 *		value			of the second sample
 *		for each further one: time, value
 *
 *		time, as d = this distance - the one before:
 *		0				d = 0
 *		1 0				d in 14 bits
 *		1 1 0			d in 17 bits
 *		1 1 1 0			d in 20 bits
 *		1 1 1 1			d in 64 bits
 *		n bits hold -2^(n-1) + 1 to 2^(n-1)
 *
 *		value, as x = value ^ the one before:
 *		0				x = 0
 *		1 0				x has no bit outside of the window of the last 1 1: its bits in the window
 *		1 1				5 bits leading zeros (at most 31), 6 bits length (0 is 64), then so many bits
 *
 * The same idea as in gorilla.c, but the bits run the other way, and the lengths are written otherwise.
 */
#include "core/chunk/xor_chunk.h"

#define MAX_LEADING 31

/* Highest bit first: bytes leave at the top of the word. */
typedef struct TopWriter
{
	TsdbBuffer *out;
	uint64_t	word;			/* its lowest `used` bits wait */
	unsigned	used;			/* fewer than 8 between calls */
} TopWriter;

typedef struct Window
{
	unsigned	leading;
	unsigned	length;			/* 0: none yet */
} Window;

static inline uint64_t
low_bits(uint64_t value, unsigned n)
{
	return n < 64 ? value & ((UINT64_C(1) << n) - 1) : value;
}

static void
put(TopWriter *writer, uint64_t value, unsigned n)
{
	if (n > 56)
	{
		put(writer, value >> 32, n - 32);
		n = 32;
	}
	writer->word = writer->word << n | low_bits(value, n);
	for (writer->used += n; writer->used >= 8; writer->used -= 8)
		tsdb_buffer_u8(writer->out, (uint8_t) (writer->word >> (writer->used - 8)));
	writer->word = low_bits(writer->word, writer->used);
}

static void
put_varint(TopWriter *writer, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put(writer, (value & 0x7f) | 0x80, 8);
	put(writer, value, 8);
}

static bool
fits(int64_t d, unsigned n)
{
	return d > -(INT64_C(1) << (n - 1)) && d <= INT64_C(1) << (n - 1);
}

static void
put_time(TopWriter *writer, int64_t d)
{
	if (d == 0)
		put(writer, 0, 1);
	else if (fits(d, 14))
		put(writer, UINT64_C(2) << 14 | low_bits((uint64_t) d, 14), 2 + 14);
	else if (fits(d, 17))
		put(writer, UINT64_C(6) << 17 | low_bits((uint64_t) d, 17), 3 + 17);
	else if (fits(d, 20))
		put(writer, UINT64_C(14) << 20 | low_bits((uint64_t) d, 20), 4 + 20);
	else
	{
		put(writer, 15, 4);
		put(writer, (uint64_t) d, 64);
	}
}

static void
put_value(TopWriter *writer, Window *window, uint64_t xor)
{
	unsigned	leading;
	unsigned	trailing;

	if (xor == 0)
	{
		put(writer, 0, 1);
		return;
	}
	leading = (unsigned) __builtin_clzll(xor);
	leading = leading > MAX_LEADING ? MAX_LEADING : leading;
	trailing = (unsigned) __builtin_ctzll(xor);
	if (window->length > 0 && leading >= window->leading && trailing >= 64 - window->leading - window->length)
		put(writer, 2, 2);
	else
	{
		*window = (Window){leading, 64 - leading - trailing};
		put(writer, 3, 2);
		put(writer, leading, 5);
		put(writer, window->length & 63, 6);
	}
	put(writer, xor >> (64 - window->leading - window->length), window->length);
}

void
tsdb_xor_chunk_write(TsdbBuffer *out, const int64_t *t, const double *v, size_t n)
{
	TopWriter	writer = {out, 0, 0};
	Window		window = {0, 0};
	uint64_t	distance = 0;

	put(&writer, n, 16);
	put_varint(&writer, tsdb_zigzag(t[0]));
	put(&writer, tsdb_double_bits(v[0]), 64);
	for (size_t i = 1; i < n; i++)
	{
		uint64_t	next = (uint64_t) t[i] - (uint64_t) t[i - 1];

		if (i == 1)
			put_varint(&writer, next);
		else
			put_time(&writer, (int64_t) (next - distance));
		distance = next;
		put_value(&writer, &window, tsdb_double_bits(v[i]) ^ tsdb_double_bits(v[i - 1]));
	}
	if (writer.used > 0)
		put(&writer, 0, 8 - writer.used);
}
