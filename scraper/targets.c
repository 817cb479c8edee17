/*
 * targets.c
 *		Which targets this worker scrapes, and how: one read of the configuration tables.
 *
 * Targets are shared out among the scrapers of a database by jump consistent
 * hashing of their ids (Lamping and Veach 2014): when the number of scrapers goes
 * from n to n + 1, only one target in n + 1 moves.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/config_values.h"
#include "pg/guc.h"
#include "pg/errors.h"
#include "pg/outbound/outbound.h"
#include "scraper_internal.h"


/* In the order of the query below. */
enum TargetColumn
{
	COLUMN_ID = 1,
	COLUMN_TENANT,
	COLUMN_JOB,
	COLUMN_ADDRESS,
	COLUMN_SCHEME,
	COLUMN_PATH,
	COLUMN_PARAMS,
	COLUMN_LABELS,
	COLUMN_INTERVAL,
	COLUMN_TIMEOUT,
	COLUMN_SAMPLE_LIMIT,
	COLUMN_BODY_LIMIT,
	COLUMN_HONOR_LABELS,
	COLUMN_HONOR_TIMESTAMPS,
	COLUMN_FOLLOW_REDIRECTS,
	COLUMN_TLS_SKIP_VERIFY,
	COLUMN_USER,
	COLUMN_PASSWORD,
	COLUMN_TOKEN,
	N_COLUMNS = COLUMN_TOKEN
};

static const char targets_query[] =
	"SELECT t.target_id, t.tenant_id, t.job_name, t.address,"
	" COALESCE(t.scheme, c.scheme, 'http'), COALESCE(t.metrics_path, c.metrics_path, '/metrics'),"
	" COALESCE(t.params, c.params), t.labels,"
	" COALESCE(t.scrape_interval, c.scrape_interval), COALESCE(t.scrape_timeout, c.scrape_timeout),"
	" COALESCE(t.sample_limit, c.sample_limit, 0), COALESCE(t.body_size_limit, c.body_size_limit),"
	" COALESCE(t.honor_labels, c.honor_labels, false), COALESCE(t.honor_timestamps, c.honor_timestamps, true),"
	" COALESCE(c.follow_redirects, true), COALESCE(c.tls_skip_verify, false),"
	" c.basic_auth_user, p.value, k.value"
	" FROM tsdb.scrape_targets t"
	" LEFT JOIN tsdb.scrape_configs c ON c.tenant_id OPERATOR(pg_catalog.=) t.tenant_id"
	" AND c.job_name OPERATOR(pg_catalog.=) t.job_name"
	" LEFT JOIN tsdb.secrets p ON p.tenant_id OPERATOR(pg_catalog.=) c.tenant_id"
	" AND p.secret_name OPERATOR(pg_catalog.=) c.password_secret"
	" LEFT JOIN tsdb.secrets k ON k.tenant_id OPERATOR(pg_catalog.=) c.tenant_id"
	" AND k.secret_name OPERATOR(pg_catalog.=) c.token_secret"
	" WHERE t.status OPERATOR(pg_catalog.=) 'ACTIVE' AND COALESCE(c.status, 'ACTIVE') OPERATOR(pg_catalog.=) 'ACTIVE'";

static TargetSettings *make_settings(const pg_uuid_t *id, HeapTuple row, TupleDesc desc);
static uint64 fingerprint_of_row(HeapTuple row, TupleDesc desc);
static int64 column_ms(HeapTuple row, TupleDesc desc, int column, int64 otherwise);
static char *make_url(HeapTuple row, TupleDesc desc, const char *address);
static TsdbLabels make_labels(HeapTuple row, TupleDesc desc, const char *job, const char *address);

static uint64
hash_of_id(const pg_uuid_t *id)
{
	return hash_bytes_extended(id->data, UUID_LEN, 0);
}

static int
jump_hash(uint64 key, int n_slots)
{
	int64		slot = -1;
	int64		next = 0;

	while (next < n_slots)
	{
		slot = next;
		key = key * UINT64CONST(2862933555777941757) + 1;
		next = (int64) ((double) (slot + 1) * ((double) (INT64CONST(1) << 31) / (double) ((key >> 33) + 1)));
	}
	return (int) slot;
}

int64
pgtsdb_target_next_tick(const Target *target, int64 now)
{
	int64		interval = target->settings->interval_ms;
	int64		offset = (int64) (hash_of_id(&target->id) % (uint64) interval);
	int64		since = (now - offset) % interval;

	return since == 0 ? now : now + interval - since;
}

TargetRows *
pgtsdb_read_targets(PgtsdbWorker *worker)
{
	MemoryContext caller = CurrentMemoryContext;
	TargetRows *rows;

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute(targets_query, true, 0) != SPI_OK_SELECT || SPI_tuptable->tupdesc->natts != N_COLUMNS)
		elog(ERROR, "could not read the scrape targets");

	MemoryContextSwitchTo(worker->unit_context);
	rows = palloc0(sizeof(TargetRows));
	rows->ids = palloc_array(pg_uuid_t, SPI_processed);
	rows->settings = palloc0_array(TargetSettings *, SPI_processed);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		pg_uuid_t  *id = DatumGetUUIDP(SPI_getbinval(row, SPI_tuptable->tupdesc, COLUMN_ID, &isnull));

		rows->ids[rows->n] = *id;
		if (jump_hash(hash_of_id(id), worker->n_slots) == worker->slot)
			rows->settings[rows->n] = make_settings(id, row, SPI_tuptable->tupdesc);
		rows->n++;
	}
	SPI_finish();
	MemoryContextSwitchTo(caller);
	return rows;
}

static char *
column_text(HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* In a context of its own, below the current one until somebody takes it over. */
static TargetSettings *
make_settings(const pg_uuid_t *id, HeapTuple row, TupleDesc desc)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb target", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	TargetSettings *settings = palloc0(sizeof(TargetSettings));
	char	   *job = column_text(row, desc, COLUMN_JOB);
	char	   *address = column_text(row, desc, COLUMN_ADDRESS);
	bool		isnull;
	int64		limit;

	settings->context = context;
	settings->fingerprint = fingerprint_of_row(row, desc);
	settings->tenant_id = column_text(row, desc, COLUMN_TENANT);
	settings->url = make_url(row, desc, address);
	/* targets that share an address (probes of an exporter) are scraped at different times, so they share no group */
	settings->origin = psprintf("scrape %s %s %s", job, address,
								DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id))));
	settings->labels = make_labels(row, desc, job, address);
	settings->interval_ms = column_ms(row, desc, COLUMN_INTERVAL, pgtsdb_scrape_interval);
	settings->timeout_ms = Min(column_ms(row, desc, COLUMN_TIMEOUT, pgtsdb_scrape_timeout), settings->interval_ms);
	settings->sample_limit = DatumGetInt32(SPI_getbinval(row, desc, COLUMN_SAMPLE_LIMIT, &isnull));
	limit = DatumGetInt64(SPI_getbinval(row, desc, COLUMN_BODY_LIMIT, &isnull));
	settings->body_limit = isnull ? (Size) pgtsdb_scrape_body_size_limit * 1024 : (Size) limit;
	settings->honor_labels = DatumGetBool(SPI_getbinval(row, desc, COLUMN_HONOR_LABELS, &isnull));
	settings->honor_timestamps = DatumGetBool(SPI_getbinval(row, desc, COLUMN_HONOR_TIMESTAMPS, &isnull));
	settings->follow_redirects = DatumGetBool(SPI_getbinval(row, desc, COLUMN_FOLLOW_REDIRECTS, &isnull));
	settings->tls_skip_verify = DatumGetBool(SPI_getbinval(row, desc, COLUMN_TLS_SKIP_VERIFY, &isnull));
	settings->user = column_text(row, desc, COLUMN_USER);
	settings->password = column_text(row, desc, COLUMN_PASSWORD);
	settings->token = column_text(row, desc, COLUMN_TOKEN);
	settings->identity = pgtsdb_text_identity(settings->labels, settings->honor_labels);
	settings->report_identity = pgtsdb_text_identity(settings->labels, false);
	MemoryContextSwitchTo(caller);
	return settings;
}

void
pgtsdb_collect_own_metrics(PgtsdbWorker *worker, void *arg)
{
	char	   *page;

	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute("SELECT tsdb.postgres_metrics()", true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not read the server's own metrics");
	page = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	*(char **) arg = MemoryContextStrdup(worker->context, page == NULL ? "" : page);
	SPI_finish();
}

/* Of the text of all columns, and of the settings that stand in for nulls. */
static uint64
fingerprint_of_row(HeapTuple row, TupleDesc desc)
{
	int			settings[] = {pgtsdb_scrape_interval, pgtsdb_scrape_timeout, pgtsdb_scrape_body_size_limit};
	uint64		hash = hash_bytes_extended((unsigned char *) settings, sizeof(settings), 0);

	for (int column = 1; column <= N_COLUMNS; column++)
	{
		char	   *text = SPI_getvalue(row, desc, column);

		if (text == NULL)
			text = "\1";			/* no value looks like this */
		hash = hash_bytes_extended((unsigned char *) text, (int) strlen(text), hash);
	}
	return hash;
}

static int64
column_ms(HeapTuple row, TupleDesc desc, int column, int64 otherwise)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, column, &isnull);
	int64		ms;

	if (isnull || !pgtsdb_interval_to_ms(DatumGetIntervalP(value), &ms) || ms <= 0)
		return otherwise;
	return ms;
}

/* ---- URL ---- */

static void
append_parameter(void *context, const char *key, int key_len, const char *value, int value_len)
{
	StringInfo	url = context;

	appendStringInfoChar(url, strchr(url->data, '?') == NULL ? '?' : '&');
	pgtsdb_append_url_encoded(url, key, key_len);
	appendStringInfoChar(url, '=');
	pgtsdb_append_url_encoded(url, value, value_len);
}

static char *
make_url(HeapTuple row, TupleDesc desc, const char *address)
{
	StringInfoData url;
	char	   *scheme = column_text(row, desc, COLUMN_SCHEME);
	bool		isnull;
	Datum		params = SPI_getbinval(row, desc, COLUMN_PARAMS, &isnull);

	if (strcmp(scheme, "postgres") == 0)
		return NULL;
	initStringInfo(&url);
	appendStringInfo(&url, "%s://%s%s", scheme, address, column_text(row, desc, COLUMN_PATH));
	/* the trigger has refused anything that is not an object */
	if (!isnull)
		(void) pgtsdb_json_pairs(DatumGetJsonbP(params), true, append_parameter, &url);
	return url.data;
}

static TsdbLabels
make_labels(HeapTuple row, TupleDesc desc, const char *job, const char *address)
{
	TsdbLabels	labels;
	TsdbError	error;
	bool		isnull;
	Datum		own = SPI_getbinval(row, desc, COLUMN_LABELS, &isnull);

	/* the same check as when the row was written */
	pgtsdb_check(pgtsdb_target_labels(job, address, DatumGetJsonbP(own), &labels, &error), &error);
	return labels;
}
