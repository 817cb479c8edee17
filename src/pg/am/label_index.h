/*
 * label_index.h
 *		The access method label_index, for code that asks an index without the executor.
 *
 * An index is on (labels) or on (part, labels); without a part column all rows are in part 0.
 * Nothing here looks at the heap: rows come as numbers, which may belong to rows that a snapshot
 * does not see, and labels of such rows are counted until they are vacuumed.
 */
#ifndef PGTSDB_LABEL_INDEX_H
#define PGTSDB_LABEL_INDEX_H

#include "postgres.h"

#include "access/htup_details.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "core/labels/labels.h"
#include "core/postings/postings.h"

/* ---- the address of a row as a number ---- */

#define PGTSDB_TID_OFFSET_BITS (BLCKSZ <= 8192 ? 9 : 11)
#define PGTSDB_TID_MAX_OFFSET ((1 << PGTSDB_TID_OFFSET_BITS) - 1)

StaticAssertDecl(MaxHeapTuplesPerPage <= PGTSDB_TID_MAX_OFFSET, "the address of any row of a heap is a number");

static inline uint64
pgtsdb_am_number(const ItemPointerData *tid)
{
	return (uint64) ItemPointerGetBlockNumberNoCheck(tid) << PGTSDB_TID_OFFSET_BITS | ItemPointerGetOffsetNumberNoCheck(tid);
}

static inline ItemPointerData
pgtsdb_am_tid(uint64 number)
{
	ItemPointerData tid;

	ItemPointerSet(&tid, (BlockNumber) (number >> PGTSDB_TID_OFFSET_BITS), (OffsetNumber) (number & PGTSDB_TID_MAX_OFFSET));
	return tid;
}

/* ---- indexes ---- */

extern bool pgtsdb_is_label_index(Relation index);
/* Whether the first column is the part. */
extern bool pgtsdb_label_index_has_part(Relation index);

/* ---- new rows (insert.c) ---- */

typedef struct PgtsdbLabelRow
{
	TsdbStr		labels;			/* canonical encoding */
	ItemPointerData tid;
} PgtsdbLabelRow;

/* What index_insert() does, for many rows of a part at once. */
extern void pgtsdb_label_index_insert(Relation index, int32 part, const PgtsdbLabelRow *rows, size_t n);

/* ---- rows (match.c) ---- */

/*
 * The rows of the part whose labels match, in the order of the heap, into an empty list.  True: not all of them may match,
 * so look at their labels: they are more than the index keeps of them or, unless `exact`, looking is less work than reading
 * what the index has of every matcher.
 */
extern bool pgtsdb_label_index_tids(Relation index, int32 part, const TsdbMatcher *matchers, size_t n, bool exact,
									TsdbPostings *rows);

/* ---- the dictionary (dictionary.c) ---- */

/* Rows of one label.  A name or value longer than 512 bytes comes cut, with \xff and a hash behind. */
typedef struct PgtsdbLabelEntry
{
	TsdbLabel	label;
	bool		name_is_cut;
	bool		value_is_cut;
	bool		first;			/* of the label; more of its rows may follow */
	TsdbPostings rows;			/* the visitor's to change, but not to make longer */
} PgtsdbLabelEntry;

typedef enum PgtsdbLabelStep
{
	PGTSDB_NEXT_ROWS,
	PGTSDB_NEXT_VALUE,			/* further rows of this one are passed over */
	PGTSDB_NEXT_NAME,
	PGTSDB_NO_MORE
} PgtsdbLabelStep;

/* The entry is there until it returns. */
typedef PgtsdbLabelStep (*PgtsdbLabelVisitor) (void *context, PgtsdbLabelEntry *entry);

/*
 * The labels of a part, or those with this name unless it is empty, in ascending order; every row of a label comes once.  What the
 * visitor does not want is passed over in large steps.  Memory is that of the current context, and is not given back.
 */
extern void pgtsdb_label_index_walk(Relation index, int32 part, TsdbStr name, PgtsdbLabelVisitor visit, void *context);
/* Whether this is what an index keeps of the label. */
extern bool pgtsdb_label_index_keeps(TsdbLabel label, TsdbLabel kept);
/* Rows with this value; with an empty name all rows of the part.  Counting may stop at the limit. */
extern int64 pgtsdb_label_index_count(Relation index, int32 part, TsdbStr name, TsdbStr value, int64 limit);

#endif							/* PGTSDB_LABEL_INDEX_H */
