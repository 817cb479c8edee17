/*
 * find_labels.c
 *		Label names and label values that series have, by the label index.
 *
 * A value counts when one row of its list is a series that is asked for: one that matches, which is a matter of lists; that
 * the snapshot sees, for which its row is fetched; and that has samples in the range, if there is one.  Mostly the first row
 * of a list is such a series, and the others are passed over.  So ten thousand values are ten thousand rows, whatever the
 * number of series; and a name takes one.
 *
 * Where most rows are dead, retired long ago or do not match, that can take longer than to look at each series once.  The
 * rows and entries looked at are counted, and the search gives up when there are more of them than series.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "pg/mem.h"
#include "pg/storage/find_labels.h"
#include "pg/storage/presence.h"
#include "pg/storage/series_rows.h"

/* That many series are looked at as fast. */
#define FEW_SERIES 200
/* That many steps are taken in any case. */
#define FREE_STEPS 1000

/* A text that is shorter has its place in the index by all of its bytes: what comes behind it is greater, even when it is cut. */
#define SHORT_TEXT 256

typedef struct Finding
{
	const PgtsdbLabelSearch *search;
	TsdbStrTable *found;
	PgtsdbSeriesRows rows;
	TsdbPostings matching;		/* if there are matchers */
	PgtsdbPresence *presence;	/* if the time is bounded */
	MemoryContext label_context;
	uint64		n_series;		/* that may be meant; 0: not known yet */
	uint64		steps;			/* taken so far */
	bool		gave_up;
	size_t		n_found;
} Finding;

static bool find(Finding *finding);
static bool find_matching(Finding *finding);
static bool may_go_on(Finding *finding);
static PgtsdbLabelStep look_at(void *context, PgtsdbLabelEntry *entry);
static bool is_wanted(Finding *finding, uint64 number);
static PgtsdbLabelStep add_found(Finding *finding, const PgtsdbLabelEntry *entry);

bool
pgtsdb_find_labels(const PgtsdbLabelSearch *search, TsdbStrTable *found)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb search for labels", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Finding    *finding = palloc0_object(Finding);
	bool		done = true;

	finding->search = search;
	finding->found = found;
	if (pgtsdb_series_rows_open(&finding->rows, search->part, search->snapshot))
	{
		done = finding->rows.index != NULL && find(finding);
		pgtsdb_series_rows_close(&finding->rows);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return done;
}

static bool
find(Finding *finding)
{
	const PgtsdbLabelSearch *search = finding->search;

	if (search->n_matchers > 0 && !find_matching(finding))
		return false;
	finding->label_context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb label", ALLOCSET_SMALL_SIZES);
	if (search->bounded)
		finding->presence = pgtsdb_presence_open(search->part, search->snapshot, search->t_lo, search->t_hi);
	pgtsdb_label_index_walk(finding->rows.index, search->part, search->name, look_at, finding);
	if (finding->presence != NULL)
		pgtsdb_presence_close(finding->presence);
	return !finding->gave_up;
}

/* The rows that match; false when it is better to look at these. */
static bool
find_matching(Finding *finding)
{
	const PgtsdbLabelSearch *search = finding->search;
	bool		is_exact;

	tsdb_postings_init(&finding->matching, pgtsdb_arena_create(CurrentMemoryContext, 0, NULL));
	is_exact = !pgtsdb_label_index_tids(finding->rows.index, search->part, search->matchers, search->n_matchers, true,
										&finding->matching);
	finding->n_series = tsdb_postings_count(&finding->matching);
	/* a pattern that gave up is an error, which is found when the series are read */
	for (size_t i = 0; i < search->n_matchers; i++)
		is_exact = is_exact && (search->matchers[i].regex == NULL || !tsdb_regex_limit_hit(search->matchers[i].regex));
	return is_exact && finding->n_series > FEW_SERIES;
}

static PgtsdbLabelStep
look_at(void *context, PgtsdbLabelEntry *entry)
{
	Finding    *finding = context;
	TsdbPostingsIterator iterator;
	uint64		number;

	if (finding->search->n_matchers > 0)
		tsdb_postings_intersect(&entry->rows, &finding->matching);
	iterator = tsdb_postings_iterate(&entry->rows);
	do
	{
		if (!may_go_on(finding))
			return PGTSDB_NO_MORE;
		if (!tsdb_postings_next(&iterator, &number))
			return PGTSDB_NEXT_ROWS;
	} while (!is_wanted(finding, number));
	return add_found(finding, entry);
}

/* All series are counted only when few steps were not enough. */
static bool
may_go_on(Finding *finding)
{
	const PgtsdbLabelSearch *search = finding->search;

	if (finding->steps++ < FREE_STEPS)
		return true;
	if (finding->n_series == 0)
		finding->n_series = pgtsdb_label_index_count(finding->rows.index, search->part, TSDB_STR(""), TSDB_STR(""), PG_INT64_MAX);
	finding->gave_up = finding->steps > finding->n_series;
	return !finding->gave_up;
}

static bool
is_wanted(Finding *finding, uint64 number)
{
	TupleTableSlot *slot = finding->rows.slot;
	bool		is_null;

	return pgtsdb_series_rows_fetch(&finding->rows, number) &&
		(finding->presence == NULL ||
		 pgtsdb_is_present(finding->presence, DatumGetInt32(slot_getattr(slot, PGTSDB_SERIES_GROUP_ID, &is_null)),
						   DatumGetInt16(slot_getattr(slot, PGTSDB_SERIES_COL, &is_null))));
}

static PgtsdbLabelStep
add_found(Finding *finding, const PgtsdbLabelEntry *entry)
{
	const PgtsdbLabelSearch *search = finding->search;
	bool		names = search->name.len == 0;
	TsdbLabel	label = entry->label;
	TsdbStr		text;

	if (entry->name_is_cut || (entry->value_is_cut && !names))
	{
		MemoryContext caller = MemoryContextSwitchTo(finding->label_context);

		label = pgtsdb_series_rows_label(&finding->rows, label);
		MemoryContextSwitchTo(caller);
	}
	text = names ? label.name : label.value;
	/* the name that was asked for may be cut as another one is */
	if (text.len > 0 && (names || tsdb_str_equal(label.name, search->name)))
	{
		tsdb_str_table_add(finding->found, text);
		finding->n_found++;
	}
	MemoryContextReset(finding->label_context);
	if (search->limit > 0 && finding->n_found > search->limit && text.len < SHORT_TEXT)
		return PGTSDB_NO_MORE;
	return names ? PGTSDB_NEXT_NAME : PGTSDB_NEXT_VALUE;
}
