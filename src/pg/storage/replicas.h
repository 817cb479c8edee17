/*
 * replicas.h
 *		Pairs of senders that send the same series: one of them is stored.
 *
 * Two Prometheus servers scrape the same targets, so that one may fail.  Their series have a label that tells the pair
 * (cluster) and one that tells which of the two (__replica__); the latter is taken off.  One replica
 * of a cluster is elected and stored; what the others send is held (held_writes.h) until the elected one has
 * come past it.  When the elected one falls silent, the next replica that sends is elected, and what is held of it is
 * stored first, as far as it is later than what the former one had sent, series by series.
 *
 *		pgtsdb.held:    |----- held of b -----|         dropped when a's newest is `overlap` later
 *		a  x   x   x   x   x   x  (dies)
 *		b    x   x   x   x   x   x   x   x   x
 *		                         ^ stored from here on, once a has been silent for `failover_timeout`
 *
 * Which replica a request is of is told by its first series, as in Mimir.  The state is in tables: any number
 * of gateways agree, and it survives the server.
 *
 * A request holds PGTSDB_LOCK_REPLICAS shared to its end, so parallel requests do not wait for each other; an
 * election takes it exclusively.  So it sees everything that the former one has sent and all that is held, and nobody stores for a
 * replica that is elected no more.
 */
#ifndef PGTSDB_REPLICAS_H
#define PGTSDB_REPLICAS_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "pg/storage/storage.h"

/* A row of tsdb.replica_pairs. */
typedef struct PgtsdbPair
{
	char	   *cluster_label;
	char	   *replica_label;
	int64		failover_timeout;	/* milliseconds, as all of these */
	int64		overlap;
	int32		max_clusters;
	int64		max_held_bytes;
} PgtsdbPair;

typedef struct PgtsdbReplica
{
	const PgtsdbTenant *tenant;
	PgtsdbPair	pair;
	char	   *cluster;
	char	   *replica;
} PgtsdbReplica;

typedef enum PgtsdbVerdict
{
	PGTSDB_VERDICT_STORE,
	PGTSDB_VERDICT_STORE_HELD,	/* it has just been elected: what is held of it comes first */
	PGTSDB_VERDICT_HOLD
} PgtsdbVerdict;

/* replicas.c */

/* False unless the tenant has a row of tsdb.replica_pairs and the request is of a replica of a cluster. */
extern bool pgtsdb_find_replica(const PgtsdbTenant *tenant, const TsdbWriteRequest *request, PgtsdbReplica *replica);
/* How its samples are stored; handover: NULL, or what the former replica has left. */
extern PgtsdbSender pgtsdb_replica_sender(const PgtsdbReplica *replica, const PgtsdbHandover *handover);

/* elections.c */

/*
 * What is to be done with a request, by the owner of the extension; newest is the time of its last sample.  Unless it is held, the
 * handover is filled; its `to` is PG_INT64_MIN when there is none.
 */
extern PgtsdbVerdict pgtsdb_judge_replica(const PgtsdbReplica *replica, TimestampTz now, int64 newest,
										  PgtsdbHandover *handover);
/* As a timestamp, at most an hour after now: what is later is a mistake of some target, or of its clock. */
extern TimestampTz pgtsdb_plausible_time(int64 ms, TimestampTz now);

/* replica_status.c */

typedef enum PgtsdbReplicaCount
{
	PGTSDB_REPLICA_ACCEPTED,	/* samples that were stored as they came */
	PGTSDB_REPLICA_HELD,
	PGTSDB_REPLICA_TAKEN,		/* stored out of what was held */
	PGTSDB_REPLICA_DROPPED,		/* of what was held: the elected one has sent its own */
	PGTSDB_REPLICA_REFUSED		/* not held, because too much is */
} PgtsdbReplicaCount;

#define PGTSDB_REPLICA_COUNTS (PGTSDB_REPLICA_REFUSED + 1)

/* From _PG_init() under shared_preload_libraries. */
extern void pgtsdb_replica_status_init(void);
/* Does nothing without preloading, or when there are too many replicas. */
extern void pgtsdb_count_replica(const PgtsdbReplica *replica, PgtsdbReplicaCount what, int64 samples);
extern void pgtsdb_count_other_replica(const PgtsdbReplica *replica, const char *other, PgtsdbReplicaCount what, int64 samples);

#endif							/* PGTSDB_REPLICAS_H */
