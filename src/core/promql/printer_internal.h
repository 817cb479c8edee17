/*
 * printer_internal.h
 *		What the printer on one line and the printer on many lines share.
 */
#ifndef TSDB_PROMQL_PRINTER_INTERNAL_H
#define TSDB_PROMQL_PRINTER_INTERNAL_H

#include "core/promql/parser.h"

/* sum by (job) and a space, when there is something behind the operator */
extern void tsdb_print_aggregate_operator(TsdbBuffer *buffer, const TsdbAggregateExpr *aggregate);
/* == bool on (job) group_left (version) */
extern void tsdb_print_binary_operator(TsdbBuffer *buffer, const TsdbBinaryExpr *binary);
/* [5m:1m] @ end() offset 1h */
extern void tsdb_print_subquery_suffix(TsdbBuffer *buffer, const TsdbSubqueryExpr *subquery);
/* Whether the left operand is an infinity that is printed without its sign, which would take the whole power for its operand. */
extern bool tsdb_prints_bare_infinity(const TsdbBinaryExpr *binary);

#endif							/* TSDB_PROMQL_PRINTER_INTERNAL_H */
