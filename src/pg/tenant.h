/*
 * tenant.h
 *		Whose series a session reads and writes, and the switch to the rights that storage needs.
 *
 * Users have no rights on the storage tables.  Each SQL entry point first asks
 * for the current tenant with the access it needs, which raises when the user
 * lacks it, and then acts as the owner of the extension for as long as it
 * touches storage.  Nothing else decides who may see what.
 */
#ifndef PGTSDB_TENANT_H
#define PGTSDB_TENANT_H

#include "postgres.h"

#include "access/genam.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

#define PGTSDB_ADMIN_ROLE "pgtsdb_admin"
#define PGTSDB_DEFAULT_TENANT "default"

typedef enum PgtsdbAccess
{
	PGTSDB_READ,
	PGTSDB_WRITE,
	PGTSDB_ADMINISTER
} PgtsdbAccess;

typedef struct PgtsdbTenant
{
	const char *tenant_id;
	int			n_parts;		/* at least one */
	int32		parts[FLEXIBLE_ARRAY_MEMBER];	/* ascending */
} PgtsdbTenant;

/*
 * The tenant that pgtsdb.tenant names, in the current memory context.  The
 * current user needs a row of tsdb.tenant_members for a role whose privileges
 * it has (as pg_has_role(.., 'USAGE') tells); superusers and members of
 * pgtsdb_admin may do everything.  Else ERRCODE_INSUFFICIENT_PRIVILEGE.  Works
 * on a standby and before the storage tables exist.
 */
extern PgtsdbTenant *pgtsdb_current_tenant(PgtsdbAccess access);

/* The same for reading, but NULL where that raises: for the planner, which only estimates. */
extern PgtsdbTenant *pgtsdb_tenant_if_readable(void);

/* No check of access: for workers, and for rows that were checked when they were made. */
extern PgtsdbTenant *pgtsdb_tenant_by_id(const char *tenant_id);

/* How late samples may come that were not stored by a function called in SQL, in milliseconds; 0: without limit. */
extern int64 pgtsdb_tenant_max_sample_age(const PgtsdbTenant *tenant);

/*
 * Rows of a tenant in a configuration table: a few, read without SPI by who asks for every request.  The column is of type
 * text; ERRCODE_UNDEFINED_TABLE when there is no such table.
 */
extern Relation pgtsdb_open_configuration(const char *name);
extern SysScanDesc pgtsdb_scan_by_tenant(Relation relation, AttrNumber column, const char *tenant_id);
/* Of any tenant. */
extern bool pgtsdb_has_rows(const char *name);

/* Whether the current user has this access to the tenant: what row policies ask, as tsdb.has_access(). */
extern bool pgtsdb_has_access(const char *tenant_id, PgtsdbAccess access);

/* Raises unless the current user is a superuser or a member of pgtsdb_admin.  `what` completes "permission denied to ...". */
extern void pgtsdb_require_admin(const char *what);

/* The owner of the extension, who owns the storage tables too. */
extern Oid	pgtsdb_owner(void);

/*
 * Locks the extension itself until the end of the transaction; false when it is not there (any more).
 * DROP EXTENSION takes AccessExclusiveLock on it before anything else.  A unit of work of a background worker takes
 * AccessShareLock first, so that it cannot deadlock with DROP EXTENSION over the tables; a unit that comes
 * later waits, and then finds that nothing is left.
 */
extern bool pgtsdb_lock_extension(LOCKMODE mode);

/*
 * From here to pgtsdb_act_as_caller() the current user is the owner.  An error
 * in between needs no care: ending the transaction or subtransaction puts the
 * caller back.  No code of the caller's choice (functions, casts, operators found
 * by search_path) may run in between.
 */
typedef struct PgtsdbCaller
{
	Oid			user;
	int			security_context;
} PgtsdbCaller;

extern void pgtsdb_act_as_owner(PgtsdbCaller *caller);
extern void pgtsdb_act_as_caller(const PgtsdbCaller *caller);

#endif							/* PGTSDB_TENANT_H */
