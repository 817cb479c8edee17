/*
 * range_extended.c
 *		Ranges that reach over their borders: the modifiers anchored and smoothed.
 *
 * Instead of extrapolating, an anchored range begins with the last sample at its left
 * border or before it, so that increase() is what the samples say, and nothing is lost between
 * one range and the next.  A smoothed range has at each border the value on
 * the line between the samples around it.
 */
#include "core/promql/eval_range.h"

/* A counter that fell between two samples came up from zero. */
static double
interpolate(const EvalSeries *series, size_t i, int64_t time, bool is_counter)
{
	double		x = series->v[i];
	double		y = series->v[i + 1];

	if (is_counter && y < x)
		x = 0;
	return x + (y - x) * (double) (time - series->t[i]) / (double) (series->t[i + 1] - series->t[i]);
}

/* The first of the samples [from, to) that is at `time` or later; `to` if none is. */
static size_t
first_at(const EvalSeries *series, size_t from, size_t to, int64_t time)
{
	while (from < to)
	{
		size_t		middle = from + (to - from) / 2;

		if (series->t[middle] < time)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

double
tsdb_eval_smoothed_value(const EvalSeries *series, size_t from, size_t to, int64_t time)
{
	size_t		place = first_at(series, from, to, time);

	if (place < to && series->t[place] == time)
		return series->v[place];
	if (place == from)
		return absent_value();
	if (place == to)
		return series->v[place - 1];	/* nothing after it yet */
	return interpolate(series, place - 1, time, false);
}

/* The samples [first, last] that make up the range from start to end, and the values at its borders. */
typedef struct Borders
{
	size_t		first;
	size_t		last;
	double		left;
	double		right;
} Borders;

/* False if all samples are before the range. */
static bool
find_borders(EvalExtension extension, const EvalSeries *series, size_t from, size_t to, int64_t start, int64_t end,
			 bool is_counter, Borders *borders)
{
	size_t		last = to - 1;
	size_t		first = first_at(series, from, last, start == INT64_MAX ? start : start + 1);

	first = first > from ? first - 1 : from;
	if (extension == SMOOTHED)
		last = first_at(series, from, last, end);
	if (series->t[last] <= start)
		return false;
	*borders = (Borders){first, last, series->v[first], series->v[last]};
	if (extension == SMOOTHED && series->t[first] < start)
		borders->left = interpolate(series, first, start, is_counter);
	if (extension == SMOOTHED && last > from && series->t[last] > end)
		borders->right = interpolate(series, last - 1, end, is_counter);
	return true;
}

/* Leaves only the samples strictly between the borders: [first, last) from now on. */
static void
strip_borders(const EvalSeries *series, int64_t start, int64_t end, Borders *borders)
{
	borders->first += series->t[borders->first] <= start;
	borders->last += series->t[borders->last] < end;
}

/* What a counter lost to resets on its way from the left value over the samples to the right value. */
static double
lost_to_resets(const EvalSeries *series, const Borders *borders)
{
	double		lost = 0;
	double		before = borders->left;

	for (size_t i = borders->first; i < borders->last; i++)
	{
		if (series->v[i] < before)
			lost += before;
		before = series->v[i];
	}
	return borders->right < before ? lost + before : lost;
}

TsdbStatus
tsdb_range_extended(RangeCall *call, const EvalSeries *series, double *out, bool is_counter, bool is_rate)
{
	double		seconds = tsdb_range_seconds(call->range.range);

	for (size_t step = 0; step < call->grid.n; step++)
	{
		int64_t		end = time_of(call->range.times, step);
		int64_t		start = time_minus(end, call->range.range);
		Borders		borders;

		tsdb_check_interrupt(call->ev->env);
		out[step] = absent_value();
		if (call->from[step] == call->to[step] ||
			!find_borders(call->range.extension, series, call->from[step], call->to[step], start, end, is_counter, &borders))
			continue;
		if (call->range.extension == SMOOTHED && series->t[borders.first] > end)
			continue;			/* a range vector shows that sample all the same */
		out[step] = borders.right - borders.left;
		if (is_counter)
		{
			strip_borders(series, start, end, &borders);
			out[step] += lost_to_resets(series, &borders);
		}
		if (is_rate)
			out[step] /= seconds;
	}
	return TSDB_OK;
}

size_t
tsdb_eval_extended_points(EvalExtension extension, const EvalSeries *series, size_t from, size_t to,
						  int64_t start, int64_t end, int64_t *t, double *v)
{
	Borders		borders;
	size_t		n = 0;

	if (!find_borders(extension, series, from, to, start, end, false, &borders))
		return 0;
	strip_borders(series, start, end, &borders);
	t[n] = start;
	v[n++] = borders.left;
	for (size_t i = borders.first; i < borders.last; i++)
	{
		t[n] = series->t[i];
		v[n++] = series->v[i];
	}
	t[n] = end;
	v[n++] = borders.right;
	return n;
}
