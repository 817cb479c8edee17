/*
 * build.c
 *		CREATE INDEX: lists in memory by key, sorted runs of them on disk, and pages from left to right.
 *
 * The rows of a key are collected in a hash table.  A list that fills an entry goes to the sort, and so do all
 * when they exceed maintenance_work_mem; what is sorted is therefore the entries of the index, not its
 * (key, row) pairs, of which there are a hundred times more.  The sorted entries of a key are united, since those
 * from before and after the memory was full, or rows of one HOT chain's page, may overlap, and written to pages, each level with
 * one page in the making.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

#include "pg/am/am_internal.h"
#include "pg/am/rows_table.h"
#include "pg/mem.h"

/* The page in the making of one level, and where it belongs in the level above. */
typedef struct Level
{
	struct Level *parent;		/* NULL: the root, as long as it has one page */
	uint16		level;
	BlockNumber block;			/* once there is another page */
	Size		used;
	int			n;
	LabelIndexItem items[MaxIndexTuplesPerPage];
	PGAlignedBlock bytes;		/* of the items */
	PGAlignedBlock low;			/* the separator that leads here */
	Size		low_size;
} Level;

typedef struct Build
{
	Relation	index;
	MemoryContext rows_context;	/* of table and lists */
	MemoryContext row_context;	/* of one row */
	TsdbArena  *arena;
	rows_table_hash *table;
	Tuplesortstate *sort;
	uint64		number;			/* of the row at hand */
	int64		n_rows;
	Level	   *leaves;
} Build;

static void check_columns(Relation index);
static void begin_table(Build *build);
static void add_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state);
static void add_key(void *context, TsdbStr key);
static void flush_table(Build *build);
static void flush_list(Build *build, TsdbStr key, const TsdbPostings *list);
static void write_tree(Build *build);
static void write_key(Build *build, TsdbStr key, TsdbPostings *list);
static Level *make_level(uint16 level, const LabelIndexItem *low);
static void add_entry(Build *build, Level *level, const LabelIndexEntry *entry, Size size);
static void finish_page(Build *build, Level *level, const LabelIndexEntry *next);
static void finish_levels(Build *build);
static void add_child(Build *build, Level *level);
static void write_page(Build *build, BlockNumber block, const Level *level, BlockNumber right, const LabelIndexItem *high_key);
static BlockNumber new_block(Relation index);

IndexBuildResult *
pgtsdb_am_build(Relation heap, Relation index, IndexInfo *info)
{
	IndexBuildResult *result = palloc0_object(IndexBuildResult);
	Build		build = {.index = index};
	Buffer		buffer;

	check_columns(index);
	if (heap->rd_rel->relam != HEAP_TABLE_AM_OID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" supports heap tables only", "label_index")));
	if (RelationGetNumberOfBlocks(index) != 0)
		elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));
	if (new_block(index) != LABEL_INDEX_METAPAGE || new_block(index) != LABEL_INDEX_ROOT)
		elog(ERROR, "unexpected block in a new index");
	buffer = ReadBuffer(index, LABEL_INDEX_METAPAGE);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	pgtsdb_am_init_metapage(BufferGetPage(buffer));
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);

	build.row_context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb label index row", ALLOCSET_DEFAULT_SIZES);
	build.rows_context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb label index build", ALLOCSET_DEFAULT_SIZES);
	build.sort = tuplesort_begin_datum(BYTEAOID, ByteaLessOperator, InvalidOid, false, maintenance_work_mem / 2, NULL,
									   TUPLESORT_NONE);
	begin_table(&build);
	result->heap_tuples = table_index_build_scan(heap, index, info, false, true, add_row, &build, NULL);
	flush_table(&build);
	MemoryContextDelete(build.rows_context);
	tuplesort_performsort(build.sort);
	write_tree(&build);
	tuplesort_end(build.sort);
	MemoryContextDelete(build.row_context);

	/* Nothing was logged on the way. */
	if (RelationNeedsWAL(index))
		log_newpage_range(index, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(index), true);
	result->index_tuples = build.n_rows;
	return result;
}

/* What an unlogged index is after a crash. */
void
pgtsdb_am_build_empty(Relation index)
{
	for (BlockNumber block = LABEL_INDEX_METAPAGE; block <= LABEL_INDEX_ROOT; block++)
	{
		Buffer		buffer;

		LockRelationForExtension(index, ExclusiveLock);
		buffer = ReadBufferExtended(index, INIT_FORKNUM, P_NEW, RBM_NORMAL, NULL);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		UnlockRelationForExtension(index, ExclusiveLock);
		START_CRIT_SECTION();
		if (block == LABEL_INDEX_METAPAGE)
			pgtsdb_am_init_metapage(BufferGetPage(buffer));
		else
			pgtsdb_am_init_page(BufferGetPage(buffer), 0);
		MarkBufferDirty(buffer);
		log_newpage_buffer(buffer, true);
		END_CRIT_SECTION();
		UnlockReleaseBuffer(buffer);
	}
}

static void
check_columns(Relation index)
{
	if (IndexRelationGetNumberOfKeyAttributes(index) > 2 ||
		(IndexRelationGetNumberOfKeyAttributes(index) == 2) != pgtsdb_label_index_has_part(index) ||
		(pgtsdb_label_index_has_part(index) && index->rd_opcintype[1] == INT4OID))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" does not support these columns", "label_index"),
				 errhint("A label index is on (labels) or on (part, labels).")));
}

/* ---- rows to lists ---- */

static void
begin_table(Build *build)
{
	MemoryContext caller = MemoryContextSwitchTo(build->rows_context);

	build->arena = pgtsdb_arena_create(build->rows_context, 0, NULL);
	build->table = rows_table_create(build->rows_context, 1024, NULL);
	MemoryContextSwitchTo(caller);
}

static void
add_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state)
{
	Build	   *build = state;
	MemoryContext caller = MemoryContextSwitchTo(build->row_context);

	build->number = pgtsdb_am_number(tid);
	pgtsdb_am_visit_keys(index, values, isnull, add_key, build);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(build->row_context);
	if (!isnull[0])
		build->n_rows++;
	if (MemoryContextMemAllocated(build->rows_context, true) / 1024 > (Size) maintenance_work_mem / 2)
	{
		flush_table(build);
		MemoryContextReset(build->rows_context);
		begin_table(build);
	}
}

static void
add_key(void *context, TsdbStr key)
{
	Build	   *build = context;
	TsdbPostings *list = rows_table_of(build->table, build->arena, key)->list;

	tsdb_postings_add(list, build->number);
	/* no entry holds more of them, but it may hold fewer */
	if (list->n >= LABEL_INDEX_MAX_POSTINGS / 2)
	{
		flush_list(build, key, list);
		list->n = 0;
	}
}

static void
flush_table(Build *build)
{
	rows_table_iterator iterator;
	Rows	   *rows;

	rows_table_start_iterate(build->table, &iterator);
	while ((rows = rows_table_iterate(build->table, &iterator)) != NULL)
		flush_list(build, rows->key, rows->list);
}

/* Key, zero byte, first row, list: bytes that are in the order of entries, since no key is continued by a zero byte. */
static void
flush_list(Build *build, TsdbStr key, const TsdbPostings *list)
{
	size_t		done = 0;

	while (done < list->n)
	{
		size_t		taken;
		uint64		first = pg_hton64(pgtsdb_am_first_number(list->words + done));
		Size		head = key.len + 1 + sizeof(first);
		bytea	   *run = palloc(VARHDRSZ + head + LABEL_INDEX_MAX_POSTINGS);
		char	   *to = VARDATA(run);
		size_t		len;

		memcpy(to, key.data, key.len);
		to[key.len] = '\0';
		memcpy(to + key.len + 1, &first, sizeof(first));
		len = tsdb_postings_encode(list->words + done, list->n - done, (uint8 *) to + head, LABEL_INDEX_MAX_POSTINGS,
								   &taken);
		SET_VARSIZE(run, VARHDRSZ + head + len);
		tuplesort_putdatum(build->sort, PointerGetDatum(run), false);
		pfree(run);
		done += taken;
	}
}

/* ---- lists to pages ---- */

/* Where the key ends: behind the zero byte between name and value comes another one. */
static TsdbStr
key_of_run(const char *run, Size len)
{
	const char *name_end = memchr(run + 4, '\0', len - 4);
	const char *end = memchr(name_end + 1, '\0', run + len - (name_end + 1));

	return (TsdbStr) {run, end - run};
}

static void
write_tree(Build *build)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb label index key", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = pgtsdb_arena_create(context, 0, NULL);
	LabelIndexKey key = {0};
	TsdbPostings list;
	Datum		datum;
	bool		isnull;

	tsdb_postings_init(&list, arena);
	build->leaves = make_level(0, NULL);
	while (tuplesort_getdatum_compat(build->sort, &datum, &isnull))
	{
		bytea	   *run = DatumGetByteaPP(datum);
		TsdbStr		of_run = key_of_run(VARDATA_ANY(run), VARSIZE_ANY_EXHDR(run));
		const char *first = of_run.data + of_run.len + 1;
		const char *data = first + sizeof(uint64);
		uint64		number;
		TsdbError	error;

		CHECK_FOR_INTERRUPTS();
		if (!tsdb_str_equal(of_run, (TsdbStr) {key.data, key.len}))
		{
			write_key(build, (TsdbStr) {key.data, key.len}, &list);
			memcpy(key.data, of_run.data, of_run.len);
			key.len = of_run.len;
		}
		memcpy(&number, first, sizeof(number));
		if (tsdb_postings_decode(data, VARDATA_ANY(run) + VARSIZE_ANY_EXHDR(run) - data, pg_ntoh64(number), &list, &error) != TSDB_OK)
			elog(ERROR, "unexpected sorted list: %s", error.message);
		pfree(DatumGetPointer(datum));
	}
	write_key(build, (TsdbStr) {key.data, key.len}, &list);
	finish_levels(build);
	MemoryContextDelete(context);
}

static void
write_key(Build *build, TsdbStr key, TsdbPostings *list)
{
	tsdb_postings_settle(list, &pgtsdb_env);
	for (size_t done = 0; done < list->n;)
	{
		PGAlignedBlock bytes;
		LabelIndexEntry *entry = (LabelIndexEntry *) bytes.data;

		done += pgtsdb_am_make_leaf_entry(entry, key, list->words + done, list->n - done);
		add_entry(build, build->leaves, entry, LABEL_INDEX_ENTRY_SIZE(entry->key_len, entry->data_len));
	}
	list->n = 0;
}

static Level *
make_level(uint16 level, const LabelIndexItem *low)
{
	Level	   *made = palloc0_object(Level);

	made->level = level;
	made->block = InvalidBlockNumber;
	if (low != NULL)
		memcpy(made->low.data, low->entry, low->size);
	made->low_size = low != NULL ? low->size : 0;
	return made;
}

/* There is always room left for a high key, and so for some insertions. */
static void
add_entry(Build *build, Level *level, const LabelIndexEntry *entry, Size size)
{
	char	   *to;

	if (level->n > 0 && level->used + size + sizeof(ItemIdData) >
		LABEL_INDEX_USABLE - LABEL_INDEX_MAX_SEPARATOR - sizeof(ItemIdData))
		finish_page(build, level, entry);
	to = level->n > 0 ? (char *) level->items[level->n - 1].entry + level->items[level->n - 1].size : level->bytes.data;
	memcpy(to, entry, size);
	level->items[level->n++] = (LabelIndexItem) {(LabelIndexEntry *) to, size};
	level->used += size + sizeof(ItemIdData);
}

/* The next page of the level begins with this entry. */
static void
finish_page(Build *build, Level *level, const LabelIndexEntry *next)
{
	LabelIndexItem low;
	BlockNumber right;
	PGAlignedBlock separator;

	if (level->block == InvalidBlockNumber)
		level->block = new_block(build->index);
	right = new_block(build->index);
	low.entry = (LabelIndexEntry *) separator.data;
	low.size = pgtsdb_am_make_separator((LabelIndexEntry *) separator.data, level->level == 0, level->items[level->n - 1].entry, next,
										right);
	write_page(build, level->block, level, right, &low);
	add_child(build, level);
	level->block = right;
	level->n = 0;
	level->used = 0;
	memcpy(level->low.data, low.entry, low.size);
	level->low_size = low.size;
}

static void
add_child(Build *build, Level *level)
{
	BlockIdData id;

	if (level->parent == NULL)
		level->parent = make_level(level->level + 1, NULL);
	if (level->low_size == 0)
	{
		BlockIdSet(&id, level->block);
		level->low_size = pgtsdb_am_make_entry((LabelIndexEntry *) level->low.data, (LabelIndexPlace) {{"", 0}, 0}, &id, sizeof(id));
	}
	add_entry(build, level->parent, (LabelIndexEntry *) level->low.data, level->low_size);
}

static void
finish_levels(Build *build)
{
	Level	   *level = build->leaves;

	for (; level->parent != NULL; level = level->parent)
	{
		write_page(build, level->block, level, InvalidBlockNumber, NULL);
		add_child(build, level);
	}
	write_page(build, LABEL_INDEX_ROOT, level, InvalidBlockNumber, NULL);
}

static void
write_page(Build *build, BlockNumber block, const Level *level, BlockNumber right, const LabelIndexItem *high_key)
{
	Buffer		buffer = ReadBuffer(build->index, block);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	pgtsdb_am_make_page(BufferGetPage(buffer), level->level, right, high_key, level->items, level->n);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

static BlockNumber
new_block(Relation index)
{
	Buffer		buffer = ReadBuffer(index, P_NEW);
	BlockNumber block = BufferGetBlockNumber(buffer);

	ReleaseBuffer(buffer);
	return block;
}
