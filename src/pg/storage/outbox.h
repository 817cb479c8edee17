/*
 * outbox.h
 *		What is stored goes on to other servers: the way into tsdb.remote_write_outbox.
 *
 * While a tenant has an active row of tsdb.remote_write_targets, each transaction that stores samples of it leaves them
 * there too, as bodies of remote write 1.0.  The forwarder (scraper/forwarder.c) sends them in the
 * order of (transaction, sequence), once no earlier transaction is in progress.
 */
#ifndef PGTSDB_OUTBOX_H
#define PGTSDB_OUTBOX_H

#include "postgres.h"

#include "pg/storage/storage.h"

/*
 * Tells the forwarder, from within a transaction that has something for it.  Set when the server starts with workers; without,
 * nobody would send, and nothing is put in.
 */
extern void (*pgtsdb_outbox_filled) (void);

typedef struct PgtsdbOutbox PgtsdbOutbox;

/* In the current memory context; NULL when nothing of the tenant is forwarded. */
extern PgtsdbOutbox *pgtsdb_outbox_create(const PgtsdbTenant *tenant);
/* A sample that is stored. */
extern void pgtsdb_outbox_add(PgtsdbOutbox *outbox, PgtsdbSeriesRef series, int64 t, double v);
/* A body of remote write 1.0 as it came. */
extern void pgtsdb_outbox_put(PgtsdbOutbox *outbox, const void *body, size_t len, size_t samples);
/* Writes what was added; rows of new series have been made before. */
extern void pgtsdb_outbox_flush(PgtsdbOutbox *outbox);

#endif							/* PGTSDB_OUTBOX_H */
