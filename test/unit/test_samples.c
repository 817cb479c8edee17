/*
 * test_samples.c
 *		Runs of samples united against a plain reference.
 */
#include <check.h>
#include <stdlib.h>

#include "core/samples/samples.h"

Suite	   *samples_suite(void);

#define MAX_SAMPLES 64

/* The definition, word by word: for each time the first sample in order of precedence. */
static size_t
reference(const TsdbRun *runs, size_t n_runs, int64_t *t, double *v)
{
	size_t		n = 0;

	for (int64_t time = -MAX_SAMPLES; time <= MAX_SAMPLES; time++)
	{
		bool		found = false;

		for (size_t r = 0; r < n_runs && !found; r++)
			for (size_t i = 0; i < runs[r].n && !found; i++)
				if (runs[r].t[i] == time)
				{
					t[n] = time;
					v[n++] = runs[r].v[i];
					found = true;
				}
	}
	return n;
}

static void
check_unite(TsdbArena *arena, const TsdbRun *runs, size_t n_runs)
{
	int64_t		t[2 * MAX_SAMPLES + 1];
	double		v[2 * MAX_SAMPLES + 1];
	size_t		n = reference(runs, n_runs, t, v);
	TsdbRun		united = tsdb_runs_unite(arena, runs, n_runs);

	ck_assert_uint_eq(united.n, n);
	for (size_t i = 0; i < n; i++)
	{
		ck_assert_int_eq(united.t[i], t[i]);
		ck_assert_double_eq(united.v[i], v[i]);
	}
}

START_TEST(random_runs_equal_reference)
{
	unsigned int seed = 20260101;

	for (int round = 0; round < 5000; round++)
	{
		TsdbArena	arena;
		TsdbRun		runs[5];
		size_t		n_runs = rand_r(&seed) % 6;
		double		next = 0;

		tsdb_arena_init_malloc(&arena, 0);
		for (size_t r = 0; r < n_runs; r++)
		{
			size_t		n = rand_r(&seed) % 12;
			int64_t    *t = TSDB_NEW_ARRAY(&arena, int64_t, n);
			double	   *v = TSDB_NEW_ARRAY(&arena, double, n);
			int64_t		at = rand_r(&seed) % 20 - 10;
			bool		ascending = rand_r(&seed) % 4 != 0;

			for (size_t i = 0; i < n; i++)
			{
				at = ascending ? at + rand_r(&seed) % 4 : rand_r(&seed) % MAX_SAMPLES - MAX_SAMPLES / 2;
				t[i] = at;
				v[i] = next++;
			}
			runs[r] = (TsdbRun){n, t, v};
		}
		check_unite(&arena, runs, n_runs);
		tsdb_arena_free(&arena);
	}
}
END_TEST

START_TEST(single_ascending_run_is_not_copied)
{
	TsdbArena	arena;
	const int64_t t[] = {1, 2, 3};
	const double v[] = {1, 2, 3};
	const TsdbRun run = {3, t, v};

	tsdb_arena_init_malloc(&arena, 0);
	ck_assert_ptr_eq(tsdb_runs_unite(&arena, &run, 1).t, t);
	tsdb_arena_free(&arena);
}
END_TEST

START_TEST(far_ends_of_time_do_not_overflow)
{
	TsdbArena	arena;
	const int64_t late[] = {INT64_MAX - 1, INT64_MAX};
	const int64_t early[] = {INT64_MIN, 0};
	const double v[] = {1, 2};
	const TsdbRun runs[] = {{2, late, v}, {2, early, v}};
	TsdbRun		united;

	tsdb_arena_init_malloc(&arena, 0);
	united = tsdb_runs_unite(&arena, runs, 2);
	ck_assert_uint_eq(united.n, 4);
	ck_assert_int_eq(united.t[0], INT64_MIN);
	ck_assert_int_eq(united.t[3], INT64_MAX);
	tsdb_arena_free(&arena);
}
END_TEST

Suite *
samples_suite(void)
{
	Suite	   *suite = suite_create("samples");
	TCase	   *unite = tcase_create("unite");

	tcase_add_test(unite, random_runs_equal_reference);
	tcase_add_test(unite, single_ascending_run_is_not_copied);
	tcase_add_test(unite, far_ends_of_time_do_not_overflow);
	suite_add_tcase(suite, unite);
	return suite;
}
