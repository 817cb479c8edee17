/*
 * config_values.c
 *		Values of configuration tables: objects of strings, and lengths of time.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pg/compat.h"
#include "pg/config_values.h"

/* The text of a scalar; false for null, which has none. */
static bool
scalar_text(const JsonbValue *scalar, const char **text, int *len)
{
	switch (scalar->type)
	{
		case jbvString:
			*text = scalar->val.string.val;
			*len = scalar->val.string.len;
			return true;
		case jbvBool:
			*text = scalar->val.boolean ? "true" : "false";
			*len = (int) strlen(*text);
			return true;
		case jbvNumeric:
			*text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(scalar->val.numeric)));
			*len = (int) strlen(*text);
			return true;
		default:
			return false;
	}
}

bool
pgtsdb_json_pairs(Jsonb *object, bool lists, PgtsdbJsonPair pair, void *context)
{
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	const char *text;
	int			len;

	if (JsonbIteratorNext(&iterator, &value, false) != WJB_BEGIN_OBJECT)
		return false;
	while ((token = JsonbIteratorNext(&iterator, &key, false)) == WJB_KEY)
	{
		token = JsonbIteratorNext(&iterator, &value, false);
		if (token == WJB_VALUE)
		{
			if (!scalar_text(&value, &text, &len))
				return false;
			pair(context, key.val.string.val, key.val.string.len, text, len);
			continue;
		}
		if (token != WJB_BEGIN_ARRAY || !lists)
			return false;
		while ((token = JsonbIteratorNext(&iterator, &value, false)) == WJB_ELEM)
		{
			if (!scalar_text(&value, &text, &len))
				return false;
			pair(context, key.val.string.val, key.val.string.len, text, len);
		}
		if (token != WJB_END_ARRAY)
			return false;
	}
	return token == WJB_END_OBJECT;
}

/* ---- labels ---- */

typedef struct LabelList
{
	TsdbLabel  *pairs;
	size_t		n;
	size_t		capacity;
} LabelList;

static void
add_label(void *context, const char *key, int key_len, const char *value, int value_len)
{
	LabelList  *list = context;

	if (list->n == list->capacity)
	{
		list->capacity = list->capacity == 0 ? 8 : list->capacity * 2;
		list->pairs = list->pairs == NULL ? palloc_array(TsdbLabel, list->capacity)
			: repalloc_array(list->pairs, TsdbLabel, list->capacity);
	}
	list->pairs[list->n].name = (TsdbStr) {pnstrdup(key, key_len), key_len};
	list->pairs[list->n++].value = (TsdbStr) {pnstrdup(value, value_len), value_len};
}

bool
pgtsdb_json_labels(Jsonb *object, TsdbLabel **pairs, size_t *n)
{
	LabelList	list = {0};

	if (!pgtsdb_json_pairs(object, false, add_label, &list))
		return false;
	*pairs = list.pairs;
	*n = list.n;
	return true;
}

static void
add_default_label(LabelList *list, const char *name, const char *value)
{
	for (size_t i = 0; i < list->n; i++)
		if (tsdb_str_equal(list->pairs[i].name, tsdb_str(name)))
			return;
	add_label(list, name, (int) strlen(name), value, (int) strlen(value));
}

TsdbStatus
pgtsdb_target_labels(const char *job, const char *address, Jsonb *own, TsdbLabels *labels, TsdbError *error)
{
	LabelList	list = {0};

	if (!pgtsdb_json_pairs(own, false, add_label, &list))
		return tsdb_fail(error, TSDB_ERR_LABELS, "labels are not an object of strings");
	add_default_label(&list, "job", job);
	add_default_label(&list, "instance", address);
	return tsdb_labels_make(list.pairs, list.n, labels, error);
}

bool
pgtsdb_interval_to_ms(const Interval *interval, int64 *ms)
{
	int64		days = interval->day;

	if (interval->month != 0 || days < -100000 || days > 100000 ||
		interval->time < -INT64CONST(100000) * USECS_PER_DAY || interval->time > INT64CONST(100000) * USECS_PER_DAY)
		return false;
	*ms = (days * USECS_PER_DAY + interval->time) / 1000;
	return true;
}
