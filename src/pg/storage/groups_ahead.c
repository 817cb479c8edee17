/*
 * groups_ahead.c
 *		Groups that an index has no entry of, so that nobody looks for them.
 *
 * Head has nothing of targets that are gone, a leaf of chunks nothing of those that came later, and where targets come and go
 * these are most of the groups that a query asks for.  To find nothing takes a descent of the index; one more tells which group
 * it has next, and that there is nothing of all those before.
 *
 * Index entries go only when nobody can see their rows any more, and rows that a snapshot sees had theirs before it: so what is
 * not there when we look is not there for us.
 *
 * Where each group is there, with rows of other times than those that are asked for, looking is of no use.  So after each look
 * in vain twice as many groups go by before the next.
 */
#include "postgres.h"

#include "pg/storage/groups_ahead.h"

#define LONGEST_PAUSE 256

enum
{
	KEY_PART = 1,
	KEY_GROUP
};

bool
pgtsdb_may_have_group(PgtsdbGroupsAhead *ahead, int32 group_id)
{
	if (group_id < ahead->first_gap || group_id >= ahead->next_group)
		return true;
	ahead->has_spared = true;
	return false;
}

void
pgtsdb_look_ahead(PgtsdbGroupsAhead *ahead, PgtsdbScan *scan, int32 part, int32 group_id)
{
	if (ahead->has_spared)
		ahead->pause = ahead->longer_pause = 0;
	if (ahead->pause > 0 || group_id == PG_INT32_MAX)
	{
		ahead->pause--;
		return;
	}
	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, KEY_PART, BTEqualStrategyNumber, part);
	pgtsdb_scan_key_int4(scan, KEY_GROUP, BTGreaterEqualStrategyNumber, group_id + 1);
	pgtsdb_scan_start(scan);
	ahead->first_gap = (int64) group_id + 1;
	ahead->next_group = pgtsdb_scan_next_entry(scan) ? DatumGetInt32(pgtsdb_scan_entry(scan, KEY_GROUP)) : PG_INT64_MAX;
	ahead->has_spared = false;
	ahead->longer_pause = Min(2 * ahead->longer_pause + 1, LONGEST_PAUSE);
	ahead->pause = ahead->longer_pause;
}
