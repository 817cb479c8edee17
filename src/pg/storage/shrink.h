/*
 * shrink.h
 *		Partitions with much free space in them give it back.
 *
 * VACUUM only gives back pages at the end.  So the rows there are moved into free pages before them, and another VACUUM
 * does the rest:
 *
 *		PgtsdbShrink shrink;
 *
 *		pgtsdb_shrink_start(&shrink, leaf);			after a VACUUM, which tells where there is room
 *		while (pgtsdb_shrink_step(&shrink))			one per transaction
 *			;
 *		another VACUUM, if shrink.rows > 0
 */
#ifndef PGTSDB_SHRINK_H
#define PGTSDB_SHRINK_H

#include "postgres.h"

#include "storage/block.h"

typedef struct PgtsdbShrink
{
	Oid			leaf;
	BlockNumber from;			/* rows of the pages from here on ... */
	BlockNumber to;				/* ... up to here (exclusive) have still to be moved */
	uint64		rows;			/* moved so far */
} PgtsdbShrink;

/* In a transaction of its own too.  Where there is not much to gain the steps have nothing to do. */
extern void pgtsdb_shrink_start(PgtsdbShrink *shrink, Oid leaf);
/* Moves the rows of some pages; those of groups that somebody rewrites stay.  False: nothing is left to do. */
extern bool pgtsdb_shrink_step(PgtsdbShrink *shrink);

#endif							/* PGTSDB_SHRINK_H */
