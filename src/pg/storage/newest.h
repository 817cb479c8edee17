/*
 * newest.h
 *		How late the stored samples of a series are.
 */
#ifndef PGTSDB_NEWEST_H
#define PGTSDB_NEWEST_H

#include "postgres.h"

#include "pg/storage/storage.h"

typedef struct PgtsdbNewest PgtsdbNewest;

/* Earlier samples than t_from are not looked for. */
extern PgtsdbNewest *pgtsdb_newest_create(MemoryContext context, int64 t_from);
/*
 * The time of the last sample that was stored before its group was first asked for; PG_INT64_MIN: there is none from t_from on.
 * Exact, unlike the hints of series_cache.h.
 */
extern int64 pgtsdb_newest_of(PgtsdbNewest *newest, PgtsdbSeriesRef series);

#endif							/* PGTSDB_NEWEST_H */
