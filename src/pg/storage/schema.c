/*
 * schema.c
 *		The storage tables: what they look like, making them, verifying them, dropping them.
 *
 * They are ordinary tables and no members of the extension, so that a dump
 * brings them back with their rows, partitions may be dropped, and a
 * distributed engine may own their placement.  The arrays below are the only
 * description of them: create_storage() turns a missing table into CREATE TABLE
 * and compares a present one column by column, since direct scans rely on attribute
 * numbers (schema.h) and on STORAGE PLAIN.
 *
 * Two first writers meet at PGTSDB_LOCK_STORAGE; the second sees the tables when
 * it gets the lock.  Everything happens in the writer's transaction: when it
 * aborts, the next one makes the tables.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "pg/compat.h"
#include "pg/mem.h"
#include "pg/storage/locks.h"
#include "pg/storage/relations.h"
#include "pg/storage/schema.h"
#include "pg/storage/storage.h"
#include "pg/storage/storage_internal.h"
#include "pg/tenant.h"

#define MAX_COLUMNS 9
#define MAX_INDEXES 3
#define MAX_INDEX_COLUMNS 7

typedef struct ColumnSpec
{
	const char *name;			/* NULL behind the last */
	const char *type_schema;
	const char *type;
	bool		nullable;
	bool		plain;			/* STORAGE PLAIN: neither compressed nor moved out of line */
	const char *clause;			/* DEFAULT, or NULL */
} ColumnSpec;

typedef struct IndexSpec
{
	const char *name;			/* NULL: the primary key */
	const char *columns[MAX_INDEX_COLUMNS + 1];
	bool		unique;
	const char *where;			/* predicate, or NULL */
	const char *method;			/* NULL: btree */
	const char *include;		/* a column beside the key, or NULL */
} IndexSpec;

typedef struct TableSpec
{
	const char *name;
	const char *comment;
	const char *options;		/* storage parameters, NULL for a partitioned table, which takes none */
	const char *partition_by;	/* or NULL */
	ColumnSpec	columns[MAX_COLUMNS + 1];
	IndexSpec	indexes[MAX_INDEXES + 1];	/* the first is the primary key */
} TableSpec;

#define BUILTIN "pg_catalog"

/*
 * Head rows live for half an hour: vacuum must keep up with the compactor's
 * deletes whatever the size of the table, statistics are of no use to direct scans,
 * and truncation would take a lock that cancels readers on standbys.
 */
#define HEAD_OPTIONS "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000, " \
	"autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_threshold = -1, " \
	"autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000, vacuum_truncate = off"

/* Rows that live for an hour or two, and are never changed. */
#define LATE_WRITES_OPTIONS "autovacuum_analyze_threshold = 1000000, vacuum_truncate = off"

/* Rows that are updated in place now and then. */
#define COUNTER_OPTIONS "fillfactor = 50"

static const TableSpec tables[] =
{
	[TSDB_TABLE_PARTS] =
	{
		"parts", "parts of the storage tables: whose they are, and the next group id of each",
		COUNTER_OPTIONS, NULL,
		{
			{"part", BUILTIN, "int4"},
			{"next_group", BUILTIN, "int4", .clause = "DEFAULT 1"},
			{"tenant_id", BUILTIN, "text"},
		},
		{{NULL, {"part"}, true}},
	},
	[TSDB_TABLE_SERIES_GROUPS] =
	{
		"series_groups", "groups of series whose samples arrive together and share rows of head and chunks",
		COUNTER_OPTIONS, NULL,
		{
			{"created_at", BUILTIN, "timestamptz"},
			{"last_seen", BUILTIN, "timestamptz"},
			{"part", BUILTIN, "int4"},
			{"group_id", BUILTIN, "int4"},
			{"n_columns", BUILTIN, "int2"},
			{"origin", BUILTIN, "text"},
		},
		{{NULL, {"part", "group_id"}, true}, {"series_groups_origin_idx", {"part", "origin"}, false}},
	},
	[TSDB_TABLE_SERIES] =
	{
		"series", "one row per series: its labels, and the column of a group that holds its samples",
		"autovacuum_vacuum_insert_scale_factor = 0.5", NULL,
		{
			{"created_at", BUILTIN, "timestamptz"},
			{"gone_at", BUILTIN, "timestamptz", .nullable = true},
			{"part", BUILTIN, "int4"},
			{"group_id", BUILTIN, "int4"},
			{"hash", BUILTIN, "int4"},
			{"col", BUILTIN, "int2"},
			{"labels", "tsdb", "labels"},
		},
		{
			{NULL, {"part", "group_id", "col"}, true},
			{"series_hash_idx", {"part", "hash"}, false, "gone_at IS NULL"},
			{"series_labels_idx", {"part", "labels"}, false, .method = "label_index"},
		},
	},
	[TSDB_TABLE_HEAD] =
	{
		"head", "recent samples: one row per group and timestamp, until compaction turns them into chunks",
		HEAD_OPTIONS, NULL,
		{
			{"part", BUILTIN, "int4"},
			{"group_id", BUILTIN, "int4"},
			{"ts", BUILTIN, "int8"},
			{"n", BUILTIN, "int2"},
			{"flags", BUILTIN, "int2"},
			{"values", BUILTIN, "bytea", .plain = true},
		},
		{{NULL, {"part", "group_id", "ts", "n"}, true}},
	},
	[TSDB_TABLE_CHUNKS] =
	{
		"chunks", "compressed samples: one row per window of up to 255 neighbouring series of a group",
		NULL, "tier, class, t_min",
		{
			{"t_min", BUILTIN, "int8"},
			{"part", BUILTIN, "int4"},
			{"group_id", BUILTIN, "int4"},
			{"dt", BUILTIN, "int4"},
			{"tier", BUILTIN, "int2"},
			{"class", BUILTIN, "int2"},
			{"col", BUILTIN, "int2"},
			{"n", BUILTIN, "int2"},
			{"data", "tsdb", "chunk", .plain = true},
		},
		/* an entry has room for dt without growing, and who looks for a range of time need not fetch the rows before it */
		{{NULL, {"part", "group_id", "tier", "class", "t_min", "col", "n"}, true, .include = "dt"}},
	},
	[TSDB_TABLE_METRIC_DEFINITIONS] =
	{
		"metric_definitions", "type, help text and unit of metrics, as their targets and senders told them",
		COUNTER_OPTIONS, NULL,
		{
			{"part", BUILTIN, "int4"},
			{"metric_name", BUILTIN, "text", .clause = "COLLATE pg_catalog.\"C\""},
			{"type", BUILTIN, "text", .nullable = true},
			{"help", BUILTIN, "text", .nullable = true},
			{"unit", BUILTIN, "text", .nullable = true},
		},
		{{NULL, {"part", "metric_name"}, true}},
	},
	[TSDB_TABLE_LATE_WRITES] =
	{
		"late_writes", "times of samples that were added late or removed, by transaction: what kept answers are compared with",
		LATE_WRITES_OPTIONS, NULL,
		{
			{"xid", BUILTIN, "int8"},
			{"t_min", BUILTIN, "int8"},
			{"t_max", BUILTIN, "int8"},
			{"changed_at", BUILTIN, "timestamptz"},
			{"part", BUILTIN, "int4"},
		},
		{{NULL, {"part", "xid"}, true}},
	},
	[TSDB_TABLE_LATE_WRITES_STATE] =
	{
		"late_writes_state", "one row: the time before which every sample is there or noted, and which notes are removed",
		COUNTER_OPTIONS, NULL,
		{
			{"server", BUILTIN, "int8"},
			{"horizon", BUILTIN, "int8"},
			{"removed_xid", BUILTIN, "int8"},
			{"id", BUILTIN, "int2"},
		},
		{{NULL, {"id"}, true}},
	},
};

static void make_missing(void);
static void create_table(const TableSpec *table);
static void create_index(const TableSpec *table, const IndexSpec *index);
static const char *access_method(const IndexSpec *index);
static void verify_table(const TableSpec *table, Oid oid);
static void verify_column(const TableSpec *table, Relation relation, int i);
static void verify_index(const TableSpec *table, Relation relation, const IndexSpec *index);
static bool index_is(const IndexSpec *index, Relation relation, Relation candidate);
pg_noreturn static void refuse_table(const TableSpec *table, const char *format,...) pg_attribute_printf(2, 3);
static Oid	table_oid(const char *name);

PG_FUNCTION_INFO_V1(pgtsdb_sql_create_storage);
PG_FUNCTION_INFO_V1(pgtsdb_sql_drop_storage);

Datum
pgtsdb_sql_create_storage(PG_FUNCTION_ARGS)
{
	PgtsdbCaller caller;

	pgtsdb_require_admin("create the storage tables");
	pgtsdb_act_as_owner(&caller);
	pgtsdb_create_storage();
	pgtsdb_act_as_caller(&caller);
	PG_RETURN_VOID();
}

Datum
pgtsdb_sql_drop_storage(PG_FUNCTION_ARGS)
{
	PgtsdbCaller caller;

	pgtsdb_require_admin("drop the storage tables");
	PreventCommandIfReadOnly("tsdb.drop_storage()");
	/* Or a worker would make the tables again before DROP EXTENSION comes, in the same transaction. */
	pgtsdb_lock_extension(AccessExclusiveLock);
	pgtsdb_act_as_owner(&caller);
	pgtsdb_lock(PGTSDB_LOCK_STORAGE, 0, 0, ExclusiveLock, false);
	SPI_connect();
	for (int i = 0; i < lengthof(tables); i++)
		if (OidIsValid(table_oid(tables[i].name)))
			pgtsdb_execute("DROP TABLE tsdb.%s", tables[i].name);
	SPI_finish();
	pgtsdb_act_as_caller(&caller);
	PG_RETURN_VOID();
}

/* A table that somebody changes afterwards is verified by the backends that come later. */
void
pgtsdb_need_storage(void)
{
	static bool verified = false;

	if (verified && pgtsdb_storage_exists())
		return;
	pgtsdb_create_storage();
	verified = true;
}

bool
pgtsdb_storage_exists(void)
{
	for (int i = 0; i < lengthof(tables); i++)
		if (!OidIsValid(table_oid(tables[i].name)))
			return false;
	return true;
}

void
pgtsdb_create_storage(void)
{
	if (creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("storage tables cannot be made by an extension script"),
				 errhint("They would become members of that extension; call tsdb.create_storage() after it.")));
	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("database encoding \"%s\" cannot hold label values", GetDatabaseEncodingName()),
				 errhint("Labels are UTF-8: create a database with ENCODING 'UTF8'.")));

	if (!pgtsdb_storage_exists())
		make_missing();
	for (int i = 0; i < lengthof(tables); i++)
		verify_table(&tables[i], table_oid(tables[i].name));
}

static void
make_missing(void)
{
	PreventCommandIfReadOnly("tsdb.create_storage()");

	/* Whoever made the tables meanwhile has committed when the lock comes. */
	pgtsdb_lock(PGTSDB_LOCK_STORAGE, 0, 0, ExclusiveLock, false);
	AcceptInvalidationMessages();

	SPI_connect();
	for (int i = 0; i < lengthof(tables); i++)
		if (!OidIsValid(table_oid(tables[i].name)))
			create_table(&tables[i]);
	pgtsdb_execute("INSERT INTO tsdb.parts (part, tenant_id) SELECT part, tenant_id FROM tsdb.tenant_parts"
				   " ON CONFLICT DO NOTHING");
	SPI_finish();
}

/* heap by name: the caller's default_table_access_method has no say here. */
static void
create_table(const TableSpec *table)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE tsdb.%s (", table->name);
	for (const ColumnSpec *column = table->columns; column->name != NULL; column++)
		appendStringInfo(&sql, "%s %s.%s %s%s, ", quote_identifier(column->name), column->type_schema, column->type,
						 column->clause != NULL ? column->clause : "", column->nullable ? "" : " NOT NULL");
	appendStringInfoString(&sql, "PRIMARY KEY (");
	for (int i = 0; table->indexes[0].columns[i] != NULL; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "", quote_identifier(table->indexes[0].columns[i]));
	appendStringInfoChar(&sql, ')');
	if (table->indexes[0].include != NULL)
		appendStringInfo(&sql, " INCLUDE (%s)", quote_identifier(table->indexes[0].include));
	appendStringInfoChar(&sql, ')');
	if (table->partition_by != NULL)
		appendStringInfo(&sql, " PARTITION BY RANGE (%s)", table->partition_by);
	else
		appendStringInfo(&sql, " USING heap WITH (%s)", table->options);
	pgtsdb_execute("%s", sql.data);

	for (const ColumnSpec *column = table->columns; column->name != NULL; column++)
		if (column->plain)
			pgtsdb_execute("ALTER TABLE tsdb.%s ALTER COLUMN %s SET STORAGE PLAIN",
						   table->name, quote_identifier(column->name));
	for (const IndexSpec *index = &table->indexes[1]; index->columns[0] != NULL; index++)
		create_index(table, index);
	pgtsdb_execute("COMMENT ON TABLE tsdb.%s IS %s", table->name, quote_literal_cstr(table->comment));
	pgtsdb_execute("REVOKE ALL ON tsdb.%s FROM PUBLIC", table->name);
}

static void
create_index(const TableSpec *table, const IndexSpec *index)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE %s INDEX %s ON tsdb.%s USING %s (", index->unique ? "UNIQUE" : "", index->name, table->name,
					 access_method(index));
	for (int i = 0; index->columns[i] != NULL; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "", quote_identifier(index->columns[i]));
	appendStringInfoChar(&sql, ')');
	if (index->where != NULL)
		appendStringInfo(&sql, " WHERE %s", index->where);
	pgtsdb_execute("%s", sql.data);
}

static const char *
access_method(const IndexSpec *index)
{
	return index->method != NULL ? index->method : "btree";
}

static void
verify_table(const TableSpec *table, Oid oid)
{
	char		relkind = table->partition_by != NULL ? RELKIND_PARTITIONED_TABLE : RELKIND_RELATION;
	Relation	relation = relation_open(oid, AccessShareLock);
	int			n = 0;

	if (relation->rd_rel->relkind != relkind)
		refuse_table(table, "It is not %s table.", table->partition_by != NULL ? "a partitioned" : "an ordinary");
	if (relation->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		refuse_table(table, "It is not logged, so a crash would empty it.");
	while (table->columns[n].name != NULL)
		n++;
	if (RelationGetNumberOfAttributes(relation) != n)
		refuse_table(table, "It has %d columns instead of %d, dropped ones included.",
					 RelationGetNumberOfAttributes(relation), n);
	for (int i = 0; i < n; i++)
		verify_column(table, relation, i);
	for (const IndexSpec *index = table->indexes; index->columns[0] != NULL; index++)
		verify_index(table, relation, index);
	relation_close(relation, AccessShareLock);
}

static void
verify_column(const TableSpec *table, Relation relation, int i)
{
	const ColumnSpec *column = &table->columns[i];
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), i);
	Oid			namespace = get_namespace_oid(column->type_schema, false);
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum(column->type), ObjectIdGetDatum(namespace));

	if (attribute->attisdropped || strcmp(NameStr(attribute->attname), column->name) != 0)
		refuse_table(table, "Column %d is \"%s\" instead of \"%s\".", i + 1, NameStr(attribute->attname), column->name);
	if (attribute->atttypid != type)
		refuse_table(table, "Column \"%s\" is of type %s instead of %s.%s.", column->name,
					 format_type_be(attribute->atttypid), column->type_schema, column->type);
	if (attribute->attnotnull == column->nullable)
		refuse_table(table, "Column \"%s\" %s be NULL.", column->name, column->nullable ? "cannot" : "can");
	if (column->plain && attribute->attstorage != TYPSTORAGE_PLAIN)
		refuse_table(table, "Column \"%s\" is not STORAGE PLAIN.", column->name);
}

static void
verify_index(const TableSpec *table, Relation relation, const IndexSpec *index)
{
	List	   *indexes = RelationGetIndexList(relation);
	ListCell   *cell;
	bool		found = false;

	foreach(cell, indexes)
	{
		Relation	candidate = index_open(lfirst_oid(cell), AccessShareLock);

		found = found || index_is(index, relation, candidate);
		index_close(candidate, AccessShareLock);
	}
	if (!found)
		refuse_table(table, "It has no valid %s%s index that begins with (%s, %s ...).", index->unique ? "unique " : "",
					 access_method(index), index->columns[0], index->columns[1] != NULL ? index->columns[1] : "");
}

static bool
index_is(const IndexSpec *index, Relation relation, Relation candidate)
{
	Form_pg_index form = candidate->rd_index;
	int			n = 0;

	while (index->columns[n] != NULL)
		n++;
	if (!form->indisvalid || candidate->rd_rel->relam != get_index_am_oid(access_method(index), true) ||
		form->indnkeyatts != n || form->indisunique != index->unique ||
		(RelationGetIndexPredicate(candidate) != NIL) != (index->where != NULL))
		return false;
	for (int i = 0; i < n; i++)
	{
		AttrNumber	attribute = form->indkey.values[i];

		if (attribute <= 0 ||
			strcmp(NameStr(TupleDescAttr(RelationGetDescr(relation), attribute - 1)->attname), index->columns[i]) != 0)
			return false;
	}
	return true;
}

static void
refuse_table(const TableSpec *table, const char *format,...)
{
	va_list		args;
	char	   *detail;

	va_start(args, format);
	detail = pgtsdb_vformat(format, args);
	va_end(args);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			 errmsg("table \"tsdb.%s\" is not as pgtsdb made it", table->name),
			 errdetail_internal("%s", detail),
			 errhint("Undo the change, or move the table away and call tsdb.create_storage().")));
}

static Oid
table_oid(const char *name)
{
	Oid			namespace = get_namespace_oid(PGTSDB_SCHEMA, true);

	return OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
}

void
pgtsdb_execute(const char *format,...)
{
	va_list		args;
	char	   *sql;
	int			result;

	va_start(args, format);
	sql = pgtsdb_vformat(format, args);
	va_end(args);
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s: %s", SPI_result_code_string(result), sql);
	pfree(sql);
}
