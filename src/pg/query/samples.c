/*
 * samples.c
 *		tsdb.samples(): what is stored, as a set of rows.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/promql/parser.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/query/query.h"
#include "pg/query/rows.h"
#include "pg/storage/reader.h"

PG_FUNCTION_INFO_V1(pgtsdb_sql_samples);

/* tsdb.samples(selector text, "start" timestamptz, "end" timestamptz): what is stored, stale markers included */
Datum
pgtsdb_sql_samples(PG_FUNCTION_ARGS)
{
	PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	char	   *selector = text_to_cstring(PG_GETARG_TEXT_PP(0));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb samples", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = pgtsdb_query_arena(context);
	TsdbSelect	select = {
		.t_min = pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(1)),
		.t_max = pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(2))
	};
	TsdbMatcher *matchers;
	TsdbSeriesSource *source;
	TsdbSeriesData *series;
	size_t		n;
	PgtsdbRows	rows;
	TsdbError	error;

	pgtsdb_check_time_order(select.t_min, select.t_max);
	if (tsdb_promql_parse_selector(arena, tsdb_str(selector), &matchers, &select.n_matchers, &error) != TSDB_OK)
		pgtsdb_raise_in(&error, selector);
	select.matchers = matchers;
	source = pgtsdb_storage_source(tenant, GetActiveSnapshot(), arena);
	pgtsdb_check(tsdb_source_collect(source, arena, &select, pgtsdb_query_max_samples, &series, &n, &error), &error);

	pgtsdb_rows_begin(&rows, fcinfo);
	for (size_t i = 0; i < n; i++)
		pgtsdb_rows_series(&rows, series[i].labels, series[i].t, series[i].v, series[i].n);
	MemoryContextDelete(context);
	return (Datum) 0;
}
