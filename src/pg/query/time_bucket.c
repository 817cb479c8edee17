/*
 * time_bucket.c
 *		tsdb.time_bucket(): the start of the bucket of time that a time falls into.
 *
 * The function of TimescaleDB that Grafana's PostgreSQL data source calls, with the same answers: a width is a span
 * of time, in which a day has 24 hours, or a number of months of the calendar in UTC.  No setting has a say, so it
 * is IMMUTABLE.
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "pg/compat.h"

/* Time zero, 2000-01-01, begins a month and a year; weeks begin on Mondays, as 2000-01-03 was. */
#define ORIGIN_OF_MONTHS ((TimestampTz) 0)
#define ORIGIN_OF_SPANS ((TimestampTz) (2 * USECS_PER_DAY))

static Datum bucket_of(FunctionCallInfo fcinfo, const TimestampTz *origin);
static int64 width_of_span(const Interval *width);
static TimestampTz start_of_span(TimestampTz t, int64 width, TimestampTz origin);
static TimestampTz start_of_months(TimestampTz t, int32 width, TimestampTz origin);
static int64 month_of(TimestampTz t);
static TimestampTz start_of_month(int64 month);
static int64 floor_mod(int64 value, int64 divisor);
static TimestampTz check_start(TimestampTz start, bool overflow);

PG_FUNCTION_INFO_V1(pgtsdb_sql_time_bucket);
PG_FUNCTION_INFO_V1(pgtsdb_sql_time_bucket_origin);

/* tsdb.time_bucket(bucket_width interval, ts timestamptz) */
Datum
pgtsdb_sql_time_bucket(PG_FUNCTION_ARGS)
{
	return bucket_of(fcinfo, NULL);
}

/* tsdb.time_bucket(bucket_width interval, ts timestamptz, origin timestamptz) */
Datum
pgtsdb_sql_time_bucket_origin(PG_FUNCTION_ARGS)
{
	TimestampTz origin = PG_GETARG_TIMESTAMPTZ(2);

	if (TIMESTAMP_NOT_FINITE(origin))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("origin of buckets must be finite")));
	return bucket_of(fcinfo, &origin);
}

static Datum
bucket_of(FunctionCallInfo fcinfo, const TimestampTz *origin)
{
	const Interval *width = PG_GETARG_INTERVAL_P(0);
	TimestampTz t = PG_GETARG_TIMESTAMPTZ(1);

	/* An infinite interval has all three. */
	if (width->month != 0 && (width->day != 0 || width->time != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bucket width must be either a number of months or a span of days and times")));
	if (width->month < 0 || (width->month == 0 && width_of_span(width) <= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bucket width must be greater than zero")));
	if (TIMESTAMP_NOT_FINITE(t))
		PG_RETURN_TIMESTAMPTZ(t);
	if (width->month != 0)
		PG_RETURN_TIMESTAMPTZ(start_of_months(t, width->month, origin != NULL ? *origin : ORIGIN_OF_MONTHS));
	PG_RETURN_TIMESTAMPTZ(start_of_span(t, width_of_span(width), origin != NULL ? *origin : ORIGIN_OF_SPANS));
}

static int64
width_of_span(const Interval *width)
{
	int64		days;
	int64		result;

	if (pg_mul_s64_overflow(width->day, USECS_PER_DAY, &days) || pg_add_s64_overflow(days, width->time, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("bucket width out of range")));
	return result;
}

/* The remainders are subtracted instead of the times, whose difference may be more than 64 bits hold. */
static TimestampTz
start_of_span(TimestampTz t, int64 width, TimestampTz origin)
{
	int64		since = floor_mod(floor_mod(t, width) - floor_mod(origin, width), width);
	TimestampTz start;
	bool		overflow = pg_sub_s64_overflow(t, since, &start);

	return check_start(start, overflow);
}

/* Of the origin only its month counts. */
static TimestampTz
start_of_months(TimestampTz t, int32 width, TimestampTz origin)
{
	int64		month = month_of(t);

	return start_of_month(month - floor_mod(month - month_of(origin), width));
}

/* Months since the beginning of the year 0. */
static int64
month_of(TimestampTz t)
{
	int			year;
	int			month;
	int			day;

	j2date((int) ((t - floor_mod(t, USECS_PER_DAY)) / USECS_PER_DAY) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return (int64) year * MONTHS_PER_YEAR + month - 1;
}

static TimestampTz
start_of_month(int64 month)
{
	int			of_year = (int) floor_mod(month, MONTHS_PER_YEAR);
	int			year = (int) ((month - of_year) / MONTHS_PER_YEAR);

	if (!IS_VALID_JULIAN(year, of_year + 1, 1))
		return check_start(0, true);
	return check_start((int64) (date2j(year, of_year + 1, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY, false);
}

static int64
floor_mod(int64 value, int64 divisor)
{
	int64		rest = value % divisor;

	return rest < 0 ? rest + divisor : rest;
}

/* The first buckets of all begin before the first time that there is. */
static TimestampTz
check_start(TimestampTz start, bool overflow)
{
	if (overflow || !IS_VALID_TIMESTAMP(start))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("start of the bucket is out of range")));
	return start;
}
