/*
 * guc.c
 *		All settings of the server part, in alphabetical order.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "core/chunk/chunk.h"
#include "core/promql/ast.h"
#include "pg/guc.h"

int			pgtsdb_chunk_partition_width;
int			pgtsdb_compaction_delay;
int			pgtsdb_compaction_interval;
int			pgtsdb_compaction_merge_window;
int			pgtsdb_compaction_samples;
int			pgtsdb_compaction_window;
char	   *pgtsdb_databases;
int			pgtsdb_empty_series_age;
char	   *pgtsdb_external_url;
char	   *pgtsdb_http_anonymous_role;
char	   *pgtsdb_http_dsn;
char	   *pgtsdb_http_listen;
char	   *pgtsdb_http_options;
int			pgtsdb_ingest_max_age;
int			pgtsdb_ingest_max_ahead;
int			pgtsdb_late_write_age;
int			pgtsdb_launcher_interval;
int			pgtsdb_max_chunk_span;
int			pgtsdb_max_ingest_body;
int			pgtsdb_max_rules;
int			pgtsdb_max_series;
int			pgtsdb_max_targets;
bool		pgtsdb_query_delayed_name_removal;
int			pgtsdb_query_lookback;
int			pgtsdb_query_max_depth;
int			pgtsdb_query_max_points;
int			pgtsdb_query_max_samples;
int			pgtsdb_query_max_series;
int			pgtsdb_query_memory_limit;
int			pgtsdb_query_subquery_step;
int			pgtsdb_rule_timeout;
int			pgtsdb_scrape_batch_delay;
int			pgtsdb_scrape_body_size_limit;
int			pgtsdb_scrape_interval;
int			pgtsdb_scrape_timeout;
int			pgtsdb_scrapers;
int			pgtsdb_series_lock_timeout;
char	   *pgtsdb_tenant;
int			pgtsdb_worker_restart_interval;

void
pgtsdb_define_settings(void)
{
	DefineCustomIntVariable("pgtsdb.chunk_partition_width",
							"Span of time of a new partition of tsdb.chunks.",
							"Retention drops whole partitions. Partitions that exist keep their bounds.",
							&pgtsdb_chunk_partition_width, 24 * 60, 60, 366 * 24 * 60, PGC_SUSET, GUC_UNIT_MIN, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.compaction_delay",
							"How long after its end a window of time waits for late samples before it is compacted.",
							"A sample that comes later still is stored and found; compaction then rewrites the chunks around it.",
							&pgtsdb_compaction_delay, 5 * 60, 0, 7 * 24 * 3600, PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.compaction_interval",
							"Pause between two sweeps of the compactor.",
							NULL,
							&pgtsdb_compaction_interval, 60 * 1000, 10, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.compaction_merge_window",
							"Span of time whose chunks are merged when it has passed.",
							"Larger chunks are smaller in all; up to pgtsdb.compaction_window: nothing is merged.",
							&pgtsdb_compaction_merge_window, 2 * 60, 1, 8 * 60, PGC_USERSET, GUC_UNIT_MIN, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.compaction_samples",
							"About how many samples of a series a chunk holds.",
							"Windows with more are cut evenly. With too many a row has few series, which then share less.",
							&pgtsdb_compaction_samples, 480, 60, TSDB_CHUNK_MAX_TIMES, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.compaction_window",
							"Span of time whose samples become chunks together.",
							"A longer window gives smaller chunks, and keeps more samples in tsdb.head.",
							&pgtsdb_compaction_window, 30, 1, 8 * 60, PGC_USERSET, GUC_UNIT_MIN, NULL, NULL, NULL);

	DefineCustomStringVariable("pgtsdb.databases",
							   "Databases whose workers the launcher starts, separated by commas.",
							   "One that does not exist, or does not have the extension, is looked at again every pgtsdb.launcher_interval.",
							   &pgtsdb_databases, "postgres", PGC_SIGHUP, GUC_LIST_INPUT, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.empty_series_age",
							"How old a series must be to be removed when it has no sample any more.",
							"A series that is written again is made anew.",
							&pgtsdb_empty_series_age, 24 * 3600, 0, INT_MAX, PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomStringVariable("pgtsdb.external_url",
							   "Address under which people reach this system, for the links in notifications.",
							   NULL,
							   &pgtsdb_external_url, "", PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pgtsdb.http_anonymous_role",
							   "Role of requests to the gateway that come without credentials.",
							   "When empty, they are refused. The role of pgtsdb.http_dsn must be a member of it.",
							   &pgtsdb_http_anonymous_role, "", PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pgtsdb.http_dsn",
							   "Connection string by which the gateway that the launcher starts reaches this server.",
							   "When empty: role pgtsdb_gateway, the first of pgtsdb.databases, through a Unix-domain socket if there is one.",
							   &pgtsdb_http_dsn, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);

	DefineCustomStringVariable("pgtsdb.http_listen",
							   "Address and port of the gateway, which the launcher then starts.",
							   "When empty, the launcher starts none.",
							   &pgtsdb_http_listen, "", PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pgtsdb.http_options",
							   "Further options of the gateway that the launcher starts, separated by spaces.",
							   "As on its command line, for instance --read-connections=16.",
							   &pgtsdb_http_options, "", PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.ingest_max_age",
							"Samples older than this are refused by the ingest functions.",
							"Zero means no limit, -1 the max_sample_age of tsdb.tenant_budgets; the gateway sets -1 for what it writes.",
							&pgtsdb_ingest_max_age, 0, PGTSDB_MAX_AGE_OF_TENANT, INT_MAX, PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.ingest_max_ahead",
							"Samples further in the future than this are refused by the ingest functions.",
							"Zero means no limit. The gateway sets it for what it writes.",
							&pgtsdb_ingest_max_ahead, 0, 0, INT_MAX, PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.late_write_age",
							"Age from which on samples that are stored or removed are noted in tsdb.late_writes.",
							"Caches of answers keep no younger step. With less, more steps are kept and more writes noted.",
							&pgtsdb_late_write_age, 60, 1, 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.launcher_interval",
							"How often the launcher looks for new databases and for the extension in them.",
							NULL,
							&pgtsdb_launcher_interval, 5000, 10, 3600 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.max_chunk_span",
							"Longest span of time that one chunk may cover.",
							"Chunks that compaction has to rewrite for a late sample are cut to it.",
							&pgtsdb_max_chunk_span, 8 * 60, 1, 8 * 60, PGC_USERSET, GUC_UNIT_MIN, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.max_ingest_body",
							"Largest body that the ingest functions take, after decompression.",
							NULL,
							&pgtsdb_max_ingest_body, 64, 1, 1023, PGC_SUSET, GUC_UNIT_MB, NULL, NULL, NULL);

	/* Sizes of shared memory exist only when we are preloaded. */
	if (process_shared_preload_libraries_in_progress)
	{
		DefineCustomIntVariable("pgtsdb.max_rules",
								"Rules whose last evaluation is remembered for tsdb.rule_status.",
								"Takes about 350 bytes of shared memory each. Further rules are evaluated, but their health shows as unknown.",
								&pgtsdb_max_rules, 2000, 10, 1000000, PGC_POSTMASTER, 0, NULL, NULL, NULL);

		DefineCustomIntVariable("pgtsdb.max_series",
								"Active series that shared memory has room for.",
								"About 110 bytes each. Writers look up series beyond it in the tables, which is slower.",
								&pgtsdb_max_series, 250000, 1000, 100000000, PGC_POSTMASTER, 0, NULL, NULL, NULL);

		DefineCustomIntVariable("pgtsdb.max_targets",
								"Scrape targets whose last scrape is remembered for tsdb.targets.",
								"Takes about 400 bytes of shared memory each. Further targets are scraped, but their health shows as unknown.",
								&pgtsdb_max_targets, 5000, 10, 1000000, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	}

	DefineCustomBoolVariable("pgtsdb.query_delayed_name_removal",
							 "Keeps the metric name of a series until the end of a query that drops it.",
							 "As Prometheus does with its feature promql-delayed-name-removal. "
							 "Off: the first function that changes what the values mean drops it.",
							 &pgtsdb_query_delayed_name_removal, false, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_lookback",
							"How far an instant selector looks back for the latest sample of a series.",
							NULL,
							&pgtsdb_query_lookback, 5 * 60 * 1000, 1, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_max_depth",
							"Levels that the expression of a PromQL query may be nested.",
							NULL,
							&pgtsdb_query_max_depth, TSDB_PROMQL_MAX_DEPTH, 1, TSDB_PROMQL_MAX_DEPTH, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_max_points",
							"Points per series that tsdb.api_query_range() may answer.",
							"Zero means no limit. tsdb.promql() has none.",
							&pgtsdb_query_max_points, 11000, 0, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_max_samples",
							"Samples that one PromQL query may load into memory.",
							NULL,
							&pgtsdb_query_max_samples, 50000000, 1, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_max_series",
							"Series that one selector of a PromQL query may select.",
							"Zero means no limit.",
							&pgtsdb_query_max_series, 0, 0, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_memory_limit",
							"Memory that one PromQL query may take.",
							"Zero means no limit.",
							&pgtsdb_query_memory_limit, 2048, 0, MAX_KILOBYTES / 1024, PGC_USERSET, GUC_UNIT_MB, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_subquery_step",
							"Step of a subquery that gives none.",
							"In Prometheus it is the global evaluation interval.",
							&pgtsdb_query_subquery_step, 60 * 1000, 1, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.rule_timeout",
							"Longest time that one evaluation of a rule may take.",
							"A rule that takes longer fails, keeps its state, and is evaluated again at its next turn. Zero means no limit.",
							&pgtsdb_rule_timeout, 30 * 1000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.scrape_batch_delay",
							"How long a finished scrape waits for others to be committed with it.",
							"Every commit takes a transaction id and a flush of the WAL.",
							&pgtsdb_scrape_batch_delay, 100, 0, 10000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.scrape_body_size_limit",
							"Largest answer of a target, after decompression, unless the target or its job sets another limit.",
							"Zero means no limit. The scrape of a larger one fails.",
							&pgtsdb_scrape_body_size_limit, 64 * 1024, 0, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.scrape_interval",
							"How often targets are scraped, unless the target or its job tells.",
							NULL,
							&pgtsdb_scrape_interval, 60 * 1000, 1000, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.scrape_timeout",
							"How long a scrape may take, unless the target or its job tells; never longer than the interval.",
							NULL,
							&pgtsdb_scrape_timeout, 10 * 1000, 100, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.scrapers",
							"Scraper processes of each database, which share its targets.",
							NULL,
							&pgtsdb_scrapers, 1, 0, 32, PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.series_lock_timeout",
							"How long a writer of new series waits for another one before it gives up.",
							"Zero means no limit. One transaction at a time makes new series of a part.",
							&pgtsdb_series_lock_timeout, 10 * 1000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomStringVariable("pgtsdb.tenant",
							   "Tenant whose series this session reads and writes.",
							   "Checked against tsdb.tenant_members on every use.",
							   &pgtsdb_tenant, "default", PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.worker_restart_interval",
							"Pause before a worker that has ended is started again.",
							"It doubles with each end soon after a start, up to a minute.",
							&pgtsdb_worker_restart_interval, 1000, 10, 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	MarkGUCPrefixReserved("pgtsdb");
}

PG_FUNCTION_INFO_V1(pgtsdb_sql_setting);

/* tsdb.setting(name text) */
Datum
pgtsdb_sql_setting(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(GetConfigOptionByName(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, false)));
}
