/*
 * overview.h
 *		What a part holds, in figures: for tsdb.api_status_tsdb().
 */
#ifndef PGTSDB_OVERVIEW_H
#define PGTSDB_OVERVIEW_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "core/labels/label_counts.h"

/* Adds the series of the part that are not retired: by its label index, else in one pass over its catalogue. */
extern void pgtsdb_count_labels(int32 part, Snapshot snapshot, TsdbLabelCounts *counts);

/* Adds the rows of head of the part, and widens the range by their times, in milliseconds. */
extern void pgtsdb_count_head_rows(int32 part, Snapshot snapshot, uint64 *n, int64 *t_min, int64 *t_max);

#endif							/* PGTSDB_OVERVIEW_H */
