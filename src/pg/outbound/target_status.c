/*
 * target_status.c
 *		How the last scrape of each target went: tsdb.targets.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/outbound/outbound.h"
#include "pg/status_table.h"

static PgtsdbStatusTable table = {"pgtsdb_targets", &pgtsdb_max_targets, sizeof(PgtsdbTargetStatus)};

void
pgtsdb_target_status_init(void)
{
	pgtsdb_status_table_init(&table);
}

void
pgtsdb_target_status_set(const PgtsdbTargetStatus *status)
{
	bool		found;
	PgtsdbTargetStatus *kept = pgtsdb_status_lock(&table, &status->target_id, &found);

	if (kept != NULL)
		*kept = *status;
	pgtsdb_status_unlock(&table);
}

void
pgtsdb_target_status_forget(const pg_uuid_t *target_id)
{
	pgtsdb_status_forget(&table, target_id);
}

static Datum
status_row(const PgtsdbTargetStatus *status, TupleDesc desc)
{
	Datum		values[] = {
		CStringGetTextDatum(status->up ? "up" : "down"),
		TimestampTzGetDatum(status->last_scrape),
		Float8GetDatum(status->duration),
		Int64GetDatum(status->samples),
		Int64GetDatum(status->series),
		Int64GetDatum(status->rejected),
		CStringGetTextDatum(status->error),
	};
	bool		nulls[lengthof(values)] = {false};

	nulls[lengthof(values) - 1] = status->error[0] == '\0';
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

PG_FUNCTION_INFO_V1(pgtsdb_sql_target_status);

/* Who may know the id of a target may know how it is: tsdb.scrape_targets has the row policy. */
Datum
pgtsdb_sql_target_status(PG_FUNCTION_ARGS)
{
	PgtsdbTargetStatus status;
	TupleDesc	desc;

	if (!pgtsdb_status_get(&table, PG_GETARG_UUID_P(0), &status))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return status_row(&status, BlessTupleDesc(desc));
}
