/*
 * json_labels.c
 *		Objects of strings, as configuration tables keep labels and parameters.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pg/compat.h"
#include "pg/outbound/outbound.h"

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
