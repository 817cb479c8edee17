/*
 * outbound.h
 *		What the main library keeps for the scraper, the notifier and the forwarder (folder scraper/): the checks
 *		of their configuration, and their memory of each target.
 */
#ifndef PGTSDB_OUTBOUND_H
#define PGTSDB_OUTBOUND_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* ---- check_config.c ---- */

/*
 * Gives a position to remote-write targets that have none: with what is committed from here on they begin, by this
 * transaction or an earlier one that is still in progress.  Within SPI_connect() .. SPI_finish(), by the owner of the extension.
 */
extern void pgtsdb_start_forwarding(void);

/* ---- target_status.c ---- */

#define PGTSDB_TARGET_ERROR_MAX 256

/* What the last scrape of a target was like. */
typedef struct PgtsdbTargetStatus
{
	pg_uuid_t	target_id;
	bool		up;
	TimestampTz last_scrape;
	double		duration;		/* seconds */
	int64		samples;
	int64		series;
	int64		rejected;		/* lines that could not be read or stored */
	char		error[PGTSDB_TARGET_ERROR_MAX];	/* empty: none */
} PgtsdbTargetStatus;

/* From _PG_init() under shared_preload_libraries. */
extern void pgtsdb_target_status_init(void);
/* Both do nothing when the library was not preloaded; a status that finds no room is dropped. */
extern void pgtsdb_target_status_set(const PgtsdbTargetStatus *status);
extern void pgtsdb_target_status_forget(const pg_uuid_t *target_id);

#endif							/* PGTSDB_OUTBOUND_H */
