/*
 * dictionary.c
 *		Label names, label values and how many rows have them, out of the entries alone.
 *
 * What a walk does not need it steps over by a search for what comes behind: the values of a
 * name, and the entries of a list that reaches beyond its page.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "pg/am/am_internal.h"

static bool behind_part(int32 part, const LabelIndexEntry *entry);
static void seek_behind_name(LabelIndexCursor *cursor, Relation index, int32 part, TsdbStr name);
static void count_name(LabelIndexCursor *cursor, Relation index, int32 part, PgtsdbLabelCount *name, LabelIndexKey *copy);

void
pgtsdb_label_index_visit_names(Relation index, int32 part, bool count, PgtsdbLabelVisitor visit, void *context)
{
	LabelIndexCursor *cursor = palloc_object(LabelIndexCursor);
	LabelIndexKey *key = palloc_object(LabelIndexKey);
	const LabelIndexEntry *entry;

	seek_behind_name(cursor, index, part, TSDB_STR(""));
	while ((entry = pgtsdb_am_next(cursor)) != NULL && !behind_part(part, entry))
	{
		PgtsdbLabelCount name = {0};

		key->len = entry->key_len;
		memcpy(key->data, entry->key, key->len);
		name.text = pgtsdb_am_key_label((TsdbStr) {key->data, key->len}).name;
		name.cut = pgtsdb_am_is_cut(name.text);
		if (count)
		{
			cursor->offset--;
			count_name(cursor, index, part, &name, key);
		}
		else
			seek_behind_name(cursor, index, part, name.text);
		if (!visit(context, &name))
			break;
	}
	pfree(key);
	pfree(cursor);
}

void
pgtsdb_label_index_visit_values(Relation index, int32 part, TsdbStr name, bool count, PgtsdbLabelVisitor visit, void *context)
{
	LabelIndexCursor *cursor = palloc_object(LabelIndexCursor);
	LabelIndexKey *key = palloc_object(LabelIndexKey);
	LabelIndexKey *prefix = palloc_object(LabelIndexKey);
	TsdbStr		before = pgtsdb_am_key_prefix(prefix, part, name);
	PgtsdbLabelCount value = {0};
	const LabelIndexEntry *entry;
	bool		more = true;

	key->len = 0;
	pgtsdb_am_seek(cursor, index, (LabelIndexPlace) {before, 0});
	while (more && (entry = pgtsdb_am_next(cursor)) != NULL &&
		   entry->key_len >= before.len && memcmp(entry->key, before.data, before.len) == 0)
	{
		if (key->len != entry->key_len || memcmp(key->data, entry->key, key->len) != 0)
		{
			if (key->len > 0)
				more = visit(context, &value);
			key->len = entry->key_len;
			memcpy(key->data, entry->key, key->len);
			value = (PgtsdbLabelCount) {.text = {key->data + before.len, key->len - before.len}, .values = 1};
			value.cut = pgtsdb_am_is_cut(value.text);
		}
		else if (!count)
		{
			/* the list goes on: to its end, which no row has */
			pgtsdb_am_seek(cursor, index, (LabelIndexPlace) {{key->data, key->len}, PG_UINT64_MAX});
			continue;
		}
		if (count)
			value.rows += pgtsdb_am_count(index, cursor->block, entry);
	}
	if (more && key->len > 0)
		visit(context, &value);
	pfree(prefix);
	pfree(key);
	pfree(cursor);
}

int64
pgtsdb_label_index_count(Relation index, int32 part, TsdbStr name, TsdbStr value, int64 limit)
{
	LabelIndexCursor *cursor = palloc_object(LabelIndexCursor);
	LabelIndexKey *key = palloc_object(LabelIndexKey);
	const LabelIndexEntry *entry;
	int64		n = 0;

	pgtsdb_am_make_key(key, part, name, value);
	pgtsdb_am_seek(cursor, index, (LabelIndexPlace) {{key->data, key->len}, 0});
	while (n < limit && (entry = pgtsdb_am_next(cursor)) != NULL &&
		   tsdb_str_equal((TsdbStr) {entry->key, entry->key_len}, (TsdbStr) {key->data, key->len}))
		n += pgtsdb_am_count(index, cursor->block, entry);
	pfree(key);
	pfree(cursor);
	return n;
}

static bool
behind_part(int32 part, const LabelIndexEntry *entry)
{
	return pgtsdb_am_key_part((TsdbStr) {entry->key, entry->key_len}) != part;
}

/* Its keys go on with a zero byte, and no name has a zero byte: those that begin with it come later. */
static void
seek_behind_name(LabelIndexCursor *cursor, Relation index, int32 part, TsdbStr name)
{
	LabelIndexKey key;

	pgtsdb_am_key_prefix(&key, part, name);
	key.data[key.len - 1] = '\1';
	pgtsdb_am_seek(cursor, index, (LabelIndexPlace) {{key.data, key.len}, 0});
}

/* A row has one value of a name at most.  Leaves the cursor before the next name. */
static void
count_name(LabelIndexCursor *cursor, Relation index, int32 part, PgtsdbLabelCount *name, LabelIndexKey *copy)
{
	Size		prefix = name->text.data + name->text.len + 1 - copy->data;
	const LabelIndexEntry *entry;
	LabelIndexKey *last = palloc_object(LabelIndexKey);

	last->len = 0;
	while ((entry = pgtsdb_am_next(cursor)) != NULL)
	{
		if (entry->key_len < prefix || memcmp(entry->key, copy->data, prefix) != 0)
		{
			cursor->offset--;
			break;
		}
		if (last->len != entry->key_len || memcmp(last->data, entry->key, last->len) != 0)
		{
			last->len = entry->key_len;
			memcpy(last->data, entry->key, last->len);
			name->values++;
		}
		name->rows += pgtsdb_am_count(index, cursor->block, entry);
	}
	pfree(last);
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
