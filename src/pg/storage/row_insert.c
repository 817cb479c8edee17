/*
 * row_insert.c
 *		Rows into a storage table page by page, without the executor.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "utils/rel.h"

#include "pg/storage/relations.h"
#include "pg/storage/row_insert.h"

static bool is_plain(Relation heap, int n_columns, int n_indexes);

bool
pgtsdb_row_insert_open(PgtsdbRowInsert *insert, Oid heap, const char *name, int n_columns, int n_indexes)
{
	insert->n_slots = 0;
	insert->descriptor = NULL;
	insert->heap = tsdb_leaf_open(heap, RowExclusiveLock);
	if (insert->heap == NULL)
		pgtsdb_table_is_gone(name);
	if (is_plain(insert->heap, n_columns, n_indexes))
		return true;
	table_close(insert->heap, NoLock);
	return false;
}

/* Whether rows and the entries of these indexes are all that an INSERT would make. */
static bool
is_plain(Relation heap, int n_columns, int n_indexes)
{
	const TupleConstr *constraints = RelationGetDescr(heap)->constr;

	return heap->rd_rel->relkind == RELKIND_RELATION &&
		heap->rd_rel->relam == HEAP_TABLE_AM_OID &&
		!heap->rd_rel->relispartition &&
		!heap->rd_rel->relrowsecurity &&
		heap->trigdesc == NULL &&
		heap->rd_rules == NULL &&
		RelationGetDescr(heap)->natts == n_columns &&
		list_length(RelationGetIndexList(heap)) == n_indexes &&
		(constraints == NULL || (constraints->num_check == 0 && !constraints->has_generated_stored));
}

/* Slots are made when they are needed first.  The copy of the descriptor needs no pin on the relcache. */
TupleTableSlot *
pgtsdb_row_insert_slot(PgtsdbRowInsert *insert, int row)
{
	TupleTableSlot *slot;

	if (insert->descriptor == NULL)
		insert->descriptor = CreateTupleDescCopy(RelationGetDescr(insert->heap));
	if (row == insert->n_slots)
		insert->slots[insert->n_slots++] = MakeSingleTupleTableSlot(insert->descriptor, &TTSOpsHeapTuple);
	slot = insert->slots[row];
	ExecClearTuple(slot);
	memset(slot->tts_isnull, 0, slot->tts_tupleDescriptor->natts * sizeof(bool));
	return slot;
}

void
pgtsdb_row_insert_store(PgtsdbRowInsert *insert, int n)
{
	table_multi_insert(insert->heap, insert->slots, n, GetCurrentCommandId(true), 0, NULL);
}

void
pgtsdb_row_insert_close(PgtsdbRowInsert *insert)
{
	for (int i = 0; i < insert->n_slots; i++)
		ExecDropSingleTupleTableSlot(insert->slots[i]);
	table_close(insert->heap, NoLock);
}
