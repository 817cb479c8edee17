/*
 * late_writes.c
 *		Notes of transactions that change the past: collected while they run, written at their commit.
 *
 * A reader that keeps an answer needs to know two things: up to which time all samples are there (the horizon), and what has
 * been changed before it since.  Writers and readers meet in shared memory:
 *
 *		writer, at PRE_COMMIT				reader
 *		1. limits[me] = now - age			1. promised = max(promised, now - age)
 *		2. barrier							2. barrier
 *		3. old: t < max(limit, promised)	3. horizon = min(now - age, limits[*])
 *		4. a note, if anything is old		4. takes its snapshot
 *		5. commits, becomes visible
 *		6. limits[me] = none
 *
 * Whoever is second in the barriers sees what the other has set.  If the reader sees the writer's limit, its horizon is
 * not later, and samples before the limit are noted.  If it does not, the writer is either visible already, or will see
 * the promise and note what is before it.  So it does not matter how long a commit waits between 4 and 6, say for a
 * synchronous standby, nor whether the clock is set back: a promise stays.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/shared_memory.h"
#include "pg/storage/late_writes.h"
#include "pg/storage/late_writes_internal.h"
#include "pg/storage/relations.h"
#include "pg/storage/row_insert.h"
#include "pg/storage/schema.h"
#include "pg/storage/statement.h"
#include "pg/times.h"

#define NO_LIMIT 0
#define NOTHING ((Span) {PG_INT64_MAX, PG_INT64_MIN})

/* First and last time of some samples; first > last: there are none. */
typedef struct Span
{
	int64		first;
	int64		last;
} Span;

/* What the transaction has done to a part. */
typedef struct Note
{
	struct Note *next;
	int32		part;
	Span		stored;
	Span		removed;
} Note;

PgtsdbLateWritesShared *pgtsdb_late_writes_shared;	/* NULL: not preloaded */

static Note *notes;				/* in TopTransactionContext */

static Size shared_size(void);
static void attach(void *memory, bool is_new);
static void widen(Span *span, Span other);
static Note *note_of(int32 part);
static void on_xact_event(XactEvent event, void *arg);
static int64 begin_commit(void);
static void write_notes(int64 limit);
static void write_note(int32 part, Span changed);
static void insert_note(Datum *values, Oid table);
static void insert_by_statement(Datum *values);

/* ---- start of the server ---- */

void
pgtsdb_late_writes_init(void)
{
	static PgtsdbSharedMemory memory = {.name = "pgtsdb late writes", .size = shared_size, .attach = attach};

	pgtsdb_want_shared_memory(&memory);
	RegisterXactCallback(on_xact_event, NULL);
}

static Size
shared_size(void)
{
	return add_size(offsetof(PgtsdbLateWritesShared, limits), mul_size(MaxBackends, sizeof(pg_atomic_uint64)));
}

static void
attach(void *memory, bool is_new)
{
	PgtsdbLateWritesShared *shared = memory;

	pgtsdb_late_writes_shared = shared;
	if (!is_new)
		return;
	if (!pg_strong_random(&shared->server, sizeof(shared->server)))
		shared->server = GetCurrentTimestamp();
	pg_atomic_init_u64(&shared->promised, 0);
	pg_atomic_init_u64(&shared->commits, 0);
	shared->n_limits = MaxBackends;
	for (int i = 0; i < shared->n_limits; i++)
		pg_atomic_init_u64(&shared->limits[i], NO_LIMIT);
}

/* ---- while the transaction runs ---- */

/* What is rolled back with a savepoint stays noted: a note too many costs a little work, and no answer. */
void
pgtsdb_note_stored(int32 part, int64 t_min, int64 t_max)
{
	widen(&note_of(part)->stored, (Span) {t_min, t_max});
}

void
pgtsdb_note_removed(int32 part, int64 t_min, int64 t_max)
{
	widen(&note_of(part)->removed, (Span) {t_min, t_max});
}

static void
widen(Span *span, Span other)
{
	span->first = Min(span->first, other.first);
	span->last = Max(span->last, other.last);
}

static Note *
note_of(int32 part)
{
	Note	   *note = notes;

	while (note != NULL && note->part != part)
		note = note->next;
	if (note == NULL)
	{
		note = MemoryContextAllocZero(TopTransactionContext, sizeof(Note));
		note->part = part;
		note->stored = note->removed = NOTHING;
		note->next = notes;
		notes = note;
	}
	return note;
}

/* ---- its end ---- */

/* COMMIT comes when others see the transaction. */
static void
on_xact_event(XactEvent event, void *arg)
{
	if (notes == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			write_notes(begin_commit());
			break;
		case XACT_EVENT_PRE_PREPARE:
			/* it may be committed in an hour, and without a word to us */
			write_notes(PG_INT64_MAX);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			notes = NULL;
			if (pgtsdb_late_writes_shared != NULL)
				pg_atomic_write_u64(&pgtsdb_late_writes_shared->limits[pgtsdb_my_proc_number()], NO_LIMIT);
			break;
		default:
			break;
	}
}

/* From here until the end of the transaction no horizon passes what this answers: samples of an earlier time have to be noted. */
static int64
begin_commit(void)
{
	PgtsdbLateWritesShared *shared = pgtsdb_late_writes_shared;
	int64		limit = pgtsdb_now_ms() - pgtsdb_late_write_age * MS_PER_SECOND;

	if (shared == NULL)
		return limit;
	pg_atomic_write_u64(&shared->limits[pgtsdb_my_proc_number()], (uint64) limit);
	pg_atomic_fetch_add_u64(&shared->commits, 1);	/* a barrier, too */
	return Max(limit, (int64) pg_atomic_read_u64(&shared->promised));
}

static void
write_notes(int64 limit)
{
	for (const Note *note = notes; note != NULL; note = note->next)
	{
		Span		changed = note->removed;

		if (note->stored.first < limit)
			widen(&changed, note->stored);
		if (changed.first <= changed.last)
			write_note(note->part, changed);
	}
}

/* Storage may be gone meanwhile: dropped, or made in a subtransaction that was rolled back. */
static void
write_note(int32 part, Span changed)
{
	Oid			table = tsdb_local_table(TSDB_TABLE_LATE_WRITES, part);
	Datum		values[PGTSDB_LATE_WRITES_N];

	if (!OidIsValid(table))
		return;
	values[PGTSDB_LATE_WRITES_XID - 1] = Int64GetDatum((int64) U64FromFullTransactionId(GetTopFullTransactionId()));
	values[PGTSDB_LATE_WRITES_T_MIN - 1] = Int64GetDatum(changed.first);
	values[PGTSDB_LATE_WRITES_T_MAX - 1] = Int64GetDatum(changed.last);
	values[PGTSDB_LATE_WRITES_CHANGED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[PGTSDB_LATE_WRITES_PART - 1] = Int32GetDatum(part);
	insert_note(values, table);
}

static void
insert_note(Datum *values, Oid table)
{
	static const char *const columns[] = {"part", "xid"};
	Datum		key[] = {values[PGTSDB_LATE_WRITES_PART - 1], values[PGTSDB_LATE_WRITES_XID - 1]};
	bool		isnull[] = {false, false};
	PgtsdbRowInsert insert;
	Relation	index;
	TupleTableSlot *slot;

	if (!pgtsdb_row_insert_open(&insert, table, "late_writes", PGTSDB_LATE_WRITES_N, 1))
	{
		insert_by_statement(values);
		return;
	}
	index = tsdb_index_open(insert.heap, lengthof(columns), columns, RowExclusiveLock);
	slot = pgtsdb_row_insert_slot(&insert, 0);
	memcpy(slot->tts_values, values, PGTSDB_LATE_WRITES_N * sizeof(Datum));
	ExecStoreVirtualTuple(slot);
	pgtsdb_row_insert_store(&insert, 1);
	index_insert(index, key, isnull, &slot->tts_tid, insert.heap, UNIQUE_CHECK_YES, false, BuildIndexInfo(index));
	index_close(index, NoLock);
	pgtsdb_row_insert_close(&insert);
}

/* The table has a trigger, or what else only the executor serves. */
static void
insert_by_statement(Datum *values)
{
	static PgtsdbStatement insert = {
		"INSERT INTO tsdb.late_writes (xid, t_min, t_max, changed_at, part) VALUES ($1, $2, $3, $4, $5)",
		SPI_OK_INSERT
	};
	PgtsdbCaller caller;

	pgtsdb_act_as_owner(&caller);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	pgtsdb_statement_run(&insert, PGTSDB_LATE_WRITES_N, (Oid[]) {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, INT4OID}, values);
	SPI_finish();
	PopActiveSnapshot();
	pgtsdb_act_as_caller(&caller);
}
