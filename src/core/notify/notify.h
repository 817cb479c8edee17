/*
 * notify.h
 *		What Alertmanager decides and says about a group of alerts, without its clock and its network.
 *
 * An alert is known by its fingerprint.  A group is the alerts that share the
 * values of the labels of group_by; its key names it in messages and in the log.
 * The log keeps the last message about a group that a receiver has accepted; whether
 * there is anything new to tell is decided from that and from the alerts alone.
 */
#ifndef TSDB_NOTIFY_H
#define TSDB_NOTIFY_H

#include "core/base/base.h"
#include "core/labels/labels.h"

typedef struct TsdbGroupedAlert
{
	TsdbLabels	labels;
	TsdbLabels	annotations;	/* ascending by name; values may be empty */
	uint64_t	fingerprint;
	bool		resolved;
	int64_t		starts_at;		/* microseconds since 1970 */
	int64_t		ends_at;		/* of a resolved alert */
	TsdbStr		generator_url;
} TsdbGroupedAlert;

/* ---- group.c ---- */

/* FNV-1a over name 0xff value 0xff ...: Fingerprint() of Prometheus model.LabelSet. */
extern uint64_t tsdb_alert_fingerprint(TsdbLabels labels);
/* By job, then instance, then all labels: the order of alerts in a message. */
extern int	tsdb_alert_compare(const TsdbGroupedAlert *a, const TsdbGroupedAlert *b);
/* The labels that are named; "..." names all. */
extern TsdbLabels tsdb_group_labels(TsdbArena *arena, TsdbLabels labels, const TsdbStr *group_by, size_t n);
/* {}:{alertname="X", job="y"}, the key of a group of the root route. */
extern void tsdb_group_key(TsdbBuffer *buffer, TsdbLabels group_labels);

typedef enum TsdbNotifyReason
{
	TSDB_NOTIFY_NOT,			/* nothing to tell */
	TSDB_NOTIFY_FIRST,
	TSDB_NOTIFY_NEW_ALERTS,
	TSDB_NOTIFY_NEW_RESOLVED,
	TSDB_NOTIFY_ALL_RESOLVED,
	TSDB_NOTIFY_REPEAT
} TsdbNotifyReason;

/* As messages call it: "first notification", "new alerts added" ... */
extern const char *tsdb_notify_reason_name(TsdbNotifyReason reason);

/* A set of fingerprints, ascending. */
typedef struct TsdbFingerprints
{
	const uint64_t *values;
	size_t		n;
} TsdbFingerprints;

/* The last message of the log, or that there was none. */
typedef struct TsdbNotified
{
	bool		known;
	TsdbFingerprints firing;
	TsdbFingerprints resolved;
	bool		repeat_is_due;	/* the repeat interval has passed since */
} TsdbNotified;

extern TsdbNotifyReason tsdb_notify_decide(const TsdbNotified *last, TsdbFingerprints firing,
										   TsdbFingerprints resolved, bool send_resolved);
extern bool tsdb_fingerprints_have(TsdbFingerprints set, uint64_t value);

/* ---- webhook.c ---- */

typedef struct TsdbNotification
{
	TsdbStr		receiver;
	TsdbStr		group_key;
	TsdbLabels	group_labels;
	TsdbStr		external_url;
	TsdbNotifyReason reason;
	const TsdbGroupedAlert *alerts;	/* in the order of tsdb_alert_compare(); at least one */
	size_t		n;
	size_t		max_alerts;		/* 0: no limit; what is over it is counted in the message only */
} TsdbNotification;

/* Alertmanager's webhook message, version 4. */
extern void tsdb_webhook_message(TsdbBuffer *buffer, TsdbArena *arena, const TsdbNotification *notification);

#endif							/* TSDB_NOTIFY_H */
