/*
 * store.c
 *		Writes finished scrapes: their samples, stale markers, and the samples about them.
 *
 * A batch of scrapes is one transaction.  After it the series of a target are
 *
 *		data		those of the body, at the time of the scrape; series of the scrape before that are
 *					gone get a stale marker at this time
 *		reports		up, scrape_duration_seconds, scrape_samples_scraped,
 *					scrape_samples_post_metric_relabeling, scrape_series_added
 *
 * A scrape that failed is one without data: all series of the one before end
 * here, and up is 0.  A series whose samples bring their own timestamps is not
 * tracked: nobody knows when its next one is due.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "core/ingest/ingest.h"
#include "pg/compat.h"
#include "pg/mem.h"
#include "pg/storage/relations.h"
#include "scraper_internal.h"

/* Samples further in the future are refused (Prometheus scrape/scrape.go, maxAheadTime). */
#define MAX_AHEAD_MS (10 * 60 * 1000)

/* One scrape on its way into storage. */
typedef struct Storing
{
	const PgtsdbTenant *tenant;
	PgtsdbIngest *ingest;
	Target	   *target;
	ScrapeOutcome *outcome;
	Oid			storage;
	MemoryContext kept;			/* of what the outcome points to */
	MemoryContext scratch;
} Storing;

static void store_tenant(PgtsdbWorker *worker, ScrapeBatch *batch, int first, int end);
static void store_scrape(Storing *storing);
static void store_leave(Storing *storing);
static bool check_body(Storing *storing);
static void store_body(Storing *storing);
static void store_reports(Storing *storing, int64 added);
static void store_stale_markers(Storing *storing, const SeriesSet *known, const SeriesSet *still);
static size_t missing_series(const PgtsdbTenant *tenant, const SeriesSet *known, const SeriesSet *still, PgtsdbSeriesRef *missing);
static int64 count_missing(const SeriesSet *from, const SeriesSet *in);

static int
compare_tenants(const void *a, const void *b)
{
	return strcmp((*(Target *const *) a)->settings->tenant_id, (*(Target *const *) b)->settings->tenant_id);
}

void
pgtsdb_store_scrapes(PgtsdbWorker *worker, void *arg)
{
	ScrapeBatch *batch = arg;
	PgtsdbCaller caller;
	int			first = 0;

	batch->outcomes = MemoryContextAllocZero(worker->unit_context, batch->n * sizeof(ScrapeOutcome));
	qsort(batch->targets, batch->n, sizeof(Target *), compare_tenants);

	pgtsdb_act_as_owner(&caller);
	while (first < batch->n)
	{
		int			end = first + 1;

		while (end < batch->n && compare_tenants(&batch->targets[first], &batch->targets[end]) == 0)
			end++;
		store_tenant(worker, batch, first, end);
		first = end;
	}
	pgtsdb_act_as_caller(&caller);
}

static void
store_tenant(PgtsdbWorker *worker, ScrapeBatch *batch, int first, int end)
{
	PgtsdbTenant *tenant = pgtsdb_tenant_by_id(batch->targets[first]->settings->tenant_id);
	int64		now = pgtsdb_now_ms();
	int64		max_age = pgtsdb_tenant_max_sample_age(tenant);
	PgtsdbIngestOptions options = {
		.tenant = tenant,
		/* earlier than the calendar begins is what no query could ask for */
		.t_min = max_age > 0 ? now - max_age : pgtsdb_timestamp_to_ms(MIN_TIMESTAMP),
		.t_max = now + MAX_AHEAD_MS,
	};
	PgtsdbIngestResult result;
	Storing		storing = {
		.tenant = tenant,
		.ingest = pgtsdb_ingest_begin(&options),
		.storage = tsdb_local_table(TSDB_TABLE_SERIES, tenant->parts[0]),
		.kept = worker->unit_context,
		.scratch = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb scrape", ALLOCSET_DEFAULT_SIZES),
	};

	for (int i = first; i < end; i++)
	{
		storing.target = batch->targets[i];
		storing.outcome = &batch->outcomes[i];
		if (storing.target->state == TARGET_LEAVING)
			store_leave(&storing);
		else
			store_scrape(&storing);
		MemoryContextReset(storing.scratch);
	}
	pgtsdb_ingest_finish(storing.ingest, &result);
	MemoryContextDelete(storing.scratch);
	if (result.first_error.code != TSDB_OK)
		ereport(DEBUG1,
				(errmsg_internal("scraped samples were not stored, the first: %s", result.first_error.message)));
}

static void
store_scrape(Storing *storing)
{
	Target	   *target = storing->target;
	ScrapeOutcome *outcome = storing->outcome;

	outcome->live.storage = storing->storage;
	strlcpy(outcome->error, target->scrape.error, sizeof(outcome->error));
	outcome->up = outcome->error[0] == '\0' && check_body(storing);
	if (outcome->up)
		store_body(storing);
	store_stale_markers(storing, &target->live, &outcome->live);
	store_reports(storing, count_missing(&target->live, &outcome->live));
	/* other labels of the target make other ones */
	store_stale_markers(storing, &target->reports, &outcome->reports);
}

/* The target was taken away: everything about it ends. */
static void
store_leave(Storing *storing)
{
	static const SeriesSet nothing;

	store_stale_markers(storing, &storing->target->live, &nothing);
	store_stale_markers(storing, &storing->target->reports, &nothing);
}

/* ---- the body ---- */

static TsdbStr
body_of(const Target *target)
{
	if (target->own_body != NULL)
		return tsdb_str(target->own_body);
	return (TsdbStr) {target->transfer->body, target->transfer->len};
}

static TsdbTextOptions
text_options(const Target *target)
{
	return (TsdbTextOptions) {
		.now = target->scrape.time,
		.openmetrics = target->scrape.openmetrics,
		.honor_timestamps = target->settings->honor_timestamps,
		.target_labels = target->settings->labels,
		.honor_labels = target->settings->honor_labels,
	};
}

static void
ignore_samples(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
}

/*
 * What makes a whole scrape invalid must be known before its first sample is
 * stored, since nothing smaller than the batch can be rolled back.
 */
static bool
check_body(Storing *storing)
{
	const Target *target = storing->target;
	TsdbTextOptions options = text_options(target);
	TsdbSampleSink sink = {.samples = ignore_samples};
	TsdbTextResult result;
	TsdbError	error;

	if (!target->scrape.openmetrics && target->settings->sample_limit == 0)
		return true;
	if (tsdb_text_decode(pgtsdb_arena_create(storing->scratch, 0, NULL), body_of(target), &options, &sink, &result,
						 &error) != TSDB_OK)
		strlcpy(storing->outcome->error, error.message, sizeof(storing->outcome->error));
	else if (target->settings->sample_limit > 0 && result.samples > target->settings->sample_limit)
		snprintf(storing->outcome->error, sizeof(storing->outcome->error), "%zu samples exceed the limit of " INT64_FORMAT,
				 result.samples, target->settings->sample_limit);
	storing->outcome->samples = (int64) result.samples;
	return storing->outcome->error[0] == '\0';
}

/*
 * Stands between the decoder and the ingest: passes either the samples of the
 * scrape's time or those with times of their own, and sees what is rejected.
 */
typedef struct Filter
{
	TsdbSampleSink sink;
	TsdbSampleSink *ingest;
	int64		now;
	bool		own_times;		/* which ones to pass */
	int64		passed;
	int64		held_back;
	int64		rejected;
	TsdbError	first_error;
} Filter;

typedef struct FilteredSeries
{
	TsdbWireSeries wire;
	const TsdbWireSeries *original;
	Filter	   *filter;
} FilteredSeries;

static void
note_rejected(Filter *filter, const TsdbError *error)
{
	if (filter->rejected++ == 0)
		filter->first_error = *error;
}

static TsdbStatus
filter_labels(const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error)
{
	const FilteredSeries *filtered = series->decoder;
	TsdbStatus	status = filtered->original->labels(filtered->original, arena, labels, error);

	if (status != TSDB_OK)
	{
		note_rejected(filtered->filter, error);
		filtered->filter->passed--;
	}
	return status;
}

static void
filter_samples(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
	Filter	   *filter = sink->context;
	FilteredSeries filtered;

	if ((samples->t != filter->now) != filter->own_times)
	{
		filter->held_back++;
		return;
	}
	filtered.wire = (TsdbWireSeries) {
		.raw = series->raw, .labels = filter_labels, .decoder = &filtered, .memo = series->memo
	};
	filtered.original = series;
	filtered.filter = filter;
	filter->passed++;
	filter->ingest->samples(filter->ingest, &filtered.wire, samples, n);
}

static void
filter_announce(TsdbSampleSink *sink, TsdbWireSeries *series)
{
	Filter	   *filter = sink->context;

	filter->ingest->announce(filter->ingest, series);
}

static void
filter_metadata(TsdbSampleSink *sink, const TsdbMetadata *metadata)
{
	Filter	   *filter = sink->context;

	if (filter->ingest->metadata != NULL)
		filter->ingest->metadata(filter->ingest, metadata);
}

static void
filter_reject(TsdbSampleSink *sink, const TsdbError *error)
{
	note_rejected(sink->context, error);
}

static SeriesSet
keep_series(const Storing *storing, const PgtsdbSeriesRef *refs, size_t n)
{
	SeriesSet	set = {.storage = storing->storage, .n = n};

	set.refs = MemoryContextAllocHuge(storing->kept, Max(n, 1) * sizeof(PgtsdbSeriesRef));
	if (n > 0)
		memcpy(set.refs, refs, n * sizeof(PgtsdbSeriesRef));
	return set;
}

static void
start_sender(Storing *storing, uint64 identity, bool track)
{
	PgtsdbSender sender = {
		.identity = identity,
		.origin = storing->target->settings->origin,
		.track = track,
	};

	pgtsdb_ingest_start_sender(storing->ingest, &sender);
}

/* "line 12: invalid value": the decoder tells of every rejected line where it begins. */
static void
describe_rejected(const Storing *storing, const TsdbError *error)
{
	TsdbStr		body = body_of(storing->target);
	int			line = 1;

	for (int64 i = 0; i < error->start && i < (int64) body.len; i++)
		line += body.data[i] == '\n';
	snprintf(storing->outcome->error, sizeof(storing->outcome->error), "line %d: %s", line, error->message);
}

/* One pass over the body; a second one when some samples have times of their own, which are not tracked. */
static void
store_body(Storing *storing)
{
	Target	   *target = storing->target;
	ScrapeOutcome *outcome = storing->outcome;
	TsdbTextOptions options = text_options(target);
	TsdbTextResult result;
	TsdbError	error;
	const PgtsdbSeriesRef *refs;
	size_t		n;
	Filter		filter = {
		.sink = {filter_samples, filter_metadata, filter_reject, NULL, &filter, filter_announce},
		.ingest = pgtsdb_ingest_sink(storing->ingest),
		.now = target->scrape.time,
	};
	TsdbArena  *arena = pgtsdb_arena_create(storing->scratch, 0, NULL);

	start_sender(storing, target->settings->identity, true);
	(void) tsdb_text_decode(arena, body_of(target), &options, &filter.sink, &result, &error);
	refs = pgtsdb_ingest_end_sender(storing->ingest, &n);
	outcome->live = keep_series(storing, refs, n);
	outcome->samples = (int64) result.samples;
	outcome->rejected = filter.rejected;
	if (filter.rejected > 0)
		describe_rejected(storing, &filter.first_error);
	if (filter.passed > (int64) n)
	{
		outcome->rejected += filter.passed - (int64) n;
		if (outcome->error[0] == '\0')
			snprintf(outcome->error, sizeof(outcome->error), INT64_FORMAT " samples of series that the body has already",
					 filter.passed - (int64) n);
	}

	if (filter.held_back > 0)
	{
		filter.own_times = true;
		filter.sink.metadata = NULL;
		filter.sink.reject = NULL;
		start_sender(storing, target->settings->identity, false);
		(void) tsdb_text_decode(arena, body_of(target), &options, &filter.sink, &result, &error);
		pgtsdb_ingest_end_sender(storing->ingest, NULL);
	}
}

/* ---- what is written about it ---- */

static void
store_reports(Storing *storing, int64 added)
{
	Target	   *target = storing->target;
	ScrapeOutcome *outcome = storing->outcome;
	TsdbTextOptions options = {.now = target->scrape.time, .target_labels = target->settings->labels};
	TsdbTextResult result;
	TsdbError	error;
	StringInfoData text;
	const PgtsdbSeriesRef *refs;
	size_t		n;

	initStringInfo(&text);
	appendStringInfo(&text,
					 "up %d\n"
					 "scrape_duration_seconds %.9g\n"
					 "scrape_samples_scraped " INT64_FORMAT "\n"
					 "scrape_samples_post_metric_relabeling " INT64_FORMAT "\n"
					 "scrape_series_added " INT64_FORMAT "\n",
					 outcome->up ? 1 : 0, target->scrape.seconds, outcome->samples, outcome->samples, added);
	start_sender(storing, target->settings->report_identity, true);
	(void) tsdb_text_decode(pgtsdb_arena_create(storing->scratch, 0, NULL), (TsdbStr) {text.data, text.len}, &options,
							pgtsdb_ingest_sink(storing->ingest), &result, &error);
	refs = pgtsdb_ingest_end_sender(storing->ingest, &n);
	outcome->reports = keep_series(storing, refs, n);
	pfree(text.data);
}

/* Not so after the target, or the part, was given to another tenant. */
static bool
is_own_part(const PgtsdbTenant *tenant, int32 part)
{
	for (int i = 0; i < tenant->n_parts; i++)
		if (tenant->parts[i] == part)
			return true;
	return false;
}

/*
 * For each series that was known and is not there still.  One that was deleted or has moved meanwhile gets none: nobody could
 * read it, or it would end the series that goes on in another place.
 */
static void
store_stale_markers(Storing *storing, const SeriesSet *known, const SeriesSet *still)
{
	double		marker = tsdb_double_from_bits(TSDB_STALE_NAN_BITS);
	PgtsdbSeriesRef *ended;
	bool	   *live;
	size_t		n;

	if (known->storage != storing->storage)
		return;
	ended = MemoryContextAllocHuge(storing->scratch, known->n * sizeof(PgtsdbSeriesRef));
	n = missing_series(storing->tenant, known, still, ended);
	live = MemoryContextAllocHuge(storing->scratch, n * sizeof(bool));
	pgtsdb_series_find_live(ended, n, live);
	start_sender(storing, storing->target->settings->report_identity, false);
	for (size_t i = 0; i < n; i++)
		if (live[i])
			pgtsdb_ingest_append(storing->ingest, ended[i], storing->target->scrape.time, marker);
	pgtsdb_ingest_end_sender(storing->ingest, NULL);
}

static size_t
missing_series(const PgtsdbTenant *tenant, const SeriesSet *known, const SeriesSet *still, PgtsdbSeriesRef *missing)
{
	size_t		n = 0;
	size_t		i = 0;
	size_t		j = 0;

	while (i < known->n)
	{
		int			order = j == still->n ? -1 : pgtsdb_series_ref_compare(&known->refs[i], &still->refs[j]);

		if (order < 0 && is_own_part(tenant, known->refs[i].part))
			missing[n++] = known->refs[i];
		if (order <= 0)
			i++;
		if (order >= 0)
			j++;
	}
	return n;
}

/* How many of the second set are not in the first. */
static int64
count_missing(const SeriesSet *from, const SeriesSet *in)
{
	int64		missing = 0;
	size_t		i = 0;
	size_t		j = 0;

	while (j < in->n)
	{
		int			order = i == from->n || from->storage != in->storage ? 1
			: pgtsdb_series_ref_compare(&from->refs[i], &in->refs[j]);

		missing += order > 0;
		if (order <= 0)
			i++;
		if (order >= 0)
			j++;
	}
	return missing;
}
