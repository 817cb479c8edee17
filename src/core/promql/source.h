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

typedef struct TsdbSelect
{
	int64_t		t_min;			/* milliseconds, both inclusive */
	int64_t		t_max;
	const TsdbMatcher *matchers;
	size_t		n_matchers;
	size_t		max_samples;	/* over all series of this call; more is TSDB_ERR_LIMIT */
} TsdbSelect;

/*
 * select() answers the series that match, sorted by labels, each label set
 * once, those without a sample in the range left out.  Everything lives in the arena.
 */
typedef struct TsdbSeriesSource TsdbSeriesSource;
struct TsdbSeriesSource
{
	TsdbStatus	(*select) (TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what,
						   TsdbSeriesData **series, size_t *n, TsdbError *error);
	void	   *context;
};

#endif							/* TSDB_PROMQL_SOURCE_H */
