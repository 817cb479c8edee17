/*
 * group.c
 *		Groups of alerts, and whether there is something new to tell about one
 *		(Alertmanager dispatch/dispatch.go and notify/dedup_stage.go).
 */
#include "core/notify/notify.h"

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)
#define SEPARATOR 0xff			/* in no UTF-8 text */

static uint64_t
hash_text(uint64_t hash, TsdbStr text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (uint8_t) text.data[i]) * FNV_PRIME;
	return (hash ^ SEPARATOR) * FNV_PRIME;
}

uint64_t
tsdb_alert_fingerprint(TsdbLabels labels)
{
	uint64_t	hash = FNV_OFFSET;

	for (size_t i = 0; i < labels.n; i++)
		hash = hash_text(hash_text(hash, labels.pairs[i].name), labels.pairs[i].value);
	return hash;
}

int
tsdb_alert_compare(const TsdbGroupedAlert *a, const TsdbGroupedAlert *b)
{
	static const TsdbStr first[] = {TSDB_STR("job"), TSDB_STR("instance")};

	for (size_t i = 0; i < TSDB_COUNT(first); i++)
	{
		int			order = tsdb_str_compare(tsdb_labels_get(a->labels, first[i]), tsdb_labels_get(b->labels, first[i]));

		if (order != 0)
			return order;
	}
	return tsdb_labels_compare(a->labels, b->labels);
}

static bool
is_named(TsdbStr label, const TsdbStr *group_by, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (tsdb_str_equal(group_by[i], label) || tsdb_str_equal(group_by[i], TSDB_STR("...")))
			return true;
	return false;
}

TsdbLabels
tsdb_group_labels(TsdbArena *arena, TsdbLabels labels, const TsdbStr *group_by, size_t n)
{
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, labels.n);
	TsdbLabels	group = {pairs, 0};

	for (size_t i = 0; i < labels.n; i++)
		if (is_named(labels.pairs[i].name, group_by, n))
			pairs[group.n++] = labels.pairs[i];
	return group;
}

void
tsdb_group_key(TsdbBuffer *buffer, TsdbLabels group_labels)
{
	tsdb_buffer_append_str(buffer, TSDB_STR("{}:{"));
	for (size_t i = 0; i < group_labels.n; i++)
	{
		if (i > 0)
			tsdb_buffer_append_str(buffer, TSDB_STR(", "));
		tsdb_buffer_append_str(buffer, group_labels.pairs[i].name);
		tsdb_buffer_u8(buffer, '=');
		tsdb_quote(buffer, group_labels.pairs[i].value);
	}
	tsdb_buffer_u8(buffer, '}');
}

bool
tsdb_fingerprints_have(TsdbFingerprints set, uint64_t value)
{
	size_t		low = 0;
	size_t		high = set.n;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (set.values[middle] == value)
			return true;
		if (set.values[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool
is_subset(TsdbFingerprints part, TsdbFingerprints whole)
{
	for (size_t i = 0; i < part.n; i++)
		if (!tsdb_fingerprints_have(whole, part.values[i]))
			return false;
	return true;
}

/*
 * That all alerts are resolved counts as news even when the receiver does not
 * want resolved alerts: the log must say that nothing fires.
 */
TsdbNotifyReason
tsdb_notify_decide(const TsdbNotified *last, TsdbFingerprints firing, TsdbFingerprints resolved, bool send_resolved)
{
	if (!last->known)
		return firing.n > 0 ? TSDB_NOTIFY_FIRST : TSDB_NOTIFY_NOT;
	if (!is_subset(firing, last->firing))
		return last->firing.n == 0 ? TSDB_NOTIFY_FIRST : TSDB_NOTIFY_NEW_ALERTS;
	if (firing.n == 0)
		return last->firing.n > 0 ? TSDB_NOTIFY_ALL_RESOLVED : TSDB_NOTIFY_NOT;
	if (send_resolved && !is_subset(resolved, last->resolved))
		return TSDB_NOTIFY_NEW_RESOLVED;
	return last->repeat_is_due ? TSDB_NOTIFY_REPEAT : TSDB_NOTIFY_NOT;
}

const char *
tsdb_notify_reason_name(TsdbNotifyReason reason)
{
	switch (reason)
	{
		case TSDB_NOTIFY_NOT:
			break;
		case TSDB_NOTIFY_FIRST:
			return "first notification";
		case TSDB_NOTIFY_NEW_ALERTS:
			return "new alerts added";
		case TSDB_NOTIFY_NEW_RESOLVED:
			return "some alerts resolved";
		case TSDB_NOTIFY_ALL_RESOLVED:
			return "all alerts resolved";
		case TSDB_NOTIFY_REPEAT:
			return "repeat interval elapsed";
	}
	return "none";
}
