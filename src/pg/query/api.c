/*
 * api.c
 *		tsdb.api_query() and tsdb.api_query_range(): the JSON of the Prometheus HTTP API.
 *
 * A status of the core becomes the API's error object, which is an answer for
 * an HTTP client.  What the server raises passes through as an SQL error: a
 * cancel, say, or a corrupt chunk; the gateway knows what to make of it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/json/json.h"
#include "core/promql/eval.h"
#include "core/promql/parser.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/query/query.h"

static Datum answer(const PgtsdbQuery *query, const TsdbError *refused);
static bool check_range(const PgtsdbQuery *query, TsdbError *error);
static char *in_thousands(int number);
static void write_error(TsdbBuffer *out, TsdbStr query, const TsdbError *error);

PG_FUNCTION_INFO_V1(pgtsdb_sql_api_query);
PG_FUNCTION_INFO_V1(pgtsdb_sql_api_query_range);

/* tsdb.api_query(query text, "time" timestamptz) */
Datum
pgtsdb_sql_api_query(PG_FUNCTION_ARGS)
{
	PgtsdbQuery query = pgtsdb_query_of_arguments(fcinfo);

	return answer(&query, NULL);
}

/* tsdb.api_query_range(query text, "start" timestamptz, "end" timestamptz, step interval) */
Datum
pgtsdb_sql_api_query_range(PG_FUNCTION_ARGS)
{
	PgtsdbQuery query = pgtsdb_query_of_arguments(fcinfo);
	TsdbError	error;

	return answer(&query, check_range(&query, &error) ? NULL : &error);
}

/* The answer to the query, or why it was refused before it was run. */
static Datum
answer(const PgtsdbQuery *query, const TsdbError *refused)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb query", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = pgtsdb_query_arena(context);
	TsdbQueryResult *result;
	TsdbBuffer	out;
	TsdbError	error;
	text	   *json;

	tsdb_buffer_init(&out, arena, 1024);
	if (refused != NULL)
		write_error(&out, tsdb_str(query->text), refused);
	else if (pgtsdb_query_run(query, GetActiveSnapshot(), arena, &result, &error) != TSDB_OK)
		write_error(&out, tsdb_str(query->text), &error);
	else
		tsdb_json_query_result(&out, &pgtsdb_env, result);
	if (!AllocSizeIsValid(out.len + VARHDRSZ))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("answer of %zu bytes is too long", out.len),
				 errhint("Ask for fewer series or a longer step, or use tsdb.promql().")));
	json = cstring_to_text_with_len((const char *) out.data, out.len);
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(json);
}

/* In the words of the HTTP API. */
static bool
check_range(const PgtsdbQuery *query, TsdbError *error)
{
	if (query->end < query->start)
		tsdb_fail(error, TSDB_ERR_INPUT, "invalid parameter \"end\": end timestamp must not be before start timestamp");
	else if (query->step <= 0)
		tsdb_fail(error, TSDB_ERR_INPUT, "invalid parameter \"step\": zero or negative query resolution step widths are"
				  " not accepted. Try a positive integer");
	else if (pgtsdb_query_max_points > 0 && (query->end - query->start) / query->step > pgtsdb_query_max_points)
		tsdb_fail(error, TSDB_ERR_INPUT, "exceeded maximum resolution of %s points per timeseries."
				  " Try decreasing the query resolution (?step=XX)", in_thousands(pgtsdb_query_max_points));
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
write_error(TsdbBuffer *out, TsdbStr query, const TsdbError *error)
{
	TsdbBuffer	message;

	tsdb_buffer_init(&message, out->arena, 256);
	if (error->code == TSDB_ERR_SYNTAX)
		tsdb_buffer_append_str(&message, TSDB_STR("invalid parameter \"query\": "));
	tsdb_promql_error_text(&message, query, error);
	tsdb_json_error(out, pgtsdb_api_error_type(error->code), (TsdbStr) {(const char *) message.data, message.len});
}
