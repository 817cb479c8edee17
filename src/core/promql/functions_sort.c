/*
 * functions_sort.c
 *		sort() and its kin: the order of an instant vector.
 *
 * The result of a range query is ordered by labels whatever happens here.
 */
#include "core/promql/eval_functions.h"

static void
warn_if_ineffective(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid)
{
	if (grid->n > 1 || grid->is_range)
		tsdb_eval_warn(ev, expr->range, "PromQL warning: sort is ineffective for range queries "
					   "since results are always ordered by labels");
}

/* ---- by value ---- */

/* NaN comes last in both directions. */
static int
compare_values(const void *a, const void *b, const void *context)
{
	bool		descending = *(const bool *) context;
	double		x = ((const EvalRow *) a)->v[0];
	double		y = ((const EvalRow *) b)->v[0];

	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return descending ? (x < y) - (x > y) : (x > y) - (x < y);
}

TsdbStatus
tsdb_function_sort(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	bool		descending = expr->call.function->id == TSDB_FN_SORT_DESC;

	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, result));
	warn_if_ineffective(ev, expr, grid);
	if (grid->n > 1)
		return TSDB_OK;
	if (!result->in_order)
		tsdb_eval_sort_rows(ev, result);	/* for those with equal values */
	tsdb_sort(ev->arena, ev->env, result->rows, result->n, sizeof(EvalRow), compare_values, &descending);
	result->in_order = true;
	return TSDB_OK;
}

/* ---- by labels ---- */

typedef struct LabelOrder
{
	const TsdbExpr *call;		/* names from the second argument on */
	bool		descending;
} LabelOrder;

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The run of digits or of other characters that text begins with. */
static TsdbStr
first_chunk(TsdbStr text)
{
	size_t		n = 0;

	while (n < text.len && is_digit(text.data[n]) == is_digit(text.data[0]))
		n++;
	return (TsdbStr){text.data, n};
}

/* False for a number that 64 bits do not hold, which is then text. */
static bool
chunk_number(TsdbStr chunk, uint64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < chunk.len; i++)
	{
		if (!is_digit(chunk.data[i]) || *number > (INT64_MAX - 9) / 10)
			return false;
		*number = *number * 10 + (uint64_t) (chunk.data[i] - '0');
	}
	return true;
}

/* "Natural" order: numbers within the texts compare as numbers. */
static int
compare_naturally(TsdbStr a, TsdbStr b)
{
	while (a.len > 0 && b.len > 0)
	{
		TsdbStr		chunk_a = first_chunk(a);
		TsdbStr		chunk_b = first_chunk(b);
		uint64_t	number_a;
		uint64_t	number_b;
		int			order;

		if (chunk_number(chunk_a, &number_a) && chunk_number(chunk_b, &number_b))
			order = (number_a > number_b) - (number_a < number_b);
		else
			order = tsdb_str_compare(chunk_a, chunk_b);
		if (order != 0)
			return order;
		a = (TsdbStr){a.data + chunk_a.len, a.len - chunk_a.len};
		b = (TsdbStr){b.data + chunk_b.len, b.len - chunk_b.len};
	}
	return (a.len > 0) - (b.len > 0);
}

static int
compare_labels(const void *a, const void *b, const void *context)
{
	const LabelOrder *by = context;
	TsdbLabels	x = ((const EvalRow *) a)->labels;
	TsdbLabels	y = ((const EvalRow *) b)->labels;
	int			order = 0;

	for (size_t k = 1; k < by->call->call.n_args && order == 0; k++)
	{
		TsdbStr		name = string_argument(by->call, k);

		order = compare_naturally(tsdb_labels_get(x, name), tsdb_labels_get(y, name));
	}
	if (order == 0)
		order = tsdb_labels_compare(x, y);
	return by->descending ? -order : order;
}

TsdbStatus
tsdb_function_sort_by_label(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	LabelOrder	order = {expr, expr->call.function->id == TSDB_FN_SORT_BY_LABEL_DESC};

	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, result));
	warn_if_ineffective(ev, expr, grid);
	if (grid->n > 1)
		return TSDB_OK;
	tsdb_sort(ev->arena, ev->env, result->rows, result->n, sizeof(EvalRow), compare_labels, &order);
	result->in_order = true;
	return TSDB_OK;
}
