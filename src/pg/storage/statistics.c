/*
 * statistics.c
 *		What a part holds: how much, how old, and which metrics it is spent on.
 */
#include "postgres.h"

#include "access/visibilitymap.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/timestamp.h"

#include "core/base/str_table.h"
#include "core/chunk/chunk.h"
#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/storage/count_labels.h"
#include "pg/storage/decode.h"
#include "pg/storage/reader.h"
#include "pg/storage/relations.h"
#include "pg/storage/schema.h"
#include "pg/storage/statistics.h"
#include "pg/types/types.h"

/* What a row takes besides the chunk's bytes: 24 of header, 28 of other columns, 4 of length, 4 of line pointer. */
#define ROW_OVERHEAD 60

static bool head_border(PgtsdbScan *scan, int32 part, int32 group_id, bool newest, int32 *found_group, int64 *t);

/* ---- a part ---- */

static int64
count_rows(Oid heap, int32 part, Snapshot snapshot)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	PgtsdbScan	scan;
	Buffer		map = InvalidBuffer;
	int64		n = 0;

	if (!pgtsdb_scan_open(&scan, heap, lengthof(columns), columns, snapshot, AccessShareLock))
		return 0;
	pgtsdb_scan_clear(&scan);
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_start(&scan);
	/* as an index-only scan: the scan keeps its page of the index pinned, so that VACUUM cannot be past the entry */
	while (pgtsdb_scan_next_entry(&scan))
		n += VM_ALL_VISIBLE(scan.heap, ItemPointerGetBlockNumber(&scan.scan->xs_heaptid), &map) || pgtsdb_scan_fetch(&scan);
	if (BufferIsValid(map))
		ReleaseBuffer(map);
	pgtsdb_scan_close(&scan);
	return n;
}

/* From group to group: two descents each, however many rows they have. */
void
pgtsdb_part_head_statistics(int32 part, Snapshot snapshot, PgtsdbPartStatistics *statistics)
{
	PgtsdbScan	scan;
	int32		group_id = PG_INT32_MIN;
	int64		oldest;
	int64		newest;

	if (!pgtsdb_head_scan_open(&scan, tsdb_local_table(TSDB_TABLE_HEAD, part), snapshot, AccessShareLock))
		return;
	while (head_border(&scan, part, group_id, false, &group_id, &oldest))
	{
		statistics->groups++;
		statistics->head_oldest = Min(statistics->head_oldest, oldest);
		if (head_border(&scan, part, group_id, true, &group_id, &newest))
			statistics->head_newest = Max(statistics->head_newest, newest);
		if (group_id == PG_INT32_MAX)
			break;
		group_id++;
	}
	pgtsdb_scan_close(&scan);
}

/*
 * The first row of the first group from this one on; or the newest entry of this group, which is no more than a hint: the row
 * may be gone.
 */
static bool
head_border(PgtsdbScan *scan, int32 part, int32 group_id, bool newest, int32 *found_group, int64 *t)
{
	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_key_int4(scan, 2, newest ? BTEqualStrategyNumber : BTGreaterEqualStrategyNumber, group_id);
	pgtsdb_scan_start(scan);
	if (!(newest ? pgtsdb_scan_last_entry(scan) : pgtsdb_scan_next(scan)))
		return false;
	*found_group = DatumGetInt32(pgtsdb_scan_entry(scan, 2));
	*t = DatumGetInt64(pgtsdb_scan_entry(scan, 3));
	return true;
}

/* Visits the index entries of the part's chunks that begin within [t_lo, t_hi]; visit() may fetch the row. */
typedef void (*ChunkVisitor) (PgtsdbScan *scan, int64 t_min, void *context);

static void
visit_chunks(int32 part, Snapshot snapshot, int64 t_lo, int64 t_hi, ChunkVisitor visit, void *context)
{
	static const char *const columns[] = {"part", "group_id", "tier", "class", "t_min", "col", "n"};
	List	   *leaves;
	ListCell   *cell;

	if (!tsdb_local_relations(TSDB_TABLE_CHUNKS, part, t_lo, t_hi, &leaves))
		return;
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);
		PgtsdbScan	scan;

		if (!pgtsdb_scan_open(&scan, leaf->heap, lengthof(columns), columns, snapshot, AccessShareLock))
			continue;
		pgtsdb_scan_clear(&scan);
		pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
		pgtsdb_scan_start(&scan);
		while (pgtsdb_scan_next_entry(&scan))
		{
			int64		t_min = DatumGetInt64(pgtsdb_scan_entry(&scan, 5));

			if (t_min >= t_lo && t_min <= t_hi)
				visit(&scan, t_min, context);
		}
		pgtsdb_scan_close(&scan);
	}
	list_free_deep(leaves);
}

static void
count_chunk(PgtsdbScan *scan, int64 t_min, void *context)
{
	PgtsdbPartStatistics *statistics = context;

	statistics->chunk_rows++;
	statistics->chunk_oldest = Min(statistics->chunk_oldest, t_min);
}

void
pgtsdb_part_statistics(int32 part, Snapshot snapshot, PgtsdbPartStatistics *statistics)
{
	statistics->series += count_rows(tsdb_local_table(TSDB_TABLE_SERIES, part), part, snapshot);
	pgtsdb_part_head_statistics(part, snapshot, statistics);
	visit_chunks(part, snapshot, PG_INT64_MIN, PG_INT64_MAX, count_chunk, statistics);
}

/* ---- metrics ---- */

/* Which metric a column belongs to; in order of group and column. */
typedef struct ColumnMetric
{
	int32		group_id;
	int16		col;
	bool		counted;		/* among the series of its metric */
	uint32		metric;			/* place in the table of names */
} ColumnMetric;

typedef struct Measurement
{
	TsdbArena  *arena;
	TsdbStrTable names;
	PgtsdbMetricSize *sizes;	/* of each name */
	size_t		sizes_capacity;
	ColumnMetric *columns;		/* of the part at hand */
	size_t		n_columns;
	TsdbChunkReader *reader;
} Measurement;

static void measure_row(Measurement *measurement, const PgtsdbScan *scan);
static ColumnMetric *find_column(const Measurement *measurement, int32 group_id, int16 col);

static uint32
metric_place(Measurement *measurement, TsdbStr name)
{
	size_t		place = tsdb_str_table_add(&measurement->names, name);

	if (place >= measurement->sizes_capacity)
	{
		size_t		capacity = Max(measurement->sizes_capacity * 2, 64);

		measurement->sizes = tsdb_grow(measurement->arena, measurement->sizes,
									   measurement->sizes_capacity * sizeof(PgtsdbMetricSize), capacity * sizeof(PgtsdbMetricSize));
		memset(measurement->sizes + measurement->sizes_capacity, 0,
			   (capacity - measurement->sizes_capacity) * sizeof(PgtsdbMetricSize));
		measurement->sizes_capacity = capacity;
	}
	return (uint32) place;
}

/* The series of a part come by group and column. */
static void
map_columns(Measurement *measurement, int32 part, Snapshot snapshot)
{
	PgtsdbSeries *series;
	TsdbError	error;

	pgtsdb_check(pgtsdb_select_series(part, snapshot, measurement->arena, NULL, 0, &series, &measurement->n_columns, &error),
				 &error);
	measurement->columns = TSDB_NEW_ARRAY(measurement->arena, ColumnMetric, measurement->n_columns);
	for (size_t i = 0; i < measurement->n_columns; i++)
		measurement->columns[i] = (ColumnMetric) {
			.group_id = series[i].group_id,
			.col = series[i].col,
			.metric = metric_place(measurement, tsdb_labels_get(series[i].labels, TSDB_STR(TSDB_METRIC_NAME)))
		};
}

static void
measure_chunk(PgtsdbScan *scan, int64 t_min, void *context)
{
	if (pgtsdb_scan_fetch(scan))
		measure_row(context, scan);
}

static void
measure_row(Measurement *measurement, const PgtsdbScan *scan)
{
	PgtsdbChunkPlace place = pgtsdb_chunk_place(scan);
	const uint8_t *data;
	size_t		len;
	size_t		own = 0;		/* bytes that belong to one column */
	int			n_columns;
	double		share;

	data = pgtsdb_datum_chunk(pgtsdb_scan_value(scan, PGTSDB_CHUNKS_DATA), &len);
	pgtsdb_chunk_open(measurement->reader, data, len, &place, NULL);
	n_columns = tsdb_chunk_n_columns(measurement->reader);
	for (int pass = 0; pass <= 1; pass++)
	{
		share = (double) (len + ROW_OVERHEAD - own) / n_columns;
		for (int i = 0; i < n_columns; i++)
		{
			TsdbChunkColumnInfo info;
			ColumnMetric *column;
			TsdbError	error;

			if (tsdb_chunk_column_info(measurement->reader, i, &info, &error) != TSDB_OK)
				pgtsdb_raise_corrupt_chunk(&place, &error);
			if (pass == 0)
				own += info.bytes;
			else if ((column = find_column(measurement, place.group_id, (int16) (place.col + i))) != NULL)
			{
				PgtsdbMetricSize *size = &measurement->sizes[column->metric];

				size->samples += info.n_samples;
				size->bytes += info.bytes + share;
				size->series += !column->counted && info.n_samples > 0;
				column->counted = column->counted || info.n_samples > 0;
			}
		}
	}
}

/* NULL: the series has been deleted, and its samples wait for the next rewrite. */
static ColumnMetric *
find_column(const Measurement *measurement, int32 group_id, int16 col)
{
	size_t		lo = 0;
	size_t		hi = measurement->n_columns;

	while (lo < hi)
	{
		size_t		middle = lo + (hi - lo) / 2;
		const ColumnMetric *at = &measurement->columns[middle];

		if (at->group_id < group_id || (at->group_id == group_id && at->col < col))
			lo = middle + 1;
		else
			hi = middle;
	}
	if (lo == measurement->n_columns || measurement->columns[lo].group_id != group_id || measurement->columns[lo].col != col)
		return NULL;
	return &measurement->columns[lo];
}

static int
compare_sizes(const void *a, const void *b)
{
	const PgtsdbMetricSize *x = a;
	const PgtsdbMetricSize *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return tsdb_str_compare(x->metric, y->metric);
}

PgtsdbMetricSize *
pgtsdb_metric_sizes(TsdbArena *arena, const int32 *parts, int n_parts, Snapshot snapshot, int64 t_lo, int64 t_hi, size_t *n)
{
	Measurement measurement = {.arena = arena, .reader = tsdb_chunk_reader_make(arena)};

	tsdb_str_table_init(&measurement.names, arena);
	for (int i = 0; i < n_parts; i++)
	{
		map_columns(&measurement, parts[i], snapshot);
		visit_chunks(parts[i], snapshot, t_lo, t_hi, measure_chunk, &measurement);
	}
	*n = 0;
	for (size_t i = 0; i < measurement.names.n; i++)
	{
		PgtsdbMetricSize size = measurement.sizes[i];

		size.metric = measurement.names.entries[i].text;
		if (size.samples > 0)
			measurement.sizes[(*n)++] = size;
	}
	if (*n > 1)
		qsort(measurement.sizes, *n, sizeof(PgtsdbMetricSize), compare_sizes);
	return measurement.sizes;
}

/* ---- labels ---- */

typedef struct LabelCounting
{
	TsdbArena  *arena;
	TsdbStr		label;			/* empty: of all names */
	const TsdbMatcher *matchers;
	size_t		n_matchers;
	TimestampTz since;
	TsdbStrTable names;
	PgtsdbLabelCount *counts;	/* of each name */
	size_t		capacity;
	TsdbStrTable pairs;			/* of names and values, to see which are new */
	TsdbBuffer	pair;
} LabelCounting;

static void
count_name(LabelCounting *counting, TsdbStr name, TsdbStr value, const PgtsdbSeriesCount *one)
{
	size_t		place = tsdb_str_table_add(&counting->names, name);
	PgtsdbLabelCount *count;

	if (place >= counting->capacity)
	{
		size_t		capacity = Max(counting->capacity * 2, 64);

		counting->counts = tsdb_grow(counting->arena, counting->counts, counting->capacity * sizeof(PgtsdbLabelCount),
									 capacity * sizeof(PgtsdbLabelCount));
		memset(counting->counts + counting->capacity, 0, (capacity - counting->capacity) * sizeof(PgtsdbLabelCount));
		counting->capacity = capacity;
	}
	count = &counting->counts[place];
	count->series += one->series;
	count->created += one->created;
	count->retired += one->retired;
	if (value.len > 0)
	{
		size_t		before = counting->pairs.n;

		counting->pair.len = 0;
		tsdb_buffer_append_str(&counting->pair, name);
		tsdb_buffer_u8(&counting->pair, 0);	/* no label has it */
		tsdb_buffer_append_str(&counting->pair, value);
		tsdb_str_table_add(&counting->pairs, (TsdbStr) {(const char *) counting->pair.data, counting->pair.len});
		count->values += counting->pairs.n > before;
	}
}

static void count_part_by_rows(LabelCounting *counting, int32 part, Snapshot snapshot);

/* One of the label that was asked for counts by its value, any label by its name. */
static void
count_label(void *context, TsdbLabel label, const PgtsdbSeriesCount *series)
{
	LabelCounting *counting = context;

	if (counting->label.len > 0)
		count_name(counting, label.value, (TsdbStr) {NULL, 0}, series);
	else
		count_name(counting, label.name, label.value, series);
}

static void
count_row(LabelCounting *counting, const PgtsdbScan *scan, TsdbLabels labels)
{
	bool		is_null;
	TimestampTz gone_at = DatumGetTimestampTz(slot_getattr(scan->slot, PGTSDB_SERIES_GONE_AT, &is_null));
	TimestampTz created_at = DatumGetTimestampTz(pgtsdb_scan_value(scan, PGTSDB_SERIES_CREATED_AT));
	PgtsdbSeriesCount one = {
		.series = is_null,
		.created = created_at >= counting->since,
		.retired = !is_null && gone_at >= counting->since
	};

	if (!tsdb_matchers_match(counting->matchers, counting->n_matchers, labels))
		return;
	for (size_t i = 0; i < labels.n; i++)
		if (counting->label.len == 0 || tsdb_str_equal(labels.pairs[i].name, counting->label))
			count_label(counting, labels.pairs[i], &one);
}

static void
count_part(LabelCounting *counting, int32 part, Snapshot snapshot)
{
	PgtsdbCountOf of = {
		.part = part, .snapshot = snapshot, .name = counting->label,
		.matchers = counting->matchers, .n_matchers = counting->n_matchers, .since = counting->since
	};
	PgtsdbSeriesCount all;

	if (!pgtsdb_count_labels_by_index(&of, count_label, counting, &all))
		count_part_by_rows(counting, part, snapshot);
}

static void
count_part_by_rows(LabelCounting *counting, int32 part, Snapshot snapshot)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	TsdbArena  *row = tsdb_arena_child(counting->arena);
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, part), lengthof(columns), columns, snapshot, AccessShareLock))
		return;
	pgtsdb_scan_clear(&scan);
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_start(&scan);
	while (pgtsdb_scan_next(&scan))
	{
		Datum		datum = pgtsdb_scan_value(&scan, PGTSDB_SERIES_LABELS);
		struct varlena *stored = PG_DETOAST_DATUM_PACKED(datum);

		tsdb_arena_reset(row);
		count_row(counting, &scan, tsdb_labels_view(row, VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)));
		if ((Pointer) stored != DatumGetPointer(datum))
			pfree(stored);
	}
	pgtsdb_scan_close(&scan);
	tsdb_arena_free(row);
}

static int
compare_counts(const void *a, const void *b)
{
	const PgtsdbLabelCount *x = a;
	const PgtsdbLabelCount *y = b;

	if (x->series != y->series)
		return x->series > y->series ? -1 : 1;
	return tsdb_str_compare(x->name, y->name);
}

TsdbStatus
pgtsdb_count_by_label(TsdbArena *arena, const int32 *parts, int n_parts, Snapshot snapshot, TsdbStr label,
					  const TsdbMatcher *matchers, size_t n_matchers, TimestampTz since,
					  PgtsdbLabelCount **counts, size_t *n, TsdbError *error)
{
	LabelCounting counting = {.arena = arena, .label = label, .matchers = matchers, .n_matchers = n_matchers, .since = since};

	tsdb_str_table_init(&counting.names, arena);
	tsdb_str_table_init(&counting.pairs, arena);
	tsdb_buffer_init(&counting.pair, arena, 256);
	for (int i = 0; i < n_parts; i++)
		count_part(&counting, parts[i], snapshot);
	for (size_t i = 0; i < n_matchers; i++)
		if (matchers[i].regex != NULL && tsdb_regex_limit_hit(matchers[i].regex))
			return tsdb_fail(error, TSDB_ERR_LIMIT, "regular expression \"%.*s\" takes too many steps to match",
							 (int) matchers[i].value.len, matchers[i].value.data);
	for (size_t i = 0; i < counting.names.n; i++)
		counting.counts[i].name = counting.names.entries[i].text;
	*counts = counting.counts;
	*n = counting.names.n;
	if (*n > 1)
		qsort(*counts, *n, sizeof(PgtsdbLabelCount), compare_counts);
	return TSDB_OK;
}
