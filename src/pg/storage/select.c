/*
 * select.c
 *		The series of a part that match a list of matchers.
 *
 * The btree on (part, metric_name) answers when the metric name is given, as a
 * literal or as a set of alternatives; otherwise all series of the part are
 * looked at.  The other matchers are run on the stored labels.  A regex is slow
 * and the values of one label repeat, so that its recent verdicts are kept.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/qunique.h"
#include "utils/builtins.h"

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
	int32		part;
	Filter	   *filters;		/* cheap ones first */
	size_t		n_filters;
	PgtsdbSeries *series;
	size_t		n;
	size_t		capacity;
} Selection;

static TsdbStatus check_limits(const TsdbMatcher *matchers, size_t n, TsdbError *error);
static Filter *make_filters(TsdbArena *arena, const TsdbMatcher *matchers, size_t n);
static const TsdbStr *metric_names(const TsdbMatcher *matchers, size_t n_matchers, size_t *n);
static void select_by_name(Selection *selection, Oid heap, Snapshot snapshot, const TsdbStr *names, size_t n);
static void select_all(Selection *selection, Oid heap, Snapshot snapshot);
static void consider(Selection *selection, const PgtsdbScan *scan);
static PgtsdbSeries *next_slot(Selection *selection);
static void add_series(Selection *selection, const PgtsdbScan *scan, TsdbStr bytes);
static bool filter_matches(const Filter *filter, TsdbStr labels);
static int	compare_places(const void *a, const void *b);

TsdbStatus
pgtsdb_select_series(int32 part, Snapshot snapshot, TsdbArena *arena, const TsdbMatcher *matchers, size_t n_matchers,
					 PgtsdbSeries **series, size_t *n, TsdbError *error)
{
	Selection	selection = {.arena = arena, .part = part, .n_filters = n_matchers};
	Oid			heap = tsdb_local_table(TSDB_TABLE_SERIES, part);
	size_t		n_names;
	const TsdbStr *names = metric_names(matchers, n_matchers, &n_names);

	selection.filters = make_filters(arena, matchers, n_matchers);
	if (names != NULL)
		select_by_name(&selection, heap, snapshot, names, n_names);
	else
		select_all(&selection, heap, snapshot);

	if (selection.n > 1)
	{
		qsort(selection.series, selection.n, sizeof(PgtsdbSeries), compare_places);
		/* an alternative may stand in a pattern twice */
		selection.n = qunique(selection.series, selection.n, sizeof(PgtsdbSeries), compare_places);
	}
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

/* The metric names that the matchers leave possible; NULL: any. */
static const TsdbStr *
metric_names(const TsdbMatcher *matchers, size_t n_matchers, size_t *n)
{
	for (size_t i = 0; i < n_matchers; i++)
	{
		const TsdbMatcher *matcher = &matchers[i];

		if (!tsdb_str_equal(matcher->name, TSDB_STR(TSDB_METRIC_NAME)))
			continue;
		if (matcher->type == TSDB_MATCH_EQUAL)
		{
			*n = 1;
			return &matcher->value;
		}
		if (matcher->type == TSDB_MATCH_REGEX)
		{
			const TsdbStr *names = tsdb_regex_alternatives(matcher->regex, n);

			if (*n > 0)
				return names;
		}
	}
	return NULL;
}

static void
select_by_name(Selection *selection, Oid heap, Snapshot snapshot, const TsdbStr *names, size_t n)
{
	static const char *const columns[] = {"part", "metric_name"};
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, heap, lengthof(columns), columns, snapshot, AccessShareLock))
		return;
	for (size_t i = 0; i < n; i++)
	{
		text	   *name = cstring_to_text_with_len(names[i].data, names[i].len);

		pgtsdb_scan_clear(&scan);
		pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, selection->part);
		pgtsdb_scan_key_text(&scan, 2, PointerGetDatum(name));
		pgtsdb_scan_start(&scan);
		while (pgtsdb_scan_next(&scan))
			consider(selection, &scan);
		pfree(name);
	}
	pgtsdb_scan_close(&scan);
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
		consider(selection, &scan);
	pgtsdb_scan_close(&scan);
}

/*
 * Adds the series of the row when all filters let it through.  They look at the stored bytes, since mostly many more
 * series are looked at than match.
 */
static void
consider(Selection *selection, const PgtsdbScan *scan)
{
	Datum		datum = pgtsdb_scan_value(scan, PGTSDB_SERIES_LABELS);
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(datum);
	TsdbStr		bytes = {VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)};
	size_t		passed = 0;

	while (passed < selection->n_filters && filter_matches(&selection->filters[passed], bytes))
		passed++;
	if (passed == selection->n_filters)
		add_series(selection, scan, bytes);
	if ((Pointer) stored != DatumGetPointer(datum))
		pfree(stored);
}

static void
add_series(Selection *selection, const PgtsdbScan *scan, TsdbStr bytes)
{
	PgtsdbSeries *found = next_slot(selection);
	bool		gone_at_is_null;
	TsdbError	error;

	slot_getattr(scan->slot, PGTSDB_SERIES_GONE_AT, &gone_at_is_null);
	*found = (PgtsdbSeries) {
		.part = selection->part,
		.group_id = DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_SERIES_GROUP_ID)),
		.col = DatumGetInt16(pgtsdb_scan_value(scan, PGTSDB_SERIES_COL)),
		.gone = !gone_at_is_null
	};
	/* the row may leave the buffer with the next one, so the labels point into a copy */
	bytes = tsdb_str_copy(selection->arena, bytes);
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
filter_matches(const Filter *filter, TsdbStr labels)
{
	TsdbStr		value = tsdb_labels_find(labels.data, labels.len, filter->matcher->name);
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
