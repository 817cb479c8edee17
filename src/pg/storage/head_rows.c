/*
 * head_rows.c
 *		Samples on their way into tsdb.head: collected by group and time, encoded, inserted.
 *
 * All samples of a group with one timestamp become one row (core/chunk/head.h has
 * its bytes).  Where a target gives its samples timestamps of their own, so that a
 * row would get few of them, those of a quarter of a minute share a row and carry
 * their distance to its timestamp.
 *
 * Rows that hints in shared memory say may be there already are compared with the
 * stored ones first: the same value is accepted and not stored again, another
 * value loses.  This is exact for what the transaction wrote itself and for what
 * was committed before, as long as it has not been compacted; two writers
 * at the same moment both succeed, and readers settle it (README.md, "Duplicates").
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/chunk/head.h"
#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/storage/catalogue.h"
#include "pg/storage/group_hints.h"
#include "pg/storage/head_batch.h"
#include "pg/storage/head_rows.h"
#include "pg/storage/late_writes.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/storage/storage_internal.h"
#include "pg/times.h"

/* Samples in memory before they are inserted: 16 bytes each, and twice that while arrays grow. */
#define MAX_PENDING_SAMPLES (256 * 1024)
/* Rows within PGTSDB_HEAD_SPAN_LIMIT are joined when they have fewer samples than this on average. */
#define SPARSE_ROW_SAMPLES 16

/* Samples of one group and time; in order of arrival until settle_row(). */
typedef struct TimeRow
{
	int64		t;
	uint32		n;
	uint32		capacity;
	TsdbHeadSample *samples;
} TimeRow;

typedef struct RowGroup
{
	uint64		key;			/* part and group_id: of the hash table, and the order of insertion */
	TimeRow    *rows;			/* ascending by time */
	uint32		n_rows;
	uint32		capacity;
	uint32		cursor;			/* the row that got the last sample */
	char		status;			/* of simplehash */
} RowGroup;

#define SH_PREFIX groups
#define SH_ELEMENT_TYPE RowGroup
#define SH_KEY_TYPE uint64
#define SH_KEY key
#define SH_HASH_KEY(tb, k) murmurhash32((uint32) (k) ^ (uint32) ((k) >> 32))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct PgtsdbHeadRows
{
	MemoryContext context;		/* of all that is collected; reset by a flush */
	uint64		identity;
	int64		late;			/* samples before this time may find their window compacted */

	/* Collected */
	TsdbArena  *arena;
	groups_hash *groups;
	RowGroup   *last;			/* that got a sample; invalid after an insertion into the table */
	size_t		n_samples;

	/* While flushing */
	PgtsdbIngestResult *result;
	Snapshot	snapshot;
	PgtsdbScan	stored;			/* tsdb.head by its primary key */
	int16		place[PGTSDB_MAX_GROUP_COLUMNS];	/* of a column in the row being settled, or -1 */
	PgtsdbHeadBatch *batch;
	int64		t_min;			/* of what goes into the batch; none: t_min > t_max */
	int64		t_max;
};

static int64 end_of_closed_windows(void);
static void start_collecting(PgtsdbHeadRows *rows);
static RowGroup *find_group(PgtsdbHeadRows *rows, uint64 key);
static TimeRow *find_row(PgtsdbHeadRows *rows, RowGroup *group, int64 t);
static RowGroup **sorted_groups(PgtsdbHeadRows *rows);
static void flush_group(PgtsdbHeadRows *rows, RowGroup *group);
static bool may_be_stored(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, const TimeRow *row);
static PgtsdbColumnsHint *columns_hint(PgtsdbHeadRows *rows, PgtsdbSeriesRef series);
static uint32 newest_second(PgtsdbHeadRows *rows, int32 part, int32 group_id);
static void settle_row(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, TimeRow *row);
static void order_columns(PgtsdbHeadRows *rows, TimeRow *row);
static void count_again(PgtsdbIngestResult *result, PgtsdbSeriesRef series, int64 t, double first, double v);
static const char *value_text(double v);
static void settle_with_stored(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, TimeRow *row);
static void drop_stored(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, TimeRow *row);
static void join_sparse_rows(PgtsdbHeadRows *rows, RowGroup *group);
static bool is_disjoint(const PgtsdbHeadRows *rows, const TimeRow *row);
static void join_row(PgtsdbHeadRows *rows, TimeRow *base, TimeRow *row);
static int	compare_groups(const void *a, const void *b);

/* Rows are joined within a span only: see PGTSDB_HEAD_SPAN_LIMIT. */
static inline int64
start_of_span(int64 t)
{
	int64		past = t % PGTSDB_HEAD_SPAN_LIMIT;

	if (past < 0)
		past += PGTSDB_HEAD_SPAN_LIMIT;
	return t < PG_INT64_MIN + past ? PG_INT64_MIN : t - past;
}

static inline int32
part_of_key(uint64 key)
{
	return (int32) (key >> 32);
}

static inline int32
group_of_key(uint64 key)
{
	return (int32) (uint32) key;
}

/* As hints have them. */
static inline uint32
seconds(int64 t)
{
	return t <= 0 ? 0 : (uint32) Min(t / 1000, PG_UINT32_MAX);
}

/* ---- collecting ---- */

PgtsdbHeadRows *
pgtsdb_head_rows_create(uint64 identity)
{
	PgtsdbHeadRows *rows = palloc0_object(PgtsdbHeadRows);

	rows->context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb head rows", ALLOCSET_DEFAULT_SIZES);
	rows->identity = identity;
	rows->late = end_of_closed_windows();
	memset(rows->place, -1, sizeof(rows->place));
	start_collecting(rows);
	return rows;
}

static int64
end_of_closed_windows(void)
{
	int64		width = Min(pgtsdb_compaction_window, pgtsdb_max_chunk_span) * INT64CONST(60000);
	int64		closed = pgtsdb_now_ms() - pgtsdb_compaction_delay * INT64CONST(1000);

	return closed - closed % width;
}

static void
start_collecting(PgtsdbHeadRows *rows)
{
	rows->arena = pgtsdb_arena_create(rows->context, 0, NULL);
	rows->groups = groups_create(rows->context, 64, NULL);
	rows->last = NULL;
	rows->n_samples = 0;
}

void
pgtsdb_head_rows_add(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, int64 t, double v, PgtsdbIngestResult *result)
{
	uint64		key = ((uint64) (uint32) series.part << 32) | (uint32) series.group_id;
	RowGroup   *group = rows->last;
	TimeRow    *row;

	if (group == NULL || group->key != key)
		group = find_group(rows, key);
	row = &group->rows[group->cursor];
	if (group->n_rows == 0 || row->t != t)
		row = find_row(rows, group, t);
	if (row->n == row->capacity)
	{
		uint32		capacity = row->capacity == 0 ? 8 : row->capacity * 2;

		row->samples = pgtsdb_grow_array(rows->arena, row->samples, row->capacity, capacity);
		row->capacity = capacity;
	}
	row->samples[row->n++] = (TsdbHeadSample) {(uint16_t) series.col, 0, v};

	if (unlikely(++rows->n_samples >= MAX_PENDING_SAMPLES))
		pgtsdb_head_rows_flush(rows, result);
}

static RowGroup *
find_group(PgtsdbHeadRows *rows, uint64 key)
{
	bool		found;
	RowGroup   *group = groups_insert(rows->groups, key, &found);

	if (!found)
	{
		group->rows = NULL;
		group->n_rows = group->capacity = group->cursor = 0;
	}
	rows->last = group;
	return group;
}

/* Most samples go to the row of the one before, or, series by series, to the next row. */
static TimeRow *
find_row(PgtsdbHeadRows *rows, RowGroup *group, int64 t)
{
	uint32		lo = 0;
	uint32		hi = group->n_rows;

	if (group->cursor + 1 < hi && group->rows[group->cursor + 1].t == t)
		return &group->rows[++group->cursor];
	if (hi > 0 && group->rows[hi - 1].t < t)
		lo = hi;
	while (lo < hi)
	{
		uint32		middle = lo + (hi - lo) / 2;

		if (group->rows[middle].t < t)
			lo = middle + 1;
		else
			hi = middle;
	}
	group->cursor = lo;
	if (lo < group->n_rows && group->rows[lo].t == t)
		return &group->rows[lo];

	if (group->n_rows == group->capacity)
	{
		uint32		capacity = group->capacity == 0 ? 2 : group->capacity * 2;

		group->rows = pgtsdb_grow_array(rows->arena, group->rows, group->capacity, capacity);
		group->capacity = capacity;
	}
	memmove(&group->rows[lo + 1], &group->rows[lo], (group->n_rows - lo) * sizeof(TimeRow));
	group->n_rows++;
	group->rows[lo] = (TimeRow) {.t = t};
	return &group->rows[lo];
}

/* ---- flushing ---- */

void
pgtsdb_head_rows_flush(PgtsdbHeadRows *rows, PgtsdbIngestResult *result)
{
	static const char *const columns[] = {"part", "group_id", "ts", "n"};
	MemoryContext old;
	RowGroup   **groups;
	uint32		n = rows->groups->members;

	if (n == 0)
		return;
	old = MemoryContextSwitchTo(rows->context);
	rows->result = result;
	rows->snapshot = RegisterSnapshot(GetLatestSnapshot());
	groups = sorted_groups(rows);
	if (!pgtsdb_scan_open(&rows->stored, tsdb_local_table(TSDB_TABLE_HEAD, part_of_key(groups[0]->key)), 4, columns,
						  rows->snapshot, RowExclusiveLock))
		pgtsdb_table_is_gone("head");

	for (uint32 i = 0; i < n; i++)
	{
		int32		part = part_of_key(groups[i]->key);

		if (rows->batch == NULL)
		{
			rows->batch = pgtsdb_head_batch_create(part);
			rows->t_min = PG_INT64_MAX;
			rows->t_max = PG_INT64_MIN;
		}
		flush_group(rows, groups[i]);
		if (i + 1 == n || part_of_key(groups[i + 1]->key) != part)
		{
			if (rows->t_min <= rows->t_max)
				pgtsdb_note_stored(part, rows->t_min, rows->t_max);
			result->head_rows += pgtsdb_head_batch_insert(rows->batch);
			rows->batch = NULL;
		}
	}

	pgtsdb_scan_close(&rows->stored);
	UnregisterSnapshot(rows->snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextReset(rows->context);
	start_collecting(rows);
}

static RowGroup **
sorted_groups(PgtsdbHeadRows *rows)
{
	RowGroup   **groups = palloc_array(RowGroup *, rows->groups->members);
	groups_iterator iterator;
	RowGroup   *group;
	uint32		n = 0;

	groups_start_iterate(rows->groups, &iterator);
	while ((group = groups_iterate(rows->groups, &iterator)) != NULL)
		groups[n++] = group;
	qsort(groups, n, sizeof(*groups), compare_groups);
	return groups;
}

static void
flush_group(PgtsdbHeadRows *rows, RowGroup *group)
{
	PgtsdbSeriesRef series = {part_of_key(group->key), group_of_key(group->key), 0};
	PgtsdbGroupHint *hint = pgtsdb_group_hint(rows->identity, series.part, series.group_id);

	for (uint32 i = 0; i < group->n_rows; i++)
	{
		TimeRow    *row = &group->rows[i];

		settle_row(rows, series, row);
		if (may_be_stored(rows, series, row))
			settle_with_stored(rows, series, row);
		rows->result->samples += row->n;
		if (row->n > 0)
		{
			rows->t_min = Min(rows->t_min, row->t);
			rows->t_max = Max(rows->t_max, row->t);
		}
		if (row->t < rows->late)
			rows->result->late += row->n;
	}
	join_sparse_rows(rows, group);
	for (uint32 i = 0; i < group->n_rows; i++)
		if (group->rows[i].n > 0)
			pgtsdb_head_batch_add(rows->batch, series.group_id, group->rows[i].t,
								  group->rows[i].samples, group->rows[i].n, hint);
	pgtsdb_head_batch_seen(rows->batch, series.group_id, hint);
}

/*
 * Whether any of the row's samples is not later than all that were stored of its
 * series, as far as hints tell.  Others learn of these samples here, before they can be committed,
 * so that they compare then.
 */
static bool
may_be_stored(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, const TimeRow *row)
{
	uint32		second = seconds(row->t);
	PgtsdbColumnsHint *hint = NULL;
	bool		stored = false;
	int			block = -1;

	for (uint32 i = 0; i < row->n; i++)
	{
		uint32	   *last;

		series.col = (int16) row->samples[i].col;
		if (series.col / PGTSDB_HINT_COLUMNS != block)
		{
			hint = columns_hint(rows, series);
			block = series.col / PGTSDB_HINT_COLUMNS;
		}
		last = &hint->last_second[series.col % PGTSDB_HINT_COLUMNS];
		if (second > *last)
			*last = second;
		else
			stored = true;
	}
	return stored;
}

/* Columns that no cache knows may have samples up to the newest row of their group. */
static PgtsdbColumnsHint *
columns_hint(PgtsdbHeadRows *rows, PgtsdbSeriesRef series)
{
	int32		block = series.col / PGTSDB_HINT_COLUMNS;
	PgtsdbColumnsHint *hint = pgtsdb_find_columns_hint(rows->identity, series.part, series.group_id, block);

	if (hint == NULL)
		hint = pgtsdb_add_columns_hint(rows->identity, series.part, series.group_id, block,
									   newest_second(rows, series.part, series.group_id));
	return hint;
}

static uint32
newest_second(PgtsdbHeadRows *rows, int32 part, int32 group_id)
{
	int64		newest;

	pgtsdb_scan_clear(&rows->stored);
	pgtsdb_scan_key_int4(&rows->stored, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_key_int4(&rows->stored, 2, BTEqualStrategyNumber, group_id);
	pgtsdb_scan_start(&rows->stored);
	if (!pgtsdb_scan_last_entry(&rows->stored))
		return 0;
	/* Its samples may be somewhat later than the row. */
	newest = DatumGetInt64(pgtsdb_scan_entry(&rows->stored, 3));
	return newest > PG_INT64_MAX - PGTSDB_HEAD_SPAN_LIMIT ? PG_UINT32_MAX : seconds(newest + PGTSDB_HEAD_SPAN_LIMIT);
}

/* ---- duplicates ---- */

/* Brings the samples into the order of columns, one each: the first stays. */
static void
settle_row(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, TimeRow *row)
{
	uint32		kept = 0;
	uint32		i = 1;

	while (i < row->n && row->samples[i - 1].col < row->samples[i].col)
		i++;
	if (i >= row->n)
		return;

	for (i = 0; i < row->n; i++)
	{
		TsdbHeadSample sample = row->samples[i];
		int			first = rows->place[sample.col];

		series.col = sample.col;
		if (first < 0)
		{
			rows->place[sample.col] = kept;
			row->samples[kept++] = sample;
		}
		else
			count_again(rows->result, series, row->t, row->samples[first].v, sample.v);
	}
	row->n = kept;
	order_columns(rows, row);
}

/* place[] has the index of each column; it is empty again afterwards. */
static void
order_columns(PgtsdbHeadRows *rows, TimeRow *row)
{
	TsdbHeadSample ordered[PGTSDB_MAX_GROUP_COLUMNS];
	uint32		n = 0;

	for (int col = 0; n < row->n; col++)
	{
		if (rows->place[col] < 0)
			continue;
		ordered[n++] = row->samples[rows->place[col]];
		rows->place[col] = -1;
	}
	memcpy(row->samples, ordered, n * sizeof(*ordered));
}

/* A sample whose series and time were there before, with the value `first`. */
static void
count_again(PgtsdbIngestResult *result, PgtsdbSeriesRef series, int64 t, double first, double v)
{
	TsdbError	error;

	if (tsdb_double_bits(first) == tsdb_double_bits(v))
	{
		result->samples++;
		result->duplicates++;
		return;
	}
	if (result->first_error.code == TSDB_OK)
	{
		tsdb_fail(&error, TSDB_ERR_INPUT, "series %s has another value at %s: %s, not %s",
				  pgtsdb_series_name(series), pgtsdb_format_ms(t), value_text(first), value_text(v));
		tsdb_error_hint(&error, "The value that was stored first stays.");
		result->first_error = error;
	}
	result->conflicts++;
}

static const char *
value_text(double v)
{
	char	   *text = palloc(TSDB_NUMBER_MAX);

	if (tsdb_is_stale(v))
		return "a stale marker";
	tsdb_format_double(text, v);
	return text;
}

/* Drops from the row what is stored already. */
static void
settle_with_stored(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, TimeRow *row)
{
	PgtsdbScan *scan = &rows->stored;

	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, 1, BTEqualStrategyNumber, series.part);
	pgtsdb_scan_key_int4(scan, 2, BTEqualStrategyNumber, series.group_id);
	pgtsdb_scan_key_int8(scan, 3, BTGreaterEqualStrategyNumber, start_of_span(row->t));
	pgtsdb_scan_key_int8(scan, 3, BTLessEqualStrategyNumber, row->t);
	pgtsdb_scan_start(scan);
	while (row->n > 0 && pgtsdb_scan_next(scan))
		drop_stored(rows, series, row);
}

/* The same for one stored row, that of the scan. */
static void
drop_stored(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, TimeRow *row)
{
	struct varlena *values = PG_DETOAST_DATUM_PACKED(pgtsdb_scan_value(&rows->stored, PGTSDB_HEAD_VALUES));
	int64		dt = row->t - DatumGetInt64(pgtsdb_scan_value(&rows->stored, PGTSDB_HEAD_TS));
	uint16_t	cols[PGTSDB_MAX_GROUP_COLUMNS];
	TsdbHeadSample found[PGTSDB_MAX_GROUP_COLUMNS];
	TsdbHeadRow head;
	TsdbError	error;
	size_t		n_found;
	uint32		kept = 0;

	for (uint32 i = 0; i < row->n; i++)
		cols[i] = row->samples[i].col;
	pgtsdb_check(tsdb_head_open(&head, VARDATA_ANY(values), VARSIZE_ANY_EXHDR(values), &error), &error);
	pgtsdb_check(tsdb_head_pick(&head, cols, row->n, found, &n_found, &error), &error);

	for (uint32 i = 0, j = 0; i < row->n; i++)
	{
		TsdbHeadSample sample = row->samples[i];

		while (j < n_found && found[j].col < sample.col)
			j++;
		series.col = sample.col;
		if (j < n_found && found[j].col == sample.col && found[j].dt == dt)
			count_again(rows->result, series, row->t, found[j].v, sample.v);
		else
			row->samples[kept++] = sample;
	}
	row->n = kept;
}

/* ---- timestamps of their own ---- */

/*
 * Joins neighbouring rows that have no column in common, when rows have few samples:
 * those of a target that gives its samples their own timestamps.
 */
static void
join_sparse_rows(PgtsdbHeadRows *rows, RowGroup *group)
{
	uint64		n_samples = 0;
	TimeRow    *base = NULL;

	for (uint32 i = 0; i < group->n_rows; i++)
		n_samples += group->rows[i].n;
	if (group->n_rows < 2 || n_samples >= (uint64) group->n_rows * SPARSE_ROW_SAMPLES)
		return;

	for (uint32 i = 0; i < group->n_rows; i++)
	{
		TimeRow    *row = &group->rows[i];

		if (row->n == 0)
			continue;
		if (base != NULL && start_of_span(row->t) == start_of_span(base->t) && is_disjoint(rows, row))
			join_row(rows, base, row);
		else
		{
			if (base != NULL)
				order_columns(rows, base);
			base = row;
			for (uint32 k = 0; k < row->n; k++)
				rows->place[row->samples[k].col] = k;
		}
	}
	if (base != NULL)
		order_columns(rows, base);
}

/* Whether the base row, whose columns are in place[], has none of the row's. */
static bool
is_disjoint(const PgtsdbHeadRows *rows, const TimeRow *row)
{
	for (uint32 i = 0; i < row->n; i++)
		if (rows->place[row->samples[i].col] >= 0)
			return false;
	return true;
}

static void
join_row(PgtsdbHeadRows *rows, TimeRow *base, TimeRow *row)
{
	uint32		n = base->n + row->n;

	if (n > base->capacity)
	{
		base->samples = pgtsdb_grow_array(rows->arena, base->samples, base->capacity, 2 * n);
		base->capacity = 2 * n;
	}
	for (uint32 i = 0; i < row->n; i++)
	{
		TsdbHeadSample sample = row->samples[i];

		sample.dt = (int32_t) (row->t - base->t);
		rows->place[sample.col] = base->n;
		base->samples[base->n++] = sample;
	}
	row->n = 0;
}

static int
compare_groups(const void *a, const void *b)
{
	const RowGroup *x = *(RowGroup *const *) a;
	const RowGroup *y = *(RowGroup *const *) b;

	return x->key < y->key ? -1 : x->key > y->key;
}
