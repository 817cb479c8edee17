/*
 * stepwise.c
 *		Whether a range query may be evaluated in pieces.
 *
 * Nearly everything is defined step by step.  What is not:
 *
 * - `@`, start(), end(), range() and durations made of range() know the times of the whole query;
 * - a negative offset and `smoothed` look at samples behind the step, so that a fresh sample changes steps before it;
 * - a function of a range vector refuses two series whose labels are equal without the name, even if they never meet;
 * - info() chooses its series by rules of its own.
 *
 * The answer no is always safe.
 */
#include "core/promql/stepwise.h"

#include <limits.h>

static bool is_stepwise(const TsdbExpr *expr, int64_t lookback, int64_t *reach);

/* Sums of times that were given in a query may be too large for 64 bits. */
static int64_t
add(int64_t a, int64_t b)
{
	int64_t		sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* ---- durations ---- */

static bool
knows_range(const TsdbExpr *duration)
{
	if (duration == NULL || duration->kind != TSDB_EXPR_DURATION)
		return false;
	return duration->duration.op == TSDB_DURATION_RANGE || knows_range(duration->duration.lhs) ||
		knows_range(duration->duration.rhs);
}

static bool
is_past(const TsdbTimeShift *shift)
{
	return shift->at == TSDB_AT_NONE && !(shift->has_offset && shift->offset_ms < 0) && !knows_range(shift->offset_expr);
}

static int64_t
offset_of(const TsdbTimeShift *shift)
{
	return shift->has_offset ? shift->offset_ms : 0;
}

/* ---- series that stay apart without their names ---- */

static bool
has_name(const TsdbVectorExpr *vector)
{
	for (size_t i = 0; i < vector->n_matchers; i++)
		if (vector->matchers[i].type == TSDB_MATCH_EQUAL && vector->matchers[i].value.len > 0 &&
			tsdb_str_equal(vector->matchers[i].name, TSDB_STR(TSDB_METRIC_NAME)))
			return true;
	return false;
}

static bool
groups_by_name(const TsdbAggregateExpr *aggregate)
{
	for (size_t i = 0; i < aggregate->n_labels && !aggregate->without; i++)
		if (tsdb_str_equal(aggregate->labels[i], TSDB_STR(TSDB_METRIC_NAME)))
			return true;
	return false;
}

static bool are_distinct(const TsdbExpr *expr);

static bool
are_children_distinct(const TsdbExpr *expr)
{
	const TsdbExpr *child;

	for (size_t i = 0; (child = tsdb_expr_child(expr, i)) != NULL; i++)
		if (!are_distinct(child))
			return false;
	return true;
}

/* Whether all series that the node can have differ in a label other than the name. */
static bool
are_distinct(const TsdbExpr *expr)
{
	switch (expr->kind)
	{
		case TSDB_EXPR_VECTOR:
			return has_name(&expr->vector);
		case TSDB_EXPR_AGGREGATE:
			switch (expr->aggregate.op)
			{
				case TSDB_AGG_TOPK:
				case TSDB_AGG_BOTTOMK:
				case TSDB_AGG_LIMITK:
				case TSDB_AGG_LIMIT_RATIO:
					return are_distinct(expr->aggregate.expr);
				case TSDB_AGG_COUNT_VALUES:
					return false;
				default:
					return !groups_by_name(&expr->aggregate);
			}
		case TSDB_EXPR_BINARY:
			return expr->binary.op != TSDB_OP_OR && are_children_distinct(expr);
		case TSDB_EXPR_CALL:
			return expr->call.function->id != TSDB_FN_LABEL_REPLACE && expr->call.function->id != TSDB_FN_LABEL_JOIN &&
				are_children_distinct(expr);
		default:
			return are_children_distinct(expr);
	}
}

/* ---- the walk ---- */

static bool
is_stepwise_call(const TsdbExpr *expr)
{
	switch (expr->call.function->id)
	{
		case TSDB_FN_START:
		case TSDB_FN_END:
		case TSDB_FN_RANGE:
		case TSDB_FN_INFO:
			return false;
		default:
			break;
	}
	for (size_t i = 0; i < expr->call.n_args; i++)
		if (tsdb_expr_type(expr->call.args[i]) == TSDB_VALUE_MATRIX && !are_distinct(expr->call.args[i]))
			return false;
	return true;
}

static bool
is_stepwise_selector(const TsdbVectorExpr *vector, int64_t back, int64_t *reach)
{
	*reach = add(offset_of(&vector->shift), back);
	return is_past(&vector->shift) && !vector->anchored && !vector->smoothed;
}

static bool
are_children_stepwise(const TsdbExpr *expr, int64_t lookback, int64_t *reach)
{
	const TsdbExpr *child;
	int64_t		of_child;

	for (size_t i = 0; (child = tsdb_expr_child(expr, i)) != NULL; i++)
	{
		if (!is_stepwise(child, lookback, &of_child))
			return false;
		*reach = of_child > *reach ? of_child : *reach;
	}
	return true;
}

static bool
is_stepwise(const TsdbExpr *expr, int64_t lookback, int64_t *reach)
{
	*reach = 0;
	switch (expr->kind)
	{
		case TSDB_EXPR_VECTOR:
			return is_stepwise_selector(&expr->vector, lookback, reach);
		case TSDB_EXPR_MATRIX:
			return !knows_range(expr->matrix.range_expr) &&
				is_stepwise_selector(&expr->matrix.selector->vector, expr->matrix.range_ms, reach);
		case TSDB_EXPR_SUBQUERY:
			if (!is_past(&expr->subquery.shift) || knows_range(expr->subquery.range_expr) ||
				knows_range(expr->subquery.step_expr) ||
				!is_stepwise(expr->subquery.expr, lookback, reach))
				return false;
			*reach = add(*reach, add(offset_of(&expr->subquery.shift), expr->subquery.range_ms));
			return true;
		case TSDB_EXPR_CALL:
			return is_stepwise_call(expr) && are_children_stepwise(expr, lookback, reach);
		default:
			return are_children_stepwise(expr, lookback, reach);
	}
}

bool
tsdb_promql_is_stepwise(const TsdbExpr *expr, int64_t lookback, int64_t *reach)
{
	return is_stepwise(expr, lookback, reach);
}
