/*
 * head_batch.h
 *		Encoded rows of one part, on their way into tsdb.head.
 */
#ifndef PGTSDB_HEAD_BATCH_H
#define PGTSDB_HEAD_BATCH_H

#include "postgres.h"

#include "core/chunk/head.h"
#include "pg/storage/group_hints.h"

typedef struct PgtsdbHeadBatch PgtsdbHeadBatch;

/* All of it lives in the current memory context. */
extern PgtsdbHeadBatch *pgtsdb_head_batch_create(int32 part);
/* Samples of one group, ascending by column: makes one row, or more when they do not fit.  Rows come in key order. */
extern void pgtsdb_head_batch_add(PgtsdbHeadBatch *batch, int32 group_id, int64 t,
								  const TsdbHeadSample *samples, size_t n, PgtsdbGroupHint *hint);
/* The group has got samples: updates its last_seen once an hour, by whoever comes first. */
extern void pgtsdb_head_batch_seen(PgtsdbHeadBatch *batch, int32 group_id, PgtsdbGroupHint *hint);
/* Answers how many rows it inserted. */
extern int	pgtsdb_head_batch_insert(PgtsdbHeadBatch *batch);

#endif							/* PGTSDB_HEAD_BATCH_H */
