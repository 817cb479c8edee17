/*
 * head.h
 *		Samples of one group with one timestamp: the bytes in tsdb.head.values.
 *
 * Stateless and byte-aligned, so that ingest is fast and one column can be read
 * without the others.  FORMAT.md draws every byte.  Values come back bit for bit.
 */
#ifndef TSDB_HEAD_H
#define TSDB_HEAD_H

#include "core/base/base.h"

#define TSDB_HEAD_VERSION 1
#define TSDB_HEAD_MAX_COLUMNS 32767		/* highest column number + 1 */
#define TSDB_HEAD_ROW_LIMIT 8108		/* bytes of one row: its tuple stays below PostgreSQL's 8,160 */
#define TSDB_HEAD_BUFFER (TSDB_HEAD_ROW_LIMIT + 8)	/* room that the encoder wants */

typedef struct TsdbHeadSample
{
	uint16_t	col;			/* column of the group */
	int32_t		dt;				/* milliseconds behind the timestamp of the row, mostly 0 */
	double		v;
} TsdbHeadSample;

/*
 * Encodes samples, strictly ascending by col, until the row is full or the next
 * column is so far away that a row of its own is smaller.  Returns how many
 * were taken, at least one of n > 0: call again with the rest.  800 columns
 * without dt always fit.
 */
extern size_t tsdb_head_encode(const TsdbHeadSample *samples, size_t n, uint8_t out[TSDB_HEAD_BUFFER], size_t *len);

/* An opened row; points into its bytes. */
typedef struct TsdbHeadRow
{
	unsigned	first_column;
	unsigned	n_columns;		/* some of them may be absent */
	bool		has_dt;
	const uint8_t *skips;		/* u16 for each further block of 64 columns: where its payload begins */
	const uint8_t *tags;		/* 4 bits per column */
	const uint8_t *payload;
	const uint8_t *end;
} TsdbHeadRow;

/* Reads the header.  What is wrong behind it is found by whoever reads on: TSDB_ERR_CORRUPT, never a read out of bounds. */
extern TsdbStatus tsdb_head_open(TsdbHeadRow *row, const void *data, size_t len, TsdbError *error);

/* Whether there is a sample of the column: by its tag, without a look at values. */
extern bool tsdb_head_has(const TsdbHeadRow *row, unsigned col);

/* The samples with first <= col < first + n_cols, in order; out has room for min(n_cols, row->n_columns). */
extern TsdbStatus tsdb_head_read(const TsdbHeadRow *row, unsigned first, unsigned n_cols,
								 TsdbHeadSample *out, size_t *n, TsdbError *error);
/* The samples of these columns (ascending) that are there; out has room for n_cols. */
extern TsdbStatus tsdb_head_pick(const TsdbHeadRow *row, const uint16_t *cols, size_t n_cols,
								 TsdbHeadSample *out, size_t *n, TsdbError *error);

/* TSDB_OK when every byte has its place; the error's message is the reason. */
extern TsdbStatus tsdb_head_validate(const void *data, size_t len, TsdbError *error);

#endif							/* TSDB_HEAD_H */
