/*
 * guc.h
 *		Settings of the server part; guc.c has the one table.
 */
#ifndef PGTSDB_GUC_H
#define PGTSDB_GUC_H

#include "postgres.h"

extern int	pgtsdb_chunk_partition_width;
extern int	pgtsdb_compaction_delay;	/* seconds */
extern int	pgtsdb_compaction_interval; /* milliseconds */
extern int	pgtsdb_compaction_merge_window;	/* minutes */
extern int	pgtsdb_compaction_samples;
extern int	pgtsdb_compaction_window;	/* minutes */
extern char *pgtsdb_databases;
extern int	pgtsdb_empty_series_age;	/* seconds */
extern char *pgtsdb_external_url;
extern char *pgtsdb_http_anonymous_role;
extern char *pgtsdb_http_dsn;
extern char *pgtsdb_http_listen;
extern char *pgtsdb_http_options;
#define PGTSDB_MAX_AGE_OF_TENANT (-1)
extern int	pgtsdb_ingest_max_age;	/* seconds, 0: no limit; or PGTSDB_MAX_AGE_OF_TENANT */
extern int	pgtsdb_ingest_max_ahead;	/* seconds, 0: no limit */
extern int	pgtsdb_late_write_age;	/* seconds */
extern int	pgtsdb_launcher_interval;	/* milliseconds */
extern int	pgtsdb_max_chunk_span;	/* minutes */
extern int	pgtsdb_max_ingest_body; /* megabytes */
extern int	pgtsdb_max_rules;
extern int	pgtsdb_max_series;
extern int	pgtsdb_max_targets;
extern bool pgtsdb_query_delayed_name_removal;
extern int	pgtsdb_query_lookback;	/* milliseconds */
extern int	pgtsdb_query_max_depth;
extern int	pgtsdb_query_max_points;	/* 0: no limit */
extern int	pgtsdb_query_max_samples;
extern int	pgtsdb_query_max_series;	/* 0: no limit */
extern int	pgtsdb_query_memory_limit;	/* megabytes, 0: none */
extern int	pgtsdb_query_subquery_step; /* milliseconds */
extern int	pgtsdb_rule_timeout;	/* milliseconds, 0: none */
extern int	pgtsdb_scrape_batch_delay;	/* milliseconds */
extern int	pgtsdb_scrape_body_size_limit;	/* kilobytes, 0: none */
extern int	pgtsdb_scrape_interval; /* milliseconds */
extern int	pgtsdb_scrape_timeout;	/* milliseconds */
extern int	pgtsdb_scrapers;
extern int	pgtsdb_series_lock_timeout; /* milliseconds */
extern char *pgtsdb_tenant;
extern int	pgtsdb_worker_restart_interval; /* milliseconds */

extern void pgtsdb_define_settings(void);

#endif							/* PGTSDB_GUC_H */
