/*
 * xor_chunk_reader.h
 *		Reads Prometheus's XOR chunks back, for the tests: written after the format, bit by bit, and not after what writes them.
 */
#ifndef PGTSDB_XOR_CHUNK_READER_H
#define PGTSDB_XOR_CHUNK_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct XorReader
{
	const uint8_t *data;
	size_t		len;
	size_t		at;				/* in bits */
	bool		failed;
} XorReader;

static inline uint64_t
xor_bits(XorReader *reader, unsigned n)
{
	uint64_t	value = 0;

	for (; n > 0; n--, reader->at++)
	{
		if (reader->at / 8 >= reader->len)
		{
			reader->failed = true;
			return 0;
		}
		value = value << 1 | (reader->data[reader->at / 8] >> (7 - reader->at % 8) & 1);
	}
	return value;
}

static inline uint64_t
xor_varint(XorReader *reader)
{
	uint64_t	value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7)
	{
		uint64_t	byte = xor_bits(reader, 8);

		value |= (byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	reader->failed = true;
	return 0;
}

/* n bits hold -2^(n-1) + 1 to 2^(n-1). */
static inline int64_t
xor_distance(XorReader *reader)
{
	static const unsigned sizes[] = {0, 14, 17, 20, 64};
	unsigned	ones = 0;
	uint64_t	value;

	while (ones < 4 && xor_bits(reader, 1) == 1)
		ones++;
	value = xor_bits(reader, sizes[ones]);
	if (ones > 0 && ones < 4 && value > UINT64_C(1) << (sizes[ones] - 1))
		value -= UINT64_C(1) << sizes[ones];
	return (int64_t) value;
}

/* Answers how many samples there were, of which the first `room` are stored; -1: not a chunk. */
static inline int
xor_chunk_read(const uint8_t *data, size_t len, int64_t *t, uint64_t *v, int room)
{
	XorReader	reader = {data, len, 0, false};
	int			n = (int) xor_bits(&reader, 16);
	int64_t		time = 0;
	uint64_t	distance = 0;
	uint64_t	value = 0;
	unsigned	leading = 0;
	unsigned	length = 0;

	for (int i = 0; i < n && !reader.failed; i++)
	{
		if (i == 0)
		{
			uint64_t	zigzag = xor_varint(&reader);

			time = (int64_t) (zigzag >> 1 ^ (~(zigzag & 1) + 1));
			value = xor_bits(&reader, 64);
		}
		else
		{
			distance = i == 1 ? xor_varint(&reader) : distance + (uint64_t) xor_distance(&reader);
			time = (int64_t) ((uint64_t) time + distance);
			if (xor_bits(&reader, 1) == 1)
			{
				if (xor_bits(&reader, 1) == 1)
				{
					leading = (unsigned) xor_bits(&reader, 5);
					length = (unsigned) xor_bits(&reader, 6);
					length = length == 0 ? 64 : length;
				}
				if (length == 0 || leading + length > 64)
					return -1;
				value ^= xor_bits(&reader, length) << (64 - leading - length);
			}
		}
		if (i < room)
		{
			t[i] = time;
			v[i] = value;
		}
	}
	return reader.failed || (reader.at + 7) / 8 != len ? -1 : n;
}

#endif							/* PGTSDB_XOR_CHUNK_READER_H */
