/*
 * presence.h
 *		Which series have samples in a range of time, without reading the samples.
 */
#ifndef PGTSDB_PRESENCE_H
#define PGTSDB_PRESENCE_H

#include "postgres.h"

#include "pg/storage/reader.h"

/*
 * Keeps those of a part's series, as pgtsdb_select_series() answers them, that have a sample with
 * t_lo <= t <= t_hi, and answers how many these are.  A series with a chunk that overlaps the range is kept too when its samples
 * there lie outside.  None that has a sample is left out.
 */
extern size_t pgtsdb_keep_present_series(PgtsdbSeries *series, size_t n, Snapshot snapshot, int64 t_lo, int64 t_hi);

/* The same for all times, and without a look at chunks. */
extern size_t pgtsdb_keep_series_in_head(PgtsdbSeries *series, size_t n, Snapshot snapshot);

#endif							/* PGTSDB_PRESENCE_H */
