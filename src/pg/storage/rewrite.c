/*
 * rewrite.c
 *		Takes the samples of a group and a stretch of time out of head and chunks, and puts them back as chunks.
 *
 * The lock of the group keeps other rewriters away, and a snapshot taken after
 * it sees what they did.  Writers are not kept away: a row of head that appears
 * after the snapshot is not read and therefore not deleted, because what is deleted
 * is the list of tuples that were decoded, never a range of keys.  It stays in
 * head, is found by readers, and the next rewrite takes it.
 *
 * Chunks that overlap in time with the rows of head (late samples) are
 * taken along, and those that overlap with these, until nothing more is found. So the chunks of
 * a group never overlap each other in time, their keys cannot collide, and a
 * timestamp that is stored twice is settled by the same rule as in the reader.
 *
 * What goes back is cut by retention class, since each class has leaves of its own: the columns of one class are
 * written as if the others had no sample, and keep their numbers.
 *
 * One rewrite holds at most MAX_SAMPLES of head, so that a day that was loaded at once
 * is compacted in bounded memory.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "core/chunk/chunk.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/storage/decode.h"
#include "pg/storage/late_writes.h"
#include "pg/storage/reader.h"
#include "pg/storage/relations.h"
#include "pg/storage/retention_policies.h"
#include "pg/storage/rewrite.h"
#include "pg/storage/schema.h"
#include "pg/storage/statement.h"
#include "pg/storage/storage.h"
#include "pg/storage/storage_internal.h"
#include "pg/types/types.h"

/* 16 bytes each, and twice that while runs are united. */
#define MAX_SAMPLES (4 * 1024 * 1024)

/* A tuple that was decoded, and must still be what it was when it is deleted. */
typedef struct Taken
{
	Oid			heap;
	ItemPointerData tid;
} Taken;

typedef struct Job
{
	PgtsdbRewrite *rewrite;
	TsdbArena  *arena;
	Snapshot	snapshot;
	PgtsdbDecoder decoder;
	PgtsdbGroup head;			/* every column a group can have */
	PgtsdbGroup chunks;
	TsdbRun    *columns;		/* what goes back, by column; of one class while that is inserted */
	PgtsdbGroupClasses *classes;
	int16		class;			/* that is inserted */
	size_t		n_times;		/* different timestamps of head rows */
	Taken	   *taken;
	size_t		n_taken;
	size_t		max_taken;
	Oid			chunk_type;
} Job;

/* What one call of the chunk writer gets: within one partition, one span, and its limit of timestamps. */
typedef struct Segment
{
	int64		t_end;			/* exclusive */
	const int64 *times;
	size_t		n_times;
} Segment;

static void job_init(Job *job, PgtsdbRewrite *rewrite, MemoryContext context);
static PgtsdbGroup all_columns(TsdbArena *arena, int32 part, int32 group_id);
static void take(Job *job, const PgtsdbScan *scan);
static void take_head(Job *job);
static bool sample_range(const PgtsdbGroup *group, int64 *t_min, int64 *t_max);
static void take_chunks(Job *job, int64 t_min, int64 t_max);
static bool widen_over_chunks(Job *job, int64 *t_min, int64 *t_max);
static void unite_columns(Job *job);
static TsdbRun drop_samples(Job *job, int16 col, TsdbRun run);
static void delete_taken(Job *job);
static void drop_expired(Job *job);
static bool find_missing_partition(Job *job);
static bool first_sample(const TsdbRun *columns, int n, int64 from, int64 *t);
static void insert_chunks(Job *job);
static TsdbRun *columns_of_class(const Job *job, const TsdbRun *columns, int number);
static bool next_segment(Job *job, const size_t *done, Segment *segment);
static void cut_segment(Job *job, const size_t *done, Segment *segment);
static void unite_times(Job *job, const size_t *done, Segment *segment);
static void insert_segment(Job *job, const size_t *done, const Segment *segment);
static TsdbChunkColumn chunk_column(Job *job, const Segment *segment, TsdbRun run);
static void insert_row(Job *job, const TsdbChunkRow *row);
static bool has_times(TsdbRun all, TsdbRun some);
static TsdbRun run_of_segment(TsdbRun run, size_t done, const Segment *segment);
static size_t samples_before(TsdbRun run, size_t from, int64 t_end);

void
pgtsdb_rewrite_group(PgtsdbRewrite *rewrite, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	Job			job;
	int64		t_min;
	int64		t_max;
	bool		any;

	PushActiveSnapshot(GetLatestSnapshot());
	job_init(&job, rewrite, context);
	take_head(&job);
	any = sample_range(&job.head, &t_min, &t_max);
	if (rewrite->n_drop_columns > 0)
	{
		/* also where head has nothing */
		t_min = any ? Min(t_min, Max(rewrite->t_lo, rewrite->drop_lo)) : Max(rewrite->t_lo, rewrite->drop_lo);
		t_max = any ? Max(t_max, Min(rewrite->t_hi, rewrite->drop_hi)) : Min(rewrite->t_hi, rewrite->drop_hi);
		any = t_min <= t_max;
	}
	if (any && job.n_times < rewrite->merge_max_times && !rewrite->cut_short)
		t_min = Min(t_min, rewrite->merge_lo);
	if (any)
		take_chunks(&job, t_min, t_max);
	if (job.n_taken > 0)
	{
		job.classes = pgtsdb_group_classes(job.arena, rewrite->part, rewrite->group_id, job.snapshot);
		unite_columns(&job);
		drop_expired(&job);
		rewrite->needs_partition = !rewrite->may_make_partitions && find_missing_partition(&job);
	}
	PopActiveSnapshot();

	if (job.n_taken > 0 && !rewrite->needs_partition)
	{
		/* First make room for keys that come back. */
		delete_taken(&job);
		CommandCounterIncrement();
		insert_chunks(&job);
	}
	MemoryContextSwitchTo(caller);
}

static void
job_init(Job *job, PgtsdbRewrite *rewrite, MemoryContext context)
{
	memset(job, 0, sizeof(*job));
	job->rewrite = rewrite;
	job->arena = pgtsdb_arena_create(context, 0, NULL);
	job->snapshot = GetActiveSnapshot();
	job->decoder.arena = job->arena;
	job->decoder.t_lo = PG_INT64_MIN;
	job->decoder.t_hi = PG_INT64_MAX;
	job->head = all_columns(job->arena, rewrite->part, rewrite->group_id);
	job->chunks = all_columns(job->arena, rewrite->part, rewrite->group_id);
	rewrite->head_rows = rewrite->samples = rewrite->chunk_rows = rewrite->chunk_bytes = 0;
	rewrite->cut_short = false;
	rewrite->needs_partition = false;
}

static PgtsdbGroup
all_columns(TsdbArena *arena, int32 part, int32 group_id)
{
	PgtsdbGroup group = {.part = part, .group_id = group_id, .n_columns = PGTSDB_MAX_GROUP_COLUMNS};

	group.columns = tsdb_alloc0(arena, group.n_columns * sizeof(PgtsdbColumn));
	for (int i = 0; i < group.n_columns; i++)
		group.columns[i].col = i;
	return group;
}

static void
take(Job *job, const PgtsdbScan *scan)
{
	if (job->n_taken == job->max_taken)
	{
		size_t		more = Max(job->max_taken * 2, 256);

		job->taken = tsdb_grow(job->arena, job->taken, job->max_taken * sizeof(Taken), more * sizeof(Taken));
		job->max_taken = more;
	}
	job->taken[job->n_taken].heap = RelationGetRelid(scan->heap);
	job->taken[job->n_taken].tid = scan->slot->tts_tid;
	job->n_taken++;
}

static void
take_head(Job *job)
{
	PgtsdbRewrite *rewrite = job->rewrite;
	int64		last = PG_INT64_MIN;
	PgtsdbScan	scan;

	if (!pgtsdb_head_scan_open(&scan, tsdb_local_table(TSDB_TABLE_HEAD, rewrite->part), job->snapshot, RowExclusiveLock))
		return;
	pgtsdb_head_scan_start(&scan, &job->head, rewrite->t_lo, rewrite->t_hi);
	while (pgtsdb_scan_next(&scan))
	{
		int64		ts = DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_HEAD_TS));

		/* Rows of one timestamp stay together. */
		if (job->decoder.n_samples > MAX_SAMPLES && ts != last)
		{
			rewrite->cut_short = true;
			rewrite->t_next = ts;
			break;
		}
		pgtsdb_decode_head(&job->decoder, &scan, &job->head);
		take(job, &scan);
		job->n_times += rewrite->head_rows == 0 || ts != last;
		rewrite->head_rows++;
		last = ts;
	}
	pgtsdb_finish_head(&job->decoder, &job->head);
	pgtsdb_scan_close(&scan);
}

static bool
sample_range(const PgtsdbGroup *group, int64 *t_min, int64 *t_max)
{
	bool		any = false;

	for (int i = 0; i < group->n_columns; i++)
		for (int r = 0; r < group->columns[i].n_runs; r++)
		{
			const TsdbRun *run = &group->columns[i].runs[r];

			for (size_t s = 0; s < run->n; s++)
			{
				*t_min = any ? Min(*t_min, run->t[s]) : run->t[s];
				*t_max = any ? Max(*t_max, run->t[s]) : run->t[s];
				any = true;
			}
		}
	return any;
}

/* All chunks that overlap [t_min, t_max], directly or through each other. */
static void
take_chunks(Job *job, int64 t_min, int64 t_max)
{
	List	   *leaves;
	ListCell   *cell;

	while (widen_over_chunks(job, &t_min, &t_max))
		;
	tsdb_local_relations(TSDB_TABLE_CHUNKS, job->rewrite->part, pgtsdb_chunks_from(t_min), t_max, &leaves);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);
		PgtsdbScan	scan;

		if (!pgtsdb_chunk_scan_open(&scan, leaf, job->snapshot, RowExclusiveLock))
			continue;
		pgtsdb_chunk_scan_start(&scan, leaf, &job->chunks, pgtsdb_chunks_from(t_min), t_max);
		while (pgtsdb_chunk_scan_next(&scan, &job->chunks, t_min))
		{
			pgtsdb_decode_chunk(&job->decoder, &scan, &job->chunks);
			take(job, &scan);
		}
		pgtsdb_scan_close(&scan);
	}
}

/* Widens the range over the chunks that overlap it; true when it grew. */
static bool
widen_over_chunks(Job *job, int64 *t_min, int64 *t_max)
{
	int64		from = *t_min;
	int64		to = *t_max;
	List	   *leaves;
	ListCell   *cell;

	tsdb_local_relations(TSDB_TABLE_CHUNKS, job->rewrite->part, pgtsdb_chunks_from(from), to, &leaves);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);
		PgtsdbScan	scan;

		if (!pgtsdb_chunk_scan_open(&scan, leaf, job->snapshot, RowExclusiveLock))
			continue;
		pgtsdb_chunk_scan_start(&scan, leaf, &job->chunks, pgtsdb_chunks_from(from), to);
		while (pgtsdb_chunk_scan_next(&scan, &job->chunks, from))
		{
			PgtsdbChunkPlace place = pgtsdb_chunk_place(&scan);

			*t_min = Min(*t_min, place.t_min);
			*t_max = Max(*t_max, place.t_max);
		}
		pgtsdb_scan_close(&scan);
	}
	return *t_min < from || *t_max > to;
}

/* Settles duplicates by the rule of the reader, chunks before head, and leaves out what is dropped. */
static void
unite_columns(Job *job)
{
	job->columns = TSDB_NEW_ARRAY(job->arena, TsdbRun, job->head.n_columns);
	for (int i = 0; i < job->head.n_columns; i++)
	{
		const PgtsdbColumn *chunks = &job->chunks.columns[i];
		const PgtsdbColumn *head = &job->head.columns[i];
		TsdbRun    *runs = TSDB_NEW_ARRAY(job->arena, TsdbRun, chunks->n_runs + head->n_runs);

		CHECK_FOR_INTERRUPTS();
		if (chunks->n_runs > 0)
			memcpy(runs, chunks->runs, chunks->n_runs * sizeof(TsdbRun));
		if (head->n_runs > 0)
			memcpy(runs + chunks->n_runs, head->runs, head->n_runs * sizeof(TsdbRun));
		job->columns[i] = drop_samples(job, i, tsdb_runs_unite(job->arena, runs, chunks->n_runs + head->n_runs));
	}
}

static TsdbRun
drop_samples(Job *job, int16 col, TsdbRun run)
{
	const PgtsdbRewrite *rewrite = job->rewrite;
	size_t		kept = 0;
	size_t		drop = 0;
	int64	   *t;
	double	   *v;

	while (drop < rewrite->n_drop_columns && rewrite->drop_columns[drop] != col)
		drop++;
	if (drop == rewrite->n_drop_columns)
		return run;
	t = TSDB_NEW_ARRAY(job->arena, int64, run.n);
	v = TSDB_NEW_ARRAY(job->arena, double, run.n);
	for (size_t i = 0; i < run.n; i++)
	{
		if (run.t[i] >= rewrite->drop_lo && run.t[i] <= rewrite->drop_hi)
			continue;
		t[kept] = run.t[i];
		v[kept++] = run.v[i];
	}
	rewrite->dropped[drop] |= kept < run.n;
	return (TsdbRun) {kept, t, v};
}

static void
drop_expired(Job *job)
{
	for (int i = 0; i < job->head.n_columns; i++)
	{
		const TsdbRun *run = &job->columns[i];
		size_t		expired = samples_before(*run, 0, job->classes->classes[job->classes->of_column[i]].cutoff);

		if (expired > 0)
			pgtsdb_note_removed(job->rewrite->part, run->t[0], run->t[expired - 1]);
		job->columns[i] = (TsdbRun) {run->n - expired, run->t + expired, run->v + expired};
	}
}

/* Whoever waits for the lock under which partitions are made must not hold that of a group. */
static bool
find_missing_partition(Job *job)
{
	for (int number = 0; number < job->classes->n_classes; number++)
	{
		const TsdbRun *columns = columns_of_class(job, job->columns, number);
		int16		class = job->classes->classes[number].class;
		int64		from = PG_INT64_MIN;
		TsdbLeaf	leaf;
		int64		t;

		while (columns != NULL && first_sample(columns, job->head.n_columns, from, &t))
		{
			if (!pgtsdb_find_chunk_partition(0, class, t, &leaf))
			{
				job->rewrite->needs_class = class;
				job->rewrite->needs_t = t;
				return true;
			}
			from = leaf.t_hi;
		}
	}
	return false;
}

/* The earliest sample from `from` on. */
static bool
first_sample(const TsdbRun *columns, int n, int64 from, int64 *t)
{
	bool		any = false;

	for (int i = 0; i < n; i++)
	{
		size_t		at = samples_before(columns[i], 0, from);

		if (at == columns[i].n)
			continue;
		*t = any ? Min(*t, columns[i].t[at]) : columns[i].t[at];
		any = true;
	}
	return any;
}

/*
 * Deletes exactly the tuples that were decoded.  The lock of the group keeps all
 * of pgtsdb away from them, so that only a statement by hand can have changed one;
 * then what was decoded is no longer true, and the transaction has to go.
 */
static void
delete_taken(Job *job)
{
	Relation	heap = NULL;

	for (size_t i = 0; i < job->n_taken; i++)
	{
		Taken	   *taken = &job->taken[i];
		TM_FailureData failure;

		if (heap == NULL || RelationGetRelid(heap) != taken->heap)
		{
			if (heap != NULL)
				table_close(heap, NoLock);
			heap = table_open(taken->heap, NoLock);
		}
		if (table_tuple_delete(heap, &taken->tid, GetCurrentCommandId(true), InvalidSnapshot, InvalidSnapshot, true,
							   &failure, false) != TM_Ok)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("a row of \"%s\" changed while group %d of part %d was rewritten", RelationGetRelationName(heap),
							job->rewrite->group_id, job->rewrite->part),
					 errhint("Repeat the statement.")));
	}
	table_close(heap, NoLock);
}

/* Puts the samples back, class by class, from the oldest on, segment by segment. */
static void
insert_chunks(Job *job)
{
	const TsdbRun *all = job->columns;

	job->chunk_type = pgtsdb_type_oid("chunk");
	SPI_connect();
	for (int number = 0; number < job->classes->n_classes; number++)
	{
		size_t	   *done = tsdb_alloc0(job->arena, job->head.n_columns * sizeof(size_t));
		Segment		segment;

		job->class = job->classes->classes[number].class;
		job->columns = columns_of_class(job, all, number);
		while (job->columns != NULL && next_segment(job, done, &segment))
		{
			insert_segment(job, done, &segment);
			for (int i = 0; i < job->head.n_columns; i++)
				done[i] += samples_before(job->columns[i], done[i], segment.t_end);
		}
	}
	SPI_finish();
}

/* The same columns with the samples of one class only; NULL: it has none. */
static TsdbRun *
columns_of_class(const Job *job, const TsdbRun *columns, int number)
{
	TsdbRun    *some = NULL;

	for (int i = 0; i < job->head.n_columns; i++)
	{
		if (columns[i].n == 0 || job->classes->of_column[i] != number)
			continue;
		if (some == NULL)
			some = tsdb_alloc0(job->arena, job->head.n_columns * sizeof(TsdbRun));
		some[i] = columns[i];
	}
	return some;
}

/*
 * A chunk never crosses the border of a partition nor spans more than the
 * setting allows, so that pruning leaves and looking back are exact.
 */
static bool
next_segment(Job *job, const size_t *done, Segment *segment)
{
	int64		span = Min(pgtsdb_max_chunk_span * MS_PER_MINUTE, PGTSDB_CHUNK_SPAN_LIMIT);
	int64		t_start = PG_INT64_MAX;
	bool		any = false;
	TsdbLeaf	leaf;

	for (int i = 0; i < job->head.n_columns; i++)
		if (done[i] < job->columns[i].n)
		{
			t_start = Min(t_start, job->columns[i].t[done[i]]);
			any = true;
		}
	if (!any)
		return false;

	pgtsdb_ensure_chunk_partition(0, job->class, t_start);
	if (!pgtsdb_find_chunk_partition(0, job->class, t_start, &leaf))
		pgtsdb_table_is_gone("chunks");
	segment->t_end = leaf.t_hi;
	if (segment->t_end - 1 - t_start > span)
		segment->t_end = t_start + span + 1;
	cut_segment(job, done, segment);
	unite_times(job, done, segment);
	return true;
}

/*
 * A row is filled with columns, and the more samples each of them has the fewer they are: then they repeat the
 * timestamps more often, and miss their references.  So long segments are cut into pieces of equal length.
 */
static void
cut_segment(Job *job, const size_t *done, Segment *segment)
{
	TsdbRun		longest = {0};
	size_t		pieces;

	for (int i = 0; i < job->head.n_columns; i++)
	{
		TsdbRun		part = run_of_segment(job->columns[i], done[i], segment);

		if (part.n > longest.n)
			longest = part;
	}
	pieces = (longest.n + pgtsdb_compaction_samples / 2) / pgtsdb_compaction_samples;
	if (pieces > 1)
		segment->t_end = longest.t[(longest.n + pieces - 1) / pieces];
}

/* All timestamps of the segment, which ends earlier when they are too many for a chunk. */
static void
unite_times(Job *job, const size_t *done, Segment *segment)
{
	TsdbRun		united = {0};

	for (int i = 0; i < job->head.n_columns; i++)
	{
		TsdbRun		part = run_of_segment(job->columns[i], done[i], segment);

		if (has_times(united, part))
			continue;
		united = tsdb_runs_unite(job->arena, (TsdbRun[]) {united, part}, 2);
		if (united.n > TSDB_CHUNK_MAX_TIMES)
		{
			segment->t_end = united.t[TSDB_CHUNK_MAX_TIMES];
			united.n = TSDB_CHUNK_MAX_TIMES;
		}
	}
	segment->times = united.t;
	segment->n_times = united.n;
}

static void
insert_segment(Job *job, const size_t *done, const Segment *segment)
{
	TsdbArenaMark mark = tsdb_arena_mark(job->arena);
	TsdbChunkColumn *columns = TSDB_NEW_ARRAY(job->arena, TsdbChunkColumn, job->head.n_columns);
	TsdbChunkInput input = {.times = segment->times, .n_times = segment->n_times, .limit = TSDB_CHUNK_ROW_LIMIT};
	TsdbChunkWriter *writer;
	TsdbChunkRow row;
	TsdbError	error;
	int			first = -1;
	int			last = -1;

	for (int i = 0; i < job->head.n_columns; i++)
	{
		columns[i] = chunk_column(job, segment, run_of_segment(job->columns[i], done[i], segment));
		if (columns[i].values == NULL)
			continue;
		first = first < 0 ? i : first;
		last = i;
	}
	input.columns = columns + first;
	input.n_columns = last - first + 1;
	input.first_column = first;
	pgtsdb_check(tsdb_chunk_writer_make(job->arena, &pgtsdb_env, &input, &writer, &error), &error);
	while (tsdb_chunk_writer_next(writer, &row))
		insert_row(job, &row);
	tsdb_arena_rewind(job->arena, mark);
}

static TsdbChunkColumn
chunk_column(Job *job, const Segment *segment, TsdbRun run)
{
	TsdbChunkColumn column = {0};
	double	   *values;
	uint64	   *present;
	size_t		at = 0;

	if (run.n == 0)
		return column;
	column.values = run.v;
	if (run.n == segment->n_times)
		return column;
	column.values = values = tsdb_alloc0(job->arena, segment->n_times * sizeof(double));
	column.present = present = tsdb_alloc0(job->arena, TSDB_PRESENCE_WORDS(segment->n_times) * sizeof(uint64));
	for (size_t i = 0; i < run.n; i++)
	{
		while (segment->times[at] < run.t[i])
			at++;
		values[at] = run.v[i];
		tsdb_presence_set(present, at);
	}
	return column;
}

static void
insert_row(Job *job, const TsdbChunkRow *row)
{
	static PgtsdbStatement insert = {
		"INSERT INTO tsdb.chunks (tier, class, part, group_id, t_min, dt, col, n, data)"
		" VALUES (0, $8, $1, $2, $3, $4, $5, $6, $7)",
		SPI_OK_INSERT
	};
	Datum		data = pgtsdb_bytes_datum(row->data, row->len);

	pgtsdb_statement_run(&insert, 8,
						 (Oid[]) {INT4OID, INT4OID, INT8OID, INT4OID, INT2OID, INT2OID, job->chunk_type, INT2OID},
						 (Datum[]) {
							 Int32GetDatum(job->rewrite->part), Int32GetDatum(job->rewrite->group_id),
							 Int64GetDatum(row->t_min), Int32GetDatum((int32) (row->t_max - row->t_min)),
							 Int16GetDatum(row->first_column), Int16GetDatum(row->n_columns), data, Int16GetDatum(job->class)
						 });
	pfree(DatumGetPointer(data));
	job->rewrite->chunk_rows++;
	job->rewrite->chunk_bytes += row->len;
	job->rewrite->samples += row->n_samples;
}

/* Nearly all columns have the same timestamps, and many the same array; others lack some. */
static bool
has_times(TsdbRun all, TsdbRun some)
{
	size_t		at = 0;

	if (some.n == 0 || (some.t == all.t && some.n <= all.n))
		return true;
	for (size_t i = 0; i < some.n; i++)
	{
		while (at < all.n && all.t[at] < some.t[i])
			at++;
		if (at == all.n || all.t[at] != some.t[i])
			return false;
	}
	return true;
}

/* What a column still has to put back within the segment. */
static TsdbRun
run_of_segment(TsdbRun run, size_t done, const Segment *segment)
{
	return (TsdbRun) {samples_before(run, done, segment->t_end), run.t + done, run.v + done};
}

/* How many samples from `from` on are before t_end. */
static size_t
samples_before(TsdbRun run, size_t from, int64 t_end)
{
	size_t		low = from;
	size_t		high = run.n;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (run.t[middle] < t_end)
			low = middle + 1;
		else
			high = middle;
	}
	return low - from;
}
