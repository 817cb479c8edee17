/*
 * labels.c
 *		The type tsdb.labels: a label set in its canonical encoding.
 *
 * Equal sets have equal bytes, so equality and hash look at bytes only.  The order
 * is that of Prometheus (name, value, name, value ...).  Text is as Prometheus
 * prints a metric: up{job="node"}.  Labels are UTF-8 inside; text is converted
 * from and to the encoding of the server.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/types/types.h"

/* ---- C interface ---- */

Datum
pgtsdb_labels_datum(TsdbLabels labels)
{
	TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	TsdbBuffer	buffer;
	Datum		result;

	tsdb_buffer_init(&buffer, arena, 512);
	tsdb_labels_encode(&buffer, labels);
	result = pgtsdb_bytes_datum(buffer.data, buffer.len);
	tsdb_arena_free(arena);
	pfree(arena);
	return result;
}

TsdbLabels
pgtsdb_datum_labels(TsdbArena *arena, Datum datum)
{
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(datum);

	return tsdb_labels_view(arena, VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored));
}

static TsdbArena *
call_arena(void)
{
	return pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
}

/* Text of the server from UTF-8, and back: mostly the same pointer. */
static text *
to_text(TsdbStr str)
{
	char	   *converted = pg_any_to_server(str.data, (int) str.len, PG_UTF8);

	if (converted == str.data)
		return cstring_to_text_with_len(str.data, (int) str.len);
	return cstring_to_text(converted);
}

static TsdbStr
from_text(const char *data, int len)
{
	char	   *converted = pg_server_to_any(data, len, PG_UTF8);

	return (TsdbStr){converted, converted == data ? (size_t) len : strlen(converted)};
}

static TsdbStr
argument_str(text *argument)
{
	return from_text(VARDATA_ANY(argument), (int) VARSIZE_ANY_EXHDR(argument));
}

/* ---- input and output ---- */

PG_FUNCTION_INFO_V1(pgtsdb_labels_in);
Datum
pgtsdb_labels_in(PG_FUNCTION_ARGS)
{
	char	   *input = PG_GETARG_CSTRING(0);
	TsdbStr		text = from_text(input, (int) strlen(input));
	TsdbLabels	labels;
	TsdbError	error;
	TsdbStatus	status;

	tsdb_error_clear(&error);
	status = tsdb_labels_parse(call_arena(), text, &labels, &error);
	if (status == TSDB_ERR_SYNTAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "tsdb.labels", input),
				 errdetail("Parsing failed: %s.", error.message),
				 errhint("Labels look like up{job=\"node\", instance=\"a:9100\"}.")));
	pgtsdb_check(status, &error);
	PG_RETURN_LABELS(labels);
}

/* name{label="value"}, in UTF-8 */
static TsdbStr
printed(TsdbArena *arena, TsdbLabels labels)
{
	TsdbBuffer	buffer;

	tsdb_buffer_init(&buffer, arena, 512);
	tsdb_labels_print(&buffer, labels);
	tsdb_buffer_cstring(&buffer);
	return (TsdbStr) {(const char *) buffer.data, buffer.len};
}

PG_FUNCTION_INFO_V1(pgtsdb_labels_out);
Datum
pgtsdb_labels_out(PG_FUNCTION_ARGS)
{
	TsdbArena  *arena = call_arena();
	TsdbStr		text = printed(arena, PG_GETARG_LABELS(arena, 0));

	PG_RETURN_CSTRING(pstrdup(pg_any_to_server(text.data, (int) text.len, PG_UTF8)));
}

PG_FUNCTION_INFO_V1(pgtsdb_labels_recv);
Datum
pgtsdb_labels_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			len = message->len - message->cursor;
	const char *data = pq_getmsgbytes(message, len);
	TsdbLabels	labels;
	TsdbError	error;

	tsdb_error_clear(&error);
	if (tsdb_labels_decode(call_arena(), data, (size_t) len, &labels, &error) != TSDB_OK)
	{
		/* nothing that is stored */
		error.code = TSDB_ERR_INPUT;
		pgtsdb_raise(&error);
	}
	PG_RETURN_LABELS(labels);
}

PG_FUNCTION_INFO_V1(pgtsdb_labels_send);
Datum
pgtsdb_labels_send(PG_FUNCTION_ARGS)
{
	struct varlena *stored = PG_GETARG_VARLENA_PP(0);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbytes(&message, VARDATA_ANY(stored), (int) VARSIZE_ANY_EXHDR(stored));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* ---- jsonb ---- */

static JsonbValue
json_string(TsdbStr str)
{
	char	   *converted = pg_any_to_server(str.data, (int) str.len, PG_UTF8);
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = converted;
	value.val.string.len = converted == str.data ? (int) str.len : (int) strlen(converted);
	return value;
}

Jsonb *
pgtsdb_labels_jsonb(TsdbLabels labels)
{
	JsonbParseState *state = NULL;
	JsonbValue *object;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (size_t i = 0; i < labels.n; i++)
	{
		JsonbValue	name = json_string(labels.pairs[i].name);
		JsonbValue	value = json_string(labels.pairs[i].value);

		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}

static TsdbStr
str_of_json(const JsonbValue *value)
{
	return from_text(value->val.string.val, value->val.string.len);
}

TsdbStatus
pgtsdb_jsonb_labels(TsdbArena *arena, Jsonb *jsonb, TsdbLabels *labels, TsdbError *error)
{
	TsdbLabel  *pairs;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	size_t		n = 0;

	if (!JB_ROOT_IS_OBJECT(jsonb))
		return tsdb_fail(error, TSDB_ERR_LABELS, "labels are not a JSON object");
	pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, JB_ROOT_COUNT(jsonb));
	iterator = JsonbIteratorInit(&jsonb->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			pairs[n].name = str_of_json(&item);
		else if (token == WJB_VALUE)
		{
			if (item.type != jbvString)
			{
				tsdb_fail(error, TSDB_ERR_LABELS, "value of label \"%.*s\" is not a string",
						  (int) Min(pairs[n].name.len, 100), pairs[n].name.data);
				tsdb_error_hint(error, "Put numbers and booleans in double quotes.");
				return error->code;
			}
			pairs[n++].value = str_of_json(&item);
		}
	}
	return tsdb_labels_make(pairs, n, labels, error);
}

PG_FUNCTION_INFO_V1(pgtsdb_labels_from_jsonb);
Datum
pgtsdb_labels_from_jsonb(PG_FUNCTION_ARGS)
{
	TsdbLabels	labels;
	TsdbError	error;

	tsdb_error_clear(&error);
	pgtsdb_check(pgtsdb_jsonb_labels(call_arena(), PG_GETARG_JSONB_P(0), &labels, &error), &error);
	PG_RETURN_LABELS(labels);
}

PG_FUNCTION_INFO_V1(pgtsdb_labels_to_jsonb);
Datum
pgtsdb_labels_to_jsonb(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(pgtsdb_labels_jsonb(PG_GETARG_LABELS(call_arena(), 0)));
}

/* tsdb.series_name(labels jsonb): one call where jsonb -> tsdb.labels -> text would be two casts */
PG_FUNCTION_INFO_V1(pgtsdb_labels_series_name);
Datum
pgtsdb_labels_series_name(PG_FUNCTION_ARGS)
{
	TsdbArena  *arena = call_arena();
	TsdbLabels	labels;
	TsdbError	error;

	tsdb_error_clear(&error);
	pgtsdb_check(pgtsdb_jsonb_labels(arena, PG_GETARG_JSONB_P(0), &labels, &error), &error);
	PG_RETURN_TEXT_P(to_text(printed(arena, labels)));
}

/* ---- access ---- */

PG_FUNCTION_INFO_V1(pgtsdb_labels_value);
Datum
pgtsdb_labels_value(PG_FUNCTION_ARGS)
{
	TsdbLabels	labels = PG_GETARG_LABELS(call_arena(), 0);
	TsdbStr		value = tsdb_labels_get(labels, argument_str(PG_GETARG_TEXT_PP(1)));

	if (value.data == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(to_text(value));
}

PG_FUNCTION_INFO_V1(pgtsdb_labels_names);
Datum
pgtsdb_labels_names(PG_FUNCTION_ARGS)
{
	TsdbLabels	labels = PG_GETARG_LABELS(call_arena(), 0);
	Datum	   *names = palloc(sizeof(Datum) * (labels.n + 1));

	for (size_t i = 0; i < labels.n; i++)
		names[i] = PointerGetDatum(to_text(labels.pairs[i].name));
	PG_RETURN_ARRAYTYPE_P(construct_array(names, (int) labels.n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- comparison ---- */

static bool
same_bytes(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	bool		same = VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return same;
}

/* Sorts call this many times in one context, so it leaves nothing behind. */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	TsdbArena  *arena = call_arena();
	int			order = tsdb_labels_compare(pgtsdb_datum_labels(arena, PointerGetDatum(a)),
											pgtsdb_datum_labels(arena, PointerGetDatum(b)));

	tsdb_arena_free(arena);
	pfree(arena);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

#define COMPARISON(name, result) \
	PG_FUNCTION_INFO_V1(pgtsdb_labels_##name); \
	Datum \
	pgtsdb_labels_##name(PG_FUNCTION_ARGS) \
	{ \
		result; \
	}

COMPARISON(eq, PG_RETURN_BOOL(same_bytes(fcinfo)))
COMPARISON(ne, PG_RETURN_BOOL(!same_bytes(fcinfo)))
COMPARISON(lt, PG_RETURN_BOOL(compare_arguments(fcinfo) < 0))
COMPARISON(le, PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0))
COMPARISON(gt, PG_RETURN_BOOL(compare_arguments(fcinfo) > 0))
COMPARISON(ge, PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0))
COMPARISON(cmp, PG_RETURN_INT32(compare_arguments(fcinfo)))

PG_FUNCTION_INFO_V1(pgtsdb_labels_hash);
Datum
pgtsdb_labels_hash(PG_FUNCTION_ARGS)
{
	struct varlena *stored = PG_GETARG_VARLENA_PP(0);
	Datum		hash = hash_any((unsigned char *) VARDATA_ANY(stored), (int) VARSIZE_ANY_EXHDR(stored));

	PG_FREE_IF_COPY(stored, 0);
	return hash;
}

PG_FUNCTION_INFO_V1(pgtsdb_labels_hash_extended);
Datum
pgtsdb_labels_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *stored = PG_GETARG_VARLENA_PP(0);
	Datum		hash = hash_any_extended((unsigned char *) VARDATA_ANY(stored), (int) VARSIZE_ANY_EXHDR(stored),
										 (uint64) PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(stored, 0);
	return hash;
}
