/*
 * scan.c
 *		Bitmap scans.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "nodes/tidbitmap.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "pg/am/am_internal.h"
#include "pg/mem.h"
#include "pg/types/types.h"

#define BATCH 1024

/* What the keys of a scan ask for. */
typedef struct Request
{
	int32		part;
	TsdbMatcher *matchers;		/* of all selectors */
	size_t		n;
	bool		only_part;		/* rows without labels too */
} Request;

static bool read_keys(IndexScanDesc scan, TsdbArena *arena, Request *request);
static int64 add_rows(TIDBitmap *bitmap, const TsdbPostings *rows, bool recheck);

IndexScanDesc
pgtsdb_am_begin_scan(Relation index, int nkeys, int norderbys)
{
	return RelationGetIndexScan(index, nkeys, norderbys);
}

void
pgtsdb_am_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	if (keys != NULL && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
}

void
pgtsdb_am_end_scan(IndexScanDesc scan)
{
}

int64
pgtsdb_am_get_bitmap(IndexScanDesc scan, TIDBitmap *bitmap)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb label index scan", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	TsdbArena  *arena = pgtsdb_arena_create(context, 0, NULL);
	Request		request = {0};
	TsdbPostings rows;
	int64		n = 0;

	pgstat_count_index_scan(scan->indexRelation);
	count_index_search_compat(scan);
	if (read_keys(scan, arena, &request))
	{
		bool		recheck;

		tsdb_postings_init(&rows, arena);
		recheck = pgtsdb_label_index_tids(scan->indexRelation, request.part, request.matchers, request.n, false, &rows);
		n = add_rows(bitmap, &rows, recheck);
	}
	if (request.only_part)
	{
		LabelIndexKey key;

		tsdb_postings_init(&rows, arena);
		pgtsdb_am_make_key(&key, request.part, TSDB_STR(""), TSDB_STR(LABEL_INDEX_NULL));
		pgtsdb_am_load(palloc_object(LabelIndexCursor), scan->indexRelation, (TsdbStr) {key.data, key.len}, &rows);
		n += add_rows(bitmap, &rows, false);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return n;
}

/* False when nothing matches: a key is null, or two parts are asked for. */
static bool
read_keys(IndexScanDesc scan, TsdbArena *arena, Request *request)
{
	bool		has_part = pgtsdb_label_index_has_part(scan->indexRelation);
	bool		part_is_known = false;
	bool		asks_for_labels = false;

	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		ScanKey		key = &scan->keyData[i];

		if (key->sk_flags & SK_ISNULL)
			return false;
		if (has_part && key->sk_attno == 1)
		{
			if (part_is_known && request->part != DatumGetInt32(key->sk_argument))
				return false;
			request->part = DatumGetInt32(key->sk_argument);
			part_is_known = true;
		}
		else
		{
			TsdbMatcher *matchers;
			size_t		n;

			pgtsdb_datum_selector(arena, key->sk_argument, &matchers, &n);
			request->matchers = tsdb_grow(arena, request->matchers, request->n * sizeof(TsdbMatcher),
										  (request->n + n) * sizeof(TsdbMatcher));
			memcpy(request->matchers + request->n, matchers, n * sizeof(TsdbMatcher));
			request->n += n;
			asks_for_labels = true;
		}
	}
	request->only_part = !asks_for_labels;
	return true;
}

static int64
add_rows(TIDBitmap *bitmap, const TsdbPostings *rows, bool recheck)
{
	TsdbPostingsIterator iterator = tsdb_postings_iterate(rows);
	ItemPointerData batch[BATCH];
	uint64		number;
	int64		total = 0;
	int			n = 0;

	while (tsdb_postings_next(&iterator, &number))
	{
		batch[n++] = pgtsdb_am_tid(number);
		total++;
		if (n == BATCH)
		{
			tbm_add_tuples(bitmap, batch, n, recheck);
			n = 0;
		}
	}
	if (n > 0)
		tbm_add_tuples(bitmap, batch, n, recheck);
	return total;
}
