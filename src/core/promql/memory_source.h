/*
 * memory_source.h
 *		A series source over samples held in memory: for tests, fuzzing and tools.
 */
#ifndef TSDB_PROMQL_MEMORY_SOURCE_H
#define TSDB_PROMQL_MEMORY_SOURCE_H

#include "core/promql/source.h"

typedef struct TsdbMemorySeries
{
	TsdbLabels	labels;
	size_t		n;
	size_t		capacity;
	int64_t    *t;
	double	   *v;
} TsdbMemorySeries;

typedef struct TsdbMemorySource
{
	TsdbSeriesSource source;	/* what the evaluator is given */
	TsdbArena  *arena;
	TsdbMemorySeries *series;	/* sorted by labels */
	size_t		n;
	size_t		capacity;
} TsdbMemorySource;

extern void tsdb_memory_source_init(TsdbMemorySource *memory, TsdbArena *arena);
/* Labels are copied.  In any order of time; of samples with equal times the first stays. */
extern void tsdb_memory_source_add(TsdbMemorySource *memory, TsdbLabels labels, int64_t t, double v);

#endif							/* TSDB_PROMQL_MEMORY_SOURCE_H */
