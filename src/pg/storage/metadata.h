/*
 * metadata.h
 *		Type, help text and unit of metrics, on their way into tsdb.metric_definitions and out of it.
 */
#ifndef PGTSDB_METADATA_H
#define PGTSDB_METADATA_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "core/ingest/ingest.h"

typedef struct PgtsdbMetadataList PgtsdbMetadataList;

/* Module load. */
extern void pgtsdb_metadata_init(void);

/* Lives in a child of the current memory context. */
extern PgtsdbMetadataList *pgtsdb_metadata_create(void);
/* Takes a definition for a part, unless this backend has stored the same before.  Answers whether it can be stored. */
extern TsdbStatus pgtsdb_metadata_add(PgtsdbMetadataList *list, int32 part, const TsdbMetadata *metadata,
									  TsdbError *error);
/* Writes the rows that are new or changed. */
extern void pgtsdb_metadata_store(PgtsdbMetadataList *list);

/* metadata_read.c */

/*
 * The definitions of a part, of one metric or of all (NULL), sorted by metric.  What was not told has no data.  They
 * live in the arena.
 */
extern TsdbMetadata *pgtsdb_metadata_read(int32 part, const TsdbStr *metric, Snapshot snapshot, TsdbArena *arena,
										  size_t *n);

#endif							/* PGTSDB_METADATA_H */
