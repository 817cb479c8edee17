/*
 * pending.c
 *		New rows wait, labels and all, until there are enough of them.
 *
 * To add a row to the tree is to change as many leaves as it has labels.  Rows that were made together have most labels in
 * common, and a thousand of them are added by changing not many more leaves.  So a row first goes to the end of a list, which is
 * one change of one page, and a scan looks at the rows of the list one by one.  Whoever makes the list too long moves it into the
 * tree, and so does VACUUM.
 *
 * There are two lists.  One takes new rows; the other is empty, or is being moved.  To move rows, under the lock of
 * moving: move what an interrupted move has left in the other list, let the lists change places, move the one that no
 * longer takes rows.  A row is in a list until it is in the tree under all of its labels; adding one that is there
 * already changes nothing, so after a crash the move just begins again.
 *
 * Emptying a list is a change of the metapage only.  Its pages stay linked and are used again; the generation in a page
 * tells whether it belongs to what the list is now.  A scan that finds another one than the metapage said has been overtaken,
 * and begins again; what it looks for is in the tree then.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "pg/am/am_internal.h"
#include "pg/am/rows_table.h"
#include "pg/mem.h"

/* A list of so many pages is moved; one that is far longer makes writers wait for who moves the other. */
#define MOVE_PAGES 16
#define TOO_MANY_PAGES (8 * MOVE_PAGES)

/* What is to be appended. */
typedef struct NewRows
{
	int32		part;
	const PgtsdbLabelRow *next;
	const PgtsdbLabelRow *end;
} NewRows;

/* The pages of a list, copied. */
typedef struct Copies
{
	PGAlignedBlock *pages;
	BlockNumber *blocks;
	uint32		n;
} Copies;

/* Rows that were made together have most labels in common, at the same places: the keys of the row before need no look-up. */
#define REMEMBERED_KEYS 24

typedef struct Collection
{
	TsdbArena  *arena;
	TsdbArena  *row;			/* for the labels of the row at hand */
	rows_table_hash *table;
	uint64		number;			/* of the row at hand */
	int			place;			/* of its next key */
	Rows		before[REMEMBERED_KEYS];	/* of the row before, by place */
} Collection;

static Buffer lock_metapage(Relation index, int lock, LabelIndexMeta *meta);
static void append_rows(Relation index, const LabelIndexPending *list, NewRows *rows);
static uint32 append_page(Relation index, NewRows *rows);
static void fill_page(Page page, NewRows *rows);
static void empty_list(Relation index, int which);
static void change_places(Relation index);
static void move_list(Relation index, int which);
static void collect_row(void *context, int32 part, uint64 number, TsdbStr labels);
static void collect_key(void *context, TsdbStr key);
static Collection new_collection(MemoryContext context);
static LabelIndexAddition *sort_collection(Collection *collection, size_t *n);
static int	compare_additions(const void *a, const void *b);
static bool copy_list(Relation index, const LabelIndexPending *list, Copies *copies);
static void visit_copies(Relation index, const Copies *copies, LabelIndexPendingVisitor visit, void *context);

/* ---- waiting ---- */

void
pgtsdb_am_pend(Relation index, int32 part, const PgtsdbLabelRow *rows, size_t n)
{
	NewRows		left = {part, rows, rows + n};
	LabelIndexMeta meta;
	Buffer		buffer;
	uint32		pages = 0;

	/* held until the rows are there, so that the list does not change places under it */
	buffer = lock_metapage(index, BUFFER_LOCK_SHARE, &meta);
	append_rows(index, &meta.lists[meta.current], &left);
	UnlockReleaseBuffer(buffer);
	while (left.next < left.end)
	{
		CHECK_FOR_INTERRUPTS();
		pages = append_page(index, &left);
		if (pages >= TOO_MANY_PAGES)
			pgtsdb_am_flush(index);
	}
	if (pages >= MOVE_PAGES && pages < TOO_MANY_PAGES && ConditionalLockPage(index, LABEL_INDEX_ROOT, ExclusiveLock))
	{
		pgtsdb_am_flush(index);
		UnlockPage(index, LABEL_INDEX_ROOT, ExclusiveLock);
	}
}

static Buffer
lock_metapage(Relation index, int lock, LabelIndexMeta *meta)
{
	Buffer		buffer = ReadBuffer(index, LABEL_INDEX_METAPAGE);

	LockBuffer(buffer, lock);
	pgtsdb_am_check_page(index, LABEL_INDEX_METAPAGE, BufferGetPage(buffer), LABEL_INDEX_META_FLAG);
	memcpy(meta, PageGetContents(BufferGetPage(buffer)), sizeof(*meta));
	if (meta->magic != LABEL_INDEX_MAGIC || meta->version != LABEL_INDEX_VERSION || meta->current > 1)
		pgtsdb_am_corrupted(index, LABEL_INDEX_METAPAGE, "Magic number %08x, version %u.", meta->magic, meta->version);
	return buffer;
}

/* At the end of the list's last page, as many as find room there.  Holds the metapage. */
static void
append_rows(Relation index, const LabelIndexPending *list, NewRows *rows)
{
	Buffer		buffer;
	Page		page;
	const PgtsdbLabelRow *first = rows->next;
	GenericXLogState *state;

	if (list->tail == InvalidBlockNumber)
		return;
	buffer = ReadBuffer(index, list->tail);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page = BufferGetPage(buffer);
	pgtsdb_am_check_page(index, list->tail, page, LABEL_INDEX_PENDING_FLAG);
	if (LABEL_INDEX_OPAQUE(page)->generation != list->generation)
		pgtsdb_am_corrupted(index, list->tail, "Pending rows are of generation %u instead of %u.",
							LABEL_INDEX_OPAQUE(page)->generation, list->generation);
	state = GenericXLogStart(index);
	fill_page(GenericXLogRegisterBuffer(state, buffer, 0), rows);
	if (rows->next > first)
		GenericXLogFinish(state);
	else
		GenericXLogAbort(state);
	UnlockReleaseBuffer(buffer);
}

static void
fill_page(Page page, NewRows *rows)
{
	uint32		part = pg_hton32((uint32) rows->part);

	for (; rows->next < rows->end; rows->next++)
	{
		LabelIndexPlace place = {{(const char *) &part, sizeof(part)}, pgtsdb_am_number(&rows->next->tid)};
		PGAlignedBlock bytes;
		LabelIndexEntry *entry = (LabelIndexEntry *) bytes.data;
		Size		size = pgtsdb_am_make_entry(entry, place, rows->next->labels.data, rows->next->labels.len);

		/* rows are never taken out, so there are no holes */
		if (PageGetExactFreeSpace(page) < size + sizeof(ItemIdData))
			return;
		pgtsdb_am_put(page, PageGetMaxOffsetNumber(page) + 1, false, entry, size);
	}
}

/* In a further page, unless others have made one meanwhile with room enough; answers how many there are. */
static uint32
append_page(Relation index, NewRows *rows)
{
	LabelIndexMeta meta;
	Buffer		metabuffer = lock_metapage(index, BUFFER_LOCK_EXCLUSIVE, &meta);
	LabelIndexPending *list = &meta.lists[meta.current];
	Buffer		tail = InvalidBuffer;
	Buffer		buffer;
	BlockNumber next = list->head;
	BlockNumber behind = InvalidBlockNumber;
	GenericXLogState *state;
	Page		page;

	append_rows(index, list, rows);
	if (rows->next == rows->end)
	{
		UnlockReleaseBuffer(metabuffer);
		return list->pages;
	}
	if (list->tail != InvalidBlockNumber)
	{
		tail = ReadBuffer(index, list->tail);
		LockBuffer(tail, BUFFER_LOCK_EXCLUSIVE);
		next = LABEL_INDEX_OPAQUE(BufferGetPage(tail))->right;
	}
	if (next != InvalidBlockNumber)
	{
		buffer = ReadBuffer(index, next);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		pgtsdb_am_check_page(index, next, BufferGetPage(buffer), LABEL_INDEX_PENDING_FLAG);
		behind = LABEL_INDEX_OPAQUE(BufferGetPage(buffer))->right;
	}
	else
		buffer = pgtsdb_am_new_buffer(index);

	list->tail = BufferGetBlockNumber(buffer);
	list->pages++;
	if (list->head == InvalidBlockNumber)
		list->head = list->tail;
	state = GenericXLogStart(index);
	page = GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE);
	pgtsdb_am_init_page(page, 0);
	LABEL_INDEX_OPAQUE(page)->flags = LABEL_INDEX_PENDING_FLAG;
	LABEL_INDEX_OPAQUE(page)->generation = list->generation;
	LABEL_INDEX_OPAQUE(page)->right = behind;
	fill_page(page, rows);
	if (BufferIsValid(tail) && next == InvalidBlockNumber)
		LABEL_INDEX_OPAQUE(GenericXLogRegisterBuffer(state, tail, 0))->right = list->tail;
	memcpy(PageGetContents(GenericXLogRegisterBuffer(state, metabuffer, 0)), &meta, sizeof(meta));
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
	if (BufferIsValid(tail))
		UnlockReleaseBuffer(tail);
	UnlockReleaseBuffer(metabuffer);
	return list->pages;
}

/* ---- moving ---- */

void
pgtsdb_am_flush(Relation index)
{
	LabelIndexMeta meta;

	/* Held by one backend at a time, and for as long as it takes. */
	LockPage(index, LABEL_INDEX_ROOT, ExclusiveLock);
	UnlockReleaseBuffer(lock_metapage(index, BUFFER_LOCK_SHARE, &meta));
	if (meta.lists[1 - meta.current].tail != InvalidBlockNumber)
		move_list(index, 1 - meta.current);
	if (meta.lists[meta.current].tail != InvalidBlockNumber)
	{
		change_places(index);
		move_list(index, meta.current);
	}
	UnlockPage(index, LABEL_INDEX_ROOT, ExclusiveLock);
}

static void
log_metapage(Relation index, Buffer buffer, const LabelIndexMeta *meta)
{
	GenericXLogState *state = GenericXLogStart(index);

	memcpy(PageGetContents(GenericXLogRegisterBuffer(state, buffer, 0)), meta, sizeof(*meta));
	GenericXLogFinish(state);
}

static void
change_places(Relation index)
{
	LabelIndexMeta meta;
	Buffer		buffer = lock_metapage(index, BUFFER_LOCK_EXCLUSIVE, &meta);

	meta.current = 1 - meta.current;
	log_metapage(index, buffer, &meta);
	UnlockReleaseBuffer(buffer);
}

static void
empty_list(Relation index, int which)
{
	LabelIndexMeta meta;
	Buffer		buffer = lock_metapage(index, BUFFER_LOCK_EXCLUSIVE, &meta);

	meta.lists[which].tail = InvalidBlockNumber;
	meta.lists[which].pages = 0;
	meta.lists[which].generation++;
	log_metapage(index, buffer, &meta);
	UnlockReleaseBuffer(buffer);
}

/* The list takes no rows, and nobody else empties it. */
static void
move_list(Relation index, int which)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb label index move", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Collection	collection = new_collection(context);
	LabelIndexAddition *additions;
	LabelIndexMeta meta;
	Copies		copies;
	size_t		n;

	UnlockReleaseBuffer(lock_metapage(index, BUFFER_LOCK_SHARE, &meta));
	if (!copy_list(index, &meta.lists[which], &copies))
		pgtsdb_am_corrupted(index, LABEL_INDEX_METAPAGE, "A list of pending rows has pages of another generation.");
	visit_copies(index, &copies, collect_row, &collection);
	additions = sort_collection(&collection, &n);
	pgtsdb_am_add(index, additions, n);
	empty_list(index, which);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* ---- by keys ---- */

LabelIndexAddition *
pgtsdb_am_pending_keys(Relation index, size_t *n)
{
	Collection	collection = new_collection(CurrentMemoryContext);

	pgtsdb_am_visit_pending(index, collect_row, &collection);
	return sort_collection(&collection, n);
}

static Collection
new_collection(MemoryContext context)
{
	TsdbArena  *arena = pgtsdb_arena_create(context, 0, NULL);

	return (Collection) {
		.arena = arena,
		.row = tsdb_arena_child(arena),
		.table = rows_table_create(context, 4096, NULL)
	};
}

static void
collect_row(void *context, int32 part, uint64 number, TsdbStr labels)
{
	Collection *collection = context;

	collection->number = number;
	collection->place = 0;
	pgtsdb_am_visit_label_keys(part, tsdb_labels_view(collection->row, labels.data, labels.len), collect_key, collection);
	tsdb_arena_reset(collection->row);
}

static void
collect_key(void *context, TsdbStr key)
{
	Collection *collection = context;
	Rows		other;
	Rows	   *rows = collection->place < REMEMBERED_KEYS ? &collection->before[collection->place++] : &other;

	if (rows == &other || !tsdb_str_equal(rows->key, key))
		*rows = *rows_table_of(collection->table, collection->arena, key);
	tsdb_postings_add(rows->list, collection->number);
}

static LabelIndexAddition *
sort_collection(Collection *collection, size_t *n)
{
	LabelIndexAddition *additions = palloc_array(LabelIndexAddition, Max(collection->table->members, 1));
	rows_table_iterator iterator;
	Rows	   *rows;

	*n = 0;
	rows_table_start_iterate(collection->table, &iterator);
	while ((rows = rows_table_iterate(collection->table, &iterator)) != NULL)
		additions[(*n)++] = (LabelIndexAddition) {rows->key, *rows->list};
	qsort(additions, *n, sizeof(LabelIndexAddition), compare_additions);
	return additions;
}

static int
compare_additions(const void *a, const void *b)
{
	return tsdb_str_compare(((const LabelIndexAddition *) a)->key, ((const LabelIndexAddition *) b)->key);
}

/* ---- reading ---- */

void
pgtsdb_am_visit_pending(Relation index, LabelIndexPendingVisitor visit, void *context)
{
	for (;;)
	{
		LabelIndexMeta meta;
		Copies		copies[2];

		CHECK_FOR_INTERRUPTS();
		UnlockReleaseBuffer(lock_metapage(index, BUFFER_LOCK_SHARE, &meta));
		if (copy_list(index, &meta.lists[0], &copies[0]) && copy_list(index, &meta.lists[1], &copies[1]))
		{
			visit_copies(index, &copies[0], visit, context);
			visit_copies(index, &copies[1], visit, context);
			return;
		}
	}
}

/* False when the list has been emptied and filled again since the metapage was read. */
static bool
copy_list(Relation index, const LabelIndexPending *list, Copies *copies)
{
	BlockNumber block = list->head;

	copies->n = 0;
	if (list->tail == InvalidBlockNumber)
		return true;
	copies->pages = palloc_extended(list->pages * sizeof(PGAlignedBlock), MCXT_ALLOC_HUGE);
	copies->blocks = palloc_array(BlockNumber, list->pages);
	while (copies->n < list->pages)
	{
		Buffer		buffer = ReadBuffer(index, block);
		Page		page = copies->pages[copies->n].data;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		memcpy(page, BufferGetPage(buffer), BLCKSZ);
		UnlockReleaseBuffer(buffer);
		pgtsdb_am_check_page(index, block, page, LABEL_INDEX_PENDING_FLAG);
		if (LABEL_INDEX_OPAQUE(page)->generation != list->generation)
			return false;
		copies->blocks[copies->n++] = block;
		if (block == list->tail)
			return true;
		block = LABEL_INDEX_OPAQUE(page)->right;
		if (block == InvalidBlockNumber)
			break;
	}
	pgtsdb_am_corrupted(index, LABEL_INDEX_METAPAGE, "A list of pending rows does not end at block %u.", list->tail);
}

static void
visit_copies(Relation index, const Copies *copies, LabelIndexPendingVisitor visit, void *context)
{
	for (uint32 i = 0; i < copies->n; i++)
	{
		Page		page = copies->pages[i].data;

		for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
		{
			const LabelIndexEntry *entry = pgtsdb_am_entry(index, copies->blocks[i], page, offset);
			uint32		part = 0;

			if (entry->key_len != sizeof(part))
				pgtsdb_am_corrupted(index, copies->blocks[i], "Item %u is no row.", offset);
			memcpy(&part, entry->key, sizeof(part));
			visit(context, (int32) pg_ntoh32(part), pgtsdb_am_number(&entry->first),
				  (TsdbStr) {(const char *) pgtsdb_am_data(entry), entry->data_len});
		}
	}
}
