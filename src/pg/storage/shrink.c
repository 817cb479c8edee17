/*
 * shrink.c
 *		Partitions with much free space in them give it back.
 *
 * Moving a row is a rewrite that changes nothing: it takes the lock of the group first, and then a newer snapshot.
 * Readers see a row at its old or its new place, never at both; nobody is locked out, as VACUUM FULL would do.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "pg/storage/locks.h"
#include "pg/storage/relations.h"
#include "pg/storage/shrink.h"
#include "pg/storage/statement.h"
#include "pg/storage/storage.h"
#include "pg/storage/storage_internal.h"
#include "pg/tenant.h"

/* Fewer free pages, or a smaller share of all, are not worth the WAL. */
#define LEAST_FREE_PAGES 32
#define LEAST_FREE_SHARE 4		/* one in so many */
/* A page with so much room is empty: the smallest chunk leaves less. */
#define EMPTY_PAGE (BLCKSZ - 192)
/* Rows of so many pages per transaction: each may need the lock of another group. */
#define STEP_PAGES 64

static BlockNumber first_to_move(Relation leaf, BlockNumber n_pages);
static void forget_target(Oid leaf);
static bool lock_groups(const char *leaf, const char *pages, Datum *parts, Datum *group_ids);

void
pgtsdb_shrink_start(PgtsdbShrink *shrink, Oid leaf)
{
	Relation	relation = tsdb_leaf_open(leaf, AccessShareLock);

	*shrink = (PgtsdbShrink) {.leaf = leaf};
	if (relation == NULL)
		return;
	shrink->to = RelationGetNumberOfBlocks(relation);
	shrink->from = first_to_move(relation, shrink->to);
	/* What is moved shall not land there again; the next VACUUM finds out anew what is free. */
	for (BlockNumber page = shrink->from; page < shrink->to; page++)
		RecordPageWithFreeSpace(relation, page, 0);
	table_close(relation, NoLock);
}

/* From there on no more pages are in use than are empty before it. */
static BlockNumber
first_to_move(Relation leaf, BlockNumber n_pages)
{
	BlockNumber n_empty = 0;
	BlockNumber n_used = 0;
	BlockNumber from = n_pages;

	for (BlockNumber page = 0; page < n_pages; page++)
		n_empty += GetRecordedFreeSpace(leaf, page) >= EMPTY_PAGE;
	if (n_empty < LEAST_FREE_PAGES || n_empty < n_pages / LEAST_FREE_SHARE)
		return n_pages;
	for (BlockNumber page = n_pages; page-- > 0;)
	{
		if (GetRecordedFreeSpace(leaf, page) >= EMPTY_PAGE)
			n_empty--;
		else if (++n_used <= n_empty)
			from = page;
		else
			break;
	}
	return from;
}

bool
pgtsdb_shrink_step(PgtsdbShrink *shrink)
{
	const char *name = get_rel_name(shrink->leaf);
	BlockNumber from = shrink->to - Min(shrink->to - shrink->from, STEP_PAGES);
	Datum		groups[2];
	PgtsdbCaller caller;
	char	   *pages;
	char	   *move;

	if (from == shrink->to || name == NULL)
		return false;
	pgtsdb_act_as_owner(&caller);
	name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(shrink->leaf)), name);
	pages = psprintf("ctid OPERATOR(pg_catalog.>=) '(%u,0)'::pg_catalog.tid"
					 " AND ctid OPERATOR(pg_catalog.<) '(%u,0)'::pg_catalog.tid", from, shrink->to);
	SPI_connect();
	if (lock_groups(name, pages, &groups[0], &groups[1]))
	{
		move = psprintf("WITH moved AS (DELETE FROM ONLY %s c WHERE %s AND EXISTS (SELECT FROM unnest($1, $2) g (part, group_id)"
						" WHERE g.part OPERATOR(pg_catalog.=) c.part AND g.group_id OPERATOR(pg_catalog.=) c.group_id) RETURNING *)"
						" INSERT INTO %s SELECT * FROM moved", name, pages, name);
		forget_target(shrink->leaf);
		if (SPI_execute_with_args(move, 2, (Oid[]) {INT4ARRAYOID, INT4ARRAYOID}, groups, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not move rows of %s", name);
		shrink->rows += SPI_processed;
	}
	SPI_finish();
	shrink->to = from;
	pgtsdb_act_as_caller(&caller);
	return true;
}

/* The page that got this backend's last row would get the next one too. */
static void
forget_target(Oid leaf)
{
	Relation	relation = table_open(leaf, RowExclusiveLock);

	RelationSetTargetBlock(relation, InvalidBlockNumber);
	table_close(relation, NoLock);
}

/* Of the rows in these pages, without waiting; false when there is none to be had. */
static bool
lock_groups(const char *leaf, const char *pages, Datum *parts, Datum *group_ids)
{
	char	   *select = psprintf("SELECT DISTINCT part, group_id FROM ONLY %s WHERE %s ORDER BY 1, 2", leaf, pages);
	int32	   *part;
	int32	   *group_id;
	int			n = 0;

	if (SPI_execute(select, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read %s", leaf);
	part = palloc_array(int32, SPI_processed + 1);
	group_id = palloc_array(int32, SPI_processed + 1);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		part[n] = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		group_id[n] = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
		n += pgtsdb_lock(PGTSDB_LOCK_GROUP, part[n], group_id[n], ExclusiveLock, true);
	}
	*parts = pgtsdb_int4_array(part, n);
	*group_ids = pgtsdb_int4_array(group_id, n);
	return n > 0;
}
