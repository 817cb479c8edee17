/*
 * scraper.c
 *		The scraper worker: thousands of targets, one loop.
 *
 *		read the tables -> schedule -> start what is due -> libcurl -> batch -> one transaction
 *
 * Each target has a tick of its own within its interval, so that the load
 * spreads and a restart changes nothing.  What has come back waits up to
 * pgtsdb.scrape_batch_delay for others, and is committed with them: a
 * commit for each of 4,000 targets would be 23 million transaction ids a day.  No
 * transaction is open while the network is waited for, and the memory of a target is
 * changed only after the transaction that goes with it has committed.
 *
 * When a batch fails, its scrapes are stored one by one, so that the one at fault
 * costs only itself.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/outbound/outbound.h"
#include "scraper_internal.h"

/* Triggers wake us; this is for rows that came without them. */
#define READ_INTERVAL_MS 30000
/* And this for statements that come in a burst. */
#define READ_PAUSE_MS 500

/* About 64k samples. */
#define MAX_BATCH_BYTES (6 * 1024 * 1024)
#define MAX_BATCH_SCRAPES 1000

/* After so many failures in a row the rest of a batch is given up. */
#define MAX_FAILURES_IN_BATCH 5

/* A scrape that starts this late still counts as on time (Prometheus scrape/scrape.go, ScrapeTimestampTolerance). */
#define TICK_TOLERANCE_MS 2

static const char accept_header[] =
	"Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
	"application/openmetrics-text;version=0.0.1;q=0.5,"
	"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

typedef struct Scraper
{
	PgtsdbWorker *worker;
	PgtsdbTransfers *transfers;
	HTAB	   *targets;
	pairingheap *schedule;
	int			running;

	/* Reading the tables */
	int64		read_at;		/* when to read them next */
	int64		last_read;
	int			n_slots;

	/* What has come back */
	Target	  **batch;
	int			n_batch;
	int			batch_capacity;
	Size		batch_bytes;
	int64		batch_since;
} Scraper;

PGDLLEXPORT void pgtsdb_scraper_main(Datum main_arg);

static void read_tables(Scraper *scraper, int64 now);
static void read_targets_unit(PgtsdbWorker *worker, void *arg);
static void apply_row(Scraper *scraper, const pg_uuid_t *id, TargetSettings *settings, int64 now);
static void apply_settings(Scraper *scraper, Target *target, TargetSettings *settings, int64 now);
static void retire_missing(Scraper *scraper, int64 now);
static void forget_target(Scraper *scraper, Target *target);
static bool prepare_request(Scraper *scraper, Target *target);
static void start_due(Scraper *scraper, int64 now);
static void start_scrape(Scraper *scraper, Target *target, int64 now);
static void take_scrape(Scraper *scraper, PgtsdbTransfer *transfer, int64 now);
static void scrape_server(Scraper *scraper, Target *target);
static void add_to_batch(Scraper *scraper, Target *target, int64 now);
static bool batch_is_ready(const Scraper *scraper, int64 now);
static void store_batch(Scraper *scraper);
static bool store(Scraper *scraper, Target **targets, int n);
static void stored(Scraper *scraper, Target *target, const ScrapeOutcome *outcome);
static void not_stored(Scraper *scraper, Target *target);
static void report_status(const Target *target, const ScrapeOutcome *outcome);
static void go_on(Scraper *scraper, Target *target);
static long pause_until_next(const Scraper *scraper, int64 now);
static int	compare_due(const pairingheap_node *a, const pairingheap_node *b, void *arg);

void
pgtsdb_scraper_main(Datum main_arg)
{
	Scraper		scraper = {.worker = pgtsdb_worker_start(main_arg, PGTSDB_WORKER_SCRAPER)};
	HASHCTL		control = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(Target), .hcxt = scraper.worker->context};

	scraper.transfers = pgtsdb_transfers_create();
	scraper.targets = hash_create("pgtsdb targets of this scraper", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	scraper.schedule = pairingheap_allocate(compare_due, NULL);

	for (;;)
	{
		PgtsdbTransfer *transfer;
		int64		now = pgtsdb_now_ms();

		if (now >= scraper.read_at || scraper.n_slots != scraper.worker->n_slots)
			read_tables(&scraper, now);
		start_due(&scraper, now);
		while ((transfer = pgtsdb_transfers_next(scraper.transfers)) != NULL)
			take_scrape(&scraper, transfer, pgtsdb_now_ms());
		if (batch_is_ready(&scraper, pgtsdb_now_ms()))
			store_batch(&scraper);

		if (pgtsdb_transfers_wait(scraper.transfers, pause_until_next(&scraper, pgtsdb_now_ms())))
			scraper.read_at = Min(scraper.read_at, scraper.last_read + READ_PAUSE_MS);
		if (pgtsdb_worker_poll(scraper.worker))
			scraper.read_at = 0;
	}
}

/* ---- targets ---- */

typedef struct ReadTargets
{
	TargetRows *rows;
} ReadTargets;

static void
read_targets_unit(PgtsdbWorker *worker, void *arg)
{
	((ReadTargets *) arg)->rows = pgtsdb_read_targets(worker);
}

/* On failure the targets stay as they are until the next time. */
static void
read_tables(Scraper *scraper, int64 now)
{
	ReadTargets read = {NULL};
	HASH_SEQ_STATUS scan;
	Target	   *target;

	/* so that no target is in a batch */
	store_batch(scraper);
	scraper->last_read = now;
	scraper->read_at = now + READ_INTERVAL_MS;
	scraper->n_slots = scraper->worker->n_slots;
	if (!pgtsdb_worker_unit(scraper->worker, "reading scrape targets", read_targets_unit, &read))
		return;

	hash_seq_init(&scan, scraper->targets);
	while ((target = hash_seq_search(&scan)) != NULL)
		target->found = false;
	for (int i = 0; i < read.rows->n; i++)
		apply_row(scraper, &read.rows->ids[i], read.rows->settings[i], now);
	retire_missing(scraper, now);
	store_batch(scraper);
}

static void
apply_row(Scraper *scraper, const pg_uuid_t *id, TargetSettings *settings, int64 now)
{
	bool		known;
	Target	   *target;

	if (settings == NULL)
	{
		/* another worker goes on with its series */
		target = hash_search(scraper->targets, id, HASH_FIND, NULL);
		if (target != NULL)
			forget_target(scraper, target);
		return;
	}
	target = hash_search(scraper->targets, id, HASH_ENTER, &known);
	if (!known)
		memset((char *) target + sizeof(pg_uuid_t), 0, sizeof(Target) - sizeof(pg_uuid_t));
	target->found = true;
	if (!known || target->settings->fingerprint != settings->fingerprint)
		apply_settings(scraper, target, settings, now);
}

/* A scrape under the old settings is given up; its series are remembered, and those that the new ones do not bring end. */
static void
apply_settings(Scraper *scraper, Target *target, TargetSettings *settings, int64 now)
{
	if (target->settings != NULL)
	{
		if (target->state == TARGET_WAITING)
			pairingheap_remove(scraper->schedule, &target->node);
		else
			scraper->running--;
		if (target->transfer != NULL)
			pgtsdb_transfer_destroy(target->transfer);
		curl_slist_free_all(target->headers);
		target->transfer = NULL;
		target->headers = NULL;
		MemoryContextDelete(target->settings->context);
	}
	MemoryContextSetParent(settings->context, scraper->worker->context);
	target->settings = settings;
	target->state = TARGET_WAITING;
	target->due = pgtsdb_target_next_tick(target, now);
	pairingheap_add(scraper->schedule, &target->node);
}

static void
retire_missing(Scraper *scraper, int64 now)
{
	HASH_SEQ_STATUS scan;
	Target	   *target;

	hash_seq_init(&scan, scraper->targets);
	while ((target = hash_seq_search(&scan)) != NULL)
	{
		if (target->found)
			continue;
		if (target->state == TARGET_WAITING)
			pairingheap_remove(scraper->schedule, &target->node);
		else
			scraper->running--;
		if (target->transfer != NULL)
			pgtsdb_transfer_destroy(target->transfer);
		target->transfer = NULL;
		target->state = TARGET_LEAVING;
		target->scrape.time = now;
		add_to_batch(scraper, target, now);
	}
}

/* Not in the batch. */
static void
forget_target(Scraper *scraper, Target *target)
{
	if (target->state == TARGET_WAITING)
		pairingheap_remove(scraper->schedule, &target->node);
	else if (target->state == TARGET_SCRAPING)
		scraper->running--;
	if (target->transfer != NULL)
		pgtsdb_transfer_destroy(target->transfer);
	curl_slist_free_all(target->headers);
	if (target->live.refs != NULL)
		pfree(target->live.refs);
	if (target->reports.refs != NULL)
		pfree(target->reports.refs);
	MemoryContextDelete(target->settings->context);
	hash_search(scraper->targets, &target->id, HASH_REMOVE, NULL);
}

static int
compare_due(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	int64		due_a = pairingheap_const_container(Target, node, a)->due;
	int64		due_b = pairingheap_const_container(Target, node, b)->due;

	/* the heap has its largest first */
	return (due_a < due_b) - (due_a > due_b);
}

/* ---- scrapes ---- */

/* Once per target and settings; false: out of memory. */
static bool
prepare_request(Scraper *scraper, Target *target)
{
	const TargetSettings *settings = target->settings;
	char		timeout_header[64];
	struct curl_slist *headers;
	CURL	   *easy;

	if (target->transfer != NULL)
		return true;
	target->transfer = pgtsdb_transfer_create(scraper->transfers, target);
	if (target->transfer == NULL)
		return false;
	snprintf(timeout_header, sizeof(timeout_header), "X-Prometheus-Scrape-Timeout-Seconds: %g",
			 (double) settings->timeout_ms / 1000);
	headers = curl_slist_append(NULL, accept_header);
	if (headers != NULL)
	{
		target->headers = headers;
		headers = curl_slist_append(headers, timeout_header);
	}
	if (headers == NULL)
		return false;

	easy = target->transfer->easy;
	target->transfer->max_bytes = settings->body_limit;
	curl_easy_setopt(easy, CURLOPT_URL, settings->url);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "pgtsdb");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, settings->follow_redirects ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, settings->tls_skip_verify ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, settings->tls_skip_verify ? 0L : 2L);
	pgtsdb_transfer_authenticate(target->transfer, settings->user, settings->password, settings->token);
	return true;
}

/* When the next scrape starts. */
static int64
next_due(const Scraper *scraper)
{
	if (pairingheap_is_empty(scraper->schedule))
		return PG_INT64_MAX;
	return pairingheap_container(Target, node, pairingheap_first(scraper->schedule))->due;
}

static void
start_due(Scraper *scraper, int64 now)
{
	while (next_due(scraper) <= now)
	{
		pairingheap_node *first = pairingheap_remove_first(scraper->schedule);

		start_scrape(scraper, pairingheap_container(Target, node, first), now);
	}
}

/* Samples of a scrape that is on time carry the time of the tick, so that their distances are regular. */
static void
start_scrape(Scraper *scraper, Target *target, int64 now)
{
	Scrape	   *scrape = &target->scrape;
	int64		tolerance = Min(target->settings->interval_ms / 100, TICK_TOLERANCE_MS);

	memset(scrape, 0, sizeof(*scrape));
	scrape->time = now - target->due <= tolerance ? target->due : now;
	if (target->settings->url == NULL)
	{
		scrape_server(scraper, target);
		return;
	}
	if (prepare_request(scraper, target) && pgtsdb_transfer_start(target->transfer, target->settings->timeout_ms))
	{
		target->state = TARGET_SCRAPING;
		scraper->running++;
		return;
	}
	strlcpy(scrape->error, "out of memory", sizeof(scrape->error));
	add_to_batch(scraper, target, now);
}

/* The server itself has no need of the network. */
static void
scrape_server(Scraper *scraper, Target *target)
{
	int64		started = pgtsdb_now_ms();

	if (!pgtsdb_worker_unit_timed(scraper->worker, "reading the server's own metrics",
								  (int) target->settings->timeout_ms, pgtsdb_collect_own_metrics, &target->own_body))
		strlcpy(target->scrape.error, pgtsdb_worker_last_error(scraper->worker, NULL), sizeof(target->scrape.error));
	target->scrape.seconds = (double) (pgtsdb_now_ms() - started) / 1000;
	add_to_batch(scraper, target, pgtsdb_now_ms());
}

static bool
has_media_type(const PgtsdbTransfer *transfer, const char *type)
{
	size_t		len = strlen(type);

	return pg_strncasecmp(transfer->content_type, type, len) == 0 &&
		(transfer->content_type[len] == '\0' || strchr("; \t", transfer->content_type[len]) != NULL);
}

static void
take_scrape(Scraper *scraper, PgtsdbTransfer *transfer, int64 now)
{
	Target	   *target = transfer->owner;
	Scrape	   *scrape = &target->scrape;

	scraper->running--;
	scrape->seconds = transfer->seconds;
	scrape->openmetrics = has_media_type(transfer, "application/openmetrics-text");
	if (transfer->error[0] != '\0')
		strlcpy(scrape->error, transfer->error, sizeof(scrape->error));
	else if (transfer->status != 200)
		snprintf(scrape->error, sizeof(scrape->error), "server returned HTTP status %ld", transfer->status);
	else if (!scrape->openmetrics && !has_media_type(transfer, "text/plain"))
		snprintf(scrape->error, sizeof(scrape->error),
				 transfer->content_type[0] == '\0' ? "server gave no Content-Type" : "server returned Content-Type \"%s\"",
				 transfer->content_type);
	add_to_batch(scraper, target, now);
}

/* ---- batches ---- */

static void
add_to_batch(Scraper *scraper, Target *target, int64 now)
{
	if (scraper->n_batch == scraper->batch_capacity)
	{
		MemoryContext caller = MemoryContextSwitchTo(scraper->worker->context);

		scraper->batch_capacity = Max(64, scraper->batch_capacity * 2);
		scraper->batch = scraper->batch == NULL ? palloc_array(Target *, scraper->batch_capacity)
			: repalloc_array(scraper->batch, Target *, scraper->batch_capacity);
		MemoryContextSwitchTo(caller);
	}
	if (scraper->n_batch == 0)
		scraper->batch_since = now;
	if (target->state != TARGET_LEAVING)
		target->state = TARGET_SCRAPED;
	if (target->transfer != NULL)
		scraper->batch_bytes += target->transfer->len;
	scraper->batch[scraper->n_batch++] = target;
}

/* Waiting makes sense only while another scrape can end in time. */
static bool
batch_is_ready(const Scraper *scraper, int64 now)
{
	int64		deadline = scraper->batch_since + pgtsdb_scrape_batch_delay;

	return scraper->n_batch > 0 &&
		(now >= deadline || (scraper->running == 0 && next_due(scraper) >= deadline) ||
		 scraper->batch_bytes >= MAX_BATCH_BYTES || scraper->n_batch >= MAX_BATCH_SCRAPES);
}

static void
store_batch(Scraper *scraper)
{
	int			failures = 0;
	int			n = scraper->n_batch;

	if (n == 0)
		return;
	scraper->n_batch = 0;
	scraper->batch_bytes = 0;
	if (store(scraper, scraper->batch, n))
		return;
	for (int i = 0; i < n; i++)
	{
		if (n > 1 && failures < MAX_FAILURES_IN_BATCH && store(scraper, &scraper->batch[i], 1))
			failures = 0;
		else
		{
			failures++;
			not_stored(scraper, scraper->batch[i]);
		}
	}
}

static bool
store(Scraper *scraper, Target **targets, int n)
{
	ScrapeBatch batch = {.targets = targets, .n = n};

	if (!pgtsdb_worker_unit(scraper->worker, "storing scrapes", pgtsdb_store_scrapes, &batch))
		return false;
	for (int i = 0; i < n; i++)
		stored(scraper, targets[i], &batch.outcomes[i]);
	return true;
}

static void
keep_set(MemoryContext context, SeriesSet *kept, const SeriesSet *found)
{
	PgtsdbSeriesRef *old = kept->refs;

	*kept = *found;
	if (found->n == 0)
		kept->refs = NULL;
	else
	{
		kept->refs = MemoryContextAllocHuge(context, found->n * sizeof(PgtsdbSeriesRef));
		memcpy(kept->refs, found->refs, found->n * sizeof(PgtsdbSeriesRef));
	}
	if (old != NULL)
		pfree(old);
}

static void
stored(Scraper *scraper, Target *target, const ScrapeOutcome *outcome)
{
	if (target->state == TARGET_LEAVING)
	{
		pgtsdb_target_status_forget(&target->id);
		forget_target(scraper, target);
		return;
	}
	report_status(target, outcome);
	keep_set(scraper->worker->context, &target->live, &outcome->live);
	keep_set(scraper->worker->context, &target->reports, &outcome->reports);
	go_on(scraper, target);
}

/* What was live before counts as live still, and ends with the next scrape that can be stored. */
static void
not_stored(Scraper *scraper, Target *target)
{
	ScrapeOutcome outcome = {0};

	if (target->state == TARGET_LEAVING)
	{
		/* no way to tell readers: they find out after the lookback */
		pgtsdb_target_status_forget(&target->id);
		forget_target(scraper, target);
		return;
	}
	snprintf(outcome.error, sizeof(outcome.error), "could not be stored: %s",
			 pgtsdb_worker_last_error(scraper->worker, NULL));
	report_status(target, &outcome);
	go_on(scraper, target);
}

/* Messages hold parts of what targets sent, cut anywhere. */
static void
mask_foreign_bytes(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char) *text < ' ' || (unsigned char) *text >= 0x7f)
			*text = '?';
}

static void
report_status(const Target *target, const ScrapeOutcome *outcome)
{
	PgtsdbTargetStatus status = {
		.target_id = target->id,
		.up = outcome->up,
		.last_scrape = pgtsdb_ms_to_timestamp(target->scrape.time),
		.duration = target->scrape.seconds,
		.samples = outcome->samples,
		.series = (int64) outcome->live.n,
		.rejected = outcome->rejected,
	};

	strlcpy(status.error, outcome->error, sizeof(status.error));
	mask_foreign_bytes(status.error);
	pgtsdb_target_status_set(&status);
}

static void
drop_body(Target *target)
{
	if (target->transfer != NULL)
		pgtsdb_transfer_drop_body(target->transfer);
	if (target->own_body != NULL)
		pfree(target->own_body);
	target->own_body = NULL;
}

/* Until its next tick. */
static void
go_on(Scraper *scraper, Target *target)
{
	drop_body(target);
	target->state = TARGET_WAITING;
	target->due = pgtsdb_target_next_tick(target, Max(pgtsdb_now_ms(), target->due + 1));
	pairingheap_add(scraper->schedule, &target->node);
}

static long
pause_until_next(const Scraper *scraper, int64 now)
{
	int64		until = Min(scraper->read_at, now + PGTSDB_WORKER_BEAT_MS);

	until = Min(until, next_due(scraper));
	if (scraper->n_batch > 0)
		until = Min(until, scraper->batch_since + pgtsdb_scrape_batch_delay);
	return (long) Max(until - now, 0);
}
