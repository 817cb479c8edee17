/*
 * count_series.c
 *		About how many series a metric has, for the planner.
 *
 * Entries of the index are counted without a look at their rows, so rows that are dead or retired count too.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "pg/storage/reader.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"

int64
pgtsdb_count_series(int32 part, Snapshot snapshot, const TsdbStr *metric_name, int64 limit)
{
	static const char *const columns[] = {"part", "metric_name"};
	int64		n = 0;
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, part), lengthof(columns), columns, snapshot,
						  AccessShareLock))
		return 0;
	pgtsdb_scan_clear(&scan);
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	if (metric_name != NULL)
		pgtsdb_scan_key_text(&scan, 2, PointerGetDatum(cstring_to_text_with_len(metric_name->data, (int) metric_name->len)));
	pgtsdb_scan_start(&scan);
	while (n < limit && pgtsdb_scan_next_entry(&scan))
		n++;
	pgtsdb_scan_close(&scan);
	return n;
}
