/*
 * column_writer.c
 *		One column to its bytes: number model, reference, stream.
 *
 *		u8	kind (2 bits) | exponent << 2 | reference << 6 | presence << 7
 *		[presence] varint run lengths, present first
 *		[reference] u8 distance
 *		numbers, see FORMAT.md
 *
 * Which model: a constant if all values are the same; decimals if there is an
 * exponent that fits all of them; else decimals with corrections or the bits of the doubles,
 * judged by a part from the middle, unless Gorilla codes of that part promise to be shorter.
 *
 * Neighbours are often nearly alike (the buckets of a histogram, a count and
 * its +Inf bucket): the difference from one of the columns before is taken when it
 * looks cheaper, in a part from the middle.
 */
#include "core/chunk/column_writer.h"

/* Bits of a reference's own byte, and some in favour of columns that can be read alone. */
#define REFERENCE_BITS 12

/* Header of the second stream. */
#define CORRECTION_BITS 32

/* Decimals are worth looking at when half of some values are this close to one. */
#define PROBES 8
#define NEAR_BITS 14

void
tsdb_column_writer_init(ColumnWriter *writer, TsdbArena *arena, TsdbChunkCodec codec, size_t max_samples)
{
	*writer = (ColumnWriter){.codec = codec};
	tsdb_stream_scratch_reserve(arena, &writer->stream, max_samples);
	writer->gathered = TSDB_NEW_ARRAY(arena, double, max_samples);
	writer->differences = TSDB_NEW_ARRAY(arena, int64_t, max_samples);
	writer->corrections = TSDB_NEW_ARRAY(arena, int64_t, max_samples);
	tsdb_buffer_init(&writer->gorilla, arena, 64);
	for (int i = 0; i <= REFERENCE_CANDIDATES; i++)
		writer->integers[i].values = TSDB_NEW_ARRAY(arena, int64_t, max_samples);
}

void
tsdb_column_writer_start_row(ColumnWriter *writer)
{
	for (int i = 0; i <= REFERENCE_CANDIDATES; i++)
		writer->integers[i].n = 0;
}

void
tsdb_column_writer_keep(ColumnWriter *writer)
{
	ColumnIntegers last = writer->integers[REFERENCE_CANDIDATES];

	if (writer->integers[0].n == 0)
		return;
	for (int i = REFERENCE_CANDIDATES; i > 0; i--)
		writer->integers[i] = writer->integers[i - 1];
	writer->integers[0] = last;
	writer->integers[0].n = 0;
}

/* ---- presence ---- */

/* The values that are there, one behind the other. */
static const double *
gather(const TsdbChunkColumn *input, size_t from, size_t to, double *gathered, size_t *n)
{
	*n = 0;
	if (input->values == NULL)
		return NULL;
	if (input->present == NULL)
	{
		*n = to - from;
		return input->values + from;
	}
	for (size_t i = from; i < to; i++)
	{
		gathered[*n] = input->values[i];
		*n += tsdb_presence_get(input->present, i);
	}
	return gathered;
}

static void
write_presence(TsdbBuffer *out, const uint64_t *present, size_t from, size_t to)
{
	bool		is_present = true;

	while (from < to)
	{
		size_t		start = from;

		while (from < to && tsdb_presence_get(present, from) == is_present)
			from++;
		tsdb_buffer_varint(out, from - start);
		is_present = !is_present;
	}
}

/* ---- constants ---- */

static bool
is_constant(const double *values, size_t n)
{
	uint64_t	first = tsdb_double_bits(values[0]);

	for (size_t i = 1; i < n; i++)
		if (tsdb_double_bits(values[i]) != first)
			return false;
	return true;
}

/* ---- references ---- */

static bool
fits(const ColumnIntegers *own, const ColumnIntegers *target)
{
	return target->n >= own->n && tsdb_same_integers(target->kind, own->kind) && target->exponent == own->exponent &&
		target->chain < MAX_CHAIN && own->column - target->column <= MAX_REFERENCE;
}

/* The differences from a column; returns whether they are all the same. */
static bool
subtract_column(const int64_t *own, const int64_t *target, size_t n, int64_t *differences)
{
	uint64_t	any = 0;

	for (size_t i = 0; i < n; i++)
	{
		differences[i] = (int64_t) ((uint64_t) own[i] - (uint64_t) target[i]);
		any |= (uint64_t) (differences[i] ^ differences[0]);
	}
	return any == 0;
}

/* The kept column from which the differences are cheapest; NULL when its own integers are. */
static const ColumnIntegers *
choose_reference(ColumnWriter *writer, bool *equal)
{
	const ColumnIntegers *own = &writer->integers[0];
	const ColumnIntegers *best = NULL;
	size_t		span = tsdb_guess_span(own->n);
	size_t		from = (own->n - span) / 2;
	unsigned	least = tsdb_stream_guess(own->values + from, span);

	*equal = false;
	for (int i = 1; i <= REFERENCE_CANDIDATES; i++)
	{
		const ColumnIntegers *target = &writer->integers[i];
		bool		same;
		unsigned	bits;

		if (target->n == 0 || !fits(own, target))
			continue;
		same = subtract_column(own->values + from, target->values + from, span, writer->differences);
		bits = tsdb_stream_guess(writer->differences, span) + REFERENCE_BITS;
		if (same && subtract_column(own->values, target->values, own->n, writer->differences))
		{
			*equal = true;
			return target;
		}
		if (bits < least)
		{
			best = target;
			least = bits;
		}
	}
	return best;
}

/* ---- columns: each answers what it contributes to the first byte ---- */

static unsigned
model(ColumnKind kind, int exponent)
{
	return (unsigned) kind | (unsigned) exponent << 2;
}

static unsigned
write_constant(TsdbBuffer *out, double value)
{
	uint64_t	bits = tsdb_le64(tsdb_double_bits(value));
	int64_t		integer;
	int			exponent;

	if (tsdb_decimals_find(&value, 1, &integer, &exponent))
	{
		tsdb_buffer_varint(out, tsdb_zigzag(integer));
		return model(KIND_CONSTANT, exponent);
	}
	tsdb_buffer_append(out, &bits, sizeof(bits));
	return model(KIND_CONSTANT, CONSTANT_BITS);
}

static unsigned
write_integers(ColumnWriter *writer, bool may_refer, TsdbBuffer *out)
{
	ColumnIntegers *own = &writer->integers[0];
	bool		equal = false;
	const ColumnIntegers *target = may_refer ? choose_reference(writer, &equal) : NULL;

	own->chain = 0;
	if (target == NULL)
	{
		tsdb_stream_write(out, &writer->stream, own->values, own->n);
		return model(own->kind, own->exponent);
	}
	own->chain = target->chain + 1;
	tsdb_buffer_u8(out, (uint8_t) (own->column - target->column));
	subtract_column(own->values, target->values, own->n, writer->differences);
	if (equal)
	{
		tsdb_buffer_u8(out, REFERENCE_EQUAL);
		tsdb_buffer_varint(out, tsdb_zigzag(writer->differences[0]));
	}
	else
		tsdb_stream_write(out, &writer->stream, writer->differences, own->n);
	return model(own->kind, own->exponent) | COLUMN_REFERENCE;
}

/* A code is some two bits longer than its number. */
static unsigned
count_correction_bits(const int64_t *corrections, size_t n)
{
	unsigned	bits = 0;

	for (size_t i = 0; i < n; i++)
		if (corrections[i] != 0)
			bits += tsdb_bit_length(tsdb_zigzag(corrections[i])) + 2;
	return bits;
}

/* Whether decimals of that exponent may be near enough: a look at a few values. */
static bool
may_correct(ColumnWriter *writer, const double *values, size_t n, int exponent)
{
	size_t		stride = n / PROBES + 1;
	size_t		probes = 0;
	size_t		near = 0;
	int64_t		integer;
	int64_t		correction;

	for (size_t i = 0; i < n; i += stride, probes++)
	{
		tsdb_doubles_to_corrected(values + i, 1, exponent, &integer, &correction);
		near += tsdb_bit_length(tsdb_zigzag(correction)) <= NEAR_BITS;
	}
	return near * 2 >= probes;
}

/*
 * Whether decimals with corrections need less than the bits of the doubles, and
 * with which exponent.  Where the middle needs no corrections, there are exceptions somewhere else, and
 * these would spoil the bits more than the decimals.
 */
static bool
choose_corrected(ColumnWriter *writer, const double *values, size_t n, int *exponent)
{
	int64_t    *integers = writer->differences;
	size_t		span = tsdb_guess_span(n);
	unsigned	least;
	bool		found = false;

	values += (n - span) / 2;
	tsdb_doubles_to_bits(values, span, integers);
	least = tsdb_stream_guess(integers, span);
	for (int e = 0; e <= MAX_EXPONENT; e++)
	{
		unsigned	bits;
		unsigned	corrections;

		if (!may_correct(writer, values, span, e))
			continue;
		tsdb_doubles_to_corrected(values, span, e, integers, writer->corrections);
		corrections = count_correction_bits(writer->corrections, span);
		bits = tsdb_stream_guess(integers, span) + corrections + CORRECTION_BITS;
		if (bits < least || corrections == 0)
		{
			least = bits;
			*exponent = e;
			found = true;
		}
		if (corrections == 0)
			break;				/* a larger exponent only makes larger integers */
	}
	return found;
}

static unsigned
write_corrected(ColumnWriter *writer, const double *values, bool may_refer, TsdbBuffer *out)
{
	ColumnIntegers *own = &writer->integers[0];
	unsigned	head;

	own->kind = KIND_CORRECTED;
	tsdb_doubles_to_corrected(values, own->n, own->exponent, own->values, writer->corrections);
	head = write_integers(writer, may_refer, out);
	tsdb_stream_write(out, &writer->stream, writer->corrections, own->n);
	return head;
}

static unsigned
write_bits(ColumnWriter *writer, const double *values, bool may_refer, TsdbBuffer *out)
{
	ColumnIntegers *own = &writer->integers[0];

	own->kind = KIND_BITS;
	own->exponent = BITS_INTEGERS;
	tsdb_doubles_to_bits(values, own->n, own->values);
	return write_integers(writer, may_refer, out);
}

/* What Gorilla codes would need, from those of a part. */
static size_t
guess_gorilla(ColumnWriter *writer, const double *values, size_t n)
{
	size_t		span = tsdb_guess_span(n);

	writer->gorilla.len = 0;
	tsdb_gorilla_write(&writer->gorilla, values + (n - span) / 2, span);
	return span < 2 ? writer->gorilla.len : 8 + (writer->gorilla.len - 8) * (n - 1) / (span - 1);
}

/* Values that are no decimals, as integers if the codec allows, or as Gorilla codes where these are shorter. */
static unsigned
write_doubles(ColumnWriter *writer, const double *values, bool may_refer, TsdbBuffer *out)
{
	ColumnIntegers *own = &writer->integers[0];
	size_t		start = out->len;
	unsigned	head = 0;

	if (writer->codec == TSDB_CODEC_BITS)
		return write_bits(writer, values, may_refer, out);
	if (writer->codec == TSDB_CODEC_AUTO)
		head = choose_corrected(writer, values, own->n, &own->exponent) ?
			write_corrected(writer, values, may_refer, out) : write_bits(writer, values, may_refer, out);
	if (head != 0 && guess_gorilla(writer, values, own->n) >= out->len - start)
		return head;
	writer->gorilla.len = 0;
	tsdb_gorilla_write(&writer->gorilla, values, own->n);
	if (head != 0 && writer->gorilla.len >= out->len - start)
		return head;
	out->len = start;
	tsdb_buffer_append(out, writer->gorilla.data, writer->gorilla.len);
	own->n = 0;					/* no integers to refer to */
	return model(KIND_BITS, BITS_GORILLA);
}

static unsigned
write_numbers(ColumnWriter *writer, const double *values, bool may_refer, TsdbBuffer *out)
{
	ColumnIntegers *own = &writer->integers[0];

	if (is_constant(values, own->n))
	{
		own->n = 0;
		return write_constant(out, values[0]);
	}
	if (writer->codec == TSDB_CODEC_AUTO && tsdb_decimals_find(values, own->n, own->values, &own->exponent))
	{
		own->kind = KIND_DECIMAL;
		return write_integers(writer, may_refer, out);
	}
	return write_doubles(writer, values, may_refer, out);
}

size_t
tsdb_column_write(ColumnWriter *writer, const TsdbChunkColumn *input, size_t from, size_t to,
				  unsigned column, bool may_refer, TsdbBuffer *out)
{
	ColumnIntegers *own = &writer->integers[0];
	size_t		head = out->len;
	unsigned	presence = 0;
	unsigned	numbers;
	size_t		n;
	const double *values = gather(input, from, to, writer->gathered, &n);

	own->n = n;
	own->column = column;
	if (n == 0)
		return 0;
	tsdb_buffer_u8(out, 0);
	if (n < to - from)
	{
		presence = COLUMN_PRESENCE;
		may_refer = false;
		write_presence(out, input->present, from, to);
	}
	numbers = write_numbers(writer, values, may_refer, out);
	out->data[head] = (uint8_t) (presence | numbers);
	/* what may not refer has other timestamps than the columns behind it: it is no target either */
	if (!may_refer)
		own->n = 0;
	return n;
}
