/*
 * select.c
 *		The series of a part that match a list of matchers.
 *
 * The label index tells which rows match, in the order of the heap, and those that the snapshot sees are
 * fetched.  It is exact but for labels that are very long; then, and when there is no such index, the matchers are run
 * on the stored labels.  A regex is slow and the values of one label repeat, so that its recent verdicts are kept.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "pg/am/label_index.h"
#include "pg/errors.h"
#include "pg/storage/reader.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"

#define VERDICTS 1024			/* a power of two */

/* What a regex said about a value, known by its hash. */
typedef struct Verdict
{
	TsdbHash	value;			/* 0, 0: empty */
	bool		matches;
} Verdict;

typedef struct Filter
{
	const TsdbMatcher *matcher;
	Verdict    *verdicts;		/* of a regex */
} Filter;

typedef struct Selection
{
	TsdbArena  *arena;
	TsdbArena  *values;			/* of one row, while filters look at them */
	int32		part;
	Filter	   *filters;		/* cheap ones first */
	size_t		n_filters;
	PgtsdbSeries *series;
	size_t		n;
	size_t		capacity;
} Selection;

static TsdbStatus check_limits(const TsdbMatcher *matchers, size_t n, TsdbError *error);
static Filter *make_filters(TsdbArena *arena, const TsdbMatcher *matchers, size_t n);
static bool select_by_labels(Selection *selection, Oid heap, Snapshot snapshot, const TsdbMatcher *matchers, size_t n);
static void fetch_rows(Selection *selection, Relation heap, Snapshot snapshot, const TsdbPostings *rows, bool recheck);
static void select_all(Selection *selection, Oid heap, Snapshot snapshot);
static void consider(Selection *selection, TupleTableSlot *slot, bool check);
static Datum value_of(TupleTableSlot *slot, AttrNumber column);
static PgtsdbSeries *next_slot(Selection *selection);
static void add_series(Selection *selection, TupleTableSlot *slot, TsdbStr bytes);
static bool filter_matches(TsdbArena *arena, const Filter *filter, TsdbStr labels);
static int	compare_places(const void *a, const void *b);

TsdbStatus
pgtsdb_select_series(int32 part, Snapshot snapshot, TsdbArena *arena, const TsdbMatcher *matchers, size_t n_matchers,
					 PgtsdbSeries **series, size_t *n, TsdbError *error)
{
	Selection	selection = {.arena = arena, .values = tsdb_arena_child(arena), .part = part, .n_filters = n_matchers};
	Oid			heap = tsdb_local_table(TSDB_TABLE_SERIES, part);

	selection.filters = make_filters(arena, matchers, n_matchers);
	if (!select_by_labels(&selection, heap, snapshot, matchers, n_matchers))
		select_all(&selection, heap, snapshot);
	if (selection.n > 1)
		qsort(selection.series, selection.n, sizeof(PgtsdbSeries), compare_places);
	tsdb_arena_free(selection.values);
	*series = selection.series;
	*n = selection.n;
	return check_limits(matchers, n_matchers, error);
}

/* A regex that gave up has not said which values it matches. */
static TsdbStatus
check_limits(const TsdbMatcher *matchers, size_t n, TsdbError *error)
{
	for (size_t i = 0; i < n; i++)
		if (matchers[i].regex != NULL && tsdb_regex_limit_hit(matchers[i].regex))
			return tsdb_fail(error, TSDB_ERR_LIMIT, "regular expression \"%.*s\" takes too many steps to match",
							 (int) matchers[i].value.len, matchers[i].value.data);
	return TSDB_OK;
}

/* Equality costs less than a regex, so it is asked first. */
static Filter *
make_filters(TsdbArena *arena, const TsdbMatcher *matchers, size_t n)
{
	Filter	   *filters = TSDB_NEW_ARRAY(arena, Filter, n);
	size_t		at = 0;

	for (int regex = 0; regex <= 1; regex++)
		for (size_t i = 0; i < n; i++)
		{
			if ((matchers[i].regex != NULL) != regex)
				continue;
			filters[at].matcher = &matchers[i];
			filters[at].verdicts = regex ? tsdb_alloc0(arena, VERDICTS * sizeof(Verdict)) : NULL;
			at++;
		}
	return filters;
}

/* False when there is no label index. */
static bool
select_by_labels(Selection *selection, Oid heap, Snapshot snapshot, const TsdbMatcher *matchers, size_t n)
{
	Relation	relation = OidIsValid(heap) ? tsdb_leaf_open(heap, AccessShareLock) : NULL;
	Relation	index;
	TsdbPostings rows;

	if (relation == NULL)
		return true;
	index = tsdb_label_index_open(relation, AccessShareLock);
	if (index != NULL)
	{
		TsdbArena  *scratch = tsdb_arena_child(selection->arena);
		bool		recheck;

		tsdb_postings_init(&rows, scratch);
		recheck = pgtsdb_label_index_tids(index, selection->part, matchers, n, false, &rows);
		fetch_rows(selection, relation, snapshot, &rows, recheck);
		tsdb_arena_free(scratch);
		index_close(index, NoLock);
	}
	table_close(relation, NoLock);
	return index != NULL;
}

static void
fetch_rows(Selection *selection, Relation heap, Snapshot snapshot, const TsdbPostings *rows, bool recheck)
{
	TsdbPostingsIterator iterator = tsdb_postings_iterate(rows);
	IndexFetchTableData *fetch = table_index_fetch_begin(heap);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	uint64		number;

	while (tsdb_postings_next(&iterator, &number))
	{
		ItemPointerData tid = pgtsdb_am_tid(number);
		bool		call_again = false;

		CHECK_FOR_INTERRUPTS();
		if (table_index_fetch_tuple(fetch, &tid, snapshot, slot, &call_again, NULL))
			consider(selection, slot, recheck);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_index_fetch_end(fetch);
}

static void
select_all(Selection *selection, Oid heap, Snapshot snapshot)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, heap, lengthof(columns), columns, snapshot, AccessShareLock))
		return;
	pgtsdb_scan_clear(&scan);
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, selection->part);
	pgtsdb_scan_start(&scan);
	while (pgtsdb_scan_next(&scan))
		consider(selection, scan.slot, true);
	pgtsdb_scan_close(&scan);
}

/*
 * Adds the series of the row when all filters let it through.  They look at the stored bytes, since without an index many more
 * series are looked at than match.
 */
static void
consider(Selection *selection, TupleTableSlot *slot, bool check)
{
	Datum		datum = value_of(slot, PGTSDB_SERIES_LABELS);
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(datum);
	TsdbStr		bytes = {VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)};
	size_t		passed = 0;

	while (check && passed < selection->n_filters && filter_matches(selection->values, &selection->filters[passed], bytes))
		passed++;
	tsdb_arena_reset(selection->values);
	if (!check || passed == selection->n_filters)
		add_series(selection, slot, bytes);
	if ((Pointer) stored != DatumGetPointer(datum))
		pfree(stored);
}

static Datum
value_of(TupleTableSlot *slot, AttrNumber column)
{
	bool		isnull;

	return slot_getattr(slot, column, &isnull);
}

static void
add_series(Selection *selection, TupleTableSlot *slot, TsdbStr bytes)
{
	PgtsdbSeries *found = next_slot(selection);
	bool		gone_at_is_null;
	TsdbError	error;

	slot_getattr(slot, PGTSDB_SERIES_GONE_AT, &gone_at_is_null);
	*found = (PgtsdbSeries) {
		.part = selection->part,
		.group_id = DatumGetInt32(value_of(slot, PGTSDB_SERIES_GROUP_ID)),
		.col = DatumGetInt16(value_of(slot, PGTSDB_SERIES_COL)),
		.gone = !gone_at_is_null
	};
	if (tsdb_labels_read(selection->arena, bytes.data, bytes.len, &found->labels, &error) != TSDB_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("labels of series (part %d, group %d, column %d) are corrupt", found->part, found->group_id, found->col),
				 errdetail("%s", error.message)));
}

static PgtsdbSeries *
next_slot(Selection *selection)
{
	if (selection->n == selection->capacity)
	{
		size_t		more = Max(selection->capacity * 2, 64);

		selection->series = tsdb_grow(selection->arena, selection->series, selection->capacity * sizeof(PgtsdbSeries),
									  more * sizeof(PgtsdbSeries));
		selection->capacity = more;
	}
	return &selection->series[selection->n++];
}

static bool
filter_matches(TsdbArena *arena, const Filter *filter, TsdbStr labels)
{
	TsdbStr		value = tsdb_labels_find(arena, labels.data, labels.len, filter->matcher->name);
	TsdbHash	hash;
	Verdict    *verdict;

	if (filter->verdicts == NULL)
		return tsdb_matcher_matches(filter->matcher, value);
	hash = tsdb_hash(value.data, value.len, 0);
	verdict = &filter->verdicts[hash.lo & (VERDICTS - 1)];
	if (verdict->value.lo != hash.lo || verdict->value.hi != hash.hi)
	{
		verdict->value = hash;
		verdict->matches = tsdb_matcher_matches(filter->matcher, value);
	}
	return verdict->matches;
}

static int
compare_places(const void *a, const void *b)
{
	const PgtsdbSeries *x = a;
	const PgtsdbSeries *y = b;

	if (x->group_id != y->group_id)
		return x->group_id < y->group_id ? -1 : 1;
	return (int) x->col - (int) y->col;
}
