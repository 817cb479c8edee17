/*
 * worker_internal.h
 *		What the worker room keeps in shared memory.
 *
 * Nothing here is authority: a crash of any process clears it, and the
 * launcher, which the postmaster starts again, fills it anew from the settings and
 * the catalogs.  One LWLock protects all of it.  It is held for copies only, never across
 * a call that may wait or throw.
 */
#ifndef PGTSDB_WORKER_INTERNAL_H
#define PGTSDB_WORKER_INTERNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "pg/worker/worker.h"

#define PGTSDB_MAX_DATABASES 64
#define PGTSDB_MAX_WORKERS 256
#define PGTSDB_WORKER_ERROR_LENGTH 256
#define PGTSDB_LAUNCHER_SLOT 0

typedef enum PgtsdbDatabaseState
{
	PGTSDB_DATABASE_UNKNOWN,	/* to be probed */
	PGTSDB_DATABASE_ABSENT,		/* the extension is not there */
	PGTSDB_DATABASE_PRESENT
} PgtsdbDatabaseState;

typedef struct PgtsdbDatabaseSlot
{
	Oid			oid;			/* InvalidOid: free */
	NameData	name;
	bool		wanted;			/* still named by pgtsdb.databases */
	PgtsdbDatabaseState state;
	bool		forwards;		/* it has remote-write targets, or had some: only then it has a forwarder */
	TimestampTz probe_at;		/* when the launcher looks again */
} PgtsdbDatabaseSlot;

typedef enum PgtsdbWorkerState
{
	PGTSDB_STATE_FREE,			/* nobody's */
	PGTSDB_STATE_STARTING,		/* registered with the postmaster */
	PGTSDB_STATE_IDLE,
	PGTSDB_STATE_WORKING,
	PGTSDB_STATE_STOPPED		/* the launcher starts it again at restart_at */
} PgtsdbWorkerState;

typedef struct PgtsdbWorkerSlot
{
	/* Who: written by the launcher while nobody is attached */
	PgtsdbWorkerKind kind;
	int			slot;
	Oid			database;		/* InvalidOid for the launcher */
	NameData	database_name;

	/* Orders of the launcher */
	bool		stop;
	int			n_slots;
	TimestampTz registered_at;
	TimestampTz restart_at;
	int			failures;		/* ends in a row, each soon after the start */

	/* The process */
	PgtsdbWorkerState state;
	pid_t		pid;			/* 0: none */
	Latch	   *latch;
	TimestampTz started_at;
	TimestampTz stopped_at;
	TimestampTz last_heartbeat;

	/* Counters since the server started, or since the slot was taken */
	uint64		units_done;
	uint64		errors;
	TimestampTz last_error_at;
	char		last_error[PGTSDB_WORKER_ERROR_LENGTH];
} PgtsdbWorkerSlot;

typedef struct PgtsdbWorkerShared
{
	uint64		build_id;		/* first, at the same place in every layout */
	LWLock	   *lock;
	PgtsdbDatabaseSlot databases[PGTSDB_MAX_DATABASES];
	PgtsdbWorkerSlot workers[PGTSDB_MAX_WORKERS];
} PgtsdbWorkerShared;

/* shared.c */

/* NULL unless the library is in shared_preload_libraries. */
extern PgtsdbWorkerShared *pgtsdb_worker_shared;

extern void pgtsdb_worker_shared_init(void);
/* Takes the slot for this process; false when somebody has it or it is not for this kind. */
extern bool pgtsdb_worker_attach(int index, PgtsdbWorkerKind kind, PgtsdbWorkerSlot **slot);
extern void pgtsdb_worker_beat(PgtsdbWorkerSlot *slot, PgtsdbWorkerState state);
extern void pgtsdb_worker_count_unit(PgtsdbWorkerSlot *slot);
extern void pgtsdb_worker_count_error(PgtsdbWorkerSlot *slot, const char *message);
/* What a worker learned about the database that it is connected to. */
extern void pgtsdb_worker_report_database(PgtsdbDatabaseState state, bool forwards);
extern const char *pgtsdb_worker_kind_name(PgtsdbWorkerKind kind);

/* gateway.c */

/* Once in the launcher, and then each time it wakes. */
extern void pgtsdb_gateway_init(void);
extern void pgtsdb_gateway_tend(void);

#endif							/* PGTSDB_WORKER_INTERNAL_H */
