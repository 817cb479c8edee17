/*
 * head_insert.c
 *		Rows into tsdb.head without the executor.
 *
 * An INSERT .. ON CONFLICT DO NOTHING looks into the index before each row, marks
 * the row as speculative, and confirms it. Keys of head rows nearly never conflict, so here rows are added page
 * by page, and their index entries afterwards with the check that deferrable constraints have (UNIQUE_CHECK_PARTIAL):
 * it adds the entry and tells whether another live or unfinished row has the key, without waiting for anybody.  Of two
 * writers with one key the second to come to the index page sees the first, so at most one of them stays: the other
 * deletes its row again, and the caller tries another key.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "pg/storage/head_insert.h"
#include "pg/storage/relations.h"
#include "pg/storage/row_insert.h"
#include "pg/storage/schema.h"

/* Key columns of the primary key. */
#define KEY_COLUMNS 4

/* What all calls of one batch share. */
typedef struct Insertion
{
	PgtsdbRowInsert rows;
	Relation	index;
	IndexInfo  *index_info;
	const PgtsdbHeadTuples *tuples;
	ItemPointerData *taken;		/* addresses of rows whose key somebody has */
	int			n_taken;
} Insertion;

static void insert_some(Insertion *insertion, int from, int n, bool *stored);
static void fill_slot(Insertion *insertion, int slot, int row);
static bool insert_entry(Insertion *insertion, int row, ItemPointer tid);

bool
pgtsdb_head_insert(const PgtsdbHeadTuples *tuples, bool *stored)
{
	static const char *const columns[] = {"part", "group_id", "ts", "n"};
	Insertion	insertion = {.tuples = tuples};

	if (!pgtsdb_row_insert_open(&insertion.rows, tsdb_local_table(TSDB_TABLE_HEAD, tuples->part), "head", PGTSDB_HEAD_N, 1))
		return false;
	insertion.index = tsdb_index_open(insertion.rows.heap, KEY_COLUMNS, columns, RowExclusiveLock);
	insertion.index_info = BuildIndexInfo(insertion.index);
	insertion.taken = palloc(tuples->n * sizeof(ItemPointerData));
	for (int i = 0; i < tuples->n; i += PGTSDB_ROWS_AT_ONCE)
		insert_some(&insertion, i, Min(PGTSDB_ROWS_AT_ONCE, tuples->n - i), stored);

	/* A command sees only rows of those before it. */
	CommandCounterIncrement();
	for (int i = 0; i < insertion.n_taken; i++)
		simple_heap_delete(insertion.rows.heap, &insertion.taken[i]);
	if (insertion.n_taken > 0)
		CommandCounterIncrement();
	index_close(insertion.index, NoLock);
	pgtsdb_row_insert_close(&insertion.rows);
	return true;
}

static void
insert_some(Insertion *insertion, int from, int n, bool *stored)
{
	for (int i = 0; i < n; i++)
		fill_slot(insertion, i, from + i);
	pgtsdb_row_insert_store(&insertion->rows, n);
	for (int i = 0; i < n; i++)
	{
		ItemPointer tid = &insertion->rows.slots[i]->tts_tid;

		stored[from + i] = insert_entry(insertion, from + i, tid);
		if (!stored[from + i])
			insertion->taken[insertion->n_taken++] = *tid;
	}
}

static void
fill_slot(Insertion *insertion, int slot, int row)
{
	const PgtsdbHeadTuples *tuples = insertion->tuples;
	TupleTableSlot *target = pgtsdb_row_insert_slot(&insertion->rows, slot);

	target->tts_values[PGTSDB_HEAD_PART - 1] = Int32GetDatum(tuples->part);
	target->tts_values[PGTSDB_HEAD_GROUP_ID - 1] = Int32GetDatum(tuples->group_ids[row]);
	target->tts_values[PGTSDB_HEAD_TS - 1] = Int64GetDatum(tuples->times[row]);
	target->tts_values[PGTSDB_HEAD_ROW_N - 1] = Int16GetDatum(tuples->ns[row]);
	target->tts_values[PGTSDB_HEAD_FLAGS - 1] = Int16GetDatum(tuples->flags[row]);
	target->tts_values[PGTSDB_HEAD_VALUES - 1] = tuples->values[row];
	ExecStoreVirtualTuple(target);
}

static bool
insert_entry(Insertion *insertion, int row, ItemPointer tid)
{
	const PgtsdbHeadTuples *tuples = insertion->tuples;
	Datum		key[KEY_COLUMNS] = {
		Int32GetDatum(tuples->part), Int32GetDatum(tuples->group_ids[row]),
		Int64GetDatum(tuples->times[row]), Int16GetDatum(tuples->ns[row])
	};
	bool		isnull[KEY_COLUMNS] = {false};

	return index_insert(insertion->index, key, isnull, tid, insertion->rows.heap, UNIQUE_CHECK_PARTIAL, false,
						insertion->index_info);
}
