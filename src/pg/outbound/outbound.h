/*
 * outbound.h
 *		What the main library keeps for the scraper and the notifier (folder scraper/): the checks
 *		of their configuration, and their memory of each target.
 */
#ifndef PGTSDB_OUTBOUND_H
#define PGTSDB_OUTBOUND_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "core/labels/labels.h"

/* ---- target_status.c ---- */

#define PGTSDB_TARGET_ERROR_MAX 256

/* What the last scrape of a target was like. */
typedef struct PgtsdbTargetStatus
{
	pg_uuid_t	target_id;
	bool		up;
	TimestampTz last_scrape;
	double		duration;		/* seconds */
	int64		samples;
	int64		series;
	int64		rejected;		/* lines that could not be read or stored */
	char		error[PGTSDB_TARGET_ERROR_MAX];	/* empty: none */
} PgtsdbTargetStatus;

/* From _PG_init() under shared_preload_libraries. */
extern void pgtsdb_target_status_init(void);
/* Both do nothing when the library was not preloaded; a status that finds no room is dropped. */
extern void pgtsdb_target_status_set(const PgtsdbTargetStatus *status);
extern void pgtsdb_target_status_forget(const pg_uuid_t *target_id);

/* ---- check_config.c ---- */

/* False for an interval with months, which have no length, or out of range. */
extern bool pgtsdb_interval_to_ms(const Interval *interval, int64 *ms);

/* ---- json_labels.c ---- */

/* One string of a JSON object; points into the jsonb. */
typedef void (*PgtsdbJsonPair) (void *context, const char *key, int key_len, const char *value, int value_len);

/*
 * Calls back for each pair of an object of strings; numbers and booleans count as
 * their text.  With `lists`, a list of such values gives a pair for each.  False when
 * the jsonb is anything else.
 */
extern bool pgtsdb_json_pairs(Jsonb *object, bool lists, PgtsdbJsonPair pair, void *context);

/* Copies of the pairs, in the order of the jsonb; false as above. */
extern bool pgtsdb_json_labels(Jsonb *object, TsdbLabel **pairs, size_t *n);

/* What a target's series get: its own labels, and job and instance unless it has them itself. */
extern TsdbStatus pgtsdb_target_labels(const char *job, const char *address, Jsonb *own, TsdbLabels *labels, TsdbError *error);

#endif							/* PGTSDB_OUTBOUND_H */
