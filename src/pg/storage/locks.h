/*
 * locks.h
 *		Heavyweight locks of the storage room, and their order.
 *
 * Each is an advisory lock of the current database that lasts to the end of the
 * transaction.  The last field of the lock tag tells the class; the SQL
 * functions of PostgreSQL use 1 and 2 there, so nobody takes these by accident.
 *
 * Order: storage, then series of a part (ascending), then groups (ascending).
 * A writer that already wrote rows may ask for the series lock of the next sender:
 * no one who holds it waits for rows of head.
 */
#ifndef PGTSDB_LOCKS_H
#define PGTSDB_LOCKS_H

#include "postgres.h"

#include "storage/lock.h"

typedef enum PgtsdbLockClass
{
	PGTSDB_LOCK_STORAGE = 7101, /* creating and dropping storage tables and partitions */
	PGTSDB_LOCK_SERIES = 7102,	/* (part): creating series, giving out group ids */
	PGTSDB_LOCK_WRITERS = 7103, /* (part, group % 64): shared by those who write to known series, exclusive to retire series */
	PGTSDB_LOCK_GROUP = 7104,	/* (part, group): deleting rows of head or chunks (compaction, delete_series) */
	PGTSDB_LOCK_WORKER = 7105	/* (kind, slot): held by a worker for its life, and waited for by nobody */
} PgtsdbLockClass;

/* Waits unless dontwait; false when somebody else has it. */
extern bool pgtsdb_lock(PgtsdbLockClass lock_class, int32 id1, int32 id2, LOCKMODE mode, bool dontwait);

#endif							/* PGTSDB_LOCKS_H */
