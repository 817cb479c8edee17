/*
 * shared.c
 *		The worker room's shared memory: slots, heartbeats, counters, and waking.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "core/base/base.h"
#include "pg/shared_memory.h"
#include "pg/worker/worker_internal.h"

#define LWLOCK_TRANCHE "pgtsdb workers"

PgtsdbWorkerShared *pgtsdb_worker_shared = NULL;

static PgtsdbWorkerSlot *my_slot = NULL;
static uint32 kinds_to_wake = 0;	/* bit per kind, for the commit of the current transaction */

static Size shared_size(void);
static void attach(void *memory, bool is_new);
static void detach(int code, Datum arg);
static bool is_known_to_forward(void);
static void ask_for_forwarder(void);
static void wake_in_database(PgtsdbWorkerKind kind, Oid database);
static void at_transaction_end(XactEvent event, void *arg);

void
pgtsdb_worker_shared_init(void)
{
	static PgtsdbSharedMemory memory = {
		.name = "pgtsdb workers", .size = shared_size, .attach = attach, .tranche = LWLOCK_TRANCHE
	};

	pgtsdb_want_shared_memory(&memory);
}

static Size
shared_size(void)
{
	return sizeof(PgtsdbWorkerShared);
}

static void
attach(void *memory, bool is_new)
{
	pgtsdb_worker_shared = memory;
	if (!is_new)
		return;
	pgtsdb_worker_shared->build_id = PGTSDB_BUILD_ID;
	pgtsdb_worker_shared->lock = &GetNamedLWLockTranche(LWLOCK_TRANCHE)->lock;
	pgtsdb_worker_shared->workers[PGTSDB_LAUNCHER_SLOT].kind = PGTSDB_WORKER_LAUNCHER;
	pgtsdb_worker_shared->workers[PGTSDB_LAUNCHER_SLOT].state = PGTSDB_STATE_STARTING;
}

bool
pgtsdb_worker_attach(int index, PgtsdbWorkerKind kind, PgtsdbWorkerSlot **slot)
{
	PgtsdbWorkerSlot *mine;
	bool		taken = true;

	if (index < 0 || index >= PGTSDB_MAX_WORKERS)
		return false;
	mine = &pgtsdb_worker_shared->workers[index];

	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	if (mine->pid == 0 && mine->kind == kind && mine->state != PGTSDB_STATE_FREE)
	{
		mine->pid = MyProcPid;
		mine->latch = MyLatch;
		mine->state = PGTSDB_STATE_STARTING;
		mine->started_at = mine->last_heartbeat = GetCurrentTimestamp();
		taken = false;
	}
	LWLockRelease(pgtsdb_worker_shared->lock);
	if (taken)
		return false;

	my_slot = mine;
	before_shmem_exit(detach, (Datum) 0);
	*slot = mine;
	return true;
}

/* However the process ends, short of a crash (which clears everything), the launcher hears of it. */
static void
detach(int code, Datum arg)
{
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	my_slot->pid = 0;
	my_slot->latch = NULL;
	my_slot->state = PGTSDB_STATE_STOPPED;
	my_slot->stopped_at = GetCurrentTimestamp();
	LWLockRelease(pgtsdb_worker_shared->lock);
	wake_in_database(PGTSDB_WORKER_LAUNCHER, InvalidOid);
}

void
pgtsdb_worker_beat(PgtsdbWorkerSlot *slot, PgtsdbWorkerState state)
{
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	slot->state = state;
	slot->last_heartbeat = now;
	LWLockRelease(pgtsdb_worker_shared->lock);
}

void
pgtsdb_worker_count_unit(PgtsdbWorkerSlot *slot)
{
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	slot->units_done++;
	LWLockRelease(pgtsdb_worker_shared->lock);
}

void
pgtsdb_worker_count_error(PgtsdbWorkerSlot *slot, const char *message)
{
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	slot->errors++;
	slot->last_error_at = now;
	tsdb_utf8_copy(slot->last_error, sizeof(slot->last_error), message);
	LWLockRelease(pgtsdb_worker_shared->lock);
}

/* That it forwards is not taken back by who has looked before the first target came. */
void
pgtsdb_worker_report_database(PgtsdbDatabaseState state, bool forwards)
{
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PGTSDB_MAX_DATABASES; i++)
	{
		PgtsdbDatabaseSlot *database = &pgtsdb_worker_shared->databases[i];

		if (database->oid != MyDatabaseId)
			continue;
		database->state = state;
		database->forwards = state == PGTSDB_DATABASE_PRESENT && (database->forwards || forwards);
	}
	LWLockRelease(pgtsdb_worker_shared->lock);
}

const char *
pgtsdb_worker_kind_name(PgtsdbWorkerKind kind)
{
	switch (kind)
	{
		case PGTSDB_WORKER_LAUNCHER:
			return "launcher";
		case PGTSDB_WORKER_PROBE:
			return "probe";
		case PGTSDB_WORKER_SCRAPER:
			return "scraper";
		case PGTSDB_WORKER_COMPACTOR:
			return "compactor";
		case PGTSDB_WORKER_RULER:
			return "ruler";
		case PGTSDB_WORKER_NOTIFIER:
			return "notifier";
		case PGTSDB_WORKER_FORWARDER:
			return "forwarder";
		case PGTSDB_WORKER_GATEWAY:
			return "gateway";
	}
	return "unknown";
}

/* ---- waking ---- */

void
pgtsdb_wake_worker(PgtsdbWorkerKind kind)
{
	if (pgtsdb_worker_shared == NULL || pgtsdb_worker_shared->build_id != PGTSDB_BUILD_ID)
		return;
	if (kind == PGTSDB_WORKER_FORWARDER && !is_known_to_forward())
		ask_for_forwarder();
	wake_in_database(kind, kind == PGTSDB_WORKER_LAUNCHER ? InvalidOid : MyDatabaseId);
}

static bool
is_known_to_forward(void)
{
	bool		known = true;

	LWLockAcquire(pgtsdb_worker_shared->lock, LW_SHARED);
	for (int i = 0; i < PGTSDB_MAX_DATABASES; i++)
		if (pgtsdb_worker_shared->databases[i].oid == MyDatabaseId)
			known = pgtsdb_worker_shared->databases[i].forwards;
	LWLockRelease(pgtsdb_worker_shared->lock);
	return known;
}

static void
ask_for_forwarder(void)
{
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PGTSDB_MAX_DATABASES; i++)
		if (pgtsdb_worker_shared->databases[i].oid == MyDatabaseId)
			pgtsdb_worker_shared->databases[i].forwards = true;
	LWLockRelease(pgtsdb_worker_shared->lock);
	wake_in_database(PGTSDB_WORKER_LAUNCHER, InvalidOid);
}

/* A latch outlives its process, as its PGPROC does: at worst a newer process wakes once for nothing. */
static void
wake_in_database(PgtsdbWorkerKind kind, Oid database)
{
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_SHARED);
	for (int i = 0; i < PGTSDB_MAX_WORKERS; i++)
	{
		PgtsdbWorkerSlot *slot = &pgtsdb_worker_shared->workers[i];

		if (slot->latch != NULL && slot->kind == kind && slot->database == database)
			SetLatch(slot->latch);
	}
	LWLockRelease(pgtsdb_worker_shared->lock);
}

void
pgtsdb_wake_worker_at_commit(PgtsdbWorkerKind kind)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
	kinds_to_wake |= UINT32_C(1) << kind;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	uint32		kinds = kinds_to_wake;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	kinds_to_wake = 0;
	if (event != XACT_EVENT_COMMIT)
		return;
	for (int kind = 0; kind < PGTSDB_WORKER_KINDS; kind++)
		if (kinds & (UINT32_C(1) << kind))
			pgtsdb_wake_worker(kind);
}
