/*
 * api_answer.c
 *		What all answers in the JSON of the Prometheus HTTP API have in common.
 *
 * A status of the core becomes the API's error object, which is an answer for
 * an HTTP client.  What the server raises passes through as an SQL error: a
 * cancel, say, or a corrupt chunk; the gateway knows what to make of it.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/json/json.h"
#include "core/promql/parser.h"
#include "pg/errors.h"
#include "pg/query/api.h"
#include "pg/query/query.h"

void
pgtsdb_answer_begin(PgtsdbAnswer *answer)
{
	answer->context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb answer", ALLOCSET_DEFAULT_SIZES);
	answer->caller = MemoryContextSwitchTo(answer->context);
	answer->arena = pgtsdb_query_arena(answer->context);
	tsdb_buffer_init(&answer->json, answer->arena, 1024);
}

Datum
pgtsdb_answer_finish(PgtsdbAnswer *answer)
{
	text	   *json;

	if (!AllocSizeIsValid(answer->json.len + VARHDRSZ))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("answer of %zu bytes is too long", answer->json.len),
				 errhint("Ask for fewer series or a longer step, or use tsdb.promql().")));
	MemoryContextSwitchTo(answer->caller);
	json = cstring_to_text_with_len((const char *) answer->json.data, answer->json.len);
	MemoryContextDelete(answer->context);
	return PointerGetDatum(json);
}

void
pgtsdb_answer_error(PgtsdbAnswer *answer, const char *parameter, TsdbStr text, const TsdbError *error)
{
	TsdbBuffer	message;

	tsdb_buffer_init(&message, answer->arena, 256);
	if (parameter != NULL)
		tsdb_buffer_printf(&message, "invalid parameter \"%s\": ", parameter);
	tsdb_promql_error_text(&message, text, error);
	tsdb_json_error(&answer->json, pgtsdb_api_error_type(error->code), (TsdbStr) {(const char *) message.data, message.len});
}

void
pgtsdb_answer_bad_data(PgtsdbAnswer *answer, const char *parameter, const char *message)
{
	TsdbError	error;

	tsdb_fail(&error, TSDB_ERR_INPUT, "%s", message);
	pgtsdb_answer_error(answer, parameter, (TsdbStr) {NULL, 0}, &error);
}

int32
pgtsdb_int_argument(FunctionCallInfo fcinfo, int n, int32 otherwise)
{
	return PG_ARGISNULL(n) ? otherwise : PG_GETARG_INT32(n);
}

bool
pgtsdb_bool_argument(FunctionCallInfo fcinfo, int n)
{
	return !PG_ARGISNULL(n) && PG_GETARG_BOOL(n);
}
