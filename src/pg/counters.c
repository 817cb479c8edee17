/*
 * counters.c
 *		What has happened since the server started, by part, in shared memory.
 *
 * An entry is found by its key in an open-addressing table, and taken by compare-and-swap; it is never given back, so
 * a reader may look at any time.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"

#include "pg/counters.h"
#include "pg/shared_memory.h"

/* A power of two; 224 kB. */
#define N_ENTRIES 1024
/* Parts that one transaction usually writes; what is beyond is counted at once. */
#define MAX_PENDING 16

typedef struct Entry
{
	pg_atomic_uint64 key;		/* database and part; 0: free */
	pg_atomic_uint64 n[PGTSDB_COUNTERS];
} Entry;

/* What the current transaction will have done when it commits. */
typedef struct Pending
{
	int32		part;
	SubTransactionId subtransaction;
	uint64		n[PGTSDB_COUNTERS];
} Pending;

static Entry *entries;
static Pending pending[MAX_PENDING];
static int	n_pending;

static Size shared_size(void);
static void attach(void *memory, bool is_new);
static Entry *find_entry(int32 part, bool make);
static void add(int32 part, const uint64 n[PGTSDB_COUNTERS]);
static void at_transaction_end(XactEvent event, void *arg);
static void at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg);

/* ---- start of the server ---- */

void
pgtsdb_counters_init(void)
{
	static PgtsdbSharedMemory memory = {.name = "pgtsdb counters", .size = shared_size, .attach = attach};

	pgtsdb_want_shared_memory(&memory);
}

static Size
shared_size(void)
{
	return N_ENTRIES * sizeof(Entry);
}

static void
attach(void *memory, bool is_new)
{
	entries = memory;
	for (int i = 0; is_new && i < N_ENTRIES; i++)
	{
		pg_atomic_init_u64(&entries[i].key, 0);
		for (int j = 0; j < PGTSDB_COUNTERS; j++)
			pg_atomic_init_u64(&entries[i].n[j], 0);
	}
}

bool
pgtsdb_counters_exist(void)
{
	return entries != NULL;
}

/* ---- counting ---- */

/* NULL: there is none, or no room. */
static Entry *
find_entry(int32 part, bool make)
{
	uint64		key = (uint64) MyDatabaseId << 32 | (uint32) part;
	uint32		start = murmurhash32((uint32) MyDatabaseId ^ (uint32) part);

	for (uint32 i = 0; entries != NULL && i < N_ENTRIES; i++)
	{
		Entry	   *entry = &entries[(start + i) % N_ENTRIES];
		uint64		found = pg_atomic_read_u64(&entry->key);

		if (found == 0 && !make)
			return NULL;
		/* who comes second sees in `found` what the first has made of it */
		if (found == key || (found == 0 && (pg_atomic_compare_exchange_u64(&entry->key, &found, key) || found == key)))
			return entry;
	}
	return NULL;
}

static void
add(int32 part, const uint64 n[PGTSDB_COUNTERS])
{
	Entry	   *entry = find_entry(part, true);

	for (int i = 0; entry != NULL && i < PGTSDB_COUNTERS; i++)
		if (n[i] > 0)
			pg_atomic_fetch_add_u64(&entry->n[i], (int64) n[i]);
}

void
pgtsdb_count_now(int32 part, PgtsdbCounter counter, uint64 n)
{
	Entry	   *entry = find_entry(part, true);

	if (entry != NULL)
		pg_atomic_fetch_add_u64(&entry->n[counter], (int64) n);
}

void
pgtsdb_count_query(int32 part, uint64 samples, int64 ns)
{
	static const double bounds[] = PGTSDB_DURATION_BOUNDS;
	int			bucket = 0;
	uint64		n[PGTSDB_COUNTERS] = {0};

	StaticAssertStmt(lengthof(bounds) == PGTSDB_DURATION_BUCKETS - 1, "each bucket but the last needs a bound");
	while (bucket < lengthof(bounds) && (double) ns > bounds[bucket] * 1e9)
		bucket++;
	n[PGTSDB_COUNT_QUERY_SAMPLES] = samples;
	n[PGTSDB_COUNT_QUERY_NS] = (uint64) Max(ns, 0);
	n[PGTSDB_COUNT_QUERY_BUCKETS + bucket] = 1;
	add(part, n);
}

/* ---- at commit ---- */

void
pgtsdb_count_at_commit(int32 part, const uint64 n[PGTSDB_COUNTERS])
{
	static bool registered = false;
	SubTransactionId subtransaction = GetCurrentSubTransactionId();
	int			at = 0;

	if (entries == NULL)
		return;
	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	while (at < n_pending && (pending[at].part != part || pending[at].subtransaction != subtransaction))
		at++;
	if (at == MAX_PENDING)
	{
		add(part, n);
		return;
	}
	if (at == n_pending)
		pending[n_pending++] = (Pending) {.part = part, .subtransaction = subtransaction};
	for (int i = 0; i < PGTSDB_COUNTERS; i++)
		pending[at].n[i] += n[i];
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	for (int i = 0; event != XACT_EVENT_ABORT && i < n_pending; i++)
		add(pending[i].part, pending[i].n);
	n_pending = 0;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			kept = 0;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (int i = 0; i < n_pending; i++)
	{
		if (pending[i].subtransaction == mine && event == SUBXACT_EVENT_ABORT_SUB)
			continue;
		if (pending[i].subtransaction == mine)
			pending[i].subtransaction = parent;
		pending[kept++] = pending[i];
	}
	n_pending = kept;
}

/* ---- reading ---- */

void
pgtsdb_counters_of(const PgtsdbTenant *tenant, uint64 n[PGTSDB_COUNTERS])
{
	memset(n, 0, PGTSDB_COUNTERS * sizeof(uint64));
	for (int i = 0; i < tenant->n_parts; i++)
	{
		Entry	   *entry = find_entry(tenant->parts[i], false);

		for (int j = 0; entry != NULL && j < PGTSDB_COUNTERS; j++)
			n[j] += pg_atomic_read_u64(&entry->n[j]);
	}
}
