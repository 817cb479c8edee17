/*
 * late_writes_upkeep.c
 *		What the compactor does for readers that keep answers: the horizon for standbys, and old notes removed.
 *
 * Standbys cannot look into the shared memory of the primary.  They read the horizon in tsdb.late_writes_state: whoever
 * sees that row sees every commit that was visible when the horizon was made.
 *
 * A note may go when nobody compares with an older mark.  Which marks are too old is told by removed_xid: transactions
 * before it had ended when notes were looked at an hour ago, so every mark since then sees them, and older marks count
 * for nothing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/storage/late_writes.h"
#include "pg/storage/late_writes_internal.h"
#include "pg/storage/relations.h"
#include "pg/storage/statement.h"
#include "pg/times.h"

/* Marks are good for as long as this at least, and for twice as long at most. */
#define MARK_LIFETIME_MS (60 * 60 * 1000)

static void remove_notes(uint64 before);
static void put_state(int64 horizon, uint64 removed_xid);

/* In a transaction of its own, as the owner. */
void
pgtsdb_late_writes_maintain(void)
{
	static uint64 last_commits = 0;
	static uint64 oldest_running = 0;	/* at the time `looked` */
	static uint64 removed_xid = 0;
	static TimestampTz looked = 0;
	TimestampTz now = GetCurrentTimestamp();
	PgtsdbHorizon horizon;
	uint64		commits;

	if (pgtsdb_late_writes_shared == NULL || !OidIsValid(tsdb_local_table(TSDB_TABLE_LATE_WRITES_STATE, 0)))
		return;
	commits = pg_atomic_read_u64(&pgtsdb_late_writes_shared->commits);
	if (looked != 0 && commits == last_commits)
		return;
	(void) pgtsdb_horizon_begin(&horizon);
	if (looked == 0 || TimestampDifferenceExceeds(looked, now, MARK_LIFETIME_MS))
	{
		uint64		oldest_now = pgtsdb_snapshot_xmin(GetActiveSnapshot());

		if (looked != 0)
			remove_notes(oldest_running);
		/* what a worker before this one has removed is not known here */
		removed_xid = looked != 0 ? oldest_running : oldest_now;
		oldest_running = oldest_now;
		looked = now;
	}
	put_state(horizon.t, removed_xid);
	last_commits = commits;
}

static void
remove_notes(uint64 before)
{
	static PgtsdbStatement delete = {
		"DELETE FROM tsdb.late_writes WHERE xid OPERATOR(pg_catalog.<) $1", SPI_OK_DELETE
	};

	SPI_connect();
	pgtsdb_statement_run(&delete, 1, (Oid[]) {INT8OID}, (Datum[]) {Int64GetDatum((int64) before)});
	SPI_finish();
}

static void
put_state(int64 horizon, uint64 removed_xid)
{
	static PgtsdbStatement put = {
		"INSERT INTO tsdb.late_writes_state (id, server, horizon, removed_xid) VALUES (1, $1, $2, $3)"
		" ON CONFLICT (id) DO UPDATE SET server = excluded.server, horizon = excluded.horizon,"
		" removed_xid = excluded.removed_xid",
		SPI_OK_INSERT
	};

	SPI_connect();
	pgtsdb_statement_run(&put, 3, (Oid[]) {INT8OID, INT8OID, INT8OID},
						 (Datum[]) {
							 Int64GetDatum((int64) pgtsdb_late_writes_shared->server), Int64GetDatum(horizon),
							 Int64GetDatum((int64) removed_xid)
						 });
	SPI_finish();
}
