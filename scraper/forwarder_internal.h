/*
 * forwarder_internal.h
 *		What the files of the forwarder worker share: targets, and the requests that wait for them.
 */
#ifndef PGTSDB_FORWARDER_INTERNAL_H
#define PGTSDB_FORWARDER_INTERNAL_H

#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "pg/worker/worker.h"
#include "transfer.h"

#define FORWARD_ERROR_MAX 256

/* A place in tsdb.remote_write_outbox. */
typedef struct OutboxPosition
{
	uint64		xid;
	int64		seq;
} OutboxPosition;

/* A row of it. */
typedef struct OutboxRequest
{
	OutboxPosition position;
	TimestampTz created_at;
	int64		samples;
	char	   *body;
	Size		len;
} OutboxRequest;

/* What a target is like, in a context of its own. */
typedef struct ForwardSettings
{
	char	   *tenant_id;
	char	   *name;
	char	   *url;
	char	   *user;
	char	   *password;
	char	   *token;
	char	  **headers;		/* "name: value" */
	int			n_headers;
	bool		tls_skip_verify;
	bool		active;
	int64		timeout_ms;
	int64		max_age_ms;
	int64		max_bytes;
} ForwardSettings;

/* What happened since it was saved last. */
typedef struct ForwardCounts
{
	int64		sent_requests;
	int64		sent_samples;
	int64		retries;
	int64		refused_samples;
	int64		expired_samples;
	TimestampTz last_sent_at;
	TimestampTz last_error_at;	/* 0: no new error */
	char		last_error[FORWARD_ERROR_MAX];
} ForwardCounts;

typedef struct ForwardTarget
{
	pg_uuid_t	id;				/* first: key of the hash table */
	bool		found;			/* in the last look */
	uint64		fingerprint;	/* of its row */
	MemoryContext context;		/* of the settings */
	ForwardSettings settings;

	/* Requests that were read and not sent yet, in order */
	MemoryContext queue_context;
	OutboxRequest *queue;
	int			n;
	int			next;
	bool		has_more;		/* in the table */
	OutboxPosition position;	/* of the last one that it is done with */

	/* The one that is being sent: queue[next] */
	PgtsdbTransfer *transfer;	/* kept for its connection; made anew with the settings */
	struct curl_slist *headers;
	bool		sending;
	bool		is_changed;		/* the transfer is of other settings */
	int64		retry_at;		/* milliseconds */
	int			failures;

	bool		dirty;			/* position and counts are not saved */
	ForwardCounts counts;
} ForwardTarget;

/* forward_tables.c */

/* One look: settings of all targets, and requests for those that have none left. */
typedef struct ForwardLook
{
	HTAB	   *targets;		/* of ForwardTarget */
	bool		is_behind;		/* something waits for an earlier transaction to end */
} ForwardLook;

extern void pgtsdb_forward_look(PgtsdbWorker *worker, void *arg);
/* Saves positions and counts of the targets that are dirty, and deletes what all are done with. */
extern void pgtsdb_forward_save(PgtsdbWorker *worker, void *arg);
/* Gives up what is over the limits of bytes; the targets are dirty then. */
extern void pgtsdb_forward_expire(PgtsdbWorker *worker, void *arg);

static inline bool
position_is_behind(OutboxPosition a, OutboxPosition b)
{
	return a.xid != b.xid ? a.xid > b.xid : a.seq > b.seq;
}

#endif							/* PGTSDB_FORWARDER_INTERNAL_H */
