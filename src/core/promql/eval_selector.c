/*
 * eval_selector.c
 *		Selectors: from stored samples to points at the times of the query.
 *
 * An instant selector takes, at each step, the newest sample that is not older
 * than the lookback; a range selector hands the samples on, and the function
 * around it slides a window over them.  Ranges and the lookback are open on the
 * left.  Series that share their array of times (those of one scrape do) share
 * the search, too.
 */
#include "core/promql/eval_internal.h"
#include "core/promql/pairs.h"

/* Fails where a time does not fit, so that the times can be used without a thought. */
static TsdbStatus
selector_times(Evaluator *ev, const EvalGrid *grid, const TsdbTimeShift *shift, EvalTimes *times)
{
	bool		fixed = shift->at != TSDB_AT_NONE;
	int64_t		last;

	times->n = grid->n;
	times->step = fixed ? 0 : grid->step;
	if (__builtin_sub_overflow(fixed ? shift->at_ms : grid->start, shift->offset_ms, &times->first) ||
		__builtin_sub_overflow(fixed ? shift->at_ms : grid_time(grid, grid->n - 1), shift->offset_ms, &last))
		return tsdb_eval_fail(ev, "time of a selector is out of range");
	return TSDB_OK;
}

static EvalExtension
extension_of(const TsdbVectorExpr *selector)
{
	return selector->anchored ? ANCHORED : selector->smoothed ? SMOOTHED : NOT_EXTENDED;
}

/* Gives the sink the samples that may matter when each step looks back `range` from its time, for the newest or for all of them. */
static TsdbStatus
select_series(Evaluator *ev, const TsdbVectorExpr *selector, EvalTimes times, int64_t range, bool newest, TsdbSeriesSink *sink)
{
	int64_t		ahead = extension_of(selector) == SMOOTHED ? ev->options.lookback : 0;
	TsdbSelect	what = {
		.t_min = time_minus(times.first, range - 1),
		.t_max = time_minus(time_of(times, times.n - 1), -ahead),
		.matchers = selector->matchers,
		.n_matchers = selector->n_matchers,
		.max_series = ev->options.max_series,
		.newest_only = newest && times.n == 1
	};

	tsdb_check_interrupt(ev->env);
	return ev->source->select(ev->source, ev->arena, &what, sink, ev->error);
}

size_t
tsdb_eval_seek(const int64_t *t, size_t n, size_t from, int64_t time)
{
	size_t		stride = 1;
	size_t		low = from;
	size_t		high;

	/* mostly the answer is near; the stride doubles where a step spans many samples */
	while (low < n && t[low] <= time)
	{
		low += stride;
		stride *= 2;
	}
	high = low < n ? low : n;
	low = stride == 1 ? from : low - stride / 2 + 1;
	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (t[middle] <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * The same from step to step, `place` being that of the step before.  Steps of the same length mostly pass as many samples as the
 * last one, which takes two comparisons to see, and both go as expected.
 */
static inline size_t
seek_next(const int64_t *t, size_t n, size_t place, size_t *passed, int64_t time)
{
	size_t		found = place + *passed;

	if (found > n || (found > 0 && t[found - 1] > time) || (found < n && t[found] <= time))
		found = tsdb_eval_seek(t, n, place, time);
	*passed = found - place;
	return found;
}

/* ---- stale markers ---- */

static bool
has_nan(const double *v, size_t n)
{
	PairMask	found = {0, 0};
	size_t		i = 0;

	for (; i + 2 <= n; i += 2)
		found |= (PairMask) (load_pair(v + i) != load_pair(v + i));
	return (found[0] | found[1]) != 0 || (i < n && isnan(v[i]));
}

/* A stale marker is a NaN, and mostly there is none. */
static size_t
count_stale_markers(const double *v, size_t n)
{
	size_t		count = 0;

	if (!has_nan(v, n))
		return 0;
	for (size_t i = 0; i < n; i++)
		count += tsdb_is_stale(v[i]);
	return count;
}

/*
 * Stale markers end a series for instant selectors; a range only has one sample less.  Copies to the scratch
 * arena where there are some.
 */
static EvalSeries
without_stale_markers(Evaluator *ev, const TsdbSeriesData *series)
{
	size_t		kept = series->n - count_stale_markers(series->v, series->n);
	int64_t    *t;
	double	   *v;

	if (kept == series->n)
		return (EvalSeries){series->labels, series->n, series->t, series->v, false};
	t = TSDB_NEW_ARRAY(ev->scratch, int64_t, kept);
	v = TSDB_NEW_ARRAY(ev->scratch, double, kept);
	kept = 0;
	for (size_t i = 0; i < series->n; i++)
	{
		if (tsdb_is_stale(series->v[i]))
			continue;
		t[kept] = series->t[i];
		v[kept++] = series->v[i];
	}
	return (EvalSeries){series->labels, kept, t, v, false};
}

/* ---- instant vectors ---- */

#define NO_SAMPLE SIZE_MAX

/* An instant selector at work, as a sink of series: each becomes a row. */
typedef struct Picker Picker;
struct Picker
{
	TsdbSeriesSink sink;		/* first: the source sees only this */
	EvalRows	rows;
	EvalTimes	times;
	int64_t		lookback;
	size_t	   *picked;			/* the sample of each step, found once for series with the same times */
	size_t		(*fill) (Picker *picker, const TsdbSeriesData *series, bool same_times, double *out);
};

static void
pick(Picker *picker, const int64_t *t, size_t n)
{
	size_t		place = 0;
	size_t		passed = 0;

	for (size_t step = 0; step < picker->times.n; step++)
	{
		int64_t		time = time_of(picker->times, step);

		place = seek_next(t, n, place, &passed, time);
		picker->picked[step] = place > 0 && t[place - 1] > time_minus(time, picker->lookback) ? place - 1 : NO_SAMPLE;
	}
}

/* These fill a row, and tell how many of its points are there. */
static size_t
fill_values(Picker *picker, const TsdbSeriesData *series, bool same_times, double *out)
{
	size_t		n = 0;

	if (!same_times)
		pick(picker, series->t, series->n);
	for (size_t step = 0; step < picker->times.n; step++)
	{
		out[step] = picker->picked[step] == NO_SAMPLE ? absent_value() : series->v[picker->picked[step]];
		n += !is_absent(out[step]);
	}
	return n;
}

static size_t
fill_timestamps(Picker *picker, const TsdbSeriesData *series, bool same_times, double *out)
{
	size_t		n = fill_values(picker, series, same_times, out);

	for (size_t step = 0; step < picker->times.n; step++)
		if (!is_absent(out[step]))
			out[step] = (double) series->t[picker->picked[step]] / 1000;
	return n;
}

/* Interpolated between the last sample before and the first one after, each within the lookback. */
static size_t
fill_smoothed(Picker *picker, const TsdbSeriesData *series, bool same_times, double *out)
{
	TsdbArena  *scratch = picker->rows.ev->scratch;
	TsdbArenaMark mark = tsdb_arena_mark(scratch);
	EvalSeries	samples = without_stale_markers(picker->rows.ev, series);
	size_t		from = 0;
	size_t		to = 0;
	size_t		n = 0;

	for (size_t step = 0; step < picker->times.n; step++)
	{
		int64_t		time = time_of(picker->times, step);

		from = tsdb_eval_seek(samples.t, samples.n, from, time_minus(time, picker->lookback));
		to = tsdb_eval_seek(samples.t, samples.n, to, time_minus(time, -picker->lookback));
		out[step] = tsdb_eval_smoothed_value(&samples, from, to, time);
		n += !is_absent(out[step]);
	}
	tsdb_arena_rewind(scratch, mark);
	return n;
}

static TsdbStatus
take_instant(TsdbSeriesSink *sink, const TsdbSeriesData *series, bool same_times, TsdbError *error)
{
	Picker	   *picker = (Picker *) sink;
	Evaluator  *ev = picker->rows.ev;
	size_t		n = picker->fill(picker, series, same_times, tsdb_eval_rows_next(&picker->rows));

	tsdb_check_interrupt(ev->env);
	ev->stats.total_samples += n;
	return n == 0 ? TSDB_OK : tsdb_eval_rows_keep(&picker->rows, series->labels, false);
}

static TsdbStatus
instant_vector(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid,
			   size_t (*fill) (Picker *, const TsdbSeriesData *, bool, double *), EvalMatrix *result)
{
	Picker		picker = {.sink = {take_instant}, .lookback = ev->options.lookback, .fill = fill};

	TRY(selector_times(ev, grid, &expr->vector.shift, &picker.times));
	tsdb_eval_rows_begin(&picker.rows, ev, grid->n);
	picker.picked = TSDB_NEW_ARRAY(ev->arena, size_t, grid->n);
	TRY(select_series(ev, &expr->vector, picker.times, ev->options.lookback, !expr->vector.smoothed, &picker.sink));
	*result = picker.rows.matrix;
	return TSDB_OK;
}

TsdbStatus
tsdb_eval_vector_selector(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	return instant_vector(ev, expr, grid, expr->vector.smoothed ? fill_smoothed : fill_values, result);
}

TsdbStatus
tsdb_eval_selector_timestamps(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	return instant_vector(ev, expr, grid, fill_timestamps, result);
}

/* ---- range vectors ---- */

/* Hands the series of a source on without their stale markers. */
typedef struct RangeSink
{
	TsdbSeriesSink sink;		/* first: the source sees only this */
	Evaluator  *ev;
	EvalTaker  *taker;
	bool		had_markers;	/* the series before was a copy */
} RangeSink;

/* Measures what goes through it, and takes the time of who takes it from the selector's. */
typedef struct ProfilingTaker
{
	EvalTaker	taker;			/* first: the range vector sees only this */
	Evaluator  *ev;
	EvalTaker  *inner;
	TsdbNodeProfile *profile;
} ProfilingTaker;

static TsdbStatus
take_profiled(EvalTaker *taker, const EvalSeries *series, bool same_times)
{
	ProfilingTaker *profiling = (ProfilingTaker *) taker;
	int64_t		start = tsdb_clock(profiling->ev->env);

	TRY(profiling->inner->take(profiling->inner, series, same_times));
	profiling->profile->ns -= tsdb_clock(profiling->ev->env) - start;
	profiling->profile->series++;
	profiling->profile->points += series->n;
	return TSDB_OK;
}

static TsdbStatus
take_range(TsdbSeriesSink *sink, const TsdbSeriesData *series, bool same_times, TsdbError *error)
{
	RangeSink  *range = (RangeSink *) sink;
	TsdbArenaMark mark = tsdb_arena_mark(range->ev->scratch);
	EvalSeries	samples = without_stale_markers(range->ev, series);
	bool		has_markers = samples.n < series->n;
	TsdbStatus	status = TSDB_OK;

	tsdb_check_interrupt(range->ev->env);
	if (samples.n > 0)
		status = range->taker->take(range->taker, &samples, same_times && !has_markers && !range->had_markers);
	range->had_markers = has_markers;
	tsdb_arena_rewind(range->ev->scratch, mark);
	return status;
}

static TsdbStatus
matrix_selector(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalRange *range, EvalTaker *taker)
{
	const TsdbVectorExpr *selector = &expr->matrix.selector->vector;
	RangeSink	sink = {.sink = {take_range}, .ev = ev, .taker = taker};

	TRY(selector_times(ev, grid, &selector->shift, &range->times));
	range->range = expr->matrix.range_ms;
	range->extension = extension_of(selector);
	return select_series(ev, selector, range->times,
						 time_minus(range->range, range->extension == NOT_EXTENDED ? 0 : -ev->options.lookback),
						 false, &sink.sink);
}

void
tsdb_eval_move_window(const Evaluator *ev, const EvalRange *range, const EvalSeries *series, int64_t end,
					  EvalWindow *window)
{
	int64_t		lookback = range->extension == NOT_EXTENDED ? 0 : ev->options.lookback;
	int64_t		start = time_minus(end, range->range);

	window->reach = seek_next(series->t, series->n, window->reach, &window->passed, time_minus(start, lookback));
	window->to = seek_next(series->t, series->n, window->to, &window->reached,
						   range->extension == SMOOTHED ? time_minus(end, -lookback) : end);
	window->from = window->reach;
	if (range->extension == ANCHORED)
	{
		size_t		anchor = tsdb_eval_seek(series->t, series->n, window->reach, start);

		if (anchor == window->to)
			window->from = window->to;	/* nothing within the range itself */
		else if (anchor > window->reach)
			window->from = anchor - 1;
	}
}

/* ---- subqueries ---- */

/* Multiples of the step after first - range, up to the last time: the points do not move with the query's start. */
static EvalGrid
subquery_grid(const EvalRange *range, int64_t step)
{
	int64_t		before = time_minus(range->times.first, range->range);
	int64_t		last = time_of(range->times, range->times.n - 1);
	int64_t		start = before - before % step;
	EvalGrid	grid = {0, step, 0};

	if (start <= before && __builtin_add_overflow(start, step, &start))
		return grid;
	if (start <= last)
		grid = (EvalGrid){start, step, tsdb_promql_steps(start, last, step), last > start};
	return grid;
}

/* A row as samples; a row without a gap has the times of the grid. */
static EvalSeries
row_samples(Evaluator *ev, const EvalRow *row, const EvalGrid *grid, const int64_t *times)
{
	size_t		n = 0;
	int64_t    *t;
	double	   *v;

	for (size_t step = 0; step < grid->n; step++)
		n += !is_absent(row->v[step]);
	if (n == grid->n)
		return (EvalSeries){row->labels, n, times, row->v, row->drop_name};
	t = TSDB_NEW_ARRAY(ev->scratch, int64_t, n);
	v = TSDB_NEW_ARRAY(ev->scratch, double, n);
	n = 0;
	for (size_t step = 0; step < grid->n; step++)
	{
		if (is_absent(row->v[step]))
			continue;
		t[n] = times[step];
		v[n++] = row->v[step];
	}
	return (EvalSeries){row->labels, n, t, v, row->drop_name};
}

static TsdbStatus
take_rows(Evaluator *ev, const EvalMatrix *points, const EvalGrid *grid, EvalTaker *taker)
{
	int64_t    *times = TSDB_NEW_ARRAY(ev->arena, int64_t, grid->n);
	bool		was_whole = false;

	for (size_t i = 0; i < grid->n; i++)
		times[i] = grid_time(grid, i);
	for (size_t i = 0; i < points->n; i++)
	{
		TsdbArenaMark mark = tsdb_arena_mark(ev->scratch);
		EvalSeries	samples = row_samples(ev, &points->rows[i], grid, times);

		tsdb_check_interrupt(ev->env);
		if (samples.n > 0)
			TRY(taker->take(taker, &samples, was_whole && samples.t == times));
		was_whole = samples.t == times;
		tsdb_arena_rewind(ev->scratch, mark);
	}
	return TSDB_OK;
}

static TsdbStatus
subquery(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalRange *range, EvalTaker *taker)
{
	int64_t		step = expr->subquery.step_ms != 0 ? expr->subquery.step_ms : ev->options.subquery_step;
	EvalGrid	inner;
	EvalMatrix	points;

	TRY(selector_times(ev, grid, &expr->subquery.shift, &range->times));
	range->range = expr->subquery.range_ms;
	range->extension = NOT_EXTENDED;
	inner = subquery_grid(range, step);
	TRY(tsdb_eval_count_samples(ev, 1, inner.n));	/* its times, also if no series comes */
	TRY(tsdb_eval_expr(ev, expr->subquery.expr, &inner, &points));
	return take_rows(ev, &points, &inner, taker);
}

static TsdbStatus
range_vector(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalRange *range, EvalTaker *taker)
{
	if (expr->kind == TSDB_EXPR_SUBQUERY)
		return subquery(ev, expr, grid, range, taker);
	return matrix_selector(ev, expr, grid, range, taker);
}

TsdbStatus
tsdb_eval_range_vector(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalRange *range, EvalTaker *taker)
{
	ProfilingTaker profiling = {{take_profiled}, ev, taker, expr->profile};
	TsdbSourceStats before = ev->source->stats;
	int64_t		start;

	if (expr->profile == NULL)
		return range_vector(ev, expr, grid, range, taker);
	start = tsdb_clock(ev->env);
	TRY(range_vector(ev, expr, grid, range, &profiling.taker));
	expr->profile->calls++;
	expr->profile->ns += tsdb_clock(ev->env) - start;
	if (expr->kind == TSDB_EXPR_MATRIX)
		tsdb_source_stats_add(&expr->profile->source, &ev->source->stats, &before);
	return TSDB_OK;
}
