/*
 * reader.c
 *		Samples of a tenant as the evaluator wants them: series by series, in order of time.
 *
 * One select() reads series, chunks and head under one snapshot, so that a
 * compaction that commits meanwhile is seen as a whole or not at all.  Head is
 * scanned for the whole range: nothing outside the tables says from when on
 * samples are in head only.
 *
 * The loops go leaf by leaf and within a leaf group by group, so that a scan is
 * opened once per leaf and the samples of a column come nearly in order of time.
 * What each row says about a column becomes a run; at the end the runs of a series
 * are united (core/samples), chunks before head, which is the rule for a timestamp
 * that is stored twice.  A label set that lives in several columns (it was retired
 * and came back, or moved to another part) is united the same way.
 */
#include "postgres.h"

#include "access/skey.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/samples/samples.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/storage/decode.h"
#include "pg/storage/reader.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"

typedef struct StorageSource
{
	TsdbSeriesSource source;	/* first: the evaluator sees only this */
	const PgtsdbTenant *tenant;
	Snapshot	snapshot;
} StorageSource;

/* A series of the answer: its labels, and the column its samples are decoded into. */
typedef struct Found
{
	TsdbLabels	labels;
	size_t		order;			/* of finding */
	PgtsdbColumn *column;
} Found;

/* What one select() works with; all of it in the scratch arena. */
typedef struct Reading
{
	const StorageSource *source;
	TsdbArena  *scratch;
	PgtsdbDecoder decoder;
	Found	   *found;
	size_t		n_found;
} Reading;

static TsdbStatus storage_select(TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what,
								 TsdbSeriesData **series, size_t *n, TsdbError *error);
static TsdbStatus read_part(Reading *reading, int32 part, const TsdbSelect *what, TsdbError *error);
static PgtsdbGroup *make_groups(Reading *reading, const PgtsdbSeries *series, size_t n_series, size_t *n_groups);
static TsdbStatus read_chunks(Reading *reading, int32 part, PgtsdbGroup *groups, size_t n_groups, TsdbError *error);
static TsdbStatus read_head(Reading *reading, int32 part, PgtsdbGroup *groups, size_t n_groups, TsdbError *error);
static void answer(Reading *reading, TsdbArena *arena, TsdbSeriesData **series, size_t *n);
static TsdbRun unite_columns(TsdbArena *scratch, const Found *found, size_t n);
static int	compare_found(const void *a, const void *b);

TsdbSeriesSource *
pgtsdb_storage_source(const PgtsdbTenant *tenant, Snapshot snapshot, TsdbArena *arena)
{
	StorageSource *source = TSDB_NEW(arena, StorageSource);

	source->source.select = storage_select;
	source->tenant = tenant;
	source->snapshot = snapshot;
	return &source->source;
}

static TsdbStatus
storage_select(TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what,
			   TsdbSeriesData **series, size_t *n, TsdbError *error)
{
	const StorageSource *storage = (StorageSource *) source;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb reader", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Reading		reading = {.source = storage};
	TsdbStatus	status = TSDB_OK;

	reading.scratch = pgtsdb_arena_create(context, (Size) pgtsdb_query_memory_limit * 1024 * 1024,
										  "pgtsdb.query_memory_limit");
	reading.decoder.arena = reading.scratch;
	reading.decoder.t_lo = what->t_min;
	reading.decoder.t_hi = what->t_max;
	reading.decoder.max_samples = what->max_samples;
	for (int i = 0; i < storage->tenant->n_parts && status == TSDB_OK; i++)
		status = read_part(&reading, storage->tenant->parts[i], what, error);
	if (status == TSDB_OK)
		answer(&reading, arena, series, n);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return status;
}

static TsdbStatus
read_part(Reading *reading, int32 part, const TsdbSelect *what, TsdbError *error)
{
	PgtsdbSeries *series;
	size_t		n_series;
	PgtsdbGroup *groups;
	size_t		n_groups;
	TsdbStatus	status;

	status = pgtsdb_select_series(part, reading->source->snapshot, reading->scratch, what->matchers, what->n_matchers,
								  &series, &n_series, error);
	if (status != TSDB_OK || n_series == 0)
		return status;
	groups = make_groups(reading, series, n_series, &n_groups);
	status = read_chunks(reading, part, groups, n_groups, error);
	if (status == TSDB_OK)
		status = read_head(reading, part, groups, n_groups, error);
	return status;
}

/* Series come by (group, col): neighbours of one group become its wanted columns. */
static PgtsdbGroup *
make_groups(Reading *reading, const PgtsdbSeries *series, size_t n_series, size_t *n_groups)
{
	TsdbArena  *scratch = reading->scratch;
	PgtsdbColumn *columns = tsdb_alloc0(scratch, n_series * sizeof(PgtsdbColumn));
	Found	   *found = TSDB_NEW_ARRAY(scratch, Found, reading->n_found + n_series);
	PgtsdbGroup *groups = TSDB_NEW_ARRAY(scratch, PgtsdbGroup, n_series);

	*n_groups = 0;
	if (reading->n_found > 0)
		memcpy(found, reading->found, reading->n_found * sizeof(Found));
	for (size_t i = 0; i < n_series; i++)
	{
		size_t		order = reading->n_found + i;
		PgtsdbGroup group = {.part = series[i].part, .group_id = series[i].group_id, .columns = &columns[i]};

		if (i == 0 || series[i].group_id != series[i - 1].group_id)
			groups[(*n_groups)++] = group;
		groups[*n_groups - 1].n_columns++;
		columns[i].col = series[i].col;
		found[order] = (Found) {.labels = series[i].labels, .order = order, .column = &columns[i]};
	}
	reading->found = found;
	reading->n_found += n_series;
	return groups;
}

static TsdbStatus
read_chunks(Reading *reading, int32 part, PgtsdbGroup *groups, size_t n_groups, TsdbError *error)
{
	PgtsdbDecoder *decoder = &reading->decoder;
	int64		t_from = pgtsdb_chunks_from(decoder->t_lo);
	TsdbStatus	status = TSDB_OK;
	List	   *leaves;
	ListCell   *cell;

	if (!tsdb_local_relations(TSDB_TABLE_CHUNKS, part, t_from, decoder->t_hi, &leaves))
		return tsdb_fail(error, TSDB_ERR_EXECUTION, "part %d is not on this node", part);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);
		PgtsdbScan	scan;

		if (!pgtsdb_chunk_scan_open(&scan, leaf, reading->source->snapshot, AccessShareLock))
			continue;
		for (size_t i = 0; i < n_groups && status == TSDB_OK; i++)
		{
			pgtsdb_chunk_scan_start(&scan, leaf, &groups[i], t_from, decoder->t_hi);
			while (status == TSDB_OK && pgtsdb_chunk_scan_next(&scan, &groups[i]))
				status = pgtsdb_decode_chunk(decoder, &scan, &groups[i], error);
		}
		pgtsdb_scan_close(&scan);
		if (status != TSDB_OK)
			break;
	}
	return status;
}

static TsdbStatus
read_head(Reading *reading, int32 part, PgtsdbGroup *groups, size_t n_groups, TsdbError *error)
{
	PgtsdbDecoder *decoder = &reading->decoder;
	TsdbStatus	status = TSDB_OK;
	PgtsdbScan	scan;

	if (!pgtsdb_head_scan_open(&scan, tsdb_local_table(TSDB_TABLE_HEAD, part), reading->source->snapshot, AccessShareLock))
		return TSDB_OK;
	for (size_t i = 0; i < n_groups && status == TSDB_OK; i++)
	{
		pgtsdb_head_scan_start(&scan, &groups[i], pgtsdb_head_from(decoder->t_lo), decoder->t_hi);
		while (status == TSDB_OK && pgtsdb_scan_next(&scan))
			status = pgtsdb_decode_head(decoder, &scan, &groups[i], error);
		pgtsdb_finish_head(decoder, &groups[i]);
	}
	pgtsdb_scan_close(&scan);
	return status;
}

/* Sorted by labels, equal label sets as one series, without those that have no sample. */
static void
answer(Reading *reading, TsdbArena *arena, TsdbSeriesData **series, size_t *n)
{
	Found	   *found = reading->found;
	size_t		n_found = reading->n_found;

	*series = TSDB_NEW_ARRAY(arena, TsdbSeriesData, n_found);
	*n = 0;
	if (n_found > 1)
		qsort(found, n_found, sizeof(Found), compare_found);
	for (size_t i = 0, end; i < n_found; i = end)
	{
		TsdbRun		run;
		TsdbSeriesData *data;

		CHECK_FOR_INTERRUPTS();
		for (end = i + 1; end < n_found && tsdb_labels_equal(found[i].labels, found[end].labels); end++)
			;
		run = unite_columns(reading->scratch, &found[i], end - i);
		if (run.n == 0)
			continue;
		data = &(*series)[(*n)++];
		data->labels = tsdb_labels_copy(arena, found[i].labels);
		data->n = run.n;
		data->t = memcpy(TSDB_NEW_ARRAY(arena, int64, run.n), run.t, run.n * sizeof(int64));
		data->v = memcpy(TSDB_NEW_ARRAY(arena, double, run.n), run.v, run.n * sizeof(double));
	}
}

/* Columns of one label set: what chunks say comes before what head says. */
static TsdbRun
unite_columns(TsdbArena *scratch, const Found *found, size_t n)
{
	size_t		n_runs = 0;
	TsdbRun    *runs;

	if (n == 1)
		return tsdb_runs_unite(scratch, found->column->runs, found->column->n_runs);
	for (size_t i = 0; i < n; i++)
		n_runs += found[i].column->n_runs;
	runs = TSDB_NEW_ARRAY(scratch, TsdbRun, n_runs);
	n_runs = 0;
	for (int head = 0; head <= 1; head++)
		for (size_t i = 0; i < n; i++)
		{
			const PgtsdbColumn *column = found[i].column;
			size_t		from = head ? column->n_chunk_runs : 0;
			size_t		to = head ? column->n_runs : column->n_chunk_runs;

			for (size_t r = from; r < to; r++)
				runs[n_runs++] = column->runs[r];
		}
	return tsdb_runs_unite(scratch, runs, n_runs);
}

/* Equal labels in the order in which their columns were found. */
static int
compare_found(const void *a, const void *b)
{
	const Found *x = a;
	const Found *y = b;
	int			order = tsdb_labels_compare(x->labels, y->labels);

	if (order != 0)
		return order;
	return (x->order > y->order) - (x->order < y->order);
}
