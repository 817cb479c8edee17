/*
 * statistics.c
 *		tsdb.stats, tsdb.cardinality() and tsdb.metric_sizes(): what a tenant's data is made of.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "core/promql/parser.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/query/query.h"
#include "pg/storage/statistics.h"

static Datum time_or_null(int64 t, bool *is_null);
static int64 compaction_lag(int64 oldest);
static int32 limit_argument(FunctionCallInfo fcinfo, int n);
static Datum text_of(TsdbStr text);

PG_FUNCTION_INFO_V1(pgtsdb_sql_statistics);
PG_FUNCTION_INFO_V1(pgtsdb_sql_cardinality);
PG_FUNCTION_INFO_V1(pgtsdb_sql_metric_sizes);

/* tsdb.tenant_statistics(counts boolean): one row, of the session's tenant; series and chunks are null when they are not counted */
Datum
pgtsdb_sql_statistics(PG_FUNCTION_ARGS)
{
	enum {TENANT, SERIES, HEAD_GROUPS, HEAD_OLDEST, HEAD_NEWEST, LAG, CHUNK_ROWS, CHUNK_OLDEST, N};
	const PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	PgtsdbPartStatistics statistics = {
		.head_oldest = PG_INT64_MAX, .head_newest = PG_INT64_MIN, .chunk_oldest = PG_INT64_MAX
	};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		counts = PG_GETARG_BOOL(0);
	Datum		values[N] = {0};
	bool		nulls[N] = {false};

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < tenant->n_parts; i++)
		(counts ? pgtsdb_part_statistics : pgtsdb_part_head_statistics) (tenant->parts[i], GetActiveSnapshot(), &statistics);
	nulls[SERIES] = nulls[CHUNK_ROWS] = !counts;
	values[TENANT] = CStringGetTextDatum(tenant->tenant_id);
	values[SERIES] = Int64GetDatum(statistics.series);
	values[HEAD_GROUPS] = Int64GetDatum(statistics.groups);
	values[HEAD_OLDEST] = time_or_null(statistics.head_oldest, &nulls[HEAD_OLDEST]);
	values[HEAD_NEWEST] = time_or_null(statistics.head_newest == PG_INT64_MIN ? PG_INT64_MAX : statistics.head_newest,
									   &nulls[HEAD_NEWEST]);
	values[LAG] = DirectFunctionCall2(timestamp_mi, TimestampGetDatum(compaction_lag(statistics.head_oldest)), TimestampGetDatum(0));
	values[CHUNK_ROWS] = Int64GetDatum(statistics.chunk_rows);
	values[CHUNK_OLDEST] = time_or_null(statistics.chunk_oldest, &nulls[CHUNK_OLDEST]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

static Datum
time_or_null(int64 t, bool *is_null)
{
	*is_null = t == PG_INT64_MAX;
	return *is_null ? (Datum) 0 : TimestampTzGetDatum(pgtsdb_ms_to_timestamp(t));
}

/* Microseconds since the window of the oldest row could have been compacted; 0 when it is still to come. */
static int64
compaction_lag(int64 oldest)
{
	int64		width = Min(pgtsdb_compaction_window, pgtsdb_max_chunk_span) * MS_PER_MINUTE;
	int64		now = pgtsdb_timestamp_to_ms(GetCurrentTimestamp());
	int64		due;

	if (oldest > now - width)
		return 0;
	due = oldest - oldest % width + width + pgtsdb_compaction_delay * MS_PER_SECOND;
	return Max(now - due, 0) * 1000;
}

/* tsdb.cardinality(label text, selector text, since interval, "limit" int4); label and selector may be null */
Datum
pgtsdb_sql_cardinality(PG_FUNCTION_ARGS)
{
	enum {NAME, SERIES, VALUES, CREATED, RETIRED, N};
	const PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb cardinality", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = pgtsdb_query_arena(context);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TsdbStr		label = {NULL, 0};
	TsdbMatcher *matchers = NULL;
	size_t		n_matchers = 0;
	int32		limit = limit_argument(fcinfo, 3);
	PgtsdbLabelCount *counts;
	size_t		n;
	TimestampTz since = PG_INT64_MAX;
	TsdbError	error;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0))
		label = tsdb_str(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (!PG_ARGISNULL(1))
	{
		char	   *selector = text_to_cstring(PG_GETARG_TEXT_PP(1));

		if (tsdb_promql_parse_selector(arena, tsdb_str(selector), &matchers, &n_matchers, &error) != TSDB_OK)
			pgtsdb_raise_in(&error, selector);
	}
	if (!PG_ARGISNULL(2))
		since = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
														TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
														PG_GETARG_DATUM(2)));
	pgtsdb_check(pgtsdb_count_by_label(arena, tenant->parts, tenant->n_parts, GetActiveSnapshot(), label, matchers, n_matchers,
									   since, &counts, &n, &error), &error);
	for (size_t i = 0; i < n && (limit == 0 || i < limit); i++)
	{
		Datum		values[N];
		bool		nulls[N] = {false};

		CHECK_FOR_INTERRUPTS();
		values[NAME] = text_of(counts[i].name);
		values[SERIES] = Int64GetDatum((int64) counts[i].series);
		values[VALUES] = Int64GetDatum((int64) counts[i].values);
		nulls[VALUES] = label.len > 0;
		values[CREATED] = Int64GetDatum((int64) counts[i].created);
		values[RETIRED] = Int64GetDatum((int64) counts[i].retired);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	MemoryContextDelete(context);
	return (Datum) 0;
}

/* tsdb.metric_sizes("start" timestamptz, "end" timestamptz, "limit" int4) */
Datum
pgtsdb_sql_metric_sizes(PG_FUNCTION_ARGS)
{
	enum {METRIC, SERIES, SAMPLES, BYTES, BYTES_PER_SAMPLE, N};
	const PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb sizes of metrics", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = pgtsdb_query_arena(context);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		t_lo = pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(0));
	int64		t_hi = pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(1));
	int32		limit = limit_argument(fcinfo, 2);
	PgtsdbMetricSize *sizes;
	size_t		n;

	pgtsdb_check_time_order(t_lo, t_hi);
	InitMaterializedSRF(fcinfo, 0);
	sizes = pgtsdb_metric_sizes(arena, tenant->parts, tenant->n_parts, GetActiveSnapshot(), t_lo, t_hi, &n);
	for (size_t i = 0; i < n && (limit == 0 || i < limit); i++)
	{
		Datum		values[N];
		bool		nulls[N] = {false};

		CHECK_FOR_INTERRUPTS();
		values[METRIC] = text_of(sizes[i].metric);
		values[SERIES] = Int64GetDatum((int64) sizes[i].series);
		values[SAMPLES] = Int64GetDatum((int64) sizes[i].samples);
		values[BYTES] = Int64GetDatum((int64) (sizes[i].bytes + 0.5));
		values[BYTES_PER_SAMPLE] = Float8GetDatum(sizes[i].bytes / sizes[i].samples);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	MemoryContextDelete(context);
	return (Datum) 0;
}

static int32
limit_argument(FunctionCallInfo fcinfo, int n)
{
	int32		limit = PG_ARGISNULL(n) ? 0 : PG_GETARG_INT32(n);

	if (limit < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limit must not be negative: %d", limit),
				 errhint("Zero means no limit.")));
	return limit;
}

static Datum
text_of(TsdbStr text)
{
	return PointerGetDatum(cstring_to_text_with_len(text.data, (int) text.len));
}
