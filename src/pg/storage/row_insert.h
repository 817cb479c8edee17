/*
 * row_insert.h
 *		Rows into a storage table page by page, without the executor.  Index entries are the caller's business.
 */
#ifndef PGTSDB_ROW_INSERT_H
#define PGTSDB_ROW_INSERT_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/relcache.h"

/* Rows that go to the table in one call. */
#define PGTSDB_ROWS_AT_ONCE 256

typedef struct PgtsdbRowInsert
{
	Relation	heap;
	TupleDesc	descriptor;		/* of all slots */
	TupleTableSlot *slots[PGTSDB_ROWS_AT_ONCE];
	int			n_slots;		/* made so far */
} PgtsdbRowInsert;

/*
 * Opens and locks the heap, which was found under this name.  False, with nothing open: it has not just so many columns and valid
 * indexes, or has something that only the executor serves, as a trigger; then a statement has to be used.
 */
extern bool pgtsdb_row_insert_open(PgtsdbRowInsert *insert, Oid heap, const char *name, int n_columns, int n_indexes);
/* A slot for the row, in which no column is null: the caller sets tts_values, and calls ExecStoreVirtualTuple(). */
extern TupleTableSlot *pgtsdb_row_insert_slot(PgtsdbRowInsert *insert, int row);
/* Puts the rows of the first n slots into the table, and their addresses into tts_tid. */
extern void pgtsdb_row_insert_store(PgtsdbRowInsert *insert, int n);
extern void pgtsdb_row_insert_close(PgtsdbRowInsert *insert);

#endif							/* PGTSDB_ROW_INSERT_H */
