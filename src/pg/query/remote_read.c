/*
 * remote_read.c
 *		tsdb.remote_read(): Prometheus remote read, as the gateway answers it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/ingest/ingest.h"
#include "core/promql/source.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/query/query.h"
#include "pg/storage/reader.h"

static bytea *answer_queries(const PgtsdbTenant *tenant, TsdbArena *arena, const TsdbReadQuery *queries, size_t n,
							 MemoryContext context);
static void answer_query(TsdbSeriesSource *source, TsdbArena *arena, const TsdbReadQuery *query, size_t *samples_left,
						 TsdbBuffer *response);

PG_FUNCTION_INFO_V1(pgtsdb_sql_remote_read);

/* tsdb.remote_read(body bytea) */
Datum
pgtsdb_sql_remote_read(PG_FUNCTION_ARGS)
{
	bytea	   *body = PG_GETARG_BYTEA_PP(0);
	PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb remote read", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = pgtsdb_query_arena(context);
	TsdbIngestLimits limits = {.max_body_bytes = (size_t) pgtsdb_max_ingest_body * 1024 * 1024};
	TsdbReadQuery *queries;
	size_t		n;
	bytea	   *answer;
	TsdbError	error;

	pgtsdb_check(tsdb_remote_read_decode(arena, VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), &limits, &queries, &n, &error), &error);
	answer = answer_queries(tenant, arena, queries, n, CurrentMemoryContext);
	MemoryContextDelete(context);
	PG_RETURN_BYTEA_P(answer);
}

/* One result for each query, in their order. */
static bytea *
answer_queries(const PgtsdbTenant *tenant, TsdbArena *arena, const TsdbReadQuery *queries, size_t n, MemoryContext context)
{
	TsdbSeriesSource *source = pgtsdb_storage_source(tenant, GetActiveSnapshot(), arena);
	size_t		samples_left = pgtsdb_query_max_samples;
	TsdbBuffer	response;
	TsdbStr		block;
	bytea	   *answer;

	tsdb_buffer_init(&response, arena, 1024);
	for (size_t i = 0; i < n; i++)
		answer_query(source, arena, &queries[i], &samples_left, &response);
	block = tsdb_remote_read_compress(arena, &response);
	if (!AllocSizeIsValid(block.len + VARHDRSZ))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("answer of %zu bytes is too long", block.len),
				 errhint("Ask for fewer series or a shorter range.")));
	answer = MemoryContextAlloc(context, block.len + VARHDRSZ);
	SET_VARSIZE(answer, block.len + VARHDRSZ);
	memcpy(VARDATA(answer), block.data, block.len);
	return answer;
}

static void
answer_query(TsdbSeriesSource *source, TsdbArena *arena, const TsdbReadQuery *query, size_t *samples_left, TsdbBuffer *response)
{
	TsdbSelect	select = {
		.t_min = query->t_min, .t_max = query->t_max, .matchers = query->matchers, .n_matchers = query->n_matchers,
		.max_series = pgtsdb_query_max_series
	};
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
