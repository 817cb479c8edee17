/*
 * find_labels.h
 *		Label names and label values that series have, by the label index.
 */
#ifndef PGTSDB_FIND_LABELS_H
#define PGTSDB_FIND_LABELS_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "core/base/str_table.h"
#include "core/labels/labels.h"

/* Which series of a part are asked for what. */
typedef struct PgtsdbLabelSearch
{
	int32		part;
	Snapshot	snapshot;
	TsdbStr		name;			/* for its values; empty: for names */
	const TsdbMatcher *matchers;	/* they all match */
	size_t		n_matchers;
	bool		bounded;		/* the series must be present (presence.h) in this range */
	int64		t_lo;
	int64		t_hi;
	size_t		limit;			/* one more than the first so many need not be found; 0: all */
} PgtsdbLabelSearch;

/*
 * Adds what the series have.  False when that would take longer than to look at all these series, or there is no index: then some
 * may have been added, and the series are to be looked at.
 */
extern bool pgtsdb_find_labels(const PgtsdbLabelSearch *search, TsdbStrTable *found);

#endif							/* PGTSDB_FIND_LABELS_H */
