/*
 * held_writes.h
 *		Requests that were accepted from a replica that is not elected: tsdb.held_writes.
 *
 * All is done by the owner of the extension, under the lock of the cluster.
 */
#ifndef PGTSDB_HELD_WRITES_H
#define PGTSDB_HELD_WRITES_H

#include "postgres.h"

#include "pg/storage/replicas.h"

typedef struct PgtsdbHeldWrite
{
	TimestampTz received_at;
	int64		newest;			/* time of its last sample, milliseconds */
	size_t		samples;
	int			version;		/* of remote write: 1 or 2 */
	const bytea *body;			/* as it came */
} PgtsdbHeldWrite;

/* ERRCODE_INSUFFICIENT_RESOURCES when too much is held: the sender keeps it and repeats. */
extern void pgtsdb_hold_write(const PgtsdbReplica *replica, const PgtsdbHeldWrite *held);
/* Stores what is held of this replica, and holds it no more. */
extern void pgtsdb_store_held(const PgtsdbReplica *replica, const PgtsdbHandover *handover);
/* Drops some of what is held of all replicas of the cluster and has no sample later than this. */
extern void pgtsdb_drop_held(const PgtsdbReplica *replica, TimestampTz until);

/* Opens a body of either version. */
extern TsdbStatus pgtsdb_open_write(TsdbArena *arena, const bytea *body, int version, const TsdbIngestLimits *limits,
									TsdbWriteRequest **request, TsdbError *error);

#endif							/* PGTSDB_HELD_WRITES_H */
