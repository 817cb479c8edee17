/*
 * rule_status.c
 *		How the last evaluation of each rule went, in shared memory.
 *
 * A hash table of fixed size, keyed by database and rule.  A server restart
 * forgets it, and a rule that finds no room has no status; neither changes what rules do.
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

#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/worker/rules.h"

#define TRANCHE "pgtsdb_rules"
#define COLUMNS 8

typedef struct StatusKey
{
	Oid			database;
	pg_uuid_t	rule_id;
} StatusKey;

typedef struct StatusEntry
{
	StatusKey	key;			/* first, for dynahash */
	PgtsdbRuleStatus status;
} StatusEntry;

StaticAssertDecl(sizeof(StatusKey) == sizeof(Oid) + UUID_LEN, "a key with padding cannot be hashed as bytes");

static HTAB *entries;			/* NULL without shared_preload_libraries */
static LWLock *lock;
static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

static void request_memory(void);
static void attach(void);
static void put_status(ReturnSetInfo *result, const PgtsdbRuleStatus *status);
static PgtsdbRuleStatus *copy_all(int *n);

PG_FUNCTION_INFO_V1(pgtsdb_rule_statistics);

void
pgtsdb_rule_status_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = attach;
}

static void
request_memory(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	RequestAddinShmemSpace(hash_estimate_size(pgtsdb_max_rules, sizeof(StatusEntry)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

static void
attach(void)
{
	HASHCTL		control = {.keysize = sizeof(StatusKey), .entrysize = sizeof(StatusEntry)};

	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	entries = ShmemInitHash("pgtsdb rules", pgtsdb_max_rules, pgtsdb_max_rules, &control, HASH_ELEM | HASH_BLOBS);
	lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	LWLockRelease(AddinShmemInitLock);
}

bool
pgtsdb_rule_status_add(const PgtsdbRuleStatus *status)
{
	StatusKey	key = {.database = MyDatabaseId, .rule_id = status->rule_id};
	StatusEntry *entry;
	bool		found;
	bool		news = status->error[0] != '\0';

	if (entries == NULL)
		return news;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	/* shared memory that cannot grow: what there is beyond our own belongs to others */
	entry = hash_get_num_entries(entries) < pgtsdb_max_rules ? hash_search(entries, &key, HASH_ENTER_NULL, &found)
		: hash_search(entries, &key, HASH_FIND, &found);
	if (entry != NULL && !found)
		entry->status = *status;
	else if (entry != NULL)
	{
		PgtsdbRuleStatus *kept = &entry->status;

		news = news && strcmp(kept->error, status->error) != 0;
		kept->last_evaluation = status->last_evaluation;
		kept->duration = status->duration;
		kept->series = status->series;
		kept->evaluations += status->evaluations;
		kept->failures += status->failures;
		kept->missed += status->missed;
		memcpy(kept->error, status->error, sizeof(kept->error));
	}
	LWLockRelease(lock);
	return news;
}

void
pgtsdb_rule_status_forget(const pg_uuid_t *rule_id)
{
	StatusKey	key = {.database = MyDatabaseId, .rule_id = *rule_id};

	if (entries == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	hash_search(entries, &key, HASH_REMOVE, NULL);
	LWLockRelease(lock);
}

/* tsdb.rule_statistics(): the rules of this database, of tenants that the user may read. */
Datum
pgtsdb_rule_statistics(PG_FUNCTION_ARGS)
{
	PgtsdbRuleStatus *statuses;
	bool		visible = false;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	if (entries == NULL)
		return (Datum) 0;
	statuses = copy_all(&n);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || strcmp(statuses[i].tenant_id, statuses[i - 1].tenant_id) != 0)
			visible = pgtsdb_has_access(statuses[i].tenant_id, PGTSDB_READ);
		if (visible)
			put_status((ReturnSetInfo *) fcinfo->resultinfo, &statuses[i]);
	}
	return (Datum) 0;
}

static void
put_status(ReturnSetInfo *result, const PgtsdbRuleStatus *status)
{
	Datum		values[COLUMNS] = {
		UUIDPGetDatum(&status->rule_id), TimestampTzGetDatum(status->last_evaluation),
		Float8GetDatum(status->duration), Int64GetDatum(status->evaluations), Int64GetDatum(status->failures),
		Int64GetDatum(status->missed), Int64GetDatum(status->series), CStringGetTextDatum(status->error)
	};
	bool		nulls[COLUMNS] = {[COLUMNS - 1] = status->error[0] == '\0'};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Nothing that may throw happens under the lock. */
static PgtsdbRuleStatus *
copy_all(int *n)
{
	int			room = (int) hash_get_num_entries(entries);
	PgtsdbRuleStatus *copies = palloc_array(PgtsdbRuleStatus, room);
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
