/*
 * groups_ahead.h
 *		Groups that an index has no entry of, so that nobody looks for them.
 *
 * For who visits many groups of a part in ascending order, each by a scan of its own:
 *
 *		if (pgtsdb_may_have_group(&ahead, group_id) && ... the scan of this group finds nothing ...)
 *			pgtsdb_look_ahead(&ahead, &scan, part, group_id);
 */
#ifndef PGTSDB_GROUPS_AHEAD_H
#define PGTSDB_GROUPS_AHEAD_H

#include "postgres.h"

#include "pg/storage/scan.h"

/* Of one scan; all zeros at first. */
typedef struct PgtsdbGroupsAhead
{
	int64		first_gap;		/* there is none from this one up to, but without, next_group */
	int64		next_group;
	bool		has_spared;		/* the last look was of use */
	int			pause;			/* groups to let pass before the next look */
	int			longer_pause;	/* when that is of no use either */
} PgtsdbGroupsAhead;

/* Whether the index may have an entry of the group. */
extern bool pgtsdb_may_have_group(PgtsdbGroupsAhead *ahead, int32 group_id);
/* Which group comes after this one, of which nothing was found?  The index begins with (part, group_id); the scan starts anew. */
extern void pgtsdb_look_ahead(PgtsdbGroupsAhead *ahead, PgtsdbScan *scan, int32 part, int32 group_id);

#endif							/* PGTSDB_GROUPS_AHEAD_H */
