/*
 * ast.c
 *		Questions to a syntax tree, and ways through it.
 */
#include "core/promql/ast.h"

static TsdbValueType
binary_type(const TsdbBinaryExpr *binary)
{
	if (tsdb_expr_type(binary->lhs) == TSDB_VALUE_SCALAR && tsdb_expr_type(binary->rhs) == TSDB_VALUE_SCALAR)
		return TSDB_VALUE_SCALAR;
	return TSDB_VALUE_VECTOR;
}

TsdbValueType
tsdb_expr_type(const TsdbExpr *expr)
{
	if (expr->type != TSDB_VALUE_NONE)
		return expr->type;
	switch (expr->kind)
	{
		case TSDB_EXPR_NUMBER:
		case TSDB_EXPR_DURATION:
			return TSDB_VALUE_SCALAR;
		case TSDB_EXPR_STRING:
			return TSDB_VALUE_STRING;
		case TSDB_EXPR_VECTOR:
		case TSDB_EXPR_AGGREGATE:
			return TSDB_VALUE_VECTOR;
		case TSDB_EXPR_MATRIX:
		case TSDB_EXPR_SUBQUERY:
			return TSDB_VALUE_MATRIX;
		case TSDB_EXPR_BINARY:
			return binary_type(&expr->binary);
		case TSDB_EXPR_UNARY:
			return tsdb_expr_type(expr->unary.expr);
		case TSDB_EXPR_PAREN:
			return tsdb_expr_type(expr->paren);
		case TSDB_EXPR_CALL:
			return expr->call.function->returns;
	}
	return TSDB_VALUE_NONE;
}

/* One of up to two children; the first may be missing. */
static TsdbExpr *
pick(TsdbExpr *first, TsdbExpr *second, size_t place)
{
	return place == 0 ? first : place == 1 ? second : NULL;
}

TsdbExpr *
tsdb_expr_child(const TsdbExpr *expr, size_t place)
{
	switch (expr->kind)
	{
		case TSDB_EXPR_MATRIX:
			return pick(expr->matrix.selector, NULL, place);
		case TSDB_EXPR_SUBQUERY:
			return pick(expr->subquery.expr, NULL, place);
		case TSDB_EXPR_AGGREGATE:
			return pick(expr->aggregate.expr, expr->aggregate.param, place);
		case TSDB_EXPR_BINARY:
			return pick(expr->binary.lhs, expr->binary.rhs, place);
		case TSDB_EXPR_UNARY:
			return pick(expr->unary.expr, NULL, place);
		case TSDB_EXPR_PAREN:
			return pick(expr->paren, NULL, place);
		case TSDB_EXPR_CALL:
			return place < expr->call.n_args ? expr->call.args[place] : NULL;
		case TSDB_EXPR_NUMBER:
		case TSDB_EXPR_STRING:
		case TSDB_EXPR_VECTOR:
		case TSDB_EXPR_DURATION:
			break;
	}
	return NULL;
}

bool
tsdb_expr_walk(TsdbExpr *expr, TsdbExprVisitor visit, void *context)
{
	TsdbExpr   *child;

	if (!visit(expr, context))
		return false;
	for (size_t place = 0; (child = tsdb_expr_child(expr, place)) != NULL; place++)
		if (!tsdb_expr_walk(child, visit, context))
			return false;
	return true;
}

TsdbExpr *
tsdb_expr_unwrap(TsdbExpr *expr)
{
	while (expr->kind == TSDB_EXPR_PAREN)
		expr = expr->paren;
	return expr;
}
