/*
 * codec.c
 *		What the codecs of src/core/chunk need for each shape of series: bytes and nanoseconds per sample.
 *
 * Chunks: 32 columns of a shape, 480 samples each (or --samples N), into rows as
 * tsdb.chunks has them, and back.  Head rows: 250 columns of a shape, one row
 * per timestamp.  Times are processor time, the best of five rounds.
 *
 * Bytes are those of the chunk data: tuple, page and index come on top
 * (about 3 % for full rows).
 *
 * The shape gorilla_paper stands for the data of "Gorilla: A Fast, Scalable, In-Memory Time Series Database" (VLDB 2015),
 * which is not public: 51 % of the values are the one before, and the paper's codes need for the others
 * what makes its 1.37 bytes per point, timestamps included.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/chunk/chunk.h"
#include "core/chunk/head.h"
#include "shapes.h"

#define COLUMNS 32
#define HEAD_COLUMNS 250
#define HEAD_ROWS 200
#define ROUNDS 5

typedef struct Cost
{
	const char *coder;
	double		bytes;
	double		encode;			/* nanoseconds */
	double		decode;
} Cost;

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

static void
require(bool condition)
{
	if (!condition)
	{
		fprintf(stderr, "codec: a value did not come back\n");
		exit(EXIT_FAILURE);
	}
}

static void
keep_best(Cost *best, Cost cost, int round)
{
	if (round == 0 || cost.encode < best->encode)
		best->encode = cost.encode;
	if (round == 0 || cost.decode < best->decode)
		best->decode = cost.decode;
	best->bytes = cost.bytes;
	best->coder = cost.coder;
}

/* ---- chunks ---- */

typedef struct Rows
{
	TsdbChunkRow row[256];
	size_t		n;
} Rows;

static void
encode_rows(TsdbArena *arena, const TsdbChunkInput *input, Rows *rows)
{
	TsdbChunkWriter *writer;
	TsdbError	error;

	require(tsdb_chunk_writer_make(arena, NULL, input, &writer, &error) == TSDB_OK);
	rows->n = 0;
	while (rows->n < 256 && tsdb_chunk_writer_next(writer, &rows->row[rows->n]))
	{
		TsdbChunkRow *row = &rows->row[rows->n++];

		row->data = (const uint8_t *) tsdb_strndup(arena, (const char *) row->data, row->len);
	}
}

static void
decode_rows(TsdbChunkReader *reader, const Rows *rows, int64_t *t, double *v)
{
	TsdbError	error;
	size_t		n;

	for (size_t i = 0; i < rows->n; i++)
	{
		require(tsdb_chunk_open(reader, rows->row[i].data, rows->row[i].len, rows->row[i].t_min, &error) == TSDB_OK);
		for (int c = 0; c < rows->row[i].n_columns; c++)
			require(tsdb_chunk_read_samples(reader, c, INT64_MIN, INT64_MAX, t, v, &n, &error) == TSDB_OK);
	}
}

/* Outside of the measurement: every sample is the one that went in. */
static void
compare_rows(TsdbChunkReader *reader, const Rows *rows, const TsdbChunkInput *input, int64_t *t, double *v)
{
	TsdbError	error;
	size_t		total = 0;
	size_t		n;

	for (size_t i = 0; i < rows->n; i++)
	{
		require(tsdb_chunk_open(reader, rows->row[i].data, rows->row[i].len, rows->row[i].t_min, &error) == TSDB_OK);
		for (int c = 0; c < rows->row[i].n_columns; c++)
		{
			const double *values = input->columns[rows->row[i].first_column + c].values;

			require(tsdb_chunk_read_samples(reader, c, INT64_MIN, INT64_MAX, t, v, &n, &error) == TSDB_OK);
			for (size_t s = 0; s < n; s++)
			{
				size_t		at = (size_t) (t[s] - input->times[0]) / 15000;

				require(input->times[at] == t[s] && tsdb_double_bits(values[at]) == tsdb_double_bits(v[s]));
			}
			total += n;
		}
	}
	require(total == input->n_times * input->n_columns);
}

/* The coder that most columns have. */
static const char *
name_coder(const Rows *rows)
{
	static const char *const names[] = {"-", "rice", "zero runs", "huffman", "digits"};
	size_t		columns[TSDB_COUNT(names)] = {0};
	size_t		best = 0;
	TsdbArena	arena;
	TsdbChunkReader *reader;
	TsdbError	error;

	tsdb_arena_init_malloc(&arena, 1 << 20);
	reader = tsdb_chunk_reader_make(&arena);
	for (size_t i = 0; i < rows->n; i++)
	{
		require(tsdb_chunk_open(reader, rows->row[i].data, rows->row[i].len, rows->row[i].t_min, &error) == TSDB_OK);
		for (int c = 0; c < rows->row[i].n_columns; c++)
		{
			TsdbChunkColumnInfo info;
			size_t		name = 0;

			require(tsdb_chunk_column_info(reader, c, &info, &error) == TSDB_OK);
			while (info.coder != NULL && strcmp(info.coder, names[name]) != 0)
				name++;
			columns[name]++;
		}
	}
	for (size_t name = 1; name < TSDB_COUNT(names); name++)
		best = columns[name] > columns[best] ? name : best;
	tsdb_arena_free(&arena);
	return names[best];
}

static Cost
measure_chunks(const TsdbChunkInput *input)
{
	double		samples = (double) (input->n_times * input->n_columns);
	Cost		best = {0};

	for (int round = 0; round < ROUNDS; round++)
	{
		static Rows rows;
		TsdbArena	arena;
		TsdbChunkReader *reader;
		int64_t    *t;
		double	   *v;
		Cost		cost = {0};
		double		start;

		tsdb_arena_init_malloc(&arena, 1 << 20);
		reader = tsdb_chunk_reader_make(&arena);
		t = TSDB_NEW_ARRAY(&arena, int64_t, input->n_times);
		v = TSDB_NEW_ARRAY(&arena, double, input->n_times);

		start = now();
		encode_rows(&arena, input, &rows);
		cost.encode = (now() - start) / samples;
		decode_rows(reader, &rows, t, v);
		start = now();
		decode_rows(reader, &rows, t, v);
		cost.decode = (now() - start) / samples;
		for (size_t i = 0; i < rows.n; i++)
			cost.bytes += (double) rows.row[i].len / samples;
		cost.coder = name_coder(&rows);
		if (round == 0)
			compare_rows(reader, &rows, input, t, v);
		keep_best(&best, cost, round);
		tsdb_arena_free(&arena);
	}
	return best;
}

/* ---- head rows ---- */

static Cost
measure_head(const TsdbChunkInput *input)
{
	static uint8_t buffer[HEAD_ROWS][TSDB_HEAD_BUFFER];
	static TsdbHeadSample samples[HEAD_ROWS][HEAD_COLUMNS];
	static TsdbHeadSample out[HEAD_COLUMNS];
	static size_t len[HEAD_ROWS];
	Cost		best = {0};

	for (size_t r = 0; r < HEAD_ROWS; r++)
		for (size_t c = 0; c < HEAD_COLUMNS; c++)
			samples[r][c] = (TsdbHeadSample){(uint16_t) c, 0, input->columns[c % input->n_columns].values[r % input->n_times]};
	for (int round = 0; round < ROUNDS; round++)
	{
		Cost		cost = {0};
		double		start = now();

		for (size_t r = 0; r < HEAD_ROWS; r++)
			require(tsdb_head_encode(samples[r], HEAD_COLUMNS, buffer[r], &len[r]) == HEAD_COLUMNS);
		cost.encode = (now() - start) / (HEAD_ROWS * HEAD_COLUMNS);
		start = now();
		for (size_t r = 0; r < HEAD_ROWS; r++)
		{
			TsdbHeadRow row;
			TsdbError	error;
			size_t		n;

			require(tsdb_head_open(&row, buffer[r], len[r], &error) == TSDB_OK &&
					tsdb_head_read(&row, 0, HEAD_COLUMNS, out, &n, &error) == TSDB_OK && n == HEAD_COLUMNS);
		}
		cost.decode = (now() - start) / (HEAD_ROWS * HEAD_COLUMNS);
		for (size_t r = 0; r < HEAD_ROWS; r++)
			cost.bytes += (double) len[r] / (HEAD_ROWS * HEAD_COLUMNS);
		keep_best(&best, cost, round);
	}
	return best;
}

/* ---- shapes ---- */

static void
fill_columns(Shape shape, uint64_t *state, double *values, size_t n)
{
	for (size_t c = 0; c < COLUMNS; c++)
	{
		shape_fill(shape, state, values + c * n, n);
		/* buckets are cumulative: each has what the one before has */
		if (shape == SHAPE_bucket && c % 8 != 0)
			for (size_t i = 0; i < n; i++)
				values[c * n + i] = values[(c - 1) * n + i] + floor((double) i * 0.3 * shape_uniform(state));
	}
}

int
main(int argc, char **argv)
{
	size_t		n = argc > 2 && strcmp(argv[1], "--samples") == 0 ? (size_t) strtoul(argv[2], NULL, 10) : 480;
	int64_t    *times;
	double	   *values;
	TsdbChunkColumn columns[COLUMNS];
	TsdbChunkInput input = {.columns = columns, .n_columns = COLUMNS, .n_times = n, .limit = TSDB_CHUNK_ROW_LIMIT};
	uint64_t	state = 1;

	if ((argc != 1 && argc != 3) || n < 1 || n > TSDB_CHUNK_MAX_TIMES)
	{
		fprintf(stderr, "usage: codec [--samples 1..%d]\n", TSDB_CHUNK_MAX_TIMES);
		return 2;
	}
	times = malloc(n * sizeof(int64_t));
	values = malloc(COLUMNS * n * sizeof(double));
	for (size_t i = 0; i < n; i++)
		times[i] = INT64_C(1795132800000) + (int64_t) i * 15000;
	input.times = times;

	printf("%zu samples per column, %d columns\n\n", n, COLUMNS);
	printf("%-22s %37s   %27s   %27s\n", "", "chunk", "chunk, gorilla", "head row");
	printf("%-22s %-9s %9s %8s %8s   %9s %8s %8s   %9s %8s %8s\n", "shape", "coder",
		   "B/sample", "enc ns", "dec ns", "B/sample", "enc ns", "dec ns", "B/sample", "enc ns", "dec ns");
	for (int shape = 0; shape < N_SHAPES; shape++)
	{
		Cost		chunk;
		Cost		gorilla;
		Cost		head;

		fill_columns((Shape) shape, &state, values, n);
		for (size_t c = 0; c < COLUMNS; c++)
			columns[c] = (TsdbChunkColumn){values + c * n, NULL};
		input.codec = TSDB_CODEC_AUTO;
		chunk = measure_chunks(&input);
		input.codec = TSDB_CODEC_GORILLA;
		gorilla = measure_chunks(&input);
		head = measure_head(&input);
		printf("%-22s %-9s %9.3f %8.1f %8.1f   %9.3f %8.1f %8.1f   %9.3f %8.1f %8.1f\n", shape_names[shape],
			   chunk.coder, chunk.bytes, chunk.encode, chunk.decode, gorilla.bytes, gorilla.encode, gorilla.decode,
			   head.bytes, head.encode, head.decode);
	}
	printf("\ngorilla_paper: the paper has 1.37 bytes per point, of which timestamps are about 0.13\n");
	free(times);
	free(values);
	return 0;
}
