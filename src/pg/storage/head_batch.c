/*
 * head_batch.c
 *		Encoded rows of one part, on their way into tsdb.head.
 *
 * Rows are inserted in the order of the primary key.  n only keeps rows of one group
 * and time apart: it comes from a counter in shared memory, which starts anywhere
 * after a restart, so a value may be taken.  Then the row is left out, and tried again
 * with another n.
 *
 * Where head is an ordinary table with its primary key and nothing else, rows go
 * straight into it (head_insert.c); else, say with a trigger, by a statement.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#include "pg/storage/catalogue.h"
#include "pg/storage/head_batch.h"
#include "pg/storage/head_insert.h"
#include "pg/storage/statement.h"
#include "pg/storage/storage_internal.h"
#include "pg/types/types.h"

/* Tries to find a free n for a row. */
#define MAX_ATTEMPTS 100

struct PgtsdbHeadBatch
{
	int32		part;
	int			n;
	int			capacity;
	int32	   *group_ids;
	int64	   *times;
	int16	   *ns;
	int16	   *flags;
	Datum	   *values;
	PgtsdbGroupHint **hints;

	/* Groups to be marked as seen */
	int			n_seen;
	int			seen_capacity;
	int32	   *seen;
	PgtsdbGroupHint **seen_hints;
};

#define GROW(array, type, capacity) \
	((array) = (array) == NULL ? palloc_array(type, capacity) : repalloc_array(array, type, capacity))

static void grow_batch(PgtsdbHeadBatch *batch);
static void insert_rows(const PgtsdbHeadBatch *batch, bool *stored);
static void insert_by_statement(const PgtsdbHeadBatch *batch, bool *stored);
static void keep_missing(PgtsdbHeadBatch *batch, const bool *stored);
static bool is_returned(const PgtsdbHeadBatch *batch, int i, uint64 returned);

PgtsdbHeadBatch *
pgtsdb_head_batch_create(int32 part)
{
	PgtsdbHeadBatch *batch = palloc0_object(PgtsdbHeadBatch);

	batch->part = part;
	return batch;
}

void
pgtsdb_head_batch_add(PgtsdbHeadBatch *batch, int32 group_id, int64 t, const TsdbHeadSample *samples, size_t n,
					  PgtsdbGroupHint *hint)
{
	uint8_t		bytes[TSDB_HEAD_BUFFER];
	size_t		len;

	for (size_t i = 0; i < n;)
	{
		i += tsdb_head_encode(&samples[i], n - i, bytes, &len);
		if (batch->n == batch->capacity)
			grow_batch(batch);
		batch->group_ids[batch->n] = group_id;
		batch->times[batch->n] = t;
		batch->flags[batch->n] = 0;
		batch->values[batch->n] = pgtsdb_bytes_datum(bytes, len);
		batch->hints[batch->n] = hint;
		batch->n++;
	}
}

static void
grow_batch(PgtsdbHeadBatch *batch)
{
	int			capacity = batch->capacity == 0 ? 64 : batch->capacity * 2;

	GROW(batch->group_ids, int32, capacity);
	GROW(batch->times, int64, capacity);
	GROW(batch->ns, int16, capacity);
	GROW(batch->flags, int16, capacity);
	GROW(batch->values, Datum, capacity);
	GROW(batch->hints, PgtsdbGroupHint *, capacity);
	batch->capacity = capacity;
}

void
pgtsdb_head_batch_seen(PgtsdbHeadBatch *batch, int32 group_id, PgtsdbGroupHint *hint)
{
	uint32		hour = (uint32) (pgtsdb_timestamp_to_ms(GetCurrentTransactionStartTimestamp()) / MS_PER_HOUR);
	uint32		seen = pg_atomic_read_u32(&hint->seen_hour);

	if (seen == hour || !pg_atomic_compare_exchange_u32(&hint->seen_hour, &seen, hour))
		return;
	if (batch->n_seen == batch->seen_capacity)
	{
		batch->seen_capacity = batch->seen_capacity == 0 ? 16 : batch->seen_capacity * 2;
		GROW(batch->seen, int32, batch->seen_capacity);
		GROW(batch->seen_hints, PgtsdbGroupHint *, batch->seen_capacity);
	}
	batch->seen[batch->n_seen] = group_id;
	batch->seen_hints[batch->n_seen++] = hint;
}

int
pgtsdb_head_batch_insert(PgtsdbHeadBatch *batch)
{
	bool	   *stored = palloc(batch->n * sizeof(bool));
	int			attempts = 0;
	int			n = batch->n;

	while (batch->n > 0)
	{
		for (int i = 0; i < batch->n; i++)
			batch->ns[i] = (int16) (pg_atomic_fetch_add_u32(&batch->hints[i]->next_n, 1) & PG_INT16_MAX);
		insert_rows(batch, stored);
		keep_missing(batch, stored);

		if (batch->n > 0 && ++attempts == MAX_ATTEMPTS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("group %d of part %d has too many rows at %s", batch->group_ids[0], batch->part,
							pgtsdb_format_ms(batch->times[0])),
					 errhint("Run CALL tsdb.compact(), and send samples of one time together.")));
	}
	if (batch->n_seen > 0 && !pgtsdb_series_groups_seen(batch->part, batch->seen, batch->n_seen))
		for (int i = 0; i < batch->n_seen; i++)
			pg_atomic_write_u32(&batch->seen_hints[i]->seen_hour, 0);
	return n;
}

static void
insert_rows(const PgtsdbHeadBatch *batch, bool *stored)
{
	PgtsdbHeadTuples tuples = {
		.part = batch->part,
		.n = batch->n,
		.group_ids = batch->group_ids,
		.times = batch->times,
		.ns = batch->ns,
		.flags = batch->flags,
		.values = batch->values
	};

	if (pgtsdb_head_insert(&tuples, stored))
		return;
	SPI_connect();
	insert_by_statement(batch, stored);
	SPI_finish();
}

/* Rows come back in the order they went in, but for those that are left out. */
static void
insert_by_statement(const PgtsdbHeadBatch *batch, bool *stored)
{
	static PgtsdbStatement insert = {
		"INSERT INTO tsdb.head (part, group_id, ts, n, flags, \"values\")"
		" SELECT $1, u.group_id, u.ts, u.n, u.flags, u.v"
		" FROM unnest($2, $3, $4, $5, $6) AS u (group_id, ts, n, flags, v)"
		" ON CONFLICT DO NOTHING RETURNING group_id, ts, n",
		SPI_OK_INSERT_RETURNING
	};

	uint64		returned = 0;

	pgtsdb_statement_run(&insert, 6,
						 (Oid[]) {INT4OID, INT4ARRAYOID, INT8ARRAYOID, INT2ARRAYOID, INT2ARRAYOID, BYTEAARRAYOID},
						 (Datum[]) {
							 Int32GetDatum(batch->part),
							 pgtsdb_int4_array(batch->group_ids, batch->n),
							 pgtsdb_int8_array(batch->times, batch->n),
							 pgtsdb_int2_array(batch->ns, batch->n),
							 pgtsdb_int2_array(batch->flags, batch->n),
							 pgtsdb_datum_array(batch->values, batch->n, BYTEAOID)
						 });
	for (int i = 0; i < batch->n; i++)
	{
		stored[i] = returned < SPI_processed && is_returned(batch, i, returned);
		returned += stored[i];
	}
}

/* Those that are not stored stay in the batch, and try anywhere else. */
static void
keep_missing(PgtsdbHeadBatch *batch, const bool *stored)
{
	int			kept = 0;

	for (int i = 0; i < batch->n; i++)
	{
		if (stored[i])
			continue;
		batch->group_ids[kept] = batch->group_ids[i];
		batch->times[kept] = batch->times[i];
		batch->flags[kept] = batch->flags[i];
		batch->values[kept] = batch->values[i];
		batch->hints[kept] = batch->hints[i];
		pg_atomic_write_u32(&batch->hints[i]->next_n, pg_prng_uint32(&pg_global_prng_state));
		kept++;
	}
	batch->n = kept;
}

static bool
is_returned(const PgtsdbHeadBatch *batch, int i, uint64 returned)
{
	HeapTuple	tuple = SPI_tuptable->vals[returned];
	bool		isnull;

	return DatumGetInt32(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull)) == batch->group_ids[i] &&
		DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull)) == batch->times[i] &&
		DatumGetInt16(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 3, &isnull)) == batch->ns[i];
}
