/*
 * test_postings.c
 *		Lists of numbers against plain arrays.
 */
#include <check.h>
#include <stdlib.h>

#include "core/postings/postings.h"
#include "fixture.h"

Suite	   *postings_suite(void);

#define MAX_NUMBERS 3000

typedef struct Numbers
{
	uint64_t	at[MAX_NUMBERS];
	size_t		n;
} Numbers;

/* Ascending, in one of the manners in which rows lie: side by side, here and there, or far apart. */
static void
make_numbers(unsigned int *seed, Numbers *numbers)
{
	static const uint64_t widest[] = {2, 3, 20, 64, 600, 5000, UINT64_C(1) << 28};
	uint64_t	at = (uint64_t) rand_r(seed) % 5000;

	numbers->n = (size_t) rand_r(seed) % (rand_r(seed) % 8 == 0 ? MAX_NUMBERS : 60);
	for (size_t i = 0; i < numbers->n; i++)
	{
		at += 1 + (uint64_t) rand_r(seed) % widest[rand_r(seed) % 50 == 0 ? 6 : (i / 40 + numbers->n) % 6];
		numbers->at[i] = at;
	}
}

static TsdbPostings
list_of(const Numbers *numbers)
{
	TsdbPostings list;

	tsdb_postings_init(&list, &arena);
	for (size_t i = 0; i < numbers->n; i++)
		tsdb_postings_add(&list, numbers->at[i]);
	return list;
}

static void
check_list(const TsdbPostings *list, const Numbers *expected)
{
	TsdbPostingsIterator iterator = tsdb_postings_iterate(list);
	uint64_t	number;

	ck_assert_uint_eq(tsdb_postings_count(list), expected->n);
	for (size_t i = 0; i < expected->n; i++)
	{
		ck_assert(tsdb_postings_next(&iterator, &number));
		ck_assert_uint_eq(number, expected->at[i]);
	}
	ck_assert(!tsdb_postings_next(&iterator, &number));
	for (size_t i = 0; i < list->n; i++)
		ck_assert(list->words[i].bits != 0 && (i == 0 || list->words[i].high > list->words[i - 1].high));
}

static bool
is_in(const Numbers *numbers, uint64_t number)
{
	for (size_t i = 0; i < numbers->n; i++)
		if (numbers->at[i] == number)
			return true;
	return false;
}

/* As the tree does: entries of some bytes each. */
static void
check_encoding(const TsdbPostings *list, const Numbers *numbers, size_t room)
{
	TsdbPostings decoded;
	uint8_t    *bytes = malloc(room);

	tsdb_postings_init(&decoded, &arena);
	for (size_t done = 0; done < list->n;)
	{
		size_t		taken;
		size_t		len = tsdb_postings_encode(list->words + done, list->n - done, bytes, room, &taken);
		uint64_t	first = list->words[done].high * 64 + (uint64_t) __builtin_ctzll(list->words[done].bits);

		ck_assert_uint_gt(taken, 0);
		ck_assert_int_eq(tsdb_postings_decode(bytes, len, first, &decoded, &error), TSDB_OK);
		done += taken;
	}
	ck_assert(!decoded.unsettled);
	check_list(&decoded, numbers);
	free(bytes);
}

START_TEST(random_lists_survive_encoding)
{
	unsigned int seed = 20260101;
	static Numbers numbers;

	for (int round = 0; round < 2000; round++)
	{
		TsdbPostings list;

		make_numbers(&seed, &numbers);
		list = list_of(&numbers);
		check_list(&list, &numbers);
		check_encoding(&list, &numbers, TSDB_POSTINGS_WORD_MAX + (size_t) rand_r(&seed) % 1000);
		tsdb_arena_reset(&arena);
	}
}
END_TEST

START_TEST(random_lists_combine_as_sets_do)
{
	unsigned int seed = 20260102;
	static Numbers a;
	static Numbers b;
	static Numbers both;
	static Numbers only_a;

	for (int round = 0; round < 1500; round++)
	{
		TsdbPostings with;
		TsdbPostings list;

		make_numbers(&seed, &a);
		make_numbers(&seed, &b);
		/* what two lists have in common is seldom an accident */
		for (size_t i = 0; i < b.n && i < a.n && round % 2 == 0; i++)
			b.at[i] = a.at[i];
		for (size_t i = 1; i < b.n; i++)
			if (b.at[i] <= b.at[i - 1])
				b.at[i] = b.at[i - 1] + 1;
		both.n = only_a.n = 0;
		for (size_t i = 0; i < a.n; i++)
		{
			if (is_in(&b, a.at[i]))
				both.at[both.n++] = a.at[i];
			else
				only_a.at[only_a.n++] = a.at[i];
		}
		with = list_of(&b);
		list = list_of(&a);
		ck_assert_uint_eq(tsdb_postings_count_common(&list, &with), both.n);
		ck_assert_uint_eq(tsdb_postings_count_common(&with, &list), both.n);
		tsdb_postings_intersect(&list, &with);
		check_list(&list, &both);
		list = list_of(&a);
		tsdb_postings_subtract(&list, &with);
		check_list(&list, &only_a);
		tsdb_postings_unite(&list, &with, NULL);
		ck_assert_uint_eq(tsdb_postings_count(&list), only_a.n + b.n);
		for (size_t i = 0; i < a.n; i++)
			ck_assert(tsdb_postings_contain(&list, a.at[i]));
		for (size_t i = 0; i < b.n; i++)
			ck_assert(tsdb_postings_contain(&list, b.at[i]));
		tsdb_arena_reset(&arena);
	}
}
END_TEST

START_TEST(decoded_in_any_order_they_settle)
{
	static const uint64_t spans[] = {50000, UINT64_C(1) << 45};

	for (size_t span = 0; span < TSDB_COUNT(spans); span++)
	{
		unsigned int seed = 7;
		TsdbPostings list;
		TsdbPostings expected;

		tsdb_postings_init(&list, &arena);
		tsdb_postings_init(&expected, &arena);
		for (int i = 0; i < 500; i++)
		{
			uint64_t	number = (((uint64_t) rand_r(&seed) << 31) ^ (uint64_t) rand_r(&seed)) % spans[span];
			TsdbPostingsWord word = {number / 64, UINT64_C(1) << number % 64};
			uint8_t		bytes[TSDB_POSTINGS_WORD_MAX];
			size_t		taken;
			size_t		len = tsdb_postings_encode(&word, 1, bytes, sizeof(bytes), &taken);

			ck_assert_int_eq(tsdb_postings_decode(bytes, len, number, &list, &error), TSDB_OK);
			tsdb_postings_add(&expected, number);
		}
		tsdb_postings_settle(&list, NULL);
		ck_assert_uint_eq(list.n, expected.n);
		ck_assert(memcmp(list.words, expected.words, list.n * sizeof(TsdbPostingsWord)) == 0);
	}
}
END_TEST

/* What vacuum relies on. */
START_TEST(taking_numbers_away_needs_no_room)
{
	unsigned int seed = 20260104;
	static Numbers numbers;

	for (int round = 0; round < 300; round++)
	{
		static uint8_t bytes[MAX_NUMBERS * TSDB_POSTINGS_WORD_MAX];
		size_t		taken;
		size_t		len;
		TsdbPostings list;

		make_numbers(&seed, &numbers);
		list = list_of(&numbers);
		len = tsdb_postings_encode(list.words, list.n, bytes, sizeof(bytes), &taken);
		while (numbers.n > 0)
		{
			size_t		gone = (size_t) rand_r(&seed) % numbers.n;
			size_t		shorter;

			memmove(&numbers.at[gone], &numbers.at[gone + 1], (--numbers.n - gone) * sizeof(uint64_t));
			list = list_of(&numbers);
			shorter = tsdb_postings_encode(list.words, list.n, bytes, sizeof(bytes), &taken);
			ck_assert_uint_le(shorter, len);
			len = shorter;
			tsdb_arena_reset(&arena);
			if (numbers.n > 100)
			{
				numbers.n -= 50;
				len = sizeof(bytes);
			}
		}
	}
}
END_TEST

START_TEST(forms_are_as_drawn)
{
	static const struct
	{
		uint64_t	bits;
		uint8_t		bytes[10];
		size_t		len;
	}			cases[] =
	{
		{UINT64_C(1) << 63, {0, 63}, 2},
		{0x3, {0, 0x40, 3}, 3},
		{UINT64_MAX, {0, 0x47, 255, 255, 255, 255, 255, 255, 255, 255}, 10},
		{UINT64_C(0x0301) << 40, {0, 0x40 | 5 << 3 | 1, 1, 3}, 4},
		{1 | UINT64_C(1) << 63, {0, 0x82, 0, 63}, 4},
		{1 | UINT64_C(1) << 32 | UINT64_C(1) << 63, {0, 0x83, 0, 32, 63}, 5},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbPostingsWord word = {7, cases[i].bits};
		uint8_t		out[TSDB_POSTINGS_WORD_MAX];
		size_t		taken;

		ck_assert_uint_eq(tsdb_postings_encode(&word, 1, out, sizeof(out), &taken), cases[i].len);
		ck_assert(memcmp(out, cases[i].bytes, cases[i].len) == 0);
	}
}
END_TEST

/* Of everything that is not the encoding of a list. */
START_TEST(damaged_bytes_are_refused)
{
	static const struct
	{
		uint8_t		bytes[12];
		size_t		len;
	}			cases[] =
	{
		{{0}, 0},								/* no word */
		{{0}, 1},								/* a gap and no body */
		{{1, 5}, 2},							/* another first number */
		{{0, 6}, 2},
		{{0x80, 0, 5}, 3},						/* a gap of too many bytes */
		{{0, 0x40, 0x20}, 3},					/* one number as bits */
		{{0, 0x40, 0}, 3},						/* none */
		{{0, 0x41, 0x60, 0}, 4},				/* a last byte of none */
		{{0, 0x47 | 1 << 3, 0x20, 1, 1, 1, 1, 1, 1, 1}, 10},	/* beyond the word */
		{{0, 0x81, 5}, 3},						/* a list of one */
		{{0, 0x82, 5, 6}, 4},					/* a list where bits are as short */
		{{0, 0x82, 5, 5}, 4},					/* twice the same */
		{{0, 0x82, 5, 64}, 4},
		{{0, 0x88, 5, 10, 20, 30, 40, 50, 60, 63}, 10},	/* too many */
		{{0, 0x83, 5, 60}, 4},					/* cut off */
		{{0, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1}, 9},	/* beyond the last number */
		{{0, 5, 0}, 3},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbPostings list;

		tsdb_postings_init(&list, &arena);
		ck_assert_msg(tsdb_postings_decode(cases[i].bytes, cases[i].len, 5, &list, &error) == TSDB_ERR_CORRUPT, "case %zu", i);
	}
}
END_TEST

Suite *
postings_suite(void)
{
	Suite	   *suite = suite_create("postings");
	TCase	   *cases = tcase_create("postings");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, random_lists_survive_encoding);
	tcase_add_test(cases, random_lists_combine_as_sets_do);
	tcase_add_test(cases, decoded_in_any_order_they_settle);
	tcase_add_test(cases, taking_numbers_away_needs_no_room);
	tcase_add_test(cases, forms_are_as_drawn);
	tcase_add_test(cases, damaged_bytes_are_refused);
	suite_add_tcase(suite, cases);
	return suite;
}
