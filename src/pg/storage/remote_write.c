/*
 * remote_write.c
 *		tsdb.remote_write() and tsdb.remote_write_v2().
 *
 * A body that cannot be decoded is an error before anything of it is stored.  What
 * comes from a replica of a pair is stored, or held, as replicas.h tells.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "pg/compat.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/storage/held_writes.h"
#include "pg/storage/replicas.h"
#include "pg/storage/write.h"
#include "pg/times.h"

static int64 store_request(const bytea *body, int version);
static TsdbWriteRequest *open_request(TsdbArena *arena, const bytea *body, int version);
static PgtsdbIngestResult feed(const TsdbWriteRequest *request, const PgtsdbSender *sender, const bytea *body);
static int64 store_of_replica(const PgtsdbReplica *replica, const TsdbWriteRequest *request, const bytea *body, int version);
static bool admit(const PgtsdbReplica *replica, const TsdbWriteRequest *request, const bytea *body, int version,
				  PgtsdbHandover *handover);

PG_FUNCTION_INFO_V1(pgtsdb_sql_remote_write);
PG_FUNCTION_INFO_V1(pgtsdb_sql_remote_write_v2);

Datum
pgtsdb_sql_remote_write(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(store_request(PG_GETARG_BYTEA_PP(0), 1));
}

/* Neither native histograms nor exemplars are stored. */
Datum
pgtsdb_sql_remote_write_v2(PG_FUNCTION_ARGS)
{
	bool		nulls[3] = {false, false, false};
	Datum		values[3] = {Int64GetDatum(0), Int64GetDatum(0), Int64GetDatum(0)};
	TupleDesc	descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum(store_request(PG_GETARG_BYTEA_PP(0), 2));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

static int64
store_request(const bytea *body, int version)
{
	PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_WRITE);
	TsdbWriteRequest *request = open_request(pgtsdb_arena_create(CurrentMemoryContext, 0, NULL), body, version);
	PgtsdbSender sender = {.identity = PGTSDB_IDENTITY_REMOTE_WRITE};
	PgtsdbReplica replica;

	if (pgtsdb_find_replica(tenant, request, &replica))
		return store_of_replica(&replica, request, body, version);
	sender.forwarded = version == 1;
	return (int64) feed(request, &sender, body).samples;
}

static TsdbWriteRequest *
open_request(TsdbArena *arena, const bytea *body, int version)
{
	TsdbIngestLimits limits = {.max_body_bytes = (size_t) pgtsdb_max_ingest_body * 1024 * 1024};
	TsdbWriteRequest *request;
	TsdbError	error;

	if (pgtsdb_open_write(arena, body, version, &limits, &request, &error) != TSDB_OK)
	{
		if (error.hint[0] == '\0' && error.code == TSDB_ERR_LIMIT)
			tsdb_error_hint(&error, "Send smaller requests, or raise \"pgtsdb.max_ingest_body\".");
		else if (error.hint[0] == '\0')
			tsdb_error_hint(&error, "The body must be a Prometheus remote-write %d.0 request, compressed with snappy in block format.",
							version);
		pgtsdb_raise(&error);
	}
	return request;
}

/*
 * Both versions name the same series by the same bytes, so they share an identity.  A body of version 1 goes on to other servers as
 * it came, its metadata too, when nothing was changed in it.
 */
static PgtsdbIngestResult
feed(const TsdbWriteRequest *request, const PgtsdbSender *sender, const bytea *body)
{
	PgtsdbWrite write;

	pgtsdb_write_begin(&write, sender);
	/* an empty message is a block of one byte */
	if (sender->forwarded && VARSIZE_ANY_EXHDR(body) > 1)
		pgtsdb_ingest_forward(write.ingest, VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), tsdb_write_request_samples(request));
	tsdb_write_request_feed(request, pgtsdb_ingest_sink(write.ingest));
	pgtsdb_write_finish(&write);
	return write.result;
}

/* What is held, or the former replica has sent, counts as stored: a sender of version 2 takes 0 for a failure. */
static int64
store_of_replica(const PgtsdbReplica *replica, const TsdbWriteRequest *request, const bytea *body, int version)
{
	PgtsdbHandover handover;
	PgtsdbSender sender;
	PgtsdbIngestResult result;
	int64		t_min;
	int64		t_max;
	size_t		n = tsdb_write_request_times(request, &t_min, &t_max);

	if (n == 0)
		return 0;
	if (!admit(replica, request, body, version, &handover))
		return (int64) n;
	sender = pgtsdb_replica_sender(replica, t_min <= handover.to ? &handover : NULL);
	result = feed(request, &sender, body);
	pgtsdb_count_replica(replica, PGTSDB_REPLICA_ACCEPTED, (int64) result.samples);
	return (int64) (result.samples + result.handed_over);
}

/* False: it is held. */
static bool
admit(const PgtsdbReplica *replica, const TsdbWriteRequest *request, const bytea *body, int version, PgtsdbHandover *handover)
{
	PgtsdbHeldWrite held = {.received_at = GetCurrentTimestamp(), .version = version, .body = body};
	PgtsdbCaller caller;
	PgtsdbVerdict verdict;
	int64		t_min;

	held.samples = tsdb_write_request_times(request, &t_min, &held.newest);
	pgtsdb_act_as_owner(&caller);
	verdict = pgtsdb_judge_replica(replica, held.received_at, held.newest, handover);
	if (verdict == PGTSDB_VERDICT_HOLD)
		pgtsdb_hold_write(replica, &held);
	else if (verdict == PGTSDB_VERDICT_STORE_HELD)
		pgtsdb_store_held(replica, handover);
	pgtsdb_act_as_caller(&caller);
	return verdict != PGTSDB_VERDICT_HOLD;
}
