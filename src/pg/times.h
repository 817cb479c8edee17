/*
 * times.h
 *		Times of PostgreSQL and of Prometheus.
 *
 * PostgreSQL counts microseconds from 2000, Prometheus milliseconds from 1970,
 * both in 64 bits; a timestamptz covers 4713 BC to 294276 AD, so milliseconds of it
 * never overflow, and the ends of the range stand for the infinities.
 */
#ifndef PGTSDB_TIMES_H
#define PGTSDB_TIMES_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"

#define MS_PER_SECOND INT64CONST(1000)
#define MS_PER_MINUTE (60 * MS_PER_SECOND)
#define MS_PER_HOUR (60 * MS_PER_MINUTE)
#define MS_PER_DAY (24 * MS_PER_HOUR)

/* Rounds down, also before 1970. */
static inline int64
pgtsdb_floor_ms(int64 microseconds)
{
	return microseconds / 1000 - (microseconds % 1000 < 0);
}

/* Rounds down; infinity becomes the far end of what a timestamp can say. */
extern int64 pgtsdb_timestamp_to_ms(TimestampTz timestamp);
/* ERRCODE_DATETIME_VALUE_OUT_OF_RANGE when a timestamptz cannot hold it. */
extern TimestampTz pgtsdb_ms_to_timestamp(int64 ms);
extern int64 pgtsdb_now_ms(void);
/* The timestamptz argument as the end of a range: `otherwise` when it is null, and infinity is before or behind all samples. */
extern int64 pgtsdb_time_argument(FunctionCallInfo fcinfo, int n, int64 otherwise);

#endif							/* PGTSDB_TIMES_H */
