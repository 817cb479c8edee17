/*
 * transfer.h
 *		HTTP exchanges of a worker, many at a time, on libcurl's multi interface.
 *
 *		loop = pgtsdb_transfers_create();
 *		...
 *		pgtsdb_transfer_start(transfer, timeout_ms);
 *		for (;;)
 *		{
 *			woken = pgtsdb_transfers_wait(loop, pause_ms);
 *			while ((transfer = pgtsdb_transfers_next(loop)) != NULL)
 *				look at transfer->error, status, body;
 *			pgtsdb_worker_poll(worker);
 *		}
 *
 * Never call these with a transaction open.
 */
#ifndef PGTSDB_TRANSFER_H
#define PGTSDB_TRANSFER_H

#include "postgres.h"

#include <curl/curl.h>

#include "lib/stringinfo.h"

#define PGTSDB_TRANSFER_ERROR_MAX 256

typedef struct PgtsdbTransfers PgtsdbTransfers;

typedef struct PgtsdbTransfer
{
	PgtsdbTransfers *loop;
	CURL	   *easy;			/* the request: set options on it while it is not running */
	void	   *owner;			/* belongs to the caller */
	Size		max_bytes;		/* of the body, after decompression; 0: no limit */

	/* the answer, once pgtsdb_transfers_next() has given the transfer back */
	char		error[PGTSDB_TRANSFER_ERROR_MAX];	/* why there is none; empty when there is one, whatever its status */
	long		status;
	char		content_type[128];
	char	   *body;			/* malloc'ed, until the next exchange or pgtsdb_transfer_drop_body() */
	Size		len;
	int64		retry_after_ms; /* what the server asked for, or 0 */
	double		seconds;		/* that it took */

	/* private */
	Size		capacity;
	bool		running;
	bool		too_large;
	char		curl_error[CURL_ERROR_SIZE];
} PgtsdbTransfer;

extern PgtsdbTransfers *pgtsdb_transfers_create(void);

/* NULL when out of memory. */
extern PgtsdbTransfer *pgtsdb_transfer_create(PgtsdbTransfers *loop, void *owner);
/* Basic authentication when there is a user, a bearer token when there is one; each may be NULL. */
extern void pgtsdb_transfer_authenticate(PgtsdbTransfer *transfer, const char *user, const char *password, const char *token);
/* Frees the body early. */
extern void pgtsdb_transfer_drop_body(PgtsdbTransfer *transfer);
/* Stops it when it is running. */
extern void pgtsdb_transfer_destroy(PgtsdbTransfer *transfer);
extern bool pgtsdb_transfer_start(PgtsdbTransfer *transfer, int64 timeout_ms);

/*
 * Lets the exchanges go on until the latch is set, a socket has news or the
 * time has passed, whatever comes first, and at most for a second.  True: the latch was set.
 */
extern bool pgtsdb_transfers_wait(PgtsdbTransfers *loop, long timeout_ms);
/* One that has ended, or NULL. */
extern PgtsdbTransfer *pgtsdb_transfers_next(PgtsdbTransfers *loop);

extern void pgtsdb_append_url_encoded(StringInfo url, const char *text, int len);

#endif							/* PGTSDB_TRANSFER_H */
