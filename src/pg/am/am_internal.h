/*
 * am_internal.h
 *		The label index: what its files share.  README.md explains structure, concurrency and recovery.
 */
#ifndef PGTSDB_AM_INTERNAL_H
#define PGTSDB_AM_INTERNAL_H

#include "postgres.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/itup.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#include "core/labels/labels.h"
#include "core/postings/postings.h"
#include "pg/am/label_index.h"
#include "pg/compat.h"

/* ---- pages ---- */

#define LABEL_INDEX_METAPAGE 0
#define LABEL_INDEX_ROOT 1		/* stays there: what was in it moves when it is split */
#define LABEL_INDEX_MAX_LEVELS 16

#define LABEL_INDEX_MAGIC 0x4c425831	/* LBX1 */
/* To bump when pages of an older version cannot be read: such an index asks for REINDEX. */
#define LABEL_INDEX_VERSION 1

/* New rows wait in one of two lists (pending.c). */
typedef struct LabelIndexPending
{
	BlockNumber head;			/* Invalid: it never had a page */
	BlockNumber tail;			/* Invalid: it is empty; pages behind the tail are left from earlier */
	uint32		pages;			/* from head to tail */
	uint32		generation;		/* of the pages that belong to it now */
} LabelIndexPending;

typedef struct LabelIndexMeta
{
	uint32		magic;
	uint32		version;
	uint32		current;		/* which list takes new rows */
	LabelIndexPending lists[2];
} LabelIndexMeta;

StaticAssertDecl(sizeof(LabelIndexMeta) == 44, "no padding reaches the disk");

/* The last two bytes of a page tell programs that look at files whose page it is (bloom.h has the others). */
#define LABEL_INDEX_PAGE_ID 0xFFB5

#define LABEL_INDEX_META_FLAG 1
#define LABEL_INDEX_PENDING_FLAG 2

typedef struct LabelIndexOpaque
{
	BlockNumber right;			/* the next page of the level */
	uint16		level;			/* 0: leaf */
	uint16		flags;
	uint32		generation;		/* of a page of pending rows */
	uint16		unused;
	uint16		page_id;
} LabelIndexOpaque;

StaticAssertDecl(sizeof(LabelIndexOpaque) == 16, "no padding reaches the disk");

#define LABEL_INDEX_OPAQUE(page) ((LabelIndexOpaque *) PageGetSpecialPointer(page))
/* What items and their line pointers may take. */
#define LABEL_INDEX_USABLE (BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - MAXALIGN(sizeof(LabelIndexOpaque)))

/* Every page but the last of its level has a high key in front: entries are before that place. */
static inline bool
pgtsdb_am_is_rightmost(Page page)
{
	return LABEL_INDEX_OPAQUE(page)->right == InvalidBlockNumber;
}

static inline OffsetNumber
pgtsdb_am_first_offset(Page page)
{
	return pgtsdb_am_is_rightmost(page) ? FirstOffsetNumber : OffsetNumberNext(FirstOffsetNumber);
}

/* ---- keys ---- */

/* A longer name or value is cut, and a hash of the whole put behind. */
#define LABEL_INDEX_MAX_TEXT 512
#define LABEL_INDEX_MAX_KEY (4 + LABEL_INDEX_MAX_TEXT + 1 + LABEL_INDEX_MAX_TEXT)

typedef struct LabelIndexKey
{
	size_t		len;
	char		data[LABEL_INDEX_MAX_KEY];
} LabelIndexKey;

/* Keys whose name is empty, which no label's is. */
#define LABEL_INDEX_ALL ""		/* rows with labels */
#define LABEL_INDEX_NULL "null"	/* rows without */

/* ---- entries ---- */

/*
 * An item of a page.  In a leaf: rows of the key, as core/postings.  In an inner
 * page: the child with the entries from this place on; in a high key: the page to the right.
 */
typedef struct LabelIndexEntry
{
	uint16		key_len;
	uint16		data_len;
	ItemPointerData first;		/* of the rows, or of those of the child */
	char		key[FLEXIBLE_ARRAY_MEMBER];	/* and then the data */
} LabelIndexEntry;

#define LABEL_INDEX_ENTRY_HEADER offsetof(LabelIndexEntry, key)
#define LABEL_INDEX_MAX_POSTINGS 1000
#define LABEL_INDEX_ENTRY_SIZE(key_len, data_len) SHORTALIGN(LABEL_INDEX_ENTRY_HEADER + (key_len) + (data_len))
#define LABEL_INDEX_MAX_ENTRY LABEL_INDEX_ENTRY_SIZE(LABEL_INDEX_MAX_KEY, LABEL_INDEX_MAX_POSTINGS)
#define LABEL_INDEX_MAX_SEPARATOR LABEL_INDEX_ENTRY_SIZE(LABEL_INDEX_MAX_KEY, sizeof(BlockIdData))
/* Words of a decoded entry; each takes two bytes at least.  One more may be added to it. */
#define LABEL_INDEX_MAX_WORDS (LABEL_INDEX_MAX_POSTINGS / 2 + 1)

StaticAssertDecl(LABEL_INDEX_ENTRY_HEADER == 10, "no padding reaches the disk");

/* Entries are in the order of their places. */
typedef struct LabelIndexPlace
{
	TsdbStr		key;
	uint64		first;			/* row, see pgtsdb_am_number() */
} LabelIndexPlace;

static inline int
pgtsdb_am_compare(LabelIndexPlace a, LabelIndexPlace b)
{
	int			order = tsdb_str_compare(a.key, b.key);

	return order != 0 ? order : (a.first > b.first) - (a.first < b.first);
}

static inline LabelIndexPlace
pgtsdb_am_place(const LabelIndexEntry *entry)
{
	return (LabelIndexPlace) {{entry->key, entry->key_len}, pgtsdb_am_number(&entry->first)};
}

static inline const uint8 *
pgtsdb_am_data(const LabelIndexEntry *entry)
{
	return (const uint8 *) entry->key + entry->key_len;
}

static inline BlockNumber
pgtsdb_am_child(const LabelIndexEntry *entry)
{
	BlockIdData block;

	memcpy(&block, pgtsdb_am_data(entry), sizeof(block));
	return BlockIdGetBlockNumber(&block);
}

/* Bytes of an entry in the order they get onto pages. */
typedef struct LabelIndexItem
{
	const LabelIndexEntry *entry;
	Size		size;
} LabelIndexItem;

/* ---- handler.c ---- */

/* A label index and its table, locked for reading; raises when it is none, or the caller may not read all rows. */
extern Relation pgtsdb_am_open_for_caller(Oid oid);

/* ---- entry.c ---- */

extern void pgtsdb_am_make_key(LabelIndexKey *key, int32 part, TsdbStr name, TsdbStr value);
extern TsdbStr pgtsdb_am_key_prefix(LabelIndexKey *key, int32 part, TsdbStr name);
/* The label of a key, with strings that point into it. */
extern TsdbLabel pgtsdb_am_key_label(TsdbStr key);
/* Whether this is what became of a text that was too long. */
extern bool pgtsdb_am_is_cut(TsdbStr text);
/* How that text began. */
extern TsdbStr pgtsdb_am_uncut(TsdbStr text);
/* Answers the size; `entry` has room for LABEL_INDEX_MAX_ENTRY. */
extern Size pgtsdb_am_make_entry(LabelIndexEntry *entry, LabelIndexPlace place, const void *data, Size data_len);
/* An entry with as many of the words as fit into one; answers how many. */
extern size_t pgtsdb_am_make_leaf_entry(LabelIndexEntry *entry, TsdbStr key, const TsdbPostingsWord *words, size_t n);
/* A short place behind `left` that is not behind `right`, as the entry of a child. */
extern Size pgtsdb_am_make_separator(LabelIndexEntry *entry, bool leaf, const LabelIndexEntry *left, const LabelIndexEntry *right,
									 BlockNumber child);
extern uint64 pgtsdb_am_first_number(const TsdbPostingsWord *words);

/* ---- page.c ---- */

extern void pgtsdb_am_init_page(Page page, uint16 level);
extern void pgtsdb_am_init_metapage(Page page);
/* A page of the tree. */
extern Buffer pgtsdb_am_read(Relation index, BlockNumber block, int lock);
/* Raises unless it is a page of this kind; 0: of the tree. */
extern void pgtsdb_am_check_page(Relation index, BlockNumber block, Page page, uint16 flags);
extern const LabelIndexEntry *pgtsdb_am_entry(Relation index, BlockNumber block, Page page, OffsetNumber offset);
pg_noreturn extern void pgtsdb_am_corrupted(Relation index, BlockNumber block, const char *format,...) pg_attribute_printf(3, 4);
/* The last entry that is not behind the place; one before the first when there is none. */
extern OffsetNumber pgtsdb_am_search(Relation index, BlockNumber block, Page page, LabelIndexPlace place);
/* With the holes. */
extern Size pgtsdb_am_free_space(Page page);
extern bool pgtsdb_am_has_room(Page page, Size size);
/* Puts an entry in front of the one at the offset, or in its place; there must be room. */
extern void pgtsdb_am_put(Page page, OffsetNumber offset, bool replace, const LabelIndexEntry *entry, Size size);
/* A page of these entries, with a high key unless it is the last of its level. */
extern void pgtsdb_am_make_page(Page page, uint16 level, BlockNumber right, const LabelIndexItem *high_key,
								const LabelIndexItem *items, int n);
/* A page that nothing refers to, locked exclusively. */
extern Buffer pgtsdb_am_new_buffer(Relation index);

/* ---- tree.c ---- */

/* The leaf that this place belongs to, locked. */
extern Buffer pgtsdb_am_find_leaf(Relation index, LabelIndexPlace place, int lock);

/* Entries one after the other, from copies of their pages: no lock and no pin is held between calls. */
typedef struct LabelIndexCursor
{
	Relation	index;
	BlockNumber block;
	OffsetNumber offset;
	OffsetNumber last;
	PGAlignedBlock page;
} LabelIndexCursor;

extern void pgtsdb_am_seek(LabelIndexCursor *cursor, Relation index, LabelIndexPlace place);
/* NULL behind the last. */
extern const LabelIndexEntry *pgtsdb_am_next(LabelIndexCursor *cursor);
/* Appends the rows of a leaf's entry. */
extern void pgtsdb_am_decode(Relation index, BlockNumber block, const LabelIndexEntry *entry, TsdbPostings *list);
/* The same into an array of LABEL_INDEX_MAX_WORDS; answers how many. */
extern size_t pgtsdb_am_words(Relation index, BlockNumber block, const LabelIndexEntry *entry, TsdbPostingsWord *words);
extern int64 pgtsdb_am_count(Relation index, BlockNumber block, const LabelIndexEntry *entry);

/* ---- insert.c ---- */

/* A list of rows to be added to that of a key. */
typedef struct LabelIndexAddition
{
	TsdbStr		key;
	TsdbPostings rows;
} LabelIndexAddition;

/* In the order of keys.  What is there already is left alone. */
extern void pgtsdb_am_add(Relation index, const LabelIndexAddition *additions, size_t n);
extern bool pgtsdb_am_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
							 IndexUniqueCheck unique, bool unchanged, IndexInfo *info);
/* The keys of one row, in order. */
typedef void (*LabelIndexKeyVisitor) (void *context, TsdbStr key);
extern void pgtsdb_am_visit_keys(Relation index, Datum *values, bool *isnull, LabelIndexKeyVisitor visit, void *context);
extern void pgtsdb_am_visit_label_keys(int32 part, TsdbLabels labels, LabelIndexKeyVisitor visit, void *context);

/* ---- pending.c ---- */

/* A row with more bytes of labels is too long for the list. */
#define LABEL_INDEX_MAX_PENDING 2000
extern void pgtsdb_am_pend(Relation index, int32 part, const PgtsdbLabelRow *rows, size_t n);
/* Moves all pending rows into the tree; those that come meanwhile stay. */
extern void pgtsdb_am_flush(Relation index);
/*
 * Rows of all parts whose lists in the tree may lack them.  To be called before the tree is looked at, since they
 * move there.  The labels are in their canonical encoding.
 */
typedef void (*LabelIndexPendingVisitor) (void *context, int32 part, uint64 number, TsdbStr labels);
extern void pgtsdb_am_visit_pending(Relation index, LabelIndexPendingVisitor visit, void *context);
/* The same by keys, in their order. */
extern LabelIndexAddition *pgtsdb_am_pending_keys(Relation index, size_t *n);

/* ---- build.c ---- */

extern IndexBuildResult *pgtsdb_am_build(Relation heap, Relation index, IndexInfo *info);
extern void pgtsdb_am_build_empty(Relation index);

/* ---- scan.c ---- */

extern IndexScanDesc pgtsdb_am_begin_scan(Relation index, int nkeys, int norderbys);
extern void pgtsdb_am_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys);
extern int64 pgtsdb_am_get_bitmap(IndexScanDesc scan, TIDBitmap *bitmap);
extern void pgtsdb_am_end_scan(IndexScanDesc scan);

/* ---- match.c ---- */

/* Appends the rows of one key; the cursor is there to be used again. */
extern void pgtsdb_am_load(LabelIndexCursor *cursor, Relation index, TsdbStr key, TsdbPostings *rows);

/* ---- vacuum.c ---- */

extern IndexBulkDeleteResult *pgtsdb_am_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
													IndexBulkDeleteCallback callback, void *state);
extern IndexBulkDeleteResult *pgtsdb_am_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats);

/* ---- cost.c ---- */

extern void pgtsdb_am_cost(PlannerInfo *root, IndexPath *path, double loop_count, Cost *startup_cost, Cost *total_cost,
						   Selectivity *selectivity, double *correlation, double *pages);

#endif							/* PGTSDB_AM_INTERNAL_H */
