/*
 * shared_memory.h
 *		Pieces of shared memory that the library has when it is in shared_preload_libraries.
 */
#ifndef PGTSDB_SHARED_MEMORY_H
#define PGTSDB_SHARED_MEMORY_H

#include "postgres.h"

typedef struct PgtsdbSharedMemory
{
	const char *name;
	Size		(*size) (void);
	/* Each process, or the postmaster alone before it forks: here it is.  New: all of it is zero. */
	void		(*attach) (void *memory, bool is_new);
	const char *tranche;		/* of one lock that comes with it; NULL: none */
	struct PgtsdbSharedMemory *next;
} PgtsdbSharedMemory;

/* From _PG_init().  False, and nothing is attached: the library is loaded by a session. */
extern bool pgtsdb_want_shared_memory(PgtsdbSharedMemory *piece);

#endif							/* PGTSDB_SHARED_MEMORY_H */
