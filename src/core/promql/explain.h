/*
 * explain.h
 *		A syntax tree as a plan, with what its evaluation took where that was measured.
 */
#ifndef TSDB_PROMQL_EXPLAIN_H
#define TSDB_PROMQL_EXPLAIN_H

#include "core/promql/eval.h"

/*
 * One line per node, the operands of a node below it and further to the right, lines separated by '\n'.  The tree of a
 * query that was evaluated with options.profile has figures: series, points (values at the steps, or samples of a range),
 * and milliseconds, operands included.
 */
extern void tsdb_promql_explain(TsdbBuffer *out, const TsdbExpr *expr);

#endif							/* TSDB_PROMQL_EXPLAIN_H */
