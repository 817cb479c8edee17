/*
 * overview.c
 *		What a part holds, in figures.
 */
#include "postgres.h"

#include "pg/mem.h"
#include "pg/storage/count_labels.h"
#include "pg/storage/decode.h"
#include "pg/storage/overview.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/types/types.h"

static void count_by_rows(int32 part, Snapshot snapshot, TsdbLabelCounts *counts);
static void add_pair(void *context, TsdbLabel label, const PgtsdbSeriesCount *count);

void
pgtsdb_count_labels(int32 part, Snapshot snapshot, TsdbLabelCounts *counts)
{
	PgtsdbCountOf of = {.part = part, .snapshot = snapshot, .since = PG_INT64_MAX};
	PgtsdbSeriesCount all;

	if (pgtsdb_count_labels_by_index(&of, add_pair, counts, &all))
		counts->n_series += all.series;
	else
		count_by_rows(part, snapshot, counts);
}

static void
add_pair(void *context, TsdbLabel label, const PgtsdbSeriesCount *count)
{
	if (count->series > 0)
		tsdb_label_counts_add_pair(context, label, count->series);
}

static void
count_by_rows(int32 part, Snapshot snapshot, TsdbLabelCounts *counts)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	TsdbArena  *arena;
	TsdbArenaMark mark;
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, part), lengthof(columns), columns, snapshot,
						  AccessShareLock))
		return;
	arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	/* so that its block stays when the labels of a series go */
	tsdb_alloc(arena, 0);
	mark = tsdb_arena_mark(arena);
	pgtsdb_scan_clear(&scan);
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_start(&scan);
	while (pgtsdb_scan_next(&scan))
	{
		Datum		datum = pgtsdb_scan_value(&scan, PGTSDB_SERIES_LABELS);
		struct varlena *stored = PG_DETOAST_DATUM_PACKED(datum);

		if (slot_attisnull(scan.slot, PGTSDB_SERIES_GONE_AT))
			tsdb_label_counts_add(counts, tsdb_labels_view(arena, VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)));
		if ((Pointer) stored != DatumGetPointer(datum))
			pfree(stored);
		tsdb_arena_rewind(arena, mark);
	}
	pgtsdb_scan_close(&scan);
	tsdb_arena_free(arena);
}

void
pgtsdb_count_head_rows(int32 part, Snapshot snapshot, uint64 *n, int64 *t_min, int64 *t_max)
{
	PgtsdbScan	scan;

	if (!pgtsdb_head_scan_open(&scan, tsdb_local_table(TSDB_TABLE_HEAD, part), snapshot, AccessShareLock))
		return;
	pgtsdb_scan_clear(&scan);
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_start(&scan);
	while (pgtsdb_scan_next(&scan))
	{
		int64		t = DatumGetInt64(pgtsdb_scan_value(&scan, PGTSDB_HEAD_TS));

		++*n;
		*t_min = Min(*t_min, t);
		*t_max = Max(*t_max, t);
	}
	pgtsdb_scan_close(&scan);
}
