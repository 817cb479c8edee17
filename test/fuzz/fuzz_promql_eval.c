/*
 * fuzz_promql_eval.c
 *		Any bytes as a query over a small set of samples.
 *
 * The first two bytes choose the times.  What must hold of a result: the points of a series are
 * in order of time and within the query, no value is a stale marker, a matrix is
 * sorted by labels with each label set once, and evaluating again gives the same bits.  A query that is said to be
 * evaluated step by step has the same answer, or fails, in two pieces.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/promql/eval.h"
#include "core/promql/memory_source.h"
#include "core/promql/parser.h"
#include "core/promql/stepwise.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_QUERY 4096
#define MAX_SAMPLES 100000

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
add(TsdbMemorySource *memory, const char *metric, int64_t t, double v)
{
	TsdbArena	arena;
	TsdbLabels	labels;
	TsdbError	error;

	tsdb_arena_init_malloc(&arena, 4096);
	require(tsdb_labels_parse(&arena, tsdb_str(metric), &labels, &error) == TSDB_OK);
	tsdb_memory_source_add(memory, labels, t, v);
	tsdb_arena_free(&arena);
}

/* Counters with resets, gauges with gaps and odd values, a classic histogram, info series that follow each other. */
static void
fill(TsdbMemorySource *memory)
{
	static const double odd[] = {0, -0.0, 1, -1, 1e308, -1e308, 5e-324, INFINITY, -INFINITY, NAN};
	static const char *const bounds[] = {"1", "2.5", "+Inf"};

	for (int64_t t = 0; t <= 300000; t += 15000)
	{
		int			i = (int) (t / 15000);

		for (int instance = 0; instance < 3; instance++)
		{
			char		metric[128];

			snprintf(metric, sizeof(metric), "c_total{instance=\"%d\",job=\"%c\"}", instance, "ab"[instance % 2]);
			add(memory, metric, t + instance, (i * (instance + 1)) % 17);
			snprintf(metric, sizeof(metric), "g{instance=\"%d\",job=\"%c\"}", instance, "ab"[instance % 2]);
			if ((i + instance) % 4 != 0)
				add(memory, metric, t, i % 7 == 6 ? tsdb_double_from_bits(TSDB_STALE_NAN_BITS) :
					odd[(i + instance) % 10]);
			snprintf(metric, sizeof(metric), "h_bucket{job=\"a\",le=\"%s\"}", bounds[instance]);
			add(memory, metric, t, i * (instance + 1));
			snprintf(metric, sizeof(metric), "target_info{instance=\"%d\",job=\"%c\",v=\"%d\"}", instance,
					 "ab"[instance % 2], i / (instance + 3) % 3);
			add(memory, metric, t, 1);
		}
	}
}

static void
choose_times(const uint8_t *data, TsdbEvalOptions *options)
{
	static const int64_t starts[] = {0, 60000, 150000, 299999, 600000, -1000, INT64_MIN, INT64_MAX};
	static const int64_t steps[] = {0, 0, 1, 1000, 15000, 60000, 7777, 3600000};
	size_t		n = (size_t) (data[0] >> 6) * 5 + 1;

	options->start = options->end = starts[data[0] & 7];
	options->step = steps[(data[0] >> 3) & 7];
	if (options->step != 0 && options->start <= 600000)
		options->end = options->start + (int64_t) (n - 1) * options->step;
	options->lookback = (data[1] & 1) != 0 ? 30000 : 0;
	options->delayed_name_removal = (data[1] & 2) != 0;
	options->max_samples = MAX_SAMPLES;
}

static void
check_series(const TsdbQueryResult *result, const TsdbSeriesData *series)
{
	require(series->n > 0);
	for (size_t i = 0; i < series->n; i++)
	{
		require(!tsdb_is_stale(series->v[i]));
		require(i == 0 || series->t[i - 1] < series->t[i]);
		require(result->type == TSDB_VALUE_MATRIX || series->t[i] == result->t);
	}
	for (size_t i = 0; i < series->labels.n; i++)
		require(series->labels.pairs[i].value.len > 0 &&
				(i == 0 || tsdb_str_compare(series->labels.pairs[i - 1].name, series->labels.pairs[i].name) < 0));
}

static void
check_result(const TsdbQueryResult *result)
{
	for (size_t i = 0; i < result->n_series; i++)
	{
		check_series(result, &result->series[i]);
		require(result->type != TSDB_VALUE_MATRIX || i == 0 ||
				tsdb_labels_compare(result->series[i - 1].labels, result->series[i].labels) < 0);
	}
}

static void
check_same(const TsdbQueryResult *a, const TsdbQueryResult *b)
{
	require(a->type == b->type && a->n_series == b->n_series);
	require(a->n_warnings == b->n_warnings && a->n_infos == b->n_infos);
	require(tsdb_double_bits(a->scalar) == tsdb_double_bits(b->scalar));
	for (size_t i = 0; i < a->n_series; i++)
	{
		require(a->series[i].n == b->series[i].n && tsdb_labels_equal(a->series[i].labels, b->series[i].labels));
		require(memcmp(a->series[i].v, b->series[i].v, a->series[i].n * sizeof(double)) == 0);
	}
}

/* ---- in pieces ---- */

static size_t
count_points(const TsdbQueryResult *result)
{
	size_t		n = 0;

	for (size_t i = 0; i < result->n_series; i++)
		n += result->series[i].n;
	return n;
}

/* Every point of the piece is one of the whole. */
static void
check_piece(const TsdbQueryResult *whole, const TsdbQueryResult *piece)
{
	size_t		w = 0;

	for (size_t i = 0; i < piece->n_series; i++)
	{
		const TsdbSeriesData *series = &piece->series[i];
		size_t		at = 0;

		while (w < whole->n_series && !tsdb_labels_equal(whole->series[w].labels, series->labels))
			w++;
		require(w < whole->n_series);
		for (size_t k = 0; k < series->n; k++)
		{
			while (at < whole->series[w].n && whole->series[w].t[at] < series->t[k])
				at++;
			require(at < whole->series[w].n && whole->series[w].t[at] == series->t[k] &&
					tsdb_double_bits(whole->series[w].v[at]) == tsdb_double_bits(series->v[k]));
		}
	}
}

/* Pieces of two steps at least, since a single one counts as no range. */
static void
check_pieces(TsdbArena *arena, TsdbSeriesSource *source, const TsdbEvalOptions *options, TsdbExpr *expr, TsdbStatus status,
			 const TsdbQueryResult *whole)
{
	size_t		steps = tsdb_promql_steps(options->start, options->end, options->step);
	TsdbEvalOptions halves[] = {*options, *options};
	TsdbQueryResult *results[2];
	TsdbStatus	statuses[2];
	TsdbError	error;
	int64_t		reach;

	if (options->step == 0 || steps < 4 || (status != TSDB_OK && status != TSDB_ERR_EXECUTION) ||
		tsdb_promql_resolve_durations(expr, options->start, options->end, options->step, &error) != TSDB_OK ||
		!tsdb_promql_is_stepwise(expr, options->lookback, &reach))
		return;
	halves[0].end = options->start + (int64_t) (steps / 2 - 1) * options->step;
	halves[1].start = halves[0].end + options->step;
	for (int i = 0; i < 2; i++)
		statuses[i] = tsdb_promql_eval(arena, NULL, source, &halves[i], expr, &results[i], &error);
	require((status == TSDB_OK) == (statuses[0] == TSDB_OK && statuses[1] == TSDB_OK));
	if (status != TSDB_OK)
		return;
	for (int i = 0; i < 2; i++)
		check_piece(whole, results[i]);
	require(count_points(whole) == count_points(results[0]) + count_points(results[1]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbArena	arena;
	TsdbMemorySource memory;
	TsdbEvalOptions options = {0};
	TsdbQueryResult *result[2];
	TsdbExpr   *expr;
	TsdbError	error;

	if (size < 2 || size > MAX_QUERY)
		return 0;
	tsdb_arena_init_malloc(&arena, 65536);
	tsdb_memory_source_init(&memory, &arena);
	choose_times(data, &options);
	options.query = (TsdbStr){(const char *) data + 2, size - 2};
	if (tsdb_promql_parse(&arena, options.query, NULL, &expr, &error) == TSDB_OK)
	{
		TsdbStatus	status;

		fill(&memory);
		status = tsdb_promql_eval(&arena, NULL, &memory.source, &options, expr, &result[0], &error);
		if (status == TSDB_OK)
		{
			check_result(result[0]);
			require(tsdb_promql_eval(&arena, NULL, &memory.source, &options, expr, &result[1], &error) == TSDB_OK);
			check_same(result[0], result[1]);
		}
		else
			require(status == error.code && error.message[0] != '\0');
		check_pieces(&arena, &memory.source, &options, expr, status, status == TSDB_OK ? result[0] : NULL);
	}
	tsdb_arena_free(&arena);
	return 0;
}
