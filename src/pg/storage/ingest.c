/*
 * ingest.c
 *		Takes samples from senders, finds out where each series lives, and passes them on as head rows.
 *
 * A series is looked up by the hash of the bytes by which its sender names it,
 * so its labels are decoded on a miss only.  A miss tries the hash of the canonical
 * labels next (another sender may have written the series).  What is still unknown waits
 * until its sender ends, and is then found in the catalogue or made in one go, so
 * that series which arrive together share a group.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/counters.h"
#include "pg/mem.h"
#include "pg/storage/catalogue.h"
#include "pg/storage/head_rows.h"
#include "pg/storage/locks.h"
#include "pg/storage/metadata.h"
#include "pg/storage/newest.h"
#include "pg/storage/outbox.h"
#include "pg/storage/relations.h"
#include "pg/storage/series_cache.h"
#include "pg/storage/storage.h"
#include "pg/storage/storage_internal.h"

/* Series or samples that wait for the end of their sender; more are resolved before it. */
#define MAX_WAITING_SERIES (64 * 1024)
#define MAX_WAITING_SAMPLES (512 * 1024)

/* A series that no cache knew, with its samples so far. */
typedef struct Waiting
{
	TsdbHash	raw_key;		/* 0, 0: came by its labels */
	size_t		n;
	size_t		capacity;
	TsdbSample *samples;
} Waiting;

/* A series as far as it is known when one of its samples is refused: one of these. */
typedef struct Named
{
	const TsdbWireSeries *wire;
	const TsdbLabels *labels;
	const PgtsdbSeriesRef *ref;
} Named;

/* Number of a waiting series by its cache key. */
typedef struct WaitingKey
{
	TsdbHash	key;
	size_t		number;
	char		status;			/* of simplehash */
} WaitingKey;

#define SH_PREFIX waiting
#define SH_ELEMENT_TYPE WaitingKey
#define SH_KEY_TYPE TsdbHash
#define SH_KEY key
#define SH_HASH_KEY(tb, k) ((uint32) (k).lo)
#define SH_EQUAL(tb, a, b) ((a).lo == (b).lo && (a).hi == (b).hi)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct PgtsdbIngest
{
	/* Settings */
	PgtsdbIngestOptions options;
	uint64		identity;		/* of the storage tables and the tenant's parts */
	PgtsdbSender sender;
	uint64		seed;			/* of hashes of raw bytes */

	uint64		wal_bytes;		/* of this backend, when it began */

	/* What it has collected */
	PgtsdbHeadRows *rows;
	PgtsdbMetadataList *metadata;
	PgtsdbIngestResult result;
	TsdbSampleSink sink;

	/* Unknown series of this sender */
	TsdbArena  *arena;			/* of their labels and samples */
	size_t		n_waiting;
	size_t		capacity;
	size_t		n_waiting_samples;
	PgtsdbSeriesWanted *wanted;
	Waiting    *waiting;		/* same index */
	waiting_hash *numbers;

	PgtsdbOutbox *outbox;		/* NULL: nothing is forwarded */
	PgtsdbNewest *newest;		/* NULL unless the sender continues the series of another one */

	/* Series that this sender wrote, when it is tracked */
	size_t		n_written;
	size_t		written_capacity;
	PgtsdbSeriesRef *written;

	/* Memory */
	MemoryContext context;
	MemoryContext sender_context;	/* reset when a sender starts */
	MemoryContext waiting_context;	/* reset when series are resolved */
};

static void lock_parts(const PgtsdbTenant *tenant);
static uint64 tenant_identity(const PgtsdbTenant *tenant);
static void count_result(const PgtsdbIngest *ingest);
static bool is_our_part(const PgtsdbIngest *ingest, int32 part);
static void take_announcement(TsdbSampleSink *sink, TsdbWireSeries *series);
static TsdbHash raw_key(const PgtsdbIngest *ingest, const TsdbWireSeries *series);
static void take_samples(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n);
static void take_metadata(TsdbSampleSink *sink, const TsdbMetadata *metadata);
static void take_reject(TsdbSampleSink *sink, const TsdbError *error);
static void take_unsupported(TsdbSampleSink *sink, const TsdbWireSeries *series, const char *what, size_t n);
static void add_by_labels(PgtsdbIngest *ingest, TsdbHash raw_key, TsdbLabels labels,
						  const TsdbSample *samples, size_t n);
static TsdbHash canonical_key(const PgtsdbIngest *ingest, const PgtsdbSeriesWanted *wanted);
static void add_samples(PgtsdbIngest *ingest, PgtsdbSeriesRef series, const TsdbSample *samples, size_t n);
static bool is_next(PgtsdbIngest *ingest, PgtsdbSeriesRef series, int64 t);
static void wait_for_series(PgtsdbIngest *ingest, TsdbHash key, TsdbHash raw_key, const PgtsdbSeriesWanted *wanted,
							const TsdbSample *samples, size_t n);
static void start_waiting(PgtsdbIngest *ingest);
static void resolve_waiting(PgtsdbIngest *ingest);
static void publish_raw_key(const PgtsdbSeriesWanted *wanted, const Waiting *waiting);
static void resolved(PgtsdbIngest *ingest, const PgtsdbSeriesWanted *wanted, const Waiting *waiting);
static inline bool in_range(const PgtsdbIngest *ingest, int64 t);
static const TsdbSample *keep_in_range(PgtsdbIngest *ingest, const Named *series, const TsdbSample *samples, size_t *n);
static void out_of_range(PgtsdbIngest *ingest, const Named *series, int64 t);
static const char *name_of(PgtsdbIngest *ingest, const Named *series);
static void count_rejected(PgtsdbIngest *ingest, const TsdbError *error, size_t n);
static int	compare_refs(const void *a, const void *b);

/* ---- begin and finish ---- */

PgtsdbIngest *
pgtsdb_ingest_begin(const PgtsdbIngestOptions *options)
{
	MemoryContext context;
	MemoryContext old;
	PgtsdbIngest *ingest;

	pgtsdb_refuse_old_snapshot();
	pgtsdb_keep_freed_memory();
	pgtsdb_need_storage();
	lock_parts(options->tenant);

	context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb ingest", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	ingest = palloc0_object(PgtsdbIngest);
	ingest->options = *options;
	ingest->wal_bytes = pgWalUsage.wal_bytes;
	ingest->identity = tenant_identity(options->tenant);
	ingest->rows = pgtsdb_head_rows_create(ingest->identity);
	ingest->metadata = pgtsdb_metadata_create();
	ingest->outbox = pgtsdb_outbox_create(options->tenant);
	ingest->sink = (TsdbSampleSink) {
		.samples = take_samples,
		.metadata = take_metadata,
		.reject = take_reject,
		.unsupported = take_unsupported,
		.announce = take_announcement,
		.context = ingest
	};
	ingest->context = context;
	ingest->sender_context = AllocSetContextCreate(context, "pgtsdb ingest sender", ALLOCSET_DEFAULT_SIZES);
	ingest->waiting_context = AllocSetContextCreate(context, "pgtsdb ingest unknown series", ALLOCSET_DEFAULT_SIZES);
	start_waiting(ingest);
	MemoryContextSwitchTo(old);
	return ingest;
}

/*
 * A snapshot that lasts for the transaction would not see series that others
 * have just made.
 */
void
pgtsdb_refuse_old_snapshot(void)
{
	PreventCommandIfReadOnly("storing samples");
	PreventCommandIfParallelMode("storing samples");
	if (XactIsoLevel > XACT_READ_COMMITTED)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("samples cannot be stored in a transaction of isolation level %s",
						XactIsoLevel == XACT_SERIALIZABLE ? "SERIALIZABLE" : "REPEATABLE READ"),
				 errhint("Use BEGIN ISOLATION LEVEL READ COMMITTED.")));
}

/* From here on no series of the tenant is retired; what was, is out of the caches. */
static void
lock_parts(const PgtsdbTenant *tenant)
{
	for (int i = 0; i < tenant->n_parts; i++)
		pgtsdb_lock_in_time(PGTSDB_LOCK_WRITERS, tenant->parts[i], ShareLock);
	AcceptInvalidationMessages();
}

/* With other parts series go elsewhere, so the list of parts belongs to the identity. */
static uint64
tenant_identity(const PgtsdbTenant *tenant)
{
	uint64		tables = pgtsdb_cache_identity(tsdb_local_table(TSDB_TABLE_SERIES, tenant->parts[0]));

	return tsdb_hash(tenant->parts, tenant->n_parts * sizeof(int32), tables).lo;
}

void
pgtsdb_ingest_finish(PgtsdbIngest *ingest, PgtsdbIngestResult *result)
{
	resolve_waiting(ingest);
	pgtsdb_head_rows_flush(ingest->rows, &ingest->result);
	pgtsdb_metadata_store(ingest->metadata);
	count_result(ingest);
	if (ingest->outbox != NULL)
		pgtsdb_outbox_flush(ingest->outbox);
	*result = ingest->result;
	MemoryContextDelete(ingest->context);
}

/* What comes of it is the transaction's matter. */
static void
count_result(const PgtsdbIngest *ingest)
{
	const PgtsdbIngestResult *result = &ingest->result;

	pgtsdb_count_at_commit(ingest->options.tenant->parts[0], (const uint64[PGTSDB_COUNTERS]) {
		[PGTSDB_COUNT_WRITES] = 1,
		[PGTSDB_COUNT_SAMPLES] = result->samples,
		[PGTSDB_COUNT_DUPLICATES] = result->duplicates,
		[PGTSDB_COUNT_LATE] = result->late,
		[PGTSDB_COUNT_INVALID] = result->rejected,
		[PGTSDB_COUNT_CONFLICTS] = result->conflicts,
		[PGTSDB_COUNT_TOO_OLD] = result->too_old,
		[PGTSDB_COUNT_TOO_NEW] = result->too_new,
		[PGTSDB_COUNT_SERIES] = result->series_created,
		[PGTSDB_COUNT_HEAD_ROWS] = result->head_rows,
		[PGTSDB_COUNT_WAL_BYTES] = pgWalUsage.wal_bytes - ingest->wal_bytes
	});
}

/* ---- senders ---- */

void
pgtsdb_ingest_start_sender(PgtsdbIngest *ingest, const PgtsdbSender *sender)
{
	resolve_waiting(ingest);
	MemoryContextReset(ingest->sender_context);
	ingest->written = NULL;
	ingest->n_written = ingest->written_capacity = 0;
	ingest->sender = *sender;
	ingest->newest = sender->handover == NULL ? NULL : pgtsdb_newest_create(ingest->sender_context, sender->handover->from);
	ingest->seed = tsdb_hash(&sender->identity, sizeof(sender->identity), ingest->identity).lo;
}

const PgtsdbSeriesRef *
pgtsdb_ingest_end_sender(PgtsdbIngest *ingest, size_t *n)
{
	size_t		kept = 0;

	resolve_waiting(ingest);
	if (!ingest->sender.track)
		return NULL;
	qsort(ingest->written, ingest->n_written, sizeof(*ingest->written), compare_refs);
	for (size_t i = 0; i < ingest->n_written; i++)
		if (kept == 0 || pgtsdb_series_ref_compare(&ingest->written[kept - 1], &ingest->written[i]) != 0)
			ingest->written[kept++] = ingest->written[i];
	ingest->n_written = kept;
	if (n != NULL)
		*n = kept;
	return ingest->written;
}

void
pgtsdb_ingest_forward(PgtsdbIngest *ingest, const void *body, size_t len, size_t samples)
{
	if (ingest->outbox != NULL)
		pgtsdb_outbox_put(ingest->outbox, body, len, samples);
}

uint64
pgtsdb_text_identity(TsdbLabels target_labels, bool honor_labels)
{
	uint64		identity = honor_labels ? PGTSDB_IDENTITY_TEXT + 1 : PGTSDB_IDENTITY_TEXT;

	for (size_t i = 0; i < target_labels.n; i++)
	{
		identity = tsdb_hash(target_labels.pairs[i].name.data, target_labels.pairs[i].name.len, identity).lo;
		identity = tsdb_hash(target_labels.pairs[i].value.data, target_labels.pairs[i].value.len, identity).lo;
	}
	return identity;
}

TsdbSampleSink *
pgtsdb_ingest_sink(PgtsdbIngest *ingest)
{
	return &ingest->sink;
}

/* ---- samples ---- */

static void
take_announcement(TsdbSampleSink *sink, TsdbWireSeries *series)
{
	series->memo = raw_key(sink->context, series);
	pgtsdb_cache_prefetch(series->memo);
}

static TsdbHash
raw_key(const PgtsdbIngest *ingest, const TsdbWireSeries *series)
{
	return tsdb_hash(series->raw.data, series->raw.len, ingest->seed);
}

static void
take_samples(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
	PgtsdbIngest *ingest = sink->context;
	bool		announced = series->memo.lo != 0 || series->memo.hi != 0;
	TsdbHash	key = announced ? series->memo : raw_key(ingest, series);
	PgtsdbSeriesRef ref;
	bool		committed;
	TsdbLabels	labels;
	TsdbError	error;

	samples = keep_in_range(ingest, &(Named) {.wire = series}, samples, &n);
	if (n == 0)
		return;
	if (likely(pgtsdb_cache_find(key, &ref, &committed) && is_our_part(ingest, ref.part)))
		add_samples(ingest, ref, samples, n);
	else if (series->labels(series, ingest->arena, &labels, &error) == TSDB_OK)
	{
		if (ingest->sender.without_label.data != NULL)
			labels = tsdb_labels_without(ingest->arena, labels, ingest->sender.without_label);
		add_by_labels(ingest, key, labels, samples, n);
	}
	else
		count_rejected(ingest, &error, 1);
}

void
pgtsdb_ingest_append(PgtsdbIngest *ingest, PgtsdbSeriesRef series, int64 t, double v)
{
	TsdbSample	sample = {t, v};

	if (!is_our_part(ingest, series.part))
		elog(ERROR, "series of part %d does not belong to tenant \"%s\"",
			 series.part, ingest->options.tenant->tenant_id);
	if (in_range(ingest, t))
		add_samples(ingest, series, &sample, 1);
	else
		out_of_range(ingest, &(Named) {.ref = &series}, t);
}

void
pgtsdb_ingest_append_labels(PgtsdbIngest *ingest, TsdbLabels labels, int64 t, double v)
{
	TsdbSample	sample = {t, v};

	if (in_range(ingest, t))
		add_by_labels(ingest, (TsdbHash) {0, 0}, labels, &sample, 1);
	else
		out_of_range(ingest, &(Named) {.labels = &labels}, t);
}

/* A hash collision must not lead into the series of another tenant. */
static bool
is_our_part(const PgtsdbIngest *ingest, int32 part)
{
	const PgtsdbTenant *tenant = ingest->options.tenant;

	for (int i = 0; i < tenant->n_parts; i++)
		if (tenant->parts[i] == part)
			return true;
	return false;
}

static void
add_by_labels(PgtsdbIngest *ingest, TsdbHash raw_key, TsdbLabels labels, const TsdbSample *samples, size_t n)
{
	TsdbArenaMark mark = tsdb_arena_mark(ingest->arena);
	PgtsdbSeriesWanted wanted;
	PgtsdbSeriesRef ref;
	bool		committed;
	TsdbHash	key;
	TsdbError	error;

	if (pgtsdb_series_describe(ingest->arena, ingest->options.tenant, labels, ingest->sender.origin,
							   &wanted, &error) != TSDB_OK)
	{
		count_rejected(ingest, &error, 1);
		return;
	}
	key = canonical_key(ingest, &wanted);
	if (pgtsdb_cache_find(key, &ref, &committed) && ref.part == wanted.part)
	{
		tsdb_arena_rewind(ingest->arena, mark);
		if (raw_key.lo != 0 || raw_key.hi != 0)
			pgtsdb_cache_publish(raw_key, ref, committed);
		add_samples(ingest, ref, samples, n);
	}
	else
		wait_for_series(ingest, key, raw_key, &wanted, samples, n);
}

static TsdbHash
canonical_key(const PgtsdbIngest *ingest, const PgtsdbSeriesWanted *wanted)
{
	return tsdb_hash(&wanted->hash, sizeof(wanted->hash), ingest->identity);
}

static void
add_samples(PgtsdbIngest *ingest, PgtsdbSeriesRef series, const TsdbSample *samples, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (unlikely(ingest->newest != NULL) && !is_next(ingest, series, samples[i].t))
			continue;
		pgtsdb_head_rows_add(ingest->rows, series, samples[i].t, samples[i].v, &ingest->result);
		if (unlikely(ingest->outbox != NULL) && !ingest->sender.forwarded)
			pgtsdb_outbox_add(ingest->outbox, series, samples[i].t, samples[i].v);
	}
	if (!ingest->sender.track)
		return;
	if (ingest->n_written == ingest->written_capacity)
	{
		size_t		capacity = ingest->written_capacity == 0 ? 1024 : ingest->written_capacity * 2;

		ingest->written = ingest->written == NULL ?
			MemoryContextAllocHuge(ingest->sender_context, capacity * sizeof(PgtsdbSeriesRef)) :
			repalloc_huge(ingest->written, capacity * sizeof(PgtsdbSeriesRef));
		ingest->written_capacity = capacity;
	}
	ingest->written[ingest->n_written++] = series;
}

/* Whether the other sender of the handover has not come as far. */
static bool
is_next(PgtsdbIngest *ingest, PgtsdbSeriesRef series, int64 t)
{
	const PgtsdbHandover *handover = ingest->sender.handover;

	if (t > handover->to || (t > handover->from && t > pgtsdb_newest_of(ingest->newest, series)))
		return true;
	ingest->result.handed_over++;
	return false;
}

/* ---- unknown series ---- */

static void
start_waiting(PgtsdbIngest *ingest)
{
	ingest->arena = pgtsdb_arena_create(ingest->waiting_context, 0, NULL);
	ingest->numbers = waiting_create(ingest->waiting_context, 256, NULL);
	ingest->wanted = NULL;
	ingest->waiting = NULL;
	ingest->n_waiting = ingest->capacity = ingest->n_waiting_samples = 0;
}

static void
wait_for_series(PgtsdbIngest *ingest, TsdbHash key, TsdbHash raw_key, const PgtsdbSeriesWanted *wanted,
				const TsdbSample *samples, size_t n)
{
	bool		found;
	WaitingKey *entry = waiting_insert(ingest->numbers, key, &found);
	Waiting    *waiting;

	if (!found)
	{
		if (ingest->n_waiting == ingest->capacity)
		{
			size_t		capacity = ingest->capacity == 0 ? 256 : ingest->capacity * 2;

			ingest->wanted = pgtsdb_grow_array(ingest->arena, ingest->wanted, ingest->capacity, capacity);
			ingest->waiting = pgtsdb_grow_array(ingest->arena, ingest->waiting, ingest->capacity, capacity);
			ingest->capacity = capacity;
		}
		entry->number = ingest->n_waiting++;
		ingest->wanted[entry->number] = *wanted;
		ingest->wanted[entry->number].t = samples[0].t;
		ingest->waiting[entry->number] = (Waiting) {.raw_key = raw_key};
	}

	waiting = &ingest->waiting[entry->number];
	if (waiting->n + n > waiting->capacity)
	{
		size_t		capacity = Max(waiting->n + n, waiting->capacity * 2);

		waiting->samples = pgtsdb_grow_array(ingest->arena, waiting->samples, waiting->capacity, capacity);
		waiting->capacity = capacity;
	}
	memcpy(&waiting->samples[waiting->n], samples, n * sizeof(TsdbSample));
	waiting->n += n;
	ingest->n_waiting_samples += n;
	if (ingest->n_waiting >= MAX_WAITING_SERIES || ingest->n_waiting_samples >= MAX_WAITING_SAMPLES)
		resolve_waiting(ingest);
}

static void
resolve_waiting(PgtsdbIngest *ingest)
{
	MemoryContext old;

	if (ingest->n_waiting > 0)
	{
		old = MemoryContextSwitchTo(ingest->waiting_context);
		ingest->result.series_created +=
			pgtsdb_series_resolve(ingest->options.tenant, ingest->wanted, ingest->n_waiting);
		/* Keys of one kind together: they are looked for one after the other. */
		for (size_t i = 0; i < ingest->n_waiting; i++)
			publish_raw_key(&ingest->wanted[i], &ingest->waiting[i]);
		for (size_t i = 0; i < ingest->n_waiting; i++)
			resolved(ingest, &ingest->wanted[i], &ingest->waiting[i]);
		MemoryContextSwitchTo(old);
	}
	MemoryContextReset(ingest->waiting_context);
	start_waiting(ingest);
}

static void
publish_raw_key(const PgtsdbSeriesWanted *wanted, const Waiting *waiting)
{
	if (waiting->raw_key.lo != 0 || waiting->raw_key.hi != 0)
		pgtsdb_cache_publish(waiting->raw_key, wanted->series, wanted->committed);
}

static void
resolved(PgtsdbIngest *ingest, const PgtsdbSeriesWanted *wanted, const Waiting *waiting)
{
	pgtsdb_cache_publish(canonical_key(ingest, wanted), wanted->series, wanted->committed);
	add_samples(ingest, wanted->series, waiting->samples, waiting->n);
}

/* ---- what is not stored ---- */

static inline bool
in_range(const PgtsdbIngest *ingest, int64 t)
{
	return t >= ingest->options.t_min && t <= ingest->options.t_max;
}

/* The samples that are in range, mostly all; the others are counted, and make no series. */
static const TsdbSample *
keep_in_range(PgtsdbIngest *ingest, const Named *series, const TsdbSample *samples, size_t *n)
{
	TsdbSample *kept = NULL;
	size_t		n_kept = 0;

	for (size_t i = 0; i < *n; i++)
	{
		if (unlikely(!in_range(ingest, samples[i].t)))
		{
			if (kept == NULL)
			{
				kept = TSDB_NEW_ARRAY(ingest->arena, TsdbSample, *n);
				memcpy(kept, samples, i * sizeof(TsdbSample));
			}
			out_of_range(ingest, series, samples[i].t);
		}
		else if (kept != NULL)
			kept[n_kept++] = samples[i];
		else
			n_kept++;
	}
	*n = n_kept;
	return kept != NULL ? kept : samples;
}

static void
out_of_range(PgtsdbIngest *ingest, const Named *series, int64 t)
{
	bool		too_old = t < ingest->options.t_min;
	TsdbError	error;

	if (ingest->result.first_error.code == TSDB_OK)
	{
		tsdb_fail(&error, TSDB_ERR_INPUT, "sample of series %s at %s is too %s", name_of(ingest, series),
				  pgtsdb_format_ms(t), too_old ? "old" : "far in the future");
		tsdb_error_hint(&error, "Times %s %s are taken.", too_old ? "from" : "to",
						pgtsdb_format_ms(too_old ? ingest->options.t_min : ingest->options.t_max));
		ingest->result.first_error = error;
	}
	if (too_old)
		ingest->result.too_old++;
	else
		ingest->result.too_new++;
}

static const char *
name_of(PgtsdbIngest *ingest, const Named *series)
{
	TsdbBuffer	text;
	TsdbLabels	labels;
	TsdbError	error;

	if (series->ref != NULL)
		return pgtsdb_series_name(*series->ref);
	if (series->labels != NULL)
		labels = *series->labels;
	else if (series->wire->labels(series->wire, ingest->arena, &labels, &error) != TSDB_OK)
		return "with bad labels";
	tsdb_buffer_init(&text, ingest->arena, 256);
	tsdb_labels_print(&text, labels);
	return tsdb_buffer_cstring(&text);
}

static void
count_rejected(PgtsdbIngest *ingest, const TsdbError *error, size_t n)
{
	if (ingest->result.first_error.code == TSDB_OK)
		ingest->result.first_error = *error;
	ingest->result.rejected += n;
}

static void
take_reject(TsdbSampleSink *sink, const TsdbError *error)
{
	count_rejected(sink->context, error, 1);
}

static void
take_unsupported(TsdbSampleSink *sink, const TsdbWireSeries *series, const char *what, size_t n)
{
	TsdbError	error;

	/* Prometheus drops exemplars as quietly when it does not store them. */
	if (strcmp(what, "exemplars") == 0)
		return;
	tsdb_fail(&error, TSDB_ERR_UNSUPPORTED, "%s are not stored", what);
	count_rejected(sink->context, &error, n);
}

static void
take_metadata(TsdbSampleSink *sink, const TsdbMetadata *metadata)
{
	PgtsdbIngest *ingest = sink->context;
	TsdbError	error;

	if (pgtsdb_metadata_add(ingest->metadata, ingest->options.tenant->parts[0], metadata, &error) != TSDB_OK)
		count_rejected(ingest, &error, 1);
}

static int
compare_refs(const void *a, const void *b)
{
	return pgtsdb_series_ref_compare(a, b);
}

char *
pgtsdb_format_ms(int64 t)
{
	if (t < -INT64CONST(62135596800000) || t > INT64CONST(253402300799999))
		return psprintf(INT64_FORMAT " ms", t);
	return pstrdup(timestamptz_to_str(pgtsdb_ms_to_timestamp(t)));
}
