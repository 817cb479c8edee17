/*
 * eval_internal.h
 *		What the files of the evaluator share.
 *
 * A node of the syntax tree is evaluated for all its times at once.  Its value
 * is a matrix: a row of labels per series and, apart from them, the points of
 * the row as an array of doubles, one per time.  A time at which the series has
 * no point holds ABSENT, the bits of a stale marker: no value is ever one (a
 * stale marker in storage means "no value"), arithmetic on any NaN yields a
 * quiet NaN and so never these bits, and a sample that is a stale marker becomes
 * absent by being copied.
 *
 * A matrix belongs to the node that asked for it, which may change it in place.
 */
#ifndef TSDB_EVAL_INTERNAL_H
#define TSDB_EVAL_INTERNAL_H

#include "core/promql/eval.h"

#include <math.h>

#define TRY(call) \
	do { \
		TsdbStatus	try_status = (call); \
		if (try_status != TSDB_OK) \
			return try_status; \
	} while (0)

/* ---- values ---- */

static inline bool
is_absent(double value)
{
	return tsdb_double_bits(value) == TSDB_STALE_NAN_BITS;
}

static inline double
absent_value(void)
{
	return tsdb_double_from_bits(TSDB_STALE_NAN_BITS);
}

static inline double
normal_nan(void)
{
	return tsdb_double_from_bits(TSDB_NORMAL_NAN_BITS);
}

/* The times of an evaluation: start + i * step for i < n. */
typedef struct EvalGrid
{
	int64_t		start;
	int64_t		step;
	size_t		n;
	bool		is_range;		/* it ends after its start, though perhaps before the next step */
} EvalGrid;

typedef struct EvalRow
{
	TsdbLabels	labels;
	double	   *v;				/* as many as the grid has times */
	bool		drop_name;		/* with delayed name removal: the name goes at the end */
} EvalRow;

/* A scalar is one row without labels and without absent points. */
typedef struct EvalMatrix
{
	EvalRow    *rows;
	size_t		n;
	size_t		steps;
	bool		in_order;		/* the query chose the order of the rows: sort(), topk() */
} EvalMatrix;

/* Where a selector looks at step i: first + i * step; with `@` the step is 0. */
typedef struct EvalTimes
{
	int64_t		first;
	int64_t		step;
	size_t		n;
} EvalTimes;

/* The samples of a range vector's series: strictly ascending times, no stale marker. */
typedef struct EvalSeries
{
	TsdbLabels	labels;
	size_t		n;
	const int64_t *t;
	const double *v;
	bool		drop_name;
} EvalSeries;

typedef enum EvalExtension
{
	NOT_EXTENDED,
	ANCHORED,					/* also the last sample at the range's left border, or before it within the lookback */
	SMOOTHED					/* the values at both borders are interpolated */
} EvalExtension;

/* At step i it is the samples in (time_of(times, i) - range, time_of(times, i)], and what the extension adds. */
typedef struct EvalRange
{
	EvalTimes	times;
	int64_t		range;
	EvalExtension extension;
} EvalRange;

/* ---- evaluator ---- */

typedef struct EvalNotes EvalNotes;

typedef struct Evaluator
{
	TsdbArena  *arena;
	TsdbArena  *scratch;		/* what is needed for one series only */
	const TsdbEnv *env;
	TsdbSeriesSource *source;
	TsdbEvalOptions options;	/* defaults filled in */
	const EvalGrid *grid;		/* of the node that is being evaluated */
	size_t		samples;		/* held now, counted against options.max_samples */
	TsdbEvalStats stats;
	EvalNotes  *notes;
	TsdbError  *error;
} Evaluator;

/* ---- eval.c ---- */

extern TsdbStatus tsdb_eval_expr(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
/* The same for a scalar: its value at each step. */
extern TsdbStatus tsdb_eval_scalar(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, double **values);
extern TsdbStatus tsdb_eval_fail(Evaluator *ev, const char *format, ...) TSDB_PRINTF(2, 3);
/* Count samples or points that are about to be held; a node gives back what is not part of its value. */
extern TsdbStatus tsdb_eval_count_samples(Evaluator *ev, size_t rows, size_t steps);

/* The time fits, but its distance from the first may not. */
static inline int64_t
grid_time(const EvalGrid *grid, size_t step)
{
	return (int64_t) ((uint64_t) grid->start + step * (uint64_t) grid->step);
}

static inline int64_t
time_of(EvalTimes times, size_t step)
{
	return (int64_t) ((uint64_t) times.first + step * (uint64_t) times.step);
}

/* Saturating, since queries may ask for any time. */
static inline int64_t
time_minus(int64_t time, int64_t ms)
{
	int64_t		result;

	if (__builtin_sub_overflow(time, ms, &result))
		return ms > 0 ? INT64_MIN : INT64_MAX;
	return result;
}

/* ---- eval_matrix.c ---- */

extern const TsdbLabels tsdb_eval_no_labels;

/* Rows without labels and values; `values` of `rows` * steps are not set. */
extern TsdbStatus tsdb_eval_matrix_make(Evaluator *ev, size_t rows, size_t steps, EvalMatrix *matrix);
extern EvalMatrix tsdb_eval_matrix_empty(const EvalGrid *grid);
/* One row of the same value at each step. */
extern TsdbStatus tsdb_eval_matrix_constant(Evaluator *ev, const EvalGrid *grid, double value, EvalMatrix *matrix);

/* A matrix whose rows come one by one, nobody knows how many. */
typedef struct EvalRows
{
	Evaluator  *ev;
	EvalMatrix	matrix;
	size_t		capacity;
	double	   *next;			/* room for the points of the next row */
} EvalRows;

extern void tsdb_eval_rows_begin(EvalRows *rows, Evaluator *ev, size_t steps);
/* Room for a row's points; the same again until it is kept. */
extern double *tsdb_eval_rows_next(EvalRows *rows);
extern TsdbStatus tsdb_eval_rows_keep(EvalRows *rows, TsdbLabels labels, bool drop_name);

extern void tsdb_eval_fill_absent(double *values, size_t n);
extern bool tsdb_eval_row_is_empty(const EvalRow *row, size_t steps);
extern void tsdb_eval_drop_empty_rows(EvalMatrix *matrix);
/* The function changes what the values mean: the name goes now, or is marked to go. */
extern void tsdb_eval_drop_names(Evaluator *ev, EvalMatrix *matrix);
/*
 * Rows with equal labels become one if they have no time in common.  Where they
 * have one, or may not become one: "vector cannot contain metrics with the same labelset".
 */
extern TsdbStatus tsdb_eval_merge_rows(Evaluator *ev, EvalMatrix *matrix);
extern TsdbStatus tsdb_eval_forbid_equal_rows(Evaluator *ev, const EvalMatrix *matrix);
/* merge_rows where Prometheus looks for equal labels at once; with delayed name removal an instant query does not. */
extern TsdbStatus tsdb_eval_check_rows(Evaluator *ev, EvalMatrix *matrix);
/* Whether all rows have the same metric name, so that rows which differ still do without it. */
extern bool tsdb_eval_names_are_equal(const Evaluator *ev, const EvalMatrix *matrix);
/* drop_names, and check_rows if that can have made rows equal */
extern TsdbStatus tsdb_eval_finish_function(Evaluator *ev, EvalMatrix *matrix);
extern void tsdb_eval_sort_rows(Evaluator *ev, EvalMatrix *matrix);

/* ---- eval_labels.c ---- */

/* The labels of a set that count: those named, or all but those named. */
typedef struct EvalFilter
{
	const TsdbStr *names;		/* sorted, each once */
	size_t		n;
	bool		keep;
} EvalFilter;

extern EvalFilter tsdb_eval_filter(TsdbArena *arena, const TsdbStr *names, size_t n, bool keep, const char *extra);
extern TsdbLabels tsdb_eval_filter_apply(TsdbArena *arena, const EvalFilter *filter, TsdbLabels labels);
extern TsdbLabels tsdb_eval_without_name(TsdbArena *arena, TsdbLabels labels);
/* An empty value removes the label. */
extern TsdbLabels tsdb_eval_with_label(TsdbArena *arena, TsdbLabels labels, TsdbStr name, TsdbStr value);
extern void tsdb_eval_print_labels(TsdbBuffer *buffer, TsdbLabels labels);

/* Numbers the distinct filtered label sets in the order of their first coming. */
typedef struct EvalGroups
{
	TsdbArena  *arena;
	const TsdbEnv *env;
	EvalFilter	filter;
	struct EvalGroupSlot *slots;
	size_t		n_slots;		/* a power of two */
	TsdbLabels *first;			/* of each group, unfiltered */
	size_t		n;
	size_t		capacity;
} EvalGroups;

extern void tsdb_eval_groups_init(EvalGroups *groups, const Evaluator *ev, EvalFilter filter, size_t expected);
extern size_t tsdb_eval_groups_add(EvalGroups *groups, TsdbLabels labels);

/* ---- sums ---- */

/* Neumaier's variant of Kahan's sum; the compensation is given up once the sum is infinite. */
static inline void
kahan_add(double x, double *sum, double *compensation)
{
	double		total = *sum + x;

	if (isinf(total))
		*compensation = 0;
	else if (fabs(*sum) >= fabs(x))
		*compensation += (*sum - total) + x;
	else
		*compensation += (x - total) + *sum;
	*sum = total;
}

/* ---- eval_notes.c ---- */

extern EvalNotes *tsdb_eval_notes_make(TsdbArena *arena);
extern void tsdb_eval_warn(Evaluator *ev, TsdbRange position, const char *format, ...) TSDB_PRINTF(3, 4);
extern void tsdb_eval_info(Evaluator *ev, TsdbRange position, const char *format, ...) TSDB_PRINTF(3, 4);
extern void tsdb_eval_info_metric(Evaluator *ev, TsdbRange position, const char *what, TsdbStr name);
extern void tsdb_eval_warn_quantile(Evaluator *ev, TsdbRange position, double q);
/* The next two name the metric unless it is empty. */
extern void tsdb_eval_warn_bucket(Evaluator *ev, TsdbRange position, TsdbStr bucket, TsdbStr name);
extern void tsdb_eval_info_monotonicity(Evaluator *ev, TsdbRange position, TsdbStr name, int64_t t,
										double min_bucket, double max_bucket, double max_diff);
extern void tsdb_eval_notes_result(Evaluator *ev, TsdbQueryResult *result);
/* Go's %g */
extern const char *tsdb_eval_format_g(char out[TSDB_NUMBER_MAX], double value);

/* ---- eval_quantile.c ---- */

/* Reorders the values.  NaN counts as the smallest. */
extern double tsdb_eval_quantile(double q, double *values, size_t n);

/* A bucket of a classic histogram: how many observations were upper_bound or less. */
typedef struct EvalBucket
{
	double		upper_bound;
	double		count;
} EvalBucket;

/* Where counts that fell from one bucket to the next had to be repaired. */
typedef struct EvalBucketRepair
{
	bool		needed;
	double		min_bucket;
	double		max_bucket;
	double		max_diff;
} EvalBucketRepair;

/* Both take buckets sorted by upper bound, n > 0, and change them. */
extern double tsdb_eval_bucket_quantile(double q, EvalBucket *buckets, size_t n, EvalBucketRepair *repair);
extern double tsdb_eval_bucket_fraction(double lower, double upper, EvalBucket *buckets, size_t n);

/* ---- eval_selector.c ---- */

extern TsdbStatus tsdb_eval_vector_selector(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid,
											EvalMatrix *result);
/* timestamp(selector): the times of the samples, in seconds, where the selector gives their values. */
extern TsdbStatus tsdb_eval_selector_timestamps(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid,
												EvalMatrix *result);
/*
 * A matrix selector or a subquery: fills `range`, then gives take() its series one after another.  A series
 * and its samples live only during the call; same_times is that of TsdbSeriesSink.
 */
typedef struct EvalTaker EvalTaker;
struct EvalTaker
{
	TsdbStatus	(*take) (EvalTaker *taker, const EvalSeries *series, bool same_times);
};
extern TsdbStatus tsdb_eval_range_vector(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalRange *range,
										 EvalTaker *taker);
/* The samples [from, to) of a window; all 0 before the first, then moved on from window to window. */
typedef struct EvalWindow
{
	size_t		from;
	size_t		to;
	size_t		reach;			/* the first sample that an extended range may look at */
	size_t		passed;			/* how many samples it lost by the last move, and got */
	size_t		reached;
} EvalWindow;

/* Moves to the window that ends at `end`, which is not before the last one's. */
extern void tsdb_eval_move_window(const Evaluator *ev, const EvalRange *range, const EvalSeries *series, int64_t end,
								  EvalWindow *window);
/* How many of the samples are at `time` or before, given that the first `from` are. */
extern size_t tsdb_eval_seek(const int64_t *t, size_t n, size_t from, int64_t time);

/* ---- range_extended.c ---- */

/* The value at `time`, on the line between the samples around it; absent before the first of them. */
extern double tsdb_eval_smoothed_value(const EvalSeries *series, size_t from, size_t to, int64_t time);
/* The points of an extended range as a result shows them: a value at each border, and the samples between. */
extern size_t tsdb_eval_extended_points(EvalExtension extension, const EvalSeries *series, size_t from, size_t to,
										int64_t start, int64_t end, int64_t *t, double *v);

/* ---- eval_range.c ---- */

extern TsdbStatus tsdb_eval_range_call(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

/* ---- eval_functions.c ---- */

extern TsdbStatus tsdb_eval_call(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
/* Whether the function gives another result at another time though its arguments are the same. */
extern bool tsdb_eval_depends_on_time(TsdbFunctionId id);
/* The labels that absent() can know of: those its argument matches with `=`, once. */
extern TsdbLabels tsdb_eval_absent_labels(Evaluator *ev, const TsdbExpr *arg);

/* ---- eval_aggregate.c ---- */

extern TsdbStatus tsdb_eval_aggregate(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);

/* ---- eval_choose.c: topk, bottomk, limitk, limit_ratio ---- */

/* Takes from the matrix the points that are not chosen; param has a value per step. */
extern TsdbStatus tsdb_eval_choose(Evaluator *ev, const TsdbExpr *expr, const double *param, EvalMatrix *matrix);

/* ---- eval_count_values.c ---- */

extern TsdbStatus tsdb_eval_count_values(Evaluator *ev, const TsdbExpr *expr, const EvalMatrix *input,
										 EvalMatrix *result);

/* ---- eval_binary.c ---- */

extern TsdbStatus tsdb_eval_binary(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result);
/*
 * out[i] = x[i] op y[i] where both are present.  A comparison that does not return
 * a bool lets kept[i] pass or nothing.  out may be any of the others.
 */
extern void tsdb_eval_combine(const TsdbBinaryExpr *binary, const double *x, const double *y, const double *kept,
							  double *out, size_t n);
/* Whether the values mean something else than before, so that the name has to go. */
extern bool tsdb_eval_is_arithmetic(TsdbBinaryOp op);
/* Operators on histograms' buckets, which floats do not have: says so. */
extern void tsdb_eval_note_float_operands(Evaluator *ev, const TsdbExpr *expr);

/* ---- functions_math.c ---- */

extern double tsdb_eval_power(double x, double y);

/* ---- eval_matching.c, eval_sets.c ---- */

extern TsdbStatus tsdb_eval_match_vectors(Evaluator *ev, const TsdbExpr *expr, EvalMatrix *lhs, EvalMatrix *rhs,
										  EvalMatrix *result);
extern TsdbStatus tsdb_eval_set_operation(Evaluator *ev, const TsdbExpr *expr, EvalMatrix *lhs, EvalMatrix *rhs,
										  EvalMatrix *result);
/* The labels that have to agree: `on` these, or all but the `ignoring` ones and the name. */
extern EvalFilter tsdb_eval_matching_filter(Evaluator *ev, const TsdbVectorMatching *matching);

/* Rows of a matrix by group: those of group g are rows[starts[g]] up to rows[starts[g + 1]], in order. */
typedef struct EvalMembers
{
	size_t	   *starts;
	size_t	   *rows;
} EvalMembers;

extern EvalMembers tsdb_eval_members(TsdbArena *arena, const size_t *groups, size_t n_rows, size_t n_groups);
/* The group of each row. */
extern size_t *tsdb_eval_number_rows(EvalGroups *groups, const EvalMatrix *matrix);

#endif							/* TSDB_EVAL_INTERNAL_H */
