/*
 * alert_state.c
 *		The states of the alerts of one rule: what one evaluation changes.
 *
 * Both sides are sorted by labels and then merged: an alert that was, and is
 * answered; that was, and is not; that is new.  Labels, not hashes of them, tell alerts apart.
 */
#include <stdlib.h>

#include "core/rules/alert_state.h"
#include "core/rules/template.h"

#define ALERT_NAME "alertname"

static TsdbStatus make_alerts(TsdbArena *arena, const TsdbAlertRule *rule, int64_t now,
							  const TsdbAlertSample *samples, size_t n, TsdbAlert *alerts, TsdbError *error);
static TsdbStatus alert_labels(TsdbArena *arena, const TsdbAlertRule *rule, const TsdbTemplateData *data,
							   TsdbLabels *labels, TsdbError *error);
static TsdbLabels alert_annotations(TsdbArena *arena, const TsdbAlertRule *rule, const TsdbTemplateData *data);
static bool replaced_by_rule(const TsdbAlertRule *rule, TsdbStr name);
static TsdbAlert answered(const TsdbAlertRule *rule, int64_t now, const TsdbAlert *was, const TsdbAlert *is);
static TsdbAlert not_answered(const TsdbAlertRule *rule, int64_t now, const TsdbAlert *was);
static void fire_when_due(const TsdbAlertRule *rule, int64_t now, TsdbAlert *alert);
static TsdbAlert ended(int64_t now, const TsdbAlert *was);
static bool is_remembered(int64_t now, const TsdbAlert *alert);
static void note_changes(TsdbAlert *alert, const TsdbAlert *was);
static TsdbAlert *sorted_copy(TsdbArena *arena, const TsdbAlert *alerts, size_t n);
static int	compare_alerts(const void *a, const void *b);

TsdbStatus
tsdb_alert_evaluate(TsdbArena *arena, const TsdbAlertRule *rule, int64_t now,
					const TsdbAlert *before, size_t n_before,
					const TsdbAlertSample *samples, size_t n_samples,
					TsdbAlert **after, size_t *n_after, TsdbError *error)
{
	TsdbAlert  *was = sorted_copy(arena, before, n_before);
	TsdbAlert  *is = TSDB_NEW_ARRAY(arena, TsdbAlert, n_samples);
	TsdbAlert  *result = TSDB_NEW_ARRAY(arena, TsdbAlert, n_before + n_samples);
	size_t		i = 0;
	size_t		j = 0;
	size_t		n = 0;
	TsdbStatus	status = make_alerts(arena, rule, now, samples, n_samples, is, error);

	if (status != TSDB_OK)
		return status;

	while (i < n_before || j < n_samples)
	{
		int			order = i == n_before ? 1 : j == n_samples ? -1 : compare_alerts(&was[i], &is[j]);

		if (order < 0)
			result[n++] = not_answered(rule, now, &was[i++]);
		else if (order > 0)
			result[n++] = answered(rule, now, NULL, &is[j++]);
		else
			result[n++] = answered(rule, now, &was[i++], &is[j++]);
	}
	*after = result;
	*n_after = n;
	return TSDB_OK;
}

void
tsdb_alert_end(TsdbArena *arena, int64_t now, const TsdbAlert *before, size_t n_before,
			   TsdbAlert **after, size_t *n_after)
{
	TsdbAlert  *result = sorted_copy(arena, before, n_before);

	for (size_t i = 0; i < n_before; i++)
		result[i] = ended(now, &result[i]);
	*after = result;
	*n_after = n_before;
}

/* ---- what the expression answers ---- */

static TsdbStatus
make_alerts(TsdbArena *arena, const TsdbAlertRule *rule, int64_t now,
			const TsdbAlertSample *samples, size_t n, TsdbAlert *alerts, TsdbError *error)
{
	for (size_t i = 0; i < n; i++)
	{
		TsdbTemplateData data = {samples[i].labels, samples[i].value};
		TsdbAlert	alert = {
			.state = TSDB_ALERT_PENDING,
			.value = samples[i].value,
			.active_at = now,
			.fired_at = TSDB_NO_TIME,
			.keep_firing_since = TSDB_NO_TIME,
			.resolved_at = TSDB_NO_TIME,
		};
		TsdbStatus	status = alert_labels(arena, rule, &data, &alert.labels, error);

		if (status != TSDB_OK)
			return status;
		alert.annotations = alert_annotations(arena, rule, &data);
		alerts[i] = alert;
	}
	if (n > 1)
		qsort(alerts, n, sizeof(TsdbAlert), compare_alerts);
	for (size_t i = 1; i < n; i++)
		if (compare_alerts(&alerts[i - 1], &alerts[i]) == 0)
			return tsdb_fail(error, TSDB_ERR_EXECUTION,
							 "vector contains metrics with the same labelset after applying alert labels");
	return TSDB_OK;
}

/* Those of the series without its name, then those of the rule, then the alert's name; the later wins. */
static TsdbStatus
alert_labels(TsdbArena *arena, const TsdbAlertRule *rule, const TsdbTemplateData *data,
			 TsdbLabels *labels, TsdbError *error)
{
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, data->labels.n + rule->n_labels + 1);
	size_t		n = 0;

	for (size_t i = 0; i < data->labels.n; i++)
		if (!replaced_by_rule(rule, data->labels.pairs[i].name))
			pairs[n++] = data->labels.pairs[i];
	for (size_t i = 0; i < rule->n_labels; i++)
	{
		if (tsdb_str_equal(rule->labels[i].name, TSDB_STR(ALERT_NAME)))
			continue;
		pairs[n].name = rule->labels[i].name;
		pairs[n++].value = tsdb_template_expand(arena, rule->name, rule->labels[i].value, data);
	}
	pairs[n++] = (TsdbLabel) {TSDB_STR(ALERT_NAME), rule->name};
	return tsdb_labels_make(pairs, n, labels, error);
}

static bool
replaced_by_rule(const TsdbAlertRule *rule, TsdbStr name)
{
	if (tsdb_str_equal(name, TSDB_STR(TSDB_METRIC_NAME)) || tsdb_str_equal(name, TSDB_STR(ALERT_NAME)))
		return true;
	for (size_t i = 0; i < rule->n_labels; i++)
		if (tsdb_str_equal(name, rule->labels[i].name))
			return true;
	return false;
}

static TsdbLabels
alert_annotations(TsdbArena *arena, const TsdbAlertRule *rule, const TsdbTemplateData *data)
{
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, rule->n_annotations);

	for (size_t i = 0; i < rule->n_annotations; i++)
	{
		pairs[i].name = rule->annotations[i].name;
		pairs[i].value = tsdb_template_expand(arena, rule->name, rule->annotations[i].value, data);
	}
	return (TsdbLabels) {pairs, rule->n_annotations};
}

/* ---- transitions ---- */

static TsdbAlert
answered(const TsdbAlertRule *rule, int64_t now, const TsdbAlert *was, const TsdbAlert *is)
{
	TsdbAlert	alert = *is;

	if (was != NULL && (was->state == TSDB_ALERT_PENDING || was->state == TSDB_ALERT_FIRING))
	{
		alert.state = was->state;
		alert.active_at = was->active_at;
	}
	/* Until it fires again, it is also one that was resolved. */
	if (was != NULL)
	{
		alert.fired_at = was->fired_at;
		if (was->state != TSDB_ALERT_FIRING)
			alert.resolved_at = was->resolved_at;
	}
	fire_when_due(rule, now, &alert);
	note_changes(&alert, was);
	return alert;
}

/* With for 0 an alert fires in the evaluation that finds it. */
static void
fire_when_due(const TsdbAlertRule *rule, int64_t now, TsdbAlert *alert)
{
	if (alert->state != TSDB_ALERT_PENDING || now - alert->active_at < rule->for_ms)
		return;
	alert->state = TSDB_ALERT_FIRING;
	alert->fired_at = now;
	alert->resolved_at = TSDB_NO_TIME;
}

static TsdbAlert
not_answered(const TsdbAlertRule *rule, int64_t now, const TsdbAlert *was)
{
	TsdbAlert	alert = *was;

	if (was->state != TSDB_ALERT_FIRING || rule->keep_firing_ms <= 0)
		return ended(now, was);
	if (was->keep_firing_since == TSDB_NO_TIME)
		alert.keep_firing_since = now;
	if (now - alert.keep_firing_since >= rule->keep_firing_ms)
		return ended(now, was);
	note_changes(&alert, was);
	return alert;
}

static TsdbAlert
ended(int64_t now, const TsdbAlert *was)
{
	TsdbAlert	alert = *was;

	switch (was->state)
	{
		case TSDB_ALERT_INACTIVE:
			break;
		case TSDB_ALERT_PENDING:
		case TSDB_ALERT_RESOLVED:
			alert.state = is_remembered(now, was) ? TSDB_ALERT_RESOLVED : TSDB_ALERT_INACTIVE;
			break;
		case TSDB_ALERT_FIRING:
			alert.state = TSDB_ALERT_RESOLVED;
			alert.resolved_at = now;
			break;
	}
	note_changes(&alert, was);
	return alert;
}

static bool
is_remembered(int64_t now, const TsdbAlert *alert)
{
	return alert->resolved_at != TSDB_NO_TIME && now - alert->resolved_at <= TSDB_RESOLVED_RETENTION_MS;
}

static void
note_changes(TsdbAlert *alert, const TsdbAlert *was)
{
	alert->previous = was == NULL ? TSDB_ALERT_INACTIVE : was->state;
	alert->changed = alert->state != alert->previous ||
		(was != NULL && alert->keep_firing_since != was->keep_firing_since);
}

/* ---- order and names ---- */

static TsdbAlert *
sorted_copy(TsdbArena *arena, const TsdbAlert *alerts, size_t n)
{
	TsdbAlert  *copy = TSDB_NEW_ARRAY(arena, TsdbAlert, n);

	if (n > 0)
	{
		memcpy(copy, alerts, n * sizeof(TsdbAlert));
		qsort(copy, n, sizeof(TsdbAlert), compare_alerts);
	}
	return copy;
}

static int
compare_alerts(const void *a, const void *b)
{
	return tsdb_labels_compare(((const TsdbAlert *) a)->labels, ((const TsdbAlert *) b)->labels);
}

static const char *const state_names[] = {
	[TSDB_ALERT_INACTIVE] = "inactive",
	[TSDB_ALERT_PENDING] = "pending",
	[TSDB_ALERT_FIRING] = "firing",
	[TSDB_ALERT_RESOLVED] = "resolved",
};

const char *
tsdb_alert_state_name(TsdbAlertState state)
{
	return state_names[state];
}

bool
tsdb_alert_state_parse(TsdbStr name, TsdbAlertState *state)
{
	for (size_t i = 0; i < TSDB_COUNT(state_names); i++)
		if (tsdb_str_equal(name, tsdb_str(state_names[i])))
		{
			*state = (TsdbAlertState) i;
			return true;
		}
	return false;
}
