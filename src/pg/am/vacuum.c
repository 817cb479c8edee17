/*
 * vacuum.c
 *		Takes dead rows out of the lists, leaf by leaf from left to right.
 *
 * Splits move entries to the right only, so those that happen meanwhile are met again or have been seen.  Lists
 * never get longer (core/postings/postings.h), so a page always has room.  Empty lists go; empty pages
 * stay, since a scan may be about to follow a link to them, and are filled by what comes in there.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"

#include "pg/am/am_internal.h"

typedef struct Vacuum
{
	Relation	index;
	IndexBulkDeleteCallback callback;
	void	   *state;
	IndexBulkDeleteResult *stats;
} Vacuum;

static BlockNumber leftmost_leaf(Relation index);
static BlockNumber vacuum_leaf(Vacuum *vacuum, BlockNumber block);
static bool vacuum_entry(Vacuum *vacuum, BlockNumber block, const LabelIndexEntry *entry, LabelIndexEntry *kept, bool *changed);
static int64 count_rows(Relation index);

IndexBulkDeleteResult *
pgtsdb_am_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats, IndexBulkDeleteCallback callback, void *state)
{
	Vacuum		vacuum = {info->index, callback, state, stats != NULL ? stats : palloc0_object(IndexBulkDeleteResult)};
	BlockNumber block;

	/* rows that are dead now may be waiting; those that come meanwhile are not dead */
	pgtsdb_am_flush(info->index);
	block = leftmost_leaf(info->index);
	vacuum.stats->num_index_tuples = 0;
	while (block != InvalidBlockNumber)
	{
		vacuum_delay_point_compat();
		block = vacuum_leaf(&vacuum, block);
	}
	return vacuum.stats;
}

static BlockNumber
leftmost_leaf(Relation index)
{
	Buffer		buffer = pgtsdb_am_find_leaf(index, (LabelIndexPlace) {{"", 0}, 0}, BUFFER_LOCK_SHARE);
	BlockNumber block = BufferGetBlockNumber(buffer);

	UnlockReleaseBuffer(buffer);
	return block;
}

/* Answers the page to the right. */
static BlockNumber
vacuum_leaf(Vacuum *vacuum, BlockNumber block)
{
	Buffer		buffer = pgtsdb_am_read(vacuum->index, block, BUFFER_LOCK_EXCLUSIVE);
	Page		page = BufferGetPage(buffer);
	BlockNumber right = LABEL_INDEX_OPAQUE(page)->right;
	LabelIndexItem items[MaxIndexTuplesPerPage];
	LabelIndexItem high_key = {0};
	PGAlignedBlock bytes;
	char	   *to = bytes.data;
	int			n = 0;
	bool		changed = false;

	/* the root may have been a leaf when it was found */
	if (LABEL_INDEX_OPAQUE(page)->level > 0)
	{
		UnlockReleaseBuffer(buffer);
		return leftmost_leaf(vacuum->index);
	}
	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		const LabelIndexEntry *entry = pgtsdb_am_entry(vacuum->index, block, page, offset);
		LabelIndexEntry *kept = (LabelIndexEntry *) to;
		LabelIndexItem item;

		if (offset < pgtsdb_am_first_offset(page))
			memcpy(kept, entry, LABEL_INDEX_ENTRY_SIZE(entry->key_len, entry->data_len));
		else if (!vacuum_entry(vacuum, block, entry, kept, &changed))
			continue;
		item = (LabelIndexItem) {kept, LABEL_INDEX_ENTRY_SIZE(kept->key_len, kept->data_len)};
		to += item.size;
		if (offset < pgtsdb_am_first_offset(page))
			high_key = item;
		else
			items[n++] = item;
	}
	if (changed)
	{
		GenericXLogState *state = GenericXLogStart(vacuum->index);

		pgtsdb_am_make_page(GenericXLogRegisterBuffer(state, buffer, 0), 0, right, high_key.entry != NULL ? &high_key : NULL, items, n);
		GenericXLogFinish(state);
	}
	UnlockReleaseBuffer(buffer);
	return right;
}

/* What is left of the entry; false when nothing is. */
static bool
vacuum_entry(Vacuum *vacuum, BlockNumber block, const LabelIndexEntry *entry, LabelIndexEntry *kept, bool *changed)
{
	TsdbPostingsWord words[LABEL_INDEX_MAX_WORDS];
	size_t		n = pgtsdb_am_words(vacuum->index, block, entry, words);
	size_t		n_kept = 0;
	int64		n_rows = 0;
	int64		n_dead = 0;
	TsdbStr		key = {entry->key, entry->key_len};
	TsdbLabel	label = pgtsdb_am_key_label(key);

	for (size_t i = 0; i < n; i++)
	{
		TsdbPostingsWord left = {words[i].high, 0};

		for (uint64 bits = words[i].bits; bits != 0; bits &= bits - 1)
		{
			ItemPointerData tid = pgtsdb_am_tid(words[i].high * 64 + (uint64) __builtin_ctzll(bits));

			if (vacuum->callback(&tid, vacuum->state))
				n_dead++;
			else
			{
				left.bits |= bits & -bits;
				n_rows++;
			}
		}
		if (left.bits != 0)
			words[n_kept++] = left;
	}
	/* each row is in one list without a name, and counts there */
	if (label.name.len == 0)
	{
		vacuum->stats->num_index_tuples += n_rows;
		vacuum->stats->tuples_removed += n_dead;
	}
	*changed = *changed || n_dead > 0;
	if (n_kept == 0)
		return false;
	pgtsdb_am_make_leaf_entry(kept, key, words, n_kept);
	return true;
}

/* Also after a VACUUM that had nothing to delete. */
IndexBulkDeleteResult *
pgtsdb_am_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	Relation	index = info->index;
	BlockNumber n_blocks;

	if (info->analyze_only)
		return stats;
	if (stats == NULL)
	{
		pgtsdb_am_flush(index);
		stats = palloc0_object(IndexBulkDeleteResult);
		stats->num_index_tuples = count_rows(index);
	}
	LockRelationForExtension(index, ExclusiveLock);
	n_blocks = RelationGetNumberOfBlocks(index);
	UnlockRelationForExtension(index, ExclusiveLock);
	stats->num_pages = n_blocks;
	stats->pages_free = 0;
	for (BlockNumber block = LABEL_INDEX_ROOT; block < n_blocks; block++)
	{
		Buffer		buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, info->strategy);

		vacuum_delay_point_compat();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (PageIsNew(BufferGetPage(buffer)))
		{
			RecordFreeIndexPage(index, block);
			stats->pages_free++;
		}
		UnlockReleaseBuffer(buffer);
	}
	if (stats->pages_free > 0)
		IndexFreeSpaceMapVacuum(index);
	return stats;
}

static int64
count_rows(Relation index)
{
	LabelIndexCursor *cursor = palloc_object(LabelIndexCursor);
	const LabelIndexEntry *entry;
	int64		n = 0;

	pgtsdb_am_seek(cursor, index, (LabelIndexPlace) {{"", 0}, 0});
	while ((entry = pgtsdb_am_next(cursor)) != NULL)
		if (pgtsdb_am_key_label((TsdbStr) {entry->key, entry->key_len}).name.len == 0)
			n += pgtsdb_am_count(index, cursor->block, entry);
	pfree(cursor);
	return n;
}
