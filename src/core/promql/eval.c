/*
 * eval.c
 *		Evaluation of an expression: the walk down the tree, and the result.
 *
 * See README.md for the whole, and eval_internal.h for what a value is.
 */
#include "core/promql/eval_internal.h"

#include <stdio.h>

/* ---- failures and limits ---- */

TsdbStatus
tsdb_eval_fail(Evaluator *ev, const char *format, ...)
{
	char		message[TSDB_ERROR_MESSAGE_MAX];
	va_list		args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return tsdb_fail(ev->error, TSDB_ERR_EXECUTION, "%s", message);
}

TsdbStatus
tsdb_eval_count_samples(Evaluator *ev, size_t rows, size_t steps)
{
	size_t		left = ev->options.max_samples - ev->samples;

	if (steps != 0 && rows > left / steps)
		return tsdb_fail_too_many_samples(ev->error);
	ev->samples += rows * steps;
	if (ev->samples > ev->stats.peak_samples)
		ev->stats.peak_samples = ev->samples;
	return TSDB_OK;
}

/* ---- expressions that do not change from step to step ---- */

static bool
is_fixed(const TsdbTimeShift *shift)
{
	return shift->at != TSDB_AT_NONE;
}

static bool is_invariant(const TsdbExpr *expr);

static bool
is_invariant_call(const TsdbExpr *expr)
{
	TsdbFunctionId id = expr->call.function->id;

	for (size_t i = 0; i < expr->call.n_args; i++)
	{
		const TsdbExpr *arg = tsdb_expr_unwrap(expr->call.args[i]);

		if (!is_invariant(arg))
			return false;
		/* timestamp() of a selector tells the sample's time, of all else that of the step */
		if (id == TSDB_FN_TIMESTAMP && arg->kind == TSDB_EXPR_VECTOR)
			return true;
	}
	return !tsdb_eval_depends_on_time(id);
}

/* A parameter of an aggregation does not count, as in Prometheus: only its first value is used then. */
static bool
is_invariant(const TsdbExpr *expr)
{
	switch (expr->kind)
	{
		case TSDB_EXPR_NUMBER:
		case TSDB_EXPR_STRING:
			return true;
		case TSDB_EXPR_VECTOR:
			return is_fixed(&expr->vector.shift);
		case TSDB_EXPR_MATRIX:
			return is_fixed(&expr->matrix.selector->vector.shift);
		case TSDB_EXPR_SUBQUERY:
			return is_fixed(&expr->subquery.shift);
		case TSDB_EXPR_AGGREGATE:
			return is_invariant(expr->aggregate.expr);
		case TSDB_EXPR_BINARY:
			return is_invariant(expr->binary.lhs) && is_invariant(expr->binary.rhs);
		case TSDB_EXPR_UNARY:
			return is_invariant(expr->unary.expr);
		case TSDB_EXPR_PAREN:
			return is_invariant(expr->paren);
		case TSDB_EXPR_CALL:
			return is_invariant_call(expr);
		case TSDB_EXPR_DURATION:
			break;
	}
	return false;
}

static bool
is_repeated(const TsdbExpr *expr, const EvalGrid *grid)
{
	return (grid->n > 1 || grid->is_range) && expr->kind != TSDB_EXPR_NUMBER && is_invariant(expr);
}

/* Evaluates once, and repeats the points. */
static TsdbStatus
eval_invariant(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	EvalGrid	first_step = {grid->start, grid->step, 1};
	EvalMatrix	once;

	TRY(tsdb_eval_expr(ev, expr, &first_step, &once));
	TRY(tsdb_eval_matrix_make(ev, once.n, grid->n, result));
	for (size_t i = 0; i < once.n; i++)
	{
		double	   *v = result->rows[i].v;
		double		value = once.rows[i].v[0];

		tsdb_check_interrupt(ev->env);
		result->rows[i] = once.rows[i];
		result->rows[i].v = v;
		for (size_t step = 0; step < grid->n; step++)
			v[step] = value;
	}
	return TSDB_OK;
}

/* ---- the walk ---- */

static TsdbStatus
eval_unary(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	TRY(tsdb_eval_expr(ev, expr->unary.expr, grid, result));
	if (!expr->unary.negative)
		return TSDB_OK;
	for (size_t i = 0; i < result->n; i++)
	{
		double	   *v = result->rows[i].v;

		tsdb_check_interrupt(ev->env);
		for (size_t step = 0; step < grid->n; step++)
			if (!is_absent(v[step]))
				v[step] = -v[step];
	}
	return tsdb_eval_finish_function(ev, result);
}

static TsdbStatus
eval_node(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	if (grid->n == 0)
	{
		*result = tsdb_eval_matrix_empty(grid);
		return TSDB_OK;
	}
	if (expr->kind == TSDB_EXPR_NUMBER)
		return tsdb_eval_matrix_constant(ev, grid, expr->number.value, result);
	if (is_repeated(expr, grid))
		return eval_invariant(ev, expr, grid, result);

	switch (expr->kind)
	{
		case TSDB_EXPR_VECTOR:
			return tsdb_eval_vector_selector(ev, expr, grid, result);
		case TSDB_EXPR_AGGREGATE:
			return tsdb_eval_aggregate(ev, expr, grid, result);
		case TSDB_EXPR_BINARY:
			return tsdb_eval_binary(ev, expr, grid, result);
		case TSDB_EXPR_UNARY:
			return eval_unary(ev, expr, grid, result);
		case TSDB_EXPR_CALL:
			return tsdb_eval_call(ev, expr, grid, result);
		case TSDB_EXPR_PAREN:
			return tsdb_eval_expr(ev, expr->paren, grid, result);
		default:
			/* strings, range vectors and durations are read by the nodes above them */
			return tsdb_eval_fail(ev, "unhandled expression of type %s",
								  tsdb_value_type_documented(tsdb_expr_type(expr)));
	}
}

/* Of the samples that a node has counted only those of its value are still held when it is done. */
static TsdbStatus
eval_counted(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	size_t		before = ev->samples;

	TRY(eval_node(ev, expr, grid, result));
	ev->samples = before;
	return tsdb_eval_count_samples(ev, result->n, result->steps);
}

static TsdbStatus
eval_profiled(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	TsdbNodeProfile *profile = expr->profile;
	TsdbSourceStats before = ev->source->stats;
	int64_t		start = tsdb_clock(ev->env);

	TRY(eval_counted(ev, expr, grid, result));
	profile->calls++;
	profile->ns += tsdb_clock(ev->env) - start;
	profile->series += result->n;
	for (size_t i = 0; i < result->n; i++)
		for (size_t step = 0; step < result->steps; step++)
			profile->points += !is_absent(result->rows[i].v[step]);
	if (expr->kind == TSDB_EXPR_VECTOR)
		tsdb_source_stats_add(&profile->source, &ev->source->stats, &before);
	return TSDB_OK;
}

TsdbStatus
tsdb_eval_expr(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	const EvalGrid *outer = ev->grid;
	TsdbStatus	status;

	tsdb_check_interrupt(ev->env);
	ev->grid = grid;
	/* a repeated expression is measured by its only evaluation */
	if (expr->profile != NULL && !is_repeated(expr, grid))
		status = eval_profiled(ev, expr, grid, result);
	else
		status = eval_counted(ev, expr, grid, result);
	ev->grid = outer;
	return status;
}

TsdbStatus
tsdb_eval_scalar(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, double **values)
{
	EvalMatrix	matrix;

	TRY(tsdb_eval_expr(ev, expr, grid, &matrix));
	*values = matrix.rows[0].v;
	return TSDB_OK;
}

/* ---- results ---- */

/* With delayed name removal: what has been marked goes now. */
static TsdbStatus
drop_delayed_names(Evaluator *ev, EvalMatrix *matrix)
{
	if (!ev->options.delayed_name_removal)
		return TSDB_OK;
	for (size_t i = 0; i < matrix->n; i++)
		if (matrix->rows[i].drop_name)
			matrix->rows[i].labels = tsdb_eval_without_name(ev->arena, matrix->rows[i].labels);
	return tsdb_eval_merge_rows(ev, matrix);
}

static TsdbStatus
scalar_result(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, TsdbQueryResult *result)
{
	double	   *value;

	TRY(tsdb_eval_scalar(ev, expr, grid, &value));
	result->scalar = value[0];
	return TSDB_OK;
}

/* Points of a row without its gaps; rows without gaps share the array of times. */
static void
compact_row(Evaluator *ev, const EvalRow *row, const int64_t *times, size_t steps, TsdbSeriesData *series)
{
	size_t		n = 0;
	int64_t    *t;

	for (size_t step = 0; step < steps; step++)
		n += !is_absent(row->v[step]);
	*series = (TsdbSeriesData){row->labels, n, times, row->v};
	if (n == steps)
		return;
	t = TSDB_NEW_ARRAY(ev->arena, int64_t, n);
	n = 0;
	for (size_t step = 0; step < steps; step++)
	{
		if (is_absent(row->v[step]))
			continue;
		t[n] = times[step];
		row->v[n++] = row->v[step];
	}
	series->t = t;
}

static TsdbStatus
rows_result(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, TsdbQueryResult *result)
{
	EvalMatrix	matrix;
	int64_t    *times;

	TRY(tsdb_eval_expr(ev, expr, grid, &matrix));
	TRY(drop_delayed_names(ev, &matrix));
	if (!matrix.in_order || result->type == TSDB_VALUE_MATRIX)
	{
		int64_t		start = tsdb_clock(ev->env);

		tsdb_eval_sort_rows(ev, &matrix);
		ev->stats.sort_ns = tsdb_clock(ev->env) - start;
	}
	times = TSDB_NEW_ARRAY(ev->arena, int64_t, grid->n);
	for (size_t step = 0; step < grid->n; step++)
		times[step] = grid_time(grid, step);
	result->series = TSDB_NEW_ARRAY(ev->arena, TsdbSeriesData, matrix.n);
	result->n_series = matrix.n;
	for (size_t i = 0; i < matrix.n; i++)
	{
		tsdb_check_interrupt(ev->env);
		compact_row(ev, &matrix.rows[i], times, grid->n, &result->series[i]);
	}
	return TSDB_OK;
}

/* ---- a range vector as the result ---- */

/* The samples of the only window, series by series. */
typedef struct RangeResult
{
	EvalTaker	taker;			/* first: the range vector sees only this */
	Evaluator  *ev;
	EvalRange	range;
	TsdbSeriesData *series;
	size_t		n;
	size_t		capacity;
} RangeResult;

static TsdbSeriesData *
next_series(RangeResult *result)
{
	if (result->n == result->capacity)
	{
		size_t		capacity = result->capacity == 0 ? 16 : result->capacity * 2;

		result->series = tsdb_grow(result->ev->arena, result->series, result->capacity * sizeof(TsdbSeriesData),
								   capacity * sizeof(TsdbSeriesData));
		result->capacity = capacity;
	}
	return &result->series[result->n++];
}

/* An extended range has a value at each border besides its samples. */
static TsdbStatus
take_window(EvalTaker *taker, const EvalSeries *series, bool same_times)
{
	RangeResult *result = (RangeResult *) taker;
	Evaluator  *ev = result->ev;
	int64_t		end = result->range.times.first;
	EvalWindow	window = {0};
	size_t		n;
	int64_t    *t;
	double	   *v;

	tsdb_eval_move_window(ev, &result->range, series, end, &window);
	n = window.to - window.from;
	if (n == 0)
		return TSDB_OK;
	TRY(tsdb_eval_count_samples(ev, 1, n));
	t = TSDB_NEW_ARRAY(ev->arena, int64_t, n + 2);
	v = TSDB_NEW_ARRAY(ev->arena, double, n + 2);
	if (result->range.extension != NOT_EXTENDED)
		n = tsdb_eval_extended_points(result->range.extension, series, window.from, window.to,
									  time_minus(end, result->range.range), end, t, v);
	else
	{
		memcpy(t, series->t + window.from, n * sizeof(*t));
		memcpy(v, series->v + window.from, n * sizeof(*v));
	}
	*next_series(result) = (TsdbSeriesData){series->labels, n, t, v};
	return TSDB_OK;
}

static int
compare_series(const void *a, const void *b, const void *context)
{
	(void) context;
	return tsdb_labels_compare(((const TsdbSeriesData *) a)->labels, ((const TsdbSeriesData *) b)->labels);
}

static TsdbStatus
range_result(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, TsdbQueryResult *result)
{
	RangeResult windows = {.taker = {take_window}, .ev = ev};

	TRY(tsdb_eval_range_vector(ev, tsdb_expr_unwrap((TsdbExpr *) expr), grid, &windows.range, &windows.taker));
	result->series = windows.series;
	result->n_series = windows.n;
	tsdb_sort(ev->arena, ev->env, result->series, result->n_series, sizeof(TsdbSeriesData), compare_series, NULL);
	return TSDB_OK;
}

/* ---- queries ---- */

static TsdbStatus
instant_query(Evaluator *ev, const TsdbExpr *expr, TsdbQueryResult *result)
{
	EvalGrid	grid = {ev->options.start, 1, 1};

	result->t = ev->options.start;
	result->type = tsdb_expr_type(expr);
	switch (result->type)
	{
		case TSDB_VALUE_SCALAR:
			return scalar_result(ev, expr, &grid, result);
		case TSDB_VALUE_STRING:
			result->string = tsdb_expr_unwrap((TsdbExpr *) expr)->string;
			return TSDB_OK;
		case TSDB_VALUE_MATRIX:
			return range_result(ev, expr, &grid, result);
		default:
			return rows_result(ev, expr, &grid, result);
	}
}

static TsdbStatus
range_query(Evaluator *ev, const TsdbExpr *expr, TsdbQueryResult *result)
{
	const TsdbEvalOptions *options = &ev->options;
	EvalGrid	grid = {
		.start = options->start,
		.step = options->step,
		.n = tsdb_promql_steps(options->start, options->end, options->step),
		.is_range = options->end > options->start
	};

	result->type = TSDB_VALUE_MATRIX;
	result->t = options->start;
	TRY(tsdb_eval_count_samples(ev, 1, grid.n));
	return rows_result(ev, expr, &grid, result);
}

/* ---- entry ---- */

size_t
tsdb_promql_steps(int64_t start, int64_t end, int64_t step)
{
	if (end < start)
		return 0;
	if (step <= 0)
		return 1;
	return (size_t) (((uint64_t) end - (uint64_t) start) / (uint64_t) step + 1);
}

static TsdbStatus
check_type(const TsdbEvalOptions *options, const TsdbExpr *expr, TsdbError *error)
{
	TsdbValueType type = tsdb_expr_type(expr);

	if (options->step == 0 || type == TSDB_VALUE_VECTOR || type == TSDB_VALUE_SCALAR)
		return TSDB_OK;
	return tsdb_fail(error, TSDB_ERR_SYNTAX,
					 "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
					 tsdb_value_type_documented(type));
}

static bool
make_profile(TsdbExpr *expr, void *arena)
{
	expr->profile = TSDB_NEW((TsdbArena *) arena, TsdbNodeProfile);
	return true;
}

TsdbStatus
tsdb_promql_eval(TsdbArena *arena, const TsdbEnv *env, TsdbSeriesSource *source, const TsdbEvalOptions *options,
				 TsdbExpr *expr, TsdbQueryResult **result, TsdbError *error)
{
	Evaluator	ev = {
		.arena = arena,
		.scratch = tsdb_arena_child(arena),
		.env = env,
		.source = source,
		.options = *options,
		.notes = tsdb_eval_notes_make(arena),
		.error = error
	};
	TsdbSourceStats before = source->stats;
	int64_t		started = tsdb_clock(env);

	if (ev.options.lookback == 0)
		ev.options.lookback = TSDB_DEFAULT_LOOKBACK_MS;
	if (ev.options.subquery_step == 0)
		ev.options.subquery_step = TSDB_DEFAULT_SUBQUERY_STEP_MS;
	if (ev.options.max_samples == 0)
		ev.options.max_samples = TSDB_DEFAULT_MAX_SAMPLES;

	if (options->profile)
		tsdb_expr_walk(expr, make_profile, arena);
	TRY(check_type(options, expr, error));
	TRY(tsdb_promql_resolve_durations(expr, options->start, options->end, options->step, error));
	*result = TSDB_NEW(arena, TsdbQueryResult);
	TRY(options->step == 0 ? instant_query(&ev, expr, *result) : range_query(&ev, expr, *result));
	tsdb_eval_notes_result(&ev, *result);
	tsdb_source_stats_add(&ev.stats.source, &source->stats, &before);
	ev.stats.eval_ns = tsdb_clock(env) - started;
	(*result)->stats = ev.stats;
	tsdb_arena_free(ev.scratch);
	return TSDB_OK;
}
