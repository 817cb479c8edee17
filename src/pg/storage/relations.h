/*
 * relations.h
 *		The one door to the storage relations of a part.
 *
 * No other code names a storage relation or looks one up.  On stock PostgreSQL
 * the answer is the table itself, or the leaf partitions of chunks that overlap
 * a range of time; a distributed engine would answer with its local shards.
 */
#ifndef PGTSDB_RELATIONS_H
#define PGTSDB_RELATIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

#include "pg/compat.h"

#define PGTSDB_SCHEMA "tsdb"

typedef enum TsdbTable
{
	TSDB_TABLE_PARTS,
	TSDB_TABLE_SERIES_GROUPS,
	TSDB_TABLE_SERIES,
	TSDB_TABLE_HEAD,
	TSDB_TABLE_CHUNKS,
	TSDB_TABLE_METRIC_DEFINITIONS,
	TSDB_TABLE_LATE_WRITES,
	TSDB_TABLE_LATE_WRITES_STATE
} TsdbTable;

/*
 * A local heap.  Of a partition of chunks also its bounds: rows have
 * (tier, class) equal to these and t_lo <= t_min < t_hi.  Other tables: all times.
 */
typedef struct TsdbLeaf
{
	Oid			heap;
	int16		tier;
	int16		class;
	int64		t_lo;
	int64		t_hi;
} TsdbLeaf;

/* Module load: a relcache callback. */
extern void pgtsdb_relations_init(void);

/*
 * The local heaps of a table that may hold rows of `part` with t_lo <= t_min <= t_hi
 * (chunks only), in order of time.  False: the part is not on this node.  Storage
 * that does not exist yet is an empty list.  The heaps are not locked, so open them with
 * tsdb_leaf_open().  The list and the leaves live in the current memory context.
 */
extern bool tsdb_local_relations(TsdbTable table, int32 part, int64 t_lo, int64 t_hi, List **leaves);

/* The only heap of a table other than chunks; InvalidOid when storage does not exist yet, raises when the part is elsewhere. */
extern Oid	tsdb_local_table(TsdbTable table, int32 part);

/* The leaf of chunks that holds t_min, which is not locked; false when there is none (partitions.c). */
extern bool pgtsdb_find_chunk_partition(int16 tier, int16 class, int64 t_min, TsdbLeaf *leaf);

/* Opens and locks one heap; NULL when it was dropped meanwhile (a reader skips it: retention was faster). */
extern Relation tsdb_leaf_open(Oid heap, LOCKMODE lock);
/* For those who cannot skip it: tsdb.drop_storage() was faster. */
pg_noreturn extern void pgtsdb_table_is_gone(const char *name);

/* The valid btree index whose leading key columns are exactly these, opened and locked; raises when there is none. */
extern Relation tsdb_index_open(Relation heap, int n_columns, const char *const *columns, LOCKMODE lock);
/* The same among the indexes with a predicate: (part, hash) of the live rows of series. */
extern Relation tsdb_partial_index_open(Relation heap, int n_columns, const char *const *columns, LOCKMODE lock);

/* The label index of series; NULL when it has none that is valid, as while it is made anew. */
extern Relation tsdb_label_index_open(Relation heap, LOCKMODE lock);

#endif							/* PGTSDB_RELATIONS_H */
