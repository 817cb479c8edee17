/*
 * api_since.c
 *		tsdb.api_query_range_since(): the answer to a range query, as far as an earlier one does not hold.
 *
 * A client that keeps answers, as the gateway does, asks with the steps that it has and the mark that came with them.
 * The answer begins where these steps end, or where a change makes them wrong.  Rights are those of any query, and the
 * server believes nothing: a mark that it does not know is none.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/json/json.h"
#include "core/promql/eval.h"
#include "core/promql/stepwise.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/query/api.h"
#include "pg/query/query.h"
#include "pg/storage/late_writes.h"

/* What the caller has: steps first .. last, of an answer with that mark. */
typedef struct Kept
{
	const bytea *mark;			/* NULL: it has nothing */
	int64		first;
	int64		last;
} Kept;

/* The answer, and what may be kept of it. */
typedef struct Since
{
	bool		evaluated;		/* else all kept steps hold, and there are no others */
	int64		from;			/* the first step that was evaluated */
	bytea	   *mark;			/* NULL: keep nothing */
	int64		horizon;		/* steps before it may be kept */
} Since;

static Kept kept_of_arguments(FunctionCallInfo fcinfo, const PgtsdbQuery *query);
static void answer_since(PgtsdbAnswer *answer, const PgtsdbQuery *query, const Kept *kept, Since *since);
static bool may_be_kept(const PgtsdbQuery *query, TsdbExpr *expr, PgtsdbHorizon *horizon, int64 *reach);
static uint64 settings_hash(const PgtsdbQuery *query);
static bool first_to_evaluate(const PgtsdbQuery *query, const Kept *kept, int64 changed, int64 *from);
static void evaluate(PgtsdbAnswer *answer, const PgtsdbQuery *query, Snapshot snapshot, TsdbExpr *expr, Since *since);
static Datum result_row(FunctionCallInfo fcinfo, const Since *since, Datum json);

PG_FUNCTION_INFO_V1(pgtsdb_sql_api_query_range_since);

/*
 * tsdb.api_query_range_since(query text, "start" timestamptz, "end" timestamptz, step interval, lookback interval, kept bytea,
 * kept_from timestamptz, kept_to timestamptz); the last four may be null
 */
Datum
pgtsdb_sql_api_query_range_since(PG_FUNCTION_ARGS)
{
	PgtsdbQuery query;
	PgtsdbAnswer answer;
	Since		since = {.evaluated = true};
	Kept		kept;
	Datum		json;

	for (int i = 0; i < 4; i++)
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	query = pgtsdb_query_of_arguments(fcinfo, true);
	query.lookback = pgtsdb_lookback_argument(fcinfo, 4);
	kept = kept_of_arguments(fcinfo, &query);
	since.from = query.start;
	pgtsdb_answer_begin(&answer);
	if (pgtsdb_answer_check_range(&answer, &query))
		answer_since(&answer, &query, &kept, &since);
	json = pgtsdb_answer_finish(&answer);
	return result_row(fcinfo, &since, json);
}

/* Steps that are not those of the query are of no use. */
static Kept
kept_of_arguments(FunctionCallInfo fcinfo, const PgtsdbQuery *query)
{
	Kept		kept = {NULL, 0, 0};

	if (PG_ARGISNULL(5) || PG_ARGISNULL(6) || PG_ARGISNULL(7) || query->step <= 0)
		return kept;
	kept.first = pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(6));
	kept.last = pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(7));
	if (kept.first <= query->start && kept.last >= query->start && (query->start - kept.first) % query->step == 0 &&
		(kept.last - kept.first) % query->step == 0)
		kept.mark = PG_GETARG_BYTEA_PP(5);
	return kept;
}

static void
answer_since(PgtsdbAnswer *answer, const PgtsdbQuery *query, const Kept *kept, Since *since)
{
	PgtsdbHorizon horizon;
	PgtsdbMark *mark;
	TsdbExpr   *expr;
	TsdbError	error;
	int64		reach;
	int64		changed;

	if (pgtsdb_query_parse(query, answer->arena, &expr, &error) != TSDB_OK)
	{
		pgtsdb_answer_error(answer, error.code == TSDB_ERR_SYNTAX ? "query" : NULL, tsdb_str(query->text), &error);
		return;
	}
	if (!may_be_kept(query, expr, &horizon, &reach))
	{
		evaluate(answer, query, GetActiveSnapshot(), expr, since);
		return;
	}

	/* Newer than what the horizon was made of. */
	PushActiveSnapshot(GetLatestSnapshot());
	mark = pgtsdb_mark_make(query->tenant, GetActiveSnapshot(), &horizon, settings_hash(query), &since->horizon);
	if (mark != NULL && kept->mark != NULL)
	{
		int64		oldest = kept->first < PG_INT64_MIN + reach ? PG_INT64_MIN : kept->first - reach;

		pgtsdb_mark_compare(mark, kept->mark, query->tenant, GetActiveSnapshot(), oldest, &changed);
		since->evaluated = first_to_evaluate(query, kept, changed, &since->from);
	}
	if (since->evaluated)
		evaluate(answer, query, GetActiveSnapshot(), expr, since);
	if (mark != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(answer->caller);

		since->mark = pgtsdb_mark_bytes(mark);
		MemoryContextSwitchTo(old);
	}
	PopActiveSnapshot();
}

/*
 * A transaction that has written itself, or that does not look at the newest state, has answers of its own.  So has a query of a
 * single step, in which Prometheus does some things otherwise.
 */
static bool
may_be_kept(const PgtsdbQuery *query, TsdbExpr *expr, PgtsdbHorizon *horizon, int64 *reach)
{
	TsdbError	error;

	return query->end - query->start >= query->step &&
		!IsolationUsesXactSnapshot() &&
		!TransactionIdIsValid(GetTopTransactionIdIfAny()) &&
		tsdb_promql_resolve_durations(expr, query->start, query->end, query->step, &error) == TSDB_OK &&
		tsdb_promql_is_stepwise(expr, query->lookback > 0 ? query->lookback : pgtsdb_query_lookback, reach) &&
		pgtsdb_horizon_begin(horizon);
}

/* What else the value of a step depends on; the text and the step are the caller's to remember, but cost nothing here. */
static uint64
settings_hash(const PgtsdbQuery *query)
{
	int64		settings[] = {
		query->step, query->lookback > 0 ? query->lookback : pgtsdb_query_lookback, pgtsdb_query_subquery_step,
		pgtsdb_query_delayed_name_removal
	};

	return tsdb_hash(query->text, strlen(query->text), tsdb_hash(settings, sizeof(settings), 0).lo).lo;
}

/* False: none.  A single step would not be evaluated as in a range, so then the one before it is, too. */
static bool
first_to_evaluate(const PgtsdbQuery *query, const Kept *kept, int64 changed, int64 *from)
{
	int64		last_step = query->end - (query->end - query->start) % query->step;
	int64		next = kept->last;

	if (changed <= query->start)
		return true;
	if (changed <= next)
		next = query->start + (changed - 1 - query->start) / query->step * query->step;
	if (next >= last_step)
		return false;
	*from = Min(next + query->step, last_step - query->step);
	return true;
}

static void
evaluate(PgtsdbAnswer *answer, const PgtsdbQuery *query, Snapshot snapshot, TsdbExpr *expr, Since *since)
{
	PgtsdbQuery part = *query;
	TsdbQueryResult *result;
	TsdbError	error;

	part.start = since->from;
	if (pgtsdb_query_evaluate(&part, snapshot, answer->arena, expr, false, &result, &error) == TSDB_OK)
		tsdb_json_query_result(&answer->json, &pgtsdb_env, result, false);
	else
		pgtsdb_answer_error(answer, error.code == TSDB_ERR_SYNTAX ? "query" : NULL, tsdb_str(query->text), &error);
}

static Datum
result_row(FunctionCallInfo fcinfo, const Since *since, Datum json)
{
	TupleDesc	descriptor;
	Datum		values[4];
	bool		nulls[] = {!since->evaluated, !since->evaluated, since->mark == NULL, since->mark == NULL};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = json;
	values[1] = TimestampTzGetDatum(pgtsdb_ms_to_timestamp(since->from));
	values[2] = PointerGetDatum(since->mark);
	values[3] = since->mark == NULL ? (Datum) 0 : TimestampTzGetDatum(pgtsdb_ms_to_timestamp(since->horizon));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
