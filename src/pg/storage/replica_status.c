/*
 * replica_status.c
 *		How many samples of each replica were stored, held and dropped since the server started: tsdb.replicas.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "pg/status_table.h"
#include "pg/storage/replicas.h"

typedef struct ReplicaStatus
{
	int64		counts[PGTSDB_REPLICA_COUNTS];
} ReplicaStatus;

/* Further ones are stored as well, but not counted. */
static const int max_replicas = 2000;
static PgtsdbStatusTable table = {"pgtsdb_replicas", &max_replicas, sizeof(ReplicaStatus)};

static pg_uuid_t status_id(const char *tenant_id, const char *cluster, const char *replica);

PG_FUNCTION_INFO_V1(pgtsdb_sql_replica_counts);

void
pgtsdb_replica_status_init(void)
{
	pgtsdb_status_table_init(&table);
}

void
pgtsdb_count_replica(const PgtsdbReplica *replica, PgtsdbReplicaCount what, int64 samples)
{
	pgtsdb_count_other_replica(replica, replica->replica, what, samples);
}

void
pgtsdb_count_other_replica(const PgtsdbReplica *replica, const char *other, PgtsdbReplicaCount what, int64 samples)
{
	pg_uuid_t	id = status_id(replica->tenant->tenant_id, replica->cluster, other);
	bool		found;
	ReplicaStatus *status = pgtsdb_status_lock(&table, &id, &found);

	if (status != NULL && !found)
		memset(status, 0, sizeof(*status));
	if (status != NULL)
		status->counts[what] += samples;
	pgtsdb_status_unlock(&table);
}

static pg_uuid_t
status_id(const char *tenant_id, const char *cluster, const char *replica)
{
	uint64		of_tenant = tsdb_hash(tenant_id, strlen(tenant_id), 0).lo;
	uint64		of_cluster = tsdb_hash(cluster, strlen(cluster), of_tenant).lo;
	TsdbHash	hash = tsdb_hash(replica, strlen(replica), of_cluster);
	pg_uuid_t	id;

	StaticAssertStmt(sizeof(hash) == UUID_LEN, "a hash fills a uuid");
	memcpy(id.data, &hash, UUID_LEN);
	return id;
}

/* Nulls when nothing is known.  Who may see that a replica exists may see how it fares: the view tells which. */
Datum
pgtsdb_sql_replica_counts(PG_FUNCTION_ARGS)
{
	pg_uuid_t	id = status_id(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
							   text_to_cstring(PG_GETARG_TEXT_PP(2)));
	Datum		values[PGTSDB_REPLICA_COUNTS];
	bool		nulls[PGTSDB_REPLICA_COUNTS] = {false};
	ReplicaStatus status;
	TupleDesc	desc;

	if (!pgtsdb_status_get(&table, &id, &status))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (int i = 0; i < PGTSDB_REPLICA_COUNTS; i++)
		values[i] = Int64GetDatum(status.counts[i]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
