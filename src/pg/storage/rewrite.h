/*
 * rewrite.h
 *		Takes the samples of a group and a stretch of time out of head and chunks, and puts them back as chunks.
 *
 * Compaction is a rewrite, and so is deletion, which puts back less.  Each sample goes to the retention class that
 * its series has now; one that is expired does not come back.
 */
#ifndef PGTSDB_REWRITE_H
#define PGTSDB_REWRITE_H

#include "postgres.h"

#include "core/base/base.h"

typedef struct PgtsdbRewrite
{
	/* What to rewrite: rows of head with t_lo <= ts <= t_hi, and all chunks that overlap in time */
	int32		part;
	int32		group_id;
	int64		t_lo;
	int64		t_hi;

	/* Chunks from here on are taken along too, when head had less than so many timestamps: short chunks become long ones */
	int64		merge_lo;
	size_t		merge_max_times;

	/* What does not come back: samples of these columns (ascending) with drop_lo <= t <= drop_hi */
	const int16 *drop_columns;
	bool	   *dropped;		/* set to true for each of them that lost a sample */
	size_t		n_drop_columns;
	int64		drop_lo;
	int64		drop_hi;

	/* The caller holds the lock under which partitions are made; else one that is missing is reported */
	bool		may_make_partitions;

	/* What it did */
	uint64		head_rows;
	uint64		samples;		/* put back */
	uint64		chunk_rows;
	uint64		chunk_bytes;
	bool		cut_short;		/* too much for one go: repeat with t_lo = t_next */
	int64		t_next;

	/* Nothing, because this partition of tier 0 is missing: make it in a transaction of its own and repeat */
	bool		needs_partition;
	int16		needs_class;
	int64		needs_t;
} PgtsdbRewrite;

/*
 * The caller holds the lock of the group (locks.h), acts as the owner, and ends the transaction if this raises.
 * `context` takes all memory and can be reset afterwards.
 */
extern void pgtsdb_rewrite_group(PgtsdbRewrite *rewrite, MemoryContext context);

#endif							/* PGTSDB_REWRITE_H */
