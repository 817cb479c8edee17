/*
 * eval_choose.c
 *		Aggregations that choose series of a group: topk, bottomk, limitk, limit_ratio.
 *
 * The chosen points stay, with all labels of their series.  topk and bottomk keep
 * a heap per group and step, with the point that would be given up first at its
 * root.  The order in which equal values leave a heap is part of the answer, so
 * this is the heap of Go's container/heap: push climbs, a new root sinks.
 *
 * limit_ratio chooses by the hash of the labels, so that a series is chosen or not
 * by every query alike, and by Prometheus, too.
 */
#include "core/promql/eval_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

typedef struct Candidate
{
	double		value;
	size_t		row;
} Candidate;

typedef struct Heap
{
	Candidate  *items;
	size_t		n;
	bool		largest_first;	/* bottomk: the largest is given up first */
} Heap;

/* NaN is given up before all others. */
static bool
before(const Heap *heap, size_t i, size_t j)
{
	double		x = heap->items[i].value;
	double		y = heap->items[j].value;

	if (isnan(x))
		return true;
	return heap->largest_first ? x > y : x < y;
}

static void
swap(Heap *heap, size_t i, size_t j)
{
	Candidate	item = heap->items[i];

	heap->items[i] = heap->items[j];
	heap->items[j] = item;
}

static void
push(Heap *heap, Candidate candidate)
{
	size_t		place = heap->n++;

	heap->items[place] = candidate;
	while (place > 0 && before(heap, place, (place - 1) / 2))
	{
		swap(heap, place, (place - 1) / 2);
		place = (place - 1) / 2;
	}
}

static void
replace_root(Heap *heap, Candidate candidate)
{
	size_t		place = 0;

	heap->items[0] = candidate;
	for (;;)
	{
		size_t		child = 2 * place + 1;

		if (child >= heap->n)
			return;
		if (child + 1 < heap->n && before(heap, child + 1, child))
			child++;
		if (!before(heap, child, place))
			return;
		swap(heap, place, child);
		place = child;
	}
}

static bool
better_than_root(const Heap *heap, double value)
{
	double		root = heap->items[0].value;

	if (isnan(root))
		return !isnan(value);
	return heap->largest_first ? root > value : root < value;
}

/* The best first, NaN last. */
static int
compare_candidates(const void *a, const void *b, const void *context)
{
	double		x = ((const Candidate *) a)->value;
	double		y = ((const Candidate *) b)->value;
	int			order;

	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	order = (x > y) - (x < y);
	return *(const bool *) context ? order : -order;
}

/* ---- one group at one step ---- */

typedef struct Choice
{
	Evaluator  *ev;
	TsdbAggregateOp op;
	const EvalMatrix *matrix;
	const EvalMembers *members;
	Heap		heap;			/* room for the largest group */
	const double *offsets;		/* limit_ratio: of each row in [0, 1] */
} Choice;

static void
choose_best(Choice *choice, size_t group, size_t step, size_t k)
{
	Heap	   *heap = &choice->heap;
	const EvalMembers *members = choice->members;

	for (size_t m = members->starts[group]; m < members->starts[group + 1]; m++)
	{
		Candidate	candidate = {choice->matrix->rows[members->rows[m]].v[step], members->rows[m]};

		if (is_absent(candidate.value))
			continue;
		if (heap->n < k)
			push(heap, candidate);
		else if (better_than_root(heap, candidate.value))
			replace_root(heap, candidate);
	}
}

static void
choose_first(Choice *choice, size_t group, size_t step, size_t k)
{
	const EvalMembers *members = choice->members;

	for (size_t m = members->starts[group]; m < members->starts[group + 1] && choice->heap.n < k; m++)
	{
		double		value = choice->matrix->rows[members->rows[m]].v[step];

		if (!is_absent(value))
			choice->heap.items[choice->heap.n++] = (Candidate){value, members->rows[m]};
	}
}

/* A positive ratio takes from one end of the hashes, a negative one from the other: r and r - 1 are complements. */
static void
choose_share(Choice *choice, size_t group, size_t step, double ratio)
{
	const EvalMembers *members = choice->members;

	ratio = ratio < -1 ? -1 : ratio > 1 ? 1 : ratio;
	for (size_t m = members->starts[group]; m < members->starts[group + 1]; m++)
	{
		size_t		row = members->rows[m];
		double		value = choice->matrix->rows[row].v[step];
		bool		is_in = ratio >= 0 ? choice->offsets[row] < ratio : choice->offsets[row] >= 1.0 + ratio;

		if (!is_absent(value) && is_in)
			choice->heap.items[choice->heap.n++] = (Candidate){value, row};
	}
}

/* The number k of a step, at most the number of rows. */
static size_t
whole_number(double param, size_t most)
{
	if (!(param >= 1))
		return 0;
	return param < (double) most ? (size_t) param : most;
}

static void
choose(Choice *choice, size_t group, size_t step, double param)
{
	choice->heap.n = 0;
	switch (choice->op)
	{
		case TSDB_AGG_LIMIT_RATIO:
			if (param != 0)
				choose_share(choice, group, step, param);
			break;
		case TSDB_AGG_LIMITK:
			choose_first(choice, group, step, whole_number(param, choice->matrix->n));
			break;
		default:
			if (param >= 1)
				choose_best(choice, group, step, whole_number(param, choice->matrix->n));
			break;
	}
}

/* ---- parameters ---- */

typedef struct ParamRange
{
	double		lowest;
	double		highest;
	bool		has_nan;
} ParamRange;

static ParamRange
range_of_params(const double *param, size_t n)
{
	ParamRange	range = {INFINITY, -INFINITY, false};

	for (size_t step = 0; step < n; step++)
	{
		range.has_nan = range.has_nan || isnan(param[step]);
		range.lowest = fmin(range.lowest, param[step]);
		range.highest = fmax(range.highest, param[step]);
	}
	return range;
}

static void
warn_of_ratio(Evaluator *ev, TsdbRange position, double ratio, int cap)
{
	char		number[TSDB_NUMBER_MAX];

	tsdb_eval_warn(ev, position, "PromQL warning: ratio value should be between -1 and 1, got %s, capping to %d",
				   tsdb_eval_format_g(number, ratio), cap);
}

/* With limits that choose nothing the result is empty, whatever else they are. */
static TsdbStatus
check_params(Evaluator *ev, const TsdbExpr *expr, const double *param, size_t n, bool *is_empty)
{
	TsdbRange	position = tsdb_expr_unwrap(expr->aggregate.param)->range;
	ParamRange	range = range_of_params(param, n);
	char		number[TSDB_NUMBER_MAX];

	if (expr->aggregate.op == TSDB_AGG_LIMIT_RATIO)
	{
		*is_empty = !range.has_nan && range.lowest == 0 && range.highest == 0;
		if (range.has_nan)
			return tsdb_eval_fail(ev, "Ratio value is NaN");
		if (range.highest > 1)
			warn_of_ratio(ev, position, range.highest, 1);
		if (range.lowest < -1)
			warn_of_ratio(ev, position, range.lowest, -1);
		return TSDB_OK;
	}
	*is_empty = !range.has_nan && range.highest < 1;
	if (*is_empty)
		return TSDB_OK;
	if (range.has_nan)
		return tsdb_eval_fail(ev, "Parameter value is NaN");
	if (range.lowest <= -9223372036854775808.0)
		return tsdb_eval_fail(ev, "Scalar value %s underflows int64", tsdb_eval_format_g(number, range.lowest));
	if (range.highest >= 9223372036854774784.0)
		return tsdb_eval_fail(ev, "Scalar value %s overflows int64", tsdb_eval_format_g(number, range.highest));
	return TSDB_OK;
}

/* ---- hashes ---- */

/* Lengths as Prometheus stores them in a label set: one byte, or 255 and three. */
static void
append_sized(TsdbBuffer *buffer, TsdbStr text)
{
	if (text.len < 255)
		tsdb_buffer_u8(buffer, (uint8_t) text.len);
	else
	{
		tsdb_buffer_u8(buffer, 255);
		for (int shift = 0; shift < 24; shift += 8)
			tsdb_buffer_u8(buffer, (uint8_t) (text.len >> shift));
	}
	tsdb_buffer_append_str(buffer, text);
}

static const double *
hash_offsets(Evaluator *ev, const EvalMatrix *matrix)
{
	double	   *offsets = TSDB_NEW_ARRAY(ev->arena, double, matrix->n);
	TsdbBuffer	buffer;

	tsdb_buffer_init(&buffer, ev->arena, 256);
	for (size_t i = 0; i < matrix->n; i++)
	{
		TsdbLabels	labels = matrix->rows[i].labels;

		buffer.len = 0;
		for (size_t k = 0; k < labels.n; k++)
		{
			append_sized(&buffer, labels.pairs[k].name);
			append_sized(&buffer, labels.pairs[k].value);
		}
		offsets[i] = (double) XXH64(buffer.data, buffer.len, 0) / (double) UINT64_MAX;
	}
	return offsets;
}

/* ---- the node ---- */

/* An instant vector: the chosen rows by group, within a group the best first. */
static void
keep_in_order(Choice *choice, size_t n_groups, double param, EvalMatrix *matrix)
{
	EvalRow    *rows = TSDB_NEW_ARRAY(choice->ev->arena, EvalRow, matrix->n);
	size_t		n = 0;

	for (size_t g = 0; g < n_groups; g++)
	{
		tsdb_check_interrupt(choice->ev->env);
		choose(choice, g, 0, param);
		if (choice->op == TSDB_AGG_TOPK || choice->op == TSDB_AGG_BOTTOMK)
			tsdb_sort(choice->ev->arena, choice->ev->env, choice->heap.items, choice->heap.n, sizeof(Candidate),
					  compare_candidates, &choice->heap.largest_first);
		for (size_t i = 0; i < choice->heap.n; i++)
			rows[n++] = matrix->rows[choice->heap.items[i].row];
	}
	matrix->rows = rows;
	matrix->n = n;
	matrix->in_order = true;
}

static TsdbStatus
keep_points(Choice *choice, size_t n_groups, const double *param, EvalMatrix *matrix)
{
	EvalMatrix	chosen;

	TRY(tsdb_eval_matrix_make(choice->ev, matrix->n, matrix->steps, &chosen));
	for (size_t i = 0; i < matrix->n; i++)
	{
		double	   *v = chosen.rows[i].v;

		chosen.rows[i] = matrix->rows[i];
		chosen.rows[i].v = v;
		tsdb_eval_fill_absent(v, matrix->steps);
	}
	for (size_t g = 0; g < n_groups; g++)
	{
		tsdb_check_interrupt(choice->ev->env);
		for (size_t step = 0; step < matrix->steps; step++)
		{
			tsdb_check_interrupt(choice->ev->env);
			choose(choice, g, step, param[step]);
			for (size_t i = 0; i < choice->heap.n; i++)
				chosen.rows[choice->heap.items[i].row].v[step] = choice->heap.items[i].value;
		}
	}
	*matrix = chosen;
	tsdb_eval_drop_empty_rows(matrix);
	return TSDB_OK;
}

TsdbStatus
tsdb_eval_choose(Evaluator *ev, const TsdbExpr *expr, const double *param, EvalMatrix *matrix)
{
	const TsdbAggregateExpr *aggregate = &expr->aggregate;
	EvalFilter	filter = tsdb_eval_filter(ev->arena, aggregate->labels, aggregate->n_labels, !aggregate->without,
										  aggregate->without ? TSDB_METRIC_NAME : NULL);
	Choice		choice = {.ev = ev, .op = aggregate->op, .matrix = matrix};
	EvalGroups	groups;
	EvalMembers members;
	const size_t *numbers;
	EvalMatrix	input;
	bool		is_empty;

	/* which of equals is chosen shall not depend on where they are stored */
	if (!matrix->in_order)
		tsdb_eval_sort_rows(ev, matrix);
	TRY(check_params(ev, expr, param, matrix->steps, &is_empty));
	if (is_empty)
	{
		matrix->n = 0;
		return TSDB_OK;
	}
	tsdb_eval_groups_init(&groups, ev, filter, 0);
	numbers = tsdb_eval_number_rows(&groups, matrix);
	members = tsdb_eval_members(ev->arena, numbers, matrix->n, groups.n);
	input = *matrix;
	choice.matrix = &input;
	choice.members = &members;
	choice.heap = (Heap){TSDB_NEW_ARRAY(ev->arena, Candidate, matrix->n), 0, aggregate->op == TSDB_AGG_BOTTOMK};
	choice.offsets = aggregate->op == TSDB_AGG_LIMIT_RATIO ? hash_offsets(ev, matrix) : NULL;
	if (matrix->steps > 1)
		return keep_points(&choice, groups.n, param, matrix);
	keep_in_order(&choice, groups.n, param[0], matrix);
	return TSDB_OK;
}
