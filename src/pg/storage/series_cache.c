/*
 * series_cache.c
 *		What writers remember of the catalogue: series by hash, and hints about groups.
 *
 * Series are found by a 128-bit hash, either of the bytes by which a sender
 * names the series or of its canonical labels, with the identity of the tables mixed
 * in.  The table is an array of slots of fixed size; a key may lie in any of the
 * PROBES slots that follow its home.  Slots are filled from the first free one
 * and never become free again, so a search ends at a free slot.  When all PROBES
 * slots are taken, a new key replaces one at random: whoever misses it asks the
 * catalogue.  So the table is never full and never fails.
 *
 * Slots are read without a lock.  Each has a version that is odd while someone
 * changes it; a reader copies the slot between two reads of the version and takes
 * a torn copy for a miss.  A writer makes the version odd by compare-and-swap; when that
 * fails someone else is at it, and the writer goes to the next slot.
 * Nobody waits, and no step can fail, so slots can be filled by a
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
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "pg/guc.h"
#include "pg/storage/relations.h"
#include "pg/storage/series_cache.h"

#define PROBES 16
#define LOCAL_SERIES 25000		/* series that a backend without shared memory remembers */
#define KEYS_PER_SERIES 2		/* the sender's bytes and the canonical labels */
#define SERIES_PER_HINT 16		/* that the tables of hints have room for: smaller groups are rare enough */
#define MAX_PENDING 1000000		/* keys of new series that one transaction remembers */

typedef struct SeriesSlot
{
	pg_atomic_uint32 version;	/* 0: free; odd: being changed */
	int32		part;
	TsdbHash	key;			/* 0, 0: forgotten */
	int32		group_id;
	int16		col;
	int16		unused;
} SeriesSlot;

StaticAssertDecl(sizeof(SeriesSlot) == 32, "two slots fill a cache line");

typedef struct Cache
{
	uint32		series_mask;	/* number of slots - 1; the arrays have PROBES more */
	uint32		hints_mask;
	SeriesSlot *series;
	PgtsdbGroupHint *groups;
	PgtsdbColumnsHint *columns;
} Cache;

/* A key whose series row is not committed yet. */
typedef struct PendingKey
{
	TsdbHash	key;
	PgtsdbSeriesRef series;
	SubTransactionId subxact;	/* that published it */
	char		status;			/* of simplehash */
} PendingKey;

#define SH_PREFIX pending
#define SH_ELEMENT_TYPE PendingKey
#define SH_KEY_TYPE TsdbHash
#define SH_KEY key
#define SH_HASH_KEY(tb, k) ((uint32) (k).lo)
#define SH_EQUAL(tb, a, b) ((a).lo == (b).lo && (a).hi == (b).hi)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static Cache cache;				/* series NULL: not set up yet */
static bool cache_is_shared;
static pending_hash *pending;	/* NULL, or in TopTransactionContext */
static Oid	local_series_table; /* of the keys in a table of our own */

static shmem_request_hook_type previous_shmem_request_hook;
static shmem_startup_hook_type previous_shmem_startup_hook;

static void request_shmem(void);
static void startup_shmem(void);
static Size cache_size(int max_series, Cache *layout);
static void place_cache(Cache *layout, char *memory);
static void need_cache(void);
static void publish(TsdbHash key, PgtsdbSeriesRef series);
static int	compare_refs(const void *a, const void *b);
static void on_xact_event(XactEvent event, void *arg);
static void on_subxact_event(SubXactEvent event, SubTransactionId subxact, SubTransactionId parent, void *arg);
static void on_relcache_event(Datum arg, Oid relation);

/* ---- setting up ---- */

void
pgtsdb_cache_init(void)
{
	if (process_shared_preload_libraries_in_progress)
	{
		previous_shmem_request_hook = shmem_request_hook;
		shmem_request_hook = request_shmem;
		previous_shmem_startup_hook = shmem_startup_hook;
		shmem_startup_hook = startup_shmem;
	}
	RegisterXactCallback(on_xact_event, NULL);
	RegisterSubXactCallback(on_subxact_event, NULL);
	CacheRegisterRelcacheCallback(on_relcache_event, (Datum) 0);
}

static void
request_shmem(void)
{
	Cache		layout;

	if (previous_shmem_request_hook)
		previous_shmem_request_hook();
	RequestAddinShmemSpace(cache_size(pgtsdb_max_series, &layout));
}

static void
startup_shmem(void)
{
	Cache		layout;
	Size		size = cache_size(pgtsdb_max_series, &layout);
	bool		found;
	char	   *memory;

	if (previous_shmem_startup_hook)
		previous_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	memory = ShmemInitStruct("pgtsdb series cache", size, &found);
	if (!found)
		memset(memory, 0, size);	/* atomics of value 0 */
	LWLockRelease(AddinShmemInitLock);
	place_cache(&layout, memory);
	cache_is_shared = true;
}

/* The numbers of slots, two thirds full at most; pointers are left to place_cache(). */
static Size
cache_size(int max_series, Cache *layout)
{
	uint64		series = pg_nextpower2_64((uint64) max_series * KEYS_PER_SERIES * 3 / 2);
	uint64		hints = pg_nextpower2_64(Max(max_series / SERIES_PER_HINT, 1024));

	layout->series_mask = series - 1;
	layout->hints_mask = hints - 1;
	return PG_CACHE_LINE_SIZE + (series + PROBES) * sizeof(SeriesSlot) +
		(hints + PROBES) * (sizeof(PgtsdbGroupHint) + sizeof(PgtsdbColumnsHint));
}

static void
place_cache(Cache *layout, char *memory)
{
	layout->series = (SeriesSlot *) TYPEALIGN(PG_CACHE_LINE_SIZE, memory);
	layout->groups = (PgtsdbGroupHint *) (layout->series + layout->series_mask + 1 + PROBES);
	layout->columns = (PgtsdbColumnsHint *) (layout->groups + layout->hints_mask + 1 + PROBES);
	cache = *layout;
}

/* A backend of a server that did not preload us remembers for itself, until it ends. */
static void
need_cache(void)
{
	Cache		layout;
	Size		size;

	if (likely(cache.series != NULL))
		return;
	size = cache_size(LOCAL_SERIES, &layout);
	place_cache(&layout, MemoryContextAllocExtended(TopMemoryContext, size, MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE));
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

void
pgtsdb_cache_prefetch(TsdbHash key)
{
#ifdef __GNUC__
	__builtin_prefetch(&cache.series[key.lo & cache.series_mask]);
#endif
}

/* A copy of the slot; false when it was changed meanwhile. */
static inline bool
read_slot(SeriesSlot *slot, SeriesSlot *copy, uint32 version)
{
	*copy = *slot;
	pg_read_barrier();
	return pg_atomic_read_u32(&slot->version) == version;
}

bool
pgtsdb_cache_find(TsdbHash key, PgtsdbSeriesRef *series, bool *committed)
{
	SeriesSlot *slot;

	need_cache();
	if (unlikely(pending != NULL))
	{
		PendingKey *entry = pending_lookup(pending, key);

		if (entry != NULL)
		{
			*series = entry->series;
			*committed = false;
			return true;
		}
	}

	slot = &cache.series[key.lo & cache.series_mask];
	for (int i = 0; i < PROBES; i++, slot++)
	{
		uint32		version = pg_atomic_read_u32(&slot->version);
		SeriesSlot	copy;

		if (version == 0)
			return false;
		if (version & 1)
			continue;
		pg_read_barrier();
		if (slot->key.lo != key.lo || !read_slot(slot, &copy, version) ||
			copy.key.lo != key.lo || copy.key.hi != key.hi)
			continue;
		*series = (PgtsdbSeriesRef) {copy.part, copy.group_id, copy.col};
		*committed = true;
		return true;
	}
	return false;
}

void
pgtsdb_cache_publish(TsdbHash key, PgtsdbSeriesRef series, bool committed)
{
	PendingKey *entry;
	bool		found;

	need_cache();
	if (committed)
	{
		publish(key, series);
		return;
	}
	if (pending == NULL)
		pending = pending_create(TopTransactionContext, 256, NULL);
	else if (pending->members >= MAX_PENDING)
		return;
	entry = pending_insert(pending, key, &found);
	entry->series = series;
	if (!found)
		entry->subxact = GetCurrentSubTransactionId();
}

/* Makes the version odd; false when someone else has done so. */
static inline bool
claim_version(pg_atomic_uint32 *version, uint32 expected)
{
	return (expected & 1) == 0 && pg_atomic_compare_exchange_u32(version, &expected, expected + 1);
}

static inline void
release_version(pg_atomic_uint32 *version, uint32 expected)
{
	uint32		next = expected + 2;

	pg_write_barrier();
	pg_atomic_write_u32(version, next != 0 ? next : 2); /* 0 would end searches */
}

static bool
fill_slot(SeriesSlot *slot, uint32 version, TsdbHash key, PgtsdbSeriesRef series)
{
	if (!claim_version(&slot->version, version))
		return false;
	slot->key = key;
	slot->part = series.part;
	slot->group_id = series.group_id;
	slot->col = series.col;
	release_version(&slot->version, version);
	return true;
}

/*
 * Two backends may publish one key into two slots: both say the same, since an
 * older answer was forgotten under a lock that excludes publishers.
 */
static void
publish(TsdbHash key, PgtsdbSeriesRef series)
{
	SeriesSlot *home = &cache.series[key.lo & cache.series_mask];
	int			victim = pg_prng_uint64_range(&pg_global_prng_state, 0, PROBES - 1);

	for (int i = 0; i < PROBES; i++)
	{
		SeriesSlot *slot = &home[i];
		uint32		version = pg_atomic_read_u32(&slot->version);

		pg_read_barrier();
		if (version != 0 && slot->key.lo == key.lo && slot->key.hi == key.hi)
			victim = i;
		else if (version != 0 && (slot->key.lo != 0 || slot->key.hi != 0))
			continue;
		if (fill_slot(slot, version, key, series))
			return;
	}
	fill_slot(&home[victim], pg_atomic_read_u32(&home[victim].version), key, series);
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
 * Walks the whole table, because keys made of senders' bytes cannot be computed from
 * the series.  Nobody publishes these series meanwhile, since we hold the lock;
 * a slot that is being changed gets some other one, and soon has.  Only slots that are to be emptied are claimed, since
 * that takes longer than all the rest.
 */
void
pgtsdb_cache_forget(Oid series_table, const PgtsdbSeriesRef *series, size_t n)
{
	uint64		slots;
	pending_iterator iterator;
	PendingKey *entry;

	need_cache();
	slots = (uint64) cache.series_mask + 1 + PROBES;
	for (uint64 i = 0; i < slots; i++)
	{
		SeriesSlot *slot = &cache.series[i];
		uint32		version = pg_atomic_read_u32(&slot->version);
		SeriesSlot	copy;

		if (version == 0)
			continue;
		pg_read_barrier();
		if (!(version & 1) && read_slot(slot, &copy, version) &&
			!is_among((PgtsdbSeriesRef) {copy.part, copy.group_id, copy.col}, series, n))
			continue;
		while (!claim_version(&slot->version, version))
			version = pg_atomic_read_u32(&slot->version);
		if (is_among((PgtsdbSeriesRef) {slot->part, slot->group_id, slot->col}, series, n))
			slot->key = (TsdbHash) {0, 0};
		release_version(&slot->version, version);
	}
	if (pending != NULL)
	{
		pending_start_iterate(pending, &iterator);
		while ((entry = pending_iterate(pending, &iterator)) != NULL)
			if (is_among(entry->series, series, n))
				pending_delete_item(pending, entry);
	}
	/* Backends without shared memory hear of it at our commit, before we release the locks. */
	CacheInvalidateRelcacheByRelid(series_table);
}

/* ---- hints ---- */

/* An array of hints, whatever follows their owners. */
typedef struct HintTable
{
	char	   *slots;
	Size		slot_size;
} HintTable;

static inline PgtsdbHintOwner *
hint_home(HintTable table, const PgtsdbHintOwner *owner)
{
	uint64		key[2] = {
		owner->identity + (uint32) owner->block,
		((uint64) (uint32) owner->part << 32) | (uint32) owner->group_id
	};

	return (PgtsdbHintOwner *) (table.slots + (tsdb_hash(key, sizeof(key), 0).lo & cache.hints_mask) * table.slot_size);
}

static inline PgtsdbHintOwner *
hint_after(HintTable table, PgtsdbHintOwner *slot, int n)
{
	return (PgtsdbHintOwner *) ((char *) slot + n * table.slot_size);
}

/* NULL: not known, or just being given away. */
static PgtsdbHintOwner *
find_hint(HintTable table, const PgtsdbHintOwner *owner)
{
	PgtsdbHintOwner *slot = hint_home(table, owner);

	for (int i = 0; i < PROBES; i++, slot = hint_after(table, slot, 1))
	{
		uint32		version = pg_atomic_read_u32(&slot->version);

		if (version == 0)
			return NULL;
		pg_read_barrier();
		if ((version & 1) == 0 && slot->group_id == owner->group_id && slot->part == owner->part &&
			slot->block == owner->block && slot->identity == owner->identity)
			return slot;
	}
	return NULL;
}

/* Claims a free slot, or takes one from somebody; the caller fills it in and releases it. */
static PgtsdbHintOwner *
claim_hint(HintTable table, const PgtsdbHintOwner *owner, uint32 *version)
{
	PgtsdbHintOwner *home = hint_home(table, owner);
	PgtsdbHintOwner *slot = NULL;

	for (int i = 0; i < PROBES && slot == NULL; i++)
	{
		PgtsdbHintOwner *candidate = hint_after(table, home, i);

		*version = 0;
		if (pg_atomic_read_u32(&candidate->version) == 0 && claim_version(&candidate->version, 0))
			slot = candidate;
	}
	while (slot == NULL)
	{
		int			n = (int) pg_prng_uint64_range(&pg_global_prng_state, 0, PROBES - 1);
		PgtsdbHintOwner *victim = hint_after(table, home, n);

		*version = pg_atomic_read_u32(&victim->version);
		if (claim_version(&victim->version, *version))
			slot = victim;
	}
	slot->identity = owner->identity;
	slot->part = owner->part;
	slot->group_id = owner->group_id;
	slot->block = owner->block;
	return slot;
}

PgtsdbGroupHint *
pgtsdb_cache_group(uint64 identity, int32 part, int32 group_id)
{
	HintTable	table = {(char *) cache.groups, sizeof(PgtsdbGroupHint)};
	PgtsdbHintOwner owner = {.part = part, .identity = identity, .group_id = group_id};
	PgtsdbGroupHint *hint = (PgtsdbGroupHint *) find_hint(table, &owner);
	uint32		version;

	if (hint != NULL)
		return hint;
	hint = (PgtsdbGroupHint *) claim_hint(table, &owner, &version);
	/* Somewhere in the lower half: others that start cold as well get other numbers, and there is room to count up. */
	pg_atomic_write_u32(&hint->next_n, pg_prng_uint32(&pg_global_prng_state) & 0x3fff);
	pg_atomic_write_u32(&hint->seen_hour, 0);
	release_version(&hint->owner.version, version);
	return hint;
}

PgtsdbColumnsHint *
pgtsdb_cache_find_columns(uint64 identity, int32 part, int32 group_id, int32 block)
{
	HintTable	table = {(char *) cache.columns, sizeof(PgtsdbColumnsHint)};
	PgtsdbHintOwner owner = {.part = part, .identity = identity, .group_id = group_id, .block = block};

	return (PgtsdbColumnsHint *) find_hint(table, &owner);
}

PgtsdbColumnsHint *
pgtsdb_cache_add_columns(uint64 identity, int32 part, int32 group_id, int32 block, uint32 last_second)
{
	HintTable	table = {(char *) cache.columns, sizeof(PgtsdbColumnsHint)};
	PgtsdbHintOwner owner = {.part = part, .identity = identity, .group_id = group_id, .block = block};
	uint32		version;
	PgtsdbColumnsHint *hint = (PgtsdbColumnsHint *) claim_hint(table, &owner, &version);

	for (int i = 0; i < PGTSDB_HINT_COLUMNS; i++)
		hint->last_second[i] = last_second;
	release_version(&hint->owner.version, version);
	return hint;
}

/* ---- ends of transactions, invalidation ---- */

/* May not fail: the transaction is over. */
static void
on_xact_event(XactEvent event, void *arg)
{
	pending_iterator iterator;
	PendingKey *entry;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (pending != NULL)
			{
				pending_start_iterate(pending, &iterator);
				while ((entry = pending_iterate(pending, &iterator)) != NULL)
					publish(entry->key, entry->series);
			}
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
	pending_iterator iterator;
	PendingKey *entry;

	if (event != SUBXACT_EVENT_ABORT_SUB || pending == NULL)
		return;
	pending_start_iterate(pending, &iterator);
	while ((entry = pending_iterate(pending, &iterator)) != NULL)
		if (entry->subxact >= subxact)
			pending_delete_item(pending, entry);
}

/* Shared slots need no care: retiring takes them out, and a new relation has a new identity. */
static void
on_relcache_event(Datum arg, Oid relation)
{
	if (cache_is_shared || cache.series == NULL || (OidIsValid(relation) && relation != local_series_table))
		return;
	memset(cache.series, 0, ((Size) cache.series_mask + 1 + PROBES) * sizeof(SeriesSlot));
}
