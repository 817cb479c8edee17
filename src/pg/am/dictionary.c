/*
 * dictionary.c
 *		Label names, label values and how many rows have them, out of the entries alone.
 *
 * What a walk does not need it steps over by a search for what comes behind: the values of a
 * name, and the further entries of a long list.  A row that is just being moved from the pending ones to the
 * tree is counted in both.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "pg/am/am_internal.h"

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
} Walk;

static void start_walk(Walk *walk, Relation index, const LabelIndexAddition *pending, size_t n_pending);
static void seek_walk(Walk *walk, LabelIndexPlace place);
static bool next_key(Walk *walk, bool count, int64 *rows);
static bool has_prefix(const Walk *walk, TsdbStr key);

void
pgtsdb_label_index_visit_names(Relation index, int32 part, bool count, PgtsdbLabelVisitor visit, void *context)
{
	Walk	   *names = palloc_object(Walk);
	Walk	   *values = palloc_object(Walk);
	size_t		n_pending;
	LabelIndexAddition *pending = pgtsdb_am_pending_keys(index, &n_pending);
	PgtsdbLabelCount name = {0};
	int64		rows;
	bool		more = true;

	pgtsdb_am_key_prefix(&names->prefix, part, TSDB_STR(""));
	names->prefix.len--;		/* not only the empty name, but behind it */
	start_walk(names, index, pending, n_pending);
	do
	{
		LabelIndexKey behind;

		/* its keys go on with a zero byte, and no name has one: names that begin with it come later */
		pgtsdb_am_key_prefix(&behind, part, name.text);
		behind.data[behind.len - 1] = '\1';
		seek_walk(names, (LabelIndexPlace) {{behind.data, behind.len}, 0});
		if (!next_key(names, false, &rows))
			break;
		name = (PgtsdbLabelCount) {.text = pgtsdb_am_key_label((TsdbStr) {names->key.data, names->key.len}).name};
		name.cut = pgtsdb_am_is_cut(name.text);
		if (count)
		{
			pgtsdb_am_key_prefix(&values->prefix, part, name.text);
			start_walk(values, index, pending, n_pending);
			seek_walk(values, (LabelIndexPlace) {{values->prefix.data, values->prefix.len}, 0});
			for (; next_key(values, true, &rows); name.values++)
				name.rows += rows;
		}
		more = visit(context, &name);
	} while (more);
}

void
pgtsdb_label_index_visit_values(Relation index, int32 part, TsdbStr name, bool count, PgtsdbLabelVisitor visit, void *context)
{
	Walk	   *walk = palloc_object(Walk);
	size_t		n_pending;
	LabelIndexAddition *pending = pgtsdb_am_pending_keys(index, &n_pending);
	int64		rows;
	bool		more = true;

	pgtsdb_am_key_prefix(&walk->prefix, part, name);
	start_walk(walk, index, pending, n_pending);
	seek_walk(walk, (LabelIndexPlace) {{walk->prefix.data, walk->prefix.len}, 0});
	while (more && next_key(walk, count, &rows))
	{
		PgtsdbLabelCount value = {
			.text = {walk->key.data + walk->prefix.len, walk->key.len - walk->prefix.len}, .values = 1, .rows = rows
		};

		value.cut = pgtsdb_am_is_cut(value.text);
		more = visit(context, &value);
	}
}

static void
start_walk(Walk *walk, Relation index, const LabelIndexAddition *pending, size_t n_pending)
{
	walk->index = index;
	walk->cursor = palloc_object(LabelIndexCursor);
	walk->pending = pending;
	walk->end = pending + n_pending;
}

static void
seek_walk(Walk *walk, LabelIndexPlace place)
{
	pgtsdb_am_seek(walk->cursor, walk->index, place);
	walk->entry = pgtsdb_am_next(walk->cursor);
	while (walk->pending < walk->end && tsdb_str_compare(walk->pending->key, place.key) < 0)
		walk->pending++;
}

/* The next key with the prefix; its rows when they are to be counted, 0 when not. */
static bool
next_key(Walk *walk, bool count, int64 *rows)
{
	const LabelIndexEntry *entry = walk->entry;
	bool		in_tree = entry != NULL && has_prefix(walk, (TsdbStr) {entry->key, entry->key_len});
	bool		is_pending = walk->pending < walk->end && has_prefix(walk, walk->pending->key);
	int			order;
	TsdbStr		key;

	if (!in_tree && !is_pending)
		return false;
	order = !in_tree ? 1 : !is_pending ? -1 : tsdb_str_compare((TsdbStr) {entry->key, entry->key_len}, walk->pending->key);
	key = order <= 0 ? (TsdbStr) {entry->key, entry->key_len} : walk->pending->key;
	memcpy(walk->key.data, key.data, key.len);
	walk->key.len = key.len;
	key.data = walk->key.data;
	*rows = 0;
	if (order >= 0)
	{
		*rows += count ? (int64) tsdb_postings_count(&walk->pending->rows) : 0;
		walk->pending++;
	}
	for (int i = 0; order <= 0 && walk->entry != NULL && tsdb_str_equal((TsdbStr) {walk->entry->key, walk->entry->key_len}, key); i++)
	{
		if (count)
			*rows += pgtsdb_am_count(walk->index, walk->cursor->block, walk->entry);
		else if (i > 0)
			/* the list goes on: to its end, which no row has */
			pgtsdb_am_seek(walk->cursor, walk->index, (LabelIndexPlace) {key, PG_UINT64_MAX});
		walk->entry = pgtsdb_am_next(walk->cursor);
	}
	return true;
}

static bool
has_prefix(const Walk *walk, TsdbStr key)
{
	return key.len >= walk->prefix.len && memcmp(key.data, walk->prefix.data, walk->prefix.len) == 0;
}

/* ---- counting one ---- */

typedef struct Count
{
	int32		part;
	TsdbStr		name;
	TsdbStr		value;
	int64		n;
} Count;

static void
count_pending(void *context, int32 part, uint64 number, TsdbStr labels)
{
	Count	   *count = context;

	if (part == count->part &&
		(count->name.len == 0 || tsdb_str_equal(tsdb_labels_find(labels.data, labels.len, count->name), count->value)))
		count->n++;
}

int64
pgtsdb_label_index_count(Relation index, int32 part, TsdbStr name, TsdbStr value, int64 limit)
{
	LabelIndexCursor *cursor = palloc_object(LabelIndexCursor);
	Count		count = {part, name, value, 0};
	LabelIndexKey key;
	const LabelIndexEntry *entry;

	pgtsdb_am_visit_pending(index, count_pending, &count);
	pgtsdb_am_make_key(&key, part, name, value);
	pgtsdb_am_seek(cursor, index, (LabelIndexPlace) {{key.data, key.len}, 0});
	while (count.n < limit && (entry = pgtsdb_am_next(cursor)) != NULL &&
		   tsdb_str_equal((TsdbStr) {entry->key, entry->key_len}, (TsdbStr) {key.data, key.len}))
		count.n += pgtsdb_am_count(index, cursor->block, entry);
	pfree(cursor);
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

/* What a cut text was begins like this. */
static TsdbStr
shown(const PgtsdbLabelCount *label)
{
	return label->cut ? pgtsdb_am_uncut(label->text) : label->text;
}

static bool
put_name(void *context, const PgtsdbLabelCount *name)
{
	ReturnSetInfo *result = context;
	Datum		values[] = {text_of(shown(name)), Int64GetDatum(name->values), Int64GetDatum(name->rows)};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return true;
}

static bool
put_value(void *context, const PgtsdbLabelCount *value)
{
	ReturnSetInfo *result = context;
	Datum		values[] = {text_of(shown(value)), Int64GetDatum(value->rows)};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return true;
}

/* tsdb.label_index_names(index regclass, part int4) */
PG_FUNCTION_INFO_V1(pgtsdb_sql_label_index_names);
Datum
pgtsdb_sql_label_index_names(PG_FUNCTION_ARGS)
{
	Relation	index = pgtsdb_am_open_for_caller(PG_GETARG_OID(0));

	InitMaterializedSRF(fcinfo, 0);
	pgtsdb_label_index_visit_names(index, PG_GETARG_INT32(1), true, put_name, fcinfo->resultinfo);
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
		pgtsdb_label_index_visit_values(index, PG_GETARG_INT32(2), wanted, true, put_value, fcinfo->resultinfo);
	index_close(index, NoLock);
	return (Datum) 0;
}
