/*
 * webhook.c
 *		Alertmanager's webhook message, version 4 (notify/webhook/webhook.go, template/template.go).
 *
 *		{"receiver":..,"status":"firing"|"resolved",
 *		 "alerts":[{"status","labels","annotations","startsAt","endsAt","generatorURL","fingerprint"}],
 *		 "notification_reason","groupLabels","commonLabels","commonAnnotations","routeLabels","externalURL",
 *		 "version":"4","groupKey":..,"truncatedAlerts":0}
 *
 * Keys stand in Alertmanager's order.  Times are RFC 3339 in UTC with as many
 * decimals as needed; an alert that fires ends in the year 1, which is Go's zero time.
 */
#include "core/notify/notify.h"

#include "core/json/json.h"

#define MICROSECONDS INT64_C(1000000)
#define NO_TIME "\"0001-01-01T00:00:00Z\""

static void
append_time(TsdbBuffer *buffer, int64_t time)
{
	int64_t		seconds = time / MICROSECONDS - (time % MICROSECONDS < 0);
	int			micros = (int) (time - seconds * MICROSECONDS);

	tsdb_buffer_u8(buffer, '"');
	tsdb_buffer_time(buffer, seconds, 'T');
	if (micros != 0)
	{
		int			digits = 6;

		for (; micros % 10 == 0; micros /= 10)
			digits--;
		tsdb_buffer_printf(buffer, ".%0*d", digits, micros);
	}
	tsdb_buffer_append_str(buffer, TSDB_STR("Z\""));
}

static void
append_key(TsdbBuffer *buffer, const char *key)
{
	uint8_t		last = buffer->len > 0 ? buffer->data[buffer->len - 1] : '{';

	if (last != '{' && last != '[')
		tsdb_buffer_u8(buffer, ',');
	tsdb_buffer_printf(buffer, "\"%s\":", key);
}

static void
append_text(TsdbBuffer *buffer, const char *key, TsdbStr value)
{
	append_key(buffer, key);
	tsdb_json_html_string(buffer, value);
}

static void
append_labels(TsdbBuffer *buffer, const char *key, TsdbLabels labels)
{
	append_key(buffer, key);
	tsdb_buffer_u8(buffer, '{');
	for (size_t i = 0; i < labels.n; i++)
	{
		if (i > 0)
			tsdb_buffer_u8(buffer, ',');
		tsdb_json_html_string(buffer, labels.pairs[i].name);
		tsdb_buffer_u8(buffer, ':');
		tsdb_json_html_string(buffer, labels.pairs[i].value);
	}
	tsdb_buffer_u8(buffer, '}');
}

static TsdbStr
status_name(bool resolved)
{
	return resolved ? TSDB_STR("resolved") : TSDB_STR("firing");
}

static void
append_alert(TsdbBuffer *buffer, const TsdbGroupedAlert *alert)
{
	tsdb_buffer_u8(buffer, '{');
	append_text(buffer, "status", status_name(alert->resolved));
	append_labels(buffer, "labels", alert->labels);
	append_labels(buffer, "annotations", alert->annotations);
	append_key(buffer, "startsAt");
	append_time(buffer, alert->starts_at);
	append_key(buffer, "endsAt");
	if (alert->resolved)
		append_time(buffer, alert->ends_at);
	else
		tsdb_buffer_append_str(buffer, TSDB_STR(NO_TIME));
	append_text(buffer, "generatorURL", alert->generator_url);
	append_key(buffer, "fingerprint");
	tsdb_buffer_printf(buffer, "\"%016llx\"", (unsigned long long) alert->fingerprint);
	tsdb_buffer_u8(buffer, '}');
}

static bool
has_pair(TsdbLabels labels, TsdbLabel pair)
{
	for (size_t i = 0; i < labels.n; i++)
		if (tsdb_str_equal(labels.pairs[i].name, pair.name))
			return tsdb_str_equal(labels.pairs[i].value, pair.value);
	return false;
}

/* The pairs that all alerts have: of their labels, or of their annotations. */
static TsdbLabels
common_pairs(TsdbArena *arena, const TsdbGroupedAlert *alerts, size_t n, bool annotations)
{
	TsdbLabels	first = annotations ? alerts[0].annotations : alerts[0].labels;
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, first.n);
	TsdbLabels	common = {pairs, 0};

	for (size_t p = 0; p < first.n; p++)
	{
		size_t		i = 1;

		while (i < n && has_pair(annotations ? alerts[i].annotations : alerts[i].labels, first.pairs[p]))
			i++;
		if (i == n)
			pairs[common.n++] = first.pairs[p];
	}
	return common;
}

void
tsdb_webhook_message(TsdbBuffer *buffer, TsdbArena *arena, const TsdbNotification *notification)
{
	const TsdbGroupedAlert *alerts = notification->alerts;
	size_t		n = notification->n;
	size_t		truncated = 0;
	bool		resolved = true;

	if (notification->max_alerts > 0 && n > notification->max_alerts)
	{
		truncated = n - notification->max_alerts;
		n = notification->max_alerts;
	}
	for (size_t i = 0; i < n; i++)
		resolved = resolved && alerts[i].resolved;

	tsdb_buffer_u8(buffer, '{');
	append_text(buffer, "receiver", notification->receiver);
	append_text(buffer, "status", status_name(resolved));
	append_key(buffer, "alerts");
	tsdb_buffer_u8(buffer, '[');
	for (size_t i = 0; i < n; i++)
	{
		if (i > 0)
			tsdb_buffer_u8(buffer, ',');
		append_alert(buffer, &alerts[i]);
	}
	tsdb_buffer_u8(buffer, ']');
	append_text(buffer, "notification_reason", tsdb_str(tsdb_notify_reason_name(notification->reason)));
	append_labels(buffer, "groupLabels", notification->group_labels);
	append_labels(buffer, "commonLabels", common_pairs(arena, alerts, n, false));
	append_labels(buffer, "commonAnnotations", common_pairs(arena, alerts, n, true));
	append_labels(buffer, "routeLabels", (TsdbLabels){NULL, 0});
	append_text(buffer, "externalURL", notification->external_url);
	append_text(buffer, "version", TSDB_STR("4"));
	append_text(buffer, "groupKey", notification->group_key);
	append_key(buffer, "truncatedAlerts");
	tsdb_buffer_printf(buffer, "%zu}\n", truncated);
}
