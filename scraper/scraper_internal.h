/*
 * scraper_internal.h
 *		What the files of the scraper worker share: targets and their scrapes.
 */
#ifndef PGTSDB_SCRAPER_INTERNAL_H
#define PGTSDB_SCRAPER_INTERNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/pairingheap.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "core/labels/labels.h"
#include "pg/storage/storage.h"
#include "pg/times.h"
#include "pg/worker/worker.h"
#include "transfer.h"

/* A set of series, ascending.  It means something only as long as the storage tables are the same. */
typedef struct SeriesSet
{
	Oid			storage;		/* tsdb.series, which they are numbers in */
	size_t		n;
	PgtsdbSeriesRef *refs;
} SeriesSet;

typedef enum TargetState
{
	TARGET_WAITING,				/* in the schedule */
	TARGET_SCRAPING,
	TARGET_SCRAPED,				/* its scrape waits to be stored */
	TARGET_LEAVING				/* to be forgotten; its stale markers wait to be stored */
} TargetState;

/* How a target is scraped; replaced as a whole when its rows change. */
typedef struct TargetSettings
{
	MemoryContext context;		/* where all this lives */
	uint64		fingerprint;	/* of the rows it was made from */
	char	   *tenant_id;
	char	   *url;			/* NULL: this server itself */
	char	   *origin;			/* what the groups of its series are named after */
	TsdbLabels	labels;			/* job, instance and its own */
	uint64		identity;		/* of its text with these labels */
	uint64		report_identity;	/* of the text that is written about it */
	int64		interval_ms;
	int64		timeout_ms;
	int64		sample_limit;	/* 0: none */
	Size		body_limit;		/* 0: none */
	bool		honor_labels;
	bool		honor_timestamps;
	bool		follow_redirects;
	bool		tls_skip_verify;
	char	   *user;			/* NULL: no credentials, unless a token */
	char	   *password;
	char	   *token;
} TargetSettings;

/* What one scrape brought, besides the body. */
typedef struct Scrape
{
	int64		time;			/* milliseconds: that of its samples */
	double		seconds;
	bool		openmetrics;
	char		error[PGTSDB_TRANSFER_ERROR_MAX];	/* why there is no body; empty: there is one */
} Scrape;

typedef struct Target
{
	pg_uuid_t	id;				/* first: key of the hash table */
	TargetSettings *settings;
	PgtsdbTransfer *transfer;	/* NULL before the first scrape, and of this server itself */
	struct curl_slist *headers;
	char	   *own_body;		/* of this server itself, instead of the transfer's; NULL: none */
	TargetState state;
	bool		found;			/* at the last look into the tables */
	int64		due;			/* milliseconds; a tick of its interval */
	pairingheap_node node;		/* in the schedule */
	Scrape		scrape;
	SeriesSet	live;			/* data series of its last scrape, without those that had own timestamps */
	SeriesSet	reports;		/* up and the others about it */
} Target;

/* targets.c */

/* All active targets, as one read of the tables found them. */
typedef struct TargetRows
{
	int			n;
	pg_uuid_t  *ids;
	TargetSettings **settings;	/* NULL: scraped by another worker */
} TargetRows;

/* In the unit's transaction; the result lives in worker->unit_context, each settings in its own context. */
extern TargetRows *pgtsdb_read_targets(PgtsdbWorker *worker);
/* First tick of the target's interval at `now` or after it. */
extern int64 pgtsdb_target_next_tick(const Target *target, int64 now);
/* A unit of work: the page of tsdb.postgres_metrics().  arg is a char *, to a copy in worker->context. */
extern void pgtsdb_collect_own_metrics(PgtsdbWorker *worker, void *arg);

/* store.c */

/* What storing a scrape found out, for the time after the commit. */
typedef struct ScrapeOutcome
{
	SeriesSet	live;
	SeriesSet	reports;
	int64		samples;
	int64		rejected;		/* lines or samples */
	bool		up;
	char		error[PGTSDB_TRANSFER_ERROR_MAX];	/* of the scrape, or of the first that was rejected; empty: none */
} ScrapeOutcome;

/* Scrapes to be committed together. */
typedef struct ScrapeBatch
{
	Target	  **targets;
	int			n;
	ScrapeOutcome *outcomes;	/* as many, in the unit's context */
} ScrapeBatch;

/* A unit of work; arg is a ScrapeBatch. */
extern void pgtsdb_store_scrapes(PgtsdbWorker *worker, void *arg);

#endif							/* PGTSDB_SCRAPER_INTERNAL_H */
