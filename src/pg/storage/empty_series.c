/*
 * empty_series.c
 *		Series without a sample are removed, and groups without a series.
 *
 * In three steps, each of which is safe by itself:
 *
 *		1. A series of which a snapshot shows no sample, neither in head nor in chunks, is retired, under the writers'
 *		   lock of its part and after another look at head.  Should a sample have slipped through it is not lost:
 *		   it stays readable, and what is written later makes another series (README.md, "Retiring").
 *		2. A series that a later snapshot shows retired and without a sample gets none any more, because
 *		   whoever knew it as live has ended.  Its row goes.
 *		3. A group without series and without rows in head and chunks, that was not written lately, goes under
 *		   the series lock of the part, so that nobody is about to add a column to it.
 *
 * On the way series that lie scattered in their group (regroup.c) are retired too, so that they move together.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/guc.h"
#include "pg/storage/catalogue.h"
#include "pg/storage/decode.h"
#include "pg/storage/locks.h"
#include "pg/storage/presence.h"
#include "pg/storage/regroup.h"
#include "pg/storage/relations.h"
#include "pg/storage/retention.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/storage/statement.h"
#include "pg/storage/storage.h"
#include "pg/tenant.h"

/* What one step looks at. */
#define BATCH_GROUPS 16
/* What one step retires, while writers wait: some 20 ms. */
#define BATCH_RETIRED 500

typedef struct Batch
{
	int32		part;
	Snapshot	snapshot;

	/* Groups, ascending */
	int32		first_group;
	int32		last_group;
	int			n_groups;
	int32		groups[BATCH_GROUPS];
	bool		idle[BATCH_GROUPS];	/* not written lately */

	/* Series that are old enough, by group and column */
	PgtsdbSeries *series;
	size_t		n_series;

	/* What goes */
	PgtsdbSeries *retire;
	size_t		n_retire;
	PgtsdbSeries *remove;
	size_t		n_remove;
	int32		remove_groups[BATCH_GROUPS];
	int			n_remove_groups;

	/* What moves */
	PgtsdbSeriesRef *scattered;
	size_t		n_scattered;
} Batch;

static bool next_batch(PgtsdbSeriesSweep *sweep, Batch *batch);
static void read_groups(const PgtsdbSeriesSweep *sweep, PgtsdbScan *scan, Batch *batch);
static void read_series(const PgtsdbSeriesSweep *sweep, Batch *batch);
static void choose_series(Batch *batch);
static void choose_scattered(Batch *batch);
static bool has_rows(const Batch *batch, int32 group_id);
static bool has_chunks(const Batch *batch, const PgtsdbGroup *group);
static void retire_series(Batch *batch);
static void remove_series(Batch *batch);
static void remove_groups(Batch *batch, TimestampTz before);

void
pgtsdb_series_sweep_start(PgtsdbSeriesSweep *sweep, TimestampTz now)
{
	memset(sweep, 0, sizeof(*sweep));
	sweep->before = now - (TimestampTz) pgtsdb_empty_series_age * USECS_PER_SEC;
	sweep->part = PG_INT32_MIN;
	sweep->group_id = PG_INT32_MIN;
}

bool
pgtsdb_series_sweep_step(PgtsdbSeriesSweep *sweep)
{
	MemoryContext context;
	MemoryContext old;
	PgtsdbCaller caller;
	Batch		batch = {0};
	int			nest_level;
	bool		found;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("removing series needs the isolation level READ COMMITTED"),
				 errhint("Its snapshot has to be newer than the locks it takes.")));
	if (!pgtsdb_storage_exists())
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb empty series", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	pgtsdb_act_as_owner(&caller);
	PushActiveSnapshot(GetLatestSnapshot());
	batch.snapshot = GetActiveSnapshot();
	found = next_batch(sweep, &batch);
	PopActiveSnapshot();

	nest_level = pgtsdb_limit_lock_timeout(PGTSDB_RETENTION_LOCK_TIMEOUT);
	if (batch.n_retire > 0)
		retire_series(&batch);
	if (batch.n_scattered > 0)
		pgtsdb_series_retire(batch.scattered, batch.n_scattered);
	if (batch.n_remove > 0)
		remove_series(&batch);
	if (batch.n_remove_groups > 0)
		remove_groups(&batch, sweep->before);
	AtEOXact_GUC(true, nest_level);

	/* What was retired can be removed now, and then its group; and there may be more of it. */
	if (batch.n_retire > 0 || batch.n_scattered > 0 || batch.n_remove > 0)
	{
		sweep->part = batch.part;
		sweep->group_id = batch.first_group;
	}
	sweep->retired += batch.n_retire + batch.n_scattered;
	sweep->series += batch.n_remove;
	sweep->groups += batch.n_remove_groups;
	pgtsdb_act_as_caller(&caller);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return found;
}

/* ---- what there is ---- */

/* The next groups, of one part, and what of them can go.  The sweep then stands behind them. */
static bool
next_batch(PgtsdbSeriesSweep *sweep, Batch *batch)
{
	static const char *const columns[] = {"part", "group_id"};
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES_GROUPS, sweep->part), lengthof(columns), columns,
						  batch->snapshot, AccessShareLock))
		return false;
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, sweep->part);
	pgtsdb_scan_key_int4(&scan, 2, BTGreaterEqualStrategyNumber, sweep->group_id);
	read_groups(sweep, &scan, batch);
	if (batch->n_groups == 0 && sweep->part < PG_INT32_MAX)
	{
		pgtsdb_scan_clear(&scan);
		pgtsdb_scan_key_int4(&scan, 1, BTGreaterEqualStrategyNumber, sweep->part + 1);
		read_groups(sweep, &scan, batch);
	}
	pgtsdb_scan_close(&scan);
	if (batch->n_groups == 0)
		return false;

	sweep->part = batch->part;
	sweep->group_id = batch->last_group;
	if (sweep->group_id < PG_INT32_MAX)
		sweep->group_id++;
	else
	{
		sweep->part++;
		sweep->group_id = PG_INT32_MIN;
	}
	read_series(sweep, batch);
	choose_series(batch);
	choose_scattered(batch);
	return true;
}

static void
read_groups(const PgtsdbSeriesSweep *sweep, PgtsdbScan *scan, Batch *batch)
{
	pgtsdb_scan_start(scan);
	while (batch->n_groups < BATCH_GROUPS && pgtsdb_scan_next(scan))
	{
		int32		part = DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_GROUPS_PART));
		TimestampTz last_seen = DatumGetTimestampTz(pgtsdb_scan_value(scan, PGTSDB_GROUPS_LAST_SEEN));

		if (batch->n_groups > 0 && part != batch->part)
			break;
		batch->part = part;
		batch->last_group = DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_GROUPS_GROUP_ID));
		if (batch->n_groups == 0)
			batch->first_group = batch->last_group;
		batch->idle[batch->n_groups] = last_seen <= sweep->before;
		batch->groups[batch->n_groups++] = batch->last_group;
	}
}

/* Those that are old enough to go; a group that has none at all and no data may go itself. */
static void
read_series(const PgtsdbSeriesSweep *sweep, Batch *batch)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, batch->part), lengthof(columns), columns,
						  batch->snapshot, AccessShareLock))
		return;
	batch->series = palloc_array(PgtsdbSeries, BATCH_GROUPS * PGTSDB_MAX_GROUP_COLUMNS);
	for (int i = 0; i < batch->n_groups; i++)
	{
		bool		any = false;

		pgtsdb_scan_clear(&scan);
		pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, batch->part);
		pgtsdb_scan_key_int4(&scan, 2, BTEqualStrategyNumber, batch->groups[i]);
		pgtsdb_scan_start(&scan);
		while (pgtsdb_scan_next(&scan))
		{
			TimestampTz created_at = DatumGetTimestampTz(pgtsdb_scan_value(&scan, PGTSDB_SERIES_CREATED_AT));
			bool		gone = !slot_attisnull(scan.slot, PGTSDB_SERIES_GONE_AT);

			any = true;
			if (gone || created_at <= sweep->before)
				batch->series[batch->n_series++] = (PgtsdbSeries) {
					.part = batch->part,
					.group_id = batch->groups[i],
					.col = DatumGetInt16(pgtsdb_scan_value(&scan, PGTSDB_SERIES_COL)),
					.gone = gone
				};
		}
		if (!any && batch->idle[i] && !has_rows(batch, batch->groups[i]))
			batch->remove_groups[batch->n_remove_groups++] = batch->groups[i];
	}
	pgtsdb_scan_close(&scan);
}

static void
choose_series(Batch *batch)
{
	PgtsdbSeries *present = palloc_array(PgtsdbSeries, batch->n_series + 1);
	size_t		n_present;
	size_t		at = 0;

	batch->retire = palloc_array(PgtsdbSeries, batch->n_series + 1);
	batch->remove = palloc_array(PgtsdbSeries, batch->n_series + 1);
	memcpy(present, batch->series, batch->n_series * sizeof(PgtsdbSeries));
	n_present = pgtsdb_keep_present_series(present, batch->n_series, batch->snapshot, PG_INT64_MIN, PG_INT64_MAX);
	for (size_t i = 0; i < batch->n_series; i++)
	{
		const PgtsdbSeries *series = &batch->series[i];

		if (at < n_present && present[at].group_id == series->group_id && present[at].col == series->col)
			at++;
		else if (series->gone)
			batch->remove[batch->n_remove++] = *series;
		else if (batch->n_retire < BATCH_RETIRED)
			batch->retire[batch->n_retire++] = *series;
	}
}

/* As many groups as one step may retire series of; the sweep comes back for the others. */
static void
choose_scattered(Batch *batch)
{
	batch->scattered = palloc_array(PgtsdbSeriesRef, BATCH_RETIRED + PGTSDB_MAX_GROUP_COLUMNS);
	for (int i = 0; i < batch->n_groups && batch->n_retire + batch->n_scattered < BATCH_RETIRED; i++)
		batch->n_scattered += pgtsdb_scattered_series(batch->part, batch->groups[i], batch->snapshot,
													  batch->scattered + batch->n_scattered);
}

static bool
has_rows(const Batch *batch, int32 group_id)
{
	PgtsdbGroup group = {.part = batch->part, .group_id = group_id};
	PgtsdbScan	scan;
	bool		found = false;

	if (pgtsdb_head_scan_open(&scan, tsdb_local_table(TSDB_TABLE_HEAD, batch->part), batch->snapshot, AccessShareLock))
	{
		pgtsdb_head_scan_start(&scan, &group, PG_INT64_MIN, PG_INT64_MAX);
		found = pgtsdb_scan_next(&scan);
		pgtsdb_scan_close(&scan);
	}
	return found || has_chunks(batch, &group);
}

static bool
has_chunks(const Batch *batch, const PgtsdbGroup *group)
{
	bool		found = false;
	List	   *leaves;
	ListCell   *cell;

	tsdb_local_relations(TSDB_TABLE_CHUNKS, batch->part, PG_INT64_MIN, PG_INT64_MAX, &leaves);
	foreach(cell, leaves)
	{
		PgtsdbScan	scan;

		if (found || !pgtsdb_chunk_scan_open(&scan, lfirst(cell), batch->snapshot, AccessShareLock))
			continue;
		pgtsdb_chunk_scan_start(&scan, lfirst(cell), group, PG_INT64_MIN, PG_INT64_MAX);
		found = pgtsdb_scan_next(&scan);
		pgtsdb_scan_close(&scan);
	}
	list_free_deep(leaves);
	return found;
}

/* ---- what goes ---- */

/* The look at head takes no time, and writers wait for us. */
static void
retire_series(Batch *batch)
{
	PgtsdbSeriesRef *refs;
	PgtsdbSeries *written = palloc_array(PgtsdbSeries, batch->n_retire);
	size_t		n_written;
	size_t		at = 0;
	size_t		n = 0;

	pgtsdb_lock_in_time(PGTSDB_LOCK_WRITERS, batch->part, ExclusiveLock);
	memcpy(written, batch->retire, batch->n_retire * sizeof(PgtsdbSeries));
	PushActiveSnapshot(GetLatestSnapshot());
	n_written = pgtsdb_keep_series_in_head(written, batch->n_retire, GetActiveSnapshot());
	PopActiveSnapshot();

	refs = palloc_array(PgtsdbSeriesRef, batch->n_retire);
	for (size_t i = 0; i < batch->n_retire; i++)
	{
		const PgtsdbSeries *series = &batch->retire[i];

		if (at < n_written && written[at].group_id == series->group_id && written[at].col == series->col)
			at++;
		else
			refs[n++] = (PgtsdbSeriesRef) {series->part, series->group_id, series->col};
	}
	if (n > 0)
		pgtsdb_series_retire(refs, n);
	batch->n_retire = n;
}

static void
remove_series(Batch *batch)
{
	PgtsdbSeriesRef *refs = palloc_array(PgtsdbSeriesRef, batch->n_remove);

	for (size_t i = 0; i < batch->n_remove; i++)
		refs[i] = (PgtsdbSeriesRef) {batch->remove[i].part, batch->remove[i].group_id, batch->remove[i].col};
	batch->n_remove = pgtsdb_series_remove_retired(refs, batch->n_remove);
}

static void
remove_groups(Batch *batch, TimestampTz before)
{
	static PgtsdbStatement remove = {
		"DELETE FROM tsdb.series_groups g WHERE part OPERATOR(pg_catalog.=) $1 AND group_id OPERATOR(pg_catalog.=) ANY ($2)"
		" AND last_seen OPERATOR(pg_catalog.<=) $3 AND NOT EXISTS (SELECT FROM tsdb.series s"
		" WHERE s.part OPERATOR(pg_catalog.=) g.part AND s.group_id OPERATOR(pg_catalog.=) g.group_id)",
		SPI_OK_DELETE
	};

	pgtsdb_lock_in_time(PGTSDB_LOCK_SERIES, batch->part, ExclusiveLock);
	SPI_connect();
	batch->n_remove_groups = (int) pgtsdb_statement_run(&remove, 3, (Oid[]) {INT4OID, INT4ARRAYOID, TIMESTAMPTZOID},
														(Datum[]) {
															Int32GetDatum(batch->part),
															pgtsdb_int4_array(batch->remove_groups, batch->n_remove_groups),
															TimestampTzGetDatum(before)
														});
	SPI_finish();
}
