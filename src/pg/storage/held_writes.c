/*
 * held_writes.c
 *		Requests that were accepted from a replica that is not elected: tsdb.held_writes.
 *
 * Their bodies are kept as they came.  They were walked before, so that nothing is held that is not remote write.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/compat.h"
#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/storage/held_writes.h"
#include "pg/storage/statement.h"
#include "pg/storage/write.h"
#include "pg/times.h"

/* How long a count of what is held is good enough. */
#define COUNT_MS 1000

static PgtsdbStatement hold_statement = {
	"INSERT INTO tsdb.held_writes (tenant_id, cluster, replica, received_at, newest, samples, bytes, version, body)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", SPI_OK_INSERT
};
static PgtsdbStatement size_statement = {
	"SELECT COALESCE(pg_catalog.sum(bytes), 0)::pg_catalog.int8 FROM tsdb.held_writes WHERE tenant_id OPERATOR(pg_catalog.=) $1",
	SPI_OK_SELECT
};
/* In the order in which they came, which is that of the samples of each series; as many as memory may take at one time. */
static PgtsdbStatement batch_statement = {
	"SELECT held_id, received_at, version, body FROM tsdb.held_writes"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND cluster OPERATOR(pg_catalog.=) $2 AND replica OPERATOR(pg_catalog.=) $3"
	" AND held_id OPERATOR(pg_catalog.>) $4 ORDER BY held_id LIMIT 32", SPI_OK_SELECT
};
static PgtsdbStatement forget_statement = {
	"DELETE FROM tsdb.held_writes"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND cluster OPERATOR(pg_catalog.=) $2 AND replica OPERATOR(pg_catalog.=) $3"
	" AND held_id OPERATOR(pg_catalog.<=) $4", SPI_OK_DELETE
};
/* Only so many at once that the request which does it is not late; the next refresh goes on. */
static PgtsdbStatement drop_statement = {
	"DELETE FROM tsdb.held_writes h USING (SELECT tenant_id, cluster, replica, held_id FROM tsdb.held_writes"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND cluster OPERATOR(pg_catalog.=) $2 AND newest OPERATOR(pg_catalog.<=) $3"
	" LIMIT 5000 FOR UPDATE SKIP LOCKED) d"
	" WHERE h.tenant_id OPERATOR(pg_catalog.=) d.tenant_id AND h.cluster OPERATOR(pg_catalog.=) d.cluster"
	" AND h.replica OPERATOR(pg_catalog.=) d.replica AND h.held_id OPERATOR(pg_catalog.=) d.held_id"
	" RETURNING h.replica, h.samples", SPI_OK_DELETE_RETURNING
};

static bool is_full(const PgtsdbReplica *replica, Size bytes);
static int64 store_batch(const PgtsdbReplica *replica, const PgtsdbHandover *handover, int64 after);
static void store_body(const PgtsdbReplica *replica, const PgtsdbHandover *handover, PgtsdbIngest *ingest, const bytea *body,
					   int version);

TsdbStatus
pgtsdb_open_write(TsdbArena *arena, const bytea *body, int version, const TsdbIngestLimits *limits, TsdbWriteRequest **request,
				  TsdbError *error)
{
	TsdbWriteOpen open_request = version == 1 ? tsdb_remote_write_open : tsdb_remote_write_v2_open;

	return open_request(arena, VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), limits, request, error);
}

/* ---- holding ---- */

void
pgtsdb_hold_write(const PgtsdbReplica *replica, const PgtsdbHeldWrite *held)
{
	static const Oid types[] = {
		TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, INT4OID, INT2OID, BYTEAOID
	};
	Size		bytes = VARSIZE_ANY_EXHDR(held->body);
	Datum		values[lengthof(types)] = {
		CStringGetTextDatum(replica->tenant->tenant_id), CStringGetTextDatum(replica->cluster),
		CStringGetTextDatum(replica->replica), TimestampTzGetDatum(held->received_at),
		TimestampTzGetDatum(pgtsdb_plausible_time(held->newest, held->received_at)), Int32GetDatum((int32) held->samples),
		Int32GetDatum((int32) bytes), Int16GetDatum((int16) held->version), PointerGetDatum(held->body)
	};

	if (is_full(replica, bytes))
	{
		pgtsdb_count_replica(replica, PGTSDB_REPLICA_REFUSED, (int64) held->samples);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("more than " INT64_FORMAT " bytes are held of replicas of tenant \"%s\"",
						replica->pair.max_held_bytes, replica->tenant->tenant_id),
				 errdetail("Replica \"%s\" of cluster \"%s\" is not elected, and the elected one is behind it.",
						   replica->replica, replica->cluster),
				 errhint("Retry later, or raise max_held_bytes of tsdb.replica_pairs.")));
	}
	SPI_connect();
	pgtsdb_statement_run(&hold_statement, lengthof(types), types, values);
	SPI_finish();
	pgtsdb_count_replica(replica, PGTSDB_REPLICA_HELD, (int64) held->samples);
}

/* By a count of this session that is a moment old; what it holds itself is added, what others do comes with the next count. */
static bool
is_full(const PgtsdbReplica *replica, Size bytes)
{
	static const Oid types[] = {TEXTOID};
	static uint64 tenant;		/* hash of the one that was counted */
	static TimestampTz counted_at;
	static int64 held;
	TimestampTz now = GetCurrentTimestamp();
	uint64		hash = tsdb_hash(replica->tenant->tenant_id, strlen(replica->tenant->tenant_id), MyDatabaseId).lo;

	if (tenant != hash || TimestampDifferenceExceeds(counted_at, now, COUNT_MS))
	{
		Datum		value;
		bool		isnull;

		SPI_connect();
		value = CStringGetTextDatum(replica->tenant->tenant_id);
		pgtsdb_statement_run(&size_statement, 1, types, &value);
		held = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		SPI_finish();
		tenant = hash;
		counted_at = now;
	}
	held += (int64) bytes;
	return held > replica->pair.max_held_bytes;
}

void
pgtsdb_drop_held(const PgtsdbReplica *replica, TimestampTz until)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum		values[lengthof(types)] = {
		CStringGetTextDatum(replica->tenant->tenant_id), CStringGetTextDatum(replica->cluster), TimestampTzGetDatum(until)
	};
	uint64		n;

	SPI_connect();
	n = pgtsdb_statement_run(&drop_statement, lengthof(types), types, values);
	for (uint64 i = 0; i < n; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;

		pgtsdb_count_other_replica(replica, SPI_getvalue(row, SPI_tuptable->tupdesc, 1), PGTSDB_REPLICA_DROPPED,
								   DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull)));
	}
	SPI_finish();
}

/* ---- storing ---- */

void
pgtsdb_store_held(const PgtsdbReplica *replica, const PgtsdbHandover *handover)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID};
	int64		last = PG_INT64_MIN;
	int64		next;

	while ((next = store_batch(replica, handover, last)) > last)
		last = next;
	if (last == PG_INT64_MIN)
		return;
	SPI_connect();
	pgtsdb_statement_run(&forget_statement, lengthof(types), types, (Datum[]) {
		CStringGetTextDatum(replica->tenant->tenant_id), CStringGetTextDatum(replica->cluster),
		CStringGetTextDatum(replica->replica), Int64GetDatum(last)
	});
	SPI_finish();
}

/* Those after a held_id; the last one that it stored, or `after` when there are no more. */
static int64
store_batch(const PgtsdbReplica *replica, const PgtsdbHandover *handover, int64 after)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID};
	PgtsdbIngestOptions options;
	PgtsdbIngestResult result;
	PgtsdbIngest *ingest;
	uint64		n;
	bool		isnull;

	SPI_connect();
	n = pgtsdb_statement_run(&batch_statement, lengthof(types), types, (Datum[]) {
		CStringGetTextDatum(replica->tenant->tenant_id), CStringGetTextDatum(replica->cluster),
		CStringGetTextDatum(replica->replica), Int64GetDatum(after)
	});
	if (n > 0)
	{
		SPITupleTable *rows = SPI_tuptable;
		Datum		received_at = SPI_getbinval(rows->vals[0], rows->tupdesc, 2, &isnull);

		/* late or early is what was so when it came; those of a batch came within a moment */
		options = pgtsdb_write_options(replica->tenant, pgtsdb_timestamp_to_ms(DatumGetTimestampTz(received_at)));
		ingest = pgtsdb_ingest_begin(&options);
		for (uint64 i = 0; i < n; i++)
		{
			Datum		body = SPI_getbinval(rows->vals[i], rows->tupdesc, 4, &isnull);

			store_body(replica, handover, ingest, DatumGetByteaPP(body),
					   DatumGetInt16(SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &isnull)));
			after = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));
		}
		pgtsdb_ingest_finish(ingest, &result);
		pgtsdb_count_replica(replica, PGTSDB_REPLICA_TAKEN, (int64) result.samples);
		pgtsdb_count_replica(replica, PGTSDB_REPLICA_DROPPED, (int64) result.handed_over);
	}
	SPI_finish();
	return after;
}

static void
store_body(const PgtsdbReplica *replica, const PgtsdbHandover *handover, PgtsdbIngest *ingest, const bytea *body, int version)
{
	/* it was within the limit when it came */
	TsdbIngestLimits limits = {.max_body_bytes = MaxAllocSize};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb held write", ALLOCSET_DEFAULT_SIZES);
	PgtsdbSender sender = pgtsdb_replica_sender(replica, handover);
	TsdbWriteRequest *request;
	TsdbError	error;

	CHECK_FOR_INTERRUPTS();
	pgtsdb_check(pgtsdb_open_write(pgtsdb_arena_create(context, 0, NULL), body, version, &limits, &request, &error), &error);
	pgtsdb_ingest_start_sender(ingest, &sender);
	tsdb_write_request_feed(request, pgtsdb_ingest_sink(ingest));
	pgtsdb_ingest_end_sender(ingest, NULL);
	MemoryContextDelete(context);
}
