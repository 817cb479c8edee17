/*
 * insert.c
 *		One row more: a number more in the list of each of its labels, and splits where pages are full.
 *
 * Most insertions change a few bytes of one leaf, under its lock alone.  A leaf that is full is split under the lock
 * of splits, which only one backend of an index has at a time; so inner pages, and which places belong to a
 * leaf, do not change under its holder.  A page is split only when its parent has room for one child more, and
 * is made so first; every WAL record leaves a whole tree, and nothing needs to be finished after a crash.
 *
 * The first key of a row is that of all rows.  (Others may be missing after a crash, with the row that nobody sees.)
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "pg/am/am_internal.h"
#include "pg/mem.h"
#include "pg/types/types.h"

/* What is to be done to a leaf: one or two entries, of which the first may take the place of another. */
typedef struct Change
{
	OffsetNumber offset;
	bool		replace;
	int			n;
	LabelIndexItem items[2];
	PGAlignedBlock bytes;		/* of the items */
} Change;

StaticAssertDecl(2 * LABEL_INDEX_MAX_ENTRY <= BLCKSZ, "a change fits into a block");

/* A split in progress: the way to the place. */
typedef struct Descent
{
	Relation	index;
	LabelIndexPlace place;
	int			height;			/* level of the root */
	BlockNumber blocks[LABEL_INDEX_MAX_LEVELS];
} Descent;

/* The two halves of a page. */
typedef struct Halves
{
	LabelIndexItem items[MaxIndexTuplesPerPage + 2];
	int			n;
	int			n_left;
	PGAlignedBlock copy;		/* of the page, which the items point into */
	PGAlignedBlock separator;
	Size		separator_size;
} Halves;

static void insert_number(Relation index, TsdbStr key, uint64 number);
static bool make_change(Relation index, Buffer buffer, TsdbStr key, uint64 number, Change *change);
static void add_to_entry(Relation index, BlockNumber block, const LabelIndexEntry *entry, uint64 number, Change *change);
static void set_items(Change *change, TsdbStr key, const TsdbPostings *list, uint64 number);
static bool change_fits(Page page, const Change *change);
static void apply_change(Page page, const Change *change);
static void log_change(Relation index, Buffer buffer, const Change *change);
static void insert_with_splits(Relation index, TsdbStr key, uint64 number);
static void find_path(Descent *descent);
static bool split(Descent *descent, int level, Buffer buffer, const Change *change);
static void halve(Relation index, Buffer buffer, const Change *change, Halves *halves);
static int	choose_half(const Halves *halves, Size high_key, const Change *change, OffsetNumber first);
static void split_root(Relation index, Buffer root, const Halves *halves);
static void split_below(Relation index, Buffer left, Buffer parent, const Halves *halves);

/* ---- one row ---- */

typedef struct RowInsertion
{
	Relation	index;
	uint64		number;
} RowInsertion;

static void
insert_key(void *context, TsdbStr key)
{
	RowInsertion *row = context;

	insert_number(row->index, key, row->number);
}

bool
pgtsdb_am_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid, Relation heap, IndexUniqueCheck unique,
				 bool unchanged, IndexInfo *info)
{
	RowInsertion row = {index, pgtsdb_am_number(tid)};
	MemoryContext context = info->ii_AmCache;
	MemoryContext caller;

	if (context == NULL)
		info->ii_AmCache = context = AllocSetContextCreate(info->ii_Context, "pgtsdb label index insertion",
														   ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	pgtsdb_am_visit_keys(index, values, isnull, insert_key, &row);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(context);
	return false;
}

/* A row without a part is found by no scan, since a scan asks for one. */
void
pgtsdb_am_visit_keys(Relation index, Datum *values, bool *isnull, LabelIndexKeyVisitor visit, void *context)
{
	int			column = pgtsdb_label_index_has_part(index) ? 1 : 0;
	int32		part = column > 0 ? DatumGetInt32(values[0]) : 0;
	TsdbArena  *arena;
	TsdbLabels	labels;
	LabelIndexKey key;

	if (isnull[0])
		return;
	pgtsdb_am_make_key(&key, part, TSDB_STR(""), isnull[column] ? TSDB_STR(LABEL_INDEX_NULL) : TSDB_STR(LABEL_INDEX_ALL));
	visit(context, (TsdbStr) {key.data, key.len});
	if (isnull[column])
		return;
	arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	labels = pgtsdb_datum_labels(arena, values[column]);
	for (size_t i = 0; i < labels.n; i++)
	{
		pgtsdb_am_make_key(&key, part, labels.pairs[i].name, labels.pairs[i].value);
		visit(context, (TsdbStr) {key.data, key.len});
	}
}

static void
insert_number(Relation index, TsdbStr key, uint64 number)
{
	Buffer		buffer = pgtsdb_am_find_leaf(index, (LabelIndexPlace) {key, number}, BUFFER_LOCK_EXCLUSIVE);
	Change		change;
	bool		fits = true;

	if (make_change(index, buffer, key, number, &change))
	{
		fits = change_fits(BufferGetPage(buffer), &change);
		if (fits)
			log_change(index, buffer, &change);
	}
	UnlockReleaseBuffer(buffer);
	if (!fits)
		insert_with_splits(index, key, number);
}

/* ---- one leaf ---- */

/* False when the number is there already, as a retried insertion may find. */
static bool
make_change(Relation index, Buffer buffer, TsdbStr key, uint64 number, Change *change)
{
	Page		page = BufferGetPage(buffer);
	BlockNumber block = BufferGetBlockNumber(buffer);
	OffsetNumber before = pgtsdb_am_search(index, block, page, (LabelIndexPlace) {key, number});
	TsdbPostingsWord word = {number / 64, UINT64CONST(1) << number % 64};
	TsdbPostings one = {.words = &word, .n = 1};

	/* into the list that begins before it; else into the one behind it; else into one of its own */
	for (OffsetNumber offset = before; offset <= before + 1; offset++)
	{
		const LabelIndexEntry *entry;

		if (offset < pgtsdb_am_first_offset(page) || offset > PageGetMaxOffsetNumber(page))
			continue;
		entry = pgtsdb_am_entry(index, block, page, offset);
		if (!tsdb_str_equal((TsdbStr) {entry->key, entry->key_len}, key))
			continue;
		change->offset = offset;
		change->replace = true;
		add_to_entry(index, block, entry, number, change);
		return change->n > 0;
	}
	change->offset = before + 1;
	change->replace = false;
	set_items(change, key, &one, number);
	return true;
}

static void
add_to_entry(Relation index, BlockNumber block, const LabelIndexEntry *entry, uint64 number, Change *change)
{
	TsdbPostingsWord words[LABEL_INDEX_MAX_WORDS];
	TsdbPostings list = {.words = words, .capacity = lengthof(words)};
	TsdbError	error;

	tsdb_error_clear(&error);
	if (tsdb_postings_decode_words(pgtsdb_am_data(entry), entry->data_len, pgtsdb_am_number(&entry->first), words,
								   lengthof(words) - 1, &list.n, &error) != TSDB_OK)
		pgtsdb_am_corrupted(index, block, "%s", error.message);
	change->n = 0;
	if (tsdb_postings_contain(&list, number))
		return;
	tsdb_postings_add(&list, number);
	set_items(change, (TsdbStr) {entry->key, entry->key_len}, &list, number);
}

/* A list that is too long for one entry is cut where it grew at its end, so that a full entry stays behind, and else in the middle. */
static void
set_items(Change *change, TsdbStr key, const TsdbPostings *list, uint64 number)
{
	LabelIndexEntry *entry = (LabelIndexEntry *) change->bytes.data;
	size_t		done = pgtsdb_am_make_leaf_entry(entry, key, list->words, list->n);
	size_t		first = done < list->n && list->words[list->n - 1].high != number / 64 ? list->n / 2 : done;

	for (change->n = 0, done = 0; done < list->n; change->n++)
	{
		Assert(change->n < 2);
		done += pgtsdb_am_make_leaf_entry(entry, key, list->words + done, change->n == 0 ? first : list->n - done);
		change->items[change->n] = (LabelIndexItem) {entry, LABEL_INDEX_ENTRY_SIZE(entry->key_len, entry->data_len)};
		entry = (LabelIndexEntry *) ((char *) entry + change->items[change->n].size);
	}
}

static bool
change_fits(Page page, const Change *change)
{
	Size		needed = (change->replace ? 0 : sizeof(ItemIdData)) + change->items[0].size;

	if (change->n == 2)
		needed += change->items[1].size + sizeof(ItemIdData);
	if (change->replace)
	{
		ItemId		id = PageGetItemId(page, change->offset);
		const LabelIndexEntry *old = (const LabelIndexEntry *) PageGetItem(page, id);

		if (change->n == 1 && change->items[0].size <= ItemIdGetLength(id))
			return true;
		if (pgtsdb_am_has_room(page, needed))
			return true;
		needed -= Min(needed, LABEL_INDEX_ENTRY_SIZE(old->key_len, old->data_len));
		return pgtsdb_am_free_space(page) >= needed;
	}
	return pgtsdb_am_has_room(page, needed);
}

static void
apply_change(Page page, const Change *change)
{
	pgtsdb_am_put(page, change->offset, change->replace, change->items[0].entry, change->items[0].size);
	if (change->n == 2)
		pgtsdb_am_put(page, change->offset + 1, false, change->items[1].entry, change->items[1].size);
}

static void
log_change(Relation index, Buffer buffer, const Change *change)
{
	GenericXLogState *state = GenericXLogStart(index);

	apply_change(GenericXLogRegisterBuffer(state, buffer, 0), change);
	GenericXLogFinish(state);
}

/* ---- splits ---- */

static void
insert_with_splits(Relation index, TsdbStr key, uint64 number)
{
	Descent		descent = {.index = index, .place = {key, number}};
	bool		done = false;

	/* Released at the end of the transaction at the latest, so after an error too. */
	LockPage(index, LABEL_INDEX_METAPAGE, ExclusiveLock);
	while (!done)
	{
		Buffer		buffer;
		Change		change;

		CHECK_FOR_INTERRUPTS();
		find_path(&descent);
		buffer = pgtsdb_am_read(index, descent.blocks[0], BUFFER_LOCK_EXCLUSIVE);
		done = !make_change(index, buffer, key, number, &change);
		if (!done && change_fits(BufferGetPage(buffer), &change))
		{
			log_change(index, buffer, &change);
			done = true;
		}
		if (!done)
			done = split(&descent, 0, buffer, &change);
		else
			UnlockReleaseBuffer(buffer);
	}
	UnlockPage(index, LABEL_INDEX_METAPAGE, ExclusiveLock);
}

/* Under the lock of splits no page of it is split by others, so no high key needs to be looked at. */
static void
find_path(Descent *descent)
{
	BlockNumber block = LABEL_INDEX_ROOT;

	for (int level = -1;;)
	{
		Buffer		buffer = pgtsdb_am_read(descent->index, block, BUFFER_LOCK_SHARE);
		Page		page = BufferGetPage(buffer);
		OffsetNumber offset;

		if (level < 0)
			descent->height = level = LABEL_INDEX_OPAQUE(page)->level;
		else if (LABEL_INDEX_OPAQUE(page)->level != level)
			pgtsdb_am_corrupted(descent->index, block, "The page has level %u instead of %d.", LABEL_INDEX_OPAQUE(page)->level, level);
		descent->blocks[level] = block;
		if (level == 0)
		{
			UnlockReleaseBuffer(buffer);
			return;
		}
		offset = Max(pgtsdb_am_search(descent->index, block, page, descent->place), pgtsdb_am_first_offset(page));
		if (offset > PageGetMaxOffsetNumber(page))
			pgtsdb_am_corrupted(descent->index, block, "An inner page has no entries.");
		block = pgtsdb_am_child(pgtsdb_am_entry(descent->index, block, page, offset));
		level--;
		UnlockReleaseBuffer(buffer);
	}
}

/*
 * Splits the page of the path at that level, with the change if it is a leaf, and releases it.  False: the parent was full and has
 * been split instead.
 */
static bool
split(Descent *descent, int level, Buffer buffer, const Change *change)
{
	Halves	   *halves = palloc(sizeof(Halves));
	Buffer		parent;

	halve(descent->index, buffer, change, halves);
	if (level == descent->height)
	{
		split_root(descent->index, buffer, halves);
		pfree(halves);
		return true;
	}
	parent = pgtsdb_am_read(descent->index, descent->blocks[level + 1], BUFFER_LOCK_EXCLUSIVE);
	if (!pgtsdb_am_has_room(BufferGetPage(parent), halves->separator_size + sizeof(ItemIdData)))
	{
		pfree(halves);
		UnlockReleaseBuffer(buffer);
		split(descent, level + 1, parent, NULL);
		return false;
	}
	split_below(descent->index, buffer, parent, halves);
	pfree(halves);
	return true;
}

/* All entries of the page as they will be, and where the right half begins. */
static void
halve(Relation index, Buffer buffer, const Change *change, Halves *halves)
{
	Page		page = halves->copy.data;
	BlockNumber block = BufferGetBlockNumber(buffer);
	OffsetNumber first;
	Size		high_key = 0;

	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	first = pgtsdb_am_first_offset(page);
	if (first > FirstOffsetNumber)
		high_key = ItemIdGetLength(PageGetItemId(page, FirstOffsetNumber)) + sizeof(ItemIdData);
	halves->n = 0;
	for (OffsetNumber offset = first; offset <= PageGetMaxOffsetNumber(page) + 1; offset++)
	{
		const LabelIndexEntry *entry;

		for (int i = 0; change != NULL && offset == change->offset && i < change->n; i++)
			halves->items[halves->n++] = change->items[i];
		if (offset > PageGetMaxOffsetNumber(page) || (change != NULL && change->replace && offset == change->offset))
			continue;
		entry = pgtsdb_am_entry(index, block, page, offset);
		halves->items[halves->n++] = (LabelIndexItem) {entry, LABEL_INDEX_ENTRY_SIZE(entry->key_len, entry->data_len)};
	}
	halves->n_left = choose_half(halves, high_key, change, first);
	if (halves->n_left == 0)
		pgtsdb_am_corrupted(index, block, "The page cannot be split.");
	halves->separator_size = pgtsdb_am_make_separator((LabelIndexEntry *) halves->separator.data, LABEL_INDEX_OPAQUE(page)->level == 0,
													  halves->items[halves->n_left - 1].entry,
													  halves->items[halves->n_left].entry, InvalidBlockNumber);
}

/*
 * Half of the bytes to each side.  But when it is the last entry that grows, it will do so again, and what is before it is
 * left alone: lists that are filled from the front leave full pages behind.  0: nothing fits.
 */
static int
choose_half(const Halves *halves, Size high_key, const Change *change, OffsetNumber first)
{
	bool		grows_at_end = change != NULL && change->offset - first + change->n == halves->n;
	Size		total = 0;
	Size		left = 0;
	Size		best = BLCKSZ;
	int			chosen = 0;

	for (int i = 0; i < halves->n; i++)
		total += halves->items[i].size + sizeof(ItemIdData);
	for (int i = 1; i < halves->n; i++)
	{
		Size		right;
		Size		separator = LABEL_INDEX_ENTRY_SIZE(halves->items[i].entry->key_len, sizeof(BlockIdData)) + sizeof(ItemIdData);
		Size		difference;

		left += halves->items[i - 1].size + sizeof(ItemIdData);
		right = total - left;
		if (left + separator > LABEL_INDEX_USABLE || right + high_key > LABEL_INDEX_USABLE)
			continue;
		difference = left > right ? left - right : right - left;
		if (grows_at_end || difference < best)
		{
			best = difference;
			chosen = i;
		}
	}
	return chosen;
}

/* The separator, which leads to this page. */
static LabelIndexItem
separator_to(const Halves *halves, BlockNumber block)
{
	LabelIndexEntry *separator = (LabelIndexEntry *) halves->separator.data;
	BlockIdData id;

	BlockIdSet(&id, block);
	memcpy(separator->key + separator->key_len, &id, sizeof(id));
	return (LabelIndexItem) {separator, halves->separator_size};
}

/* What was in the root goes into two new pages below it, so that the root is always in the same block. */
static void
split_root(Relation index, Buffer root, const Halves *halves)
{
	Buffer		left = pgtsdb_am_new_buffer(index);
	Buffer		right = pgtsdb_am_new_buffer(index);
	BlockNumber left_block = BufferGetBlockNumber(left);
	BlockNumber right_block = BufferGetBlockNumber(right);
	uint16		level = LABEL_INDEX_OPAQUE(BufferGetPage(root))->level;
	LabelIndexItem separator = separator_to(halves, right_block);
	BlockIdData id;
	PGAlignedBlock first;
	LabelIndexItem children[2];
	GenericXLogState *state;

	if (level + 1 >= LABEL_INDEX_MAX_LEVELS)
		pgtsdb_am_corrupted(index, LABEL_INDEX_ROOT, "The tree has too many levels.");
	BlockIdSet(&id, left_block);
	children[0].entry = (LabelIndexEntry *) first.data;
	children[0].size = pgtsdb_am_make_entry((LabelIndexEntry *) first.data, (LabelIndexPlace) {{"", 0}, 0}, &id, sizeof(id));
	children[1] = separator;

	state = GenericXLogStart(index);
	pgtsdb_am_make_page(GenericXLogRegisterBuffer(state, left, GENERIC_XLOG_FULL_IMAGE), level, right_block, &separator, halves->items,
			  halves->n_left);
	pgtsdb_am_make_page(GenericXLogRegisterBuffer(state, right, GENERIC_XLOG_FULL_IMAGE), level, InvalidBlockNumber, NULL,
			  halves->items + halves->n_left, halves->n - halves->n_left);
	pgtsdb_am_make_page(GenericXLogRegisterBuffer(state, root, GENERIC_XLOG_FULL_IMAGE), level + 1, InvalidBlockNumber, NULL, children, 2);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(right);
	UnlockReleaseBuffer(left);
	UnlockReleaseBuffer(root);
}

static void
split_below(Relation index, Buffer left, Buffer parent, const Halves *halves)
{
	Buffer		right = pgtsdb_am_new_buffer(index);
	BlockNumber right_block = BufferGetBlockNumber(right);
	Page		old = (Page) halves->copy.data;
	LabelIndexItem separator = separator_to(halves, right_block);
	LabelIndexItem high_key = {0};
	OffsetNumber at;
	GenericXLogState *state;

	if (!pgtsdb_am_is_rightmost(old))
	{
		high_key.entry = (const LabelIndexEntry *) PageGetItem(old, PageGetItemId(old, FirstOffsetNumber));
		high_key.size = LABEL_INDEX_ENTRY_SIZE(high_key.entry->key_len, high_key.entry->data_len);
	}
	at = pgtsdb_am_search(index, BufferGetBlockNumber(parent), BufferGetPage(parent), pgtsdb_am_place(separator.entry)) + 1;

	state = GenericXLogStart(index);
	pgtsdb_am_make_page(GenericXLogRegisterBuffer(state, right, GENERIC_XLOG_FULL_IMAGE), LABEL_INDEX_OPAQUE(old)->level,
			  LABEL_INDEX_OPAQUE(old)->right, high_key.entry != NULL ? &high_key : NULL,
			  halves->items + halves->n_left, halves->n - halves->n_left);
	pgtsdb_am_make_page(GenericXLogRegisterBuffer(state, left, GENERIC_XLOG_FULL_IMAGE), LABEL_INDEX_OPAQUE(old)->level, right_block,
			  &separator, halves->items, halves->n_left);
	pgtsdb_am_put(GenericXLogRegisterBuffer(state, parent, 0), at, false, separator.entry, separator.size);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(right);
	UnlockReleaseBuffer(parent);
	UnlockReleaseBuffer(left);
}
