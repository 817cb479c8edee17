/*
 * config_values.h
 *		Values of configuration tables: objects of strings, and lengths of time.
 */
#ifndef PGTSDB_CONFIG_VALUES_H
#define PGTSDB_CONFIG_VALUES_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "core/labels/labels.h"

/* False for an interval with months, which have no length, or out of range. */
extern bool pgtsdb_interval_to_ms(const Interval *interval, int64 *ms);

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

#endif							/* PGTSDB_CONFIG_VALUES_H */
