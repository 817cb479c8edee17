/*
 * test_gateway.c
 *		What the gateway makes of the bytes that clients write.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "core/json/json.h"
#include "core/labels/labels.h"
#include "fixture.h"
#include "gateway/parse/parse.h"

/* ---- forms ---- */

static const char *
parameter_of(const char *form, const char *name)
{
	static char value[256];
	GwParameters parameters = {0};

	ck_assert_ptr_null(gw_parameters_add(&parameters, form, strlen(form)));
	snprintf(value, sizeof(value), "%s", gw_parameter(&parameters, name));
	gw_parameters_free(&parameters);
	return value;
}

START_TEST(forms_decode)
{
	ck_assert_str_eq(parameter_of("a=1&b=2", "b"), "2");
	ck_assert_str_eq(parameter_of("a=1&a=2", "a"), "1");
	ck_assert_str_eq(parameter_of("a=1", "b"), "");
	ck_assert_str_eq(parameter_of("a", "a"), "");
	ck_assert_str_eq(parameter_of("", "a"), "");
	ck_assert_str_eq(parameter_of("&&a=x&", "a"), "x");
	ck_assert_str_eq(parameter_of("a=x+y%2Bz%20", "a"), "x y+z ");
	ck_assert_str_eq(parameter_of("match%5B%5D=%7Bx%3D%22%C3%A4%22%7D", "match[]"), "{x=\"\xc3\xa4\"}");
	ck_assert_str_eq(parameter_of("a=b=c", "a"), "b=c");
}
END_TEST

START_TEST(bad_forms_are_refused)
{
	static const char *const forms[] = {"a=%", "a=%1", "a=%zz", "%g1=1", "a=%00", "a=%ff", "a=\xc3", "a=%ed%a0%80"};
	GwParameters parameters = {0};
	GwBuffer	many = {0};

	for (size_t i = 0; i < TSDB_COUNT(forms); i++)
		ck_assert_ptr_nonnull(gw_parameters_add(&parameters, forms[i], strlen(forms[i])));
	for (int i = 0; i <= GW_MAX_PARAMETERS; i++)
		gw_buffer_puts(&many, "a=1&");
	ck_assert_ptr_nonnull(gw_parameters_add(&parameters, many.data, many.len));
	ck_assert_uint_eq(parameters.n, GW_MAX_PARAMETERS);
	gw_buffer_free(&many);
	gw_parameters_free(&parameters);
}
END_TEST

/* ---- answers to range queries ---- */

#define ANSWER(series, notes) "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" series "]}" notes "}"
#define SERIES(metric, points) "{\"metric\":" metric ",\"values\":[" points "]}"
#define A "{\"__name__\":\"m\",\"n\":\"a\"}"
#define B "{\"__name__\":\"m\",\"n\":\"b\"}"

static GwMatrix
matrix_of(const char *json)
{
	GwMatrix	matrix;

	ck_assert_msg(gw_matrix_parse(json, strlen(json), &matrix), "%s", json);
	return matrix;
}

static void
check_joined(const char *early, int64_t from, int64_t middle, const char *late, int64_t to, const char *expected)
{
	GwMatrix	matrices[] = {matrix_of(early), matrix_of(late)};
	GwBuffer	out = {0};

	gw_matrix_join(&(GwMatrixPiece) {&matrices[0], from, middle}, &(GwMatrixPiece) {&matrices[1], middle + 1, to}, &out);
	ck_assert_str_eq(out.data, expected);
	gw_buffer_free(&out);
	gw_matrix_free(&matrices[0]);
	gw_matrix_free(&matrices[1]);
}

START_TEST(answers_are_cut_and_joined)
{
	static const char points[] = "[1,\"1\"],[1.001,\"2\"],[1.25,\"NaN\"],[2,\"+Inf\"],[1700000000.5,\"1e+21\"]";
	char		answer[512];

	snprintf(answer, sizeof(answer), ANSWER(SERIES(A, "%s"), ""), points);
	check_joined(ANSWER("", ""), 0, 0, ANSWER("", ""), INT64_MAX, ANSWER("", ""));
	check_joined(answer, INT64_MIN, INT64_MAX - 1, ANSWER("", ""), INT64_MAX, answer);
	check_joined(ANSWER("", ""), 0, 0, answer, INT64_MAX, answer);
	check_joined(answer, 1001, 1999, ANSWER("", ""), 0, ANSWER(SERIES(A, "[1.001,\"2\"],[1.25,\"NaN\"]"), ""));
	check_joined(answer, 1002, 1250, ANSWER("", ""), 0, ANSWER(SERIES(A, "[1.25,\"NaN\"]"), ""));
	check_joined(answer, 1251, 1999, ANSWER("", ""), 0, ANSWER("", ""));
	check_joined(answer, INT64_C(1700000000500), INT64_MAX - 1, ANSWER("", ""), 0, ANSWER(SERIES(A, "[1700000000.5,\"1e+21\"]"), ""));
	check_joined(answer, 0, 1001, answer, 2000,
				 ANSWER(SERIES(A, "[1,\"1\"],[1.001,\"2\"],[1.25,\"NaN\"],[2,\"+Inf\"]"), ""));
	check_joined(ANSWER(SERIES("{}", "[1,\"2\"]") "," SERIES(A, "[1,\"1\"]"), ""), 0, 2000,
				 ANSWER(SERIES(A, "[3,\"3\"]") "," SERIES(B, "[3,\"4\"]"), ",\"infos\":[\"i\"]"), 3000,
				 ANSWER(SERIES("{}", "[1,\"2\"]") "," SERIES(A, "[1,\"1\"],[3,\"3\"]") "," SERIES(B, "[3,\"4\"]"), ",\"infos\":[\"i\"]"));
	check_joined(ANSWER(SERIES(A, "[-2.5,\"1\"],[-0.001,\"2\"],[0,\"3\"]"), ""), -1, -1, ANSWER("", ""), 0,
				 ANSWER(SERIES(A, "[-0.001,\"2\"]"), ""));
}
END_TEST

START_TEST(notes_are_compared_as_a_whole)
{
	GwMatrix	none = matrix_of(ANSWER("", ""));
	GwMatrix	one = matrix_of(ANSWER("", ",\"warnings\":[\"w\"]"));
	GwMatrix	other = matrix_of(ANSWER("", ",\"warnings\":[\"v\"]"));
	GwMatrix	many = matrix_of(ANSWER("", ",\"warnings\":[\"w\",\"3 more warning annotations omitted\"]"));

	ck_assert(!gw_matrix_has_notes(&none) && gw_matrix_has_notes(&one));
	ck_assert(gw_matrix_same_notes(&none, &none) && gw_matrix_same_notes(&one, &one));
	ck_assert(!gw_matrix_same_notes(&none, &one) && !gw_matrix_same_notes(&one, &other));
	ck_assert_msg(!gw_matrix_same_notes(&many, &many), "what was omitted may differ");
}
END_TEST

START_TEST(other_answers_are_left_alone)
{
	static const char *const texts[] = {
		"", "{}", "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"x\"}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
		ANSWER("{\"metric\":{}}", ""), ANSWER(SERIES("{}", ""), ""), ANSWER(SERIES("{\"a\":\"b}", "[1,\"1\"]"), ""),
		ANSWER(SERIES("{}", "[1,\"1\"]") ",", ""), ANSWER(SERIES("{}", "[1,\"1\"]") SERIES("{}", "[1,\"1\"]"), "")
	};
	const char *whole = ANSWER(SERIES(A, "[1,\"1\"]") "," SERIES(B, "[1,\"1\"]"), "");
	GwMatrix	matrix;

	for (size_t i = 0; i < TSDB_COUNT(texts); i++)
		ck_assert_msg(!gw_matrix_parse(texts[i], strlen(texts[i]), &matrix), "%s", texts[i]);
	for (size_t len = 0; len < strlen(whole) - 1; len++)
	{
		char	   *part = gw_strndup(whole, len);

		ck_assert_msg(!gw_matrix_parse(part, len, &matrix), "%s", part);
		free(part);
	}
}
END_TEST

/* The order in which the database sends them. */
START_TEST(series_are_in_the_order_of_the_database)
{
	static const char *const sets[] = {
		"{}", "{a=\"b\"}", "{a=\"b\", c=\"d\"}", "{a=\"b!\"}", "{a=\"b \"}", "{a=\"b\\\"\"}", "{a=\"b\\\\\"}", "{a=\"b\\n\"}", "{a=\"b#\"}", "{a=\"bb\"}",
		"{a=\"\xc3\xa4\"}", "{a=\"\xe2\x80\xa8\"}", "{a=\"\xf0\x9f\x98\x80\"}", "{a=\"\x01\"}", "{a=\"\x7f\"}", "{a=\"<\"}", "{a=\"&\"}", "{aa=\"b\"}",
		"{\"a!\"=\"b\"}", "{\"a\\\"\"=\"b\"}", "{b=\"a\"}", "m", "m{a=\"b\"}", "n", "{A=\"x\"}"
	};
	TsdbBuffer	texts[TSDB_COUNT(sets)];
	TsdbLabels	labels[TSDB_COUNT(sets)];
	TsdbError	error;

	for (size_t i = 0; i < TSDB_COUNT(sets); i++)
	{
		ck_assert_msg(tsdb_labels_parse(&arena, tsdb_str(sets[i]), &labels[i], &error) == TSDB_OK, "%s", sets[i]);
		tsdb_buffer_init(&texts[i], &arena, 64);
		tsdb_json_labels(&texts[i], labels[i]);
	}
	for (size_t i = 0; i < TSDB_COUNT(sets); i++)
		for (size_t k = 0; k < TSDB_COUNT(sets); k++)
		{
			int			expected = tsdb_labels_compare(labels[i], labels[k]);
			int			order = gw_compare_metrics((const char *) texts[i].data, texts[i].len, (const char *) texts[k].data, texts[k].len);

			ck_assert_msg((order > 0) - (order < 0) == (expected > 0) - (expected < 0), "%s and %s", sets[i], sets[k]);
		}
}
END_TEST

/* ---- times ---- */

#define TIME_IS(text, expected) do { \
	int64_t ms_; \
	ck_assert_msg(gw_parse_time(text, &ms_), "%s", text); \
	ck_assert_int_eq(ms_, expected); \
} while (0)

START_TEST(times_are_prometheus_times)
{
	static const char *const bad[] = {
		"", "x", " 1", "1 ", "NaN", "0x10", "nan(1)", "2023-11-14", "2023-11-14T22:13:20", "2023-02-29T00:00:00Z",
		"2023-13-01T00:00:00Z", "2023-11-14T24:00:00Z", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20+1:00", "2023-11-14T22:13:20Zx"
	};
	int64_t		ms;

	TIME_IS("0", 0);
	TIME_IS("4", 4000);
	TIME_IS("1435781451.05", 1435781451050);
	TIME_IS("1435781451.781", 1435781451781);
	TIME_IS("-1.5", -1500);
	TIME_IS("1e3", 1000000);
	TIME_IS("1e300", INT64_C(1000000000000000000));
	TIME_IS("-Inf", -INT64_C(1000000000000000000));
	TIME_IS("1970-01-01T00:00:00Z", 0);
	TIME_IS("2023-11-14T22:13:20Z", 1700000000000);
	TIME_IS("2023-11-14T22:13:20.123456789Z", 1700000000123);
	TIME_IS("2023-11-14T22:13:20.5Z", 1700000000500);
	TIME_IS("2023-11-15T00:13:20+02:00", 1700000000000);
	TIME_IS("2023-11-14T20:43:20-01:30", 1700000000000);
	TIME_IS("2024-02-29T00:00:00Z", 1709164800000);
	TIME_IS("1969-12-31T23:59:59.999Z", -1);
	TIME_IS("0000-03-01T00:00:00Z", -62162035200000);
	TIME_IS("9999-12-31T23:59:59Z", 253402300799000);
	for (size_t i = 0; i < TSDB_COUNT(bad); i++)
		ck_assert_msg(!gw_parse_time(bad[i], &ms), "%s", bad[i]);
}
END_TEST

#define DURATION_IS(text, expected) do { \
	int64_t ns_; \
	bool overflow_; \
	ck_assert_msg(gw_parse_duration(text, &ns_, &overflow_), "%s", text); \
	ck_assert_int_eq(ns_, expected); \
} while (0)

START_TEST(durations_are_prometheus_durations)
{
	static const char *const bad[] = {"", "x", "1x", "1m1h", "1h1h", "h", "1 h", "-1h", "1.5h", "99999999999999999999s", "300000000y"};
	int64_t		ns;
	bool		overflow;

	DURATION_IS("0", 0);
	DURATION_IS("15", 15000000000);
	DURATION_IS("0.5", 500000000);
	DURATION_IS("-1", -1000000000);
	DURATION_IS("1h30m", 5400000000000);
	DURATION_IS("1y2w3d4h5m6s7ms", 33019506007000000);
	DURATION_IS("100ms", 100000000);
	DURATION_IS("0s", 0);
	for (size_t i = 0; i < TSDB_COUNT(bad); i++)
		ck_assert_msg(!gw_parse_duration(bad[i], &ns, &overflow), "%s", bad[i]);
	ck_assert(!gw_parse_duration("1e10", &ns, &overflow) && overflow);
	ck_assert(!gw_parse_duration("NaN", &ns, &overflow) && !overflow);
}
END_TEST

/* ---- headers ---- */

START_TEST(authorization_is_basic_or_bearer)
{
	static const char *const bad[] = {
		"Digest x", "Basic", "Basic !!!!", "Basic YWxpY2U=", "Basic OnB3", "Basic YQBiOmM=", "Bearer ", "Bearer a b", "x"
	};
	GwAuthorization authorization;

	ck_assert_ptr_null(gw_parse_authorization(NULL, &authorization));
	ck_assert_int_eq(authorization.kind, GW_NO_AUTHORIZATION);
	ck_assert_ptr_null(gw_parse_authorization("basic YWxpY2U6d29uZGVyOmxhbmQ=", &authorization));
	ck_assert_int_eq(authorization.kind, GW_BASIC);
	ck_assert_str_eq(authorization.user, "alice");
	ck_assert_str_eq(authorization.secret, "wonder:land");
	gw_authorization_free(&authorization);
	ck_assert_ptr_null(gw_parse_authorization("Bearer  abc.def", &authorization));
	ck_assert_int_eq(authorization.kind, GW_BEARER);
	ck_assert_str_eq(authorization.secret, "abc.def");
	gw_authorization_free(&authorization);
	for (size_t i = 0; i < TSDB_COUNT(bad); i++)
		ck_assert_msg(gw_parse_authorization(bad[i], &authorization) != NULL, "%s", bad[i]);
	ck_assert(gw_same_secret("abc", "abc") && !gw_same_secret("abc", "abd") && !gw_same_secret("abc", "abcabc") &&
			  !gw_same_secret("", "a") && !gw_same_secret("a", ""));
}
END_TEST

START_TEST(headers_choose_formats)
{
	ck_assert_int_eq(gw_write_format("application/x-protobuf"), GW_REMOTE_WRITE_1);
	ck_assert_int_eq(gw_write_format("application/x-protobuf; proto=prometheus.WriteRequest"), GW_REMOTE_WRITE_1);
	ck_assert_int_eq(gw_write_format("application/x-protobuf;proto=io.prometheus.write.v2.Request"), GW_REMOTE_WRITE_2);
	ck_assert_int_eq(gw_write_format("application/x-protobuf;proto=other"), GW_UNKNOWN_FORMAT);
	ck_assert_int_eq(gw_write_format("application/x-protobuf2"), GW_UNKNOWN_FORMAT);
	ck_assert_int_eq(gw_write_format(NULL), GW_UNKNOWN_FORMAT);
	ck_assert(gw_accepts_gzip("gzip") && gw_accepts_gzip("br, GZIP ;q=0.5") && gw_accepts_gzip("deflate,gzip"));
	ck_assert(!gw_accepts_gzip(NULL) && !gw_accepts_gzip("") && !gw_accepts_gzip("gzip;q=0") && !gw_accepts_gzip("gzip; q=0.00") &&
			  !gw_accepts_gzip("xgzip"));
	ck_assert(gw_is_media_type("a/b; charset=utf-8", "a/b") && !gw_is_media_type("a/bc", "a/b"));
}
END_TEST

/* ---- gzip ---- */

static size_t
pack(const void *bytes, size_t len, uint8_t *packed, size_t size)
{
	z_stream	stream = {0};

	ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (Bytef *) bytes;
	stream.avail_in = (uInt) len;
	stream.next_out = packed;
	stream.avail_out = (uInt) size;
	ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return size - stream.avail_out;
}

START_TEST(gzip_unpacks_up_to_a_limit)
{
	static const char zeros[300000];
	uint8_t		packed[4096];
	size_t		len = pack("hello", 5, packed, sizeof(packed));
	size_t		second = pack(" you", 4, packed + len, sizeof(packed) - len);
	GwBuffer	plain = {0};
	bool		too_large;

	ck_assert_ptr_null(gw_gunzip(packed, len, 5, &plain, &too_large));
	ck_assert_str_eq(plain.data, "hello");
	gw_buffer_free(&plain);
	ck_assert_ptr_null(gw_gunzip(packed, len + second, 100, &plain, &too_large));
	ck_assert_str_eq(plain.data, "hello you");
	gw_buffer_free(&plain);
	for (size_t cut = 0; cut < len; cut++)
	{
		ck_assert_ptr_nonnull(gw_gunzip(packed, cut, 100, &plain, &too_large));
		ck_assert(!too_large);
		gw_buffer_free(&plain);
	}
	len = pack(zeros, sizeof(zeros), packed, sizeof(packed));
	ck_assert_ptr_nonnull(gw_gunzip(packed, len, 100000, &plain, &too_large));
	ck_assert(too_large && plain.len < 200000);
	gw_buffer_free(&plain);
}
END_TEST

/* ---- quoting ---- */

START_TEST(quotes_hold_any_text)
{
	GwBuffer	out = {0};

	gw_quote_json(&out, "a\"\\\n\xc3\xa4\xff\x01", 8);
	ck_assert_str_eq(out.data, "\"a\\\"\\\\\\u000a\xc3\xa4\\ufffd\\u0001\"");
	out.len = 0;
	gw_quote_element(&out, "{a=\"b\\n\"}");
	ck_assert_str_eq(out.data, "\"{a=\\\"b\\\\n\\\"}\"");
	out.len = 0;
	gw_quote_go(&out, "a\"\n\x01");
	ck_assert_str_eq(out.data, "\"a\\\"\\n\\x01\"");
	gw_buffer_free(&out);
}
END_TEST

extern Suite *gateway_suite(void);

Suite *
gateway_suite(void)
{
	Suite	   *suite = suite_create("gateway");
	TCase	   *cases = tcase_create("gateway");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, forms_decode);
	tcase_add_test(cases, bad_forms_are_refused);
	tcase_add_test(cases, answers_are_cut_and_joined);
	tcase_add_test(cases, notes_are_compared_as_a_whole);
	tcase_add_test(cases, other_answers_are_left_alone);
	tcase_add_test(cases, series_are_in_the_order_of_the_database);
	tcase_add_test(cases, times_are_prometheus_times);
	tcase_add_test(cases, durations_are_prometheus_durations);
	tcase_add_test(cases, authorization_is_basic_or_bearer);
	tcase_add_test(cases, headers_choose_formats);
	tcase_add_test(cases, gzip_unpacks_up_to_a_limit);
	tcase_add_test(cases, quotes_hold_any_text);
	suite_add_tcase(suite, cases);
	return suite;
}
