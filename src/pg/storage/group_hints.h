/*
 * group_hints.h
 *		What writers remember of groups and their columns.
 *
 * Hints, never an authority: a slot may be given to another owner at any time, so a value may come from there or be
 * lost: each use must be harmless then.
 */
#ifndef PGTSDB_GROUP_HINTS_H
#define PGTSDB_GROUP_HINTS_H

#include "postgres.h"

#include "port/atomics.h"

/* Module load: hooks for shared memory. */
extern void pgtsdb_hints_init(void);

typedef struct PgtsdbHintOwner
{
	pg_atomic_uint32 version;	/* 0: free; odd: being given to another owner */
	int32		part;
	uint64		identity;
	int32		group_id;
	int32		block;			/* of columns; of a group as a whole 0 */
} PgtsdbHintOwner;

typedef struct PgtsdbGroupHint
{
	PgtsdbHintOwner owner;
	pg_atomic_uint32 next_n;	/* next value for head.n */
	pg_atomic_uint32 seen_hour; /* hours since 1970 of the last update of last_seen */
} PgtsdbGroupHint;

#define PGTSDB_HINT_COLUMNS 64

/* No sample of head is later than this, column by column, in seconds (rounded down, 0 before 1970). */
typedef struct PgtsdbColumnsHint
{
	PgtsdbHintOwner owner;
	uint32		last_second[PGTSDB_HINT_COLUMNS];
} PgtsdbColumnsHint;

extern PgtsdbGroupHint *pgtsdb_group_hint(uint64 identity, int32 part, int32 group_id);
/* NULL: not known, then find out and add. */
extern PgtsdbColumnsHint *pgtsdb_find_columns_hint(uint64 identity, int32 part, int32 group_id, int32 block);
extern PgtsdbColumnsHint *pgtsdb_add_columns_hint(uint64 identity, int32 part, int32 group_id, int32 block,
												   uint32 last_second);

#endif							/* PGTSDB_GROUP_HINTS_H */
