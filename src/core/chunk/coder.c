/*
 * coder.c
 *		Arrays of small unsigned integers: Rice codes and zero runs.
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
 * Coder 2 is reserved for Huffman codes of bit lengths, coder 3 for something else.
 *
 * k comes from a histogram of bit lengths: with the number and the sum of the
 * values of each length, the sum of all q is known closely for any k.
 */
#include <math.h>

#include "core/chunk/bit_stream.h"
#include "core/chunk/chunk_internal.h"

#define MAX_K 63
#define ESCAPE 20

const char	tsdb_fault_reserved[] = "a codec that this version does not know";

/* ---- choosing ---- */

static inline void
histogram_add(BitHistogram *histogram, uint64_t value)
{
	unsigned	length = tsdb_bit_length(value);

	histogram->count[length]++;
	histogram->sum[length] += value;
	if (length > histogram->longest)
		histogram->longest = length;
}

void
tsdb_histogram_fill(BitHistogram *histogram, const uint64_t *values, size_t n)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->n = (uint32_t) n;
	for (size_t i = 0; i < n; i++)
		histogram_add(histogram, values[i]);
}

/* Bits that the values with `from` bits and more, each less `minus`, need as Rice codes. */
static double
rice_bits(const BitHistogram *histogram, unsigned from, double minus, unsigned k)
{
	double		scale = 1.0 / (double) (UINT64_C(1) << k);
	double		bits = 0;

	for (unsigned length = from; length <= histogram->longest; length++)
	{
		double		count = histogram->count[length];
		double		sum;
		double		q;

		bits += count * (k + 1);
		if (length <= k || count == 0)
			continue;
		sum = length <= SUMMED_BITS ? (double) (int64_t) histogram->sum[length] : count * ldexp(0.75, (int) length);
		/* the k low bits are on average half of what they can be */
		q = (sum - count * minus) * scale - count * 0.5 * (1 - scale);
		if (q > count * ESCAPE)
			q = count * (ESCAPE + 8 * ((length - k + 6) / 7));
		bits += q > 0 ? q : 0;
	}
	return bits;
}

/* The k that needs the fewest bits: a search from the median, since the cost falls and then rises. */
static unsigned
choose_k(const BitHistogram *histogram, unsigned from, double minus, double *bits)
{
	uint32_t	count = 0;
	uint32_t	below = 0;
	unsigned	k = from;

	for (unsigned length = from; length <= histogram->longest; length++)
		count += histogram->count[length];
	while (k < histogram->longest && (below += histogram->count[k]) <= count / 2)
		k++;
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

CoderChoice
tsdb_coder_choose(const BitHistogram *histogram)
{
	CoderChoice rice = {CODER_RICE, 0, 0};
	CoderChoice runs = {CODER_ZERO_RUNS, 0, 0};
	double		zeros = histogram->count[0];
	double		others = histogram->n - zeros;

	rice.k = choose_k(histogram, 0, 0, &rice.bits);
	rice.bits += 8 + 8;			/* k, and two incomplete bytes */
	if (zeros <= others)
		return rice;
	runs.k = choose_k(histogram, 1, 1, &runs.bits);
	runs.bits += 16 + 4 + gap_bits(zeros / (others + 1), others + 1);
	return runs.bits < rice.bits ? runs : rice;
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
put_rice(BitWriter *writer, uint64_t value, unsigned k)
{
	uint64_t	q = value >> k;

	if (q < ESCAPE)
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

static unsigned
choose_k_gaps(const uint64_t *values, size_t n)
{
	BitHistogram gaps = {0};
	size_t		gap = 0;
	double		bits;

	for (size_t i = 0; i < n; i++)
		if (values[i] == 0)
			gap++;
		else
		{
			histogram_add(&gaps, gap);
			gap = 0;
		}
	if (gap > 0)
		histogram_add(&gaps, gap);
	return choose_k(&gaps, 0, 0, &bits);
}

static void
write_zero_runs(TsdbBuffer *out, const uint64_t *values, size_t n, unsigned k_values)
{
	BitWriter	writer = {out, 0, 0};
	unsigned	k_gaps = choose_k_gaps(values, n);
	size_t		gap = 0;

	tsdb_buffer_u8(out, (uint8_t) k_gaps);
	tsdb_buffer_u8(out, (uint8_t) k_values);
	for (size_t i = 0; i < n; i++)
	{
		if (values[i] == 0)
		{
			gap++;
			continue;
		}
		put_rice(&writer, gap, k_gaps);
		put_rice(&writer, values[i] - 1, k_values);
		gap = 0;
	}
	if (gap > 0)
		put_rice(&writer, gap, k_gaps);
	bits_flush(&writer);
}

void
tsdb_coder_write(TsdbBuffer *out, const CoderChoice *choice, const uint64_t *values, size_t n)
{
	if (choice->coder == CODER_RICE)
		write_rice(out, values, n, choice->k);
	else
		write_zero_runs(out, values, n, choice->k);
}

/* ---- reading ---- */

/*
 * Reads n unary numbers and joins each with its k <= 56 low bits.  *escapes tells
 * that some are not what they seem: q = 20 is a stand-in, and more is damage
 * (190 at most, so q << k loses no bit).  `fast` when 8 bytes may be loaded
 * anywhere in the low bits.
 */
static inline const char *
join_streams(TsdbReader *in, const uint8_t *load_end, const uint8_t *low, unsigned k, bool fast,
			 uint64_t *values, size_t n, bool *escapes)
{
	const uint8_t *at = in->cursor;
	int64_t		last = -1;		/* bit of the last one, counted from the word that is read */
	uint64_t	large = 0;
	size_t		position = 0;
	size_t		i = 0;
	uint64_t	word = 0;

	for (;;)
	{
		if (tsdb_unlikely(at >= in->end))
			return "Rice codes are truncated";
		word = tsdb_load64_until(at, in->end);
		while (word != 0)
		{
			int64_t		bit = __builtin_ctzll(word);
			uint64_t	q = (uint64_t) (bit - last - 1);
			uint64_t	bits;

			word &= word - 1;
			last = bit;
			large |= q + (32 - ESCAPE);
			bits = fast ? tsdb_load64(low + position / 8) : tsdb_load64_until(low + position / 8, load_end);
			values[i] = q << k | tsdb_low_bits(bits >> (position % 8), k);
			position += k;
			if (++i == n)
				goto done;
		}
		at += 8;
		last -= 64;
		if (tsdb_unlikely(last < -2 * 64))
			return "Rice code is too long";
	}
done:
	if (tsdb_low_bits(word, (unsigned) (last | 7) + 1) != 0)
		return "bits behind the last Rice code";
	in->cursor = at + last / 8 + 1;
	*escapes = large >= 32;
	return NULL;
}

/* k > 56: the bits of a value may lie in nine bytes. */
static const char *
join_wide(TsdbReader *in, const uint8_t *low, const uint8_t *low_end, unsigned k, uint64_t *values, size_t n, bool *escapes)
{
	BitReader	reader = {low, low_end, 0};
	const char *fault = join_streams(in, low, low, 0, false, values, n, escapes);

	if (fault != NULL)
		return fault;
	for (size_t i = 0; i < n; i++)
	{
		if (values[i] > UINT64_MAX >> k)
			return "Rice code exceeds 64 bits";
		values[i] = values[i] << k | bits_get(&reader, k);
	}
	return NULL;
}

/* Replaces the stand-ins. */
static const char *
read_escapes(TsdbReader *in, unsigned k, uint64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	q;

		if (values[i] >> k < ESCAPE)
			continue;
		if (values[i] >> k > ESCAPE)
			return "Rice code is too long";
		q = tsdb_read_varint(in);
		if (in->failed || q < ESCAPE || q > UINT64_MAX >> k)
			return "wrong escape of a Rice code";
		values[i] = q << k | tsdb_low_bits(values[i], k);
	}
	return NULL;
}

static const char *
read_rice(TsdbReader *in, const uint8_t *load_end, uint64_t *values, size_t n)
{
	unsigned	k = tsdb_read_u8(in);
	const uint8_t *low;
	bool		escapes = false;
	const char *fault;

	if (k > MAX_K)
		return "Rice parameter out of range";
	low = tsdb_read_bytes(in, (n * k + 7) / 8);
	if (low == NULL)
		return "Rice codes are truncated";
	if (n * k % 8 != 0 && in->cursor[-1] >> (n * k % 8) != 0)
		return "bits behind the low bits of Rice codes";
	if (k > 56)
		fault = join_wide(in, low, in->cursor, k, values, n, &escapes);
	else if (load_end - in->cursor >= 8)
		fault = join_streams(in, load_end, low, k, true, values, n, &escapes);
	else
		fault = join_streams(in, load_end, low, k, false, values, n, &escapes);
	if (fault == NULL && escapes)
		fault = read_escapes(in, k, values, n);
	return fault;
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

static const char *
read_zero_runs(TsdbReader *in, uint64_t *values, size_t n)
{
	unsigned	k_gaps = tsdb_read_u8(in);
	unsigned	k_values = tsdb_read_u8(in);
	BitReader	reader = {in->cursor, in->end, 0};
	size_t		i = 0;

	if (in->failed || k_gaps > MAX_K || k_values > MAX_K)
		return "Rice parameters of zero runs out of range";
	memset(values, 0, n * sizeof(*values));
	while (i < n)
	{
		uint64_t	gap;
		uint64_t	value;

		if (!get_rice(&reader, k_gaps, &gap) || gap > n - i)
			return "wrong length of a zero run";
		i += gap;
		if (i == n)
			break;
		if (!get_rice(&reader, k_values, &value) || value == UINT64_MAX)
			return "wrong value behind a zero run";
		values[i++] = value + 1;
	}
	return bits_finish(&reader, in) ? NULL : "zero runs are truncated";
}

const char *
tsdb_coder_read(TsdbReader *in, const uint8_t *load_end, unsigned coder, uint64_t *values, size_t n)
{
	switch (coder)
	{
		case CODER_RICE:
			return read_rice(in, load_end, values, n);
		case CODER_ZERO_RUNS:
			return read_zero_runs(in, values, n);
		default:
			return tsdb_fault_reserved;
	}
}
