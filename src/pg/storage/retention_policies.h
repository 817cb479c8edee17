/*
 * retention_policies.h
 *		Which class a series belongs to, and how long the samples of a class are kept.
 *
 * Each row of tsdb.retention_policies is a class of its own.  Class 0 is that of series
 * without a policy; chunks of classes whose policy is gone are treated like those of class 0.
 */
#ifndef PGTSDB_RETENTION_POLICIES_H
#define PGTSDB_RETENTION_POLICIES_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "core/base/base.h"
#include "pg/storage/storage.h"

typedef struct PgtsdbRetentionClass
{
	int16		class;
	int64		cutoff;			/* samples before are expired; PG_INT64_MIN: none are */

	/* Of pgtsdb_retention_classes() only */
	int64		width;			/* of its partitions, in milliseconds */
	bool		has_series;		/* false for class 0 where every series has a policy */
} PgtsdbRetentionClass;

/*
 * Class 0, then that of each policy.  The cutoff of class 0 is for chunks that were compacted before there was a
 * policy for them: the longest retention, once every tenant has a policy for all its series.
 */
extern PgtsdbRetentionClass *pgtsdb_retention_classes(int *n);

typedef struct PgtsdbGroupClasses
{
	PgtsdbRetentionClass *classes;	/* class 0, then those of the policies of the group's tenant */
	int			n_classes;
	int			of_column[PGTSDB_MAX_GROUP_COLUMNS];	/* numbers in classes */
} PgtsdbGroupClasses;

/*
 * Finds the class of each column by the labels of its series: that of the first policy that matches.  What the
 * snapshot does not show has class 0.
 */
extern PgtsdbGroupClasses *pgtsdb_group_classes(TsdbArena *arena, int32 part, int32 group_id, Snapshot snapshot);

#endif							/* PGTSDB_RETENTION_POLICIES_H */
