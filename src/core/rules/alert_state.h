/*
 * alert_state.h
 *		The states of the alerts of one rule: what one evaluation changes.
 *
 *		inactive --answered--> pending --for over--> firing --not answered--> resolved
 *		   ^                      |  ^                ^  |                       |  |
 *		   +----not answered------+  |     answered --+  +-- keep_firing_for     |  |
 *		   |                         +-------------------answered----------------+  |
 *		   +------------------------------15 min later------------------------------+
 *
 * A resolved alert that is answered again is pending and keeps the times of
 * when it fired: those who were told of it may still have to hear that it was resolved.  When it
 * vanishes before it fires, it is resolved as before.
 *
 * An alert is the rule and one label set.  The function is pure: states before
 * and the result of the expression go in, states after come out, and the caller
 * keeps them.  Semantics are those of Prometheus (rules/alerting.go).
 */
#ifndef TSDB_RULES_ALERT_STATE_H
#define TSDB_RULES_ALERT_STATE_H

#include "core/base/base.h"
#include "core/labels/labels.h"

#define TSDB_NO_TIME INT64_MIN
/* How long a resolved alert is remembered, so that word of it can be sent again. */
#define TSDB_RESOLVED_RETENTION_MS (INT64_C(15) * 60 * 1000)

typedef enum TsdbAlertState
{
	TSDB_ALERT_INACTIVE,
	TSDB_ALERT_PENDING,
	TSDB_ALERT_FIRING,
	TSDB_ALERT_RESOLVED
} TsdbAlertState;

typedef struct TsdbAlert
{
	TsdbLabels	labels;
	TsdbLabels	annotations;	/* names in the order of the rule; values may be empty */
	TsdbAlertState state;
	double		value;
	int64_t		active_at;		/* times in milliseconds, or TSDB_NO_TIME */
	int64_t		fired_at;		/* the last time */
	int64_t		keep_firing_since;
	int64_t		resolved_at;	/* the last time; none while it fires */

	/* Answers of an evaluation, not read by it */
	TsdbAlertState previous;
	bool		changed;		/* state or keep_firing_since: to be written down */
} TsdbAlert;

typedef struct TsdbAlertRule
{
	TsdbStr		name;
	int64_t		for_ms;
	int64_t		keep_firing_ms;
	const TsdbLabel *labels;	/* values are templates; names are unique */
	size_t		n_labels;
	const TsdbLabel *annotations;
	size_t		n_annotations;
} TsdbAlertRule;

/* One series that the expression answers. */
typedef struct TsdbAlertSample
{
	TsdbLabels	labels;
	double		value;
} TsdbAlertSample;

/*
 * Answers each alert of before, and each new one, once, sorted by labels.
 * State inactive means that the alert is to be forgotten.  On an error nothing changes:
 * TSDB_ERR_EXECUTION when two series become one alert, TSDB_ERR_LABELS for labels that
 * a template made and that are none.
 */
extern TsdbStatus tsdb_alert_evaluate(TsdbArena *arena, const TsdbAlertRule *rule, int64_t now,
									  const TsdbAlert *before, size_t n_before,
									  const TsdbAlertSample *samples, size_t n_samples,
									  TsdbAlert **after, size_t *n_after, TsdbError *error);

/* The rule does not run any more: pending alerts are forgotten, firing ones resolved. */
extern void tsdb_alert_end(TsdbArena *arena, int64_t now, const TsdbAlert *before, size_t n_before,
						   TsdbAlert **after, size_t *n_after);

/* "inactive", "pending", "firing", "resolved" */
extern const char *tsdb_alert_state_name(TsdbAlertState state);
extern bool tsdb_alert_state_parse(TsdbStr name, TsdbAlertState *state);

#endif							/* TSDB_RULES_ALERT_STATE_H */
