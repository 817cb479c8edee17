/*
 * notifier.c
 *		The notifier worker: tells receivers of alerts, as Alertmanager does.
 *
 * The ruler keeps the state of every alert in a table.  A look into it groups
 * the alerts of each receiver and compares each group that is due with the log of what the
 * receiver was told last:
 *
 *		look (one transaction): groups -> due -> lock the log row -> news? -> message
 *		post the message, no transaction open
 *		record it in the log (one transaction)
 *
 * A group is due group_wait after its first alert began to fire, and every
 * group_interval after that.  A message that could not be delivered is never sent again
 * as it was: the next attempt is a new look, so it says what is true then, and is
 * not made at all when somebody else has told the receiver.  A crash between post and
 * record sends a message twice; none gets lost.
 *
 * What this process remembers is only when to act.  After a restart the times
 * follow from the log and from the alerts.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/times.h"
#include "notifier_internal.h"
#include "transfer.h"

/* The ruler wakes us when an alert changes; this is for what came without that. */
#define LOOK_INTERVAL_MS 5000
#define EXPIRE_INTERVAL_MS (3600 * 1000)

#define FIRST_RETRY_MS 1000
#define LAST_RETRY_MS (60 * 1000)

typedef enum DeliveryState
{
	DELIVERY_IDLE,
	DELIVERY_READY,				/* a message is prepared */
	DELIVERY_SENDING,
	DELIVERY_SENT				/* accepted, but not in the log yet */
} DeliveryState;

/* What this process remembers of a group and a receiver. */
typedef struct Delivery
{
	TsdbHash	key;			/* first: key of the hash table */
	DeliveryState state;
	bool		found;			/* in the last look */
	int64		flush_at;		/* milliseconds: when news may be told next */
	int64		retry_at;		/* not before this, after a failure */
	int			failures;

	/* The message, from READY on */
	MemoryContext context;
	LogRecord	record;
	int64		timeout_ms;
	PgtsdbTransfer *transfer;	/* NULL: nothing to send, only to record */
	struct curl_slist *headers;
} Delivery;

typedef struct Notifier
{
	PgtsdbWorker *worker;
	PgtsdbTransfers *transfers;
	HTAB	   *deliveries;
	int64		look_at;
	int64		expire_at;
	int64		now;			/* of the look */
} Notifier;

/* The alerts of one group that go to one receiver, in one look. */
typedef struct GroupView
{
	TsdbHash	key;			/* first: key of the hash table */
	const Destination *to;
	TsdbLabels	labels;
	char	   *group_key;
	TsdbGroupedAlert  *alerts;
	size_t		n;
	size_t		capacity;
	size_t		n_firing;
	int64		first_start;	/* milliseconds: of those that fire */
} GroupView;

PGDLLEXPORT void pgtsdb_notifier_main(Datum main_arg);

static void look(Notifier *notifier, int64 now);
static void look_unit(PgtsdbWorker *worker, void *arg);
static HTAB *group_alerts(const NotifierState *state);
static void add_alert(const NotifierState *state, HTAB *views, const Destination *to, const TsdbGroupedAlert *alert);
static void look_at_group(Notifier *notifier, const NotifierState *state, GroupView *view);
static int64 first_flush(const GroupView *view, const LogEntry *entry, int64 now);
static void flush_group(Notifier *notifier, const NotifierState *state, GroupView *view, Delivery *delivery);
static void prepare_message(Notifier *notifier, const NotifierState *state, GroupView *view, Delivery *delivery,
							const LogEntry *entry, TsdbNotifyReason reason);
static bool prepare_request(Notifier *notifier, Delivery *delivery, const Destination *to, const char *message, size_t len);
static void act_on_deliveries(Notifier *notifier, int64 now);
static void start_delivery(Notifier *notifier, Delivery *delivery, int64 now);
static void end_delivery(Notifier *notifier, PgtsdbTransfer *transfer, int64 now);
static void record_unit(PgtsdbWorker *worker, void *arg);
static void record(Notifier *notifier, Delivery *delivery, int64 now);
static void delivery_failed(Notifier *notifier, Delivery *delivery, const char *why, bool retry, int64 retry_after_ms,
				int64 now);
static void drop_message(Delivery *delivery);
static void expire_unit(PgtsdbWorker *worker, void *arg);
static long pause_until_next(const Notifier *notifier, int64 now);

void
pgtsdb_notifier_main(Datum main_arg)
{
	Notifier	notifier = {.worker = pgtsdb_worker_start(main_arg, PGTSDB_WORKER_NOTIFIER)};
	HASHCTL		control = {.keysize = sizeof(TsdbHash), .entrysize = sizeof(Delivery), .hcxt = notifier.worker->context};

	notifier.transfers = pgtsdb_transfers_create();
	notifier.deliveries = hash_create("pgtsdb deliveries", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (;;)
	{
		PgtsdbTransfer *transfer;

		if (pgtsdb_now_ms() >= notifier.look_at)
			look(&notifier, pgtsdb_now_ms());
		while ((transfer = pgtsdb_transfers_next(notifier.transfers)) != NULL)
			end_delivery(&notifier, transfer, pgtsdb_now_ms());
		act_on_deliveries(&notifier, pgtsdb_now_ms());
		if (pgtsdb_now_ms() >= notifier.expire_at)
		{
			notifier.expire_at = pgtsdb_now_ms() + EXPIRE_INTERVAL_MS;
			(void) pgtsdb_worker_unit(notifier.worker, "expiring the notification log", expire_unit, NULL);
		}
		if (pgtsdb_transfers_wait(notifier.transfers, pause_until_next(&notifier, pgtsdb_now_ms())))
			notifier.look_at = 0;
		if (pgtsdb_worker_poll(notifier.worker))
			notifier.look_at = 0;
	}
}

static void
expire_unit(PgtsdbWorker *worker, void *arg)
{
	pgtsdb_expire_log();
}

/* ---- a look ---- */

static void
look(Notifier *notifier, int64 now)
{
	HASH_SEQ_STATUS scan;
	Delivery   *delivery;
	bool		done;

	notifier->now = now;
	notifier->look_at = now + LOOK_INTERVAL_MS;
	hash_seq_init(&scan, notifier->deliveries);
	while ((delivery = hash_seq_search(&scan)) != NULL)
		delivery->found = false;

	done = pgtsdb_worker_unit(notifier->worker, "looking for alerts to tell of", look_unit, notifier);

	hash_seq_init(&scan, notifier->deliveries);
	while ((delivery = hash_seq_search(&scan)) != NULL)
	{
		/* what the failed unit has decided does not hold */
		if (!done && delivery->state == DELIVERY_READY)
			drop_message(delivery);
		else if (done && !delivery->found && delivery->state == DELIVERY_IDLE)
			hash_search(notifier->deliveries, &delivery->key, HASH_REMOVE, NULL);
		/* after a look that failed, those that are due wait for the next one */
		else if (done && delivery->state == DELIVERY_IDLE)
			notifier->look_at = Min(notifier->look_at, Max(delivery->flush_at, delivery->retry_at));
	}
}

static void
look_unit(PgtsdbWorker *worker, void *arg)
{
	Notifier   *notifier = arg;
	MemoryContext caller = MemoryContextSwitchTo(worker->unit_context);
	NotifierState *state = pgtsdb_read_notifier_state(worker->unit_context);
	HASH_SEQ_STATUS scan;
	GroupView  *view;

	if (state->n_alerts > 0)
	{
		hash_seq_init(&scan, group_alerts(state));
		while ((view = hash_seq_search(&scan)) != NULL)
			look_at_group(notifier, state, view);
	}
	MemoryContextSwitchTo(caller);
}

static HTAB *
group_alerts(const NotifierState *state)
{
	HASHCTL		control = {.keysize = sizeof(TsdbHash), .entrysize = sizeof(GroupView), .hcxt = CurrentMemoryContext};
	HTAB	   *views = hash_create("pgtsdb groups of alerts", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	for (int d = 0; d < state->n_destinations; d++)
		for (int a = 0; a < state->n_alerts; a++)
			if (strcmp(state->destinations[d].tenant_id, state->alerts[a].tenant_id) == 0)
				add_alert(state, views, &state->destinations[d], &state->alerts[a].alert);
	return views;
}

static void
add_alert(const NotifierState *state, HTAB *views, const Destination *to, const TsdbGroupedAlert *alert)
{
	TsdbLabels	labels = tsdb_group_labels(state->arena, alert->labels, to->group_by, to->n_group_by);
	TsdbBuffer	group_key;
	TsdbHash	key;
	GroupView  *view;
	bool		known;

	tsdb_buffer_init(&group_key, state->arena, 64);
	tsdb_group_key(&group_key, labels);
	key = pgtsdb_delivery_key(to->tenant_id, to->receiver, tsdb_buffer_cstring(&group_key));
	view = hash_search(views, &key, HASH_ENTER, &known);
	if (!known)
	{
		memset((char *) view + sizeof(TsdbHash), 0, sizeof(GroupView) - sizeof(TsdbHash));
		view->to = to;
		view->labels = labels;
		view->group_key = tsdb_buffer_cstring(&group_key);
		view->first_start = PG_INT64_MAX;
	}
	if (view->n == view->capacity)
	{
		size_t		capacity = Max(8, view->capacity * 2);

		view->alerts = tsdb_grow(state->arena, view->alerts, view->capacity * sizeof(TsdbGroupedAlert), capacity * sizeof(TsdbGroupedAlert));
		view->capacity = capacity;
	}
	view->alerts[view->n++] = *alert;
	if (!alert->resolved)
	{
		view->n_firing++;
		view->first_start = Min(view->first_start, alert->starts_at / 1000);
	}
}

static void
look_at_group(Notifier *notifier, const NotifierState *state, GroupView *view)
{
	LogEntry   *entry = hash_search(state->log, &view->key, HASH_FIND, NULL);
	Delivery   *delivery;
	bool		known;

	/* Resolved alerts stay in the table for a while; a group of nothing else that the receiver thinks over is gone. */
	if (view->n_firing == 0 && (entry == NULL || entry->firing.n == 0))
		return;
	delivery = hash_search(notifier->deliveries, &view->key, HASH_ENTER, &known);
	if (!known)
	{
		memset((char *) delivery + sizeof(TsdbHash), 0, sizeof(Delivery) - sizeof(TsdbHash));
		delivery->flush_at = first_flush(view, entry, notifier->now);
	}
	delivery->found = true;
	if (delivery->state == DELIVERY_IDLE && notifier->now >= Max(delivery->flush_at, delivery->retry_at))
		flush_group(notifier, state, view, delivery);
}

/* Of a group that this process does not know yet: a new one, or one from before a restart. */
static int64
first_flush(const GroupView *view, const LogEntry *entry, int64 now)
{
	int64		interval = view->to->group_interval_ms;

	if (entry == NULL || entry->firing.n == 0)
		return view->first_start + view->to->group_wait_ms;
	if (now <= entry->notified_at)
		return entry->notified_at + interval;
	return entry->notified_at + (now - entry->notified_at + interval - 1) / interval * interval;
}

static int
compare_alerts(const void *a, const void *b)
{
	return tsdb_alert_compare(a, b);
}

static int
compare_fingerprints(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return (x > y) - (x < y);
}

static TsdbFingerprints
fingerprints_of(MemoryContext context, const GroupView *view, bool resolved)
{
	uint64	   *values = MemoryContextAlloc(context, Max(view->n, 1) * sizeof(uint64));
	size_t		n = 0;

	for (size_t i = 0; i < view->n; i++)
		if (view->alerts[i].resolved == resolved)
			values[n++] = view->alerts[i].fingerprint;
	qsort(values, n, sizeof(uint64), compare_fingerprints);
	return (TsdbFingerprints) {values, n};
}

/* The log row stays locked until this look commits, and what it says now decides. */
static void
flush_group(Notifier *notifier, const NotifierState *state, GroupView *view, Delivery *delivery)
{
	LogEntry	entry = {{0}};
	TsdbNotified last = {.known = pgtsdb_lock_log_entry(view->to, view->group_key, &entry)};
	TsdbNotifyReason reason;

	last.firing = entry.firing;
	last.resolved = entry.resolved;
	last.repeat_is_due = entry.notified_at < notifier->now - view->to->repeat_interval_ms;
	reason = tsdb_notify_decide(&last, fingerprints_of(CurrentMemoryContext, view, false),
								fingerprints_of(CurrentMemoryContext, view, true), view->to->send_resolved);
	if (reason == TSDB_NOTIFY_NOT)
	{
		delivery->flush_at = notifier->now + view->to->group_interval_ms;
		delivery->failures = 0;
		return;
	}
	prepare_message(notifier, state, view, delivery, &entry, reason);
}

/*
 * The message leaves out resolved alerts that the receiver has been told of, and
 * all of them when it does not want any; the log takes all, so that they do not come up again.
 */
static void
prepare_message(Notifier *notifier, const NotifierState *state, GroupView *view, Delivery *delivery,
				const LogEntry *entry, TsdbNotifyReason reason)
{
	const Destination *to = view->to;
	TsdbGroupedAlert  *told = tsdb_alloc_array(state->arena, view->n, sizeof(TsdbGroupedAlert));
	TsdbNotification notification = {
		.receiver = tsdb_str(to->receiver),
		.group_key = tsdb_str(view->group_key),
		.group_labels = view->labels,
		.external_url = tsdb_str(pgtsdb_external_url),
		.reason = reason,
		.alerts = told,
		.max_alerts = to->max_alerts,
	};
	TsdbBuffer	message;
	MemoryContext caller;

	for (size_t i = 0; i < view->n; i++)
		if (!view->alerts[i].resolved ||
			(to->send_resolved && !tsdb_fingerprints_have(entry->resolved, view->alerts[i].fingerprint)))
			told[notification.n++] = view->alerts[i];
	qsort(told, notification.n, sizeof(TsdbGroupedAlert), compare_alerts);

	delivery->context = AllocSetContextCreate(notifier->worker->context, "pgtsdb notification", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(delivery->context);
	delivery->record = (LogRecord) {
		.tenant_id = pstrdup(to->tenant_id),
		.receiver = pstrdup(to->receiver),
		.group_key = pstrdup(view->group_key),
		.reason = reason,
		.group_interval_ms = to->group_interval_ms,
		.repeat_interval_ms = to->repeat_interval_ms,
		.firing = fingerprints_of(delivery->context, view, false),
		.resolved = fingerprints_of(delivery->context, view, true),
	};
	MemoryContextSwitchTo(caller);
	delivery->timeout_ms = to->timeout_ms;
	delivery->state = DELIVERY_READY;
	if (notification.n == 0)
		return;
	tsdb_buffer_init(&message, state->arena, 4096);
	tsdb_webhook_message(&message, state->arena, &notification);
	if (!prepare_request(notifier, delivery, to, (char *) message.data, message.len))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

static bool
prepare_request(Notifier *notifier, Delivery *delivery, const Destination *to, const char *message, size_t len)
{
	CURL	   *easy;

	delivery->transfer = pgtsdb_transfer_create(notifier->transfers, delivery);
	delivery->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (delivery->transfer == NULL || delivery->headers == NULL)
		return false;
	easy = delivery->transfer->easy;
	delivery->transfer->max_bytes = 1024 * 1024;
	curl_easy_setopt(easy, CURLOPT_URL, to->url);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "pgtsdb");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, delivery->headers);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, to->tls_skip_verify ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, to->tls_skip_verify ? 0L : 2L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) len);
	pgtsdb_transfer_authenticate(delivery->transfer, to->user, to->password, to->token);
	return curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, message) == CURLE_OK;
}

/* ---- deliveries ---- */

/* A unit of work may not begin while a hash table is being scanned, so what is to be recorded is listed first. */
static void
act_on_deliveries(Notifier *notifier, int64 now)
{
	List	   *accepted = NIL;
	HASH_SEQ_STATUS scan;
	Delivery   *delivery;
	ListCell   *cell;

	hash_seq_init(&scan, notifier->deliveries);
	while ((delivery = hash_seq_search(&scan)) != NULL)
	{
		if (delivery->state == DELIVERY_READY && delivery->transfer != NULL)
			start_delivery(notifier, delivery, now);
		else if (delivery->state == DELIVERY_READY ||
				 (delivery->state == DELIVERY_SENT && now >= delivery->retry_at))
			accepted = lappend(accepted, delivery);
	}
	foreach(cell, accepted)
		record(notifier, lfirst(cell), now);
	list_free(accepted);
}

static void
start_delivery(Notifier *notifier, Delivery *delivery, int64 now)
{
	if (pgtsdb_transfer_start(delivery->transfer, delivery->timeout_ms))
		delivery->state = DELIVERY_SENDING;
	else
		delivery_failed(notifier, delivery, "out of memory", true, 0, now);
}

static void
end_delivery(Notifier *notifier, PgtsdbTransfer *transfer, int64 now)
{
	Delivery   *delivery = transfer->owner;
	char		why[64];

	if (transfer->error[0] != '\0')
	{
		delivery_failed(notifier, delivery, transfer->error, true, 0, now);
		return;
	}
	if (transfer->status >= 200 && transfer->status < 300)
	{
		record(notifier, delivery, now);
		return;
	}
	snprintf(why, sizeof(why), "server returned HTTP status %ld", transfer->status);
	delivery_failed(notifier, delivery, why, transfer->status >= 500 || transfer->status == 429, transfer->retry_after_ms, now);
}

static void
record_unit(PgtsdbWorker *worker, void *arg)
{
	pgtsdb_write_log_entry(&((Delivery *) arg)->record);
}

/* What was accepted is recorded before anything else is told to this receiver about this group. */
static void
record(Notifier *notifier, Delivery *delivery, int64 now)
{
	if (pgtsdb_worker_unit(notifier->worker, "recording a notification", record_unit, delivery))
	{
		delivery->failures = 0;
		delivery->retry_at = 0;
		delivery->flush_at = now + delivery->record.group_interval_ms;
		drop_message(delivery);
		notifier->look_at = Min(notifier->look_at, delivery->flush_at);
		return;
	}
	delivery->state = DELIVERY_SENT;
	delivery->retry_at = now + pgtsdb_backoff_ms(delivery->failures++, FIRST_RETRY_MS, LAST_RETRY_MS);
}

/* An answer that will not get better by asking again waits for the next turn of its group. */
static void
delivery_failed(Notifier *notifier, Delivery *delivery, const char *why, bool retry, int64 retry_after_ms,
				int64 now)
{
	int64		backoff = pgtsdb_backoff_ms(delivery->failures, FIRST_RETRY_MS, LAST_RETRY_MS);

	delivery->failures++;
	delivery->retry_at = now + (retry ? Max(backoff, retry_after_ms) : delivery->record.group_interval_ms);
	notifier->look_at = Min(notifier->look_at, delivery->retry_at);
	ereport(LOG,
			(errmsg("receiver \"%s\" of tenant \"%s\" could not be told of alert group %s: %s",
					delivery->record.receiver, delivery->record.tenant_id, delivery->record.group_key, why),
			 errdetail("The next attempt is in " INT64_FORMAT " ms.", delivery->retry_at - now)));
	drop_message(delivery);
}

/* The delivery is idle again. */
static void
drop_message(Delivery *delivery)
{
	if (delivery->transfer != NULL)
		pgtsdb_transfer_destroy(delivery->transfer);
	curl_slist_free_all(delivery->headers);
	if (delivery->context != NULL)
		MemoryContextDelete(delivery->context);
	delivery->transfer = NULL;
	delivery->headers = NULL;
	delivery->context = NULL;
	memset(&delivery->record, 0, sizeof(delivery->record));
	delivery->state = DELIVERY_IDLE;
}

/* The next look knows of all groups that wait for their turn. */
static long
pause_until_next(const Notifier *notifier, int64 now)
{
	int64		until = Min(notifier->look_at, notifier->expire_at);
	HASH_SEQ_STATUS scan;
	Delivery   *delivery;

	hash_seq_init(&scan, notifier->deliveries);
	while ((delivery = hash_seq_search(&scan)) != NULL)
		if (delivery->state == DELIVERY_SENT)
			until = Min(until, delivery->retry_at);
	return (long) Max(until - now, 0);
}
