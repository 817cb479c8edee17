/*
 * presence.c
 *		Which series have samples in a range of time, without reading the samples.
 *
 * The catalogue cannot tell: created_at and last_seen are times of writing, and
 * samples may be written long after their time.  Head and chunks can.  A row of head says in its tags
 * which columns it has, a row of chunks in its directory; most series are
 * found in the first row that is looked at, and a group of which all series have been found is
 * not looked at again.  Head comes first and the newest leaf next, since that is where most ranges end.
 */
#include "postgres.h"

#include "miscadmin.h"
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

/* The series of one group that have not been found yet. */
typedef struct Missing
{
	PgtsdbGroup group;			/* its columns, and their numbers in `picked` */
	size_t	   *places;			/* of each column: which series it is */
} Missing;

typedef struct Search
{
	TsdbArena  *arena;
	Snapshot	snapshot;
	int64		t_lo;
	int64		t_hi;
	int32		part;
	Missing    *groups;
	size_t		n_groups;
	bool	   *present;		/* of each series */
	TsdbHeadSample *samples;	/* of one row of head */
	TsdbChunkReader *reader;
} Search;

static size_t keep_found(PgtsdbSeries *series, size_t n, Search *search, bool in_chunks);
static void make_groups(Search *search, const PgtsdbSeries *series, size_t n);
static void search_head(Search *search);
static void search_head_row(Search *search, Missing *missing, const PgtsdbScan *scan);
static void search_chunks(Search *search);
static void search_leaf(Search *search, const TsdbLeaf *leaf, int64 t_from);
static void search_chunk(Search *search, Missing *missing, const PgtsdbScan *scan);
static void forget_found(Search *search, Missing *missing);

size_t
pgtsdb_keep_present_series(PgtsdbSeries *series, size_t n, Snapshot snapshot, int64 t_lo, int64 t_hi)
{
	Search		search = {.snapshot = snapshot, .t_lo = t_lo, .t_hi = t_hi};

	return t_hi < t_lo ? 0 : keep_found(series, n, &search, true);
}

size_t
pgtsdb_keep_series_in_head(PgtsdbSeries *series, size_t n, Snapshot snapshot)
{
	Search		search = {.snapshot = snapshot, .t_lo = PG_INT64_MIN, .t_hi = PG_INT64_MAX};

	return keep_found(series, n, &search, false);
}

static size_t
keep_found(PgtsdbSeries *series, size_t n, Search *search, bool in_chunks)
{
	MemoryContext context;
	MemoryContext caller;
	size_t		kept = 0;

	if (n == 0)
		return 0;
	context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb presence", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	search->arena = pgtsdb_arena_create(context, 0, NULL);
	search->part = series[0].part;
	search->present = tsdb_alloc0(search->arena, n * sizeof(bool));
	make_groups(search, series, n);
	search_head(search);
	if (in_chunks)
		search_chunks(search);
	for (size_t i = 0; i < n; i++)
		if (search->present[i])
			series[kept++] = series[i];
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return kept;
}

/* Series come by (group, col). */
static void
make_groups(Search *search, const PgtsdbSeries *series, size_t n)
{
	PgtsdbColumn *columns = tsdb_alloc0(search->arena, n * sizeof(PgtsdbColumn));
	uint16	   *picked = TSDB_NEW_ARRAY(search->arena, uint16, n);
	size_t	   *places = TSDB_NEW_ARRAY(search->arena, size_t, n);
	size_t		longest = 0;

	search->groups = TSDB_NEW_ARRAY(search->arena, Missing, n);
	for (size_t i = 0; i < n; i++)
	{
		if (i == 0 || series[i].group_id != series[i - 1].group_id)
			search->groups[search->n_groups++] = (Missing) {
				.group = {.part = series[i].part, .group_id = series[i].group_id, .columns = &columns[i], .picked = &picked[i]},
				.places = &places[i]
			};
		search->groups[search->n_groups - 1].group.n_columns++;
		longest = Max(longest, search->groups[search->n_groups - 1].group.n_columns);
		columns[i].col = series[i].col;
		picked[i] = series[i].col;
		places[i] = i;
	}
	search->samples = TSDB_NEW_ARRAY(search->arena, TsdbHeadSample, longest);
	search->reader = tsdb_chunk_reader_make(search->arena);
}

/* ---- head ---- */

static void
search_head(Search *search)
{
	PgtsdbScan	scan;

	if (!pgtsdb_head_scan_open(&scan, tsdb_local_table(TSDB_TABLE_HEAD, search->part), search->snapshot, AccessShareLock))
		return;
	for (size_t i = 0; i < search->n_groups; i++)
	{
		Missing    *missing = &search->groups[i];

		pgtsdb_head_scan_start(&scan, &missing->group, pgtsdb_head_from(search->t_lo), search->t_hi);
		while (missing->group.n_columns > 0 && pgtsdb_scan_next(&scan))
			search_head_row(search, missing, &scan);
	}
	pgtsdb_scan_close(&scan);
}

/* A row that does not decode has everything: who reads it will be told what is wrong. */
static void
search_head_row(Search *search, Missing *missing, const PgtsdbScan *scan)
{
	Datum		datum = pgtsdb_scan_value(scan, PGTSDB_HEAD_VALUES);
	int64		ts = DatumGetInt64(pgtsdb_scan_value(scan, PGTSDB_HEAD_TS));
	struct varlena *data = PG_DETOAST_DATUM_PACKED(datum);
	PgtsdbGroup *group = &missing->group;
	TsdbHeadRow row;
	TsdbError	error;
	size_t		n = 0;
	int			column = 0;
	bool		readable;

	readable = tsdb_head_open(&row, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), &error) == TSDB_OK &&
		tsdb_head_pick(&row, group->picked, group->n_columns, search->samples, &n, &error) == TSDB_OK;
	for (size_t i = 0; readable && i < n; i++)
	{
		int64		t = ts + search->samples[i].dt;

		while (group->columns[column].col < search->samples[i].col)
			column++;
		if (t >= search->t_lo && t <= search->t_hi)
			search->present[missing->places[column]] = true;
	}
	for (column = 0; !readable && column < group->n_columns; column++)
		search->present[missing->places[column]] = true;
	if ((Pointer) data != DatumGetPointer(datum))
		pfree(data);
	forget_found(search, missing);
}

/* ---- chunks ---- */

static void
search_chunks(Search *search)
{
	int64		t_from = pgtsdb_chunks_from(search->t_lo);
	List	   *leaves;

	/* that the part is here head has shown already */
	if (!tsdb_local_relations(TSDB_TABLE_CHUNKS, search->part, t_from, search->t_hi, &leaves))
		return;
	for (int i = list_length(leaves) - 1; i >= 0; i--)
		search_leaf(search, list_nth(leaves, i), t_from);
}

static void
search_leaf(Search *search, const TsdbLeaf *leaf, int64 t_from)
{
	PgtsdbScan	scan;

	if (!pgtsdb_chunk_scan_open(&scan, leaf, search->snapshot, AccessShareLock))
		return;
	for (size_t i = 0; i < search->n_groups; i++)
	{
		Missing    *missing = &search->groups[i];

		if (missing->group.n_columns == 0)
			continue;
		pgtsdb_chunk_scan_start(&scan, leaf, &missing->group, t_from, search->t_hi);
		while (missing->group.n_columns > 0 && pgtsdb_chunk_scan_next(&scan, &missing->group))
			search_chunk(search, missing, &scan);
	}
	pgtsdb_scan_close(&scan);
}

/* As with head, what does not decode counts. */
static void
search_chunk(Search *search, Missing *missing, const PgtsdbScan *scan)
{
	PgtsdbChunkPlace place = pgtsdb_chunk_place(scan);
	int			n_columns = DatumGetInt16(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_ROW_N));
	const uint8_t *data;
	size_t		len;
	TsdbError	error;
	bool		opened;

	if (place.t_max < search->t_lo || place.t_min > search->t_hi)
		return;
	data = pgtsdb_datum_chunk(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_DATA), &len);
	opened = tsdb_chunk_open(search->reader, data, len, place.t_min, &error) == TSDB_OK &&
		tsdb_chunk_n_columns(search->reader) == n_columns;
	for (int i = 0; i < missing->group.n_columns; i++)
	{
		int			column = missing->group.columns[i].col - place.col;

		if (column >= 0 && column < n_columns && (!opened || tsdb_chunk_has_samples(search->reader, column)))
			search->present[missing->places[i]] = true;
	}
	forget_found(search, missing);
}

/* ---- both ---- */

static void
forget_found(Search *search, Missing *missing)
{
	PgtsdbGroup *group = &missing->group;
	int			left = 0;

	for (int i = 0; i < group->n_columns; i++)
	{
		if (search->present[missing->places[i]])
			continue;
		group->columns[left] = group->columns[i];
		group->picked[left] = group->picked[i];
		missing->places[left++] = missing->places[i];
	}
	group->n_columns = left;
}
