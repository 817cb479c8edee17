/*
 * query.c
 *		Parses and evaluates a PromQL query over the storage tables.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/promql/eval.h"
#include "core/promql/parser.h"
#include "pg/counters.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/query/query.h"
#include "pg/storage/reader.h"

static TsdbStatus run(const PgtsdbQuery *query, Snapshot snapshot, TsdbArena *arena, TsdbQueryResult **result, TsdbError *error);
static TsdbStatus check_depth(const TsdbExpr *expr, TsdbError *error);

TsdbStatus
pgtsdb_query_run(const PgtsdbQuery *query, Snapshot snapshot, TsdbArena *arena, TsdbQueryResult **result, TsdbError *error)
{
	int32		part = query->tenant->parts[0];
	int64		start = tsdb_clock(&pgtsdb_env);
	TsdbStatus	status;

	pgtsdb_count_now(part, PGTSDB_COUNT_QUERIES, 1);
	status = run(query, snapshot, arena, result, error);
	if (status == TSDB_OK)
		pgtsdb_count_query(part, (*result)->stats.source.samples, tsdb_clock(&pgtsdb_env) - start);
	else
		pgtsdb_count_now(part, PGTSDB_COUNT_FAILED_QUERIES, 1);
	return status;
}

static TsdbStatus
run(const PgtsdbQuery *query, Snapshot snapshot, TsdbArena *arena, TsdbQueryResult **result, TsdbError *error)
{
	int64		start = tsdb_clock(&pgtsdb_env);
	int64		parsed;
	TsdbExpr   *expr;
	TsdbStatus	status = pgtsdb_query_parse(query, arena, &expr, error);

	if (status != TSDB_OK)
		return status;
	parsed = tsdb_clock(&pgtsdb_env);
	status = pgtsdb_query_evaluate(query, snapshot, arena, expr, false, result, error);
	if (status == TSDB_OK)
		(*result)->stats.prepare_ns = parsed - start;
	return status;
}

TsdbStatus
pgtsdb_query_parse(const PgtsdbQuery *query, TsdbArena *arena, TsdbExpr **expr, TsdbError *error)
{
	TsdbStatus	status = tsdb_promql_parse(arena, tsdb_str(query->text), NULL, expr, error);

	return status == TSDB_OK ? check_depth(*expr, error) : status;
}

TsdbStatus
pgtsdb_query_evaluate(const PgtsdbQuery *query, Snapshot snapshot, TsdbArena *arena, TsdbExpr *expr, bool profile,
					  TsdbQueryResult **result, TsdbError *error)
{
	TsdbEvalOptions options = {
		.start = query->start,
		.end = query->end,
		.step = query->step,
		.lookback = query->lookback > 0 ? query->lookback : pgtsdb_query_lookback,
		.subquery_step = pgtsdb_query_subquery_step,
		.max_samples = pgtsdb_query_max_samples,
		.max_series = pgtsdb_query_max_series,
		.delayed_name_removal = pgtsdb_query_delayed_name_removal,
		.query = tsdb_str(query->text),
		.profile = profile
	};

	return tsdb_promql_eval(arena, &pgtsdb_env, pgtsdb_storage_source(query->tenant, snapshot, arena), &options, expr,
							result, error);
}

/* The parser itself stops at TSDB_PROMQL_MAX_DEPTH, with the same words. */
static TsdbStatus
check_depth(const TsdbExpr *expr, TsdbError *error)
{
	if (expr->depth <= pgtsdb_query_max_depth)
		return TSDB_OK;
	tsdb_fail(error, TSDB_ERR_LIMIT, "expression is nested more than %d levels deep", pgtsdb_query_max_depth);
	tsdb_error_hint(error, "The limit is the setting \"pgtsdb.query_max_depth\".");
	return error->code;
}

PgtsdbQuery
pgtsdb_query_of_arguments(FunctionCallInfo fcinfo, bool is_range)
{
	PgtsdbQuery query = {
		.tenant = pgtsdb_current_tenant(PGTSDB_READ),
		.text = text_to_cstring(PG_GETARG_TEXT_PP(0)),
		.start = pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(1))
	};

	query.end = query.start;
	if (is_range)
	{
		query.end = pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(2));
		query.step = pgtsdb_step_to_ms(PG_GETARG_INTERVAL_P(3));
	}
	return query;
}

void
pgtsdb_check_steps(const PgtsdbQuery *query)
{
	pgtsdb_check_time_order(query->start, query->end);
	if (query->step <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step must be at least one millisecond")));
}

int64
pgtsdb_lookback_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? 0 : Max(pgtsdb_step_to_ms(PG_GETARG_INTERVAL_P(n)), 0);
}

TsdbArena *
pgtsdb_query_arena(MemoryContext context)
{
	pgtsdb_keep_freed_memory();
	return pgtsdb_arena_create(context, (Size) pgtsdb_query_memory_limit * 1024 * 1024, "pgtsdb.query_memory_limit");
}
