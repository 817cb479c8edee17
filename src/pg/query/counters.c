/*
 * counters.c
 *		tsdb.tenant_counters(): what has happened since the server started.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "pg/compat.h"
#include "pg/counters.h"

/* Names of metrics without their prefix, and labels besides the tenant. */
static const struct
{
	const char *metric;
	const char *label;
	const char *value;
}			names[PGTSDB_COUNT_QUERY_BUCKETS] = {
	[PGTSDB_COUNT_WRITES] = {"writes_total"},
	[PGTSDB_COUNT_SAMPLES] = {"ingested_samples_total"},
	[PGTSDB_COUNT_DUPLICATES] = {"duplicate_samples_total"},
	[PGTSDB_COUNT_LATE] = {"late_samples_total"},
	[PGTSDB_COUNT_INVALID] = {"rejected_samples_total", "reason", "invalid"},
	[PGTSDB_COUNT_CONFLICTS] = {"rejected_samples_total", "reason", "conflict"},
	[PGTSDB_COUNT_TOO_OLD] = {"rejected_samples_total", "reason", "too_old"},
	[PGTSDB_COUNT_TOO_NEW] = {"rejected_samples_total", "reason", "too_new"},
	[PGTSDB_COUNT_SERIES] = {"created_series_total"},
	[PGTSDB_COUNT_HEAD_ROWS] = {"head_inserted_rows_total"},
	[PGTSDB_COUNT_WAL_BYTES] = {"ingest_wal_bytes_total"},
	[PGTSDB_COUNT_COMPACTED_ROWS] = {"compacted_head_rows_total"},
	[PGTSDB_COUNT_COMPACTED_SAMPLES] = {"compacted_samples_total"},
	[PGTSDB_COUNT_CHUNK_ROWS] = {"written_chunk_rows_total"},
	[PGTSDB_COUNT_CHUNK_BYTES] = {"written_chunk_bytes_total"},
	[PGTSDB_COUNT_QUERIES] = {"queries_total"},
	[PGTSDB_COUNT_FAILED_QUERIES] = {"failed_queries_total"},
	[PGTSDB_COUNT_QUERY_SAMPLES] = {"query_samples_total"},
	[PGTSDB_COUNT_QUERY_NS] = {"query_duration_seconds_sum"},
};

static void put(ReturnSetInfo *result, const char *metric, const char *label, const char *label_value, double value);
static void put_buckets(ReturnSetInfo *result, const uint64 *n);

PG_FUNCTION_INFO_V1(pgtsdb_sql_tenant_counters);

/* tsdb.tenant_counters(); no rows when nothing is counted */
Datum
pgtsdb_sql_tenant_counters(PG_FUNCTION_ARGS)
{
	const PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	uint64		n[PGTSDB_COUNTERS];

	InitMaterializedSRF(fcinfo, 0);
	if (!pgtsdb_counters_exist())
		return (Datum) 0;
	pgtsdb_counters_of(tenant, n);
	for (int i = 0; i < lengthof(names); i++)
		put(result, names[i].metric, names[i].label, names[i].value,
			(double) n[i] / (i == PGTSDB_COUNT_QUERY_NS ? 1e9 : 1));
	put_buckets(result, n + PGTSDB_COUNT_QUERY_BUCKETS);
	return (Datum) 0;
}

static void
put(ReturnSetInfo *result, const char *metric, const char *label, const char *label_value, double value)
{
	bool		nulls[4] = {false, label == NULL, label_value == NULL, false};
	Datum		values[4] = {CStringGetTextDatum(metric), 0, 0, Float8GetDatum(value)};

	if (label != NULL)
		values[1] = CStringGetTextDatum(label);
	if (label_value != NULL)
		values[2] = CStringGetTextDatum(label_value);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Each counts those below it too. */
static void
put_buckets(ReturnSetInfo *result, const uint64 *n)
{
	static const double bounds[] = PGTSDB_DURATION_BOUNDS;
	uint64		sum = 0;

	for (int i = 0; i < PGTSDB_DURATION_BUCKETS; i++)
	{
		char		bound[32] = "+Inf";

		if (i < lengthof(bounds))
			snprintf(bound, sizeof(bound), "%g", bounds[i]);
		sum += n[i];
		put(result, "query_duration_seconds_bucket", "le", bound, (double) sum);
	}
	put(result, "query_duration_seconds_count", NULL, NULL, (double) sum);
}
