/*
 * count_labels.h
 *		How many series have which labels, by the label index.
 */
#ifndef PGTSDB_COUNT_LABELS_H
#define PGTSDB_COUNT_LABELS_H

#include "postgres.h"

#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "core/labels/labels.h"

/* Series that are not retired, and those that came and went since some time. */
typedef struct PgtsdbSeriesCount
{
	uint64		series;
	uint64		created;
	uint64		retired;
} PgtsdbSeriesCount;

/* Which series of a part are counted. */
typedef struct PgtsdbCountOf
{
	int32		part;
	Snapshot	snapshot;
	TsdbStr		name;			/* by its values; empty: by all labels */
	const TsdbMatcher *matchers;	/* they all match */
	size_t		n_matchers;
	TimestampTz since;			/* for created and retired */
} PgtsdbCountOf;

/* Some of the series with this label: it may come several times, for different series.  The label is there until it returns. */
typedef void (*PgtsdbLabelCounter) (void *context, TsdbLabel label, const PgtsdbSeriesCount *count);

/*
 * Counts the labels of visible series, and all of these in *all.  Reads each row once, without its labels.
 * False when there is no index, or it does not know the answer: then nothing has been counted.
 */
extern bool pgtsdb_count_labels_by_index(const PgtsdbCountOf *of, PgtsdbLabelCounter counter, void *context,
										PgtsdbSeriesCount *all);

#endif							/* PGTSDB_COUNT_LABELS_H */
