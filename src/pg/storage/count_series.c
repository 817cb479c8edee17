/*
 * count_series.c
 *		About how many series a metric has, for the planner.
 *
 * The label index counts them without a look at their rows, so rows that are dead or retired count too.  Without that index all
 * of the part are counted, up to the limit.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"

#include "pg/am/label_index.h"
#include "pg/storage/reader.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"

static int64 count_entries(Oid heap, int32 part, Snapshot snapshot, int64 limit);

int64
pgtsdb_count_series(int32 part, Snapshot snapshot, const TsdbStr *metric_name, int64 limit)
{
	Oid			heap = tsdb_local_table(TSDB_TABLE_SERIES, part);
	Relation	relation = OidIsValid(heap) ? tsdb_leaf_open(heap, AccessShareLock) : NULL;
	Relation	index;
	int64		n = 0;

	if (relation == NULL)
		return 0;
	index = tsdb_label_index_open(relation, AccessShareLock);
	if (index != NULL)
	{
		n = metric_name != NULL ?
			pgtsdb_label_index_count(index, part, TSDB_STR(TSDB_METRIC_NAME), *metric_name, limit) :
			pgtsdb_label_index_count(index, part, TSDB_STR(""), TSDB_STR(""), limit);
		index_close(index, NoLock);
	}
	else
		n = count_entries(heap, part, snapshot, limit);
	table_close(relation, NoLock);
	return Min(n, limit);
}

static int64
count_entries(Oid heap, int32 part, Snapshot snapshot, int64 limit)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	int64		n = 0;
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, heap, lengthof(columns), columns, snapshot, AccessShareLock))
		return 0;
	pgtsdb_scan_clear(&scan);
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_start(&scan);
	while (n < limit && pgtsdb_scan_next_entry(&scan))
		n++;
	pgtsdb_scan_close(&scan);
	return n;
}
