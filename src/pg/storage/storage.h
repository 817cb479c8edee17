/*
 * storage.h
 *		The way in: storage tables, and the one path by which samples reach them.
 *
 * An ingest takes samples of one tenant from any number of senders within one
 * transaction:
 *
 *		PgtsdbIngestOptions options = {.tenant = tenant, .t_min = PG_INT64_MIN, .t_max = PG_INT64_MAX};
 *		PgtsdbIngest *ingest = pgtsdb_ingest_begin(&options);
 *
 *		pgtsdb_ingest_start_sender(ingest, &sender);
 *		tsdb_remote_write_open(arena, body, len, &limits, &request, &error);
 *		tsdb_write_request_feed(request, pgtsdb_ingest_sink(ingest));
 *		pgtsdb_ingest_end_sender(ingest, NULL);
 *		...
 *		pgtsdb_ingest_finish(ingest, &result);
 *
 * Series are made when a sender ends, rows are written at the finish, or
 * before when much has piled up.  The caller acts as the owner (tenant.h) and has an
 * active snapshot from begin to finish.  After an error the transaction (or
 * subtransaction) must be rolled back; nothing needs to be freed.
 *
 * src/pg/storage/README.md has the vocabulary, the locks and their order.
 */
#ifndef PGTSDB_STORAGE_H
#define PGTSDB_STORAGE_H

#include "postgres.h"

#include "core/ingest/ingest.h"
#include "pg/tenant.h"

/* A group never has more columns: a head row of that many always fits into a page. */
#define PGTSDB_MAX_GROUP_COLUMNS 800

/*
 * Samples of one head row have 0 <= dt <= this many milliseconds, dt being their distance
 * from its ts.  Readers look back this far for the row of a sample, so it may only grow.
 * No row reaches over a multiple of it (since 1970), so none lies in two windows of compaction.
 */
#define PGTSDB_HEAD_SPAN_LIMIT 15000

/* Where a series lives.  Never reused for another series. */
typedef struct PgtsdbSeriesRef
{
	int32		part;
	int32		group_id;
	int16		col;
} PgtsdbSeriesRef;

static inline int
pgtsdb_series_ref_compare(const PgtsdbSeriesRef *a, const PgtsdbSeriesRef *b)
{
	if (a->part != b->part)
		return a->part < b->part ? -1 : 1;
	if (a->group_id != b->group_id)
		return a->group_id < b->group_id ? -1 : 1;
	return (int) a->col - (int) b->col;
}

/* ingest.c */

typedef struct PgtsdbIngest PgtsdbIngest;

typedef struct PgtsdbIngestOptions
{
	const PgtsdbTenant *tenant;
	int64		t_min;			/* samples before are too old, milliseconds */
	int64		t_max;			/* samples after are too new */
} PgtsdbIngestOptions;

/*
 * A sender that continues the series of another one, of which samples may be stored: of those with
 * from < t <= to it stores what is later than all that its series has, and what is earlier not at all.
 */
typedef struct PgtsdbHandover
{
	int64		from;
	int64		to;
} PgtsdbHandover;

/*
 * Who sends.  The raw bytes that name a series mean the same series only
 * together with `identity`: a constant of the format, and for a format that adds
 * labels of its own (text with target labels) also a hash of those.
 */
typedef struct PgtsdbSender
{
	uint64		identity;
	const char *origin;			/* what the groups of its new series are named after; NULL: their job and instance */
	bool		track;			/* pgtsdb_ingest_end_sender() will ask which series it wrote */
	TsdbStr		without_label;	/* is taken off each series; data NULL: none.  Belongs to the identity. */
	const PgtsdbHandover *handover; /* NULL: all samples are taken */
	bool		forwarded;		/* its samples go on to other servers by pgtsdb_ingest_forward() */
} PgtsdbSender;

#define PGTSDB_IDENTITY_REMOTE_WRITE UINT64CONST(1)
#define PGTSDB_IDENTITY_TEXT UINT64CONST(2)
/* The text format with these labels added, and the rule for a clash. */
extern uint64 pgtsdb_text_identity(TsdbLabels target_labels, bool honor_labels);

typedef struct PgtsdbIngestResult
{
	uint64		samples;		/* stored, those that were there before with the same value included */
	uint64		series_created;
	uint64		duplicates;		/* among samples: same series, time and value again */
	uint64		late;			/* among samples: their window may have been compacted already */
	uint64		conflicts;		/* not stored: same series and time with another value */
	uint64		too_old;
	uint64		too_new;
	uint64		head_rows;		/* written */
	uint64		handed_over;	/* not stored, because of a handover: the other sender's samples stand there */
	uint64		rejected;		/* series or lines with bad labels or syntax, and what this version does not store */
	TsdbError	first_error;	/* of the first that was not stored; code TSDB_OK when all were */
} PgtsdbIngestResult;

/* Raises in a transaction whose snapshot would not see what others have just stored. */
extern void pgtsdb_refuse_old_snapshot(void);
/* Makes the storage tables when they are missing; refuses isolation levels above READ COMMITTED. */
extern PgtsdbIngest *pgtsdb_ingest_begin(const PgtsdbIngestOptions *options);
extern void pgtsdb_ingest_start_sender(PgtsdbIngest *ingest, const PgtsdbSender *sender);
/* The sink for decoders; samples count for the sender that was started last. */
extern TsdbSampleSink *pgtsdb_ingest_sink(PgtsdbIngest *ingest);
/* A sample of a known series, for instance its stale marker. */
extern void pgtsdb_ingest_append(PgtsdbIngest *ingest, PgtsdbSeriesRef series, int64 t, double v);
/* A sample of a series by its canonical labels, for samples that no decoder made. */
extern void pgtsdb_ingest_append_labels(PgtsdbIngest *ingest, TsdbLabels labels, int64 t, double v);

/*
 * Makes the sender's new series.  With `track` answers every series that it
 * wrote, in order, each once, valid until the next start or the finish; NULL without.
 */
extern const PgtsdbSeriesRef *pgtsdb_ingest_end_sender(PgtsdbIngest *ingest, size_t *n);

/*
 * What is stored is also sent to the remote-write targets of the tenant, unless the sender is one that
 * forwards by itself: a body of remote write 1.0 as it came.  Without targets that does nothing.
 */
extern void pgtsdb_ingest_forward(PgtsdbIngest *ingest, const void *body, size_t len, size_t samples);

/* Writes what is left and frees the ingest. */
extern void pgtsdb_ingest_finish(PgtsdbIngest *ingest, PgtsdbIngestResult *result);

/* series.c */

/*
 * Retires series: sets gone_at of their rows, after taking the lock that writers
 * of these groups hold shared; they get no more samples, and the same labels make a new
 * series.  Ascending order.
 */
/*
 * Which of these series, each part's together, are neither retired nor removed.  That stays so to the end of a transaction that
 * has the writers' lock, as an ingest has.
 */
extern void pgtsdb_series_find_live(const PgtsdbSeriesRef *series, size_t n, bool *live);
extern void pgtsdb_series_retire(const PgtsdbSeriesRef *series, size_t n);

/*
 * Deletes the rows of series of one part that a snapshot has shown retired and without a sample; answers how many
 * were still there.
 */
extern uint64 pgtsdb_series_remove_retired(const PgtsdbSeriesRef *series, size_t n);

/* schema.c */

/* Whether the storage tables exist; looks at nothing else. */
extern bool pgtsdb_storage_exists(void);
/* Makes them when they are missing, and verifies them once per backend: what every write calls first. */
extern void pgtsdb_need_storage(void);
/* Makes what is missing and verifies what is there: tsdb.create_storage(). */
extern void pgtsdb_create_storage(void);

/* partitions.c */

/*
 * Makes the leaf of chunks that holds t_min and answers its oid.  Safe when several sessions
 * ask for the same one.
 */
extern Oid	pgtsdb_ensure_chunk_partition(int16 tier, int16 class, int64 t_min);
/* The leaves for now and for the time after it, so that no compaction has to wait for one. */
extern void pgtsdb_make_partitions_ahead(int64 now);
/* Stretch of time around t that begins and ends at multiples of `width` since 1970; t_hi is exclusive. */
extern void pgtsdb_partition_grid(int64 t, int64 width, int64 *t_lo, int64 *t_hi);

#endif							/* PGTSDB_STORAGE_H */
