/*
 * eval_quantile.c
 *		Quantiles of values and of classic histograms.
 *
 * A classic histogram has cumulative counts: the bucket `le` counts what was at
 * most le.  Within a bucket observations are taken to be spread evenly, and the
 * lowest bucket to begin at 0 if its upper bound is positive.
 */
#include "core/promql/eval_internal.h"

#include <float.h>
#include <stdlib.h>

/* ---- of values ---- */

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	if (isnan(x) || isnan(y))
		return isnan(y) - isnan(x);
	return (x > y) - (x < y);
}

#define FEW_VALUES 32

/* Windows and groups mostly have few values, for which calls of a comparator would cost the most. */
static void
sort_values(double *values, size_t n)
{
	if (n > FEW_VALUES)
	{
		qsort(values, n, sizeof(double), compare_doubles);
		return;
	}
	for (size_t i = 1; i < n; i++)
	{
		double		value = values[i];
		size_t		place = i;

		while (place > 0 && (values[place - 1] > value || (isnan(value) && !isnan(values[place - 1]))))
		{
			values[place] = values[place - 1];
			place--;
		}
		values[place] = value;
	}
}

/* Between two values the one is weighed against the other. */
double
tsdb_eval_quantile(double q, double *values, size_t n)
{
	double		rank;
	double		weight;
	size_t		lower;
	size_t		upper;

	if (n == 0 || isnan(q))
		return normal_nan();
	if (q < 0)
		return -INFINITY;
	if (q > 1)
		return INFINITY;
	sort_values(values, n);
	rank = q * (double) (n - 1);
	weight = rank - floor(rank);
	lower = (size_t) floor(rank);
	upper = lower + 1 < n ? lower + 1 : n - 1;
	return values[lower] * (1 - weight) + values[upper] * weight;
}

/* ---- of buckets ---- */

/* Buckets with the same bound become one; returns how many are left. */
static size_t
coalesce(EvalBucket *buckets, size_t n)
{
	size_t		last = 0;

	for (size_t i = 1; i < n; i++)
	{
		if (buckets[i].upper_bound == buckets[last].upper_bound)
			buckets[last].count += buckets[i].count;
		else
			buckets[++last] = buckets[i];
	}
	return last + 1;
}

#define SMALL_DELTA 1e-12

/* Differences that summing floats can make. */
static bool
nearly_equal(double a, double b)
{
	double		sum = fabs(a) + fabs(b);
	double		difference = fabs(a - b);

	if (isnan(a) && isnan(b))
		return true;
	if (a == b)
		return true;
	if (a == 0 || b == 0 || sum < DBL_MIN)
		return difference < SMALL_DELTA * DBL_MIN;
	return difference / (sum < DBL_MAX ? sum : DBL_MAX) < SMALL_DELTA;
}

/* Cumulative counts cannot fall; a scrape in the middle of an update, or a rate, can make them. */
static void
make_monotonic(EvalBucket *buckets, size_t n, EvalBucketRepair *repair)
{
	double		before = buckets[0].count;

	*repair = (EvalBucketRepair){false, INFINITY, -INFINITY, 0};
	for (size_t i = 1; i < n; i++)
	{
		double		count = buckets[i].count;

		if (count == before)
			continue;
		if (nearly_equal(before, count))
		{
			buckets[i].count = before;
			continue;
		}
		if (!(count < before))
		{
			before = count;
			continue;
		}
		buckets[i].count = before;
		repair->needed = true;
		repair->min_bucket = fmin(repair->min_bucket, buckets[i].upper_bound);
		repair->max_bucket = fmax(repair->max_bucket, buckets[i].upper_bound);
		repair->max_diff = fmax(repair->max_diff, before - count);
	}
}

/* The first bucket that holds the rank; the last one if no other does. */
static size_t
find_rank(const EvalBucket *buckets, size_t n, double rank)
{
	size_t		low = 0;
	size_t		high = n - 1;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (buckets[middle].count >= rank)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

double
tsdb_eval_bucket_quantile(double q, EvalBucket *buckets, size_t n, EvalBucketRepair *repair)
{
	size_t		place;
	double		rank;
	double		start = 0;
	double		count;

	repair->needed = false;
	if (isnan(q))
		return normal_nan();
	if (q < 0)
		return -INFINITY;
	if (q > 1)
		return INFINITY;
	if (!(buckets[n - 1].upper_bound == INFINITY))
		return normal_nan();
	n = coalesce(buckets, n);
	make_monotonic(buckets, n, repair);
	if (n < 2 || buckets[n - 1].count == 0)
		return normal_nan();

	rank = q * buckets[n - 1].count;
	place = find_rank(buckets, n, rank);
	if (place == n - 1)
		return buckets[n - 2].upper_bound;
	if (place == 0 && buckets[0].upper_bound <= 0)
		return buckets[0].upper_bound;
	count = buckets[place].count;
	if (place > 0)
	{
		start = buckets[place - 1].upper_bound;
		count -= buckets[place - 1].count;
		rank -= buckets[place - 1].count;
	}
	return start + (buckets[place].upper_bound - start) * (rank / count);
}

/*
 * How many observations were at most `value`.  Nothing is known about where they
 * are in a bucket without an end: of the last none counts, of a first that
 * begins at -Inf all do.
 */
static double
rank_of(double value, const EvalBucket *buckets, size_t n)
{
	double		lower_bound = buckets[0].upper_bound <= 0 ? -INFINITY : 0;
	double		total = buckets[n - 1].count;
	double		below = 0;

	for (size_t i = 0; i < n; i++)
	{
		if (lower_bound >= value)
			return below > total ? total : below;
		if (buckets[i].upper_bound > value)
		{
			double		rank = isinf(lower_bound) ? buckets[i].count :
				below + (buckets[i].count - below) * (value - lower_bound) / (buckets[i].upper_bound - lower_bound);

			return rank > total ? total : rank;
		}
		below = buckets[i].count;
		lower_bound = buckets[i].upper_bound;
	}
	return total;
}

double
tsdb_eval_bucket_fraction(double lower, double upper, EvalBucket *buckets, size_t n)
{
	double		total;

	if (!(buckets[n - 1].upper_bound == INFINITY))
		return normal_nan();
	n = coalesce(buckets, n);
	total = buckets[n - 1].count;
	if (total == 0 || isnan(lower) || isnan(upper))
		return normal_nan();
	if (lower >= upper)
		return 0;
	return (rank_of(upper, buckets, n) - rank_of(lower, buckets, n)) / total;
}
