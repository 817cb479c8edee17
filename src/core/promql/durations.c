/*
 * durations.c
 *		Values of duration expressions, once the times of a query are known.
 *
 * Arithmetic is that of floating point seconds; the result is cut to whole
 * milliseconds.  step() of an instant query is 0, and so is its range().
 */
#include "core/promql/ast.h"

#include <math.h>

/* Seconds that fit 64 bits of nanoseconds, as durations do in Prometheus. */
#define MAX_DURATION (9223372036854775808.0 / 1e9)

typedef struct QueryTimes
{
	int64_t		start_ms;
	int64_t		end_ms;
	int64_t		step_ms;
	TsdbError  *error;
} QueryTimes;

/* Prometheus names the byte range of these itself, without the words "parse error". */
static bool
fail(const QueryTimes *times, const TsdbExpr *expr, const char *problem)
{
	tsdb_fail_at(times->error, TSDB_ERR_SYNTAX, expr->range.start, expr->range.end, "%d:%d: %s",
				 expr->range.start, expr->range.end, problem);
	return false;
}

/* Of math.Min and math.Max in Go: NaN wins, but the infinity that is the result for sure wins before. */
static double
go_min(double a, double b)
{
	if (a == -INFINITY || b == -INFINITY)
		return -INFINITY;
	return isnan(a) || isnan(b) ? NAN : fmin(a, b);
}

static double
go_max(double a, double b)
{
	if (a == INFINITY || b == INFINITY)
		return INFINITY;
	return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

static bool
apply(const QueryTimes *times, const TsdbExpr *expr, double lhs, double rhs, double *seconds)
{
	switch (expr->duration.op)
	{
		case TSDB_DURATION_STEP:
			*seconds = (double) times->step_ms / 1000;
			return true;
		case TSDB_DURATION_RANGE:
			*seconds = (double) (times->end_ms - times->start_ms) / 1000;
			return true;
		case TSDB_DURATION_MIN_OF:
			*seconds = go_min(lhs, rhs);
			return true;
		case TSDB_DURATION_MAX_OF:
			*seconds = go_max(lhs, rhs);
			return true;
		case TSDB_DURATION_ADD:
			*seconds = expr->duration.lhs == NULL ? rhs : lhs + rhs;
			return true;
		case TSDB_DURATION_SUB:
			*seconds = expr->duration.lhs == NULL ? -rhs : lhs - rhs;
			return true;
		case TSDB_DURATION_MUL:
			*seconds = lhs * rhs;
			return true;
		case TSDB_DURATION_DIV:
			*seconds = lhs / rhs;
			return rhs != 0 || fail(times, expr, "division by zero");
		case TSDB_DURATION_MOD:
			*seconds = fmod(lhs, rhs);
			return rhs != 0 || fail(times, expr, "modulo by zero");
		case TSDB_DURATION_POW:
			*seconds = pow(lhs, rhs);
			return true;
	}
	return false;
}

static bool
evaluate(const QueryTimes *times, const TsdbExpr *expr, double *seconds)
{
	double		lhs = 0;
	double		rhs = 0;

	if (expr->kind == TSDB_EXPR_NUMBER)
	{
		*seconds = expr->number.value;
		return true;
	}
	if (expr->duration.lhs != NULL && !evaluate(times, expr->duration.lhs, &lhs))
		return false;
	if (expr->duration.rhs != NULL && !evaluate(times, expr->duration.rhs, &rhs))
		return false;
	return apply(times, expr, lhs, rhs, seconds);
}

/* expr may be NULL: then the duration is known already. */
static bool
resolve(const QueryTimes *times, const TsdbExpr *expr, bool may_be_negative, int64_t *milliseconds)
{
	double		seconds;

	if (expr == NULL)
		return true;
	if (!evaluate(times, expr, &seconds))
		return false;
	if (!isfinite(seconds))
		return fail(times, expr, "duration is NaN or infinite");
	if (seconds <= 0 && !may_be_negative)
		return fail(times, expr, "duration must be greater than 0");
	if (seconds > MAX_DURATION || seconds < -MAX_DURATION)
		return fail(times, expr, "duration is out of range");
	*milliseconds = (int64_t) (seconds * 1000);
	if (*milliseconds == 0 && !may_be_negative)
		return fail(times, expr, "duration must be at least 1ms");
	return true;
}

static bool
resolve_shift(const QueryTimes *times, TsdbTimeShift *shift)
{
	if (shift->at == TSDB_AT_START)
		shift->at_ms = times->start_ms;
	else if (shift->at == TSDB_AT_END)
		shift->at_ms = times->end_ms;
	return resolve(times, shift->offset_expr, true, &shift->offset_ms);
}

static bool
resolve_node(TsdbExpr *expr, void *context)
{
	const QueryTimes *times = context;

	switch (expr->kind)
	{
		case TSDB_EXPR_VECTOR:
			return resolve_shift(times, &expr->vector.shift);
		case TSDB_EXPR_MATRIX:
			return resolve(times, expr->matrix.range_expr, false, &expr->matrix.range_ms);
		case TSDB_EXPR_SUBQUERY:
			return resolve_shift(times, &expr->subquery.shift) &&
				resolve(times, expr->subquery.step_expr, false, &expr->subquery.step_ms) &&
				resolve(times, expr->subquery.range_expr, false, &expr->subquery.range_ms);
		default:
			return true;
	}
}

TsdbStatus
tsdb_promql_resolve_durations(TsdbExpr *expr, int64_t start_ms, int64_t end_ms, int64_t step_ms, TsdbError *error)
{
	QueryTimes	times = {start_ms, end_ms, step_ms, error};

	return tsdb_expr_walk(expr, resolve_node, &times) ? TSDB_OK : error->code;
}
