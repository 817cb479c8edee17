/*
 * scan.h
 *		Direct scans of a storage relation by one of its btree indexes.
 *
 * Three to six times cheaper than SPI, and no planner can choose another way.
 * One scan object serves any number of ranges of keys: open, (start, next ...) ..., close.
 */
#ifndef PGTSDB_SCAN_H
#define PGTSDB_SCAN_H

#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "executor/tuptable.h"

#define PGTSDB_MAX_SCAN_KEYS 8

typedef struct PgtsdbScan
{
	Relation	heap;
	Relation	index;
	Snapshot	snapshot;
	IndexScanDesc scan;			/* NULL before the first start */
	TupleTableSlot *slot;
	ScanKeyData keys[PGTSDB_MAX_SCAN_KEYS];
	int			n_keys;
} PgtsdbScan;

/*
 * False when the heap is gone (or never existed: InvalidOid).  The lock stays to the end of the
 * transaction, so that the answer of a statement is of one piece.
 */
extern bool pgtsdb_scan_open(PgtsdbScan *scan, Oid heap, int n_columns, const char *const *columns,
							 Snapshot snapshot, LOCKMODE lock);
/* By an index with a predicate: sees no other rows. */
extern bool pgtsdb_scan_open_partial(PgtsdbScan *scan, Oid heap, int n_columns, const char *const *columns,
									 Snapshot snapshot, LOCKMODE lock);
extern void pgtsdb_scan_close(PgtsdbScan *scan);

/* Keys on the columns of the index, counted from 1; strategies as BTEqualStrategyNumber. */
extern void pgtsdb_scan_clear(PgtsdbScan *scan);
extern void pgtsdb_scan_key_int2(PgtsdbScan *scan, int column, StrategyNumber strategy, int16 value);
extern void pgtsdb_scan_key_int4(PgtsdbScan *scan, int column, StrategyNumber strategy, int32 value);
extern void pgtsdb_scan_key_int8(PgtsdbScan *scan, int column, StrategyNumber strategy, int64 value);
extern void pgtsdb_scan_key_text(PgtsdbScan *scan, int column, Datum value);
/* Positions before the first row of the keys. */
extern void pgtsdb_scan_start(PgtsdbScan *scan);

/* The next entry of the index, without looking at the heap; its key columns by pgtsdb_scan_entry(). */
extern bool pgtsdb_scan_next_entry(PgtsdbScan *scan);
extern Datum pgtsdb_scan_entry(const PgtsdbScan *scan, int column);
/* The last entry of the keys, straight after a start: no more than a hint, since the row may be gone. */
extern bool pgtsdb_scan_last_entry(PgtsdbScan *scan);
/* The row of that entry into the slot; false when the snapshot does not see it. */
extern bool pgtsdb_scan_fetch(PgtsdbScan *scan);
/* The next visible row. */
extern bool pgtsdb_scan_next(PgtsdbScan *scan);
/* The same from the end of the keys towards their beginning; a scan goes one way only. */
extern bool pgtsdb_scan_previous(PgtsdbScan *scan);

/* A column that is never null of the row in the slot (schema.h has the numbers). */
static inline Datum
pgtsdb_scan_value(const PgtsdbScan *scan, AttrNumber column)
{
	bool		isnull;

	return slot_getattr(scan->slot, column, &isnull);
}

#endif							/* PGTSDB_SCAN_H */
