/*
 * series_cache.h
 *		What writers remember of the catalogue: series by hash.
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

#endif							/* PGTSDB_SERIES_CACHE_H */
