/*
 * head_insert.h
 *		Rows into tsdb.head without the executor.
 */
#ifndef PGTSDB_HEAD_INSERT_H
#define PGTSDB_HEAD_INSERT_H

#include "postgres.h"

/* Rows of one part, in key order: row i is (part, group_ids[i], times[i], ns[i], flags[i], values[i]). */
typedef struct PgtsdbHeadTuples
{
	int32		part;
	int			n;
	const int32 *group_ids;
	const int64 *times;
	const int16 *ns;
	const int16 *flags;
	const Datum *values;		/* bytea */
} PgtsdbHeadTuples;

/*
 * Inserts the rows, and sets stored[i] to false for each whose key somebody else has taken; such a row is not there.
 * False, with nothing done: the table has something that only the executor serves (a trigger, another index), so
 * that an INSERT has to be used.
 */
extern bool pgtsdb_head_insert(const PgtsdbHeadTuples *tuples, bool *stored);

#endif							/* PGTSDB_HEAD_INSERT_H */
