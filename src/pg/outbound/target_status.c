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

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/tuplestore.h"

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

/* The statuses of this database: nothing that may throw happens under the lock. */
static PgtsdbTargetStatus *
copy_all(int *n)
{
	/* a target that comes in between waits for the next call */
	int			room = (int) hash_get_num_entries(entries);
	PgtsdbTargetStatus *copies = palloc_array(PgtsdbTargetStatus, room);
	HASH_SEQ_STATUS scan;
	StatusEntry *entry;

	*n = 0;
	LWLockAcquire(lock, LW_SHARED);
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->key.database == MyDatabaseId && *n < room)
			copies[(*n)++] = entry->status;
	LWLockRelease(lock);
	return copies;
}

PG_FUNCTION_INFO_V1(pgtsdb_sql_target_status);

Datum
pgtsdb_sql_target_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PgtsdbTargetStatus *statuses;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	if (entries == NULL)
		return (Datum) 0;
	statuses = copy_all(&n);
	for (int i = 0; i < n; i++)
	{
		const PgtsdbTargetStatus *status = &statuses[i];
		Datum		values[] = {
			UUIDPGetDatum(&status->target_id),
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
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
