/*
 * selector.c
 *		The type tsdb.selector: which series, as a PromQL selector without modifiers.
 *
 * Stored as its canonical text, in the encoding of the server: the metric name
 * in front when one is asked for literally, then the matchers in the order they came in.
 * Equal text is the same selector; different texts may select the same series.
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/promql/parser.h"
#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/types/types.h"

/* ---- text ---- */

static bool
is_plain_name(const TsdbMatcher *matcher)
{
	return matcher->type == TSDB_MATCH_EQUAL && tsdb_str_equal(matcher->name, TSDB_STR(TSDB_METRIC_NAME)) &&
		tsdb_is_legacy_metric_name(matcher->value);
}

static void
print_selector(TsdbBuffer *buffer, const TsdbMatcher *matchers, size_t n)
{
	size_t		name = 0;
	bool		first = true;

	while (name < n && !is_plain_name(&matchers[name]))
		name++;
	if (name < n)
		tsdb_buffer_append_str(buffer, matchers[name].value);
	if (name < n && n == 1)
		return;
	tsdb_buffer_u8(buffer, '{');
	for (size_t i = 0; i < n; i++)
	{
		if (i == name)
			continue;
		if (!first)
			tsdb_buffer_u8(buffer, ',');
		tsdb_matcher_print(buffer, &matchers[i]);
		first = false;
	}
	tsdb_buffer_u8(buffer, '}');
}

/* Text of a caller to the value that is stored. */
static Datum
make_selector(const char *input, int len)
{
	TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	char	   *utf8 = pg_server_to_any(input, len, PG_UTF8);
	TsdbStr		text = {utf8, utf8 == input ? (size_t) len : strlen(utf8)};
	TsdbMatcher *matchers;
	TsdbBuffer	buffer;
	TsdbError	error;
	TsdbStatus	status;
	size_t		n;

	tsdb_error_clear(&error);
	status = tsdb_promql_parse_selector(arena, text, &matchers, &n, &error);
	if (status == TSDB_ERR_SYNTAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%.*s\"", "tsdb.selector", len, input),
				 errdetail("At byte " INT64_FORMAT ": %s.", error.start + 1, error.message),
				 errhint("Selectors look like up{job=\"node\", instance=~\"web-.+\"}.")));
	pgtsdb_check(status, &error);
	tsdb_buffer_init(&buffer, arena, 256);
	print_selector(&buffer, matchers, n);
	utf8 = tsdb_buffer_cstring(&buffer);
	return CStringGetTextDatum(pg_any_to_server(utf8, (int) buffer.len, PG_UTF8));
}

/* ---- C interface ---- */

void
pgtsdb_datum_selector(TsdbArena *arena, Datum datum, TsdbMatcher **matchers, size_t *n)
{
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(datum);
	char	   *utf8 = pg_server_to_any(VARDATA_ANY(stored), (int) VARSIZE_ANY_EXHDR(stored), PG_UTF8);
	TsdbStr		text = {utf8, utf8 == VARDATA_ANY(stored) ? VARSIZE_ANY_EXHDR(stored) : strlen(utf8)};
	TsdbError	error;

	tsdb_error_clear(&error);
	/* matchers point into their text, and that may not live as long as they do */
	pgtsdb_check(tsdb_promql_parse_selector(arena, tsdb_str_copy(arena, text), matchers, n, &error), &error);
}

/* ---- input and output ---- */

PG_FUNCTION_INFO_V1(pgtsdb_selector_in);
Datum
pgtsdb_selector_in(PG_FUNCTION_ARGS)
{
	char	   *input = PG_GETARG_CSTRING(0);

	return make_selector(input, (int) strlen(input));
}

PG_FUNCTION_INFO_V1(pgtsdb_selector_out);
Datum
pgtsdb_selector_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(TextDatumGetCString(PG_GETARG_DATUM(0)));
}

PG_FUNCTION_INFO_V1(pgtsdb_selector_recv);
Datum
pgtsdb_selector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			len;
	char	   *text = pq_getmsgtext(message, message->len - message->cursor, &len);

	return make_selector(text, len);
}

PG_FUNCTION_INFO_V1(pgtsdb_selector_send);
Datum
pgtsdb_selector_send(PG_FUNCTION_ARGS)
{
	text	   *stored = PG_GETARG_TEXT_PP(0);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendtext(&message, VARDATA_ANY(stored), (int) VARSIZE_ANY_EXHDR(stored));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* ---- labels @@ selector ---- */

/* The selector of the last call with its compiled patterns: it is nearly always the same again. */
typedef struct CompiledSelector
{
	MemoryContext context;		/* of the fields below, reset for another selector */
	struct varlena *stored;		/* NULL: none yet */
	TsdbMatcher *matchers;
	size_t		n;
} CompiledSelector;

static CompiledSelector *
compiled_selector(FmgrInfo *flinfo, struct varlena *stored)
{
	CompiledSelector *compiled = flinfo->fn_extra;
	Size		size = VARSIZE_ANY(stored);

	if (compiled == NULL)
	{
		compiled = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(CompiledSelector));
		compiled->context = AllocSetContextCreate(flinfo->fn_mcxt, "pgtsdb compiled selector", ALLOCSET_SMALL_SIZES);
		flinfo->fn_extra = compiled;
	}
	if (compiled->stored == NULL || VARSIZE_ANY(compiled->stored) != size || memcmp(compiled->stored, stored, size) != 0)
	{
		MemoryContext old = MemoryContextSwitchTo(compiled->context);

		compiled->stored = NULL;
		MemoryContextReset(compiled->context);
		pgtsdb_datum_selector(pgtsdb_arena_create(compiled->context, 0, NULL), PointerGetDatum(stored),
							  &compiled->matchers, &compiled->n);
		compiled->stored = memcpy(palloc(size), stored, size);
		MemoryContextSwitchTo(old);
	}
	return compiled;
}

PG_FUNCTION_INFO_V1(pgtsdb_labels_match);
Datum
pgtsdb_labels_match(PG_FUNCTION_ARGS)
{
	TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	CompiledSelector *compiled = compiled_selector(fcinfo->flinfo, PG_GETARG_VARLENA_PP(1));
	bool		matches = tsdb_matchers_match(compiled->matchers, compiled->n, PG_GETARG_LABELS(arena, 0));

	tsdb_arena_free(arena);
	pfree(arena);
	PG_RETURN_BOOL(matches);
}
