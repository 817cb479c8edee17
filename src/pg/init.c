/*
 * init.c
 *		Module load.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "pg/compat.h"
#include "pg/counters.h"
#include "pg/guc.h"
#include "pg/outbound/outbound.h"
#include "pg/storage/group_hints.h"
#include "pg/storage/late_writes.h"
#include "pg/storage/metadata.h"
#include "pg/storage/relations.h"
#include "pg/storage/replicas.h"
#include "pg/storage/series_cache.h"
#include "pg/worker/rules.h"
#include "pg/worker/worker.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

void
_PG_init(void)
{
	pgtsdb_define_settings();
	pgtsdb_relations_init();
	pgtsdb_cache_init();
	pgtsdb_hints_init();
	pgtsdb_metadata_init();
	pgtsdb_late_writes_init();
	if (process_shared_preload_libraries_in_progress)
	{
		pgtsdb_counters_init();
		pgtsdb_worker_init();
		pgtsdb_replica_status_init();
		pgtsdb_rule_status_init();
		pgtsdb_target_status_init();
	}
}
