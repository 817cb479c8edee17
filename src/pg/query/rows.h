/*
 * rows.h
 *		Series as rows (labels jsonb, ts timestamptz, value float8) of a set-returning function.
 */
#ifndef PGTSDB_ROWS_H
#define PGTSDB_ROWS_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/execnodes.h"

#include "core/labels/labels.h"

typedef struct PgtsdbRows
{
	ReturnSetInfo *result;
	MemoryContext scratch;		/* reset per series */
} PgtsdbRows;

/* Switches the call to materialise mode; every row goes to its tuplestore. */
extern void pgtsdb_rows_begin(PgtsdbRows *rows, FunctionCallInfo fcinfo);
extern void pgtsdb_rows_series(PgtsdbRows *rows, TsdbLabels labels, const int64 *t, const double *v, size_t n);

#endif							/* PGTSDB_ROWS_H */
