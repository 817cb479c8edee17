/*
 * relations.c
 *		The one door to the storage relations of a part.
 *
 * Storage tables are found by name in the schema of the extension, since they
 * are not its members, and their indexes by columns, since a restore or a
 * distributed engine may name them otherwise.  Nothing is cached here: the
 * syscache and the relcache already are caches, with invalidation.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "pg/am/label_index.h"
#include "pg/storage/locks.h"
#include "pg/storage/relations.h"
#include "pg/storage/schema.h"

static const char *const table_names[] = {
	[TSDB_TABLE_PARTS] = "parts",
	[TSDB_TABLE_SERIES_GROUPS] = "series_groups",
	[TSDB_TABLE_SERIES] = "series",
	[TSDB_TABLE_HEAD] = "head",
	[TSDB_TABLE_CHUNKS] = "chunks",
	[TSDB_TABLE_METRIC_DEFINITIONS] = "metric_definitions",
	[TSDB_TABLE_LATE_WRITES] = "late_writes",
	[TSDB_TABLE_LATE_WRITES_STATE] = "late_writes_state",
};

/* Between a commit and its messages are microseconds, where nobody is stopped in between. */
#define LOOK_INTERVAL_US 100
#define MAX_LOOKS 20000

/* The partition key of chunks, in this order. */
enum
{
	KEY_TIER,
	KEY_CLASS,
	KEY_T_MIN,
	KEY_COLUMNS
};

static Oid	table_oid(TsdbTable table);
static bool is_distributed(Oid heap);
static PartitionDesc current_partitions(Relation chunks);
static bool is_complete(Relation chunks, PartitionDesc partitions);
static bool is_believed(Relation chunks, PartitionDesc partitions);
static void on_relcache_event(Datum arg, Oid relation);
static List *leaves_of_chunks(Relation chunks, int64 t_lo, int64 t_hi);
static int	compare_leaves(const ListCell *a, const ListCell *b);
static bool leaf_of_bounds(PartitionBoundInfo bounds, int upper, TsdbLeaf *leaf);
static Relation open_index(Relation heap, int n_columns, const char *const *columns, LOCKMODE lock, bool partial);
static bool index_has_columns(Relation heap, Relation index, int n_columns, const char *const *columns, bool partial);

/* The descriptor of chunks that was found complete last, and how often it might have changed until then. */
static PartitionDesc believed;
static uint64 believed_at;
static Oid	believed_of = InvalidOid;
static uint64 n_changes;

void
pgtsdb_relations_init(void)
{
	CacheRegisterRelcacheCallback(on_relcache_event, (Datum) 0);
}

/* Afterwards the descriptor is another one, but may have its address. */
static void
on_relcache_event(Datum arg, Oid relation)
{
	if (!OidIsValid(relation) || relation == believed_of)
		n_changes++;
}

bool
tsdb_local_relations(TsdbTable table, int32 part, int64 t_lo, int64 t_hi, List **leaves)
{
	Oid			heap = table_oid(table);
	Relation	relation;

	*leaves = NIL;
	if (!OidIsValid(heap))
		return true;
	if (is_distributed(heap))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s.%s\" is distributed, which this version cannot read", PGTSDB_SCHEMA, table_names[table])));

	relation = tsdb_leaf_open(heap, AccessShareLock);
	if (relation == NULL)
		return true;
	if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		*leaves = leaves_of_chunks(relation, t_lo, t_hi);
	else
	{
		TsdbLeaf   *leaf = palloc0_object(TsdbLeaf);

		leaf->heap = heap;
		leaf->t_lo = PG_INT64_MIN;
		leaf->t_hi = PG_INT64_MAX;
		*leaves = list_make1(leaf);
	}
	/* The lock stays: the list of partitions must not change before they are opened. */
	table_close(relation, NoLock);
	return true;
}

Oid
tsdb_local_table(TsdbTable table, int32 part)
{
	List	   *leaves;
	Oid			heap;

	if (!tsdb_local_relations(table, part, PG_INT64_MIN, PG_INT64_MAX, &leaves))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("part %d is not on this node", part),
				 errhint("Repeat the statement on the node that has it.")));
	heap = leaves == NIL ? InvalidOid : ((TsdbLeaf *) linitial(leaves))->heap;
	list_free_deep(leaves);
	return heap;
}

Relation
tsdb_leaf_open(Oid heap, LOCKMODE lock)
{
	return try_table_open(heap, lock);
}

void
pgtsdb_table_is_gone(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("table \"%s.%s\" was dropped meanwhile", PGTSDB_SCHEMA, name)));
}

Relation
tsdb_index_open(Relation heap, int n_columns, const char *const *columns, LOCKMODE lock)
{
	return open_index(heap, n_columns, columns, lock, false);
}

Relation
tsdb_partial_index_open(Relation heap, int n_columns, const char *const *columns, LOCKMODE lock)
{
	return open_index(heap, n_columns, columns, lock, true);
}

Relation
tsdb_label_index_open(Relation heap, LOCKMODE lock)
{
	List	   *indexes = RelationGetIndexList(heap);
	ListCell   *cell;
	Relation	found = NULL;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), lock);

		if (index->rd_index->indisvalid && pgtsdb_is_label_index(index) && pgtsdb_label_index_has_part(index) &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
			index->rd_index->indkey.values[0] == PGTSDB_SERIES_PART && index->rd_index->indkey.values[1] == PGTSDB_SERIES_LABELS)
		{
			found = index;
			break;
		}
		index_close(index, lock);
	}
	list_free(indexes);
	return found;
}

static Relation
open_index(Relation heap, int n_columns, const char *const *columns, LOCKMODE lock, bool partial)
{
	List	   *indexes = RelationGetIndexList(heap);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), lock);

		if (index_has_columns(heap, index, n_columns, columns, partial))
		{
			list_free(indexes);
			return index;
		}
		index_close(index, lock);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("relation \"%s\" has no valid btree index on its key columns, of which the last is \"%s\"",
					RelationGetRelationName(heap), columns[n_columns - 1]),
			 errhint("SELECT tsdb.create_storage() tells what differs from the expected definition.")));
}

static Oid
table_oid(TsdbTable table)
{
	Oid			schema = get_namespace_oid(PGTSDB_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(table_names[table], schema) : InvalidOid;
}

/*
 * Under Citus the table of this name is an empty shell on every node, or has
 * kept rows that were moved elsewhere: a direct scan would answer wrongly.
 */
static bool
is_distributed(Oid heap)
{
	Oid			catalog = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);
	AttrNumber	column;
	Relation	relation;
	SysScanDesc scan;
	ScanKeyData key;
	bool		found;

	if (likely(!OidIsValid(catalog)))
		return false;
	column = get_attnum(catalog, "logicalrelid");
	if (column == InvalidAttrNumber)
		return false;
	relation = table_open(catalog, AccessShareLock);
	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(heap));
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return found;
}

/*
 * The partitions, with every one whose rows a snapshot of ours can show.
 *
 * A transaction that makes a leaf and moves rows of head into it can be seen a moment before others are told
 * of the leaf: what they remember of the partitioned table would then lack rows that are no more in head.  It holds the lock
 * under which leaves are made until everybody has been told.  While somebody holds it, or the lock is that of another
 * server, the catalogue tells whether there is more; a maker that has not committed is not seen there either.
 *
 * Nor is a descriptor believed before it was compared with the catalogue once.  The server reads messages while it makes one;
 * when it reads that of a new leaf after it has listed the leaves, it keeps the list without it, and is not told again.
 */
static PartitionDesc
current_partitions(Relation chunks)
{
	PartitionDesc partitions;
	bool		quiet = !RecoveryInProgress() && pgtsdb_lock(PGTSDB_LOCK_STORAGE, 1, 0, ShareLock, true);

	if (quiet)
		pgtsdb_unlock(PGTSDB_LOCK_STORAGE, 1, 0, ShareLock);
	AcceptInvalidationMessages();
	partitions = RelationGetPartitionDesc(chunks, true);
	for (int i = 0; i < MAX_LOOKS && !(quiet ? is_believed(chunks, partitions) : is_complete(chunks, partitions)); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			pg_usleep(LOOK_INTERVAL_US);
		AcceptInvalidationMessages();
		RelationCacheInvalidateEntry(RelationGetRelid(chunks));
		partitions = RelationGetPartitionDesc(chunks, true);
	}
	return partitions;
}

static bool
is_believed(Relation chunks, PartitionDesc partitions)
{
	uint64		now = n_changes;

	if (partitions == believed && now == believed_at && RelationGetRelid(chunks) == believed_of)
		return true;
	believed_of = RelationGetRelid(chunks);
	if (!is_complete(chunks, partitions) || n_changes != now)
		return false;
	believed = partitions;
	believed_at = now;
	return true;
}

static bool
is_complete(Relation chunks, PartitionDesc partitions)
{
	List	   *children = find_inheritance_children_extended(RelationGetRelid(chunks), true, NoLock, NULL, NULL);
	bool		complete = list_length(children) == partitions->nparts;
	Oid		   *oids = palloc_array(Oid, partitions->nparts);

	/* children come in this order */
	memcpy(oids, partitions->oids, partitions->nparts * sizeof(Oid));
	qsort(oids, partitions->nparts, sizeof(Oid), oid_cmp);
	for (int i = 0; complete && i < partitions->nparts; i++)
		complete = list_nth_oid(children, i) == oids[i];
	pfree(oids);
	list_free(children);
	return complete;
}

/*
 * Partitions are kept in the order of their upper bounds, so of (tier, class, time), and answered in order of time.
 * A default partition or one that is partitioned again is not ours; rows in it
 * would be missed without a word, so this is an error.
 */
static List *
leaves_of_chunks(Relation chunks, int64 t_lo, int64 t_hi)
{
	PartitionDesc partitions = current_partitions(chunks);
	PartitionBoundInfo bounds = partitions->boundinfo;
	List	   *leaves = NIL;
	int			n_found = 0;

	for (int upper = 0; bounds != NULL && upper < bounds->ndatums; upper++)
	{
		TsdbLeaf	leaf;

		if (bounds->indexes[upper] < 0)
			continue;			/* no partition between this bound and the one below */
		if (!partitions->is_leaf[bounds->indexes[upper]] || !leaf_of_bounds(bounds, upper, &leaf))
			break;
		n_found++;
		leaf.heap = partitions->oids[bounds->indexes[upper]];
		if (leaf.t_lo <= t_hi && leaf.t_hi > t_lo)
			leaves = lappend(leaves, memcpy(palloc(sizeof(TsdbLeaf)), &leaf, sizeof(TsdbLeaf)));
	}
	if (n_found != partitions->nparts)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" has partitions that pgtsdb did not make", PGTSDB_SCHEMA, RelationGetRelationName(chunks)),
				 errdetail("A partition holds one tier, one class and a range of t_min, and is not partitioned again."),
				 errhint("Detach what was attached by hand.")));
	list_sort(leaves, compare_leaves);
	return leaves;
}

static int
compare_leaves(const ListCell *a, const ListCell *b)
{
	const TsdbLeaf *x = lfirst(a);
	const TsdbLeaf *y = lfirst(b);

	if (x->t_lo != y->t_lo)
		return x->t_lo < y->t_lo ? -1 : 1;
	if (x->tier != y->tier)
		return (int) x->tier - (int) y->tier;
	return (int) x->class - (int) y->class;
}

/* FROM (tier, class, t_lo) TO (tier, class, t_hi), all of them values. */
static bool
leaf_of_bounds(PartitionBoundInfo bounds, int upper, TsdbLeaf *leaf)
{
	Datum	   *lo;
	Datum	   *hi = bounds->datums[upper];

	if (upper == 0)
		return false;
	lo = bounds->datums[upper - 1];
	for (int i = 0; i < KEY_COLUMNS; i++)
		if (bounds->kind[upper - 1][i] != PARTITION_RANGE_DATUM_VALUE || bounds->kind[upper][i] != PARTITION_RANGE_DATUM_VALUE)
			return false;
	leaf->tier = DatumGetInt16(hi[KEY_TIER]);
	leaf->class = DatumGetInt16(hi[KEY_CLASS]);
	leaf->t_lo = DatumGetInt64(lo[KEY_T_MIN]);
	leaf->t_hi = DatumGetInt64(hi[KEY_T_MIN]);
	return DatumGetInt16(lo[KEY_TIER]) == leaf->tier && DatumGetInt16(lo[KEY_CLASS]) == leaf->class;
}

static bool
index_has_columns(Relation heap, Relation index, int n_columns, const char *const *columns, bool partial)
{
	Form_pg_index form = index->rd_index;

	if (!form->indisvalid || index->rd_rel->relam != BTREE_AM_OID || form->indnkeyatts < n_columns ||
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) == partial)
		return false;
	for (int i = 0; i < n_columns; i++)
	{
		AttrNumber	column = form->indkey.values[i];

		/* the type's own order, ascending: what ordered scans and scan keys of that type need */
		if (column <= 0 || index->rd_indoption[i] != 0 ||
			index->rd_opcintype[i] != getBaseType(TupleDescAttr(RelationGetDescr(heap), column - 1)->atttypid) ||
			strcmp(NameStr(TupleDescAttr(RelationGetDescr(heap), column - 1)->attname), columns[i]) != 0)
			return false;
	}
	return true;
}
