/*
 * group_reader.c
 *		The samples of one group after another, column by column.
 *
 * A row of chunks holds a window of time of many columns, and who reads wants all windows of
 * one column.  So the rows of a group are fetched first, still compressed (that is small), and
 * then each column is decoded window after window into one array, which stays in the
 * processor's cache and is overwritten by the next column.  Memory does not grow with the
 * number of columns that way, and no sample is copied after it is decoded.
 *
 * Nearly always the columns of a group have the same timestamps, since they came together.  These
 * are put together once, and whoever has found something out about them need not do it again.
 *
 * For a few columns that would not pay: they are decoded row by row, as compaction does it,
 * and the pieces are united.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "core/chunk/chunk.h"
#include "pg/errors.h"
#include "pg/storage/group_reader.h"
#include "pg/storage/groups_ahead.h"
#include "pg/storage/relations.h"
#include "pg/storage/schema.h"
#include "pg/types/types.h"

/* Groups with fewer wanted columns are decoded row by row. */
#define FEW_COLUMNS 4

/* A row of chunks, and the timestamps of it that are wanted: number first up to first + n - 1. */
typedef struct OpenChunk
{
	TsdbChunkReader *chunk;
	PgtsdbChunkPlace place;
	int			n_columns;
	const int64 *times;
	size_t		first;
	size_t		n;
} OpenChunk;

/* What the timestamps of a column without gaps were put together from. */
typedef struct Timeline
{
	size_t	   *chunks;			/* numbers of the open chunks */
	size_t		n_chunks;
	const int64 *head;			/* the times in head; NULL: none */
	size_t		n_head;
	int64	   *t;
	bool		is_valid;		/* of the group at hand */
} Timeline;

struct PgtsdbGroupReader
{
	TsdbArena  *arena;
	TsdbArena  *rows;			/* of the group at hand */
	TsdbArena  *column;			/* of the column at hand */
	PgtsdbDecoder decoder;
	TsdbSourceStats *stats;

	/* Scans */
	PgtsdbScan *leaves;			/* of chunks, in order of time */
	TsdbLeaf   *bounds;			/* of each */
	PgtsdbGroupsAhead *ahead;	/* of each */
	int			n_leaves;
	PgtsdbScan	head;
	PgtsdbGroupsAhead ahead_in_head;
	bool		has_head;

	/* The group at hand */
	PgtsdbGroup *group;
	int64		enough;			/* earlier samples are not wanted: each column has a later one in head */
	bool		by_rows;		/* its columns have runs of chunks */
	OpenChunk  *chunks;
	size_t		n_chunks;
	size_t		max_chunks;

	/* The column at hand, and the last one without gaps */
	size_t	   *covering;		/* numbers of the open chunks that have it, as many as there is room for */
	size_t		n_covering;
	Timeline	timeline;
	int64	   *piece;			/* the timestamps of one chunk */
};

static void open_leaves(PgtsdbGroupReader *reader, int32 part, Snapshot snapshot);
static void fetch_rows(PgtsdbGroupReader *reader);
static bool fetch_chunks(PgtsdbGroupReader *reader, int leaf);
static void fetch_head(PgtsdbGroupReader *reader);
static void fetch_newest_head(PgtsdbGroupReader *reader);
static void open_chunk(PgtsdbGroupReader *reader, const PgtsdbScan *scan);
static OpenChunk *next_chunk(PgtsdbGroupReader *reader);
static size_t find_covering(PgtsdbGroupReader *reader, int16 col);
static TsdbRun decode_column(PgtsdbGroupReader *reader, const PgtsdbColumn *column, size_t most, bool *same_times);
static TsdbRun decode_overlapping(PgtsdbGroupReader *reader, const PgtsdbColumn *column);
static size_t copy_times(const PgtsdbGroupReader *reader, size_t n_pieces, int64 *t);
static size_t read_piece(PgtsdbGroupReader *reader, const OpenChunk *open, int16 col, int64 *t, double *v);
static bool is_timeline(const PgtsdbGroupReader *reader, const TsdbRun *head);
static void make_timeline(PgtsdbGroupReader *reader, const TsdbRun *head, size_t n);
static bool pieces_ascend(const PgtsdbGroupReader *reader, const TsdbRun *head);

/* ---- opening and closing ---- */

PgtsdbGroupReader *
pgtsdb_group_reader_open(TsdbArena *arena, int32 part, Snapshot snapshot, int64 t_lo, int64 t_hi, bool newest_only,
						 TsdbSourceStats *stats)
{
	PgtsdbGroupReader *reader = TSDB_NEW(arena, PgtsdbGroupReader);

	reader->arena = arena;
	reader->rows = tsdb_arena_child(arena);
	reader->column = tsdb_arena_child(arena);
	reader->decoder = (PgtsdbDecoder) {.arena = reader->rows, .t_lo = t_lo, .t_hi = t_hi, .backwards = newest_only};
	reader->stats = stats;
	reader->piece = TSDB_NEW_ARRAY(arena, int64, TSDB_CHUNK_MAX_TIMES);
	open_leaves(reader, part, snapshot);
	reader->has_head = pgtsdb_head_scan_open(&reader->head, tsdb_local_table(TSDB_TABLE_HEAD, part), snapshot, AccessShareLock);
	return reader;
}

static void
open_leaves(PgtsdbGroupReader *reader, int32 part, Snapshot snapshot)
{
	List	   *leaves;
	ListCell   *cell;

	if (!tsdb_local_relations(TSDB_TABLE_CHUNKS, part, pgtsdb_chunks_from(reader->decoder.t_lo), reader->decoder.t_hi, &leaves))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("part %d is not on this node", part)));
	reader->leaves = palloc(list_length(leaves) * sizeof(PgtsdbScan));
	reader->bounds = palloc(list_length(leaves) * sizeof(TsdbLeaf));
	reader->ahead = palloc0(list_length(leaves) * sizeof(PgtsdbGroupsAhead));
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);

		if (!pgtsdb_chunk_scan_open(&reader->leaves[reader->n_leaves], leaf, snapshot, AccessShareLock))
			continue;
		reader->bounds[reader->n_leaves++] = *leaf;
	}
}

void
pgtsdb_group_reader_close(PgtsdbGroupReader *reader)
{
	for (int i = 0; i < reader->n_leaves; i++)
		pgtsdb_scan_close(&reader->leaves[i]);
	if (reader->has_head)
		pgtsdb_scan_close(&reader->head);
	tsdb_arena_free(reader->column);
	tsdb_arena_free(reader->rows);
}

/* ---- rows of a group ---- */

void
pgtsdb_group_reader_fetch(PgtsdbGroupReader *reader, PgtsdbGroup *group)
{
	tsdb_arena_reset(reader->rows);
	tsdb_arena_reset(reader->column);
	reader->decoder.arena = reader->rows;
	reader->decoder.reader = NULL;	/* its memory was there */
	reader->group = group;
	reader->n_chunks = 0;
	reader->timeline.is_valid = false;
	reader->by_rows = group->n_columns < FEW_COLUMNS;
	fetch_rows(reader);
}

void
pgtsdb_group_reader_runs(PgtsdbGroupReader *reader, TsdbArena *arena, PgtsdbGroup *group)
{
	reader->decoder.arena = arena;
	reader->decoder.reader = NULL;
	reader->group = group;
	reader->by_rows = true;
	fetch_rows(reader);
}

/* Head comes first: it may tell which chunks are of no use.  Its runs come last, though, when it is finished. */
static void
fetch_rows(PgtsdbGroupReader *reader)
{
	reader->enough = PG_INT64_MIN;
	if (reader->has_head && pgtsdb_may_have_group(&reader->ahead_in_head, reader->group->group_id))
	{
		if (reader->decoder.backwards)
			fetch_newest_head(reader);
		else
			fetch_head(reader);
		if (reader->group->n_rows == 0)
			pgtsdb_look_ahead(&reader->ahead_in_head, &reader->head, reader->group->part, reader->group->group_id);
	}
	for (int i = 0; i < reader->n_leaves; i++)
		if (pgtsdb_may_have_group(&reader->ahead[i], reader->group->group_id) && !fetch_chunks(reader, i))
			pgtsdb_look_ahead(&reader->ahead[i], &reader->leaves[i], reader->group->part, reader->group->group_id);
	if (reader->has_head)
		pgtsdb_finish_head(&reader->decoder, reader->group);
}

/* Of one leaf; false where there are none. */
static bool
fetch_chunks(PgtsdbGroupReader *reader, int leaf)
{
	PgtsdbDecoder *decoder = &reader->decoder;
	PgtsdbGroup *group = reader->group;
	PgtsdbScan *scan = &reader->leaves[leaf];
	uint64		before = reader->stats->chunks;

	pgtsdb_chunk_scan_start(scan, &reader->bounds[leaf], group, pgtsdb_chunks_from(decoder->t_lo), decoder->t_hi);
	while (pgtsdb_chunk_scan_next(scan, group, Max(decoder->t_lo, reader->enough)))
	{
		if (reader->by_rows)
			pgtsdb_decode_chunk(decoder, scan, group);
		else
			open_chunk(reader, scan);
		reader->stats->chunks++;
	}
	return reader->stats->chunks > before;
}

static void
fetch_head(PgtsdbGroupReader *reader)
{
	PgtsdbDecoder *decoder = &reader->decoder;

	pgtsdb_head_scan_start(&reader->head, reader->group, pgtsdb_head_from(decoder->t_lo), decoder->t_hi);
	while (pgtsdb_scan_next(&reader->head))
	{
		pgtsdb_decode_head(decoder, &reader->head, reader->group);
		reader->stats->head_rows++;
	}
}

/*
 * From the newest row back until each column has a sample.  The row that brought the last one has all of them at its time or
 * later; rows that began more than the span of a row before it cannot have later ones.
 */
static void
fetch_newest_head(PgtsdbGroupReader *reader)
{
	PgtsdbDecoder *decoder = &reader->decoder;
	PgtsdbGroup *group = reader->group;

	pgtsdb_head_scan_start(&reader->head, group, pgtsdb_head_from(decoder->t_lo), decoder->t_hi);
	while (pgtsdb_scan_previous(&reader->head))
	{
		int64		ts = DatumGetInt64(pgtsdb_scan_value(&reader->head, PGTSDB_HEAD_TS));

		if (ts < pgtsdb_head_from(reader->enough))
			return;
		pgtsdb_decode_head(decoder, &reader->head, group);
		reader->stats->head_rows++;
		if (group->n_in_head == group->n_columns && reader->enough == PG_INT64_MIN)
			reader->enough = ts;
	}
}

/* Copies the chunk in the scan's slot, and finds its timestamps within the range. */
static void
open_chunk(PgtsdbGroupReader *reader, const PgtsdbScan *scan)
{
	OpenChunk  *open;
	PgtsdbChunkPlace place = pgtsdb_chunk_place(scan);
	const uint8_t *data;
	size_t		len;

	if (place.t_max < reader->decoder.t_lo || place.t_min > reader->decoder.t_hi)
		return;
	open = next_chunk(reader);
	open->place = place;
	data = pgtsdb_datum_chunk(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_DATA), &len);
	data = memcpy(tsdb_alloc(reader->rows, len), data, len);
	pgtsdb_chunk_open(open->chunk, data, len, &open->place, NULL);
	open->n_columns = tsdb_chunk_n_columns(open->chunk);
	open->times = pgtsdb_chunk_wanted(&reader->decoder, open->chunk, &open->place, &open->first, &open->n);
	if (open->n == 0)
		reader->n_chunks--;
}

/* Readers are used again for the next group, with their scratch memory. */
static OpenChunk *
next_chunk(PgtsdbGroupReader *reader)
{
	OpenChunk  *open;

	if (reader->n_chunks == reader->max_chunks)
	{
		size_t		more = Max(reader->max_chunks * 2, 16);

		reader->chunks = tsdb_grow(reader->arena, reader->chunks, reader->max_chunks * sizeof(OpenChunk),
								   more * sizeof(OpenChunk));
		memset(reader->chunks + reader->max_chunks, 0, (more - reader->max_chunks) * sizeof(OpenChunk));
		reader->covering = TSDB_NEW_ARRAY(reader->arena, size_t, more);
		reader->timeline.chunks = TSDB_NEW_ARRAY(reader->arena, size_t, more);
		reader->max_chunks = more;
	}
	open = &reader->chunks[reader->n_chunks++];
	if (open->chunk == NULL)
		open->chunk = tsdb_chunk_reader_make(reader->arena);
	return open;
}

/* ---- columns ---- */

TsdbRun
pgtsdb_group_reader_column(PgtsdbGroupReader *reader, int i, bool *same_times)
{
	const PgtsdbColumn *column = &reader->group->columns[i];
	TsdbRun		run;

	CHECK_FOR_INTERRUPTS();
	*same_times = false;
	tsdb_arena_reset(reader->column);
	if (reader->by_rows)
		run = column->n_runs == 0 ? (TsdbRun) {0} : tsdb_runs_unite(reader->column, column->runs, column->n_runs);
	else
		run = decode_column(reader, column, find_covering(reader, column->col), same_times);
	reader->stats->samples += run.n;
	return run;
}

/* Which chunks have the column; the number of their timestamps. */
static size_t
find_covering(PgtsdbGroupReader *reader, int16 col)
{
	size_t		most = 0;

	reader->n_covering = 0;
	for (size_t k = 0; k < reader->n_chunks; k++)
	{
		const OpenChunk *open = &reader->chunks[k];

		/* where a column has another retention class than its neighbours, their chunks have nothing of it */
		if (col < open->place.col || col >= open->place.col + open->n_columns ||
			!tsdb_chunk_has_samples(open->chunk, col - open->place.col))
			continue;
		reader->covering[reader->n_covering++] = k;
		most += open->n;
	}
	return most;
}

/* One array for all pieces.  A column with gaps gets timestamps of its own. */
static TsdbRun
decode_column(PgtsdbGroupReader *reader, const PgtsdbColumn *column, size_t most, bool *same_times)
{
	TsdbRun		head = column->n_runs > 0 ? column->runs[0] : (TsdbRun) {0};
	double	   *v;
	int64	   *own = NULL;
	size_t		n = 0;

	if (!pieces_ascend(reader, &head))
		return decode_overlapping(reader, column);
	v = TSDB_NEW_ARRAY(reader->column, double, most + head.n);
	for (size_t k = 0; k < reader->n_covering; k++)
	{
		const OpenChunk *open = &reader->chunks[reader->covering[k]];
		size_t		taken = read_piece(reader, open, column->col, reader->piece, v + n);

		if (taken < open->n && own == NULL)
		{
			own = TSDB_NEW_ARRAY(reader->column, int64, most + head.n);
			copy_times(reader, k, own);
		}
		if (own != NULL && taken > 0)
			memcpy(own + n, taken < open->n ? reader->piece : open->times + open->first, taken * sizeof(int64));
		n += taken;
	}
	if (head.n > 0)
		memcpy(v + n, head.v, head.n * sizeof(double));
	if (own != NULL)
	{
		if (head.n > 0)
			memcpy(own + n, head.t, head.n * sizeof(int64));
		reader->timeline.is_valid = false;	/* these times are those of the column before for the next one */
		return (TsdbRun) {n + head.n, own, v};
	}
	*same_times = is_timeline(reader, &head);
	if (!*same_times)
		make_timeline(reader, &head, n + head.n);
	return (TsdbRun) {n + head.n, reader->timeline.t, v};
}

/* The wanted timestamps of the first pieces of the column at hand; how many they are. */
static size_t
copy_times(const PgtsdbGroupReader *reader, size_t n_pieces, int64 *t)
{
	size_t		n = 0;

	for (size_t k = 0; k < n_pieces; k++)
	{
		const OpenChunk *open = &reader->chunks[reader->covering[k]];

		memcpy(t + n, open->times + open->first, open->n * sizeof(int64));
		n += open->n;
	}
	return n;
}

static size_t
read_piece(PgtsdbGroupReader *reader, const OpenChunk *open, int16 col, int64 *t, double *v)
{
	TsdbError	error;
	size_t		n;

	if (tsdb_chunk_read_range(open->chunk, col - open->place.col, open->first, open->first + open->n, t, v, &n, &error) != TSDB_OK)
		pgtsdb_raise_corrupt_chunk(&open->place, &error);
	return n;
}

/* Late samples have made chunks that overlap: the first one has precedence, and head comes last. */
static TsdbRun
decode_overlapping(PgtsdbGroupReader *reader, const PgtsdbColumn *column)
{
	TsdbRun    *runs = TSDB_NEW_ARRAY(reader->column, TsdbRun, reader->n_covering + column->n_runs);
	size_t		n_runs = 0;

	reader->timeline.is_valid = false;
	for (size_t k = 0; k < reader->n_covering; k++)
	{
		const OpenChunk *open = &reader->chunks[reader->covering[k]];
		int64	   *t = TSDB_NEW_ARRAY(reader->column, int64, open->n);
		double	   *v = TSDB_NEW_ARRAY(reader->column, double, open->n);
		size_t		n = read_piece(reader, open, column->col, t, v);

		runs[n_runs++] = (TsdbRun) {n, n < open->n ? t : open->times + open->first, v};
	}
	for (int k = 0; k < column->n_runs; k++)
		runs[n_runs++] = column->runs[k];
	return tsdb_runs_unite(reader->column, runs, n_runs);
}

/* ---- timestamps of columns without gaps ---- */

static bool
is_timeline(const PgtsdbGroupReader *reader, const TsdbRun *head)
{
	const Timeline *timeline = &reader->timeline;

	return timeline->is_valid && timeline->n_chunks == reader->n_covering &&
		timeline->head == head->t && timeline->n_head == head->n &&
		(timeline->n_chunks == 0 ||
		 memcmp(timeline->chunks, reader->covering, timeline->n_chunks * sizeof(size_t)) == 0);
}

static void
make_timeline(PgtsdbGroupReader *reader, const TsdbRun *head, size_t n)
{
	Timeline   *timeline = &reader->timeline;
	size_t		n_chunk_times;

	timeline->t = TSDB_NEW_ARRAY(reader->rows, int64, n);
	n_chunk_times = copy_times(reader, reader->n_covering, timeline->t);
	if (head->n > 0)
		memcpy(timeline->t + n_chunk_times, head->t, head->n * sizeof(int64));
	if (reader->n_covering > 0)
		memcpy(timeline->chunks, reader->covering, reader->n_covering * sizeof(size_t));
	timeline->n_chunks = reader->n_covering;
	timeline->head = head->t;
	timeline->n_head = head->n;
	timeline->is_valid = true;
}

/* Whether the pieces of the column at hand follow each other in time. */
static bool
pieces_ascend(const PgtsdbGroupReader *reader, const TsdbRun *head)
{
	int64		last = PG_INT64_MIN;
	bool		is_first = true;

	for (size_t k = 0; k < reader->n_covering; k++)
	{
		const OpenChunk *open = &reader->chunks[reader->covering[k]];

		if (!is_first && open->times[open->first] <= last)
			return false;
		last = open->times[open->first + open->n - 1];
		is_first = false;
	}
	if (head->n > 0 && !is_first && head->t[0] <= last)
		return false;
	for (size_t i = 1; i < head->n; i++)
		if (head->t[i] <= head->t[i - 1])
			return false;
	return true;
}
