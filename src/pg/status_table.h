/*
 * status_table.h
 *		What is remembered of each object of a configuration table, in shared memory.
 *
 * What changes with every scrape and every evaluation is not worth a row version:
 * it may be lost with the server, and is unknown until the next time.  A hash
 * table of fixed size, keyed by database and the object's id, under one lock that is held for
 * the copy of an entry.  An object that finds no room has no status.
 */
#ifndef PGTSDB_STATUS_TABLE_H
#define PGTSDB_STATUS_TABLE_H

#include "postgres.h"

#include "storage/lwlock.h"
#include "utils/hsearch.h"
#include "utils/uuid.h"

typedef struct PgtsdbStatusTable
{
	/* Settings */
	const char *name;			/* of the shared memory and of the lock */
	const int  *max_entries;
	Size		status_size;

	/* NULL without shared_preload_libraries: then nothing is remembered */
	HTAB	   *entries;
	LWLock	   *lock;
	struct PgtsdbStatusTable *next;
} PgtsdbStatusTable;

/* From _PG_init() under shared_preload_libraries.  The table lives as long as the process. */
extern void pgtsdb_status_table_init(PgtsdbStatusTable *table);

/*
 * The status of an object of this database, which is made (`found` is false then, and its bytes
 * are not set) when there is room, else NULL.  The lock is held until pgtsdb_status_unlock(), in either
 * case but that the table is not there at all; nothing may be raised in between.
 */
extern void *pgtsdb_status_lock(PgtsdbStatusTable *table, const pg_uuid_t *id, bool *found);
extern void pgtsdb_status_unlock(PgtsdbStatusTable *table);

/* A copy; false when nothing is known. */
extern bool pgtsdb_status_get(PgtsdbStatusTable *table, const pg_uuid_t *id, void *status);
/* Copies of all of this database, one behind the other. */
extern void *pgtsdb_status_get_all(PgtsdbStatusTable *table, int *n);
extern void pgtsdb_status_forget(PgtsdbStatusTable *table, const pg_uuid_t *id);

#endif							/* PGTSDB_STATUS_TABLE_H */
