/*
 * worker.h
 *		The life of a background worker: what every worker does, whatever its job is.
 *
 * A worker's main function is short:
 *
 *		PGDLLEXPORT void
 *		pgtsdb_ruler_main(Datum main_arg)
 *		{
 *			PgtsdbWorker *worker = pgtsdb_worker_start(main_arg, PGTSDB_WORKER_RULER);
 *
 *			for (;;)
 *			{
 *				long		pause = evaluate_what_is_due(worker);
 *
 *				pgtsdb_worker_wait(worker, pause);
 *			}
 *		}
 *
 * and its work is a series of units.  A unit is one transaction that either
 * commits or leaves nothing but a line in the log and in tsdb.worker_status;
 * pgtsdb_worker_unit() never throws, so one bad unit does not stop the next.  No
 * transaction is open between units, and nothing waits on the network inside one.
 *
 * Only the launcher starts workers.  They end when the postmaster dies, when they are
 * told to, when the extension or the database goes away, and never with exit code 0.
 * README.md in this folder tells how the processes work together.
 */
#ifndef PGTSDB_WORKER_H
#define PGTSDB_WORKER_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "pg/compat.h"

typedef enum PgtsdbWorkerKind
{
	PGTSDB_WORKER_LAUNCHER,
	PGTSDB_WORKER_PROBE,		/* looks whether a database has the extension, and ends */
	PGTSDB_WORKER_SCRAPER,
	PGTSDB_WORKER_COMPACTOR,
	PGTSDB_WORKER_RULER,
	PGTSDB_WORKER_NOTIFIER,
	PGTSDB_WORKER_FORWARDER,
	PGTSDB_WORKER_GATEWAY		/* a program of its own, not a process of the server */
} PgtsdbWorkerKind;

#define PGTSDB_WORKER_KINDS (PGTSDB_WORKER_GATEWAY + 1)

/*
 * Written to shared memory by the postmaster's pgtsdb.so and compared by every
 * process before it touches anything there: a library that was replaced on disk under a
 * running server must not meet structures it does not know.  Raise the number whenever
 * a structure in shared memory changes.
 */
#define PGTSDB_SHARED_LAYOUT 3
#define PGTSDB_BUILD_ID (((uint64) PGTSDB_BUILT_FOR << 32) | PGTSDB_SHARED_LAYOUT)

/* ---- the life of a worker (worker.c) ---- */

typedef struct PgtsdbWorker
{
	PgtsdbWorkerKind kind;
	int			slot;			/* 0 .. n - 1 among the workers of this kind in this database */
	int			n_slots;		/* n: kept up to date with pgtsdb.scrapers */
	MemoryContext context;		/* lives as long as the worker */
	MemoryContext unit_context; /* reset before each unit; outlives the unit's transaction */
	struct PgtsdbWorkerSlot *shared;
} PgtsdbWorker;

/*
 * First call of a main function: checks the build id, takes the slot that main_arg names,
 * sets signal handlers, connects to the database and takes the session lock of (database,
 * kind, slot).  Does not return when any of these fails.
 */
#define pgtsdb_worker_start(main_arg, kind) pgtsdb_worker_start_build((main_arg), (kind), PGTSDB_BUILD_ID)
extern PgtsdbWorker *pgtsdb_worker_start_build(Datum main_arg, PgtsdbWorkerKind kind, uint64 build_id);

/*
 * Runs work(arg) in a transaction of its own with an active snapshot, and
 * commits it.  `activity` shows in pg_stat_activity.  False: it failed, was reported and
 * counted, and is rolled back.  DROP EXTENSION waits for the unit, and a worker whose
 * extension is gone ends here.  The current memory context in work() is that of the
 * transaction; what shall outlive it goes to worker->unit_context.
 */
typedef void (*PgtsdbUnit) (PgtsdbWorker *worker, void *arg);
extern bool pgtsdb_worker_unit(PgtsdbWorker *worker, const char *activity, PgtsdbUnit work, void *arg);

/* The same with a limit on its time; then it fails like any other unit. */
extern bool pgtsdb_worker_unit_timed(PgtsdbWorker *worker, const char *activity, int timeout_ms,
									 PgtsdbUnit work, void *arg);

/* The last failure of a unit of this worker: message and SQLSTATE; valid until the next one. */
extern const char *pgtsdb_worker_last_error(const PgtsdbWorker *worker, int *sqlstate);

/*
 * Sleeps until the latch is set, the time has passed or the postmaster dies, and then
 * does what pgtsdb_worker_poll() does.  True: the latch was set, or the configuration read again.  A worker that waits on other descriptors waits
 * there, on MyLatch too, for at most PGTSDB_WORKER_BEAT_MS, and calls pgtsdb_worker_poll().
 */
extern bool pgtsdb_worker_wait(PgtsdbWorker *worker, long timeout_ms);

/*
 * Interrupts, a new configuration, the heartbeat; ends the worker when it shall stop or when somebody waits to
 * drop its database.  Outside transactions only.  True: the configuration was read again.
 */
extern bool pgtsdb_worker_poll(PgtsdbWorker *worker);

/* No worker sleeps longer than this without a heartbeat. */
#define PGTSDB_WORKER_BEAT_MS 1000

/* base_ms x 2^failures, at most max_ms, then drawn from [1/2, 1] of that, so that not all come back at once. */
extern int	pgtsdb_backoff_ms(int failures, int base_ms, int max_ms);

/* ---- waking (shared.c) ---- */

/*
 * Sets the latch of the workers of this kind in the current database.  Safe
 * in any state; does nothing when there are none.
 */
extern void pgtsdb_wake_worker(PgtsdbWorkerKind kind);
/* The same as soon as the current transaction has committed, and not if it aborts. */
extern void pgtsdb_wake_worker_at_commit(PgtsdbWorkerKind kind);

/* ---- start of the server (launcher.c) ---- */

/* From _PG_init() under shared_preload_libraries: shared memory and the launcher. */
extern void pgtsdb_worker_init(void);

#endif							/* PGTSDB_WORKER_H */
