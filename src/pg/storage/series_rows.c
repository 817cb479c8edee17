/*
 * series_rows.c
 *		Rows of series by the numbers that the label index has for them.
 *
 * The index also has rows that are dead, retired, or not committed yet.  A row is fetched by an MVCC snapshot, to which
 * another row that took over its address is invisible; so what is fetched has the labels under which the index had it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "miscadmin.h"

#include "pg/mem.h"
#include "pg/storage/relations.h"
#include "pg/storage/series_rows.h"

bool
pgtsdb_series_rows_open(PgtsdbSeriesRows *rows, int32 part, Snapshot snapshot)
{
	Oid			heap = tsdb_local_table(TSDB_TABLE_SERIES, part);

	*rows = (PgtsdbSeriesRows) {.heap = OidIsValid(heap) ? tsdb_leaf_open(heap, AccessShareLock) : NULL, .snapshot = snapshot};
	if (rows->heap == NULL)
		return false;
	rows->index = tsdb_label_index_open(rows->heap, AccessShareLock);
	rows->fetch = table_index_fetch_begin(rows->heap);
	rows->slot = table_slot_create(rows->heap, NULL);
	return true;
}

void
pgtsdb_series_rows_close(PgtsdbSeriesRows *rows)
{
	ExecDropSingleTupleTableSlot(rows->slot);
	table_index_fetch_end(rows->fetch);
	if (rows->index != NULL)
		index_close(rows->index, NoLock);
	table_close(rows->heap, NoLock);
}

bool
pgtsdb_series_rows_fetch(PgtsdbSeriesRows *rows, uint64 number)
{
	ItemPointerData tid = pgtsdb_am_tid(number);
	bool		call_again = false;

	CHECK_FOR_INTERRUPTS();
	return table_index_fetch_tuple(rows->fetch, &tid, rows->snapshot, rows->slot, &call_again, NULL);
}

TsdbLabel
pgtsdb_series_rows_label(const PgtsdbSeriesRows *rows, TsdbLabel kept)
{
	bool		is_null;
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(slot_getattr(rows->slot, PGTSDB_SERIES_LABELS, &is_null));
	TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	TsdbStr		bytes = tsdb_str_copy(arena, (TsdbStr) {VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)});
	TsdbLabels	labels = tsdb_labels_view(arena, bytes.data, bytes.len);

	for (size_t i = 0; i < labels.n; i++)
		if (pgtsdb_label_index_keeps(labels.pairs[i], kept))
			return labels.pairs[i];
	return (TsdbLabel) {0};
}
