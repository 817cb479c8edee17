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

/* Labels of pieces, of parts and neighbours of pieces, and of bytes that no piece has. */
static const char *const encoded_sets[] = {
	"{}", "up", "up{job=\"node\"}", "node_cpu_seconds_total{cpu=\"0\", instance=\"host-1:9100\", job=\"node\", mode=\"idle\"}",
	"up{a=\"job\", b=\"instance\", job=\"instance\", jobs=\"jo\"}", "{jo=\"job\", job=\"o\"}", "{\"\xc3\xa9\"=\"\xc3\xa9\", \"a b\"=\" \"}",
	"up{a=\"\xc3\xa9" "a\xc3\xa9\", b=\"\\x01\\n\", c=\"\x7f\"}", "{kubepods=\"kubepods-burstable-pod\", x=\"_seconds_seconds_total_\"}",
};

static TsdbBuffer
encoded(TsdbLabels labels)
{
	TsdbBuffer	bytes;

	tsdb_buffer_init(&bytes, &arena, 0);
	tsdb_labels_encode(&bytes, labels);
	return bytes;
}

/* In memory of their own, so that no read beyond their end goes unseen. */
static uint8_t *
copied(const uint8_t *data, size_t len)
{
	return len == 0 ? tsdb_alloc(&arena, 0) : memcpy(tsdb_alloc(&arena, len), data, len);
}

/* Whatever these bytes are: they are refused, or the one encoding of what they say. */
static void
check_bytes(const uint8_t *data, size_t len)
{
	TsdbLabels	decoded;
	TsdbLabels	seen = tsdb_labels_view(&arena, data, len);

	if (tsdb_labels_decode(&arena, data, len, &decoded, &error) == TSDB_OK)
	{
		TsdbBuffer	again = encoded(decoded);

		ck_assert_uint_eq(again.len, len);
		ck_assert_mem_eq(again.data, data, len);
		ck_assert(tsdb_labels_equal(decoded, seen));
	}
	else
		ck_assert_int_eq(error.code, TSDB_ERR_CORRUPT);
	for (size_t i = 0; i < seen.n; i++)
		tsdb_labels_find(&arena, data, len, seen.pairs[i].name);
}

START_TEST(encoding_reads_back_and_nothing_else_does)
{
	TsdbLabels	decoded;

	for (size_t set = 0; set < TSDB_COUNT(encoded_sets); set++)
	{
		TsdbLabels	labels = parsed(encoded_sets[set]);
		TsdbBuffer	bytes = encoded(labels);

		ck_assert_int_eq(tsdb_labels_decode(&arena, bytes.data, bytes.len, &decoded, &error), TSDB_OK);
		ck_assert(tsdb_labels_equal(labels, decoded));
		ck_assert(tsdb_labels_equal(labels, tsdb_labels_view(&arena, bytes.data, bytes.len)));
		for (size_t len = 0; len < bytes.len; len++)
		{
			check_bytes(copied(bytes.data, len), len);
			ck_assert_uint_le(tsdb_labels_view(&arena, bytes.data, len).n, labels.n);
		}
		for (size_t at = 0; at < bytes.len; at++)
			for (int byte = 0; byte < 256; byte++)
			{
				uint8_t    *changed = copied(bytes.data, bytes.len);

				changed[at] = (uint8_t) byte;
				check_bytes(changed, bytes.len);
			}
	}
	ck_assert_int_eq(tsdb_labels_decode(&arena, "\x01", 1, &decoded, &error), TSDB_ERR_CORRUPT);
	ck_assert_int_eq(tsdb_labels_decode(&arena, "", 0, &decoded, &error), TSDB_ERR_CORRUPT);
}
END_TEST

/* Text that is cut together from pieces and other bytes reads back, in the fewest codes that the rule allows. */
START_TEST(any_text_reads_back)
{
	static const char *const words[] = {
		"node_cpu_seconds_total", "http_", "_seconds", "_bucket", "conta", "iner_", "\xe6\x97\xa5", "7", "kube_pod_", "1", "\n", ".", "x",
	};
	uint64_t	random = 1;

	for (int round = 0; round < 2000; round++)
	{
		char		text[400];
		size_t		len = 0;
		TsdbLabel	pairs[2] = {{TSDB_STR("job"), TSDB_STR("a")}};
		TsdbLabels	labels;
		TsdbLabels	decoded;
		TsdbBuffer	bytes;

		for (int word = 0; word < 12; word++)
		{
			const char *chosen = words[(random >> 40) % TSDB_COUNT(words)];

			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
			memcpy(text + len, chosen, strlen(chosen));
			len += strlen(chosen);
		}
		pairs[1] = (TsdbLabel){{text, len}, {text, len}};
		ck_assert_int_eq(tsdb_labels_make(pairs, 2, &labels, &error), TSDB_OK);
		bytes = encoded(labels);
		ck_assert_int_eq(tsdb_labels_decode(&arena, bytes.data, bytes.len, &decoded, &error), TSDB_OK);
		ck_assert(tsdb_labels_equal(labels, decoded));
		ck_assert(tsdb_str_equal(tsdb_labels_find(&arena, bytes.data, bytes.len, (TsdbStr){text, len}), (TsdbStr){text, len}));
	}
}
END_TEST

START_TEST(known_words_take_one_byte_or_two)
{
	static const struct
	{
		const char *text;
		size_t		len;
	}			cases[] = {
		{"{}", 1}, {"{job=\"prometheus\"}", 4}, {"{pod=\"node_\"}", 3}, {"{container=\"x\"}", 3}, {"{zzz=\"x\"}", 7}, {"{job=\"\xc3\xa9\"}", 6},
		{"node_cpu_seconds_total{cpu=\"0\", job=\"node\", mode=\"idle\"}", 18},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		size_t		len = encoded(parsed(cases[i].text)).len;

		ck_assert_msg(len <= cases[i].len, "%s: %zu", cases[i].text, len);
	}
}
END_TEST

START_TEST(more_labels_than_a_set_may_have_are_damage)
{
	uint8_t		bytes[1 + 2 * (TSDB_MAX_LABELS + 1)];
	TsdbLabels	labels;
	TsdbBuffer	name = encoded(parsed("{job=\"x\"}"));

	bytes[0] = TSDB_LABELS_VERSION;
	for (size_t i = 1; i < sizeof(bytes); i += 2)
		memcpy(bytes + i, name.data + 1, 2);
	ck_assert_int_eq(tsdb_labels_read(&arena, bytes, sizeof(bytes), &labels, &error), TSDB_ERR_CORRUPT);
	ck_assert_uint_eq(tsdb_labels_view(&arena, bytes, sizeof(bytes)).n, TSDB_MAX_LABELS);
}
END_TEST

/* Bytes that would grow to a multiple of what a set may have are refused before anything is allocated for them. */
START_TEST(few_bytes_do_not_become_very_many)
{
	size_t		len = 16 * 1024 * 1024;
	uint8_t    *bytes = tsdb_alloc(&arena, len);
	TsdbBuffer	long_piece = encoded(parsed("{job=\"process_resident_memory_bytes\"}"));
	TsdbLabels	labels;

	ck_assert_uint_eq(long_piece.len, 4);
	memcpy(bytes, long_piece.data, 2);
	for (size_t i = 2; i < len; i += 2)
		memcpy(bytes + i, long_piece.data + 2, 2);
	ck_assert_int_eq(tsdb_labels_read(&arena, bytes, len, &labels, &error), TSDB_ERR_CORRUPT);
	ck_assert_uint_eq(tsdb_labels_view(&arena, bytes, len).n, 0);
}
END_TEST

START_TEST(a_label_is_found_in_encoded_bytes)
{
	for (size_t set = 0; set < TSDB_COUNT(encoded_sets); set++)
	{
		TsdbLabels	labels = parsed(encoded_sets[set]);
		TsdbBuffer	bytes = encoded(labels);

		for (size_t i = 0; i < labels.n; i++)
			ck_assert(tsdb_str_equal(tsdb_labels_find(&arena, bytes.data, bytes.len, labels.pairs[i].name), labels.pairs[i].value));
		ck_assert_ptr_null(tsdb_labels_find(&arena, bytes.data, bytes.len, TSDB_STR("instanc")).data);
		ck_assert_ptr_null(tsdb_labels_find(&arena, bytes.data, bytes.len, TSDB_STR("zz")).data);
		/* of damaged bytes nothing behind their end is read, and what is found is a value of that label or its beginning */
		for (size_t len = 0; len < bytes.len; len++)
			for (size_t i = 0; i < labels.n; i++)
			{
				TsdbStr		all = labels.pairs[i].value;
				TsdbStr		value = tsdb_labels_find(&arena, copied(bytes.data, len), len, labels.pairs[i].name);

				ck_assert(value.len <= all.len && (value.len == 0 || memcmp(value.data, all.data, value.len) == 0));
			}
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
	tcase_add_test(tests, any_text_reads_back);
	tcase_add_test(tests, known_words_take_one_byte_or_two);
	tcase_add_test(tests, more_labels_than_a_set_may_have_are_damage);
	tcase_add_test(tests, few_bytes_do_not_become_very_many);
	tcase_add_test(tests, a_label_is_found_in_encoded_bytes);
	tcase_add_test(tests, order_is_that_of_prometheus);
	tcase_add_test(tests, absent_label_is_the_empty_value);
	suite_add_tcase(suite, tests);
	return suite;
}
