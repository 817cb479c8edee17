/*
 * elections.c
 *		Which replica of a cluster is stored: tsdb.replica_elections.
 *
 * The row of a cluster is written when a replica is elected, and by the elected one now and then; requests only read it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "pg/compat.h"
#include "pg/storage/held_writes.h"
#include "pg/storage/locks.h"
#include "pg/storage/replicas.h"
#include "pg/storage/statement.h"
#include "pg/times.h"

/* The elected one says that it is there this often, or four times within its timeout. */
#define REFRESH_MS 5000

typedef struct Election
{
	char	   *replica;		/* NULL: none */
	TimestampTz received_at;
	TimestampTz newest;
	TimestampTz handover_from;	/* 0, 0: there was none */
	TimestampTz handover_to;
} Election;

static PgtsdbStatement read_statement = {
	"SELECT replica, received_at, newest, handover_from, handover_to FROM tsdb.replica_elections"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND cluster OPERATOR(pg_catalog.=) $2", SPI_OK_SELECT
};
/* Of several requests one writes, and the others do not wait for it. */
static PgtsdbStatement refresh_statement = {
	"UPDATE tsdb.replica_elections e SET received_at = $3, newest = GREATEST(e.newest, $4)"
	" FROM (SELECT tenant_id, cluster FROM tsdb.replica_elections"
	" WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND cluster OPERATOR(pg_catalog.=) $2 FOR UPDATE SKIP LOCKED) l"
	" WHERE e.tenant_id OPERATOR(pg_catalog.=) l.tenant_id AND e.cluster OPERATOR(pg_catalog.=) l.cluster", SPI_OK_UPDATE
};
static PgtsdbStatement elect_statement = {
	"INSERT INTO tsdb.replica_elections AS e"
	" (tenant_id, cluster, received_at, newest, replica, elected_at, handover_from, handover_to)"
	" VALUES ($1, $2, $3, $4, $5, $3, $6, $7)"
	" ON CONFLICT (tenant_id, cluster) DO UPDATE SET (received_at, newest, replica, elected_at, handover_from, handover_to, elections)"
	" = (excluded.received_at, excluded.newest, excluded.replica, excluded.elected_at, excluded.handover_from, excluded.handover_to,"
	" e.elections OPERATOR(pg_catalog.+) 1)", SPI_OK_INSERT
};
/* Clusters that nobody sends for any more do not count. */
static PgtsdbStatement count_statement = {
	"SELECT 1 FROM tsdb.replica_elections WHERE tenant_id OPERATOR(pg_catalog.=) $1"
	" AND received_at OPERATOR(pg_catalog.>) ($2 OPERATOR(pg_catalog.-) INTERVAL '1 day')", SPI_OK_SELECT
};

static const Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID};

static void lock_cluster(const PgtsdbReplica *replica, LOCKMODE mode);
static void unlock_cluster(const PgtsdbReplica *replica, LOCKMODE mode);
static void cluster_ids(const PgtsdbReplica *replica, int32 *id1, int32 *id2);
static void read_election(const PgtsdbReplica *replica, Election *election);
static TimestampTz time_column(int column);
static bool is_due(const PgtsdbReplica *replica, const Election *election, TimestampTz now);
static void elect(const PgtsdbReplica *replica, Election *election, TimestampTz now, int64 newest);
static void check_number_of_clusters(const PgtsdbReplica *replica, TimestampTz now);
static void refresh(const PgtsdbReplica *replica, const Election *election, TimestampTz now, int64 newest);

PgtsdbVerdict
pgtsdb_judge_replica(const PgtsdbReplica *replica, TimestampTz now, int64 newest, PgtsdbHandover *handover)
{
	LOCKMODE	mode = ShareLock;
	bool		elected = false;
	Election	election;

	pgtsdb_refuse_old_snapshot();
	lock_cluster(replica, mode);
	read_election(replica, &election);
	if (is_due(replica, &election, now))
	{
		/* given back first: two that wait for each other's shared lock would wait for ever */
		unlock_cluster(replica, mode);
		lock_cluster(replica, ExclusiveLock);
		read_election(replica, &election);
		elected = is_due(replica, &election, now);
	}
	if (elected)
		elect(replica, &election, now, newest);
	else if (strcmp(election.replica, replica->replica) != 0)
		return PGTSDB_VERDICT_HOLD;
	else
		refresh(replica, &election, now, newest);
	handover->from = election.handover_to == 0 ? PG_INT64_MIN : pgtsdb_timestamp_to_ms(election.handover_from);
	handover->to = election.handover_to == 0 ? PG_INT64_MIN : pgtsdb_timestamp_to_ms(election.handover_to);
	return elected ? PGTSDB_VERDICT_STORE_HELD : PGTSDB_VERDICT_STORE;
}

TimestampTz
pgtsdb_plausible_time(int64 ms, TimestampTz now)
{
	int64		latest = pgtsdb_timestamp_to_ms(now) + MS_PER_HOUR;

	return pgtsdb_ms_to_timestamp(Max(0, Min(ms, latest)));
}

/* ---- the lock ---- */

static void
lock_cluster(const PgtsdbReplica *replica, LOCKMODE mode)
{
	int32		id1;
	int32		id2;

	cluster_ids(replica, &id1, &id2);
	pgtsdb_lock_in_time_with_hint(PGTSDB_LOCK_REPLICAS, id1, id2, mode,
								  "A replica of this cluster is just being elected, or writes for long: retry later.");
}

static void
unlock_cluster(const PgtsdbReplica *replica, LOCKMODE mode)
{
	int32		id1;
	int32		id2;

	cluster_ids(replica, &id1, &id2);
	pgtsdb_unlock(PGTSDB_LOCK_REPLICAS, id1, id2, mode);
}

static void
cluster_ids(const PgtsdbReplica *replica, int32 *id1, int32 *id2)
{
	uint64		tenant = tsdb_hash(replica->tenant->tenant_id, strlen(replica->tenant->tenant_id), 0).lo;
	TsdbHash	hash = tsdb_hash(replica->cluster, strlen(replica->cluster), tenant);

	*id1 = (int32) (uint32) hash.lo;
	*id2 = (int32) (uint32) hash.hi;
}

/* ---- the row ---- */

static void
fill_key(const PgtsdbReplica *replica, Datum *values)
{
	values[0] = CStringGetTextDatum(replica->tenant->tenant_id);
	values[1] = CStringGetTextDatum(replica->cluster);
}

/* As it is now: each statement has a snapshot of its own. */
static void
read_election(const PgtsdbReplica *replica, Election *election)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[2];

	*election = (Election) {0};
	SPI_connect();
	fill_key(replica, values);
	if (pgtsdb_statement_run(&read_statement, lengthof(values), types, values) > 0)
	{
		election->replica = MemoryContextStrdup(caller, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
		election->received_at = time_column(2);
		election->newest = time_column(3);
		election->handover_from = time_column(4);
		election->handover_to = time_column(5);
	}
	SPI_finish();
}

/* 0 when null. */
static TimestampTz
time_column(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

/* Whether this replica is the next one to be elected. */
static bool
is_due(const PgtsdbReplica *replica, const Election *election, TimestampTz now)
{
	if (election->replica == NULL)
		return true;
	return strcmp(election->replica, replica->replica) != 0 &&
		now - election->received_at > replica->pair.failover_timeout * 1000;
}

/*
 * The samples of the former one are not later than its newest by more than a refresh; the overlap is far more.  One
 * that is ahead of the clock must not keep the next one's from being stored, hence the time of its last request.
 */
static void
elect(const PgtsdbReplica *replica, Election *election, TimestampTz now, int64 newest)
{
	char		nulls[lengthof(types) + 1] = "       ";
	Datum		values[lengthof(types)];

	if (election->replica != NULL)
	{
		election->handover_from = Min(election->newest, election->received_at) - replica->pair.overlap * 1000;
		election->handover_to = Max(election->newest + replica->pair.overlap * 1000, election->handover_to);
	}
	else
	{
		check_number_of_clusters(replica, now);
		nulls[5] = nulls[6] = 'n';
	}
	SPI_connect();
	fill_key(replica, values);
	values[2] = TimestampTzGetDatum(now);
	values[3] = TimestampTzGetDatum(pgtsdb_plausible_time(newest, now));
	values[4] = CStringGetTextDatum(replica->replica);
	values[5] = TimestampTzGetDatum(election->handover_from);
	values[6] = TimestampTzGetDatum(election->handover_to);
	pgtsdb_statement_run_nulls(&elect_statement, lengthof(types), types, values, nulls);
	SPI_finish();
}

static void
check_number_of_clusters(const PgtsdbReplica *replica, TimestampTz now)
{
	static const Oid count_types[] = {TEXTOID, TIMESTAMPTZOID};
	Datum		values[lengthof(count_types)];
	uint64		n;

	SPI_connect();
	values[0] = CStringGetTextDatum(replica->tenant->tenant_id);
	values[1] = TimestampTzGetDatum(now);
	n = pgtsdb_statement_run(&count_statement, lengthof(count_types), count_types, values);
	SPI_finish();
	if (n >= replica->pair.max_clusters)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("tenant \"%s\" has %d clusters of replicas already", replica->tenant->tenant_id, replica->pair.max_clusters),
				 errdetail("Cluster \"%s\" would be one more.", replica->cluster),
				 errhint("Raise max_clusters of tsdb.replica_pairs, or delete rows of tsdb.replica_elections.")));
}

/* Together with the samples of this request; then what is held is compared with them. */
static void
refresh(const PgtsdbReplica *replica, const Election *election, TimestampTz now, int64 newest)
{
	int64		interval = Min(REFRESH_MS, replica->pair.failover_timeout / 4) * 1000;
	TimestampTz time = pgtsdb_plausible_time(newest, now);
	Datum		values[4];
	bool		done;

	if (now - election->received_at < interval && time - election->newest < interval)
		return;
	SPI_connect();
	fill_key(replica, values);
	values[2] = TimestampTzGetDatum(now);
	values[3] = TimestampTzGetDatum(time);
	done = pgtsdb_statement_run(&refresh_statement, lengthof(values), types, values) > 0;
	SPI_finish();
	if (done)
		pgtsdb_drop_held(replica, Min(Min(Max(time, election->newest), now) - replica->pair.overlap * 1000, now));
}
