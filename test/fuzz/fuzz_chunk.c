/*
 * fuzz_chunk.c
 *		Any bytes as a chunk: reading stays in bounds, and what is valid survives another round.
 */
#include <stdlib.h>

#include "core/chunk/chunk.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

/* All columns; false when one cannot be read. */
static bool
read_all(TsdbArena *arena, TsdbChunkReader *reader, TsdbChunkColumn *columns)
{
	size_t		n_times = tsdb_chunk_n_times(reader);
	bool		good = true;

	for (int c = 0; c < tsdb_chunk_n_columns(reader); c++)
	{
		double	   *values = TSDB_NEW_ARRAY(arena, double, n_times);
		uint64_t   *present = TSDB_NEW_ARRAY(arena, uint64_t, TSDB_PRESENCE_WORDS(n_times));
		TsdbChunkColumnInfo info;
		TsdbError	error;

		memset(values, 0, n_times * sizeof(double));
		columns[c] = (TsdbChunkColumn){values, present};
		good &= tsdb_chunk_read_column(reader, c, values, present, &error) == TSDB_OK;
		tsdb_chunk_column_info(reader, c, &info, &error);
	}
	return good;
}

/* A part of each column, by a reader that has not seen the whole: of a valid chunk, it is the part of what was read. */
static void
read_parts(TsdbArena *arena, const uint8_t *data, size_t size, const int64_t *times, size_t n_times,
		   const TsdbChunkColumn *columns, bool valid)
{
	TsdbChunkReader *reader = tsdb_chunk_reader_make(arena);
	int64_t    *t = TSDB_NEW_ARRAY(arena, int64_t, n_times);
	double	   *v = TSDB_NEW_ARRAY(arena, double, n_times);
	size_t		from = size % n_times;
	size_t		to = from + size / 7 % (n_times - from) + 1;
	TsdbError	error;

	require(tsdb_chunk_open(reader, data, size, 0, &error) == TSDB_OK);
	for (int c = tsdb_chunk_n_columns(reader) - 1; c >= 0; c--)
	{
		size_t		n;
		size_t		at = 0;

		if (tsdb_chunk_read_range(reader, c, from, to, t, v, &n, &error) != TSDB_OK)
		{
			require(!valid);
			continue;
		}
		for (size_t i = from; valid && i < to; i++)
			if (tsdb_presence_get(columns[c].present, i))
			{
				require(at < n && tsdb_double_bits(v[at]) == tsdb_double_bits(columns[c].values[i]));
				require(n == to - from || t[at] == times[i]);
				at++;
			}
		require(!valid || at == n);
	}
}

/* Every sample of these rows is one of the columns; how many there are. */
static size_t
compare_row(TsdbArena *arena, const TsdbChunkRow *row, const int64_t *times, size_t n_times, const TsdbChunkColumn *columns)
{
	TsdbChunkReader *reader = tsdb_chunk_reader_make(arena);
	int64_t    *t = TSDB_NEW_ARRAY(arena, int64_t, n_times);
	double	   *v = TSDB_NEW_ARRAY(arena, double, n_times);
	size_t		total = 0;
	TsdbError	error;

	require(tsdb_chunk_validate(arena, row->data, row->len, &error) == TSDB_OK);
	require(tsdb_chunk_open(reader, row->data, row->len, row->t_min, &error) == TSDB_OK);
	require(tsdb_chunk_n_columns(reader) == row->n_columns);
	for (int c = 0; c < row->n_columns; c++)
	{
		const TsdbChunkColumn *column = &columns[row->first_column + c];
		size_t		n;
		size_t		at = 0;

		require(tsdb_chunk_read_samples(reader, c, INT64_MIN, INT64_MAX, t, v, &n, &error) == TSDB_OK);
		for (size_t i = 0; i < n; i++)
		{
			while (times[at] < t[i])
				at++;
			require(times[at] == t[i] && tsdb_presence_get(column->present, at));
			require(tsdb_double_bits(column->values[at]) == tsdb_double_bits(v[i]));
		}
		total += n;
	}
	return total;
}

static void
encode_again(TsdbArena *arena, TsdbChunkReader *reader, const TsdbChunkColumn *columns, TsdbChunkCodec codec)
{
	const int64_t *times;
	size_t		n_times = tsdb_chunk_n_times(reader);
	TsdbChunkInput input = {
		.n_times = n_times, .columns = columns, .n_columns = (size_t) tsdb_chunk_n_columns(reader), .limit = 2048, .codec = codec
	};
	TsdbChunkWriter *writer;
	TsdbChunkRow row;
	TsdbError	error;
	size_t		expected = 0;
	size_t		found = 0;

	require(tsdb_chunk_times(reader, &times, &error) == TSDB_OK);
	input.times = times;
	/* t_min = 0 leaves room for any distance */
	if (times[0] < 0)
		return;
	for (size_t c = 0; c < input.n_columns; c++)
		for (size_t i = 0; i < n_times; i++)
			expected += tsdb_presence_get(columns[c].present, i);
	require(tsdb_chunk_writer_make(arena, NULL, &input, &writer, &error) == TSDB_OK);
	while (tsdb_chunk_writer_next(writer, &row))
	{
		require(row.len <= input.limit);
		found += compare_row(arena, &row, times, n_times, columns);
	}
	require(found == expected);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbArena	arena;
	TsdbChunkReader *reader;
	const int64_t *times;
	TsdbError	error;
	bool		valid;

	tsdb_arena_init_malloc(&arena, 0);
	valid = tsdb_chunk_validate(&arena, data, size, &error) == TSDB_OK;
	reader = tsdb_chunk_reader_make(&arena);
	if (tsdb_chunk_open(reader, data, size, 0, &error) != TSDB_OK)
		require(!valid);
	else
	{
		TsdbChunkColumn *columns = TSDB_NEW_ARRAY(&arena, TsdbChunkColumn, tsdb_chunk_n_columns(reader));
		bool		has_times = tsdb_chunk_times(reader, &times, &error) == TSDB_OK;
		bool		good = has_times && read_all(&arena, reader, columns);

		require(good == valid);
		if (has_times)
			read_parts(&arena, data, size, times, tsdb_chunk_n_times(reader), columns, valid);
		/* long inputs would make a round slow and tell no more */
		if (valid && tsdb_chunk_n_times(reader) <= 1000)
			encode_again(&arena, reader, columns, (TsdbChunkCodec) (size % 3));
	}
	tsdb_arena_free(&arena);
	return 0;
}
