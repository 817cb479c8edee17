/*
 * eval_aggregate.c
 *		Aggregations that make one series of a group: sum, avg, max, quantile ...
 *
 * The groups are found once per query.  Then each group is computed by itself,
 * member after member, all steps of a member at once: at each step the values
 * come in the order of the series, which compensated sums depend on.
 */
#include "core/promql/eval_internal.h"

typedef struct Members
{
	const TsdbEnv *env;
	const EvalRow *rows;		/* of the whole input */
	const size_t *places;		/* of this group's rows in it */
	size_t		n;
	size_t		steps;
	const double *param;		/* quantile: a value per step */
	double	   *scratch[3];		/* as many as there are steps; [0] also as many as members */
} Members;

/* Fills `out`, which is absent at first. */
typedef void (*Reduce) (const Members *members, double *out);

#define FOR_EACH_POINT(members, value) \
	for (size_t k = 0; k < (members)->n; tsdb_check_interrupt((members)->env), k++) \
		for (size_t step = 0; step < (members)->steps; step++) \
			if (!is_absent((value) = (members)->rows[(members)->places[k]].v[step]))

/* ---- sums and means ---- */

static void
reduce_sum(const Members *members, double *out)
{
	double	   *rest = members->scratch[0];
	double		value;

	FOR_EACH_POINT(members, value)
	{
		if (is_absent(out[step]))
		{
			out[step] = value;
			rest[step] = 0;
		}
		else
			kahan_add(value, &out[step], &rest[step]);
	}
	for (size_t step = 0; step < members->steps; step++)
		if (!is_absent(out[step]))
			out[step] += rest[step];
}

static void
reduce_count(const Members *members, double *out)
{
	double		value;

	FOR_EACH_POINT(members, value)
		out[step] = is_absent(out[step]) ? 1 : out[step] + 1;
}

static void
reduce_group(const Members *members, double *out)
{
	double		value;

	FOR_EACH_POINT(members, value)
		out[step] = 1;
}

/*
 * The plain mean of the sum as long as that does not overflow, from there on a
 * running mean, which a negative count marks.
 */
static void
reduce_avg(const Members *members, double *out)
{
	double	   *rest = members->scratch[0];
	double	   *count = members->scratch[1];
	double		value;

	FOR_EACH_POINT(members, value)
	{
		double		sum = out[step];
		double		sum_rest = rest[step];
		double		n;

		if (is_absent(out[step]))
		{
			out[step] = value;
			rest[step] = 0;
			count[step] = 1;
			continue;
		}
		if (count[step] > 0)
		{
			kahan_add(value, &sum, &sum_rest);
			if (!isinf(sum))
			{
				out[step] = sum;
				rest[step] = sum_rest;
				count[step]++;
				continue;
			}
			out[step] /= count[step];
			rest[step] /= count[step];
			count[step] = -count[step];
		}
		n = 1 - count[step];
		out[step] *= (n - 1) / n;
		rest[step] *= (n - 1) / n;
		kahan_add(value / n, &out[step], &rest[step]);
		count[step] = -n;
	}
	for (size_t step = 0; step < members->steps; step++)
	{
		if (is_absent(out[step]))
			continue;
		if (count[step] < 0)
			out[step] += rest[step];
		else
			out[step] = out[step] / count[step] + rest[step] / count[step];
	}
}

/* ---- variance ---- */

/* Welford's method; not compensated, as in Prometheus. */
static void
reduce_stdvar(const Members *members, double *out)
{
	double	   *mean = members->scratch[0];
	double	   *count = members->scratch[1];
	double		value;

	FOR_EACH_POINT(members, value)
	{
		double		delta;

		if (is_absent(out[step]))
		{
			out[step] = isfinite(value) ? 0 : normal_nan();
			mean[step] = value;
			count[step] = 1;
			continue;
		}
		count[step]++;
		delta = value - mean[step];
		mean[step] += delta / count[step];
		out[step] += delta * (value - mean[step]);
	}
	for (size_t step = 0; step < members->steps; step++)
		if (!is_absent(out[step]))
			out[step] /= count[step];
}

static void
reduce_stddev(const Members *members, double *out)
{
	reduce_stdvar(members, out);
	for (size_t step = 0; step < members->steps; step++)
		if (!is_absent(out[step]))
			out[step] = sqrt(out[step]);
}

/* ---- order ---- */

/* NaN only if there is nothing else. */
static void
reduce_max(const Members *members, double *out)
{
	double		value;

	FOR_EACH_POINT(members, value)
		if (out[step] < value || isnan(out[step]))
			out[step] = value;
}

static void
reduce_min(const Members *members, double *out)
{
	double		value;

	FOR_EACH_POINT(members, value)
		if (out[step] > value || isnan(out[step]))
			out[step] = value;
}

static void
reduce_quantile(const Members *members, double *out)
{
	double	   *values = members->scratch[0];

	for (size_t step = 0; step < members->steps; step++)
	{
		size_t		n = 0;

		tsdb_check_interrupt(members->env);
		for (size_t k = 0; k < members->n; k++)
		{
			double		value = members->rows[members->places[k]].v[step];

			if (!is_absent(value))
				values[n++] = value;
		}
		if (n > 0)
			out[step] = tsdb_eval_quantile(members->param[step], values, n);
	}
}

static Reduce
reduction(TsdbAggregateOp op)
{
	switch (op)
	{
		case TSDB_AGG_AVG:
			return reduce_avg;
		case TSDB_AGG_COUNT:
			return reduce_count;
		case TSDB_AGG_GROUP:
			return reduce_group;
		case TSDB_AGG_MAX:
			return reduce_max;
		case TSDB_AGG_MIN:
			return reduce_min;
		case TSDB_AGG_QUANTILE:
			return reduce_quantile;
		case TSDB_AGG_STDDEV:
			return reduce_stddev;
		case TSDB_AGG_STDVAR:
			return reduce_stdvar;
		default:
			return reduce_sum;
	}
}

/* ---- the node ---- */

static void
warn_of_quantiles(Evaluator *ev, const TsdbExpr *param, const double *values, size_t n)
{
	double		lowest = INFINITY;
	double		highest = -INFINITY;
	bool		has_nan = false;

	for (size_t step = 0; step < n; step++)
	{
		lowest = fmin(lowest, values[step]);
		highest = fmax(highest, values[step]);
		has_nan = has_nan || isnan(values[step]);
	}
	/* in Prometheus NaN is the highest and the lowest, too */
	if (has_nan)
	{
		tsdb_eval_warn_quantile(ev, param->range, normal_nan());
		return;
	}
	if (highest > 1)
		tsdb_eval_warn_quantile(ev, param->range, highest);
	if (lowest < 0)
		tsdb_eval_warn_quantile(ev, param->range, lowest);
}

static void
alloc_scratch(Evaluator *ev, Members *members, size_t largest)
{
	size_t		n = largest > members->steps ? largest : members->steps;

	for (size_t i = 0; i < TSDB_COUNT(members->scratch); i++)
		members->scratch[i] = TSDB_NEW_ARRAY(ev->arena, double, n);
}

static TsdbStatus
reduce_groups(Evaluator *ev, const TsdbExpr *expr, const double *param, const EvalMatrix *input, EvalMatrix *result)
{
	const TsdbAggregateExpr *aggregate = &expr->aggregate;
	EvalFilter	filter = tsdb_eval_filter(ev->arena, aggregate->labels, aggregate->n_labels, !aggregate->without,
										  aggregate->without ? TSDB_METRIC_NAME : NULL);
	Reduce		reduce = reduction(aggregate->op);
	Members		members = {.env = ev->env, .rows = input->rows, .steps = input->steps, .param = param};
	EvalGroups	groups;
	EvalMembers members_of;
	const size_t *numbers;
	size_t		largest = 0;

	tsdb_eval_groups_init(&groups, ev, filter, 0);
	numbers = tsdb_eval_number_rows(&groups, input);
	members_of = tsdb_eval_members(ev->arena, numbers, input->n, groups.n);
	for (size_t g = 0; g < groups.n; g++)
		if (members_of.starts[g + 1] - members_of.starts[g] > largest)
			largest = members_of.starts[g + 1] - members_of.starts[g];
	TRY(tsdb_eval_matrix_make(ev, groups.n, input->steps, result));
	alloc_scratch(ev, &members, largest);

	for (size_t g = 0; g < groups.n; g++)
	{
		EvalRow    *row = &result->rows[g];

		tsdb_check_interrupt(ev->env);
		members.places = members_of.rows + members_of.starts[g];
		members.n = members_of.starts[g + 1] - members_of.starts[g];
		tsdb_eval_fill_absent(row->v, result->steps);
		reduce(&members, row->v);
		row->labels = tsdb_eval_filter_apply(ev->arena, &filter, groups.first[g]);
		for (size_t k = 0; k < members.n; k++)
			row->drop_name = row->drop_name || input->rows[members.places[k]].drop_name;
	}
	return TSDB_OK;
}

TsdbStatus
tsdb_eval_aggregate(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	const TsdbAggregateExpr *aggregate = &expr->aggregate;
	double	   *param = NULL;
	EvalMatrix	input;

	if (aggregate->param != NULL && aggregate->op != TSDB_AGG_COUNT_VALUES)
		TRY(tsdb_eval_scalar(ev, aggregate->param, grid, &param));
	TRY(tsdb_eval_expr(ev, aggregate->expr, grid, &input));
	switch (aggregate->op)
	{
		case TSDB_AGG_TOPK:
		case TSDB_AGG_BOTTOMK:
		case TSDB_AGG_LIMITK:
		case TSDB_AGG_LIMIT_RATIO:
			*result = input;
			return tsdb_eval_choose(ev, expr, param, result);
		case TSDB_AGG_COUNT_VALUES:
			return tsdb_eval_count_values(ev, expr, &input, result);
		case TSDB_AGG_QUANTILE:
			warn_of_quantiles(ev, tsdb_expr_unwrap(aggregate->param), param, grid->n);
			break;
		default:
			break;
	}
	return reduce_groups(ev, expr, param, &input, result);
}
