/*
 * regroup.h
 *		Groups whose rows have become sparse.
 */
#ifndef PGTSDB_REGROUP_H
#define PGTSDB_REGROUP_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "pg/storage/storage.h"

/*
 * The live series of the group that get samples, in order, when they should move, else 0: `series` has room for
 * PGTSDB_MAX_GROUP_COLUMNS.  Retire them, and the next write makes them anew side by side.
 */
extern size_t pgtsdb_scattered_series(int32 part, int32 group_id, Snapshot snapshot, PgtsdbSeriesRef *series);

#endif							/* PGTSDB_REGROUP_H */
