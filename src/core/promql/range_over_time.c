/*
 * range_over_time.c
 *		The functions called *_over_time: what the samples of a range are together.  range_sums.c has two more.
 */
#include "core/promql/eval_range.h"

/* ---- variance ---- */

/* Welford's method */
static double
window_stdvar(RangeCall *call, RangeWindow window, size_t step)
{
	double		mean = 0, mean_rest = 0;
	double		squares = 0, squares_rest = 0;

	for (size_t i = 0; i < window.n; i++)
	{
		double		delta = window.v[i] - (mean + mean_rest);

		kahan_add(delta / (double) (i + 1), &mean, &mean_rest);
		kahan_add(delta * (window.v[i] - (mean + mean_rest)), &squares, &squares_rest);
	}
	return (squares + squares_rest) / (double) window.n;
}

static double
window_stddev(RangeCall *call, RangeWindow window, size_t step)
{
	return sqrt(window_stdvar(call, window, step));
}

/* ---- extremes ---- */

/* NaN only if there is nothing else; of equal values the place is that of the first. */
static size_t
place_of_max(RangeWindow window)
{
	size_t		place = 0;

	for (size_t i = 1; i < window.n; i++)
		if (window.v[i] > window.v[place] || isnan(window.v[place]))
			place = i;
	return place;
}

static size_t
place_of_min(RangeWindow window)
{
	size_t		place = 0;

	for (size_t i = 1; i < window.n; i++)
		if (window.v[i] < window.v[place] || isnan(window.v[place]))
			place = i;
	return place;
}

static double
window_max(RangeCall *call, RangeWindow window, size_t step)
{
	return window.v[place_of_max(window)];
}

static double
window_min(RangeCall *call, RangeWindow window, size_t step)
{
	return window.v[place_of_min(window)];
}

/* The time of the last of equal values. */
static double
window_ts_of_max(RangeCall *call, RangeWindow window, size_t step)
{
	size_t		place = 0;

	for (size_t i = 1; i < window.n; i++)
		if (window.v[i] >= window.v[place] || isnan(window.v[place]))
			place = i;
	return (double) window.t[place] / 1000;
}

static double
window_ts_of_min(RangeCall *call, RangeWindow window, size_t step)
{
	size_t		place = 0;

	for (size_t i = 1; i < window.n; i++)
		if (window.v[i] <= window.v[place] || isnan(window.v[place]))
			place = i;
	return (double) window.t[place] / 1000;
}

/* ---- places ---- */

static double
window_count(RangeCall *call, RangeWindow window, size_t step)
{
	return (double) window.n;
}

static double
window_present(RangeCall *call, RangeWindow window, size_t step)
{
	return 1;
}

static double
window_first(RangeCall *call, RangeWindow window, size_t step)
{
	return window.v[0];
}

static double
window_last(RangeCall *call, RangeWindow window, size_t step)
{
	return window.v[window.n - 1];
}

static double
window_ts_of_first(RangeCall *call, RangeWindow window, size_t step)
{
	return (double) window.t[0] / 1000;
}

static double
window_ts_of_last(RangeCall *call, RangeWindow window, size_t step)
{
	return (double) window.t[window.n - 1] / 1000;
}

/* ---- order statistics ---- */

static double
window_quantile(RangeCall *call, RangeWindow window, size_t step)
{
	double		q = call->params[0][step];

	if (isnan(q) || q < 0 || q > 1)
		tsdb_eval_warn_quantile(call->ev, call->position, q);
	memcpy(call->scratch, window.v, window.n * sizeof(double));
	return tsdb_eval_quantile(q, call->scratch, window.n);
}

/* The median of the distances to the median; undefined with a NaN among the samples. */
static double
window_mad(RangeCall *call, RangeWindow window, size_t step)
{
	double		median;

	for (size_t i = 0; i < window.n; i++)
		if (isnan(window.v[i]))
			return normal_nan();
	memcpy(call->scratch, window.v, window.n * sizeof(double));
	median = tsdb_eval_quantile(0.5, call->scratch, window.n);
	for (size_t i = 0; i < window.n; i++)
		call->scratch[i] = fabs(call->scratch[i] - median);
	return tsdb_eval_quantile(0.5, call->scratch, window.n);
}

/* ---- the kernels ---- */

#define WINDOW_KERNEL(name) \
TsdbStatus \
tsdb_range_##name(RangeCall *call, const EvalSeries *series, double *out) \
{ \
	return for_each_window(call, series, out, window_##name); \
}

WINDOW_KERNEL(count)
WINDOW_KERNEL(first)
WINDOW_KERNEL(last)
WINDOW_KERNEL(mad)
WINDOW_KERNEL(max)
WINDOW_KERNEL(min)
WINDOW_KERNEL(present)
WINDOW_KERNEL(quantile)
WINDOW_KERNEL(stddev)
WINDOW_KERNEL(stdvar)
WINDOW_KERNEL(ts_of_first)
WINDOW_KERNEL(ts_of_last)
WINDOW_KERNEL(ts_of_max)
WINDOW_KERNEL(ts_of_min)
