/*
 * head_rows.h
 *		Samples on their way into tsdb.head: collected by group and time, encoded, inserted.
 */
#ifndef PGTSDB_HEAD_ROWS_H
#define PGTSDB_HEAD_ROWS_H

#include "postgres.h"

#include "pg/storage/storage.h"

typedef struct PgtsdbHeadRows PgtsdbHeadRows;

/* identity: of the series cache.  Lives in a child of the current memory context. */
extern PgtsdbHeadRows *pgtsdb_head_rows_create(uint64 identity);

/* Takes one sample; inserts what has piled up when it is much.  Counts into the result. */
extern void pgtsdb_head_rows_add(PgtsdbHeadRows *rows, PgtsdbSeriesRef series, int64 t, double v,
								 PgtsdbIngestResult *result);

/* Inserts all that was taken. */
extern void pgtsdb_head_rows_flush(PgtsdbHeadRows *rows, PgtsdbIngestResult *result);

#endif							/* PGTSDB_HEAD_ROWS_H */
