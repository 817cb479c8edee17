/*
 * test_json.c
 *		The JSON of the API.
 */
#include <math.h>
#include <stdio.h>

#include "core/json/json.h"
#include "fixture.h"

static TsdbBuffer out;

static void
start_output(void)
{
	tsdb_buffer_init(&out, &arena, 0);
}

static void
expect(const char *wanted)
{
	ck_assert_str_eq(tsdb_buffer_cstring(&out), wanted);
	out.len = 0;
}

static TsdbLabels
labels_of(const char *text)
{
	TsdbLabels	labels;
	TsdbError	error;

	ck_assert_msg(tsdb_labels_parse(&arena, tsdb_str(text), &labels, &error) == TSDB_OK, "%s", error.message);
	return labels;
}

START_TEST(strings_escape_what_json_needs)
{
	tsdb_json_string(&out, TSDB_STR("plain é 日本 😀"));
	expect("\"plain é 日本 😀\"");
	tsdb_json_string(&out, TSDB_STR("\"quote\" back\\slash\n\r\t\b\f\v\x1f\x7f"));
	expect("\"\\\"quote\\\" back\\\\slash\\n\\r\\t\\u0008\\u000c\\u000b\\u001f\x7f\"");
	tsdb_json_string(&out, TSDB_STR("a\0b"));
	expect("\"a\\u0000b\"");
	tsdb_json_string(&out, TSDB_STR(""));
	expect("\"\"");
}
END_TEST

START_TEST(html_is_escaped_in_messages_only)
{
	tsdb_json_string(&out, TSDB_STR("<a&b> \xe2\x80\xa8\xe2\x80\xa9"));
	expect("\"<a&b> \xe2\x80\xa8\xe2\x80\xa9\"");
	tsdb_json_html_string(&out, TSDB_STR("<a&b> \xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"));
	expect("\"\\u003ca\\u0026b\\u003e \\u2028\\u2029\xe2\x80\xaa\"");
}
END_TEST

START_TEST(bytes_that_are_not_utf8_become_the_replacement_character)
{
	tsdb_json_string(&out, TSDB_STR("a\xff" "b"));
	expect("\"a\\ufffdb\"");
	tsdb_json_string(&out, TSDB_STR("\xe2\x80"));
	expect("\"\\ufffd\\ufffd\"");
	tsdb_json_html_string(&out, TSDB_STR("é\xc3(é"));
	expect("\"é\\ufffd(é\"");
}
END_TEST

START_TEST(timestamps_have_the_decimals_they_need)
{
	static const struct
	{
		int64_t		milliseconds;
		const char *text;
	}			cases[] =
	{
		{0, "0"}, {1, "0.001"}, {10, "0.010"}, {100, "0.100"}, {1000, "1"}, {1001, "1.001"}, {-1, "-0.001"},
		{-1500, "-1.500"}, {1435781451781, "1435781451.781"}, {1435781451000, "1435781451"},
		{INT64_MAX, "9223372036854775.807"}, {INT64_MIN, "-9223372036854775.808"},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		tsdb_json_timestamp(&out, cases[i].milliseconds);
		expect(cases[i].text);
	}
}
END_TEST

START_TEST(values_are_strings_with_exponents_outside_the_plain_range)
{
	static const struct
	{
		double		value;
		const char *text;
	}			cases[] =
	{
		{0, "\"0\""}, {-0.0, "\"-0\""}, {1, "\"1\""}, {0.1, "\"0.1\""}, {-2.5, "\"-2.5\""},
		{1e-6, "\"0.000001\""}, {9.99e-7, "\"9.99e-07\""}, {1e20, "\"100000000000000000000\""}, {1e21, "\"1e+21\""},
		{1.7976931348623157e308, "\"1.7976931348623157e+308\""}, {5e-324, "\"5e-324\""},
		{INFINITY, "\"+Inf\""}, {-INFINITY, "\"-Inf\""}, {NAN, "\"NaN\""},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		tsdb_json_value(&out, cases[i].value);
		expect(cases[i].text);
	}
}
END_TEST

START_TEST(scalars_and_strings)
{
	TsdbQueryResult result = {.type = TSDB_VALUE_SCALAR, .t = 1500, .scalar = 1e21};

	tsdb_json_query_result(&out, NULL, &result, false);
	expect("{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\","
		   "\"result\":[1.500,\"1000000000000000000000\"]}}");
	result = (TsdbQueryResult){.type = TSDB_VALUE_STRING, .t = 0, .string = TSDB_STR("a<\"b\"")};
	tsdb_json_query_result(&out, NULL, &result, false);
	expect("{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[0,\"a\\u003c\\\"b\\\"\"]}}");
}
END_TEST

START_TEST(statistics_stand_in_the_data)
{
	TsdbQueryResult result = {
		.type = TSDB_VALUE_SCALAR, .t = 0, .scalar = 2,
		.stats = {.total_samples = 12, .peak_samples = 7, .prepare_ns = 500000000, .eval_ns = 1000000000, .sort_ns = 250000000}
	};

	tsdb_json_query_result(&out, NULL, &result, true);
	expect("{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[0,\"2\"],\"stats\":{"
		   "\"timings\":{\"evalTotalTime\":1.5,\"resultSortTime\":0.25,\"queryPreparationTime\":0.5,\"innerEvalTime\":1,"
		   "\"execQueueTime\":0,\"execTotalTime\":1.5},"
		   "\"samples\":{\"totalQueryableSamples\":12,\"peakSamples\":7}}}}");
}
END_TEST

START_TEST(vectors)
{
	int64_t		t = 1435781451781;
	double		v[] = {1, NAN};
	TsdbSeriesData series[] =
	{
		{labels_of("up{job=\"a<b\"}"), 1, &t, &v[0]},
		{labels_of("{}"), 1, &t, &v[1]},
	};
	TsdbQueryResult result = {.type = TSDB_VALUE_VECTOR, .t = t, .series = series, .n_series = 2};

	tsdb_json_query_result(&out, NULL, &result, false);
	expect("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
		   "{\"metric\":{\"__name__\":\"up\",\"job\":\"a<b\"},\"value\":[1435781451.781,\"1\"]},"
		   "{\"metric\":{},\"value\":[1435781451.781,\"NaN\"]}]}}");
	result.n_series = 0;
	tsdb_json_query_result(&out, NULL, &result, false);
	expect("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}");
}
END_TEST

START_TEST(matrices)
{
	int64_t		t[] = {0, 15000, 30000};
	double		v[] = {1, 2.5, INFINITY};
	TsdbSeriesData series[] = {{labels_of("x"), 3, t, v}, {labels_of("y"), 0, NULL, NULL}};
	TsdbQueryResult result = {.type = TSDB_VALUE_MATRIX, .series = series, .n_series = 2};

	tsdb_json_query_result(&out, NULL, &result, false);
	expect("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
		   "{\"metric\":{\"__name__\":\"x\"},\"values\":[[0,\"1\"],[15,\"2.5\"],[30,\"+Inf\"]]},"
		   "{\"metric\":{\"__name__\":\"y\"}}]}}");
}
END_TEST

START_TEST(annotations_are_cut_at_ten)
{
	TsdbStr		texts[12];
	TsdbQueryResult result = {.type = TSDB_VALUE_VECTOR, .warnings = texts, .n_warnings = 12,
	.infos = texts, .n_infos = 1};

	for (size_t i = 0; i < TSDB_COUNT(texts); i++)
		texts[i] = TSDB_STR("w>");
	tsdb_json_query_result(&out, NULL, &result, false);
	expect("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]},\"warnings\":["
		   "\"w\\u003e\",\"w\\u003e\",\"w\\u003e\",\"w\\u003e\",\"w\\u003e\","
		   "\"w\\u003e\",\"w\\u003e\",\"w\\u003e\",\"w\\u003e\",\"w\\u003e\","
		   "\"2 more warning annotations omitted\"],\"infos\":[\"w\\u003e\"]}");
	result.n_warnings = 10;
	result.infos = texts;
	result.n_infos = 11;
	tsdb_json_query_result(&out, NULL, &result, false);
	ck_assert_ptr_null(strstr(tsdb_buffer_cstring(&out), "warning annotations"));
	ck_assert_ptr_nonnull(strstr(tsdb_buffer_cstring(&out), "\"1 more info annotations omitted\"]}"));
}
END_TEST

START_TEST(errors)
{
	tsdb_json_error(&out, "bad_data", TSDB_STR("invalid parameter \"query\": 1:3: parse error: unexpected <op:>>"));
	expect("{\"status\":\"error\",\"errorType\":\"bad_data\","
		   "\"error\":\"invalid parameter \\\"query\\\": 1:3: parse error: unexpected \\u003cop:\\u003e\\u003e\"}");
}
END_TEST

START_TEST(lists_of_series_and_strings)
{
	TsdbLabels	series[] = {labels_of("a{b=\"<&>\"}"), labels_of("{}")};
	TsdbStrTable table;

	tsdb_json_series(&out, NULL, series, 2, false);
	expect("{\"status\":\"success\",\"data\":[{\"__name__\":\"a\",\"b\":\"<&>\"},{}]}");
	tsdb_json_series(&out, NULL, series, 0, false);
	expect("{\"status\":\"success\",\"data\":[]}");
	tsdb_json_series(&out, NULL, series, 1, true);
	expect("{\"status\":\"success\",\"data\":[{\"__name__\":\"a\",\"b\":\"<&>\"}],"
		   "\"warnings\":[\"results truncated due to limit\"]}");

	tsdb_str_table_init(&table, &arena);
	tsdb_json_strings(&out, NULL, &table, 0, false);
	expect("{\"status\":\"success\",\"data\":[]}");
	tsdb_str_table_add(&table, TSDB_STR("b"));
	tsdb_str_table_add(&table, TSDB_STR("<a>"));
	tsdb_str_table_add(&table, TSDB_STR("b"));
	tsdb_str_table_sort(&table);
	tsdb_json_strings(&out, NULL, &table, table.n, false);
	expect("{\"status\":\"success\",\"data\":[\"\\u003ca\\u003e\",\"b\"]}");
	tsdb_json_text(&out, TSDB_STR("a\n> b"));
	expect("{\"status\":\"success\",\"data\":\"a\\n\\u003e b\"}");
}
END_TEST

START_TEST(metadata_is_grouped_by_metric)
{
	TsdbMetadata definitions[] =
	{
		{TSDB_STR("a"), TSDB_STR("counter"), TSDB_STR("Of <a>."), {NULL, 0}},
		{TSDB_STR("a"), TSDB_STR("gauge"), TSDB_STR("Of <a>."), {NULL, 0}},
		{TSDB_STR("b"), {NULL, 0}, {NULL, 0}, TSDB_STR("bytes")},
	};

	tsdb_json_metadata(&out, NULL, definitions, 3);
	expect("{\"status\":\"success\",\"data\":{"
		   "\"a\":[{\"type\":\"counter\",\"unit\":\"\",\"help\":\"Of \\u003ca\\u003e.\"},"
		   "{\"type\":\"gauge\",\"unit\":\"\",\"help\":\"Of \\u003ca\\u003e.\"}],"
		   "\"b\":[{\"type\":\"unknown\",\"unit\":\"bytes\",\"help\":\"\"}]}}");
	tsdb_json_metadata(&out, NULL, definitions, 0);
	expect("{\"status\":\"success\",\"data\":{}}");
}
END_TEST

START_TEST(status_shows_the_largest_first)
{
	TsdbHeadFigures head = {3, 1000, 2000};
	TsdbLabelCounts counts;

	tsdb_label_counts_init(&counts, &arena);
	tsdb_label_counts_add(&counts, labels_of("up{job=\"a\"}"));
	tsdb_label_counts_add(&counts, labels_of("up{job=\"b\"}"));
	tsdb_label_counts_add(&counts, labels_of("x{job=\"b\"}"));
	tsdb_json_tsdb_status(&out, NULL, &head, &counts, 2);
	expect("{\"status\":\"success\",\"data\":{\"headStats\":{\"numSeries\":3,\"numLabelPairs\":4,\"chunkCount\":3,"
		   "\"minTime\":1000,\"maxTime\":2000},"
		   "\"seriesCountByMetricName\":[{\"name\":\"up\",\"value\":2},{\"name\":\"x\",\"value\":1}],"
		   "\"labelValueCountByLabelName\":[{\"name\":\"__name__\",\"value\":2},{\"name\":\"job\",\"value\":2}],"
		   "\"memoryInBytesByLabelName\":[{\"name\":\"__name__\",\"value\":35},{\"name\":\"job\",\"value\":18}],"
		   "\"seriesCountByLabelValuePair\":[{\"name\":\"__name__=up\",\"value\":2},{\"name\":\"job=b\",\"value\":2}]}}");
}
END_TEST

START_TEST(names_in_paths_are_unescaped)
{
	static const char *const cases[][2] =
	{
		{"job", "job"}, {"U__", ""}, {"U__job", "job"}, {"U__http_2e_status__code", "http.status_code"}, {"U___e9_", "é"},
		{"U___1F600_", "😀"}, {"U____", "_"}, {"u__a_2e_", "u__a_2e_"},
		/* wrong ones mean themselves */
		{"U___", "U___"}, {"U__a_2e", "U__a_2e"}, {"U__a_g_", "U__a_g_"}, {"U___d800_", "U___d800_"},
		{"U___110000_", "U___110000_"}, {"U___0000061_", "U___0000061_"}, {"U", "U"},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbStr		name = tsdb_json_label_name(&arena, tsdb_str(cases[i][0]));

		ck_assert_msg(tsdb_str_equal(name, tsdb_str(cases[i][1])), "%s: got %.*s", cases[i][0], (int) name.len, name.data);
	}
}
END_TEST

static void
count_interrupt(void *context)
{
	++*(int *) context;
}

START_TEST(interrupts_are_polled_per_series)
{
	int64_t		t = 0;
	double		v = 0;
	int			polls = 0;
	TsdbEnv		env = {count_interrupt, &polls};
	TsdbSeriesData series[] = {{labels_of("a"), 1, &t, &v}, {labels_of("b"), 1, &t, &v}, {labels_of("c"), 1, &t, &v}};
	TsdbQueryResult result = {.type = TSDB_VALUE_MATRIX, .series = series, .n_series = 3};

	tsdb_json_query_result(&out, &env, &result, false);
	ck_assert_int_eq(polls, 3);
}
END_TEST

Suite	   *json_suite(void);

START_TEST(features_are_an_object_of_objects_of_booleans)
{
	const char *json;

	tsdb_json_features(&out, true);
	json = tsdb_buffer_cstring(&out);
	ck_assert_ptr_nonnull(strstr(json, "{\"status\":\"success\",\"data\":{\"api\":{\"admin\":true,"));
	ck_assert_ptr_nonnull(strstr(json, "},\"promql\":{\"delayed_name_removal\":true,\"anchored\":true,"));
	ck_assert_ptr_nonnull(strstr(json, "},\"promql_functions\":{\"abs\":true,"));
	ck_assert_ptr_nonnull(strstr(json, ",\"</\":false,\">/\":false,"));
	ck_assert_ptr_nonnull(strstr(json, "\"native_histograms\":false}}}"));
	ck_assert_ptr_null(strstr(json, ",}"));
	ck_assert_ptr_null(strstr(json, "{,"));
}
END_TEST

Suite *
json_suite(void)
{
	Suite	   *suite = suite_create("json");
	TCase	   *basics = tcase_create("basics");
	TCase	   *results = tcase_create("results");
	TCase	   *catalogue = tcase_create("catalogue");

	tcase_add_checked_fixture(basics, setup, teardown);
	tcase_add_checked_fixture(basics, start_output, NULL);
	tcase_add_test(basics, strings_escape_what_json_needs);
	tcase_add_test(basics, html_is_escaped_in_messages_only);
	tcase_add_test(basics, bytes_that_are_not_utf8_become_the_replacement_character);
	tcase_add_test(basics, timestamps_have_the_decimals_they_need);
	tcase_add_test(basics, values_are_strings_with_exponents_outside_the_plain_range);
	suite_add_tcase(suite, basics);
	tcase_add_checked_fixture(results, setup, teardown);
	tcase_add_checked_fixture(results, start_output, NULL);
	tcase_add_test(results, scalars_and_strings);
	tcase_add_test(results, statistics_stand_in_the_data);
	tcase_add_test(results, vectors);
	tcase_add_test(results, matrices);
	tcase_add_test(results, annotations_are_cut_at_ten);
	tcase_add_test(results, errors);
	tcase_add_test(results, interrupts_are_polled_per_series);
	suite_add_tcase(suite, results);
	tcase_add_checked_fixture(catalogue, setup, teardown);
	tcase_add_checked_fixture(catalogue, start_output, NULL);
	tcase_add_test(catalogue, lists_of_series_and_strings);
	tcase_add_test(catalogue, metadata_is_grouped_by_metric);
	tcase_add_test(catalogue, status_shows_the_largest_first);
	tcase_add_test(catalogue, names_in_paths_are_unescaped);
	tcase_add_test(catalogue, features_are_an_object_of_objects_of_booleans);
	suite_add_tcase(suite, catalogue);
	return suite;
}
