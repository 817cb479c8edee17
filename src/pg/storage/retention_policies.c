/*
 * retention_policies.c
 *		Which class a series belongs to, and how long the samples of a class are kept.
 *
 * Policies are read anew for every rewrite, which is cheap beside it: they are a handful of
 * rows, and where a tenant has none, or none with a selector, no series is looked at.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#include "core/labels/labels.h"
#include "pg/guc.h"
#include "pg/storage/relations.h"
#include "pg/storage/retention_policies.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/storage/statement.h"
#include "pg/storage/storage_internal.h"
#include "pg/types/types.h"

/* No partition is narrower than the setting can be. */
#define LEAST_WIDTH MS_PER_HOUR

typedef struct Policy
{
	bool		all_series;
	TsdbMatcher *matchers;
	size_t		n_matchers;
} Policy;

static int64 cutoff_column(uint64 row, int column);
static int64 class_width(uint64 row, int column);
static Policy *read_policies(TsdbArena *arena, int32 part, PgtsdbGroupClasses *answer);
static void classify_series(TsdbArena *arena, const PgtsdbScan *scan, const Policy *policies, PgtsdbGroupClasses *answer);
static bool gave_up(const Policy *policy);

PgtsdbRetentionClass *
pgtsdb_retention_classes(int *n)
{
	static PgtsdbStatement read = {
		"SELECT 0::pg_catalog.int2, CASE WHEN c.all_series AND c.all_expire THEN c.cutoff END, NULL, NOT c.all_series"
		" FROM (SELECT pg_catalog.min(pg_catalog.now() OPERATOR(pg_catalog.-) retention) AS cutoff,"
		" pg_catalog.bool_and(retention IS NOT NULL) AS all_expire,"
		" NOT EXISTS (SELECT FROM tsdb.tenant_parts t WHERE NOT EXISTS (SELECT FROM tsdb.retention_policies p"
		" WHERE p.tenant_id OPERATOR(pg_catalog.=) t.tenant_id AND p.selector IS NULL)) AS all_series"
		" FROM tsdb.retention_policies) c"
		" UNION ALL SELECT class, pg_catalog.now() OPERATOR(pg_catalog.-) retention,"
		" (pg_catalog.extract('epoch', retention) OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8, true"
		" FROM tsdb.retention_policies ORDER BY 1",
		SPI_OK_SELECT
	};
	MemoryContext caller = CurrentMemoryContext;
	PgtsdbRetentionClass *classes;
	bool		isnull;

	SPI_connect();
	*n = (int) pgtsdb_statement_run(&read, 0, NULL, NULL);
	classes = MemoryContextAlloc(caller, *n * sizeof(PgtsdbRetentionClass));
	for (int i = 0; i < *n; i++)
		classes[i] = (PgtsdbRetentionClass) {
			.class = DatumGetInt16(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)),
			.cutoff = cutoff_column(i, 2),
			.width = class_width(i, 3),
			.has_series = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 4, &isnull))
		};
	SPI_finish();
	return classes;
}

static int64
cutoff_column(uint64 row, int column)
{
	bool		isnull;
	Datum		cutoff = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? PG_INT64_MIN : pgtsdb_timestamp_to_ms(DatumGetTimestampTz(cutoff));
}

static int64
class_width(uint64 row, int column)
{
	int64		width = pgtsdb_chunk_partition_width * MS_PER_MINUTE;
	bool		isnull;
	Datum		retention = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? width : Min(width, Max(DatumGetInt64(retention), LEAST_WIDTH));
}

/* ---- classes of a group ---- */

PgtsdbGroupClasses *
pgtsdb_group_classes(TsdbArena *arena, int32 part, int32 group_id, Snapshot snapshot)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	PgtsdbGroupClasses *answer = tsdb_alloc0(arena, sizeof(PgtsdbGroupClasses));
	const Policy *policies = read_policies(arena, part, answer);
	TsdbArena  *row;
	PgtsdbScan	scan;

	if (answer->n_classes == 1)
		return answer;
	if (policies[1].all_series)
	{
		for (int i = 0; i < PGTSDB_MAX_GROUP_COLUMNS; i++)
			answer->of_column[i] = 1;
		return answer;
	}
	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, part), lengthof(columns), columns, snapshot, AccessShareLock))
		return answer;
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_key_int4(&scan, 2, BTEqualStrategyNumber, group_id);
	pgtsdb_scan_start(&scan);
	row = tsdb_arena_child(arena);
	while (pgtsdb_scan_next(&scan))
		classify_series(row, &scan, policies, answer);
	pgtsdb_scan_close(&scan);
	return answer;
}

/* In the order in which they are tried; number 0 stands for none. */
static Policy *
read_policies(TsdbArena *arena, int32 part, PgtsdbGroupClasses *answer)
{
	static PgtsdbStatement read = {
		"SELECT p.class, p.selector, pg_catalog.now() OPERATOR(pg_catalog.-) p.retention"
		" FROM tsdb.retention_policies p JOIN tsdb.tenant_parts t ON t.tenant_id OPERATOR(pg_catalog.=) p.tenant_id"
		" WHERE t.part OPERATOR(pg_catalog.=) $1 ORDER BY p.position, p.selector IS NULL, p.class",
		SPI_OK_SELECT
	};
	Policy	   *policies;
	int			n;

	SPI_connect();
	n = (int) pgtsdb_statement_run(&read, 1, (Oid[]) {INT4OID}, (Datum[]) {Int32GetDatum(part)});
	policies = tsdb_alloc0(arena, (n + 1) * sizeof(Policy));
	answer->classes = tsdb_alloc0(arena, (n + 1) * sizeof(PgtsdbRetentionClass));
	answer->classes[0] = (PgtsdbRetentionClass) {.class = 0, .cutoff = PG_INT64_MIN};
	answer->n_classes = n + 1;
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		selector = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &policies[i + 1].all_series);

		if (!policies[i + 1].all_series)
			pgtsdb_datum_selector(arena, selector, &policies[i + 1].matchers, &policies[i + 1].n_matchers);
		answer->classes[i + 1] = (PgtsdbRetentionClass) {
			.class = DatumGetInt16(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)),
			.cutoff = cutoff_column(i, 3)
		};
	}
	SPI_finish();
	return policies;
}

static void
classify_series(TsdbArena *arena, const PgtsdbScan *scan, const Policy *policies, PgtsdbGroupClasses *answer)
{
	TsdbLabels	labels = pgtsdb_datum_labels(arena, pgtsdb_scan_value(scan, PGTSDB_SERIES_LABELS));
	int16		col = DatumGetInt16(pgtsdb_scan_value(scan, PGTSDB_SERIES_COL));

	for (int i = 1; i < answer->n_classes && answer->of_column[col] == 0; i++)
	{
		if (tsdb_matchers_match(policies[i].matchers, policies[i].n_matchers, labels))
			answer->of_column[col] = i;
		if (gave_up(&policies[i]))
		{
			answer->of_column[col] = 0;
			break;
		}
	}
	tsdb_arena_reset(arena);
}

/* A pattern that takes too many steps has not said what it matches; then nothing may expire by it. */
static bool
gave_up(const Policy *policy)
{
	for (size_t i = 0; i < policy->n_matchers; i++)
		if (policy->matchers[i].regex != NULL && tsdb_regex_limit_hit(policy->matchers[i].regex))
			return true;
	return false;
}
