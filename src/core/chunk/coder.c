/*
 * coder.c
 *		Arrays of small unsigned integers: Rice codes, zero runs and digits; huffman.c has one coder more.
 *
 * Rice, coder 0.  A value is its k lowest bits and the rest q, which is written as
 * q zeros and a one.  Both parts stand in streams of their own,
 *
 *		u8	k (0..63)
 *		n x k bits, lowest bit first, filled up to a byte with zeros
 *		q zeros and a one for each value, filled up to a byte with zeros
 *		varint q for each value whose q >= 20: that has 20 zeros above
 *
 * because a decoder of separate streams needs no more than "find the next one" per
 * value, with the low bits at a place known beforehand, and never waits for one value to
 * find the next.
 *
 * Zero runs, coder 1.  For data that is mostly zero,
 *
 *		u8	kg, u8 kv
 *		bit stream, until n values are there: Rice(number of zeros, kg), then, unless the end is reached, Rice(value - 1, kv)
 *
 * with codes in one piece: q zeros, a one, k bits; 20 zeros and a one
 * are followed by all 64 bits of the number.
 *
 * Digits, coder 3.  Rice codes fit numbers that become half as frequent at equal distances; sums of many
 * independent things are normally distributed, and lose a tenth of a bit each.  Here q below 3 is two bits
 * in front of the k low ones:
 *
 *		u8	k (0..61)
 *		n x (k + 2) bits: the k lowest bits, and above them q, or 3 for all that are larger
 *		q - 3 as zeros and a one for each of these, filled up to a byte with zeros
 *		varint q - 3 for each of these whose q - 3 >= 20: that has 20 zeros above
 *
 * It is faster to read, too: a third of the values has a part in the second stream.
 *
 * k comes from a histogram of bit lengths: with the number and the sum of the
 * values of each length, the sum of all q is known closely for any k.
 */
#include <math.h>

#include "core/chunk/bit_stream.h"
#include "core/chunk/chunk_internal.h"

#define MAX_K 63
#define DIGIT_BITS 2
#define LAST_DIGIT 3
#define MAX_DIGITS_K (MAX_K - DIGIT_BITS)
#define ESCAPE 20

const char	tsdb_fault_reserved[] = "a codec that this version does not know";

/* ---- choosing ---- */

/* 2^13 values of so many bits have a sum of 64 bits. */
#define SUMMED_BITS 51

typedef struct BitCounts
{
	uint32_t	count[65];
	uint64_t	sum[65];		/* wraps around for more than SUMMED_BITS */
} BitCounts;

static inline void
count_value(BitCounts *counts, uint64_t value)
{
	unsigned	length = tsdb_bit_length(value);

	counts->count[length]++;
	counts->sum[length] += value;
}

static void
make_histogram(const BitCounts *counts, unsigned longest, BitHistogram *histogram)
{
	histogram->n_classes = 0;
	histogram->n = 0;
	histogram->zeros = counts->count[0];
	for (unsigned length = 0; length <= longest; length++)
	{
		double		count = counts->count[length];

		if (count == 0)
			continue;
		histogram->n += count;
		histogram->classes[histogram->n_classes++] = (BitClass){
			length, count, length <= SUMMED_BITS ? (double) (int64_t) counts->sum[length] : count * ldexp(0.75, (int) length)
		};
	}
}

void
tsdb_histogram_fill(BitHistogram *histogram, const uint64_t *values, size_t n)
{
	BitCounts	counts;
	uint64_t	any = 0;
	unsigned	longest;

	for (size_t i = 0; i < n; i++)
		any |= values[i];
	longest = tsdb_bit_length(any);
	memset(counts.count, 0, (longest + 1) * sizeof(*counts.count));
	memset(counts.sum, 0, (longest + 1) * sizeof(*counts.sum));
	for (size_t i = 0; i < n; i++)
		count_value(&counts, values[i]);
	make_histogram(&counts, longest, histogram);
}

/* Bits that the values of the classes from that one on, each less `minus`, need as Rice codes. */
static double
rice_bits(const BitHistogram *histogram, unsigned from, double minus, unsigned k)
{
	double		scale = 1.0 / (double) (UINT64_C(1) << k);
	double		bits = 0;

	for (unsigned i = from; i < histogram->n_classes; i++)
	{
		const BitClass *class = &histogram->classes[i];
		double		q;

		bits += class->count * (k + 1);
		if (class->length <= k)
			continue;
		/* the k low bits are on average half of what they can be */
		q = (class->sum - class->count * minus) * scale - class->count * 0.5 * (1 - scale);
		if (q > class->count * ESCAPE)
			q = class->count * (ESCAPE + 8 * ((class->length - k + 6) / 7));
		bits += q > 0 ? q : 0;
	}
	return bits;
}

/* Bits that the values need as digits. */
static double
digits_bits(const BitHistogram *histogram, unsigned k)
{
	double		scale = 1.0 / (double) (UINT64_C(1) << k);
	double		bits = histogram->n * (k + DIGIT_BITS);

	for (unsigned i = 0; i < histogram->n_classes; i++)
	{
		const BitClass *class = &histogram->classes[i];
		double		q;

		if (class->length < k + DIGIT_BITS)
			continue;
		/* as above; a one, and the zeros of what is more than the last digit */
		q = class->sum * scale - class->count * (0.5 * (1 - scale) + LAST_DIGIT - 1);
		if (q > class->count * ESCAPE)
			q = class->count * (ESCAPE + 1 + 8 * ((class->length - k + 6) / 7));
		bits += q > 0 ? q : 0;
	}
	return bits;
}

/* The k that needs the fewest bits: a search from the median, since the cost falls and then rises. */
static unsigned
choose_k(const BitHistogram *histogram, unsigned from, double minus, double *bits)
{
	double		half = (from == 0 ? histogram->n : histogram->n - histogram->zeros) / 2;
	double		below = 0;
	unsigned	k = 0;

	for (unsigned i = from; i < histogram->n_classes && below <= half; i++)
	{
		k = histogram->classes[i].length;
		below += histogram->classes[i].count;
	}
	k = k > 0 ? k - 1 : 0;
	*bits = rice_bits(histogram, from, minus, k);
	for (int step = -1; step <= 1; step += 2)
		while ((int) k + step >= 0 && k + step <= MAX_K)
		{
			double		other = rice_bits(histogram, from, minus, k + step);

			if (other >= *bits)
				break;
			*bits = other;
			k += step;
		}
	return k;
}

/*
 * Rare events are about as far apart as a geometric distribution has it: the bits
 * of n gaps with that mean and the best k.
 */
static double
gap_bits(double mean, double n)
{
	unsigned	k = tsdb_bit_length((uint64_t) (mean * 0.7));

	k = k > 0 ? k - 1 : 0;
	return n * (k + 1 + mean / (double) (1 << k) - 0.5 * (1 - 1 / (double) (1 << k)));
}

#define RICE_OVERHEAD (8 + 8)	/* k, and two incomplete bytes */
#define RUNS_OVERHEAD (16 + 4)

/* Whether digits need less than the Rice codes that were chosen: theirs is a k that is one or two lower. */
static void
choose_digits(const BitHistogram *histogram, CoderChoice *choice, double *bits)
{
	unsigned	most = choice->k > 0 ? choice->k - 1 : 0;

	for (unsigned k = most > 0 ? most - 1 : 0; k <= most && k <= MAX_DIGITS_K; k++)
	{
		double		other = digits_bits(histogram, k);

		if (other >= *bits)
			continue;
		*bits = other;
		choice->coder = CODER_DIGITS;
		choice->k = k;
	}
}

CoderChoice
tsdb_coder_choose(const BitHistogram *histogram, double scale)
{
	CoderChoice choice = {.coder = CODER_RICE};
	double		zeros = histogram->zeros;
	double		others = histogram->n - zeros;
	double		bits;
	unsigned	k;
	double		gaps;

	choice.k = choose_k(histogram, 0, 0, &bits);
	choose_digits(histogram, &choice, &bits);
	choice.bits = bits * scale + RICE_OVERHEAD;
	choice.huffman_bits = tsdb_huffman_alphabet_bits(histogram);
	if (zeros <= others)
	{
		choice.huffman_bits += tsdb_huffman_bits(histogram, 0) * scale;
		return choice;
	}
	gaps = gap_bits(zeros / (others + 1), others + 1);
	choice.huffman_bits += (gaps + tsdb_huffman_bits(histogram, 1)) * scale;
	k = choose_k(histogram, 1, 1, &bits);
	bits = (gaps + bits) * scale + RUNS_OVERHEAD;
	if (bits < choice.bits)
	{
		choice.coder = CODER_ZERO_RUNS;
		choice.k = k;
		choice.bits = bits;
	}
	return choice;
}

/* ---- writing ---- */

static void
write_low_bits(TsdbBuffer *out, const uint64_t *values, size_t n, unsigned k)
{
	BitWriter	writer = {out, 0, 0};
	uint8_t    *at;
	uint64_t	word = 0;
	unsigned	used = 0;

	if (k > 56)
	{
		for (size_t i = 0; i < n; i++)
			bits_put(&writer, tsdb_low_bits(values[i], k), k);
		bits_flush(&writer);
		return;
	}
	tsdb_buffer_reserve(out, (n * k + 7) / 8 + 8);
	at = out->data + out->len;
	for (size_t i = 0; i < n; i++)
	{
		word |= tsdb_low_bits(values[i], k) << used;
		used += k;
		tsdb_store64(at, word);
		at += used / 8;
		word >>= used & ~7u;
		used &= 7;
	}
	out->len += (n * k + 7) / 8;
}

static void
write_unary(TsdbBuffer *out, const uint64_t *values, size_t n, unsigned k)
{
	uint8_t    *at;
	uint64_t	word = 0;
	unsigned	used = 0;

	tsdb_buffer_reserve(out, n * (ESCAPE + 1) / 8 + 16);
	at = out->data + out->len;
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	q = values[i] >> k;

		q = q < ESCAPE ? q : ESCAPE;
		word |= UINT64_C(1) << (used + q);
		used += (unsigned) q + 1;
		tsdb_store64(at, word);
		at += used / 8;
		word >>= used & ~7u;
		used &= 7;
	}
	out->len = (size_t) (at - out->data) + (used > 0);
}

static void
write_rice(TsdbBuffer *out, const uint64_t *values, size_t n, unsigned k)
{
	tsdb_buffer_u8(out, (uint8_t) k);
	write_low_bits(out, values, n, k);
	write_unary(out, values, n, k);
	for (size_t i = 0; i < n; i++)
		if (tsdb_unlikely(values[i] >> k >= ESCAPE))
			tsdb_buffer_varint(out, values[i] >> k);
}

static void
write_digits(TsdbBuffer *out, const uint64_t *values, size_t n, unsigned k)
{
	uint64_t	parts[TSDB_CHUNK_MAX_TIMES];	/* of the first stream, then of the second */
	size_t		m = 0;

	parts[0] = 0;				/* for compilers that see n = 0 */
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	q = values[i] >> k;

		parts[i] = (q < LAST_DIGIT ? q : LAST_DIGIT) << k | tsdb_low_bits(values[i], k);
	}
	tsdb_buffer_u8(out, (uint8_t) k);
	write_low_bits(out, parts, n, k + DIGIT_BITS);
	for (size_t i = 0; i < n; i++)
	{
		parts[m] = (values[i] >> k) - LAST_DIGIT;
		m += values[i] >> k >= LAST_DIGIT;
	}
	write_unary(out, parts, m, 0);
	for (size_t i = 0; i < m; i++)
		if (tsdb_unlikely(parts[i] >= ESCAPE))
			tsdb_buffer_varint(out, parts[i]);
}

static inline void
put_rice(BitWriter *writer, uint64_t value, unsigned k)
{
	uint64_t	q = value >> k;

	if (tsdb_likely(q < ESCAPE && k <= 56 - ESCAPE))
		bits_put(writer, UINT64_C(1) << q | tsdb_low_bits(value, k) << (q + 1), (unsigned) q + 1 + k);
	else if (q < ESCAPE)
	{
		bits_put(writer, UINT64_C(1) << q, (unsigned) q + 1);
		bits_put(writer, tsdb_low_bits(value, k), k);
	}
	else
	{
		bits_put(writer, UINT64_C(1) << ESCAPE, ESCAPE + 1);
		bits_put(writer, value, 64);
	}
}

/* Without a branch, since they are anywhere. */
size_t
tsdb_find_values(const uint64_t *values, size_t n, uint16_t *places)
{
	size_t		m = 0;

	for (size_t i = 0; i < n; i++)
	{
		places[m] = (uint16_t) i;
		m += values[i] != 0;
	}
	return m;
}

static void
write_zero_runs(TsdbBuffer *out, const uint64_t *values, size_t n, unsigned k_values)
{
	BitWriter	writer = {out, 0, 0};
	uint16_t	places[TSDB_CHUNK_MAX_TIMES];
	size_t		m = tsdb_find_values(values, n, places);
	BitCounts	counts = {0};
	BitHistogram gaps;
	unsigned	k_gaps;
	size_t		at = 0;
	double		bits;

	for (size_t i = 0; i < m; at = places[i++] + 1)
		count_value(&counts, places[i] - at);
	if (at < n)
		count_value(&counts, n - at);
	make_histogram(&counts, tsdb_bit_length(n), &gaps);
	k_gaps = choose_k(&gaps, 0, 0, &bits);

	tsdb_buffer_u8(out, (uint8_t) k_gaps);
	tsdb_buffer_u8(out, (uint8_t) k_values);
	at = 0;
	for (size_t i = 0; i < m; at = places[i++] + 1)
	{
		put_rice(&writer, places[i] - at, k_gaps);
		put_rice(&writer, values[places[i]] - 1, k_values);
	}
	if (at < n)
		put_rice(&writer, n - at, k_gaps);
	bits_flush(&writer);
}

void
tsdb_coder_write(TsdbBuffer *out, const CoderChoice *choice, const uint64_t *values, size_t n)
{
	if (choice->coder == CODER_RICE)
		write_rice(out, values, n, choice->k);
	else if (choice->coder == CODER_DIGITS)
		write_digits(out, values, n, choice->k);
	else
		write_zero_runs(out, values, n, choice->k);
}

/* ---- reading ---- */

/* What one byte of a unary stream says. */
typedef struct UnaryByte
{
	uint64_t	gaps;			/* zeros before each one, a byte for each */
	uint8_t		ones;
	uint8_t		rest;			/* zeros behind the last one */
} UnaryByte;

/* The byte of two halves, each with the gaps, ones and rest of its four bits. */
#define UNARY_BYTE(low_gaps, low_ones, low_rest, high_gaps, high_ones, high_rest) \
	{ \
		(uint64_t) (low_gaps) | (uint64_t) ((high_gaps) + ((high_ones) > 0 ? (low_rest) : 0)) << (8 * (low_ones)), \
		(low_ones) + (high_ones), \
		(high_rest) + ((high_ones) > 0 ? 0 : (low_rest)) \
	}
#define UNARY_BYTES(gaps, ones, rest) \
	UNARY_BYTE(0, 0, 4, gaps, ones, rest), UNARY_BYTE(0, 1, 3, gaps, ones, rest), \
	UNARY_BYTE(1, 1, 2, gaps, ones, rest), UNARY_BYTE(0, 2, 2, gaps, ones, rest), \
	UNARY_BYTE(2, 1, 1, gaps, ones, rest), UNARY_BYTE(0x0100, 2, 1, gaps, ones, rest), \
	UNARY_BYTE(0x0001, 2, 1, gaps, ones, rest), UNARY_BYTE(0, 3, 1, gaps, ones, rest), \
	UNARY_BYTE(3, 1, 0, gaps, ones, rest), UNARY_BYTE(0x0200, 2, 0, gaps, ones, rest), \
	UNARY_BYTE(0x0101, 2, 0, gaps, ones, rest), UNARY_BYTE(0x010000, 3, 0, gaps, ones, rest), \
	UNARY_BYTE(0x0002, 2, 0, gaps, ones, rest), UNARY_BYTE(0x000100, 3, 0, gaps, ones, rest), \
	UNARY_BYTE(0x000001, 3, 0, gaps, ones, rest), UNARY_BYTE(0, 4, 0, gaps, ones, rest)

static const UnaryByte unary_bytes[256] = {
	UNARY_BYTES(0, 0, 4), UNARY_BYTES(0, 1, 3), UNARY_BYTES(1, 1, 2), UNARY_BYTES(0, 2, 2),
	UNARY_BYTES(2, 1, 1), UNARY_BYTES(0x0100, 2, 1), UNARY_BYTES(0x0001, 2, 1), UNARY_BYTES(0, 3, 1),
	UNARY_BYTES(3, 1, 0), UNARY_BYTES(0x0200, 2, 0), UNARY_BYTES(0x0101, 2, 0), UNARY_BYTES(0x010000, 3, 0),
	UNARY_BYTES(0x0002, 2, 0), UNARY_BYTES(0x000100, 3, 0), UNARY_BYTES(0x000001, 3, 0), UNARY_BYTES(0, 4, 0)
};

#define LONGEST_UNARY 200		/* more than the writer's, and with the next byte still no overflow of one */

/*
 * Reads the first `wanted` of n unary numbers, byte by byte and without a branch that depends on them.  quotients has
 * room for 8 more.  *escapes tells that some are not what they seem: 20 is a stand-in, and more is damage.
 */
static const char *
read_unary(TsdbReader *in, uint8_t *quotients, size_t n, size_t wanted, bool *escapes)
{
	const uint8_t *at = in->cursor;
	unsigned	zeros = 0;
	unsigned	large = 0;
	size_t		i = 0;

	while (i < wanted)
	{
		const UnaryByte *byte;
		uint64_t	gaps;

		if (tsdb_unlikely(at >= in->end))
			return "Rice codes are truncated";
		byte = &unary_bytes[*at++];
		gaps = byte->gaps + zeros;
		tsdb_store64(quotients + i, gaps);
		large |= (unsigned) (gaps & 255) + (32 - ESCAPE);
		i += byte->ones;
		zeros = byte->rest + (byte->ones == 0 ? zeros : 0);
		if (tsdb_unlikely(zeros > LONGEST_UNARY))
			return "Rice code is too long";
	}
	if (i > n)
		return "bits behind the last Rice code";
	in->cursor = at;
	*escapes = large >= 32;
	return NULL;
}

/* Joins eight quotients each with their low bits: k bytes of these. k is a constant, and so are all shifts. */
static inline void
join_eights(const uint8_t *low, unsigned k, const uint8_t *quotients, uint64_t *values, size_t n)
{
	uint64_t	mask = tsdb_low_bits(UINT64_MAX, k);

#define JOIN(j) \
	values[i + (j)] = (uint64_t) quotients[i + (j)] << k | (tsdb_load64(low + (j) * k / 8) >> ((j) * k % 8) & mask)
	for (size_t i = 0; i + 8 <= n; i += 8)
	{
		JOIN(0);
		JOIN(1);
		JOIN(2);
		JOIN(3);
		JOIN(4);
		JOIN(5);
		JOIN(6);
		JOIN(7);
		low += k;
	}
#undef JOIN
}

/* The same for as many values as 8 divides; 8 bytes may be loaded behind the last of them.  Returns how many. */
static size_t
join_small(const uint8_t *low, unsigned k, const uint8_t *quotients, uint64_t *values, size_t n)
{
#define SMALL_K(k) \
	case k: \
		join_eights(low, k, quotients, values, n); \
		return n / 8 * 8
	switch (k)
	{
			SMALL_K(0);
			SMALL_K(1);
			SMALL_K(2);
			SMALL_K(3);
			SMALL_K(4);
			SMALL_K(5);
			SMALL_K(6);
			SMALL_K(7);
			SMALL_K(8);
			SMALL_K(9);
			SMALL_K(10);
			SMALL_K(11);
			SMALL_K(12);
			SMALL_K(13);
			SMALL_K(14);
			SMALL_K(15);
			SMALL_K(16);
		default:
			return 0;
	}
#undef SMALL_K
}

/* Joins quotients with k low bits each. */
static void
join_low_bits(const uint8_t *low, const uint8_t *load_end, unsigned k, const uint8_t *quotients, uint64_t *values, size_t n)
{
	bool		fast = (size_t) (load_end - low) >= (n * k + 7) / 8 + 8;
	size_t		i = fast ? join_small(low, k, quotients, values, n) : 0;
	uint64_t	mask = tsdb_low_bits(UINT64_MAX, k);
	BitReader	reader = {low, load_end, i * k};

	if (k <= LOADED_BITS && fast)
		for (; i < n; i++, reader.position += k)
			values[i] = (uint64_t) quotients[i] << k | (tsdb_load64(low + reader.position / 8) >> (reader.position % 8) & mask);
	for (; i < n; i++)
		values[i] = (uint64_t) quotients[i] << k | bits_get(&reader, k);
}

/* Whether a quotient, unless it is a stand-in, and k low bits are together more than 64. */
static bool
exceeds_64_bits(unsigned k, const uint8_t *quotients, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (quotients[i] < ESCAPE && quotients[i] > UINT64_MAX >> k)
			return true;
	return false;
}

/* Whether one of eight quotients is a stand-in, or more.  A carry from a neighbour may make it true without one. */
static inline bool
has_escape(const uint8_t *quotients)
{
	uint64_t	word = tsdb_load64(quotients);

	return ((word | (word + UINT64_C(0x0101010101010101) * (128 - ESCAPE))) & UINT64_C(0x8080808080808080)) != 0;
}

/* Replaces the stand-ins.  quotients has 8 more. */
static const char *
read_escapes(TsdbReader *in, unsigned k, const uint8_t *quotients, uint64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	q;

		if (i % 8 == 0 && !has_escape(quotients + i))
		{
			i += 7;
			continue;
		}
		if (quotients[i] < ESCAPE)
			continue;
		if (quotients[i] > ESCAPE)
			return "Rice code is too long";
		q = tsdb_read_varint(in);
		if (in->failed || q < ESCAPE || q > UINT64_MAX >> k)
			return "wrong escape of a Rice code";
		values[i] = q << k | tsdb_low_bits(values[i], k);
	}
	return NULL;
}

static const char *
read_rice(TsdbReader *in, const uint8_t *load_end, uint64_t *values, size_t n, size_t wanted)
{
	uint8_t		quotients[TSDB_CHUNK_MAX_TIMES + 8];
	unsigned	k = tsdb_read_u8(in);
	const uint8_t *low;
	const uint8_t *unary;
	bool		escapes;
	const char *fault;

	if (in->failed || k > MAX_K)
		return "Rice parameter out of range";
	low = tsdb_read_bytes(in, (n * k + 7) / 8);
	if (low == NULL)
		return "Rice codes are truncated";
	if (n * k % 8 != 0 && in->cursor[-1] >> (n * k % 8) != 0)
		return "bits behind the low bits of Rice codes";
	unary = in->cursor;
	fault = read_unary(in, quotients, n, wanted, &escapes);
	if (fault == NULL && escapes && wanted < n)
	{
		/* what the stand-ins are for is behind all of them */
		in->cursor = unary;
		wanted = n;
		fault = read_unary(in, quotients, n, wanted, &escapes);
	}
	if (fault != NULL)
		return fault;
	if (k > 64 - 5 && exceeds_64_bits(k, quotients, wanted))
		return "Rice code exceeds 64 bits";
	join_low_bits(low, load_end, k, quotients, values, wanted);
	return escapes ? read_escapes(in, k, quotients, values, wanted) : NULL;
}

/* Without a branch: which values have the last digit. */
static size_t
find_last_digits(const uint64_t *values, size_t n, unsigned k, uint16_t *places)
{
	size_t		m = 0;

	for (size_t i = 0; i < n; i++)
	{
		places[m] = (uint16_t) i;
		m += values[i] >> k == LAST_DIGIT;
	}
	return m;
}

static const char *
add_large(TsdbReader *in, unsigned k, const uint8_t *quotients, const uint16_t *places, size_t m, uint64_t *values)
{
	for (size_t i = 0; i < m; i++)
	{
		uint64_t	q = quotients[i];

		if (tsdb_unlikely(q >= ESCAPE))
		{
			if (q > ESCAPE)
				return "digit code is too long";
			q = tsdb_read_varint(in);
			if (in->failed || q < ESCAPE)
				return "wrong escape of a digit code";
		}
		if (tsdb_unlikely(q > (UINT64_MAX >> k) - LAST_DIGIT))
			return "digit code exceeds 64 bits";
		values[places[i]] += q << k;
	}
	return NULL;
}

static const char *
read_digits(TsdbReader *in, const uint8_t *load_end, uint64_t *values, size_t n, size_t wanted)
{
	uint8_t		quotients[TSDB_CHUNK_MAX_TIMES + 8];
	uint16_t	places[TSDB_CHUNK_MAX_TIMES];
	unsigned	k = tsdb_read_u8(in);
	unsigned	width = k + DIGIT_BITS;
	const uint8_t *low;
	const uint8_t *unary;
	bool		escapes;
	size_t		m;
	const char *fault;

	if (in->failed || k > MAX_DIGITS_K)
		return "parameter of digits out of range";
	low = tsdb_read_bytes(in, (n * width + 7) / 8);
	if (low == NULL)
		return "digits are truncated";
	if (n * width % 8 != 0 && in->cursor[-1] >> (n * width % 8) != 0)
		return "bits behind the last digit";
	unary = in->cursor;
	for (;;)
	{
		memset(quotients, 0, wanted);
		join_low_bits(low, load_end, width, quotients, values, wanted);
		m = find_last_digits(values, wanted, k, places);
		fault = read_unary(in, quotients, wanted < n ? n : m, m, &escapes);
		if (fault != NULL || !escapes || wanted == n)
			break;
		/* what the stand-ins are for is behind all of them */
		in->cursor = unary;
		wanted = n;
	}
	return fault != NULL ? fault : add_large(in, k, quotients, places, m, values);
}

static inline bool
get_rice(BitReader *reader, unsigned k, uint64_t *value)
{
	uint64_t	word = bits_peek(reader);
	unsigned	q = word == 0 ? 64 : (unsigned) __builtin_ctzll(word);

	if (q > ESCAPE)
		return false;
	reader->position += q + 1;
	if (q == ESCAPE)
		*value = bits_get(reader, 64);
	else
	{
		if (q > UINT64_MAX >> k)
			return false;
		*value = (uint64_t) q << k | bits_get(reader, k);
	}
	return true;
}

/*
 * Gaps and values that are within one load and no escapes, as they mostly are: as many as are there, from values[i]
 * on.  Returns where it stopped.  A load is used until it does not have a whole pair any more, since
 * the next load has to wait for all of these.
 */
static size_t
read_pairs(BitReader *reader, unsigned k_gaps, unsigned k_values, uint64_t *values, size_t i, size_t wanted)
{
	uint64_t	word = bits_peek(reader);
	unsigned	left = LOADED_BITS;
	bool		fresh = true;

	while (i < wanted)
	{
		unsigned	q_gap = (unsigned) __builtin_ctzll(word | UINT64_C(1) << 63);
		uint64_t	rest = word >> 1 >> q_gap;
		uint64_t	gap = (uint64_t) q_gap << k_gaps | tsdb_low_bits(rest, k_gaps);
		unsigned	q_value;
		unsigned	used;

		rest >>= k_gaps;
		q_value = (unsigned) __builtin_ctzll(rest | UINT64_C(1) << 63);
		used = q_gap + 1 + k_gaps + q_value + 1 + k_values;
		if (used > left)
		{
			if (fresh)
				break;
			word = bits_peek(reader);
			left = LOADED_BITS;
			fresh = true;
			continue;
		}
		if (q_gap >= ESCAPE || q_value >= ESCAPE || gap >= wanted - i)
			break;
		rest = rest >> 1 >> q_value;
		i += gap;
		values[i++] = ((uint64_t) q_value << k_values | tsdb_low_bits(rest, k_values)) + 1;
		word = rest >> k_values;
		left -= used;
		reader->position += used;
		fresh = false;
	}
	return i;
}

static const char *
read_zero_runs(TsdbReader *in, uint64_t *values, size_t n, size_t wanted)
{
	unsigned	k_gaps = tsdb_read_u8(in);
	unsigned	k_values = tsdb_read_u8(in);
	BitReader	reader = {in->cursor, in->end, 0};
	size_t		i = 0;

	if (in->failed || k_gaps > MAX_K || k_values > MAX_K)
		return "Rice parameters of zero runs out of range";
	memset(values, 0, wanted * sizeof(*values));
	while (i < wanted)
	{
		uint64_t	gap;
		uint64_t	value;

		i = read_pairs(&reader, k_gaps, k_values, values, i, wanted);
		if (i == wanted)
			break;
		if (!get_rice(&reader, k_gaps, &gap) || gap > n - i)
			return "wrong length of a zero run";
		i += gap;
		if (i == n)
			break;
		if (!get_rice(&reader, k_values, &value) || value == UINT64_MAX)
			return "wrong value behind a zero run";
		values[i++] = value + 1;
	}
	return wanted < n || bits_finish(&reader, in) ? NULL : "zero runs are truncated";
}

const char *
tsdb_coder_read(TsdbReader *in, const uint8_t *load_end, unsigned coder, uint64_t *values, size_t n, size_t wanted)
{
	switch (coder)
	{
		case CODER_RICE:
			return read_rice(in, load_end, values, n, wanted);
		case CODER_ZERO_RUNS:
			return read_zero_runs(in, values, n, wanted);
		case CODER_HUFFMAN:
			return tsdb_huffman_read(in, load_end, values, n, wanted);
		case CODER_DIGITS:
			return read_digits(in, load_end, values, n, wanted);
		default:
			return tsdb_fault_reserved;
	}
}
