/*
 * errors.h
 *		The one door from a core status to an SQL error, a Prometheus errorType and an HTTP status.
 */
#ifndef PGTSDB_ERRORS_H
#define PGTSDB_ERRORS_H

#include "postgres.h"

#include "core/base/base.h"
#include "pg/compat.h"

/* Raises the error with the SQLSTATE of its code, and its hint. */
pg_noreturn extern void pgtsdb_raise(const TsdbError *error);
/* Same; shows `input` with a caret at error->start (PostgreSQL's internal query position). */
pg_noreturn extern void pgtsdb_raise_in(const TsdbError *error, const char *input);

static inline void
pgtsdb_check(TsdbStatus status, const TsdbError *error)
{
	if (unlikely(status != TSDB_OK))
		pgtsdb_raise(error);
}

extern int	pgtsdb_sqlstate(TsdbStatus status);
/* errorType of the Prometheus HTTP API: bad_data, execution, timeout ... */
extern const char *pgtsdb_api_error_type(TsdbStatus status);

#endif							/* PGTSDB_ERRORS_H */
