/*
 * compactor.c
 *		The worker that makes chunks of head rows and keeps the partitions in order.
 *
 * Every pgtsdb.compaction_interval, each step in transactions of its own:
 *
 *		1. make the partitions of chunks for now and for the time after it;
 *		2. compact the closed windows, a few groups per transaction, so that nobody
 *		   waits long for a group;
 *		3. drop the partitions that are expired, and remove series without samples: every six hours, and after a drop;
 *		4. tell standbys up to which time all samples are there, and remove notes of late writes;
 *		5. freeze the partitions that get no more rows, by VACUUM as a top-level command, and give back the space
 *		   of what was deleted from them.
 *
 * A group that fails is left for the next sweep; the others go on.
 */
#include "postgres.h"

#include "commands/vacuum.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/guc.h"
#include "pg/storage/compaction.h"
#include "pg/storage/late_writes.h"
#include "pg/storage/retention.h"
#include "pg/storage/shrink.h"
#include "pg/storage/storage.h"
#include "pg/tenant.h"
#include "pg/times.h"
#include "pg/worker/worker.h"

/* A writer that comes between is no reason to leave a group: it may be tried again this often. */
#define RETRIES 3
#define SERIES_SWEEP_INTERVAL_MS (6 * 3600 * 1000)
/* While series are retired their writers wait, so that there are pauses; and compaction shall not fall behind. */
#define REMOVAL_PAUSE_MS 100
#define REMOVAL_TIME_MS (5 * 1000)

/* One step of a sweep: what it works on, and whether there is more. */
typedef struct SweepStep
{
	PgtsdbCompaction *sweep;
	bool		more;
} SweepStep;

/* The same of the other jobs. */
typedef struct DropStep
{
	Oid			leaf;			/* the last one */
	bool		more;
} DropStep;

typedef struct ShrinkStep
{
	PgtsdbShrink *shrink;
	bool		more;
} ShrinkStep;

typedef struct RemovalStep
{
	PgtsdbSeriesSweep sweep;
	bool		more;
} RemovalStep;

PGDLLEXPORT void pgtsdb_compactor_main(Datum main_arg);

static void make_partitions(PgtsdbWorker *worker, void *arg);
static void sweep(PgtsdbWorker *worker);
static void compact_some(PgtsdbWorker *worker, void *arg);
static bool drop_expired_leaves(PgtsdbWorker *worker);
static void drop_leaf(PgtsdbWorker *worker, void *arg);
static void remove_empty_series(PgtsdbWorker *worker, RemovalStep *step);
static void remove_some(PgtsdbWorker *worker, void *arg);
static void keep_notes(PgtsdbWorker *worker, void *arg);
static void freeze_closed_leaves(PgtsdbWorker *worker);
static void list_closed_leaves(PgtsdbWorker *worker, void *arg);
static void shrink_leaf(PgtsdbWorker *worker, Oid leaf);
static void plan_shrink(PgtsdbWorker *worker, void *arg);
static void shrink_some(PgtsdbWorker *worker, void *arg);
static void freeze_leaf(PgtsdbWorker *worker, void *arg);

void
pgtsdb_compactor_main(Datum main_arg)
{
	PgtsdbWorker *worker = pgtsdb_worker_start(main_arg, PGTSDB_WORKER_COMPACTOR);
	TimestampTz last_removal = 0;
	RemovalStep removal = {0};
	bool		removal_due = false;

	for (;;)
	{
		pgtsdb_worker_unit(worker, "make partitions of tsdb.chunks", make_partitions, NULL);
		sweep(worker);
		removal_due |= drop_expired_leaves(worker) ||
			TimestampDifferenceExceeds(last_removal, GetCurrentTimestamp(), SERIES_SWEEP_INTERVAL_MS);
		if (removal_due && !removal.more)
		{
			last_removal = GetCurrentTimestamp();
			pgtsdb_series_sweep_start(&removal.sweep, last_removal);
			removal.more = true;
			removal_due = false;
		}
		remove_empty_series(worker, &removal);
		pgtsdb_worker_unit(worker, "look after tsdb.late_writes", keep_notes, NULL);
		freeze_closed_leaves(worker);
		pgtsdb_worker_wait(worker, pgtsdb_compaction_interval);
	}
}

/* Ahead of time, because the first writer of a day would have to wait for the lock on the parent. */
static void
make_partitions(PgtsdbWorker *worker, void *arg)
{
	PgtsdbCaller caller;

	if (!pgtsdb_storage_exists())
		return;					/* the first write makes it, never we */
	pgtsdb_act_as_owner(&caller);
	pgtsdb_make_partitions_ahead(pgtsdb_now_ms());
	pgtsdb_act_as_caller(&caller);
}

static void
sweep(PgtsdbWorker *worker)
{
	PgtsdbCompaction compaction;
	SweepStep	step = {&compaction, true};
	int			failures = 0;

	pgtsdb_compaction_start(&compaction, GetCurrentTimestamp(), false, false);
	while (step.more)
	{
		int			sqlstate;

		if (pgtsdb_worker_unit(worker, "compact some groups", compact_some, &step))
		{
			failures = 0;
			continue;
		}
		pgtsdb_worker_last_error(worker, &sqlstate);
		if (sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE && ++failures <= RETRIES)
		{
			pgtsdb_compaction_repeat(&compaction);
			continue;
		}
		failures = 0;
		step.more = pgtsdb_compaction_skip(&compaction);
	}
}

static void
compact_some(PgtsdbWorker *worker, void *arg)
{
	SweepStep  *step = arg;
	PgtsdbCaller caller;

	pgtsdb_act_as_owner(&caller);
	step->more = pgtsdb_storage_exists() && pgtsdb_compaction_step(step->sweep);
	pgtsdb_act_as_caller(&caller);
}

/*
 * True: one at least was dropped.  Where the lock was not to be had, it is not for the others either; any other
 * failure concerns one partition only.
 */
static bool
drop_expired_leaves(PgtsdbWorker *worker)
{
	DropStep	step = {InvalidOid, true};
	bool		dropped = false;

	while (step.more)
	{
		Oid			last = step.leaf;
		int			sqlstate;

		if (pgtsdb_worker_unit(worker, "drop an expired partition", drop_leaf, &step))
		{
			dropped |= step.more;
			continue;
		}
		pgtsdb_worker_last_error(worker, &sqlstate);
		step.more = sqlstate != ERRCODE_LOCK_NOT_AVAILABLE && step.leaf != last;
	}
	return dropped;
}

static void
drop_leaf(PgtsdbWorker *worker, void *arg)
{
	DropStep   *step = arg;

	step->more = pgtsdb_drop_expired_leaf(&step->leaf);
}

/* Goes on with the sweep for a while.  What could not be locked, or failed, is left for the next sweep. */
static void
remove_empty_series(PgtsdbWorker *worker, RemovalStep *step)
{
	TimestampTz began = GetCurrentTimestamp();

	while (step->more && !TimestampDifferenceExceeds(began, GetCurrentTimestamp(), REMOVAL_TIME_MS))
	{
		PgtsdbSeriesSweep before = step->sweep;

		if (!pgtsdb_worker_unit(worker, "remove series without samples", remove_some, step))
			step->more = step->sweep.part != before.part || step->sweep.group_id != before.group_id;
		if (step->sweep.retired > before.retired)
			pgtsdb_worker_wait(worker, REMOVAL_PAUSE_MS);
	}
}

static void
remove_some(PgtsdbWorker *worker, void *arg)
{
	RemovalStep *step = arg;

	step->more = pgtsdb_series_sweep_step(&step->sweep);
}

static void
keep_notes(PgtsdbWorker *worker, void *arg)
{
	PgtsdbCaller caller;

	pgtsdb_act_as_owner(&caller);
	pgtsdb_late_writes_maintain();
	pgtsdb_act_as_caller(&caller);
}

static void
freeze_closed_leaves(PgtsdbWorker *worker)
{
	List	   *leaves = NIL;
	ListCell   *cell;
	MemoryContext context = AllocSetContextCreate(worker->context, "closed leaves", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	/* The unit's own memory goes away with the next unit, and there is one per leaf. */
	if (pgtsdb_worker_unit(worker, "look for closed partitions", list_closed_leaves, &leaves))
	{
		MemoryContextSwitchTo(context);
		leaves = list_copy(leaves);
		foreach(cell, leaves)
			if (pgtsdb_worker_unit(worker, "freeze a closed partition", freeze_leaf, &lfirst_oid(cell)))
				shrink_leaf(worker, lfirst_oid(cell));
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

static void
list_closed_leaves(PgtsdbWorker *worker, void *arg)
{
	List	  **leaves = arg;

	if (!pgtsdb_storage_exists())
		return;
	MemoryContextSwitchTo(worker->unit_context);
	*leaves = pgtsdb_closed_leaves(GetCurrentTimestamp());
}

/* What is moved within the partition is frozen by another VACUUM, which cuts the end off. */
static void
shrink_leaf(PgtsdbWorker *worker, Oid leaf)
{
	PgtsdbShrink shrink = {.leaf = leaf};
	ShrinkStep	step = {&shrink, true};

	step.more = pgtsdb_worker_unit(worker, "look for free space in a closed partition", plan_shrink, &step);
	while (step.more)
		if (!pgtsdb_worker_unit(worker, "move rows of a closed partition", shrink_some, &step))
			break;
	if (shrink.rows > 0)
		pgtsdb_worker_unit(worker, "freeze a closed partition", freeze_leaf, &leaf);
}

static void
plan_shrink(PgtsdbWorker *worker, void *arg)
{
	ShrinkStep *step = arg;

	pgtsdb_shrink_start(step->shrink, step->shrink->leaf);
}

static void
shrink_some(PgtsdbWorker *worker, void *arg)
{
	ShrinkStep *step = arg;

	step->more = pgtsdb_shrink_step(step->shrink);
}

/*
 * VACUUM (FREEZE) as a client would send it.  It commits the transaction of the
 * unit and begins others, so what it is given lives in the unit's context; it keeps its own
 * memory under PortalContext, which a background worker does not have.
 */
static void
freeze_leaf(PgtsdbWorker *worker, void *arg)
{
	Oid			leaf = *(Oid *) arg;
	VacuumStmt *statement;
	MemoryContext previous_portal = PortalContext;
	char	   *name = get_rel_name(leaf);

	if (name == NULL)
		return;					/* retention was faster */
	MemoryContextSwitchTo(worker->unit_context);
	statement = makeNode(VacuumStmt);
	/* dead entries of the index would keep pages from being all-frozen, and the leaf on our list */
	statement->options = list_make3(makeDefElem("freeze", NULL, -1), makeDefElem("truncate", NULL, -1),
									makeDefElem("index_cleanup", (Node *) makeString("on"), -1));
	statement->rels = list_make1(makeVacuumRelation(NULL, leaf, NIL));
	statement->is_vacuumcmd = true;

	PortalContext = worker->unit_context;
	PG_TRY();
	{
		ExecVacuum(make_parsestate(NULL), statement, true);
	}
	PG_FINALLY();
	{
		PortalContext = previous_portal;
	}
	PG_END_TRY();
}
