/*
 * catalogue.h
 *		Series rows: looked up by their labels, and made when they are new.
 */
#ifndef PGTSDB_CATALOGUE_H
#define PGTSDB_CATALOGUE_H

#include "postgres.h"

#include "core/labels/labels.h"
#include "pg/storage/storage.h"

/* Longest metric name: (part, metric_name) is a key of metric_definitions in a btree, whose entries end at 2,700 bytes. */
#define PGTSDB_MAX_METRIC_NAME_BYTES 1024
/* Longest canonical encoding of the labels of a series. */
#define PGTSDB_MAX_LABELS_BYTES (64 * 1024)

/* What is wanted of the catalogue, and its answer. */
typedef struct PgtsdbSeriesWanted
{
	/* Identity */
	int32		part;
	TsdbStr		labels;			/* canonical encoding */
	TsdbHash	hash;			/* of it */

	/* For a new row */
	TsdbStr		origin;			/* what the series shares a group by; empty: only what arrives with it */
	TsdbStr		instance;		/* of an origin made of labels, else empty */
	int64		t;				/* of its first sample, to be set by the caller */

	/* Answer */
	bool		found;			/* now, made if need be */
	bool		committed;		/* the row is, so that others may be told */
	PgtsdbSeriesRef series;
} PgtsdbSeriesWanted;

/* What tsdb.series keeps of the hash, to find the row by; the labels decide. */
static inline int32
pgtsdb_series_hash(const PgtsdbSeriesWanted *wanted)
{
	return (int32) (uint32) wanted->hash.lo;
}

static inline int
pgtsdb_series_compare_hash(const PgtsdbSeriesWanted *a, const PgtsdbSeriesWanted *b)
{
	int32		x = pgtsdb_series_hash(a);
	int32		y = pgtsdb_series_hash(b);

	return (x > y) - (x < y);
}

/* Fills in what a series row is made of; TSDB_ERR_LABELS or TSDB_ERR_LIMIT for what it cannot hold. */
extern TsdbStatus pgtsdb_series_describe(TsdbArena *arena, const PgtsdbTenant *tenant, TsdbLabels labels,
										 const char *origin, PgtsdbSeriesWanted *wanted, TsdbError *error);

/*
 * Finds each series, or makes it, in the order given (columns of a group are in this order).
 * Each (part, labels) at most once.  The caller holds the writers' lock of the parts.
 * Answers how many were made.
 */
extern uint64 pgtsdb_series_resolve(const PgtsdbTenant *tenant, PgtsdbSeriesWanted *wanted, size_t n);

/* name{label="value"} of a series, for messages. */
extern char *pgtsdb_series_name(PgtsdbSeriesRef series);

/* Sets last_seen of these groups of a part, unless somebody else is changing the catalogue: then false. */
extern bool pgtsdb_series_groups_seen(int32 part, const int32 *group_ids, int n);

#endif							/* PGTSDB_CATALOGUE_H */
