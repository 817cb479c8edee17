/*
 * series_cache.c
 *		What writers remember of the catalogue: series by hash.
 *
 * Series are found by a 128-bit hash, either of the bytes by which a sender
 * names the series or of its canonical labels, with the identity of the tables mixed
 * in.  What is known of a key is an entry of an array that is filled from the front and, when it
 * is full, overwritten from the front again: whoever misses what was there asks the
 * catalogue.  So the cache is never full and never fails.
 *
 * Entries stand in the order in which their series arrived first, and senders go on in that order. So the entry
 * behind the last one that was found is tried first: its memory is at hand, whereas a place found by a hash is
 * a cache miss and a walk of the page table.  When it is another one, an index of entry numbers tells:
 * each lies in any of the PROBES slots that follow the home of its key.  Slots are filled from the first free one and
 * never become free again, so a search ends at a free slot; one that leads to an overwritten entry is
 * filled anew when all others are taken.
 *
 * Entries are read without a lock.  Each has a version that is odd while someone
 * changes it; a reader copies the entry between two reads of the version and takes
 * a torn copy for a miss.  A writer makes the version odd by compare-and-swap; when that
 * fails someone else is at it, and the writer takes another entry.
 * Nobody waits, and no step can fail, so entries can be filled by a
 * commit callback without having been reserved before.
 *
 * The row of a new series is not committed while its creator runs, so its keys wait
 * in `pending` (which the creator searches too) until XACT_EVENT_COMMIT, when other
 * transactions see the row already.  Rollback of a (sub)transaction and PREPARE drop them.
 *
 * Without shared_preload_libraries the same table lies in the memory of the
 * backend.  Other backends cannot take retired series out of it, so any
 * invalidation of the series relation empties it.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "pg/guc.h"
#include "pg/shared_memory.h"
#include "pg/storage/entry_version.h"
#include "pg/storage/relations.h"
#include "pg/storage/series_cache.h"

#define PROBES 16
#define MAX_CLAIMS 8			/* entries that a publisher tries before it leaves the key out */
#define LOCAL_SERIES 25000		/* series that a backend without shared memory remembers */
#define KEYS_PER_SERIES 2		/* the sender's bytes and the canonical labels */
#define MAX_PENDING 1000000		/* keys of new series that one transaction remembers */

typedef struct SeriesEntry
{
	pg_atomic_uint32 version;	/* odd: being changed */
	int32		part;
	TsdbHash	key;			/* 0, 0: nothing, or forgotten */
	int32		group_id;
	int16		col;
	int16		unused;
} SeriesEntry;

StaticAssertDecl(sizeof(SeriesEntry) == 32, "two entries fill a cache line");

typedef struct Cache
{
	uint32		n_entries;
	uint32		slots_mask;		/* number of slots - 1; the arrays have PROBES more */
	uint32		number_mask;	/* of a slot: the bits of the entry's number; those above are of the key */
	pg_atomic_uint64 *n_filled; /* entries, counted on when the array is full */
	SeriesEntry *entries;		/* number 0 is never filled */
	pg_atomic_uint32 *slots;	/* 0: free */
} Cache;

/* A key whose series row is not committed yet. */
typedef struct PendingKey
{
	TsdbHash	key;
	PgtsdbSeriesRef series;
	SubTransactionId subxact;	/* that published it */
	char		status;			/* of simplehash */
} PendingKey;

#define SH_PREFIX keys
#define SH_ELEMENT_TYPE PendingKey
#define SH_KEY_TYPE TsdbHash
#define SH_KEY key
#define SH_HASH_KEY(tb, k) ((uint32) (k).lo)
#define SH_EQUAL(tb, a, b) ((a).lo == (b).lo && (a).hi == (b).hi)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Pending
{
	keys_hash  *keys;
	TsdbHash   *order;			/* of arrival; some may be no keys any more, or there twice */
	uint32		n;
	uint32		capacity;
} Pending;

static Cache cache;				/* entries NULL: not set up yet */
static bool cache_is_shared;

static Pending *pending;		/* NULL, or in TopTransactionContext */

/* The entry that was found last, how far it was behind the one before it, and whether that was foreseen. */
static uint32 last_found;
static uint32 stride = 1;
static bool foreseen;

static Oid	local_series_table; /* of the keys in a table of our own */

static Size shared_size(void);
static void attach(void *memory, bool is_new);
static Size cache_size(int max_series, Cache *layout);
static void place_cache(Cache *layout, char *memory);
static void need_cache(void);
static uint32 find_entry(TsdbHash key, PgtsdbSeriesRef *series);
static void publish(TsdbHash key, PgtsdbSeriesRef series);
static void add_pending(TsdbHash key, PgtsdbSeriesRef series);
static void publish_pending(void);
static int	compare_refs(const void *a, const void *b);
static void on_xact_event(XactEvent event, void *arg);
static void on_subxact_event(SubXactEvent event, SubTransactionId subxact, SubTransactionId parent, void *arg);
static void on_relcache_event(Datum arg, Oid relation);

/* ---- setting up ---- */

void
pgtsdb_cache_init(void)
{
	static PgtsdbSharedMemory memory = {.name = "pgtsdb series cache", .size = shared_size, .attach = attach};

	pgtsdb_want_shared_memory(&memory);
	RegisterXactCallback(on_xact_event, NULL);
	RegisterSubXactCallback(on_subxact_event, NULL);
	CacheRegisterRelcacheCallback(on_relcache_event, (Datum) 0);
}

static Size
shared_size(void)
{
	Cache		layout;

	return cache_size(pgtsdb_max_series, &layout);
}

static void
attach(void *memory, bool is_new)
{
	Cache		layout;

	(void) cache_size(pgtsdb_max_series, &layout);
	place_cache(&layout, memory);
	if (is_new)
		pg_atomic_init_u64(cache.n_filled, 0);	/* the others are 32-bit atomics of value 0 */
	cache_is_shared = true;
}

/* The numbers of entries and slots, which are two thirds full at most; pointers are left to place_cache(). */
static Size
cache_size(int max_series, Cache *layout)
{
	uint64		slots = pg_nextpower2_64((uint64) max_series * KEYS_PER_SERIES * 3 / 2);

	layout->n_entries = max_series * KEYS_PER_SERIES + 1;
	layout->slots_mask = slots - 1;
	layout->number_mask = pg_nextpower2_32(layout->n_entries) - 1;
	return 2 * PG_CACHE_LINE_SIZE + (Size) layout->n_entries * sizeof(SeriesEntry) +
		(slots + PROBES) * sizeof(pg_atomic_uint32);
}

static void
place_cache(Cache *layout, char *memory)
{
	layout->n_filled = (pg_atomic_uint64 *) TYPEALIGN(PG_CACHE_LINE_SIZE, memory);
	layout->entries = (SeriesEntry *) ((char *) layout->n_filled + PG_CACHE_LINE_SIZE);
	layout->slots = (pg_atomic_uint32 *) (layout->entries + layout->n_entries);
	cache = *layout;
}

/* A backend of a server that did not preload us remembers for itself, until it ends. */
static void
need_cache(void)
{
	Cache		layout;
	Size		size;

	if (likely(cache.entries != NULL))
		return;
	size = cache_size(LOCAL_SERIES, &layout);
	place_cache(&layout, MemoryContextAllocExtended(TopMemoryContext, size, MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE));
	pg_atomic_init_u64(cache.n_filled, 0);
}

uint64
pgtsdb_cache_identity(Oid series)
{
	Relation	relation = tsdb_leaf_open(series, AccessShareLock);
	Oid			parts[3];

	need_cache();
	if (relation == NULL)
		pgtsdb_table_is_gone("series");
	parts[0] = MyDatabaseId;
	parts[1] = series;
	parts[2] = relation->rd_rel->relfilenode;
	relation_close(relation, NoLock);
	if (!cache_is_shared)
		local_series_table = series;
	return tsdb_hash(parts, sizeof(parts), 0).lo;
}

/* ---- series ---- */

static inline pg_atomic_uint32 *
home_slot(TsdbHash key)
{
	return &cache.slots[key.lo & cache.slots_mask];
}

/* What a slot has of the key. */
static inline uint32
slot_tag(TsdbHash key)
{
	return (uint32) (key.hi >> 32) & ~cache.number_mask;
}

/* Nothing to fetch as long as series come as foreseen. */
void
pgtsdb_cache_prefetch(TsdbHash key)
{
#ifdef __GNUC__
	if (!foreseen)
		__builtin_prefetch(home_slot(key));
#endif
}

/* A copy of the entry; false when it is being changed. */
static inline bool
read_entry(const SeriesEntry *entry, SeriesEntry *copy)
{
	uint32		version = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &entry->version));

	pg_read_barrier();
	*copy = *entry;
	pg_read_barrier();
	return (version & 1) == 0 && pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &entry->version)) == version;
}

static inline bool
entry_has_key(uint32 number, TsdbHash key, PgtsdbSeriesRef *series)
{
	const SeriesEntry *entry = &cache.entries[number];
	SeriesEntry copy;

	if (entry->key.lo != key.lo || !read_entry(entry, &copy) || copy.key.lo != key.lo || copy.key.hi != key.hi)
		return false;
	*series = (PgtsdbSeriesRef) {copy.part, copy.group_id, copy.col};
	return true;
}

bool
pgtsdb_cache_find(TsdbHash key, PgtsdbSeriesRef *series, bool *committed)
{
	uint32		number = last_found + stride;

	need_cache();
	if (unlikely(pending != NULL))
	{
		PendingKey *entry = keys_lookup(pending->keys, key);

		if (entry != NULL)
		{
			*series = entry->series;
			*committed = false;
			return true;
		}
	}

	foreseen = number < cache.n_entries && entry_has_key(number, key, series);
	if (!foreseen)
	{
		number = find_entry(key, series);
		if (number == 0)
			return false;
		/* a sender of several queues puts every second or third series into one */
		stride = number - last_found;
	}
	last_found = number;
	*committed = true;
	return true;
}

/* The number of its entry, 0: none. */
static uint32
find_entry(TsdbHash key, PgtsdbSeriesRef *series)
{
	pg_atomic_uint32 *slot = home_slot(key);
	uint32		tag = slot_tag(key);

	for (int i = 0; i < PROBES; i++, slot++)
	{
		uint32		value = pg_atomic_read_u32(slot);
		uint32		number = value & cache.number_mask;

		if (value == 0)
			break;
		if ((value & ~cache.number_mask) == tag && entry_has_key(number, key, series))
			return number;
	}
	return 0;
}

void
pgtsdb_cache_publish(TsdbHash key, PgtsdbSeriesRef series, bool committed)
{
	need_cache();
	if (committed)
		publish(key, series);
	else
		add_pending(key, series);
}

static bool
fill_entry(SeriesEntry *entry, TsdbHash key, PgtsdbSeriesRef series)
{
	uint32		version = pg_atomic_read_u32(&entry->version);

	if (!claim_version(&entry->version, version))
		return false;
	entry->key = key;
	entry->part = series.part;
	entry->group_id = series.group_id;
	entry->col = series.col;
	release_version(&entry->version, version);
	return true;
}

/* Fills the next entry and answers its number; 0: others were at all that were tried. */
static uint32
take_entry(TsdbHash key, PgtsdbSeriesRef series)
{
	for (int i = 0; i < MAX_CLAIMS; i++)
	{
		uint32		number = 1 + (uint32) (pg_atomic_fetch_add_u64(cache.n_filled, 1) % (cache.n_entries - 1));

		if (fill_entry(&cache.entries[number], key, series))
			return number;
	}
	return 0;
}

/* Whether the entry to which a slot leads has been given to another key. */
static bool
is_stale(pg_atomic_uint32 *slot)
{
	uint32		value = pg_atomic_read_u32(slot);
	SeriesEntry entry;
	uint32		distance;

	if (!read_entry(&cache.entries[value & cache.number_mask], &entry))
		return false;
	distance = (uint32) (slot - home_slot(entry.key));
	return distance >= PROBES || slot_tag(entry.key) != (value & ~cache.number_mask);
}

/*
 * Two backends may publish one key into two entries: both say the same, since an
 * older answer was forgotten under a lock that excludes publishers.
 */
static void
publish(TsdbHash key, PgtsdbSeriesRef series)
{
	pg_atomic_uint32 *home = home_slot(key);
	int			victim = pg_prng_uint64_range(&pg_global_prng_state, 0, PROBES - 1);
	PgtsdbSeriesRef known;
	uint32		number = find_entry(key, &known);

	if (number != 0 && fill_entry(&cache.entries[number], key, series))
		return;
	number = take_entry(key, series);
	if (number == 0)
		return;
	for (int i = 0; i < PROBES; i++)
	{
		uint32		free_slot = 0;

		if (pg_atomic_read_u32(&home[i]) == 0 &&
			pg_atomic_compare_exchange_u32(&home[i], &free_slot, slot_tag(key) | number))
			return;
	}
	for (int i = 0; i < PROBES; i++)
		if (is_stale(&home[i]))
			victim = i;
	pg_atomic_write_u32(&home[victim], slot_tag(key) | number);
}

static int
compare_refs(const void *a, const void *b)
{
	return pgtsdb_series_ref_compare(a, b);
}

static bool
is_among(PgtsdbSeriesRef ref, const PgtsdbSeriesRef *series, size_t n)
{
	return ref.group_id >= series[0].group_id && ref.group_id <= series[n - 1].group_id &&
		bsearch(&ref, series, n, sizeof(*series), compare_refs) != NULL;
}

/*
 * Walks all entries, because keys made of senders' bytes cannot be computed from
 * the series.  Nobody publishes these series meanwhile, since we hold the lock;
 * an entry that is being changed gets some other one, and soon has.  Only entries that are to be emptied are claimed, since
 * that takes longer than all the rest.
 */
void
pgtsdb_cache_forget(Oid series_table, const PgtsdbSeriesRef *series, size_t n)
{
	uint64		n_filled;
	keys_iterator iterator;
	PendingKey *key;

	need_cache();
	n_filled = Min(pg_atomic_read_u64(cache.n_filled), cache.n_entries - 1);
	for (uint64 i = 1; i <= n_filled; i++)
	{
		SeriesEntry *entry = &cache.entries[i];
		SeriesEntry copy;
		uint32		version;

		if (read_entry(entry, &copy) && !is_among((PgtsdbSeriesRef) {copy.part, copy.group_id, copy.col}, series, n))
			continue;
		do
			version = pg_atomic_read_u32(&entry->version);
		while (!claim_version(&entry->version, version));
		if (is_among((PgtsdbSeriesRef) {entry->part, entry->group_id, entry->col}, series, n))
			entry->key = (TsdbHash) {0, 0};
		release_version(&entry->version, version);
	}
	if (pending != NULL)
	{
		keys_start_iterate(pending->keys, &iterator);
		while ((key = keys_iterate(pending->keys, &iterator)) != NULL)
			if (is_among(key->series, series, n))
				keys_delete_item(pending->keys, key);
	}
	/* Backends without shared memory hear of it at our commit, before we release the locks. */
	CacheInvalidateRelcacheByRelid(series_table);
}

/* ---- series that are not committed ---- */

static void
add_pending(TsdbHash key, PgtsdbSeriesRef series)
{
	PendingKey *entry;
	bool		found;

	if (pending == NULL)
	{
		Pending    *empty = MemoryContextAllocZero(TopTransactionContext, sizeof(Pending));

		empty->keys = keys_create(TopTransactionContext, 256, NULL);
		pending = empty;
	}
	else if (pending->n >= MAX_PENDING)
		return;
	entry = keys_insert(pending->keys, key, &found);
	entry->series = series;
	if (found)
		return;
	entry->subxact = GetCurrentSubTransactionId();
	if (pending->n == pending->capacity)
	{
		pending->capacity = Max(256, pending->capacity * 2);
		pending->order = pending->order == NULL ?
			MemoryContextAllocHuge(TopTransactionContext, pending->capacity * sizeof(TsdbHash)) :
			repalloc_huge(pending->order, pending->capacity * sizeof(TsdbHash));
	}
	pending->order[pending->n++] = key;
}

/* In the order of arrival, which is the one in which they will be looked for. May not fail: the transaction is over. */
static void
publish_pending(void)
{
	for (uint32 i = 0; i < pending->n; i++)
	{
		PendingKey *entry = keys_lookup(pending->keys, pending->order[i]);

		if (entry != NULL)
			publish(entry->key, entry->series);
	}
}

/* ---- ends of transactions, invalidation ---- */

static void
on_xact_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (pending != NULL)
				publish_pending();
			pending = NULL;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pending = NULL;		/* its memory goes with the transaction */
			break;
		default:
			break;
	}
}

/*
 * Subtransaction ids grow, so whatever was published since this one began has its id or a higher
 * one, and belongs to it.
 */
static void
on_subxact_event(SubXactEvent event, SubTransactionId subxact, SubTransactionId parent, void *arg)
{
	keys_iterator iterator;
	PendingKey *entry;

	if (event != SUBXACT_EVENT_ABORT_SUB || pending == NULL)
		return;
	keys_start_iterate(pending->keys, &iterator);
	while ((entry = keys_iterate(pending->keys, &iterator)) != NULL)
		if (entry->subxact >= subxact)
			keys_delete_item(pending->keys, entry);
}

/* Shared entries need no care: retiring takes them out, and a new relation has a new identity. */
static void
on_relcache_event(Datum arg, Oid relation)
{
	if (cache_is_shared || cache.entries == NULL || (OidIsValid(relation) && relation != local_series_table))
		return;
	pg_atomic_write_u64(cache.n_filled, 0);
	memset(cache.entries, 0, (Size) cache.n_entries * sizeof(SeriesEntry));
	memset(cache.slots, 0, ((Size) cache.slots_mask + 1 + PROBES) * sizeof(pg_atomic_uint32));
}
