/*
 * insert.c
 *		Rows more in the lists of keys, and splits where pages are full.
 *
 * Additions come in the order of keys, so that all that belong to one leaf are made in one go, under its lock alone.  A leaf
 * that is full is split under the lock of splits, which only one backend of an index has at a time; so inner pages,
 * and which places belong to a leaf, do not change under its holder.  A page is split only when its parent has
 * room for one child more, and is made so first; every WAL record leaves a whole tree, and nothing needs to be finished
 * after a crash.
 *
 * The first key of a row is that of all rows.  (Others may be missing after a crash, with the row that nobody sees.)
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "pg/am/am_internal.h"
#include "pg/mem.h"
#include "pg/types/types.h"

/* Words that are added to an entry at once: with those it has they fill two. */
#define MAX_ADDED_WORDS 50

StaticAssertDecl((MAX_ADDED_WORDS + 1) * TSDB_POSTINGS_WORD_MAX < LABEL_INDEX_MAX_POSTINGS, "in two entries is room for them");

/* What is left to be added. */
typedef struct Additions
{
	const LabelIndexAddition *next;
	const LabelIndexAddition *end;
	size_t		word;			/* of the next one's rows */
	uint64		done;			/* bits of that word that are there */
} Additions;

/* What is to be done to a leaf: one or two entries, of which the first may take the place of another; none when all is there. */
typedef struct Change
{
	OffsetNumber offset;
	bool		replace;
	int			n;
	LabelIndexItem items[2];
	Additions	left;			/* to be added after it */
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

static void insert_now(Relation index, int32 part, const PgtsdbLabelRow *row);
static void insert_null(Relation index, Datum *values, bool *isnull, uint64 number);
static LabelIndexPlace next_place(const Additions *additions);
static size_t take(Additions *additions, uint64 bound, TsdbPostingsWord *words, size_t max);
static bool add_to_leaf(Relation index, Additions *additions);
static bool is_behind(Relation index, BlockNumber block, Page page, LabelIndexPlace place);
static void make_change(Relation index, BlockNumber block, Page page, const Additions *additions, Change *change);
static OffsetNumber entry_for(Relation index, BlockNumber block, Page page, OffsetNumber before, TsdbStr key);
static uint64 bound_behind(Relation index, BlockNumber block, Page page, OffsetNumber offset, TsdbStr key);
static void unite(const TsdbPostingsWord *a, size_t n_a, const TsdbPostingsWord *b, size_t n_b, TsdbPostings *list);
static void set_items(Change *change, TsdbStr key, const TsdbPostings *list, bool at_end);
static bool change_fits(Page page, const Change *change);
static void apply_change(Page page, const Change *change);
static void add_with_splits(Relation index, Additions *additions);
static void find_path(Descent *descent);
static bool split(Descent *descent, int level, Buffer buffer, const Change *change);
static void halve(Relation index, Buffer buffer, const Change *change, Halves *halves);
static int	choose_half(const Halves *halves, Size high_key, const Change *change, OffsetNumber first);
static void split_root(Relation index, Buffer root, const Halves *halves);
static void split_below(Relation index, Buffer left, Buffer parent, const Halves *halves);

/* ---- one row ---- */

bool
pgtsdb_am_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid, Relation heap, IndexUniqueCheck unique,
				 bool unchanged, IndexInfo *info)
{
	int			column = pgtsdb_label_index_has_part(index) ? 1 : 0;
	MemoryContext context = info->ii_AmCache;
	MemoryContext caller;

	if (isnull[0])
		return false;
	if (context == NULL)
		info->ii_AmCache = context = AllocSetContextCreate(info->ii_Context, "pgtsdb label index insertion",
														   ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	if (isnull[column])
		insert_null(index, values, isnull, pgtsdb_am_number(tid));
	else
	{
		struct varlena *labels = PG_DETOAST_DATUM_PACKED(values[column]);
		PgtsdbLabelRow row = {{VARDATA_ANY(labels), VARSIZE_ANY_EXHDR(labels)}, *tid};

		pgtsdb_label_index_insert(index, column > 0 ? DatumGetInt32(values[0]) : 0, &row, 1);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(context);
	return false;
}

typedef struct RowInsertion
{
	TsdbArena  *arena;
	uint64		number;
	LabelIndexAddition *additions;
	size_t		n;
	size_t		capacity;
} RowInsertion;

static void
collect_key(void *context, TsdbStr key)
{
	RowInsertion *row = context;
	LabelIndexAddition *addition;

	if (row->n == row->capacity)
	{
		size_t		more = Max(row->capacity * 2, 16);

		row->additions = tsdb_grow(row->arena, row->additions, row->capacity * sizeof(LabelIndexAddition),
								   more * sizeof(LabelIndexAddition));
		row->capacity = more;
	}
	addition = &row->additions[row->n++];
	addition->key = tsdb_str_copy(row->arena, key);
	tsdb_postings_init(&addition->rows, row->arena);
	tsdb_postings_add(&addition->rows, row->number);
}

/* Runs of rows that are not too long wait together. */
void
pgtsdb_label_index_insert(Relation index, int32 part, const PgtsdbLabelRow *rows, size_t n)
{
	for (size_t first = 0, end; first < n; first = end)
	{
		for (end = first; end < n && rows[end].labels.len <= LABEL_INDEX_MAX_PENDING;)
			end++;
		if (end > first)
			pgtsdb_am_pend(index, part, &rows[first], end - first);
		else
			insert_now(index, part, &rows[end++]);
	}
}

/* Without waiting: a row that is long. */
static void
insert_now(Relation index, int32 part, const PgtsdbLabelRow *row)
{
	RowInsertion insertion = {
		.arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL),
		.number = pgtsdb_am_number(&row->tid)
	};

	pgtsdb_am_visit_label_keys(part, tsdb_labels_view(insertion.arena, row->labels.data, row->labels.len), collect_key, &insertion);
	pgtsdb_am_add(index, insertion.additions, insertion.n);
	tsdb_arena_free(insertion.arena);
	pfree(insertion.arena);
}

/* A row that is seldom of its kind. */
static void
insert_null(Relation index, Datum *values, bool *isnull, uint64 number)
{
	RowInsertion row = {.arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL), .number = number};

	pgtsdb_am_visit_keys(index, values, isnull, collect_key, &row);
	pgtsdb_am_add(index, row.additions, row.n);
}

/* A row without a part is found by no scan, since a scan asks for one. */
void
pgtsdb_am_visit_keys(Relation index, Datum *values, bool *isnull, LabelIndexKeyVisitor visit, void *context)
{
	int			column = pgtsdb_label_index_has_part(index) ? 1 : 0;
	int32		part = column > 0 ? DatumGetInt32(values[0]) : 0;
	LabelIndexKey key;

	if (isnull[0])
		return;
	if (!isnull[column])
	{
		TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);

		pgtsdb_am_visit_label_keys(part, pgtsdb_datum_labels(arena, values[column]), visit, context);
		return;
	}
	pgtsdb_am_make_key(&key, part, TSDB_STR(""), TSDB_STR(LABEL_INDEX_NULL));
	visit(context, (TsdbStr) {key.data, key.len});
}

void
pgtsdb_am_visit_label_keys(int32 part, TsdbLabels labels, LabelIndexKeyVisitor visit, void *context)
{
	LabelIndexKey key;

	pgtsdb_am_make_key(&key, part, TSDB_STR(""), TSDB_STR(LABEL_INDEX_ALL));
	visit(context, (TsdbStr) {key.data, key.len});
	for (size_t i = 0; i < labels.n; i++)
	{
		pgtsdb_am_make_key(&key, part, labels.pairs[i].name, labels.pairs[i].value);
		visit(context, (TsdbStr) {key.data, key.len});
	}
}

/* ---- leaves ---- */

void
pgtsdb_am_add(Relation index, const LabelIndexAddition *list, size_t n)
{
	Additions	additions = {list, list + n, 0};

	while (additions.next < additions.end)
	{
		CHECK_FOR_INTERRUPTS();
		if (!add_to_leaf(index, &additions))
			add_with_splits(index, &additions);
	}
}

static LabelIndexPlace
next_place(const Additions *additions)
{
	TsdbPostingsWord word = additions->next->rows.words[additions->word];

	word.bits &= ~additions->done;
	return (LabelIndexPlace) {additions->next->key, pgtsdb_am_first_number(&word)};
}

/* Words of the next addition, but no row from the bound on. */
static size_t
take(Additions *additions, uint64 bound, TsdbPostingsWord *words, size_t max)
{
	const TsdbPostings *rows = &additions->next->rows;
	size_t		n = 0;

	for (; n < max && additions->word < rows->n; additions->word++, additions->done = 0)
	{
		TsdbPostingsWord word = rows->words[additions->word];
		uint64		taken = word.bits & ~additions->done;

		if (word.high > bound / 64)
			break;
		if (word.high == bound / 64)
			taken &= (UINT64CONST(1) << bound % 64) - 1;
		if (taken == 0)
			break;
		words[n++] = (TsdbPostingsWord) {word.high, taken};
		if ((taken | additions->done) != word.bits)
		{
			additions->done |= taken;
			break;
		}
	}
	if (additions->word == rows->n)
	{
		additions->next++;
		additions->word = 0;
	}
	return n;
}

/* All that belong to the leaf of the next one and find room; false when that one does not. */
static bool
add_to_leaf(Relation index, Additions *additions)
{
	Buffer		buffer = pgtsdb_am_find_leaf(index, next_place(additions), BUFFER_LOCK_EXCLUSIVE);
	BlockNumber block = BufferGetBlockNumber(buffer);
	GenericXLogState *state = GenericXLogStart(index);
	Page		page = GenericXLogRegisterBuffer(state, buffer, 0);
	bool		fits = true;
	bool		changed = false;

	while (additions->next < additions->end && !is_behind(index, block, page, next_place(additions)))
	{
		Change		change;

		make_change(index, block, page, additions, &change);
		fits = change.n == 0 || change_fits(page, &change);
		if (!fits)
			break;
		if (change.n > 0)
			apply_change(page, &change);
		changed = changed || change.n > 0;
		*additions = change.left;
	}
	if (changed)
		GenericXLogFinish(state);
	else
		GenericXLogAbort(state);
	UnlockReleaseBuffer(buffer);
	return fits;
}

static bool
is_behind(Relation index, BlockNumber block, Page page, LabelIndexPlace place)
{
	return !pgtsdb_am_is_rightmost(page) &&
		pgtsdb_am_compare(place, pgtsdb_am_place(pgtsdb_am_entry(index, block, page, FirstOffsetNumber))) >= 0;
}

static void
make_change(Relation index, BlockNumber block, Page page, const Additions *additions, Change *change)
{
	TsdbStr		key = additions->next->key;
	OffsetNumber before = pgtsdb_am_search(index, block, page, next_place(additions));
	OffsetNumber offset = entry_for(index, block, page, before, key);
	TsdbPostingsWord old[LABEL_INDEX_MAX_WORDS];
	TsdbPostingsWord more[MAX_ADDED_WORDS];
	TsdbPostingsWord united[lengthof(old) + lengthof(more)];
	TsdbPostings list = {.words = united, .capacity = lengthof(united)};
	size_t		n_old = 0;
	size_t		n_more;

	change->replace = offset != InvalidOffsetNumber;
	change->offset = change->replace ? offset : before + 1;
	if (change->replace)
		n_old = pgtsdb_am_words(index, block, pgtsdb_am_entry(index, block, page, offset), old);
	change->left = *additions;
	n_more = take(&change->left, bound_behind(index, block, page, change->replace ? offset : before, key), more, lengthof(more));
	unite(old, n_old, more, n_more, &list);
	change->n = 0;
	if (n_old != list.n || memcmp(old, united, n_old * sizeof(TsdbPostingsWord)) != 0)
		set_items(change, key, &list, n_old == 0 || more[0].high >= old[n_old - 1].high);
}

/* The entry of the key that begins before the place, else the one behind it. */
static OffsetNumber
entry_for(Relation index, BlockNumber block, Page page, OffsetNumber before, TsdbStr key)
{
	for (OffsetNumber offset = before; offset <= before + 1; offset++)
	{
		const LabelIndexEntry *entry;

		if (offset < pgtsdb_am_first_offset(page) || offset > PageGetMaxOffsetNumber(page))
			continue;
		entry = pgtsdb_am_entry(index, block, page, offset);
		if (tsdb_str_equal((TsdbStr) {entry->key, entry->key_len}, key))
			return offset;
	}
	return InvalidOffsetNumber;
}

/* Where the next list of the key begins, or may begin in the page to the right. */
static uint64
bound_behind(Relation index, BlockNumber block, Page page, OffsetNumber offset, TsdbStr key)
{
	const LabelIndexEntry *next;

	if (offset < PageGetMaxOffsetNumber(page))
		next = pgtsdb_am_entry(index, block, page, Max(offset + 1, pgtsdb_am_first_offset(page)));
	else if (!pgtsdb_am_is_rightmost(page))
		next = pgtsdb_am_entry(index, block, page, FirstOffsetNumber);
	else
		return TSDB_POSTINGS_LIMIT;
	if (!tsdb_str_equal((TsdbStr) {next->key, next->key_len}, key))
		return TSDB_POSTINGS_LIMIT;
	return pgtsdb_am_number(&next->first);
}

static void
unite(const TsdbPostingsWord *a, size_t n_a, const TsdbPostingsWord *b, size_t n_b, TsdbPostings *list)
{
	size_t		i = 0;
	size_t		j = 0;

	for (list->n = 0; i < n_a || j < n_b; list->n++)
	{
		TsdbPostingsWord *to = &list->words[list->n];

		if (j == n_b || (i < n_a && a[i].high < b[j].high))
			*to = a[i++];
		else if (i == n_a || b[j].high < a[i].high)
			*to = b[j++];
		else
		{
			*to = (TsdbPostingsWord) {a[i].high, a[i].bits | b[j].bits};
			i++;
			j++;
		}
	}
}

/* A list that is too long for one entry is cut where it grew at its end, so that a full entry stays behind; else in the middle. */
static void
set_items(Change *change, TsdbStr key, const TsdbPostings *list, bool at_end)
{
	uint8		bytes[2 * LABEL_INDEX_MAX_POSTINGS];
	size_t		first;
	size_t		len = tsdb_postings_encode(list->words, list->n, bytes, sizeof(bytes), &first);
	size_t		room = len <= LABEL_INDEX_MAX_POSTINGS || at_end ? LABEL_INDEX_MAX_POSTINGS : len / 2 + TSDB_POSTINGS_WORD_MAX;
	LabelIndexEntry *entry = (LabelIndexEntry *) change->bytes.data;

	Assert(first == list->n);
	tsdb_postings_encode(list->words, list->n, bytes, room, &first);
	for (size_t done = 0; done < list->n; change->n++)
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

/* ---- splits ---- */

static void
add_with_splits(Relation index, Additions *additions)
{
	Descent		descent = {.index = index, .place = next_place(additions)};
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
		make_change(index, descent.blocks[0], BufferGetPage(buffer), additions, &change);
		done = change.n == 0 || change_fits(BufferGetPage(buffer), &change);
		if (done)
		{
			/* there is room now, made by others: back to the other additions of this leaf */
			UnlockReleaseBuffer(buffer);
			break;
		}
		done = split(&descent, 0, buffer, &change);
		if (done)
			*additions = change.left;
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
			pgtsdb_am_corrupted(descent->index, block, "The page has level %u instead of %d.",
								LABEL_INDEX_OPAQUE(page)->level, level);
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
	halves->separator_size = pgtsdb_am_make_separator((LabelIndexEntry *) halves->separator.data,
													  LABEL_INDEX_OPAQUE(page)->level == 0,
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

static void
log_page(GenericXLogState *state, Buffer buffer, uint16 level, BlockNumber right, const LabelIndexItem *high_key,
		 const LabelIndexItem *items, int n)
{
	pgtsdb_am_make_page(GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE), level, right, high_key, items, n);
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
	log_page(state, left, level, right_block, &separator, halves->items, halves->n_left);
	log_page(state, right, level, InvalidBlockNumber, NULL, halves->items + halves->n_left, halves->n - halves->n_left);
	log_page(state, root, level + 1, InvalidBlockNumber, NULL, children, 2);
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
	uint16		level = LABEL_INDEX_OPAQUE(old)->level;
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
	log_page(state, right, level, LABEL_INDEX_OPAQUE(old)->right, high_key.entry != NULL ? &high_key : NULL,
			 halves->items + halves->n_left, halves->n - halves->n_left);
	log_page(state, left, level, right_block, &separator, halves->items, halves->n_left);
	pgtsdb_am_put(GenericXLogRegisterBuffer(state, parent, 0), at, false, separator.entry, separator.size);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(right);
	UnlockReleaseBuffer(parent);
	UnlockReleaseBuffer(left);
}
