/*
 * retention.h
 *		What is expired goes: partitions of chunks, and series without samples.
 *
 * The caller owns the transactions: one per step, so that no lock is held for long.  Steps push their own snapshots,
 * act as the owner, and wait for no lock longer than PGTSDB_RETENTION_LOCK_TIMEOUT; then they raise
 * ERRCODE_LOCK_NOT_AVAILABLE, and what they left comes at the next turn.
 */
#ifndef PGTSDB_RETENTION_H
#define PGTSDB_RETENTION_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Milliseconds.  Whoever waits for an exclusive lock holds up those who come after it. */
#define PGTSDB_RETENTION_LOCK_TIMEOUT 100

/* ---- partitions (retention.c) ---- */

/*
 * Drops the next partition of which all samples are expired; false: there is none behind *leaf, which is InvalidOid at the
 * start and then the partition that was dropped, or could not be.
 */
extern bool pgtsdb_drop_expired_leaf(Oid *leaf);

/* ---- series (empty_series.c) ---- */

typedef struct PgtsdbSeriesSweep
{
	TimestampTz before;			/* series that were made later stay */

	/* Where it stands: the group that the next step looks at first */
	int32		part;
	int32		group_id;

	/* What it did so far, committed or not */
	uint64		retired;
	uint64		series;
	uint64		groups;
} PgtsdbSeriesSweep;

extern void pgtsdb_series_sweep_start(PgtsdbSeriesSweep *sweep, TimestampTz now);
/* Looks at the series of some groups; false: the sweep is complete.  After an error it goes on behind them. */
extern bool pgtsdb_series_sweep_step(PgtsdbSeriesSweep *sweep);

#endif							/* PGTSDB_RETENTION_H */
