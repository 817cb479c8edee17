/*
 * presence.h
 *		Which series have samples in a range of time, without reading the samples.
 */
#ifndef PGTSDB_PRESENCE_H
#define PGTSDB_PRESENCE_H

#include "postgres.h"

#include "pg/storage/reader.h"

/*
 * A series is present when it has a sample with t_lo <= t <= t_hi, and also when it has a chunk that overlaps the range and
 * its samples there lie outside.  None that has a sample is missed.
 */
typedef struct PgtsdbPresence PgtsdbPresence;

/* Lives in the current memory context, and leaves memory there. */
extern PgtsdbPresence *pgtsdb_presence_open(int32 part, Snapshot snapshot, int64 t_lo, int64 t_hi);
/* What was found on the way is remembered: in any order, a group costs no more than to look at all its rows once. */
extern bool pgtsdb_is_present(PgtsdbPresence *presence, int32 group_id, int16 col);
extern void pgtsdb_presence_close(PgtsdbPresence *presence);

/* Keeps those of a part's series, as pgtsdb_select_series() answers them, that are present, and answers how many these are. */
extern size_t pgtsdb_keep_present_series(PgtsdbSeries *series, size_t n, Snapshot snapshot, int64 t_lo, int64 t_hi);

/* The same for all times, and without a look at chunks. */
extern size_t pgtsdb_keep_series_in_head(PgtsdbSeries *series, size_t n, Snapshot snapshot);

#endif							/* PGTSDB_PRESENCE_H */
