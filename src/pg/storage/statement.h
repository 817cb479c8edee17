/*
 * statement.h
 *		Statements that run again and again, prepared once per backend.
 */
#ifndef PGTSDB_STATEMENT_H
#define PGTSDB_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"

/* A static object per statement; the plan lives as long as the backend, or until its types are others. */
typedef struct PgtsdbStatement
{
	/*
	 * All names and operators are qualified: search_path is the caller's.  unnest() of several
	 * arrays is none of them: the parser turns it into calls of pg_catalog.unnest().
	 */
	const char *sql;
	int			expected;		/* SPI_OK_... */
	SPIPlanPtr	plan;
} PgtsdbStatement;

/*
 * Runs it within SPI_connect() .. SPI_finish().  Answers the number of rows; results
 * are in SPI_tuptable.
 */
extern uint64 pgtsdb_statement_run(PgtsdbStatement *statement, int n_args, const Oid *types, Datum *values);
/* Same with null arguments: 'n' in nulls, else ' ', as SPI has it. */
extern uint64 pgtsdb_statement_run_nulls(PgtsdbStatement *statement, int n_args, const Oid *types, Datum *values,
										 const char *nulls);

/* One-dimensional arrays, without NULL but for the last. */
extern Datum pgtsdb_int2_array(const int16 *values, int n);
extern Datum pgtsdb_int4_array(const int32 *values, int n);
extern Datum pgtsdb_int8_array(const int64 *values, int n);
extern Datum pgtsdb_datum_array(Datum *values, int n, Oid element_type);
extern Datum pgtsdb_nullable_array(Datum *values, bool *nulls, int n, Oid element_type);

/* tsdb.labels or another type of the extension. */
extern Oid	pgtsdb_type_oid(const char *name);

#endif							/* PGTSDB_STATEMENT_H */
