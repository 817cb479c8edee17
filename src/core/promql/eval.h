/*
 * eval.h
 *		Evaluates a PromQL expression over a series source.
 *
 * The result is what Prometheus 3.14 answers, to the bit where floats allow it.
 * README.md says how it is computed.
 */
#ifndef TSDB_PROMQL_EVAL_H
#define TSDB_PROMQL_EVAL_H

#include "core/base/base.h"
#include "core/promql/ast.h"
#include "core/promql/source.h"

#define TSDB_DEFAULT_LOOKBACK_MS (5 * 60 * 1000)
#define TSDB_DEFAULT_SUBQUERY_STEP_MS (60 * 1000)
#define TSDB_DEFAULT_MAX_SAMPLES 50000000

/* Times are milliseconds since 1970. */
typedef struct TsdbEvalOptions
{
	int64_t		start;
	int64_t		end;			/* of an instant query: equal to start */
	int64_t		step;			/* 0: an instant query; a range query of one step has a step */
	int64_t		lookback;		/* 0: TSDB_DEFAULT_LOOKBACK_MS */
	int64_t		subquery_step;	/* of `[5m:]`; 0: TSDB_DEFAULT_SUBQUERY_STEP_MS */
	size_t		max_samples;	/* held at one time, as Prometheus counts; 0: TSDB_DEFAULT_MAX_SAMPLES */
	size_t		max_series;		/* of one selector; 0: no limit */

	/*
	 * Keep the metric name until the end, where Prometheus drops it in the
	 * middle (its feature promql-delayed-name-removal, off by default).
	 */
	bool		delayed_name_removal;
	TsdbStr		query;			/* text of the expression, for the positions in annotations; may be empty */
	bool		profile;		/* measure each node, and leave the figures in the tree */
} TsdbEvalOptions;

/*
 * What the evaluation of a node took.  An expression that does not depend on the step is evaluated once.
 * Times are those of the environment's clock.
 */
typedef struct TsdbNodeProfile
{
	uint64_t	calls;
	int64_t		ns;				/* with all nodes below; of a range selector without the function that uses it */
	uint64_t	series;			/* that it gave */
	uint64_t	points;			/* of these: values at the steps, or samples */
	TsdbSourceStats source;		/* of a selector */
} TsdbNodeProfile;

typedef struct TsdbEvalStats
{
	uint64_t	total_samples;	/* that steps have looked at, each time: Prometheus's totalQueryableSamples */
	uint64_t	peak_samples;	/* held at one time */
	TsdbSourceStats source;
	int64_t		prepare_ns;		/* parsing; for the caller to fill in */
	int64_t		eval_ns;		/* by the environment's clock, the sorting of the result included */
	int64_t		sort_ns;
} TsdbEvalStats;

/*
 * A scalar has `scalar` and `t`, a string has `string` and `t`.  A vector has one
 * point per series, all at `t`, in the order of the query (sort, topk).  A matrix
 * is sorted by labels; several of its series may share one array of times.  No
 * value is ever a stale marker.  Native histograms will be a third array beside t and v.
 */
typedef struct TsdbQueryResult
{
	TsdbValueType type;
	int64_t		t;
	double		scalar;
	TsdbStr		string;
	TsdbSeriesData *series;
	size_t		n_series;
	TsdbStr    *warnings;		/* as Prometheus words them, each once */
	size_t		n_warnings;
	TsdbStr    *infos;
	size_t		n_infos;
	TsdbEvalStats stats;
} TsdbQueryResult;

/*
 * Resolves the durations of the tree for these times (so the tree is not const),
 * and evaluates it.  Everything lives in the arena; env may be NULL.
 *
 * TSDB_ERR_EXECUTION for what Prometheus calls an execution error, in its words;
 * TSDB_ERR_LIMIT for too many samples; TSDB_ERR_SYNTAX for a type that a range
 * query cannot have or a duration that comes out wrong; whatever the source fails with.
 */
extern TsdbStatus tsdb_promql_eval(TsdbArena *arena, const TsdbEnv *env, TsdbSeriesSource *source,
								   const TsdbEvalOptions *options, TsdbExpr *expr,
								   TsdbQueryResult **result, TsdbError *error);

/* Steps of a range query: the points of a series that has no gap.  0 when end is before start. */
extern size_t tsdb_promql_steps(int64_t start, int64_t end, int64_t step);

#endif							/* TSDB_PROMQL_EVAL_H */
