/*
 * dictionary.c
 *		Label names, label values and how many rows have them, out of the entries alone.
 *
 * What a walk does not need it steps over by a search for what comes behind: the values of a
 * name, and the further entries of a long list.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "pg/am/am_internal.h"
#include "pg/mem.h"

/* A walk over the keys of the tree and those of rows that are not there yet, in one order. */
typedef struct Walk
{
	Relation	index;
	LabelIndexCursor *cursor;
	const LabelIndexEntry *entry;	/* of the tree, not passed yet; NULL behind the last */
	const LabelIndexAddition *pending;
	const LabelIndexAddition *end;
	LabelIndexKey prefix;		/* of all keys of the walk */
	LabelIndexKey key;			/* the one at hand */
	PgtsdbLabelVisitor visit;
	void	   *context;
} Walk;

static void seek_walk(Walk *walk, LabelIndexPlace place);
static bool next_key(Walk *walk);
static PgtsdbLabelStep visit_key(Walk *walk);
static PgtsdbLabelStep visit_rows(Walk *walk, PgtsdbLabelEntry *entry);
static void pass_name(Walk *walk, int32 part, TsdbStr name);
static bool has_prefix(const Walk *walk, TsdbStr key);
static bool is_at_key(const Walk *walk);

void
pgtsdb_label_index_walk(Relation index, int32 part, TsdbStr name, PgtsdbLabelVisitor visit, void *context)
{
	Walk	   *walk = palloc_object(Walk);
	PgtsdbLabelStep step = PGTSDB_NEXT_VALUE;
	size_t		n_pending;

	walk->index = index;
	walk->cursor = palloc_object(LabelIndexCursor);
	walk->visit = visit;
	walk->context = context;
	walk->pending = pgtsdb_am_pending_keys(index, &n_pending);
	walk->end = walk->pending + n_pending;
	pgtsdb_am_key_prefix(&walk->prefix, part, name);
	if (name.len == 0)
	{
		walk->prefix.len--;		/* not only the empty name, but behind it */
		pass_name(walk, part, name);
	}
	else
		seek_walk(walk, (LabelIndexPlace) {{walk->prefix.data, walk->prefix.len}, 0});
	while (step != PGTSDB_NO_MORE && next_key(walk))
	{
		step = visit_key(walk);
		if (step == PGTSDB_NEXT_NAME && name.len > 0)
			break;
		if (step == PGTSDB_NEXT_NAME)
			pass_name(walk, part, pgtsdb_am_key_label((TsdbStr) {walk->key.data, walk->key.len}).name);
	}
}

static void
seek_walk(Walk *walk, LabelIndexPlace place)
{
	pgtsdb_am_seek(walk->cursor, walk->index, place);
	walk->entry = pgtsdb_am_next(walk->cursor);
	while (walk->pending < walk->end && tsdb_str_compare(walk->pending->key, place.key) < 0)
		walk->pending++;
}

/* Its keys go on with a zero byte, and no name has one: names that begin with it come later. */
static void
pass_name(Walk *walk, int32 part, TsdbStr name)
{
	LabelIndexKey behind;

	pgtsdb_am_key_prefix(&behind, part, name);
	behind.data[behind.len - 1] = '\1';
	seek_walk(walk, (LabelIndexPlace) {{behind.data, behind.len}, 0});
}

/* The next key with the prefix, of the tree or of pending rows. */
static bool
next_key(Walk *walk)
{
	TsdbStr		key = {NULL, 0};

	if (walk->entry != NULL)
		key = (TsdbStr) {walk->entry->key, walk->entry->key_len};
	if (walk->pending < walk->end && (walk->entry == NULL || tsdb_str_compare(walk->pending->key, key) < 0))
		key = walk->pending->key;
	if (key.data == NULL || !has_prefix(walk, key))
		return false;
	memcpy(walk->key.data, key.data, key.len);
	walk->key.len = key.len;
	return true;
}

/* Shows the rows of the key as far as they are wanted, and goes behind it. */
static PgtsdbLabelStep
visit_key(Walk *walk)
{
	TsdbStr		key = {walk->key.data, walk->key.len};
	TsdbLabel	label = pgtsdb_am_key_label(key);
	PgtsdbLabelEntry shown = {
		.label = label, .name_is_cut = pgtsdb_am_is_cut(label.name), .value_is_cut = pgtsdb_am_is_cut(label.value), .first = true
	};
	const TsdbPostings *pending = NULL;
	PgtsdbLabelStep step = PGTSDB_NEXT_ROWS;
	TsdbPostingsWord words[LABEL_INDEX_MAX_WORDS];

	if (walk->pending < walk->end && tsdb_str_equal(walk->pending->key, key))
	{
		pending = &walk->pending++->rows;
		shown.rows = (TsdbPostings) {
			.words = palloc_array(TsdbPostingsWord, pending->n), .n = pending->n, .capacity = pending->n
		};
		memcpy(shown.rows.words, pending->words, pending->n * sizeof(TsdbPostingsWord));
		step = visit_rows(walk, &shown);
	}
	for (int passed = 0; is_at_key(walk); walk->entry = pgtsdb_am_next(walk->cursor))
	{
		if (step != PGTSDB_NEXT_ROWS)
		{
			/* the list goes on: to its end, which no row has */
			if (passed++ > 0)
				pgtsdb_am_seek(walk->cursor, walk->index, (LabelIndexPlace) {key, PG_UINT64_MAX});
			continue;
		}
		shown.rows = (TsdbPostings) {
			.words = words, .n = pgtsdb_am_words(walk->index, walk->cursor->block, walk->entry, words), .capacity = lengthof(words)
		};
		/* those that are just being moved */
		if (pending != NULL)
			tsdb_postings_subtract(&shown.rows, pending);
		step = visit_rows(walk, &shown);
	}
	return step;
}

static PgtsdbLabelStep
visit_rows(Walk *walk, PgtsdbLabelEntry *entry)
{
	PgtsdbLabelStep step = PGTSDB_NEXT_ROWS;

	CHECK_FOR_INTERRUPTS();
	if (entry->rows.n > 0)
	{
		step = walk->visit(walk->context, entry);
		entry->first = false;
	}
	return step;
}

static bool
has_prefix(const Walk *walk, TsdbStr key)
{
	return key.len >= walk->prefix.len && memcmp(key.data, walk->prefix.data, walk->prefix.len) == 0;
}

static bool
is_at_key(const Walk *walk)
{
	return walk->entry != NULL &&
		tsdb_str_equal((TsdbStr) {walk->entry->key, walk->entry->key_len}, (TsdbStr) {walk->key.data, walk->key.len});
}

bool
pgtsdb_label_index_keeps(TsdbLabel label, TsdbLabel kept)
{
	LabelIndexKey key;
	TsdbLabel	cut;

	pgtsdb_am_make_key(&key, 0, label.name, label.value);
	cut = pgtsdb_am_key_label((TsdbStr) {key.data, key.len});
	return tsdb_str_equal(cut.name, kept.name) && tsdb_str_equal(cut.value, kept.value);
}

/* ---- counting one ---- */

typedef struct Count
{
	int32		part;
	TsdbStr		name;
	TsdbStr		value;
	TsdbArena  *arena;
	int64		n;
} Count;

static void
count_pending(void *context, int32 part, uint64 number, TsdbStr labels)
{
	Count	   *count = context;
	TsdbArenaMark mark = tsdb_arena_mark(count->arena);

	if (part == count->part &&
		(count->name.len == 0 ||
		 tsdb_str_equal(tsdb_labels_find(count->arena, labels.data, labels.len, count->name), count->value)))
		count->n++;
	tsdb_arena_rewind(count->arena, mark);
}

int64
pgtsdb_label_index_count(Relation index, int32 part, TsdbStr name, TsdbStr value, int64 limit)
{
	LabelIndexCursor *cursor = palloc_object(LabelIndexCursor);
	Count		count = {part, name, value, pgtsdb_arena_create(CurrentMemoryContext, 0, NULL), 0};
	LabelIndexKey key;
	const LabelIndexEntry *entry;

	pgtsdb_am_visit_pending(index, count_pending, &count);
	pgtsdb_am_make_key(&key, part, name, value);
	pgtsdb_am_seek(cursor, index, (LabelIndexPlace) {{key.data, key.len}, 0});
	while (count.n < limit && (entry = pgtsdb_am_next(cursor)) != NULL &&
		   tsdb_str_equal((TsdbStr) {entry->key, entry->key_len}, (TsdbStr) {key.data, key.len}))
		count.n += pgtsdb_am_count(index, cursor->block, entry);
	pfree(cursor);
	tsdb_arena_free(count.arena);
	return count.n;
}

/* ---- as SQL functions ---- */

static Datum
text_of(TsdbStr text)
{
	char	   *server = pg_any_to_server(text.data, (int) text.len, PG_UTF8);

	if (server == text.data)
		return PointerGetDatum(cstring_to_text_with_len(text.data, (int) text.len));
	return CStringGetTextDatum(server);
}

/* Rows of the result, each when the label behind it comes. */
typedef struct Counting
{
	ReturnSetInfo *result;
	bool		names;			/* count those, else values */
	TsdbStr		text;			/* name or value at hand, as the index keeps it; empty before the first */
	char		bytes[LABEL_INDEX_MAX_TEXT];
	bool		is_cut;
	int64		n_values;
	int64		n_rows;
} Counting;

static void
put_count(Counting *counting)
{
	/* what a cut text was begins like this */
	Datum		text = text_of(counting->is_cut ? pgtsdb_am_uncut(counting->text) : counting->text);
	Datum		of_name[] = {text, Int64GetDatum(counting->n_values), Int64GetDatum(counting->n_rows)};
	Datum		of_value[] = {text, Int64GetDatum(counting->n_rows)};
	bool		nulls[lengthof(of_name)] = {false};

	tuplestore_putvalues(counting->result->setResult, counting->result->setDesc, counting->names ? of_name : of_value, nulls);
}

static PgtsdbLabelStep
count_label(void *context, PgtsdbLabelEntry *entry)
{
	Counting   *counting = context;
	TsdbStr		text = counting->names ? entry->label.name : entry->label.value;

	if (entry->first && !tsdb_str_equal(counting->text, text))
	{
		if (counting->text.len > 0)
			put_count(counting);
		memcpy(counting->bytes, text.data, text.len);
		counting->text = (TsdbStr) {counting->bytes, text.len};
		counting->is_cut = counting->names ? entry->name_is_cut : entry->value_is_cut;
		counting->n_values = 0;
		counting->n_rows = 0;
	}
	counting->n_values += entry->first;
	counting->n_rows += (int64) tsdb_postings_count(&entry->rows);
	return PGTSDB_NEXT_ROWS;
}

static void
put_counts(Relation index, int32 part, TsdbStr name, ReturnSetInfo *result)
{
	Counting	counting = {.result = result, .names = name.len == 0};

	pgtsdb_label_index_walk(index, part, name, count_label, &counting);
	if (counting.text.len > 0)
		put_count(&counting);
}

/* tsdb.label_index_names(index regclass, part int4) */
PG_FUNCTION_INFO_V1(pgtsdb_sql_label_index_names);
Datum
pgtsdb_sql_label_index_names(PG_FUNCTION_ARGS)
{
	Relation	index = pgtsdb_am_open_for_caller(PG_GETARG_OID(0));

	InitMaterializedSRF(fcinfo, 0);
	put_counts(index, PG_GETARG_INT32(1), TSDB_STR(""), (ReturnSetInfo *) fcinfo->resultinfo);
	index_close(index, NoLock);
	return (Datum) 0;
}

/* tsdb.label_index_values(index regclass, name text, part int4) */
PG_FUNCTION_INFO_V1(pgtsdb_sql_label_index_values);
Datum
pgtsdb_sql_label_index_values(PG_FUNCTION_ARGS)
{
	Relation	index = pgtsdb_am_open_for_caller(PG_GETARG_OID(0));
	text	   *name = PG_GETARG_TEXT_PP(1);
	char	   *utf8 = pg_server_to_any(VARDATA_ANY(name), (int) VARSIZE_ANY_EXHDR(name), PG_UTF8);
	TsdbStr		wanted = {utf8, utf8 == VARDATA_ANY(name) ? VARSIZE_ANY_EXHDR(name) : strlen(utf8)};

	InitMaterializedSRF(fcinfo, 0);
	/* rows without a name are no values */
	if (wanted.len > 0)
		put_counts(index, PG_GETARG_INT32(2), wanted, (ReturnSetInfo *) fcinfo->resultinfo);
	index_close(index, NoLock);
	return (Datum) 0;
}
