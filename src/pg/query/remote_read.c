/*
 * remote_read.c
 *		tsdb.remote_read() and tsdb.remote_read_stream(): Prometheus remote read, as the gateway answers it.
 *
 * An answer of samples is one block.  One of chunks comes in pieces of frames, as rows: nothing holds all of it but the
 * tuplestore, which writes to disk what is too much.  The samples of a query are never held: each series becomes frames when
 * the source hands it over, and these are put into the order of labels in which who reads wants them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "core/ingest/ingest.h"
#include "core/promql/source.h"
#include "pg/compat.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/query/query.h"
#include "pg/storage/reader.h"

/* So many bytes of frames, or some more, make a row. */
#define PIECE_BYTES (64 * 1024)

/* The frames of a series are those from `start` to `end` in what the writer has made. */
typedef struct Frames
{
	TsdbLabels	labels;
	size_t		start;
	size_t		end;
} Frames;

typedef struct FrameSink
{
	TsdbSeriesSink sink;		/* first: the source sees only this */
	TsdbArena  *arena;
	TsdbFrameWriter writer;
	size_t		query;
	Frames	   *frames;
	size_t		n;
	size_t		capacity;
} FrameSink;

static void decode(TsdbArena *arena, const bytea *body, TsdbReadRequest *request);
static TsdbSelect select_of(const TsdbReadQuery *query);
static bytea *answer_with_samples(const PgtsdbTenant *tenant, TsdbArena *arena, const TsdbReadRequest *request,
								  MemoryContext context);
static void collect_samples(TsdbSeriesSource *source, TsdbArena *arena, const TsdbReadQuery *query, size_t *samples_left,
							TsdbBuffer *response);
static void answer_with_chunks(const PgtsdbTenant *tenant, const TsdbReadRequest *request, ReturnSetInfo *result);
static TsdbStatus take_series(TsdbSeriesSink *sink, const TsdbSeriesData *series, bool same_times, TsdbError *error);
static void put_frames(FrameSink *sink, ReturnSetInfo *result);
static int	compare_frames(const void *a, const void *b, const void *context);
static void put_row(ReturnSetInfo *result, bool streamed, bytea *bytes);
static bytea *bytea_of(MemoryContext context, const void *data, size_t len);

PG_FUNCTION_INFO_V1(pgtsdb_sql_remote_read);
PG_FUNCTION_INFO_V1(pgtsdb_sql_remote_read_stream);

/* tsdb.remote_read(body bytea) */
Datum
pgtsdb_sql_remote_read(PG_FUNCTION_ARGS)
{
	PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb remote read", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = pgtsdb_query_arena(context);
	TsdbReadRequest request;
	bytea	   *answer;

	decode(arena, PG_GETARG_BYTEA_PP(0), &request);
	if (!request.takes_samples)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("remote read request takes chunks only"),
				 errhint("Use tsdb.remote_read_stream().")));
	answer = answer_with_samples(tenant, arena, &request, CurrentMemoryContext);
	MemoryContextDelete(context);
	PG_RETURN_BYTEA_P(answer);
}

/* tsdb.remote_read_stream(body bytea) */
Datum
pgtsdb_sql_remote_read_stream(PG_FUNCTION_ARGS)
{
	PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb remote read", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = pgtsdb_query_arena(context);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TsdbReadRequest request;

	InitMaterializedSRF(fcinfo, 0);
	decode(arena, PG_GETARG_BYTEA_PP(0), &request);
	if (request.wants_chunks)
		answer_with_chunks(tenant, &request, result);
	else
		put_row(result, false, answer_with_samples(tenant, arena, &request, context));
	MemoryContextDelete(context);
	return (Datum) 0;
}

static void
decode(TsdbArena *arena, const bytea *body, TsdbReadRequest *request)
{
	TsdbIngestLimits limits = {.max_body_bytes = (size_t) pgtsdb_max_ingest_body * 1024 * 1024};
	TsdbError	error;

	pgtsdb_check(tsdb_remote_read_decode(arena, VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), &limits, request, &error), &error);
}

static TsdbSelect
select_of(const TsdbReadQuery *query)
{
	return (TsdbSelect) {
		.t_min = query->t_min, .t_max = query->t_max, .matchers = query->matchers, .n_matchers = query->n_matchers,
		.max_series = pgtsdb_query_max_series
	};
}

/* ---- samples ---- */

/* One result for each query, in their order. */
static bytea *
answer_with_samples(const PgtsdbTenant *tenant, TsdbArena *arena, const TsdbReadRequest *request, MemoryContext context)
{
	TsdbSeriesSource *source = pgtsdb_storage_source(tenant, GetActiveSnapshot(), arena);
	size_t		samples_left = pgtsdb_query_max_samples;
	TsdbBuffer	response;
	TsdbStr		block;

	tsdb_buffer_init(&response, arena, 1024);
	for (size_t i = 0; i < request->n; i++)
		collect_samples(source, arena, &request->queries[i], &samples_left, &response);
	block = tsdb_remote_read_compress(arena, &response);
	return bytea_of(context, block.data, block.len);
}

static void
collect_samples(TsdbSeriesSource *source, TsdbArena *arena, const TsdbReadQuery *query, size_t *samples_left, TsdbBuffer *response)
{
	TsdbSelect	select = select_of(query);
	TsdbSeriesData *series = NULL;
	size_t		n = 0;
	TsdbBuffer	result;
	TsdbError	error;

	if (query->t_min <= query->t_max)
		pgtsdb_check(tsdb_source_collect(source, arena, &select, *samples_left, &series, &n, &error), &error);
	tsdb_buffer_init(&result, arena, 1024);
	for (size_t i = 0; i < n; i++)
	{
		*samples_left -= series[i].n;
		tsdb_remote_read_series(&result, series[i].labels, series[i].t, series[i].v, series[i].n);
	}
	tsdb_remote_read_result(response, &result);
}

/* ---- chunks ---- */

/* Query by query, each in an arena of its own. */
static void
answer_with_chunks(const PgtsdbTenant *tenant, const TsdbReadRequest *request, ReturnSetInfo *result)
{
	for (size_t i = 0; i < request->n; i++)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb remote read query", ALLOCSET_DEFAULT_SIZES);
		TsdbArena  *arena = pgtsdb_query_arena(context);
		TsdbSeriesSource *source = pgtsdb_storage_source(tenant, GetActiveSnapshot(), arena);
		TsdbSelect	select = select_of(&request->queries[i]);
		FrameSink	sink = {.sink = {take_series}, .arena = arena, .query = i};
		TsdbError	error;

		tsdb_frames_init(&sink.writer, arena);
		if (select.t_min <= select.t_max)
			pgtsdb_check(source->select(source, arena, &select, &sink.sink, &error), &error);
		tsdb_sort(arena, &pgtsdb_env, sink.frames, sink.n, sizeof(Frames), compare_frames, NULL);
		put_frames(&sink, result);
		MemoryContextDelete(context);
	}
}

static TsdbStatus
take_series(TsdbSeriesSink *base, const TsdbSeriesData *series, bool same_times, TsdbError *error)
{
	FrameSink  *sink = (FrameSink *) base;
	size_t		start = sink->writer.out.len;

	CHECK_FOR_INTERRUPTS();
	if (sink->n == sink->capacity)
	{
		size_t		capacity = sink->capacity == 0 ? 256 : sink->capacity * 2;

		sink->frames = tsdb_grow(sink->arena, sink->frames, sink->capacity * sizeof(Frames), capacity * sizeof(Frames));
		sink->capacity = capacity;
	}
	tsdb_frames_add(&sink->writer, sink->query, series->labels, series->t, series->v, series->n);
	sink->frames[sink->n++] = (Frames) {series->labels, start, sink->writer.out.len};
	return TSDB_OK;
}

static int
compare_frames(const void *a, const void *b, const void *context)
{
	return tsdb_labels_compare(((const Frames *) a)->labels, ((const Frames *) b)->labels);
}

static void
put_frames(FrameSink *sink, ReturnSetInfo *result)
{
	TsdbBuffer	piece;

	tsdb_buffer_init(&piece, sink->arena, PIECE_BYTES);
	for (size_t i = 0; i < sink->n; i++)
	{
		const Frames *frames = &sink->frames[i];

		CHECK_FOR_INTERRUPTS();
		tsdb_buffer_append(&piece, sink->writer.out.data + frames->start, frames->end - frames->start);
		if (piece.len < PIECE_BYTES && i + 1 < sink->n)
			continue;
		put_row(result, true, bytea_of(CurrentMemoryContext, piece.data, piece.len));
		piece.len = 0;
	}
}

static void
put_row(ReturnSetInfo *result, bool streamed, bytea *bytes)
{
	Datum		values[2] = {BoolGetDatum(streamed), PointerGetDatum(bytes)};
	bool		nulls[2] = {false, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	pfree(bytes);
}

static bytea *
bytea_of(MemoryContext context, const void *data, size_t len)
{
	bytea	   *bytes;

	if (!AllocSizeIsValid(len + VARHDRSZ))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("answer of %zu bytes is too long", len),
				 errhint("Ask for fewer series or a shorter range.")));
	bytes = MemoryContextAlloc(context, len + VARHDRSZ);
	SET_VARSIZE(bytes, len + VARHDRSZ);
	memcpy(VARDATA(bytes), data, len);
	return bytes;
}
