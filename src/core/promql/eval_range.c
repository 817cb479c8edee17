/*
 * eval_range.c
 *		Calls of functions of a range vector.
 *
 * The series come one after another.  The borders of all windows are found in one pass over
 * a series' times (and kept for the next series if that has the same times); then the
 * function's kernel computes all steps, and the samples are needed no more.
 */
#include "core/promql/eval_range.h"

typedef struct RangeEntry
{
	RangeKernel *kernel;
	bool		keeps_name;		/* the result is a sample, not something computed from samples */
	bool		takes_anchored;
	bool		takes_smoothed;
} RangeEntry;

static const RangeEntry entries[TSDB_FN_COUNT] = {
	[TSDB_FN_ABSENT_OVER_TIME] = {tsdb_range_present, false},	/* see absent_over_time() */
	[TSDB_FN_AVG_OVER_TIME] = {tsdb_range_avg, false},
	[TSDB_FN_CHANGES] = {tsdb_range_changes, false, true, false},
	[TSDB_FN_COUNT_OVER_TIME] = {tsdb_range_count, false},
	[TSDB_FN_DELTA] = {tsdb_range_delta, false, true, true},
	[TSDB_FN_DERIV] = {tsdb_range_deriv, false},
	[TSDB_FN_DOUBLE_EXPONENTIAL_SMOOTHING] = {tsdb_range_double_exponential_smoothing, false},
	[TSDB_FN_FIRST_OVER_TIME] = {tsdb_range_first, true},
	[TSDB_FN_IDELTA] = {tsdb_range_idelta, false},
	[TSDB_FN_INCREASE] = {tsdb_range_increase, false, true, true},
	[TSDB_FN_IRATE] = {tsdb_range_irate, false},
	[TSDB_FN_LAST_OVER_TIME] = {tsdb_range_last, true},
	[TSDB_FN_MAD_OVER_TIME] = {tsdb_range_mad, false},
	[TSDB_FN_MAX_OVER_TIME] = {tsdb_range_max, false},
	[TSDB_FN_MIN_OVER_TIME] = {tsdb_range_min, false},
	[TSDB_FN_PREDICT_LINEAR] = {tsdb_range_predict_linear, false},
	[TSDB_FN_PRESENT_OVER_TIME] = {tsdb_range_present, false},
	[TSDB_FN_QUANTILE_OVER_TIME] = {tsdb_range_quantile, false},
	[TSDB_FN_RATE] = {tsdb_range_rate, false, true, true},
	[TSDB_FN_RESETS] = {tsdb_range_resets, false, true, false},
	[TSDB_FN_STDDEV_OVER_TIME] = {tsdb_range_stddev, false},
	[TSDB_FN_STDVAR_OVER_TIME] = {tsdb_range_stdvar, false},
	[TSDB_FN_SUM_OVER_TIME] = {tsdb_range_sum, false},
	[TSDB_FN_TS_OF_FIRST_OVER_TIME] = {tsdb_range_ts_of_first, false},
	[TSDB_FN_TS_OF_LAST_OVER_TIME] = {tsdb_range_ts_of_last, false},
	[TSDB_FN_TS_OF_MAX_OVER_TIME] = {tsdb_range_ts_of_max, false},
	[TSDB_FN_TS_OF_MIN_OVER_TIME] = {tsdb_range_ts_of_min, false},
};

/* ---- arguments ---- */

/* Samples from beyond a range's borders would spoil most functions. */
static TsdbStatus
check_extension(RangeCall *call, const RangeEntry *entry, const TsdbExpr *range)
{
	const TsdbVectorExpr *selector = range->kind == TSDB_EXPR_MATRIX ? &range->matrix.selector->vector : NULL;
	const char *function = call->expr->call.function->name;

	if (selector != NULL && selector->anchored && !entry->takes_anchored)
		return tsdb_eval_fail(call->ev, "anchored modifier can only be used with: "
							  "changes, delta, increase, rate, resets - not with %s", function);
	if (selector != NULL && selector->smoothed && !entry->takes_smoothed)
		return tsdb_eval_fail(call->ev, "smoothed modifier can only be used with: "
							  "delta, increase, rate - not with %s", function);
	return TSDB_OK;
}

/* Evaluates the scalar arguments and finds the range vector among them. */
static TsdbStatus
eval_arguments(RangeCall *call, const TsdbExpr **range)
{
	const TsdbExpr *expr = call->expr;
	size_t		n_params = 0;

	for (size_t i = 0; i < expr->call.n_args; i++)
	{
		const TsdbExpr *arg = tsdb_expr_unwrap(expr->call.args[i]);
		double	   *values;

		if (tsdb_expr_type(arg) == TSDB_VALUE_MATRIX)
		{
			*range = arg;
			continue;
		}
		TRY(tsdb_eval_scalar(call->ev, arg, &call->grid, &values));
		call->params[n_params++] = values;
	}
	return TSDB_OK;
}

/* ---- windows ---- */

/* Prometheus holds the window of one series, and counts it. */
static TsdbStatus
check_largest_window(RangeCall *call, size_t largest)
{
	Evaluator  *ev = call->ev;

	if (largest > ev->options.max_samples - ev->samples)
		return tsdb_fail_too_many_samples(ev->error);
	if (ev->samples + largest > ev->stats.peak_samples)
		ev->stats.peak_samples = ev->samples + largest;
	if (largest > call->scratch_size)
	{
		call->scratch_size = largest > 2 * call->scratch_size ? largest : 2 * call->scratch_size;
		call->scratch = TSDB_NEW_ARRAY(ev->arena, double, call->scratch_size);
	}
	return TSDB_OK;
}

static TsdbStatus
find_windows(RangeCall *call, const EvalSeries *series)
{
	EvalWindow	window = {0};
	size_t		largest = 0;

	call->n_looked_at = 0;
	call->has_spans = false;
	for (size_t step = 0; step < call->grid.n; step++)
	{
		tsdb_eval_move_window(call->ev, &call->range, series, time_of(call->range.times, step), &window);
		call->from[step] = window.from;
		call->to[step] = window.to;
		call->n_looked_at += window.to - window.from;
		if (window.to - window.from > largest)
			largest = window.to - window.from;
	}
	return check_largest_window(call, largest);
}

/* The range vector's next series becomes a row. */
static TsdbStatus
take_series(EvalTaker *taker, const EvalSeries *series, bool same_times)
{
	RangeCall  *call = (RangeCall *) taker;
	EvalRow		row = {.v = tsdb_eval_rows_next(&call->rows)};

	if (!same_times)
		TRY(find_windows(call, series));
	call->times_repeat = same_times;
	call->ev->stats.total_samples += call->n_looked_at;
	TRY(call->kernel(call, series, row.v));
	if (tsdb_eval_row_is_empty(&row, call->grid.n))
		return TSDB_OK;
	return tsdb_eval_rows_keep(&call->rows, series->labels, series->drop_name);
}

/* ---- absent_over_time() ---- */

/* 1 where no series has a sample; the rows have come from present_over_time(). */
static TsdbStatus
absent_over_time(RangeCall *call, EvalMatrix *result)
{
	EvalMatrix	present = *result;
	double	   *v;

	TRY(tsdb_eval_matrix_constant(call->ev, &call->grid, 1, result));
	v = result->rows[0].v;
	for (size_t i = 0; i < present.n; i++)
	{
		tsdb_check_interrupt(call->ev->env);
		for (size_t step = 0; step < call->grid.n; step++)
			if (!is_absent(present.rows[i].v[step]))
				v[step] = absent_value();
	}
	result->rows[0].labels = tsdb_eval_absent_labels(call->ev, call->expr->call.args[0]);
	result->rows[0].drop_name = true;
	tsdb_eval_drop_empty_rows(result);
	return TSDB_OK;
}

/* ---- the call ---- */

/* A sample keeps its name unless an inner expression has marked it to go. */
static void
drop_marked_names(Evaluator *ev, EvalMatrix *matrix)
{
	for (size_t i = 0; i < matrix->n; i++)
		if (matrix->rows[i].drop_name && !ev->options.delayed_name_removal)
			matrix->rows[i].labels = tsdb_eval_without_name(ev->arena, matrix->rows[i].labels);
}

/* The first argument; Prometheus puts another node in place of a subquery, which has lost its position. */
static TsdbRange
position_for_notes(const TsdbExpr *expr)
{
	const TsdbExpr *first = tsdb_expr_unwrap(expr->call.args[0]);

	return first->kind == TSDB_EXPR_SUBQUERY ? (TsdbRange){0, 0} : first->range;
}

TsdbStatus
tsdb_eval_range_call(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	const RangeEntry *entry = &entries[expr->call.function->id];
	RangeCall	call = {
		.taker = {take_series},
		.ev = ev,
		.expr = expr,
		.kernel = entry->kernel,
		.position = position_for_notes(expr),
		.grid = *grid,
		.from = TSDB_NEW_ARRAY(ev->arena, size_t, grid->n),
		.to = TSDB_NEW_ARRAY(ev->arena, size_t, grid->n)
	};
	const TsdbExpr *range = NULL;
	bool		stay_distinct;

	TRY(eval_arguments(&call, &range));
	TRY(check_extension(&call, entry, range));
	tsdb_eval_rows_begin(&call.rows, ev, grid->n);
	TRY(tsdb_eval_range_vector(ev, range, grid, &call.range, &call.taker));
	*result = call.rows.matrix;
	if (expr->call.function->id == TSDB_FN_ABSENT_OVER_TIME)
		return absent_over_time(&call, result);

	stay_distinct = ev->options.delayed_name_removal || tsdb_eval_names_are_equal(ev, result);
	if (entry->keeps_name)
		drop_marked_names(ev, result);
	else
		tsdb_eval_drop_names(ev, result);
	return stay_distinct ? TSDB_OK : tsdb_eval_forbid_equal_rows(ev, result);
}
