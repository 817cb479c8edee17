/*
 * typecheck.c
 *		What the grammar cannot say: types of operands and arguments, and rules of matching.
 *
 * Children are checked before their parent, except for the number of
 * arguments of a call, so that the first error is the one Prometheus reports.  Also
 * settles what depends on types: set operators match many to many, and only
 * operations between vectors keep their matching.
 */
#include "core/promql/parser_internal.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The operator between the operands, without the spaces around it; ends one byte early, as in Prometheus. */
static TsdbRange
operator_range(const Parser *parser, const TsdbBinaryExpr *binary)
{
	TsdbRange	range = {binary->lhs->range.end, binary->rhs->range.start - 1};

	while (is_space(parser->query.data[range.start]))
		range.start++;
	while (range.end > 0 && is_space(parser->query.data[range.end]))
		range.end--;
	return range;
}

static bool
expect_type(Parser *parser, TsdbExpr *expr, TsdbValueType wanted, const char *context)
{
	if (!tsdb_check_types(parser, expr))
		return false;
	if (tsdb_expr_type(expr) == wanted)
		return true;
	return tsdb_parser_fail(parser, expr->range, "expected type %s in %s, got %s", tsdb_value_type_documented(wanted),
							context, tsdb_value_type_documented(tsdb_expr_type(expr)));
}

static bool
check_aggregate(Parser *parser, TsdbAggregateExpr *aggregate)
{
	if (!expect_type(parser, aggregate->expr, TSDB_VALUE_VECTOR, "aggregation expression"))
		return false;
	if (aggregate->op == TSDB_AGG_COUNT_VALUES)
		return expect_type(parser, aggregate->param, TSDB_VALUE_STRING, "aggregation parameter");
	if (aggregate->param != NULL)
		return expect_type(parser, aggregate->param, TSDB_VALUE_SCALAR, "aggregation parameter");
	return true;
}

/* ---- binary operators ---- */

static bool
check_bool(Parser *parser, const TsdbBinaryExpr *binary)
{
	bool		comparison = tsdb_binary_op_is_comparison(binary->op);

	if (binary->returns_bool && !comparison)
		return tsdb_parser_fail(parser, operator_range(parser, binary),
								"bool modifier can only be used on comparison operators");
	if (comparison && !binary->returns_bool && tsdb_expr_type(binary->lhs) == TSDB_VALUE_SCALAR &&
		tsdb_expr_type(binary->rhs) == TSDB_VALUE_SCALAR)
		return tsdb_parser_fail(parser, operator_range(parser, binary),
								"comparisons between scalars must use BOOL modifier");
	return true;
}

static bool
check_include(Parser *parser, const TsdbBinaryExpr *binary)
{
	const TsdbVectorMatching *matching = binary->matching;

	for (size_t i = 0; i < matching->n_labels && matching->on; i++)
		for (size_t j = 0; j < matching->n_include; j++)
			if (tsdb_str_equal(matching->labels[i], matching->include[j]))
				return tsdb_parser_fail(parser, operator_range(parser, binary),
										"label %s must not occur in ON and GROUP clause at once",
										tsdb_parser_quote(parser, matching->labels[i]));
	return true;
}

static bool
check_operand(Parser *parser, const TsdbExpr *operand)
{
	TsdbValueType type = tsdb_expr_type(operand);

	if (type == TSDB_VALUE_SCALAR || type == TSDB_VALUE_VECTOR)
		return true;
	return tsdb_parser_fail(parser, operand->range,
							"binary expression must contain only scalar and instant vector types");
}

/* One side at least is a scalar: nothing to match. */
static bool
drop_matching(Parser *parser, TsdbExpr *expr)
{
	const TsdbVectorMatching *matching = expr->binary.matching;

	if (matching->n_labels > 0)
		return tsdb_parser_fail(parser, expr->range, "vector matching only allowed between instant vectors");
	if (matching->fills_left || matching->fills_right)
		return tsdb_parser_fail(parser, expr->range,
								"filling in missing series only allowed between instant vectors");
	expr->binary.matching = NULL;
	if (tsdb_binary_op_is_set(expr->binary.op))
		return tsdb_parser_fail(parser, expr->range, "set operator \"%s\" not allowed in binary scalar expression",
								tsdb_binary_op_text(expr->binary.op));
	return true;
}

static bool
check_set_operator(Parser *parser, TsdbExpr *expr)
{
	TsdbVectorMatching *matching = expr->binary.matching;

	if (matching->cardinality != TSDB_ONE_TO_ONE)
		return tsdb_parser_fail(parser, expr->range, "no grouping allowed for \"%s\" operation",
								tsdb_binary_op_text(expr->binary.op));
	if (matching->fills_left || matching->fills_right)
		return tsdb_parser_fail(parser, expr->range, "filling in missing series not allowed for set operators");
	matching->cardinality = TSDB_MANY_TO_MANY;
	return true;
}

static bool
check_binary(Parser *parser, TsdbExpr *expr)
{
	TsdbBinaryExpr *binary = &expr->binary;

	if (!tsdb_check_types(parser, binary->lhs) || !tsdb_check_types(parser, binary->rhs) ||
		!check_bool(parser, binary) || !check_include(parser, binary) ||
		!check_operand(parser, binary->lhs) || !check_operand(parser, binary->rhs))
		return false;
	if (tsdb_expr_type(binary->lhs) != TSDB_VALUE_VECTOR || tsdb_expr_type(binary->rhs) != TSDB_VALUE_VECTOR)
		return drop_matching(parser, expr);
	return !tsdb_binary_op_is_set(binary->op) || check_set_operator(parser, expr);
}

/* ---- calls ---- */

static bool
check_argument_count(Parser *parser, const TsdbExpr *expr)
{
	const TsdbFunction *function = expr->call.function;
	int			n = (int) expr->call.n_args;
	int			least = function->variadic == 0 ? function->n_args : function->n_args - 1;

	if (function->variadic == 0 && n != least)
		return tsdb_parser_fail(parser, expr->range, "expected %d argument(s) in call to \"%s\", got %d",
								least, function->name, n);
	if (n < least)
		return tsdb_parser_fail(parser, expr->range, "expected at least %d argument(s) in call to \"%s\", got %d",
								least, function->name, n);
	if (function->variadic > 0 && n > least + function->variadic)
		return tsdb_parser_fail(parser, expr->range, "expected at most %d argument(s) in call to \"%s\", got %d",
								least + function->variadic, function->name, n);
	return true;
}

/* The second argument of info() is a selector of labels only, and may select everything. */
static bool
check_info_selector(Parser *parser, const TsdbExpr *expr)
{
	TsdbExpr   *selector = expr->call.args[1];

	if (tsdb_expr_type(selector) != TSDB_VALUE_VECTOR)
		return tsdb_parser_fail(parser, expr->range, "expected type %s in call to function \"info\", got %s",
								tsdb_value_type_documented(TSDB_VALUE_VECTOR),
								tsdb_value_type_documented(tsdb_expr_type(selector)));
	if (selector->kind != TSDB_EXPR_VECTOR)
		return tsdb_parser_fail(parser, selector->range, "expected label selectors only");
	if (selector->vector.name.len > 0)
		return tsdb_parser_fail(parser, selector->range, "expected label selectors only, got vector selector instead");
	selector->vector.may_match_all = true;
	return true;
}

static bool
check_call(Parser *parser, TsdbExpr *expr)
{
	const TsdbCallExpr *call = &expr->call;
	const TsdbFunction *function = call->function;

	if (!check_argument_count(parser, expr))
		return false;
	if (function->id == TSDB_FN_INFO && call->n_args > 1 && !check_info_selector(parser, expr))
		return false;
	for (size_t i = 0; i < call->n_args; i++)
	{
		size_t		place = i < (size_t) function->n_args ? i : (size_t) function->n_args - 1;
		TsdbValueType got;

		if (!tsdb_check_types(parser, call->args[i]))
			return false;
		got = tsdb_expr_type(call->args[i]);
		if (got != function->args[place])
			return tsdb_parser_fail(parser, call->args[i]->range, "expected type %s in call to function \"%s\", got %s",
									tsdb_value_type_documented(function->args[place]), function->name,
									tsdb_value_type_documented(got));
	}
	return true;
}

/* ---- the rest ---- */

static bool
check_unary(Parser *parser, TsdbExpr *expr)
{
	TsdbValueType type;

	if (!tsdb_check_types(parser, expr->unary.expr))
		return false;
	type = tsdb_expr_type(expr->unary.expr);
	if (type == TSDB_VALUE_SCALAR || type == TSDB_VALUE_VECTOR)
		return true;
	return tsdb_parser_fail(parser, expr->range,
							"unary expression only allowed on expressions of type scalar or instant vector, got \"%s\"",
							tsdb_value_type_documented(type));
}

static bool
check_subquery(Parser *parser, TsdbExpr *expr)
{
	TsdbValueType type;

	if (!tsdb_check_types(parser, expr->subquery.expr))
		return false;
	type = tsdb_expr_type(expr->subquery.expr);
	return type == TSDB_VALUE_VECTOR ||
		tsdb_parser_fail(parser, expr->range, "subquery is only allowed on instant vector, got %s instead",
						 tsdb_value_type_name(type));
}

/*
 * A name may be given once, and without one some matcher must ask for
 * something, so that a typo does not select everything.
 */
static bool
check_selector(Parser *parser, const TsdbExpr *expr)
{
	const TsdbVectorExpr *vector = &expr->vector;

	if (vector->name.len > 0)
	{
		for (size_t i = 0; i + 1 < vector->n_matchers; i++)
			if (tsdb_str_equal(vector->matchers[i].name, TSDB_STR(TSDB_METRIC_NAME)))
				return tsdb_parser_fail(parser, expr->range, "metric name must not be set twice: %s or %s",
										tsdb_parser_quote(parser, vector->name),
										tsdb_parser_quote(parser, vector->matchers[i].value));
		return true;
	}
	if (vector->may_match_all)
		return true;
	for (size_t i = 0; i < vector->n_matchers; i++)
		if (!tsdb_matcher_matches(&vector->matchers[i], (TsdbStr){"", 0}))
			return true;
	return tsdb_parser_fail(parser, expr->range, "vector selector must contain at least one non-empty matcher");
}

static bool
check_node(Parser *parser, TsdbExpr *expr)
{
	switch (expr->kind)
	{
		case TSDB_EXPR_AGGREGATE:
			return check_aggregate(parser, &expr->aggregate);
		case TSDB_EXPR_BINARY:
			return check_binary(parser, expr);
		case TSDB_EXPR_CALL:
			return check_call(parser, expr);
		case TSDB_EXPR_PAREN:
			return tsdb_check_types(parser, expr->paren);
		case TSDB_EXPR_UNARY:
			return check_unary(parser, expr);
		case TSDB_EXPR_SUBQUERY:
			return check_subquery(parser, expr);
		case TSDB_EXPR_MATRIX:
			return tsdb_check_types(parser, expr->matrix.selector);
		case TSDB_EXPR_VECTOR:
			return check_selector(parser, expr);
		case TSDB_EXPR_NUMBER:
		case TSDB_EXPR_STRING:
		case TSDB_EXPR_DURATION:
			break;
	}
	return true;
}

bool
tsdb_check_types(Parser *parser, TsdbExpr *expr)
{
	if (!check_node(parser, expr))
		return false;
	expr->type = tsdb_expr_type(expr);
	return true;
}
