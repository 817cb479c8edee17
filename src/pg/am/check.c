/*
 * check.c
 *		tsdb.label_index_check(): whether an index is what it should be.
 *
 * Level by level the pages are walked from left to right: entries ascend, lie between the high keys of the page to the left
 * and of their own, lists are valid and end before the next one begins, children begin where their
 * parent says.  Then each row of the table is looked up under each of its labels.  All of this holds while
 * rows are inserted and pages split, since where a page begins never changes and where it ends only comes nearer; so
 * the check needs no more of a lock than a query, and runs on a standby.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "pg/am/am_internal.h"
#include "pg/mem.h"

typedef struct Check
{
	Relation	index;
	MemoryContext row_context;
	TsdbPostings pending;		/* rows that are not in the tree yet */
	uint64		number;			/* of the row at hand */
	int64		n_rows;
	PGAlignedBlock page;		/* the one at hand */
	PGAlignedBlock child;
	BlockNumber block;
	PGAlignedBlock low;			/* where it begins: a copy of the high key to its left */
} Check;

static void keep_pending(void *context, int32 part, uint64 number, TsdbStr labels);
static void check_tree(Check *check);
static BlockNumber check_level(Check *check, BlockNumber block, uint16 level);
static void check_page(Check *check, uint16 level);
static void check_list(Check *check, OffsetNumber offset, const LabelIndexEntry *entry);
static void check_child(Check *check, OffsetNumber offset, const LabelIndexEntry *entry);
static void check_heap(Check *check, Relation heap);
static void check_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state);
static void check_key(void *context, TsdbStr key);
static bool list_contains(Check *check, BlockNumber block, const LabelIndexEntry *entry);
static void read_page(Check *check, BlockNumber block, char *page);
static LabelIndexPlace high_place(Check *check, BlockNumber block, char *page);

/* tsdb.label_index_check(index regclass) */
PG_FUNCTION_INFO_V1(pgtsdb_sql_label_index_check);
Datum
pgtsdb_sql_label_index_check(PG_FUNCTION_ARGS)
{
	Check	   *check = palloc0_object(Check);
	Relation	heap;

	check->index = pgtsdb_am_open_for_caller(PG_GETARG_OID(0));
	heap = table_open(check->index->rd_index->indrelid, NoLock);
	if (!check->index->rd_index->indisvalid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is not valid", RelationGetRelationName(check->index))));
	check->row_context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb label index check", ALLOCSET_DEFAULT_SIZES);
	check_tree(check);
	check_heap(check, heap);
	index_close(check->index, NoLock);
	table_close(heap, NoLock);
	PG_RETURN_INT64(check->n_rows);
}

static void
keep_pending(void *context, int32 part, uint64 number, TsdbStr labels)
{
	tsdb_postings_add(context, number);
}

static void
check_tree(Check *check)
{
	BlockNumber block = LABEL_INDEX_ROOT;
	int			level;

	read_page(check, block, check->page.data);
	for (level = LABEL_INDEX_OPAQUE(check->page.data)->level; level >= 0; level--)
		block = check_level(check, block, level);
}

/* Answers the first page of the level below. */
static BlockNumber
check_level(Check *check, BlockNumber block, uint16 level)
{
	BlockNumber below = InvalidBlockNumber;
	BlockNumber n = 0;

	memset(check->low.data, 0, LABEL_INDEX_ENTRY_HEADER);
	for (check->block = block; check->block != InvalidBlockNumber; check->block = LABEL_INDEX_OPAQUE(check->page.data)->right)
	{
		const LabelIndexEntry *high_key;

		CHECK_FOR_INTERRUPTS();
		read_page(check, check->block, check->page.data);
		if (n++ > RelationGetNumberOfBlocks(check->index))
			pgtsdb_am_corrupted(check->index, check->block, "The links to the right make a circle.");
		/* the root may have been split meanwhile: its children are checked in its place, and the level again */
		if (check->block == LABEL_INDEX_ROOT && LABEL_INDEX_OPAQUE(check->page.data)->level > level)
			return check_level(check, check_level(check, block, level + 1), level);
		check_page(check, level);
		if (level > 0 && below == InvalidBlockNumber)
			below = pgtsdb_am_child(pgtsdb_am_entry(check->index, check->block, check->page.data,
													pgtsdb_am_first_offset(check->page.data)));
		if (pgtsdb_am_is_rightmost(check->page.data))
			continue;
		high_key = pgtsdb_am_entry(check->index, check->block, check->page.data, FirstOffsetNumber);
		memcpy(check->low.data, high_key, LABEL_INDEX_ENTRY_SIZE(high_key->key_len, high_key->data_len));
	}
	return below;
}

static void
check_page(Check *check, uint16 level)
{
	Page		page = check->page.data;
	LabelIndexPlace before = pgtsdb_am_place((LabelIndexEntry *) check->low.data);

	if (LABEL_INDEX_OPAQUE(page)->level != level)
		pgtsdb_am_corrupted(check->index, check->block, "It has level %u instead of %u.", LABEL_INDEX_OPAQUE(page)->level, level);
	for (OffsetNumber offset = pgtsdb_am_first_offset(page); offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		const LabelIndexEntry *entry = pgtsdb_am_entry(check->index, check->block, page, offset);
		LabelIndexPlace place = pgtsdb_am_place(entry);
		int			order = pgtsdb_am_compare(before, place);

		if (order > 0 || (order == 0 && offset > pgtsdb_am_first_offset(page)))
			pgtsdb_am_corrupted(check->index, check->block, "Item %u is not behind what is before it.", offset);
		if (!pgtsdb_am_is_rightmost(page) && pgtsdb_am_compare(place, high_place(check, check->block, page)) >= 0)
			pgtsdb_am_corrupted(check->index, check->block, "Item %u is not before the high key.", offset);
		if (level > 0)
			check_child(check, offset, entry);
		else
			check_list(check, offset, entry);
		before = place;
	}
}

/* Valid, and before the next list of the key, here or in the next page. */
static void
check_list(Check *check, OffsetNumber offset, const LabelIndexEntry *entry)
{
	Page		page = check->page.data;
	TsdbPostingsWord words[LABEL_INDEX_MAX_WORDS];
	LabelIndexPlace last = {{entry->key, entry->key_len}, 0};
	LabelIndexPlace next;
	size_t		n = pgtsdb_am_words(check->index, check->block, entry, words);

	last.first = words[n - 1].high * 64 + 63 - (uint64) __builtin_clzll(words[n - 1].bits);
	if (offset < PageGetMaxOffsetNumber(page))
		next = pgtsdb_am_place(pgtsdb_am_entry(check->index, check->block, page, offset + 1));
	else if (!pgtsdb_am_is_rightmost(page))
		next = high_place(check, check->block, page);
	else
		return;
	if (pgtsdb_am_compare(last, next) >= 0)
		pgtsdb_am_corrupted(check->index, check->block, "The list of item %u reaches into the next one.", offset);
}

static void
check_child(Check *check, OffsetNumber offset, const LabelIndexEntry *entry)
{
	Page		page = check->page.data;
	Page		child = check->child.data;
	BlockNumber block = pgtsdb_am_child(entry);
	bool		is_last = offset == PageGetMaxOffsetNumber(page);
	OffsetNumber first;

	read_page(check, block, child);
	if (LABEL_INDEX_OPAQUE(child)->level + 1 != LABEL_INDEX_OPAQUE(page)->level)
		pgtsdb_am_corrupted(check->index, check->block, "Item %u leads to block %u of level %u.", offset, block,
							LABEL_INDEX_OPAQUE(child)->level);
	first = pgtsdb_am_first_offset(child);
	if (first <= PageGetMaxOffsetNumber(child) && LABEL_INDEX_OPAQUE(child)->level == 0 &&
		pgtsdb_am_compare(pgtsdb_am_place(pgtsdb_am_entry(check->index, block, child, first)), pgtsdb_am_place(entry)) < 0)
		pgtsdb_am_corrupted(check->index, check->block, "Block %u begins before item %u, which leads there.", block, offset);
	if (is_last && pgtsdb_am_is_rightmost(page))
		return;
	if (pgtsdb_am_is_rightmost(child) ||
		pgtsdb_am_compare(high_place(check, block, child),
						  is_last ? high_place(check, check->block, page) :
						  pgtsdb_am_place(pgtsdb_am_entry(check->index, check->block, page, offset + 1))) > 0)
		pgtsdb_am_corrupted(check->index, check->block, "Block %u reaches behind the item after %u.", block, offset);
}

/* ---- rows ---- */

/* As CREATE INDEX CONCURRENTLY reads them: the visible ones, each with the address that an index has for its HOT chain. */
static void
check_heap(Check *check, Relation heap)
{
	IndexInfo  *info = BuildIndexInfo(check->index);
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TableScanDesc scan;

	tsdb_postings_init(&check->pending, pgtsdb_arena_create(CurrentMemoryContext, 0, NULL));
	pgtsdb_am_visit_pending(check->index, keep_pending, &check->pending);

	/* rows of a HOT chain that was broken by the index may be in it under another address, for older snapshots */
	if (IsolationUsesXactSnapshot() && check->index->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(check->index->rd_indextuple->t_data), snapshot->xmin))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("index \"%s\" cannot be checked by the snapshot of this transaction", RelationGetRelationName(check->index))));
	info->ii_Concurrent = true;
	scan = table_beginscan_strat(heap, snapshot, 0, NULL, true, true);
	table_index_build_scan(heap, check->index, info, true, false, check_row, check, scan);
	UnregisterSnapshot(snapshot);
}

static void
check_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state)
{
	Check	   *check = state;
	MemoryContext caller = MemoryContextSwitchTo(check->row_context);

	check->number = pgtsdb_am_number(tid);
	if (!tsdb_postings_contain(&check->pending, check->number))
		pgtsdb_am_visit_keys(index, values, isnull, check_key, check);
	check->n_rows++;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(check->row_context);
}

static void
check_key(void *context, TsdbStr key)
{
	Check	   *check = context;
	LabelIndexPlace place = {key, check->number};
	Buffer		buffer = pgtsdb_am_find_leaf(check->index, place, BUFFER_LOCK_SHARE);
	BlockNumber block = BufferGetBlockNumber(buffer);
	Page		page = BufferGetPage(buffer);
	OffsetNumber offset = pgtsdb_am_search(check->index, block, page, place);
	ItemPointerData tid = pgtsdb_am_tid(check->number);
	bool		found = false;

	if (offset >= pgtsdb_am_first_offset(page))
	{
		const LabelIndexEntry *entry = pgtsdb_am_entry(check->index, block, page, offset);

		found = tsdb_str_equal((TsdbStr) {entry->key, entry->key_len}, key) && list_contains(check, block, entry);
	}
	UnlockReleaseBuffer(buffer);
	if (!found)
	{
		TsdbLabel	label = pgtsdb_am_key_label(key);

		pgtsdb_am_corrupted(check->index, block, "Row (%u,%u) is missing under \"%.*s\" = \"%.*s\".",
							ItemPointerGetBlockNumber(&tid), ItemPointerGetOffsetNumber(&tid),
							(int) label.name.len, label.name.data, (int) label.value.len, label.value.data);
	}
}

static bool
list_contains(Check *check, BlockNumber block, const LabelIndexEntry *entry)
{
	TsdbPostingsWord words[LABEL_INDEX_MAX_WORDS];
	TsdbPostings list = {.words = words, .n = pgtsdb_am_words(check->index, block, entry, words)};

	return tsdb_postings_contain(&list, check->number);
}

/* ---- pages ---- */

static void
read_page(Check *check, BlockNumber block, char *page)
{
	Buffer		buffer;

	if (block >= RelationGetNumberOfBlocks(check->index))
		pgtsdb_am_corrupted(check->index, block, "There is no such block.");
	buffer = pgtsdb_am_read(check->index, block, BUFFER_LOCK_SHARE);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
}

static LabelIndexPlace
high_place(Check *check, BlockNumber block, char *page)
{
	return pgtsdb_am_place(pgtsdb_am_entry(check->index, block, page, FirstOffsetNumber));
}
