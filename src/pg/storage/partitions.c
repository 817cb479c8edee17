/*
 * partitions.c
 *		Partitions of tsdb.chunks: one per tier, class and stretch of time.
 *
 * A partition begins and ends at multiples of its width since 1970: of pgtsdb.chunk_partition_width, or of
 * the retention of its class where that is shorter.  When these have changed, the neighbours
 * that are there already cut a new one short.  A leaf is made first and attached then, because CREATE TABLE
 * .. PARTITION OF would lock out the readers of all other leaves.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "pg/guc.h"
#include "pg/storage/locks.h"
#include "pg/storage/relations.h"
#include "pg/storage/retention_policies.h"
#include "pg/storage/storage.h"
#include "pg/storage/storage_internal.h"

/*
 * Chunk rows are written once: whatever vacuum comes first may freeze them.  A
 * partitioned parent takes no options, so each leaf gets them.
 */
#define LEAF_OPTIONS "autovacuum_freeze_min_age = 0, vacuum_truncate = off"

static bool has_leaf(const List *leaves, int16 class);
static void new_bounds(int16 tier, int16 class, int64 t_min, int64 *t_lo, int64 *t_hi);
static int64 partition_width(int16 tier, int16 class);
static char *new_name(int16 tier, int16 class, int64 t_lo);

PG_FUNCTION_INFO_V1(pgtsdb_sql_ensure_chunk_partition);

Datum
pgtsdb_sql_ensure_chunk_partition(PG_FUNCTION_ARGS)
{
	PgtsdbCaller caller;
	Oid			oid;

	pgtsdb_require_admin("create partitions of chunks");
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(2)))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("a partition needs a finite time")));
	pgtsdb_act_as_owner(&caller);
	pgtsdb_create_storage();
	oid = pgtsdb_ensure_chunk_partition(PG_GETARG_INT16(0), PG_GETARG_INT16(1),
										pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(2)));
	pgtsdb_act_as_caller(&caller);
	PG_RETURN_OID(oid);
}

Oid
pgtsdb_ensure_chunk_partition(int16 tier, int16 class, int64 t_min)
{
	TsdbLeaf	leaf;
	int64		t_lo;
	int64		t_hi;
	char	   *name;

	if (pgtsdb_find_chunk_partition(tier, class, t_min, &leaf))
		return leaf.heap;

	/* Whoever made it meanwhile has committed when the lock comes. */
	pgtsdb_lock(PGTSDB_LOCK_STORAGE, 1, 0, ExclusiveLock, false);
	AcceptInvalidationMessages();
	if (pgtsdb_find_chunk_partition(tier, class, t_min, &leaf))
		return leaf.heap;

	new_bounds(tier, class, t_min, &t_lo, &t_hi);
	name = new_name(tier, class, t_lo);
	SPI_connect();
	pgtsdb_execute("CREATE TABLE tsdb.%s (LIKE tsdb.chunks INCLUDING STORAGE INCLUDING INDEXES) USING heap WITH (%s)",
				   name, LEAF_OPTIONS);
	pgtsdb_execute("REVOKE ALL ON tsdb.%s FROM PUBLIC", name);
	pgtsdb_execute("ALTER TABLE tsdb.chunks ATTACH PARTITION tsdb.%s"
				   " FOR VALUES FROM (%d, %d, " INT64_FORMAT ") TO (%d, %d, " INT64_FORMAT ")",
				   name, tier, class, t_lo, tier, class, t_hi);
	SPI_finish();
	return get_relname_relid(name, get_namespace_oid(PGTSDB_SCHEMA, false));
}

bool
pgtsdb_find_chunk_partition(int16 tier, int16 class, int64 t_min, TsdbLeaf *found)
{
	List	   *leaves;
	ListCell   *cell;

	tsdb_local_relations(TSDB_TABLE_CHUNKS, 0, t_min, t_min, &leaves);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);

		if (leaf->tier == tier && leaf->class == class && leaf->t_lo <= t_min && t_min < leaf->t_hi)
		{
			*found = *leaf;
			return true;
		}
	}
	return false;
}

void
pgtsdb_partition_grid(int64 t, int64 width, int64 *t_lo, int64 *t_hi)
{
	int64		past = t % width;

	if (past < 0)
		past += width;
	/* The last stretch before the end of time is a shorter one, and so is the first. */
	*t_lo = t < PG_INT64_MIN + past ? PG_INT64_MIN : t - past;
	*t_hi = *t_lo > PG_INT64_MAX - width ? PG_INT64_MAX : *t_lo + width;
}

/* Of each class that gets chunks: a policy that matches no series has no partition, and needs none. */
void
pgtsdb_make_partitions_ahead(int64 now)
{
	int			n;
	PgtsdbRetentionClass *classes = pgtsdb_retention_classes(&n);
	List	   *leaves;

	tsdb_local_relations(TSDB_TABLE_CHUNKS, 0, PG_INT64_MIN, PG_INT64_MAX, &leaves);
	for (int i = 0; i < n; i++)
	{
		const PgtsdbRetentionClass *class = &classes[i];

		if (!class->has_series || (class->class != 0 && !has_leaf(leaves, class->class)))
			continue;
		pgtsdb_ensure_chunk_partition(0, class->class, now);
		pgtsdb_ensure_chunk_partition(0, class->class, now + class->width);
	}
}

static bool
has_leaf(const List *leaves, int16 class)
{
	ListCell   *cell;

	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);

		if (leaf->tier == 0 && leaf->class == class)
			return true;
	}
	return false;
}

static void
new_bounds(int16 tier, int16 class, int64 t_min, int64 *t_lo, int64 *t_hi)
{
	List	   *leaves;
	ListCell   *cell;

	pgtsdb_partition_grid(t_min, partition_width(tier, class), t_lo, t_hi);
	tsdb_local_relations(TSDB_TABLE_CHUNKS, 0, *t_lo, *t_hi, &leaves);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);

		if (leaf->tier != tier || leaf->class != class)
			continue;
		if (leaf->t_hi <= t_min)
			*t_lo = Max(*t_lo, leaf->t_hi);
		else
			*t_hi = Min(*t_hi, leaf->t_lo);
	}
}

/* Samples of raw chunks must not outlive their retention by much more than it is long. */
static int64
partition_width(int16 tier, int16 class)
{
	int			n;
	PgtsdbRetentionClass *classes = pgtsdb_retention_classes(&n);

	for (int i = 0; tier == 0 && i < n; i++)
		if (classes[i].class == class)
			return classes[i].width;
	return pgtsdb_chunk_partition_width * MS_PER_MINUTE;
}

/*
 * chunks_t0_c0_20261121, with _HHMM behind it when it does not begin at midnight,
 * and a number when the name is taken.
 */
static char *
new_name(int16 tier, int16 class, int64 t_lo)
{
	Oid			namespace = get_namespace_oid(PGTSDB_SCHEMA, false);
	pg_time_t	seconds = t_lo / 1000;
	struct pg_tm *tm = pg_gmtime(&seconds);
	StringInfoData name;
	int			length;

	initStringInfo(&name);
	appendStringInfo(&name, "chunks_t%d_c%d_", tier, class);
	if (tm == NULL || t_lo < 0)
		appendStringInfo(&name, "%c" UINT64_FORMAT, t_lo < 0 ? 'm' : 'p', t_lo < 0 ? 0 - (uint64) t_lo : (uint64) t_lo);
	else
	{
		appendStringInfo(&name, "%04d%02d%02d", tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday);
		if (t_lo % MS_PER_DAY != 0)
			appendStringInfo(&name, "_%02d%02d", tm->tm_hour, tm->tm_min);
	}
	length = name.len;
	for (int i = 1; OidIsValid(get_relname_relid(name.data, namespace)); i++)
	{
		name.len = length;
		appendStringInfo(&name, "_%d", i);
	}
	return name.data;
}
