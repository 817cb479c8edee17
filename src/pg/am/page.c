/*
 * page.c
 *		Pages of the label index: reading with checks, entries in and out, new pages.
 *
 * Line pointers are in the order of the entries; the bytes are not.  An entry that grows beyond its item gets
 * a new one in the free space, with some bytes to spare, and the old one is left as a hole: a change then
 * touches few bytes of the page, and generic WAL records little more than those.  Holes are closed when
 * there is no free space left.
 */
#include "postgres.h"

#include "storage/indexfsm.h"
#include "storage/lmgr.h"

#include "pg/am/am_internal.h"
#include "pg/mem.h"

static Size used_size(const LabelIndexEntry *entry);
static void close_holes(Page page);

void
pgtsdb_am_init_page(Page page, uint16 level)
{
	LabelIndexOpaque *opaque;

	PageInit(page, BLCKSZ, sizeof(LabelIndexOpaque));
	opaque = LABEL_INDEX_OPAQUE(page);
	opaque->right = InvalidBlockNumber;
	opaque->level = level;
	opaque->page_id = LABEL_INDEX_PAGE_ID;
}

void
pgtsdb_am_init_metapage(Page page)
{
	LabelIndexMeta *meta = (LabelIndexMeta *) PageGetContents(page);

	pgtsdb_am_init_page(page, 0);
	LABEL_INDEX_OPAQUE(page)->flags = LABEL_INDEX_META_FLAG;
	meta->magic = LABEL_INDEX_MAGIC;
	meta->version = LABEL_INDEX_VERSION;
	meta->current = 0;
	for (int i = 0; i < 2; i++)
		meta->lists[i] = (LabelIndexPending) {InvalidBlockNumber, InvalidBlockNumber, 0, 1};
	((PageHeader) page)->pd_lower = (char *) (meta + 1) - (char *) page;
}

/* ---- reading ---- */

void
pgtsdb_am_corrupted(Relation index, BlockNumber block, const char *format,...)
{
	va_list		args;
	char	   *detail;

	va_start(args, format);
	detail = pgtsdb_vformat(format, args);
	va_end(args);
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("label index \"%s\" is corrupted in block %u", RelationGetRelationName(index), block),
			 errdetail_internal("%s", detail),
			 errhint("Please REINDEX it.")));
}

void
pgtsdb_am_check_page(Relation index, BlockNumber block, Page page, uint16 flags)
{
	if (PageIsNew(page))
		pgtsdb_am_corrupted(index, block, "The page is empty.");
	if (PageGetSpecialSize(page) != MAXALIGN(sizeof(LabelIndexOpaque)) || LABEL_INDEX_OPAQUE(page)->page_id != LABEL_INDEX_PAGE_ID ||
		LABEL_INDEX_OPAQUE(page)->flags != flags || LABEL_INDEX_OPAQUE(page)->level >= LABEL_INDEX_MAX_LEVELS ||
		((PageHeader) page)->pd_lower > ((PageHeader) page)->pd_upper ||
		((PageHeader) page)->pd_upper > ((PageHeader) page)->pd_special || PageGetMaxOffsetNumber(page) > MaxIndexTuplesPerPage ||
		PageGetMaxOffsetNumber(page) + 1 < pgtsdb_am_first_offset(page))
		pgtsdb_am_corrupted(index, block, "It is not the page of a label index that it should be.");
}

Buffer
pgtsdb_am_read(Relation index, BlockNumber block, int lock)
{
	Buffer		buffer = ReadBuffer(index, block);

	LockBuffer(buffer, lock);
	pgtsdb_am_check_page(index, block, BufferGetPage(buffer), 0);
	return buffer;
}

/* What an entry says of its own length is not believed. */
const LabelIndexEntry *
pgtsdb_am_entry(Relation index, BlockNumber block, Page page, OffsetNumber offset)
{
	ItemId		id = PageGetItemId(page, offset);
	unsigned	from = ItemIdGetOffset(id);
	unsigned	len = ItemIdGetLength(id);
	const LabelIndexEntry *entry = (const LabelIndexEntry *) ((char *) page + from);

	if (unlikely(from < SizeOfPageHeaderData || from % 2 != 0 || len < LABEL_INDEX_ENTRY_HEADER ||
				 from + len > ((PageHeader) page)->pd_special || used_size(entry) > len ||
				 entry->key_len > LABEL_INDEX_MAX_KEY || (LABEL_INDEX_OPAQUE(page)->level > 0 && entry->data_len != sizeof(BlockIdData))))
		pgtsdb_am_corrupted(index, block, "Item %u is no entry.", offset);
	return entry;
}

OffsetNumber
pgtsdb_am_search(Relation index, BlockNumber block, Page page, LabelIndexPlace place)
{
	OffsetNumber low = pgtsdb_am_first_offset(page);
	OffsetNumber high = PageGetMaxOffsetNumber(page) + 1;

	while (low < high)
	{
		OffsetNumber middle = low + (high - low) / 2;

		if (pgtsdb_am_compare(pgtsdb_am_place(pgtsdb_am_entry(index, block, page, middle)), place) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

/* ---- changing ---- */

static Size
used_size(const LabelIndexEntry *entry)
{
	return LABEL_INDEX_ENTRY_SIZE(entry->key_len, entry->data_len);
}

Size
pgtsdb_am_free_space(Page page)
{
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	Size		used = last * sizeof(ItemIdData);

	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
		used += used_size((const LabelIndexEntry *) PageGetItem(page, PageGetItemId(page, offset)));
	return LABEL_INDEX_USABLE - used;
}

bool
pgtsdb_am_has_room(Page page, Size size)
{
	PageHeader	header = (PageHeader) page;

	return header->pd_upper - header->pd_lower >= size || pgtsdb_am_free_space(page) >= size;
}

static void
close_holes(Page page)
{
	PGAlignedBlock copy;
	PageHeader	header = (PageHeader) page;

	memcpy(copy.data, page, BLCKSZ);
	header->pd_upper = header->pd_special;
	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		ItemId		id = PageGetItemId(page, offset);
		const char *item = copy.data + ItemIdGetOffset(id);
		Size		size;

		if (!ItemIdHasStorage(id))
			continue;			/* about to be replaced */
		size = used_size((const LabelIndexEntry *) item);
		header->pd_upper -= size;
		memcpy((char *) page + header->pd_upper, item, size);
		ItemIdSetNormal(id, header->pd_upper, size);
	}
}

void
pgtsdb_am_put(Page page, OffsetNumber offset, bool replace, const LabelIndexEntry *entry, Size size)
{
	PageHeader	header = (PageHeader) page;
	ItemId		id = PageGetItemId(page, offset);
	Size		pointer = replace ? 0 : sizeof(ItemIdData);
	Size		spare = 0;

	if (replace && ItemIdGetLength(id) >= size)
	{
		memcpy(PageGetItem(page, id), entry, size);
		return;
	}
	if (replace)
	{
		spare = SHORTALIGN(4 + entry->data_len / 8);
		ItemIdSetUnused(id);
	}
	if (header->pd_upper - header->pd_lower < size + pointer)
		close_holes(page);
	Assert(header->pd_upper - header->pd_lower >= size + pointer);
	spare = Min(spare, header->pd_upper - header->pd_lower - size - pointer);
	if (!replace)
	{
		memmove(id + 1, id, (PageGetMaxOffsetNumber(page) + 1 - offset) * sizeof(ItemIdData));
		header->pd_lower += sizeof(ItemIdData);
	}
	header->pd_upper -= size + spare;
	memcpy((char *) page + header->pd_upper, entry, size);
	ItemIdSetNormal(id, header->pd_upper, size + spare);
}

void
pgtsdb_am_make_page(Page page, uint16 level, BlockNumber right, const LabelIndexItem *high_key, const LabelIndexItem *items, int n)
{
	pgtsdb_am_init_page(page, level);
	LABEL_INDEX_OPAQUE(page)->right = right;
	if (high_key != NULL)
		pgtsdb_am_put(page, FirstOffsetNumber, false, high_key->entry, high_key->size);
	for (int i = 0; i < n; i++)
		pgtsdb_am_put(page, PageGetMaxOffsetNumber(page) + 1, false, items[i].entry, items[i].size);
}

/* ---- new pages ---- */

/*
 * Nothing is ever unlinked from the tree, so the only free pages are those of an extension that was not used: a crash
 * or an error came between.  Vacuum finds them, empty.
 */
Buffer
pgtsdb_am_new_buffer(Relation index)
{
	Buffer		buffer;

	for (;;)
	{
		BlockNumber block = GetFreeIndexPage(index);

		if (block == InvalidBlockNumber)
			break;
		buffer = ReadBuffer(index, block);
		if (ConditionalLockBuffer(buffer))
		{
			if (PageIsNew(BufferGetPage(buffer)))
				return buffer;
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		ReleaseBuffer(buffer);
	}
	if (!RELATION_IS_LOCAL(index))
		LockRelationForExtension(index, ExclusiveLock);
	buffer = ReadBuffer(index, P_NEW);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (!RELATION_IS_LOCAL(index))
		UnlockRelationForExtension(index, ExclusiveLock);
	return buffer;
}
