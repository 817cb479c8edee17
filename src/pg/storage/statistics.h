/*
 * statistics.h
 *		What a part holds: how much, how old, and which metrics it is spent on.
 */
#ifndef PGTSDB_STATISTICS_H
#define PGTSDB_STATISTICS_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "core/labels/labels.h"

/* Times are milliseconds since 1970; an oldest of PG_INT64_MAX: there is none. */
typedef struct PgtsdbPartStatistics
{
	int64		series;			/* rows of the catalogue, retired ones included */
	int64		groups;			/* that have rows in head */
	int64		head_oldest;
	int64		head_newest;
	int64		chunk_rows;
	int64		chunk_oldest;	/* first time of the oldest chunk */
} PgtsdbPartStatistics;

/*
 * Adds a part.  Index descents per group, and one pass over the index entries of series and chunks; no row is read but of
 * head, and of series where VACUUM has not been since it changed.
 */
extern void pgtsdb_part_statistics(int32 part, Snapshot snapshot, PgtsdbPartStatistics *statistics);
/* Of head only: the descents, without the passes. */
extern void pgtsdb_part_head_statistics(int32 part, Snapshot snapshot, PgtsdbPartStatistics *statistics);

/* One metric; bytes are those of the rows of chunks, each column's own and an equal share of what the row takes besides. */
typedef struct PgtsdbMetricSize
{
	TsdbStr		metric;
	uint64		series;			/* with samples in these chunks */
	uint64		samples;
	double		bytes;
} PgtsdbMetricSize;

/* Of the chunks that begin within [t_lo, t_hi], in descending order of bytes. */
extern PgtsdbMetricSize *pgtsdb_metric_sizes(TsdbArena *arena, const int32 *parts, int n_parts, Snapshot snapshot,
											 int64 t_lo, int64 t_hi, size_t *n);

/* A label name or value, and the series that have it. */
typedef struct PgtsdbLabelCount
{
	TsdbStr		name;
	uint64		series;			/* not retired */
	uint64		values;			/* distinct ones, of a label name; 0 of a value */
	uint64		created;		/* of the series, since the time asked for */
	uint64		retired;		/* since then, still in the catalogue */
} PgtsdbLabelCount;

/*
 * Of each value of the label, or of each label name when the label is empty, in descending order of series: by the label
 * index of the parts, else in one pass over their catalogue.  Series that the matchers leave out do not count.
 * TSDB_ERR_LIMIT where a regex gave up.
 */
extern TsdbStatus pgtsdb_count_by_label(TsdbArena *arena, const int32 *parts, int n_parts, Snapshot snapshot, TsdbStr label,
										const TsdbMatcher *matchers, size_t n_matchers, TimestampTz since,
										PgtsdbLabelCount **counts, size_t *n, TsdbError *error);

#endif							/* PGTSDB_STATISTICS_H */
