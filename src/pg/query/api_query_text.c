/*
 * api_query_text.c
 *		tsdb.api_format_query() and tsdb.api_parse_query(): what can be said of a query without running it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "core/json/json.h"
#include "core/promql/parser.h"
#include "pg/mem.h"
#include "pg/query/api.h"

static TsdbExpr *parse_argument(PgtsdbAnswer *answer, FunctionCallInfo fcinfo);

PG_FUNCTION_INFO_V1(pgtsdb_sql_api_format_query);
PG_FUNCTION_INFO_V1(pgtsdb_sql_api_parse_query);

/* tsdb.api_format_query(query text) */
Datum
pgtsdb_sql_api_format_query(PG_FUNCTION_ARGS)
{
	PgtsdbAnswer answer;
	TsdbBuffer	pretty;
	TsdbExpr   *expr;

	pgtsdb_answer_begin(&answer);
	expr = parse_argument(&answer, fcinfo);
	if (expr != NULL)
	{
		tsdb_buffer_init(&pretty, answer.arena, 256);
		tsdb_promql_print_pretty(&pretty, &pgtsdb_env, expr);
		tsdb_json_text(&answer.json, (TsdbStr) {(const char *) pretty.data, pretty.len});
	}
	return pgtsdb_answer_finish(&answer);
}

/* tsdb.api_parse_query(query text) */
Datum
pgtsdb_sql_api_parse_query(PG_FUNCTION_ARGS)
{
	PgtsdbAnswer answer;
	TsdbExpr   *expr;

	pgtsdb_answer_begin(&answer);
	expr = parse_argument(&answer, fcinfo);
	if (expr != NULL)
		tsdb_json_syntax_tree(&answer.json, &pgtsdb_env, expr);
	return pgtsdb_answer_finish(&answer);
}

/* NULL when it does not parse, which is the answer then. */
static TsdbExpr *
parse_argument(PgtsdbAnswer *answer, FunctionCallInfo fcinfo)
{
	TsdbStr		query = tsdb_str(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	TsdbExpr   *expr;
	TsdbError	error;

	if (tsdb_promql_parse(answer->arena, query, NULL, &expr, &error) == TSDB_OK)
		return expr;
	pgtsdb_answer_error(answer, "query", query, &error);
	return NULL;
}
