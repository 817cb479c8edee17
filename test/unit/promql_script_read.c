/*
 * promql_script_read.c
 *		Reads PromQL test scripts: series, loads and cases.
 */
#include "promql_script_internal.h"

bool
script_fail(Script *script, const char *format, ...)
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
		return script_fail(script, "metric %.*s: %s", SHOW(text), error.message);
	pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, n);
	for (size_t i = 0; i < n; i++)
		pairs[i] = (TsdbLabel){matchers[i].name, matchers[i].value};
	if (tsdb_labels_make(pairs, n, labels, &error) != TSDB_OK)
		return script_fail(script, "metric %.*s: %s", SHOW(text), error.message);
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
			return script_fail(script, "bad value %.*s", SHOW(word));
		for (size_t i = 0; i < (word.len > 1 ? repeat : 1); i++)
			append_value(arena, values, 0, true);
		return true;
	}
	n = take_number(word, &value);
	if (n == 0)
		return script_fail(script, "bad value %.*s", SHOW(word));
	word = (TsdbStr){word.data + n, word.len - n};
	if (word.len > 0 && (word.data[0] == '+' || word.data[0] == '-'))
	{
		n = take_number(word, &delta);
		word = (TsdbStr){word.data + n, word.len - n};
		if (n == 0 || word.len == 0)
			return script_fail(script, "a step without a repetition");
	}
	if (word.len > 0 && !parse_repeat(word, &repeat))
		return script_fail(script, "bad repetition %.*s", SHOW(word));
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

bool
script_load(Script *script)
{
	TsdbStr		line = script->lines[script->place];
	bool		with_nhcb = is(take_word(&line), "load_with_nhcb");
	Loaded	   *loaded = TSDB_NEW_ARRAY(&script->text, Loaded, script->n_lines);
	size_t		n = 0;
	int64_t		step;

	if (!parse_duration(line, &step))
		return script_fail(script, "bad step %.*s", SHOW(line));
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

void
script_clear(Script *script)
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
		return script_fail(script, "bad expect line");
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
			return script_fail(script, "bad times of a range");
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
		return script_fail(script, "unknown command");
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
			return script_fail(script, "bad time");
		test->end = test->start;
	}
	test->query = line;
	test->uses_query_times = contains(line, "start()") || contains(line, "end()") ||
		contains(line, "range()") || contains(line, "step()");
	return true;
}

static bool
parse_string(Script *script, Case *test, TsdbStr literal)
{
	TsdbExpr   *expr;
	TsdbError	error;

	if (tsdb_promql_parse(&script->text, literal, NULL, &expr, &error) != TSDB_OK || expr->kind != TSDB_EXPR_STRING)
		return script_fail(script, "bad string");
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
		return script_fail(script, "too many series expected");
	if (!parse_series(script, &script->text, line, &series->labels, &series->values))
		return false;
	test->needs_histograms = test->needs_histograms || series->values.histograms;
	test->n_series++;
	return true;
}

bool
script_read_case(Script *script, Case *test)
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

/* ---- the file ---- */

bool
script_read_file(Script *script)
{
	FILE	   *file = fopen(script->path, "rb");
	TsdbBuffer	bytes;
	size_t		n;
	size_t		from = 0;

	if (file == NULL)
		return script_fail(script, "cannot be opened");
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

Command
script_command(const Script *script)
{
	TsdbStr		line = script->lines[script->place];

	if (line.len == 0)
		return COMMAND_NONE;
	if (starts_with(line, "load"))
		return COMMAND_LOAD;
	if (starts_with(line, "eval"))
		return COMMAND_EVAL;
	return is(line, "clear") ? COMMAND_CLEAR : COMMAND_UNKNOWN;
}
