/*
 * scan.c
 *		Direct scans of a storage relation by one of its btree indexes.
 */
#include "postgres.h"

#include "access/itup.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "pg/compat.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"

/*
 * One slot serves the whole scan: a slot pins the descriptor of the relcache,
 * and thousands of pins make the resource owner slow.
 */
static bool
open_scan(PgtsdbScan *scan, Oid heap, int n_columns, const char *const *columns, Snapshot snapshot, LOCKMODE lock, bool partial)
{
	memset(scan, 0, sizeof(*scan));
	scan->heap = OidIsValid(heap) ? tsdb_leaf_open(heap, lock) : NULL;
	if (scan->heap == NULL)
		return false;
	scan->index = partial ?
		tsdb_partial_index_open(scan->heap, n_columns, columns, lock) :
		tsdb_index_open(scan->heap, n_columns, columns, lock);
	scan->slot = table_slot_create(scan->heap, NULL);
	scan->snapshot = snapshot;
	return true;
}

bool
pgtsdb_scan_open(PgtsdbScan *scan, Oid heap, int n_columns, const char *const *columns, Snapshot snapshot, LOCKMODE lock)
{
	return open_scan(scan, heap, n_columns, columns, snapshot, lock, false);
}

bool
pgtsdb_scan_open_partial(PgtsdbScan *scan, Oid heap, int n_columns, const char *const *columns, Snapshot snapshot, LOCKMODE lock)
{
	return open_scan(scan, heap, n_columns, columns, snapshot, lock, true);
}

void
pgtsdb_scan_close(PgtsdbScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->scan != NULL)
		index_endscan(scan->scan);
	index_close(scan->index, NoLock);
	table_close(scan->heap, NoLock);
}

void
pgtsdb_scan_clear(PgtsdbScan *scan)
{
	scan->n_keys = 0;
}

static void
add_key(PgtsdbScan *scan, int column, StrategyNumber strategy, RegProcedure procedure, Datum value)
{
	Assert(scan->n_keys < PGTSDB_MAX_SCAN_KEYS);
	ScanKeyInit(&scan->keys[scan->n_keys], column, strategy, procedure, value);
	scan->keys[scan->n_keys].sk_collation = scan->index->rd_indcollation[column - 1];
	scan->n_keys++;
}

static RegProcedure
choose(StrategyNumber strategy, RegProcedure equal, RegProcedure less_equal, RegProcedure greater_equal)
{
	switch (strategy)
	{
		case BTEqualStrategyNumber:
			return equal;
		case BTLessEqualStrategyNumber:
			return less_equal;
		case BTGreaterEqualStrategyNumber:
			return greater_equal;
	}
	elog(ERROR, "unexpected scan strategy %d", strategy);
}

void
pgtsdb_scan_key_int2(PgtsdbScan *scan, int column, StrategyNumber strategy, int16 value)
{
	add_key(scan, column, strategy, choose(strategy, F_INT2EQ, F_INT2LE, F_INT2GE), Int16GetDatum(value));
}

void
pgtsdb_scan_key_int4(PgtsdbScan *scan, int column, StrategyNumber strategy, int32 value)
{
	add_key(scan, column, strategy, choose(strategy, F_INT4EQ, F_INT4LE, F_INT4GE), Int32GetDatum(value));
}

void
pgtsdb_scan_key_int8(PgtsdbScan *scan, int column, StrategyNumber strategy, int64 value)
{
	add_key(scan, column, strategy, choose(strategy, F_INT8EQ, F_INT8LE, F_INT8GE), Int64GetDatum(value));
}

void
pgtsdb_scan_key_text(PgtsdbScan *scan, int column, Datum value)
{
	add_key(scan, column, BTEqualStrategyNumber, F_TEXTEQ, value);
}

void
pgtsdb_scan_start(PgtsdbScan *scan)
{
	if (scan->scan != NULL && scan->scan->numberOfKeys != scan->n_keys)
	{
		index_endscan(scan->scan);
		scan->scan = NULL;
	}
	if (scan->scan == NULL)
	{
		scan->scan = index_beginscan_compat(scan->heap, scan->index, scan->snapshot, scan->n_keys, 0);
		scan->scan->xs_want_itup = true;
	}
	index_rescan(scan->scan, scan->keys, scan->n_keys, NULL, 0);
}

bool
pgtsdb_scan_next_entry(PgtsdbScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_tid(scan->scan, ForwardScanDirection) != NULL;
}

bool
pgtsdb_scan_last_entry(PgtsdbScan *scan)
{
	return index_getnext_tid(scan->scan, BackwardScanDirection) != NULL;
}

Datum
pgtsdb_scan_entry(const PgtsdbScan *scan, int column)
{
	bool		isnull;

	return index_getattr(scan->scan->xs_itup, column, scan->scan->xs_itupdesc, &isnull);
}

bool
pgtsdb_scan_fetch(PgtsdbScan *scan)
{
	return index_fetch_heap(scan->scan, scan->slot);
}

bool
pgtsdb_scan_next(PgtsdbScan *scan)
{
	while (pgtsdb_scan_next_entry(scan))
		if (pgtsdb_scan_fetch(scan))
			return true;
	return false;
}

bool
pgtsdb_scan_previous(PgtsdbScan *scan)
{
	while (pgtsdb_scan_last_entry(scan))
	{
		CHECK_FOR_INTERRUPTS();
		if (pgtsdb_scan_fetch(scan))
			return true;
	}
	return false;
}
