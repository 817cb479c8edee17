/*
 * times.c
 *		Steps and ranges of queries.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/timestamp.h"

#include "pg/query/query.h"

int64
pgtsdb_step_to_ms(const Interval *interval)
{
	int64		days = (int64) interval->month * DAYS_PER_MONTH + interval->day;

	/* |days| < 2^37, so this cannot overflow; time is microseconds */
	return days * SECS_PER_DAY * 1000 + pgtsdb_floor_ms(interval->time);
}

void
pgtsdb_check_time_order(int64 start, int64 end)
{
	if (end < start)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("end timestamp must not be before start timestamp")));
}
