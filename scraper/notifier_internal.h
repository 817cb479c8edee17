/*
 * notifier_internal.h
 *		What the files of the notifier worker share: what the tables say, and deliveries.
 */
#ifndef PGTSDB_NOTIFIER_INTERNAL_H
#define PGTSDB_NOTIFIER_INTERNAL_H

#include "postgres.h"

#include "core/notify/notify.h"
#include "pg/worker/worker.h"

/* A receiver that alerts of its tenant go to, with the route that leads there. */
typedef struct Destination
{
	char	   *tenant_id;
	char	   *receiver;
	char	   *url;
	bool		send_resolved;
	int			max_alerts;
	int64		timeout_ms;
	bool		tls_skip_verify;
	char	   *user;
	char	   *password;
	char	   *token;
	TsdbStr    *group_by;
	size_t		n_group_by;
	int64		group_wait_ms;
	int64		group_interval_ms;
	int64		repeat_interval_ms;
} Destination;

/* What the log says of a group and a receiver. */
typedef struct LogEntry
{
	TsdbHash	key;			/* first: key of the hash table */
	int64		notified_at;	/* milliseconds */
	TsdbFingerprints firing;
	TsdbFingerprints resolved;
} LogEntry;

typedef struct TenantAlert
{
	char	   *tenant_id;
	TsdbGroupedAlert	alert;
} TenantAlert;

/* One look into the tables; lives in the unit's context. */
typedef struct NotifierState
{
	TsdbArena  *arena;
	Destination *destinations;
	int			n_destinations;
	TenantAlert *alerts;
	int			n_alerts;
	HTAB	   *log;			/* of LogEntry */
} NotifierState;

/* notify_tables.c */

/* Key of a group and receiver. */
extern TsdbHash pgtsdb_delivery_key(const char *tenant_id, const char *receiver, const char *group_key);
extern NotifierState *pgtsdb_read_notifier_state(MemoryContext context);
/* The entry as it is now, locked until the end of the transaction; false: there is none. */
extern bool pgtsdb_lock_log_entry(const Destination *to, const char *group_key, LogEntry *entry);

/* What a receiver was told. */
typedef struct LogRecord
{
	char	   *tenant_id;
	char	   *receiver;
	char	   *group_key;
	TsdbNotifyReason reason;
	int64		group_interval_ms;
	int64		repeat_interval_ms;
	TsdbFingerprints firing;
	TsdbFingerprints resolved;
} LogRecord;

extern void pgtsdb_write_log_entry(const LogRecord *record);
extern void pgtsdb_expire_log(void);

#endif							/* PGTSDB_NOTIFIER_INTERNAL_H */
