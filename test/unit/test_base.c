/*
 * test_base.c
 *		Arena, buffers and readers, UTF-8, numbers.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/base.h"
#include "fixture.h"

/* Xorshift: the same numbers in every run. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ---- arena ---- */

START_TEST(arena_objects_are_aligned_and_apart)
{
	TsdbArena	blocks;

	tsdb_arena_init_malloc(&blocks, 1024);
	for (size_t size = 0; size < 3000; size += 7)
	{
		unsigned char *object = tsdb_alloc(&blocks, size);
		unsigned char *next = tsdb_alloc(&blocks, 1);

		ck_assert_uint_eq((uintptr_t) object % 16, 0);
		*next = 0x5a;
		memset(object, 0, size);
		ck_assert_uint_eq(*next, 0x5a);
	}
	tsdb_arena_free(&blocks);
	ck_assert_uint_eq(blocks.acquired, 0);
}
END_TEST

START_TEST(arena_grow_keeps_content)
{
	char	   *text = tsdb_alloc(&arena, 4);

	memcpy(text, "abcd", 4);
	for (size_t size = 4; size < 5000; size += 321)
	{
		text = tsdb_grow(&arena, text, size, size + 321);
		memset(text + size, 'x', 321);
		ck_assert_mem_eq(text, "abcd", 4);
	}
}
END_TEST

/* Small objects leave blocks that are used again, a large one leaves nothing. */
START_TEST(arena_rewind_gives_back_what_came_later)
{
	TsdbArena	blocks;
	char	   *before;
	TsdbArenaMark mark;
	size_t		acquired;
	size_t		kept;

	tsdb_arena_init_malloc(&blocks, 256);
	before = tsdb_strndup(&blocks, "before", 6);
	mark = tsdb_arena_mark(&blocks);
	acquired = blocks.acquired;
	for (int i = 0; i < 100; i++)
		memset(tsdb_alloc(&blocks, 100), i, 100);
	ck_assert_uint_gt(blocks.acquired, acquired);
	kept = blocks.acquired;
	tsdb_arena_rewind(&blocks, mark);
	ck_assert_str_eq(before, "before");
	for (int i = 0; i < 100; i++)
		memset(tsdb_alloc(&blocks, 100), i, 100);
	ck_assert_uint_eq(blocks.acquired, kept);
	memset(tsdb_alloc(&blocks, 10 * 1000 * 1000), 1, 10 * 1000 * 1000);
	ck_assert_uint_gt(blocks.acquired, 10 * 1000 * 1000);
	tsdb_arena_rewind(&blocks, mark);
	ck_assert_uint_eq(blocks.acquired, kept);
	ck_assert_str_eq(before, "before");
	tsdb_arena_free(&blocks);
	ck_assert_uint_eq(blocks.acquired, 0);
}
END_TEST

START_TEST(arena_frees_its_children)
{
	TsdbArena	blocks;
	TsdbArena  *child;
	TsdbArena  *grandchild;

	tsdb_arena_init_malloc(&blocks, 0);
	child = tsdb_arena_child(&blocks);
	grandchild = tsdb_arena_child(child);
	ck_assert_str_eq(tsdb_strndup(child, "child", 5), "child");
	ck_assert_str_eq(tsdb_strndup(grandchild, "grandchild", 10), "grandchild");
	tsdb_arena_free(&blocks);	/* LeakSanitizer tells */
}
END_TEST

/* ---- errors ---- */

START_TEST(error_carries_range_and_is_cut_not_overrun)
{
	TsdbError	error;
	char		huge[3 * TSDB_ERROR_MESSAGE_MAX];

	memset(huge, 'y', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	ck_assert_int_eq(tsdb_fail_at(&error, TSDB_ERR_SYNTAX, 3, 9, "bad %s", huge), TSDB_ERR_SYNTAX);
	ck_assert_int_eq(error.start, 3);
	ck_assert_int_eq(error.end, 9);
	ck_assert_uint_lt(strlen(error.message), TSDB_ERROR_MESSAGE_MAX);
	ck_assert_int_eq(strncmp(error.message, "bad yyyy", 8), 0);

	ck_assert_int_eq(tsdb_fail(&error, TSDB_ERR_LIMIT, "no"), TSDB_ERR_LIMIT);
	ck_assert_int_eq(error.start, -1);
	ck_assert_str_eq(error.hint, "");
}
END_TEST

/* ---- buffer and reader ---- */

START_TEST(varint_round_trip)
{
	TsdbBuffer	buffer;
	TsdbReader	reader;

	tsdb_buffer_init(&buffer, &arena, 0);
	for (int shift = 0; shift < 64; shift++)
	{
		tsdb_buffer_varint(&buffer, UINT64_C(1) << shift);
		tsdb_buffer_varint(&buffer, (UINT64_C(1) << shift) - 1);
	}
	tsdb_buffer_varint(&buffer, UINT64_MAX);
	reader = tsdb_reader(buffer.data, buffer.len);
	for (int shift = 0; shift < 64; shift++)
	{
		ck_assert_uint_eq(tsdb_read_varint(&reader), UINT64_C(1) << shift);
		ck_assert_uint_eq(tsdb_read_varint(&reader), (UINT64_C(1) << shift) - 1);
	}
	ck_assert_uint_eq(tsdb_read_varint(&reader), UINT64_MAX);
	ck_assert(!reader.failed);
	ck_assert_uint_eq(tsdb_reader_left(&reader), 0);
}
END_TEST

START_TEST(reader_fails_at_the_end_and_stays_failed)
{
	const uint8_t unfinished[] = {0x80, 0x80};
	const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
	const uint8_t bytes[] = {1, 2, 3};
	TsdbReader	reader = tsdb_reader(unfinished, sizeof(unfinished));

	ck_assert_uint_eq(tsdb_read_varint(&reader), 0);
	ck_assert(reader.failed);

	reader = tsdb_reader(endless, sizeof(endless));
	tsdb_read_varint(&reader);
	ck_assert(reader.failed);

	reader = tsdb_reader(bytes, sizeof(bytes));
	ck_assert_ptr_eq(tsdb_read_bytes(&reader, 2), bytes);
	ck_assert_ptr_null(tsdb_read_bytes(&reader, UINT64_MAX));
	ck_assert(reader.failed);
	ck_assert_uint_eq(tsdb_read_u8(&reader), reader.failed ? 0 : 3);
}
END_TEST

START_TEST(reader_never_passes_the_end)
{
	TsdbBuffer	buffer;

	tsdb_buffer_init(&buffer, &arena, 0);
	tsdb_buffer_varint(&buffer, UINT64_MAX);
	tsdb_buffer_varint(&buffer, 300);
	tsdb_buffer_append(&buffer, "text", 4);
	for (size_t len = 0; len <= buffer.len; len++)
	{
		/* a copy of just these bytes, so that the sanitizer sees a byte too many */
		uint8_t    *cut = tsdb_alloc(&arena, len);
		TsdbReader	reader;

		memcpy(cut, buffer.data, len);
		reader = tsdb_reader(cut, len);
		tsdb_read_varint(&reader);
		tsdb_read_varint(&reader);
		tsdb_read_bytes(&reader, 4);
		ck_assert_int_eq(reader.failed, len < buffer.len);
	}
}
END_TEST

START_TEST(buffer_grows_and_terminates)
{
	TsdbBuffer	buffer;
	char		wanted[4000];

	tsdb_buffer_init(&buffer, &arena, 0);
	for (int i = 0; i < 1000; i++)
	{
		memset(wanted + buffer.len, 'a' + i % 26, 3);
		if (i % 2 == 0)
			tsdb_buffer_printf(&buffer, "%c%c%c", 'a' + i % 26, 'a' + i % 26, 'a' + i % 26);
		else
			tsdb_buffer_append(&buffer, wanted + buffer.len, 3);
	}
	wanted[buffer.len] = '\0';
	ck_assert_uint_eq(buffer.len, 3000);
	ck_assert_str_eq(tsdb_buffer_cstring(&buffer), wanted);
	ck_assert_uint_eq(buffer.len, 3000);
}
END_TEST

START_TEST(zigzag_round_trip)
{
	const int64_t values[] = {0, 1, -1, 63, -64, INT64_MAX, INT64_MIN, INT64_MIN + 1};

	for (size_t i = 0; i < TSDB_COUNT(values); i++)
		ck_assert_int_eq(tsdb_unzigzag(tsdb_zigzag(values[i])), values[i]);
	ck_assert_uint_eq(tsdb_zigzag(-1), 1);
	ck_assert_uint_eq(tsdb_zigzag(1), 2);
}
END_TEST

/* ---- text ---- */

START_TEST(utf8_valid_prefix)
{
	static const struct
	{
		const char *text;
		size_t		valid;
	}			cases[] = {
		{"", 0},
		{"plain", 5},
		{"gr\xc3\xbc\xc3\x9f", 6},
		{"\xe2\x82\xac\xf0\x9f\x98\x80", 7},
		{"a\xc3", 1},			/* cut */
		{"a\xc0\xaf", 1},		/* overlong */
		{"\xe0\x9f\xbf", 0},	/* overlong */
		{"\xed\xa0\x80", 0},	/* surrogate */
		{"\xf4\x8f\xbf\xbf", 4},	/* U+10FFFF */
		{"\xf4\x90\x80\x80", 0},	/* beyond it */
		{"ab\xff", 2},
		{"\x80", 0},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
		ck_assert_uint_eq(tsdb_utf8_valid_prefix(cases[i].text, strlen(cases[i].text)), cases[i].valid);
}
END_TEST

/* The definition, byte by byte: what the fast one has to agree with. */
static bool
is_utf8(const unsigned char *p, size_t len)
{
	while (len > 0)
	{
		size_t		n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
		uint32_t	code = p[0] & (n == 1 ? 0x7f : 0xff >> (n + 1));
		static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

		if ((p[0] >= 0x80 && p[0] < 0xc0) || p[0] >= 0xf8 || n > len)
			return false;
		for (size_t i = 1; i < n; i++)
		{
			if (p[i] >> 6 != 2)
				return false;
			code = code << 6 | (p[i] & 0x3f);
		}
		if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

START_TEST(utf8_copy_is_always_utf8)
{
	char		to[8];

	ck_assert_uint_eq(tsdb_utf8_copy(to, sizeof(to), "h\xc3\xa9llo"), 6);
	ck_assert_str_eq(to, "h\xc3\xa9llo");
	/* never a part of a character */
	ck_assert_uint_eq(tsdb_utf8_copy(to, 3, "h\xc3\xa9"), 1);
	ck_assert_str_eq(to, "h");
	/* what is no character is marked */
	ck_assert_uint_eq(tsdb_utf8_copy(to, sizeof(to), "a\xff" "b\xc3"), 5);
	ck_assert_str_eq(to, "a\xef\xbf\xbd" "b");
	ck_assert_uint_eq(tsdb_utf8_copy(to, 1, "a"), 0);
	ck_assert_str_eq(to, "");
}
END_TEST

START_TEST(errors_are_text)
{
	char		received[2 * TSDB_ERROR_MESSAGE_MAX];
	TsdbError	error;

	/* cut in every place of a character of four bytes */
	for (size_t shift = 0; shift < 4; shift++)
	{
		for (size_t i = 0; i < sizeof(received) - 1; i++)
			received[i] = "\xf0\x9f\x98\x80"[(i + shift) % 4];
		received[sizeof(received) - 1] = '\0';
		tsdb_fail(&error, TSDB_ERR_INPUT, "%s", received);
		tsdb_error_hint(&error, "%s", received);
		ck_assert(tsdb_utf8_is_valid(tsdb_str(error.message)));
		ck_assert(tsdb_utf8_is_valid(tsdb_str(error.hint)));
		ck_assert_uint_gt(strlen(error.message), TSDB_ERROR_MESSAGE_MAX - 8);
	}
}
END_TEST

START_TEST(utf8_agrees_with_its_definition)
{
	static const unsigned char bytes[] = {'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef,
	0xf0, 0xf1, 0xf4, 0xf5, 0xff};
	uint64_t	state = 3;

	for (int i = 0; i < 100000; i++)
	{
		unsigned char text[12];
		size_t		len = next_random(&state) % sizeof(text);
		size_t		valid;

		for (size_t j = 0; j < len; j++)
			text[j] = bytes[next_random(&state) % sizeof(bytes)];
		valid = tsdb_utf8_valid_prefix((char *) text, len);
		ck_assert(is_utf8(text, valid));
		/* and nothing longer is */
		for (size_t longer = valid + 1; longer <= len; longer++)
			ck_assert(!is_utf8(text, longer));
	}
}
END_TEST

START_TEST(string_order_is_bytewise_and_shorter_first)
{
	ck_assert_int_lt(tsdb_str_compare(TSDB_STR("a"), TSDB_STR("ab")), 0);
	ck_assert_int_lt(tsdb_str_compare(TSDB_STR("Z"), TSDB_STR("a")), 0);
	ck_assert_int_gt(tsdb_str_compare(TSDB_STR("\xc3\xbc"), TSDB_STR("z")), 0);
	ck_assert_int_eq(tsdb_str_compare(TSDB_STR("same"), TSDB_STR("same")), 0);
	ck_assert_int_eq(tsdb_str_compare((TsdbStr){NULL, 0}, TSDB_STR("")), 0);
}
END_TEST

/* ---- numbers ---- */

START_TEST(numbers_are_written_as_go_writes_them)
{
	static const struct
	{
		double		value;
		const char *plain;
		const char *json;
	}			cases[] = {
		{0, "0", "0"},
		{-0.0, "-0", "-0"},
		{1, "1", "1"},
		{0.1, "0.1", "0.1"},
		{0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"},
		{100, "100", "100"},
		{-1.5, "-1.5", "-1.5"},
		{1e-6, "0.000001", "0.000001"},
		{9.99e-7, "0.000000999", "9.99e-07"},
		{1e20, "100000000000000000000", "100000000000000000000"},
		{1e21, "1000000000000000000000", "1e+21"},
		{1.5e300, NULL, "1.5e+300"},
		{5e-324, NULL, "5e-324"},
		{DBL_MAX, NULL, "1.7976931348623157e+308"},
		{INFINITY, "+Inf", "+Inf"},
		{-INFINITY, "-Inf", "-Inf"},
		{NAN, "NaN", "NaN"},
	};
	char		out[TSDB_NUMBER_MAX];

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		ck_assert_uint_eq(tsdb_format_json_double(out, cases[i].value), strlen(cases[i].json));
		ck_assert_str_eq(out, cases[i].json);
		ck_assert_uint_lt(tsdb_format_double(out, cases[i].value), sizeof(out));
		if (cases[i].plain != NULL)
			ck_assert_str_eq(out, cases[i].plain);
	}
}
END_TEST

START_TEST(every_double_reads_back)
{
	uint64_t	bits = UINT64_C(0x9e3779b97f4a7c15);
	char		out[TSDB_NUMBER_MAX];

	for (int i = 0; i < 20000; i++)
	{
		double		value;
		double		back;

		next_random(&bits);
		value = tsdb_double_from_bits(bits);
		if (isnan(value))
			continue;
		tsdb_format_double(out, value);
		ck_assert_msg(tsdb_parse_double(tsdb_str(out), &back), "%s", out);
		ck_assert_uint_eq(tsdb_double_bits(back), bits);
		tsdb_format_json_double(out, value);
		ck_assert_msg(tsdb_parse_double(tsdb_str(out), &back), "%s", out);
		ck_assert_uint_eq(tsdb_double_bits(back), bits);
	}
}
END_TEST

/* Significant digits of a number's text. */
static int
count_digits(const char *text)
{
	int			n = 0;
	int			zeros = 0;

	for (; *text != '\0' && *text != 'e'; text++)
	{
		if (*text < '0' || *text > '9' || (*text == '0' && n == 0))
			continue;
		n++;
		zeros = *text == '0' ? zeros + 1 : 0;
	}
	return n - zeros;
}

/* Values as metrics have them: counters, milliseconds, ratios, rates, and any mantissa of any size. */
static double
random_value(uint64_t *state)
{
	uint64_t	bits = next_random(state);

	switch (next_random(state) % 5)
	{
		case 0:
			return (double) (bits >> (bits % 50 + 10));
		case 1:
			return (double) (bits % 1000000000) / 1000;
		case 2:
			return (double) (bits % 1000) / (double) (bits / 1000 % 1000 + 1);
		case 3:
			return ldexp((double) (bits >> 11), (int) (bits % 71) - 66);
		default:
			return fabs(tsdb_double_from_bits(bits));
	}
}

START_TEST(no_number_has_a_digit_too_many)
{
	uint64_t	state = 1;
	char		out[TSDB_NUMBER_MAX];
	char		shorter[TSDB_NUMBER_MAX];

	for (int i = 0; i < 50000; i++)
	{
		double		value = random_value(&state);
		double		back;
		int			n;

		if (!isfinite(value) || value == 0)
			continue;
		tsdb_format_json_double(out, value);
		ck_assert_msg(tsdb_parse_double(tsdb_str(out), &back) && back == value, "%s is not %.17g", out, value);
		n = count_digits(out);
		if (n > 1)
		{
			snprintf(shorter, sizeof(shorter), "%.*e", n - 2, value);
			ck_assert_msg(strtod(shorter, NULL) != value, "%s could be %s", out, shorter);
		}
		snprintf(shorter, sizeof(shorter), "%.*e", n - 1, value);
		if (strtod(shorter, NULL) == value && tsdb_double_bits(value) << 12 != 0)
			ck_assert_msg(strtod(out, NULL) == strtod(shorter, NULL) && count_digits(shorter) == n,
						  "%s is not the nearest: %s", out, shorter);
	}
}
END_TEST

START_TEST(powers_of_two_have_their_shortest_digits)
{
	static const struct
	{
		int			exponent;
		const char *text;
	}			cases[] = {
		/* the nearest decimal of that many digits does not read back, its neighbour does */
		{-1017, "7.120236347223045e-307"},
		{-44, "5.684341886080802e-14"},
		{-24, "5.960464477539063e-08"},
		{-13, "0.0001220703125"},
		{-1, "0.5"},
		{52, "4503599627370496"},
		{53, "9007199254740992"},
		{54, "18014398509481984"},
		{56, "72057594037927940"},
		{57, "144115188075855870"},
		{63, "9223372036854776000"},
		{976, "6.386688990511104e+293"},
		{1023, "8.98846567431158e+307"},
	};
	char		out[TSDB_NUMBER_MAX];

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		tsdb_format_json_double(out, ldexp(1, cases[i].exponent));
		ck_assert_str_eq(out, cases[i].text);
	}
}
END_TEST

START_TEST(general_format_has_exponents_early)
{
	static const struct
	{
		double		value;
		const char *text;
	}			cases[] = {
		{0, "0"}, {-0.0, "-0"}, {1, "1"}, {0.5, "0.5"}, {0.0001, "0.0001"}, {0.00001, "1e-05"}, {0.000123, "0.000123"},
		{100000, "100000"}, {999999, "999999"}, {1000000, "1e+06"}, {-1234567, "-1.234567e+06"}, {123456.75, "123456.75"},
		{1e100, "1e+100"}, {INFINITY, "+Inf"}, {-INFINITY, "-Inf"}, {NAN, "NaN"},
	};
	char		out[TSDB_NUMBER_MAX];

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		tsdb_format_general_double(out, cases[i].value);
		ck_assert_str_eq(out, cases[i].text);
	}
}
END_TEST

START_TEST(numbers_out_of_range_are_infinite_and_refused)
{
	static const char *const texts[] = {"1e309", "-1e999", "1.7976931348623159e308", "0x1p1024"};
	double		value;

	for (size_t i = 0; i < TSDB_COUNT(texts); i++)
	{
		ck_assert_msg(!tsdb_parse_double(tsdb_str(texts[i]), &value), "\"%s\" was taken", texts[i]);
		ck_assert(isinf(value));
	}
	ck_assert(tsdb_parse_double(TSDB_STR("1e-400"), &value) && value == 0);
	ck_assert(tsdb_parse_double(TSDB_STR("1.7976931348623157e308"), &value) && value == DBL_MAX);
}
END_TEST

START_TEST(parse_double_takes_what_go_takes)
{
	static const char *const bad[] = {"", " 1", "1 ", "1x", "1_0", "--1", "e5", "0x", "infin", "nan1", ".", "+"};
	double		value;

	ck_assert(tsdb_parse_double(TSDB_STR("+1.5e3"), &value) && value == 1500);
	ck_assert(tsdb_parse_double(TSDB_STR(".5"), &value) && value == 0.5);
	ck_assert(tsdb_parse_double(TSDB_STR("5."), &value) && value == 5);
	ck_assert(tsdb_parse_double(TSDB_STR("0x1p-2"), &value) && value == 0.25);
	ck_assert(tsdb_parse_double(TSDB_STR("-Inf"), &value) && isinf(value) && value < 0);
	ck_assert(tsdb_parse_double(TSDB_STR("infinity"), &value) && isinf(value));
	ck_assert(tsdb_parse_double(TSDB_STR("nAn"), &value) && isnan(value));
	for (size_t i = 0; i < TSDB_COUNT(bad); i++)
		ck_assert_msg(!tsdb_parse_double(tsdb_str(bad[i]), &value), "\"%s\" was taken", bad[i]);
}
END_TEST

extern Suite *base_suite(void);

START_TEST(days_become_dates)
{
	static const struct
	{
		int64_t		seconds;
		const char *text;
	}			cases[] =
	{
		{0, "1970-01-01T00:00:00"},
		{-1, "1969-12-31T23:59:59"},
		{951782400, "2000-02-29T00:00:00"},
		{4107542399, "2100-02-28T23:59:59"},
		{4107542400, "2100-03-01T00:00:00"},
		{1763709120, "2025-11-21T07:12:00"},
		{-62135596800, "0001-01-01T00:00:00"},
		{-62167219201, "-001-12-31T23:59:59"},
		{253402300799, "9999-12-31T23:59:59"},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbBuffer	out;

		tsdb_buffer_init(&out, &arena, 0);
		tsdb_buffer_time(&out, cases[i].seconds, 'T');
		ck_assert_str_eq(tsdb_buffer_cstring(&out), cases[i].text);
	}
	/* every day of two eras is the one behind the day before */
	for (int64_t day = -800000; day < -800000 + 2 * 146097; day++)
	{
		TsdbDate	before = tsdb_date_of_day(day);
		TsdbDate	date = tsdb_date_of_day(day + 1);

		if (date.day != 1)
			ck_assert(date.day == before.day + 1 && date.month == before.month && date.year == before.year);
		else
			ck_assert(before.day >= 28 && (date.month == 1 ? before.month == 12 && date.year == before.year + 1
										   : date.month == before.month + 1 && date.year == before.year));
	}
}
END_TEST

Suite *
base_suite(void)
{
	Suite	   *suite = suite_create("base");
	TCase	   *cases = tcase_create("base");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, arena_objects_are_aligned_and_apart);
	tcase_add_test(cases, arena_grow_keeps_content);
	tcase_add_test(cases, arena_rewind_gives_back_what_came_later);
	tcase_add_test(cases, arena_frees_its_children);
	tcase_add_test(cases, error_carries_range_and_is_cut_not_overrun);
	tcase_add_test(cases, varint_round_trip);
	tcase_add_test(cases, reader_fails_at_the_end_and_stays_failed);
	tcase_add_test(cases, reader_never_passes_the_end);
	tcase_add_test(cases, buffer_grows_and_terminates);
	tcase_add_test(cases, zigzag_round_trip);
	tcase_add_test(cases, utf8_valid_prefix);
	tcase_add_test(cases, utf8_copy_is_always_utf8);
	tcase_add_test(cases, errors_are_text);
	tcase_add_test(cases, utf8_agrees_with_its_definition);
	tcase_add_test(cases, string_order_is_bytewise_and_shorter_first);
	tcase_add_test(cases, numbers_are_written_as_go_writes_them);
	tcase_add_test(cases, every_double_reads_back);
	tcase_add_test(cases, no_number_has_a_digit_too_many);
	tcase_add_test(cases, powers_of_two_have_their_shortest_digits);
	tcase_add_test(cases, general_format_has_exponents_early);
	tcase_add_test(cases, days_become_dates);
	tcase_add_test(cases, numbers_out_of_range_are_infinite_and_refused);
	tcase_add_test(cases, parse_double_takes_what_go_takes);
	suite_add_tcase(suite, cases);
	return suite;
}
