/*
 * chunk_internal.h
 *		What the files of the chunk codec share.
 *
 * Decoders answer a fault: NULL, or a sentence about what is wrong with the bytes.
 */
#ifndef TSDB_CHUNK_INTERNAL_H
#define TSDB_CHUNK_INTERNAL_H

#include "core/chunk/bytes.h"
#include "core/chunk/chunk.h"

/* ---- numbers of the format; FORMAT.md has the drawing ---- */

#define CHUNK_HEADER_BYTES 5
#define CHUNK_FLAG_REGULAR 1	/* no timestamp deviates */
#define CHUNK_FLAG_CONTINUES 2	/* the first column begins behind the first timestamp */
#define CHUNK_FLAG_CUT 4		/* the last column ends before the last timestamp */
#define CHUNK_FLAG_BASE 8		/* t_min is inside */
#define CHUNK_FLAGS 15

typedef enum ColumnKind
{
	KIND_CONSTANT = 0,
	KIND_DECIMAL = 1,
	KIND_BITS = 2,
	KIND_CORRECTED = 3			/* decimal + correction in ulps */
} ColumnKind;

/* Whether the integers of one kind can be added to those of another. */
static inline bool
tsdb_same_integers(ColumnKind a, ColumnKind b)
{
	return (a == KIND_BITS) == (b == KIND_BITS);
}

#define COLUMN_REFERENCE 0x40
#define COLUMN_PRESENCE 0x80
#define CONSTANT_BITS 15		/* exponent of a constant that is the 8 bytes of a double */
#define BITS_INTEGERS 0			/* exponents of KIND_BITS */
#define BITS_GORILLA 1
#define MAX_EXPONENT 9
#define MAX_DECIMAL 9e15		/* magnitude of a decimal's integer */
#define MAX_REFERENCE 250		/* columns back */
#define MAX_CHAIN 15			/* references one behind the other */
#define REFERENCE_EQUAL 0xff	/* instead of a stream: equal but for an offset */

/* A fault that is no damage: codes kept for later versions. */
extern const char tsdb_fault_reserved[];

/* ---- coder.c: arrays of unsigned integers ---- */

typedef enum Coder
{
	CODER_RICE = 0,
	CODER_ZERO_RUNS = 1,
	CODER_HUFFMAN = 2,
	CODER_DIGITS = 3			/* Rice codes that begin with two bits */
} Coder;

/* The values that have the same number of bits. */
typedef struct BitClass
{
	unsigned	length;
	double		count;
	double		sum;
} BitClass;

/* Values counted and summed by the number of their bits: enough to tell what a coder will need. */
typedef struct BitHistogram
{
	BitClass	classes[65];	/* those that occur, the shortest first */
	unsigned	n_classes;
	double		n;
	double		zeros;
} BitHistogram;

/* Bits are about what will be needed. */
typedef struct CoderChoice
{
	Coder		coder;			/* Rice, zero runs or digits, whichever is shortest */
	unsigned	k;				/* Rice parameter of the values */
	double		bits;
	double		huffman_bits;	/* of Huffman codes instead */
} CoderChoice;

extern void tsdb_histogram_fill(BitHistogram *histogram, const uint64_t *values, size_t n);
/* The best for `scale` times as many values as are in the histogram. */
extern CoderChoice tsdb_coder_choose(const BitHistogram *histogram, double scale);
/* Where the values are that are not 0; returns how many. */
extern size_t tsdb_find_values(const uint64_t *values, size_t n, uint16_t *places);
extern void tsdb_coder_write(TsdbBuffer *out, const CoderChoice *choice, const uint64_t *values, size_t n);
/*
 * Decodes the first `wanted` of n values.  With fewer than all, `in` is left anywhere, damage behind them may go
 * unnoticed, and values behind them may be written to.  load_end: memory may be loaded up to here, though the codes
 * end before.
 */
extern const char *tsdb_coder_read(TsdbReader *in, const uint8_t *load_end, unsigned coder, uint64_t *values, size_t n,
								   size_t wanted);

/* ---- huffman.c: the same by bit lengths ---- */

/* How up to n values will be written. */
typedef struct HuffmanPlan HuffmanPlan;

extern HuffmanPlan *tsdb_huffman_plan_make(TsdbArena *arena, size_t n);
/* Bits of the codes for the classes from that one on, about; without what the alphabet needs. */
extern double tsdb_huffman_bits(const BitHistogram *histogram, unsigned from);
extern double tsdb_huffman_alphabet_bits(const BitHistogram *histogram);
/*
 * Plans the codes of n values, with or without runs of zeros; returns how many bytes they will take at most, SIZE_MAX
 * when they cannot be written so.  values must live until they are written.
 */
extern size_t tsdb_huffman_plan(HuffmanPlan *plan, const BitHistogram *histogram, const uint64_t *values, size_t n, bool runs);
/* The values that were planned. */
extern void tsdb_huffman_write(TsdbBuffer *out, HuffmanPlan *plan);
extern const char *tsdb_huffman_read(TsdbReader *in, const uint8_t *load_end, uint64_t *values, size_t n, size_t wanted);

/* ---- int_stream.c: arrays of signed integers ---- */

/* How a stream was made, for tsdb_chunk_column_info(). */
typedef struct StreamInfo
{
	int			order;
	unsigned	coder;
} StreamInfo;

/* Memory of one encoder or decoder for streams of up to n integers. */
typedef struct StreamScratch
{
	int64_t    *reduced;
	uint64_t   *residuals;
	HuffmanPlan *huffman;
	size_t		capacity;
} StreamScratch;

extern void tsdb_stream_scratch_reserve(TsdbArena *arena, StreamScratch *scratch, size_t n);

/* Which of some arrays will be the shortest stream?  Probably the one whose middle has the least guess. */
#define GUESS_SPAN 33

static inline size_t
tsdb_guess_span(size_t n)
{
	return n < GUESS_SPAN ? n : GUESS_SPAN;
}

extern unsigned tsdb_stream_guess(const int64_t *values, size_t n);
extern void tsdb_stream_write(TsdbBuffer *out, StreamScratch *scratch, const int64_t *values, size_t n);
/* load_end and wanted as above, from < wanted: values before number `from` may be anything.  info may be NULL. */
extern const char *tsdb_stream_read(TsdbReader *in, const uint8_t *load_end, int64_t *values, size_t n, size_t from,
									size_t wanted, StreamInfo *info);
/*
 * The same, added up: value number `from` to sums[from], and to each later sum what its value is more than the one before.
 * scratch has room for n values.
 */
extern const char *tsdb_stream_add_differences(TsdbReader *in, const uint8_t *load_end, int64_t *sums, int64_t *scratch, size_t n,
											   size_t from, size_t wanted);

/* ---- gorilla.c ---- */

extern void tsdb_gorilla_write(TsdbBuffer *out, const double *values, size_t n);
extern const char *tsdb_gorilla_read(TsdbReader *in, double *values, size_t n, size_t wanted);

/* ---- numbers.c: doubles as integers ---- */

extern const double tsdb_powers_of_ten[MAX_EXPONENT + 1];

/*
 * Bits of a double as an integer of the same order.  A bijection, so -0 and
 * the payloads of NaN survive; it is its own inverse.
 */
static inline int64_t
tsdb_ordered_bits(uint64_t bits)
{
	return (int64_t) (bits ^ ((uint64_t) ((int64_t) bits >> 63) >> 1));
}

/* The smallest exponent at which all values are integers / 10^e bit for bit, and those integers; false: none is. */
extern bool tsdb_decimals_find(const double *values, size_t n, int64_t *integers, int *exponent);
extern void tsdb_decimals_to_doubles(const int64_t *integers, size_t n, int exponent, double *values);
extern void tsdb_bits_to_doubles(const int64_t *integers, size_t n, double *values);
extern void tsdb_doubles_to_bits(const double *values, size_t n, int64_t *integers);
/* Nearest decimals, and how far the ordered bits of the values are from theirs. */
extern void tsdb_doubles_to_corrected(const double *values, size_t n, int exponent, int64_t *integers, int64_t *corrections);
/* Turns the doubles of the decimals into the values. */
extern void tsdb_correct_doubles(double *values, const int64_t *corrections, size_t n);

#endif							/* TSDB_CHUNK_INTERNAL_H */
