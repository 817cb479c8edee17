/*
 * eval_range.h
 *		Functions of a range vector: what their files share.
 */
#ifndef TSDB_EVAL_RANGE_H
#define TSDB_EVAL_RANGE_H

#include "core/promql/eval_internal.h"

#define RANGE_PARAMS_MAX 2

/*
 * Computes out[step] for every step of one series, absent where there is no
 * result.  A window holds samples strictly ascending in time and no stale markers.
 */
typedef struct RangeCall RangeCall;
typedef TsdbStatus RangeKernel(RangeCall *call, const EvalSeries *series, double *out);

/* What the times of a window say of its rate (range_rates.c), in seconds. */
typedef struct RangeSpan
{
	double		sampled;		/* from its first sample to its last */
	double		to_start;		/* samples are taken to go on so far before the first */
	double		to_end;			/* and behind the last */
	double		factor;			/* what the difference of the samples is multiplied with */
} RangeSpan;

/* One call; the windows are those of the series at hand. */
struct RangeCall
{
	EvalTaker	taker;			/* first: the range vector sees only this */
	Evaluator  *ev;
	const TsdbExpr *expr;
	RangeKernel *kernel;
	TsdbRange	position;		/* of the first argument, for notes */
	EvalGrid	grid;
	EvalRange	range;			/* its times are the right ends of the windows */
	const double *params[RANGE_PARAMS_MAX]; /* scalar arguments, a value per step */
	EvalRows	rows;			/* the result so far */

	size_t	   *from;			/* at step i: samples [from[i], to[i]) */
	size_t	   *to;
	size_t		n_looked_at;	/* samples of all windows together */
	bool		times_repeat;	/* the series at hand has the times of the one before */
	RangeSpan  *spans;			/* of each window, if ... */
	bool		has_spans;
	double	   *scratch;		/* room for the largest window */
	size_t		scratch_size;
	TsdbStr		noted_name;		/* metric that was last complained about */
};

/* One window; n > 0. */
typedef struct RangeWindow
{
	const int64_t *t;
	const double *v;
	size_t		n;
} RangeWindow;

typedef double (*RangeFunction) (RangeCall *call, RangeWindow window, size_t step);

/* For functions that look at each window anew: inlined, with the function.  Begins at the step `first`. */
static inline __attribute__((always_inline)) TsdbStatus
for_each_window_from(RangeCall *call, const EvalSeries *series, size_t first, double *out, RangeFunction function)
{
	for (size_t step = first; step < call->grid.n; step++)
	{
		size_t		from = call->from[step];
		RangeWindow window = {series->t + from, series->v + from, call->to[step] - from};

		tsdb_check_interrupt(call->ev->env);
		out[step] = window.n == 0 ? absent_value() : function(call, window, step);
	}
	return TSDB_OK;
}

static inline __attribute__((always_inline)) TsdbStatus
for_each_window(RangeCall *call, const EvalSeries *series, double *out, RangeFunction function)
{
	return for_each_window_from(call, series, 0, out, function);
}

/* range_rates.c */
extern RangeKernel tsdb_range_rate;
extern RangeKernel tsdb_range_increase;
extern RangeKernel tsdb_range_delta;
extern RangeKernel tsdb_range_irate;
extern RangeKernel tsdb_range_idelta;
extern RangeKernel tsdb_range_resets;
extern RangeKernel tsdb_range_changes;
extern RangeKernel tsdb_range_deriv;
extern RangeKernel tsdb_range_predict_linear;
extern RangeKernel tsdb_range_double_exponential_smoothing;

/* Go's Duration.Seconds(): whole seconds and the rest apart. */
extern double tsdb_range_seconds(int64_t ms);

/* range_extended.c: rate, increase and delta of anchored and smoothed ranges */
extern TsdbStatus tsdb_range_extended(RangeCall *call, const EvalSeries *series, double *out,
									  bool is_counter, bool is_rate);

/* range_sums.c */
extern RangeKernel tsdb_range_avg;
extern RangeKernel tsdb_range_sum;

/* range_over_time.c */
extern RangeKernel tsdb_range_count;
extern RangeKernel tsdb_range_first;
extern RangeKernel tsdb_range_last;
extern RangeKernel tsdb_range_mad;
extern RangeKernel tsdb_range_max;
extern RangeKernel tsdb_range_min;
extern RangeKernel tsdb_range_present;
extern RangeKernel tsdb_range_quantile;
extern RangeKernel tsdb_range_stddev;
extern RangeKernel tsdb_range_stdvar;
extern RangeKernel tsdb_range_ts_of_first;
extern RangeKernel tsdb_range_ts_of_last;
extern RangeKernel tsdb_range_ts_of_max;
extern RangeKernel tsdb_range_ts_of_min;

#endif							/* TSDB_EVAL_RANGE_H */
