/*
 * promql_script.c
 *		Runs PromQL test scripts in memory: load, clear, eval.
 *
 * The language is that of Prometheus's promqltest, so that its scripts run, too.
 * Like there an instant query is run several times: as it is; as the middle step
 * of a range query; and, with `@ time` put on every selector, at other times.
 * What needs native histograms or start timestamps, which are not stored, is skipped.
 */
#include "promql_script.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/promql/eval.h"
#include "core/promql/memory_source.h"
#include "core/promql/parser.h"

#define MAX_EXPECTED 256
#define MAX_ANNOTATIONS 16
#define MAX_HISTOGRAMS 256
#define TOLERANCE 0.000001

typedef struct Values
{
	double	   *v;				/* NaN with the stale marker's bits: `stale` */
	bool	   *omitted;
	size_t		n;
	bool		histograms;
} Values;

typedef struct ExpectedSeries
{
	TsdbLabels	labels;
	Values		values;
} ExpectedSeries;

typedef enum AnnotationKind
{
	ANNOTATION_FAIL,
	ANNOTATION_WARN,
	ANNOTATION_NO_WARN,
	ANNOTATION_INFO,
	ANNOTATION_NO_INFO
} AnnotationKind;

typedef struct Annotation
{
	AnnotationKind kind;
	TsdbStr		text;			/* empty: anything */
	bool		is_regex;
} Annotation;

typedef struct Case
{
	int			line;
	TsdbStr		query;
	bool		is_range;
	int64_t		start;
	int64_t		end;
	int64_t		step;
	bool		ordered;
	bool		is_scalar;
	double		scalar;
	bool		is_string;
	TsdbStr		string;
	bool		is_range_vector;
	ExpectedSeries series[MAX_EXPECTED];
	size_t		n_series;
	Annotation	annotations[MAX_ANNOTATIONS];
	size_t		n_annotations;
	bool		needs_histograms;
} Case;

typedef struct Script
{
	const char *path;
	const ScriptOptions *options;
	ScriptResult *result;
	TsdbStr    *lines;			/* trimmed, comments empty */
	size_t		n_lines;
	size_t		place;			/* the line at hand */
	TsdbArena	text;			/* of the file */
	TsdbArena	data;			/* of what is loaded */
	TsdbArena	work;			/* of one case */
	TsdbMemorySource source;
	TsdbLabels	histograms[MAX_HISTOGRAMS];	/* series that were to be native histograms */
	size_t		n_histograms;
	bool		has_start_times;
	char		message[2048];	/* why a case failed */
} Script;

#define SHOW(text) (int) (text).len, (text).data

/* Keeps the reason, and returns false. */
static bool fail(Script *script, const char *format, ...) TSDB_PRINTF(2, 3);

static bool
fail(Script *script, const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(script->message, sizeof(script->message), format, args);
	va_end(args);
	return false;
}

/* ---- text ---- */

static TsdbStr
trim(TsdbStr text)
{
	while (text.len > 0 && strchr(" \t\r", text.data[0]) != NULL)
		text = (TsdbStr){text.data + 1, text.len - 1};
	while (text.len > 0 && strchr(" \t\r", text.data[text.len - 1]) != NULL)
		text.len--;
	return text;
}

/* Takes the first word off; what is left is trimmed. */
static TsdbStr
take_word(TsdbStr *text)
{
	size_t		n = 0;
	TsdbStr		word;

	while (n < text->len && text->data[n] != ' ' && text->data[n] != '\t')
		n++;
	word = (TsdbStr){text->data, n};
	*text = trim((TsdbStr){text->data + n, text->len - n});
	return word;
}

static bool
is(TsdbStr text, const char *word)
{
	return tsdb_str_equal(text, tsdb_str(word));
}

static bool
starts_with(TsdbStr text, const char *prefix)
{
	return text.len >= strlen(prefix) && memcmp(text.data, prefix, strlen(prefix)) == 0;
}

static bool
ends_with(TsdbStr text, const char *suffix)
{
	return text.len >= strlen(suffix) && memcmp(text.data + text.len - strlen(suffix), suffix, strlen(suffix)) == 0;
}

static TsdbStr
skip(TsdbStr text, size_t n)
{
	return trim((TsdbStr){text.data + n, text.len - n});
}

static bool
contains(TsdbStr text, const char *word)
{
	size_t		n = strlen(word);

	for (size_t i = 0; i + n <= text.len; i++)
		if (memcmp(text.data + i, word, n) == 0)
			return true;
	return false;
}

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

/* 1h30m, 15s, 100ms, 0 */
static bool
parse_duration(TsdbStr text, int64_t *ms)
{
	static const struct
	{
		const char *unit;
		int64_t		ms;
	}			units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
						   {"w", INT64_C(604800000)}, {"y", INT64_C(31536000000)}};
	bool		negative = text.len > 0 && text.data[0] == '-';
	size_t		i = negative;

	*ms = 0;
	if (is(text, "0"))
		return true;
	if (i == text.len)
		return false;
	while (i < text.len)
	{
		int64_t		number = 0;
		size_t		digits = i;
		size_t		unit = TSDB_COUNT(units);

		while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9')
			number = number * 10 + (text.data[i++] - '0');
		for (size_t k = TSDB_COUNT(units); k-- > 0;)
			if (starts_with((TsdbStr){text.data + i, text.len - i}, units[k].unit) &&
				(unit == TSDB_COUNT(units) || strlen(units[k].unit) > strlen(units[unit].unit)))
				unit = k;
		if (i == digits || unit == TSDB_COUNT(units))
			return false;
		*ms += number * units[unit].ms;
		i += strlen(units[unit].unit);
	}
	if (negative)
		*ms = -*ms;
	return true;
}

/* ---- series ---- */

/* The end of `name{...}`, quotes respected. */
static size_t
metric_length(TsdbStr line)
{
	size_t		i = 0;
	char		quote = '\0';
	TsdbStr		rest;

	while (i < line.len && is_name_byte(line.data[i]))
		i++;
	rest = skip((TsdbStr){line.data + i, line.len - i}, 0);
	if (starts_with(rest, "{") && !starts_with(rest, "{{"))
	{
		while (line.data[i] != '{')
			i++;
		for (i++; i < line.len; i++)
		{
			char		c = line.data[i];

			if (quote != '\0')
			{
				if (c == '\\' && quote != '`')
					i++;
				else if (c == quote)
					quote = '\0';
			}
			else if (c == '"' || c == '\'' || c == '`')
				quote = c;
			else if (c == '}')
				return i + 1;
		}
	}
	return i;
}

/* A selector with `=` only is a label set. */
static bool
parse_metric(Script *script, TsdbArena *arena, TsdbStr text, TsdbLabels *labels)
{
	TsdbMatcher *matchers;
	TsdbLabel  *pairs;
	TsdbError	error;
	size_t		n;

	if (tsdb_promql_parse_selector(arena, text, &matchers, &n, &error) != TSDB_OK)
		return fail(script, "metric %.*s: %s", SHOW(text), error.message);
	pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, n);
	for (size_t i = 0; i < n; i++)
		pairs[i] = (TsdbLabel){matchers[i].name, matchers[i].value};
	if (tsdb_labels_make(pairs, n, labels, &error) != TSDB_OK)
		return fail(script, "metric %.*s: %s", SHOW(text), error.message);
	return true;
}

static void
append_value(TsdbArena *arena, Values *values, double v, bool omitted)
{
	if ((values->n & (values->n - 1)) == 0)
	{
		size_t		capacity = values->n == 0 ? 1 : values->n * 2;

		values->v = tsdb_grow(arena, values->v, values->n * sizeof(double), capacity * sizeof(double));
		values->omitted = tsdb_grow(arena, values->omitted, values->n * sizeof(bool), capacity * sizeof(bool));
	}
	values->v[values->n] = v;
	values->omitted[values->n++] = omitted;
}

/* The longest prefix of a word that is a number; 0 if none is. */
static size_t
take_number(TsdbStr word, double *number)
{
	for (size_t n = word.len; n > 0; n--)
		if (tsdb_parse_double((TsdbStr){word.data, n}, number))
			return n;
	return 0;
}

static bool
parse_repeat(TsdbStr text, size_t *repeat)
{
	*repeat = 0;
	if (text.len < 2 || text.data[0] != 'x')
		return false;
	for (size_t i = 1; i < text.len; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		*repeat = *repeat * 10 + (size_t) (text.data[i] - '0');
	}
	return true;
}

/* 5, 5x3, 5+2x3, 5-2x3, _, _x3, stale */
static bool
parse_item(Script *script, TsdbArena *arena, TsdbStr word, Values *values)
{
	double		value;
	double		delta = 0;
	size_t		repeat = 0;
	size_t		n;

	if (is(word, "stale"))
	{
		append_value(arena, values, tsdb_double_from_bits(TSDB_STALE_NAN_BITS), false);
		return true;
	}
	if (word.data[0] == '_')
	{
		if (word.len > 1 && !parse_repeat((TsdbStr){word.data + 1, word.len - 1}, &repeat))
			return fail(script, "bad value %.*s", SHOW(word));
		for (size_t i = 0; i < (word.len > 1 ? repeat : 1); i++)
			append_value(arena, values, 0, true);
		return true;
	}
	n = take_number(word, &value);
	if (n == 0)
		return fail(script, "bad value %.*s", SHOW(word));
	word = (TsdbStr){word.data + n, word.len - n};
	if (word.len > 0 && (word.data[0] == '+' || word.data[0] == '-'))
	{
		n = take_number(word, &delta);
		word = (TsdbStr){word.data + n, word.len - n};
		if (n == 0 || word.len == 0)
			return fail(script, "a step without a repetition");
	}
	if (word.len > 0 && !parse_repeat(word, &repeat))
		return fail(script, "bad repetition %.*s", SHOW(word));
	for (size_t i = 0; i <= repeat; i++)
	{
		append_value(arena, values, value, false);
		value += delta;
	}
	return true;
}

static bool
parse_series(Script *script, TsdbArena *arena, TsdbStr line, TsdbLabels *labels, Values *values)
{
	size_t		n = metric_length(line);
	TsdbStr		rest = skip(line, n);

	*values = (Values){0};
	if (!parse_metric(script, arena, trim((TsdbStr){line.data, n}), labels))
		return false;
	if (contains(rest, "{{"))
	{
		values->histograms = true;
		return true;
	}
	while (rest.len > 0)
		if (!parse_item(script, arena, take_word(&rest), values))
			return false;
	return true;
}

/* ---- load ---- */

typedef struct Loaded
{
	TsdbLabels	labels;
	Values		values;
	bool		with_nhcb;
} Loaded;

static void
remember_histogram(Script *script, TsdbLabels labels)
{
	if (script->n_histograms < MAX_HISTOGRAMS)
		script->histograms[script->n_histograms++] = labels;
}

/* load_with_nhcb makes native histograms out of classic ones. */
static void
remember_classic_histogram(Script *script, TsdbLabels labels)
{
	static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
	TsdbStr		name = tsdb_labels_get(labels, TSDB_STR(TSDB_METRIC_NAME));
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(&script->data, TsdbLabel, labels.n);
	TsdbLabels	histogram;
	TsdbError	error;

	memcpy(pairs, labels.pairs, labels.n * sizeof(TsdbLabel));
	for (size_t i = 0; i < labels.n; i++)
	{
		if (is(pairs[i].name, "le"))
			pairs[i].value.len = 0;
		for (size_t k = 0; k < TSDB_COUNT(suffixes); k++)
			if (is(pairs[i].name, TSDB_METRIC_NAME) && ends_with(name, suffixes[k]))
				pairs[i].value.len = name.len - strlen(suffixes[k]);
	}
	if (tsdb_labels_make(pairs, labels.n, &histogram, &error) == TSDB_OK)
		remember_histogram(script, histogram);
}

/* Of several lines for one series in a load, the last counts. */
static void
add_samples(Script *script, const Loaded *loaded, size_t n, int64_t step)
{
	for (size_t i = 0; i < n; i++)
	{
		bool		is_last = true;

		for (size_t k = i + 1; k < n; k++)
			is_last = is_last && !tsdb_labels_equal(loaded[i].labels, loaded[k].labels);
		if (!is_last)
			continue;
		if (loaded[i].values.histograms)
			remember_histogram(script, loaded[i].labels);
		if (loaded[i].with_nhcb)
			remember_classic_histogram(script, loaded[i].labels);
		for (size_t k = 0; k < loaded[i].values.n; k++)
			if (!loaded[i].values.omitted[k])
				tsdb_memory_source_add(&script->source, loaded[i].labels, (int64_t) k * step, loaded[i].values.v[k]);
	}
}

/* metric{label="value"}@st 5s: start timestamps of the line that follows */
static bool
has_start_times(TsdbStr line)
{
	size_t		n = metric_length(line);

	return starts_with((TsdbStr){line.data + n, line.len - n}, "@st");
}

static bool
load(Script *script)
{
	TsdbStr		line = script->lines[script->place];
	bool		with_nhcb = is(take_word(&line), "load_with_nhcb");
	Loaded	   *loaded = TSDB_NEW_ARRAY(&script->text, Loaded, script->n_lines);
	size_t		n = 0;
	int64_t		step;

	if (!parse_duration(line, &step))
		return fail(script, "bad step %.*s", SHOW(line));
	while (script->place + 1 < script->n_lines && script->lines[script->place + 1].len > 0)
	{
		line = script->lines[++script->place];
		if (has_start_times(line))
		{
			script->has_start_times = true;
			continue;
		}
		loaded[n].with_nhcb = with_nhcb;
		if (!parse_series(script, &script->data, line, &loaded[n].labels, &loaded[n].values))
			return false;
		n++;
	}
	add_samples(script, loaded, n, step);
	return true;
}

static void
clear(Script *script)
{
	tsdb_arena_free(&script->data);
	tsdb_memory_source_init(&script->source, &script->data);
	script->n_histograms = 0;
	script->has_start_times = false;
}

/* ---- reading a case ---- */

static bool
parse_annotation(Script *script, Case *test, TsdbStr line)
{
	static const struct
	{
		const char *word;
		AnnotationKind kind;
	}			kinds[] = {{"fail", ANNOTATION_FAIL}, {"warn", ANNOTATION_WARN}, {"no_warn", ANNOTATION_NO_WARN},
						   {"info", ANNOTATION_INFO}, {"no_info", ANNOTATION_NO_INFO}};
	TsdbStr		word = take_word(&line);
	Annotation	annotation = {0};
	size_t		k = 0;

	if (is(word, "ordered"))
	{
		test->ordered = true;
		return true;
	}
	while (k < TSDB_COUNT(kinds) && !is(word, kinds[k].word))
		k++;
	if (k == TSDB_COUNT(kinds) || test->n_annotations == MAX_ANNOTATIONS)
		return fail(script, "bad expect line");
	annotation.kind = kinds[k].kind;
	annotation.is_regex = starts_with(line, "regex:");
	if (annotation.is_regex || starts_with(line, "msg:"))
		annotation.text = skip(line, annotation.is_regex ? 6 : 4);
	test->annotations[test->n_annotations++] = annotation;
	return true;
}

static bool
parse_times(Script *script, Case *test, TsdbStr *line)
{
	static const char *const words[] = {"from", "to", "step"};
	int64_t    *const times[] = {&test->start, &test->end, &test->step};

	for (size_t i = 0; i < TSDB_COUNT(words); i++)
		if (!is(take_word(line), words[i]) || !parse_duration(take_word(line), times[i]))
			return fail(script, "bad times of a range");
	return true;
}

static void
expect_annotation(Case *test, AnnotationKind kind)
{
	test->annotations[test->n_annotations++] = (Annotation){.kind = kind};
}

static bool
parse_command(Script *script, Case *test, TsdbStr line)
{
	TsdbStr		command = take_word(&line);

	if (is(command, "eval_ordered"))
		test->ordered = true;
	else if (is(command, "eval_fail"))
		expect_annotation(test, ANNOTATION_FAIL);
	else if (is(command, "eval_warn"))
		expect_annotation(test, ANNOTATION_WARN);
	else if (is(command, "eval_info"))
		expect_annotation(test, ANNOTATION_INFO);
	else if (!is(command, "eval"))
		return fail(script, "unknown command");
	test->is_range = starts_with(line, "range");
	take_word(&line);
	if (test->is_range)
	{
		if (!parse_times(script, test, &line))
			return false;
	}
	else
	{
		if (!is(take_word(&line), "at") || !parse_duration(take_word(&line), &test->start))
			return fail(script, "bad time");
		test->end = test->start;
	}
	test->query = line;
	return true;
}

static bool
parse_string(Script *script, Case *test, TsdbStr literal)
{
	TsdbExpr   *expr;
	TsdbError	error;

	if (tsdb_promql_parse(&script->text, literal, NULL, &expr, &error) != TSDB_OK || expr->kind != TSDB_EXPR_STRING)
		return fail(script, "bad string");
	test->is_string = true;
	test->string = expr->string;
	return true;
}

static bool
parse_expectation(Script *script, Case *test, TsdbStr line)
{
	ExpectedSeries *series = &test->series[test->n_series];

	if (starts_with(line, "expected_fail_message") || starts_with(line, "expected_fail_regexp"))
	{
		bool		is_regex = starts_with(line, "expected_fail_regexp");

		take_word(&line);
		test->annotations[test->n_annotations++] = (Annotation){ANNOTATION_FAIL, line, is_regex};
		return true;
	}
	if (starts_with(line, "expect string"))
		return parse_string(script, test, skip(line, strlen("expect string")));
	if (starts_with(line, "expect range vector"))
	{
		line = skip(line, strlen("expect range vector"));
		test->is_range_vector = true;
		return parse_times(script, test, &line);
	}
	if (starts_with(line, "expect "))
		return parse_annotation(script, test, skip(line, strlen("expect")));
	if (starts_with(line, "{{"))
	{
		test->needs_histograms = true;
		return true;
	}
	if (tsdb_parse_double(line, &test->scalar))
	{
		test->is_scalar = true;
		return true;
	}
	if (test->n_series == MAX_EXPECTED)
		return fail(script, "too many series expected");
	if (!parse_series(script, &script->text, line, &series->labels, &series->values))
		return false;
	test->needs_histograms = test->needs_histograms || series->values.histograms;
	test->n_series++;
	return true;
}

static bool
parse_case(Script *script, Case *test)
{
	test->line = (int) script->place + 1;
	if (!parse_command(script, test, script->lines[script->place]))
		return false;
	while (script->place + 1 < script->n_lines && script->lines[script->place + 1].len > 0)
	{
		script->place++;
		if (!parse_expectation(script, test, script->lines[script->place]))
			return false;
	}
	return true;
}

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
			return fail(script, "%zu points in a vector", series->n);
		if (expected == NULL)
			return fail(script, "unexpected %s with %.17g", print_labels(script, series->labels), series->v[0]);
		if (ordered && expected != &test->series[i])
			return fail(script, "%s is at place %zu", print_labels(script, series->labels), i + 1);
		if (!nearly_equal(series->v[0], expected->values.v[0]))
			return fail(script, "%s is %.17g, not %.17g", print_labels(script, series->labels), series->v[0],
						expected->values.v[0]);
	}
	if (actual->n_series != test->n_series)
		return fail(script, "%zu series, not %zu", actual->n_series, test->n_series);
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
			return fail(script, "%s has only %zu points", print_labels(script, series->labels), n);
		if (series->t[n] != t || !nearly_equal(series->v[n], expected->v[i]))
			return fail(script, "%s is %.17g at %lld, not %.17g at %lld", print_labels(script, series->labels),
						series->v[n], (long long) series->t[n], expected->v[i], (long long) t);
		n++;
	}
	if (n != series->n)
		return fail(script, "%s has %zu points, not %zu", print_labels(script, series->labels), series->n, n);
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
			return fail(script, "%s is out of order", print_labels(script, series->labels));
		if (expected == NULL)
			return fail(script, "unexpected %s with %zu points", print_labels(script, series->labels), series->n);
		if (!compare_points(script, test, series, &expected->values))
			return false;
	}
	if (actual->n_series != test->n_series)
		return fail(script, "%zu series, not %zu", actual->n_series, test->n_series);
	return true;
}

static bool
compare(Script *script, const Case *test, const TsdbQueryResult *actual)
{
	switch (actual->type)
	{
		case TSDB_VALUE_SCALAR:
			if (!test->is_scalar || !nearly_equal(actual->scalar, test->scalar))
				return fail(script, "scalar %.17g, not %.17g", actual->scalar, test->scalar);
			return true;
		case TSDB_VALUE_STRING:
			if (!test->is_string || !tsdb_str_equal(actual->string, test->string))
				return fail(script, "string %.*s", SHOW(actual->string));
			return true;
		case TSDB_VALUE_MATRIX:
			if (test->is_scalar || test->ordered || (!test->is_range && !test->is_range_vector))
				return fail(script, "the result is a matrix");
			return compare_matrix(script, test, actual);
		default:
			if (test->is_scalar || test->is_range || test->is_range_vector)
				return fail(script, "the result is a vector");
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
		return fail(script, "%s", error.message);
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
			return fail(script, "unexpected annotation: %.*s", SHOW(actual[0]));
		if (expected->kind != wanted)
			continue;
		is_asked = true;
		for (size_t k = 0; k < n; k++)
			found = found || text_matches(script, expected, actual[k]);
		if (!found)
			return fail(script, "no annotation %.*s but %.*s", SHOW(expected->text), SHOW(n > 0 ? actual[0] : TSDB_STR("none")));
	}
	for (size_t k = 0; k < n && is_asked; k++)
	{
		bool		found = false;

		for (size_t i = 0; i < test->n_annotations; i++)
			found = found || (test->annotations[i].kind == wanted &&
							  text_matches(script, &test->annotations[i], actual[k]));
		if (!found)
			return fail(script, "unexpected annotation: %.*s", SHOW(actual[k]));
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
		return fail(script, "error: %s", error->message);
	if (!text_matches(script, failure, tsdb_str(error->message)))
		return fail(script, "another error: %s", error->message);
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
		fail(script, "%s", error.message);
		return SKIPPED;
	}
	if (status != TSDB_OK)
		return check_failure(script, test, &error) ? PASSED : FAILED;
	if (expected_failure(test) != NULL)
	{
		fail(script, "no error");
		return FAILED;
	}
	passed = compare_annotations(script, test, ANNOTATION_WARN, ANNOTATION_NO_WARN, result->warnings, result->n_warnings) &&
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
		return fail(script, "as a range: error: %s", error.message);
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
		return (n == 1 && nearly_equal(result->series[0].v[0], test->scalar)) || fail(script, "as a range: another scalar");
	return compare_vector(script, test, result, false);
}

static bool
depends_on_query_times(TsdbStr query)
{
	return contains(query, "start()") || contains(query, "end()") || contains(query, "range()") ||
		contains(query, "step()");
}

static bool
is_time_dependent(TsdbExpr *expr, void *context)
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

static Outcome
run_case(Script *script, const Case *test)
{
	Outcome		outcome = run_once(script, test, test->start, NULL);
	int64_t		t = test->is_range_vector ? test->end : test->start;
	int64_t		times[] = {-10 * t, 0, t / 5, t, 10 * t};
	TsdbExpr   *expr;
	TsdbError	error;

	if (test->is_range)
		return outcome;
	if (test->is_range_vector)
		outcome = run_once(script, test, t, NULL);
	if (outcome != PASSED || expected_failure(test) != NULL)
		return outcome;
	if (t == 0)
		times[0] = -1000, times[4] = 1000;

	if (!test->is_range_vector && !test->is_string && !depends_on_query_times(test->query) &&
		!run_as_range(script, test, t))
		return FAILED;
	tsdb_arena_free(&script->work);
	if (tsdb_promql_parse(&script->work, test->query, NULL, &expr, &error) != TSDB_OK ||
		!tsdb_expr_walk(expr, is_time_dependent, NULL) || depends_on_query_times(test->query))
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
	bool		understood = parse_case(script, test);
	Outcome		outcome = SKIPPED;

	if (!understood)
	{
		free(test);
		return false;
	}
	if (reads_what_is_not_loaded(script, test))
		fail(script, "needs native histograms or start timestamps");
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
	TsdbStr		line = script->lines[script->place];

	if (line.len == 0)
		return true;
	if (starts_with(line, "load"))
		return load(script);
	if (starts_with(line, "eval"))
		return run_eval(script);
	if (is(line, "clear"))
	{
		clear(script);
		return true;
	}
	return fail(script, "unknown command: %.*s", SHOW(line));
}

static bool
read_file(Script *script)
{
	FILE	   *file = fopen(script->path, "rb");
	TsdbBuffer	bytes;
	size_t		n;
	size_t		from = 0;

	if (file == NULL)
		return fail(script, "cannot be opened");
	tsdb_buffer_init(&bytes, &script->text, 65536);
	do
	{
		tsdb_buffer_reserve(&bytes, 65536);
		n = fread(bytes.data + bytes.len, 1, 65536, file);
		bytes.len += n;
	} while (n > 0);
	fclose(file);

	script->lines = TSDB_NEW_ARRAY(&script->text, TsdbStr, bytes.len + 1);
	for (size_t i = 0; i <= bytes.len; i++)
	{
		if (i < bytes.len && bytes.data[i] != '\n')
			continue;
		script->lines[script->n_lines] = trim((TsdbStr){(char *) bytes.data + from, i - from});
		if (starts_with(script->lines[script->n_lines], "#"))
			script->lines[script->n_lines].len = 0;
		script->n_lines++;
		from = i + 1;
	}
	return true;
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
	clear(script);
	going = read_file(script);
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
