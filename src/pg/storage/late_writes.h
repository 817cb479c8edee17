/*
 * late_writes.h
 *		Who changes the past leaves a note, so that answers which were computed before can be kept.
 *
 * README.md of the room ("What is known of the past") has the rules and why they hold.
 */
#ifndef PGTSDB_LATE_WRITES_H
#define PGTSDB_LATE_WRITES_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "pg/tenant.h"

/* Module load: hooks for shared memory, transaction callback. */
extern void pgtsdb_late_writes_init(void);

/* ---- writers ---- */

/* For `part` of pgtsdb_note_removed(): any of them. */
#define PGTSDB_ALL_PARTS 0

/* This transaction stores samples of these times.  Noted at its commit, if they are old then. */
extern void pgtsdb_note_stored(int32 part, int64 t_min, int64 t_max);
/* It removes samples of these times.  Always noted. */
extern void pgtsdb_note_removed(int32 part, int64 t_min, int64 t_max);

/* ---- readers ---- */

/*
 * The horizon of a snapshot: every sample of an earlier time is seen by the snapshot, or will be noted by the transaction
 * that brings it.  To be called before the snapshot is taken; on a standby the answer is in the snapshot itself.  False: nothing
 * is known, as without shared_preload_libraries.
 */
typedef struct PgtsdbHorizon
{
	bool		in_recovery;
	int64		t;				/* milliseconds; on a standby not yet known */
} PgtsdbHorizon;

extern bool pgtsdb_horizon_begin(PgtsdbHorizon *horizon);

/* What an answer was computed from: a value to be handed out and shown again. */
typedef struct PgtsdbMark PgtsdbMark;

/*
 * The state that the snapshot shows of the tenant's samples, with its horizon.  NULL: nothing is known of it.
 * `settings` is a hash of whatever else the answer depends on.
 */
extern PgtsdbMark *pgtsdb_mark_make(const PgtsdbTenant *tenant, Snapshot snapshot, const PgtsdbHorizon *begun, uint64 settings,
									int64 *horizon);
/*
 * Since the older mark, whose bytes may be anything: times from *changed on may have other samples or
 * fewer, or more, those before have not.  Changes of samples that are older than `oldest` do not count.
 */
extern void pgtsdb_mark_compare(const PgtsdbMark *mark, const bytea *older, const PgtsdbTenant *tenant, Snapshot snapshot,
								int64 oldest, int64 *changed);
/* The bytes to hand out. */
extern bytea *pgtsdb_mark_bytes(const PgtsdbMark *mark);

/* ---- housekeeping, by the compactor ---- */

/* Tells standbys the horizon, and removes notes that are no longer compared with. */
extern void pgtsdb_late_writes_maintain(void);

#endif							/* PGTSDB_LATE_WRITES_H */
