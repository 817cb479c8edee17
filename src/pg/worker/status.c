/*
 * status.c
 *		tsdb.worker_status: what the slots in shared memory tell.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/tenant.h"
#include "pg/worker/worker_internal.h"

#define COLUMNS 12

PG_FUNCTION_INFO_V1(pgtsdb_worker_status);

static const char *state_name(const PgtsdbWorkerSlot *slot);
static void set_time(Datum *values, bool *nulls, int column, TimestampTz time);
static void put_slot(ReturnSetInfo *result, const PgtsdbWorkerSlot *slot, bool with_errors);
static bool may_see_errors(void);

/* One row per worker, open to all but for the error text, which may quote a tenant's data; none when the library is not preloaded. */
Datum
pgtsdb_worker_status(PG_FUNCTION_ARGS)
{
	PgtsdbWorkerSlot *copy;
	bool		with_errors = may_see_errors();

	InitMaterializedSRF(fcinfo, 0);
	if (pgtsdb_worker_shared == NULL || pgtsdb_worker_shared->build_id != PGTSDB_BUILD_ID)
		return (Datum) 0;

	copy = palloc(sizeof(pgtsdb_worker_shared->workers));
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_SHARED);
	memcpy(copy, pgtsdb_worker_shared->workers, sizeof(pgtsdb_worker_shared->workers));
	LWLockRelease(pgtsdb_worker_shared->lock);

	for (int i = 0; i < PGTSDB_MAX_WORKERS; i++)
		if (copy[i].state != PGTSDB_STATE_FREE && copy[i].kind != PGTSDB_WORKER_PROBE)
			put_slot((ReturnSetInfo *) fcinfo->resultinfo, &copy[i], with_errors);
	return (Datum) 0;
}

static void
put_slot(ReturnSetInfo *result, const PgtsdbWorkerSlot *slot, bool with_errors)
{
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {0};

	values[0] = CStringGetTextDatum(pgtsdb_worker_kind_name(slot->kind));
	if (OidIsValid(slot->database))
		values[1] = NameGetDatum(&slot->database_name);
	else
		nulls[1] = true;
	values[2] = Int32GetDatum(slot->slot);
	values[3] = Int32GetDatum(slot->pid);
	nulls[3] = slot->pid == 0;
	values[4] = CStringGetTextDatum(state_name(slot));
	set_time(values, nulls, 5, slot->started_at);
	set_time(values, nulls, 6, slot->last_heartbeat);
	values[7] = Int64GetDatum((int64) slot->units_done);
	values[8] = Int64GetDatum((int64) slot->errors);
	set_time(values, nulls, 9, slot->last_error_at);
	values[10] = CStringGetTextDatum(slot->last_error);
	nulls[10] = !with_errors || slot->last_error[0] == '\0';
	set_time(values, nulls, 11, slot->state == PGTSDB_STATE_STOPPED ? slot->restart_at : 0);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static bool
may_see_errors(void)
{
	Oid			admin = get_role_oid(PGTSDB_ADMIN_ROLE, true);

	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) ||
		(OidIsValid(admin) && has_privs_of_role(GetUserId(), admin));
}

static void
set_time(Datum *values, bool *nulls, int column, TimestampTz time)
{
	values[column] = TimestampTzGetDatum(time);
	nulls[column] = time == 0;
}

static const char *
state_name(const PgtsdbWorkerSlot *slot)
{
	switch (slot->state)
	{
		case PGTSDB_STATE_FREE:
			break;
		case PGTSDB_STATE_STARTING:
			return "starting";
		case PGTSDB_STATE_IDLE:
			return "idle";
		case PGTSDB_STATE_WORKING:
			return "working";
		case PGTSDB_STATE_STOPPED:
			return "waiting to restart";
	}
	return "unused";
}
