/*
 * forward_tables.c
 *		What the forwarder reads from the tables: targets and requests; and how far it has come.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/xid8.h"

#include "pg/compat.h"
#include "pg/config_values.h"
#include "pg/outbound/outbound.h"
#include "pg/storage/statement.h"
#include "forwarder_internal.h"

/* Requests of one target in memory; the first one may be larger. */
#define MAX_QUEUE_REQUESTS 32
#define MAX_QUEUE_BYTES (4 * 1024 * 1024)

static const char targets_query[] =
	"SELECT t.target_id, t.tenant_id, t.name, COALESCE(u.value, t.url), t.basic_auth_user, w.value, k.value, t.headers,"
	" t.tls_skip_verify, t.status OPERATOR(pg_catalog.=) 'ACTIVE', t.timeout, t.max_age, t.max_bytes, p.xid, p.seq"
	" FROM tsdb.remote_write_targets t"
	" JOIN tsdb.remote_write_positions p ON p.target_id OPERATOR(pg_catalog.=) t.target_id"
	" LEFT JOIN tsdb.secrets u ON u.tenant_id OPERATOR(pg_catalog.=) t.tenant_id"
	" AND u.secret_name OPERATOR(pg_catalog.=) t.url_secret"
	" LEFT JOIN tsdb.secrets w ON w.tenant_id OPERATOR(pg_catalog.=) t.tenant_id"
	" AND w.secret_name OPERATOR(pg_catalog.=) t.password_secret"
	" LEFT JOIN tsdb.secrets k ON k.tenant_id OPERATOR(pg_catalog.=) t.tenant_id"
	" AND k.secret_name OPERATOR(pg_catalog.=) t.token_secret";

/* Those up to ACTIVE and beyond are settings; the position is read once. */
enum TargetColumn
{
	TARGET_ID = 1, TARGET_TENANT, TARGET_NAME, TARGET_URL, TARGET_USER, TARGET_PASSWORD, TARGET_TOKEN, TARGET_HEADERS,
	TARGET_TLS_SKIP_VERIFY, TARGET_ACTIVE, TARGET_TIMEOUT, TARGET_MAX_AGE, TARGET_MAX_BYTES, TARGET_XID, TARGET_SEQ
};

/* A transaction that is in progress may still put in something that comes before what others have put in. */
#define SETTLED "xid OPERATOR(pg_catalog.<) pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())"
#define BEHIND_POSITION "tenant_id OPERATOR(pg_catalog.=) $1 AND (xid, seq) OPERATOR(pg_catalog.>) ($2, $3)"

static PgtsdbStatement requests_statement = {
	"SELECT xid, seq, created_at, samples, body, " SETTLED " FROM tsdb.remote_write_outbox WHERE " BEHIND_POSITION
	" ORDER BY xid, seq LIMIT 33", SPI_OK_SELECT
};

enum RequestColumn
{
	REQUEST_XID = 1, REQUEST_SEQ, REQUEST_CREATED_AT, REQUEST_SAMPLES, REQUEST_BODY, REQUEST_SETTLED
};

static PgtsdbStatement save_statement = {
	"UPDATE tsdb.remote_write_positions SET (xid, seq, sent_requests, sent_samples, retries, refused_samples, expired_samples,"
	" last_sent_at, last_error_at, last_error) = ($2, $3, sent_requests OPERATOR(pg_catalog.+) $4,"
	" sent_samples OPERATOR(pg_catalog.+) $5, retries OPERATOR(pg_catalog.+) $6, refused_samples OPERATOR(pg_catalog.+) $7,"
	" expired_samples OPERATOR(pg_catalog.+) $8, COALESCE($9, last_sent_at), COALESCE($10, last_error_at), COALESCE($11, last_error))"
	" WHERE target_id OPERATOR(pg_catalog.=) $1", SPI_OK_UPDATE
};
static PgtsdbStatement slowest_statement = {
	"SELECT DISTINCT ON (t.tenant_id) t.tenant_id, p.xid, p.seq FROM tsdb.remote_write_targets t"
	" JOIN tsdb.remote_write_positions p ON p.target_id OPERATOR(pg_catalog.=) t.target_id ORDER BY t.tenant_id, p.xid, p.seq",
	SPI_OK_SELECT
};
static PgtsdbStatement delete_statement = {
	"DELETE FROM tsdb.remote_write_outbox o USING (SELECT tenant_id, xid, seq FROM tsdb.remote_write_outbox"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND (xid, seq) OPERATOR(pg_catalog.<=) ($2, $3) ORDER BY xid, seq LIMIT 5000) d"
	" WHERE o.tenant_id OPERATOR(pg_catalog.=) d.tenant_id AND o.xid OPERATOR(pg_catalog.=) d.xid"
	" AND o.seq OPERATOR(pg_catalog.=) d.seq", SPI_OK_DELETE
};
static PgtsdbStatement delete_orphans_statement = {
	"DELETE FROM tsdb.remote_write_outbox o WHERE NOT EXISTS (SELECT FROM tsdb.remote_write_targets t"
	" WHERE t.tenant_id OPERATOR(pg_catalog.=) o.tenant_id)", SPI_OK_DELETE
};
/* The last request that is over a limit. */
static PgtsdbStatement excess_statement = {
	"SELECT xid, seq FROM (SELECT xid, seq, created_at, pg_catalog.sum(bytes) OVER (ORDER BY xid DESC, seq DESC) AS bytes"
	" FROM tsdb.remote_write_outbox WHERE " BEHIND_POSITION " AND " SETTLED ") b"
	" WHERE bytes OPERATOR(pg_catalog.>) $4 OR created_at OPERATOR(pg_catalog.<) $5 ORDER BY xid DESC, seq DESC LIMIT 1", SPI_OK_SELECT
};
static PgtsdbStatement excess_samples_statement = {
	"SELECT COALESCE(pg_catalog.sum(samples), 0)::pg_catalog.int8 FROM tsdb.remote_write_outbox WHERE " BEHIND_POSITION
	" AND (xid, seq) OPERATOR(pg_catalog.<=) ($4, $5)", SPI_OK_SELECT
};

static void read_targets(HTAB *targets);
static void read_target(HTAB *targets, HeapTuple row, TupleDesc desc);
static void read_settings(ForwardTarget *target, HeapTuple row, TupleDesc desc);
static void add_header(void *context, const char *key, int key_len, const char *value, int value_len);
static void read_requests(ForwardTarget *target, bool *is_behind);
static void read_request(OutboxRequest *request, HeapTuple row, TupleDesc desc, MemoryContext context);
static void save_target(ForwardTarget *target);
static void delete_sent(void);
static void give_up_excess(ForwardTarget *target);

/* ---- columns ---- */

static Datum
column(HeapTuple row, TupleDesc desc, int number)
{
	bool		isnull;

	return SPI_getbinval(row, desc, number, &isnull);
}

static OutboxPosition
position_column(HeapTuple row, TupleDesc desc, int number)
{
	return (OutboxPosition) {
		.xid = U64FromFullTransactionId(DatumGetFullTransactionId(column(row, desc, number))),
		.seq = DatumGetInt64(column(row, desc, number + 1))
	};
}

static Datum
xid_datum(OutboxPosition position)
{
	return FullTransactionIdGetDatum(FullTransactionIdFromU64(position.xid));
}

static int64
interval_ms(HeapTuple row, TupleDesc desc, int number)
{
	int64		ms = 0;

	/* the trigger has refused intervals without a length */
	(void) pgtsdb_interval_to_ms(DatumGetIntervalP(column(row, desc, number)), &ms);
	return ms;
}

/* ---- a look ---- */

void
pgtsdb_forward_look(PgtsdbWorker *worker, void *arg)
{
	ForwardLook *look = arg;
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;

	SPI_connect();
	read_targets(look->targets);
	hash_seq_init(&scan, look->targets);
	while ((target = hash_seq_search(&scan)) != NULL)
		if (target->found && target->settings.active && !target->sending && target->next == target->n)
			read_requests(target, &look->is_behind);
	SPI_finish();
}

static void
read_targets(HTAB *targets)
{
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;

	hash_seq_init(&scan, targets);
	while ((target = hash_seq_search(&scan)) != NULL)
		target->found = false;
	if (SPI_execute(targets_query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read remote-write targets");
	for (uint64 i = 0; i < SPI_processed; i++)
		read_target(targets, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	SPI_freetuptable(SPI_tuptable);
}

static void
read_target(HTAB *targets, HeapTuple row, TupleDesc desc)
{
	uint64		fingerprint = 0;
	bool		known;
	ForwardTarget *target = hash_search(targets, DatumGetUUIDP(column(row, desc, TARGET_ID)), HASH_ENTER, &known);

	for (int i = TARGET_TENANT; i <= TARGET_MAX_BYTES; i++)
	{
		char	   *text = SPI_getvalue(row, desc, i);

		if (text == NULL)
			text = "\1";		/* no value looks like this */
		fingerprint = hash_bytes_extended((unsigned char *) text, (int) strlen(text) + 1, fingerprint);
	}
	if (!known)
	{
		memset((char *) target + sizeof(pg_uuid_t), 0, sizeof(ForwardTarget) - sizeof(pg_uuid_t));
		target->context = AllocSetContextCreate(TopMemoryContext, "pgtsdb remote-write target", ALLOCSET_SMALL_SIZES);
		target->queue_context = AllocSetContextCreate(TopMemoryContext, "pgtsdb requests to forward", ALLOCSET_DEFAULT_SIZES);
		target->position = position_column(row, desc, TARGET_XID);
	}
	if (!known || target->fingerprint != fingerprint)
	{
		read_settings(target, row, desc);
		target->fingerprint = fingerprint;
		target->is_changed = target->transfer != NULL;
		target->retry_at = 0;
	}
	target->found = true;
}

/* In TopMemoryContext above, because a target lives as long as its row. */
static void
read_settings(ForwardTarget *target, HeapTuple row, TupleDesc desc)
{
	ForwardSettings *settings = &target->settings;
	MemoryContext caller;

	MemoryContextReset(target->context);
	caller = MemoryContextSwitchTo(target->context);
	memset(settings, 0, sizeof(*settings));
	settings->tenant_id = SPI_getvalue(row, desc, TARGET_TENANT);
	settings->name = SPI_getvalue(row, desc, TARGET_NAME);
	settings->url = SPI_getvalue(row, desc, TARGET_URL);
	settings->user = SPI_getvalue(row, desc, TARGET_USER);
	settings->password = SPI_getvalue(row, desc, TARGET_PASSWORD);
	settings->token = SPI_getvalue(row, desc, TARGET_TOKEN);
	(void) pgtsdb_json_pairs(DatumGetJsonbP(column(row, desc, TARGET_HEADERS)), false, add_header, settings);
	settings->tls_skip_verify = DatumGetBool(column(row, desc, TARGET_TLS_SKIP_VERIFY));
	settings->active = DatumGetBool(column(row, desc, TARGET_ACTIVE));
	settings->timeout_ms = interval_ms(row, desc, TARGET_TIMEOUT);
	settings->max_age_ms = interval_ms(row, desc, TARGET_MAX_AGE);
	settings->max_bytes = DatumGetInt64(column(row, desc, TARGET_MAX_BYTES));
	MemoryContextSwitchTo(caller);
}

static void
add_header(void *context, const char *key, int key_len, const char *value, int value_len)
{
	ForwardSettings *settings = context;

	settings->headers = settings->headers == NULL ? palloc_array(char *, 1)
		: repalloc_array(settings->headers, char *, settings->n_headers + 1);
	/* libcurl sends a header without a value only when it ends like this */
	settings->headers[settings->n_headers++] = value_len == 0 ? psprintf("%.*s;", key_len, key)
		: psprintf("%.*s: %.*s", key_len, key, value_len, value);
}

static void
read_requests(ForwardTarget *target, bool *is_behind)
{
	static const Oid types[] = {TEXTOID, XID8OID, INT8OID};
	Size		bytes = 0;
	uint64		n = pgtsdb_statement_run(&requests_statement, lengthof(types), types, (Datum[]) {
		CStringGetTextDatum(target->settings.tenant_id), xid_datum(target->position), Int64GetDatum(target->position.seq)
	});

	MemoryContextReset(target->queue_context);
	target->queue = MemoryContextAlloc(target->queue_context, MAX_QUEUE_REQUESTS * sizeof(OutboxRequest));
	target->n = target->next = 0;
	target->has_more = false;
	for (uint64 i = 0; i < n && !target->has_more; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];

		if (!DatumGetBool(column(row, SPI_tuptable->tupdesc, REQUEST_SETTLED)))
		{
			*is_behind = true;
			break;
		}
		target->has_more = target->n == MAX_QUEUE_REQUESTS || bytes >= MAX_QUEUE_BYTES;
		if (target->has_more)
			break;
		read_request(&target->queue[target->n], row, SPI_tuptable->tupdesc, target->queue_context);
		bytes += target->queue[target->n++].len;
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
read_request(OutboxRequest *request, HeapTuple row, TupleDesc desc, MemoryContext context)
{
	struct varlena *body = PG_DETOAST_DATUM_PACKED(column(row, desc, REQUEST_BODY));

	request->position = position_column(row, desc, REQUEST_XID);
	request->created_at = DatumGetTimestampTz(column(row, desc, REQUEST_CREATED_AT));
	request->samples = DatumGetInt32(column(row, desc, REQUEST_SAMPLES));
	request->len = VARSIZE_ANY_EXHDR(body);
	request->body = MemoryContextAlloc(context, Max(request->len, 1));
	memcpy(request->body, VARDATA_ANY(body), request->len);
}

/* ---- saving ---- */

void
pgtsdb_forward_save(PgtsdbWorker *worker, void *arg)
{
	ForwardLook *look = arg;
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;

	SPI_connect();
	hash_seq_init(&scan, look->targets);
	while ((target = hash_seq_search(&scan)) != NULL)
		if (target->dirty)
			save_target(target);
	delete_sent();
	SPI_finish();
}

static void
save_target(ForwardTarget *target)
{
	static const Oid types[] = {
		UUIDOID, XID8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID
	};
	const ForwardCounts *counts = &target->counts;
	char		nulls[lengthof(types) + 1] = "           ";
	Datum		values[lengthof(types)] = {
		UUIDPGetDatum(&target->id), xid_datum(target->position), Int64GetDatum(target->position.seq),
		Int64GetDatum(counts->sent_requests), Int64GetDatum(counts->sent_samples), Int64GetDatum(counts->retries),
		Int64GetDatum(counts->refused_samples), Int64GetDatum(counts->expired_samples),
		TimestampTzGetDatum(counts->last_sent_at), TimestampTzGetDatum(counts->last_error_at),
		CStringGetTextDatum(counts->last_error)
	};

	if (counts->last_sent_at == 0)
		nulls[8] = 'n';
	if (counts->last_error_at == 0)
		nulls[9] = nulls[10] = 'n';
	(void) pgtsdb_statement_run_nulls(&save_statement, lengthof(types), types, values, nulls);
}

/* What the slowest target of each tenant is done with. */
static void
delete_sent(void)
{
	static const Oid types[] = {TEXTOID, XID8OID, INT8OID};
	uint64		n = pgtsdb_statement_run(&slowest_statement, 0, NULL, NULL);
	SPITupleTable *slowest = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		Datum		values[lengthof(types)];

		for (int k = 0; k < lengthof(types); k++)
			values[k] = column(slowest->vals[i], slowest->tupdesc, k + 1);
		(void) pgtsdb_statement_run(&delete_statement, lengthof(types), types, values);
	}
}

/* ---- limits ---- */

void
pgtsdb_forward_expire(PgtsdbWorker *worker, void *arg)
{
	ForwardLook *look = arg;
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;

	SPI_connect();
	(void) pgtsdb_statement_run(&delete_orphans_statement, 0, NULL, NULL);
	/* the trigger does, but for rows that were restored without triggers */
	pgtsdb_start_forwarding();
	hash_seq_init(&scan, look->targets);
	while ((target = hash_seq_search(&scan)) != NULL)
		if (target->found && !target->sending)
			give_up_excess(target);
	SPI_finish();
}

/* One that is paused keeps no more than the others. */
static void
give_up_excess(ForwardTarget *target)
{
	static const Oid types[] = {TEXTOID, XID8OID, INT8OID, INT8OID, TIMESTAMPTZOID};
	static const Oid samples_types[] = {TEXTOID, XID8OID, INT8OID, XID8OID, INT8OID};
	Datum		values[lengthof(types)] = {
		CStringGetTextDatum(target->settings.tenant_id), xid_datum(target->position), Int64GetDatum(target->position.seq),
		Int64GetDatum(target->settings.max_bytes),
		TimestampTzGetDatum(GetCurrentTimestamp() - target->settings.max_age_ms * 1000)
	};
	OutboxPosition excess;

	if (pgtsdb_statement_run(&excess_statement, lengthof(types), types, values) == 0)
		return;
	excess = position_column(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	values[3] = xid_datum(excess);
	values[4] = Int64GetDatum(excess.seq);
	(void) pgtsdb_statement_run(&excess_samples_statement, lengthof(samples_types), samples_types, values);
	target->counts.expired_samples += DatumGetInt64(column(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	target->position = excess;
	target->dirty = true;
	while (target->next < target->n && !position_is_behind(target->queue[target->next].position, excess))
		target->next++;
}
