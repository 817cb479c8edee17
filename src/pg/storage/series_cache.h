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
 * Hints.  A slot may be given to another owner at any time, so a value may come
 * from there or be lost: each use must be harmless then.
 */
typedef struct PgtsdbHintOwner
{
	pg_atomic_uint32 version;	/* 0: free; odd: being given to another owner */
	int32		part;
	uint64		identity;
	int32		group_id;
	int32		block;			/* of columns; of a group as a whole 0 */
} PgtsdbHintOwner;

typedef struct PgtsdbGroupHint
{
	PgtsdbHintOwner owner;
	pg_atomic_uint32 next_n;	/* next value for head.n */
	pg_atomic_uint32 seen_hour; /* hours since 1970 of the last update of last_seen */
} PgtsdbGroupHint;

#define PGTSDB_HINT_COLUMNS 64

/* No sample of head is later than this, column by column, in seconds (rounded down, 0 before 1970). */
typedef struct PgtsdbColumnsHint
{
	PgtsdbHintOwner owner;
	uint32		last_second[PGTSDB_HINT_COLUMNS];
} PgtsdbColumnsHint;

extern PgtsdbGroupHint *pgtsdb_cache_group(uint64 identity, int32 part, int32 group_id);
/* NULL: not known, then find out and add. */
extern PgtsdbColumnsHint *pgtsdb_cache_find_columns(uint64 identity, int32 part, int32 group_id, int32 block);
extern PgtsdbColumnsHint *pgtsdb_cache_add_columns(uint64 identity, int32 part, int32 group_id, int32 block,
												   uint32 last_second);

#endif							/* PGTSDB_SERIES_CACHE_H */
