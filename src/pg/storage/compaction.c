/*
 * compaction.c
 *		Head rows of closed windows become chunks, group by group.
 *
 * The sweep walks the primary key of head: it asks for the first row at or after
 * (part, group, time) and from there skips to the next group, so that a sweep costs two index
 * descents per group, however many rows there are.
 *
 * Windows are aligned to the partitions as pgtsdb.chunk_partition_width wants them, and end with them.  A window is closed
 * when it ended pgtsdb.compaction_delay ago.  What comes later still is compacted
 * by the next sweep, into the chunks it overlaps (rewrite.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/counters.h"
#include "pg/guc.h"
#include "pg/storage/compaction.h"
#include "pg/storage/decode.h"
#include "pg/storage/locks.h"
#include "pg/storage/relations.h"
#include "pg/storage/rewrite.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/storage/storage.h"
#include "pg/storage/storage_internal.h"
#include "pg/tenant.h"

typedef struct Window
{
	int64		t_lo;
	int64		t_hi;			/* exclusive */
} Window;

/* Of one step, so that nobody waits long for the lock of a group. */
#define MAX_STEP_WINDOWS 32
#define MAX_STEP_ROWS 8192

/* What the usual window needs stays with the context when it is reset: taking it from the system costs a twentieth of the work. */
#define STEP_MEMORY 4 * 1024 * 1024, 8 * 1024, 8 * 1024 * 1024

/* Windows of more timestamps than this do not get smaller by being merged: their rows are full of few columns. */
#define MERGE_MAX_TIMES 480

static bool guarded_step(PgtsdbCompaction *sweep);
static bool is_alone(const PgtsdbCompaction *sweep);
static bool goes_on(const PgtsdbCompaction *sweep);
static bool lock_group(const PgtsdbCompaction *sweep);
static void warn_of_damage(const PgtsdbSweepPlace *at, const ErrorData *error);
static void commit_step(void);
static void leave_group(PgtsdbCompaction *sweep);
static bool find_next(PgtsdbCompaction *sweep, Window *window);
static bool find_row(PgtsdbScan *scan, PgtsdbCompaction *sweep);
static bool first_row(PgtsdbScan *scan, PgtsdbCompaction *sweep);
static bool is_closed(const PgtsdbCompaction *sweep, int64 t);
static void find_window(const PgtsdbCompaction *sweep, Window *window);
static void align_window(const PgtsdbCompaction *sweep, int64 width, Window *window);
static void compact_window(PgtsdbCompaction *sweep, const Window *window, MemoryContext context);
static bool is_all_frozen(Oid heap);

PG_FUNCTION_INFO_V1(pgtsdb_sql_compact);

/*
 * CALL tsdb.compact(force boolean): commits behind every step, and goes on behind a group that is damaged.
 * In a transaction of the caller's own it is all or nothing.
 */
Datum
pgtsdb_sql_compact(PG_FUNCTION_ARGS)
{
	bool		force = PG_GETARG_BOOL(0);
	bool		atomic = fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic;
	PgtsdbCompaction sweep;

	pgtsdb_require_admin("compact samples");
	PreventCommandIfReadOnly("CALL tsdb.compact()");
	SPI_connect_ext(atomic ? 0 : SPI_OPT_NONATOMIC);
	pgtsdb_compaction_start(&sweep, GetCurrentTimestamp(), force, true);
	if (atomic)
		while (pgtsdb_compaction_step(&sweep))
			;
	else
		while (guarded_step(&sweep))
			commit_step();
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * A step in a subtransaction, the only one of its transaction: what cannot be decoded becomes
 * a WARNING, and the sweep leaves the group.  All other errors, a cancel above all, end it.
 */
static bool
guarded_step(PgtsdbCompaction *sweep)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool more = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		more = pgtsdb_compaction_step(sweep);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		PgtsdbSweepPlace failed = sweep->at;
		bool		alone = is_alone(sweep);
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if ((error->sqlerrcode != ERRCODE_DATA_CORRUPTED && error->sqlerrcode != ERRCODE_FEATURE_NOT_SUPPORTED) ||
			!pgtsdb_compaction_skip(sweep))
			ReThrowError(error);
		if (alone)
			warn_of_damage(&failed, error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return more;
}

static void
warn_of_damage(const PgtsdbSweepPlace *at, const ErrorData *error)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("group %d of part %d was not compacted: %s", at->group_id, at->part, error->message),
			 error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/* Nobody waits for the disk: a commit that a crash takes back leaves the samples in head. */
static void
commit_step(void)
{
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	SPI_commit();
}

void
pgtsdb_compaction_start(PgtsdbCompaction *sweep, TimestampTz now, bool force, bool wait)
{
	memset(sweep, 0, sizeof(*sweep));
	sweep->force = force;
	sweep->wait = wait;
	sweep->now = pgtsdb_timestamp_to_ms(now);
	sweep->at.part = PG_INT32_MIN;
	sweep->at.group_id = PG_INT32_MIN;
	sweep->at.from = PG_INT64_MIN;
}

void
pgtsdb_compaction_repeat(PgtsdbCompaction *sweep)
{
	sweep->at = sweep->began;
	sweep->needs_partition = false;
}

bool
pgtsdb_compaction_skip(PgtsdbCompaction *sweep)
{
	if (!sweep->at_group)
		return false;
	if (is_alone(sweep))
		leave_group(sweep);
	else
	{
		pgtsdb_compaction_repeat(sweep);
		sweep->one_by_one = true;
	}
	return true;
}

/* Whether the window that the step came to was its first. */
static bool
is_alone(const PgtsdbCompaction *sweep)
{
	return sweep->at.windows == sweep->began.windows;
}

static void
leave_group(PgtsdbCompaction *sweep)
{
	/* the last group of all parts has none behind it, and then the next step finds nothing */
	sweep->at.from = PG_INT64_MIN;
	sweep->at.continues = false;
	sweep->needs_partition = false;
	if (sweep->at.group_id < PG_INT32_MAX)
		sweep->at.group_id++;
	else
	{
		sweep->at.part++;
		sweep->at.group_id = PG_INT32_MIN;
	}
}

bool
pgtsdb_compaction_step(PgtsdbCompaction *sweep)
{
	MemoryContext context;
	PgtsdbCaller caller;
	Window		window;
	bool		found = true;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("compaction needs the isolation level READ COMMITTED"),
				 errhint("Its snapshot has to be newer than the locks it takes.")));

	pgtsdb_act_as_owner(&caller);
	context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb compaction", STEP_MEMORY);
	sweep->began = sweep->at;
	sweep->at_group = false;
	if (sweep->needs_partition)
	{
		pgtsdb_ensure_chunk_partition(0, sweep->needs_class, sweep->needs_t);
		sweep->needs_partition = false;
	}
	else
		while (goes_on(sweep) && (found = find_next(sweep, &window)))
		{
			if (lock_group(sweep))
				compact_window(sweep, &window, context);
			else if (sweep->wait)
				break;
			else
				leave_group(sweep);
		}
	MemoryContextDelete(context);
	pgtsdb_act_as_caller(&caller);
	return found;
}

static bool
goes_on(const PgtsdbCompaction *sweep)
{
	return !sweep->needs_partition &&
		sweep->at.windows - sweep->began.windows < (sweep->one_by_one ? 1 : MAX_STEP_WINDOWS) &&
		sweep->at.head_rows - sweep->began.head_rows < MAX_STEP_ROWS;
}

/* Waits for the first of a step only: whoever has locks and waits for another can be part of a circle. */
static bool
lock_group(const PgtsdbCompaction *sweep)
{
	return pgtsdb_lock(PGTSDB_LOCK_GROUP, sweep->at.part, sweep->at.group_id, ExclusiveLock,
					   !sweep->wait || !is_alone(sweep));
}

/* Moves on to the first row of a closed window. */
static bool
find_next(PgtsdbCompaction *sweep, Window *window)
{
	PgtsdbScan	scan;
	bool		found = false;

	PushActiveSnapshot(GetLatestSnapshot());
	if (pgtsdb_head_scan_open(&scan, tsdb_local_table(TSDB_TABLE_HEAD, sweep->at.part), GetActiveSnapshot(), AccessShareLock))
	{
		while (!found && find_row(&scan, sweep))
		{
			find_window(sweep, window);
			found = is_closed(sweep, window->t_hi);
			if (!found)
				leave_group(sweep);
		}
		pgtsdb_scan_close(&scan);
	}
	PopActiveSnapshot();
	return found;
}

/*
 * The first row at or after (part, group_id, from).  Keys of a btree scan are a
 * conjunction, so that "at or after" takes up to three descents.
 */
static bool
find_row(PgtsdbScan *scan, PgtsdbCompaction *sweep)
{
	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, 1, BTEqualStrategyNumber, sweep->at.part);
	pgtsdb_scan_key_int4(scan, 2, BTEqualStrategyNumber, sweep->at.group_id);
	pgtsdb_scan_key_int8(scan, 3, BTGreaterEqualStrategyNumber, sweep->at.from);
	if (first_row(scan, sweep))
		return true;

	leave_group(sweep);
	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, 1, BTEqualStrategyNumber, sweep->at.part);
	pgtsdb_scan_key_int4(scan, 2, BTGreaterEqualStrategyNumber, sweep->at.group_id);
	if (first_row(scan, sweep))
		return true;

	if (sweep->at.part == PG_INT32_MAX)
		return false;
	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, 1, BTGreaterEqualStrategyNumber, sweep->at.part + 1);
	return first_row(scan, sweep);
}

static bool
first_row(PgtsdbScan *scan, PgtsdbCompaction *sweep)
{
	pgtsdb_scan_start(scan);
	if (!pgtsdb_scan_next(scan))
		return false;
	sweep->at.part = DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_HEAD_PART));
	sweep->at.group_id = DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_HEAD_GROUP_ID));
	sweep->at.from = DatumGetInt64(pgtsdb_scan_value(scan, PGTSDB_HEAD_TS));
	sweep->at_group = true;
	return true;
}

static bool
is_closed(const PgtsdbCompaction *sweep, int64 t)
{
	return sweep->force || t <= sweep->now - pgtsdb_compaction_delay * MS_PER_SECOND;
}

/* The window of the row that was found: the whole merge window around it once that is closed, else the shorter one. */
static void
find_window(const PgtsdbCompaction *sweep, Window *window)
{
	int64		width = Min(pgtsdb_compaction_window, pgtsdb_max_chunk_span) * MS_PER_MINUTE;
	int64		merged = Max(width, Min(pgtsdb_compaction_merge_window, pgtsdb_max_chunk_span) * MS_PER_MINUTE);

	align_window(sweep, merged, window);
	if (!is_closed(sweep, window->t_hi))
		align_window(sweep, width, window);
}

static void
align_window(const PgtsdbCompaction *sweep, int64 width, Window *window)
{
	int64		t_lo;
	int64		t_hi;

	pgtsdb_partition_grid(sweep->at.from, pgtsdb_chunk_partition_width * MS_PER_MINUTE, &t_lo, &t_hi);
	window->t_lo = sweep->at.from - (sweep->at.from - t_lo) % width;
	window->t_hi = t_hi - window->t_lo > width ? window->t_lo + width : t_hi;
}

static void
compact_window(PgtsdbCompaction *sweep, const Window *window, MemoryContext context)
{
	PgtsdbRewrite rewrite = {
		.part = sweep->at.part,
		.group_id = sweep->at.group_id,
		.t_lo = sweep->at.from,
		.t_hi = window->t_hi - 1,
		.merge_lo = window->t_lo,
		.merge_max_times = sweep->at.continues ? 0 : MERGE_MAX_TIMES
	};

	pgtsdb_rewrite_group(&rewrite, context);
	MemoryContextReset(context);
	if (rewrite.needs_partition)
	{
		sweep->needs_partition = true;
		sweep->needs_class = rewrite.needs_class;
		sweep->needs_t = rewrite.needs_t;
		return;
	}
	sweep->at.from = rewrite.cut_short ? rewrite.t_next : window->t_hi;
	sweep->at.continues = rewrite.cut_short;
	sweep->at.windows++;
	sweep->at.head_rows += rewrite.head_rows;
	sweep->at.samples += rewrite.samples;
	sweep->at.chunk_rows += rewrite.chunk_rows;
	sweep->at.chunk_bytes += rewrite.chunk_bytes;
	pgtsdb_count_at_commit(rewrite.part, (const uint64[PGTSDB_COUNTERS]) {
		[PGTSDB_COUNT_COMPACTED_ROWS] = rewrite.head_rows,
		[PGTSDB_COUNT_COMPACTED_SAMPLES] = rewrite.samples,
		[PGTSDB_COUNT_CHUNK_ROWS] = rewrite.chunk_rows,
		[PGTSDB_COUNT_CHUNK_BYTES] = rewrite.chunk_bytes
	});
}

List *
pgtsdb_closed_leaves(TimestampTz now)
{
	int64		closed = pgtsdb_timestamp_to_ms(now) - pgtsdb_compaction_delay * MS_PER_SECOND;
	List	   *oids = NIL;
	List	   *leaves;
	ListCell   *cell;

	tsdb_local_relations(TSDB_TABLE_CHUNKS, 0, PG_INT64_MIN, closed, &leaves);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);

		if (leaf->t_hi <= closed && !is_all_frozen(leaf->heap))
			oids = lappend_oid(oids, leaf->heap);
	}
	list_free_deep(leaves);
	return oids;
}

/* Also of a leaf that is gone. */
static bool
is_all_frozen(Oid heap)
{
	Relation	relation = tsdb_leaf_open(heap, AccessShareLock);
	BlockNumber n_visible;
	BlockNumber n_frozen;
	bool		frozen;

	if (relation == NULL)
		return true;
	visibilitymap_count(relation, &n_visible, &n_frozen);
	frozen = n_frozen >= RelationGetNumberOfBlocks(relation);
	table_close(relation, AccessShareLock);
	return frozen;
}
