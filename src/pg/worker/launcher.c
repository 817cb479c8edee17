/*
 * launcher.c
 *		Starts and watches the workers of every database that has the extension.
 *
 * The postmaster starts one launcher per cluster.  For each database that
 * pgtsdb.databases names:
 *
 *		unknown, absent --(probe: a short-lived worker that looks for the extension)--> present | absent
 *		present --(a worker finds the extension gone)--> absent
 *
 * and while it is present, one worker per slot of each program below.  A
 * worker that ended is started again after a back-off that doubles with each
 * early end.  The postmaster itself never restarts them.  All of the launcher's knowledge is in the
 * slots in shared memory, so a launcher that is started again goes on with the workers it finds.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "pg/guc.h"
#include "pg/storage/outbox.h"
#include "pg/tenant.h"
#include "pg/worker/worker_internal.h"

#define RESTART_MAX_MS (60 * 1000)
/* A worker that lived this long was well: its next end counts as the first. */
#define HEALTHY_MS (60 * 1000)
/* How long a registered worker may take to show up when nobody holds its handle. */
#define START_LIMIT_MS (60 * 1000)

/* What runs in a database.  Probes are not listed: they come and go. */
static const struct
{
	PgtsdbWorkerKind kind;
	const char *library;
	const char *function;
	const int  *instances;		/* NULL: one */
}			programs[] =
{
	{PGTSDB_WORKER_COMPACTOR, "pgtsdb", "pgtsdb_compactor_main", NULL},
	{PGTSDB_WORKER_RULER, "pgtsdb", "pgtsdb_ruler_main", NULL},
	{PGTSDB_WORKER_SCRAPER, "pgtsdb_scraper", "pgtsdb_scraper_main", &pgtsdb_scrapers},
	{PGTSDB_WORKER_NOTIFIER, "pgtsdb_scraper", "pgtsdb_notifier_main", NULL},
	{PGTSDB_WORKER_FORWARDER, "pgtsdb_scraper", "pgtsdb_forwarder_main", NULL},
};

/* Handles of what this process registered; they tell of workers that ended before they could attach. */
static BackgroundWorkerHandle *handles[PGTSDB_MAX_WORKERS];

/* A database as pgtsdb.databases names it, with its oid. */
typedef struct NamedDatabase
{
	Oid			oid;
	NameData	name;
} NamedDatabase;

typedef struct DatabaseList
{
	int			n;
	NamedDatabase databases[PGTSDB_MAX_DATABASES];
} DatabaseList;

PGDLLEXPORT void pgtsdb_launcher_main(Datum main_arg);
PGDLLEXPORT void pgtsdb_probe_main(Datum main_arg);

static void wake_forwarder(void);
static void read_database_list(PgtsdbWorker *worker, void *arg);
static bool is_named(List *names, const char *name);
static void adopt_database_list(const DatabaseList *list);
static PgtsdbDatabaseSlot *find_database(Oid oid);
static void forget_stopped_workers(TimestampTz now);
static void tend_database(PgtsdbDatabaseSlot *database, TimestampTz now);
static void tend_program(PgtsdbDatabaseSlot *database, int program, TimestampTz now);
static bool is_installed(const char *library);
static void stop_workers_of(Oid database, const PgtsdbWorkerKind *kind, int first_slot);
static int	find_worker(Oid database, PgtsdbWorkerKind kind, int slot);
static int	take_free_slot(const PgtsdbDatabaseSlot *database, PgtsdbWorkerKind kind, int slot);
static void start_worker(int index, const char *library, const char *function, TimestampTz now);
static void note_end(int index, TimestampTz now);

/* ---- start of the server ---- */

void
pgtsdb_worker_init(void)
{
	BackgroundWorker launcher = {0};

	pgtsdb_worker_shared_init();
	if (IsBinaryUpgrade)
		return;
	pgtsdb_outbox_filled = wake_forwarder;

	strlcpy(launcher.bgw_name, "pgtsdb launcher", BGW_MAXLEN);
	strlcpy(launcher.bgw_type, "pgtsdb launcher", BGW_MAXLEN);
	launcher.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	launcher.bgw_start_time = BgWorkerStart_RecoveryFinished;
	launcher.bgw_restart_time = 1;
	strlcpy(launcher.bgw_library_name, "pgtsdb", BGW_MAXLEN);
	strlcpy(launcher.bgw_function_name, "pgtsdb_launcher_main", BGW_MAXLEN);
	launcher.bgw_main_arg = Int32GetDatum(PGTSDB_LAUNCHER_SLOT);
	RegisterBackgroundWorker(&launcher);
}

static void
wake_forwarder(void)
{
	pgtsdb_wake_worker_at_commit(PGTSDB_WORKER_FORWARDER);
}

/* ---- the launcher ---- */

void
pgtsdb_launcher_main(Datum main_arg)
{
	PgtsdbWorker *worker = pgtsdb_worker_start(main_arg, PGTSDB_WORKER_LAUNCHER);
	DatabaseList *list = MemoryContextAllocZero(worker->context, sizeof(DatabaseList));
	TimestampTz list_due = 0;

	pgtsdb_gateway_init();
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (now >= list_due)
		{
			list_due = TimestampTzPlusMilliseconds(now, pgtsdb_launcher_interval);
			if (pgtsdb_worker_unit(worker, "read pgtsdb.databases", read_database_list, list))
				adopt_database_list(list);
		}
		forget_stopped_workers(now);
		for (int i = 0; i < PGTSDB_MAX_DATABASES; i++)
			if (OidIsValid(pgtsdb_worker_shared->databases[i].oid))
				tend_database(&pgtsdb_worker_shared->databases[i], now);
		pgtsdb_gateway_tend();

		/* The end of a worker sets our latch; a restart that waits for its time is at most this late. */
		if (pgtsdb_worker_wait(worker, Min(pgtsdb_launcher_interval, pgtsdb_worker_restart_interval)))
			list_due = 0;
	}
}

static void
read_database_list(PgtsdbWorker *worker, void *arg)
{
	DatabaseList *list = arg;
	List	   *names;
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;

	list->n = 0;
	if (!SplitIdentifierString(pstrdup(pgtsdb_databases), ',', &names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid list of names in \"pgtsdb.databases\": \"%s\"", pgtsdb_databases)));

	/*
	 * Without an index: a process that is in no database can use those of
	 * pg_database only while the server's relation cache file happens to exist.
	 */
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (!database->datallowconn || !is_named(names, NameStr(database->datname)))
			continue;
		if (list->n == PGTSDB_MAX_DATABASES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("\"pgtsdb.databases\" names more than %d databases", PGTSDB_MAX_DATABASES)));
		list->databases[list->n].oid = database->oid;
		list->databases[list->n].name = database->datname;
		list->n++;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

static bool
is_named(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

/* Only the launcher changes which databases there are; the lock is for those who look. */
static void
adopt_database_list(const DatabaseList *list)
{
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PGTSDB_MAX_DATABASES; i++)
		pgtsdb_worker_shared->databases[i].wanted = false;
	for (int i = 0; i < list->n; i++)
	{
		PgtsdbDatabaseSlot *database = find_database(list->databases[i].oid);

		if (database == NULL)
			database = find_database(InvalidOid);
		if (database == NULL)
			break;				/* full of databases whose workers are about to end */
		if (!OidIsValid(database->oid))
		{
			memset(database, 0, sizeof(*database));
			database->oid = list->databases[i].oid;
		}
		database->name = list->databases[i].name;
		database->wanted = true;
	}
	LWLockRelease(pgtsdb_worker_shared->lock);
}

static PgtsdbDatabaseSlot *
find_database(Oid oid)
{
	for (int i = 0; i < PGTSDB_MAX_DATABASES; i++)
		if (pgtsdb_worker_shared->databases[i].oid == oid)
			return &pgtsdb_worker_shared->databases[i];
	return NULL;
}

/* Those that ended without a word: the program could not be loaded, or no process could be forked. */
static void
forget_stopped_workers(TimestampTz now)
{
	for (int i = PGTSDB_LAUNCHER_SLOT + 1; i < PGTSDB_MAX_WORKERS; i++)
	{
		PgtsdbWorkerSlot *slot = &pgtsdb_worker_shared->workers[i];
		bool		ended = slot->state == PGTSDB_STATE_STOPPED && slot->restart_at == 0;
		pid_t		pid;

		if (slot->state == PGTSDB_STATE_STARTING && slot->pid == 0)
		{
			if (handles[i] != NULL)
				ended = GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED;
			else
				ended = TimestampDifferenceExceeds(slot->registered_at, now, START_LIMIT_MS);
		}
		if (ended)
			note_end(i, now);
	}
}

static void
tend_database(PgtsdbDatabaseSlot *database, TimestampTz now)
{
	int			probe;

	if (!database->wanted || database->state != PGTSDB_DATABASE_PRESENT)
		stop_workers_of(database->oid, NULL, 0);
	if (!database->wanted)
	{
		for (int i = 0; i < PGTSDB_MAX_WORKERS; i++)
			if (pgtsdb_worker_shared->workers[i].state != PGTSDB_STATE_FREE &&
				pgtsdb_worker_shared->workers[i].database == database->oid)
				return;			/* again when they have ended */
		LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
		database->oid = InvalidOid;
		LWLockRelease(pgtsdb_worker_shared->lock);
		return;
	}

	if (database->state == PGTSDB_DATABASE_PRESENT)
	{
		for (int program = 0; program < lengthof(programs); program++)
			tend_program(database, program, now);
		return;
	}

	if (find_worker(database->oid, PGTSDB_WORKER_PROBE, 0) >= 0 || now < database->probe_at)
		return;
	database->probe_at = TimestampTzPlusMilliseconds(now, pgtsdb_launcher_interval);
	probe = take_free_slot(database, PGTSDB_WORKER_PROBE, 0);
	if (probe >= 0)
		start_worker(probe, "pgtsdb", "pgtsdb_probe_main", now);
}

static void
tend_program(PgtsdbDatabaseSlot *database, int program, TimestampTz now)
{
	int			instances = programs[program].instances == NULL ? 1 : *programs[program].instances;

	if (!is_installed(programs[program].library) ||
		(programs[program].kind == PGTSDB_WORKER_FORWARDER && !database->forwards))
		instances = 0;
	stop_workers_of(database->oid, &programs[program].kind, instances);
	for (int slot = 0; slot < instances; slot++)
	{
		int			index = find_worker(database->oid, programs[program].kind, slot);

		if (index < 0)
			index = take_free_slot(database, programs[program].kind, slot);
		if (index < 0)
			return;
		pgtsdb_worker_shared->workers[index].n_slots = instances;
		if (pgtsdb_worker_shared->workers[index].state == PGTSDB_STATE_STOPPED &&
			pgtsdb_worker_shared->workers[index].restart_at <= now)
			start_worker(index, programs[program].library, programs[program].function, now);
	}
}

/* A server without libcurl may do without pgtsdb_scraper. */
static bool
is_installed(const char *library)
{
	char		path[MAXPGPATH];

	snprintf(path, sizeof(path), "%s/%s%s", pkglib_path, library, DLSUFFIX);
	return access(path, R_OK) == 0;
}

/* Those of one kind from a slot on, or all of a database; those that have ended give their slot back. */
static void
stop_workers_of(Oid database, const PgtsdbWorkerKind *kind, int first_slot)
{
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = PGTSDB_LAUNCHER_SLOT + 1; i < PGTSDB_MAX_WORKERS; i++)
	{
		PgtsdbWorkerSlot *slot = &pgtsdb_worker_shared->workers[i];

		if (slot->state == PGTSDB_STATE_FREE || slot->database != database ||
			slot->kind == PGTSDB_WORKER_PROBE || slot->slot < first_slot ||
			(kind != NULL && slot->kind != *kind))
			continue;
		if (slot->state == PGTSDB_STATE_STOPPED)
			slot->state = PGTSDB_STATE_FREE;
		slot->stop = true;
		if (slot->latch != NULL)
			SetLatch(slot->latch);
	}
	LWLockRelease(pgtsdb_worker_shared->lock);
}

static int
find_worker(Oid database, PgtsdbWorkerKind kind, int slot)
{
	for (int i = PGTSDB_LAUNCHER_SLOT + 1; i < PGTSDB_MAX_WORKERS; i++)
	{
		PgtsdbWorkerSlot *candidate = &pgtsdb_worker_shared->workers[i];

		if (candidate->state != PGTSDB_STATE_FREE && candidate->database == database &&
			candidate->kind == kind && candidate->slot == slot)
			return i;
	}
	return -1;
}

/* A slot in state "stopped", due at once; -1 when all are taken. */
static int
take_free_slot(const PgtsdbDatabaseSlot *database, PgtsdbWorkerKind kind, int slot)
{
	int			index = -1;

	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = PGTSDB_LAUNCHER_SLOT + 1; i < PGTSDB_MAX_WORKERS && index < 0; i++)
	{
		PgtsdbWorkerSlot *free_slot = &pgtsdb_worker_shared->workers[i];

		if (free_slot->state != PGTSDB_STATE_FREE)
			continue;
		index = i;
		memset(free_slot, 0, sizeof(*free_slot));
		free_slot->kind = kind;
		free_slot->slot = slot;
		free_slot->database = database->oid;
		free_slot->database_name = database->name;
		free_slot->state = PGTSDB_STATE_STOPPED;
		free_slot->restart_at = 1;	/* long past, but not "not yet decided" */
	}
	LWLockRelease(pgtsdb_worker_shared->lock);

	if (index < 0)
		ereport(LOG,
				(errmsg("all %d slots for pgtsdb workers are taken", PGTSDB_MAX_WORKERS)));
	return index;
}

static void
start_worker(int index, const char *library, const char *function, TimestampTz now)
{
	PgtsdbWorkerSlot *slot = &pgtsdb_worker_shared->workers[index];
	BackgroundWorker registration = {0};

	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	slot->state = PGTSDB_STATE_STARTING;
	slot->stop = false;
	slot->registered_at = now;
	slot->started_at = slot->restart_at = 0;
	LWLockRelease(pgtsdb_worker_shared->lock);

	snprintf(registration.bgw_name, BGW_MAXLEN, "pgtsdb %s %d for %s",
			 pgtsdb_worker_kind_name(slot->kind), slot->slot, NameStr(slot->database_name));
	snprintf(registration.bgw_type, BGW_MAXLEN, "pgtsdb %s", pgtsdb_worker_kind_name(slot->kind));
	registration.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	registration.bgw_start_time = BgWorkerStart_RecoveryFinished;
	registration.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(registration.bgw_library_name, library, BGW_MAXLEN);
	strlcpy(registration.bgw_function_name, function, BGW_MAXLEN);
	registration.bgw_main_arg = Int32GetDatum(index);
	registration.bgw_notify_pid = MyProcPid;

	if (handles[index] != NULL)
		pfree(handles[index]);
	handles[index] = NULL;
	if (!RegisterDynamicBackgroundWorker(&registration, &handles[index]))
	{
		const char *message = "could not register a background worker";

		ereport(LOG,
				(errmsg("%s for the pgtsdb %s of database \"%s\"", message,
						pgtsdb_worker_kind_name(slot->kind), NameStr(slot->database_name)),
				 errhint("Raise \"max_worker_processes\".")));
		pgtsdb_worker_count_error(slot, message);
		note_end(index, now);
	}
}

/* Decides when it is started again.  A probe has nothing to come back for, and its slot is free. */
static void
note_end(int index, TimestampTz now)
{
	PgtsdbWorkerSlot *slot = &pgtsdb_worker_shared->workers[index];
	bool		was_well;

	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	was_well = slot->started_at != 0 &&
		TimestampDifferenceExceeds(slot->started_at, slot->stopped_at, HEALTHY_MS);
	slot->failures = was_well ? 0 : slot->failures + 1;
	slot->restart_at = TimestampTzPlusMilliseconds(now,
												   pgtsdb_backoff_ms(slot->failures - 1, pgtsdb_worker_restart_interval, RESTART_MAX_MS));
	slot->state = slot->kind == PGTSDB_WORKER_PROBE ? PGTSDB_STATE_FREE : PGTSDB_STATE_STOPPED;
	LWLockRelease(pgtsdb_worker_shared->lock);
}

/* ---- the probe ---- */

typedef struct Finding
{
	PgtsdbDatabaseState state;
	bool		forwards;
} Finding;

static void
look_for_extension(PgtsdbWorker *worker, void *arg)
{
	Finding    *finding = arg;

	finding->state = OidIsValid(get_extension_oid("pgtsdb", true)) ? PGTSDB_DATABASE_PRESENT : PGTSDB_DATABASE_ABSENT;
	finding->forwards = finding->state == PGTSDB_DATABASE_PRESENT && pgtsdb_has_rows("remote_write_targets");
}

/* The one program that ends when its work is done, and then with exit code 0, which the server does not log. */
void
pgtsdb_probe_main(Datum main_arg)
{
	PgtsdbWorker *worker = pgtsdb_worker_start(main_arg, PGTSDB_WORKER_PROBE);
	Finding		finding = {PGTSDB_DATABASE_UNKNOWN, false};

	if (pgtsdb_worker_unit(worker, "look for the extension", look_for_extension, &finding))
		pgtsdb_worker_report_database(finding.state, finding.forwards);
	proc_exit(finding.state == PGTSDB_DATABASE_UNKNOWN ? 1 : 0);
}
