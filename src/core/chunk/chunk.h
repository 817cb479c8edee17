/*
 * chunk.h
 *		Compressed samples of neighbouring series: the bytes inside tsdb.chunk.
 *
 * A chunk holds up to 255 columns, that is neighbouring series of one group,
 * over one window with shared timestamps.  FORMAT.md draws every byte.  Values
 * come back bit for bit: -0, the payloads of NaN and infinities included.
 *
 * The timestamp t_min of the first sample stands beside the chunk, in its row of
 * tsdb.chunks; a chunk that stands alone carries it inside.
 */
#ifndef TSDB_CHUNK_H
#define TSDB_CHUNK_H

#include "core/base/base.h"

#define TSDB_CHUNK_VERSION 1
#define TSDB_CHUNK_MAX_TIMES 8191		/* timestamps of one chunk */
#define TSDB_CHUNK_MAX_COLUMNS 255		/* columns of one chunk */
#define TSDB_CHUNK_ROW_LIMIT 8104		/* fills a row of tsdb.chunks to 8,160: 24 of header, 28 of other columns, 4 of length */
#define TSDB_CHUNK_MIN_LIMIT 512		/* smallest limit a writer accepts */

/* One bit per timestamp, the lowest first. */
#define TSDB_PRESENCE_WORDS(n_times) (((size_t) (n_times) + 63) / 64)

static inline bool
tsdb_presence_get(const uint64_t *present, size_t i)
{
	return present == NULL || (present[i / 64] >> (i % 64) & 1) != 0;
}

static inline void
tsdb_presence_set(uint64_t *present, size_t i)
{
	present[i / 64] |= UINT64_C(1) << (i % 64);
}

/* ---- writing (writer.c) ---- */

/* The samples of one series: values[i] belongs to times[i] where present says so. */
typedef struct TsdbChunkColumn
{
	const double *values;		/* NULL: no sample at all */
	const uint64_t *present;	/* NULL: one at every timestamp */
} TsdbChunkColumn;

typedef enum TsdbChunkCodec
{
	TSDB_CODEC_AUTO,			/* whatever is smallest */
	TSDB_CODEC_GORILLA,			/* XOR of neighbouring values */
	TSDB_CODEC_BITS				/* value bits as integers */
} TsdbChunkCodec;

typedef struct TsdbChunkInput
{
	const int64_t *times;		/* strictly ascending, milliseconds */
	size_t		n_times;
	const TsdbChunkColumn *columns;
	size_t		n_columns;		/* any number */
	int			first_column;	/* what columns[0] is called in the rows */

	/* Settings */
	size_t		limit;			/* bytes of one row; TSDB_CHUNK_ROW_LIMIT for tsdb.chunks */
	TsdbChunkCodec codec;
	bool		with_base;		/* put t_min into the bytes, for a chunk that stands alone */
} TsdbChunkInput;

/*
 * One finished row.  A column that did not fit is cut in time: the last column of one
 * row is then the first of the next, each with a part of its samples.  Rows of one input
 * differ in (t_min, first_column, n_columns).
 */
typedef struct TsdbChunkRow
{
	int			first_column;
	int			n_columns;
	int64_t		t_min;			/* of the timestamps in the row, though some columns may begin later */
	int64_t		t_max;
	size_t		n_samples;
	const uint8_t *data;		/* valid until the next call */
	size_t		len;
} TsdbChunkRow;

typedef struct TsdbChunkWriter TsdbChunkWriter;

/* The input must live as long as the writer.  TSDB_ERR_LIMIT, TSDB_ERR_INPUT when it breaks the rules above. */
extern TsdbStatus tsdb_chunk_writer_make(TsdbArena *arena, const TsdbEnv *env, const TsdbChunkInput *input,
										 TsdbChunkWriter **writer, TsdbError *error);
/* The next row; false when all samples have been written. */
extern bool tsdb_chunk_writer_next(TsdbChunkWriter *writer, TsdbChunkRow *row);

/* ---- reading (reader.c) ---- */

/*
 * Reads chunks one after another with the same scratch memory.  Bytes need not be
 * validated before: whatever they are, nothing outside of them is read, and what
 * is wrong with them comes out as TSDB_ERR_CORRUPT where it is met.
 */
typedef struct TsdbChunkReader TsdbChunkReader;

extern TsdbChunkReader *tsdb_chunk_reader_make(TsdbArena *arena);

/* Reads header and directory.  The bytes must live while the chunk is read.  A base inside the bytes wins over t_min. */
extern TsdbStatus tsdb_chunk_open(TsdbChunkReader *reader, const void *data, size_t len, int64_t t_min, TsdbError *error);
extern size_t tsdb_chunk_n_times(const TsdbChunkReader *reader);
extern int	tsdb_chunk_n_columns(const TsdbChunkReader *reader);
/* The column's bytes will be read soon: has the processor load them meanwhile. */
extern void tsdb_chunk_prefetch(const TsdbChunkReader *reader, int column);
/* Whether the column, one of n_columns, has any sample: by the directory alone. */
extern bool tsdb_chunk_has_samples(const TsdbChunkReader *reader, int column);
/* All timestamps of the chunk; they stay valid until the next open. */
extern TsdbStatus tsdb_chunk_times(TsdbChunkReader *reader, const int64_t **times, TsdbError *error);
/*
 * Those from t_first up to t_last: n of them, from (*times)[first] on.  What is before them in the array may be none yet, and
 * damage there may go unnoticed.
 */
extern TsdbStatus tsdb_chunk_times_between(TsdbChunkReader *reader, int64_t t_first, int64_t t_last, const int64_t **times,
										   size_t *first, size_t *n, TsdbError *error);

/*
 * One column (0 is the first of this chunk): values[i] for times[i] where present
 * has its bit; other values are left as they were.  values has room for n_times,
 * present for TSDB_PRESENCE_WORDS(n_times).
 */
extern TsdbStatus tsdb_chunk_read_column(TsdbChunkReader *reader, int column, double *values, uint64_t *present,
										 TsdbError *error);
/*
 * The samples of one column at the timestamps number from up to to - 1: n of them, in order of
 * time.  t and v have room for to - from.  When there is one at each, n is to - from, and t is left as it was:
 * columns without gaps share their timestamps.
 */
extern TsdbStatus tsdb_chunk_read_range(TsdbChunkReader *reader, int column, size_t from, size_t to,
										int64_t *t, double *v, size_t *n, TsdbError *error);
/*
 * The samples of one column with t_first <= t <= t_last, in order of time.  t and v
 * have room for n_times each, and all of v may be written to.
 */
extern TsdbStatus tsdb_chunk_read_samples(TsdbChunkReader *reader, int column, int64_t t_first, int64_t t_last,
										  int64_t *t, double *v, size_t *n, TsdbError *error);

/* How a column is stored. */
typedef struct TsdbChunkColumnInfo
{
	size_t		bytes;			/* without its place in the directory; 0: no sample */
	size_t		n_samples;
	const char *number;			/* constant, decimal, corrected decimal, bits, gorilla; NULL: no sample */
	int			exponent;		/* decimal digits behind the point */
	int			order;			/* of the predictor; -1: none */
	const char *coder;			/* rice, zero runs, huffman, digits; NULL: none */
	int			reference;		/* columns back; 0: none */
} TsdbChunkColumnInfo;

extern TsdbStatus tsdb_chunk_column_info(TsdbChunkReader *reader, int column, TsdbChunkColumnInfo *info, TsdbError *error);

typedef struct TsdbChunkInfo
{
	bool		regular;		/* timestamps are t_min + i * step */
	bool		has_base;
	int64_t		step;			/* milliseconds */
	size_t		header_bytes;	/* header, timestamps and directory */
} TsdbChunkInfo;

extern TsdbChunkInfo tsdb_chunk_info(const TsdbChunkReader *reader);

/* TSDB_OK when every byte has its place and everything in it can be decoded; the error's message is the reason. */
extern TsdbStatus tsdb_chunk_validate(TsdbArena *arena, const void *data, size_t len, TsdbError *error);

#endif							/* TSDB_CHUNK_H */
