/*
 * locks.h
 *		Heavyweight locks of the storage room, and their order.
 *
 * Each is an advisory lock of the current database that lasts to the end of the
 * transaction.  The last field of the lock tag tells the class; the SQL
 * functions of PostgreSQL use 1 and 2 there, so nobody takes these by accident.
 *
 * Order: replicas, storage, writers of the tenant's parts (ascending), series of a part,
 * group.  Within one call whoever waits for one holds none of a later class.  README.md tells what
 * each is for.
 */
#ifndef PGTSDB_LOCKS_H
#define PGTSDB_LOCKS_H

#include "postgres.h"

#include "storage/lock.h"

typedef enum PgtsdbLockClass
{
	PGTSDB_LOCK_STORAGE = 7101, /* (0 tables, 1 partitions): creating and dropping them */
	PGTSDB_LOCK_WRITERS = 7102, /* (part): shared by those who write samples, exclusive to retire series */
	PGTSDB_LOCK_SERIES = 7103,	/* (part): changing the catalogue: new series, groups, metric definitions */
	PGTSDB_LOCK_GROUP = 7104,	/* (part, group): deleting rows of head or chunks (compaction, delete_series) */
	PGTSDB_LOCK_WORKER = 7105,	/* (kind, slot): held by a worker for its life, and waited for by nobody */
	PGTSDB_LOCK_REPLICAS = 7106 /* (hash of tenant and cluster): shared by replicas that send, exclusive to elect one */
} PgtsdbLockClass;

/* Waits unless dontwait; false when somebody else has it. */
extern bool pgtsdb_lock(PgtsdbLockClass lock_class, int32 id1, int32 id2, LOCKMODE mode, bool dontwait);
extern void pgtsdb_unlock(PgtsdbLockClass lock_class, int32 id1, int32 id2, LOCKMODE mode);
/* Waits for at most pgtsdb.series_lock_timeout, then ERRCODE_LOCK_NOT_AVAILABLE with a hint. */
extern void pgtsdb_lock_in_time(PgtsdbLockClass lock_class, int32 part, LOCKMODE mode);

/* Any lock that way; the hint is given when the time has passed. */
extern void pgtsdb_lock_in_time_with_hint(PgtsdbLockClass lock_class, int32 id1, int32 id2, LOCKMODE mode, const char *hint);

/* From here on no lock is waited for longer than this; AtEOXact_GUC(true, answer) puts the caller's lock_timeout back. */
extern int	pgtsdb_limit_lock_timeout(int ms);

#endif							/* PGTSDB_LOCKS_H */
