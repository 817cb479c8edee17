/*
 * label_counts.h
 *		How many series have which labels: the figures of Prometheus's page about its database.
 */
#ifndef TSDB_LABEL_COUNTS_H
#define TSDB_LABEL_COUNTS_H

#include "core/base/str_table.h"
#include "core/labels/labels.h"

typedef struct TsdbLabelCounts
{
	uint64_t	n_series;
	size_t		n_pairs;		/* distinct pairs of name and value */

	/* Below this: label_counts.c only */
	TsdbArena  *arena;
	TsdbStrTable names;
	TsdbStrTable *values;		/* of each name, with the number of its series */
	size_t		capacity;		/* of values */
} TsdbLabelCounts;

typedef enum TsdbLabelCountOf
{
	TSDB_SERIES_OF_METRIC,
	TSDB_VALUES_OF_LABEL,
	TSDB_BYTES_OF_LABEL,		/* what its pairs take in Prometheus: of each series its name, value and their lengths */
	TSDB_SERIES_OF_PAIR			/* label=value */
} TsdbLabelCountOf;

typedef struct TsdbFigure
{
	TsdbStr		name;
	TsdbStr		value;			/* of a pair, else empty */
	uint64_t	figure;
} TsdbFigure;

extern void tsdb_label_counts_init(TsdbLabelCounts *counts, TsdbArena *arena);
extern void tsdb_label_counts_add(TsdbLabelCounts *counts, TsdbLabels labels);
/* The same by labels instead of series, which are then the caller's to count: so many more have this one, at least one. */
extern void tsdb_label_counts_add_pair(TsdbLabelCounts *counts, TsdbLabel label, uint64_t n_series);
/*
 * The largest, at most `limit` of them, in descending order and those that are equal by name; answers how many.
 * env may be NULL.
 */
extern size_t tsdb_label_counts_top(const TsdbLabelCounts *counts, const TsdbEnv *env, TsdbLabelCountOf what,
								   size_t limit, TsdbFigure **top);

#endif							/* TSDB_LABEL_COUNTS_H */
