/*
 * counters.h
 *		What has happened since the server started, by part: for tsdb.api_metrics().
 *
 * A table of fixed size in shared memory, of atomic counters: one entry for each part of each database that anything was
 * counted for.  No lock, and nothing that may fail.  What a transaction stores is counted when it commits, and not when it
 * does not; what it reads is counted at once.  Without shared_preload_libraries nothing is counted, and a part
 * that finds no entry free is not counted either.
 */
#ifndef PGTSDB_COUNTERS_H
#define PGTSDB_COUNTERS_H

#include "postgres.h"

#include "pg/tenant.h"

/* Upper bounds of the buckets of query durations, in seconds; the last bucket has none. */
#define PGTSDB_DURATION_BOUNDS {0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10}
#define PGTSDB_DURATION_BUCKETS 8

typedef enum PgtsdbCounter
{
	/* Ingest, at commit */
	PGTSDB_COUNT_WRITES,
	PGTSDB_COUNT_SAMPLES,
	PGTSDB_COUNT_DUPLICATES,
	PGTSDB_COUNT_LATE,
	PGTSDB_COUNT_INVALID,
	PGTSDB_COUNT_CONFLICTS,
	PGTSDB_COUNT_TOO_OLD,
	PGTSDB_COUNT_TOO_NEW,
	PGTSDB_COUNT_SERIES,
	PGTSDB_COUNT_HEAD_ROWS,
	PGTSDB_COUNT_WAL_BYTES,

	/* Compaction, at commit */
	PGTSDB_COUNT_COMPACTED_ROWS,
	PGTSDB_COUNT_COMPACTED_SAMPLES,
	PGTSDB_COUNT_CHUNK_ROWS,
	PGTSDB_COUNT_CHUNK_BYTES,

	/* Queries, at once */
	PGTSDB_COUNT_QUERIES,		/* begun */
	PGTSDB_COUNT_FAILED_QUERIES,	/* by a mistake or a limit; a cancelled one is begun and neither failed nor done */
	PGTSDB_COUNT_QUERY_SAMPLES,
	PGTSDB_COUNT_QUERY_NS,
	PGTSDB_COUNT_QUERY_BUCKETS, /* the first of them; of queries that were done */
	PGTSDB_COUNTERS = PGTSDB_COUNT_QUERY_BUCKETS + PGTSDB_DURATION_BUCKETS
} PgtsdbCounter;

/* From _PG_init() under shared_preload_libraries. */
extern void pgtsdb_counters_init(void);
/* False: nothing is counted. */
extern bool pgtsdb_counters_exist(void);

/* When the current transaction commits, or is prepared; not if its subtransaction aborts. */
extern void pgtsdb_count_at_commit(int32 part, const uint64 n[PGTSDB_COUNTERS]);
extern void pgtsdb_count_now(int32 part, PgtsdbCounter counter, uint64 n);
/* A query that was done. */
extern void pgtsdb_count_query(int32 part, uint64 samples, int64 ns);

/* The sums over the tenant's parts. */
extern void pgtsdb_counters_of(const PgtsdbTenant *tenant, uint64 n[PGTSDB_COUNTERS]);

#endif							/* PGTSDB_COUNTERS_H */
