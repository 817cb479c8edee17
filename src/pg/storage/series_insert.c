/*
 * series_insert.c
 *		Rows into tsdb.series without the executor.
 *
 * The rows of one creation are added page by page, and their entries index by index, each in the order of the index: the btree
 * pages that take them are then at hand, and the label index appends as many rows to its pending ones as fit into a page with one
 * WAL record.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "pg/am/label_index.h"
#include "pg/storage/relations.h"
#include "pg/storage/row_insert.h"
#include "pg/storage/schema.h"
#include "pg/storage/series_insert.h"
#include "pg/types/types.h"

#define MAX_KEY_COLUMNS 3

/* A series and the address of its row. */
typedef struct NewRow
{
	const PgtsdbSeriesWanted *wanted;
	ItemPointerData tid;
} NewRow;

/* Fills in the key of a row; the table's indexes have no expressions. */
typedef void (*MakeKey) (const PgtsdbSeriesWanted *wanted, Datum *key);

static void insert_rows(PgtsdbRowInsert *insert, NewRow *rows, size_t n);
static void fill_slot(TupleTableSlot *slot, const PgtsdbSeriesWanted *wanted);
static void insert_entries(Relation heap, Relation index, IndexUniqueCheck unique, MakeKey make_key, const NewRow *rows, size_t n);
static void place_key(const PgtsdbSeriesWanted *wanted, Datum *key);
static void hash_key(const PgtsdbSeriesWanted *wanted, Datum *key);
static void insert_labels(Relation index, const NewRow *rows, size_t n);
static int	compare_places(const void *a, const void *b);
static int	compare_hashes(const void *a, const void *b);

bool
pgtsdb_series_insert(PgtsdbSeriesWanted *const *wanted, size_t n)
{
	static const char *const place[] = {"part", "group_id", "col"};
	static const char *const hash[] = {"part", "hash"};
	PgtsdbRowInsert insert;
	NewRow	   *rows;
	Relation	label_index;

	if (!pgtsdb_row_insert_open(&insert, tsdb_local_table(TSDB_TABLE_SERIES, wanted[0]->part), "series", PGTSDB_SERIES_N, 3))
		return false;
	label_index = tsdb_label_index_open(insert.heap, RowExclusiveLock);
	if (label_index == NULL)
	{
		pgtsdb_row_insert_close(&insert);
		return false;
	}
	rows = palloc_array(NewRow, n);
	for (size_t i = 0; i < n; i++)
		rows[i].wanted = wanted[i];
	/* neighbours in a group are neighbours in the table */
	qsort(rows, n, sizeof(NewRow), compare_places);
	insert_rows(&insert, rows, n);
	insert_entries(insert.heap, tsdb_index_open(insert.heap, lengthof(place), place, RowExclusiveLock), UNIQUE_CHECK_YES,
				   place_key, rows, n);
	insert_labels(label_index, rows, n);
	index_close(label_index, NoLock);
	qsort(rows, n, sizeof(NewRow), compare_hashes);
	insert_entries(insert.heap, tsdb_partial_index_open(insert.heap, lengthof(hash), hash, RowExclusiveLock), UNIQUE_CHECK_NO,
				   hash_key, rows, n);
	pgtsdb_row_insert_close(&insert);
	pfree(rows);
	/* a command sees only rows of those before it */
	CommandCounterIncrement();
	return true;
}

static void
insert_rows(PgtsdbRowInsert *insert, NewRow *rows, size_t n)
{
	for (size_t first = 0; first < n; first += PGTSDB_ROWS_AT_ONCE)
	{
		int			n_slots = (int) Min(PGTSDB_ROWS_AT_ONCE, n - first);

		for (int i = 0; i < n_slots; i++)
			fill_slot(pgtsdb_row_insert_slot(insert, i), rows[first + i].wanted);
		pgtsdb_row_insert_store(insert, n_slots);
		for (int i = 0; i < n_slots; i++)
			rows[first + i].tid = insert->slots[i]->tts_tid;
	}
}

static void
fill_slot(TupleTableSlot *slot, const PgtsdbSeriesWanted *wanted)
{
	slot->tts_values[PGTSDB_SERIES_CREATED_AT - 1] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	slot->tts_isnull[PGTSDB_SERIES_GONE_AT - 1] = true;
	slot->tts_values[PGTSDB_SERIES_PART - 1] = Int32GetDatum(wanted->series.part);
	slot->tts_values[PGTSDB_SERIES_GROUP_ID - 1] = Int32GetDatum(wanted->series.group_id);
	slot->tts_values[PGTSDB_SERIES_HASH - 1] = Int32GetDatum(pgtsdb_series_hash(wanted));
	slot->tts_values[PGTSDB_SERIES_COL - 1] = Int16GetDatum(wanted->series.col);
	slot->tts_values[PGTSDB_SERIES_LABELS - 1] = pgtsdb_bytes_datum(wanted->labels.data, wanted->labels.len);
	ExecStoreVirtualTuple(slot);
}

/* Closes the index. */
static void
insert_entries(Relation heap, Relation index, IndexUniqueCheck unique, MakeKey make_key, const NewRow *rows, size_t n)
{
	IndexInfo  *info = BuildIndexInfo(index);
	Datum		key[MAX_KEY_COLUMNS];
	bool		isnull[MAX_KEY_COLUMNS] = {false};

	for (size_t i = 0; i < n; i++)
	{
		ItemPointerData tid = rows[i].tid;

		make_key(rows[i].wanted, key);
		index_insert(index, key, isnull, &tid, heap, unique, false, info);
	}
	index_close(index, NoLock);
}

static void
place_key(const PgtsdbSeriesWanted *wanted, Datum *key)
{
	key[0] = Int32GetDatum(wanted->series.part);
	key[1] = Int32GetDatum(wanted->series.group_id);
	key[2] = Int16GetDatum(wanted->series.col);
}

static void
hash_key(const PgtsdbSeriesWanted *wanted, Datum *key)
{
	key[0] = Int32GetDatum(wanted->series.part);
	key[1] = Int32GetDatum(pgtsdb_series_hash(wanted));
}

static void
insert_labels(Relation index, const NewRow *rows, size_t n)
{
	PgtsdbLabelRow *label_rows = palloc_array(PgtsdbLabelRow, n);

	for (size_t i = 0; i < n; i++)
		label_rows[i] = (PgtsdbLabelRow) {rows[i].wanted->labels, rows[i].tid};
	pgtsdb_label_index_insert(index, rows[0].wanted->series.part, label_rows, n);
	pfree(label_rows);
}

static int
compare_places(const void *a, const void *b)
{
	return pgtsdb_series_ref_compare(&((const NewRow *) a)->wanted->series, &((const NewRow *) b)->wanted->series);
}

static int
compare_hashes(const void *a, const void *b)
{
	return pgtsdb_series_compare_hash(((const NewRow *) a)->wanted, ((const NewRow *) b)->wanted);
}
