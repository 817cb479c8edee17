/*
 * gorilla.c
 *		XOR of neighbouring doubles, after "Gorilla: A Fast, Scalable, In-Memory Time Series Database" (VLDB 2015), 4.1.2.
 *
 *		8 bytes			first value
 *		bit stream, lowest bit first, for each further value x = value ^ previous:
 *		0				x = 0
 *		1 0				x has no bit outside of the window of the last 1 1: its bits in the window
 *		1 1				5 bits leading zeros (at most 31), 6 bits length - 1, then so many bits
 *
 * The first x that is not 0 comes as 1 1.
 */
#include "core/chunk/bit_stream.h"
#include "core/chunk/chunk_internal.h"

#define MAX_LEADING 31

void
tsdb_gorilla_write(TsdbBuffer *out, const double *values, size_t n)
{
	BitWriter	writer = {out, 0, 0};
	uint64_t	previous = tsdb_double_bits(values[0]);
	unsigned	leading = 0;
	unsigned	length = 0;		/* of the window; 0: none yet */

	bits_put(&writer, previous, 64);
	for (size_t i = 1; i < n; i++)
	{
		uint64_t	bits = tsdb_double_bits(values[i]);
		uint64_t	xor = bits ^ previous;
		unsigned	zeros;
		unsigned	trailing;

		previous = bits;
		if (xor == 0)
		{
			bits_put(&writer, 0, 1);
			continue;
		}
		zeros = (unsigned) __builtin_clzll(xor);
		zeros = zeros > MAX_LEADING ? MAX_LEADING : zeros;
		trailing = (unsigned) __builtin_ctzll(xor);
		if (length > 0 && zeros >= leading && trailing >= 64 - leading - length)
			bits_put(&writer, 1, 2);
		else
		{
			leading = zeros;
			length = 64 - zeros - trailing;
			bits_put(&writer, 3 | leading << 2 | (length - 1) << 7, 13);
		}
		bits_put(&writer, xor >> (64 - leading - length), length);
	}
	bits_flush(&writer);
}

const char *
tsdb_gorilla_read(TsdbReader *in, double *values, size_t n, size_t wanted)
{
	BitReader	reader = {in->cursor, in->end, 0};
	uint64_t	bits = bits_get(&reader, 64);
	unsigned	leading = 0;
	unsigned	length = 0;

	values[0] = tsdb_double_from_bits(bits);
	for (size_t i = 1; i < wanted; i++)
	{
		uint64_t	code = bits_peek(&reader);

		if ((code & 1) == 0)
			reader.position += 1;
		else
		{
			if ((code & 2) == 0)
				reader.position += 2;
			else
			{
				leading = code >> 2 & 31;
				length = (code >> 7 & 63) + 1;
				reader.position += 13;
			}
			if (length == 0)
				return "XOR code uses a window before there is one";
			if (leading + length > 64)
				return "XOR window is longer than 64 bits";
			bits ^= bits_get(&reader, length) << (64 - leading - length);
		}
		values[i] = tsdb_double_from_bits(bits);
	}
	return wanted < n || bits_finish(&reader, in) ? NULL : "XOR codes are truncated";
}
