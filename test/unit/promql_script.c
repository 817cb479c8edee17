/*
 * promql_script.c
 *		Runs PromQL test scripts in memory: load, clear, eval.
 *
 * The language is that of Prometheus's promqltest, so that its scripts run, too.
 * Like there an instant query is run several times: as it is; as the middle step
 * of a range query; and, with `@ time` put on every selector, at other times.
 * What needs native histograms or start timestamps, which are not stored, is skipped.
 */
#include "promql_script_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define TOLERANCE 0.000001

/* ---- comparing ---- */

static bool
nearly_equal(double a, double b)
{
	double		sum = fabs(a) + fabs(b);
	double		difference = fabs(a - b);

	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	if (a == b)
		return true;
	if (a == 0 || b == 0 || sum < DBL_MIN)
		return difference < TOLERANCE * DBL_MIN;
	return difference / (sum < DBL_MAX ? sum : DBL_MAX) < TOLERANCE;
}

static const char *
print_labels(Script *script, TsdbLabels labels)
{
	TsdbBuffer	text;

	tsdb_buffer_init(&text, &script->work, 64);
	tsdb_labels_print(&text, labels);
	return tsdb_buffer_cstring(&text);
}

static const ExpectedSeries *
find_expected(const Case *test, TsdbLabels labels)
{
	for (size_t i = 0; i < test->n_series; i++)
		if (tsdb_labels_equal(test->series[i].labels, labels))
			return &test->series[i];
	return NULL;
}

static bool
compare_vector(Script *script, const Case *test, const TsdbQueryResult *actual, bool ordered)
{
	for (size_t i = 0; i < actual->n_series; i++)
	{
		const TsdbSeriesData *series = &actual->series[i];
		const ExpectedSeries *expected = find_expected(test, series->labels);

		if (series->n != 1)
			return script_fail(script, "%zu points in a vector", series->n);
		if (expected == NULL)
			return script_fail(script, "unexpected %s with %.17g", print_labels(script, series->labels), series->v[0]);
		if (ordered && expected != &test->series[i])
			return script_fail(script, "%s is at place %zu", print_labels(script, series->labels), i + 1);
		if (!nearly_equal(series->v[0], expected->values.v[0]))
			return script_fail(script, "%s is %.17g, not %.17g", print_labels(script, series->labels), series->v[0],
						expected->values.v[0]);
	}
	if (actual->n_series != test->n_series)
		return script_fail(script, "%zu series, not %zu", actual->n_series, test->n_series);
	return true;
}

static bool
compare_points(Script *script, const Case *test, const TsdbSeriesData *series, const Values *expected)
{
	size_t		n = 0;

	for (size_t i = 0; i < expected->n; i++)
	{
		int64_t		t = test->start + (int64_t) i * test->step;

		if (expected->omitted[i])
			continue;
		if (n == series->n)
			return script_fail(script, "%s has only %zu points", print_labels(script, series->labels), n);
		if (series->t[n] != t || !nearly_equal(series->v[n], expected->v[i]))
			return script_fail(script, "%s is %.17g at %lld, not %.17g at %lld", print_labels(script, series->labels),
						series->v[n], (long long) series->t[n], expected->v[i], (long long) t);
		n++;
	}
	if (n != series->n)
		return script_fail(script, "%s has %zu points, not %zu", print_labels(script, series->labels), series->n, n);
	return true;
}

static bool
compare_matrix(Script *script, const Case *test, const TsdbQueryResult *actual)
{
	for (size_t i = 0; i < actual->n_series; i++)
	{
		const TsdbSeriesData *series = &actual->series[i];
		const ExpectedSeries *expected = find_expected(test, series->labels);

		if (i > 0 && tsdb_labels_compare(actual->series[i - 1].labels, series->labels) >= 0)
			return script_fail(script, "%s is out of order", print_labels(script, series->labels));
		if (expected == NULL)
			return script_fail(script, "unexpected %s with %zu points", print_labels(script, series->labels),
							   series->n);
		if (!compare_points(script, test, series, &expected->values))
			return false;
	}
	if (actual->n_series != test->n_series)
		return script_fail(script, "%zu series, not %zu", actual->n_series, test->n_series);
	return true;
}

static bool
compare(Script *script, const Case *test, const TsdbQueryResult *actual)
{
	switch (actual->type)
	{
		case TSDB_VALUE_SCALAR:
			if (!test->is_scalar || !nearly_equal(actual->scalar, test->scalar))
				return script_fail(script, "scalar %.17g, not %.17g", actual->scalar, test->scalar);
			return true;
		case TSDB_VALUE_STRING:
			if (!test->is_string || !tsdb_str_equal(actual->string, test->string))
				return script_fail(script, "string %.*s", SHOW(actual->string));
			return true;
		case TSDB_VALUE_MATRIX:
			if (test->is_scalar || test->ordered || (!test->is_range && !test->is_range_vector && test->n_series > 0))
				return script_fail(script, "the result is a matrix");
			return compare_matrix(script, test, actual);
		default:
			if (test->is_scalar || test->is_range || test->is_range_vector)
				return script_fail(script, "the result is a vector");
			return compare_vector(script, test, actual, test->ordered);
	}
}

/* ---- annotations ---- */

static bool
text_matches(Script *script, const Annotation *expected, TsdbStr actual)
{
	TsdbBuffer	pattern;
	TsdbRegex  *regex;
	TsdbError	error;

	if (expected->text.len == 0)
		return true;
	if (!expected->is_regex)
		return tsdb_str_equal(expected->text, actual);
	tsdb_buffer_init(&pattern, &script->work, 64);
	tsdb_buffer_printf(&pattern, ".*(?:%.*s).*", SHOW(expected->text));
	if (tsdb_regex_compile(&script->work, (TsdbStr){(char *) pattern.data, pattern.len}, &regex, &error) != TSDB_OK)
		return script_fail(script, "%s", error.message);
	return tsdb_regex_matches(regex, actual);
}

/* Every expected text is there, and nothing that is not expected, unless nothing was said. */
static bool
compare_annotations(Script *script, const Case *test, AnnotationKind wanted, AnnotationKind unwanted,
					const TsdbStr *actual, size_t n)
{
	bool		is_asked = false;

	for (size_t i = 0; i < test->n_annotations; i++)
	{
		const Annotation *expected = &test->annotations[i];
		bool		found = false;

		if (expected->kind == unwanted && n > 0)
			return script_fail(script, "unexpected annotation: %.*s", SHOW(actual[0]));
		if (expected->kind != wanted)
			continue;
		is_asked = true;
		for (size_t k = 0; k < n; k++)
			found = found || text_matches(script, expected, actual[k]);
		if (!found)
			return script_fail(script, "no annotation %.*s but %.*s", SHOW(expected->text),
							   SHOW(n > 0 ? actual[0] : TSDB_STR("none")));
	}
	for (size_t k = 0; k < n && is_asked; k++)
	{
		bool		found = false;

		for (size_t i = 0; i < test->n_annotations; i++)
			found = found || (test->annotations[i].kind == wanted &&
							  text_matches(script, &test->annotations[i], actual[k]));
		if (!found)
			return script_fail(script, "unexpected annotation: %.*s", SHOW(actual[k]));
	}
	return true;
}

static const Annotation *
expected_failure(const Case *test)
{
	const Annotation *failure = NULL;

	for (size_t i = 0; i < test->n_annotations; i++)
		if (test->annotations[i].kind == ANNOTATION_FAIL &&
			(failure == NULL || test->annotations[i].text.len > 0))
			failure = &test->annotations[i];
	return failure;
}

/* ---- running ---- */

typedef enum Outcome
{
	PASSED,
	FAILED,
	SKIPPED
} Outcome;

static TsdbStatus
evaluate(Script *script, TsdbStr query, int64_t start, int64_t end, int64_t step, const int64_t *fixed,
		 TsdbQueryResult **result, TsdbError *error);

static bool
check_failure(Script *script, const Case *test, const TsdbError *error)
{
	const Annotation *failure = expected_failure(test);

	if (failure == NULL)
		return script_fail(script, "error: %s", error->message);
	if (!text_matches(script, failure, tsdb_str(error->message)))
		return script_fail(script, "another error: %s", error->message);
	return true;
}

/* The query of the case, as it is or at another time with its selectors fixed. */
static Outcome
run_once(Script *script, const Case *test, int64_t time, const int64_t *fixed)
{
	TsdbQueryResult *result;
	TsdbError	error;
	TsdbStatus	status;
	bool		passed;

	tsdb_arena_free(&script->work);
	tsdb_error_clear(&error);
	if (test->is_range)
		status = evaluate(script, test->query, test->start, test->end, test->step, NULL, &result, &error);
	else
		status = evaluate(script, test->query, time, time, 0, fixed, &result, &error);
	if (status == TSDB_ERR_UNSUPPORTED)
	{
		script_fail(script, "%s", error.message);
		return SKIPPED;
	}
	if (status != TSDB_OK)
		return check_failure(script, test, &error) ? PASSED : FAILED;
	if (expected_failure(test) != NULL)
	{
		script_fail(script, "no error");
		return FAILED;
	}
	passed = compare_annotations(script, test, ANNOTATION_WARN, ANNOTATION_NO_WARN,
								 result->warnings, result->n_warnings) &&
		compare_annotations(script, test, ANNOTATION_INFO, ANNOTATION_NO_INFO, result->infos, result->n_infos) &&
		compare(script, test, result);
	return passed ? PASSED : FAILED;
}

/* The middle step of a range query gives what the instant query gives. */
static bool
run_as_range(Script *script, const Case *test, int64_t time)
{
	TsdbQueryResult *result;
	TsdbError	error;
	size_t		n = 0;

	tsdb_arena_free(&script->work);
	if (evaluate(script, test->query, time - 60000, time + 60000, 60000, NULL, &result, &error) != TSDB_OK)
		return script_fail(script, "as a range: error: %s", error.message);
	if (test->ordered)
		return true;
	for (size_t i = 0; i < result->n_series; i++)
	{
		const TsdbSeriesData *series = &result->series[i];

		for (size_t k = 0; k < series->n; k++)
			if (series->t[k] == time)
				result->series[n++] = (TsdbSeriesData){series->labels, 1, series->t + k, series->v + k};
	}
	result->n_series = n;
	if (test->is_scalar)
		return (n == 1 && nearly_equal(result->series[0].v[0], test->scalar)) ||
			script_fail(script, "as a range: another scalar");
	return compare_vector(script, test, result, false);
}

static bool
is_time_independent(TsdbExpr *expr, void *context)
{
	static const TsdbFunctionId ids[] = {
		TSDB_FN_DAYS_IN_MONTH, TSDB_FN_DAY_OF_MONTH, TSDB_FN_DAY_OF_WEEK, TSDB_FN_DAY_OF_YEAR, TSDB_FN_END,
		TSDB_FN_HOUR, TSDB_FN_MINUTE, TSDB_FN_MONTH, TSDB_FN_YEAR, TSDB_FN_PREDICT_LINEAR, TSDB_FN_RANGE,
		TSDB_FN_START, TSDB_FN_STEP, TSDB_FN_TIME, TSDB_FN_TIMESTAMP
	};

	for (size_t i = 0; i < TSDB_COUNT(ids); i++)
		if (expr->kind == TSDB_EXPR_CALL && expr->call.function->id == ids[i])
			return false;
	return true;
}

static bool
returns_range_vector(Script *script, const Case *test)
{
	TsdbExpr   *expr;
	TsdbError	error;

	tsdb_arena_free(&script->work);
	return tsdb_promql_parse(&script->work, test->query, NULL, &expr, &error) == TSDB_OK &&
		tsdb_expr_type(expr) == TSDB_VALUE_MATRIX;
}

static Outcome
run_case(Script *script, const Case *test)
{
	int64_t		t = test->is_range ? test->start : test->end;
	Outcome		outcome = run_once(script, test, t, NULL);
	int64_t		times[] = {-10 * t, 0, t / 5, t, 10 * t};
	TsdbExpr   *expr;
	TsdbError	error;

	if (test->is_range)
		return outcome;
	if (outcome != PASSED || expected_failure(test) != NULL)
		return outcome;
	if (t == 0)
		times[0] = -1000, times[4] = 1000;

	if (!test->is_string && !returns_range_vector(script, test) && !test->uses_query_times &&
		!run_as_range(script, test, t))
		return FAILED;
	tsdb_arena_free(&script->work);
	if (tsdb_promql_parse(&script->work, test->query, NULL, &expr, &error) != TSDB_OK ||
		!tsdb_expr_walk(expr, is_time_independent, NULL) || test->uses_query_times)
		return outcome;
	for (size_t i = 0; i < TSDB_COUNT(times) && outcome == PASSED; i++)
		outcome = run_once(script, test, times[i], &t);
	return outcome;
}

/* `@ time` on every selector and subquery that is not within a fixed subquery already. */
static void
fix_times(TsdbExpr *expr, int64_t time)
{
	TsdbTimeShift *shift = expr->kind == TSDB_EXPR_VECTOR ? &expr->vector.shift :
		expr->kind == TSDB_EXPR_SUBQUERY ? &expr->subquery.shift : NULL;

	if (shift != NULL && shift->at != TSDB_AT_TIME)
	{
		shift->at = TSDB_AT_TIME;
		shift->at_ms = time;
	}
	if (expr->kind == TSDB_EXPR_SUBQUERY)
		return;
	for (size_t i = 0; tsdb_expr_child(expr, i) != NULL; i++)
		fix_times(tsdb_expr_child(expr, i), time);
}

static TsdbStatus
evaluate(Script *script, TsdbStr query, int64_t start, int64_t end, int64_t step, const int64_t *fixed,
		 TsdbQueryResult **result, TsdbError *error)
{
	TsdbEvalOptions options = {
		.start = start,
		.end = end,
		.step = step,
		.delayed_name_removal = script->options->delayed_name_removal,
		.query = query
	};
	TsdbExpr   *expr;
	TsdbStatus	status = tsdb_promql_parse(&script->work, query, NULL, &expr, error);

	if (status != TSDB_OK)
		return status;
	if (fixed != NULL)
		fix_times(expr, *fixed);
	return tsdb_promql_eval(&script->work, NULL, &script->source.source, &options, expr, result, error);
}

/* ---- the script ---- */

static void
report(Script *script, const char *word, const Case *test)
{
	if (script->options->report != NULL)
		fprintf(script->options->report, "%s:%d: %s: %.*s: %s\n", script->path, test->line, word,
				SHOW(test->query), script->message);
}

static bool
selects_no_histogram(TsdbExpr *expr, void *context)
{
	const Script *script = context;

	for (size_t i = 0; i < script->n_histograms && expr->kind == TSDB_EXPR_VECTOR; i++)
		if (tsdb_matchers_match(expr->vector.matchers, expr->vector.n_matchers, script->histograms[i]))
			return false;
	return true;
}

/* Samples of native histograms and start timestamps have not been loaded. */
static bool
reads_what_is_not_loaded(Script *script, const Case *test)
{
	TsdbExpr   *expr;
	TsdbError	error;

	if (test->needs_histograms || script->has_start_times)
		return true;
	tsdb_arena_free(&script->work);
	return tsdb_promql_parse(&script->work, test->query, NULL, &expr, &error) == TSDB_OK &&
		!tsdb_expr_walk(expr, selects_no_histogram, script);
}

static bool
run_eval(Script *script)
{
	Case	   *test = calloc(1, sizeof(Case));
	bool		understood = script_read_case(script, test);
	Outcome		outcome = SKIPPED;

	if (!understood)
	{
		free(test);
		return false;
	}
	if (reads_what_is_not_loaded(script, test))
		script_fail(script, "needs native histograms or start timestamps");
	else
		outcome = run_case(script, test);
	if (outcome == SKIPPED && script->options->strict)
		outcome = FAILED;
	if (outcome == FAILED || (outcome == SKIPPED && script->options->list_skipped))
		report(script, outcome == FAILED ? "failed" : "skipped", test);
	script->result->passed += outcome == PASSED;
	script->result->failed += outcome == FAILED;
	script->result->skipped += outcome == SKIPPED;
	free(test);
	return true;
}

static bool
run_line(Script *script)
{
	switch (script_command(script))
	{
		case COMMAND_NONE:
			return true;
		case COMMAND_LOAD:
			return script_load(script);
		case COMMAND_EVAL:
			return run_eval(script);
		case COMMAND_CLEAR:
			script_clear(script);
			return true;
		case COMMAND_UNKNOWN:
			break;
	}
	return script_fail(script, "unknown command");
}

void
script_run_file(const char *path, const ScriptOptions *options, ScriptResult *result)
{
	Script	   *script = calloc(1, sizeof(Script));
	bool		going;

	*script = (Script){.path = path, .options = options, .result = result};
	tsdb_arena_init_malloc(&script->text, 0);
	tsdb_arena_init_malloc(&script->data, 0);
	tsdb_arena_init_malloc(&script->work, 0);
	script_clear(script);
	going = script_read_file(script);
	for (; going && script->place < script->n_lines; script->place += going)
		going = run_line(script);
	if (!going)
	{
		result->failed++;
		if (options->report != NULL)
			fprintf(options->report, "%s:%zu: not understood: %s\n", path, script->place + 1, script->message);
	}
	tsdb_arena_free(&script->text);
	tsdb_arena_free(&script->data);
	tsdb_arena_free(&script->work);
	free(script);
}
