/*
 * locks.c
 *		Heavyweight locks of the storage room.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"

#include "pg/guc.h"
#include "pg/storage/locks.h"

/* What is waited for, for the message when it takes too long. */
typedef struct Waiting
{
	int32		part;
	const char *hint;			/* NULL: it is a lock of this part */
} Waiting;

static void explain_timeout(void *arg);

bool
pgtsdb_lock(PgtsdbLockClass lock_class, int32 id1, int32 id2, LOCKMODE mode, bool dontwait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) id1, (uint32) id2, lock_class);
	return LockAcquire(&tag, mode, false, dontwait) != LOCKACQUIRE_NOT_AVAIL;
}

void
pgtsdb_unlock(PgtsdbLockClass lock_class, int32 id1, int32 id2, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) id1, (uint32) id2, lock_class);
	LockRelease(&tag, mode, false);
}

void
pgtsdb_lock_in_time(PgtsdbLockClass lock_class, int32 part, LOCKMODE mode)
{
	pgtsdb_lock_in_time_with_hint(lock_class, part, 0, mode, NULL);
}

void
pgtsdb_lock_in_time_with_hint(PgtsdbLockClass lock_class, int32 id1, int32 id2, LOCKMODE mode, const char *hint)
{
	Waiting		waiting = {id1, hint};
	ErrorContextCallback callback = {error_context_stack, explain_timeout, &waiting};
	int			nest_level;

	if (pgtsdb_lock(lock_class, id1, id2, mode, true))
		return;
	error_context_stack = &callback;
	nest_level = pgtsdb_limit_lock_timeout(pgtsdb_series_lock_timeout);
	pgtsdb_lock(lock_class, id1, id2, mode, false);
	AtEOXact_GUC(true, nest_level);
	error_context_stack = callback.previous;
}

/* The caller's own lock_timeout stays when it is the shorter one. */
int
pgtsdb_limit_lock_timeout(int ms)
{
	int			nest_level = NewGUCNestLevel();

	if (ms > 0 && (LockTimeout == 0 || LockTimeout > ms))
	{
		char		value[16];

		snprintf(value, sizeof(value), "%d", ms);
		(void) set_config_option("lock_timeout", value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
	return nest_level;
}

static void
explain_timeout(void *arg)
{
	const Waiting *waiting = arg;

	if (geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE)
		errhint("%s", waiting->hint != NULL ? waiting->hint :
				"Another transaction changes the series of this part: retry later, or raise \"pgtsdb.series_lock_timeout\".");
	if (waiting->hint == NULL)
		errcontext("lock on the series of part %d", waiting->part);
}
