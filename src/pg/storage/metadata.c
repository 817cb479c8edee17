/*
 * metadata.c
 *		Type, help text and unit of metrics, on their way into tsdb.metric_definitions.
 *
 * Targets and senders repeat their metadata with every scrape or every minute,
 * and it changes next to never.  So each backend remembers the hashes of what it has
 * stored, and what is left is compared with the table before anything is locked
 * or written.  A field that was not told leaves what is there.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "pg/mem.h"
#include "pg/storage/catalogue.h"
#include "pg/storage/locks.h"
#include "pg/storage/metadata.h"
#include "pg/storage/relations.h"
#include "pg/storage/statement.h"
#include "pg/storage/storage_internal.h"
#include "pg/types/types.h"

#define MAX_TEXT_BYTES (16 * 1024)	/* of a help text or unit; the rest is cut off */
#define MAX_REMEMBERED (64 * 1024)	/* definitions; then all are forgotten */

/* The hash of a definition that this backend has stored. */
typedef struct StoredDefinition
{
	uint64		hash;
	char		status;			/* of simplehash */
} StoredDefinition;

#define SH_PREFIX stored
#define SH_ELEMENT_TYPE StoredDefinition
#define SH_KEY_TYPE uint64
#define SH_KEY hash
#define SH_HASH_KEY(tb, k) ((uint32) (k))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Definition
{
	int32		part;
	uint64		hash;
	size_t		arrival;
	TsdbMetadata metadata;
} Definition;

struct PgtsdbMetadataList
{
	MemoryContext context;
	TsdbArena  *arena;
	size_t		n;
	size_t		capacity;
	Definition *definitions;
};

/* In TopMemoryContext, because they outlive transactions; dropped with the first abort. */
static stored_hash *stored;
static Oid	stored_table;

static uint64 definition_hash(int32 part, const TsdbMetadata *metadata);
static uint64 add_to_hash(TsdbStr text, uint64 seed);
static TsdbStr keep_text(TsdbArena *arena, TsdbStr text);
static int	compare_definitions(const void *a, const void *b);
static void store_part(const Definition *definitions, size_t n);
static uint64 run_for(PgtsdbStatement *statement, const Definition *definitions, size_t n);
static Datum text_array(const Definition *definitions, size_t n, size_t offset);
static void remember(const PgtsdbMetadataList *list);
static void forget(void);
static void on_xact_event(XactEvent event, void *arg);
static void on_subxact_event(SubXactEvent event, SubTransactionId subxact, SubTransactionId parent, void *arg);
static void on_relcache_event(Datum arg, Oid relation);

void
pgtsdb_metadata_init(void)
{
	RegisterXactCallback(on_xact_event, NULL);
	RegisterSubXactCallback(on_subxact_event, NULL);
	CacheRegisterRelcacheCallback(on_relcache_event, (Datum) 0);
}

/* ---- collecting ---- */

PgtsdbMetadataList *
pgtsdb_metadata_create(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb metadata", ALLOCSET_SMALL_SIZES);
	PgtsdbMetadataList *list = MemoryContextAllocZero(context, sizeof(PgtsdbMetadataList));

	list->context = context;
	list->arena = pgtsdb_arena_create(context, 0, NULL);
	return list;
}

TsdbStatus
pgtsdb_metadata_add(PgtsdbMetadataList *list, int32 part, const TsdbMetadata *metadata, TsdbError *error)
{
	uint64		hash = definition_hash(part, metadata);

	if (stored != NULL && stored_lookup(stored, hash) != NULL)
		return TSDB_OK;
	if (metadata->metric.len == 0 || metadata->metric.len > PGTSDB_MAX_METRIC_NAME_BYTES)
		return tsdb_fail(error, TSDB_ERR_LIMIT, "metadata of a metric whose name has %zu bytes", metadata->metric.len);
	if (!tsdb_utf8_is_valid(metadata->metric) || !tsdb_utf8_is_valid(metadata->type) ||
		!tsdb_utf8_is_valid(metadata->help) || !tsdb_utf8_is_valid(metadata->unit))
		return tsdb_fail(error, TSDB_ERR_ENCODING, "metadata of a metric is not valid UTF-8");

	if (list->n == list->capacity)
	{
		size_t		capacity = list->capacity == 0 ? 64 : list->capacity * 2;

		list->definitions = pgtsdb_grow_array(list->arena, list->definitions, list->capacity, capacity);
		list->capacity = capacity;
	}
	list->definitions[list->n] = (Definition) {
		part, hash, list->n,
		{
			keep_text(list->arena, metadata->metric),
			metadata->type.len > 0 ? keep_text(list->arena, metadata->type) : (TsdbStr) {NULL, 0},
			keep_text(list->arena, metadata->help),
			keep_text(list->arena, metadata->unit)
		}
	};
	list->n++;
	return TSDB_OK;
}

static uint64
definition_hash(int32 part, const TsdbMetadata *metadata)
{
	uint64		hash = add_to_hash(metadata->metric, (uint32) part);

	hash = add_to_hash(metadata->type, hash);
	hash = add_to_hash(metadata->help, hash);
	return add_to_hash(metadata->unit, hash);
}

static uint64
add_to_hash(TsdbStr text, uint64 seed)
{
	/* "Not told" and "empty" are different things. */
	return text.data == NULL ? seed * 31 + 1 : tsdb_hash(text.data, text.len, seed).lo;
}

/* What a text column can hold of it: no zero bytes, and not without end. */
static TsdbStr
keep_text(TsdbArena *arena, TsdbStr text)
{
	const char *zero = text.len > 0 ? memchr(text.data, '\0', text.len) : NULL;

	if (text.data == NULL)
		return text;
	if (zero != NULL)
		text.len = zero - text.data;
	if (text.len > MAX_TEXT_BYTES)
		text.len = tsdb_utf8_valid_prefix(text.data, MAX_TEXT_BYTES);
	return tsdb_str_copy(arena, text);
}

/* ---- storing ---- */

void
pgtsdb_metadata_store(PgtsdbMetadataList *list)
{
	size_t		kept = 0;

	if (list->n == 0)
		return;

	/* One definition per metric, the one told last: rows of one statement must not meet. */
	qsort(list->definitions, list->n, sizeof(*list->definitions), compare_definitions);
	for (size_t i = 0; i < list->n; i++)
	{
		if (i + 1 < list->n && list->definitions[i].part == list->definitions[i + 1].part &&
			tsdb_str_equal(list->definitions[i].metadata.metric, list->definitions[i + 1].metadata.metric))
			continue;
		list->definitions[kept++] = list->definitions[i];
	}
	list->n = kept;

	for (size_t first = 0, end; first < list->n; first = end)
	{
		for (end = first + 1; end < list->n && list->definitions[end].part == list->definitions[first].part;)
			end++;
		store_part(&list->definitions[first], end - first);
	}
	remember(list);
}

static void
store_part(const Definition *definitions, size_t n)
{
#define CHANGED \
	" FROM unnest($2, $3, $4, $5) AS u (metric_name, type, help, unit)" \
	" LEFT JOIN tsdb.metric_definitions d" \
	" ON d.part OPERATOR(pg_catalog.=) $1 AND d.metric_name OPERATOR(pg_catalog.=) u.metric_name" \
	" WHERE d.part IS NULL OR u.type OPERATOR(pg_catalog.<>) COALESCE(d.type, '')" \
	" OR u.help OPERATOR(pg_catalog.<>) COALESCE(d.help, '')" \
	" OR u.unit OPERATOR(pg_catalog.<>) COALESCE(d.unit, '')"
	static PgtsdbStatement changed = {
		"SELECT 1" CHANGED " LIMIT 1", SPI_OK_SELECT
	};
	static PgtsdbStatement store = {
		"INSERT INTO tsdb.metric_definitions AS m (part, metric_name, type, help, unit)"
		" SELECT $1, u.metric_name, u.type, u.help, u.unit" CHANGED
		" ON CONFLICT (part, metric_name) DO UPDATE SET type = COALESCE(excluded.type, m.type),"
		" help = COALESCE(excluded.help, m.help), unit = COALESCE(excluded.unit, m.unit)",
		SPI_OK_INSERT
	};

	SPI_connect();
	if (run_for(&changed, definitions, n) > 0)
	{
		pgtsdb_lock_in_time(PGTSDB_LOCK_SERIES, definitions[0].part, ExclusiveLock);
		run_for(&store, definitions, n);
	}
	SPI_finish();
#undef CHANGED
}

static uint64
run_for(PgtsdbStatement *statement, const Definition *definitions, size_t n)
{
	return pgtsdb_statement_run(statement, 5, (Oid[]) {INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID},
								(Datum[]) {
									Int32GetDatum(definitions[0].part),
									text_array(definitions, n, offsetof(TsdbMetadata, metric)),
									text_array(definitions, n, offsetof(TsdbMetadata, type)),
									text_array(definitions, n, offsetof(TsdbMetadata, help)),
									text_array(definitions, n, offsetof(TsdbMetadata, unit))
								});
}

/* One field of all definitions; what was not told is NULL. */
static Datum
text_array(const Definition *definitions, size_t n, size_t offset)
{
	Datum	   *values = palloc_array(Datum, n);
	bool	   *nulls = palloc_array(bool, n);

	for (size_t i = 0; i < n; i++)
	{
		const TsdbStr *text = (const TsdbStr *) ((const char *) &definitions[i].metadata + offset);

		nulls[i] = text->data == NULL;
		values[i] = nulls[i] ? (Datum) 0 : pgtsdb_bytes_datum(text->data, text->len);
	}
	return pgtsdb_nullable_array(values, nulls, n, TEXTOID);
}

/* By metric; the later of two comes behind. */
static int
compare_definitions(const void *a, const void *b)
{
	const Definition *x = a;
	const Definition *y = b;
	int			order;

	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	order = tsdb_str_compare(x->metadata.metric, y->metadata.metric);
	return order != 0 ? order : (x->arrival < y->arrival ? -1 : 1);
}

/* ---- what this backend has stored ---- */

static void
remember(const PgtsdbMetadataList *list)
{
	Oid			table = tsdb_local_table(TSDB_TABLE_METRIC_DEFINITIONS, list->definitions[0].part);
	bool		found;

	if (stored == NULL)
		stored = stored_create(TopMemoryContext, 1024, NULL);
	if (table != stored_table || stored->members + list->n > MAX_REMEMBERED)
		stored_reset(stored);
	stored_table = table;
	for (size_t i = 0; i < list->n; i++)
		stored_insert(stored, list->definitions[i].hash, &found);
}

static void
forget(void)
{
	if (stored != NULL)
		stored_reset(stored);
}

/* Which of them were stored by what is rolled back is not worth knowing. */
static void
on_xact_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		forget();
}

static void
on_subxact_event(SubXactEvent event, SubTransactionId subxact, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget();
}

static void
on_relcache_event(Datum arg, Oid relation)
{
	if (!OidIsValid(relation) || relation == stored_table)
		forget();
}
