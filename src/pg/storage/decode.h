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
	bool		rows_have_dt;
} PgtsdbGroup;

typedef struct PgtsdbDecoder
{
	TsdbArena  *arena;			/* takes the runs */
	struct TsdbChunkReader *reader; /* made at the first chunk */
	double	   *values;			/* one column of a chunk */
	uint64	   *present;
	int64		t_lo;			/* samples outside are left out; both inclusive */
	int64		t_hi;
	size_t		max_samples;	/* TSDB_ERR_LIMIT beyond */
	size_t		n_samples;		/* decoded and kept so far */
} PgtsdbDecoder;

/* ---- chunks ---- */

/* Rows that have samples from t_lo on have a t_min from here on. */
extern int64 pgtsdb_chunks_from(int64 t_lo);

/* Only raw samples; false for leaves of other tiers, and those that are gone. */
extern bool pgtsdb_chunk_scan_open(PgtsdbScan *scan, const TsdbLeaf *leaf, Snapshot snapshot, LOCKMODE lock);
/* Rows of the group with t_from <= t_min <= t_to. */
extern void pgtsdb_chunk_scan_start(PgtsdbScan *scan, const TsdbLeaf *leaf, const PgtsdbGroup *group,
									int64 t_from, int64 t_to);
/* The next visible row that has one of the wanted columns; others are passed over in the index. */
extern bool pgtsdb_chunk_scan_next(PgtsdbScan *scan, const PgtsdbGroup *group);
/* First and last time of the row in the slot. */
extern void pgtsdb_chunk_row_range(const PgtsdbScan *scan, int64 *t_min, int64 *t_max);

/* Adds the wanted samples of the row in the slot. Raises ERRCODE_DATA_CORRUPTED for bytes that do not decode. */
extern TsdbStatus pgtsdb_decode_chunk(PgtsdbDecoder *decoder, const PgtsdbScan *scan, PgtsdbGroup *group, TsdbError *error);

/* ---- head ---- */

/* Rows that have samples from t_lo on have a ts from here on. */
extern int64 pgtsdb_head_from(int64 t_lo);

extern bool pgtsdb_head_scan_open(PgtsdbScan *scan, Oid heap, Snapshot snapshot, LOCKMODE lock);
/* Rows of the group with t_from <= ts <= t_to, by (ts, n). */
extern void pgtsdb_head_scan_start(PgtsdbScan *scan, const PgtsdbGroup *group, int64 t_from, int64 t_to);

extern TsdbStatus pgtsdb_decode_head(PgtsdbDecoder *decoder, const PgtsdbScan *scan, PgtsdbGroup *group, TsdbError *error);
/* After the last row of head of the group: makes runs of what came. */
extern void pgtsdb_finish_head(PgtsdbDecoder *decoder, PgtsdbGroup *group);

#endif							/* PGTSDB_DECODE_H */
