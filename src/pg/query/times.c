/*
 * times.c
 *		Times of PostgreSQL and of Prometheus.
 *
 * PostgreSQL counts microseconds from 2000, Prometheus milliseconds from 1970,
 * both in 64 bits; a timestamptz covers 4713 BC to 294276 AD, so milliseconds of it
 * never overflow, and the ends of the range stand for the infinities.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/timestamp.h"

#include "pg/query/query.h"

#define EPOCH_DIFFERENCE_MS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

/* Rounds down, also before 1970. */
static int64
floor_ms(int64 microseconds)
{
	return microseconds / 1000 - (microseconds % 1000 < 0);
}

int64
pgtsdb_timestamp_to_ms(TimestampTz timestamp)
{
	if (TIMESTAMP_IS_NOBEGIN(timestamp))
		timestamp = MIN_TIMESTAMP;
	if (TIMESTAMP_IS_NOEND(timestamp))
		timestamp = END_TIMESTAMP - 1;
	return floor_ms(timestamp) + EPOCH_DIFFERENCE_MS;
}

TimestampTz
pgtsdb_ms_to_timestamp(int64 ms)
{
	if (ms < floor_ms(MIN_TIMESTAMP) + EPOCH_DIFFERENCE_MS || ms > floor_ms(END_TIMESTAMP - 1) + EPOCH_DIFFERENCE_MS)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("time of " INT64_FORMAT " ms since 1970 is outside the range of timestamptz", ms)));
	return (ms - EPOCH_DIFFERENCE_MS) * 1000;
}

int64
pgtsdb_step_to_ms(const Interval *interval)
{
	int64		days = (int64) interval->month * DAYS_PER_MONTH + interval->day;

	/* |days| < 2^37, so this cannot overflow; time is microseconds */
	return days * SECS_PER_DAY * 1000 + floor_ms(interval->time);
}

void
pgtsdb_check_time_order(int64 start, int64 end)
{
	if (end < start)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("end timestamp must not be before start timestamp")));
}
