/*
 * bytes.h
 *		Little-endian loads and stores that know where the bytes end.
 */
#ifndef TSDB_CHUNK_BYTES_H
#define TSDB_CHUNK_BYTES_H

#include "core/base/base.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define tsdb_le64(x) __builtin_bswap64(x)
#else
#define tsdb_le64(x) (x)
#endif

static inline uint64_t
tsdb_load64(const uint8_t *p)
{
	uint64_t	word;

	memcpy(&word, p, sizeof(word));
	return tsdb_le64(word);
}

static inline void
tsdb_store64(uint8_t *p, uint64_t word)
{
	word = tsdb_le64(word);
	memcpy(p, &word, sizeof(word));
}

static inline unsigned
tsdb_load16(const uint8_t *p)
{
	return p[0] | (unsigned) p[1] << 8;
}

static inline void
tsdb_store16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t) value;
	p[1] = (uint8_t) (value >> 8);
}

/* The bytes from p on, zeros for those at and behind end; p may be behind end. */
static inline uint64_t
tsdb_load64_until(const uint8_t *p, const uint8_t *end)
{
	uint64_t	word = 0;

	if (tsdb_likely(end - p >= 8))
		return tsdb_load64(p);
	for (unsigned i = 0; p + i < end; i++)
		word |= (uint64_t) p[i] << (8 * i);
	return word;
}

/* The n lowest bits; n <= 64. */
static inline uint64_t
tsdb_low_bits(uint64_t word, unsigned n)
{
	return n >= 64 ? word : word & ((UINT64_C(1) << n) - 1);
}

/* Bits until the highest 1; 0 for 0, without a branch: zeros come and go. */
static inline unsigned
tsdb_bit_length(uint64_t word)
{
	return 64 - (unsigned) __builtin_clzll(word | 1) - (word == 0);
}

#endif							/* TSDB_CHUNK_BYTES_H */
