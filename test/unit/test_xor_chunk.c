/*
 * test_xor_chunk.c
 *		Prometheus's chunks and the frames in which remote read streams them, against bytes made by hand.
 */
#include <math.h>

#include "core/chunk/xor_chunk.h"
#include "core/ingest/ingest.h"
#include "fixture.h"
#include "test/xor_chunk_reader.h"

#define STALE UINT64_C(0x7ff0000000000002)

Suite	   *xor_chunk_suite(void);

static TsdbBuffer
chunk_of(const int64_t *t, const double *v, size_t n)
{
	TsdbBuffer	out;

	tsdb_buffer_init(&out, &arena, 0);
	tsdb_xor_chunk_write(&out, t, v, n);
	return out;
}

static void
expect_round(const int64_t *t, const double *v, size_t n)
{
	TsdbBuffer	out = chunk_of(t, v, n);
	int64_t    *read_t = TSDB_NEW_ARRAY(&arena, int64_t, n);
	uint64_t   *read_v = TSDB_NEW_ARRAY(&arena, uint64_t, n);

	ck_assert_int_eq(xor_chunk_read(out.data, out.len, read_t, read_v, (int) n), (int) n);
	ck_assert_mem_eq(t, read_t, n * sizeof(int64_t));
	ck_assert_mem_eq(v, read_v, n * sizeof(double));
}

START_TEST(one_sample_is_eleven_bytes)
{
	static const uint8_t zero[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	TsdbBuffer	out = chunk_of((const int64_t[]) {0}, (const double[]) {0}, 1);

	ck_assert_uint_eq(out.len, sizeof(zero));
	ck_assert_mem_eq(out.data, zero, sizeof(zero));
}
END_TEST

/*
 * Distances 1000, 1000, 1001; the second value is 1 ^ 2 = 0x7ff << 52: one zero in front, eleven bits. Then nothing changes;
 * then 1 more in 14 bits, and the same window again.
 */
START_TEST(four_samples_are_as_written_by_hand)
{
	static const int64_t t[] = {1000, 2000, 3000, 4001};
	static const double v[] = {1, 2, 2, 1};
	static const uint8_t wanted[] = {
		0, 4, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xe8, 0x07, 0xc2, 0x5f, 0xff, 0x20, 0x00, 0x6f, 0xfe
	};
	TsdbBuffer	out = chunk_of(t, v, 4);

	ck_assert_uint_eq(out.len, sizeof(wanted));
	ck_assert_mem_eq(out.data, wanted, sizeof(wanted));
}
END_TEST

START_TEST(times_survive_at_every_border)
{
	static const int64_t borders[] = {0, 1, 8191, 8192, 8193, 65535, 65536, 65537, 524287, 524288, 524289, INT64_C(1) << 40};
	int64_t		t[2 + 2 * TSDB_COUNT(borders) * 2];
	double		v[TSDB_COUNT(t)];
	int64_t		distance = INT64_C(1) << 42;
	size_t		n = 2;

	t[0] = -(INT64_C(1) << 50);
	t[1] = t[0] + distance;
	for (size_t i = 0; i < TSDB_COUNT(borders); i++)
		for (int sign = -1; sign <= 1; sign += 2)
		{
			distance += sign * borders[i];
			t[n] = t[n - 1] + distance;
			n++;
			distance -= sign * borders[i];
			t[n] = t[n - 1] + distance;
			n++;
		}
	for (size_t i = 0; i < n; i++)
		v[i] = (double) i / 3;
	expect_round(t, v, n);
	expect_round((const int64_t[]) {INT64_MIN, INT64_MAX, INT64_MAX}, v, 3);
}
END_TEST

START_TEST(values_survive_bit_for_bit)
{
	double		v[] = {
		0, -0.0, NAN, tsdb_double_from_bits(STALE), INFINITY, -INFINITY, 1e-310, 1.7e308, tsdb_double_from_bits(UINT64_MAX),
		tsdb_double_from_bits(1), tsdb_double_from_bits(UINT64_C(1) << 63 | 1), 0.1, 0.1, 0.2
	};
	int64_t		t[TSDB_COUNT(v)];

	for (size_t i = 0; i < TSDB_COUNT(v); i++)
		t[i] = (int64_t) i * 15000;
	expect_round(t, v, TSDB_COUNT(v));
}
END_TEST

START_TEST(checksums_are_those_of_the_rfc)
{
	static const uint8_t zeros[32];

	ck_assert_uint_eq(tsdb_crc32c("123456789", 9), 0xe3069283);
	ck_assert_uint_eq(tsdb_crc32c(zeros, 32), 0x8a9136aa);
	ck_assert_uint_eq(tsdb_crc32c("", 0), 0);
}
END_TEST

static const TsdbLabel pair = {TSDB_STR("a"), TSDB_STR("b")};

START_TEST(frames_are_as_written_by_hand)
{
	static const uint8_t wanted[] = {
		31, 0x1f, 0x79, 0x4f, 0xc2, /* length and checksum of what follows */
		0x0a, 29, 0x0a, 6, 0x0a, 1, 'a', 0x12, 1, 'b',	/* the series and its label */
		0x12, 19, 0x08, 5, 0x10, 5, 0x18, 1,	/* a chunk from 5 to 5, XOR */
		0x22, 11, 0, 1, 0x0a, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0,
		33, 0xe1, 0x0d, 0x47, 0x55	/* the same for query 3 */
	};
	TsdbFrameWriter writer;

	tsdb_frames_init(&writer, &arena);
	for (size_t query = 0; query <= 3; query += 3)
		tsdb_frames_add(&writer, query, (TsdbLabels) {&pair, 1}, (const int64_t[]) {5}, (const double[]) {1}, 1);
	ck_assert_uint_eq(writer.out.len, 5 + 31 + 5 + 33);
	ck_assert_mem_eq(writer.out.data, wanted, sizeof(wanted));
	ck_assert_mem_eq(writer.out.data + sizeof(wanted), wanted + 5, 31);
	ck_assert_mem_eq(writer.out.data + sizeof(wanted) + 31, "\x10\3", 2);
}
END_TEST

static uint64_t
take_varint(const uint8_t **at)
{
	uint64_t	value = 0;
	unsigned	shift = 0;

	for (; **at >= 0x80; shift += 7)
		value |= (uint64_t) (*(*at)++ & 0x7f) << shift;
	return value | (uint64_t) *(*at)++ << shift;
}

/* Chunks of 120 samples; a series that fills a frame goes on in the next, with its labels. */
START_TEST(long_series_are_cut)
{
	size_t		n = 200001;
	int64_t    *t = TSDB_NEW_ARRAY(&arena, int64_t, n);
	double	   *v = TSDB_NEW_ARRAY(&arena, double, n);
	TsdbFrameWriter writer;
	const uint8_t *at;
	size_t		frames = 0;

	for (size_t i = 0; i < n; i++)
	{
		t[i] = (int64_t) i * 1000 + (int64_t) (i * i % 7);
		v[i] = sqrt((double) i);
	}
	tsdb_frames_init(&writer, &arena);
	tsdb_frames_add(&writer, 0, (TsdbLabels) {&pair, 1}, t, v, n);
	at = writer.out.data;
	for (size_t done = 0; at < writer.out.data + writer.out.len; frames++)
	{
		const uint8_t *end;
		uint64_t	len = take_varint(&at);
		uint32_t	sum = (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];

		at += 4;
		end = at + len;
		ck_assert(end <= writer.out.data + writer.out.len && len < 1100 * 1024);
		ck_assert_uint_eq(tsdb_crc32c(at, len), sum);
		ck_assert_uint_eq(*at++, 0x0a);
		ck_assert_uint_eq(take_varint(&at), (uint64_t) (end - at));
		ck_assert_mem_eq(at, "\x0a\6\x0a\1a\x12\1b", 8);
		for (at += 8; at < end;)
		{
			int64_t		chunk_t[120];
			uint64_t	chunk_v[120];
			size_t		wanted = n - done < 120 ? n - done : 120;
			uint64_t	bytes;

			ck_assert_uint_eq(*at++, 0x12);
			take_varint(&at);
			if (t[done] != 0)
			{
				ck_assert_uint_eq(*at++, 0x08);
				ck_assert_uint_eq(take_varint(&at), (uint64_t) t[done]);
			}
			ck_assert_uint_eq(*at++, 0x10);
			ck_assert_uint_eq(take_varint(&at), (uint64_t) t[done + wanted - 1]);
			ck_assert_mem_eq(at, "\x18\1\x22", 3);
			at += 3;
			bytes = take_varint(&at);
			ck_assert_int_eq(xor_chunk_read(at, bytes, chunk_t, chunk_v, 120), (int) wanted);
			ck_assert_mem_eq(chunk_t, t + done, wanted * 8);
			ck_assert_mem_eq(chunk_v, v + done, wanted * 8);
			at += bytes;
			done += wanted;
		}
		ck_assert(at < writer.out.data + writer.out.len || done == n);
	}
	ck_assert_uint_gt(frames, 1);
}
END_TEST

Suite *
xor_chunk_suite(void)
{
	Suite	   *suite = suite_create("xor_chunk");
	TCase	   *tests = tcase_create("xor_chunk");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, one_sample_is_eleven_bytes);
	tcase_add_test(tests, four_samples_are_as_written_by_hand);
	tcase_add_test(tests, times_survive_at_every_border);
	tcase_add_test(tests, values_survive_bit_for_bit);
	tcase_add_test(tests, checksums_are_those_of_the_rfc);
	tcase_add_test(tests, frames_are_as_written_by_hand);
	tcase_add_test(tests, long_series_are_cut);
	suite_add_tcase(suite, tests);
	return suite;
}
