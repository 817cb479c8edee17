/*
 * times.c
 *		Times of PostgreSQL and of Prometheus.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "pg/times.h"

#define EPOCH_DIFFERENCE_MS ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * MS_PER_DAY)

int64
pgtsdb_timestamp_to_ms(TimestampTz timestamp)
{
	if (TIMESTAMP_IS_NOBEGIN(timestamp))
		timestamp = MIN_TIMESTAMP;
	if (TIMESTAMP_IS_NOEND(timestamp))
		timestamp = END_TIMESTAMP - 1;
	return pgtsdb_floor_ms(timestamp) + EPOCH_DIFFERENCE_MS;
}

TimestampTz
pgtsdb_ms_to_timestamp(int64 ms)
{
	if (ms < pgtsdb_floor_ms(MIN_TIMESTAMP) + EPOCH_DIFFERENCE_MS || ms > pgtsdb_floor_ms(END_TIMESTAMP - 1) + EPOCH_DIFFERENCE_MS)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("time of " INT64_FORMAT " ms since 1970 is outside the range of timestamptz", ms)));
	return (ms - EPOCH_DIFFERENCE_MS) * 1000;
}

int64
pgtsdb_now_ms(void)
{
	return pgtsdb_timestamp_to_ms(GetCurrentTimestamp());
}

int64
pgtsdb_time_argument(FunctionCallInfo fcinfo, int n, int64 otherwise)
{
	if (PG_ARGISNULL(n))
		return otherwise;
	if (TIMESTAMP_IS_NOBEGIN(PG_GETARG_TIMESTAMPTZ(n)))
		return PG_INT64_MIN;
	if (TIMESTAMP_IS_NOEND(PG_GETARG_TIMESTAMPTZ(n)))
		return PG_INT64_MAX;
	return pgtsdb_timestamp_to_ms(PG_GETARG_TIMESTAMPTZ(n));
}
