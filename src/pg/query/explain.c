/*
 * explain.c
 *		tsdb.explain(): how a query is evaluated, and what that takes.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "core/promql/explain.h"
#include "core/promql/parser.h"
#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/query/query.h"

static void explain_query(FunctionCallInfo fcinfo, const PgtsdbQuery *query, bool run);
static void append_totals(TsdbBuffer *out, const TsdbArena *arena, const TsdbEvalStats *stats);
static void emit_lines(FunctionCallInfo fcinfo, TsdbStr text);

PG_FUNCTION_INFO_V1(pgtsdb_sql_explain_instant);
PG_FUNCTION_INFO_V1(pgtsdb_sql_explain_range);

/* tsdb.explain(query text, at timestamptz, run boolean) */
Datum
pgtsdb_sql_explain_instant(PG_FUNCTION_ARGS)
{
	PgtsdbQuery query = pgtsdb_query_of_arguments(fcinfo, false);

	explain_query(fcinfo, &query, PG_GETARG_BOOL(2));
	return (Datum) 0;
}

/* tsdb.explain(query text, "start" timestamptz, "end" timestamptz, step interval, run boolean) */
Datum
pgtsdb_sql_explain_range(PG_FUNCTION_ARGS)
{
	PgtsdbQuery query = pgtsdb_query_of_arguments(fcinfo, true);

	pgtsdb_check_steps(&query);
	explain_query(fcinfo, &query, PG_GETARG_BOOL(4));
	return (Datum) 0;
}

static void
explain_query(FunctionCallInfo fcinfo, const PgtsdbQuery *query, bool run)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb explain", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = pgtsdb_query_arena(context);
	TsdbQueryResult *result;
	TsdbExpr   *expr;
	TsdbBuffer	out;
	TsdbError	error;

	if (pgtsdb_query_parse(query, arena, &expr, &error) != TSDB_OK ||
		(run && pgtsdb_query_evaluate(query, GetActiveSnapshot(), arena, expr, true, &result, &error) != TSDB_OK))
		pgtsdb_raise_in(&error, query->text);
	tsdb_buffer_init(&out, arena, 1024);
	tsdb_promql_explain(&out, expr);
	if (run)
		append_totals(&out, arena, &result->stats);
	emit_lines(fcinfo, (TsdbStr) {(const char *) out.data, out.len});
	MemoryContextDelete(context);
}

static void
append_totals(TsdbBuffer *out, const TsdbArena *arena, const TsdbEvalStats *stats)
{
	tsdb_buffer_printf(out, "\nSamples: " UINT64_FORMAT " read, " UINT64_FORMAT " looked at, " UINT64_FORMAT " held at most",
					   stats->source.samples, stats->total_samples, stats->peak_samples);
	tsdb_buffer_printf(out, "\nMemory: %zu kB", pgtsdb_arena_peak(arena) / 1024);
	tsdb_buffer_printf(out, "\nExecution Time: %.3f ms", (double) stats->eval_ns / 1e6);
}

static void
emit_lines(FunctionCallInfo fcinfo, TsdbStr text)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (size_t at = 0; at <= text.len;)
	{
		const char *end = memchr(text.data + at, '\n', text.len - at);
		size_t		len = end == NULL ? text.len - at : (size_t) (end - text.data) - at;
		Datum		line = PointerGetDatum(cstring_to_text_with_len(text.data + at, len));
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &line, &isnull);
		at += len + 1;
	}
}
