/*
 * series_insert.h
 *		Rows into tsdb.series without the executor.
 */
#ifndef PGTSDB_SERIES_INSERT_H
#define PGTSDB_SERIES_INSERT_H

#include "pg/storage/catalogue.h"

/*
 * Inserts a row for each of these series of one part, which have their columns.  False, with nothing done: the table has something
 * that only the executor serves (a trigger, another index), so that an INSERT has to be used.
 */
extern bool pgtsdb_series_insert(PgtsdbSeriesWanted *const *wanted, size_t n);

#endif							/* PGTSDB_SERIES_INSERT_H */
