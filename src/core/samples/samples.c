/*
 * samples.c
 *		The samples of one series out of several places.
 *
 * Nearly always the runs follow each other in time (chunks, then head rows), and
 * then they are only copied.  Otherwise a natural merge sort: the input falls
 * into maximal strictly ascending stretches, and neighbours are merged until one
 * is left.  Neighbours are merged in place of both, so a stretch on the left always
 * has precedence over one on the right: at a tie the right sample is dropped.
 */
#include "core/samples/samples.h"

typedef struct Columns
{
	int64_t    *t;
	double	   *v;
} Columns;

/* One stretch is [bounds[i], bounds[i + 1]). */
typedef struct Stretches
{
	size_t	   *bounds;
	size_t		n;
} Stretches;

static Columns
columns_make(TsdbArena *arena, size_t n)
{
	return (Columns){TSDB_NEW_ARRAY(arena, int64_t, n), TSDB_NEW_ARRAY(arena, double, n)};
}

static size_t
count_stretches(const int64_t *t, size_t n)
{
	size_t		count = n > 0;

	for (size_t i = 1; i < n; i++)
		count += t[i] <= t[i - 1];
	return count;
}

static Stretches
find_stretches(TsdbArena *arena, const int64_t *t, size_t n, size_t count)
{
	Stretches	stretches = {TSDB_NEW_ARRAY(arena, size_t, count + 1), 0};

	for (size_t i = 0; i < n; i++)
		if (i == 0 || t[i] <= t[i - 1])
			stretches.bounds[stretches.n++] = i;
	stretches.bounds[stretches.n] = n;
	return stretches;
}

/* Merges [a, b) and [b, c) of from to the position at of to; returns where it ended. */
static size_t
merge_two(Columns from, size_t a, size_t b, size_t c, Columns to, size_t at)
{
	size_t		left = a;
	size_t		right = b;

	while (left < b || right < c)
	{
		bool		take_left = right == c || (left < b && from.t[left] <= from.t[right]);
		size_t		taken = take_left ? left++ : right++;

		if (take_left && right < c && from.t[taken] == from.t[right])
			right++;			/* the earlier run has precedence */
		to.t[at] = from.t[taken];
		to.v[at] = from.v[taken];
		at++;
	}
	return at;
}

/* One pass: half as many stretches in `to`. */
static void
merge_pairs(Columns from, Columns to, Stretches *stretches)
{
	size_t		n_after = 0;
	size_t		at = 0;

	for (size_t i = 0; i < stretches->n; i += 2)
	{
		size_t		a = stretches->bounds[i];
		size_t		b = stretches->bounds[i + 1];
		size_t		c = i + 2 <= stretches->n ? stretches->bounds[i + 2] : b;
		size_t		start = at;

		at = merge_two(from, a, b, c, to, at);
		/* n_after <= i, so this bound has been read already */
		stretches->bounds[n_after++] = start;
	}
	stretches->bounds[n_after] = at;
	stretches->n = n_after;
}

TsdbRun
tsdb_runs_unite(TsdbArena *arena, const TsdbRun *runs, size_t n_runs)
{
	Columns		all;
	Columns		other;
	Stretches	stretches;
	size_t		total = 0;
	size_t		count;

	if (n_runs == 1 && count_stretches(runs[0].t, runs[0].n) <= 1)
		return runs[0];
	for (size_t i = 0; i < n_runs; i++)
		total += runs[i].n;
	all = columns_make(arena, total);
	total = 0;
	for (size_t i = 0; i < n_runs; i++)
	{
		if (runs[i].n == 0)
			continue;
		memcpy(all.t + total, runs[i].t, runs[i].n * sizeof(int64_t));
		memcpy(all.v + total, runs[i].v, runs[i].n * sizeof(double));
		total += runs[i].n;
	}

	count = count_stretches(all.t, total);
	if (count <= 1)
		return (TsdbRun){total, all.t, all.v};
	stretches = find_stretches(arena, all.t, total, count);
	other = columns_make(arena, total);
	while (stretches.n > 1)
	{
		Columns		done = other;

		merge_pairs(all, other, &stretches);
		other = all;
		all = done;
	}
	return (TsdbRun){stretches.bounds[1], all.t, all.v};
}
