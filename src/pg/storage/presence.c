/*
 * presence.c
 *		Which series have samples in a range of time, without reading the samples.
 *
 * The catalogue cannot tell: created_at and last_seen are times of writing, and
 * samples may be written long after their time.  Head and chunks can.  A row of head says in its tags
 * which columns it has, a row of chunks in its directory.  Most series are found in the first row of their group that is
 * looked at, and with them their neighbours, which are kept in mind; the search in a group goes on from there when one is
 * asked for that has not been seen.  Head comes first and the newest leaf next, since that is where most ranges end.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "core/chunk/chunk.h"
#include "core/chunk/head.h"
#include "pg/mem.h"
#include "pg/storage/decode.h"
#include "pg/storage/presence.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/types/types.h"

/* What is known of a group. */
typedef struct Known
{
	int32		group_id;		/* key of the table */
	bool		all;			/* a row does not decode: who reads it will be told what is wrong */
	Bitmapset  *columns;		/* that are present */

	/* Where the search goes on; rows of that time are read again. */
	int			source;			/* 0: head, 1 ... n: leaves, n + 1: there is no more */
	int64		from;
} Known;

struct PgtsdbPresence
{
	MemoryContext context;
	int32		part;
	Snapshot	snapshot;
	int64		t_lo;
	int64		t_hi;
	HTAB	   *groups;
	Known	   *last;			/* group that was asked for */
	PgtsdbScan *scans;			/* head, and leaves from the newest on; heap is NULL where there is nothing to read */
	TsdbLeaf   *leaves;			/* of the scans but the first */
	int			n_leaves;
	TsdbHeadSample *samples;	/* of one row of head */
	size_t		n_samples;
	TsdbChunkReader *reader;
};

static PgtsdbPresence *open_presence(int32 part, Snapshot snapshot, int64 t_lo, int64 t_hi, bool in_chunks);
static void open_leaves(PgtsdbPresence *presence);
static size_t keep_found(PgtsdbPresence *presence, PgtsdbSeries *series, size_t n);
static Known *known_group(PgtsdbPresence *presence, int32 group_id);
static bool is_known(const Known *known, int16 col);
static void start_source(PgtsdbPresence *presence, Known *known, int source);
static void search_source(PgtsdbPresence *presence, Known *known, int16 col);
static void note_head_row(PgtsdbPresence *presence, Known *known, const PgtsdbScan *scan);
static void note_head_samples(PgtsdbPresence *presence, Known *known, const TsdbHeadRow *row, int64 ts);
static void note_chunk(PgtsdbPresence *presence, Known *known, const PgtsdbScan *scan);

PgtsdbPresence *
pgtsdb_presence_open(int32 part, Snapshot snapshot, int64 t_lo, int64 t_hi)
{
	return open_presence(part, snapshot, t_lo, t_hi, true);
}

bool
pgtsdb_is_present(PgtsdbPresence *presence, int32 group_id, int16 col)
{
	Known	   *known = known_group(presence, group_id);

	while (!is_known(known, col) && known->source <= presence->n_leaves)
		search_source(presence, known, col);
	return is_known(known, col);
}

void
pgtsdb_presence_close(PgtsdbPresence *presence)
{
	for (int i = 0; i <= presence->n_leaves; i++)
		if (presence->scans[i].heap != NULL)
			pgtsdb_scan_close(&presence->scans[i]);
	MemoryContextDelete(presence->context);
}

size_t
pgtsdb_keep_present_series(PgtsdbSeries *series, size_t n, Snapshot snapshot, int64 t_lo, int64 t_hi)
{
	return n == 0 ? 0 : keep_found(open_presence(series[0].part, snapshot, t_lo, t_hi, true), series, n);
}

size_t
pgtsdb_keep_series_in_head(PgtsdbSeries *series, size_t n, Snapshot snapshot)
{
	return n == 0 ? 0 : keep_found(open_presence(series[0].part, snapshot, PG_INT64_MIN, PG_INT64_MAX, false), series, n);
}

static size_t
keep_found(PgtsdbPresence *presence, PgtsdbSeries *series, size_t n)
{
	size_t		kept = 0;

	for (size_t i = 0; i < n; i++)
		if (pgtsdb_is_present(presence, series[i].group_id, series[i].col))
			series[kept++] = series[i];
	pgtsdb_presence_close(presence);
	return kept;
}

static PgtsdbPresence *
open_presence(int32 part, Snapshot snapshot, int64 t_lo, int64 t_hi, bool in_chunks)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb presence", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	PgtsdbPresence *presence = palloc0_object(PgtsdbPresence);
	HASHCTL		control = {.keysize = sizeof(int32), .entrysize = sizeof(Known), .hcxt = context};

	*presence = (PgtsdbPresence) {.context = context, .part = part, .snapshot = snapshot, .t_lo = t_lo, .t_hi = t_hi};
	presence->groups = hash_create("pgtsdb groups", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	presence->reader = tsdb_chunk_reader_make(pgtsdb_arena_create(context, 0, NULL));
	presence->scans = palloc0_object(PgtsdbScan);
	/* nothing is in a range that ends before it begins, though a chunk may overlap both of its ends */
	if (t_lo <= t_hi)
	{
		pgtsdb_head_scan_open(&presence->scans[0], tsdb_local_table(TSDB_TABLE_HEAD, part), snapshot, AccessShareLock);
		if (in_chunks)
			open_leaves(presence);
	}
	MemoryContextSwitchTo(caller);
	return presence;
}

/* That the part is here head has shown already. */
static void
open_leaves(PgtsdbPresence *presence)
{
	List	   *leaves;

	if (!tsdb_local_relations(TSDB_TABLE_CHUNKS, presence->part, pgtsdb_chunks_from(presence->t_lo), presence->t_hi, &leaves))
		return;
	presence->scans = repalloc_array(presence->scans, PgtsdbScan, 1 + list_length(leaves));
	presence->leaves = palloc_array(TsdbLeaf, list_length(leaves));
	for (int i = list_length(leaves) - 1; i >= 0; i--)
	{
		const TsdbLeaf *leaf = list_nth(leaves, i);
		PgtsdbScan *scan = &presence->scans[1 + presence->n_leaves];

		memset(scan, 0, sizeof(*scan));
		if (pgtsdb_chunk_scan_open(scan, leaf, presence->snapshot, AccessShareLock))
			presence->leaves[presence->n_leaves++] = *leaf;
	}
	list_free_deep(leaves);
}

/* ---- groups ---- */

static Known *
known_group(PgtsdbPresence *presence, int32 group_id)
{
	bool		found;

	/* most questions are about neighbours */
	if (presence->last != NULL && presence->last->group_id == group_id)
		return presence->last;
	presence->last = hash_search(presence->groups, &group_id, HASH_ENTER, &found);
	if (!found)
	{
		presence->last->all = false;
		presence->last->columns = NULL;
		start_source(presence, presence->last, 0);
	}
	return presence->last;
}

static bool
is_known(const Known *known, int16 col)
{
	return known->all || bms_is_member(col, known->columns);
}

static void
start_source(PgtsdbPresence *presence, Known *known, int source)
{
	known->source = source;
	known->from = source == 0 ? pgtsdb_head_from(presence->t_lo) : pgtsdb_chunks_from(presence->t_lo);
}

/* Notes what the rows of the group have until one of them has the column; behind the last the next source begins. */
static void
search_source(PgtsdbPresence *presence, Known *known, int16 col)
{
	PgtsdbScan *scan = &presence->scans[known->source];
	PgtsdbGroup group = {.part = presence->part, .group_id = known->group_id};
	MemoryContext caller = MemoryContextSwitchTo(presence->context);
	bool		in_head = known->source == 0;

	CHECK_FOR_INTERRUPTS();
	if (scan->heap != NULL && in_head)
		pgtsdb_head_scan_start(scan, &group, known->from, presence->t_hi);
	else if (scan->heap != NULL)
		pgtsdb_chunk_scan_start(scan, &presence->leaves[known->source - 1], &group, known->from, presence->t_hi);
	while (scan->heap != NULL && !is_known(known, col) &&
		   (in_head ? pgtsdb_scan_next(scan) : pgtsdb_chunk_scan_next_of_any(scan, presence->t_lo)))
	{
		if (in_head)
			note_head_row(presence, known, scan);
		else
			note_chunk(presence, known, scan);
		known->from = DatumGetInt64(pgtsdb_scan_value(scan, in_head ? PGTSDB_HEAD_TS : PGTSDB_CHUNKS_T_MIN));
	}
	if (!is_known(known, col))
		start_source(presence, known, known->source + 1);
	MemoryContextSwitchTo(caller);
}

static void
note_head_row(PgtsdbPresence *presence, Known *known, const PgtsdbScan *scan)
{
	Datum		datum = pgtsdb_scan_value(scan, PGTSDB_HEAD_VALUES);
	int64		ts = DatumGetInt64(pgtsdb_scan_value(scan, PGTSDB_HEAD_TS));
	struct varlena *data = PG_DETOAST_DATUM_PACKED(datum);
	TsdbHeadRow row;
	TsdbError	error;

	if (tsdb_head_open(&row, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), &error) != TSDB_OK)
		known->all = true;
	else if (row.has_dt)
		note_head_samples(presence, known, &row, ts);
	else if (ts >= presence->t_lo && ts <= presence->t_hi)
	{
		for (unsigned i = 0; i < row.n_columns; i++)
			if (tsdb_head_has(&row, row.first_column + i))
				known->columns = bms_add_member(known->columns, (int) (row.first_column + i));
	}
	if ((Pointer) data != DatumGetPointer(datum))
		pfree(data);
}

/* Each sample has its own time. */
static void
note_head_samples(PgtsdbPresence *presence, Known *known, const TsdbHeadRow *row, int64 ts)
{
	TsdbError	error;
	size_t		n = 0;

	if (row->n_columns > presence->n_samples)
	{
		presence->n_samples = row->n_columns;
		presence->samples = palloc_array(TsdbHeadSample, row->n_columns);
	}
	known->all = tsdb_head_read(row, row->first_column, row->n_columns, presence->samples, &n, &error) != TSDB_OK;
	for (size_t i = 0; !known->all && i < n; i++)
	{
		int64		t = ts + presence->samples[i].dt;

		if (t >= presence->t_lo && t <= presence->t_hi)
			known->columns = bms_add_member(known->columns, presence->samples[i].col);
	}
}

/* Columns of a chunk that does not decode count too. */
static void
note_chunk(PgtsdbPresence *presence, Known *known, const PgtsdbScan *scan)
{
	PgtsdbChunkPlace place = pgtsdb_chunk_place(scan);
	int			n_columns = DatumGetInt16(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_ROW_N));
	const uint8_t *data;
	size_t		len;
	TsdbError	error;
	bool		opened;

	if (place.t_max < presence->t_lo || place.t_min > presence->t_hi)
		return;
	data = pgtsdb_datum_chunk(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_DATA), &len);
	opened = tsdb_chunk_open(presence->reader, data, len, place.t_min, &error) == TSDB_OK &&
		tsdb_chunk_n_columns(presence->reader) == n_columns;
	for (int i = 0; i < n_columns; i++)
		if (!opened || tsdb_chunk_has_samples(presence->reader, i))
			known->columns = bms_add_member(known->columns, place.col + i);
}
