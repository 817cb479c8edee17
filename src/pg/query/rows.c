/*
 * rows.c
 *		Series as rows (labels jsonb, ts timestamptz, value float8) of a set-returning function.
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "pg/query/query.h"
#include "pg/query/rows.h"
#include "pg/types/types.h"

enum
{
	ROW_LABELS,
	ROW_TS,
	ROW_VALUE,
	ROW_COLUMNS
};

void
pgtsdb_rows_begin(PgtsdbRows *rows, FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	rows->result = (ReturnSetInfo *) fcinfo->resultinfo;
	rows->scratch = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb rows of a series", ALLOCSET_DEFAULT_SIZES);
}

void
pgtsdb_rows_series(PgtsdbRows *rows, TsdbLabels labels, const int64 *t, const double *v, size_t n)
{
	MemoryContext caller = MemoryContextSwitchTo(rows->scratch);
	Datum		values[ROW_COLUMNS];
	bool		nulls[ROW_COLUMNS] = {false};

	values[ROW_LABELS] = JsonbPGetDatum(pgtsdb_labels_jsonb(labels));
	for (size_t i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		values[ROW_TS] = TimestampTzGetDatum(pgtsdb_ms_to_timestamp(t[i]));
		values[ROW_VALUE] = Float8GetDatum(v[i]);
		tuplestore_putvalues(rows->result->setResult, rows->result->setDesc, values, nulls);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(rows->scratch);
}
