/*
 * tenant.c
 *		Whose series a session reads and writes, and the switch to the rights that storage needs.
 *
 * The tenant tables are a few rows, read by direct scans under the latest
 * committed state: a row of tenant_members that was taken away counts from the next
 * transaction on at the latest.  What was found is remembered for the rest of
 * the command, so that a function called once per row checks once.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/tenant.h"

#define SCHEMA "tsdb"

/* Attribute numbers of tsdb.tenant_members, tsdb.tenant_parts, tsdb.tenants and tsdb.tenant_budgets, as sql/pgtsdb.sql makes them. */
#define MEMBERS_ROLE_NAME 1
#define MEMBERS_TENANT_ID 2
#define MEMBERS_MAY_WRITE 3
#define MEMBERS_MAY_ADMINISTER 4
#define PARTS_TENANT_ID 1
#define PARTS_PART 2
#define TENANTS_TENANT_ID 1
#define BUDGETS_TENANT_ID 1
#define BUDGETS_MAX_SAMPLE_AGE 2

/* Of a tenant without a row of tsdb.tenant_budgets: the default of the column. */
#define DEFAULT_MAX_SAMPLE_AGE_MS (60 * 60 * 1000)

/* The last answer of pgtsdb_current_tenant(), and what it depends on. */
static struct
{
	LocalTransactionId lxid;	/* Invalid: nothing remembered */
	CommandId	command;
	Oid			user;
	PgtsdbAccess access;
	char	   *setting;		/* value of pgtsdb.tenant, in TopMemoryContext like the rest */
	PgtsdbTenant *tenant;
}			remembered;

static int32 insert_tenant(Datum tenant_id, Datum note, bool note_is_null);
static PgtsdbTenant *tenant_of_parts(const char *tenant_id);
static PgtsdbTenant *copy_tenant(const PgtsdbTenant *tenant);
static PgtsdbTenant *recall(PgtsdbAccess access);
static void remember(PgtsdbAccess access, const PgtsdbTenant *tenant);
static bool is_admin(Oid user);
static bool is_member(Oid user, const char *tenant_id, PgtsdbAccess access);
static bool tenant_exists(const char *tenant_id);

PG_FUNCTION_INFO_V1(pgtsdb_sql_create_tenant);
PG_FUNCTION_INFO_V1(pgtsdb_sql_has_access);

Datum
pgtsdb_sql_create_tenant(PG_FUNCTION_ARGS)
{
	PgtsdbCaller caller;
	int32		part;

	pgtsdb_require_admin("create a tenant");
	if (PG_ARGISNULL(0) || VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) == 0)
		ereport(ERROR,
				(errcode(PG_ARGISNULL(0) ? ERRCODE_NULL_VALUE_NOT_ALLOWED : ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a tenant needs a name")));
	pgtsdb_act_as_owner(&caller);
	part = insert_tenant(PG_GETARG_DATUM(0), PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1), PG_ARGISNULL(1));
	pgtsdb_act_as_caller(&caller);
	PG_RETURN_INT32(part);
}

bool
pgtsdb_has_access(const char *tenant_id, PgtsdbAccess access)
{
	Oid			user = GetUserId();

	return is_admin(user) || is_member(user, tenant_id, access);
}

Datum
pgtsdb_sql_has_access(PG_FUNCTION_ARGS)
{
	char	   *tenant_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *access = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (strcmp(access, "read") == 0)
		PG_RETURN_BOOL(pgtsdb_has_access(tenant_id, PGTSDB_READ));
	if (strcmp(access, "write") == 0)
		PG_RETURN_BOOL(pgtsdb_has_access(tenant_id, PGTSDB_WRITE));
	if (strcmp(access, "administer") == 0)
		PG_RETURN_BOOL(pgtsdb_has_access(tenant_id, PGTSDB_ADMINISTER));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown access \"%s\"", access),
			 errhint("It is one of read, write and administer.")));
}

PgtsdbTenant *
pgtsdb_current_tenant(PgtsdbAccess access)
{
	static const char *const verbs[] = {"read", "write", "administer"};
	static const char *const columns[] = {"", ", may_write", ", may_administer"};
	static const char *const values[] = {"", ", true", ", true"};
	Oid			user = GetUserId();
	PgtsdbTenant *tenant = recall(access);

	if (tenant != NULL)
		return tenant;

	if (!is_admin(user) && !is_member(user, pgtsdb_tenant, access))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not %s tenant \"%s\"",
						GetUserNameFromId(user, false), verbs[access], pgtsdb_tenant),
				 errhint("Set \"pgtsdb.tenant\" to a tenant of yours, or have an administrator run"
						 " INSERT INTO tsdb.tenant_members (role_name, tenant_id%s) VALUES (%s, %s%s).",
						 columns[access], quote_literal_cstr(GetUserNameFromId(user, false)),
						 quote_literal_cstr(pgtsdb_tenant), values[access])));

	tenant = pgtsdb_tenant_by_id(pgtsdb_tenant);
	remember(access, tenant);
	return tenant;
}

PgtsdbTenant *
pgtsdb_tenant_if_readable(void)
{
	PgtsdbTenant *tenant = recall(PGTSDB_READ);

	if (tenant != NULL)
		return tenant;
	if (!pgtsdb_has_access(pgtsdb_tenant, PGTSDB_READ))
		return NULL;
	tenant = tenant_of_parts(pgtsdb_tenant);
	if (tenant->n_parts == 0)
		return NULL;
	remember(PGTSDB_READ, tenant);
	return tenant;
}

PgtsdbTenant *
pgtsdb_tenant_by_id(const char *tenant_id)
{
	PgtsdbTenant *tenant = tenant_of_parts(tenant_id);

	if (tenant->n_parts > 0)
		return tenant;
	if (tenant_exists(tenant_id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tenant \"%s\" has no part", tenant_id),
				 errhint("Insert a new part number for it into tsdb.tenant_parts;"
						 " tsdb.create_tenant() does so for new tenants.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("tenant \"%s\" does not exist", tenant_id),
			 errhint("Create it with SELECT tsdb.create_tenant(%s).", quote_literal_cstr(tenant_id))));
}

/* With the parts that it has: none when there is no such tenant. */
static PgtsdbTenant *
tenant_of_parts(const char *tenant_id)
{
	PgtsdbTenant *tenant;
	int			capacity = 8;
	Relation	relation = pgtsdb_open_configuration("tenant_parts");
	SysScanDesc scan = pgtsdb_scan_by_tenant(relation, PARTS_TENANT_ID, tenant_id);
	HeapTuple	tuple;

	tenant = palloc(offsetof(PgtsdbTenant, parts) + capacity * sizeof(int32));
	tenant->tenant_id = pstrdup(tenant_id);
	tenant->n_parts = 0;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		int32		part = DatumGetInt32(heap_getattr(tuple, PARTS_PART, RelationGetDescr(relation), &isnull));
		int			at;

		if (tenant->n_parts == capacity)
			tenant = repalloc(tenant, offsetof(PgtsdbTenant, parts) + (capacity *= 2) * sizeof(int32));
		for (at = tenant->n_parts++; at > 0 && tenant->parts[at - 1] > part; at--)
			tenant->parts[at] = tenant->parts[at - 1];
		tenant->parts[at] = part;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return tenant;
}

int64
pgtsdb_tenant_max_sample_age(const PgtsdbTenant *tenant)
{
	Relation	relation = pgtsdb_open_configuration("tenant_budgets");
	SysScanDesc scan = pgtsdb_scan_by_tenant(relation, BUDGETS_TENANT_ID, tenant->tenant_id);
	HeapTuple	tuple = systable_getnext(scan);
	int64		ms = DEFAULT_MAX_SAMPLE_AGE_MS;

	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Interval   *age = DatumGetIntervalP(heap_getattr(tuple, BUDGETS_MAX_SAMPLE_AGE, RelationGetDescr(relation), &isnull));
		int64		days = (int64) age->month * DAYS_PER_MONTH + age->day;

		/* less than a millisecond is not without limit */
		ms = (days * USECS_PER_DAY + age->time + 999) / 1000;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return ms;
}

void
pgtsdb_require_admin(const char *what)
{
	if (!is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", what),
				 errhint("Only superusers and members of \"%s\" may do this.", PGTSDB_ADMIN_ROLE)));
}

bool
pgtsdb_lock_extension(LOCKMODE mode)
{
	Oid			extension = get_extension_oid("pgtsdb", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, mode);
	return get_extension_oid("pgtsdb", true) == extension;
}

Oid
pgtsdb_owner(void)
{
	Relation	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("pgtsdb"));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);

	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"pgtsdb\" does not exist in this database"),
				 errhint("Run CREATE EXTENSION pgtsdb.")));
	return owner;
}

void
pgtsdb_act_as_owner(PgtsdbCaller *caller)
{
	Oid			owner = pgtsdb_owner();

	GetUserIdAndSecContext(&caller->user, &caller->security_context);
	SetUserIdAndSecContext(owner, caller->security_context | SECURITY_LOCAL_USERID_CHANGE);
}

void
pgtsdb_act_as_caller(const PgtsdbCaller *caller)
{
	SetUserIdAndSecContext(caller->user, caller->security_context);
}

/*
 * The next part number is above all that were ever used, as far as rows
 * remember them: a new tenant must not find old series.
 */
static int32
insert_tenant(Datum tenant_id, Datum note, bool note_is_null)
{
	Oid			namespace = get_namespace_oid(SCHEMA, false);
	bool		storage = OidIsValid(get_relname_relid("parts", namespace));
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {tenant_id, note};
	const char	nulls[] = {' ', note_is_null ? 'n' : ' ', '\0'};
	const char *insert_part = storage ?
		"INSERT INTO tsdb.tenant_parts (tenant_id, part) SELECT $1, 1 OPERATOR(pg_catalog.+) pg_catalog.max(part)"
		" FROM (SELECT part FROM tsdb.tenant_parts UNION ALL SELECT part FROM tsdb.parts) used RETURNING part" :
		"INSERT INTO tsdb.tenant_parts (tenant_id, part) SELECT $1, 1 OPERATOR(pg_catalog.+) pg_catalog.max(part)"
		" FROM tsdb.tenant_parts RETURNING part";
	bool		isnull;
	int32		part;

	SPI_connect();
	if (SPI_execute("LOCK TABLE tsdb.tenant_parts IN SHARE ROW EXCLUSIVE MODE", false, 0) != SPI_OK_UTILITY ||
		SPI_execute_with_args("INSERT INTO tsdb.tenants (tenant_id, note) VALUES ($1, $2)",
							  2, types, values, nulls, false, 0) != SPI_OK_INSERT ||
		SPI_execute_with_args(insert_part, 1, types, values, nulls, false, 0) != SPI_OK_INSERT_RETURNING)
		elog(ERROR, "could not insert a tenant");
	part = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return part;
}

static PgtsdbTenant *
copy_tenant(const PgtsdbTenant *tenant)
{
	Size		size = offsetof(PgtsdbTenant, parts) + tenant->n_parts * sizeof(int32);
	PgtsdbTenant *copy = palloc(size);

	memcpy(copy, tenant, size);
	copy->tenant_id = pstrdup(tenant->tenant_id);
	return copy;
}

static PgtsdbTenant *
recall(PgtsdbAccess access)
{
	if (!LocalTransactionIdIsValid(remembered.lxid) || remembered.lxid != pgtsdb_my_lxid() ||
		remembered.command != GetCurrentCommandId(false) || remembered.user != GetUserId() ||
		remembered.access != access || strcmp(remembered.setting, pgtsdb_tenant) != 0)
		return NULL;
	return copy_tenant(remembered.tenant);
}

static void
remember(PgtsdbAccess access, const PgtsdbTenant *tenant)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	remembered.lxid = InvalidLocalTransactionId;	/* until all of it is there */
	if (remembered.setting != NULL)
	{
		pfree(remembered.setting);
		remembered.setting = NULL;
	}
	if (remembered.tenant != NULL)
	{
		pfree(unconstify(char *, remembered.tenant->tenant_id));
		pfree(remembered.tenant);
		remembered.tenant = NULL;
	}
	remembered.setting = pstrdup(pgtsdb_tenant);
	remembered.tenant = copy_tenant(tenant);
	remembered.command = GetCurrentCommandId(false);
	remembered.user = GetUserId();
	remembered.access = access;
	remembered.lxid = pgtsdb_my_lxid();
	MemoryContextSwitchTo(old);
}

static bool
is_admin(Oid user)
{
	Oid			admin;

	if (superuser_arg(user) || has_privs_of_role(user, pgtsdb_owner()))
		return true;
	admin = get_role_oid(PGTSDB_ADMIN_ROLE, true);
	return OidIsValid(admin) && has_privs_of_role(user, admin);
}

/* Any row for a role whose privileges the user has decides; a name without a role is a left-over of DROP ROLE. */
static bool
is_member(Oid user, const char *tenant_id, PgtsdbAccess access)
{
	AttrNumber	permission = access == PGTSDB_WRITE ? MEMBERS_MAY_WRITE : MEMBERS_MAY_ADMINISTER;
	Relation	relation = pgtsdb_open_configuration("tenant_members");
	TupleDesc	descriptor = RelationGetDescr(relation);
	SysScanDesc scan = pgtsdb_scan_by_tenant(relation, MEMBERS_TENANT_ID, tenant_id);
	HeapTuple	tuple;
	bool		member = false;

	while (!member && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Name		role_name = DatumGetName(heap_getattr(tuple, MEMBERS_ROLE_NAME, descriptor, &isnull));
		Oid			role = get_role_oid(NameStr(*role_name), true);

		if (access != PGTSDB_READ && !DatumGetBool(heap_getattr(tuple, permission, descriptor, &isnull)))
			continue;
		member = OidIsValid(role) && has_privs_of_role(user, role);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return member;
}

static bool
tenant_exists(const char *tenant_id)
{
	Relation	relation = pgtsdb_open_configuration("tenants");
	SysScanDesc scan = pgtsdb_scan_by_tenant(relation, TENANTS_TENANT_ID, tenant_id);
	bool		exists = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return exists;
}

Relation
pgtsdb_open_configuration(const char *name)
{
	Oid			namespace = get_namespace_oid(SCHEMA, true);
	Oid			oid = OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", SCHEMA, name),
				 errhint("Run CREATE EXTENSION pgtsdb.")));
	return table_open(oid, AccessShareLock);
}

SysScanDesc
pgtsdb_scan_by_tenant(Relation relation, AttrNumber column, const char *tenant_id)
{
	ScanKeyData key;

	ScanKeyEntryInitialize(&key, 0, column, BTEqualStrategyNumber, TEXTOID, C_COLLATION_OID, F_TEXTEQ,
						   CStringGetTextDatum(tenant_id));
	return systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
}

bool
pgtsdb_has_rows(const char *name)
{
	Relation	relation = pgtsdb_open_configuration(name);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	bool		has_rows = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return has_rows;
}
