/*
 * locks.c
 *		Heavyweight locks of the storage room.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pg/storage/locks.h"

bool
pgtsdb_lock(PgtsdbLockClass lock_class, int32 id1, int32 id2, LOCKMODE mode, bool dontwait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) id1, (uint32) id2, lock_class);
	return LockAcquire(&tag, mode, false, dontwait) != LOCKACQUIRE_NOT_AVAIL;
}
