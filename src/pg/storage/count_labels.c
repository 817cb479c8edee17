/*
 * count_labels.c
 *		How many series have which labels, by the label index.
 *
 * The index knows the rows of each label, dead ones and retired series among them.  So the rows are read once, without
 * their labels, to find out which of them the snapshot sees and which are retired; then the lists of the index are intersected
 * with these lists of rows and counted, some dozens of rows in one step.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "pg/mem.h"
#include "pg/storage/count_labels.h"
#include "pg/storage/series_rows.h"

typedef struct Counting
{
	const PgtsdbCountOf *of;
	PgtsdbLabelCounter counter;
	void	   *context;
	PgtsdbSeriesRows rows;
	TsdbPostings seen;			/* all that follow, and series that were retired earlier */
	TsdbPostings series;
	TsdbPostings created;
	TsdbPostings retired;
	MemoryContext label_context;
} Counting;

static bool find_rows(Counting *counting);
static void sort_row(Counting *counting, uint64 number);
static PgtsdbSeriesCount count_common(const Counting *counting, const TsdbPostings *rows);
static PgtsdbLabelStep count_entry(void *context, PgtsdbLabelEntry *entry);
static TsdbLabel whole_label(Counting *counting, const PgtsdbLabelEntry *entry);

bool
pgtsdb_count_labels_by_index(const PgtsdbCountOf *of, PgtsdbLabelCounter counter, void *context, PgtsdbSeriesCount *all)
{
	MemoryContext own = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb count of labels", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(own);
	Counting   *counting = palloc0_object(Counting);
	bool		done = true;

	*all = (PgtsdbSeriesCount) {0};
	counting->of = of;
	counting->counter = counter;
	counting->context = context;
	if (pgtsdb_series_rows_open(&counting->rows, of->part, of->snapshot))
	{
		done = counting->rows.index != NULL && find_rows(counting);
		if (done)
		{
			*all = count_common(counting, &counting->seen);
			counting->label_context = AllocSetContextCreate(own, "pgtsdb label", ALLOCSET_SMALL_SIZES);
			pgtsdb_label_index_walk(counting->rows.index, of->part, of->name, count_entry, counting);
		}
		pgtsdb_series_rows_close(&counting->rows);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(own);
	return done;
}

/* The rows that match and are seen; false when the index is not sure which match. */
static bool
find_rows(Counting *counting)
{
	const PgtsdbCountOf *of = counting->of;
	TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	TsdbPostingsIterator iterator;
	TsdbPostings matching;
	uint64		number;

	tsdb_postings_init(&matching, arena);
	if (pgtsdb_label_index_tids(counting->rows.index, of->part, of->matchers, of->n_matchers, true, &matching))
		return false;
	tsdb_postings_init(&counting->seen, arena);
	tsdb_postings_init(&counting->series, arena);
	tsdb_postings_init(&counting->created, arena);
	tsdb_postings_init(&counting->retired, arena);
	iterator = tsdb_postings_iterate(&matching);
	while (tsdb_postings_next(&iterator, &number))
		if (pgtsdb_series_rows_fetch(&counting->rows, number))
			sort_row(counting, number);
	return true;
}

static void
sort_row(Counting *counting, uint64 number)
{
	TupleTableSlot *slot = counting->rows.slot;
	bool		is_live;
	bool		is_null;
	TimestampTz gone_at = DatumGetTimestampTz(slot_getattr(slot, PGTSDB_SERIES_GONE_AT, &is_live));

	tsdb_postings_add(&counting->seen, number);
	if (is_live)
		tsdb_postings_add(&counting->series, number);
	else if (gone_at >= counting->of->since)
		tsdb_postings_add(&counting->retired, number);
	if (DatumGetTimestampTz(slot_getattr(slot, PGTSDB_SERIES_CREATED_AT, &is_null)) >= counting->of->since)
		tsdb_postings_add(&counting->created, number);
}

static PgtsdbSeriesCount
count_common(const Counting *counting, const TsdbPostings *rows)
{
	return (PgtsdbSeriesCount) {
		.series = tsdb_postings_count_common(rows, &counting->series),
		.created = tsdb_postings_count_common(rows, &counting->created),
		.retired = tsdb_postings_count_common(rows, &counting->retired)
	};
}

static PgtsdbLabelStep
count_entry(void *context, PgtsdbLabelEntry *entry)
{
	Counting   *counting = context;
	PgtsdbSeriesCount count;

	tsdb_postings_intersect(&entry->rows, &counting->seen);
	if (entry->rows.n > 0)
	{
		TsdbLabel	label = entry->name_is_cut || entry->value_is_cut ? whole_label(counting, entry) : entry->label;

		count = count_common(counting, &entry->rows);
		/* the name that was asked for may be cut as another one is */
		if (counting->of->name.len == 0 || tsdb_str_equal(label.name, counting->of->name))
			counting->counter(counting->context, label, &count);
		MemoryContextReset(counting->label_context);
	}
	return PGTSDB_NEXT_ROWS;
}

static TsdbLabel
whole_label(Counting *counting, const PgtsdbLabelEntry *entry)
{
	TsdbPostingsIterator iterator = tsdb_postings_iterate(&entry->rows);
	MemoryContext caller = MemoryContextSwitchTo(counting->label_context);
	TsdbLabel	label = {0};
	uint64		number;

	if (tsdb_postings_next(&iterator, &number) && pgtsdb_series_rows_fetch(&counting->rows, number))
		label = pgtsdb_series_rows_label(&counting->rows, entry->label);
	MemoryContextSwitchTo(caller);
	return label;
}
