/*
 * functions_histogram.c
 *		Functions of classic histograms: series that differ in the label `le`.
 *
 * The bounds are read and sorted once per query; a step only gathers the counts.
 */
#include "core/promql/eval_functions.h"

typedef struct BucketSeries
{
	double		upper_bound;
	size_t		group;
	const double *v;
} BucketSeries;

typedef struct Histogram
{
	TsdbLabels	labels;			/* without le */
	TsdbStr		metric;
	const BucketSeries *series;	/* sorted by bound */
	size_t		n;
} Histogram;

typedef struct Histograms
{
	Histogram  *all;
	size_t		n;
	EvalBucket *buckets;		/* room for those of one step */
} Histograms;

static const TsdbStr bucket_label = {"le", 2};

static int
compare_bucket_series(const void *a, const void *b, const void *context)
{
	const BucketSeries *x = a;
	const BucketSeries *y = b;

	(void) context;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->upper_bound > y->upper_bound) - (x->upper_bound < y->upper_bound);
}

/* The metric is named only if names are still there to be named. */
static TsdbStr
metric_name(Evaluator *ev, TsdbLabels labels)
{
	if (!ev->options.delayed_name_removal)
		return (TsdbStr){NULL, 0};
	return tsdb_labels_get(labels, TSDB_STR(TSDB_METRIC_NAME));
}

static void
gather_histograms(Evaluator *ev, const EvalMatrix *vector, TsdbRange position, Histograms *histograms)
{
	BucketSeries *series = TSDB_NEW_ARRAY(ev->arena, BucketSeries, vector->n);
	EvalGroups	groups;
	size_t		n = 0;
	size_t		largest = 0;

	tsdb_eval_groups_init(&groups, ev, (EvalFilter){&bucket_label, 1, false}, vector->n);
	for (size_t i = 0; i < vector->n; i++)
	{
		TsdbLabels	labels = vector->rows[i].labels;
		TsdbStr		bound = tsdb_labels_get(labels, bucket_label);
		double		upper_bound;

		tsdb_check_interrupt(ev->env);
		if (tsdb_parse_double(bound, &upper_bound))
			series[n++] = (BucketSeries){upper_bound, tsdb_eval_groups_add(&groups, labels), vector->rows[i].v};
		else
			tsdb_eval_warn_bucket(ev, position, bound, metric_name(ev, labels));
	}
	tsdb_sort(ev->arena, ev->env, series, n, sizeof(BucketSeries), compare_bucket_series, NULL);

	histograms->all = TSDB_NEW_ARRAY(ev->arena, Histogram, groups.n);
	histograms->n = groups.n;
	for (size_t from = 0, to = 0; from < n; from = to)
	{
		TsdbLabels	labels = tsdb_eval_filter_apply(ev->arena, &groups.filter, groups.first[series[from].group]);

		tsdb_check_interrupt(ev->env);
		while (to < n && series[to].group == series[from].group)
			to++;
		histograms->all[series[from].group] = (Histogram){labels, metric_name(ev, labels), series + from, to - from};
		largest = to - from > largest ? to - from : largest;
	}
	histograms->buckets = TSDB_NEW_ARRAY(ev->arena, EvalBucket, largest);
}

static size_t
buckets_at(const Histograms *histograms, const Histogram *histogram, size_t step)
{
	size_t		n = 0;

	for (size_t k = 0; k < histogram->n; k++)
		if (!is_absent(histogram->series[k].v[step]))
			histograms->buckets[n++] = (EvalBucket){histogram->series[k].upper_bound, histogram->series[k].v[step]};
	return n;
}

static void
warn_of_quantiles(Evaluator *ev, const double *q, size_t n, TsdbRange position)
{
	for (size_t step = 0; step < n; step++)
		if ((isnan(q[step]) || q[step] < 0 || q[step] > 1) &&
			(step == 0 || tsdb_double_bits(q[step]) != tsdb_double_bits(q[step - 1])))
			tsdb_eval_warn_quantile(ev, position, q[step]);
}

static double
quantile_at(Evaluator *ev, const Histograms *histograms, const Histogram *histogram, double q,
			const EvalGrid *grid, size_t step, TsdbRange position)
{
	size_t		n = buckets_at(histograms, histogram, step);
	EvalBucketRepair repair;
	double		result;

	if (n == 0)
		return absent_value();
	result = tsdb_eval_bucket_quantile(q, histograms->buckets, n, &repair);
	if (repair.needed)
		tsdb_eval_info_monotonicity(ev, position, histogram->metric, grid_time(grid, step),
									repair.min_bucket, repair.max_bucket, repair.max_diff);
	return result;
}

TsdbStatus
tsdb_function_histogram_quantile(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	TsdbRange	position = argument(expr, 1)->range;
	EvalMatrix	vector;
	Histograms	histograms;
	double	   *q;

	TRY(tsdb_eval_scalar(ev, argument(expr, 0), grid, &q));
	TRY(tsdb_eval_expr(ev, argument(expr, 1), grid, &vector));
	warn_of_quantiles(ev, q, grid->n, argument(expr, 0)->range);
	gather_histograms(ev, &vector, position, &histograms);
	TRY(tsdb_eval_matrix_make(ev, histograms.n, grid->n, result));
	for (size_t i = 0; i < histograms.n; i++)
	{
		tsdb_check_interrupt(ev->env);
		result->rows[i].labels = histograms.all[i].labels;
		for (size_t step = 0; step < grid->n; step++)
			result->rows[i].v[step] = quantile_at(ev, &histograms, &histograms.all[i], q[step], grid, step, position);
	}
	return tsdb_eval_finish_function(ev, result);
}

/* ---- several quantiles at once ---- */

/* As OpenMetrics writes numbers: with a point or an exponent. */
static TsdbStr
quantile_text(Evaluator *ev, double q)
{
	char		text[TSDB_NUMBER_MAX];

	tsdb_eval_format_g(text, q);
	if (isfinite(q) && strchr(text, '.') == NULL && strchr(text, 'e') == NULL)
		memcpy(text + strlen(text), ".0", 3);
	return tsdb_str_copy(ev->arena, tsdb_str(text));
}

/* How many rows a quantile needs: a new one whenever it changes, since a label tells it. */
static size_t
count_values(const double *q, size_t n)
{
	size_t		count = 1;

	for (size_t step = 1; step < n; step++)
		count += tsdb_double_bits(q[step]) != tsdb_double_bits(q[step - 1]);
	return count;
}

static void
rows_of_quantile(Evaluator *ev, const Histograms *histograms, TsdbStr label, const double *q,
				 const EvalGrid *grid, TsdbRange position, EvalRow **row)
{
	for (size_t i = 0; i < histograms->n; i++)
	{
		tsdb_check_interrupt(ev->env);
		for (size_t step = 0; step < grid->n; step++)
		{
			if (step == 0 || tsdb_double_bits(q[step]) != tsdb_double_bits(q[step - 1]))
			{
				(*row)->labels = tsdb_eval_with_label(ev->arena, histograms->all[i].labels, label,
													  quantile_text(ev, q[step]));
				tsdb_eval_fill_absent((*row)->v, grid->n);
				(*row)++;
			}
			(*row)[-1].v[step] = quantile_at(ev, histograms, &histograms->all[i], q[step], grid, step, position);
		}
	}
}

TsdbStatus
tsdb_function_histogram_quantiles(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	size_t		n_quantiles = expr->call.n_args - 2;
	TsdbRange	position = argument(expr, 0)->range;
	double	  **q = TSDB_NEW_ARRAY(ev->arena, double *, n_quantiles);
	EvalMatrix	vector;
	Histograms	histograms;
	EvalRow    *row;
	size_t		n_values = 0;

	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, &vector));
	for (size_t k = 0; k < n_quantiles; k++)
	{
		TRY(tsdb_eval_scalar(ev, argument(expr, k + 2), grid, &q[k]));
		warn_of_quantiles(ev, q[k], grid->n, argument(expr, k + 2)->range);
		n_values += count_values(q[k], grid->n);
	}
	gather_histograms(ev, &vector, position, &histograms);
	TRY(tsdb_eval_matrix_make(ev, histograms.n * n_values, grid->n, result));
	row = result->rows;
	for (size_t k = 0; k < n_quantiles; k++)
		rows_of_quantile(ev, &histograms, string_argument(expr, 1), q[k], grid, position, &row);
	tsdb_eval_drop_names(ev, result);
	tsdb_eval_drop_empty_rows(result);
	return tsdb_eval_check_rows(ev, result);
}

/* ---- fractions ---- */

TsdbStatus
tsdb_function_histogram_fraction(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	EvalMatrix	vector;
	Histograms	histograms;
	double	   *lower;
	double	   *upper;

	TRY(tsdb_eval_scalar(ev, argument(expr, 0), grid, &lower));
	TRY(tsdb_eval_scalar(ev, argument(expr, 1), grid, &upper));
	TRY(tsdb_eval_expr(ev, argument(expr, 2), grid, &vector));
	gather_histograms(ev, &vector, argument(expr, 2)->range, &histograms);
	TRY(tsdb_eval_matrix_make(ev, histograms.n, grid->n, result));
	for (size_t i = 0; i < histograms.n; i++)
	{
		tsdb_check_interrupt(ev->env);
		result->rows[i].labels = histograms.all[i].labels;
		for (size_t step = 0; step < grid->n; step++)
		{
			size_t		n = buckets_at(&histograms, &histograms.all[i], step);

			result->rows[i].v[step] = n == 0 ? absent_value() :
				tsdb_eval_bucket_fraction(lower[step], upper[step], histograms.buckets, n);
		}
	}
	return tsdb_eval_finish_function(ev, result);
}
