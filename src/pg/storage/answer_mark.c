/*
 * answer_mark.c
 *		What an answer was computed from, and which of the past has changed since.
 *
 * A mark is the snapshot of the answer, as pg_current_snapshot() has it, and a hash of everything else that decides about
 * answers.  A note in tsdb.late_writes concerns an answer when the mark's snapshot does not see the note's transaction.
 * Notes are read with the snapshot of the new answer: those of transactions that it does not see will be
 * found by whoever compares with the new mark.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "catalog/pg_subscription_rel.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/catcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "core/base/base.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/storage/late_writes.h"
#include "pg/storage/late_writes_internal.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/storage/series_cache.h"
#include "pg/times.h"

/* A mark with more running transactions counts all between its xmin and xmax as running. */
#define MAX_XIDS 64

/* The part of a mark that is handed out, as it lies in memory: it comes back to the server that made it, or is refused. */
typedef struct MarkBytes
{
	uint64		epoch;			/* hash of server, timeline, tables, parts, settings */
	uint64		xmin;
	uint64		xmax;
	uint64		n_xids;			/* running at the time; MAX_XIDS + 1: too many to list */
	uint64		xids[MAX_XIDS];
} MarkBytes;

struct PgtsdbMark
{
	MarkBytes	bytes;
	uint64		removed_xid;	/* notes of transactions before this are removed */
};

static bool is_subscribed(int32 part);
static bool read_state(PgtsdbMark *mark, int32 part, Snapshot snapshot, int64 *horizon, int64 *server);
static uint64 epoch(const PgtsdbTenant *tenant, bool in_recovery, int64 server, uint64 settings);
static void put_snapshot(MarkBytes *bytes, Snapshot snapshot);
static Size size_of(const MarkBytes *bytes);
static bool take_bytes(const bytea *older, MarkBytes *bytes);
static bool sees(const MarkBytes *bytes, uint64 xid);
static void compare_part(const MarkBytes *older, int32 part, Snapshot snapshot, int64 oldest, int64 *changed);

/* ---- the horizon ---- */

bool
pgtsdb_horizon_begin(PgtsdbHorizon *horizon)
{
	PgtsdbLateWritesShared *shared = pgtsdb_late_writes_shared;
	uint64		candidate;
	uint64		promised;

	if (shared == NULL)
		return false;
	horizon->in_recovery = RecoveryInProgress();
	if (horizon->in_recovery)
		return true;
	candidate = (uint64) (pgtsdb_now_ms() - pgtsdb_late_write_age * MS_PER_SECOND);
	horizon->t = (int64) candidate;
	promised = pg_atomic_read_u64(&shared->promised);
	while (promised < candidate && !pg_atomic_compare_exchange_u64(&shared->promised, &promised, candidate))
		;
	pg_memory_barrier();
	for (int i = 0; i < shared->n_limits; i++)
	{
		uint64		limit = pg_atomic_read_u64(&shared->limits[i]);

		if (limit != 0)
			horizon->t = Min(horizon->t, (int64) limit);
	}
	return true;
}

/* ---- marks ---- */

PgtsdbMark *
pgtsdb_mark_make(const PgtsdbTenant *tenant, Snapshot snapshot, const PgtsdbHorizon *begun, uint64 settings, int64 *horizon)
{
	PgtsdbMark *mark = palloc0_object(PgtsdbMark);
	int64		server = 0;

	*horizon = begun->t;
	if (!OidIsValid(tsdb_local_table(TSDB_TABLE_LATE_WRITES, tenant->parts[0])) || is_subscribed(tenant->parts[0]) ||
		(!read_state(mark, tenant->parts[0], snapshot, horizon, &server) && begun->in_recovery))
		return NULL;
	if (!begun->in_recovery)
	{
		*horizon = begun->t;
		server = 0;
	}
	mark->bytes.epoch = epoch(tenant, begun->in_recovery, server, settings);
	put_snapshot(&mark->bytes, snapshot);
	return mark;
}

/* Rows that a subscription brings are written by nobody who leaves notes. */
static bool
is_subscribed(int32 part)
{
	static const TsdbTable tables[] = {TSDB_TABLE_SERIES, TSDB_TABLE_HEAD};
	bool		subscribed = false;

	for (int i = 0; i < lengthof(tables); i++)
	{
		CatCList   *list = SearchSysCacheList1(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(tsdb_local_table(tables[i], part)));

		subscribed = subscribed || list->n_members > 0;
		ReleaseSysCacheList(list);
	}
	return subscribed;
}

/* False: the compactor has not been there yet. */
static bool
read_state(PgtsdbMark *mark, int32 part, Snapshot snapshot, int64 *horizon, int64 *server)
{
	static const char *const columns[] = {"id"};
	PgtsdbScan	scan;
	bool		found;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_LATE_WRITES_STATE, part), lengthof(columns), columns, snapshot,
						  AccessShareLock))
		return false;
	pgtsdb_scan_start(&scan);
	found = pgtsdb_scan_next(&scan);
	if (found)
	{
		*horizon = DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_LATE_WRITES_STATE_HORIZON));
		*server = DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_LATE_WRITES_STATE_SERVER));
		mark->removed_xid = (uint64) DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_LATE_WRITES_STATE_REMOVED_XID));
	}
	pgtsdb_scan_close(&scan);
	return found;
}

/* `server` is the primary's when this is a standby, so that both are in the hash. */
static uint64
epoch(const PgtsdbTenant *tenant, bool in_recovery, int64 server, uint64 settings)
{
	TimeLineID	timeline = 0;
	uint64		parts[] = {
		GetSystemIdentifier(),
		pgtsdb_late_writes_shared->server,
		in_recovery,
		server,
		pgtsdb_cache_identity(tsdb_local_table(TSDB_TABLE_SERIES, tenant->parts[0])),
		pgtsdb_cache_identity(tsdb_local_table(TSDB_TABLE_HEAD, tenant->parts[0])),
		settings,
		0
	};

	if (in_recovery)
		(void) GetXLogReplayRecPtr(&timeline);
	else
		timeline = GetWALInsertionTimeLine();
	parts[lengthof(parts) - 1] = timeline;
	return tsdb_hash(tenant->parts, tenant->n_parts * sizeof(int32), tsdb_hash(parts, sizeof(parts), 0).lo).lo;
}

static uint64
widen(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

uint64
pgtsdb_snapshot_xmin(Snapshot snapshot)
{
	return widen(snapshot->xmin, ReadNextFullTransactionId());
}

/* Notes have the ids of whole transactions; on a standby those that run are listed together with their subtransactions. */
static void
put_snapshot(MarkBytes *bytes, Snapshot snapshot)
{
	FullTransactionId next = ReadNextFullTransactionId();
	const TransactionId *xids = snapshot->takenDuringRecovery ? snapshot->subxip : snapshot->xip;
	int64		n = snapshot->takenDuringRecovery ? snapshot->subxcnt : snapshot->xcnt;

	bytes->xmin = widen(snapshot->xmin, next);
	bytes->xmax = widen(snapshot->xmax, next);
	bytes->n_xids = (snapshot->takenDuringRecovery && snapshot->suboverflowed) || n > MAX_XIDS ? MAX_XIDS + 1 : n;
	for (int i = 0; i < n && bytes->n_xids <= MAX_XIDS; i++)
		bytes->xids[i] = widen(xids[i], next);
}

static Size
size_of(const MarkBytes *bytes)
{
	return offsetof(MarkBytes, xids) + (bytes->n_xids > MAX_XIDS ? 0 : bytes->n_xids) * sizeof(uint64);
}

bytea *
pgtsdb_mark_bytes(const PgtsdbMark *mark)
{
	Size		size = size_of(&mark->bytes);
	bytea	   *out = palloc(VARHDRSZ + size);

	SET_VARSIZE(out, VARHDRSZ + size);
	memcpy(VARDATA(out), &mark->bytes, size);
	return out;
}

/* ---- what has changed ---- */

void
pgtsdb_mark_compare(const PgtsdbMark *mark, const bytea *older, const PgtsdbTenant *tenant, Snapshot snapshot, int64 oldest,
					int64 *changed)
{
	MarkBytes	before;

	*changed = PG_INT64_MIN;
	if (!take_bytes(older, &before) || before.epoch != mark->bytes.epoch || before.xmin < mark->removed_xid ||
		before.xmin > mark->bytes.xmax)
		return;
	*changed = PG_INT64_MAX;
	compare_part(&before, PGTSDB_ALL_PARTS, snapshot, oldest, changed);
	for (int i = 0; i < tenant->n_parts; i++)
		compare_part(&before, tenant->parts[i], snapshot, oldest, changed);
}

static bool
take_bytes(const bytea *older, MarkBytes *bytes)
{
	Size		size = VARSIZE_ANY_EXHDR(older);

	if (size < offsetof(MarkBytes, xids) || size > sizeof(MarkBytes))
		return false;
	memcpy(bytes, VARDATA_ANY(older), size);
	return bytes->n_xids <= MAX_XIDS + 1 && size == size_of(bytes);
}

static bool
sees(const MarkBytes *bytes, uint64 xid)
{
	if (xid < bytes->xmin)
		return true;
	if (xid >= bytes->xmax || bytes->n_xids > MAX_XIDS)
		return false;
	for (uint64 i = 0; i < bytes->n_xids; i++)
		if (bytes->xids[i] == xid)
			return false;
	return true;
}

static void
compare_part(const MarkBytes *older, int32 part, Snapshot snapshot, int64 oldest, int64 *changed)
{
	static const char *const columns[] = {"part", "xid"};
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_LATE_WRITES, part), lengthof(columns), columns, snapshot,
						  AccessShareLock))
		return;
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_key_int8(&scan, 2, BTGreaterEqualStrategyNumber, (int64) older->xmin);
	pgtsdb_scan_start(&scan);
	while (pgtsdb_scan_next(&scan))
	{
		if (DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_LATE_WRITES_T_MAX)) < oldest ||
			sees(older, (uint64) DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_LATE_WRITES_XID))))
			continue;
		*changed = Min(*changed, DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_LATE_WRITES_T_MIN)));
	}
	pgtsdb_scan_close(&scan);
}
