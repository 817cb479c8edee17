/*
 * eval_functions.h
 *		Functions of instant vectors and scalars: what their files share.
 */
#ifndef TSDB_EVAL_FUNCTIONS_H
#define TSDB_EVAL_FUNCTIONS_H

#include "core/promql/eval_internal.h"

typedef TsdbStatus (*EvalFunction) (Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

/* The argument without its parentheses. */
static inline const TsdbExpr *
argument(const TsdbExpr *call, size_t place)
{
	return tsdb_expr_unwrap(call->call.args[place]);
}

static inline TsdbStr
string_argument(const TsdbExpr *call, size_t place)
{
	return argument(call, place)->string;
}

/* eval_functions.c: 1 or 0 scalars, each step for itself */
extern TsdbStatus tsdb_function_time(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

/* functions_math.c */
extern TsdbStatus tsdb_function_math(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
extern TsdbStatus tsdb_function_clamp(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
extern TsdbStatus tsdb_function_round(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
extern TsdbStatus tsdb_function_extreme_of(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

/* functions_date.c */
extern TsdbStatus tsdb_function_date(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

/* functions_labels.c */
extern TsdbStatus tsdb_function_label_replace(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
extern TsdbStatus tsdb_function_label_join(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

/* functions_sort.c */
extern TsdbStatus tsdb_function_sort(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
extern TsdbStatus tsdb_function_sort_by_label(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

/* functions_histogram.c */
extern TsdbStatus tsdb_function_histogram_quantile(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
extern TsdbStatus tsdb_function_histogram_quantiles(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
extern TsdbStatus tsdb_function_histogram_fraction(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

#endif							/* TSDB_EVAL_FUNCTIONS_H */
