/*
 * api_features.c
 *		tsdb.api_features(): what this server can do.
 */
#include "postgres.h"

#include "fmgr.h"

#include "core/json/json.h"
#include "pg/guc.h"
#include "pg/query/api.h"

PG_FUNCTION_INFO_V1(pgtsdb_sql_api_features);

/* tsdb.api_features() */
Datum
pgtsdb_sql_api_features(PG_FUNCTION_ARGS)
{
	PgtsdbAnswer answer;

	pgtsdb_answer_begin(&answer);
	tsdb_json_features(&answer.json, pgtsdb_query_delayed_name_removal);
	return pgtsdb_answer_finish(&answer);
}
