/*
 * delete_series.c
 *		tsdb.delete_series(): samples of the series that match go away, and without a range the series too.
 *
 * Deletion is a rewrite (rewrite.c) that puts back less, window by window, of each
 * group that has a matching series.  A series that is deleted as a whole is retired
 * first: that waits for writers that have found it already, and later ones make a new
 * series, so that nothing arrives in the column any more and its row can go.
 *
 * Order of locks: storage (a rewrite may need a partition), writers of the groups, groups.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/promql/parser.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/storage/decode.h"
#include "pg/storage/late_writes.h"
#include "pg/storage/locks.h"
#include "pg/storage/reader.h"
#include "pg/storage/relations.h"
#include "pg/storage/rewrite.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/storage/storage.h"
#include "pg/storage/storage_internal.h"
#include "pg/tenant.h"

typedef struct Deletion
{
	TsdbArena  *arena;
	const TsdbMatcher *matchers;
	size_t		n_matchers;
	bool		whole;			/* the series too */
	int64		t_lo;
	int64		t_hi;
} Deletion;

/* Counts the series of a selection. */
typedef struct Counter
{
	TsdbSeriesSink sink;		/* first: the source sees only this */
	int64		n;
} Counter;

static bool matches_nothing_in_particular(const Deletion *deletion);
static int64 count_series(const Deletion *deletion, const PgtsdbTenant *tenant);
static int64 delete_from_part(const Deletion *deletion, int32 part);
static TsdbStatus count_one(TsdbSeriesSink *sink, const TsdbSeriesData *series, bool same_times, TsdbError *error);
static size_t select_series(const Deletion *deletion, int32 part, PgtsdbSeries **series);
static void retire(const Deletion *deletion, const PgtsdbSeries *series, size_t n);
static int64 delete_from_group(const Deletion *deletion, const PgtsdbSeries *series, size_t n);
static bool next_samples(const Deletion *deletion, const PgtsdbGroup *group, int64 from, int64 *t);
static bool first_head_row(const Deletion *deletion, const PgtsdbGroup *group, int64 from, int64 *t);
static bool first_chunk(const Deletion *deletion, const PgtsdbGroup *group, int64 from, int64 *t);
static int64 window_end(int32 part, int64 t);
static void delete_rows(const PgtsdbSeries *series, size_t n);

PG_FUNCTION_INFO_V1(pgtsdb_sql_delete_series);

Datum
pgtsdb_sql_delete_series(PG_FUNCTION_ARGS)
{
	bool		dry_run = PG_ARGISNULL(3) || PG_GETARG_BOOL(3);
	Deletion	deletion = {
		.whole = PG_ARGISNULL(1) && PG_ARGISNULL(2),
		.t_lo = pgtsdb_time_argument(fcinfo, 1, PG_INT64_MIN),
		.t_hi = pgtsdb_time_argument(fcinfo, 2, PG_INT64_MAX)
	};
	PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_ADMINISTER);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb delete_series", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller_context;
	PgtsdbCaller caller;
	TsdbMatcher *matchers;
	TsdbError	error;
	char	   *selector;
	int64		touched = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	selector = text_to_cstring(PG_GETARG_TEXT_PP(0));
	caller_context = MemoryContextSwitchTo(context);
	deletion.arena = pgtsdb_arena_create(context, 0, NULL);
	if (tsdb_promql_parse_selector(deletion.arena, tsdb_str(selector), &matchers, &deletion.n_matchers, &error) != TSDB_OK)
		pgtsdb_raise_in(&error, selector);
	deletion.matchers = matchers;
	if (matches_nothing_in_particular(&deletion))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("selector \"%s\" would delete all series", selector),
				 errhint("One matcher at least must refuse the empty value; {__name__!=\"\"} means all series.")));

	if (dry_run)
		touched = count_series(&deletion, tenant);
	else
	{
		PreventCommandIfReadOnly("tsdb.delete_series()");
		if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
					 errmsg("deleting series needs the isolation level READ COMMITTED"),
					 errhint("Its snapshot has to be newer than the locks it takes.")));
		pgtsdb_act_as_owner(&caller);
		pgtsdb_lock(PGTSDB_LOCK_STORAGE, 1, 0, ExclusiveLock, false);
		for (int i = 0; i < tenant->n_parts; i++)
			touched += delete_from_part(&deletion, tenant->parts[i]);
		pgtsdb_act_as_caller(&caller);
	}
	MemoryContextSwitchTo(caller_context);
	MemoryContextDelete(context);
	PG_RETURN_INT64(touched);
}

/* As the evaluator refuses such selectors: mostly a value is missing that should have been there. */
static bool
matches_nothing_in_particular(const Deletion *deletion)
{
	for (size_t i = 0; i < deletion->n_matchers; i++)
		if (!tsdb_matcher_matches(&deletion->matchers[i], TSDB_STR("")))
			return false;
	return true;
}

/* What would be touched: all that match, or those that have samples in the range. */
static int64
count_series(const Deletion *deletion, const PgtsdbTenant *tenant)
{
	TsdbSeriesSource *source = pgtsdb_storage_source(tenant, GetActiveSnapshot(), deletion->arena);
	TsdbSelect	select = {
		.t_min = deletion->t_lo,
		.t_max = deletion->t_hi,
		.matchers = deletion->matchers,
		.n_matchers = deletion->n_matchers
	};
	Counter		counter = {.sink = {count_one}};
	PgtsdbSeries *series;
	TsdbError	error;

	if (!deletion->whole)
		pgtsdb_check(source->select(source, deletion->arena, &select, &counter.sink, &error), &error);
	else
		for (int i = 0; i < tenant->n_parts; i++)
			counter.n += select_series(deletion, tenant->parts[i], &series);
	return counter.n;
}

static TsdbStatus
count_one(TsdbSeriesSink *sink, const TsdbSeriesData *series, bool same_times, TsdbError *error)
{
	((Counter *) sink)->n++;
	return TSDB_OK;
}

static int64
delete_from_part(const Deletion *deletion, int32 part)
{
	PgtsdbSeries *series;
	size_t		n = select_series(deletion, part, &series);
	int64		touched = 0;

	if (n > 0)
		pgtsdb_note_removed(part, deletion->t_lo, deletion->t_hi);
	if (deletion->whole)
		retire(deletion, series, n);
	for (size_t i = 0, end; i < n; i = end)
	{
		for (end = i + 1; end < n && series[end].group_id == series[i].group_id; end++)
			;
		pgtsdb_lock(PGTSDB_LOCK_GROUP, part, series[i].group_id, ExclusiveLock, false);
		touched += delete_from_group(deletion, &series[i], end - i);
	}
	if (!deletion->whole || n == 0)
		return touched;
	delete_rows(series, n);
	return n;
}

/* With a snapshot of now: of those that a lock made wait, the caller's knows nothing. */
static size_t
select_series(const Deletion *deletion, int32 part, PgtsdbSeries **series)
{
	TsdbError	error;
	size_t		n;

	PushActiveSnapshot(GetLatestSnapshot());
	pgtsdb_check(pgtsdb_select_series(part, GetActiveSnapshot(), deletion->arena, deletion->matchers,
									  deletion->n_matchers, series, &n, &error), &error);
	PopActiveSnapshot();
	return n;
}

static void
retire(const Deletion *deletion, const PgtsdbSeries *series, size_t n)
{
	PgtsdbSeriesRef *refs = TSDB_NEW_ARRAY(deletion->arena, PgtsdbSeriesRef, n);
	size_t		n_live = 0;

	for (size_t i = 0; i < n; i++)
		if (!series[i].gone)
			refs[n_live++] = (PgtsdbSeriesRef) {series[i].part, series[i].group_id, series[i].col};
	if (n_live > 0)
		pgtsdb_series_retire(refs, n_live);
	CommandCounterIncrement();
}

/* These series are all that match in their group.  Answers of how many samples went away. */
static int64
delete_from_group(const Deletion *deletion, const PgtsdbSeries *series, size_t n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb rewrite", ALLOCSET_DEFAULT_SIZES);
	PgtsdbColumn *columns = tsdb_alloc0(deletion->arena, n * sizeof(PgtsdbColumn));
	PgtsdbGroup group = {.part = series->part, .group_id = series->group_id, .columns = columns, .n_columns = n};
	bool	   *dropped = tsdb_alloc0(deletion->arena, n * sizeof(bool));
	int16	   *cols = TSDB_NEW_ARRAY(deletion->arena, int16, n);
	int64		from = pgtsdb_head_from(deletion->t_lo);
	int64		touched = 0;
	int64		t;

	for (size_t i = 0; i < n; i++)
		cols[i] = columns[i].col = series[i].col;
	while (from <= deletion->t_hi && next_samples(deletion, &group, from, &t))
	{
		PgtsdbRewrite rewrite = {
			.part = group.part,
			.group_id = group.group_id,
			.t_lo = t,
			.t_hi = Min(window_end(group.part, t), deletion->t_hi),
			.drop_columns = cols,
			.dropped = dropped,
			.n_drop_columns = n,
			.drop_lo = deletion->t_lo,
			.drop_hi = deletion->t_hi,
			.may_make_partitions = true
		};

		pgtsdb_rewrite_group(&rewrite, context);
		MemoryContextReset(context);
		CommandCounterIncrement();
		if (!rewrite.cut_short && rewrite.t_hi == PG_INT64_MAX)
			break;
		from = rewrite.cut_short ? rewrite.t_next : rewrite.t_hi + 1;
	}
	for (size_t i = 0; i < n; i++)
		touched += dropped[i];
	MemoryContextDelete(context);
	return touched;
}

/* The earliest time from `from` on at which head or chunks may have something to delete. */
static bool
next_samples(const Deletion *deletion, const PgtsdbGroup *group, int64 from, int64 *t)
{
	int64		in_head = 0;
	int64		in_chunks = 0;
	bool		head;
	bool		chunks;

	PushActiveSnapshot(GetLatestSnapshot());
	head = first_head_row(deletion, group, from, &in_head);
	chunks = first_chunk(deletion, group, from, &in_chunks);
	PopActiveSnapshot();
	if (head && (!chunks || in_head <= in_chunks))
		*t = in_head;
	else
		*t = in_chunks;
	return head || chunks;
}

static bool
first_head_row(const Deletion *deletion, const PgtsdbGroup *group, int64 from, int64 *t)
{
	PgtsdbScan	scan;
	bool		found;

	if (!pgtsdb_head_scan_open(&scan, tsdb_local_table(TSDB_TABLE_HEAD, group->part), GetActiveSnapshot(), AccessShareLock))
		return false;
	pgtsdb_head_scan_start(&scan, group, from, deletion->t_hi);
	found = pgtsdb_scan_next(&scan);
	if (found)
		*t = DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_HEAD_TS));
	pgtsdb_scan_close(&scan);
	return found;
}

static bool
first_chunk(const Deletion *deletion, const PgtsdbGroup *group, int64 from, int64 *t)
{
	int64		t_from = Max(from, deletion->t_lo);
	bool		any = false;
	List	   *leaves;
	ListCell   *cell;

	tsdb_local_relations(TSDB_TABLE_CHUNKS, group->part, pgtsdb_chunks_from(t_from), deletion->t_hi, &leaves);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);
		PgtsdbScan	scan;
		bool		found;

		/* leaves of several classes lie side by side */
		if (any && leaf->t_lo > *t)
			break;
		if (!pgtsdb_chunk_scan_open(&scan, leaf, GetActiveSnapshot(), AccessShareLock))
			continue;
		pgtsdb_chunk_scan_start(&scan, leaf, group, pgtsdb_chunks_from(t_from), deletion->t_hi);
		found = pgtsdb_chunk_scan_next(&scan, group, t_from);
		if (found)
		{
			int64		t_min = pgtsdb_chunk_place(&scan).t_min;

			*t = any ? Min(*t, Max(t_min, t_from)) : Max(t_min, t_from);
		}
		any |= found;
		pgtsdb_scan_close(&scan);
	}
	list_free_deep(leaves);
	return any;
}

/* Last time of what is rewritten in one go: as long as a chunk, short enough for the memory, and within a partition. */
static int64
window_end(int32 part, int64 t)
{
	int64		minutes = Min(Max(pgtsdb_compaction_window, pgtsdb_compaction_merge_window), pgtsdb_max_chunk_span);
	int64		width = minutes * MS_PER_MINUTE;
	int64		end = t > PG_INT64_MAX - width ? PG_INT64_MAX : t + width;
	List	   *leaves;
	ListCell   *cell;

	tsdb_local_relations(TSDB_TABLE_CHUNKS, part, t, t, &leaves);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);

		if (leaf->tier == 0)
			end = Min(end, leaf->t_hi - 1);
	}
	list_free_deep(leaves);
	return end;
}

/* The rows of series that were retired and have no sample left. */
static void
delete_rows(const PgtsdbSeries *series, size_t n)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	PgtsdbScan	scan;

	PushActiveSnapshot(GetLatestSnapshot());
	if (pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, series->part), lengthof(columns), columns,
						 GetActiveSnapshot(), RowExclusiveLock))
	{
		for (size_t i = 0; i < n; i++)
		{
			TM_FailureData failure;

			pgtsdb_scan_clear(&scan);
			pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, series[i].part);
			pgtsdb_scan_key_int4(&scan, 2, BTEqualStrategyNumber, series[i].group_id);
			pgtsdb_scan_key_int2(&scan, 3, BTEqualStrategyNumber, series[i].col);
			pgtsdb_scan_start(&scan);
			if (pgtsdb_scan_next(&scan) &&
				table_tuple_delete(scan.heap, &scan.slot->tts_tid, GetCurrentCommandId(true), InvalidSnapshot,
								   InvalidSnapshot, true, &failure, false) != TM_Ok)
				ereport(ERROR,
						(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						 errmsg("a row of \"%s\" changed while it was deleted", RelationGetRelationName(scan.heap)),
						 errhint("Repeat the statement.")));
		}
		pgtsdb_scan_close(&scan);
	}
	PopActiveSnapshot();
	CommandCounterIncrement();
}
