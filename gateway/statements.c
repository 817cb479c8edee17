/*
 * statements.c
 *		All SQL of the gateway, and its arguments.
 *
 * Statements are prepared once per session.  Times and intervals travel in binary, so that no text form is in between.
 */
#include <endian.h>
#include <string.h>

#include "gateway/gateway.h"

#define BOOL 16
#define BYTEA 17
#define INT4 23
#define TEXT 25
#define TEXTS 1009
#define TIME 1184
#define INTERVAL 1186
#define JSONB 3802

/* Milliseconds from 1970 to 2000, and the first and last time that a timestamptz can say. */
#define EPOCH_2000 INT64_C(946684800000)
#define OLDEST_US (-INT64_C(211813488000000000))
#define NEWEST_US (INT64_C(9223371331200000000) - 1)

const GwSql gw_sql[GW_STATEMENTS] = {
	/* Without a name in the headers, the tenant is what the role, the database or the server has set for it. */
	[GW_SQL_ENTER] = {
		"SELECT pg_catalog.set_config('role', COALESCE($1, 'none'), false),"
		" pg_catalog.set_config('statement_timeout', $3, false),"
		" pg_catalog.set_config('pgtsdb.tenant', COALESCE($2,"
		" (SELECT pg_catalog.substr(c, 15) FROM pg_catalog.pg_db_role_setting s"
		" JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) s.setrole,"
		" pg_catalog.unnest(s.setconfig) c"
		" WHERE r.rolname OPERATOR(pg_catalog.=) $1 AND pg_catalog.starts_with(c, 'pgtsdb.tenant=')"
		" AND s.setdatabase OPERATOR(pg_catalog.=) ANY (ARRAY[0::pg_catalog.oid,"
		" (SELECT d.oid FROM pg_catalog.pg_database d"
		" WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())])"
		" ORDER BY s.setdatabase DESC LIMIT 1),"
		" (SELECT reset_val FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'pgtsdb.tenant')), false)",
	3, {TEXT, TEXT, TEXT}},
	[GW_SQL_LIMITS] = {
		"SELECT pg_catalog.set_config('pgtsdb.ingest_max_ahead', $1, false),"
		" pg_catalog.set_config('pgtsdb.ingest_max_age', '-1', false)", 1, {TEXT}},
	[GW_SQL_READY] = {"SELECT extversion FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'pgtsdb'", 0, {0}},
	[GW_SQL_QUERY] = {"SELECT tsdb.api_query($1, $2, $3, $4, $5)", 5, {TEXT, TIME, INTERVAL, INT4, BOOL}},
	[GW_SQL_QUERY_RANGE] = {"SELECT tsdb.api_query_range($1, $2, $3, $4, $5, $6, $7)", 7,
	{TEXT, TIME, TIME, INTERVAL, INTERVAL, INT4, BOOL}},
	[GW_SQL_QUERY_RANGE_SINCE] = {
		"SELECT answer, answer_from, mark, keep_before"
		" FROM tsdb.api_query_range_since($1, $2, $3, $4, $5, $6, $7, $8)",
	8, {TEXT, TIME, TIME, INTERVAL, INTERVAL, BYTEA, TIME, TIME}, .binary = true},
	[GW_SQL_LABELS] = {"SELECT tsdb.api_labels($1, $2, $3, $4)", 4, {TEXTS, TIME, TIME, INT4}},
	[GW_SQL_LABEL_VALUES] = {"SELECT tsdb.api_label_values($1, $2, $3, $4, $5)", 5, {TEXT, TEXTS, TIME, TIME, INT4}},
	[GW_SQL_SERIES] = {"SELECT tsdb.api_series($1, $2, $3, $4)", 4, {TEXTS, TIME, TIME, INT4}},
	[GW_SQL_METADATA] = {"SELECT tsdb.api_metadata($1, $2, $3)", 3, {TEXT, INT4, INT4}},
	[GW_SQL_RULES] = {"SELECT tsdb.api_rules($1, $2, $3, $4, $5, $6, $7, $8)", 8,
	{TEXT, BOOL, TEXTS, TEXTS, TEXTS, TEXTS, INT4, TEXT}},
	[GW_SQL_ALERTS] = {"SELECT tsdb.api_alerts()", 0, {0}},
	[GW_SQL_TARGETS] = {"SELECT tsdb.api_targets($1, $2)", 2, {TEXT, TEXT}},
	[GW_SQL_TARGETS_METADATA] = {"SELECT tsdb.api_targets_metadata($1, $2, $3)", 3, {TEXT, TEXT, INT4}},
	[GW_SQL_SCRAPE_POOLS] = {"SELECT tsdb.api_scrape_pools()", 0, {0}},
	[GW_SQL_FEATURES] = {"SELECT tsdb.api_features()", 0, {0}},
	[GW_SQL_METRICS] = {"SELECT tsdb.api_metrics()", 0, {0}},
	[GW_SQL_NAMES_CARDINALITY] = {"SELECT tsdb.api_label_names_cardinality($1, $2)", 2, {TEXT, INT4}},
	[GW_SQL_VALUES_CARDINALITY] = {"SELECT tsdb.api_label_values_cardinality($1, $2, $3)", 3, {TEXTS, TEXT, INT4}},
	[GW_SQL_FORMAT_QUERY] = {"SELECT tsdb.api_format_query($1)", 1, {TEXT}},
	[GW_SQL_PARSE_QUERY] = {"SELECT tsdb.api_parse_query($1)", 1, {TEXT}},
	[GW_SQL_STATUS_TSDB] = {"SELECT tsdb.api_status_tsdb($1)", 1, {INT4}},
	[GW_SQL_FEDERATE] = {"SELECT tsdb.federate($1)", 1, {TEXTS}},
	[GW_SQL_REMOTE_READ] = {"SELECT bytes, streamed FROM tsdb.remote_read_stream($1)", 1, {BYTEA}, .binary = true},
	[GW_SQL_REMOTE_WRITE] = {"SELECT tsdb.remote_write($1)", 1, {BYTEA}},
	[GW_SQL_REMOTE_WRITE_2] = {"SELECT samples, histograms, exemplars FROM tsdb.remote_write_v2($1)", 1, {BYTEA}},
	[GW_SQL_PUSH] = {"SELECT tsdb.push($1)", 1, {JSONB}},
	[GW_SQL_DELETE_SERIES] = {"SELECT tsdb.delete_series($1, $2, $3)", 3, {TEXT, TIME, TIME}},
};

static char *add(GwArguments *arguments, const char *value, size_t len, int format);

void
gw_add_null(GwArguments *arguments)
{
	add(arguments, NULL, 0, 0);
}

void
gw_add_text(GwArguments *arguments, const char *text)
{
	add(arguments, text, text == NULL ? 0 : strlen(text), 0);
}

void
gw_add_bytes(GwArguments *arguments, const GwBuffer *bytes)
{
	add(arguments, bytes->data == NULL ? "" : bytes->data, bytes->len, 1);
}

static char *
add(GwArguments *arguments, const char *value, size_t len, int format)
{
	int			n = arguments->n++;

	arguments->values[n] = value;
	arguments->lengths[n] = (int) len;
	arguments->formats[n] = format;
	return arguments->scratch[n];
}

/* A binary value in the argument's own space. */
static char *
add_scratch(GwArguments *arguments, size_t len)
{
	char	   *scratch = add(arguments, NULL, len, 1);

	arguments->values[arguments->n - 1] = scratch;
	return scratch;
}

/* Times beyond what a timestamptz can say become its ends: clients mean "all" by them. */
void
gw_add_time(GwArguments *arguments, int64_t ms)
{
	int64_t		us;
	uint64_t	wire;

	if (__builtin_sub_overflow(ms, EPOCH_2000, &us) || __builtin_mul_overflow(us, 1000, &us))
		us = ms < 0 ? OLDEST_US : NEWEST_US;
	us = us < OLDEST_US ? OLDEST_US : us > NEWEST_US ? NEWEST_US : us;
	wire = htobe64((uint64_t) us);
	memcpy(add_scratch(arguments, 8), &wire, 8);
}

/* Microseconds, days and months; the latter two are none. */
void
gw_add_interval(GwArguments *arguments, int64_t ns)
{
	uint64_t	wire = htobe64((uint64_t) (ns / 1000));
	char	   *scratch = add_scratch(arguments, 16);

	memset(scratch, 0, 16);
	memcpy(scratch, &wire, 8);
}

void
gw_add_int(GwArguments *arguments, int32_t number)
{
	uint32_t	wire = htobe32((uint32_t) number);

	memcpy(add_scratch(arguments, 4), &wire, 4);
}

void
gw_add_bool(GwArguments *arguments, bool yes)
{
	*add_scratch(arguments, 1) = yes;
}

/* Values in the space of the others move to ours. */
void
gw_add_arguments(GwArguments *arguments, const GwArguments *others)
{
	for (int i = 0; i < others->n; i++)
	{
		char	   *scratch = add(arguments, others->values[i], (size_t) others->lengths[i], others->formats[i]);

		if (others->values[i] != others->scratch[i])
			continue;
		memcpy(scratch, others->scratch[i], sizeof(others->scratch[i]));
		arguments->values[arguments->n - 1] = scratch;
	}
}
