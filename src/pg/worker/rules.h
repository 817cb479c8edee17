/*
 * rules.h
 *		Rules as the ruler knows them, and where their alerts are kept.
 */
#ifndef PGTSDB_RULES_H
#define PGTSDB_RULES_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "core/rules/alert_state.h"
#include "pg/tenant.h"

/* An active row of tsdb.alert_rules.  Times are milliseconds. */
typedef struct PgtsdbRule
{
	pg_uuid_t	rule_id;
	char	   *tenant_id;
	char	   *expression;
	int64		interval;
	TsdbAlertRule alert;

	/* When it runs: at offset + k x interval, so that the rules of a database spread over time */
	int64		offset;
	int64		next;			/* slot that comes next */
} PgtsdbRule;

/* ---- rule_table.c ---- */

/* The active rules, in the current memory context.  Within a unit. */
extern List *pgtsdb_rules_load(void);
/* The newest slot that is not after the time. */
extern int64 pgtsdb_rule_slot(const PgtsdbRule *rule, int64 at);

/* An alert of a rule that is not active any more, or was deleted. */
typedef struct PgtsdbOrphan
{
	pg_uuid_t	rule_id;
	char	   *tenant_id;
} PgtsdbOrphan;

/* Those that have something left to end or to forget, in the current memory context. */
extern List *pgtsdb_orphans_load(void);

/* ---- alert_store.c ---- */

/* What belongs to one evaluation, within one transaction. */
typedef struct PgtsdbAlertStore
{
	const pg_uuid_t *rule_id;
	const PgtsdbTenant *tenant;
	TsdbArena  *arena;
	int64		now;			/* time of the evaluation, milliseconds */
} PgtsdbAlertStore;

/* The alerts of the rule as the tables have them. */
extern TsdbAlert *pgtsdb_alerts_load(const PgtsdbAlertStore *store, size_t *n);
/* Writes what changed, with an event for each transition; answers how many transitions there were. */
extern int	pgtsdb_alerts_save(const PgtsdbAlertStore *store, const TsdbAlert *alerts, size_t n);
/* The series ALERTS and ALERTS_FOR_STATE, with stale markers for those that ended. */
extern void pgtsdb_alerts_write_series(const PgtsdbAlertStore *store, const TsdbAlert *alerts, size_t n);

/* ---- rule_status.c ---- */

#define PGTSDB_RULE_ERROR_LENGTH 256
#define PGTSDB_RULE_TENANT_LENGTH 64

/* What changes with every evaluation: kept in shared memory only. */
typedef struct PgtsdbRuleStatus
{
	pg_uuid_t	rule_id;
	char		tenant_id[PGTSDB_RULE_TENANT_LENGTH];	/* a longer name is cut, and then only administrators see the status */
	TimestampTz last_evaluation;
	double		duration;		/* seconds */
	int64		evaluations;
	int64		failures;
	int64		missed;			/* slots that passed while the ruler was busy with something else */
	int64		series;			/* that the expression answered */
	char		error[PGTSDB_RULE_ERROR_LENGTH];	/* of the last evaluation; empty: none */
} PgtsdbRuleStatus;

/* From _PG_init() under shared_preload_libraries. */
extern void pgtsdb_rule_status_init(void);

/*
 * Adds one evaluation: the counters of status are what is new, the rest replaces what was.
 * True when the rule was well and is not any more, or fails in another way.
 */
extern bool pgtsdb_rule_status_add(const PgtsdbRuleStatus *status);
extern void pgtsdb_rule_status_forget(const pg_uuid_t *rule_id);

#endif							/* PGTSDB_RULES_H */
