/*
 * notify_tables.c
 *		What the notifier reads from the tables, and the log that it writes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/config_values.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "notifier_internal.h"
#include "transfer.h"

#define WEBHOOK "webhook"

/* Alertmanager's dispatch defaults, for a tenant without a route; the same stand in sql/pgtsdb.sql. */
static const char destinations_query[] =
	"SELECT r.tenant_id, r.receiver_name, COALESCE(u.value, r.webhook_url), r.send_resolved, r.max_alerts, r.timeout,"
	" r.tls_skip_verify, r.basic_auth_user, p.value, k.value,"
	" COALESCE(o.group_by, '{alertname}'), COALESCE(o.group_wait, '30 seconds'),"
	" COALESCE(o.group_interval, '5 minutes'), COALESCE(o.repeat_interval, '4 hours')"
	" FROM tsdb.receivers r"
	" LEFT JOIN tsdb.routes o ON o.tenant_id OPERATOR(pg_catalog.=) r.tenant_id"
	" LEFT JOIN tsdb.secrets u ON u.tenant_id OPERATOR(pg_catalog.=) r.tenant_id"
	" AND u.secret_name OPERATOR(pg_catalog.=) r.webhook_url_secret"
	" LEFT JOIN tsdb.secrets p ON p.tenant_id OPERATOR(pg_catalog.=) r.tenant_id"
	" AND p.secret_name OPERATOR(pg_catalog.=) r.password_secret"
	" LEFT JOIN tsdb.secrets k ON k.tenant_id OPERATOR(pg_catalog.=) r.tenant_id"
	" AND k.secret_name OPERATOR(pg_catalog.=) r.token_secret"
	" WHERE o.route_id IS NULL OR o.receiver_name OPERATOR(pg_catalog.=) r.receiver_name";

enum DestinationColumn
{
	TO_TENANT = 1, TO_RECEIVER, TO_URL, TO_SEND_RESOLVED, TO_MAX_ALERTS, TO_TIMEOUT, TO_TLS_SKIP_VERIFY, TO_USER,
	TO_PASSWORD, TO_TOKEN, TO_GROUP_BY, TO_GROUP_WAIT, TO_GROUP_INTERVAL, TO_REPEAT_INTERVAL
};

static const char alerts_query[] =
	"SELECT s.tenant_id, s.labels, s.annotations, s.starts_at, s.resolved_at,"
	" s.current_state OPERATOR(pg_catalog.<>) 'firing', r.promql_expression"
	" FROM tsdb.alert_evaluation_states s"
	" LEFT JOIN tsdb.alert_rules r ON r.rule_id OPERATOR(pg_catalog.=) s.rule_id"
	/* one that is pending again was resolved before, and keeps the time */
	" WHERE s.starts_at IS NOT NULL AND (s.current_state OPERATOR(pg_catalog.=) 'firing' OR s.resolved_at IS NOT NULL)";

enum AlertColumn
{
	ALERT_TENANT = 1, ALERT_LABELS, ALERT_ANNOTATIONS, ALERT_STARTS_AT, ALERT_RESOLVED_AT, ALERT_RESOLVED, ALERT_EXPRESSION
};

static const char log_query[] =
	"SELECT tenant_id, receiver_name, group_key, notified_at, firing, resolved FROM tsdb.notification_log"
	" WHERE integration OPERATOR(pg_catalog.=) '" WEBHOOK "'";

static const char lock_query[] =
	"SELECT tenant_id, receiver_name, group_key, notified_at, firing, resolved FROM tsdb.notification_log"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND group_key OPERATOR(pg_catalog.=) $2"
	" AND receiver_name OPERATOR(pg_catalog.=) $3 AND integration OPERATOR(pg_catalog.=) '" WEBHOOK "' FOR UPDATE";

enum LogColumn
{
	LOG_TENANT = 1, LOG_RECEIVER, LOG_GROUP_KEY, LOG_NOTIFIED_AT, LOG_FIRING, LOG_RESOLVED
};

static const char record_query[] =
	"INSERT INTO tsdb.notification_log AS l (tenant_id, group_key, receiver_name, integration, notified_at,"
	" expires_at, reason, firing, resolved)"
	" VALUES ($1, $2, $3, '" WEBHOOK "', pg_catalog.clock_timestamp(),"
	" pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => $4), $5, $6, $7)"
	" ON CONFLICT (tenant_id, group_key, receiver_name, integration) DO UPDATE SET notified_at = EXCLUDED.notified_at,"
	" expires_at = EXCLUDED.expires_at, reason = EXCLUDED.reason, firing = EXCLUDED.firing,"
	" resolved = EXCLUDED.resolved";

static void read_destinations(NotifierState *state);
static void read_alerts(NotifierState *state);
static void read_log(NotifierState *state);

TsdbHash
pgtsdb_delivery_key(const char *tenant_id, const char *receiver, const char *group_key)
{
	TsdbHash	tenant = tsdb_hash(tenant_id, strlen(tenant_id), 0);
	TsdbHash	to = tsdb_hash(receiver, strlen(receiver), tenant.lo);

	return tsdb_hash(group_key, strlen(group_key), to.lo);
}

NotifierState *
pgtsdb_read_notifier_state(MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	NotifierState *state = palloc0(sizeof(NotifierState));

	state->arena = pgtsdb_arena_create(context, 0, NULL);
	read_destinations(state);
	if (state->n_destinations > 0)
		read_alerts(state);
	if (state->n_alerts > 0)
		read_log(state);
	MemoryContextSwitchTo(caller);
	return state;
}

/* ---- rows ---- */

/* Runs a query; its rows are in SPI_tuptable until SPI_finish().  What is made of them goes to the caller's context. */
static uint64
select_rows(const char *query, int n_columns)
{
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(query, true, 0) != SPI_OK_SELECT ||
		SPI_tuptable->tupdesc->natts != n_columns)
		elog(ERROR, "unexpected answer to: %s", query);
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

static Datum
column(uint64 row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

static char *
text_column(uint64 row, int number)
{
	bool		isnull;
	Datum		value = column(row, number, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static int64
ms_column(uint64 row, int number)
{
	bool		isnull;
	Datum		value = column(row, number, &isnull);
	int64		ms = 0;

	/* the trigger has refused intervals without a length */
	if (!isnull)
		(void) pgtsdb_interval_to_ms(DatumGetIntervalP(value), &ms);
	return ms;
}

/* Since 1970; 0 when null. */
static int64
microseconds_column(uint64 row, int number)
{
	bool		isnull;
	Datum		value = column(row, number, &isnull);

	if (isnull)
		return 0;
	return DatumGetTimestampTz(value) + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

static TsdbStr *
text_array_column(uint64 row, int number, size_t *n)
{
	bool		isnull;
	Datum		value = column(row, number, &isnull);
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	TsdbStr    *texts;

	deconstruct_array(DatumGetArrayTypePCopy(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	texts = palloc_array(TsdbStr, count);
	for (int i = 0; i < count; i++)
		texts[i] = tsdb_str(nulls[i] ? "" : TextDatumGetCString(elements[i]));
	*n = count;
	return texts;
}

/* ---- destinations ---- */

static void
read_destinations(NotifierState *state)
{
	uint64		n = select_rows(destinations_query, TO_REPEAT_INTERVAL);

	state->destinations = palloc0_array(Destination, n);
	state->n_destinations = (int) n;
	for (uint64 i = 0; i < n; i++)
	{
		Destination *to = &state->destinations[i];
		bool		isnull;

		to->tenant_id = text_column(i, TO_TENANT);
		to->receiver = text_column(i, TO_RECEIVER);
		to->url = text_column(i, TO_URL);
		to->send_resolved = DatumGetBool(column(i, TO_SEND_RESOLVED, &isnull));
		to->max_alerts = DatumGetInt32(column(i, TO_MAX_ALERTS, &isnull));
		to->timeout_ms = ms_column(i, TO_TIMEOUT);
		to->tls_skip_verify = DatumGetBool(column(i, TO_TLS_SKIP_VERIFY, &isnull));
		to->user = text_column(i, TO_USER);
		to->password = text_column(i, TO_PASSWORD);
		to->token = text_column(i, TO_TOKEN);
		to->group_by = text_array_column(i, TO_GROUP_BY, &to->n_group_by);
		to->group_wait_ms = ms_column(i, TO_GROUP_WAIT);
		to->group_interval_ms = ms_column(i, TO_GROUP_INTERVAL);
		to->repeat_interval_ms = ms_column(i, TO_REPEAT_INTERVAL);
	}
	SPI_finish();
}

/* ---- alerts ---- */

static int
compare_names(const void *a, const void *b)
{
	return tsdb_str_compare(((const TsdbLabel *) a)->name, ((const TsdbLabel *) b)->name);
}

/* Unlike labels they may be empty and of any length. */
static TsdbLabels
read_annotations(Jsonb *object)
{
	TsdbLabel  *pairs = NULL;
	size_t		n = 0;

	(void) pgtsdb_json_labels(object, &pairs, &n);
	if (n > 1)
		qsort(pairs, n, sizeof(TsdbLabel), compare_names);
	return (TsdbLabels) {pairs, n};
}

/* Where the expression of the alert's rule can be looked at; empty without pgtsdb.external_url. */
static TsdbStr
generator_url(const char *expression)
{
	StringInfoData url;

	if (pgtsdb_external_url[0] == '\0' || expression == NULL)
		return TSDB_STR("");
	initStringInfo(&url);
	appendStringInfo(&url, "%s/graph?g0.expr=", pgtsdb_external_url);
	pgtsdb_append_url_encoded(&url, expression, (int) strlen(expression));
	appendStringInfoString(&url, "&g0.tab=1");
	return (TsdbStr) {url.data, url.len};
}

static bool
read_alert(uint64 row, TenantAlert *read)
{
	TsdbGroupedAlert  *alert = &read->alert;
	TsdbLabel  *pairs;
	size_t		n;
	TsdbError	error;
	bool		isnull;

	if (!pgtsdb_json_labels(DatumGetJsonbP(column(row, ALERT_LABELS, &isnull)), &pairs, &n) ||
		tsdb_labels_make(pairs, n, &alert->labels, &error) != TSDB_OK)
		return false;
	read->tenant_id = text_column(row, ALERT_TENANT);
	alert->annotations = read_annotations(DatumGetJsonbP(column(row, ALERT_ANNOTATIONS, &isnull)));
	alert->fingerprint = tsdb_alert_fingerprint(alert->labels);
	alert->resolved = DatumGetBool(column(row, ALERT_RESOLVED, &isnull));
	alert->starts_at = microseconds_column(row, ALERT_STARTS_AT);
	alert->ends_at = microseconds_column(row, ALERT_RESOLVED_AT);
	alert->generator_url = generator_url(text_column(row, ALERT_EXPRESSION));
	return true;
}

static void
read_alerts(NotifierState *state)
{
	uint64		n = select_rows(alerts_query, ALERT_EXPRESSION);

	state->alerts = palloc0_array(TenantAlert, n);
	for (uint64 i = 0; i < n; i++)
		if (read_alert(i, &state->alerts[state->n_alerts]))
			state->n_alerts++;
		else
			ereport(LOG,
					(errmsg("an alert with labels that are none is not told to anybody")));
	SPI_finish();
}

/* ---- the log ---- */

static int
compare_values(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return (x > y) - (x < y);
}

static TsdbFingerprints
fingerprints_column(uint64 row, int number)
{
	size_t		n;
	TsdbStr    *texts = text_array_column(row, number, &n);
	uint64	   *values = palloc_array(uint64, n);

	for (size_t i = 0; i < n; i++)
		values[i] = strtou64(texts[i].data, NULL, 16);
	qsort(values, n, sizeof(uint64), compare_values);
	return (TsdbFingerprints) {values, n};
}

static void
read_log_entry(uint64 row, LogEntry *entry)
{
	entry->notified_at = microseconds_column(row, LOG_NOTIFIED_AT) / 1000;
	entry->firing = fingerprints_column(row, LOG_FIRING);
	entry->resolved = fingerprints_column(row, LOG_RESOLVED);
}

static void
read_log(NotifierState *state)
{
	HASHCTL		control = {.keysize = sizeof(TsdbHash), .entrysize = sizeof(LogEntry), .hcxt = CurrentMemoryContext};
	uint64		n = select_rows(log_query, LOG_RESOLVED);

	state->log = hash_create("pgtsdb notification log", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (uint64 i = 0; i < n; i++)
	{
		TsdbHash	key = pgtsdb_delivery_key(text_column(i, LOG_TENANT), text_column(i, LOG_RECEIVER),
											  text_column(i, LOG_GROUP_KEY));

		read_log_entry(i, hash_search(state->log, &key, HASH_ENTER, NULL));
	}
	SPI_finish();
}

bool
pgtsdb_lock_log_entry(const Destination *to, const char *group_key, LogEntry *entry)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(to->tenant_id), CStringGetTextDatum(group_key), CStringGetTextDatum(to->receiver)
	};
	bool		found;

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args(lock_query, lengthof(types), types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not lock the notification log");
	MemoryContextSwitchTo(caller);
	found = SPI_processed > 0;
	if (found)
		read_log_entry(0, entry);
	SPI_finish();
	return found;
}

static Datum
fingerprints_array(TsdbFingerprints set)
{
	Datum	   *texts = palloc_array(Datum, set.n);

	for (size_t i = 0; i < set.n; i++)
	{
		char		text[17];

		snprintf(text, sizeof(text), "%016llx", (unsigned long long) set.values[i]);
		texts[i] = CStringGetTextDatum(text);
	}
	return PointerGetDatum(construct_array(texts, (int) set.n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* An entry holds for two repeat intervals: by then a group that still fires has been told of again. */
void
pgtsdb_write_log_entry(const LogRecord *record)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, FLOAT8OID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum		values[] = {
		CStringGetTextDatum(record->tenant_id),
		CStringGetTextDatum(record->group_key),
		CStringGetTextDatum(record->receiver),
		Float8GetDatum(2 * (double) record->repeat_interval_ms / 1000),
		CStringGetTextDatum(tsdb_notify_reason_name(record->reason)),
		fingerprints_array(record->firing),
		fingerprints_array(record->resolved),
	};

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args(record_query, lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write the notification log");
	SPI_finish();
}

void
pgtsdb_expire_log(void)
{
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute("DELETE FROM tsdb.notification_log WHERE expires_at OPERATOR(pg_catalog.<) pg_catalog.now()",
					false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not expire the notification log");
	SPI_finish();
}
