/*
 * test_gateway.c
 *		What the gateway makes of the bytes that clients write.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

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
	tcase_add_test(cases, times_are_prometheus_times);
	tcase_add_test(cases, durations_are_prometheus_durations);
	tcase_add_test(cases, authorization_is_basic_or_bearer);
	tcase_add_test(cases, headers_choose_formats);
	tcase_add_test(cases, gzip_unpacks_up_to_a_limit);
	tcase_add_test(cases, quotes_hold_any_text);
	suite_add_tcase(suite, cases);
	return suite;
}
