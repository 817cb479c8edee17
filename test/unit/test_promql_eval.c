/*
 * test_promql_eval.c
 *		The evaluator apart from what the scripts of test/promql say of its results:
 *		shape of results, limits, windows against a plain reference, leaving it by a jump.
 */
#include <check.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/promql/eval_internal.h"
#include "core/promql/explain.h"
#include "core/promql/memory_source.h"
#include "core/promql/parser.h"

Suite	   *promql_eval_suite(void);

/* One query over one set of samples. */
typedef struct Bench
{
	TsdbArena	data;
	TsdbArena	work;
	TsdbMemorySource memory;
	TsdbEnv		env;
	TsdbEvalOptions options;
	TsdbQueryResult *result;
	TsdbError	error;
} Bench;

static void
bench_open(Bench *bench)
{
	*bench = (Bench){0};
	tsdb_arena_init_malloc(&bench->data, 0);
	tsdb_arena_init_malloc(&bench->work, 0);
	tsdb_memory_source_init(&bench->memory, &bench->data);
}

static void
bench_close(Bench *bench)
{
	tsdb_arena_free(&bench->work);
	tsdb_arena_free(&bench->data);
}

/* name, then label=value pairs, ended by NULL */
static void
add(Bench *bench, int64_t t, double v, const char *name, ...)
{
	TsdbLabel	pairs[8] = {{TSDB_STR(TSDB_METRIC_NAME), tsdb_str(name)}};
	size_t		n = 1;
	va_list		args;
	const char *label;
	TsdbLabels	labels;

	va_start(args, name);
	while ((label = va_arg(args, const char *)) != NULL)
	{
		pairs[n].name = tsdb_str(label);
		pairs[n++].value = tsdb_str(va_arg(args, const char *));
	}
	va_end(args);
	ck_assert_int_eq(tsdb_labels_make(pairs, n, &labels, &bench->error), TSDB_OK);
	tsdb_memory_source_add(&bench->memory, labels, t, v);
}

static TsdbStatus
run(Bench *bench, const char *query)
{
	TsdbExpr   *expr;
	TsdbStatus	status;

	tsdb_arena_free(&bench->work);
	tsdb_error_clear(&bench->error);
	bench->options.query = tsdb_str(query);
	status = tsdb_promql_parse(&bench->work, bench->options.query, NULL, &expr, &bench->error);
	if (status != TSDB_OK)
		return status;
	return tsdb_promql_eval(&bench->work, &bench->env, &bench->memory.source, &bench->options, expr,
							&bench->result, &bench->error);
}

static void
at(Bench *bench, int64_t start, int64_t end, int64_t step)
{
	bench->options.start = start;
	bench->options.end = end;
	bench->options.step = step;
}

/* Four counters and a gauge over ten minutes. */
static void
add_fleet(Bench *bench)
{
	static const char *const jobs[] = {"api", "web"};
	static const char *const instances[] = {"a", "b"};

	for (int64_t t = 0; t <= 600000; t += 15000)
		for (int i = 0; i < 4; i++)
		{
			const char *job = jobs[i / 2];
			const char *instance = instances[i % 2];

			add(bench, t, (double) (t / 1000 * (i + 1)), "requests_total", "job", job, "instance", instance, NULL);
			add(bench, t, sin((double) (t + i)), "load", "job", job, "instance", instance, NULL);
			add(bench, t, (double) t, "requests_bucket", "job", job, "instance", instance, "le", "1", NULL);
			add(bench, t, (double) (2 * t), "requests_bucket", "job", job, "instance", instance, "le", "+Inf", NULL);
		}
}

/* ---- shape of results ---- */

START_TEST(instant_query_has_the_type_of_its_expression)
{
	Bench		bench;

	bench_open(&bench);
	add_fleet(&bench);
	at(&bench, 300000, 300000, 0);

	ck_assert_int_eq(run(&bench, "1 + 1"), TSDB_OK);
	ck_assert_int_eq(bench.result->type, TSDB_VALUE_SCALAR);
	ck_assert_double_eq(bench.result->scalar, 2);
	ck_assert_int_eq(bench.result->t, 300000);

	ck_assert_int_eq(run(&bench, "('text')"), TSDB_OK);
	ck_assert_int_eq(bench.result->type, TSDB_VALUE_STRING);
	ck_assert(tsdb_str_equal(bench.result->string, TSDB_STR("text")));

	ck_assert_int_eq(run(&bench, "requests_total"), TSDB_OK);
	ck_assert_int_eq(bench.result->type, TSDB_VALUE_VECTOR);
	ck_assert_uint_eq(bench.result->n_series, 4);
	ck_assert_uint_eq(bench.result->series[3].n, 1);
	ck_assert_int_eq(bench.result->series[3].t[0], 300000);
	ck_assert_double_eq(bench.result->series[3].v[0], 1200);

	ck_assert_int_eq(run(&bench, "requests_total{job='web', instance='b'}[1m] offset 1s"), TSDB_OK);
	ck_assert_int_eq(bench.result->type, TSDB_VALUE_MATRIX);
	ck_assert_uint_eq(bench.result->n_series, 1);
	ck_assert_uint_eq(bench.result->series[0].n, 4);
	ck_assert_int_eq(bench.result->series[0].t[0], 240000);
	ck_assert_int_eq(bench.result->series[0].t[3], 285000);
	bench_close(&bench);
}
END_TEST

START_TEST(range_query_is_a_sorted_matrix)
{
	Bench		bench;

	bench_open(&bench);
	add_fleet(&bench);
	at(&bench, 0, 600000, 60000);
	ck_assert_int_eq(run(&bench, "sort_desc(requests_total > 900)"), TSDB_OK);
	ck_assert_int_eq(bench.result->type, TSDB_VALUE_MATRIX);
	ck_assert_uint_eq(bench.result->n_series, 3);
	for (size_t i = 1; i < bench.result->n_series; i++)
		ck_assert_int_lt(tsdb_labels_compare(bench.result->series[i - 1].labels, bench.result->series[i].labels), 0);
	ck_assert_uint_eq(bench.result->series[0].n, 5);
	ck_assert_int_eq(bench.result->series[0].t[0], 360000);
	ck_assert_uint_eq(bench.result->n_warnings, 1);

	ck_assert_int_eq(run(&bench, "42"), TSDB_OK);
	ck_assert_uint_eq(bench.result->n_series, 1);
	ck_assert_uint_eq(bench.result->series[0].labels.n, 0);
	ck_assert_uint_eq(bench.result->series[0].n, 11);
	bench_close(&bench);
}
END_TEST

START_TEST(range_query_refuses_other_types)
{
	Bench		bench;

	bench_open(&bench);
	at(&bench, 0, 60000, 60000);
	ck_assert_int_eq(run(&bench, "'text'"), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(bench.error.message,
					 "invalid expression type \"string\" for range query, must be Scalar or instant Vector");
	ck_assert_int_eq(run(&bench, "up[5m]"), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(bench.error.message,
					 "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector");
	bench_close(&bench);
}
END_TEST

/* A call with as few arguments as may be, of the right types. */
static void
write_call(TsdbBuffer *query, const TsdbFunction *function)
{
	int			n_args = function->variadic == 0 ? function->n_args : function->n_args - 1;

	tsdb_buffer_printf(query, "%s(", function->name);
	for (int i = 0; i < n_args; i++)
	{
		TsdbValueType type = function->args[i];

		tsdb_buffer_printf(query, "%s%s", i > 0 ? ", " : "",
						   type == TSDB_VALUE_MATRIX ? "load[5m]" : type == TSDB_VALUE_VECTOR ? "load" :
						   type == TSDB_VALUE_STRING ? "'text'" : "0.5");
	}
	tsdb_buffer_u8(query, ')');
}

START_TEST(every_function_is_evaluated)
{
	Bench		bench;

	bench_open(&bench);
	add_fleet(&bench);
	at(&bench, 0, 600000, 60000);
	for (int id = 0; id < TSDB_FN_COUNT; id++)
	{
		TsdbBuffer	query;

		tsdb_buffer_init(&query, &bench.data, 128);
		write_call(&query, tsdb_promql_function((TsdbFunctionId) id));
		ck_assert_msg(run(&bench, tsdb_buffer_cstring(&query)) == TSDB_OK, "%s: %s",
					  tsdb_buffer_cstring(&query), bench.error.message);
	}
	bench_close(&bench);
}
END_TEST

/* With delayed name removal rows with equal labels pass an instant query, if none are left of them at its end. */
START_TEST(range_of_one_step_is_no_instant_query)
{
	static const char *const query = "count(histogram_quantiles(requests_bucket, 'q', 0.5, 0.5))";
	static const char *const subquery = "last_over_time(count(histogram_quantiles(requests_bucket, 'q', 0.5, 0.5))[40s:1m])";
	Bench		bench;

	bench_open(&bench);
	add_fleet(&bench);
	bench.options.delayed_name_removal = true;
	at(&bench, 300000, 300000, 0);
	ck_assert_int_eq(run(&bench, query), TSDB_OK);
	ck_assert_int_eq(run(&bench, subquery), TSDB_OK);
	at(&bench, 300000, 300000, 60000);
	ck_assert_int_eq(run(&bench, query), TSDB_OK);
	at(&bench, 300000, 330000, 60000);
	ck_assert_int_eq(run(&bench, query), TSDB_ERR_EXECUTION);
	at(&bench, 330000, 330000, 0);
	ck_assert_int_eq(run(&bench, query), TSDB_OK);
	ck_assert_int_eq(run(&bench, subquery), TSDB_ERR_EXECUTION);
	bench_close(&bench);
}
END_TEST

/* More values of identifying labels than a pattern can list; strangers may be as ambiguous as they like. */
START_TEST(info_series_of_many_targets)
{
	Bench		bench;
	char		instance[64];

	bench_open(&bench);
	for (int i = 0; i < 2000; i++)
	{
		snprintf(instance, sizeof(instance), "host-%d.rack-with-a-long-name.example.net:9100", i);
		add(&bench, 0, i, "up", "job", "node", "instance", instance, NULL);
		add(&bench, 0, 1, "target_info", "job", "node", "instance", instance, "n", instance + 5, NULL);
	}
	add(&bench, 0, 1, "target_info", "job", "node", "instance", "stranger", "n", "1", NULL);
	add(&bench, 0, 1, "target_info", "job", "node", "instance", "stranger", "n", "2", NULL);
	ck_assert_int_eq(run(&bench, "info(up)"), TSDB_OK);
	ck_assert_uint_eq(bench.result->n_series, 2000);
	for (size_t i = 0; i < bench.result->n_series; i++)
	{
		TsdbLabels	labels = bench.result->series[i].labels;
		TsdbStr		name = tsdb_labels_get(labels, TSDB_STR("instance"));

		ck_assert(tsdb_str_equal(tsdb_labels_get(labels, TSDB_STR("n")), (TsdbStr){name.data + 5, name.len - 5}));
	}
	bench_close(&bench);
}
END_TEST

START_TEST(steps_are_counted)
{
	ck_assert_uint_eq(tsdb_promql_steps(0, 60000, 15000), 5);
	ck_assert_uint_eq(tsdb_promql_steps(0, 59999, 15000), 4);
	ck_assert_uint_eq(tsdb_promql_steps(10, 10, 0), 1);
	ck_assert_uint_eq(tsdb_promql_steps(10, 9, 1), 0);
	ck_assert_uint_eq(tsdb_promql_steps(INT64_MIN, INT64_MAX, INT64_MAX), 3);
}
END_TEST

/* ---- figures ---- */

/* Nanoseconds, one million at each look. */
static int64_t
tick(void *context)
{
	return *(int64_t *) context += 1000000;
}

static const char *
explain(Bench *bench, const char *query)
{
	TsdbExpr   *expr;
	TsdbBuffer	out;

	ck_assert_int_eq(tsdb_promql_parse(&bench->work, tsdb_str(query), NULL, &expr, &bench->error), TSDB_OK);
	bench->options.profile = true;
	ck_assert_int_eq(tsdb_promql_eval(&bench->work, &bench->env, &bench->memory.source, &bench->options, expr,
									  &bench->result, &bench->error), TSDB_OK);
	tsdb_buffer_init(&out, &bench->work, 64);
	tsdb_promql_explain(&out, expr);
	return tsdb_buffer_cstring(&out);
}

START_TEST(each_node_is_measured)
{
	Bench		bench;
	int64_t		now = 0;

	bench_open(&bench);
	add_fleet(&bench);
	at(&bench, 300000, 600000, 60000);
	bench.env = (TsdbEnv){NULL, &now, tick};
	/* the time of rate() over four series is its own, the selector's is without it */
	ck_assert_str_eq(explain(&bench, "(sum by (job) (rate(requests_total[5m]))) + on (job) group_left sum by (job) (load @ 60)"),
					 "Binary + on (job) group_left ()  (series=2 points=12 time=21.000 ms)\n"
					 "  ->  Aggregate sum by (job)  (series=2 points=12 time=13.000 ms)\n"
					 "        ->  Function rate  (series=4 points=24 time=11.000 ms)\n"
					 "              ->  Range Selector requests_total[5m]  (series=4 points=160 time=5.000 ms)\n"
					 "                    Read: 4 series, 0 chunks, 0 head rows, 160 samples\n"
					 "  ->  Aggregate sum by (job)  (series=2 points=2 time=3.000 ms)\n"
					 "        ->  Selector load @ 60.000  (series=4 points=4 time=1.000 ms)\n"
					 "              Read: 4 series, 0 chunks, 0 head rows, 20 samples");
	ck_assert_uint_eq(bench.result->stats.source.samples, 180);
	/* 6 windows of 20 samples for each of 4 series, and 4 samples at one time */
	ck_assert_uint_eq(bench.result->stats.total_samples, 6 * 20 * 4 + 4);
	bench_close(&bench);
}
END_TEST

/* ---- limits ---- */

START_TEST(samples_are_limited)
{
	Bench		bench;

	bench_open(&bench);
	add_fleet(&bench);
	at(&bench, 0, 600000, 60000);
	/* 11 times, 4 rows of 11, and a window of 20: of 164 samples that are read only those of a window are held */
	bench.options.max_samples = 11 + 4 * 11 - 1;
	ck_assert_int_eq(run(&bench, "rate(requests_total[5m])"), TSDB_ERR_LIMIT);
	ck_assert_str_eq(bench.error.message,
					 "query processing would load too many samples into memory in query execution");
	bench.options.max_samples = 11 + 3 * 11 + 20;
	ck_assert_int_eq(run(&bench, "rate(requests_total[5m])"), TSDB_OK);
	ck_assert_int_eq(run(&bench, "sum_over_time(load[10m])"), TSDB_ERR_LIMIT);
	/* nor are operands that have been used */
	bench.options.max_samples = 100;
	ck_assert_int_eq(run(&bench, "sum(load) + sum(load) + sum(load)"), TSDB_OK);
	bench.options.max_samples = 1000;
	/* a few bytes of query must not ask for much memory */
	ck_assert_int_eq(run(&bench, "sum_over_time(vector(1)[100y:1ms])"), TSDB_ERR_LIMIT);
	ck_assert_int_eq(run(&bench, "sum_over_time(no_such_metric[100y:1ms])"), TSDB_ERR_LIMIT);
	at(&bench, 0, INT64_MAX, 1);
	ck_assert_int_eq(run(&bench, "1"), TSDB_ERR_LIMIT);
	bench_close(&bench);
}
END_TEST

START_TEST(series_are_limited)
{
	Bench		bench;

	bench_open(&bench);
	add_fleet(&bench);
	at(&bench, 300000, 300000, 0);
	bench.options.max_series = 3;
	ck_assert_int_eq(run(&bench, "load"), TSDB_ERR_LIMIT);
	ck_assert_str_eq(bench.error.message, "selector matches more than 3 series");
	ck_assert_int_eq(run(&bench, "load{job=\"api\"} + load{job=\"web\"}"), TSDB_OK);
	bench.options.max_series = 4;
	ck_assert_int_eq(run(&bench, "load"), TSDB_OK);
	bench_close(&bench);
}
END_TEST

START_TEST(far_times_are_harmless)
{
	static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1, INT64_MAX};
	static const char *const queries[] = {
		"load", "load offset 9y", "load offset -9y", "rate(load[1y] offset -9y)", "sum_over_time(load[9y:1y])",
		"max_over_time(load[1y:1y] offset 9y)", "load @ 9e15", "load @ -9e15 offset 292y", "day_of_year()",
		"last_over_time(load[1y:1y] @ 9e15)", "sum(load) by (job) + time()", "load[1y]", "range()"
	};
	Bench		bench;

	bench_open(&bench);
	add_fleet(&bench);
	for (size_t i = 0; i < TSDB_COUNT(times); i++)
		for (size_t k = 0; k < TSDB_COUNT(queries); k++)
		{
			TsdbStatus	status;

			at(&bench, times[i], times[i], 0);
			status = run(&bench, queries[k]);
			ck_assert_msg(status == TSDB_OK || status == TSDB_ERR_EXECUTION || status == TSDB_ERR_SYNTAX ||
						  status == TSDB_ERR_LIMIT, "%s: %s", queries[k], bench.error.message);
			at(&bench, times[i], INT64_MAX, INT64_MAX / 3);
			status = run(&bench, queries[k]);
			ck_assert_msg(status == TSDB_OK || status == TSDB_ERR_EXECUTION || status == TSDB_ERR_SYNTAX ||
						  status == TSDB_ERR_LIMIT, "%s: %s", queries[k], bench.error.message);
		}
	bench_close(&bench);
}
END_TEST

/* ---- leaving by a jump ---- */

static const char *const long_queries[] = {
	"histogram_quantile(0.9, sum by (le, job) (rate(requests_bucket[5m])))",
	"topk by (job) (1, rate(requests_total[2m])) / on (job) group_left () sum by (job) (load * 2)",
	"max_over_time((sum without (instance) (load) > 0)[5m:30s]) or label_replace(load, 'x', '$1', 'job', '(.*)')",
	"info(load) or info(requests_total, {__name__='load', instance='a', le=''})",
	"count_values('v', round(load)) unless on () absent(load) and on () quantile(0.5, load)",
};

typedef struct Leap
{
	jmp_buf		target;
	size_t		left;			/* calls until the jump */
} Leap;

static void
leap(void *context)
{
	Leap	   *leap = context;

	if (leap->left-- == 0)
		longjmp(leap->target, 1);
}

/* The source is a callback, too. */
static TsdbStatus
leaping_select(TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what,
			   TsdbSeriesSink *sink, TsdbError *error)
{
	static const int64_t t = 0;
	static const double v = 1;
	TsdbSeriesData *series = TSDB_NEW_ARRAY(arena, TsdbSeriesData, 1000);

	series[0] = (TsdbSeriesData){{NULL, 0}, 1, &t, &v};
	ck_assert_int_eq(sink->take(sink, series, false, error), TSDB_OK);
	leap(source->context);
	return TSDB_OK;
}

/* Runs the query up to its n-th callback; true if it came to its end before. */
static bool
comes_to_its_end(const char *query, size_t n)
{
	Bench		bench;
	Leap		jump = {.left = n};
	volatile bool done = false;

	bench_open(&bench);
	add_fleet(&bench);
	at(&bench, 0, 600000, 60000);
	bench.env = (TsdbEnv){leap, &jump};
	if (setjmp(jump.target) == 0)
	{
		ck_assert_int_eq(run(&bench, query), TSDB_OK);
		ck_assert_uint_gt(bench.result->n_series, 0);
		done = true;
	}
	bench_close(&bench);
	return done;
}

/* LeakSanitizer tells at the end whether anything but arena memory was left behind. */
START_TEST(may_be_left_at_any_callback)
{
	for (size_t q = 0; q < TSDB_COUNT(long_queries); q++)
	{
		size_t		n = 0;

		while (!comes_to_its_end(long_queries[q], n))
			n++;
		ck_assert_uint_gt(n, 10);
	}
}
END_TEST

START_TEST(may_be_left_from_the_source)
{
	Bench		bench;
	Leap		jump = {.left = 1};
	TsdbSeriesSource source = {.select = leaping_select, .context = &jump};
	TsdbExpr   *expr;

	bench_open(&bench);
	at(&bench, 0, 600000, 60000);
	ck_assert_int_eq(tsdb_promql_parse(&bench.work, TSDB_STR("up + rate(up[5m])"), NULL, &expr, &bench.error), TSDB_OK);
	if (setjmp(jump.target) == 0)
	{
		tsdb_promql_eval(&bench.work, NULL, &source, &bench.options, expr, &bench.result, &bench.error);
		ck_abort_msg("the source has not jumped");
	}
	bench_close(&bench);
}
END_TEST

/* ---- windows ---- */

#define MAX_SAMPLES 200

typedef struct Reference
{
	int64_t		t[MAX_SAMPLES];
	double		v[MAX_SAMPLES];
	size_t		n;
} Reference;

/* The samples of (end - range, end], looked up anew. */
static size_t
window_of(const Reference *all, int64_t end, int64_t range, double *v)
{
	size_t		n = 0;

	for (size_t i = 0; i < all->n; i++)
		if (all->t[i] > end - range && all->t[i] <= end && !tsdb_is_stale(all->v[i]))
			v[n++] = all->v[i];
	return n;
}

/* What the functions below give, by their definition. */
static double
define(const char *function, const double *v, size_t n)
{
	double		count = 0;

	if (strcmp(function, "count_over_time") == 0)
		return (double) n;
	if (strcmp(function, "last_over_time") == 0)
		return v[n - 1];
	for (size_t i = 1; i < n; i++)
		count += strcmp(function, "resets") == 0 ? v[i] < v[i - 1] : v[i] != v[i - 1];
	return count;
}

static const TsdbSeriesData *
only_series(const Bench *bench)
{
	static const TsdbSeriesData none;

	ck_assert_uint_le(bench->result->n_series, 1);
	return bench->result->n_series == 0 ? &none : &bench->result->series[0];
}

static void
fill_random(Bench *bench, Reference *all, unsigned int *seed)
{
	int64_t		t = 0;

	all->n = 1 + rand_r(seed) % MAX_SAMPLES;
	for (size_t i = 0; i < all->n; i++)
	{
		t += 1 + rand_r(seed) % (rand_r(seed) % 10 == 0 ? 50000 : 2000);
		all->t[i] = t;
		all->v[i] = rand_r(seed) % 12 == 0 ? tsdb_double_from_bits(TSDB_STALE_NAN_BITS) : rand_r(seed) % 5;
		add(bench, t, all->v[i], "m", NULL);
	}
}

static void
compare_windows(Bench *bench, const Reference *all, const char *function, int64_t range)
{
	const TsdbSeriesData *series;
	char		query[64];
	size_t		n = 0;

	snprintf(query, sizeof(query), "%s(m[%lldms])", function, (long long) range);
	ck_assert_int_eq(run(bench, query), TSDB_OK);
	series = only_series(bench);
	for (int64_t t = bench->options.start; t <= bench->options.end; t += bench->options.step)
	{
		double		v[MAX_SAMPLES];
		size_t		in_window = window_of(all, t, range, v);

		if (in_window == 0)
			continue;
		ck_assert_uint_lt(n, series->n);
		ck_assert_int_eq(series->t[n], t);
		ck_assert_double_eq(series->v[n], define(function, v, in_window));
		n++;
	}
	ck_assert_uint_eq(n, series->n);
}

START_TEST(sliding_windows_equal_windows_looked_up_anew)
{
	static const char *const functions[] = {"count_over_time", "last_over_time", "resets", "changes"};
	unsigned int seed = 20260102;

	for (int round = 0; round < 300; round++)
	{
		Bench		bench;
		Reference	all;
		int64_t		step = 1 + rand_r(&seed) % 20000;

		bench_open(&bench);
		fill_random(&bench, &all, &seed);
		at(&bench, -5000, -5000 + step * (1 + rand_r(&seed) % 60), step);
		for (size_t f = 0; f < TSDB_COUNT(functions); f++)
			compare_windows(&bench, &all, functions[f], 1 + rand_r(&seed) % 30000);
		bench_close(&bench);
	}
}
END_TEST

/* Values of all magnitudes, and in some rounds what makes a sum overflow or is none. */
static double
random_summand(unsigned int *seed, int kind)
{
	static const double odd[] = {INFINITY, -INFINITY, NAN, 1.7e308, -1.7e308, -0.0};
	double		value = ldexp(rand_r(seed) - RAND_MAX / 2.0, rand_r(seed) % 80 - 40);

	if (kind == 0 || rand_r(seed) % 40 > 0)
		return kind == 3 ? -0.0 : value;
	return odd[rand_r(seed) % TSDB_COUNT(odd)];
}

/* A query at one time has one window; a range has several, which are summed side by side where they are long. */
START_TEST(sums_do_not_depend_on_other_windows)
{
	static const char *const queries[] = {"sum_over_time(m[20s])", "avg_over_time(m[20s])", "sum_over_time(m[700ms])"};
	unsigned int seed = 20260105;

	for (int round = 0; round < 120; round++)
	{
		const char *query = queries[round % TSDB_COUNT(queries)];
		Bench		bench;
		int64_t		times[61];
		double		values[61];
		size_t		n;
		int64_t		t = 0;

		bench_open(&bench);
		for (int i = 0; i < 150; i++)
		{
			t += 1 + rand_r(&seed) % (rand_r(&seed) % 20 == 0 ? 30000 : 1000);
			add(&bench, t, random_summand(&seed, round % 4), "m", NULL);
		}
		at(&bench, 1, 1 + 1500 * (rand_r(&seed) % 60), 1500);
		ck_assert_int_eq(run(&bench, query), TSDB_OK);
		n = only_series(&bench)->n;
		for (size_t i = 0; i < n; i++)
		{
			times[i] = only_series(&bench)->t[i];
			values[i] = only_series(&bench)->v[i];
		}
		for (size_t i = 0; i < n; i++)
		{
			at(&bench, times[i], times[i], 0);
			ck_assert_int_eq(run(&bench, query), TSDB_OK);
			ck_assert_uint_eq(tsdb_double_bits(only_series(&bench)->v[0]), tsdb_double_bits(values[i]));
		}
		bench_close(&bench);
	}
}
END_TEST

/* rate() adds the falls of a counter in an order of its own; it must be that of a walk over all samples. */
START_TEST(increase_equals_a_walk_over_the_samples)
{
	unsigned int seed = 20260103;

	for (int round = 0; round < 200; round++)
	{
		Bench		bench;
		double		v[61];
		double		walked;

		bench_open(&bench);
		for (int i = 0; i <= 60; i++)
		{
			bool		falls = i == 0 || rand_r(&seed) % 4 == 0;

			v[i] = falls ? 0.1 * (rand_r(&seed) % 7) : v[i - 1] + 0.1 * (rand_r(&seed) % 9);
			add(&bench, i * 1000, v[i], "m_total", NULL);
		}
		/* the window begins and ends at a sample, so nothing is extrapolated to the right, and 1 s to the left */
		at(&bench, 60000, 60000, 0);
		ck_assert_int_eq(run(&bench, "increase(m_total[60s])"), TSDB_OK);
		walked = v[60] - v[1];
		for (int i = 2; i <= 60; i++)
			if (v[i] < v[i - 1])
				walked += v[i - 1];
		if (walked > 0 && 59 * (v[1] / walked) >= 1)
			ck_assert_double_eq(bench.result->series[0].v[0], walked * ((59.0 + 1) / 59));
		bench_close(&bench);
	}
}
END_TEST

/* What the times say of a rate is found out once for all series that have them; a subquery's rows without gaps do. */
START_TEST(rates_do_not_depend_on_other_series)
{
	static const char *const functions[] = {"rate", "increase", "delta"};
	static const char *const names[] = {"0", "1", "2", "3", "4"};
	unsigned int seed = 20260106;

	for (int round = 0; round < 30; round++)
	{
		const char *function = functions[round % 3];
		int			range = 2 + rand_r(&seed) % 20;
		Bench		bench;
		char		query[64];
		double		values[5][20];
		size_t		n_compared = 0;

		bench_open(&bench);
		for (size_t k = 0; k < 5; k++)
		{
			double		v = rand_r(&seed) % 3;

			for (int i = 0; i <= 120; i++)
			{
				v = rand_r(&seed) % (k == 0 ? 10 : 60) == 0 ? 0 : v + 0.1 * (rand_r(&seed) % 9);
				add(&bench, i * 1000, v + (k == 4 ? 1e6 : 0), "m", "n", names[k], NULL);
			}
		}
		at(&bench, 40100, 40100 + 19 * 3000, 3000);
		snprintf(query, sizeof(query), "%s(m[%ds:1s])", function, range);
		ck_assert_int_eq(run(&bench, query), TSDB_OK);
		ck_assert_uint_eq(bench.result->n_series, 5);
		for (size_t k = 0; k < 5; k++)
		{
			ck_assert_uint_eq(bench.result->series[k].n, 20);
			memcpy(values[k], bench.result->series[k].v, sizeof(values[k]));
		}
		for (size_t k = 0; k < 5; k++)
		{
			snprintf(query, sizeof(query), "%s(m{n=\"%s\"}[%ds:1s])", function, names[k], range);
			for (int step = 0; step < 20; step++, n_compared++)
			{
				at(&bench, 40100 + step * 3000, 40100 + step * 3000, 0);
				ck_assert_int_eq(run(&bench, query), TSDB_OK);
				ck_assert_uint_eq(tsdb_double_bits(only_series(&bench)->v[0]), tsdb_double_bits(values[k][step]));
			}
		}
		ck_assert_uint_eq(n_compared, 100);
		bench_close(&bench);
	}
}
END_TEST

START_TEST(seek_finds_the_same_from_everywhere)
{
	int64_t		t[100];
	unsigned int seed = 20260104;

	for (int round = 0; round < 2000; round++)
	{
		size_t		n = rand_r(&seed) % 100;
		int64_t		time = rand_r(&seed) % 320;
		size_t		expected = 0;

		for (size_t i = 0; i < n; i++)
			t[i] = (i == 0 ? 0 : t[i - 1]) + 1 + rand_r(&seed) % 5;
		while (expected < n && t[expected] <= time)
			expected++;
		for (size_t from = 0; from <= expected; from++)
			ck_assert_uint_eq(tsdb_eval_seek(t, n, from, time), expected);
	}
}
END_TEST

/* ---- parts ---- */

START_TEST(dates_equal_those_of_the_c_library)
{
	static const char *const names[] = {
		"year", "month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute"
	};
	unsigned int seed = 20260105;

	for (int round = 0; round < 500; round++)
	{
		int64_t		seconds = ((int64_t) rand_r(&seed) - RAND_MAX / 2) * (1 + rand_r(&seed) % 100);
		time_t		unix_time = (time_t) seconds;
		struct tm	tm;
		char		query[64];

		gmtime_r(&unix_time, &tm);
		for (size_t i = 0; i < TSDB_COUNT(names); i++)
		{
			const int	expected[] = {tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_wday, tm.tm_yday + 1,
			tm.tm_hour, tm.tm_min};
			Bench		bench;

			bench_open(&bench);
			snprintf(query, sizeof(query), "%s(vector(%lld))", names[i], (long long) seconds);
			ck_assert_int_eq(run(&bench, query), TSDB_OK);
			ck_assert_msg(bench.result->series[0].v[0] == expected[i], "%s is %g, not %d", query,
						  bench.result->series[0].v[0], expected[i]);
			bench_close(&bench);
		}
	}
}
END_TEST

START_TEST(numbers_print_as_in_go)
{
	static const struct
	{
		double		value;
		const char *text;
	}			cases[] = {
		{0, "0"}, {-0.0, "-0"}, {1, "1"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {0.0001, "0.0001"}, {0.00001234, "1.234e-05"},
		{100000, "100000"}, {1000000, "1e+06"}, {1234567, "1.234567e+06"}, {1e100, "1e+100"}, {-5e-324, "-5e-324"},
		{INFINITY, "+Inf"}, {-INFINITY, "-Inf"}, {NAN, "NaN"}
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		char		text[TSDB_NUMBER_MAX];

		ck_assert_str_eq(tsdb_eval_format_g(text, cases[i].value), cases[i].text);
	}
}
END_TEST

START_TEST(quantile_is_between_its_neighbours)
{
	unsigned int seed = 20260108;

	for (int round = 0; round < 2000; round++)
	{
		double		values[100];
		size_t		n = 1 + rand_r(&seed) % 100;
		size_t		n_nan = 0;
		double		q = (double) (rand_r(&seed) % 101) / 100;
		double		rank = q * (double) (n - 1);
		double		result;

		for (size_t i = 0; i < n; i++)
		{
			values[i] = rand_r(&seed) % 20 == 0 ? NAN : rand_r(&seed) % 50;
			n_nan += isnan(values[i]);
		}
		result = tsdb_eval_quantile(q, values, n);
		/* the values are in order now, NaN first */
		for (size_t i = 0; i < n; i++)
		{
			ck_assert_int_eq(isnan(values[i]) != 0, i < n_nan);
			ck_assert(i <= n_nan || values[i - 1] <= values[i]);
		}
		if (floor(rank) < (double) n_nan)
			ck_assert_double_nan(result);
		else
		{
			ck_assert_double_ge(result, values[(size_t) floor(rank)] - 1e-9);
			ck_assert_double_le(result, values[(size_t) ceil(rank)] + 1e-9);
		}
	}
}
END_TEST

START_TEST(notes_do_not_pile_up)
{
	Bench		bench;

	bench_open(&bench);
	for (int i = 0; i < 1200; i++)
	{
		char		bound[16];

		snprintf(bound, sizeof(bound), "bad %d", i);
		add(&bench, 0, 1, "h_bucket", "le", bound, NULL);
	}
	ck_assert_int_eq(run(&bench, "histogram_quantile(0.5, h_bucket)"), TSDB_OK);
	ck_assert_uint_eq(bench.result->n_warnings, 1000);
	bench_close(&bench);
}
END_TEST

static int
compare_tens(const void *a, const void *b, const void *context)
{
	return *(const int *) a / 10 - *(const int *) b / 10;
}

START_TEST(sort_is_stable)
{
	unsigned int seed = 20260106;

	for (int n = 0; n < 300; n++)
	{
		TsdbArena	arena;
		int			items[300];

		tsdb_arena_init_malloc(&arena, 0);
		/* the last digit is the order of coming among those that compare equal */
		for (int i = 0; i < n; i++)
			items[i] = (int) (rand_r(&seed) % 20) * 10000 + i;
		tsdb_sort(&arena, NULL, items, n, sizeof(int), compare_tens, NULL);
		for (int i = 1; i < n; i++)
			ck_assert_int_le(items[i - 1] / 10, items[i] / 10);
		for (int i = 1; i < n; i++)
			if (items[i - 1] / 10 == items[i] / 10)
				ck_assert_int_lt(items[i - 1], items[i]);
		tsdb_arena_free(&arena);
	}
}
END_TEST

START_TEST(groups_are_numbered_as_they_come)
{
	TsdbArena	arena;
	Evaluator	ev = {.arena = &arena};
	EvalGroups	groups;
	TsdbStr		names[] = {TSDB_STR("b"), TSDB_STR("z"), TSDB_STR("b")};

	tsdb_arena_init_malloc(&arena, 0);
	tsdb_eval_groups_init(&groups, &ev, tsdb_eval_filter(&arena, names, 3, true, NULL), 0);
	ck_assert_uint_eq(groups.filter.n, 2);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++)
		{
			char	   *value = tsdb_alloc(&arena, 16);
			TsdbLabel  *pairs = TSDB_NEW_ARRAY(&arena, TsdbLabel, 2);

			snprintf(value, 16, "%d", i);
			pairs[0] = (TsdbLabel){TSDB_STR("a"), TSDB_STR("not looked at")};
			pairs[1] = (TsdbLabel){TSDB_STR("b"), tsdb_str(value)};
			ck_assert_uint_eq(tsdb_eval_groups_add(&groups, (TsdbLabels){pairs, 2 - (i == 0)}), i);
		}
	tsdb_arena_free(&arena);
}
END_TEST

START_TEST(topk_is_what_a_sort_finds)
{
	unsigned int seed = 20260107;

	for (int round = 0; round < 100; round++)
	{
		Bench		bench;
		int			n = 1 + rand_r(&seed) % 40;
		double		sorted[40];
		char		query[32];
		int			k = 1 + rand_r(&seed) % 45;

		bench_open(&bench);
		for (int i = 0; i < n; i++)
		{
			char		instance[16];

			snprintf(instance, sizeof(instance), "%d", i);
			sorted[i] = rand_r(&seed) % 30;
			add(&bench, 0, sorted[i], "m", "instance", instance, NULL);
		}
		for (int i = 0; i < n; i++)
			for (int j = i + 1; j < n; j++)
				if (sorted[j] > sorted[i])
				{
					double		larger = sorted[j];

					sorted[j] = sorted[i];
					sorted[i] = larger;
				}
		snprintf(query, sizeof(query), "topk(%d, m)", k);
		ck_assert_int_eq(run(&bench, query), TSDB_OK);
		ck_assert_uint_eq(bench.result->n_series, k < n ? k : n);
		for (size_t i = 0; i < bench.result->n_series; i++)
			ck_assert_double_eq(bench.result->series[i].v[0], sorted[i]);
		bench_close(&bench);
	}
}
END_TEST

Suite *
promql_eval_suite(void)
{
	Suite	   *suite = suite_create("promql_eval");
	TCase	   *results = tcase_create("results");
	TCase	   *limits = tcase_create("limits");
	TCase	   *jumps = tcase_create("jumps");
	TCase	   *windows = tcase_create("windows");
	TCase	   *parts = tcase_create("parts");

	tcase_add_test(results, instant_query_has_the_type_of_its_expression);
	tcase_add_test(results, range_query_is_a_sorted_matrix);
	tcase_add_test(results, range_query_refuses_other_types);
	tcase_add_test(results, every_function_is_evaluated);
	tcase_add_test(results, range_of_one_step_is_no_instant_query);
	tcase_add_test(results, info_series_of_many_targets);
	tcase_add_test(results, steps_are_counted);
	suite_add_tcase(suite, results);

	tcase_add_test(limits, each_node_is_measured);
	tcase_add_test(limits, samples_are_limited);
	tcase_add_test(limits, series_are_limited);
	tcase_add_test(limits, far_times_are_harmless);
	suite_add_tcase(suite, limits);

	tcase_set_timeout(jumps, 120);
	tcase_add_test(jumps, may_be_left_at_any_callback);
	tcase_add_test(jumps, may_be_left_from_the_source);
	suite_add_tcase(suite, jumps);

	tcase_set_timeout(windows, 60);
	tcase_add_test(windows, sliding_windows_equal_windows_looked_up_anew);
	tcase_add_test(windows, sums_do_not_depend_on_other_windows);
	tcase_add_test(windows, increase_equals_a_walk_over_the_samples);
	tcase_add_test(windows, rates_do_not_depend_on_other_series);
	tcase_add_test(windows, seek_finds_the_same_from_everywhere);
	suite_add_tcase(suite, windows);

	tcase_set_timeout(parts, 60);
	tcase_add_test(parts, dates_equal_those_of_the_c_library);
	tcase_add_test(parts, numbers_print_as_in_go);
	tcase_add_test(parts, quantile_is_between_its_neighbours);
	tcase_add_test(parts, notes_do_not_pile_up);
	tcase_add_test(parts, sort_is_stable);
	tcase_add_test(parts, groups_are_numbered_as_they_come);
	tcase_add_test(parts, topk_is_what_a_sort_finds);
	suite_add_tcase(suite, parts);
	return suite;
}
