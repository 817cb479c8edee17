/*
 * status_table.c
 *		What is remembered of each object of a configuration table, in shared memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "pg/status_table.h"

typedef struct StatusKey
{
	Oid			database;
	pg_uuid_t	id;
} StatusKey;

StaticAssertDecl(sizeof(StatusKey) == sizeof(Oid) + UUID_LEN, "a key with padding cannot be hashed as bytes");

/* An entry is a key, and the status behind it. */
#define STATUS_OFFSET MAXALIGN(sizeof(StatusKey))

static PgtsdbStatusTable *tables;	/* of this process, before and after the fork */
static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

static void request_memory(void);
static void attach(void);

static inline Size
entry_size(const PgtsdbStatusTable *table)
{
	return STATUS_OFFSET + table->status_size;
}

static inline void *
status_of(void *entry)
{
	return (char *) entry + STATUS_OFFSET;
}

static inline StatusKey
key_of(const pg_uuid_t *id)
{
	return (StatusKey) {.database = MyDatabaseId, .id = *id};
}

/* ---- start of the server ---- */

void
pgtsdb_status_table_init(PgtsdbStatusTable *table)
{
	if (tables == NULL)
	{
		previous_request_hook = shmem_request_hook;
		shmem_request_hook = request_memory;
		previous_startup_hook = shmem_startup_hook;
		shmem_startup_hook = attach;
	}
	table->next = tables;
	tables = table;
}

static void
request_memory(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	for (PgtsdbStatusTable *table = tables; table != NULL; table = table->next)
	{
		RequestAddinShmemSpace(hash_estimate_size(*table->max_entries, entry_size(table)));
		RequestNamedLWLockTranche(table->name, 1);
	}
}

static void
attach(void)
{
	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (PgtsdbStatusTable *table = tables; table != NULL; table = table->next)
	{
		HASHCTL		control = {.keysize = sizeof(StatusKey), .entrysize = entry_size(table)};

		table->entries = ShmemInitHash(table->name, *table->max_entries, *table->max_entries, &control,
									   HASH_ELEM | HASH_BLOBS);
		table->lock = &GetNamedLWLockTranche(table->name)->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

/* ---- entries ---- */

void *
pgtsdb_status_lock(PgtsdbStatusTable *table, const pg_uuid_t *id, bool *found)
{
	StatusKey	key = key_of(id);
	bool		room;
	void	   *entry;

	if (table->entries == NULL)
		return NULL;
	LWLockAcquire(table->lock, LW_EXCLUSIVE);
	/* the table would grow into shared memory that belongs to others */
	room = hash_get_num_entries(table->entries) < *table->max_entries;
	entry = hash_search(table->entries, &key, room ? HASH_ENTER_NULL : HASH_FIND, found);
	return entry == NULL ? NULL : status_of(entry);
}

void
pgtsdb_status_unlock(PgtsdbStatusTable *table)
{
	if (table->entries != NULL)
		LWLockRelease(table->lock);
}

bool
pgtsdb_status_get(PgtsdbStatusTable *table, const pg_uuid_t *id, void *status)
{
	StatusKey	key = key_of(id);
	void	   *entry;

	if (table->entries == NULL)
		return false;
	LWLockAcquire(table->lock, LW_SHARED);
	entry = hash_search(table->entries, &key, HASH_FIND, NULL);
	if (entry != NULL)
		memcpy(status, status_of(entry), table->status_size);
	LWLockRelease(table->lock);
	return entry != NULL;
}

/* Nothing that may throw happens under the lock. */
void *
pgtsdb_status_get_all(PgtsdbStatusTable *table, int *n)
{
	HASH_SEQ_STATUS scan;
	char	   *copies;
	void	   *entry;
	int			room;

	*n = 0;
	if (table->entries == NULL)
		return NULL;
	room = (int) hash_get_num_entries(table->entries);
	copies = MemoryContextAllocHuge(CurrentMemoryContext, Max(room, 1) * table->status_size);
	LWLockAcquire(table->lock, LW_SHARED);
	hash_seq_init(&scan, table->entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (((StatusKey *) entry)->database == MyDatabaseId && *n < room)
			memcpy(copies + table->status_size * (*n)++, status_of(entry), table->status_size);
	LWLockRelease(table->lock);
	return copies;
}

void
pgtsdb_status_forget(PgtsdbStatusTable *table, const pg_uuid_t *id)
{
	StatusKey	key = key_of(id);

	if (table->entries == NULL)
		return;
	LWLockAcquire(table->lock, LW_EXCLUSIVE);
	hash_search(table->entries, &key, HASH_REMOVE, NULL);
	LWLockRelease(table->lock);
}
