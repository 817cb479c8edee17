/*
 * reader.h
 *		Series and samples out of the storage tables, under one snapshot.
 *
 * Reads only: works on a hot standby and without shared_preload_libraries.
 * Nothing here checks who asks; entry points do (tenant.h).
 */
#ifndef PGTSDB_READER_H
#define PGTSDB_READER_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "core/promql/source.h"
#include "pg/tenant.h"

/* Samples of one chunk lie within 8 hours, that is 480 of one minute each.  Readers look back this far, so it may only grow. */
#define PGTSDB_CHUNK_SPAN_LIMIT (INT64CONST(8) * 3600 * 1000)

/* A stored series.  Its labels live in the arena it was read into. */
typedef struct PgtsdbSeries
{
	int32		part;
	int32		group_id;
	int16		col;
	bool		gone;			/* retired: it gets no more samples, but has old ones */
	bool		is_twin;		/* another series of the answer has the same labels (reader.c) */
	TsdbLabels	labels;
} PgtsdbSeries;

/*
 * The series of a part that match, retired ones included, ordered by (group_id, col).
 * No samples are looked at.
 */
extern TsdbStatus pgtsdb_select_series(int32 part, Snapshot snapshot, TsdbArena *arena,
									   const TsdbMatcher *matchers, size_t n_matchers,
									   PgtsdbSeries **series, size_t *n, TsdbError *error);

/*
 * About how many series of a part have this metric name, or any where it is NULL; counting stops at the
 * limit.  For estimates: reads an index and no rows.
 */
extern int64 pgtsdb_count_series(int32 part, Snapshot snapshot, const TsdbStr *metric_name, int64 limit);

/*
 * The samples of a tenant as the evaluator wants them.  Head, chunks and series
 * are read under the snapshot, which must stay pushed while the source is used.
 * The source object lives in the arena; each select() answers in the arena it is given.
 */
extern TsdbSeriesSource *pgtsdb_storage_source(const PgtsdbTenant *tenant, Snapshot snapshot, TsdbArena *arena);

#endif							/* PGTSDB_READER_H */
