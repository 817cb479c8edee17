/*
 * late_writes_internal.h
 *		Where writers that commit and readers that keep answers meet.
 */
#ifndef PGTSDB_LATE_WRITES_INTERNAL_H
#define PGTSDB_LATE_WRITES_INTERNAL_H

#include "postgres.h"

#include "port/atomics.h"
#include "utils/snapshot.h"

/* Of the whole server; times are milliseconds since 1970. */
typedef struct PgtsdbLateWritesShared
{
	uint64		server;			/* a number of its own at each start, after a crash too */
	pg_atomic_uint64 promised;	/* the latest time that was ever a reader's candidate for a horizon */
	pg_atomic_uint64 commits;	/* of writers, so that an idle server is left alone */
	int			n_limits;
	pg_atomic_uint64 limits[FLEXIBLE_ARRAY_MEMBER]; /* of the backends that are committing; 0: this one is not */
} PgtsdbLateWritesShared;

extern PgtsdbLateWritesShared *pgtsdb_late_writes_shared;

/* Every transaction before it has ended, and those that committed are seen. */
extern uint64 pgtsdb_snapshot_xmin(Snapshot snapshot);

#endif							/* PGTSDB_LATE_WRITES_INTERNAL_H */
