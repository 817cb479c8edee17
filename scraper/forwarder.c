/*
 * forwarder.c
 *		The forwarder worker: sends what is stored on to other servers, by remote write 1.0.
 *
 *		look (one transaction): targets, and the next requests of those that have none left
 *		post them, of each target one after the other, no transaction open
 *		save (one transaction, twice a second): how far each has come; what all are done with is deleted
 *
 * A request is repeated until it is answered: 2xx is done, a 4xx other than 429 is refused and not sent again, anything else
 * waits and is sent again, for as long as the target's max_age.  Targets do not wait for each other.  A crash between an answer
 * and the save sends requests again, which a receiver takes for the same samples; none is left out.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/base/base.h"
#include "pg/compat.h"
#include "pg/times.h"
#include "forwarder_internal.h"

/* Writers wake us at their commit; this is for what came without that. */
#define LOOK_INTERVAL_MS 5000
/* While a request waits for an earlier transaction, whose end wakes nobody. */
#define BEHIND_INTERVAL_MS 100
/* Many commits make one look. */
#define LEAST_LOOK_INTERVAL_MS 50
#define SAVE_INTERVAL_MS 500
#define EXPIRE_INTERVAL_MS 10000

#define FIRST_RETRY_MS 100
#define LAST_RETRY_MS (30 * 1000)
#define MAX_ANSWER_BYTES (64 * 1024)

typedef struct Forwarder
{
	PgtsdbWorker *worker;
	PgtsdbTransfers *transfers;
	ForwardLook look;
	int64		looked_at;
	int64		look_at;
	int64		save_at;
	int64		expire_at;
} Forwarder;

PGDLLEXPORT void pgtsdb_forwarder_main(Datum main_arg);

static void do_what_is_due(Forwarder *forwarder, int64 now);
static void save(Forwarder *forwarder);
static void look(Forwarder *forwarder, int64 now);
static bool wants_requests(const Forwarder *forwarder);
static void send_next(Forwarder *forwarder, ForwardTarget *target, int64 now);
static void give_up_expired(ForwardTarget *target, int64 now);
static bool prepare(Forwarder *forwarder, ForwardTarget *target);
static void end_request(Forwarder *forwarder, PgtsdbTransfer *transfer, int64 now);
static void done(ForwardTarget *target);
static void failed(ForwardTarget *target, const char *why, int64 retry_after_ms, int64 now);
static void note_error(ForwardTarget *target, const char *why);
static void say_status(char *why, size_t size, const PgtsdbTransfer *transfer);
static void drop_transfer(ForwardTarget *target);
static void forget(Forwarder *forwarder, ForwardTarget *target);
static bool is_any_dirty(const Forwarder *forwarder);
static long pause_until_next(const Forwarder *forwarder, int64 now);

void
pgtsdb_forwarder_main(Datum main_arg)
{
	Forwarder	forwarder = {.worker = pgtsdb_worker_start(main_arg, PGTSDB_WORKER_FORWARDER)};
	HASHCTL		control = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(ForwardTarget), .hcxt = forwarder.worker->context};

	forwarder.transfers = pgtsdb_transfers_create();
	forwarder.look.targets = hash_create("pgtsdb remote-write targets", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (;;)
	{
		PgtsdbTransfer *transfer;

		do_what_is_due(&forwarder, pgtsdb_now_ms());
		if (pgtsdb_transfers_wait(forwarder.transfers, pause_until_next(&forwarder, pgtsdb_now_ms())))
			forwarder.look_at = Min(forwarder.look_at, forwarder.looked_at + LEAST_LOOK_INTERVAL_MS);
		while ((transfer = pgtsdb_transfers_next(forwarder.transfers)) != NULL)
			end_request(&forwarder, transfer, pgtsdb_now_ms());
		if (pgtsdb_worker_poll(forwarder.worker))
			forwarder.look_at = 0;
	}
}

static void
do_what_is_due(Forwarder *forwarder, int64 now)
{
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;

	if (now >= forwarder->look_at || wants_requests(forwarder))
		look(forwarder, now);
	hash_seq_init(&scan, forwarder->look.targets);
	while ((target = hash_seq_search(&scan)) != NULL)
		send_next(forwarder, target, now);
	if (now >= forwarder->expire_at)
	{
		forwarder->expire_at = now + EXPIRE_INTERVAL_MS;
		(void) pgtsdb_worker_unit(forwarder->worker, "giving up what is too much", pgtsdb_forward_expire, &forwarder->look);
	}
	if (now >= forwarder->save_at && is_any_dirty(forwarder))
	{
		forwarder->save_at = now + SAVE_INTERVAL_MS;
		save(forwarder);
	}
}

static void
save(Forwarder *forwarder)
{
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;

	if (!pgtsdb_worker_unit(forwarder->worker, "saving positions of targets", pgtsdb_forward_save, &forwarder->look))
		return;
	hash_seq_init(&scan, forwarder->look.targets);
	while ((target = hash_seq_search(&scan)) != NULL)
	{
		target->dirty = false;
		memset(&target->counts, 0, sizeof(target->counts));
	}
}

/* ---- looking ---- */

static void
look(Forwarder *forwarder, int64 now)
{
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;
	bool		looked;

	forwarder->looked_at = now;
	forwarder->look.is_behind = false;
	looked = pgtsdb_worker_unit(forwarder->worker, "reading requests to forward", pgtsdb_forward_look, &forwarder->look);
	forwarder->look_at = now + (forwarder->look.is_behind ? BEHIND_INTERVAL_MS : LOOK_INTERVAL_MS);
	hash_seq_init(&scan, forwarder->look.targets);
	while ((target = hash_seq_search(&scan)) != NULL)
	{
		/* what the failed look has read was rolled back, and is read again */
		if (!looked && !target->sending)
		{
			target->n = target->next = 0;
			target->has_more = false;
		}
		else if (looked && !target->found && !target->sending && !target->dirty)
			forget(forwarder, target);
	}
}

/* Whether a target has sent all that was read, and there is more. */
static bool
wants_requests(const Forwarder *forwarder)
{
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;
	bool		wants = false;

	hash_seq_init(&scan, forwarder->look.targets);
	while ((target = hash_seq_search(&scan)) != NULL)
		wants |= target->found && target->settings.active && target->next == target->n && target->has_more;
	return wants;
}

/* ---- sending ---- */

static void
send_next(Forwarder *forwarder, ForwardTarget *target, int64 now)
{
	if (target->sending)
		return;
	if (target->is_changed)
		drop_transfer(target);
	if (!target->found || !target->settings.active || now < target->retry_at)
		return;
	give_up_expired(target, now);
	if (target->next == target->n)
		return;
	if (!prepare(forwarder, target) || !pgtsdb_transfer_start(target->transfer, target->settings.timeout_ms))
		failed(target, "out of memory", 0, now);
	else
		target->sending = true;
}

static void
give_up_expired(ForwardTarget *target, int64 now)
{
	while (target->next < target->n &&
		   now - pgtsdb_timestamp_to_ms(target->queue[target->next].created_at) > target->settings.max_age_ms)
	{
		target->counts.expired_samples += target->queue[target->next].samples;
		done(target);
	}
}

/* The body stays where it is until the exchange has ended. */
static bool
prepare(Forwarder *forwarder, ForwardTarget *target)
{
	const ForwardSettings *settings = &target->settings;
	const OutboxRequest *request = &target->queue[target->next];

	if (target->transfer == NULL)
	{
		static const char *const own[] = {
			"Content-Type: application/x-protobuf", "Content-Encoding: snappy", "X-Prometheus-Remote-Write-Version: 0.1.0",
			"Expect:"
		};

		target->transfer = pgtsdb_transfer_create(forwarder->transfers, target);
		if (target->transfer == NULL)
			return false;
		for (int i = 0; i < lengthof(own); i++)
			target->headers = curl_slist_append(target->headers, own[i]);
		for (int i = 0; i < settings->n_headers; i++)
			target->headers = curl_slist_append(target->headers, settings->headers[i]);
		target->transfer->max_bytes = MAX_ANSWER_BYTES;
		curl_easy_setopt(target->transfer->easy, CURLOPT_URL, settings->url);
		curl_easy_setopt(target->transfer->easy, CURLOPT_USERAGENT, "pgtsdb");
		curl_easy_setopt(target->transfer->easy, CURLOPT_HTTPHEADER, target->headers);
		curl_easy_setopt(target->transfer->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(target->transfer->easy, CURLOPT_SSL_VERIFYPEER, settings->tls_skip_verify ? 0L : 1L);
		curl_easy_setopt(target->transfer->easy, CURLOPT_SSL_VERIFYHOST, settings->tls_skip_verify ? 0L : 2L);
		pgtsdb_transfer_authenticate(target->transfer, settings->user, settings->password, settings->token);
	}
	curl_easy_setopt(target->transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->len);
	return curl_easy_setopt(target->transfer->easy, CURLOPT_POSTFIELDS, request->body) == CURLE_OK;
}

static void
end_request(Forwarder *forwarder, PgtsdbTransfer *transfer, int64 now)
{
	ForwardTarget *target = transfer->owner;
	char		why[FORWARD_ERROR_MAX];

	target->sending = false;
	if (transfer->status >= 200 && transfer->status < 300)
	{
		target->counts.sent_requests++;
		target->counts.sent_samples += target->queue[target->next].samples;
		target->counts.last_sent_at = GetCurrentTimestamp();
		done(target);
	}
	else if (transfer->status >= 400 && transfer->status < 500 && transfer->status != 429)
	{
		say_status(why, sizeof(why), transfer);
		target->counts.refused_samples += target->queue[target->next].samples;
		note_error(target, why);
		done(target);
	}
	else
	{
		if (transfer->status == 0)
			strlcpy(why, transfer->error, sizeof(why));
		else
			say_status(why, sizeof(why), transfer);
		failed(target, why, transfer->retry_after_ms, now);
	}
	pgtsdb_transfer_drop_body(transfer);
}

/* With the next request of the queue, one way or the other. */
static void
done(ForwardTarget *target)
{
	target->position = target->queue[target->next++].position;
	target->dirty = true;
	target->failures = 0;
	target->retry_at = 0;
}

static void
failed(ForwardTarget *target, const char *why, int64 retry_after_ms, int64 now)
{
	int64		backoff = pgtsdb_backoff_ms(target->failures, FIRST_RETRY_MS, LAST_RETRY_MS);

	if (target->failures++ == 0)
		ereport(LOG,
				(errmsg("remote-write target \"%s\" of tenant \"%s\" did not take a request: %s",
						target->settings.name, target->settings.tenant_id, why),
				 errdetail("It is repeated until it is taken, or older than max_age.")));
	target->retry_at = now + Max(backoff, retry_after_ms);
	target->counts.retries++;
	note_error(target, why);
}

static void
note_error(ForwardTarget *target, const char *why)
{
	tsdb_utf8_copy(target->counts.last_error, sizeof(target->counts.last_error), why);
	target->counts.last_error_at = GetCurrentTimestamp();
	target->dirty = true;
}

/* With the first line of the answer, of which only printable ASCII is text in every encoding. */
static void
say_status(char *why, size_t size, const PgtsdbTransfer *transfer)
{
	int			n = snprintf(why, size, "server returned HTTP status %ld", transfer->status);

	if (transfer->len == 0)
		return;
	n += snprintf(why + n, size - n, ": ");
	for (Size i = 0; i < transfer->len && transfer->body[i] != '\n' && n + 1 < size; i++)
		why[n++] = transfer->body[i] >= ' ' && transfer->body[i] < 0x7f ? transfer->body[i] : '?';
	why[n] = '\0';
}

/* ---- the rest ---- */

static void
drop_transfer(ForwardTarget *target)
{
	if (target->transfer != NULL)
		pgtsdb_transfer_destroy(target->transfer);
	curl_slist_free_all(target->headers);
	target->transfer = NULL;
	target->headers = NULL;
	target->is_changed = false;
}

static void
forget(Forwarder *forwarder, ForwardTarget *target)
{
	drop_transfer(target);
	MemoryContextDelete(target->context);
	MemoryContextDelete(target->queue_context);
	hash_search(forwarder->look.targets, &target->id, HASH_REMOVE, NULL);
}

static bool
is_any_dirty(const Forwarder *forwarder)
{
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;
	bool		dirty = false;

	hash_seq_init(&scan, forwarder->look.targets);
	while ((target = hash_seq_search(&scan)) != NULL)
		dirty |= target->dirty;
	return dirty;
}

static long
pause_until_next(const Forwarder *forwarder, int64 now)
{
	int64		until = forwarder->look_at;
	HASH_SEQ_STATUS scan;
	ForwardTarget *target;

	hash_seq_init(&scan, forwarder->look.targets);
	while ((target = hash_seq_search(&scan)) != NULL)
	{
		if (target->dirty)
			until = Min(until, forwarder->save_at);
		if (!target->sending && target->found && target->settings.active && (target->next < target->n || target->has_more))
			until = Min(until, target->retry_at);
	}
	return (long) Max(until - now, 0);
}
