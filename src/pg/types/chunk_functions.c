/*
 * chunk_functions.c
 *		SQL functions that make chunks and look into them.
 *
 * tsdb.chunk_agg() makes a chunk that stands alone: one column, with the time of
 * its first sample inside.  A chunk out of tsdb.chunks has neither: it gets its t_min as
 * an argument and shows all its columns.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "core/chunk/chunk.h"
#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/times.h"
#include "pg/types/types.h"

/* A chunk that stands alone has no row to fill. */
#define ALONE_LIMIT (1024 * 1024)

/* ---- chunk_agg ---- */

typedef struct Sample
{
	int64		t;
	int			order;			/* of arrival */
	double		v;
} Sample;

typedef struct Samples
{
	MemoryContext context;
	Sample	   *samples;
	int			n;
	int			capacity;
	TsdbChunkCodec codec;
	bool		sorted;
} Samples;

static TsdbChunkCodec
codec_by_name(text *name)
{
	char	   *codec = text_to_cstring(name);

	if (strcmp(codec, "auto") == 0)
		return TSDB_CODEC_AUTO;
	if (strcmp(codec, "gorilla") == 0)
		return TSDB_CODEC_GORILLA;
	if (strcmp(codec, "bits") == 0)
		return TSDB_CODEC_BITS;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("codec \"%s\" does not exist", codec),
			 errhint("Codecs are \"auto\", \"gorilla\" and \"bits\".")));
}

static Samples *
start_samples(FunctionCallInfo fcinfo, MemoryContext context)
{
	Samples    *samples = MemoryContextAllocZero(context, sizeof(Samples));

	samples->context = context;
	samples->sorted = true;
	if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
		samples->codec = codec_by_name(PG_GETARG_TEXT_PP(3));
	return samples;
}

static void
add_sample(Samples *samples, int64 t, double v)
{
	if (samples->n == samples->capacity)
	{
		int			capacity = samples->capacity == 0 ? 256 : samples->capacity * 2;

		/* twice the limit leaves room for samples that come twice */
		if (samples->n >= 2 * TSDB_CHUNK_MAX_TIMES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("more than %d samples for one chunk", TSDB_CHUNK_MAX_TIMES),
					 errhint("Group by a shorter range of time.")));
		samples->samples = samples->samples == NULL ?
			MemoryContextAlloc(samples->context, capacity * sizeof(Sample)) :
			repalloc(samples->samples, capacity * sizeof(Sample));
		samples->capacity = capacity;
	}
	if (samples->n > 0 && samples->samples[samples->n - 1].t >= t)
		samples->sorted = false;
	samples->samples[samples->n] = (Sample){t, samples->n, v};
	samples->n++;
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_agg_step);
Datum
pgtsdb_chunk_agg_step(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	Samples    *samples = PG_ARGISNULL(0) ? NULL : (Samples *) PG_GETARG_POINTER(0);
	TimestampTz timestamp;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tsdb.chunk_agg_step() is only for the aggregate tsdb.chunk_agg()")));
	if (samples == NULL)
		samples = start_samples(fcinfo, context);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(samples);
	timestamp = PG_GETARG_TIMESTAMPTZ(1);
	if (TIMESTAMP_NOT_FINITE(timestamp))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("time of a sample must be finite")));
	add_sample(samples, pgtsdb_timestamp_to_ms(timestamp), PG_GETARG_FLOAT8(2));
	PG_RETURN_POINTER(samples);
}

static int
compare_samples(const void *a, const void *b)
{
	const Sample *x = a;
	const Sample *y = b;

	if (x->t != y->t)
		return x->t < y->t ? -1 : 1;
	return x->order - y->order;
}

/* In order of time; of samples with the same time the first stays. */
static size_t
sort_samples(const Samples *samples, int64_t *times, double *values)
{
	Sample	   *sorted = palloc(sizeof(Sample) * samples->n);
	size_t		n = 0;

	/* the state may be used again: by a window function, the samples before this row */
	memcpy(sorted, samples->samples, sizeof(Sample) * samples->n);
	if (!samples->sorted)
		qsort(sorted, samples->n, sizeof(Sample), compare_samples);
	for (int i = 0; i < samples->n; i++)
	{
		if (n > 0 && times[n - 1] == sorted[i].t)
			continue;
		times[n] = sorted[i].t;
		values[n++] = sorted[i].v;
	}
	pfree(sorted);
	return n;
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_agg_final);
Datum
pgtsdb_chunk_agg_final(PG_FUNCTION_ARGS)
{
	Samples    *samples = PG_ARGISNULL(0) ? NULL : (Samples *) PG_GETARG_POINTER(0);
	int64_t    *times;
	double	   *values;
	TsdbChunkColumn column;
	TsdbChunkInput input;
	TsdbChunkWriter *writer;
	TsdbChunkRow row;
	TsdbError	error;

	if (samples == NULL || samples->n == 0)
		PG_RETURN_NULL();
	times = palloc(sizeof(int64_t) * samples->n);
	values = palloc(sizeof(double) * samples->n);
	column = (TsdbChunkColumn){values, NULL};
	input = (TsdbChunkInput){
		.times = times, .n_times = sort_samples(samples, times, values), .columns = &column, .n_columns = 1,
		.limit = ALONE_LIMIT, .codec = samples->codec, .with_base = true,
	};
	tsdb_error_clear(&error);
	pgtsdb_check(tsdb_chunk_writer_make(pgtsdb_arena_create(CurrentMemoryContext, 0, NULL), &pgtsdb_env, &input, &writer, &error), &error);
	if (!tsdb_chunk_writer_next(writer, &row))
		elog(ERROR, "samples without a chunk");
	return pgtsdb_bytes_datum(row.data, row.len);
}

/* ---- looking into chunks ---- */

static TsdbChunkReader *
open_chunk(Datum datum, int64 t_min)
{
	TsdbChunkReader *reader = tsdb_chunk_reader_make(pgtsdb_arena_create(CurrentMemoryContext, 0, NULL));
	TsdbError	error;
	size_t		len;
	const uint8_t *data = pgtsdb_datum_chunk(datum, &len);

	tsdb_error_clear(&error);
	pgtsdb_check(tsdb_chunk_open(reader, data, len, t_min, &error), &error);
	return reader;
}

/* Puts the samples of one column into the result, behind the n_first columns of the row that are in values already. */
static void
put_samples(ReturnSetInfo *result, TsdbChunkReader *reader, int column, Datum *row, int n_first)
{
	size_t		room = tsdb_chunk_n_times(reader);
	int64_t    *t = palloc(sizeof(int64_t) * room);
	double	   *v = palloc(sizeof(double) * room);
	bool		nulls[3] = {false, false, false};
	TsdbError	error;
	size_t		n;

	tsdb_error_clear(&error);
	pgtsdb_check(tsdb_chunk_read_samples(reader, column, INT64_MIN, INT64_MAX, t, v, &n, &error), &error);
	for (size_t i = 0; i < n; i++)
	{
		row[n_first] = TimestampTzGetDatum(pgtsdb_ms_to_timestamp(t[i]));
		row[n_first + 1] = Float8GetDatum(v[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
	}
	pfree(t);
	pfree(v);
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_samples);
Datum
pgtsdb_chunk_samples(PG_FUNCTION_ARGS)
{
	TsdbChunkReader *reader = open_chunk(PG_GETARG_DATUM(0), 0);
	Datum		row[2];

	if (!tsdb_chunk_info(reader).has_base || tsdb_chunk_n_columns(reader) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("chunk does not stand alone"),
				 errdetail("Chunks of tsdb.chunks have many columns, and their first time is in the column t_min."),
				 errhint("Use tsdb.chunk_samples(data, t_min).")));
	InitMaterializedSRF(fcinfo, 0);
	put_samples((ReturnSetInfo *) fcinfo->resultinfo, reader, 0, row, 0);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_samples_of_columns);
Datum
pgtsdb_chunk_samples_of_columns(PG_FUNCTION_ARGS)
{
	TsdbChunkReader *reader = open_chunk(PG_GETARG_DATUM(0), PG_GETARG_INT64(1));
	Datum		row[3];

	InitMaterializedSRF(fcinfo, 0);
	for (int column = 0; column < tsdb_chunk_n_columns(reader); column++)
	{
		row[0] = Int32GetDatum(column);
		put_samples((ReturnSetInfo *) fcinfo->resultinfo, reader, column, row, 1);
	}
	return (Datum) 0;
}

/* ---- chunk_info ---- */

enum
{
	INFO_COL,
	INFO_BYTES,
	INFO_SAMPLES,
	INFO_MODEL,
	INFO_EXPONENT,
	INFO_PREDICTOR,
	INFO_CODER,
	INFO_REFERENCE,
	INFO_COLUMNS
};

static void
set_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = text == NULL;
	if (text != NULL)
		values[i] = CStringGetTextDatum(text);
}

/* Header, timestamps and directory are a row without a column number. */
static void
put_header_info(ReturnSetInfo *result, TsdbChunkReader *reader)
{
	TsdbChunkInfo info = tsdb_chunk_info(reader);
	Datum		values[INFO_COLUMNS] = {0};
	bool		nulls[INFO_COLUMNS];

	memset(nulls, true, sizeof(nulls));
	nulls[INFO_BYTES] = nulls[INFO_SAMPLES] = false;
	values[INFO_BYTES] = Int32GetDatum((int32) info.header_bytes);
	values[INFO_SAMPLES] = Int32GetDatum((int32) tsdb_chunk_n_times(reader));
	set_text(values, nulls, INFO_MODEL, info.regular ? "regular timestamps" : "timestamps");
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_column_info(ReturnSetInfo *result, TsdbChunkReader *reader, int column)
{
	TsdbChunkColumnInfo info;
	Datum		values[INFO_COLUMNS] = {0};
	bool		nulls[INFO_COLUMNS] = {false};
	TsdbError	error;

	tsdb_error_clear(&error);
	pgtsdb_check(tsdb_chunk_column_info(reader, column, &info, &error), &error);
	values[INFO_COL] = Int32GetDatum(column);
	values[INFO_BYTES] = Int32GetDatum((int32) info.bytes);
	values[INFO_SAMPLES] = Int32GetDatum((int32) info.n_samples);
	set_text(values, nulls, INFO_MODEL, info.number);
	values[INFO_EXPONENT] = Int32GetDatum(info.exponent);
	nulls[INFO_EXPONENT] = info.n_samples == 0;
	values[INFO_PREDICTOR] = Int32GetDatum(info.order);
	nulls[INFO_PREDICTOR] = info.order < 0;
	set_text(values, nulls, INFO_CODER, info.coder);
	values[INFO_REFERENCE] = Int32GetDatum(info.reference);
	nulls[INFO_REFERENCE] = info.reference == 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_info);
Datum
pgtsdb_chunk_info(PG_FUNCTION_ARGS)
{
	TsdbChunkReader *reader = open_chunk(PG_GETARG_DATUM(0), 0);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	put_header_info(result, reader);
	for (int column = 0; column < tsdb_chunk_n_columns(reader); column++)
		put_column_info(result, reader, column);
	return (Datum) 0;
}
