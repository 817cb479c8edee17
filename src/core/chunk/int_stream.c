/*
 * int_stream.c
 *		Arrays of signed integers: greatest common divisor, prediction, coder.
 *
 *		u8	order (2 bits) | coder << 2 | centre << 4 | unsigned << 5 | divisor << 6		bit 7 = 0
 *		zigzag varint first value
 *		[divisor] varint greatest common divisor of the differences from the first value, at least 2
 *		[centre] zigzag varint
 *		the residuals, as the coder writes them
 *
 * With y = (value - first) / divisor, and so y[0] = 0, the residuals are
 *
 *		order 0		y - centre						for all but the first value
 *		order 1		y - previous y - centre			for all but the first value
 *		order 2		difference of differences		for all but the first two; centre is the first difference
 *
 * written as they are (unsigned) or as zigzag.  Centre is the median of what it
 * is taken from, or with `unsigned` its minimum; without it is 0.  One integer is just its header byte 0 and
 * itself.  All sums wrap around at 64 bits, so any integers at all come back.
 *
 * A look at a few differences tells which predictors have a chance.  These are tried on 128 residuals from eight places of
 * the array, and judged by what the best coder would need for them.
 */
#include <math.h>

#include "core/chunk/chunk_internal.h"

#define STREAM_ORDER 3
#define STREAM_CODER_SHIFT 2
#define STREAM_CENTRE 0x10
#define STREAM_UNSIGNED 0x20
#define STREAM_DIVISOR 0x40
#define STREAM_RESERVED 0x80

#define SAMPLE 128				/* residuals of a trial */
#define PARTS 8					/* that they are from, unless they are most of all */

#define LOOKS 23
#define HUFFMAN_GAIN 0.98		/* Huffman codes take longer to read: they are to be worth it */

typedef struct Predictor
{
	int			order;
	bool		unsigned_;
	bool		has_centre;
	int64_t		centre;
} Predictor;

void
tsdb_stream_scratch_reserve(TsdbArena *arena, StreamScratch *scratch, size_t n)
{
	if (scratch->capacity >= n)
		return;
	scratch->reduced = TSDB_NEW_ARRAY(arena, int64_t, n);
	scratch->residuals = TSDB_NEW_ARRAY(arena, uint64_t, n);
	scratch->huffman = tsdb_huffman_plan_make(arena, n);
	scratch->capacity = n;
}

/* Sums and differences that wrap. */
static inline int64_t
add(int64_t a, int64_t b)
{
	return (int64_t) ((uint64_t) a + (uint64_t) b);
}

static inline int64_t
subtract(int64_t a, int64_t b)
{
	return (int64_t) ((uint64_t) a - (uint64_t) b);
}

static inline uint64_t
magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t) value : (uint64_t) value;
}

/* ---- greatest common divisor ---- */

static uint64_t
common_divisor(uint64_t a, uint64_t b)
{
	while (b != 0)
	{
		uint64_t	rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Inverse of an odd number modulo 2^64: Newton's iteration doubles the number of right bits, 5 at the start. */
static uint64_t
inverse(uint64_t odd)
{
	uint64_t	x = odd * 3 ^ 2;

	for (int i = 0; i < 4; i++)
		x *= 2 - odd * x;
	return x;
}

/*
 * reduced[i] = (values[i] - values[0]) / divisor.  The power of two in the
 * divisor is seen from all differences at once; the odd part is mostly 1 after a few of
 * them.  An exact division by an odd number is a multiplication by its inverse.
 */
static uint64_t
reduce(const int64_t *values, size_t n, int64_t *reduced)
{
	uint64_t	any = 0;
	uint64_t	odd = 0;
	uint64_t	factor;
	unsigned	shift;

	for (size_t i = 0; i < n; i++)
	{
		reduced[i] = subtract(values[i], values[0]);
		any |= (uint64_t) reduced[i];
	}
	if (any == 0)
		return 1;
	shift = (unsigned) __builtin_ctzll(any);
	for (size_t i = 1; i < n && odd != 1; i++)
		if (reduced[i] != 0)
			odd = common_divisor(magnitude(reduced[i]) >> shift, odd);
	if (shift == 0 && odd == 1)
		return 1;
	factor = inverse(odd);
	/* the shift keeps the sign: these are exact multiples */
	for (size_t i = 1; i < n; i++)
		reduced[i] = (int64_t) ((uint64_t) (reduced[i] >> shift) * factor);
	return odd << shift;
}

/* ---- prediction ---- */

static inline size_t
n_residuals(const Predictor *predictor, size_t n)
{
	return predictor->order == 2 ? n - 2 : n - 1;
}

/* Residuals [from, from + n) of y, which begins `order` integers before the first residual (one for order 0). */
static void
predict(const Predictor *predictor, const int64_t *y, size_t from, size_t n, uint64_t *residuals)
{
	int64_t		centre = predictor->centre;

	y += from;
	if (predictor->order == 2)
		for (size_t i = 0; i < n; i++)
			residuals[i] = tsdb_zigzag(subtract(subtract(y[i + 2], y[i + 1]), subtract(y[i + 1], y[i])));
	else if (predictor->order == 1 && predictor->unsigned_)
		for (size_t i = 0; i < n; i++)
			residuals[i] = (uint64_t) subtract(subtract(y[i + 1], y[i]), centre);
	else if (predictor->order == 1)
		for (size_t i = 0; i < n; i++)
			residuals[i] = tsdb_zigzag(subtract(subtract(y[i + 1], y[i]), centre));
	else if (predictor->unsigned_)
		for (size_t i = 0; i < n; i++)
			residuals[i] = (uint64_t) subtract(y[i + 1], centre);
	else
		for (size_t i = 0; i < n; i++)
			residuals[i] = tsdb_zigzag(subtract(y[i + 1], centre));
}

/* A few differences from all over the array. */
typedef struct Look
{
	int64_t		median;
	uint64_t	spread;			/* from the first to the third quartile */
	bool		steady;			/* differences are nearer to the one before than to the median */
} Look;

static Look
take_look(const int64_t *y, size_t n)
{
	int64_t		differences[LOOKS];
	int64_t		changes[LOOKS];
	int64_t		sorted[LOOKS];
	size_t		m = n - 1 < LOOKS ? n - 1 : LOOKS;
	size_t		nearer = 0;
	Look		look;

	for (size_t i = 0; i < m; i++)
	{
		size_t		at = 1 + i * (n - 1) / m;
		int64_t		difference = subtract(y[at], y[at - 1]);
		size_t		slot = i;

		differences[i] = difference;
		changes[i] = at > 1 ? subtract(difference, subtract(y[at - 1], y[at - 2])) : difference;
		/* a median by insertion into a sorted array */
		for (; slot > 0 && sorted[slot - 1] > difference; slot--)
			sorted[slot] = sorted[slot - 1];
		sorted[slot] = difference;
	}
	look.median = sorted[m / 2];
	look.spread = magnitude(subtract(sorted[m * 3 / 4], sorted[m / 4]));
	for (size_t i = 0; i < m; i++)
		nearer += magnitude(changes[i]) < magnitude(subtract(differences[i], look.median));
	look.steady = nearer * 5 >= m * 2;
	return look;
}

/* Smallest and largest y, smallest difference: over all integers, since one reset would spoil the sampled ones. */
typedef struct Extremes
{
	int64_t		y_min;
	int64_t		y_max;
	int64_t		difference_min;
	int64_t		difference_max;
} Extremes;

static Extremes
find_extremes(const int64_t *y, size_t n)
{
	int64_t		first = subtract(y[1], y[0]);
	Extremes	e = {y[1], y[1], first, first};

	for (size_t i = 2; i < n; i++)
	{
		int64_t		difference = subtract(y[i], y[i - 1]);

		e.y_min = y[i] < e.y_min ? y[i] : e.y_min;
		e.y_max = y[i] > e.y_max ? y[i] : e.y_max;
		e.difference_min = difference < e.difference_min ? difference : e.difference_min;
		e.difference_max = difference > e.difference_max ? difference : e.difference_max;
	}
	return e;
}

typedef struct Trial
{
	const int64_t *y;

	/* Which residuals: n_each from `from` on, from + stride on ... */
	size_t		parts;
	size_t		from;
	size_t		n_each;
	size_t		stride;
	double		scale;			/* all residuals / those */

	Predictor	best;
	double		best_bits;
} Trial;

static Trial
start_trial(const int64_t *y, size_t n)
{
	size_t		available = n > 2 ? n - 2 : 1;
	Trial		trial = {.y = y, .parts = available >= 2 * SAMPLE ? PARTS : 1, .best_bits = INFINITY};

	trial.stride = available / trial.parts;
	trial.n_each = available < SAMPLE ? available : SAMPLE / trial.parts;
	trial.from = (trial.stride - trial.n_each) / 2;
	trial.scale = (double) available / (double) (trial.n_each * trial.parts);
	return trial;
}

static void
try_predictor(Trial *trial, Predictor predictor)
{
	uint64_t	residuals[SAMPLE];
	BitHistogram histogram;
	CoderChoice choice;
	double		bits;

	for (size_t part = 0; part < trial->parts; part++)
		predict(&predictor, trial->y, trial->from + part * trial->stride, trial->n_each, residuals + part * trial->n_each);
	tsdb_histogram_fill(&histogram, residuals, trial->n_each * trial->parts);
	choice = tsdb_coder_choose(&histogram, trial->scale);
	bits = choice.huffman_bits < choice.bits * HUFFMAN_GAIN ? choice.huffman_bits : choice.bits;
	if (bits < trial->best_bits)
	{
		trial->best = predictor;
		trial->best_bits = bits;
	}
}

static Predictor
minimum_predictor(int order, int64_t minimum)
{
	return (Predictor){order, true, minimum != 0, minimum};
}

/* Tries what has a chance. */
static Predictor
choose_predictor(const int64_t *y, size_t n)
{
	Trial		trial = start_trial(y, n);
	Extremes	extremes = find_extremes(y, n);
	Look		look = take_look(y, n);

	/* a median is of use when it stands out from the noise, and then nothing else is */
	if (look.median != 0 && magnitude(look.median) * 8 >= look.spread)
		try_predictor(&trial, (Predictor){1, false, true, look.median});
	if (look.median == 0 || magnitude(look.median) / 2 <= look.spread)
		try_predictor(&trial, (Predictor){1, false, false, 0});
	/* a minimum far below zero only makes larger numbers */
	if (extremes.difference_min >= 0 || magnitude(extremes.difference_min) <= magnitude(extremes.difference_max) / 4)
		try_predictor(&trial, minimum_predictor(1, extremes.difference_min));
	/* what wanders far in small steps is not predicted by its minimum */
	if (magnitude(subtract(extremes.y_max, extremes.y_min)) / 16 <= magnitude(subtract(extremes.difference_max, extremes.difference_min)))
		try_predictor(&trial, minimum_predictor(0, extremes.y_min));
	/* nor are zeros with exceptions on both sides: corrections, mostly */
	if (extremes.y_min < 0 && y[n / 2] == 0)
		try_predictor(&trial, (Predictor){0, false, false, 0});
	if (n > 3 && look.steady)
		try_predictor(&trial, (Predictor){2, false, true, subtract(y[1], y[0])});
	return trial.best;
}

/* ---- writing ---- */

/* Bits of the differences of multiples of 2^shift, each less a centre. */
static unsigned
count_bits(const int64_t *values, size_t n, unsigned shift, int64_t centre)
{
	unsigned	bits = 0;

	for (size_t i = 1; i < n; i++)
		bits += tsdb_bit_length(tsdb_zigzag(subtract(subtract(values[i], values[i - 1]) >> shift, centre)));
	return bits;
}

unsigned
tsdb_stream_guess(const int64_t *values, size_t n)
{
	uint64_t	any = 0;
	unsigned	shift;
	int64_t		slope;
	unsigned	bits;
	unsigned	centred;

	for (size_t i = 1; i < n; i++)
		any |= (uint64_t) subtract(values[i], values[0]);
	if (any == 0)
		return 0;
	shift = (unsigned) __builtin_ctzll(any);
	bits = count_bits(values, n, shift, 0);
	slope = (subtract(values[n - 1], values[0]) >> shift) / (int64_t) (n - 1);
	/* a slope far below the differences changes nothing */
	if (slope == 0 || (tsdb_bit_length(magnitude(slope)) + 3) * (n - 1) < bits)
		return bits;
	centred = count_bits(values, n, shift, slope);
	return centred < bits ? centred : bits;
}

/* Leaves the plan in the scratch memory when it answers Huffman codes. */
static Coder
choose_coder(StreamScratch *scratch, const BitHistogram *histogram, size_t n, CoderChoice *choice)
{
	double		most;
	size_t		bytes;

	*choice = tsdb_coder_choose(histogram, 1);
	most = choice->bits * HUFFMAN_GAIN;
	if (choice->huffman_bits >= most)
		return choice->coder;
	bytes = tsdb_huffman_plan(scratch->huffman, histogram, scratch->residuals, n, histogram->zeros > (double) n / 2);
	return (double) bytes * 8 < most ? CODER_HUFFMAN : choice->coder;
}

void
tsdb_stream_write(TsdbBuffer *out, StreamScratch *scratch, const int64_t *values, size_t n)
{
	Predictor	predictor;
	BitHistogram histogram;
	CoderChoice choice;
	Coder		coder;
	uint64_t	divisor;
	size_t		m;

	if (n == 1)
	{
		tsdb_buffer_u8(out, 0);
		tsdb_buffer_varint(out, tsdb_zigzag(values[0]));
		return;
	}
	divisor = reduce(values, n, scratch->reduced);
	predictor = choose_predictor(scratch->reduced, n);
	m = n_residuals(&predictor, n);
	predict(&predictor, scratch->reduced, 0, m, scratch->residuals);
	tsdb_histogram_fill(&histogram, scratch->residuals, m);
	coder = choose_coder(scratch, &histogram, m, &choice);

	tsdb_buffer_u8(out, (uint8_t) (predictor.order | (int) coder << STREAM_CODER_SHIFT |
								   (predictor.has_centre ? STREAM_CENTRE : 0) | (predictor.unsigned_ ? STREAM_UNSIGNED : 0) |
								   (divisor > 1 ? STREAM_DIVISOR : 0)));
	tsdb_buffer_varint(out, tsdb_zigzag(values[0]));
	if (divisor > 1)
		tsdb_buffer_varint(out, divisor);
	if (predictor.has_centre)
		tsdb_buffer_varint(out, tsdb_zigzag(predictor.centre));
	if (coder == CODER_HUFFMAN)
		tsdb_huffman_write(out, scratch->huffman);
	else
		tsdb_coder_write(out, &choice, scratch->residuals, m);
}

/* ---- reading ---- */

static inline int64_t
residual(uint64_t code, bool is_unsigned)
{
	return is_unsigned ? (int64_t) code : tsdb_unzigzag(code);
}

/* The sum of those number first up to last - 1: additions that do not wait for each other. */
static inline uint64_t
sum_residuals(const int64_t *residuals, size_t first, size_t last, bool is_unsigned)
{
	uint64_t	sum = 0;

	for (size_t i = first; i < last; i++)
		sum += (uint64_t) residual((uint64_t) residuals[i], is_unsigned);
	return sum;
}

/*
 * Residuals lie where their integers will: values[i] is replaced by the integer it leads to.  Those before number `from` are only
 * stepped over, if the order lets us.
 */
static inline void
restore(int64_t *values, size_t n, size_t from, int order, bool is_unsigned, uint64_t divisor, int64_t centre)
{
	uint64_t	first = (uint64_t) values[0];
	uint64_t	value = first;
	uint64_t	step = (uint64_t) centre * divisor;
	size_t		start = from > 1 ? from : 1;

	if (order == 0)
		for (size_t i = start; i < n; i++)
			values[i] = (int64_t) (first + step + (uint64_t) residual((uint64_t) values[i], is_unsigned) * divisor);
	else if (order == 1)
	{
		value += (start - 1) * step + sum_residuals(values, 1, start, is_unsigned) * divisor;
		for (size_t i = start; i < n; i++)
		{
			value += step + (uint64_t) residual((uint64_t) values[i], is_unsigned) * divisor;
			values[i] = (int64_t) value;
		}
	}
	else
	{
		value += step;
		values[1] = (int64_t) value;
		for (size_t i = 2; i < n; i++)
		{
			step += (uint64_t) residual((uint64_t) values[i], is_unsigned) * divisor;
			value += step;
			values[i] = (int64_t) value;
		}
	}
}

/* The loops above once for each case, so that none of them branches inside. */
static void
restore_any(int64_t *values, size_t n, size_t from, int order, bool is_unsigned, uint64_t divisor, int64_t centre)
{
	if (divisor == 1 && order == 1 && !is_unsigned)
		restore(values, n, from, 1, false, 1, centre);
	else if (divisor == 1 && order == 1)
		restore(values, n, from, 1, true, 1, centre);
	else if (order == 1 && !is_unsigned)
		restore(values, n, from, 1, false, divisor, centre);
	else if (order == 1)
		restore(values, n, from, 1, true, divisor, centre);
	else if (order == 0 && is_unsigned)
		restore(values, n, from, 0, true, divisor, centre);
	else if (order == 0)
		restore(values, n, from, 0, false, divisor, centre);
	else if (is_unsigned)
		restore(values, n, from, 2, true, divisor, centre);
	else
		restore(values, n, from, 2, false, divisor, centre);
}

/* What stands before the residuals. */
typedef struct StreamHead
{
	int			order;
	unsigned	coder;
	bool		is_unsigned;
	uint64_t	divisor;
	int64_t		centre;
	int64_t		first;
} StreamHead;

static const char *
read_head(TsdbReader *in, size_t n, StreamHead *head)
{
	unsigned	header = tsdb_read_u8(in);

	*head = (StreamHead){
		.order = header & STREAM_ORDER,
		.coder = header >> STREAM_CODER_SHIFT & 3,
		.is_unsigned = (header & STREAM_UNSIGNED) != 0,
		.divisor = 1
	};
	head->first = tsdb_unzigzag(tsdb_read_varint(in));
	if ((header & STREAM_DIVISOR) != 0)
		head->divisor = tsdb_read_varint(in);
	if ((header & STREAM_CENTRE) != 0)
		head->centre = tsdb_unzigzag(tsdb_read_varint(in));
	if (in->failed)
		return "integers are truncated";
	if ((header & STREAM_RESERVED) != 0 || head->order == 3)
		return tsdb_fault_reserved;
	if (n == 1)
		return header == 0 ? NULL : "header of a single integer is not 0";
	if (head->order == 2 && (n == 2 || (header & STREAM_CENTRE) == 0))
		return "order 2 without a first difference";
	if ((header & STREAM_DIVISOR) != 0 && head->divisor < 2)
		return "divisor of integers is too small";
	return NULL;
}

/* The first value, and the residuals where their integers will be. */
static const char *
read_residuals(TsdbReader *in, const uint8_t *load_end, const StreamHead *head, int64_t *values, size_t n, size_t wanted)
{
	size_t		start = head->order == 2 ? 2 : 1;

	values[0] = head->first;
	if (n == 1)
		return NULL;
	return tsdb_coder_read(in, load_end, head->coder, (uint64_t *) values + start, n - start, wanted > start ? wanted - start : 0);
}

/* The integers number `from` up to wanted in place of the residuals. */
static void
restore_integers(const StreamHead *head, int64_t *values, size_t from, size_t wanted)
{
	size_t		start = head->order == 2 ? 2 : 1;

	restore_any(values, wanted > start ? wanted : start, from, head->order, head->is_unsigned, head->divisor, head->centre);
}

const char *
tsdb_stream_read(TsdbReader *in, const uint8_t *load_end, int64_t *values, size_t n, size_t from, size_t wanted, StreamInfo *info)
{
	StreamHead	head;
	const char *fault = read_head(in, n, &head);

	if (info != NULL)
		*info = (StreamInfo){head.order, head.coder};
	if (fault == NULL)
		fault = read_residuals(in, load_end, &head, values, n, wanted);
	if (fault == NULL && n > 1)
		restore_integers(&head, values, from, wanted);
	return fault;
}

/* Of order 1. */
static inline void
add_differences(int64_t *sums, const int64_t *residuals, size_t from, size_t wanted, const StreamHead *head, bool is_unsigned,
				uint64_t divisor)
{
	uint64_t	step = (uint64_t) head->centre * divisor;

	sums[from] = (int64_t) ((uint64_t) sums[from] + (uint64_t) head->first + from * step +
							sum_residuals(residuals, 1, from + 1, is_unsigned) * divisor);
	for (size_t i = from + 1; i < wanted; i++)
		sums[i] = (int64_t) ((uint64_t) sums[i] + step + (uint64_t) residual((uint64_t) residuals[i], is_unsigned) * divisor);
}

const char *
tsdb_stream_add_differences(TsdbReader *in, const uint8_t *load_end, int64_t *sums, int64_t *scratch, size_t n, size_t from,
							size_t wanted)
{
	StreamHead	head;
	const char *fault = read_head(in, n, &head);

	if (fault == NULL)
		fault = read_residuals(in, load_end, &head, scratch, n, wanted);
	if (fault != NULL)
		return fault;
	if (head.order == 1 && head.divisor == 1 && !head.is_unsigned)
		add_differences(sums, scratch, from, wanted, &head, false, 1);
	else if (head.order == 1 && head.divisor == 1)
		add_differences(sums, scratch, from, wanted, &head, true, 1);
	else if (head.order == 1)
		add_differences(sums, scratch, from, wanted, &head, head.is_unsigned, head.divisor);
	else
	{
		if (n > 1)
			restore_integers(&head, scratch, from, wanted);
		sums[from] = (int64_t) ((uint64_t) sums[from] + (uint64_t) scratch[from]);
		for (size_t i = from + 1; i < wanted; i++)
			sums[i] = (int64_t) ((uint64_t) sums[i] + (uint64_t) scratch[i] - (uint64_t) scratch[i - 1]);
	}
	return NULL;
}
