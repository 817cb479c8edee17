/*
 * group_reader.h
 *		The samples of one group after another, column by column.
 *
 *		reader = pgtsdb_group_reader_open(arena, part, snapshot, t_lo, t_hi, stats);
 *		pgtsdb_group_reader_fetch(reader, &group);
 *		for each wanted column i: run = pgtsdb_group_reader_column(reader, i, &same_times);
 *		...
 *		pgtsdb_group_reader_close(reader);
 */
#ifndef PGTSDB_GROUP_READER_H
#define PGTSDB_GROUP_READER_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "core/promql/source.h"
#include "core/samples/samples.h"
#include "pg/storage/decode.h"

typedef struct PgtsdbGroupReader PgtsdbGroupReader;

/*
 * Samples with t_lo <= t <= t_hi; with newest_only the last one of each series at least.  What is met is counted in the
 * stats.  Memory comes from the arena and the current context.
 */
extern PgtsdbGroupReader *pgtsdb_group_reader_open(TsdbArena *arena, int32 part, Snapshot snapshot,
												   int64 t_lo, int64 t_hi, bool newest_only, TsdbSourceStats *stats);
/* Fetches the rows of a group that hold some of its wanted columns. */
extern void pgtsdb_group_reader_fetch(PgtsdbGroupReader *reader, PgtsdbGroup *group);
/*
 * The samples of the group's wanted column number i in strictly ascending order of time; of a time that is stored twice
 * the chunk's sample, then the earliest row's.  The arrays are good until the next call; same_times: the times are
 * those of the column asked for before.  Raises ERRCODE_DATA_CORRUPTED for bytes that do not decode.
 */
extern TsdbRun pgtsdb_group_reader_column(PgtsdbGroupReader *reader, int i, bool *same_times);
/* Instead: all runs as the rows hold them into the group's columns and the arena, for columns that are to be united with others. */
extern void pgtsdb_group_reader_runs(PgtsdbGroupReader *reader, TsdbArena *arena, PgtsdbGroup *group);
extern void pgtsdb_group_reader_close(PgtsdbGroupReader *reader);

#endif							/* PGTSDB_GROUP_READER_H */
