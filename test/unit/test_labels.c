/*
 * test_labels.c
 *		Label sets, their encoding and text, and matchers.
 */
#include <stdio.h>

#include "core/labels/labels.h"
#include "fixture.h"

static TsdbLabels
parsed(const char *text)
{
	TsdbLabels	labels;

	ck_assert_msg(tsdb_labels_parse(&arena, tsdb_str(text), &labels, &error) == TSDB_OK, "%s: %s", text, error.message);
	return labels;
}

static const char *
printed(TsdbLabels labels)
{
	TsdbBuffer	out;

	tsdb_buffer_init(&out, &arena, 0);
	tsdb_labels_print(&out, labels);
	return tsdb_buffer_cstring(&out);
}

START_TEST(sets_are_sorted_and_have_no_empty_value)
{
	TsdbLabel	pairs[300];
	TsdbLabels	labels;

	for (int i = 0; i < 300; i++)
	{
		char		name[16];
		int			len = snprintf(name, sizeof(name), "n%03d", i * 7 % 300);

		pairs[i].name = (TsdbStr){tsdb_strndup(&arena, name, (size_t) len), (size_t) len};
		pairs[i].value = i % 3 == 0 ? TSDB_STR("") : pairs[i].name;
	}
	ck_assert_int_eq(tsdb_labels_make(pairs, 300, &labels, &error), TSDB_OK);
	ck_assert_uint_eq(labels.n, 200);
	for (size_t i = 1; i < labels.n; i++)
		ck_assert_int_lt(tsdb_str_compare(labels.pairs[i - 1].name, labels.pairs[i].name), 0);
}
END_TEST

START_TEST(bad_sets_are_refused)
{
	static const struct
	{
		TsdbLabel	pairs[2];
		TsdbStatus	status;
	}			cases[] = {
		{{{TSDB_STR("a"), TSDB_STR("1")}, {TSDB_STR("a"), TSDB_STR("2")}}, TSDB_ERR_LABELS},
		{{{TSDB_STR("a"), TSDB_STR("")}, {TSDB_STR("a"), TSDB_STR("2")}}, TSDB_ERR_LABELS},
		{{{TSDB_STR(""), TSDB_STR("1")}, {TSDB_STR("a"), TSDB_STR("2")}}, TSDB_ERR_LABELS},
		{{{TSDB_STR("a"), TSDB_STR("\xff")}, {TSDB_STR("b"), TSDB_STR("2")}}, TSDB_ERR_ENCODING},
		{{{TSDB_STR("a\xc0\x80"), TSDB_STR("1")}, {TSDB_STR("b"), TSDB_STR("2")}}, TSDB_ERR_ENCODING},
		{{{TSDB_STR("a"), TSDB_STR("x\0y")}, {TSDB_STR("b"), TSDB_STR("2")}}, TSDB_ERR_ENCODING},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbLabel	pairs[2];
		TsdbLabels	labels;

		memcpy(pairs, cases[i].pairs, sizeof(pairs));
		ck_assert_int_eq(tsdb_labels_make(pairs, 2, &labels, &error), cases[i].status);
		ck_assert_str_ne(error.message, "");
	}
}
END_TEST

START_TEST(text_reads_back)
{
	static const char *const texts[] = {
		"up", "{}", "up{job=\"a\"}", "{a=\"1\", b=\"2\"}", "a:b{c=\"d\"}", "{\"my.metric\", \"x.y\"=\"z\"}", "{a=\"q\\\"\\\\\\n\\t\\x01\"}",
		"up{a=\"\xc3\xa9\"}",
	};

	for (size_t i = 0; i < TSDB_COUNT(texts); i++)
		ck_assert_str_eq(printed(parsed(texts[i])), texts[i]);
	ck_assert_str_eq(printed(parsed(" up { b = \"2\" , a=\"1\", } ")), "up{a=\"1\", b=\"2\"}");
	ck_assert_str_eq(printed(parsed("{__name__=\"up\",x=\"\"}")), "up");
	ck_assert_str_eq(printed(parsed("{a=\"\\u00e9\\U0001F600\\a\\x41\"}")), "{a=\"\xc3\xa9\xf0\x9f\x98\x80\\aA\"}");
}
END_TEST

START_TEST(quotes_escape_what_is_not_utf8)
{
	TsdbBuffer	quoted;

	tsdb_buffer_init(&quoted, &arena, 16);
	tsdb_quote(&quoted, (TsdbStr) {"a\xc5z\xc3\xa4\xe2\x82", 7});
	ck_assert_str_eq(tsdb_buffer_cstring(&quoted), "\"a\\xc5z\xc3\xa4\\xe2\\x82\"");
}
END_TEST

START_TEST(bad_text_names_the_place)
{
	static const struct
	{
		const char *text;
		int			start;
	}			cases[] = {
		{"", 0}, {"up{", 3}, {"up{a", 4}, {"up{a=", 5}, {"up{a=b}", 5}, {"up{a=\"b}", 8}, {"up{a=\"b\" c=\"d\"}", 9}, {"up x", 3}, {"1up", 0},
		{"{a=\"\\q\"}", 5}, {"{a=\"\\xg0\"}", 6}, {"{a=\"\\ud800\"}", 10}, {"{=\"b\"}", 1}, {"up{}}", 4},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbLabels	labels;

		ck_assert_msg(tsdb_labels_parse(&arena, tsdb_str(cases[i].text), &labels, &error) == TSDB_ERR_SYNTAX, "%s", cases[i].text);
		ck_assert_msg(error.start == cases[i].start, "%s: %d: %s", cases[i].text, (int) error.start, error.message);
	}
	ck_assert_int_eq(tsdb_labels_parse(&arena, TSDB_STR("up{__name__=\"x\"}"), &(TsdbLabels){0}, &error), TSDB_ERR_LABELS);
	ck_assert_int_eq(tsdb_labels_parse(&arena, TSDB_STR("{a=\"\\xff\"}"), &(TsdbLabels){0}, &error), TSDB_ERR_ENCODING);
}
END_TEST

START_TEST(a_label_is_found_in_encoded_bytes)
{
	char		text[400];
	TsdbLabels	labels;
	TsdbBuffer	bytes;

	snprintf(text, sizeof(text), "up{a=\"1\", job=\"%0200d\", z=\"\xc3\xa9\"}", 7);
	labels = parsed(text);
	tsdb_buffer_init(&bytes, &arena, 0);
	tsdb_labels_encode(&bytes, labels);
	for (size_t i = 0; i < labels.n; i++)
		ck_assert(tsdb_str_equal(tsdb_labels_find(bytes.data, bytes.len, labels.pairs[i].name), labels.pairs[i].value));
	ck_assert_ptr_null(tsdb_labels_find(bytes.data, bytes.len, TSDB_STR("jo")).data);
	ck_assert_ptr_null(tsdb_labels_find(bytes.data, bytes.len, TSDB_STR("zz")).data);
	/* of damaged bytes nothing behind their end is read, and what is found is a value of that label or less */
	for (size_t len = 0; len < bytes.len; len++)
	{
		uint8_t    *part = tsdb_alloc(&arena, len);

		memcpy(part, bytes.data, len);
		for (size_t i = 0; i < labels.n; i++)
		{
			TsdbStr		value = tsdb_labels_find(part, len, labels.pairs[i].name);

			ck_assert(value.data == NULL || tsdb_str_equal(value, labels.pairs[i].value));
		}
	}
}
END_TEST

START_TEST(encoding_reads_back_and_nothing_else_does)
{
	TsdbLabels	labels = parsed("up{a=\"1\", b=\"\xc3\xa9\", job=\"x\"}");
	TsdbLabels	decoded;
	TsdbBuffer	bytes;

	tsdb_buffer_init(&bytes, &arena, 0);
	tsdb_labels_encode(&bytes, labels);
	ck_assert_int_eq(tsdb_labels_decode(&arena, bytes.data, bytes.len, &decoded, &error), TSDB_OK);
	ck_assert(tsdb_labels_equal(labels, decoded));
	ck_assert(tsdb_labels_equal(labels, tsdb_labels_view(&arena, bytes.data, bytes.len)));
	for (size_t len = 0; len < bytes.len; len++)
	{
		uint8_t    *part = tsdb_alloc(&arena, len);

		memcpy(part, bytes.data, len);
		ck_assert_int_eq(tsdb_labels_decode(&arena, part, len, &decoded, &error), TSDB_ERR_CORRUPT);
		ck_assert_uint_le(tsdb_labels_view(&arena, part, len).n, labels.n);
	}
	/* a changed byte is another valid set or an error, and what decodes encodes to the same bytes */
	for (size_t at = 0; at < bytes.len; at++)
		for (int bit = 0; bit < 8; bit++)
		{
			TsdbBuffer	again;

			bytes.data[at] ^= (uint8_t) (1 << bit);
			if (tsdb_labels_decode(&arena, bytes.data, bytes.len, &decoded, &error) == TSDB_OK)
			{
				tsdb_buffer_init(&again, &arena, 0);
				tsdb_labels_encode(&again, decoded);
				ck_assert_uint_eq(again.len, bytes.len);
				ck_assert_mem_eq(again.data, bytes.data, bytes.len);
			}
			bytes.data[at] ^= (uint8_t) (1 << bit);
		}
}
END_TEST

START_TEST(hash_is_that_of_the_encoding)
{
	char		value[5000];
	TsdbLabel	pair = {TSDB_STR("a"), {value, sizeof(value)}};
	TsdbLabels	large = {&pair, 1};
	TsdbLabels	sets[2];

	memset(value, 'x', sizeof(value));
	sets[0] = large;
	sets[1] = parsed("up{a=\"1\"}");
	for (int i = 0; i < 2; i++)
	{
		TsdbHash	hash = tsdb_labels_hash(&arena, sets[i]);
		TsdbHash	expected;
		TsdbBuffer	bytes;

		tsdb_buffer_init(&bytes, &arena, 0);
		tsdb_labels_encode(&bytes, sets[i]);
		expected = tsdb_hash(bytes.data, bytes.len, 0);
		ck_assert(hash.lo == expected.lo && hash.hi == expected.hi);
	}
}
END_TEST

START_TEST(order_is_that_of_prometheus)
{
	static const char *const ascending[] = {
		"{}", "up", "up{a=\"1\"}", "up{a=\"1\", b=\"1\"}", "up{a=\"2\"}", "up{b=\"1\"}", "{a=\"1\"}", "{a=\"1\", b=\"0\"}", "{b=\"0\"}",
	};

	for (size_t i = 0; i < TSDB_COUNT(ascending); i++)
		for (size_t j = 0; j < TSDB_COUNT(ascending); j++)
		{
			int			order = tsdb_labels_compare(parsed(ascending[i]), parsed(ascending[j]));

			ck_assert_int_eq((order > 0) - (order < 0), (i > j) - (i < j));
		}
}
END_TEST

START_TEST(absent_label_is_the_empty_value)
{
	static const struct
	{
		TsdbMatchType type;
		const char *name;
		const char *value;
		bool		match;
		const char *text;
	}			cases[] = {
		{TSDB_MATCH_EQUAL, "job", "a", true, "job=\"a\""}, {TSDB_MATCH_EQUAL, "job", "b", false, "job=\"b\""},
		{TSDB_MATCH_EQUAL, "none", "", true, "none=\"\""}, {TSDB_MATCH_NOT_EQUAL, "none", "", false, "none!=\"\""},
		{TSDB_MATCH_NOT_EQUAL, "job", "b", true, "job!=\"b\""}, {TSDB_MATCH_REGEX, "none", ".*", true, "none=~\".*\""},
		{TSDB_MATCH_REGEX, "none", ".+", false, "none=~\".+\""}, {TSDB_MATCH_NOT_REGEX, "none", ".+", true, "none!~\".+\""},
		{TSDB_MATCH_REGEX, "job", "a|b", true, "job=~\"a|b\""}, {TSDB_MATCH_NOT_REGEX, "x.y", "z", true, "\"x.y\"!~\"z\""},
	};
	TsdbLabels	labels = parsed("up{job=\"a\"}");

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbMatcher matcher;
		TsdbBuffer	out;

		ck_assert_int_eq(tsdb_matcher_make(&arena, cases[i].type, tsdb_str(cases[i].name), tsdb_str(cases[i].value), &matcher, &error), TSDB_OK);
		ck_assert_int_eq(tsdb_matchers_match(&matcher, 1, labels), cases[i].match);
		tsdb_buffer_init(&out, &arena, 0);
		tsdb_matcher_print(&out, &matcher);
		ck_assert_str_eq(tsdb_buffer_cstring(&out), cases[i].text);
	}
}
END_TEST

Suite *
labels_suite(void)
{
	Suite	   *suite = suite_create("labels");
	TCase	   *tests = tcase_create("labels");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, sets_are_sorted_and_have_no_empty_value);
	tcase_add_test(tests, bad_sets_are_refused);
	tcase_add_test(tests, text_reads_back);
	tcase_add_test(tests, quotes_escape_what_is_not_utf8);
	tcase_add_test(tests, bad_text_names_the_place);
	tcase_add_test(tests, encoding_reads_back_and_nothing_else_does);
	tcase_add_test(tests, a_label_is_found_in_encoded_bytes);
	tcase_add_test(tests, hash_is_that_of_the_encoding);
	tcase_add_test(tests, order_is_that_of_prometheus);
	tcase_add_test(tests, absent_label_is_the_empty_value);
	suite_add_tcase(suite, tests);
	return suite;
}
