/*
 * replicas.c
 *		Which replica of which pair a request is of.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "pg/compat.h"
#include "pg/config_values.h"
#include "pg/storage/replicas.h"
#include "pg/times.h"

/* Attribute numbers of tsdb.replica_pairs, as sql/pgtsdb.sql makes it. */
#define PAIRS_TENANT_ID 1
#define PAIRS_CLUSTER_LABEL 2
#define PAIRS_REPLICA_LABEL 3
#define PAIRS_FAILOVER_TIMEOUT 4
#define PAIRS_OVERLAP 5
#define PAIRS_MAX_CLUSTERS 6
#define PAIRS_MAX_HELD_BYTES 7

/* They are keys of tables. */
#define MAX_NAME_BYTES 256

static bool read_pair(const PgtsdbTenant *tenant, PgtsdbPair *pair);
static char *check_name(const char *label, TsdbStr value);

bool
pgtsdb_find_replica(const PgtsdbTenant *tenant, const TsdbWriteRequest *request, PgtsdbReplica *replica)
{
	TsdbStr		values[2];

	if (!read_pair(tenant, &replica->pair))
		return false;
	tsdb_write_request_peek(request, (const TsdbStr[]) {
		tsdb_str(replica->pair.cluster_label), tsdb_str(replica->pair.replica_label)
	}, 2, values);
	if (values[0].data == NULL || values[1].data == NULL)
		return false;
	replica->tenant = tenant;
	replica->cluster = check_name(replica->pair.cluster_label, values[0]);
	replica->replica = check_name(replica->pair.replica_label, values[1]);
	return true;
}

/* A look at a table of few rows, mostly none: nothing that requests of other tenants would notice. */
static bool
read_pair(const PgtsdbTenant *tenant, PgtsdbPair *pair)
{
	Relation	relation = pgtsdb_open_configuration("replica_pairs");
	SysScanDesc scan = pgtsdb_scan_by_tenant(relation, PAIRS_TENANT_ID, tenant->tenant_id);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
	{
		Datum		values[PAIRS_MAX_HELD_BYTES];
		bool		nulls[PAIRS_MAX_HELD_BYTES];

		/* what stays where an interval has no length in spite of the constraints */
		*pair = (PgtsdbPair) {.failover_timeout = 30 * MS_PER_SECOND, .overlap = MS_PER_MINUTE};
		heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
		pair->cluster_label = TextDatumGetCString(values[PAIRS_CLUSTER_LABEL - 1]);
		pair->replica_label = TextDatumGetCString(values[PAIRS_REPLICA_LABEL - 1]);
		(void) pgtsdb_interval_to_ms(DatumGetIntervalP(values[PAIRS_FAILOVER_TIMEOUT - 1]), &pair->failover_timeout);
		(void) pgtsdb_interval_to_ms(DatumGetIntervalP(values[PAIRS_OVERLAP - 1]), &pair->overlap);
		pair->max_clusters = DatumGetInt32(values[PAIRS_MAX_CLUSTERS - 1]);
		pair->max_held_bytes = DatumGetInt64(values[PAIRS_MAX_HELD_BYTES - 1]);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

static char *
check_name(const char *label, TsdbStr value)
{
	if (value.len > MAX_NAME_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label \"%s\" of a replica is %zu bytes long", label, value.len),
				 errhint("Names of clusters and replicas may have %d bytes.", MAX_NAME_BYTES)));
	if (!tsdb_utf8_is_valid(value) || memchr(value.data, '\0', value.len) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("label \"%s\" of a replica is not valid UTF-8", label)));
	return pnstrdup(value.data, value.len);
}

/* The same bytes name another series when a label is taken off, so they are keys of another kind. */
PgtsdbSender
pgtsdb_replica_sender(const PgtsdbReplica *replica, const PgtsdbHandover *handover)
{
	TsdbStr		label = tsdb_str(replica->pair.replica_label);

	return (PgtsdbSender) {
		.identity = tsdb_hash(label.data, label.len, PGTSDB_IDENTITY_REMOTE_WRITE).lo,
		.without_label = label,
		.handover = handover
	};
}
