/*
 * range_rates.c
 *		rate, increase, delta and their kin: how a series moves within a range.
 *
 * rate() and increase() add up what a counter gained.  Where it fell it was
 * reset, and the value before the fall counts as well.  Falls are rare, so they
 * are listed once per series, and a window costs as many steps as it has falls:
 * the same additions in the same order as a walk over all its samples.
 */
#include "core/promql/eval_range.h"
#include "core/promql/pairs.h"

double
tsdb_range_seconds(int64_t ms)
{
	return (double) (ms / 1000) + (double) (ms % 1000 * 1000000) / 1e9;
}

/*
 * Samples are assumed to go on up to the borders of the range; where a border is further away than 1.1 of the average distance,
 * half a distance is added instead.  So the difference of the first and the last sample becomes that of the whole range.
 */
static RangeSpan
span_of(const RangeCall *call, RangeWindow window, size_t step, double divisor)
{
	int64_t		first_t = window.t[0];
	int64_t		last_t = window.t[window.n - 1];
	int64_t		range_end = time_of(call->range.times, step);
	RangeSpan	span = {
		.sampled = (double) (last_t - first_t) / 1000,
		.to_start = (double) (first_t - time_minus(range_end, call->range.range)) / 1000,
		.to_end = (double) (range_end - last_t) / 1000
	};
	double		distance = span.sampled / (double) (window.n - 1);
	double		threshold = distance * 1.1;

	if (span.to_start >= threshold)
		span.to_start = distance / 2;
	if (span.to_end >= threshold)
		span.to_end = distance / 2;
	span.factor = (span.sampled + span.to_start + span.to_end) / span.sampled / divisor;
	return span;
}

/* Kept for the next series when this one has the times of the one before: then there is probably another. */
static RangeSpan
need_span(RangeCall *call, RangeWindow window, size_t step, double divisor)
{
	RangeSpan	span;

	if (call->has_spans)
		return call->spans[step];
	span = span_of(call, window, step, divisor);
	if (call->times_repeat)
		call->spans[step] = span;
	return span;
}

#define SMALL_PRODUCT 1e-290	/* above it a product has all its bits */

/*
 * A counter is not extended below zero: it may have begun where a line through the samples does.  Most are far above zero, which a
 * product tells sooner than a quotient.
 */
static double
counter_factor(const RangeSpan *span, double first, double difference, double divisor)
{
	double		product = first * span->sampled;
	double		to_zero;

	if (!(difference > 0 && first >= 0) || (product > SMALL_PRODUCT && product > 2 * span->to_start * difference))
		return span->factor;
	to_zero = span->sampled * (first / difference);
	if (!(to_zero < span->to_start))
		return span->factor;
	return (span->sampled + to_zero + span->to_end) / span->sampled / divisor;
}

static size_t
count_resets(const double *v, size_t n)
{
	PairMask	falls = {0, 0};
	size_t		i = 1;

	for (; i + 2 <= n; i += 2)
		falls -= (PairMask) (load_pair(v + i) < load_pair(v + i - 1));
	return (size_t) (falls[0] + falls[1]) + (i < n && v[i] < v[i - 1]);
}

/* Places of samples that are lower than the one before. */
static size_t
find_resets(const RangeCall *call, const EvalSeries *series, size_t **resets)
{
	size_t		n = count_resets(series->v, series->n);
	size_t		found = 0;

	*resets = n == 0 ? NULL : TSDB_NEW_ARRAY(call->ev->scratch, size_t, n);
	for (size_t i = 1; found < n; i++)
		if (series->v[i] < series->v[i - 1])
			(*resets)[found++] = i;
	return n;
}

static TsdbStatus
extrapolated(RangeCall *call, const EvalSeries *series, double *out, bool is_counter, bool is_rate)
{
	double		divisor = is_rate ? tsdb_range_seconds(call->range.range) : 1;
	size_t	   *resets = NULL;
	size_t		n_resets = is_counter ? find_resets(call, series, &resets) : 0;
	size_t		next_reset = 0;

	if (call->range.extension != NOT_EXTENDED)
		return tsdb_range_extended(call, series, out, is_counter, is_rate);
	if (call->times_repeat && call->spans == NULL)
		call->spans = TSDB_NEW_ARRAY(call->ev->arena, RangeSpan, call->grid.n);
	for (size_t step = 0; step < call->grid.n; step++)
	{
		size_t		from = call->from[step];
		size_t		to = call->to[step];
		RangeWindow window = {series->t + from, series->v + from, to - from};
		double		difference;
		RangeSpan	span;

		tsdb_check_interrupt(call->ev->env);
		if (window.n < 2)
		{
			out[step] = absent_value();
			continue;
		}
		difference = window.v[window.n - 1] - window.v[0];
		while (next_reset < n_resets && resets[next_reset] <= from)
			next_reset++;
		for (size_t k = next_reset; k < n_resets && resets[k] < to; k++)
			difference += series->v[resets[k] - 1];
		span = need_span(call, window, step, divisor);
		out[step] = difference * (is_counter ? counter_factor(&span, window.v[0], difference, divisor) : span.factor);
	}
	call->has_spans = call->times_repeat;
	return TSDB_OK;
}

static bool
has_suffix(TsdbStr name, TsdbStr suffix)
{
	return name.len >= suffix.len && memcmp(name.data + name.len - suffix.len, suffix.data, suffix.len) == 0;
}

static void
note_unlikely_counter(RangeCall *call, const EvalSeries *series, const double *out)
{
	TsdbStr		name = tsdb_labels_get(series->labels, TSDB_STR(TSDB_METRIC_NAME));
	EvalRow		row = {.v = (double *) out};

	if (name.len == 0 || tsdb_str_equal(name, call->noted_name) ||
		has_suffix(name, TSDB_STR("_total")) || has_suffix(name, TSDB_STR("_sum")) ||
		has_suffix(name, TSDB_STR("_count")) || has_suffix(name, TSDB_STR("_bucket")) ||
		tsdb_eval_row_is_empty(&row, call->grid.n))
		return;
	call->noted_name = name;
	tsdb_eval_info_metric(call->ev, call->position,
						  "PromQL info: metric might not be a counter, "
						  "name does not end in _total/_sum/_count/_bucket:", name);
}

TsdbStatus
tsdb_range_rate(RangeCall *call, const EvalSeries *series, double *out)
{
	TRY(extrapolated(call, series, out, true, true));
	note_unlikely_counter(call, series, out);
	return TSDB_OK;
}

TsdbStatus
tsdb_range_increase(RangeCall *call, const EvalSeries *series, double *out)
{
	TRY(extrapolated(call, series, out, true, false));
	note_unlikely_counter(call, series, out);
	return TSDB_OK;
}

TsdbStatus
tsdb_range_delta(RangeCall *call, const EvalSeries *series, double *out)
{
	return extrapolated(call, series, out, false, false);
}

/* ---- the last two samples ---- */

static double
instant_rate(RangeCall *call, RangeWindow window, size_t step)
{
	const double *v = window.v + window.n - 2;
	const int64_t *t = window.t + window.n - 2;

	if (window.n < 2)
		return absent_value();
	/* after a reset the counter has come up from zero */
	return (v[1] < v[0] ? v[1] : v[1] - v[0]) / ((double) (t[1] - t[0]) / 1000);
}

static double
instant_delta(RangeCall *call, RangeWindow window, size_t step)
{
	if (window.n < 2)
		return absent_value();
	return window.v[window.n - 1] - window.v[window.n - 2];
}

TsdbStatus
tsdb_range_irate(RangeCall *call, const EvalSeries *series, double *out)
{
	return for_each_window(call, series, out, instant_rate);
}

TsdbStatus
tsdb_range_idelta(RangeCall *call, const EvalSeries *series, double *out)
{
	return for_each_window(call, series, out, instant_delta);
}

/* ---- counts of events ---- */

static bool
is_reset(double before, double now)
{
	return now < before;
}

static bool
is_change(double before, double now)
{
	return now != before && !(isnan(now) && isnan(before));
}

/* The events of a window are those up to its last sample less those up to its first. */
static inline __attribute__((always_inline)) TsdbStatus
count_events(RangeCall *call, const EvalSeries *series, double *out, bool (*is_event) (double before, double now))
{
	size_t	   *events = TSDB_NEW_ARRAY(call->ev->scratch, size_t, series->n);

	events[0] = 0;
	for (size_t i = 1; i < series->n; i++)
		events[i] = events[i - 1] + is_event(series->v[i - 1], series->v[i]);
	for (size_t step = 0; step < call->grid.n; step++)
		out[step] = call->from[step] == call->to[step] ? absent_value() :
			(double) (events[call->to[step] - 1] - events[call->from[step]]);
	return TSDB_OK;
}

TsdbStatus
tsdb_range_resets(RangeCall *call, const EvalSeries *series, double *out)
{
	return count_events(call, series, out, is_reset);
}

TsdbStatus
tsdb_range_changes(RangeCall *call, const EvalSeries *series, double *out)
{
	return count_events(call, series, out, is_change);
}

/* ---- trends ---- */

typedef struct Line
{
	double		slope;
	double		intercept;		/* at the time asked for */
} Line;

/* Least squares, with compensated sums. */
static Line
linear_regression(RangeWindow window, int64_t intercept_time)
{
	double		n = (double) window.n;
	double		x_sum = 0, x_rest = 0;
	double		y_sum = 0, y_rest = 0;
	double		xy_sum = 0, xy_rest = 0;
	double		xx_sum = 0, xx_rest = 0;
	bool		is_constant = true;
	double		slope;

	for (size_t i = 0; i < window.n; i++)
	{
		double		x = (double) time_minus(window.t[i], intercept_time) / 1e3;
		double		y = window.v[i];

		if (i > 0 && y != window.v[0])
			is_constant = false;
		kahan_add(x, &x_sum, &x_rest);
		kahan_add(y, &y_sum, &y_rest);
		kahan_add(x * y, &xy_sum, &xy_rest);
		kahan_add(x * x, &xx_sum, &xx_rest);
	}
	if (is_constant)
		return isinf(window.v[0]) ? (Line){normal_nan(), normal_nan()} : (Line){0, window.v[0]};
	x_sum += x_rest;
	y_sum += y_rest;
	xy_sum += xy_rest;
	xx_sum += xx_rest;
	slope = (xy_sum - x_sum * y_sum / n) / (xx_sum - x_sum * x_sum / n);
	return (Line){slope, y_sum / n - slope * x_sum / n};
}

/* Times are taken relative to one near them, for accuracy. */
static double
deriv(RangeCall *call, RangeWindow window, size_t step)
{
	return window.n < 2 ? absent_value() : linear_regression(window, window.t[0]).slope;
}

static double
predict_linear(RangeCall *call, RangeWindow window, size_t step)
{
	Line		line;

	if (window.n < 2)
		return absent_value();
	line = linear_regression(window, grid_time(&call->grid, step));
	return line.slope * call->params[0][step] + line.intercept;
}

TsdbStatus
tsdb_range_deriv(RangeCall *call, const EvalSeries *series, double *out)
{
	return for_each_window(call, series, out, deriv);
}

TsdbStatus
tsdb_range_predict_linear(RangeCall *call, const EvalSeries *series, double *out)
{
	return for_each_window(call, series, out, predict_linear);
}

/* Holt's linear method: a smoothed value and a smoothed trend. */
static double
double_exponential_smoothing(RangeCall *call, RangeWindow window, size_t step)
{
	double		smoothing = call->params[0][step];
	double		trend_factor = call->params[1][step];
	double		before = 0;
	double		smoothed = window.v[0];
	double		trend;

	if (window.n < 2)
		return absent_value();
	trend = window.v[1] - window.v[0];
	for (size_t i = 1; i < window.n; i++)
	{
		double		next;

		if (i > 1)
			trend = trend_factor * (smoothed - before) + (1 - trend_factor) * trend;
		next = smoothing * window.v[i] + (1 - smoothing) * (smoothed + trend);
		before = smoothed;
		smoothed = next;
	}
	return smoothed;
}

TsdbStatus
tsdb_range_double_exponential_smoothing(RangeCall *call, const EvalSeries *series, double *out)
{
	for (size_t step = 0; step < call->grid.n; step++)
	{
		double		smoothing = call->params[0][step];
		double		trend_factor = call->params[1][step];

		if (call->from[step] == call->to[step])
			continue;
		if (smoothing <= 0 || smoothing >= 1)
			return tsdb_eval_fail(call->ev, "invalid smoothing factor. Expected: 0 < sf < 1, got: %f", smoothing);
		if (trend_factor <= 0 || trend_factor >= 1)
			return tsdb_eval_fail(call->ev, "invalid trend factor. Expected: 0 < tf < 1, got: %f", trend_factor);
	}
	return for_each_window(call, series, out, double_exponential_smoothing);
}
