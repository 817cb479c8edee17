/*
 * regroup.c
 *		Finds groups whose rows have become sparse, so that their series can move together.
 *
 * A column is never used again, so the series of a target that come and go (the pods of a node, the queries of a
 * database) leave the long-lived ones scattered over groups that are full of dead columns: rows of head have a tag for each
 * column between their first and their last, and there are more rows than need be. Whoever retires the scattered
 * ones lets the next write make them anew, side by side, behind the last column of the newest group of their origin. Their
 * old samples stay readable: labels that two rows have are one series to readers.
 *
 * A move costs a row of the catalogue per series, until the old samples are gone.  It is made when at least three of
 * four columns are dead, so that a series has moved no more often than its target has had three times as many others.
 */
#include "postgres.h"

#include "core/chunk/head.h"
#include "pg/storage/decode.h"
#include "pg/storage/regroup.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"

/* Series that had a sample so long before the newest row are active. */
#define RECENT_MS (5 * 60 * 1000)
/* Tags of fewer columns take less than the header of a tuple. */
#define MIN_SPAN 64
#define MIN_COLUMNS_PER_SERIES 4

static bool read_recent_rows(int32 part, int32 group_id, Snapshot snapshot, bool *active);
static bool add_row(const PgtsdbScan *scan, bool *active);
static void keep_live(int32 part, int32 group_id, Snapshot snapshot, bool *active);

size_t
pgtsdb_scattered_series(int32 part, int32 group_id, Snapshot snapshot, PgtsdbSeriesRef *series)
{
	bool		active[PGTSDB_MAX_GROUP_COLUMNS] = {false};
	size_t		n = 0;
	int			span;

	if (!read_recent_rows(part, group_id, snapshot, active))
		return 0;
	/* those that have moved already are in recent rows, too */
	keep_live(part, group_id, snapshot, active);
	for (int col = 0; col < PGTSDB_MAX_GROUP_COLUMNS; col++)
		if (active[col])
			series[n++] = (PgtsdbSeriesRef) {part, group_id, (int16) col};
	span = n == 0 ? 0 : series[n - 1].col - series[0].col + 1;
	return span < MIN_SPAN || n * MIN_COLUMNS_PER_SERIES > (size_t) span ? 0 : n;
}

/* False: there are none, or one does not decode, about which compaction will complain. */
static bool
read_recent_rows(int32 part, int32 group_id, Snapshot snapshot, bool *active)
{
	PgtsdbGroup group = {.part = part, .group_id = group_id};
	PgtsdbScan	scan;
	bool		good;
	int64		newest;

	if (!pgtsdb_head_scan_open(&scan, tsdb_local_table(TSDB_TABLE_HEAD, part), snapshot, AccessShareLock))
		return false;
	pgtsdb_head_scan_start(&scan, &group, PG_INT64_MIN, PG_INT64_MAX);
	good = pgtsdb_scan_previous(&scan);
	if (good)
	{
		newest = DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_HEAD_TS));
		do
			good = add_row(&scan, active);
		while (good && pgtsdb_scan_previous(&scan) &&
			   newest - RECENT_MS <= DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_HEAD_TS)));
	}
	pgtsdb_scan_close(&scan);
	return good;
}

static bool
add_row(const PgtsdbScan *scan, bool *active)
{
	Datum		datum = pgtsdb_scan_value(scan, PGTSDB_HEAD_VALUES);
	struct varlena *data = PG_DETOAST_DATUM_PACKED(datum);
	TsdbHeadSample samples[PGTSDB_MAX_GROUP_COLUMNS];
	TsdbHeadRow row;
	TsdbError	error;
	size_t		n = 0;
	bool		readable;

	readable = tsdb_head_open(&row, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), &error) == TSDB_OK &&
		row.first_column + row.n_columns <= PGTSDB_MAX_GROUP_COLUMNS &&
		tsdb_head_read(&row, 0, PGTSDB_MAX_GROUP_COLUMNS, samples, &n, &error) == TSDB_OK;
	for (size_t i = 0; readable && i < n; i++)
		active[samples[i].col] = true;
	if ((Pointer) data != DatumGetPointer(datum))
		pfree(data);
	return readable;
}

static void
keep_live(int32 part, int32 group_id, Snapshot snapshot, bool *active)
{
	static const char *const keys[] = {"part", "group_id", "col"};
	bool		live[PGTSDB_MAX_GROUP_COLUMNS] = {false};
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, part), lengthof(keys), keys, snapshot, AccessShareLock))
		pgtsdb_table_is_gone("series");
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_key_int4(&scan, 2, BTEqualStrategyNumber, group_id);
	pgtsdb_scan_start(&scan);
	while (pgtsdb_scan_next(&scan))
		live[DatumGetInt16(pgtsdb_scan_value(&scan, PGTSDB_SERIES_COL))] = slot_attisnull(scan.slot, PGTSDB_SERIES_GONE_AT);
	pgtsdb_scan_close(&scan);
	for (int col = 0; col < PGTSDB_MAX_GROUP_COLUMNS; col++)
		active[col] &= live[col];
}
