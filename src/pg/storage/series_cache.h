/*
 * series_cache.h
 *		What writers remember of the catalogue: series by hash, and hints about groups.
 *
 * A cache, never an authority: an entry may vanish at any time, and a miss
 * proves nothing.  In a preloaded server it lies in shared memory, else in each backend.
 */
#ifndef PGTSDB_SERIES_CACHE_H
#define PGTSDB_SERIES_CACHE_H

#include "postgres.h"

#include "port/atomics.h"

#include "core/base/base.h"
#include "pg/storage/storage.h"

/* Module load: hooks for shared memory, transaction and relcache callbacks. */
extern void pgtsdb_cache_init(void);

/*
 * Distinguishes the series table of this database, as it is now, from any other: hashes that
 * are keys must have it mixed in.  Changes when the table is dropped, truncated or restored.
 */
extern uint64 pgtsdb_cache_identity(Oid series);

extern void pgtsdb_cache_prefetch(TsdbHash key);
/*
 * Answers are good as long as the writers' lock of the part is held, if it was when they were
 * asked for (README.md, "Retiring").  Not committed: made by this transaction.
 */
extern bool pgtsdb_cache_find(TsdbHash key, PgtsdbSeriesRef *series, bool *committed);
/*
 * Remember a series that was read from the catalogue under the writers' lock of its part:
 * at once when its row is committed, else at the commit of this transaction, for whose own use
 * it can be found at once.
 */
extern void pgtsdb_cache_publish(TsdbHash key, PgtsdbSeriesRef series, bool committed);
/* Forget every key of these ascending series, in all backends; the caller holds the writers' locks exclusively. */
extern void pgtsdb_cache_forget(Oid series_table, const PgtsdbSeriesRef *series, size_t n);

/*
 * Hints about a group.  Slots may be given to another group at any time, so that a value may
 * come from there: each use must be harmless then.
 */
typedef struct PgtsdbGroupHint
{
	pg_atomic_uint32 version;	/* 0: free; odd: being changed */
	int32		part;
	uint64		identity;
	pg_atomic_uint64 last_ts;	/* no row of head has a later timestamp; as int64 */
	pg_atomic_uint32 next_n;	/* next value for head.n */
	pg_atomic_uint32 seen_hour; /* hours since 1970 of the last update of last_seen */
	int32		group_id;
} PgtsdbGroupHint;

/* NULL: not known, or the slot is being changed. */
extern PgtsdbGroupHint *pgtsdb_cache_find_group(uint64 identity, int32 part, int32 group_id);
/* Remembers the group; last_ts as read from head.  Never NULL. */
extern PgtsdbGroupHint *pgtsdb_cache_add_group(uint64 identity, int32 part, int32 group_id, int64 last_ts);

#endif							/* PGTSDB_SERIES_CACHE_H */
