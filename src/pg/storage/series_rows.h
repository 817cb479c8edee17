/*
 * series_rows.h
 *		Rows of series by the numbers that the label index has for them.
 */
#ifndef PGTSDB_SERIES_ROWS_H
#define PGTSDB_SERIES_ROWS_H

#include "postgres.h"

#include "access/tableam.h"

#include "pg/am/label_index.h"
#include "pg/storage/schema.h"

typedef struct PgtsdbSeriesRows
{
	Relation	heap;
	Relation	index;			/* NULL: there is none, as while it is made anew */
	Snapshot	snapshot;
	IndexFetchTableData *fetch;
	TupleTableSlot *slot;		/* the row that was fetched last */
} PgtsdbSeriesRows;

/* False when the table does not exist, so that there are no series. */
extern bool pgtsdb_series_rows_open(PgtsdbSeriesRows *rows, int32 part, Snapshot snapshot);
extern void pgtsdb_series_rows_close(PgtsdbSeriesRows *rows);

/* Into the slot; false when the snapshot does not see the row. */
extern bool pgtsdb_series_rows_fetch(PgtsdbSeriesRows *rows, uint64 number);
/* Which label of the row in the slot the index keeps cut as this one; in the current memory context.  Without a name: none. */
extern TsdbLabel pgtsdb_series_rows_label(const PgtsdbSeriesRows *rows, TsdbLabel kept);

#endif							/* PGTSDB_SERIES_ROWS_H */
