/*
 * test_head.c
 *		Head rows give back what went in, bit for bit, and survive any bytes.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "core/chunk/head.h"

Suite	   *head_suite(void);

#define MAX_SAMPLES 1200

static uint64_t
next_random(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Values on both sides of every decision of the encoder. */
static double
random_value(uint64_t *state)
{
	static const double odd[] = {
		0.0, -0.0, 1, -1, 127, 128, -128, 0.001, -0.001, 0.0005, 9007199254740991.0, -9007199254740991.0,
		9007199254740992.0, 9007199254740994.0, -9007199254740992.0, 9e15, 1e18, -1e300, 5e-324, 140737488355.327, 140737488355.328,
		70368744177.663, INFINITY, -INFINITY
	};
	uint64_t	r = next_random(state);

	switch (r >> 8 & 7)
	{
		case 0:
			return odd[next_random(state) % TSDB_COUNT(odd)];
		case 1:
			return (double) ((int64_t) next_random(state) >> (next_random(state) % 64));
		case 2:
			return (double) ((int64_t) next_random(state) >> (next_random(state) % 64)) / 1000;
		case 3:
			return tsdb_double_from_bits(next_random(state));
		case 4:
			return tsdb_double_from_bits(next_random(state) % 2 ? TSDB_STALE_NAN_BITS : TSDB_NORMAL_NAN_BITS);
		default:
			return (double) (next_random(state) % 100);
	}
}

static size_t
random_samples(uint64_t *state, TsdbHeadSample *samples)
{
	size_t		n = 1 + next_random(state) % (next_random(state) % 4 == 0 ? MAX_SAMPLES : 130);
	unsigned	stride = 1 + (unsigned) (next_random(state) % 3 == 0 ? next_random(state) % 27 : 0);
	bool		dt = next_random(state) % 4 == 0;
	bool		raw = next_random(state) % 4 == 0;
	unsigned	col = (unsigned) (next_random(state) % 300);

	for (size_t i = 0; i < n; i++)
	{
		samples[i].col = (uint16_t) col;
		samples[i].dt = dt ? (int32_t) (next_random(state) >> (32 + next_random(state) % 32)) : 0;
		samples[i].v = raw ? tsdb_double_from_bits(next_random(state) | 1) : random_value(state);
		col += 1 + (unsigned) (next_random(state) % stride);
	}
	return n;
}

static void
assert_same(const TsdbHeadSample *a, const TsdbHeadSample *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		ck_assert_uint_eq(a[i].col, b[i].col);
		ck_assert_int_eq(a[i].dt, b[i].dt);
		ck_assert_uint_eq(tsdb_double_bits(a[i].v), tsdb_double_bits(b[i].v));
	}
}

/* One row against the samples it was made of: whole, any range, any choice of columns. */
static void
check_row(uint64_t *state, const uint8_t *data, size_t len, const TsdbHeadSample *samples, size_t n)
{
	uint8_t    *exact = malloc(len);	/* so that AddressSanitizer sees a read behind the end */
	TsdbHeadSample out[MAX_SAMPLES];
	TsdbHeadSample wanted[MAX_SAMPLES];
	uint16_t	cols[MAX_SAMPLES];
	TsdbHeadRow row;
	TsdbError	error;
	size_t		n_out;
	size_t		n_wanted = 0;
	size_t		a = next_random(state) % n;
	size_t		b = a + next_random(state) % (n - a);

	memcpy(exact, data, len);
	ck_assert_int_eq(tsdb_head_validate(exact, len, &error), TSDB_OK);
	ck_assert_int_eq(tsdb_head_open(&row, exact, len, &error), TSDB_OK);
	ck_assert_int_eq(tsdb_head_read(&row, 0, TSDB_HEAD_MAX_COLUMNS, out, &n_out, &error), TSDB_OK);
	ck_assert_uint_eq(n_out, n);
	assert_same(out, samples, n);
	for (unsigned col = 0, i = 0; col <= samples[n - 1].col + 2u; col++)
	{
		bool		there = i < n && samples[i].col == col;

		ck_assert(tsdb_head_has(&row, col) == there);
		i += there;
	}

	ck_assert_int_eq(tsdb_head_read(&row, samples[a].col, samples[b].col - samples[a].col + 1u, out, &n_out, &error), TSDB_OK);
	ck_assert_uint_eq(n_out, b - a + 1);
	assert_same(out, samples + a, n_out);

	for (size_t i = 0; i < n; i++)
		if (next_random(state) % 5 == 0)
			wanted[n_wanted++] = samples[i];
	for (size_t i = 0; i < n_wanted; i++)
		cols[i] = wanted[i].col;
	ck_assert_int_eq(tsdb_head_pick(&row, cols, n_wanted, out, &n_out, &error), TSDB_OK);
	ck_assert_uint_eq(n_out, n_wanted);
	assert_same(out, wanted, n_out);
	free(exact);
}

START_TEST(random_rows_come_back)
{
	uint64_t	state = 1;

	for (int round = 0; round < 800; round++)
	{
		TsdbHeadSample samples[MAX_SAMPLES];
		size_t		n = random_samples(&state, samples);
		uint8_t    *buffer = malloc(TSDB_HEAD_BUFFER);
		size_t		len;

		for (size_t at = 0; at < n;)
		{
			size_t		taken = tsdb_head_encode(samples + at, n - at, buffer, &len);

			ck_assert_uint_ge(taken, 1);
			ck_assert_uint_le(taken, n - at);
			ck_assert_uint_le(len, TSDB_HEAD_ROW_LIMIT);
			check_row(&state, buffer, len, samples + at, taken);
			at += taken;
		}
		free(buffer);
	}
}
END_TEST

START_TEST(a_full_group_of_worst_values_is_one_row)
{
	TsdbHeadSample samples[900];
	uint8_t		buffer[TSDB_HEAD_BUFFER];
	size_t		len;

	for (unsigned i = 0; i < 900; i++)
		samples[i] = (TsdbHeadSample){(uint16_t) i, 0, 0.1 + i * 1e-9};
	ck_assert_uint_eq(tsdb_head_encode(samples, 900, buffer, &len), 900);
	ck_assert_uint_le(len, TSDB_HEAD_ROW_LIMIT);
	for (unsigned i = 0; i < 900; i++)
		samples[i].dt = INT32_MIN;
	ck_assert_uint_lt(tsdb_head_encode(samples, 900, buffer, &len), 900);
}
END_TEST

START_TEST(sparse_fragments_are_small)
{
	const TsdbHeadSample far[] = {{10, 0, 1}, {890, 0, 2}};
	const TsdbHeadSample twice[] = {{10, 0, 1}, {10, 5, 2}, {11, 0, 3}};
	uint8_t		buffer[TSDB_HEAD_BUFFER];
	size_t		len;

	ck_assert_uint_eq(tsdb_head_encode(far, 2, buffer, &len), 1);
	ck_assert_uint_eq(len, 8);
	ck_assert_uint_eq(tsdb_head_encode(far, 0, buffer, &len), 0);
	/* the same column again begins another row */
	ck_assert_uint_eq(tsdb_head_encode(twice, 3, buffer, &len), 1);
	ck_assert_uint_eq(tsdb_head_encode(twice + 1, 2, buffer, &len), 2);
}
END_TEST

START_TEST(known_bytes_stay_readable)
{
	const TsdbHeadSample samples[] = {{300, 0, 0}, {301, 0, -300}, {303, 0, 0.25}, {304, 0, -0.0}};
	const uint8_t bytes[] = {
		1, 0, 0x2c, 0x01, 5, 0,
		0x20, 0x9e, 0xef,
		0x57, 0x02, 0xf4, 0x01, 0, 0, 0, 0, 0, 0, 0, 0x80
	};
	uint8_t		buffer[TSDB_HEAD_BUFFER];
	size_t		len;

	ck_assert_uint_eq(tsdb_head_encode(samples, 4, buffer, &len), 4);
	ck_assert_uint_eq(len, sizeof(bytes));
	ck_assert_mem_eq(buffer, bytes, len);
}
END_TEST

/* Reads a row in every way; what comes out does not matter here. */
static bool
read_anyhow(const uint8_t *data, size_t len)
{
	static const uint16_t cols[] = {0, 3, 64, 65, 130, 300, 500};
	TsdbHeadSample *out = malloc(sizeof(TsdbHeadSample) * TSDB_HEAD_MAX_COLUMNS);
	TsdbHeadRow row;
	TsdbError	error;
	size_t		n;
	bool		valid = tsdb_head_validate(data, len, &error) == TSDB_OK;

	if (tsdb_head_open(&row, data, len, &error) == TSDB_OK)
	{
		tsdb_head_read(&row, 0, TSDB_HEAD_MAX_COLUMNS, out, &n, &error);
		tsdb_head_read(&row, row.first_column + 70, 3, out, &n, &error);
		tsdb_head_pick(&row, cols, TSDB_COUNT(cols), out, &n, &error);
	}
	free(out);
	return valid;
}

START_TEST(damaged_rows_do_no_harm)
{
	uint64_t	state = 2;

	for (int round = 0; round < 300; round++)
	{
		TsdbHeadSample samples[MAX_SAMPLES];
		size_t		n = random_samples(&state, samples);
		uint8_t		buffer[TSDB_HEAD_BUFFER];
		size_t		len;

		tsdb_head_encode(samples, n, buffer, &len);
		for (int i = 0; i < 20; i++)
		{
			size_t		cut = next_random(&state) % len;
			uint8_t    *bytes = malloc(len);

			memcpy(bytes, buffer, len);
			bytes[next_random(&state) % len] ^= (uint8_t) (1 << next_random(&state) % 8);
			read_anyhow(bytes, len);
			free(bytes);

			bytes = malloc(cut + 1);
			memcpy(bytes, buffer, cut);
			ck_assert(!read_anyhow(bytes, cut));
			bytes[cut] = 0;
			free(bytes);
		}
	}
}
END_TEST

START_TEST(wrong_bytes_have_a_reason)
{
	static const struct
	{
		const char *reason;
		uint8_t		bytes[12];
		size_t		len;
	}			cases[] = {
		{"invalid head row: shorter than its header", {1, 0, 0, 0, 1}, 5},
		{"invalid head row: version 9 is not known", {9, 0, 0, 0, 1, 0, 0xe0}, 7},
		{"invalid head row: unknown flags", {1, 2, 0, 0, 1, 0, 0xe0}, 7},
		{"invalid head row: number of columns out of range", {1, 0, 0, 0, 0, 0, 0}, 7},
		{"invalid head row: number of columns out of range", {1, 0, 0xff, 0x7f, 1, 0, 0xe0}, 7},
		{"invalid head row: shorter than its tags", {1, 0, 0, 0, 3, 0, 0x00}, 7},
		{"invalid head row: first or last column is absent", {1, 0, 0, 0, 2, 0, 0xe0}, 7},
		{"invalid head row: a tag behind the last column", {1, 0, 0, 0, 1, 0, 0x00}, 7},
		{"invalid head row: shorter than its values", {1, 0, 0, 0, 1, 0, 0xe2, 1}, 8},
		{"invalid head row: shorter than its values", {1, 1, 0, 0, 1, 0, 0xe0, 0x80}, 8},
		{"invalid head row: bytes behind the last value", {1, 0, 0, 0, 1, 0, 0xe0, 0}, 8},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbError	error;

		ck_assert_int_eq(tsdb_head_validate(cases[i].bytes, cases[i].len, &error), TSDB_ERR_CORRUPT);
		ck_assert_str_eq(error.message, cases[i].reason);
	}
}
END_TEST

Suite *
head_suite(void)
{
	Suite	   *suite = suite_create("head");
	TCase	   *rows = tcase_create("rows");
	TCase	   *damage = tcase_create("damage");

	tcase_set_timeout(rows, 60);
	tcase_add_test(rows, random_rows_come_back);
	tcase_add_test(rows, a_full_group_of_worst_values_is_one_row);
	tcase_add_test(rows, sparse_fragments_are_small);
	tcase_add_test(rows, known_bytes_stay_readable);
	suite_add_tcase(suite, rows);
	tcase_set_timeout(damage, 60);
	tcase_add_test(damage, damaged_rows_do_no_harm);
	tcase_add_test(damage, wrong_bytes_have_a_reason);
	suite_add_tcase(suite, damage);
	return suite;
}
