/*
 * worker.c
 *		The life of a background worker: start, units, waiting, end.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "core/base/base.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/storage/locks.h"
#include "pg/tenant.h"
#include "pg/worker/worker_internal.h"

/* A unit that fails again and again with one message fills no log: it is reported once in this time. */
#define REPORT_AGAIN_MS (60 * 1000)
#define REPORTS 16

static struct
{
	uint32		hash;			/* of the unit and the message */
	TimestampTz at;
}			reports[REPORTS];	/* the oldest is forgotten first */

static char last_error_message[PGTSDB_WORKER_ERROR_LENGTH];
static int	last_error_sqlstate;

static void check_build(uint64 build_id);
static void connect_to_database(PgtsdbWorker *worker);
static void take_session_lock(PgtsdbWorker *worker);
static void describe_unit(void *arg);
static void begin_unit(PgtsdbWorker *worker, int timeout_ms);
static void end_unit(void);
static void report_failure(PgtsdbWorker *worker, const char *activity);
static bool was_reported(const char *activity, const char *message);
pg_noreturn static void leave(PgtsdbWorker *worker, const char *reason);
static bool needs_extension(const PgtsdbWorker *worker);
static bool somebody_waits_for_database(void);

PgtsdbWorker *
pgtsdb_worker_start_build(Datum main_arg, PgtsdbWorkerKind kind, uint64 build_id)
{
	PgtsdbWorker *worker = MemoryContextAllocZero(TopMemoryContext, sizeof(PgtsdbWorker));

	check_build(build_id);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	worker->kind = kind;
	if (!pgtsdb_worker_attach(DatumGetInt32(main_arg), kind, &worker->shared))
	{
		ereport(LOG,
				(errmsg("pgtsdb %s was not started by the launcher", pgtsdb_worker_kind_name(kind))));
		proc_exit(1);
	}
	worker->slot = worker->shared->slot;
	worker->n_slots = worker->shared->n_slots;
	connect_to_database(worker);
	take_session_lock(worker);

	/* Both live as long as the process. */
	worker->context = AllocSetContextCreate(TopMemoryContext, "pgtsdb worker", ALLOCSET_DEFAULT_SIZES);
	worker->unit_context = AllocSetContextCreate(TopMemoryContext, "pgtsdb unit of work", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(worker->context);

	pgtsdb_worker_beat(worker->shared, PGTSDB_STATE_IDLE);
	pgstat_report_activity(STATE_IDLE, NULL);
	return worker;
}

/* The caller's build is that of its library, which may be newer than the pgtsdb.so of the postmaster. */
static void
check_build(uint64 build_id)
{
	if (pgtsdb_worker_shared == NULL)
		ereport(FATAL,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pgtsdb workers need shared memory"),
				 errhint("Add pgtsdb to \"shared_preload_libraries\" and restart the server.")));
	if (pgtsdb_worker_shared->build_id != build_id)
		ereport(FATAL,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the libraries of pgtsdb were replaced while the server was running"),
				 errhint("Restart the server.")));
}

static void
connect_to_database(PgtsdbWorker *worker)
{
	char		application[NAMEDATALEN];

	if (worker->kind == PGTSDB_WORKER_LAUNCHER)
		BackgroundWorkerInitializeConnection(NULL, NULL, 0);	/* shared catalogs only */
	else
		BackgroundWorkerInitializeConnectionByOid(worker->shared->database, InvalidOid, 0);

	snprintf(application, sizeof(application), "pgtsdb %s", pgtsdb_worker_kind_name(worker->kind));
	SetConfigOption("application_name", application, PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_OVERRIDE);
	/* A limit that an administrator gave to people's sessions is not for us: units have their own. */
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	if (GetConfigOption("transaction_timeout", true, false) != NULL)	/* PostgreSQL 17 */
		SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_OVERRIDE);
}

/*
 * The slot alone keeps two workers of one job apart; the lock shows who it is in
 * pg_locks, and holds even if the launcher should be mistaken.
 */
static void
take_session_lock(PgtsdbWorker *worker)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, worker->kind, worker->slot, PGTSDB_LOCK_WORKER);
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		leave(worker, "another one is running");
}

/* ---- units ---- */

bool
pgtsdb_worker_unit(PgtsdbWorker *worker, const char *activity, PgtsdbUnit work, void *arg)
{
	return pgtsdb_worker_unit_timed(worker, activity, 0, work, arg);
}

bool
pgtsdb_worker_unit_timed(PgtsdbWorker *worker, const char *activity, int timeout_ms,
						 PgtsdbUnit work, void *arg)
{
	ErrorContextCallback context = {error_context_stack, describe_unit, unconstify(char *, activity)};
	volatile bool done = false;

	pgtsdb_worker_poll(worker);
	MemoryContextReset(worker->unit_context);
	pgtsdb_worker_beat(worker->shared, PGTSDB_STATE_WORKING);
	pgstat_report_activity(STATE_RUNNING, activity);

	PG_TRY();
	{
		error_context_stack = &context;
		begin_unit(worker, timeout_ms);
		work(worker, arg);
		end_unit();
		error_context_stack = context.previous;
		done = true;
	}
	PG_CATCH();
	{
		report_failure(worker, activity);
	}
	PG_END_TRY();

	if (done)
		pgtsdb_worker_count_unit(worker->shared);
	MemoryContextSwitchTo(worker->context);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	pgtsdb_worker_beat(worker->shared, PGTSDB_STATE_IDLE);
	return done;
}

static void
describe_unit(void *arg)
{
	errcontext("%s", (const char *) arg);
}

static void
begin_unit(PgtsdbWorker *worker, int timeout_ms)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (timeout_ms > 0)
		enable_timeout_after(STATEMENT_TIMEOUT, timeout_ms);
	if (needs_extension(worker) && !pgtsdb_lock_extension(AccessShareLock))
	{
		CommitTransactionCommand();
		pgtsdb_worker_report_database(PGTSDB_DATABASE_ABSENT, false);
		leave(worker, "the extension was dropped");
	}
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Work may have committed and begun another transaction, and then it popped the snapshot. */
static void
end_unit(void)
{
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	disable_timeout(STATEMENT_TIMEOUT, false);
	if (IsTransactionState())
		CommitTransactionCommand();
}

/* As PostgresMain() cleans up, but the worker goes on with its next unit. */
static void
report_failure(PgtsdbWorker *worker, const char *activity)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	MemoryContextSwitchTo(worker->unit_context);
	error = CopyErrorData();
	if (!was_reported(activity, error->message))
		EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();

	MemoryContextSwitchTo(worker->unit_context);
	last_error_sqlstate = error->sqlerrcode;
	tsdb_utf8_copy(last_error_message, sizeof(last_error_message), error->message);
	pgtsdb_worker_count_error(worker->shared, last_error_message);
	FreeErrorData(error);
	RESUME_INTERRUPTS();
}

static bool
was_reported(const char *activity, const char *message)
{
	TimestampTz now = GetCurrentTimestamp();
	uint32		hash = hash_combine(hash_bytes((const unsigned char *) activity, strlen(activity)),
									hash_bytes((const unsigned char *) message, strlen(message)));
	int			oldest = 0;

	for (int i = 0; i < REPORTS; i++)
	{
		if (reports[i].hash == hash && !TimestampDifferenceExceeds(reports[i].at, now, REPORT_AGAIN_MS))
			return true;
		if (reports[i].at < reports[oldest].at)
			oldest = i;
	}
	reports[oldest].hash = hash;
	reports[oldest].at = now;
	return false;
}

const char *
pgtsdb_worker_last_error(const PgtsdbWorker *worker, int *sqlstate)
{
	if (sqlstate != NULL)
		*sqlstate = last_error_sqlstate;
	return last_error_message;
}

/* ---- between units ---- */

bool
pgtsdb_worker_wait(PgtsdbWorker *worker, long timeout_ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Max(timeout_ms, 0));

	for (;;)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
		int			events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
									   Min(left, PGTSDB_WORKER_BEAT_MS), PG_WAIT_EXTENSION);

		if (events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (pgtsdb_worker_poll(worker) || (events & WL_LATCH_SET))
			return true;
		if (left <= PGTSDB_WORKER_BEAT_MS)
			return false;
	}
}

bool
pgtsdb_worker_poll(PgtsdbWorker *worker)
{
	static TimestampTz last_check = 0;
	TimestampTz now;
	bool		reloaded = false;

	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		reloaded = true;
	}
	worker->n_slots = worker->shared->n_slots;
	if (worker->shared->stop)
		leave(worker, "the launcher asked for it");

	now = GetCurrentTimestamp();
	if (TimestampDifferenceExceeds(last_check, now, PGTSDB_WORKER_BEAT_MS / 2))
	{
		last_check = now;
		pgtsdb_worker_beat(worker->shared, PGTSDB_STATE_IDLE);
		if (OidIsValid(MyDatabaseId) && somebody_waits_for_database())
			leave(worker, "somebody wants the database for itself");
	}
	return reloaded;
}

int
pgtsdb_backoff_ms(int failures, int base_ms, int max_ms)
{
	int64		full = base_ms;

	for (int i = 0; i < failures && full < max_ms; i++)
		full *= 2;
	full = Min(full, max_ms);
	return (int) (full / 2 + pg_prng_double(&pg_global_prng_state) * (double) (full - full / 2));
}

static void
leave(PgtsdbWorker *worker, const char *reason)
{
	ereport(LOG,
			(errmsg("pgtsdb %s %d ends: %s", pgtsdb_worker_kind_name(worker->kind), worker->slot, reason)));
	proc_exit(1);
}

static bool
needs_extension(const PgtsdbWorker *worker)
{
	return worker->kind != PGTSDB_WORKER_LAUNCHER && worker->kind != PGTSDB_WORKER_PROBE;
}

/*
 * DROP DATABASE, ALTER DATABASE RENAME and CREATE DATABASE .. TEMPLATE hold a lock on the database that
 * RowExclusiveLock conflicts with, and wait up to 5 s for its sessions to end before they give up.  Nobody
 * tells the sessions, so we look.  A restarted worker waits for the same lock before it counts as connected.
 */
static bool
somebody_waits_for_database(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, true);
	return false;
}
