/*
 * retention.c
 *		Partitions of chunks that are expired are dropped; CALL tsdb.apply_retention(), tsdb.retention.
 *
 * A partition goes when its end is older than the cutoff of its class, so that no sample goes early.  DROP TABLE
 * locks out all readers of tsdb.chunks; it waits for those that are there for a tenth of a second,
 * and gives up until the next turn.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "pg/storage/late_writes.h"
#include "pg/storage/locks.h"
#include "pg/storage/relations.h"
#include "pg/storage/retention.h"
#include "pg/storage/retention_policies.h"
#include "pg/storage/storage.h"
#include "pg/storage/storage_internal.h"
#include "pg/tenant.h"

/* What a class holds: a row of tsdb.retention_statistics(). */
typedef struct ClassContent
{
	PgtsdbRetentionClass class;
	int			partitions;
	bool		has_rows;
	int64		oldest;
	int64		bytes;
} ClassContent;

static void commit_step(bool atomic);
static bool anything_expires(const PgtsdbRetentionClass *classes, int n);
static bool next_expired_leaf(const PgtsdbRetentionClass *classes, int n, Oid after, TsdbLeaf *next);
static int	number_of_class(const PgtsdbRetentionClass *classes, int n, int16 class);
static void drop_leaf(const TsdbLeaf *leaf);
static void explain_lock(void *arg);
static void add_leaf(ClassContent *content, const TsdbLeaf *leaf);
static void put_content(ReturnSetInfo *result, const ClassContent *content);

PG_FUNCTION_INFO_V1(pgtsdb_sql_apply_retention);
PG_FUNCTION_INFO_V1(pgtsdb_sql_retention_statistics);

/* CALL tsdb.apply_retention(): in a transaction of the caller's own it is all or nothing. */
Datum
pgtsdb_sql_apply_retention(PG_FUNCTION_ARGS)
{
	bool		atomic = fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic;
	Oid			leaf = InvalidOid;
	PgtsdbSeriesSweep sweep;

	pgtsdb_require_admin("apply retention");
	PreventCommandIfReadOnly("CALL tsdb.apply_retention()");
	SPI_connect_ext(atomic ? 0 : SPI_OPT_NONATOMIC);
	while (pgtsdb_drop_expired_leaf(&leaf))
		commit_step(atomic);
	commit_step(atomic);
	pgtsdb_series_sweep_start(&sweep, GetCurrentTimestamp());
	while (pgtsdb_series_sweep_step(&sweep))
		commit_step(atomic);
	SPI_finish();
	PG_RETURN_VOID();
}

static void
commit_step(bool atomic)
{
	if (!atomic)
		SPI_commit();
}

/* ---- expired partitions ---- */

bool
pgtsdb_drop_expired_leaf(Oid *leaf)
{
	char	   *name = NULL;
	ErrorContextCallback callback = {error_context_stack, explain_lock, &name};
	PgtsdbRetentionClass *classes;
	PgtsdbCaller caller;
	TsdbLeaf	next;
	int			nest_level;
	int			n;

	if (!pgtsdb_storage_exists())
		return false;
	pgtsdb_act_as_owner(&caller);
	classes = pgtsdb_retention_classes(&n);
	if (anything_expires(classes, n))
	{
		error_context_stack = &callback;
		nest_level = pgtsdb_limit_lock_timeout(PGTSDB_RETENTION_LOCK_TIMEOUT);
		/* Before the look at the partitions, which locks their parent, so that two who drop do not wait for each other. */
		pgtsdb_lock(PGTSDB_LOCK_STORAGE, 1, 0, ExclusiveLock, false);
		AcceptInvalidationMessages();
		*leaf = next_expired_leaf(classes, n, *leaf, &next) ? next.heap : InvalidOid;
		if (OidIsValid(*leaf))
		{
			name = get_rel_name(*leaf);
			drop_leaf(&next);
		}
		AtEOXact_GUC(true, nest_level);
		error_context_stack = callback.previous;
	}
	else
		*leaf = InvalidOid;
	pgtsdb_act_as_caller(&caller);
	return OidIsValid(*leaf);
}

static bool
anything_expires(const PgtsdbRetentionClass *classes, int n)
{
	for (int i = 0; i < n; i++)
		if (classes[i].cutoff != PG_INT64_MIN)
			return true;
	return false;
}

/* By oid, so that one that cannot be dropped stops no other. */
static bool
next_expired_leaf(const PgtsdbRetentionClass *classes, int n, Oid after, TsdbLeaf *next)
{
	List	   *leaves;
	ListCell   *cell;

	next->heap = InvalidOid;

	tsdb_local_relations(TSDB_TABLE_CHUNKS, 0, PG_INT64_MIN, PG_INT64_MAX, &leaves);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);

		if (leaf->tier == 0 && leaf->t_hi <= classes[number_of_class(classes, n, leaf->class)].cutoff &&
			leaf->heap > after && (!OidIsValid(next->heap) || leaf->heap < next->heap))
			*next = *leaf;
	}
	list_free_deep(leaves);
	return OidIsValid(next->heap);
}

/* A class whose policy is gone counts as class 0, the first. */
static int
number_of_class(const PgtsdbRetentionClass *classes, int n, int16 class)
{
	for (int i = 1; i < n; i++)
		if (classes[i].class == class)
			return i;
	return 0;
}

/* Chunks do not cross the border of their leaf, so these are the times of all their samples. */
static void
drop_leaf(const TsdbLeaf *leaf)
{
	pgtsdb_note_removed(PGTSDB_ALL_PARTS, leaf->t_lo, leaf->t_hi);
	SPI_connect();
	pgtsdb_execute("DROP TABLE %s",
				   quote_qualified_identifier(get_namespace_name(get_rel_namespace(leaf->heap)), get_rel_name(leaf->heap)));
	SPI_finish();
}

static void
explain_lock(void *arg)
{
	const char *name = *(char *const *) arg;

	if (geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE)
		errhint("Somebody reads or writes tsdb.chunks for longer; the next turn tries again.");
	if (name != NULL)
		errcontext("expired partition \"%s\" of tsdb.chunks", name);
}

/* ---- what there is ---- */

Datum
pgtsdb_sql_retention_statistics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PgtsdbRetentionClass *classes;
	ClassContent *contents;
	PgtsdbCaller caller;
	List	   *leaves;
	ListCell   *cell;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	pgtsdb_act_as_owner(&caller);
	classes = pgtsdb_retention_classes(&n);
	contents = palloc0_array(ClassContent, n);
	for (int i = 0; i < n; i++)
		contents[i].class = classes[i];
	tsdb_local_relations(TSDB_TABLE_CHUNKS, 0, PG_INT64_MIN, PG_INT64_MAX, &leaves);
	foreach(cell, leaves)
	{
		const TsdbLeaf *leaf = lfirst(cell);

		if (leaf->tier == 0)
			add_leaf(&contents[number_of_class(classes, n, leaf->class)], leaf);
	}
	pgtsdb_act_as_caller(&caller);
	for (int i = 0; i < n; i++)
		put_content(result, &contents[i]);
	return (Datum) 0;
}

/* Leaves come in order of time. */
static void
add_leaf(ClassContent *content, const TsdbLeaf *leaf)
{
	Relation	relation = tsdb_leaf_open(leaf->heap, AccessShareLock);

	if (relation == NULL)
		return;
	if (!content->has_rows && RelationGetNumberOfBlocks(relation) > 0)
	{
		content->has_rows = true;
		content->oldest = leaf->t_lo;
	}
	content->partitions++;
	content->bytes += DatumGetInt64(DirectFunctionCall1(pg_total_relation_size, ObjectIdGetDatum(leaf->heap)));
	table_close(relation, NoLock);
}

static void
put_content(ReturnSetInfo *result, const ClassContent *content)
{
	bool		before_all_times = content->oldest <= pgtsdb_timestamp_to_ms(DT_NOBEGIN);
	Datum		values[5] = {0};
	bool		nulls[5] = {0};

	values[0] = Int16GetDatum(content->class.class);
	nulls[1] = content->class.cutoff == PG_INT64_MIN;
	if (!nulls[1])
		values[1] = TimestampTzGetDatum(pgtsdb_ms_to_timestamp(content->class.cutoff));
	values[2] = Int32GetDatum(content->partitions);
	nulls[3] = !content->has_rows;
	if (!nulls[3])
		values[3] = TimestampTzGetDatum(before_all_times ? DT_NOBEGIN : pgtsdb_ms_to_timestamp(content->oldest));
	values[4] = Int64GetDatum(content->bytes);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}
