/*
 * decode.c
 *		Rows of chunks and head to runs of samples per column.
 *
 * Timestamps are shared where they can be: columns of a chunk that have a
 * sample at every timestamp point to one array, and so do columns that are in
 * every row of head.  That is nearly all of them, and halves the memory.
 *
 * Head rows hold one sample of many columns each.  They are decoded one by one,
 * counted per column, and turned around once the last one is there, so that
 * every array is made in its final size.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "core/chunk/chunk.h"
#include "core/chunk/head.h"
#include "pg/compat.h"
#include "pg/errors.h"
#include "pg/storage/decode.h"
#include "pg/storage/reader.h"
#include "pg/storage/schema.h"
#include "pg/storage/storage.h"
#include "pg/types/types.h"

/* Key columns of the primary key of chunks, and of head. */
enum
{
	CHUNK_KEY_PART = 1,
	CHUNK_KEY_GROUP,
	CHUNK_KEY_TIER,
	CHUNK_KEY_CLASS,
	CHUNK_KEY_T_MIN,
	CHUNK_KEY_COL,
	CHUNK_KEY_N,
	CHUNK_ENTRY_DT				/* no key column, but in the entry */
};

enum
{
	HEAD_KEY_PART = 1,
	HEAD_KEY_GROUP,
	HEAD_KEY_TS
};

struct PgtsdbPendingRow
{
	PgtsdbPendingRow *next;
	int64		ts;
	size_t		n;
	TsdbHeadSample *samples;
};

/* The chunk in the slot, and what is wanted of it: timestamps [first, first + n). */
typedef struct OpenChunk
{
	const PgtsdbChunkPlace *place;
	int			n_columns;
	size_t		first;
	size_t		n;
	const int64 *times;			/* all of the chunk */
	const int64 *shared;		/* the wanted ones, in the arena */
} OpenChunk;

static bool fetch_reaching(PgtsdbScan *scan, int64 t_reach);
static void prefetch_wanted(const TsdbChunkReader *reader, const PgtsdbChunkPlace *place, const PgtsdbGroup *group);
static int	first_wanted(const PgtsdbGroup *group, int col);
static void decode_column(PgtsdbDecoder *decoder, OpenChunk *chunk, PgtsdbColumn *column);
static void add_run(PgtsdbDecoder *decoder, PgtsdbColumn *column, TsdbRun run);
static void read_samples(PgtsdbDecoder *decoder, const PgtsdbScan *scan, PgtsdbGroup *group, PgtsdbPendingRow *pending);
static const uint16 *picked_columns(PgtsdbDecoder *decoder, PgtsdbGroup *group);
static size_t keep_in_range(const PgtsdbDecoder *decoder, int64 ts, TsdbHeadSample *samples, size_t n);
pg_noreturn static void raise_corrupt_head(const PgtsdbScan *scan, const TsdbError *error);

/* ---- chunks ---- */

int64
pgtsdb_chunks_from(int64 t_lo)
{
	return t_lo < PG_INT64_MIN + PGTSDB_CHUNK_SPAN_LIMIT ? PG_INT64_MIN : t_lo - PGTSDB_CHUNK_SPAN_LIMIT;
}

bool
pgtsdb_chunk_scan_open(PgtsdbScan *scan, const TsdbLeaf *leaf, Snapshot snapshot, LOCKMODE lock)
{
	static const char *const columns[] = {"part", "group_id", "tier", "class", "t_min", "col", "n"};

	return leaf->tier == 0 && pgtsdb_scan_open(scan, leaf->heap, lengthof(columns), columns, snapshot, lock);
}

void
pgtsdb_chunk_scan_start(PgtsdbScan *scan, const TsdbLeaf *leaf, const PgtsdbGroup *group, int64 t_from, int64 t_to)
{
	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, CHUNK_KEY_PART, BTEqualStrategyNumber, group->part);
	pgtsdb_scan_key_int4(scan, CHUNK_KEY_GROUP, BTEqualStrategyNumber, group->group_id);
	pgtsdb_scan_key_int2(scan, CHUNK_KEY_TIER, BTEqualStrategyNumber, leaf->tier);
	pgtsdb_scan_key_int2(scan, CHUNK_KEY_CLASS, BTEqualStrategyNumber, leaf->class);
	/* each entry is compared with each key, and what holds for all rows of the leaf need not be asked */
	if (t_from > leaf->t_lo)
		pgtsdb_scan_key_int8(scan, CHUNK_KEY_T_MIN, BTGreaterEqualStrategyNumber, t_from);
	if (t_to < leaf->t_hi)
		pgtsdb_scan_key_int8(scan, CHUNK_KEY_T_MIN, BTLessEqualStrategyNumber, t_to);
	pgtsdb_scan_start(scan);
}

bool
pgtsdb_chunk_scan_next(PgtsdbScan *scan, const PgtsdbGroup *group, int64 t_reach)
{
	while (pgtsdb_scan_next_entry(scan))
	{
		int			col = DatumGetInt16(pgtsdb_scan_entry(scan, CHUNK_KEY_COL));
		int			n = DatumGetInt16(pgtsdb_scan_entry(scan, CHUNK_KEY_N));
		int			wanted = first_wanted(group, col);

		if (wanted < group->n_columns && group->columns[wanted].col < col + n && fetch_reaching(scan, t_reach))
			return true;
	}
	return false;
}

bool
pgtsdb_chunk_scan_next_of_any(PgtsdbScan *scan, int64 t_reach)
{
	while (pgtsdb_scan_next_entry(scan))
		if (fetch_reaching(scan, t_reach))
			return true;
	return false;
}

/* The row of the entry, if it ends at t_reach or later.  An index that was made before entries had dt does without. */
static bool
fetch_reaching(PgtsdbScan *scan, int64 t_reach)
{
	Form_pg_index form = scan->index->rd_index;
	bool		has_dt = form->indnatts >= CHUNK_ENTRY_DT && form->indkey.values[CHUNK_ENTRY_DT - 1] == PGTSDB_CHUNKS_DT;

	if (has_dt && DatumGetInt64(pgtsdb_scan_entry(scan, CHUNK_KEY_T_MIN)) +
		DatumGetInt32(pgtsdb_scan_entry(scan, CHUNK_ENTRY_DT)) < t_reach)
		return false;
	return pgtsdb_scan_fetch(scan) && (has_dt || pgtsdb_chunk_place(scan).t_max >= t_reach);
}

PgtsdbChunkPlace
pgtsdb_chunk_place(const PgtsdbScan *scan)
{
	PgtsdbChunkPlace place = {
		.heap = scan->heap,
		.part = DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_PART)),
		.group_id = DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_GROUP_ID)),
		.t_min = DatumGetInt64(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_T_MIN)),
		.col = DatumGetInt16(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_COL))
	};

	place.t_max = place.t_min + DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_DT));
	return place;
}

void
pgtsdb_chunk_open(TsdbChunkReader *reader, const uint8 *data, size_t len, const PgtsdbChunkPlace *place, const PgtsdbGroup *group)
{
	TsdbError	error;

	if (tsdb_chunk_open(reader, data, len, place->t_min, &error) != TSDB_OK)
		pgtsdb_raise_corrupt_chunk(place, &error);
	if (group != NULL)
		prefetch_wanted(reader, place, group);
}

/* A few columns of a row in a shared buffer: the memory answers while the timestamps are made. */
static void
prefetch_wanted(const TsdbChunkReader *reader, const PgtsdbChunkPlace *place, const PgtsdbGroup *group)
{
	int			end = place->col + tsdb_chunk_n_columns(reader);

	for (int i = first_wanted(group, place->col); i < group->n_columns && group->columns[i].col < end; i++)
		tsdb_chunk_prefetch(reader, group->columns[i].col - place->col);
}

const int64 *
pgtsdb_chunk_wanted(const PgtsdbDecoder *decoder, TsdbChunkReader *reader, const PgtsdbChunkPlace *place, size_t *first, size_t *n)
{
	const int64 *times;
	TsdbError	error;

	if (tsdb_chunk_times_between(reader, decoder->t_lo, decoder->t_hi, &times, first, n, &error) != TSDB_OK)
		pgtsdb_raise_corrupt_chunk(place, &error);
	if (*n > 0 && (times[*first] < place->t_min || times[*first + *n - 1] > place->t_max))
	{
		tsdb_fail(&error, TSDB_ERR_CORRUPT, "its timestamps lie outside of what its row says");
		pgtsdb_raise_corrupt_chunk(place, &error);
	}
	return times;
}

void
pgtsdb_decode_chunk(PgtsdbDecoder *decoder, const PgtsdbScan *scan, PgtsdbGroup *group)
{
	PgtsdbChunkPlace place = pgtsdb_chunk_place(scan);
	OpenChunk	chunk = {.place = &place};
	const uint8_t *data;
	size_t		len;

	if (place.t_max < decoder->t_lo || place.t_min > decoder->t_hi)
		return;
	if (decoder->reader == NULL)
	{
		decoder->reader = tsdb_chunk_reader_make(decoder->arena);
		decoder->values = TSDB_NEW_ARRAY(decoder->arena, double, TSDB_CHUNK_MAX_TIMES);
		decoder->times = TSDB_NEW_ARRAY(decoder->arena, int64, TSDB_CHUNK_MAX_TIMES);
	}

	data = pgtsdb_datum_chunk(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_DATA), &len);
	pgtsdb_chunk_open(decoder->reader, data, len, &place, group);
	chunk.n_columns = tsdb_chunk_n_columns(decoder->reader);
	chunk.times = pgtsdb_chunk_wanted(decoder, decoder->reader, &place, &chunk.first, &chunk.n);
	for (int i = first_wanted(group, place.col);
		 chunk.n > 0 && i < group->n_columns && group->columns[i].col < place.col + chunk.n_columns; i++)
		decode_column(decoder, &chunk, &group->columns[i]);
}

/* Index of the first wanted column that is not before col. */
static int
first_wanted(const PgtsdbGroup *group, int col)
{
	int			low = 0;
	int			high = group->n_columns;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (group->columns[middle].col < col)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
decode_column(PgtsdbDecoder *decoder, OpenChunk *chunk, PgtsdbColumn *column)
{
	TsdbRun		run = {0};
	TsdbError	error;

	CHECK_FOR_INTERRUPTS();
	if (tsdb_chunk_read_range(decoder->reader, column->col - chunk->place->col, chunk->first, chunk->first + chunk->n,
							  decoder->times, decoder->values, &run.n, &error) != TSDB_OK)
		pgtsdb_raise_corrupt_chunk(chunk->place, &error);
	if (run.n == 0)
		return;
	decoder->n_samples += run.n;
	run.v = memcpy(TSDB_NEW_ARRAY(decoder->arena, double, run.n), decoder->values, run.n * sizeof(double));
	if (run.n < chunk->n)
		run.t = memcpy(TSDB_NEW_ARRAY(decoder->arena, int64, run.n), decoder->times, run.n * sizeof(int64));
	else
	{
		if (chunk->shared == NULL)
			chunk->shared = memcpy(TSDB_NEW_ARRAY(decoder->arena, int64, chunk->n), chunk->times + chunk->first,
								   chunk->n * sizeof(int64));
		run.t = chunk->shared;
	}
	add_run(decoder, column, run);
	column->n_chunk_runs = column->n_runs;
}

/* ---- head ---- */

int64
pgtsdb_head_from(int64 t_lo)
{
	return t_lo < PG_INT64_MIN + PGTSDB_HEAD_SPAN_LIMIT ? PG_INT64_MIN : t_lo - PGTSDB_HEAD_SPAN_LIMIT;
}

bool
pgtsdb_head_scan_open(PgtsdbScan *scan, Oid heap, Snapshot snapshot, LOCKMODE lock)
{
	static const char *const columns[] = {"part", "group_id", "ts", "n"};

	return pgtsdb_scan_open(scan, heap, lengthof(columns), columns, snapshot, lock);
}

void
pgtsdb_head_scan_start(PgtsdbScan *scan, const PgtsdbGroup *group, int64 t_from, int64 t_to)
{
	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, HEAD_KEY_PART, BTEqualStrategyNumber, group->part);
	pgtsdb_scan_key_int4(scan, HEAD_KEY_GROUP, BTEqualStrategyNumber, group->group_id);
	pgtsdb_scan_key_int8(scan, HEAD_KEY_TS, BTGreaterEqualStrategyNumber, t_from);
	pgtsdb_scan_key_int8(scan, HEAD_KEY_TS, BTLessEqualStrategyNumber, t_to);
	pgtsdb_scan_start(scan);
}

void
pgtsdb_decode_head(PgtsdbDecoder *decoder, const PgtsdbScan *scan, PgtsdbGroup *group)
{
	PgtsdbPendingRow *row = TSDB_NEW(decoder->arena, PgtsdbPendingRow);
	int			column = 0;

	row->ts = DatumGetInt64(pgtsdb_scan_value(scan, PGTSDB_HEAD_TS));
	read_samples(decoder, scan, group, row);
	if (row->n == 0)
		return;
	for (size_t i = 0; i < row->n; i++)
	{
		while (group->columns[column].col < row->samples[i].col)
			column++;
		group->n_in_head += group->columns[column].n_head++ == 0;
		group->rows_have_dt |= row->samples[i].dt != 0;
	}
	if (group->last_row == NULL)
		group->first_row = group->last_row = row;
	else if (decoder->backwards)
	{
		row->next = group->first_row;
		group->first_row = row;
	}
	else
	{
		group->last_row->next = row;
		group->last_row = row;
	}
	group->n_rows++;
	decoder->n_samples += row->n;
}

/* The wanted samples of the row in the slot. */
static void
read_samples(PgtsdbDecoder *decoder, const PgtsdbScan *scan, PgtsdbGroup *group, PgtsdbPendingRow *pending)
{
	Datum		datum = pgtsdb_scan_value(scan, PGTSDB_HEAD_VALUES);
	struct varlena *data = PG_DETOAST_DATUM_PACKED(datum);
	int			low = group->columns[0].col;
	int			span = group->columns[group->n_columns - 1].col - low + 1;
	TsdbHeadRow row;
	TsdbError	error;
	TsdbStatus	status;
	size_t		n;

	status = tsdb_head_open(&row, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), &error);
	if (status == TSDB_OK)
	{
		size_t		room = span == group->n_columns ? Min(group->n_columns, row.n_columns) : group->n_columns;

		pending->samples = TSDB_NEW_ARRAY(decoder->arena, TsdbHeadSample, room);
		if (span == group->n_columns)
			status = tsdb_head_read(&row, low, span, pending->samples, &n, &error);
		else
			status = tsdb_head_pick(&row, picked_columns(decoder, group), group->n_columns, pending->samples, &n, &error);
	}
	if (status != TSDB_OK)
		raise_corrupt_head(scan, &error);
	if ((Pointer) data != DatumGetPointer(datum))
		pfree(data);
	pending->n = keep_in_range(decoder, pending->ts, pending->samples, n);
}

static const uint16 *
picked_columns(PgtsdbDecoder *decoder, PgtsdbGroup *group)
{
	if (group->picked == NULL)
	{
		group->picked = TSDB_NEW_ARRAY(decoder->arena, uint16, group->n_columns);
		for (int i = 0; i < group->n_columns; i++)
			group->picked[i] = group->columns[i].col;
	}
	return group->picked;
}

static size_t
keep_in_range(const PgtsdbDecoder *decoder, int64 ts, TsdbHeadSample *samples, size_t n)
{
	size_t		kept = 0;

	for (size_t i = 0; i < n; i++)
		if (ts + samples[i].dt >= decoder->t_lo && ts + samples[i].dt <= decoder->t_hi)
			samples[kept++] = samples[i];
	return kept;
}

void
pgtsdb_finish_head(PgtsdbDecoder *decoder, PgtsdbGroup *group)
{
	int64	   *times = TSDB_NEW_ARRAY(decoder->arena, int64, group->n_rows);
	int64	  **t = TSDB_NEW_ARRAY(decoder->arena, int64 *, group->n_columns);
	double	  **v = TSDB_NEW_ARRAY(decoder->arena, double *, group->n_columns);
	size_t		n_rows = 0;

	for (int i = 0; i < group->n_columns; i++)
	{
		size_t		n = group->columns[i].n_head;
		bool		every_row = n == group->n_rows && !group->rows_have_dt;

		if (n == 0)
			continue;
		v[i] = TSDB_NEW_ARRAY(decoder->arena, double, n);
		t[i] = every_row ? times : TSDB_NEW_ARRAY(decoder->arena, int64, n);
		add_run(decoder, &group->columns[i], (TsdbRun) {n, t[i], v[i]});
	}
	for (PgtsdbPendingRow *row = group->first_row; row != NULL; row = row->next)
	{
		int			column = 0;

		times[n_rows++] = row->ts;
		for (size_t i = 0; i < row->n; i++)
		{
			while (group->columns[column].col < row->samples[i].col)
				column++;
			*v[column]++ = row->samples[i].v;
			if (t[column] != times)
				*t[column]++ = row->ts + row->samples[i].dt;
			group->columns[column].n_head = 0;
		}
	}
	group->first_row = group->last_row = NULL;
	group->n_rows = 0;
	group->n_in_head = 0;
	group->rows_have_dt = false;
}

/* ---- both ---- */

static void
add_run(PgtsdbDecoder *decoder, PgtsdbColumn *column, TsdbRun run)
{
	if (column->n_runs == column->max_runs)
	{
		int			more = Max(column->max_runs * 2, 4);

		column->runs = tsdb_grow(decoder->arena, column->runs, column->max_runs * sizeof(TsdbRun), more * sizeof(TsdbRun));
		column->max_runs = more;
	}
	column->runs[column->n_runs++] = run;
}

void
pgtsdb_raise_corrupt_chunk(const PgtsdbChunkPlace *place, const TsdbError *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("chunk in relation \"%s\" is corrupt (part %d, group %d, t_min " INT64_FORMAT ", column %d)",
					RelationGetRelationName(place->heap), place->part, place->group_id, place->t_min, place->col),
			 errdetail("%s", error->message),
			 errhint("Restore the row from a backup or a standby, or delete it: other series and times can still be read.")));
}

static void
raise_corrupt_head(const PgtsdbScan *scan, const TsdbError *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("row in relation \"%s\" is corrupt (part %d, group %d, ts " INT64_FORMAT ", n %d)",
					RelationGetRelationName(scan->heap),
					DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_HEAD_PART)),
					DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_HEAD_GROUP_ID)),
					DatumGetInt64(pgtsdb_scan_value(scan, PGTSDB_HEAD_TS)),
					DatumGetInt16(pgtsdb_scan_value(scan, PGTSDB_HEAD_ROW_N))),
			 errdetail("%s", error->message),
			 errhint("Restore the row from a backup or a standby, or delete it: other series and times can still be read.")));
}
