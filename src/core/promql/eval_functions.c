/*
 * eval_functions.c
 *		Calls: the table of functions, and those that are only a few lines.
 */
#include "core/promql/eval_functions.h"

/* ---- scalars ---- */

TsdbStatus
tsdb_function_time(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	TRY(tsdb_eval_matrix_make(ev, 1, grid->n, result));
	for (size_t step = 0; step < grid->n; step++)
		result->rows[0].v[step] = (double) grid_time(grid, step) / 1000;
	return TSDB_OK;
}

static TsdbStatus
function_pi(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	return tsdb_eval_matrix_constant(ev, grid, 3.14159265358979323846, result);
}

/* start(), end(), step() and range() of the whole query, also within a subquery. */
static TsdbStatus
function_query_times(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	const TsdbEvalOptions *options = &ev->options;
	bool		instant = options->start == options->end;
	double		seconds = 0;

	switch (expr->call.function->id)
	{
		case TSDB_FN_START:
			seconds = (double) options->start / 1000;
			break;
		case TSDB_FN_END:
			seconds = (double) options->end / 1000;
			break;
		case TSDB_FN_STEP:
			seconds = instant ? 0 : (double) options->step / 1000;
			break;
		default:
			seconds = (double) time_minus(options->end, options->start) / 1000;
			break;
	}
	return tsdb_eval_matrix_constant(ev, grid, seconds, result);
}

/* The value of the only series; NaN where there is none, or several. */
static TsdbStatus
function_scalar(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	EvalMatrix	vector;

	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, &vector));
	TRY(tsdb_eval_matrix_make(ev, 1, grid->n, result));
	for (size_t step = 0; step < grid->n; step++)
	{
		size_t		found = 0;
		double		value = normal_nan();

		tsdb_check_interrupt(ev->env);
		for (size_t i = 0; i < vector.n && found < 2; i++)
			if (!is_absent(vector.rows[i].v[step]))
			{
				value = vector.rows[i].v[step];
				found++;
			}
		result->rows[0].v[step] = found == 1 ? value : normal_nan();
	}
	return TSDB_OK;
}

/* A scalar is a row without labels already. */
static TsdbStatus
function_vector(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	return tsdb_eval_expr(ev, argument(expr, 0), grid, result);
}

/* ---- absent ---- */

TsdbLabels
tsdb_eval_absent_labels(Evaluator *ev, const TsdbExpr *arg)
{
	TsdbLabels	labels = tsdb_eval_no_labels;
	const TsdbVectorExpr *selector;

	arg = tsdb_expr_unwrap((TsdbExpr *) arg);
	if (arg->kind == TSDB_EXPR_MATRIX)
		arg = arg->matrix.selector;
	if (arg->kind != TSDB_EXPR_VECTOR)
		return labels;
	selector = &arg->vector;
	for (size_t i = 0; i < selector->n_matchers; i++)
	{
		const TsdbMatcher *matcher = &selector->matchers[i];
		bool		only_once = true;

		if (tsdb_str_equal(matcher->name, TSDB_STR(TSDB_METRIC_NAME)))
			continue;
		for (size_t k = 0; k < selector->n_matchers; k++)
			only_once = only_once && (k == i || !tsdb_str_equal(selector->matchers[k].name, matcher->name));
		if (matcher->type == TSDB_MATCH_EQUAL && only_once)
			labels = tsdb_eval_with_label(ev->arena, labels, matcher->name, matcher->value);
	}
	return labels;
}

static TsdbStatus
function_absent(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	EvalMatrix	vector;

	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, &vector));
	TRY(tsdb_eval_matrix_constant(ev, grid, 1, result));
	for (size_t i = 0; i < vector.n; i++)
	{
		tsdb_check_interrupt(ev->env);
		for (size_t step = 0; step < grid->n; step++)
			if (!is_absent(vector.rows[i].v[step]))
				result->rows[0].v[step] = absent_value();
	}
	result->rows[0].labels = tsdb_eval_absent_labels(ev, argument(expr, 0));
	tsdb_eval_drop_empty_rows(result);
	return TSDB_OK;
}

/* ---- timestamps ---- */

/*
 * With `@` Prometheus reads the series from where the offset leads to, as everywhere,
 * but then looks for the last sample at the time of `@` itself.  So an offset
 * shortens the lookback, and a negative one finds no sample after `@`.  Of a smoothed
 * selector samples are read that are newer by a lookback.
 */
static TsdbStatus
timestamps_of_selector(Evaluator *ev, const TsdbExpr *vector, const EvalGrid *grid, EvalMatrix *result)
{
	TsdbExpr	selector = *vector;
	TsdbTimeShift *shift = &selector.vector.shift;
	int64_t		ahead = shift->offset_ms < 0 ? shift->offset_ms : 0;
	int64_t		newer = vector->vector.smoothed ? ev->options.lookback : 0;
	int64_t		oldest = time_minus(time_minus(shift->at_ms, ahead), ev->options.lookback);

	if (shift->at == TSDB_AT_NONE)
		return tsdb_eval_selector_timestamps(ev, vector, grid, result);
	shift->offset_ms = shift->offset_ms > newer ? shift->offset_ms - newer : 0;
	TRY(tsdb_eval_selector_timestamps(ev, &selector, grid, result));
	for (size_t i = 0; i < result->n; i++)
		for (size_t step = 0; step < grid->n; step++)
			if (!is_absent(result->rows[i].v[step]) && llround(result->rows[i].v[step] * 1000) <= oldest)
				result->rows[i].v[step] = absent_value();
	tsdb_eval_drop_empty_rows(result);
	return TSDB_OK;
}

/* Of a selector the times of its samples; other expressions have none but that of the step. */
static TsdbStatus
function_timestamp(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	const TsdbExpr *vector = argument(expr, 0);

	if (vector->kind == TSDB_EXPR_VECTOR)
		TRY(timestamps_of_selector(ev, vector, grid, result));
	else
	{
		TRY(tsdb_eval_expr(ev, vector, grid, result));
		for (size_t i = 0; i < result->n; i++)
		{
			tsdb_check_interrupt(ev->env);
			for (size_t step = 0; step < grid->n; step++)
				if (!is_absent(result->rows[i].v[step]))
					result->rows[i].v[step] = (double) grid_time(grid, step) / 1000;
		}
	}
	return tsdb_eval_finish_function(ev, result);
}

/*
 * Functions of native histograms, and of start timestamps: floats are not their
 * concern, so that of floats nothing comes out.
 */
static TsdbStatus
function_of_no_floats(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, result));
	*result = tsdb_eval_matrix_empty(grid);
	return TSDB_OK;
}

/* ---- the table ---- */

static EvalFunction *const functions[TSDB_FN_COUNT] = {
	[TSDB_FN_ABS] = tsdb_function_math,
	[TSDB_FN_ABSENT] = function_absent,
	[TSDB_FN_ABSENT_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_ACOS] = tsdb_function_math,
	[TSDB_FN_ACOSH] = tsdb_function_math,
	[TSDB_FN_ASIN] = tsdb_function_math,
	[TSDB_FN_ASINH] = tsdb_function_math,
	[TSDB_FN_ATAN] = tsdb_function_math,
	[TSDB_FN_ATANH] = tsdb_function_math,
	[TSDB_FN_AVG_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_CEIL] = tsdb_function_math,
	[TSDB_FN_CHANGES] = tsdb_eval_range_call,
	[TSDB_FN_CLAMP] = tsdb_function_clamp,
	[TSDB_FN_CLAMP_MAX] = tsdb_function_clamp,
	[TSDB_FN_CLAMP_MIN] = tsdb_function_clamp,
	[TSDB_FN_COS] = tsdb_function_math,
	[TSDB_FN_COSH] = tsdb_function_math,
	[TSDB_FN_COUNT_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_DAY_OF_MONTH] = tsdb_function_date,
	[TSDB_FN_DAY_OF_WEEK] = tsdb_function_date,
	[TSDB_FN_DAY_OF_YEAR] = tsdb_function_date,
	[TSDB_FN_DAYS_IN_MONTH] = tsdb_function_date,
	[TSDB_FN_DEG] = tsdb_function_math,
	[TSDB_FN_DELTA] = tsdb_eval_range_call,
	[TSDB_FN_DERIV] = tsdb_eval_range_call,
	[TSDB_FN_DOUBLE_EXPONENTIAL_SMOOTHING] = tsdb_eval_range_call,
	[TSDB_FN_END] = function_query_times,
	[TSDB_FN_EXP] = tsdb_function_math,
	[TSDB_FN_FIRST_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_FLOOR] = tsdb_function_math,
	[TSDB_FN_HISTOGRAM_AVG] = function_of_no_floats,
	[TSDB_FN_HISTOGRAM_COUNT] = function_of_no_floats,
	[TSDB_FN_HISTOGRAM_FRACTION] = tsdb_function_histogram_fraction,
	[TSDB_FN_HISTOGRAM_QUANTILE] = tsdb_function_histogram_quantile,
	[TSDB_FN_HISTOGRAM_QUANTILES] = tsdb_function_histogram_quantiles,
	[TSDB_FN_HISTOGRAM_STDDEV] = function_of_no_floats,
	[TSDB_FN_HISTOGRAM_STDVAR] = function_of_no_floats,
	[TSDB_FN_HISTOGRAM_SUM] = function_of_no_floats,
	[TSDB_FN_HOUR] = tsdb_function_date,
	[TSDB_FN_IDELTA] = tsdb_eval_range_call,
	[TSDB_FN_INCREASE] = tsdb_eval_range_call,
	[TSDB_FN_INFO] = tsdb_function_info,
	[TSDB_FN_IRATE] = tsdb_eval_range_call,
	[TSDB_FN_LABEL_JOIN] = tsdb_function_label_join,
	[TSDB_FN_LABEL_REPLACE] = tsdb_function_label_replace,
	[TSDB_FN_LAST_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_LN] = tsdb_function_math,
	[TSDB_FN_LOG10] = tsdb_function_math,
	[TSDB_FN_LOG2] = tsdb_function_math,
	[TSDB_FN_MAD_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_MAX_OF] = tsdb_function_extreme_of,
	[TSDB_FN_MAX_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_MIN_OF] = tsdb_function_extreme_of,
	[TSDB_FN_MIN_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_MINUTE] = tsdb_function_date,
	[TSDB_FN_MONTH] = tsdb_function_date,
	[TSDB_FN_PI] = function_pi,
	[TSDB_FN_PREDICT_LINEAR] = tsdb_eval_range_call,
	[TSDB_FN_PRESENT_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_QUANTILE_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_RAD] = tsdb_function_math,
	[TSDB_FN_RANGE] = function_query_times,
	[TSDB_FN_RATE] = tsdb_eval_range_call,
	[TSDB_FN_RESETS] = tsdb_eval_range_call,
	[TSDB_FN_ROUND] = tsdb_function_round,
	[TSDB_FN_SCALAR] = function_scalar,
	[TSDB_FN_SGN] = tsdb_function_math,
	[TSDB_FN_SIN] = tsdb_function_math,
	[TSDB_FN_SINH] = tsdb_function_math,
	[TSDB_FN_SORT] = tsdb_function_sort,
	[TSDB_FN_SORT_BY_LABEL] = tsdb_function_sort_by_label,
	[TSDB_FN_SORT_BY_LABEL_DESC] = tsdb_function_sort_by_label,
	[TSDB_FN_SORT_DESC] = tsdb_function_sort,
	[TSDB_FN_SQRT] = tsdb_function_math,
	[TSDB_FN_START] = function_query_times,
	[TSDB_FN_START_TIMESTAMP] = function_of_no_floats,
	[TSDB_FN_STDDEV_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_STDVAR_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_STEP] = function_query_times,
	[TSDB_FN_SUM_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_TAN] = tsdb_function_math,
	[TSDB_FN_TANH] = tsdb_function_math,
	[TSDB_FN_TIME] = tsdb_function_time,
	[TSDB_FN_TIMESTAMP] = function_timestamp,
	[TSDB_FN_TS_OF_FIRST_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_TS_OF_LAST_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_TS_OF_MAX_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_TS_OF_MIN_OVER_TIME] = tsdb_eval_range_call,
	[TSDB_FN_VECTOR] = function_vector,
	[TSDB_FN_YEAR] = tsdb_function_date,
};

TsdbStatus
tsdb_eval_call(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	return functions[expr->call.function->id](ev, expr, grid, result);
}

bool
tsdb_eval_depends_on_time(TsdbFunctionId id)
{
	switch (id)
	{
		case TSDB_FN_DAY_OF_MONTH:
		case TSDB_FN_DAY_OF_WEEK:
		case TSDB_FN_DAY_OF_YEAR:
		case TSDB_FN_DAYS_IN_MONTH:
		case TSDB_FN_HOUR:
		case TSDB_FN_MINUTE:
		case TSDB_FN_MONTH:
		case TSDB_FN_PREDICT_LINEAR:
		case TSDB_FN_TIME:
		case TSDB_FN_TIMESTAMP:
		case TSDB_FN_YEAR:
			return true;
		default:
			return false;
	}
}
