/*
 * outbox.c
 *		What is stored goes on to other servers: the way into tsdb.remote_write_outbox.
 *
 * Samples are collected as they are stored, by the place of their series, so that one way serves all senders: what
 * was refused is not sent, labels are those that are stored, and stale markers are there.  The labels are
 * read from the catalogue, group by group, when samples are encoded.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/compat.h"
#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/storage/outbox.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/storage/statement.h"
#include "pg/storage/storage_internal.h"

/* Attribute numbers of tsdb.remote_write_targets, as sql/pgtsdb.sql makes it. */
#define TARGETS_TENANT_ID 2
#define TARGETS_STATUS 4

/* As Prometheus sends at most. */
#define MAX_REQUEST_SAMPLES 2000
/* Requests that a session puts in between two looks at the oldest. */
#define PRUNE_EVERY 256
/* Samples in memory before they are encoded. */
#define MAX_PENDING_SAMPLES (128 * 1024)

typedef struct Pending
{
	PgtsdbSeriesRef series;
	TsdbSample	sample;
} Pending;

struct PgtsdbOutbox
{
	const PgtsdbTenant *tenant;
	MemoryContext context;
	Pending    *pending;
	size_t		n;
	size_t		capacity;
};

/* A request that is being written. */
typedef struct Request
{
	PgtsdbOutbox *outbox;
	TsdbArena  *arena;
	TsdbBuffer	message;
	size_t		samples;
	int64	   *t;				/* of one series, as many as a request has */
	double	   *v;
} Request;

void		(*pgtsdb_outbox_filled) (void) = NULL;

static PgtsdbStatement put_statement = {
	"INSERT INTO tsdb.remote_write_outbox (tenant_id, samples, bytes, body) VALUES ($1, $2, $3, $4)", SPI_OK_INSERT
};

/*
 * Where no forwarder runs nobody else keeps the limits: what is far over them goes, a part of the oldest requests at a time.
 */
static PgtsdbStatement prune_statement = {
	"DELETE FROM tsdb.remote_write_outbox o USING (SELECT tenant_id, xid, seq FROM"
	" (SELECT tenant_id, xid, seq, created_at FROM tsdb.remote_write_outbox WHERE tenant_id OPERATOR(pg_catalog.=) $1"
	" ORDER BY xid, seq LIMIT 1000) b"
	" WHERE created_at OPERATOR(pg_catalog.<) (SELECT pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"
	" pg_catalog.max(max_age) OPERATOR(pg_catalog.-) pg_catalog.max(max_age) FROM tsdb.remote_write_targets"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1)) d"
	" WHERE o.tenant_id OPERATOR(pg_catalog.=) d.tenant_id AND o.xid OPERATOR(pg_catalog.=) d.xid"
	" AND o.seq OPERATOR(pg_catalog.=) d.seq", SPI_OK_DELETE
};

static bool has_active_target(const PgtsdbTenant *tenant);
static int	compare_pending(const void *a, const void *b);
static const Pending *encode_part(Request *request, const Pending *first, const Pending *end);
static const Pending *encode_group(Request *request, PgtsdbScan *scan, const Pending *first, const Pending *end);
static const Pending *encode_series(Request *request, PgtsdbScan *scan, const Pending *first, const Pending *end);
static void start_request(Request *request);
static void end_request(Request *request);

PgtsdbOutbox *
pgtsdb_outbox_create(const PgtsdbTenant *tenant)
{
	PgtsdbOutbox *outbox;

	if (pgtsdb_outbox_filled == NULL || !has_active_target(tenant))
		return NULL;
	outbox = palloc0_object(PgtsdbOutbox);
	outbox->tenant = tenant;
	outbox->context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb outbox", ALLOCSET_DEFAULT_SIZES);
	return outbox;
}

/* A look at a table of few rows, mostly none, as it is committed now. */
static bool
has_active_target(const PgtsdbTenant *tenant)
{
	Relation	relation = pgtsdb_open_configuration("remote_write_targets");
	SysScanDesc scan = pgtsdb_scan_by_tenant(relation, TARGETS_TENANT_ID, tenant->tenant_id);
	HeapTuple	tuple;
	bool		active = false;

	while (!active && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		status = heap_getattr(tuple, TARGETS_STATUS, RelationGetDescr(relation), &isnull);

		active = strcmp(TextDatumGetCString(status), "ACTIVE") == 0;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return active;
}

void
pgtsdb_outbox_add(PgtsdbOutbox *outbox, PgtsdbSeriesRef series, int64 t, double v)
{
	if (outbox->n == outbox->capacity)
	{
		size_t		capacity = outbox->capacity == 0 ? 1024 : outbox->capacity * 2;

		outbox->pending = outbox->pending == NULL ?
			MemoryContextAllocHuge(outbox->context, capacity * sizeof(Pending)) :
			repalloc_huge(outbox->pending, capacity * sizeof(Pending));
		outbox->capacity = capacity;
	}
	outbox->pending[outbox->n++] = (Pending) {series, {t, v}};
	if (outbox->n >= MAX_PENDING_SAMPLES)
		pgtsdb_outbox_flush(outbox);
}

void
pgtsdb_outbox_put(PgtsdbOutbox *outbox, const void *body, size_t len, size_t samples)
{
	static const Oid types[] = {TEXTOID, INT4OID, INT4OID, BYTEAOID};
	static int	n_put = 0;
	Datum		tenant_id = CStringGetTextDatum(outbox->tenant->tenant_id);
	bytea	   *copy = palloc(VARHDRSZ + len);

	SET_VARSIZE(copy, VARHDRSZ + len);
	memcpy(VARDATA(copy), body, len);
	SPI_connect();
	pgtsdb_statement_run(&put_statement, lengthof(types), types, (Datum[]) {
		tenant_id, Int32GetDatum((int32) samples), Int32GetDatum((int32) len), PointerGetDatum(copy)
	});
	if (++n_put % PRUNE_EVERY == 0)
		pgtsdb_statement_run(&prune_statement, 1, types, &tenant_id);
	SPI_finish();
	pfree(copy);
	pgtsdb_outbox_filled();
}

/* ---- encoding ---- */

void
pgtsdb_outbox_flush(PgtsdbOutbox *outbox)
{
	MemoryContext scratch;
	MemoryContext caller;
	const Pending *next = outbox->pending;
	const Pending *end = outbox->pending + outbox->n;
	Request		request = {.outbox = outbox};

	if (outbox->n == 0)
		return;
	scratch = AllocSetContextCreate(outbox->context, "pgtsdb request to forward", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(scratch);
	qsort(outbox->pending, outbox->n, sizeof(Pending), compare_pending);
	request.arena = pgtsdb_arena_create(scratch, 0, NULL);
	request.t = palloc_array(int64, MAX_REQUEST_SAMPLES);
	request.v = palloc_array(double, MAX_REQUEST_SAMPLES);
	start_request(&request);

	/* series that this transaction has made, too */
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	while (next < end)
		next = encode_part(&request, next, end);
	PopActiveSnapshot();
	end_request(&request);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	outbox->n = 0;
}

static int
compare_pending(const void *a, const void *b)
{
	const Pending *x = a;
	const Pending *y = b;
	int			order = pgtsdb_series_ref_compare(&x->series, &y->series);

	return order != 0 ? order : (x->sample.t > y->sample.t) - (x->sample.t < y->sample.t);
}

/* Samples of one part; answers the first of the next one. */
static const Pending *
encode_part(Request *request, const Pending *first, const Pending *end)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	int32		part = first->series.part;
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, part), lengthof(columns), columns, GetActiveSnapshot(),
						  AccessShareLock))
		pgtsdb_table_is_gone("series");
	while (first < end && first->series.part == part)
		first = encode_group(request, &scan, first, end);
	pgtsdb_scan_close(&scan);
	return first;
}

/* The rows of a group come in the order of their columns, as the samples do. */
static const Pending *
encode_group(Request *request, PgtsdbScan *scan, const Pending *first, const Pending *end)
{
	int32		part = first->series.part;
	int32		group_id = first->series.group_id;

	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_key_int4(scan, 2, BTEqualStrategyNumber, group_id);
	pgtsdb_scan_key_int2(scan, 3, BTGreaterEqualStrategyNumber, first->series.col);
	pgtsdb_scan_start(scan);
	while (first < end && first->series.part == part && first->series.group_id == group_id && pgtsdb_scan_next(scan))
	{
		int16		col = DatumGetInt16(pgtsdb_scan_value(scan, PGTSDB_SERIES_COL));

		if (col == first->series.col)
			first = encode_series(request, scan, first, end);
	}
	/* without a row: it was removed while its target still sent stale markers */
	while (first < end && first->series.part == part && first->series.group_id == group_id)
		first++;
	return first;
}

/* The samples of the series whose row is in the slot. */
static const Pending *
encode_series(Request *request, PgtsdbScan *scan, const Pending *first, const Pending *end)
{
	PgtsdbSeriesRef series = first->series;
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(pgtsdb_scan_value(scan, PGTSDB_SERIES_LABELS));
	TsdbLabels	labels;
	TsdbError	error;

	pgtsdb_check(tsdb_labels_read(request->arena, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &labels, &error), &error);
	while (first < end && pgtsdb_series_ref_compare(&first->series, &series) == 0)
	{
		size_t		n = 0;

		while (first < end && request->samples < MAX_REQUEST_SAMPLES && pgtsdb_series_ref_compare(&first->series, &series) == 0)
		{
			request->t[n] = first->sample.t;
			request->v[n++] = first->sample.v;
			request->samples++;
			first++;
		}
		/* a result of remote read and a request of remote write are the same message */
		tsdb_remote_read_series(&request->message, labels, request->t, request->v, n);
		if (request->samples == MAX_REQUEST_SAMPLES)
		{
			end_request(request);
			start_request(request);
			pgtsdb_check(tsdb_labels_read(request->arena, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &labels, &error), &error);
		}
	}
	return first;
}

static void
start_request(Request *request)
{
	tsdb_arena_reset(request->arena);
	tsdb_buffer_init(&request->message, request->arena, 64 * 1024);
	request->samples = 0;
}

static void
end_request(Request *request)
{
	TsdbStr		body;

	if (request->samples == 0)
		return;
	body = tsdb_remote_read_compress(request->arena, &request->message);
	pgtsdb_outbox_put(request->outbox, body.data, body.len, request->samples);
}
