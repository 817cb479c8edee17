/*
 * alert_store.c
 *		Alerts in their tables: states, events, and the series ALERTS and ALERTS_FOR_STATE.
 *
 * A row of alert_evaluation_states is written when a state changes (or the time
 * since when an alert is only kept firing), so an evaluation that changes nothing
 * leaves the tables alone.  The series get a sample each time, as in Prometheus; which of them ended is
 * told by the states before, so a restart forgets no stale marker.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "pg/errors.h"
#include "pg/query/query.h"
#include "pg/storage/statement.h"
#include "pg/storage/storage.h"
#include "pg/types/types.h"
#include "pg/worker/rules.h"
#include "pg/worker/worker.h"

/* Told of transitions to and from firing; the payload names rule and alert. */
#define CHANNEL "tsdb_alerts"

/* Columns of a state, as loaded and as saved. */
enum
{
	RULE_ID,
	ALERT_ID,
	TENANT_ID,
	FIRST_TRIGGERED_AT,
	STARTS_AT,
	KEEP_FIRING_SINCE,
	RESOLVED_AT,
	LAST_EVALUATED_AT,
	LAST_EVALUATED_VALUE,
	CURRENT_STATE,
	LABELS,
	ANNOTATIONS,
	STATE_COLUMNS
};

static const Oid state_types[STATE_COLUMNS] = {
	UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	FLOAT8OID, TEXTOID, JSONBOID, JSONBOID
};

static PgtsdbStatement load_states = {
	"SELECT first_triggered_at, starts_at, keep_firing_since, resolved_at, last_evaluated_value, current_state, labels, annotations "
	"FROM tsdb.alert_evaluation_states WHERE rule_id OPERATOR(pg_catalog.=) $1", SPI_OK_SELECT
};

static PgtsdbStatement save_state = {
	"INSERT INTO tsdb.alert_evaluation_states (rule_id, alert_id, tenant_id, first_triggered_at, starts_at, keep_firing_since, "
	"resolved_at, last_evaluated_at, last_evaluated_value, current_state, labels, annotations, updated_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, pg_catalog.now()) "
	"ON CONFLICT (rule_id, alert_id) DO UPDATE SET (first_triggered_at, starts_at, keep_firing_since, resolved_at, "
	"last_evaluated_at, last_evaluated_value, current_state, annotations, updated_at) = "
	"(excluded.first_triggered_at, excluded.starts_at, excluded.keep_firing_since, excluded.resolved_at, "
	"excluded.last_evaluated_at, excluded.last_evaluated_value, excluded.current_state, excluded.annotations, excluded.updated_at)",
	SPI_OK_INSERT
};

static PgtsdbStatement forget_state = {
	"DELETE FROM tsdb.alert_evaluation_states WHERE rule_id OPERATOR(pg_catalog.=) $1 AND alert_id OPERATOR(pg_catalog.=) $2",
	SPI_OK_DELETE
};

static PgtsdbStatement add_event = {
	"INSERT INTO tsdb.alert_events (rule_id, alert_id, tenant_id, at, value, rule_name, previous_state, new_state, labels, annotations) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", SPI_OK_INSERT
};

static void read_alert(const PgtsdbAlertStore *store, HeapTuple tuple, TupleDesc desc, TsdbAlert *alert);
static int64 read_time(HeapTuple tuple, TupleDesc desc, int column);
static TsdbLabels read_labels(const PgtsdbAlertStore *store, HeapTuple tuple, TupleDesc desc, int column);
static void save_alert(const PgtsdbAlertStore *store, const TsdbAlert *alert, const pg_uuid_t *alert_id);
static void save_event(const PgtsdbAlertStore *store, const TsdbAlert *alert, const pg_uuid_t *alert_id);
static void notify(const PgtsdbAlertStore *store, const TsdbAlert *alert, const pg_uuid_t *alert_id);
static pg_uuid_t id_of(const PgtsdbAlertStore *store, TsdbLabels labels);
static Datum time_datum(int64 ms, char *null);
static Datum text_datum(TsdbStr text);
static bool is_active(TsdbAlertState state);
static void append_state(PgtsdbIngest *ingest, const PgtsdbAlertStore *store, const TsdbAlert *alert, TsdbAlertState state,
						 double value);
static void append_series(PgtsdbIngest *ingest, const PgtsdbAlertStore *store, TsdbLabels labels, const char *name,
						  const char *state, double value);

/* ---- states ---- */

TsdbAlert *
pgtsdb_alerts_load(const PgtsdbAlertStore *store, size_t *n)
{
	Datum		rule_id = UUIDPGetDatum(store->rule_id);
	TsdbAlert  *alerts;

	SPI_connect();
	*n = pgtsdb_statement_run(&load_states, 1, state_types, &rule_id);
	alerts = TSDB_NEW_ARRAY(store->arena, TsdbAlert, *n);
	for (size_t i = 0; i < *n; i++)
		read_alert(store, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &alerts[i]);
	SPI_finish();
	return alerts;
}

static void
read_alert(const PgtsdbAlertStore *store, HeapTuple tuple, TupleDesc desc, TsdbAlert *alert)
{
	bool		isnull;
	char	   *state = SPI_getvalue(tuple, desc, 6);

	*alert = (TsdbAlert) {
		.active_at = read_time(tuple, desc, 1),
		.fired_at = read_time(tuple, desc, 2),
		.keep_firing_since = read_time(tuple, desc, 3),
		.resolved_at = read_time(tuple, desc, 4),
		.value = DatumGetFloat8(SPI_getbinval(tuple, desc, 5, &isnull)),
		.labels = read_labels(store, tuple, desc, 7),
		.annotations = read_labels(store, tuple, desc, 8),
	};
	if (!tsdb_alert_state_parse(tsdb_str(state), &alert->state))
		elog(ERROR, "unknown alert state \"%s\"", state);	/* the table has a constraint */
	/* Rows that somebody edited: a state that lacks its time began now. */
	if (alert->state == TSDB_ALERT_RESOLVED && alert->resolved_at == TSDB_NO_TIME)
		alert->resolved_at = store->now;
	if (alert->state == TSDB_ALERT_FIRING && alert->fired_at == TSDB_NO_TIME)
		alert->fired_at = store->now;
}

static int64
read_time(HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, column, &isnull);

	return isnull ? TSDB_NO_TIME : pgtsdb_timestamp_to_ms(DatumGetTimestampTz(value));
}

/* Copied out of SPI's memory. */
static TsdbLabels
read_labels(const PgtsdbAlertStore *store, HeapTuple tuple, TupleDesc desc, int column)
{
	TsdbLabels	labels;
	TsdbError	error;
	bool		isnull;
	Jsonb	   *object = DatumGetJsonbP(SPI_getbinval(tuple, desc, column, &isnull));

	pgtsdb_check(pgtsdb_jsonb_labels(store->arena, object, &labels, &error), &error);
	return tsdb_labels_copy(store->arena, labels);
}

int
pgtsdb_alerts_save(const PgtsdbAlertStore *store, const TsdbAlert *alerts, size_t n)
{
	int			transitions = 0;
	bool		connected = false;

	for (size_t i = 0; i < n; i++)
	{
		pg_uuid_t	alert_id;

		if (!alerts[i].changed)
			continue;
		if (!connected)
			SPI_connect();
		connected = true;
		alert_id = id_of(store, alerts[i].labels);
		save_alert(store, &alerts[i], &alert_id);
		/* That an alert is no longer remembered as resolved is no news. */
		if (alerts[i].state == alerts[i].previous ||
			(alerts[i].previous == TSDB_ALERT_RESOLVED && alerts[i].state == TSDB_ALERT_INACTIVE))
			continue;
		save_event(store, &alerts[i], &alert_id);
		notify(store, &alerts[i], &alert_id);
		transitions++;
	}
	if (connected)
		SPI_finish();
	return transitions;
}

static void
save_alert(const PgtsdbAlertStore *store, const TsdbAlert *alert, const pg_uuid_t *alert_id)
{
	Datum		values[STATE_COLUMNS];
	char		nulls[STATE_COLUMNS + 1];

	memset(nulls, ' ', STATE_COLUMNS);
	values[RULE_ID] = UUIDPGetDatum(store->rule_id);
	values[ALERT_ID] = UUIDPGetDatum(alert_id);
	if (alert->state == TSDB_ALERT_INACTIVE)
	{
		pgtsdb_statement_run(&forget_state, 2, state_types, values);
		return;
	}
	values[TENANT_ID] = CStringGetTextDatum(store->tenant->tenant_id);
	values[FIRST_TRIGGERED_AT] = time_datum(alert->active_at, &nulls[FIRST_TRIGGERED_AT]);
	values[STARTS_AT] = time_datum(alert->fired_at, &nulls[STARTS_AT]);
	values[KEEP_FIRING_SINCE] = time_datum(alert->keep_firing_since, &nulls[KEEP_FIRING_SINCE]);
	values[RESOLVED_AT] = time_datum(alert->resolved_at, &nulls[RESOLVED_AT]);
	values[LAST_EVALUATED_AT] = time_datum(store->now, &nulls[LAST_EVALUATED_AT]);
	values[LAST_EVALUATED_VALUE] = Float8GetDatum(alert->value);
	values[CURRENT_STATE] = CStringGetTextDatum(tsdb_alert_state_name(alert->state));
	values[LABELS] = JsonbPGetDatum(pgtsdb_labels_jsonb(alert->labels));
	values[ANNOTATIONS] = JsonbPGetDatum(pgtsdb_labels_jsonb(alert->annotations));
	pgtsdb_statement_run_nulls(&save_state, STATE_COLUMNS, state_types, values, nulls);
}

static void
save_event(const PgtsdbAlertStore *store, const TsdbAlert *alert, const pg_uuid_t *alert_id)
{
	static const Oid types[] = {
		UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID, FLOAT8OID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID
	};
	char		null;
	Datum		values[lengthof(types)] = {
		UUIDPGetDatum(store->rule_id), UUIDPGetDatum(alert_id), CStringGetTextDatum(store->tenant->tenant_id),
		time_datum(store->now, &null), Float8GetDatum(alert->value),
		text_datum(tsdb_labels_get(alert->labels, TSDB_STR("alertname"))),
		CStringGetTextDatum(tsdb_alert_state_name(alert->previous)),
		CStringGetTextDatum(tsdb_alert_state_name(alert->state)),
		JsonbPGetDatum(pgtsdb_labels_jsonb(alert->labels)), JsonbPGetDatum(pgtsdb_labels_jsonb(alert->annotations))
	};

	pgtsdb_statement_run(&add_event, lengthof(types), types, values);
}

/* For listeners in SQL; our own notifier wakes by latch. */
static void
notify(const PgtsdbAlertStore *store, const TsdbAlert *alert, const pg_uuid_t *alert_id)
{
	char	   *payload;

	if (alert->state != TSDB_ALERT_FIRING && alert->previous != TSDB_ALERT_FIRING)
		return;
	payload = psprintf("{\"rule_id\":\"%s\",\"alert_id\":\"%s\",\"state\":\"%s\"}",
					   DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(store->rule_id))),
					   DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(alert_id))),
					   tsdb_alert_state_name(alert->state));
	Async_Notify(CHANNEL, payload);
	pgtsdb_wake_worker_at_commit(PGTSDB_WORKER_NOTIFIER);
}

/* The same alert of the same rule has the same id whenever it comes. */
static pg_uuid_t
id_of(const PgtsdbAlertStore *store, TsdbLabels labels)
{
	TsdbBuffer	bytes;
	TsdbHash	hash;
	pg_uuid_t	id;

	tsdb_buffer_init(&bytes, store->arena, 256);
	tsdb_buffer_append(&bytes, store->rule_id->data, UUID_LEN);
	tsdb_labels_encode(&bytes, labels);
	hash = tsdb_hash(bytes.data, bytes.len, 0);
	StaticAssertStmt(sizeof(hash) == UUID_LEN, "a hash fills a uuid");
	for (int i = 0; i < UUID_LEN; i++)	/* little endian on every machine */
		id.data[i] = (uint8) ((i < 8 ? hash.lo : hash.hi) >> (8 * (i % 8)));
	return id;
}

static Datum
time_datum(int64 ms, char *null)
{
	*null = ms == TSDB_NO_TIME ? 'n' : ' ';
	return ms == TSDB_NO_TIME ? (Datum) 0 : TimestampTzGetDatum(pgtsdb_ms_to_timestamp(ms));
}

static Datum
text_datum(TsdbStr text)
{
	return PointerGetDatum(cstring_to_text_with_len(text.data == NULL ? "" : text.data, (int) text.len));
}

/* ---- series ---- */

void
pgtsdb_alerts_write_series(const PgtsdbAlertStore *store, const TsdbAlert *alerts, size_t n)
{
	PgtsdbIngestOptions options = {.tenant = store->tenant, .t_min = PG_INT64_MIN, .t_max = PG_INT64_MAX};
	PgtsdbSender sender = {.origin = "alerts"};
	PgtsdbIngestResult result;
	PgtsdbIngest *ingest = NULL;

	for (size_t i = 0; i < n; i++)
	{
		if (!is_active(alerts[i].state) && !is_active(alerts[i].previous))
			continue;
		if (ingest == NULL)
		{
			ingest = pgtsdb_ingest_begin(&options);
			pgtsdb_ingest_start_sender(ingest, &sender);
		}
		if (is_active(alerts[i].state))
			append_state(ingest, store, &alerts[i], alerts[i].state, 1);
		if (is_active(alerts[i].previous) && alerts[i].previous != alerts[i].state)
			append_state(ingest, store, &alerts[i], alerts[i].previous, tsdb_double_from_bits(TSDB_STALE_NAN_BITS));
	}
	if (ingest == NULL)
		return;
	pgtsdb_ingest_end_sender(ingest, NULL);
	pgtsdb_ingest_finish(ingest, &result);
}

static bool
is_active(TsdbAlertState state)
{
	return state == TSDB_ALERT_PENDING || state == TSDB_ALERT_FIRING;
}

/* One sample of ALERTS, or its end.  ALERTS_FOR_STATE has no label for the state: it ends when the alert does. */
static void
append_state(PgtsdbIngest *ingest, const PgtsdbAlertStore *store, const TsdbAlert *alert, TsdbAlertState state, double value)
{
	append_series(ingest, store, alert->labels, "ALERTS", tsdb_alert_state_name(state), value);
	if (is_active(alert->state) && state == alert->state)
		append_series(ingest, store, alert->labels, "ALERTS_FOR_STATE", NULL, floor(alert->active_at / 1000.0));
	else if (!is_active(alert->state))
		append_series(ingest, store, alert->labels, "ALERTS_FOR_STATE", NULL, value);
}

static void
append_series(PgtsdbIngest *ingest, const PgtsdbAlertStore *store, TsdbLabels labels, const char *name, const char *state,
			  double value)
{
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(store->arena, TsdbLabel, labels.n + 2);
	TsdbLabels	series;
	TsdbError	error;
	size_t		n = 0;

	for (size_t i = 0; i < labels.n; i++)
		if (state == NULL || !tsdb_str_equal(labels.pairs[i].name, TSDB_STR("alertstate")))
			pairs[n++] = labels.pairs[i];
	pairs[n++] = (TsdbLabel) {TSDB_STR(TSDB_METRIC_NAME), tsdb_str(name)};
	if (state != NULL)
		pairs[n++] = (TsdbLabel) {TSDB_STR("alertstate"), tsdb_str(state)};
	pgtsdb_check(tsdb_labels_make(pairs, n, &series, &error), &error);
	pgtsdb_ingest_append_labels(ingest, series, store->now, value);
}
