/*
 * test_label_counts.c
 *		Tables of strings, and how many series have which labels.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str_table.h"
#include "core/labels/label_counts.h"
#include "fixture.h"

static const char *
numbered(unsigned i)
{
	char		text[16];

	snprintf(text, sizeof(text), "%u", i);
	return tsdb_strndup(&arena, text, strlen(text));
}

START_TEST(each_string_has_one_place)
{
	TsdbStrTable table;

	tsdb_str_table_init(&table, &arena);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 1000; i++)
		{
			size_t		at = tsdb_str_table_add(&table, tsdb_str(numbered(i)));

			ck_assert_uint_eq(at, i);
			ck_assert_uint_eq(table.entries[at].number++, round);
		}
	ck_assert_uint_eq(table.n, 1000);
	ck_assert_uint_eq(tsdb_str_table_add(&table, TSDB_STR("")), 1000);
	ck_assert_uint_eq(tsdb_str_table_add(&table, (TsdbStr){NULL, 0}), 1000);
	tsdb_str_table_sort(&table);
	ck_assert_uint_eq(table.n, 1001);
	for (size_t i = 1; i < table.n; i++)
		ck_assert_int_lt(tsdb_str_compare(table.entries[i - 1].text, table.entries[i].text), 0);
}
END_TEST

START_TEST(strings_are_copied)
{
	char		text[] = "before";
	TsdbStrTable table;

	tsdb_str_table_init(&table, &arena);
	tsdb_str_table_add(&table, tsdb_str(text));
	memcpy(text, "after.", 6);
	ck_assert(tsdb_str_equal(table.entries[0].text, TSDB_STR("before")));
}
END_TEST

/* Series i of n has value i % m of label m, for m from 1 to `labels`. */
static void
count_series(TsdbLabelCounts *counts, unsigned n, unsigned labels)
{
	for (unsigned i = 0; i < n; i++)
	{
		TsdbLabel	pairs[64];
		TsdbLabels	set;
		TsdbError	error;

		for (unsigned m = 1; m <= labels; m++)
			pairs[m - 1] = (TsdbLabel){tsdb_str(numbered(m)), tsdb_str(numbered(i % m))};
		ck_assert_int_eq(tsdb_labels_make(pairs, labels, &set, &error), TSDB_OK);
		tsdb_label_counts_add(counts, set);
	}
}

static int
compare_descending(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x > y ? -1 : x < y;
}

START_TEST(the_largest_are_those_of_a_full_sort)
{
	enum
	{
		SERIES = 400,
		LABELS = 40,
		PAIRS = LABELS * (LABELS + 1) / 2
	};
	uint64_t	sizes[PAIRS];
	size_t		n = 0;
	TsdbLabelCounts counts;

	tsdb_label_counts_init(&counts, &arena);
	count_series(&counts, SERIES, LABELS);
	ck_assert_uint_eq(counts.n_series, SERIES);
	ck_assert_uint_eq(counts.n_pairs, PAIRS);
	for (unsigned m = 1; m <= LABELS; m++)
		for (unsigned v = 0; v < m; v++)
			sizes[n++] = (SERIES - v + m - 1) / m;
	qsort(sizes, n, sizeof(*sizes), compare_descending);

	for (size_t limit = 0; limit <= PAIRS + 1; limit += limit < 20 ? 1 : 97)
	{
		TsdbFigure *top;
		size_t		found = tsdb_label_counts_top(&counts, NULL, TSDB_SERIES_OF_PAIR, limit, &top);

		ck_assert_uint_eq(found, limit < PAIRS ? limit : PAIRS);
		for (size_t i = 0; i < found; i++)
			ck_assert_uint_eq(top[i].figure, sizes[i]);
		for (size_t i = 1; i < found; i++)
			ck_assert(top[i - 1].figure > top[i].figure || tsdb_str_compare(top[i - 1].name, top[i].name) < 0 ||
					  tsdb_str_compare(top[i - 1].value, top[i].value) < 0);
	}
}
END_TEST

START_TEST(each_list_counts_something_else)
{
	char		long_value[300];
	TsdbLabel	pairs[] = {{TSDB_STR("__name__"), TSDB_STR("up")}, {TSDB_STR("job"), {long_value, sizeof(long_value)}}};
	TsdbLabelCounts counts;
	TsdbFigure *top;

	memset(long_value, 'x', sizeof(long_value));
	tsdb_label_counts_init(&counts, &arena);
	ck_assert_uint_eq(tsdb_label_counts_top(&counts, NULL, TSDB_SERIES_OF_METRIC, 10, &top), 0);
	tsdb_label_counts_add(&counts, (TsdbLabels){pairs, 2});
	tsdb_label_counts_add(&counts, (TsdbLabels){pairs, 1});
	tsdb_label_counts_add(&counts, (TsdbLabels){NULL, 0});
	ck_assert_uint_eq(counts.n_series, 3);

	ck_assert_uint_eq(tsdb_label_counts_top(&counts, NULL, TSDB_SERIES_OF_METRIC, 10, &top), 1);
	ck_assert(tsdb_str_equal(top[0].name, TSDB_STR("up")) && top[0].figure == 2);
	ck_assert_uint_eq(tsdb_label_counts_top(&counts, NULL, TSDB_VALUES_OF_LABEL, 10, &top), 2);
	ck_assert(tsdb_str_equal(top[0].name, TSDB_STR("__name__")) && top[0].figure == 1);
	/* lengths take one byte, of 255 bytes and more four */
	ck_assert_uint_eq(tsdb_label_counts_top(&counts, NULL, TSDB_BYTES_OF_LABEL, 10, &top), 2);
	ck_assert(tsdb_str_equal(top[0].name, TSDB_STR("job")));
	ck_assert_uint_eq(top[0].figure, 3 + 1 + 300 + 4);
	ck_assert_uint_eq(top[1].figure, 2 * (8 + 1 + 2 + 1));
}
END_TEST

Suite	   *label_counts_suite(void);

Suite *
label_counts_suite(void)
{
	Suite	   *suite = suite_create("label_counts");
	TCase	   *cases = tcase_create("label_counts");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, each_string_has_one_place);
	tcase_add_test(cases, strings_are_copied);
	tcase_add_test(cases, the_largest_are_those_of_a_full_sort);
	tcase_add_test(cases, each_list_counts_something_else);
	suite_add_tcase(suite, cases);
	return suite;
}
