/*
 * newest.c
 *		How late the stored samples of a series are, in head and in chunks.
 *
 * A group is read when the first of its series is asked for, all columns at once, since the
 * series of a group come together.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "pg/mem.h"
#include "pg/storage/group_reader.h"
#include "pg/storage/newest.h"

typedef struct NewestGroup
{
	uint64		key;			/* first: part and group_id */
	int64	   *columns;
} NewestGroup;

struct PgtsdbNewest
{
	MemoryContext context;
	int64		t_from;
	HTAB	   *groups;
};

static int64 *read_group(PgtsdbNewest *newest, PgtsdbSeriesRef series);

PgtsdbNewest *
pgtsdb_newest_create(MemoryContext context, int64 t_from)
{
	HASHCTL		control = {.keysize = sizeof(uint64), .entrysize = sizeof(NewestGroup), .hcxt = context};
	PgtsdbNewest *newest = MemoryContextAlloc(context, sizeof(PgtsdbNewest));

	*newest = (PgtsdbNewest) {
		context, t_from, hash_create("pgtsdb newest samples", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT)
	};
	return newest;
}

int64
pgtsdb_newest_of(PgtsdbNewest *newest, PgtsdbSeriesRef series)
{
	uint64		key = ((uint64) (uint32) series.part << 32) | (uint32) series.group_id;
	bool		found;
	NewestGroup *group = hash_search(newest->groups, &key, HASH_ENTER, &found);

	if (!found)
		group->columns = read_group(newest, series);
	return group->columns[series.col];
}

static int64 *
read_group(PgtsdbNewest *newest, PgtsdbSeriesRef series)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb newest samples", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	PgtsdbGroup group = {
		.part = series.part,
		.group_id = series.group_id,
		.columns = palloc0_array(PgtsdbColumn, PGTSDB_MAX_GROUP_COLUMNS),
		.n_columns = PGTSDB_MAX_GROUP_COLUMNS
	};
	int64	   *columns = MemoryContextAlloc(newest->context, PGTSDB_MAX_GROUP_COLUMNS * sizeof(int64));
	TsdbSourceStats stats = {0};
	PgtsdbGroupReader *reader;

	for (int i = 0; i < PGTSDB_MAX_GROUP_COLUMNS; i++)
		group.columns[i].col = i;
	PushActiveSnapshot(GetLatestSnapshot());
	reader = pgtsdb_group_reader_open(pgtsdb_arena_create(scratch, 0, NULL), series.part, GetActiveSnapshot(),
									  newest->t_from, PG_INT64_MAX, true, &stats);
	pgtsdb_group_reader_fetch(reader, &group);
	for (int i = 0; i < PGTSDB_MAX_GROUP_COLUMNS; i++)
	{
		bool		same_times;
		TsdbRun		run = pgtsdb_group_reader_column(reader, i, &same_times);

		columns[i] = run.n == 0 ? PG_INT64_MIN : run.t[run.n - 1];
	}
	pgtsdb_group_reader_close(reader);
	PopActiveSnapshot();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return columns;
}
