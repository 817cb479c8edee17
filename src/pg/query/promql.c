/*
 * promql.c
 *		tsdb.promql(): a query as a set of rows.
 *
 * A set-returning function materialises its rows, so that no scan stays open
 * between calls and the memory of the query is gone when the first row is read.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/promql/eval.h"
#include "pg/errors.h"
#include "pg/query/query.h"
#include "pg/query/rows.h"

static void answer_query(FunctionCallInfo fcinfo, const PgtsdbQuery *query);
static void emit_result(PgtsdbRows *rows, const TsdbQueryResult *result);

PG_FUNCTION_INFO_V1(pgtsdb_sql_promql_instant);
PG_FUNCTION_INFO_V1(pgtsdb_sql_promql_range);

/* tsdb.promql(query text, at timestamptz) */
Datum
pgtsdb_sql_promql_instant(PG_FUNCTION_ARGS)
{
	PgtsdbQuery query = pgtsdb_query_of_arguments(fcinfo, false);

	answer_query(fcinfo, &query);
	return (Datum) 0;
}

/* tsdb.promql(query text, "start" timestamptz, "end" timestamptz, step interval) */
Datum
pgtsdb_sql_promql_range(PG_FUNCTION_ARGS)
{
	PgtsdbQuery query = pgtsdb_query_of_arguments(fcinfo, true);

	pgtsdb_check_steps(&query);
	answer_query(fcinfo, &query);
	return (Datum) 0;
}

static void
answer_query(FunctionCallInfo fcinfo, const PgtsdbQuery *query)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb query", ALLOCSET_DEFAULT_SIZES);
	TsdbQueryResult *result;
	PgtsdbRows	rows;
	TsdbError	error;

	if (pgtsdb_query_run(query, GetActiveSnapshot(), pgtsdb_query_arena(context), &result, &error) != TSDB_OK)
		pgtsdb_raise_in(&error, query->text);
	pgtsdb_rows_begin(&rows, fcinfo);
	emit_result(&rows, result);
	for (size_t i = 0; i < result->n_warnings; i++)
		ereport(WARNING, (errmsg_internal("%.*s", (int) result->warnings[i].len, result->warnings[i].data)));
	MemoryContextDelete(context);
}

static void
emit_result(PgtsdbRows *rows, const TsdbQueryResult *result)
{
	switch (result->type)
	{
		case TSDB_VALUE_SCALAR:
			pgtsdb_rows_series(rows, (TsdbLabels) {0}, &result->t, &result->scalar, 1);
			return;
		case TSDB_VALUE_STRING:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("the query answers a string, which is no value of a sample"),
					 errhint("tsdb.api_query() can show it.")));
			return;
		case TSDB_VALUE_VECTOR:
		case TSDB_VALUE_MATRIX:
			for (size_t i = 0; i < result->n_series; i++)
				pgtsdb_rows_series(rows, result->series[i].labels, result->series[i].t, result->series[i].v,
								   result->series[i].n);
			return;
		case TSDB_VALUE_NONE:
			break;
	}
	elog(ERROR, "unexpected type %d of a query result", (int) result->type);
}
