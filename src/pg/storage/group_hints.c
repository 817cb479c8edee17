/*
 * group_hints.c
 *		What writers remember of groups and their columns: hints, which save work when they are right.
 *
 * Two arrays, one slot per group and one per block of columns.  A hint lies in any of the PROBES slots that follow the home
 * of its owner.  Slots are filled from the first free one and never become free again; when all of them are taken, one is given to
 * another owner.  Values are read and written without a lock, while that may happen: see group_hints.h.
 *
 * In a preloaded server they lie in shared memory, else in the memory of each backend.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "core/base/base.h"
#include "pg/guc.h"
#include "pg/shared_memory.h"
#include "pg/storage/entry_version.h"
#include "pg/storage/group_hints.h"

#define PROBES 16
#define SERIES_PER_HINT 16		/* that there is room for: smaller groups are rare enough */
#define MIN_HINTS 1024			/* and what a backend without shared memory has */

typedef struct Hints
{
	uint64		mask;			/* number of slots - 1; the arrays have PROBES more */
	PgtsdbGroupHint *groups;
	PgtsdbColumnsHint *columns;
} Hints;

/* An array of hints, whatever follows their owners. */
typedef struct HintTable
{
	char	   *slots;
	Size		slot_size;
} HintTable;

static Hints hints;				/* groups NULL: not set up yet */

static Size shared_size(void);
static void attach(void *memory, bool is_new);
static uint64 number_of_slots(void);
static Size hints_size(uint64 slots);
static void place_hints(char *memory, uint64 slots);

void
pgtsdb_hints_init(void)
{
	static PgtsdbSharedMemory memory = {.name = "pgtsdb group hints", .size = shared_size, .attach = attach};

	pgtsdb_want_shared_memory(&memory);
}

static Size
shared_size(void)
{
	return hints_size(number_of_slots());
}

/* New: all versions are 0, those of free slots. */
static void
attach(void *memory, bool is_new)
{
	place_hints(memory, number_of_slots());
}

static uint64
number_of_slots(void)
{
	return pg_nextpower2_64(Max(pgtsdb_max_series / SERIES_PER_HINT, MIN_HINTS));
}

static Size
hints_size(uint64 slots)
{
	return (slots + PROBES) * (sizeof(PgtsdbGroupHint) + sizeof(PgtsdbColumnsHint));
}

static void
place_hints(char *memory, uint64 slots)
{
	hints.mask = slots - 1;
	hints.groups = (PgtsdbGroupHint *) memory;
	hints.columns = (PgtsdbColumnsHint *) (hints.groups + slots + PROBES);
}

/* A backend of a server that did not preload us remembers for itself, until it ends. */
static void
need_hints(void)
{
	if (unlikely(hints.groups == NULL))
		place_hints(MemoryContextAllocZero(TopMemoryContext, hints_size(MIN_HINTS)), MIN_HINTS);
}

static HintTable
group_table(void)
{
	need_hints();
	return (HintTable) {(char *) hints.groups, sizeof(PgtsdbGroupHint)};
}

static HintTable
columns_table(void)
{
	need_hints();
	return (HintTable) {(char *) hints.columns, sizeof(PgtsdbColumnsHint)};
}

static inline PgtsdbHintOwner *
hint_home(HintTable table, const PgtsdbHintOwner *owner)
{
	uint64		key[2] = {
		owner->identity + (uint32) owner->block,
		((uint64) (uint32) owner->part << 32) | (uint32) owner->group_id
	};

	return (PgtsdbHintOwner *) (table.slots + (tsdb_hash(key, sizeof(key), 0).lo & hints.mask) * table.slot_size);
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
pgtsdb_group_hint(uint64 identity, int32 part, int32 group_id)
{
	HintTable	table = group_table();
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
pgtsdb_find_columns_hint(uint64 identity, int32 part, int32 group_id, int32 block)
{
	HintTable	table = columns_table();
	PgtsdbHintOwner owner = {.part = part, .identity = identity, .group_id = group_id, .block = block};

	return (PgtsdbColumnsHint *) find_hint(table, &owner);
}

PgtsdbColumnsHint *
pgtsdb_add_columns_hint(uint64 identity, int32 part, int32 group_id, int32 block, uint32 last_second)
{
	HintTable	table = columns_table();
	PgtsdbHintOwner owner = {.part = part, .identity = identity, .group_id = group_id, .block = block};
	uint32		version;
	PgtsdbColumnsHint *hint = (PgtsdbColumnsHint *) claim_hint(table, &owner, &version);

	for (int i = 0; i < PGTSDB_HINT_COLUMNS; i++)
		hint->last_second[i] = last_second;
	release_version(&hint->owner.version, version);
	return hint;
}
