/*
 * stepwise.h
 *		Whether a range query may be evaluated in pieces.
 */
#ifndef TSDB_PROMQL_STEPWISE_H
#define TSDB_PROMQL_STEPWISE_H

#include "core/promql/ast.h"

/*
 * True when the value of a step depends on nothing but that step, and on samples of its time and before it: then any steps
 * of a range query, evaluated by themselves, are what they are in the whole.  *reach is how far back these samples may be.
 * Durations must have been resolved; `lookback` is that of the evaluation.
 */
extern bool tsdb_promql_is_stepwise(const TsdbExpr *expr, int64_t lookback, int64_t *reach);

#endif							/* TSDB_PROMQL_STEPWISE_H */
