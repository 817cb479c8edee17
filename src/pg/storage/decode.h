/*
 * decode.h
 *		Rows of chunks and head to runs of samples per column: what the reader, compaction and delete_series share.
 *
 * The caller says which columns of a group it wants and for which range of
 * time, scans the rows, and gives each to the decoder.  Chunks come before head.
 */
#ifndef PGTSDB_DECODE_H
#define PGTSDB_DECODE_H

#include "postgres.h"

#include "core/samples/samples.h"
#include "pg/compat.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"

/* A wanted column, and its samples so far in order of precedence. */
typedef struct PgtsdbColumn
{
	int16		col;
	int			n_runs;
	int			n_chunk_runs;	/* the first ones; the others are of head */
	int			max_runs;
	TsdbRun    *runs;
	size_t		n_head;			/* samples in the pending rows of head */
} PgtsdbColumn;

/* A row of head that was decoded; its samples become runs when all rows are there. */
typedef struct PgtsdbPendingRow PgtsdbPendingRow;

typedef struct PgtsdbGroup
{
	int32		part;
	int32		group_id;
	PgtsdbColumn *columns;		/* ascending */
	int			n_columns;
	uint16	   *picked;			/* the numbers of the columns, made when needed */
	PgtsdbPendingRow *first_row;
	PgtsdbPendingRow *last_row;
	size_t		n_rows;
	int			n_in_head;		/* columns that the pending rows have a sample of */
	bool		rows_have_dt;
} PgtsdbGroup;

typedef struct PgtsdbDecoder
{
	TsdbArena  *arena;			/* takes the runs */
	struct TsdbChunkReader *reader; /* made at the first chunk */
	double	   *values;			/* one column of a chunk */
	int64	   *times;
	int64		t_lo;			/* samples outside are left out; both inclusive */
	int64		t_hi;
	size_t		n_samples;		/* decoded and kept so far */
	bool		backwards;		/* rows of head come in descending order */
} PgtsdbDecoder;

/* ---- chunks ---- */

/* Rows that have samples from t_lo on have a t_min from here on. */
extern int64 pgtsdb_chunks_from(int64 t_lo);

/* Only raw samples; false for leaves of other tiers, and those that are gone. */
extern bool pgtsdb_chunk_scan_open(PgtsdbScan *scan, const TsdbLeaf *leaf, Snapshot snapshot, LOCKMODE lock);
/* Rows of the group with t_from <= t_min <= t_to. */
extern void pgtsdb_chunk_scan_start(PgtsdbScan *scan, const TsdbLeaf *leaf, const PgtsdbGroup *group,
									int64 t_from, int64 t_to);
/*
 * The next visible row that has one of the wanted columns and ends at t_reach or later.  The others are passed over in the
 * index.
 */
extern bool pgtsdb_chunk_scan_next(PgtsdbScan *scan, const PgtsdbGroup *group, int64 t_reach);
/* The same, whichever columns it has. */
extern bool pgtsdb_chunk_scan_next_of_any(PgtsdbScan *scan, int64 t_reach);

/* What a row of chunks says of its chunk. */
typedef struct PgtsdbChunkPlace
{
	Relation	heap;			/* open as long as the scan */
	int32		part;
	int32		group_id;
	int64		t_min;			/* first and last time */
	int64		t_max;
	int16		col;			/* number of the chunk's first column */
} PgtsdbChunkPlace;

/* Of the row in the slot. */
extern PgtsdbChunkPlace pgtsdb_chunk_place(const PgtsdbScan *scan);
/*
 * Opens the chunk for reading; raises ERRCODE_DATA_CORRUPTED where it does not decode.  The group tells which columns will be
 * read at once; NULL: nothing is known of that.
 */
extern void pgtsdb_chunk_open(struct TsdbChunkReader *reader, const uint8 *data, size_t len, const PgtsdbChunkPlace *place,
							  const PgtsdbGroup *group);
/*
 * The timestamps of an open chunk that the decoder wants: n of them, from number `first` on.  Raises ERRCODE_DATA_CORRUPTED
 * where they belie their row.
 */
extern const int64 *pgtsdb_chunk_wanted(const PgtsdbDecoder *decoder, struct TsdbChunkReader *reader, const PgtsdbChunkPlace *place,
										size_t *first, size_t *n);
pg_noreturn extern void pgtsdb_raise_corrupt_chunk(const PgtsdbChunkPlace *place, const TsdbError *error);

/* Adds the wanted samples of the row in the slot. Raises ERRCODE_DATA_CORRUPTED for bytes that do not decode. */
extern void pgtsdb_decode_chunk(PgtsdbDecoder *decoder, const PgtsdbScan *scan, PgtsdbGroup *group);

/* ---- head ---- */

/* Rows that have samples from t_lo on have a ts from here on. */
extern int64 pgtsdb_head_from(int64 t_lo);

extern bool pgtsdb_head_scan_open(PgtsdbScan *scan, Oid heap, Snapshot snapshot, LOCKMODE lock);
/* Rows of the group with t_from <= ts <= t_to, by (ts, n). */
extern void pgtsdb_head_scan_start(PgtsdbScan *scan, const PgtsdbGroup *group, int64 t_from, int64 t_to);

/* Adds the wanted samples of the row in the slot. Raises ERRCODE_DATA_CORRUPTED for bytes that do not decode. */
extern void pgtsdb_decode_head(PgtsdbDecoder *decoder, const PgtsdbScan *scan, PgtsdbGroup *group);
/* After the last row of head of the group: makes runs of what came. */
extern void pgtsdb_finish_head(PgtsdbDecoder *decoder, PgtsdbGroup *group);

#endif							/* PGTSDB_DECODE_H */
