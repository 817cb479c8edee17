/*
 * reader.c
 *		Samples of a tenant as the evaluator wants them: series by series, in order of time.
 *
 * One select() reads series, chunks and head under one snapshot, so that a
 * compaction that commits meanwhile is seen as a whole or not at all.  Head is
 * scanned for the whole range: nothing outside the tables says from when on
 * samples are in head only.
 *
 * Series come by (part, group, column), which is the same order every time.  A group is read as a whole
 * and its series are handed on one by one (group_reader.h); nothing of it stays but the labels.
 *
 * A label set may live in several columns: it was retired and came back, or moved to
 * another part.  Such twins come last, with all their samples at hand: what chunks say before
 * what head says, which is the rule for a timestamp that is stored twice.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/samples/samples.h"
#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/storage/group_reader.h"
#include "pg/storage/reader.h"

typedef struct StorageSource
{
	TsdbSeriesSource source;	/* first: the evaluator sees only this */
	const PgtsdbTenant *tenant;
	Snapshot	snapshot;
} StorageSource;

/* Series of one part, by (group, column). */
typedef struct PartSeries
{
	int32		part;
	PgtsdbSeries *series;
	size_t		n;
} PartSeries;

/* A series of twins, and the column its samples are decoded into. */
typedef struct Twin
{
	TsdbLabels	labels;
	PgtsdbColumn *column;
} Twin;

/* What one select() works with. */
typedef struct Reading
{
	StorageSource *storage;
	TsdbArena  *scratch;
	const TsdbSelect *what;
	TsdbSeriesSink *sink;
	PartSeries *parts;			/* of the tenant */
	size_t		n_series;		/* in all parts */
	Twin	   *twins;
	size_t		n_twins;
} Reading;

static TsdbStatus storage_select(TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what,
								 TsdbSeriesSink *sink, TsdbError *error);
static TsdbStatus select_parts(Reading *reading, TsdbArena *arena, TsdbError *error);
static bool may_have_twins(const Reading *reading);
static void set_twins_apart(Reading *reading, PartSeries *twins);
static TsdbStatus read_part(Reading *reading, const PartSeries *part, TsdbError *error);
static TsdbStatus read_group(Reading *reading, PgtsdbGroupReader *reader, PgtsdbGroup *group, const PgtsdbSeries *series,
							 TsdbError *error);
static void read_twins(Reading *reading, const PartSeries *part);
static size_t next_group(TsdbArena *arena, const PartSeries *part, size_t from, PgtsdbGroup *group);
static TsdbStatus give_twins(Reading *reading, TsdbError *error);
static TsdbRun unite_twins(TsdbArena *scratch, const Twin *twins, size_t n);
static int	compare_labels(const void *a, const void *b, const void *context);
static int	compare_twins(const void *a, const void *b, const void *context);

TsdbSeriesSource *
pgtsdb_storage_source(const PgtsdbTenant *tenant, Snapshot snapshot, TsdbArena *arena)
{
	StorageSource *storage = TSDB_NEW(arena, StorageSource);

	storage->source.select = storage_select;
	storage->tenant = tenant;
	storage->snapshot = snapshot;
	return &storage->source;
}

static TsdbStatus
storage_select(TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what, TsdbSeriesSink *sink, TsdbError *error)
{
	StorageSource *storage = (StorageSource *) source;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb reader", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Reading		reading = {.storage = storage, .scratch = tsdb_arena_child(arena), .what = what, .sink = sink};
	TsdbStatus	status = select_parts(&reading, arena, error);

	if (status == TSDB_OK && may_have_twins(&reading))
	{
		PartSeries *twins = TSDB_NEW_ARRAY(reading.scratch, PartSeries, storage->tenant->n_parts);

		set_twins_apart(&reading, twins);
		for (int i = 0; i < storage->tenant->n_parts; i++)
			read_twins(&reading, &twins[i]);
	}
	for (int i = 0; i < storage->tenant->n_parts && status == TSDB_OK; i++)
		status = read_part(&reading, &reading.parts[i], error);
	if (status == TSDB_OK)
		status = give_twins(&reading, error);
	tsdb_arena_free(reading.scratch);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return status;
}

/* ---- series ---- */

/* The labels go to the arena of the query: they are part of its result. */
static TsdbStatus
select_parts(Reading *reading, TsdbArena *arena, TsdbError *error)
{
	const PgtsdbTenant *tenant = reading->storage->tenant;
	const TsdbSelect *what = reading->what;

	reading->parts = TSDB_NEW_ARRAY(reading->scratch, PartSeries, tenant->n_parts);
	for (int i = 0; i < tenant->n_parts; i++)
	{
		PartSeries *part = &reading->parts[i];
		TsdbStatus	status;

		part->part = tenant->parts[i];
		status = pgtsdb_select_series(part->part, reading->storage->snapshot, arena, what->matchers, what->n_matchers,
									  &part->series, &part->n, error);
		if (status != TSDB_OK)
			return status;
		reading->n_series += part->n;
		if (what->max_series > 0 && reading->n_series > what->max_series)
			return tsdb_fail_too_many_series(error, what->max_series);
	}
	reading->storage->source.stats.series += reading->n_series;
	return TSDB_OK;
}

/* Of the live rows of a part each has labels of its own. */
static bool
may_have_twins(const Reading *reading)
{
	size_t		n_filled = 0;

	for (int i = 0; i < reading->storage->tenant->n_parts; i++)
	{
		const PartSeries *part = &reading->parts[i];

		n_filled += part->n > 0;
		for (size_t k = 0; k < part->n; k++)
			if (part->series[k].gone)
				return true;
	}
	return n_filled > 1;
}

/* Moves the series whose labels others have as well from the parts to `twins`. */
static void
set_twins_apart(Reading *reading, PartSeries *twins)
{
	int			n_parts = reading->storage->tenant->n_parts;
	PgtsdbSeries **by_labels = TSDB_NEW_ARRAY(reading->scratch, PgtsdbSeries *, reading->n_series);
	size_t		n = 0;

	for (int i = 0; i < n_parts; i++)
		for (size_t k = 0; k < reading->parts[i].n; k++)
			by_labels[n++] = &reading->parts[i].series[k];
	tsdb_sort(reading->scratch, &pgtsdb_env, by_labels, n, sizeof(PgtsdbSeries *), compare_labels, NULL);
	for (size_t i = 0; i < n; i++)
		by_labels[i]->is_twin = (i > 0 && tsdb_labels_equal(by_labels[i - 1]->labels, by_labels[i]->labels)) ||
			(i + 1 < n && tsdb_labels_equal(by_labels[i]->labels, by_labels[i + 1]->labels));

	reading->twins = TSDB_NEW_ARRAY(reading->scratch, Twin, n);
	for (int i = 0; i < n_parts; i++)
	{
		PartSeries *part = &reading->parts[i];
		size_t		kept = 0;

		twins[i] = (PartSeries) {part->part, TSDB_NEW_ARRAY(reading->scratch, PgtsdbSeries, part->n), 0};
		for (size_t k = 0; k < part->n; k++)
			if (part->series[k].is_twin)
				twins[i].series[twins[i].n++] = part->series[k];
			else
				part->series[kept++] = part->series[k];
		part->n = kept;
	}
}

/* ---- samples ---- */

static PgtsdbGroupReader *
open_group_reader(Reading *reading, int32 part)
{
	return pgtsdb_group_reader_open(reading->scratch, part, reading->storage->snapshot, reading->what->t_min,
									reading->what->t_max, reading->what->newest_only, &reading->storage->source.stats);
}

static TsdbStatus
read_part(Reading *reading, const PartSeries *part, TsdbError *error)
{
	TsdbStatus	status = TSDB_OK;
	PgtsdbGroupReader *reader;
	TsdbArena  *columns;

	if (part->n == 0)
		return TSDB_OK;
	reader = open_group_reader(reading, part->part);
	columns = tsdb_arena_child(reading->scratch);
	for (size_t i = 0; i < part->n && status == TSDB_OK;)
	{
		PgtsdbGroup group;
		size_t		first = i;

		tsdb_arena_reset(columns);
		i = next_group(columns, part, first, &group);
		status = read_group(reading, reader, &group, &part->series[first], error);
	}
	pgtsdb_group_reader_close(reader);
	return status;
}

static TsdbStatus
read_group(Reading *reading, PgtsdbGroupReader *reader, PgtsdbGroup *group, const PgtsdbSeries *series, TsdbError *error)
{
	bool		was_given = false;

	pgtsdb_group_reader_fetch(reader, group);
	for (int i = 0; i < group->n_columns; i++)
	{
		bool		same_times;
		TsdbRun		run = pgtsdb_group_reader_column(reader, i, &same_times);
		TsdbSeriesData data = {series[i].labels, run.n, run.t, run.v};
		TsdbStatus	status;

		if (run.n > 0)
		{
			status = reading->sink->take(reading->sink, &data, same_times && was_given, error);
			if (status != TSDB_OK)
				return status;
		}
		was_given = run.n > 0;
	}
	return TSDB_OK;
}

/* The columns of the series that have the group of the series number `from`; the number of the series behind them. */
static size_t
next_group(TsdbArena *arena, const PartSeries *part, size_t from, PgtsdbGroup *group)
{
	size_t		end = from;

	while (end < part->n && part->series[end].group_id == part->series[from].group_id)
		end++;
	*group = (PgtsdbGroup) {
		.part = part->part,
		.group_id = part->series[from].group_id,
		.columns = tsdb_alloc0(arena, (end - from) * sizeof(PgtsdbColumn)),
		.n_columns = end - from
	};
	for (size_t i = from; i < end; i++)
		group->columns[i - from].col = part->series[i].col;
	return end;
}

/* ---- twins ---- */

static void
read_twins(Reading *reading, const PartSeries *part)
{
	PgtsdbGroupReader *reader;

	if (part->n == 0)
		return;
	reader = open_group_reader(reading, part->part);
	for (size_t i = 0; i < part->n;)
	{
		PgtsdbGroup *group = TSDB_NEW(reading->scratch, PgtsdbGroup);
		size_t		first = i;

		i = next_group(reading->scratch, part, first, group);
		pgtsdb_group_reader_runs(reader, reading->scratch, group);
		for (size_t k = first; k < i; k++)
			reading->twins[reading->n_twins++] = (Twin) {part->series[k].labels, &group->columns[k - first]};
	}
	pgtsdb_group_reader_close(reader);
}

static TsdbStatus
give_twins(Reading *reading, TsdbError *error)
{
	Twin	   *twins = reading->twins;
	size_t		n = reading->n_twins;

	tsdb_sort(reading->scratch, &pgtsdb_env, twins, n, sizeof(Twin), compare_twins, NULL);
	for (size_t i = 0, end; i < n; i = end)
	{
		TsdbSeriesData data = {.labels = twins[i].labels};
		TsdbRun		run;
		TsdbStatus	status;

		CHECK_FOR_INTERRUPTS();
		for (end = i + 1; end < n && tsdb_labels_equal(twins[i].labels, twins[end].labels); end++)
			;
		run = unite_twins(reading->scratch, &twins[i], end - i);
		if (run.n == 0)
			continue;
		reading->storage->source.stats.samples += run.n;
		data.n = run.n;
		data.t = run.t;
		data.v = run.v;
		status = reading->sink->take(reading->sink, &data, false, error);
		if (status != TSDB_OK)
			return status;
	}
	return TSDB_OK;
}

/* Columns of one label set: what chunks say comes before what head says. */
static TsdbRun
unite_twins(TsdbArena *scratch, const Twin *twins, size_t n)
{
	size_t		n_runs = 0;
	TsdbRun    *runs;

	for (size_t i = 0; i < n; i++)
		n_runs += twins[i].column->n_runs;
	runs = TSDB_NEW_ARRAY(scratch, TsdbRun, n_runs);
	n_runs = 0;
	for (int head = 0; head <= 1; head++)
		for (size_t i = 0; i < n; i++)
		{
			const PgtsdbColumn *column = twins[i].column;
			size_t		from = head ? column->n_chunk_runs : 0;
			size_t		to = head ? column->n_runs : column->n_chunk_runs;

			for (size_t r = from; r < to; r++)
				runs[n_runs++] = column->runs[r];
		}
	return tsdb_runs_unite(scratch, runs, n_runs);
}

static int
compare_labels(const void *a, const void *b, const void *context)
{
	return tsdb_labels_compare((*(PgtsdbSeries *const *) a)->labels, (*(PgtsdbSeries *const *) b)->labels);
}

/* Stable: equal label sets stay in the order in which their columns were found. */
static int
compare_twins(const void *a, const void *b, const void *context)
{
	return tsdb_labels_compare(((const Twin *) a)->labels, ((const Twin *) b)->labels);
}
