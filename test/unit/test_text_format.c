/*
 * test_text_format.c
 *		The text format: what is read, what is rejected and where, and whose labels win.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/ingest/ingest.h"

Suite	   *text_format_suite(void);

#define NOW INT64_C(1700000000000)

/*
 * Writes down what a decoder hands over, one event per line:
 *
 *		raw | labels | value @ timestamp			(the timestamp unless it is NOW)
 *		reject start-end message
 *		metadata name type|help|unit				("-" where not told)
 *		unsupported what raw
 */
typedef struct Journal
{
	TsdbSampleSink sink;
	TsdbArena	arena;
	TsdbBuffer	text;
} Journal;

static void
journal_samples(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
	Journal    *journal = sink->context;
	TsdbBuffer *text = &journal->text;
	TsdbLabels	labels;
	TsdbError	error;
	char		number[TSDB_NUMBER_MAX];

	tsdb_buffer_printf(text, "%.*s | ", (int) series->raw.len, series->raw.data);
	if (series->labels(series, &journal->arena, &labels, &error) == TSDB_OK)
		tsdb_labels_print(text, labels);
	else
		tsdb_buffer_printf(text, "error %d-%d %s", (int) error.start, (int) error.end, error.message);
	ck_assert_uint_eq(n, 1);
	tsdb_format_double(number, samples->v);
	tsdb_buffer_printf(text, " | %s", number);
	if (samples->t != NOW)
		tsdb_buffer_printf(text, " @ %lld", (long long) samples->t);
	tsdb_buffer_printf(text, "\n");
}

static void
journal_metadata(TsdbSampleSink *sink, const TsdbMetadata *metadata)
{
	Journal    *journal = sink->context;
	TsdbStr		parts[] = {metadata->type, metadata->help, metadata->unit};

	tsdb_buffer_printf(&journal->text, "metadata %.*s ", (int) metadata->metric.len, metadata->metric.data);
	for (int i = 0; i < 3; i++)
		if (parts[i].data == NULL)
			tsdb_buffer_printf(&journal->text, "-%s", i < 2 ? "|" : "\n");
		else
			tsdb_buffer_printf(&journal->text, "%.*s%s", (int) parts[i].len, parts[i].data, i < 2 ? "|" : "\n");
}

static void
journal_reject(TsdbSampleSink *sink, const TsdbError *error)
{
	Journal    *journal = sink->context;

	tsdb_buffer_printf(&journal->text, "reject %d-%d %s\n", (int) error->start, (int) error->end, error->message);
}

static void
journal_unsupported(TsdbSampleSink *sink, const TsdbWireSeries *series, const char *what, size_t n)
{
	Journal    *journal = sink->context;

	ck_assert_uint_eq(n, 1);
	tsdb_buffer_printf(&journal->text, "unsupported %s %.*s\n", what, (int) series->raw.len, series->raw.data);
}

/* Decodes a copy of the body that ends where it ends, so that a read past it is seen. */
static TsdbStatus
decode(const char *body, size_t len, const TsdbTextOptions *options, char *out, size_t out_size, TsdbError *error)
{
	Journal		journal = {.sink = {journal_samples, journal_metadata, journal_reject, journal_unsupported, NULL}};
	TsdbTextResult result;
	TsdbStatus	status;
	char	   *copy = malloc(len);

	memcpy(copy, body, len);
	journal.sink.context = &journal;
	tsdb_arena_init_malloc(&journal.arena, 0);
	tsdb_buffer_init(&journal.text, &journal.arena, 0);
	status = tsdb_text_decode(&journal.arena, (TsdbStr){copy, len}, options, &journal.sink, &result, error);
	snprintf(out, out_size, "%s", tsdb_buffer_cstring(&journal.text));
	tsdb_arena_free(&journal.arena);
	free(copy);
	return status;
}

static void
expect_with(const TsdbTextOptions *options, const char *body, const char *expected)
{
	char		out[8192];
	TsdbError	error;

	ck_assert_int_eq(decode(body, strlen(body), options, out, sizeof(out), &error), TSDB_OK);
	ck_assert_str_eq(out, expected);
}

static void
expect(const char *body, const char *expected)
{
	TsdbTextOptions options = {.now = NOW, .honor_timestamps = true};

	expect_with(&options, body, expected);
}

START_TEST(samples_of_the_format)
{
	expect("up 1\n", "up | up | 1\n");
	expect("up 1", "up | up | 1\n");
	expect("\n\r\n  \n up\t 1 \r\n", "up | up | 1\n");
	expect("a:b_c9{} 1\n", "a:b_c9{} | a:b_c9 | 1\n");
	expect("x{b=\"2\",a=\"1\"} 1 1600000000000\n",
		   "x{b=\"2\",a=\"1\"} | x{a=\"1\", b=\"2\"} | 1 @ 1600000000000\n");
	expect("x { b = \"2\" , } 1 -5\n", "x { b = \"2\" , } | x{b=\"2\"} | 1 @ -5\n");
	expect("x{a=\"}\"}1\n", "x{a=\"}\"} | x{a=\"}\"} | 1\n");
	/* an empty value means that the label is not set */
	expect("x{a=\"\"} 1\n", "x{a=\"\"} | x | 1\n");
}
END_TEST

START_TEST(escapes_in_label_values)
{
	expect("x{a=\"q\\\"b\\\\n\\n\\t\"} 1\n",
		   "x{a=\"q\\\"b\\\\n\\n\\t\"} | x{a=\"q\\\"b\\\\n\\n\\\\t\"} | 1\n");
	expect("x{a=\"\\\\\"} 1\n", "x{a=\"\\\\\"} | x{a=\"\\\\\"} | 1\n");
}
END_TEST

START_TEST(quoted_names)
{
	expect("{\"my.metric\",\"l.x\"=\"v\"} 1\n",
		   "{\"my.metric\",\"l.x\"=\"v\"} | {\"my.metric\", \"l.x\"=\"v\"} | 1\n");
	expect("{a=\"b\",\"m\"} 2\n", "{a=\"b\",\"m\"} | m{a=\"b\"} | 2\n");
	expect("{a=\"b\"} 1\n", "reject 0-9 metric name is missing: \"{a=\"b\"} 1\"\n");
	expect("x{\"y\"} 1\n", "reject 2-8 metric name is given twice: \"\"y\"} 1\"\n");
	expect("{\"\"} 1\n", "reject 1-6 name is empty: \"\"\"} 1\"\n");
}
END_TEST

START_TEST(bad_lines_cost_themselves_only)
{
	expect("a 1\n"
		   "b{x=\"1} 2\n"
		   "c{x=1} 3\n"
		   "d{x} 4\n"
		   "e{x=\"1\" y=\"2\"} 5\n"
		   "f{x=\"1\"\n"
		   "g\n"
		   "h one\n"
		   "i 1 2 3\n"
		   "j 1 x\n"
		   "9k 1\n"
		   "l-m 1\n"
		   "n 0x1p4\n"
		   "o 1e999\n"
		   "z 26\n",
		   "a | a | 1\n"
		   "reject 8-13 string is not closed: \"\"1} 2\"\n"
		   "reject 18-22 expected a label value in double quotes: \"1} 3\"\n"
		   "reject 26-29 expected \"=\" after the label name: \"} 4\"\n"
		   "reject 38-46 expected \",\" or \"}\" after a label: \"y=\"2\"} 5\"\n"
		   "reject 54-54 expected \",\" or \"}\" after a label\n"
		   "reject 56-56 expected a value after the metric\n"
		   "reject 59-62 invalid value: \"one\"\n"
		   "reject 69-70 unexpected text after the sample: \"3\"\n"
		   "reject 75-76 invalid timestamp: \"x\"\n"
		   "reject 77-81 expected a metric name: \"9k 1\"\n"
		   "reject 83-85 invalid character in the metric name: \"-m\"\n"
		   "reject 90-95 invalid value: \"0x1p4\"\n"
		   "reject 98-103 invalid value: \"1e999\"\n"
		   "z | z | 26\n");
}
END_TEST

START_TEST(bad_labels_are_told_by_labels)
{
	expect("ok 1\nx{a=\"1\",a=\"2\"} 1\n",
		   "ok | ok | 1\n"
		   "x{a=\"1\",a=\"2\"} | error 5-19 label name \"a\" is not unique | 1\n");
	expect("x{a=\"\xff\"} 1\n", "x{a=\"\xff\"} | error 0-8 value of label \"a\" is not valid UTF-8 | 1\n");
}
END_TEST

START_TEST(zero_bytes)
{
	TsdbTextOptions options = {.now = NOW};
	char		out[1024];
	TsdbError	error;
	static const char body[] = "x{a=\"1\0\"} 1\ny\0 1\nz 2\n";

	ck_assert_int_eq(decode(body, sizeof(body) - 1, &options, out, sizeof(out), &error), TSDB_OK);
	ck_assert_ptr_nonnull(strstr(out, "error 0-9 label has a zero byte"));
	ck_assert_ptr_nonnull(strstr(out, "reject 13-14 invalid character in the metric name: \"\\x00\""));
	ck_assert_ptr_nonnull(strstr(out, "z | z | 2\n"));
}
END_TEST

START_TEST(metadata_of_a_family)
{
	expect("# HELP x A \\\\ and \\n and \\\".\n# TYPE x counter\nx 1\n"
		   "#TYPE x gauge\n# a comment\n#\n# TYPE y untyped\n# HELP z   spaced \n"
		   "# HELP \"my.m\" dots\n",
		   "metadata x counter|A \\ and \n and \\\".|-\n"
		   "x | x | 1\n"
		   "metadata y unknown|-|-\n"
		   "metadata z -|  spaced |-\n"
		   "metadata my.m -|dots|-\n");
	expect("# TYPE x gaug\n# HELP\n# TYPE x{} gauge\n# HELP x \xff\n# HELP x\n",
		   "reject 9-13 invalid metric type: \"gaug\"\n"
		   "reject 20-20 expected a metric name\n"
		   "reject 28-37 expected a metric name: \"x{} gauge\"\n"
		   "reject 47-48 metadata is not valid UTF-8 text: \"\\xff\"\n"
		   "metadata x -||-\n");
}
END_TEST

START_TEST(openmetrics)
{
	TsdbTextOptions options = {.now = NOW, .openmetrics = true, .honor_timestamps = true};
	char		out[1024];
	TsdbError	error;

	expect_with(&options,
				"# TYPE x counter\n# UNIT x seconds\n# HELP x say \\\"hi\\\"\n"
				"x_total{a=\"1\"} 5 1600000000.789 # {trace_id=\"t\"} 0.5 1600000000.1\n"
				"x_created 1.6e9 1.6e9\n"
				"y 1 -0.5\n"
				"z 1 1600000000 # {a=\"b\"} 1\n"
				"w 1 1e300\n"
				"# EOF\n\n",
				"metadata x counter|say \"hi\"|seconds\n"
				"x_total{a=\"1\"} | x_total{a=\"1\"} | 5 @ 1600000000789\n"
				"unsupported exemplars x_total{a=\"1\"}\n"
				"x_created | x_created | 1600000000 @ 1600000000000\n"
				"y | y | 1 @ -500\n"
				"z | z | 1 @ 1600000000000\n"
				"unsupported exemplars z\n"
				"reject 182-187 invalid timestamp: \"1e300\"\n");
	ck_assert_int_eq(decode("x 1\n", 4, &options, out, sizeof(out), &error), TSDB_ERR_INPUT);
	ck_assert_str_eq(out, "x | x | 1\n");
	ck_assert_int_eq(decode("# EOF\nx 1\n", 10, &options, out, sizeof(out), &error), TSDB_ERR_INPUT);
	ck_assert_int_eq(error.start, 6);
	ck_assert_str_eq(out, "");
	/* in the older format it is a comment like any other */
	expect("# EOF\nx 1\n", "x | x | 1\n");
}
END_TEST

START_TEST(timestamps_that_are_not_honored)
{
	TsdbTextOptions options = {.now = NOW, .honor_timestamps = false};

	expect_with(&options, "x 1 5\ny 1 z\n", "x | x | 1\nreject 10-11 invalid timestamp: \"z\"\n");
	expect("x 1 9223372036854775807\ny 1 9223372036854775808\n",
		   "x | x | 1 @ 9223372036854775807\nreject 28-47 invalid timestamp: \"9223372036854775808\"\n");
}
END_TEST

typedef struct Announced
{
	TsdbSampleSink sink;
	TsdbArena	arena;
	uint64_t	announced;
	uint64_t	samples;
} Announced;

static void
announce(TsdbSampleSink *sink, TsdbWireSeries *series)
{
	Announced  *told = sink->context;

	series->memo.lo = ++told->announced;
}

static void
take_announced(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
	Announced  *told = sink->context;
	TsdbLabels	labels;
	TsdbError	error;
	char		expected[32];

	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(series->memo.lo, ++told->samples);
	ck_assert_uint_eq((uint64_t) samples->v, told->samples);
	ck_assert_int_eq(series->labels(series, &told->arena, &labels, &error), TSDB_OK);
	snprintf(expected, sizeof(expected), "%d", (int) told->samples);
	ck_assert(tsdb_str_equal(tsdb_labels_get(labels, TSDB_STR("n")), tsdb_str(expected)));
}

START_TEST(announced_series_come_in_order)
{
	Announced	told = {.sink = {.samples = take_announced, .announce = announce}};
	TsdbTextOptions options = {.now = NOW};
	TsdbTextResult result;
	TsdbError	error;
	TsdbBuffer	body;

	told.sink.context = &told;
	tsdb_arena_init_malloc(&told.arena, 0);
	tsdb_buffer_init(&body, &told.arena, 0);
	for (int i = 1; i <= 50; i++)
		tsdb_buffer_printf(&body, "x{n=\"%d\"} %d\n%s", i, i, i % 7 == 0 ? "broken\n" : "");
	ck_assert_int_eq(tsdb_text_decode(&told.arena, (TsdbStr){(char *) body.data, body.len}, &options, &told.sink,
									  &result, &error), TSDB_OK);
	ck_assert_uint_eq(told.samples, 50);
	ck_assert_uint_eq(result.rejected, 7);
	tsdb_arena_free(&told.arena);
}
END_TEST

static TsdbTextOptions
with_target(TsdbLabel *pairs, size_t n, bool honor_labels)
{
	TsdbTextOptions options = {.now = NOW, .honor_labels = honor_labels};
	TsdbError	error;

	ck_assert_int_eq(tsdb_labels_make(pairs, n, &options.target_labels, &error), TSDB_OK);
	return options;
}

START_TEST(target_labels_win_unless_honored)
{
	TsdbLabel	pairs[] = {{TSDB_STR("job"), TSDB_STR("node")}, {TSDB_STR("instance"), TSDB_STR("h:1")}};
	TsdbTextOptions ours = with_target(pairs, 2, false);
	TsdbTextOptions theirs = with_target(pairs, 2, true);

	expect_with(&ours, "x 1\n", "x | x{instance=\"h:1\", job=\"node\"} | 1\n");
	expect_with(&theirs, "x 1\n", "x | x{instance=\"h:1\", job=\"node\"} | 1\n");
	expect_with(&ours, "x{job=\"a\"} 1\n",
				"x{job=\"a\"} | x{exported_job=\"a\", instance=\"h:1\", job=\"node\"} | 1\n");
	expect_with(&theirs, "x{job=\"a\"} 1\n", "x{job=\"a\"} | x{instance=\"h:1\", job=\"a\"} | 1\n");
	/* an empty scraped label clashes with nothing; honored, it removes the target's */
	expect_with(&ours, "x{job=\"\"} 1\n", "x{job=\"\"} | x{instance=\"h:1\", job=\"node\"} | 1\n");
	expect_with(&theirs, "x{job=\"\"} 1\n", "x{job=\"\"} | x{instance=\"h:1\"} | 1\n");
}
END_TEST

START_TEST(exported_names_that_are_taken)
{
	TsdbLabel	pairs[] = {{TSDB_STR("a"), TSDB_STR("t1")}, {TSDB_STR("exported_a"), TSDB_STR("t2")}};
	TsdbTextOptions options = with_target(pairs, 2, false);

	expect_with(&options, "x{exported_a=\"s2\",a=\"s1\"} 1\n",
				"x{exported_a=\"s2\",a=\"s1\"} | x{a=\"t1\", exported_a=\"t2\", "
				"exported_exported_a=\"s1\", exported_exported_exported_a=\"s2\"} | 1\n");
	expect_with(&options, "x{a=\"s1\",exported_exported_a=\"\"} 1\n",
				"x{a=\"s1\",exported_exported_a=\"\"} | x{a=\"t1\", exported_a=\"t2\", "
				"exported_exported_a=\"s1\"} | 1\n");
}
END_TEST

typedef struct OneValue
{
	TsdbSampleSink sink;
	int			n;
	double		v;
} OneValue;

static void
keep_value(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
	OneValue   *value = sink->context;

	(void) series;
	value->n += (int) n;
	value->v = samples->v;
}

static bool
read_value(const char *text, double *v)
{
	OneValue	value = {.sink = {.samples = keep_value}};
	TsdbTextOptions options = {.now = NOW};
	TsdbTextResult result;
	TsdbError	error;
	TsdbArena	arena;
	char		line[512];

	snprintf(line, sizeof(line), "x %s\n", text);
	value.sink.context = &value;
	tsdb_arena_init_malloc(&arena, 0);
	ck_assert_int_eq(tsdb_text_decode(&arena, tsdb_str(line), &options, &value.sink, &result, &error), TSDB_OK);
	tsdb_arena_free(&arena);
	ck_assert_uint_eq(result.samples, value.n);
	ck_assert_uint_eq(result.rejected, value.n == 0);
	*v = value.v;
	return value.n == 1;
}

static void
expect_bits(const char *text, double expected)
{
	double		v;

	ck_assert_msg(read_value(text, &v), "%s is refused", text);
	ck_assert_msg(tsdb_double_bits(v) == tsdb_double_bits(expected), "%s is read as %a, not %a", text, v, expected);
}

START_TEST(special_values)
{
	static const char *refused[] = {"", "-", ".", "1.2.3", "1e", "1e+", "e5", "1_000", "0x10", "0x1p1", "nope", "+nan",
		"1e400", "-1e400", "--1", "1,5"};
	double		v;

	expect_bits("NaN", tsdb_double_from_bits(TSDB_NORMAL_NAN_BITS));
	expect_bits("nan", tsdb_double_from_bits(TSDB_NORMAL_NAN_BITS));
	expect_bits("+Inf", INFINITY);
	expect_bits("-inf", -INFINITY);
	expect_bits("Infinity", INFINITY);
	expect_bits("-0", -0.0);
	expect_bits("+5", 5);
	expect_bits("5.", 5);
	expect_bits(".5", 0.5);
	expect_bits("1e-400", 0);
	expect_bits("9007199254740993", 9007199254740992.0);
	for (size_t i = 0; i < TSDB_COUNT(refused); i++)
		ck_assert_msg(!read_value(refused[i], &v), "%s is read as %g", refused[i], v);
}
END_TEST

/* Every number that is read without strtod() must be what strtod() makes of it. */
START_TEST(short_decimals_equal_strtod)
{
	uint64_t	state = 12345;

	for (int i = 0; i < 20000; i++)
	{
		char		text[64];
		uint64_t	digits;
		int			shape;

		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		shape = (int) (state >> 60);
		digits = state >> (8 + shape * 3);
		if (shape < 5)
			snprintf(text, sizeof(text), "%llu.%0*llu", (unsigned long long) (digits >> 20), shape + 1,
					 (unsigned long long) (digits & 0xfffff));
		else if (shape < 10)
			snprintf(text, sizeof(text), "-%llue%d", (unsigned long long) digits, (int) (state % 60) - 30);
		else
			snprintf(text, sizeof(text), "%.*g", shape, (double) digits / 1e6);
		expect_bits(text, strtod(text, NULL));
	}
}
END_TEST

Suite *
text_format_suite(void)
{
	Suite	   *suite = suite_create("text_format");
	TCase	   *lines = tcase_create("lines");
	TCase	   *targets = tcase_create("target labels");
	TCase	   *values = tcase_create("values");

	tcase_add_test(lines, samples_of_the_format);
	tcase_add_test(lines, escapes_in_label_values);
	tcase_add_test(lines, quoted_names);
	tcase_add_test(lines, bad_lines_cost_themselves_only);
	tcase_add_test(lines, bad_labels_are_told_by_labels);
	tcase_add_test(lines, zero_bytes);
	tcase_add_test(lines, metadata_of_a_family);
	tcase_add_test(lines, openmetrics);
	tcase_add_test(lines, timestamps_that_are_not_honored);
	tcase_add_test(lines, announced_series_come_in_order);
	suite_add_tcase(suite, lines);
	tcase_add_test(targets, target_labels_win_unless_honored);
	tcase_add_test(targets, exported_names_that_are_taken);
	suite_add_tcase(suite, targets);
	tcase_add_test(values, special_values);
	tcase_add_test(values, short_decimals_equal_strtod);
	suite_add_tcase(suite, values);
	return suite;
}
