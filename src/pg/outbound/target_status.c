/*
 * target_status.c
 *		The last scrape of each target, in shared memory.
 *
 * What changes with every scrape is not worth a row version: it may be lost with
 * the server, and is then unknown until the next scrape.  A hash table of fixed
 * size, keyed by database and target, under one lock: it is taken once per scrape and
 * held for the copy of one entry.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/outbound/outbound.h"

#define TRANCHE "pgtsdb_targets"

typedef struct StatusKey
{
	Oid			database;
	pg_uuid_t	target_id;
} StatusKey;

typedef struct StatusEntry
{
	StatusKey	key;			/* first, for dynahash */
	PgtsdbTargetStatus status;
} StatusEntry;

StaticAssertDecl(sizeof(StatusKey) == sizeof(Oid) + UUID_LEN, "a key with padding cannot be hashed as bytes");

static HTAB *entries;			/* NULL without shared_preload_libraries */
static LWLock *lock;
static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

static void
request_memory(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	RequestAddinShmemSpace(hash_estimate_size(pgtsdb_max_targets, sizeof(StatusEntry)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

static void
attach(void)
{
	HASHCTL		control = {.keysize = sizeof(StatusKey), .entrysize = sizeof(StatusEntry)};

	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	entries = ShmemInitHash("pgtsdb targets", pgtsdb_max_targets, pgtsdb_max_targets, &control, HASH_ELEM | HASH_BLOBS);
	lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	LWLockRelease(AddinShmemInitLock);
}

void
pgtsdb_target_status_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = attach;
}

void
pgtsdb_target_status_set(const PgtsdbTargetStatus *status)
{
	StatusKey	key = {.database = MyDatabaseId, .target_id = status->target_id};
	StatusEntry *entry;

	if (entries == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	/* the table is shared memory that cannot grow */
	entry = hash_search(entries, &key, HASH_ENTER_NULL, NULL);
	if (entry != NULL)
		entry->status = *status;
	LWLockRelease(lock);
}

void
pgtsdb_target_status_forget(const pg_uuid_t *target_id)
{
	StatusKey	key = {.database = MyDatabaseId, .target_id = *target_id};

	if (entries == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	hash_search(entries, &key, HASH_REMOVE, NULL);
	LWLockRelease(lock);
}

static Datum
status_row(const PgtsdbTargetStatus *status, TupleDesc desc)
{
	Datum		values[] = {
		CStringGetTextDatum(status->up ? "up" : "down"),
		TimestampTzGetDatum(status->last_scrape),
		Float8GetDatum(status->duration),
		Int64GetDatum(status->samples),
		Int64GetDatum(status->series),
		Int64GetDatum(status->rejected),
		CStringGetTextDatum(status->error),
	};
	bool		nulls[lengthof(values)] = {false};

	nulls[lengthof(values) - 1] = status->error[0] == '\0';
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

PG_FUNCTION_INFO_V1(pgtsdb_sql_target_status);

/* Who may know the id of a target may know how it is: tsdb.scrape_targets has the row policy. */
Datum
pgtsdb_sql_target_status(PG_FUNCTION_ARGS)
{
	StatusKey	key = {.database = MyDatabaseId, .target_id = *PG_GETARG_UUID_P(0)};
	const StatusEntry *entry;
	PgtsdbTargetStatus status;
	TupleDesc	desc;

	if (entries == NULL)
		PG_RETURN_NULL();
	LWLockAcquire(lock, LW_SHARED);
	entry = hash_search(entries, &key, HASH_FIND, NULL);
	if (entry != NULL)
		status = entry->status;
	LWLockRelease(lock);
	if (entry == NULL)
		PG_RETURN_NULL();

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return status_row(&status, BlessTupleDesc(desc));
}
