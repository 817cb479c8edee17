/*
 * api.c
 *		tsdb.api_query() and tsdb.api_query_range().
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/snapmgr.h"

#include "core/json/json.h"
#include "core/promql/eval.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/query/api.h"
#include "pg/query/query.h"

static bool has_null(FunctionCallInfo fcinfo, int n);
static bool check_limit(PgtsdbAnswer *answer, int32 limit);
static char *in_thousands(int number);
static void answer_query(PgtsdbAnswer *answer, const PgtsdbQuery *query, int32 limit, bool with_stats);
static void cut_result(TsdbArena *arena, TsdbQueryResult *result, size_t limit);

PG_FUNCTION_INFO_V1(pgtsdb_sql_api_query);
PG_FUNCTION_INFO_V1(pgtsdb_sql_api_query_range);

/* tsdb.api_query(query text, "time" timestamptz, lookback interval, "limit" int4, stats boolean); the last three may be null */
Datum
pgtsdb_sql_api_query(PG_FUNCTION_ARGS)
{
	int32		limit = pgtsdb_int_argument(fcinfo, 3, 0);
	PgtsdbQuery query;
	PgtsdbAnswer answer;

	if (has_null(fcinfo, 2))
		PG_RETURN_NULL();
	query = pgtsdb_query_of_arguments(fcinfo, false);
	query.lookback = pgtsdb_lookback_argument(fcinfo, 2);
	pgtsdb_answer_begin(&answer);
	if (check_limit(&answer, limit))
		answer_query(&answer, &query, limit, pgtsdb_bool_argument(fcinfo, 4));
	return pgtsdb_answer_finish(&answer);
}

/*
 * tsdb.api_query_range(query text, "start" timestamptz, "end" timestamptz, step interval, lookback interval, "limit" int4,
 * stats boolean)
 */
Datum
pgtsdb_sql_api_query_range(PG_FUNCTION_ARGS)
{
	int32		limit = pgtsdb_int_argument(fcinfo, 5, 0);
	PgtsdbQuery query;
	PgtsdbAnswer answer;

	if (has_null(fcinfo, 4))
		PG_RETURN_NULL();
	query = pgtsdb_query_of_arguments(fcinfo, true);
	query.lookback = pgtsdb_lookback_argument(fcinfo, 4);
	pgtsdb_answer_begin(&answer);
	if (check_limit(&answer, limit) && pgtsdb_answer_check_range(&answer, &query))
		answer_query(&answer, &query, limit, pgtsdb_bool_argument(fcinfo, 6));
	return pgtsdb_answer_finish(&answer);
}

/* Whether one of the first n arguments is null, without which there is no question. */
static bool
has_null(FunctionCallInfo fcinfo, int n)
{
	for (int i = 0; i < n; i++)
		if (PG_ARGISNULL(i))
			return true;
	return false;
}

static bool
check_limit(PgtsdbAnswer *answer, int32 limit)
{
	if (limit < 0)
		pgtsdb_answer_bad_data(answer, "limit", "limit must be non-negative");
	return limit >= 0;
}

bool
pgtsdb_answer_check_range(PgtsdbAnswer *answer, const PgtsdbQuery *query)
{
	if (query->end < query->start)
		pgtsdb_answer_bad_data(answer, "end", "end timestamp must not be before start time");
	else if (query->step <= 0)
		pgtsdb_answer_bad_data(answer, "step", "zero or negative query resolution step widths are not accepted."
							   " Try a positive integer");
	else if (pgtsdb_query_max_points > 0 && (query->end - query->start) / query->step > pgtsdb_query_max_points)
		pgtsdb_answer_bad_data(answer, NULL, psprintf("exceeded maximum resolution of %s points per timeseries."
													  " Try decreasing the query resolution (?step=XX)",
													  in_thousands(pgtsdb_query_max_points)));
	else
		return true;
	return false;
}

/* 11,000 of 11000. */
static char *
in_thousands(int number)
{
	if (number < 1000)
		return psprintf("%d", number);
	return psprintf("%s,%03d", in_thousands(number / 1000), number % 1000);
}

static void
answer_query(PgtsdbAnswer *answer, const PgtsdbQuery *query, int32 limit, bool with_stats)
{
	TsdbQueryResult *result;
	TsdbError	error;

	if (pgtsdb_query_run(query, GetActiveSnapshot(), answer->arena, &result, &error) != TSDB_OK)
	{
		pgtsdb_answer_error(answer, error.code == TSDB_ERR_SYNTAX ? "query" : NULL, tsdb_str(query->text), &error);
		return;
	}
	if (limit > 0 && result->n_series > limit)
		cut_result(answer->arena, result, limit);
	tsdb_json_query_result(&answer->json, &pgtsdb_env, result, with_stats);
}

/* The warning comes first, since not all of them are shown. */
static void
cut_result(TsdbArena *arena, TsdbQueryResult *result, size_t limit)
{
	TsdbStr    *warnings = TSDB_NEW_ARRAY(arena, TsdbStr, result->n_warnings + 1);

	warnings[0] = TSDB_STR(TSDB_JSON_TRUNCATED);
	for (size_t i = 0; i < result->n_warnings; i++)
		warnings[i + 1] = result->warnings[i];
	result->warnings = warnings;
	result->n_warnings++;
	result->n_series = limit;
}
