/*
 * rows_table.h
 *		Lists of rows by key, in memory: what a build and the move of pending rows collect.
 */
#ifndef PGTSDB_AM_ROWS_TABLE_H
#define PGTSDB_AM_ROWS_TABLE_H

#include "postgres.h"

#include "pg/am/am_internal.h"

typedef struct Rows
{
	TsdbStr		key;
	TsdbPostings *list;			/* stays where it is when the table moves its elements */
	char		status;			/* of simplehash */
} Rows;

#define SH_PREFIX rows_table
#define SH_ELEMENT_TYPE Rows
#define SH_KEY_TYPE TsdbStr
#define SH_KEY key
#define SH_HASH_KEY(table, key) ((uint32) tsdb_hash(key.data, key.len, 0).lo)
#define SH_EQUAL(table, a, b) tsdb_str_equal(a, b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The element of the key, which is copied into the arena when it is new.  Its address is good until the next one comes. */
static inline const Rows *
rows_table_of(rows_table_hash *table, TsdbArena *arena, TsdbStr key)
{
	bool		found;
	Rows	   *rows = rows_table_insert(table, key, &found);

	if (!found)
	{
		rows->key = tsdb_str_copy(arena, key);
		rows->list = tsdb_alloc(arena, sizeof(TsdbPostings));
		tsdb_postings_init(rows->list, arena);
	}
	return rows;
}

#endif							/* PGTSDB_AM_ROWS_TABLE_H */
