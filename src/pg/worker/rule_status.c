/*
 * rule_status.c
 *		How the last evaluation of each rule went: tsdb.rule_status.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/status_table.h"
#include "pg/worker/rules.h"

#define COLUMNS 8

static PgtsdbStatusTable table = {"pgtsdb_rules", &pgtsdb_max_rules, sizeof(PgtsdbRuleStatus)};

static void put_status(ReturnSetInfo *result, const PgtsdbRuleStatus *status);

PG_FUNCTION_INFO_V1(pgtsdb_rule_statistics);

void
pgtsdb_rule_status_init(void)
{
	pgtsdb_status_table_init(&table);
}

bool
pgtsdb_rule_status_add(const PgtsdbRuleStatus *status)
{
	bool		found = false;
	bool		news = status->error[0] != '\0';
	PgtsdbRuleStatus *kept = pgtsdb_status_lock(&table, &status->rule_id, &found);

	if (kept != NULL)
	{
		PgtsdbRuleStatus before = *kept;

		*kept = *status;
		if (found)
		{
			news = news && strcmp(before.error, status->error) != 0;
			kept->evaluations += before.evaluations;
			kept->failures += before.failures;
			kept->missed += before.missed;
		}
	}
	pgtsdb_status_unlock(&table);
	return news;
}

void
pgtsdb_rule_status_forget(const pg_uuid_t *rule_id)
{
	pgtsdb_status_forget(&table, rule_id);
}

/* tsdb.rule_statistics(): the rules of this database, of tenants that the user may read. */
Datum
pgtsdb_rule_statistics(PG_FUNCTION_ARGS)
{
	PgtsdbRuleStatus *statuses;
	bool		visible = false;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	statuses = pgtsdb_status_get_all(&table, &n);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || strcmp(statuses[i].tenant_id, statuses[i - 1].tenant_id) != 0)
			visible = pgtsdb_has_access(statuses[i].tenant_id, PGTSDB_READ);
		if (visible)
			put_status((ReturnSetInfo *) fcinfo->resultinfo, &statuses[i]);
	}
	return (Datum) 0;
}

static void
put_status(ReturnSetInfo *result, const PgtsdbRuleStatus *status)
{
	Datum		values[COLUMNS] = {
		UUIDPGetDatum(&status->rule_id), TimestampTzGetDatum(status->last_evaluation),
		Float8GetDatum(status->duration), Int64GetDatum(status->evaluations), Int64GetDatum(status->failures),
		Int64GetDatum(status->missed), Int64GetDatum(status->series), CStringGetTextDatum(status->error)
	};
	bool		nulls[COLUMNS] = {[COLUMNS - 1] = status->error[0] == '\0'};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}
