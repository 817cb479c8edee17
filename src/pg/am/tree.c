/*
 * tree.c
 *		Finding a place in the tree, and walking its leaves from there.
 *
 * Pages are locked one at a time.  Between reading a child's number and locking the child it may have been split, and
 * what is looked for moved to its right: then the place is not before the high key, and the right link is followed.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pg/am/am_internal.h"

static Buffer move_right(Relation index, Buffer buffer, LabelIndexPlace place, int lock);
static BlockNumber child_of(Relation index, Buffer buffer, LabelIndexPlace place);
static void copy_page(LabelIndexCursor *cursor, Buffer buffer);

Buffer
pgtsdb_am_find_leaf(Relation index, LabelIndexPlace place, int lock)
{
	BlockNumber block = LABEL_INDEX_ROOT;
	bool		leaf = false;

	for (;;)
	{
		Buffer		buffer = pgtsdb_am_read(index, block, leaf ? lock : BUFFER_LOCK_SHARE);
		uint16		level;

		buffer = move_right(index, buffer, place, leaf ? lock : BUFFER_LOCK_SHARE);
		level = LABEL_INDEX_OPAQUE(BufferGetPage(buffer))->level;
		if (level == 0 && (leaf || lock == BUFFER_LOCK_SHARE))
			return buffer;
		if (level == 0)
			leaf = true;		/* the root, and once more with the right lock */
		else
		{
			/* the root may have become an inner page meanwhile */
			block = child_of(index, buffer, place);
			leaf = level == 1;
		}
		UnlockReleaseBuffer(buffer);
	}
}

static Buffer
move_right(Relation index, Buffer buffer, LabelIndexPlace place, int lock)
{
	for (;;)
	{
		Page		page = BufferGetPage(buffer);
		BlockNumber block = BufferGetBlockNumber(buffer);
		BlockNumber right = LABEL_INDEX_OPAQUE(page)->right;

		if (right == InvalidBlockNumber ||
			pgtsdb_am_compare(place, pgtsdb_am_place(pgtsdb_am_entry(index, block, page, FirstOffsetNumber))) < 0)
			return buffer;
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
		buffer = pgtsdb_am_read(index, right, lock);
	}
}

/* The first child of a level has everything before the second one's place. */
static BlockNumber
child_of(Relation index, Buffer buffer, LabelIndexPlace place)
{
	Page		page = BufferGetPage(buffer);
	BlockNumber block = BufferGetBlockNumber(buffer);
	OffsetNumber offset = Max(pgtsdb_am_search(index, block, page, place), pgtsdb_am_first_offset(page));

	if (offset > PageGetMaxOffsetNumber(page))
		pgtsdb_am_corrupted(index, block, "An inner page has no entries.");
	return pgtsdb_am_child(pgtsdb_am_entry(index, block, page, offset));
}

/* ---- cursor ---- */

/*
 * A copy takes less than looking at the entries under the lock would, and nothing waits for a regular expression.
 * When the page is split afterwards the copy has what moved away, and its right link leads behind it.
 */
static void
copy_page(LabelIndexCursor *cursor, Buffer buffer)
{
	cursor->block = BufferGetBlockNumber(buffer);
	memcpy(cursor->page.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	cursor->offset = pgtsdb_am_first_offset(cursor->page.data);
	cursor->last = PageGetMaxOffsetNumber(cursor->page.data);
}

void
pgtsdb_am_seek(LabelIndexCursor *cursor, Relation index, LabelIndexPlace place)
{
	OffsetNumber at;

	CHECK_FOR_INTERRUPTS();
	cursor->index = index;
	copy_page(cursor, pgtsdb_am_find_leaf(index, place, BUFFER_LOCK_SHARE));
	at = pgtsdb_am_search(index, cursor->block, cursor->page.data, place);
	/* the last one that is not behind the place, if it is the place */
	if (at < cursor->offset ||
		pgtsdb_am_compare(pgtsdb_am_place(pgtsdb_am_entry(index, cursor->block, cursor->page.data, at)), place) != 0)
		at++;
	cursor->offset = at;
}

const LabelIndexEntry *
pgtsdb_am_next(LabelIndexCursor *cursor)
{
	while (cursor->offset > cursor->last)
	{
		BlockNumber right = LABEL_INDEX_OPAQUE(cursor->page.data)->right;

		if (right == InvalidBlockNumber)
			return NULL;
		CHECK_FOR_INTERRUPTS();
		copy_page(cursor, pgtsdb_am_read(cursor->index, right, BUFFER_LOCK_SHARE));
	}
	return pgtsdb_am_entry(cursor->index, cursor->block, cursor->page.data, cursor->offset++);
}

void
pgtsdb_am_decode(Relation index, BlockNumber block, const LabelIndexEntry *entry, TsdbPostings *list)
{
	TsdbError	error;

	tsdb_error_clear(&error);
	if (tsdb_postings_decode(pgtsdb_am_data(entry), entry->data_len, pgtsdb_am_number(&entry->first), list, &error) != TSDB_OK)
		pgtsdb_am_corrupted(index, block, "%s", error.message);
}

size_t
pgtsdb_am_words(Relation index, BlockNumber block, const LabelIndexEntry *entry, TsdbPostingsWord *words)
{
	TsdbError	error;
	size_t		n;

	tsdb_error_clear(&error);
	if (tsdb_postings_decode_words(pgtsdb_am_data(entry), entry->data_len, pgtsdb_am_number(&entry->first), words,
								   LABEL_INDEX_MAX_WORDS, &n, &error) != TSDB_OK)
		pgtsdb_am_corrupted(index, block, "%s", error.message);
	return n;
}

int64
pgtsdb_am_count(Relation index, BlockNumber block, const LabelIndexEntry *entry)
{
	TsdbPostingsWord words[LABEL_INDEX_MAX_WORDS];
	TsdbPostings list = {.words = words, .n = pgtsdb_am_words(index, block, entry, words)};

	return (int64) tsdb_postings_count(&list);
}
