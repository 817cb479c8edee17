/*
 * test_chunk.c
 *		Chunks give back what went in, bit for bit, and survive any bytes.
 */
#include <check.h>
#include <setjmp.h>
#include <stdlib.h>

#include "core/chunk/chunk.h"
#include "core/chunk/chunk_internal.h"
#include "shapes.h"

Suite	   *chunk_suite(void);

/* ---- input ---- */

typedef struct Table
{
	int64_t    *times;
	size_t		n_times;
	TsdbChunkColumn *columns;
	size_t		n_columns;
} Table;

static void
fill_times(uint64_t *state, int64_t *times, size_t n)
{
	unsigned	kind = (unsigned) (shape_random(state) % 6);
	int64_t		start = (int64_t) (shape_random(state) % 3 == 0 ? shape_random(state) : 1795132800000);
	int64_t		t = start / 4;

	for (size_t i = 0; i < n; i++)
	{
		times[i] = t;
		if (kind < 2)
			t += 15000;
		else if (kind < 4)
		{
			times[i] += shape_uniform(state) < 0.05 ? 3 + (int64_t) (shape_random(state) % 20) : 0;
			t += 15000;
		}
		else if (kind == 4)
			t += 1 + (int64_t) (shape_random(state) % 100000);
		else
			t += 1 + (int64_t) (shape_random(state) >> (14 + shape_random(state) % 50) >> 13);
	}
}

static uint64_t *
random_presence(TsdbArena *arena, uint64_t *state, size_t n)
{
	uint64_t   *present = tsdb_alloc0(arena, TSDB_PRESENCE_WORDS(n) * sizeof(uint64_t) + 1);
	unsigned	kind = (unsigned) (shape_random(state) % 4);
	size_t		from = shape_random(state) % n;
	size_t		to = from + shape_random(state) % (n - from) + 1;

	for (size_t i = 0; i < n; i++)
		if (kind == 0 ? shape_random(state) % 2 == 0 : kind == 1 ? shape_random(state) % 50 != 0 : (i >= from && i < to) == (kind == 2))
			tsdb_presence_set(present, i);
	return present;
}

static Table
random_table(TsdbArena *arena, uint64_t *state, size_t n_times, size_t n_columns)
{
	Table		table = {TSDB_NEW_ARRAY(arena, int64_t, n_times), n_times, NULL, n_columns};
	bool		gaps = shape_random(state) % 3 == 0;

	fill_times(state, table.times, n_times);
	table.columns = tsdb_alloc0(arena, n_columns * sizeof(TsdbChunkColumn) + 1);
	for (size_t c = 0; c < n_columns; c++)
	{
		double	   *values = TSDB_NEW_ARRAY(arena, double, n_times);
		Shape		shape = (Shape) (shape_random(state) % N_SHAPES);

		if (gaps && shape_random(state) % 8 == 0)
			continue;
		shape_fill(shape, state, values, n_times);
		/* neighbours that are alike, as buckets of a histogram are */
		if (shape == SHAPE_bucket && c > 0 && table.columns[c - 1].values != NULL)
			for (size_t i = 0; i < n_times; i++)
				values[i] = table.columns[c - 1].values[i] + floor((double) i * 0.7);
		table.columns[c].values = values;
		if (gaps && shape_random(state) % 3 == 0)
			table.columns[c].present = random_presence(arena, state, n_times);
	}
	return table;
}

/* ---- comparison ---- */

/* How often each sample of the input has been found. */
typedef struct Found
{
	const Table *table;
	uint8_t    *count;
} Found;

static void
mark_found(Found *found, size_t column, int64_t t, double v)
{
	const Table *table = found->table;
	size_t		low = 0;
	size_t		high = table->n_times;

	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if (table->times[middle] < t)
			low = middle + 1;
		else
			high = middle;
	}
	ck_assert_uint_lt(column, table->n_columns);
	ck_assert_uint_lt(low, table->n_times);
	ck_assert_int_eq(table->times[low], t);
	ck_assert_ptr_nonnull(table->columns[column].values);
	ck_assert(tsdb_presence_get(table->columns[column].present, low));
	ck_assert_uint_eq(tsdb_double_bits(v), tsdb_double_bits(table->columns[column].values[low]));
	found->count[column * table->n_times + low]++;
}

static void
assert_all_found_once(const Found *found)
{
	const Table *table = found->table;

	for (size_t c = 0; c < table->n_columns; c++)
		for (size_t i = 0; i < table->n_times; i++)
		{
			bool		there = table->columns[c].values != NULL && tsdb_presence_get(table->columns[c].present, i);

			ck_assert_uint_eq(found->count[c * table->n_times + i], there);
		}
}

/* A range of one column against the whole of it. */
static void
check_range(TsdbArena *arena, uint64_t *state, TsdbChunkReader *reader, int column, const int64_t *t, const double *v, size_t n)
{
	size_t		room = tsdb_chunk_n_times(reader);
	int64_t    *t_range = TSDB_NEW_ARRAY(arena, int64_t, room);
	double	   *v_range = TSDB_NEW_ARRAY(arena, double, room);
	size_t		a = shape_random(state) % n;
	size_t		b = a + shape_random(state) % (n - a);
	int64_t		slack = (int64_t) (shape_random(state) % 2);
	size_t		n_range;
	TsdbError	error;

	ck_assert_int_eq(tsdb_chunk_read_samples(reader, column, t[a] - (a == 0 ? slack : 0), t[b], t_range, v_range, &n_range, &error), TSDB_OK);
	ck_assert_uint_eq(n_range, b - a + 1);
	ck_assert_mem_eq(t_range, t + a, n_range * sizeof(int64_t));
	ck_assert_mem_eq(v_range, v + a, n_range * sizeof(double));
	ck_assert_int_eq(tsdb_chunk_read_samples(reader, column, t[b] + 1, INT64_MAX, t_range, v_range, &n_range, &error), TSDB_OK);
	ck_assert_uint_eq(n_range, n - b - 1);
	ck_assert_int_eq(tsdb_chunk_read_samples(reader, column, t[0] + 1, t[0], t_range, v_range, &n_range, &error), TSDB_OK);
	ck_assert_uint_eq(n_range, 0);
}

static void
check_column(TsdbArena *arena, uint64_t *state, TsdbChunkReader *reader, TsdbChunkReader *parts, const TsdbChunkRow *row,
			 int column, Found *found)
{
	size_t		room = tsdb_chunk_n_times(reader);
	int64_t    *t = TSDB_NEW_ARRAY(arena, int64_t, room);
	double	   *v = TSDB_NEW_ARRAY(arena, double, room);
	double	   *values = TSDB_NEW_ARRAY(arena, double, room);
	uint64_t   *present = TSDB_NEW_ARRAY(arena, uint64_t, TSDB_PRESENCE_WORDS(room));
	const int64_t *times;
	TsdbChunkColumnInfo info;
	TsdbError	error;
	size_t		n;
	size_t		at = 0;

	ck_assert_int_eq(tsdb_chunk_times(reader, &times, &error), TSDB_OK);
	ck_assert_int_eq(tsdb_chunk_read_samples(reader, column, INT64_MIN, INT64_MAX, t, v, &n, &error), TSDB_OK);
	for (size_t i = 0; i < n; i++)
		mark_found(found, (size_t) (row->first_column + column), t[i], v[i]);
	ck_assert_int_eq(tsdb_chunk_read_column(reader, column, values, present, &error), TSDB_OK);
	for (size_t i = 0; i < room; i++)
		if (tsdb_presence_get(present, i))
		{
			ck_assert_uint_lt(at, n);
			ck_assert_int_eq(times[i], t[at]);
			ck_assert_uint_eq(tsdb_double_bits(values[i]), tsdb_double_bits(v[at++]));
		}
	ck_assert_uint_eq(at, n);
	if (n > 0)
		check_range(arena, state, parts, column, t, v, n);
	ck_assert_int_eq(tsdb_chunk_column_info(reader, column, &info, &error), TSDB_OK);
	ck_assert_uint_eq(info.n_samples, n);
	ck_assert(tsdb_chunk_has_samples(reader, column) == (n > 0));
}

static void
check_row(TsdbArena *arena, uint64_t *state, const TsdbChunkRow *row, bool with_base, Found *found)
{
	uint8_t    *exact = tsdb_alloc(arena, row->len);
	TsdbChunkReader *reader = tsdb_chunk_reader_make(arena);
	TsdbChunkReader *parts = tsdb_chunk_reader_make(arena);	/* one that does not know whole columns */
	const int64_t *times;
	TsdbError	error;

	memcpy(exact, row->data, row->len);
	ck_assert_int_eq(tsdb_chunk_validate(arena, exact, row->len, &error), TSDB_OK);
	ck_assert_int_eq(tsdb_chunk_open(reader, exact, row->len, with_base ? 0 : row->t_min, &error), TSDB_OK);
	ck_assert_int_eq(tsdb_chunk_open(parts, exact, row->len, with_base ? 0 : row->t_min, &error), TSDB_OK);
	ck_assert_int_eq(tsdb_chunk_n_columns(reader), row->n_columns);
	ck_assert_int_eq(tsdb_chunk_times(reader, &times, &error), TSDB_OK);
	ck_assert_int_eq(times[0], row->t_min);
	ck_assert_int_eq(times[tsdb_chunk_n_times(reader) - 1], row->t_max);
	/* forwards with the integers of the column before at hand, or any which way */
	if (shape_random(state) % 2 == 0)
		for (int c = 0; c < row->n_columns; c++)
			check_column(arena, state, reader, parts, row, c, found);
	else
		for (int c = row->n_columns - 1; c >= 0; c--)
			check_column(arena, state, reader, parts, row, c, found);
}

/* Rows may not share (t_min, first column, number of columns). */
static void
assert_keys_differ(const TsdbChunkRow *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			ck_assert(rows[i].t_min != rows[j].t_min || rows[i].first_column != rows[j].first_column ||
					  rows[i].n_columns != rows[j].n_columns);
}

#define MAX_ROWS 4096

static size_t
check_table(uint64_t *state, TsdbArena *arena, const Table *table, size_t limit, TsdbChunkCodec codec, bool with_base)
{
	TsdbChunkRow *rows = TSDB_NEW_ARRAY(arena, TsdbChunkRow, MAX_ROWS);
	Found		found = {table, tsdb_alloc0(arena, table->n_columns * table->n_times + 1)};
	TsdbChunkInput input = {
		table->times, table->n_times, table->columns, table->n_columns, 0, limit, codec, with_base
	};
	TsdbChunkWriter *writer;
	TsdbError	error;
	size_t		n_rows = 0;

	ck_assert_int_eq(tsdb_chunk_writer_make(arena, NULL, &input, &writer, &error), TSDB_OK);
	while (tsdb_chunk_writer_next(writer, &rows[n_rows]))
	{
		ck_assert_uint_le(rows[n_rows].len, limit);
		check_row(arena, state, &rows[n_rows], with_base, &found);
		ck_assert_uint_lt(++n_rows, MAX_ROWS);
	}
	assert_all_found_once(&found);
	assert_keys_differ(rows, n_rows);
	return n_rows;
}

START_TEST(random_tables_come_back)
{
	static const size_t lengths[] = {1, 2, 3, 4, 40, 63, 64, 65, 120, 240, 480, 999, 4000, 8191};
	uint64_t	state = 1;

	for (int round = 0; round < 100; round++)
	{
		TsdbArena	arena;
		size_t		n_times = lengths[shape_random(&state) % TSDB_COUNT(lengths)];
		size_t		n_columns = 1 + shape_random(&state) % (n_times > 999 ? 6 : n_times > 40 ? 30 : 400);
		size_t		limit = shape_random(&state) % 4 == 0 ? TSDB_CHUNK_MIN_LIMIT + shape_random(&state) % 3000 : TSDB_CHUNK_ROW_LIMIT;
		TsdbChunkCodec codec = (TsdbChunkCodec) (shape_random(&state) % 8 < 6 ? TSDB_CODEC_AUTO : shape_random(&state) % 3);
		Table		table;

		tsdb_arena_init_malloc(&arena, 0);
		table = random_table(&arena, &state, n_times, n_columns);
		check_table(&state, &arena, &table, limit, codec, shape_random(&state) % 4 == 0);
		tsdb_arena_free(&arena);
	}
}
END_TEST

START_TEST(every_shape_comes_back_alone)
{
	static const size_t lengths[] = {1, 2, 3, 5, 100, 480};
	uint64_t	state = 2;

	for (int shape = 0; shape < N_SHAPES; shape++)
		for (size_t i = 0; i < TSDB_COUNT(lengths); i++)
			for (int codec = TSDB_CODEC_AUTO; codec <= TSDB_CODEC_BITS; codec++)
			{
				size_t		n = lengths[i];
				TsdbArena	arena;
				Table		table;
				TsdbChunkColumn column;
				double	   *values;

				tsdb_arena_init_malloc(&arena, 0);
				values = TSDB_NEW_ARRAY(&arena, double, n);
				shape_fill((Shape) shape, &state, values, n);
				column = (TsdbChunkColumn){values, NULL};
				table = (Table){TSDB_NEW_ARRAY(&arena, int64_t, n), n, &column, 1};
				fill_times(&state, table.times, n);
				check_table(&state, &arena, &table, TSDB_CHUNK_ROW_LIMIT, (TsdbChunkCodec) codec, true);
				tsdb_arena_free(&arena);
			}
}
END_TEST

/* One regular column of these values as the bytes of one chunk. */
static TsdbChunkRow
encode_values(TsdbArena *arena, const double *values, size_t n, TsdbChunkCodec codec)
{
	int64_t    *times = TSDB_NEW_ARRAY(arena, int64_t, n);
	TsdbChunkColumn column = {values, NULL};
	TsdbChunkInput input = {times, n, &column, 1, 0, 1 << 20, codec, false};
	TsdbChunkWriter *writer;
	TsdbChunkRow row;
	TsdbError	error;

	for (size_t i = 0; i < n; i++)
		times[i] = (int64_t) i * 15000;
	ck_assert_int_eq(tsdb_chunk_writer_make(arena, NULL, &input, &writer, &error), TSDB_OK);
	ck_assert(tsdb_chunk_writer_next(writer, &row));
	return row;
}

static TsdbChunkColumnInfo
info_of(TsdbArena *arena, const double *values, size_t n, TsdbChunkCodec codec)
{
	TsdbChunkRow row = encode_values(arena, values, n, codec);
	TsdbChunkReader *reader = tsdb_chunk_reader_make(arena);
	TsdbChunkColumnInfo info;
	TsdbError	error;

	ck_assert_int_eq(tsdb_chunk_open(reader, row.data, row.len, 0, &error), TSDB_OK);
	ck_assert_int_eq(tsdb_chunk_column_info(reader, 0, &info, &error), TSDB_OK);
	return info;
}

START_TEST(each_shape_gets_its_codec)
{
	static const struct
	{
		Shape		shape;
		TsdbChunkCodec codec;
		const char *number;
		int			exponent;
		const char *coder;
		double		most;		/* bytes per sample */
	}			cases[] = {
		{SHAPE_constant, TSDB_CODEC_AUTO, "constant", 0, NULL, 0.02},
		{SHAPE_constant_decimal, TSDB_CODEC_AUTO, "constant", 2, NULL, 0.02},
		{SHAPE_constant_stale, TSDB_CODEC_AUTO, "constant", 0, NULL, 0.02},
		{SHAPE_up, TSDB_CODEC_GORILLA, "constant", 0, NULL, 0.2},
		{SHAPE_gauge_2_decimals, TSDB_CODEC_AUTO, "decimal", 2, "rice", 0.85},
		{SHAPE_byte_bursts, TSDB_CODEC_AUTO, "decimal", 0, "huffman", 0.85},
		{SHAPE_flag, TSDB_CODEC_AUTO, "decimal", 0, "zero runs", 0.1},
		{SHAPE_tick, TSDB_CODEC_AUTO, "decimal", 0, "zero runs", 0.15},
		{SHAPE_pages, TSDB_CODEC_AUTO, "decimal", 0, "rice", 2.3},
		{SHAPE_walk_3_decimals, TSDB_CODEC_AUTO, "decimal", 3, "rice", 1.7},
		{SHAPE_float_sum, TSDB_CODEC_AUTO, "bits", 0, "digits", 4.5},
		{SHAPE_minus_zero, TSDB_CODEC_AUTO, "corrected decimal", 2, "rice", 1.3},
		{SHAPE_milliseconds, TSDB_CODEC_AUTO, "corrected decimal", 3, "rice", 1.4},
		{SHAPE_counter_with_stale, TSDB_CODEC_AUTO, NULL, 0, NULL, 0.5},
		{SHAPE_gorilla_paper, TSDB_CODEC_GORILLA, "gorilla", 0, NULL, 1.5},
		{SHAPE_gorilla_paper, TSDB_CODEC_AUTO, "decimal", 0, "zero runs", 1.2},
		{SHAPE_full_precision_walk, TSDB_CODEC_BITS, "bits", 0, "rice", 4.5},
		{SHAPE_centisecond_counter, TSDB_CODEC_GORILLA, "gorilla", 0, NULL, 7.5},
		{SHAPE_random_bits, TSDB_CODEC_AUTO, NULL, 0, NULL, 8.2},
	};
	uint64_t	state = 3;

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbArena	arena;
		double		values[480];
		TsdbChunkColumnInfo info;

		tsdb_arena_init_malloc(&arena, 0);
		shape_fill(cases[i].shape, &state, values, 480);
		info = info_of(&arena, values, 480, cases[i].codec);
		ck_assert_msg((double) info.bytes <= cases[i].most * 480, "%s: %zu bytes", shape_names[cases[i].shape], info.bytes);
		if (cases[i].number != NULL)
		{
			ck_assert_str_eq(info.number, cases[i].number);
			ck_assert_int_eq(info.exponent, cases[i].exponent);
			ck_assert_int_eq(info.coder != NULL, cases[i].coder != NULL);
			if (info.coder != NULL)
				ck_assert_msg(strcmp(info.coder, cases[i].coder) == 0, "%s: %s", shape_names[cases[i].shape], info.coder);
		}
		tsdb_arena_free(&arena);
	}
}
END_TEST

static void
regular_times(int64_t *times, size_t n)
{
	for (size_t i = 0; i < n; i++)
		times[i] = (int64_t) i * 15000;
}

START_TEST(neighbours_refer_to_each_other)
{
	TsdbArena	arena;
	uint64_t	state = 4;
	int64_t		times[480];
	TsdbChunkColumn columns[40];
	TsdbChunkInput input = {times, 480, columns, 40, 0, 1 << 20, TSDB_CODEC_AUTO, false};
	TsdbChunkWriter *writer;
	TsdbChunkReader *reader;
	TsdbChunkRow row;
	TsdbError	error;
	int			references = 0;

	tsdb_arena_init_malloc(&arena, 0);
	regular_times(times, 480);
	for (size_t c = 0; c < 40; c++)
	{
		double	   *values = TSDB_NEW_ARRAY(&arena, double, 480);

		shape_fill(SHAPE_bucket, &state, values, 480);
		if (c > 0)
			for (size_t i = 0; i < 480; i++)
				values[i] = columns[c - 1].values[i] + 5;
		columns[c] = (TsdbChunkColumn){values, NULL};
	}
	ck_assert_int_eq(tsdb_chunk_writer_make(&arena, NULL, &input, &writer, &error), TSDB_OK);
	ck_assert(tsdb_chunk_writer_next(writer, &row));
	reader = tsdb_chunk_reader_make(&arena);
	ck_assert_int_eq(tsdb_chunk_open(reader, row.data, row.len, 0, &error), TSDB_OK);
	for (int c = 0; c < 40; c++)
	{
		TsdbChunkColumnInfo info;

		ck_assert_int_eq(tsdb_chunk_column_info(reader, c, &info, &error), TSDB_OK);
		references += info.reference != 0;
		/* an equal neighbour is four bytes */
		ck_assert(info.reference == 0 || info.bytes == 4);
	}
	/* a chain ends now and then */
	ck_assert_int_ge(references, 35);
	ck_assert_int_lt(references, 40);
	tsdb_arena_free(&arena);
}
END_TEST

/* Buckets of a histogram: each is the one before and something more, and is read without those before it. */
START_TEST(ends_of_chains_are_read_alone)
{
	TsdbArena	arena;
	uint64_t	state = 5;
	int64_t		times[480];
	TsdbChunkColumn columns[12];
	TsdbChunkInput input = {times, 480, columns, 12, 0, 1 << 20, TSDB_CODEC_AUTO, false};
	TsdbChunkWriter *writer;
	TsdbChunkRow row;
	TsdbError	error;
	int			longest = 0;
	int			chain[12];

	tsdb_arena_init_malloc(&arena, 0);
	regular_times(times, 480);
	for (size_t c = 0; c < 12; c++)
	{
		double	   *values = TSDB_NEW_ARRAY(&arena, double, 480);
		double		more = (double) (shape_random(&state) % 1000);

		for (size_t i = 0; i < 480; i++)
		{
			more += (double) (shape_random(&state) % (c == 0 ? 1000 : 4));
			values[i] = (c == 0 ? 0 : columns[c - 1].values[i]) + (c == 11 ? 7 : more);
		}
		columns[c] = (TsdbChunkColumn){values, NULL};
	}
	ck_assert_int_eq(tsdb_chunk_writer_make(&arena, NULL, &input, &writer, &error), TSDB_OK);
	ck_assert(tsdb_chunk_writer_next(writer, &row));
	for (int c = 0; c < 12; c++)
	{
		TsdbChunkReader *reader = tsdb_chunk_reader_make(&arena);
		TsdbChunkColumnInfo info;

		ck_assert_int_eq(tsdb_chunk_open(reader, row.data, row.len, 0, &error), TSDB_OK);
		ck_assert_int_eq(tsdb_chunk_column_info(reader, c, &info, &error), TSDB_OK);
		chain[c] = info.reference == 0 ? 0 : chain[c - info.reference] + 1;
		longest = chain[c] > longest ? chain[c] : longest;
		for (int round = 0; round < 20; round++)
		{
			size_t		from = shape_random(&state) % 480;
			size_t		to = from + 1 + shape_random(&state) % (480 - from);
			int64_t		t[480];
			double		v[480];
			size_t		n;

			ck_assert_int_eq(tsdb_chunk_open(reader, row.data, row.len, 0, &error), TSDB_OK);
			ck_assert_int_eq(tsdb_chunk_read_range(reader, c, from, to, t, v, &n, &error), TSDB_OK);
			ck_assert_uint_eq(n, to - from);
			ck_assert_mem_eq(v, columns[c].values + from, n * sizeof(double));
		}
	}
	ck_assert_int_ge(longest, 5);
	tsdb_arena_free(&arena);
}
END_TEST

START_TEST(rows_are_filled)
{
	TsdbArena	arena;
	uint64_t	state = 5;
	Table		table;
	TsdbChunkInput input;
	TsdbChunkWriter *writer;
	TsdbChunkRow row;
	TsdbError	error;
	size_t		bytes = 0;
	size_t		rows = 0;

	tsdb_arena_init_malloc(&arena, 0);
	table = (Table){TSDB_NEW_ARRAY(&arena, int64_t, 480), 480, TSDB_NEW_ARRAY(&arena, TsdbChunkColumn, 300), 300};
	for (size_t i = 0; i < 480; i++)
		table.times[i] = (int64_t) i * 15000;
	for (size_t c = 0; c < 300; c++)
	{
		double	   *values = TSDB_NEW_ARRAY(&arena, double, 480);

		shape_fill(SHAPE_integer_counter, &state, values, 480);
		table.columns[c] = (TsdbChunkColumn){values, NULL};
	}
	input = (TsdbChunkInput){table.times, 480, table.columns, 300, 7, TSDB_CHUNK_ROW_LIMIT, TSDB_CODEC_AUTO, false};
	ck_assert_int_eq(tsdb_chunk_writer_make(&arena, NULL, &input, &writer, &error), TSDB_OK);
	while (tsdb_chunk_writer_next(writer, &row))
	{
		bytes += row.len;
		rows++;
	}
	ck_assert_int_eq(row.first_column + row.n_columns, 307);
	/* all but the last */
	ck_assert_uint_gt(bytes, (rows - 1) * TSDB_CHUNK_ROW_LIMIT * 97 / 100);
	tsdb_arena_free(&arena);
}
END_TEST

START_TEST(limits_are_errors)
{
	TsdbArena	arena;
	static int64_t times[TSDB_CHUNK_MAX_TIMES + 1];
	TsdbChunkInput input = {times, 2, NULL, 0, 0, TSDB_CHUNK_ROW_LIMIT, TSDB_CODEC_AUTO, false};
	TsdbChunkWriter *writer;
	TsdbChunkRow row;
	TsdbError	error;

	tsdb_arena_init_malloc(&arena, 0);
	ck_assert_int_eq(tsdb_chunk_writer_make(&arena, NULL, &input, &writer, &error), TSDB_ERR_INPUT);
	for (int i = 0; i <= TSDB_CHUNK_MAX_TIMES; i++)
		times[i] = i;
	ck_assert_int_eq(tsdb_chunk_writer_make(&arena, NULL, &input, &writer, &error), TSDB_OK);
	ck_assert(!tsdb_chunk_writer_next(writer, &row));
	input.n_times = TSDB_CHUNK_MAX_TIMES + 1;
	ck_assert_int_eq(tsdb_chunk_writer_make(&arena, NULL, &input, &writer, &error), TSDB_ERR_LIMIT);
	input.n_times = 2;
	times[0] = INT64_MIN;
	times[1] = INT64_MAX;
	ck_assert_int_eq(tsdb_chunk_writer_make(&arena, NULL, &input, &writer, &error), TSDB_ERR_LIMIT);
	input.limit = TSDB_CHUNK_MIN_LIMIT - 1;
	ck_assert_int_eq(tsdb_chunk_writer_make(&arena, NULL, &input, &writer, &error), TSDB_ERR_LIMIT);
	tsdb_arena_free(&arena);
}
END_TEST

/* ---- leaving by a jump, as the server does ---- */

typedef struct Escape
{
	jmp_buf		target;
	int			left;			/* interrupts until the jump */
} Escape;

static void
count_down(void *context)
{
	Escape	   *escape = context;

	if (escape->left-- == 0)
		longjmp(escape->target, 1);
}

/* LeakSanitizer finds what the writer owned besides arena memory. */
START_TEST(writer_may_be_left_at_any_interrupt)
{
	uint64_t	state = 10;
	volatile bool finished = false;

	for (volatile int n = 0; !finished; n += 7)
	{
		TsdbArena	arena;
		Escape		escape = {.left = n};
		TsdbEnv		env = {count_down, &escape};

		tsdb_arena_init_malloc(&arena, 0);
		if (setjmp(escape.target) == 0)
		{
			Table		table = random_table(&arena, &state, 64, 50);
			TsdbChunkInput input = {table.times, 64, table.columns, 50, 0, 1000, TSDB_CODEC_AUTO, false};
			TsdbChunkWriter *writer;
			TsdbChunkRow row;
			TsdbError	error;

			ck_assert_int_eq(tsdb_chunk_writer_make(&arena, &env, &input, &writer, &error), TSDB_OK);
			while (tsdb_chunk_writer_next(writer, &row))
				;
			finished = true;
		}
		tsdb_arena_free(&arena);
	}
}
END_TEST

/* ---- parts ---- */

/* The integers of a stream number `from` up to wanted, by themselves and added to others. */
static void
check_part(TsdbArena *arena, uint64_t *state, const uint8_t *data, size_t len, const int64_t *values, size_t n, size_t from,
		   size_t wanted)
{
	int64_t    *back = TSDB_NEW_ARRAY(arena, int64_t, n);
	int64_t    *sums = TSDB_NEW_ARRAY(arena, int64_t, n);
	int64_t    *before = TSDB_NEW_ARRAY(arena, int64_t, n);
	TsdbReader	in = tsdb_reader(data, len);

	ck_assert_ptr_null(tsdb_stream_read(&in, in.end, back, n, from, wanted, NULL));
	ck_assert_mem_eq(back + from, values + from, (wanted - from) * sizeof(int64_t));
	for (size_t i = 0; i < n; i++)
		sums[i] = before[i] = (int64_t) shape_random(state);
	in = tsdb_reader(data, len);
	ck_assert_ptr_null(tsdb_stream_add_differences(&in, in.end, sums, back, n, from, wanted));
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	added = i < from || i >= wanted ? 0 : (uint64_t) values[i] - (i > from ? (uint64_t) values[i - 1] : 0);

		ck_assert_int_eq(sums[i], (int64_t) ((uint64_t) before[i] + added));
	}
}

START_TEST(integer_streams_come_back)
{
	uint64_t	state = 6;

	for (int round = 0; round < 2000; round++)
	{
		TsdbArena	arena;
		TsdbBuffer	out;
		StreamScratch scratch = {0};
		size_t		n = 1 + shape_random(&state) % (round % 2 == 0 ? 300 : 5);
		int64_t    *values;
		int64_t    *back;
		unsigned	shift = (unsigned) (shape_random(&state) % 64);
		unsigned	kind = (unsigned) (shape_random(&state) % 5);
		uint64_t	factor = shape_random(&state) % 3 == 0 ? shape_random(&state) >> (shape_random(&state) % 64) : 1;
		uint64_t	v = shape_random(&state);
		uint64_t	slope = shape_random(&state) >> shift;
		uint8_t    *exact;
		size_t		wanted;
		TsdbReader	in;

		tsdb_arena_init_malloc(&arena, 0);
		values = TSDB_NEW_ARRAY(&arena, int64_t, n);
		back = TSDB_NEW_ARRAY(&arena, int64_t, n);
		for (size_t i = 0; i < n; i++)
		{
			uint64_t	r = shape_random(&state);

			if (kind == 0)
				v = (uint64_t) ((int64_t) r >> shift);
			else if (kind == 1)
				v += r >> shift;
			else if (kind == 2)
				v += (slope += (uint64_t) ((int64_t) r >> 60)) * factor;
			else if (kind == 3)
				v += r % 50 == 0 ? shape_random(&state) >> shift : 0;
			else
				v = r % 3 == 0 ? r : r % 3 == 1 ? (uint64_t) INT64_MIN : (uint64_t) INT64_MAX;
			values[i] = (int64_t) (kind == 2 ? v : v * factor);
		}
		tsdb_buffer_init(&out, &arena, 16);
		tsdb_stream_scratch_reserve(&arena, &scratch, n);
		tsdb_stream_write(&out, &scratch, values, n);
		exact = tsdb_alloc(&arena, out.len);
		memcpy(exact, out.data, out.len);
		in = tsdb_reader(exact, out.len);
		ck_assert_ptr_null(tsdb_stream_read(&in, in.end, back, n, 0, n, NULL));
		ck_assert_uint_eq(tsdb_reader_left(&in), 0);
		ck_assert_mem_eq(back, values, n * sizeof(int64_t));
		wanted = shape_random(&state) % (n + 1);
		in = tsdb_reader(exact, out.len);
		ck_assert_ptr_null(tsdb_stream_read(&in, in.end, back, n, 0, wanted, NULL));
		ck_assert_mem_eq(back, values, wanted * sizeof(int64_t));
		if (wanted > 0)
			check_part(&arena, &state, exact, out.len, values, n, shape_random(&state) % wanted, wanted);
		tsdb_arena_free(&arena);
	}
}
END_TEST

/* What coders are given: lengths that differ, many or few zeros, escapes. */
static void
fill_codes(uint64_t *state, uint64_t *values, size_t n)
{
	unsigned	kind = (unsigned) (shape_random(state) % 5);
	unsigned	longest = 1 + (unsigned) (shape_random(state) % 64);
	double		zeros = kind < 2 ? 0 : kind == 2 ? 0.3 : kind == 3 ? 0.7 : 0.98;

	for (size_t i = 0; i < n; i++)
		if (shape_uniform(state) < zeros)
			values[i] = 0;
		else if (kind == 0)
			values[i] = shape_random(state) >> (64 - longest);
		else
		{
			/* one bit more is half as frequent: the longest codes are longer than allowed */
			unsigned	length = 1 + (unsigned) __builtin_ctzll(shape_random(state) | UINT64_C(1) << (longest - 1));

			values[i] = shape_random(state) >> (64 - length);
		}
}

/* Bytes are exactly as long as they are, so that AddressSanitizer sees a load behind them. */
static void
check_codes(TsdbArena *arena, uint64_t *state, const TsdbBuffer *out, unsigned coder, const uint64_t *values, size_t n)
{
	uint8_t    *exact = tsdb_alloc(arena, out->len);
	uint64_t   *back = TSDB_NEW_ARRAY(arena, uint64_t, n);
	size_t		wanted = shape_random(state) % (n + 1);
	TsdbReader	in = tsdb_reader(memcpy(exact, out->data, out->len), out->len);

	ck_assert_ptr_null(tsdb_coder_read(&in, in.end, coder, back, n, n));
	ck_assert_uint_eq(tsdb_reader_left(&in), 0);
	ck_assert_mem_eq(back, values, n * sizeof(uint64_t));
	memset(back, 0xff, n * sizeof(uint64_t));
	in = tsdb_reader(exact, out->len);
	ck_assert_ptr_null(tsdb_coder_read(&in, in.end, coder, back, n, wanted));
	ck_assert_mem_eq(back, values, wanted * sizeof(uint64_t));
}

START_TEST(every_rice_parameter_comes_back)
{
	uint64_t	state = 7;

	for (unsigned k = 0; k <= 63; k++)
		for (int coder = CODER_RICE; coder <= CODER_DIGITS; coder++)
			for (size_t n = coder == CODER_HUFFMAN || (coder == CODER_DIGITS && k > 61) ? 200 : 1; n < 200; n = n * 2 + 1)
			{
				TsdbArena	arena;
				TsdbBuffer	out;
				CoderChoice choice = {(Coder) coder, k, 0, 0};
				uint64_t   *values;

				tsdb_arena_init_malloc(&arena, 0);
				values = TSDB_NEW_ARRAY(&arena, uint64_t, n);
				for (size_t i = 0; i < n; i++)
					values[i] = shape_random(&state) >> (shape_random(&state) % 4 == 0 ? shape_random(&state) % 64 : 63 - (k < 60 ? k + 3 : k));
				tsdb_buffer_init(&out, &arena, 16);
				tsdb_coder_write(&out, &choice, values, n);
				check_codes(&arena, &state, &out, (unsigned) coder, values, n);
				tsdb_arena_free(&arena);
			}
}
END_TEST

/* Bits one by one. */
static unsigned
plain_bit(const uint8_t *bytes, size_t *position)
{
	unsigned	bit = bytes[*position / 8] >> *position % 8 & 1;

	++*position;
	return bit;
}

/* The next symbol of canonical codes, by counting them up until one is what has been read. */
static unsigned
plain_symbol(const uint8_t *bytes, size_t *position, const unsigned *lengths, unsigned n)
{
	unsigned	code = 0;
	unsigned	read = 0;

	for (unsigned length = 1; length <= 10; length++)
	{
		read = read << 1 | plain_bit(bytes, position);
		code <<= 1;
		for (unsigned i = 0; i < n; i++)
			if (lengths[i] == length && code++ == read)
				return i;
	}
	ck_abort_msg("no such code");
	return 0;
}

/* Huffman codes as FORMAT.md draws them, without a thought of speed; the number of values. */
static size_t
plain_huffman(const uint8_t *bytes, size_t len, uint64_t *values, size_t n)
{
	unsigned	head = bytes[0] | (unsigned) bytes[1] << 8;
	unsigned	runs = head & 15;
	unsigned	lowest = (head >> 4 & 63) + 1;
	unsigned	n_symbols = runs + (head >> 10);
	unsigned	lengths[80];
	TsdbReader	in = tsdb_reader(bytes + 2 + (n_symbols + 1) / 2, len);
	size_t		n_codes;
	size_t		first_bytes;
	size_t		positions[3] = {0};
	unsigned	symbols[TSDB_CHUNK_MAX_TIMES];
	const uint8_t *second;
	const uint8_t *besides;
	size_t		at = 0;

	for (unsigned i = 0; i < n_symbols; i++)
		lengths[i] = bytes[2 + i / 2] >> i % 2 * 4 & 15;
	n_codes = runs > 1 ? tsdb_read_varint(&in) : n;
	first_bytes = tsdb_read_varint(&in);
	second = in.cursor + first_bytes;
	for (size_t i = 0; i < n_codes; i++)
		symbols[i] = plain_symbol(i % 2 == 0 ? in.cursor : second, &positions[i % 2], lengths, n_symbols);
	besides = second + (positions[1] + 7) / 8;
	for (size_t i = 0; i < n_codes; i++)
	{
		unsigned	bits = symbols[i] < runs ? symbols[i] : symbols[i] - runs + lowest - 1;
		uint64_t	number = UINT64_C(1) << bits;

		for (unsigned bit = 0; bit < bits; bit++)
			number |= (uint64_t) plain_bit(besides, &positions[2]) << bit;
		if (symbols[i] >= runs)
			values[at++] = number;
		else
			for (; number > 0; number--)
				values[at++] = 0;
	}
	return at;
}

START_TEST(huffman_codes_come_back)
{
	static const size_t lengths[] = {2, 3, 9, 10, 11, 63, 200, 480, 2000, TSDB_CHUNK_MAX_TIMES};
	uint64_t	state = 11;
	int			written[2] = {0};

	for (int round = 0; round < 1000; round++)
	{
		TsdbArena	arena;
		TsdbBuffer	out;
		size_t		n = lengths[shape_random(&state) % TSDB_COUNT(lengths)];
		bool		runs = shape_random(&state) % 2 == 0;
		HuffmanPlan *plan;
		BitHistogram histogram;
		uint64_t   *values;
		uint64_t   *back;
		size_t		bytes;

		tsdb_arena_init_malloc(&arena, 0);
		values = TSDB_NEW_ARRAY(&arena, uint64_t, n);
		back = TSDB_NEW_ARRAY(&arena, uint64_t, n);
		fill_codes(&state, values, n);
		tsdb_histogram_fill(&histogram, values, n);
		plan = tsdb_huffman_plan_make(&arena, n);
		bytes = tsdb_huffman_plan(plan, &histogram, values, n, runs);
		if (bytes != SIZE_MAX)
		{
			tsdb_buffer_init(&out, &arena, 16);
			tsdb_huffman_write(&out, plan);
			ck_assert_uint_le(out.len, bytes);
			ck_assert_uint_ge(out.len + 6, bytes);
			check_codes(&arena, &state, &out, CODER_HUFFMAN, values, n);
			ck_assert_uint_eq(plain_huffman(out.data, out.len, back, n), n);
			ck_assert_mem_eq(back, values, n * sizeof(uint64_t));
			written[runs]++;
		}
		tsdb_arena_free(&arena);
	}
	ck_assert_int_gt(written[0], 300);
	ck_assert_int_gt(written[1], 300);
}
END_TEST

START_TEST(ordered_bits_are_a_bijection)
{
	static const double ascending[] = {-INFINITY, -1e300, -1, -5e-324, -0.0, 0.0, 5e-324, 1, 1e300, INFINITY};
	uint64_t	state = 8;

	for (size_t i = 1; i < TSDB_COUNT(ascending); i++)
		ck_assert_int_lt(tsdb_ordered_bits(tsdb_double_bits(ascending[i - 1])), tsdb_ordered_bits(tsdb_double_bits(ascending[i])));
	for (int i = 0; i < 1000; i++)
	{
		uint64_t	bits = shape_random(&state);

		ck_assert_uint_eq((uint64_t) tsdb_ordered_bits((uint64_t) tsdb_ordered_bits(bits)), bits);
	}
}
END_TEST

/* ---- damage ---- */

/* Reads whatever is there; only that it ends well matters. */
static bool
read_anyhow(TsdbArena *arena, const uint8_t *data, size_t len)
{
	TsdbChunkReader *reader = tsdb_chunk_reader_make(arena);
	const int64_t *times;
	TsdbError	error;
	bool		valid = tsdb_chunk_validate(arena, data, len, &error) == TSDB_OK;
	bool		readable = tsdb_chunk_open(reader, data, len, 0, &error) == TSDB_OK;

	if (!readable)
		ck_assert(!valid);
	if (readable && tsdb_chunk_times(reader, &times, &error) == TSDB_OK)
	{
		size_t		n = tsdb_chunk_n_times(reader);
		int64_t    *t = TSDB_NEW_ARRAY(arena, int64_t, n);
		double	   *v = TSDB_NEW_ARRAY(arena, double, n);

		for (int c = tsdb_chunk_n_columns(reader) - 1; c >= 0; c--)
		{
			TsdbChunkColumnInfo info;
			TsdbStatus	status = tsdb_chunk_read_samples(reader, c, times[n / 4], times[n / 2], t, v, &n, &error);

			if (valid)
				ck_assert_int_eq(status, TSDB_OK);
			n = tsdb_chunk_n_times(reader);
			tsdb_chunk_column_info(reader, c, &info, &error);
		}
	}
	return valid;
}

/* Two timestamps that are `step` apart, from t_min on. */
static TsdbStatus
two_times(int64_t t_min, int64_t step, const int64_t **times, TsdbArena *arena)
{
	TsdbChunkReader *reader = tsdb_chunk_reader_make(arena);
	TsdbBuffer	bytes;
	TsdbError	error;

	tsdb_buffer_init(&bytes, arena, 16);
	tsdb_buffer_append(&bytes, (const uint8_t[]){TSDB_CHUNK_VERSION, 1, 2, 0, 1}, 5);
	tsdb_buffer_varint(&bytes, (uint64_t) step);
	tsdb_buffer_append(&bytes, (const uint8_t[]){2, 0, 0}, 3);
	ck_assert_int_eq(tsdb_chunk_open(reader, bytes.data, bytes.len, t_min, &error), TSDB_OK);
	return tsdb_chunk_times(reader, times, &error);
}

START_TEST(times_do_not_wrap_around)
{
	TsdbArena	arena;
	const int64_t *times;

	tsdb_arena_init_malloc(&arena, 0);
	ck_assert_int_eq(two_times(INT64_MAX - 1, 1, &times, &arena), TSDB_OK);
	ck_assert_int_eq(times[1], INT64_MAX);
	ck_assert_int_eq(two_times(INT64_MAX - 1, 2, &times, &arena), TSDB_ERR_CORRUPT);
	ck_assert_int_eq(two_times(1, INT64_MAX, &times, &arena), TSDB_ERR_CORRUPT);
	ck_assert_int_eq(two_times(INT64_MIN, INT64_MAX, &times, &arena), TSDB_OK);
	ck_assert_int_eq(times[1], -1);
	tsdb_arena_free(&arena);
}
END_TEST

START_TEST(damaged_chunks_do_no_harm)
{
	uint64_t	state = 9;

	for (int round = 0; round < 80; round++)
	{
		TsdbArena	arena;
		Table		table;
		TsdbChunkInput input;
		TsdbChunkWriter *writer;
		TsdbChunkRow row;
		TsdbError	error;

		tsdb_arena_init_malloc(&arena, 0);
		table = random_table(&arena, &state, 1 + shape_random(&state) % 130, 1 + shape_random(&state) % 12);
		input = (TsdbChunkInput){
			table.times, table.n_times, table.columns, table.n_columns, 0, 2000, TSDB_CODEC_AUTO, shape_random(&state) % 2 == 0
		};
		ck_assert_int_eq(tsdb_chunk_writer_make(&arena, NULL, &input, &writer, &error), TSDB_OK);
		while (tsdb_chunk_writer_next(writer, &row))
			for (int i = 0; i < 15; i++)
			{
				size_t		cut = shape_random(&state) % row.len;
				uint8_t    *bytes = tsdb_alloc(&arena, row.len);
				uint8_t    *head = tsdb_alloc(&arena, cut);

				memcpy(bytes, row.data, row.len);
				for (size_t flips = shape_random(&state) % 3 + 1; flips > 0; flips--)
					bytes[shape_random(&state) % row.len] ^= (uint8_t) (1 << shape_random(&state) % 8);
				read_anyhow(&arena, bytes, row.len);
				memcpy(head, row.data, cut);
				ck_assert(!read_anyhow(&arena, head, cut));
			}
		tsdb_arena_free(&arena);
	}
}
END_TEST

START_TEST(known_bytes_stay_readable)
{
	/* 4 timestamps each second; 0.01 0.02 0.04 0.05 and the constant 7 */
	static const uint8_t bytes[] = {1, 1, 4, 0, 2, 0xe8, 0x07, 6, 2, 0x09, 0x01, 0x02, 0x01, 0x00, 0x52, 0x00, 14};
	static const double expected[] = {0.01, 0.02, 0.04, 0.05};
	TsdbArena	arena;
	TsdbChunkReader *reader;
	double		values[4];
	uint64_t	present;
	TsdbError	error;

	tsdb_arena_init_malloc(&arena, 0);
	reader = tsdb_chunk_reader_make(&arena);
	ck_assert_int_eq(tsdb_chunk_open(reader, bytes, sizeof(bytes), 0, &error), TSDB_OK);
	ck_assert_int_eq(tsdb_chunk_read_column(reader, 0, values, &present, &error), TSDB_OK);
	ck_assert_mem_eq(values, expected, sizeof(expected));
	ck_assert_int_eq(tsdb_chunk_read_column(reader, 1, values, &present, &error), TSDB_OK);
	ck_assert_double_eq(values[3], 7);
	tsdb_arena_free(&arena);
}
END_TEST

START_TEST(wrong_bytes_have_a_reason)
{
	static const struct
	{
		TsdbStatus	status;
		const char *reason;
		uint8_t		bytes[24];
		size_t		len;
	}			cases[] = {
		{TSDB_ERR_CORRUPT, "invalid chunk: shorter than its header", {1, 1, 1, 0}, 4},
		{TSDB_ERR_CORRUPT, "invalid chunk: unknown version", {2, 1, 1, 0, 1, 0, 2, 0, 0}, 9},
		{TSDB_ERR_CORRUPT, "invalid chunk: unknown flags", {1, 17, 1, 0, 1, 0, 2, 0, 0}, 9},
		{TSDB_ERR_CORRUPT, "invalid chunk: number of timestamps out of range", {1, 1, 0, 0, 1, 0, 2, 0, 0}, 9},
		{TSDB_ERR_CORRUPT, "invalid chunk: number of timestamps out of range", {1, 1, 0, 0x20, 1, 1, 2, 0, 0}, 9},
		{TSDB_ERR_CORRUPT, "invalid chunk: no columns", {1, 1, 1, 0, 0, 0}, 6},
		{TSDB_ERR_CORRUPT, "invalid chunk: time step out of range", {1, 1, 2, 0, 1, 0, 2, 0, 0}, 9},
		{TSDB_ERR_CORRUPT, "invalid chunk: directory does not match the length", {1, 1, 1, 0, 1, 0, 3, 0, 0}, 9},
		{TSDB_ERR_CORRUPT, "invalid chunk: directory does not match the length", {1, 1, 1, 0, 1, 0, 2, 0, 0, 0}, 10},
		{TSDB_ERR_CORRUPT, "invalid chunk: first sample of the first column out of range", {1, 3, 2, 0, 1, 1, 2, 2, 0, 0}, 10},
		{TSDB_ERR_CORRUPT, "invalid chunk: number of samples of the last column out of range", {1, 5, 2, 0, 1, 1, 2, 2, 0, 0}, 10},
		{TSDB_ERR_CORRUPT, "invalid chunk: timestamps do not ascend", {1, 0, 2, 0, 1, 1, 0x01, 0, 0, 0x02, 2, 0, 0}, 13},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: column has the wrong length", {1, 1, 1, 0, 1, 0, 3, 0, 0, 0}, 10},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: exponent out of range", {1, 1, 1, 0, 1, 0, 3, 1 | 10 << 2, 0, 0}, 10},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: reference out of range", {1, 1, 1, 0, 1, 0, 4, 0x41, 1, 0, 0}, 11},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: column without a sample", {1, 1, 1, 0, 1, 0, 4, 0x80, 0, 1, 0}, 11},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: presence does not fit the samples", {1, 1, 1, 0, 1, 0, 4, 0x80, 0, 0, 0}, 11},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: Rice parameter out of range", {1, 1, 2, 0, 1, 1, 5, 1, 1, 0, 64, 1}, 12},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: Rice codes are truncated", {1, 1, 2, 0, 1, 1, 5, 1, 1, 0, 0, 0}, 12},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: bits behind the last Rice code", {1, 1, 2, 0, 1, 1, 5, 1, 1, 0, 0, 5}, 12},
		{TSDB_ERR_UNSUPPORTED, "column 0 of the chunk uses a codec that this version does not know", {1, 1, 1, 0, 1, 0, 3, 10, 0, 0}, 10},
		{TSDB_ERR_UNSUPPORTED, "column 0 of the chunk uses a codec that this version does not know", {1, 1, 2, 0, 1, 1, 5, 1, 3, 0, 0, 5}, 12},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: parameter of digits out of range", {1, 1, 2, 0, 1, 1, 5, 1, 13, 0, 62, 1}, 12},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: digits are truncated", {1, 1, 2, 0, 1, 1, 4, 1, 13, 0, 0}, 11},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: bits behind the last digit", {1, 1, 2, 0, 1, 1, 5, 1, 13, 0, 0, 5}, 12},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: Rice codes are truncated", {1, 1, 2, 0, 1, 1, 5, 1, 13, 0, 0, 3}, 12},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: column has the wrong length", {1, 1, 2, 0, 1, 1, 6, 1, 13, 0, 0, 2, 1}, 13},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: bits behind the last Rice code", {1, 1, 2, 0, 1, 1, 6, 1, 13, 0, 0, 3, 5}, 13},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: wrong escape of a digit code", {1, 1, 2, 0, 1, 1, 9, 1, 13, 0, 0, 3, 0, 0, 0x10, 19}, 16},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: Huffman symbols out of range", {1, 1, 2, 0, 1, 1, 5, 1, 9, 0, 14, 0}, 12},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: Huffman code lengths are truncated", {1, 1, 2, 0, 1, 1, 5, 1, 9, 0, 1, 8}, 12},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: Huffman code length out of range", {1, 1, 2, 0, 1, 1, 7, 1, 9, 0, 0, 8, 0xb1, 0}, 14},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: Huffman codes are not complete", {1, 1, 2, 0, 1, 1, 7, 1, 9, 0, 0, 8, 0x21, 0}, 14},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: number of Huffman symbols out of range", {1, 1, 2, 0, 1, 1, 9, 1, 9, 0, 2, 0, 0x11, 2, 1, 0}, 16},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: Huffman codes are truncated", {1, 1, 2, 0, 1, 1, 7, 1, 9, 0, 0, 8, 0x11, 1}, 14},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: first stream of Huffman codes has the wrong length", {1, 1, 2, 0, 1, 1, 8, 1, 9, 0, 0, 8, 0x11, 1, 2}, 15},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: Huffman codes are not the number of values", {1, 1, 2, 0, 1, 1, 9, 1, 9, 0, 2, 0, 0x11, 1, 1, 1}, 16},
		{TSDB_ERR_CORRUPT, "invalid chunk: column 0: bits of Huffman symbols are truncated", {1, 1, 2, 0, 1, 1, 8, 1, 9, 0, 0, 8, 0x11, 1, 1}, 15},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbArena	arena;
		TsdbError	error = {0};

		tsdb_arena_init_malloc(&arena, 0);
		ck_assert_msg(tsdb_chunk_validate(&arena, cases[i].bytes, cases[i].len, &error) == cases[i].status, "case %zu: %s", i, error.message);
		ck_assert_str_eq(error.message, cases[i].reason);
		tsdb_arena_free(&arena);
	}
}
END_TEST

Suite *
chunk_suite(void)
{
	Suite	   *suite = suite_create("chunk");
	TCase	   *parts = tcase_create("parts");
	TCase	   *rows = tcase_create("rows");
	TCase	   *damage = tcase_create("damage");

	tcase_set_timeout(parts, 120);
	tcase_add_test(parts, ordered_bits_are_a_bijection);
	tcase_add_test(parts, every_rice_parameter_comes_back);
	tcase_add_test(parts, huffman_codes_come_back);
	tcase_add_test(parts, integer_streams_come_back);
	suite_add_tcase(suite, parts);
	tcase_set_timeout(rows, 300);
	tcase_add_test(rows, every_shape_comes_back_alone);
	tcase_add_test(rows, each_shape_gets_its_codec);
	tcase_add_test(rows, neighbours_refer_to_each_other);
	tcase_add_test(rows, ends_of_chains_are_read_alone);
	tcase_add_test(rows, random_tables_come_back);
	tcase_add_test(rows, rows_are_filled);
	tcase_add_test(rows, limits_are_errors);
	tcase_add_test(rows, writer_may_be_left_at_any_interrupt);
	suite_add_tcase(suite, rows);
	tcase_set_timeout(damage, 300);
	tcase_add_test(damage, known_bytes_stay_readable);
	tcase_add_test(damage, wrong_bytes_have_a_reason);
	tcase_add_test(damage, times_do_not_wrap_around);
	tcase_add_test(damage, damaged_chunks_do_no_harm);
	suite_add_tcase(suite, damage);
	return suite;
}
