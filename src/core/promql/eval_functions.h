/*
 * eval_functions.h
 *		Functions of instant vectors and scalars: what their files share.
 */
#ifndef TSDB_EVAL_FUNCTIONS_H
#define TSDB_EVAL_FUNCTIONS_H

#include "core/promql/eval_internal.h"

typedef TsdbStatus EvalFunction(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

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

/* eval_functions.c */
extern EvalFunction tsdb_function_time;

/* functions_math.c */
extern EvalFunction tsdb_function_math;
extern EvalFunction tsdb_function_clamp;
extern EvalFunction tsdb_function_round;
extern EvalFunction tsdb_function_extreme_of;

/* functions_date.c */
extern EvalFunction tsdb_function_date;

/* functions_labels.c */
extern EvalFunction tsdb_function_label_replace;
extern EvalFunction tsdb_function_label_join;

/* functions_sort.c */
extern EvalFunction tsdb_function_sort;
extern EvalFunction tsdb_function_sort_by_label;

/* functions_histogram.c */
extern EvalFunction tsdb_function_histogram_quantile;
extern EvalFunction tsdb_function_histogram_quantiles;
extern EvalFunction tsdb_function_histogram_fraction;

/* eval_info.c */
extern EvalFunction tsdb_function_info;

#endif							/* TSDB_EVAL_FUNCTIONS_H */
