/*
 * write_functions.c
 *		tsdb.push() and tsdb.push_text(), and what all write functions have in common.
 *
 * A body that cannot be decoded at all is an error, and nothing of it is stored.
 * Parts that cannot be stored (a series with bad labels, a second value for one
 * time) do not keep the rest out: they are reported by one WARNING, and the
 * answer counts what is stored.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "pg/errors.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/storage/storage.h"
#include "pg/storage/storage_internal.h"
#include "pg/storage/write.h"
#include "pg/types/types.h"

/* Times that a timestamptz can say, in milliseconds. */
#define OLDEST_TIME pgtsdb_timestamp_to_ms(MIN_TIMESTAMP)
#define NEWEST_TIME pgtsdb_timestamp_to_ms(END_TIMESTAMP - 1)

static void warn_of_losses(const PgtsdbIngestResult *result);
static uint64 not_stored(const PgtsdbIngestResult *result);
static void push_samples(PgtsdbWrite *write, Jsonb *body);
static TsdbStatus push_sample(PgtsdbWrite *write, JsonbContainer *sample, TsdbError *error);
static TsdbStatus sample_labels(PgtsdbWrite *write, JsonbContainer *sample, TsdbLabels *labels, TsdbError *error);
static TsdbStatus sample_time(JsonbContainer *sample, int64 *t, TsdbError *error);
static TsdbStatus sample_value(JsonbContainer *sample, double *v, TsdbError *error);
static JsonbValue *field(JsonbContainer *object, const char *name);
static Jsonb *push_answer(uint64 ingested, uint64 dropped);

PG_FUNCTION_INFO_V1(pgtsdb_sql_push);
PG_FUNCTION_INFO_V1(pgtsdb_sql_push_text);

Datum
pgtsdb_sql_push_text(PG_FUNCTION_ARGS)
{
	text	   *body = PG_GETARG_TEXT_PP(0);
	Jsonb	   *target_labels = PG_GETARG_JSONB_P(1);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(2);
	TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	TsdbTextOptions options = {.now = pgtsdb_timestamp_to_ms(at), .honor_timestamps = true};
	TsdbTextResult text_result;
	TsdbError	error;
	PgtsdbWrite write;

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("samples need a finite time")));
	pgtsdb_check(pgtsdb_jsonb_labels(arena, target_labels, &options.target_labels, &error), &error);

	pgtsdb_write_begin(&write, &(PgtsdbSender) {.identity = pgtsdb_text_identity(options.target_labels, options.honor_labels)});
	pgtsdb_check(tsdb_text_decode(write.arena, (TsdbStr) {VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body)}, &options,
								  pgtsdb_ingest_sink(write.ingest), &text_result, &error), &error);
	pgtsdb_write_finish(&write);
	PG_RETURN_INT64(write.result.samples);
}

Datum
pgtsdb_sql_push(PG_FUNCTION_ARGS)
{
	Jsonb	   *body = PG_GETARG_JSONB_P(0);
	PgtsdbWrite write;

	pgtsdb_write_begin(&write, &(PgtsdbSender) {0});
	push_samples(&write, body);
	pgtsdb_write_finish(&write);
	PG_RETURN_JSONB_P(push_answer(write.result.samples, not_stored(&write.result)));
}

/* ---- any of them ---- */

void
pgtsdb_write_begin(PgtsdbWrite *write, const PgtsdbSender *sender)
{
	PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_WRITE);
	PgtsdbIngestOptions options = pgtsdb_write_options(tenant, pgtsdb_timestamp_to_ms(GetCurrentTimestamp()));

	memset(write, 0, sizeof(*write));
	write->arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	pgtsdb_act_as_owner(&write->caller);
	write->ingest = pgtsdb_ingest_begin(&options);
	pgtsdb_ingest_start_sender(write->ingest, sender);
}

/* The settings are those of the session: of the gateway, say, and not of who imports old samples. */
PgtsdbIngestOptions
pgtsdb_write_options(const PgtsdbTenant *tenant, int64 received_at)
{
	PgtsdbIngestOptions options = {.tenant = tenant, .t_min = OLDEST_TIME, .t_max = NEWEST_TIME};
	int64		max_age = (int64) pgtsdb_ingest_max_age * 1000;

	if (pgtsdb_ingest_max_age == PGTSDB_MAX_AGE_OF_TENANT)
		max_age = pgtsdb_tenant_max_sample_age(tenant);
	if (max_age > 0)
		options.t_min = Max(options.t_min, received_at - max_age);
	if (pgtsdb_ingest_max_ahead > 0)
		options.t_max = received_at + (int64) pgtsdb_ingest_max_ahead * 1000;
	return options;
}

void
pgtsdb_write_finish(PgtsdbWrite *write)
{
	pgtsdb_ingest_end_sender(write->ingest, NULL);
	pgtsdb_ingest_finish(write->ingest, &write->result);
	pgtsdb_act_as_caller(&write->caller);
	if (write->result.first_error.code != TSDB_OK)
		warn_of_losses(&write->result);
}

/* A WARNING, because an error would take the good samples back. */
static void
warn_of_losses(const PgtsdbIngestResult *result)
{
	ereport(WARNING,
			(errmsg(UINT64_FORMAT " samples stored, " UINT64_FORMAT " samples or series not stored",
					result->samples, not_stored(result)),
			 errdetail("Rejected: " UINT64_FORMAT "; another value at the same time: " UINT64_FORMAT "; too old: " UINT64_FORMAT
					   "; too far in the future: " UINT64_FORMAT ". The first: %s.",
					   result->rejected, result->conflicts, result->too_old, result->too_new, result->first_error.message),
			 result->first_error.hint[0] != '\0' ? errhint("%s", result->first_error.hint) : 0));
}

static uint64
not_stored(const PgtsdbIngestResult *result)
{
	return result->rejected + result->conflicts + result->too_old + result->too_new;
}

/* ---- JSON ---- */

/* A sample that makes no sense is rejected, and the next one read. */
static void
push_samples(PgtsdbWrite *write, Jsonb *body)
{
	JsonbValue *samples = JB_ROOT_IS_OBJECT(body) ? field(&body->root, "samples") : NULL;
	JsonbIterator *iterator;
	JsonbValue	element;
	TsdbSampleSink *sink = pgtsdb_ingest_sink(write->ingest);

	if (samples == NULL || samples->type != jbvBinary || !JsonContainerIsArray(samples->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("body has no array \"samples\""),
				 errhint("Send {\"samples\": [{\"metric\": \"temperature\", \"labels\": {\"room\": \"attic\"},"
						 " \"timestampMs\": 1700000000000, \"value\": 21.5}]}.")));

	iterator = JsonbIteratorInit(samples->val.binary.data);
	(void) JsonbIteratorNext(&iterator, &element, true);	/* the array itself */
	while (JsonbIteratorNext(&iterator, &element, true) == WJB_ELEM)
	{
		TsdbArenaMark mark = tsdb_arena_mark(write->arena);
		TsdbStatus	status;
		TsdbError	error;

		CHECK_FOR_INTERRUPTS();
		if (element.type == jbvBinary && JsonContainerIsObject(element.val.binary.data))
			status = push_sample(write, element.val.binary.data, &error);
		else
			status = tsdb_fail(&error, TSDB_ERR_INPUT, "a sample is not a JSON object");
		if (status != TSDB_OK)
			sink->reject(sink, &error);
		tsdb_arena_rewind(write->arena, mark);
	}
}

static TsdbStatus
push_sample(PgtsdbWrite *write, JsonbContainer *sample, TsdbError *error)
{
	TsdbLabels	labels;
	int64		t = 0;
	double		v = 0;
	TsdbStatus	status = sample_labels(write, sample, &labels, error);

	if (status == TSDB_OK)
		status = sample_time(sample, &t, error);
	if (status == TSDB_OK)
		status = sample_value(sample, &v, error);
	if (status == TSDB_OK)
		pgtsdb_ingest_append_labels(write->ingest, labels, t, v);
	return status;
}

static TsdbStatus
sample_labels(PgtsdbWrite *write, JsonbContainer *sample, TsdbLabels *labels, TsdbError *error)
{
	JsonbValue *metric = field(sample, "metric");
	JsonbValue *object = field(sample, "labels");
	TsdbLabel  *pairs;
	size_t		n = 0;

	if (metric == NULL || metric->type != jbvString)
		return tsdb_fail(error, TSDB_ERR_INPUT, "a sample has no string \"metric\"");
	if (object != NULL && object->type == jbvNull)
		object = NULL;
	if (object != NULL && (object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data)))
		return tsdb_fail(error, TSDB_ERR_INPUT, "\"labels\" of a sample is not a JSON object");

	pairs = TSDB_NEW_ARRAY(write->arena, TsdbLabel,
						   1 + (object == NULL ? 0 : JsonContainerSize(object->val.binary.data)));
	pairs[n++] = (TsdbLabel) {TSDB_STR(TSDB_METRIC_NAME), {metric->val.string.val, metric->val.string.len}};
	if (object != NULL)
	{
		JsonbIterator *iterator = JsonbIteratorInit(object->val.binary.data);
		JsonbValue	key;
		JsonbValue	value;

		(void) JsonbIteratorNext(&iterator, &key, true);	/* the object itself */
		while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
		{
			(void) JsonbIteratorNext(&iterator, &value, true);
			if (value.type != jbvString)
				return tsdb_fail(error, TSDB_ERR_LABELS, "label \"%.*s\" is not a string",
								 (int) Min(key.val.string.len, 64), key.val.string.val);
			pairs[n++] = (TsdbLabel) {
				{key.val.string.val, key.val.string.len},
				{value.val.string.val, value.val.string.len}
			};
		}
	}
	return tsdb_labels_make(pairs, n, labels, error);
}

static TsdbStatus
sample_time(JsonbContainer *sample, int64 *t, TsdbError *error)
{
	JsonbValue *time = field(sample, "timestampMs");
	double		ms;

	if (time == NULL || time->type != jbvNumeric)
		return tsdb_fail(error, TSDB_ERR_INPUT, "a sample has no number \"timestampMs\"");
	ms = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(time->val.numeric)));
	if (!(ms >= OLDEST_TIME && ms <= NEWEST_TIME) || ms != (double) (int64) ms)
		return tsdb_fail(error, TSDB_ERR_INPUT,
						 "\"timestampMs\" of a sample is %g, not a whole number of milliseconds since 1970", ms);
	*t = (int64) ms;
	return TSDB_OK;
}

/* JSON has no numbers for them, so "NaN", "+Inf" and "-Inf" are strings. */
static TsdbStatus
sample_value(JsonbContainer *sample, double *v, TsdbError *error)
{
	JsonbValue *value = field(sample, "value");

	if (value != NULL && value->type == jbvNumeric)
	{
		*v = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
		return TSDB_OK;
	}
	if (value != NULL && value->type == jbvString &&
		tsdb_parse_double((TsdbStr) {value->val.string.val, value->val.string.len}, v))
		return TSDB_OK;
	return tsdb_fail(error, TSDB_ERR_INPUT, "a sample has no number \"value\"");
}

static JsonbValue *
field(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), NULL);
}

static Jsonb *
push_answer(uint64 ingested, uint64 dropped)
{
	const char *const names[] = {"ingestedCount", "droppedCount"};
	const uint64 counts[] = {ingested, dropped};
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(names); i++)
	{
		JsonbValue	key = {.type = jbvString};
		JsonbValue	count = {.type = jbvNumeric};

		key.val.string.val = unconstify(char *, names[i]);
		key.val.string.len = strlen(names[i]);
		count.val.numeric = int64_to_numeric((int64) counts[i]);
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, &count);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
