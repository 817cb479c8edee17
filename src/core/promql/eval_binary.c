/*
 * eval_binary.c
 *		Binary operators: arithmetic and comparison of columns.
 *
 * Between two vectors eval_matching.c finds out which rows belong together, and
 * eval_sets.c does `and`, `or` and `unless`.
 */
#include "core/promql/eval_internal.h"

bool
tsdb_eval_is_arithmetic(TsdbBinaryOp op)
{
	return op <= TSDB_OP_ATAN2;
}

/* ---- columns ---- */

#define FOR_PRESENT(value) \
	for (size_t i = 0; i < n; i++) \
		out[i] = is_absent(x[i]) || is_absent(y[i]) ? absent : (value)

static void
combine_arithmetic(TsdbBinaryOp op, const double *x, const double *y, double *out, size_t n)
{
	double		absent = absent_value();

	switch (op)
	{
		case TSDB_OP_ADD:
			FOR_PRESENT(x[i] + y[i]);
			break;
		case TSDB_OP_SUB:
			FOR_PRESENT(x[i] - y[i]);
			break;
		case TSDB_OP_MUL:
			FOR_PRESENT(x[i] * y[i]);
			break;
		case TSDB_OP_DIV:
			FOR_PRESENT(x[i] / y[i]);
			break;
		case TSDB_OP_MOD:
			FOR_PRESENT(fmod(x[i], y[i]));
			break;
		case TSDB_OP_POW:
			FOR_PRESENT(tsdb_eval_power(x[i], y[i]));
			break;
		case TSDB_OP_ATAN2:
			FOR_PRESENT(atan2(x[i], y[i]));
			break;
		default:
			tsdb_eval_fill_absent(out, n);
			break;
	}
}

/* `true` and `false` of the operator at place i */
#define COMPARE(operator) \
	do { \
		if (returns_bool) \
			FOR_PRESENT(x[i] operator y[i] ? 1 : 0); \
		else \
			FOR_PRESENT(x[i] operator y[i] ? kept[i] : absent); \
	} while (0)

void
tsdb_eval_combine(const TsdbBinaryExpr *binary, const double *x, const double *y, const double *kept,
				  double *out, size_t n)
{
	bool		returns_bool = binary->returns_bool;
	double		absent = absent_value();

	switch (binary->op)
	{
		case TSDB_OP_EQUAL:
			COMPARE(==);
			break;
		case TSDB_OP_NOT_EQUAL:
			COMPARE(!=);
			break;
		case TSDB_OP_LESS:
			COMPARE(<);
			break;
		case TSDB_OP_LESS_EQUAL:
			COMPARE(<=);
			break;
		case TSDB_OP_GREATER:
			COMPARE(>);
			break;
		case TSDB_OP_GREATER_EQUAL:
			COMPARE(>=);
			break;
		default:
			combine_arithmetic(binary->op, x, y, out, n);
			break;
	}
}

void
tsdb_eval_note_float_operands(Evaluator *ev, const TsdbExpr *expr)
{
	const char *op = tsdb_binary_op_text(expr->binary.op);

	tsdb_eval_info(ev, expr->range,
				   "PromQL info: incompatible sample types encountered for binary operator \"%s\": "
				   "float %s float", op, op);
}

static bool
trims_buckets(TsdbBinaryOp op)
{
	return op == TSDB_OP_TRIM_UPPER || op == TSDB_OP_TRIM_LOWER;
}

/* ---- with scalars ---- */

/* The type check lets comparisons pass only with `bool`. */
static TsdbStatus
scalar_scalar(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	const TsdbBinaryExpr *binary = &expr->binary;
	double	   *x;
	double	   *y;

	TRY(tsdb_eval_scalar(ev, binary->lhs, grid, &x));
	TRY(tsdb_eval_scalar(ev, binary->rhs, grid, &y));
	if (trims_buckets(binary->op))
		return tsdb_eval_fail(ev, "operator \"%s\" not allowed for Scalar operations", tsdb_binary_op_text(binary->op));
	TRY(tsdb_eval_matrix_make(ev, 1, grid->n, result));
	tsdb_eval_combine(binary, x, y, x, result->rows[0].v, grid->n);
	return TSDB_OK;
}

/* A comparison that filters keeps the vector's value, on whichever side it stands. */
static TsdbStatus
vector_scalar(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, bool swapped, EvalMatrix *result)
{
	const TsdbBinaryExpr *binary = &expr->binary;
	double	   *scalar;

	if (swapped)
		TRY(tsdb_eval_scalar(ev, binary->lhs, grid, &scalar));
	TRY(tsdb_eval_expr(ev, swapped ? binary->rhs : binary->lhs, grid, result));
	if (!swapped)
		TRY(tsdb_eval_scalar(ev, binary->rhs, grid, &scalar));
	if (trims_buckets(binary->op) && result->n > 0)
		tsdb_eval_note_float_operands(ev, expr);
	for (size_t i = 0; i < result->n; i++)
	{
		double	   *v = result->rows[i].v;

		tsdb_check_interrupt(ev->env);
		tsdb_eval_combine(binary, swapped ? scalar : v, swapped ? v : scalar, v, v, grid->n);
	}
	if (tsdb_eval_is_arithmetic(binary->op) || binary->returns_bool)
		return tsdb_eval_finish_function(ev, result);
	tsdb_eval_drop_empty_rows(result);
	return TSDB_OK;
}

/* ---- of vectors ---- */

EvalFilter
tsdb_eval_matching_filter(Evaluator *ev, const TsdbVectorMatching *matching)
{
	return tsdb_eval_filter(ev->arena, matching->labels, matching->n_labels, matching->on,
							matching->on ? NULL : TSDB_METRIC_NAME);
}

static TsdbStatus
vector_vector(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	EvalMatrix	lhs;
	EvalMatrix	rhs;

	TRY(tsdb_eval_expr(ev, expr->binary.lhs, grid, &lhs));
	TRY(tsdb_eval_expr(ev, expr->binary.rhs, grid, &rhs));
	if (tsdb_binary_op_is_set(expr->binary.op))
		return tsdb_eval_set_operation(ev, expr, &lhs, &rhs, result);
	return tsdb_eval_match_vectors(ev, expr, &lhs, &rhs, result);
}

TsdbStatus
tsdb_eval_binary(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	bool		left_is_vector = tsdb_expr_type(expr->binary.lhs) == TSDB_VALUE_VECTOR;
	bool		right_is_vector = tsdb_expr_type(expr->binary.rhs) == TSDB_VALUE_VECTOR;

	if (left_is_vector && right_is_vector)
		return vector_vector(ev, expr, grid, result);
	if (left_is_vector || right_is_vector)
		return vector_scalar(ev, expr, grid, right_is_vector, result);
	return scalar_scalar(ev, expr, grid, result);
}
