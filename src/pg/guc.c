/*
 * guc.c
 *		All settings of the server part, in alphabetical order.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "pg/guc.h"

int			pgtsdb_chunk_partition_width;
int			pgtsdb_compaction_delay;
int			pgtsdb_compaction_window;
int			pgtsdb_max_chunk_span;
int			pgtsdb_query_lookback;
int			pgtsdb_query_max_samples;
int			pgtsdb_query_memory_limit;
char	   *pgtsdb_tenant;

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

	DefineCustomIntVariable("pgtsdb.compaction_window",
							"Span of time whose samples become chunks together.",
							"A longer window gives smaller chunks, and keeps more samples in tsdb.head.",
							&pgtsdb_compaction_window, 30, 1, 8 * 60, PGC_USERSET, GUC_UNIT_MIN, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.max_chunk_span",
							"Longest span of time that one chunk may cover.",
							"Chunks that compaction has to rewrite for a late sample are cut to it.",
							&pgtsdb_max_chunk_span, 8 * 60, 1, 8 * 60, PGC_USERSET, GUC_UNIT_MIN, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_lookback",
							"How far an instant selector looks back for the latest sample of a series.",
							NULL,
							&pgtsdb_query_lookback, 5 * 60 * 1000, 1, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_max_samples",
							"Samples that one PromQL query may load into memory.",
							NULL,
							&pgtsdb_query_max_samples, 50000000, 1, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pgtsdb.query_memory_limit",
							"Memory that one PromQL query may take.",
							"Zero means no limit.",
							&pgtsdb_query_memory_limit, 2048, 0, MAX_KILOBYTES / 1024, PGC_USERSET, GUC_UNIT_MB, NULL, NULL, NULL);

	DefineCustomStringVariable("pgtsdb.tenant",
							   "Tenant whose series this session reads and writes.",
							   "Checked against tsdb.tenant_members on every use.",
							   &pgtsdb_tenant, "default", PGC_USERSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("pgtsdb");
}
