/*
 * compaction.h
 *		Head rows of closed windows become chunks, one group at a time.
 *
 * The caller owns the transactions:
 *
 *		PgtsdbCompaction sweep;
 *		bool more = true;
 *
 *		pgtsdb_compaction_start(&sweep, GetCurrentTimestamp(), false, false);
 *		while (more)
 *		{
 *			StartTransactionCommand();
 *			more = pgtsdb_compaction_step(&sweep);
 *			CommitTransactionCommand();
 *		}
 *
 * An error takes back all of the step: after the abort pgtsdb_compaction_repeat() goes back
 * to where the step began, and pgtsdb_compaction_skip() goes on behind the group that failed.
 */
#ifndef PGTSDB_COMPACTION_H
#define PGTSDB_COMPACTION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* Where a sweep stands, and what it did so far, committed or not. */
typedef struct PgtsdbSweepPlace
{
	/* The group that is looked at next, and from which time on */
	int32		part;
	int32		group_id;
	int64		from;
	bool		continues;		/* a part of the window is done */

	uint64		windows;
	uint64		head_rows;
	uint64		samples;
	uint64		chunk_rows;
	uint64		chunk_bytes;
} PgtsdbSweepPlace;

typedef struct PgtsdbCompaction
{
	/* Settings of the sweep */
	bool		force;			/* open windows too */
	bool		wait;			/* for a group that somebody else has locked; else leave it for the next sweep */
	int64		now;			/* milliseconds: windows that ended before are closed */

	PgtsdbSweepPlace at;
	PgtsdbSweepPlace began;		/* where the last step did */
	bool		at_group;		/* the last step got as far as a group */
	bool		one_by_one;		/* something failed: windows come one at a time, so that it can be told which */

	/* A partition that the group needs first */
	bool		needs_partition;
	int16		needs_class;
	int64		needs_t;
} PgtsdbCompaction;

extern void pgtsdb_compaction_start(PgtsdbCompaction *sweep, TimestampTz now, bool force, bool wait);

/*
 * Compacts some of the next closed windows (a commit for each would cost as much as a tenth of the work), or makes the
 * partition that one needs, in the current transaction, which must be READ COMMITTED.  False: the sweep is complete.
 * Pushes its own snapshots and acts as the owner.  ERRCODE_T_R_SERIALIZATION_FAILURE when a
 * row changed under it: abort and repeat.  One step per transaction keeps the order of locks (locks.h): a step waits for
 * the lock of a group only before it has any.
 */
extern bool pgtsdb_compaction_step(PgtsdbCompaction *sweep);

/* After an abort: the next step begins where the last one did. */
extern void pgtsdb_compaction_repeat(PgtsdbCompaction *sweep);

/*
 * After an abort: leave the group that failed for the next sweep; where it was not alone in its step, first repeat what came
 * before it.  False: the step failed before it came to a group, and so would the next.
 */
extern bool pgtsdb_compaction_skip(PgtsdbCompaction *sweep);

/*
 * Leaves of chunks that get no more rows in the ordinary course: oids of those whose
 * range ended before now by more than a window, that VACUUM (FREEZE) has not made all-frozen.
 */
extern List *pgtsdb_closed_leaves(TimestampTz now);

#endif							/* PGTSDB_COMPACTION_H */
