/*
 * entry_version.h
 *		Versions of entries in shared memory that are changed without a lock: odd while somebody changes the entry.
 */
#ifndef PGTSDB_ENTRY_VERSION_H
#define PGTSDB_ENTRY_VERSION_H

#include "postgres.h"

#include "port/atomics.h"

/* Makes the version odd; false when someone else has done so. */
static inline bool
claim_version(pg_atomic_uint32 *version, uint32 expected)
{
	return (expected & 1) == 0 && pg_atomic_compare_exchange_u32(version, &expected, expected + 1);
}

/* Never makes it 0, the version of what nobody has claimed yet. */
static inline void
release_version(pg_atomic_uint32 *version, uint32 expected)
{
	uint32		next = expected + 2;

	pg_write_barrier();
	pg_atomic_write_u32(version, next != 0 ? next : 2);
}

#endif							/* PGTSDB_ENTRY_VERSION_H */
