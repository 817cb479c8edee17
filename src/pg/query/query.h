/*
 * query.h
 *		PromQL over the storage tables, for SQL functions and the ruler.
 */
#ifndef PGTSDB_QUERY_H
#define PGTSDB_QUERY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/snapshot.h"

#include "core/base/base.h"
#include "pg/tenant.h"
#include "pg/times.h"

typedef struct TsdbQueryResult TsdbQueryResult;	/* core/promql/eval.h */
typedef struct TsdbExpr TsdbExpr;	/* core/promql/ast.h */

/* Milliseconds since 1970 throughout. */
typedef struct PgtsdbQuery
{
	const PgtsdbTenant *tenant;	/* the caller has checked access, and acts as the owner */
	const char *text;			/* UTF-8 */
	int64		start;
	int64		end;			/* of an instant query: equal to start */
	int64		step;			/* 0: an instant query, whose result may be a scalar, string, vector or matrix */
	int64		lookback;		/* 0: pgtsdb.query_lookback */
} PgtsdbQuery;

/* query.c */

/*
 * Evaluates under the snapshot, within the limits of the settings.  The result lives in the
 * arena (see pgtsdb_query_arena).  A foreseen failure comes back as a status; what the
 * server raises passes through.  Opens no subtransaction and writes nothing.
 */
extern TsdbStatus pgtsdb_query_run(const PgtsdbQuery *query, Snapshot snapshot, TsdbArena *arena,
								   TsdbQueryResult **result, TsdbError *error);
/* Its two steps; with `profile` the figures of each node are left in the tree. */
extern TsdbStatus pgtsdb_query_parse(const PgtsdbQuery *query, TsdbArena *arena, TsdbExpr **expr, TsdbError *error);
extern TsdbStatus pgtsdb_query_evaluate(const PgtsdbQuery *query, Snapshot snapshot, TsdbArena *arena, TsdbExpr *expr,
										bool profile, TsdbQueryResult **result, TsdbError *error);

/*
 * Of (query, time) or (query, start, end, step), with which the arguments of all SQL functions that evaluate begin; the
 * current user may read the tenant, or this raises.
 */
extern PgtsdbQuery pgtsdb_query_of_arguments(FunctionCallInfo fcinfo, bool is_range);
/* Raises for the steps of a range query that cannot be. */
extern void pgtsdb_check_steps(const PgtsdbQuery *query);
/* As Prometheus takes lookback_delta: what is not positive, or null, is the default. */
extern int64 pgtsdb_lookback_argument(FunctionCallInfo fcinfo, int n);

/* An arena in the context, limited by pgtsdb.query_memory_limit. */
extern TsdbArena *pgtsdb_query_arena(MemoryContext context);

/* times.c */

/* Days of 24 hours, months of 30 days; rounds down. */
extern int64 pgtsdb_step_to_ms(const Interval *interval);
/* Raises unless start <= end. */
extern void pgtsdb_check_time_order(int64 start, int64 end);

#endif							/* PGTSDB_QUERY_H */
