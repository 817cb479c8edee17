/*
 * check_config.c
 *		Triggers on the tables of scraping and notifications: refuse what could not be used, wake who uses it.
 *
 * One function serves each pair of tables; a column that a table does not have, or
 * that is null, is not checked.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "core/labels/labels.h"
#include "pg/compat.h"
#include "pg/config_values.h"
#include "pg/errors.h"
#include "pg/outbound/outbound.h"
#include "pg/storage/outbox.h"
#include "pg/tenant.h"
#include "pg/worker/worker.h"

/* A row under check. */
typedef struct Row
{
	HeapTuple	tuple;
	TupleDesc	desc;
	const char *table;
} Row;

static Row
row_of_trigger(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function is the trigger of a configuration table of pgtsdb")));
	return (Row){
		.tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple,
		.desc = RelationGetDescr(trigger->tg_relation),
		.table = RelationGetRelationName(trigger->tg_relation),
	};
}

/* False when the table has no such column, of this type, or it is null. */
static bool
get_column(const Row *row, const char *name, Oid type, Datum *value)
{
	int			number = SPI_fnumber(row->desc, name);
	bool		isnull;

	if (number <= 0 || SPI_gettypeid(row->desc, number) != type)
		return false;
	*value = heap_getattr(row->tuple, number, row->desc, &isnull);
	return !isnull;
}

static char *
get_text(const Row *row, const char *name)
{
	Datum		value;

	return get_column(row, name, TEXTOID, &value) ? TextDatumGetCString(value) : NULL;
}

/* Either value may be NULL; `hint` too. */
static void
refuse(const char *column, const char *value, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 value != NULL ? errmsg("invalid %s \"%s\": %s", column, value, problem)
			 : errmsg("invalid %s: %s", column, problem),
			 hint != NULL ? errhint("%s", hint) : 0));
}

/* The milliseconds of an interval column, or 0 when it is null. */
static int64
check_interval(const Row *row, const char *name, int64 least_ms)
{
	Datum		value;
	int64		ms;

	if (!get_column(row, name, INTERVALOID, &value))
		return 0;
	if (!pgtsdb_interval_to_ms(DatumGetIntervalP(value), &ms) || ms < least_ms || ms > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s \"%s\"", name, DatumGetCString(DirectFunctionCall1(interval_out, value))),
				 errdetail("It must be at least " INT64_FORMAT " ms and at most 24 days.", least_ms)));
	return ms;
}

static void
check_one_of(const Row *row, const char *name, const char *first, const char *second)
{
	char	   *value = get_text(row, name);

	if (value != NULL && strcmp(value, first) != 0 && strcmp(value, second) != 0)
		refuse(name, value, psprintf("it must be \"%s\" or \"%s\"", first, second), NULL);
}

/* ---- scrape_configs, scrape_targets ---- */

/* host:port, [ipv6]:port, or a host alone, for the port of the scheme. */
static void
check_address(const Row *row)
{
	char	   *address = get_text(row, "address");
	const char *host_end;
	const char *port;

	if (address == NULL)
		return;
	if (strstr(address, "://") != NULL)
		refuse("address", address, "it has a scheme",
			   "Give host:port here, and the scheme in the column \"scheme\".");
	if (strchr(address, '/') != NULL)
		refuse("address", address, "it has a path",
			   "Give host:port here, and the path in the column \"metrics_path\".");
	if (address[0] == '\0' || strpbrk(address, " \t\r\n@?#\\") != NULL)
		refuse("address", address, "it is not host:port", NULL);

	host_end = address[0] == '[' ? strchr(address, ']') : address;
	if (host_end == NULL || (address[0] == '[' && host_end[1] != '\0' && host_end[1] != ':'))
		refuse("address", address, "it is not [address]:port", NULL);
	port = strrchr(host_end, ':');
	if (port != NULL)
	{
		size_t		digits = strspn(port + 1, "0123456789");

		if (port == address || port[1 + digits] != '\0' || digits < 1 || digits > 5 || atoi(port + 1) < 1 ||
			atoi(port + 1) > 65535)
			refuse("address", address, "the port is not a number from 1 to 65535", NULL);
	}
}

static void
check_label_name(void *context, const char *key, int key_len, const char *value, int value_len)
{
	if (key_len >= 2 && key[0] == '_' && key[1] == '_')
		refuse("label name", pnstrdup(key, key_len), "names that begin with \"__\" are reserved", NULL);
}

static void
ignore_pair(void *context, const char *key, int key_len, const char *value, int value_len)
{
}

static void
check_objects(const Row *row)
{
	char	   *job = get_text(row, "job_name");
	char	   *address = get_text(row, "address");
	Datum		value;
	TsdbLabels	labels;
	TsdbError	error;

	/* NOT NULL is checked after this */
	if (job != NULL && address != NULL && get_column(row, "labels", JSONBOID, &value))
	{
		if (!pgtsdb_json_pairs(DatumGetJsonbP(value), false, check_label_name, NULL))
			refuse("labels", NULL, "it is not an object of strings", "Write for instance {\"env\": \"prod\"}.");
		pgtsdb_check(pgtsdb_target_labels(job, address, DatumGetJsonbP(value), &labels, &error), &error);
	}
	if (get_column(row, "params", JSONBOID, &value) &&
		!pgtsdb_json_pairs(DatumGetJsonbP(value), true, ignore_pair, NULL))
		refuse("params", NULL, "it is not an object of strings or lists of strings",
			   "Write for instance {\"module\": \"http_2xx\"} or {\"match[]\": [\"a\", \"b\"]}.");
}

static void
check_limits(const Row *row)
{
	Datum		value;

	if (get_column(row, "sample_limit", INT4OID, &value) && DatumGetInt32(value) < 0)
		refuse("sample_limit", NULL, "it is negative", "0 means no limit.");
	if (get_column(row, "body_size_limit", INT8OID, &value) && DatumGetInt64(value) < 0)
		refuse("body_size_limit", NULL, "it is negative", "0 means no limit.");
}

static void
check_credentials(const Row *row)
{
	char	   *user = get_text(row, "basic_auth_user");
	char	   *password = get_text(row, "password_secret");
	char	   *token = get_text(row, "token_secret");

	if (token != NULL && (user != NULL || password != NULL))
		refuse("token_secret", token, "a bearer token and basic authentication exclude each other", NULL);
	if (password != NULL && user == NULL)
		refuse("password_secret", password, "basic_auth_user is missing", NULL);
}

/* The server's own metrics show all databases, so not everybody who administers a tenant may have them. */
static void
check_scheme(const Row *row)
{
	char	   *scheme = get_text(row, "scheme");
	char	   *address = get_text(row, "address");

	if (scheme == NULL || strcmp(scheme, "postgres") != 0 || address == NULL)
		check_one_of(row, "scheme", "http", "https");
	else if (strcmp(address, "self") != 0)
		refuse("address", address, "with the scheme \"postgres\" it must be \"self\"",
			   "Only this server itself can be a target without an exporter.");
	else
		pgtsdb_require_admin("scrape the server itself");
}

PG_FUNCTION_INFO_V1(pgtsdb_check_scrape_config);

Datum
pgtsdb_check_scrape_config(PG_FUNCTION_ARGS)
{
	Row			row = row_of_trigger(fcinfo);
	char	   *job = get_text(&row, "job_name");
	char	   *path = get_text(&row, "metrics_path");
	int64		interval = check_interval(&row, "scrape_interval", 1000);
	int64		timeout = check_interval(&row, "scrape_timeout", 100);

	if (job != NULL && job[0] == '\0')
		refuse("job_name", job, "it is empty", NULL);
	check_address(&row);
	if (path != NULL && (path[0] != '/' || strpbrk(path, " \t\r\n#") != NULL))
		refuse("metrics_path", path, "it is not an absolute path", "Write for instance /metrics.");
	if (interval > 0 && timeout > interval)
		refuse("scrape_timeout", NULL, "it is longer than the scrape_interval", NULL);
	check_scheme(&row);
	check_one_of(&row, "status", "ACTIVE", "PAUSED");
	check_objects(&row);
	check_limits(&row);
	check_credentials(&row);
	return PointerGetDatum(row.tuple);
}

/* ---- receivers, routes ---- */

/* One of two columns has the address: itself, or the name of the secret that it is. */
static void
check_url(const Row *row, const char *kind, const char *name, const char *column, const char *example)
{
	char	   *url = get_text(row, column);
	char	   *secret = get_text(row, psprintf("%s_secret", column));

	if ((url == NULL) == (secret == NULL))
		refuse(kind, get_text(row, name),
			   psprintf(url == NULL ? "it has neither %s nor %s_secret" : "it has both %s and %s_secret", column, column), NULL);
	if (url != NULL && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		refuse(column, url, "it is no http or https address", psprintf("Write for instance %s.", example));
}

/* Label names, each once; '...' stands alone. */
static void
check_group_by(const Row *row)
{
	Datum		value;
	Datum	   *names;
	bool	   *nulls;
	int			n;

	if (!get_column(row, "group_by", TEXTARRAYOID, &value))
		return;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? NULL : TextDatumGetCString(names[i]);

		if (name == NULL || name[0] == '\0')
			refuse("group_by", NULL, "a label has no name", NULL);
		if (strcmp(name, "...") == 0 && n > 1)
			refuse("group_by", NULL, "\"...\" means all labels and stands alone", NULL);
		for (int j = 0; j < i; j++)
			if (strcmp(name, TextDatumGetCString(names[j])) == 0)
				refuse("group_by", name, "the label is named twice", NULL);
	}
}

PG_FUNCTION_INFO_V1(pgtsdb_check_receiver);

Datum
pgtsdb_check_receiver(PG_FUNCTION_ARGS)
{
	Row			row = row_of_trigger(fcinfo);

	if (strcmp(row.table, "receivers") == 0)
	{
		check_url(&row, "receiver", "receiver_name", "webhook_url", "http://127.0.0.1:8080/alerts");
		check_credentials(&row);
		check_interval(&row, "timeout", 100);
	}
	check_group_by(&row);
	check_interval(&row, "group_wait", 0);
	check_interval(&row, "group_interval", 1000);
	check_interval(&row, "repeat_interval", 1000);
	return PointerGetDatum(row.tuple);
}

/* ---- remote_write_targets ---- */

/* What could end the header, or the request, would write another one. */
static void
check_header(void *context, const char *key, int key_len, const char *value, int value_len)
{
	static const char *const own[] = {"content-type", "content-encoding", "content-length", "host", "transfer-encoding"};
	char	   *name = pnstrdup(key, key_len);

	if (key_len == 0 || strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != key_len)
		refuse("header", name, "it is not the name of a header", NULL);
	for (int i = 0; i < lengthof(own); i++)
		if (pg_strcasecmp(name, own[i]) == 0)
			refuse("header", name, "remote write sets it itself", NULL);
	for (int i = 0; i < value_len; i++)
		if ((unsigned char) value[i] < ' ' || value[i] == 0x7f)
			refuse("value of header", name, "it has control characters", NULL);
}

PG_FUNCTION_INFO_V1(pgtsdb_check_remote_write_target);

Datum
pgtsdb_check_remote_write_target(PG_FUNCTION_ARGS)
{
	Row			row = row_of_trigger(fcinfo);
	Datum		headers;

	check_url(&row, "remote-write target", "name", "url", "http://127.0.0.1:9090/api/v1/write");
	check_credentials(&row);
	check_interval(&row, "timeout", 100);
	check_interval(&row, "max_age", 1000);
	check_one_of(&row, "status", "ACTIVE", "PAUSED");
	if (get_column(&row, "headers", JSONBOID, &headers) && !pgtsdb_json_pairs(DatumGetJsonbP(headers), false, check_header, NULL))
		refuse("headers", NULL, "it is not an object of strings", "Write for instance {\"X-Scope-OrgID\": \"team\"}.");
	return PointerGetDatum(row.tuple);
}

void
pgtsdb_start_forwarding(void)
{
	static const char start[] =
		"INSERT INTO tsdb.remote_write_positions (target_id, xid, seq)"
		" SELECT target_id, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()), 0 FROM tsdb.remote_write_targets t"
		" WHERE NOT EXISTS (SELECT FROM tsdb.remote_write_positions p WHERE p.target_id OPERATOR(pg_catalog.=) t.target_id)"
		" ON CONFLICT DO NOTHING";

	if (SPI_execute(start, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not make positions of remote-write targets");
}

PG_FUNCTION_INFO_V1(pgtsdb_wake_forwarder);

Datum
pgtsdb_wake_forwarder(PG_FUNCTION_ARGS)
{
	PgtsdbCaller caller;

	if (pgtsdb_outbox_filled == NULL)
		ereport(WARNING,
				(errmsg("nothing is forwarded while pgtsdb is not in \"shared_preload_libraries\"")));
	pgtsdb_act_as_owner(&caller);
	SPI_connect();
	pgtsdb_start_forwarding();
	SPI_finish();
	pgtsdb_act_as_caller(&caller);
	pgtsdb_wake_worker_at_commit(PGTSDB_WORKER_FORWARDER);
	return PointerGetDatum(NULL);
}

/* ---- waking ---- */

PG_FUNCTION_INFO_V1(pgtsdb_wake_scraper);
PG_FUNCTION_INFO_V1(pgtsdb_wake_notifier);

Datum
pgtsdb_wake_scraper(PG_FUNCTION_ARGS)
{
	pgtsdb_wake_worker_at_commit(PGTSDB_WORKER_SCRAPER);
	return PointerGetDatum(NULL);
}

Datum
pgtsdb_wake_notifier(PG_FUNCTION_ARGS)
{
	pgtsdb_wake_worker_at_commit(PGTSDB_WORKER_NOTIFIER);
	return PointerGetDatum(NULL);
}
