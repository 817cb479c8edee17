/*
 * writer.c
 *		Filling rows: columns one after another until the next does not fit.
 *
 * Heap pages take one row of more than 4 kB, so a row that is not full is
 * a page that is not full: a quarter of all bytes, when it was measured.  The
 * column that does not fit is therefore cut in time: as many of its samples as
 * fit end the row (unless they are few), the others begin the next one.
 *
 * All columns of a row share its timestamps.  They repeat in each row of the
 * input; when they are so irregular that they would take more than a quarter
 * of a row, the input is first cut in time as a whole.
 *
 * Two rows never have the same (t_min, first column, number of columns), which is
 * part of the key of tsdb.chunks: two rows with the same first column are
 * parts of a column that was cut, and at least one of them has no other column.
 * Such a row keeps only the timestamps of its own samples.
 */
#include "core/chunk/column_writer.h"

#define MIN_CUT 40				/* samples: fewer are not worth a second part */
#define CUT_MARGIN 0.985
#define CUT_RETRY 0.95

struct TsdbChunkWriter
{
	TsdbChunkInput input;
	const TsdbEnv *env;
	ColumnWriter column_writer;

	/* Where the next row begins */
	size_t		window_from;	/* timestamps [from, to) are shared */
	size_t		window_to;
	size_t		column;
	size_t		sample;			/* of the column; window_from unless it was cut */

	/* The row that is being filled */
	size_t		n_columns;
	size_t		n_samples;
	size_t		first_sample;	/* where its first column begins */
	size_t		last_sample;	/* where its last column ends */
	size_t		directory_bytes;
	uint32_t	lengths[TSDB_CHUNK_MAX_COLUMNS];
	TsdbBuffer	columns;

	/* Scratch */
	TsdbBuffer	window_times;	/* header bytes of [window_from, window_to) */
	TsdbBuffer	row_times;
	TsdbBuffer	data;			/* the finished row */
	int64_t    *deviations;
};

/* ---- input ---- */

static TsdbStatus
check_input(const TsdbChunkInput *input, TsdbError *error)
{
	if (input->limit < TSDB_CHUNK_MIN_LIMIT)
		return tsdb_fail(error, TSDB_ERR_LIMIT, "chunk limit of %zu bytes is below %d", input->limit, TSDB_CHUNK_MIN_LIMIT);
	if (input->n_times > TSDB_CHUNK_MAX_TIMES)
		return tsdb_fail(error, TSDB_ERR_LIMIT, "%zu timestamps are more than the %d of a chunk", input->n_times, TSDB_CHUNK_MAX_TIMES);
	for (size_t i = 1; i < input->n_times; i++)
		if (input->times[i] <= input->times[i - 1])
			return tsdb_fail(error, TSDB_ERR_INPUT, "timestamps of a chunk do not ascend");
	if (input->n_times > 0 && input->times[0] < 0 && input->times[input->n_times - 1] > INT64_MAX + input->times[0])
		return tsdb_fail(error, TSDB_ERR_LIMIT, "timestamps of a chunk are too far apart");
	return TSDB_OK;
}

static bool
any_present(const TsdbChunkColumn *column, size_t from, size_t to)
{
	if (column->values == NULL)
		return false;
	for (size_t i = from; i < to; i++)
		if (tsdb_presence_get(column->present, i))
			return true;
	return false;
}

/* ---- timestamps ---- */

/* The difference that most timestamps have, if most have the same. */
static int64_t
typical_step(const int64_t *times, size_t n, int64_t *scratch)
{
	size_t		m = n - 1 < 129 ? n - 1 : 129;
	size_t		stride = (n - 1) / m;

	/* a median by insertion into a sorted array */
	for (size_t i = 0; i < m; i++)
	{
		int64_t		difference = times[i * stride + 1] - times[i * stride];
		size_t		at = i;

		for (; at > 0 && scratch[at - 1] > difference; at--)
			scratch[at] = scratch[at - 1];
		scratch[at] = difference;
	}
	return scratch[m / 2];
}

/* Header, step, base and deviations for the timestamps [from, to). */
static void
write_times(TsdbChunkWriter *writer, size_t from, size_t to, TsdbBuffer *out)
{
	const int64_t *times = writer->input.times + from;
	size_t		n = to - from;
	int64_t		step = n > 1 ? typical_step(times, n, writer->deviations) : 0;
	bool		regular = true;
	uint8_t		header[CHUNK_HEADER_BYTES] = {TSDB_CHUNK_VERSION, 0, 0, 0, 0};

	for (size_t i = 0; i < n; i++)
	{
		writer->deviations[i] = (int64_t) ((uint64_t) times[i] - (uint64_t) times[0] - i * (uint64_t) step);
		regular = regular && writer->deviations[i] == 0;
	}
	header[1] = (uint8_t) ((regular ? CHUNK_FLAG_REGULAR : 0) | (writer->input.with_base ? CHUNK_FLAG_BASE : 0));
	tsdb_store16(header + 2, (unsigned) n);
	out->len = 0;
	tsdb_buffer_append(out, header, sizeof(header));
	tsdb_buffer_varint(out, (uint64_t) step);
	if (writer->input.with_base)
		tsdb_buffer_varint(out, tsdb_zigzag(times[0]));
	if (!regular)
		tsdb_stream_write(out, &writer->column_writer.stream, writer->deviations, n);
}

/* The longest window from here on whose timestamps leave enough room for samples. */
static void
start_window(TsdbChunkWriter *writer, size_t from)
{
	writer->window_from = from;
	writer->window_to = writer->input.n_times;
	writer->column = 0;
	writer->sample = from;
	if (from == writer->window_to)
		return;
	write_times(writer, from, writer->window_to, &writer->window_times);
	while (writer->window_times.len > writer->input.limit / 4)
	{
		writer->window_to = from + (writer->window_to - from + 1) / 2;
		write_times(writer, from, writer->window_to, &writer->window_times);
	}
}

/* ---- one row ---- */

static size_t
varint_bytes(uint64_t value)
{
	return value == 0 ? 1 : (tsdb_bit_length(value) + 6) / 7;
}

static bool
row_continues(const TsdbChunkWriter *writer)
{
	return writer->first_sample > writer->window_from;
}

/* A row with a part of one column and nothing else keeps the timestamps of that part only. */
static bool
is_part(const TsdbChunkWriter *writer)
{
	return writer->n_columns == 1 && (row_continues(writer) || writer->last_sample < writer->window_to);
}

/* Bytes of the row with `more` bytes of another column that ends at the sample `to`. */
static size_t
row_bytes_with(const TsdbChunkWriter *writer, size_t more, size_t to)
{
	return writer->window_times.len +
		(row_continues(writer) ? varint_bytes(writer->first_sample - writer->window_from) : 0) +
		(to < writer->window_to ? varint_bytes(to - writer->window_from) : 0) +
		writer->directory_bytes + varint_bytes(more) +
		writer->columns.len + more;
}

/* Encodes [from, to) of the next column behind the row; returns its bytes. */
static size_t
encode_column(TsdbChunkWriter *writer, size_t from, size_t to, size_t *n_samples)
{
	size_t		start = writer->columns.len;
	size_t		bytes;

	*n_samples = tsdb_column_write(&writer->column_writer, &writer->input.columns[writer->column], from, to,
								   (unsigned) writer->n_columns, from == writer->window_from, &writer->columns);
	bytes = writer->columns.len - start;
	writer->columns.len = start;
	return bytes;
}

/* Makes the bytes that encode_column() left behind the row part of it. */
static void
accept_column(TsdbChunkWriter *writer, size_t bytes, size_t n_samples, size_t to)
{
	writer->lengths[writer->n_columns++] = (uint32_t) bytes;
	writer->directory_bytes += varint_bytes(bytes);
	writer->columns.len += bytes;
	writer->n_samples += n_samples;
	writer->last_sample = to;
	if (bytes > 0)
		tsdb_column_writer_keep(&writer->column_writer);
}

/* Bytes of a row of its own for [from, to) of a column. */
static size_t
single_bytes(TsdbChunkWriter *writer, size_t bytes, size_t from, size_t to)
{
	write_times(writer, from, to, &writer->row_times);
	return writer->row_times.len + varint_bytes(bytes) + bytes;
}

/*
 * Ends the row with as many samples of a column as fit, if they are worth it;
 * a row of its own takes at least one.  `bytes` is what all from writer->sample on need.
 */
static void
cut_column(TsdbChunkWriter *writer, size_t bytes)
{
	bool		alone = writer->n_columns == 0;
	size_t		used = alone ? writer->window_times.len : row_bytes_with(writer, 0, writer->window_to);
	size_t		least = alone ? 1 : MIN_CUT;
	size_t		from = writer->sample;
	double		m;

	if (used >= writer->input.limit)
		return;
	if (alone)
	{
		while (!tsdb_presence_get(writer->input.columns[writer->column].present, from))
			from++;
		writer->first_sample = from;
	}
	m = (double) (writer->window_to - from) * (double) (writer->input.limit - used) / (double) bytes * CUT_MARGIN;
	for (; alone || m >= (double) least; m *= CUT_RETRY)
	{
		size_t		to = from + (m < 1 ? 1 : (size_t) m);
		size_t		n_samples;

		if (to >= writer->window_to)
			continue;
		bytes = encode_column(writer, from, to, &n_samples);
		if (n_samples == 0)
			return;
		if ((alone ? single_bytes(writer, bytes, from, to) : row_bytes_with(writer, bytes, to)) > writer->input.limit)
			continue;
		accept_column(writer, bytes, n_samples, to);
		writer->sample = to;
		return;
	}
}

static void
start_row(TsdbChunkWriter *writer)
{
	writer->n_columns = 0;
	writer->n_samples = 0;
	writer->first_sample = writer->sample;
	writer->directory_bytes = 0;
	writer->columns.len = 0;
	tsdb_column_writer_start_row(&writer->column_writer);
}

/* Adds columns until one does not fit.  Leaves writer->column and sample where the next row begins. */
static void
fill_row(TsdbChunkWriter *writer)
{
	for (; writer->column < writer->input.n_columns && writer->n_columns < TSDB_CHUNK_MAX_COLUMNS; writer->column++)
	{
		size_t		n_samples;
		size_t		bytes;

		tsdb_check_interrupt(writer->env);
		bytes = encode_column(writer, writer->sample, writer->window_to, &n_samples);
		if (row_bytes_with(writer, bytes, writer->window_to) > writer->input.limit)
		{
			if (n_samples > 0)
				cut_column(writer, bytes);
			return;
		}
		accept_column(writer, bytes, n_samples, writer->window_to);
		writer->sample = writer->window_from;
	}
}

/* Rows end with a column that is there. */
static void
trim_row(TsdbChunkWriter *writer)
{
	while (writer->n_columns > 0 && writer->lengths[writer->n_columns - 1] == 0)
		writer->n_columns--;
}

static void
finish_row(TsdbChunkWriter *writer, size_t first_column, TsdbChunkRow *row)
{
	bool		part = is_part(writer);
	size_t		from = part ? writer->first_sample : writer->window_from;
	size_t		to = part ? writer->last_sample : writer->window_to;
	TsdbBuffer *out = &writer->data;

	out->len = 0;
	if (part)
	{
		write_times(writer, from, to, &writer->row_times);
		tsdb_buffer_append(out, writer->row_times.data, writer->row_times.len);
	}
	else
	{
		tsdb_buffer_append(out, writer->window_times.data, writer->window_times.len);
		if (row_continues(writer))
		{
			out->data[1] |= CHUNK_FLAG_CONTINUES;
			tsdb_buffer_varint(out, writer->first_sample - from);
		}
		if (writer->last_sample < to)
		{
			out->data[1] |= CHUNK_FLAG_CUT;
			tsdb_buffer_varint(out, writer->last_sample - from);
		}
	}
	out->data[4] = (uint8_t) writer->n_columns;
	for (size_t i = 0; i < writer->n_columns; i++)
		tsdb_buffer_varint(out, writer->lengths[i]);
	tsdb_buffer_append(out, writer->columns.data, writer->columns.len);

	*row = (TsdbChunkRow){
		.first_column = writer->input.first_column + (int) first_column,
		.n_columns = (int) writer->n_columns,
		.t_min = writer->input.times[from],
		.t_max = writer->input.times[to - 1],
		.n_samples = writer->n_samples,
		.data = out->data,
		.len = out->len,
	};
}

/* ---- rows ---- */

TsdbStatus
tsdb_chunk_writer_make(TsdbArena *arena, const TsdbEnv *env, const TsdbChunkInput *input, TsdbChunkWriter **result,
					   TsdbError *error)
{
	TsdbStatus	status = check_input(input, error);
	TsdbChunkWriter *writer;
	size_t		reserve = input->limit < 65536 ? input->limit : 65536;

	if (status != TSDB_OK)
		return status;
	writer = TSDB_NEW(arena, TsdbChunkWriter);
	writer->input = *input;
	writer->env = env;
	writer->deviations = TSDB_NEW_ARRAY(arena, int64_t, input->n_times < 129 ? 129 : input->n_times);
	tsdb_column_writer_init(&writer->column_writer, arena, input->codec, input->n_times);
	tsdb_buffer_init(&writer->columns, arena, 2 * reserve);
	tsdb_buffer_init(&writer->window_times, arena, 256);
	tsdb_buffer_init(&writer->row_times, arena, 256);
	tsdb_buffer_init(&writer->data, arena, reserve);
	start_window(writer, 0);
	*result = writer;
	return TSDB_OK;
}

/* Moves on to the next column that has samples; false when the window has none any more. */
static bool
find_column(TsdbChunkWriter *writer)
{
	for (; writer->column < writer->input.n_columns; writer->column++)
	{
		if (any_present(&writer->input.columns[writer->column], writer->sample, writer->window_to))
			return true;
		writer->sample = writer->window_from;
	}
	return false;
}

bool
tsdb_chunk_writer_next(TsdbChunkWriter *writer, TsdbChunkRow *row)
{
	size_t		first_column;

	while (!find_column(writer))
	{
		if (writer->window_to == writer->input.n_times)
			return false;
		start_window(writer, writer->window_to);
	}
	first_column = writer->column;
	start_row(writer);
	fill_row(writer);
	trim_row(writer);
	if (is_part(writer) &&
		single_bytes(writer, writer->lengths[0], writer->first_sample, writer->last_sample) > writer->input.limit)
	{
		/* the last part of a column; its own timestamps happen to need more bytes than all of the window */
		writer->column = first_column;
		writer->sample = writer->first_sample;
		start_row(writer);
		cut_column(writer, writer->input.limit);
	}
	finish_row(writer, first_column, row);
	return true;
}
