/*
 * source.h
 *		Where the evaluator gets its samples: the one door to storage.
 */
#ifndef TSDB_PROMQL_SOURCE_H
#define TSDB_PROMQL_SOURCE_H

#include "core/base/base.h"
#include "core/labels/labels.h"

/* One series, its samples in ascending order of time, each time once; stale markers included. */
typedef struct TsdbSeriesData
{
	TsdbLabels	labels;
	size_t		n;
	const int64_t *t;			/* milliseconds */
	const double *v;
} TsdbSeriesData;

/*
 * Takes the series of a selection one after another, so that nobody ever holds the
 * samples of all.  Labels live as long as the arena of the selection, the arrays only
 * during the call.  same_times: t and n are those of the series taken before, so that
 * what was found out about them still holds.
 */
typedef struct TsdbSeriesSink TsdbSeriesSink;
struct TsdbSeriesSink
{
	TsdbStatus	(*take) (TsdbSeriesSink *sink, const TsdbSeriesData *series, bool same_times, TsdbError *error);
};

typedef struct TsdbSelect
{
	int64_t		t_min;			/* milliseconds, both inclusive */
	int64_t		t_max;
	const TsdbMatcher *matchers;
	size_t		n_matchers;
	size_t		max_series;		/* more is TSDB_ERR_LIMIT; 0: no limit */
	bool		newest_only;	/* of each series the last sample in the range is enough; others may be left out */
} TsdbSelect;

/* What the selections of a source have come upon so far. */
typedef struct TsdbSourceStats
{
	uint64_t	series;			/* that matched, also those without a sample in the range */
	uint64_t	chunks;			/* rows of compressed samples that were opened */
	uint64_t	head_rows;
	uint64_t	samples;		/* within the range */
} TsdbSourceStats;

/*
 * select() gives the sink each series that matches, each label set once and always in the
 * same order, those without a sample in the range left out.  A sink's failure ends it.
 */
typedef struct TsdbSeriesSource TsdbSeriesSource;
struct TsdbSeriesSource
{
	TsdbStatus	(*select) (TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what, TsdbSeriesSink *sink,
						   TsdbError *error);
	void	   *context;
	TsdbSourceStats stats;
};

/* ---- source.c ---- */

/* All series of a selection, sorted by labels, copied to the arena; TSDB_ERR_LIMIT for more than max_samples. */
extern TsdbStatus tsdb_source_collect(TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what,
									  size_t max_samples, TsdbSeriesData **series, size_t *n, TsdbError *error);

/* sum += now - before */
extern void tsdb_source_stats_add(TsdbSourceStats *sum, const TsdbSourceStats *now, const TsdbSourceStats *before);

/* "too many samples", as Prometheus words it, with a hint. */
extern TsdbStatus tsdb_fail_too_many_samples(TsdbError *error);
/* More than max_series. */
extern TsdbStatus tsdb_fail_too_many_series(TsdbError *error, size_t max_series);

#endif							/* TSDB_PROMQL_SOURCE_H */
