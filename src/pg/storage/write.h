/*
 * write.h
 *		What the write functions have in common: one call of one of them.
 */
#ifndef PGTSDB_WRITE_H
#define PGTSDB_WRITE_H

#include "postgres.h"

#include "pg/storage/storage.h"

typedef struct PgtsdbWrite
{
	PgtsdbCaller caller;
	TsdbArena  *arena;
	PgtsdbIngest *ingest;
	PgtsdbIngestResult result;
} PgtsdbWrite;

/* write_functions.c */

/* Checks that the caller may write, and acts as the owner from here on. */
extern void pgtsdb_write_begin(PgtsdbWrite *write, const PgtsdbSender *sender);
/* Fills the result; one WARNING tells of what was not stored. */
extern void pgtsdb_write_finish(PgtsdbWrite *write);
/* What this session takes of a body that came then. */
extern PgtsdbIngestOptions pgtsdb_write_options(const PgtsdbTenant *tenant, int64 received_at);

#endif							/* PGTSDB_WRITE_H */
