/*
 * eval_count_values.c
 *		count_values: how many series of a group have the same value.
 *
 * The value becomes a label.  A series mostly stays at one value for a while, so
 * the result row of its last value is remembered and the tables are asked only
 * when the value changes.
 */
#include "core/promql/eval_internal.h"

typedef struct Counts
{
	Evaluator  *ev;
	TsdbStr		label;			/* that gets the value; empty if grouping takes it away again */
	EvalGroups	rows;			/* label sets of the result, value included */
	double	  **counts;			/* of each row */
	size_t		capacity;
	size_t		steps;
} Counts;

static TsdbStatus
row_of(Counts *counts, TsdbLabels group, double value, double **row)
{
	char		text[TSDB_NUMBER_MAX];
	TsdbLabels	labels = group;
	size_t		place;
	size_t		known = counts->rows.n;

	if (counts->label.len > 0)
	{
		TsdbStr		number = {text, tsdb_format_double(text, value)};

		labels = tsdb_eval_with_label(counts->ev->arena, group, counts->label,
									  tsdb_str_copy(counts->ev->arena, number));
	}
	place = tsdb_eval_groups_add(&counts->rows, labels);
	if (place == known)
	{
		TRY(tsdb_eval_count_samples(counts->ev, 1, counts->steps));
		if (place == counts->capacity)
		{
			counts->counts = tsdb_grow(counts->ev->arena, counts->counts, counts->capacity * sizeof(double *),
									   counts->capacity * 2 * sizeof(double *));
			counts->capacity *= 2;
		}
		counts->counts[place] = TSDB_NEW_ARRAY(counts->ev->arena, double, counts->steps);
		tsdb_eval_fill_absent(counts->counts[place], counts->steps);
	}
	*row = counts->counts[place];
	return TSDB_OK;
}

static TsdbStatus
count_series(Counts *counts, const EvalRow *series, TsdbLabels group)
{
	double	   *row = NULL;
	uint64_t	row_bits = 0;

	for (size_t step = 0; step < counts->steps; step++)
	{
		double		value = series->v[step];

		if (is_absent(value))
			continue;
		if (row == NULL || tsdb_double_bits(value) != row_bits)
		{
			TRY(row_of(counts, group, value, &row));
			row_bits = tsdb_double_bits(value);
		}
		row[step] = is_absent(row[step]) ? 1 : row[step] + 1;
	}
	return TSDB_OK;
}

static bool
contains(const EvalFilter *filter, TsdbStr name)
{
	for (size_t i = 0; i < filter->n; i++)
		if (tsdb_str_equal(filter->names[i], name))
			return true;
	return false;
}

/* The value's label takes the place of one that the series has already. */
static TsdbLabels
group_labels(Evaluator *ev, const EvalFilter *filter, TsdbLabels labels, TsdbStr value_label)
{
	labels = tsdb_eval_filter_apply(ev->arena, filter, labels);
	return tsdb_eval_with_label(ev->arena, labels, value_label, (TsdbStr){NULL, 0});
}

TsdbStatus
tsdb_eval_count_values(Evaluator *ev, const TsdbExpr *expr, const EvalMatrix *input, EvalMatrix *result)
{
	const TsdbAggregateExpr *aggregate = &expr->aggregate;
	TsdbStr		label = tsdb_expr_unwrap(aggregate->param)->string;
	EvalFilter	filter = tsdb_eval_filter(ev->arena, aggregate->labels, aggregate->n_labels, !aggregate->without,
										  aggregate->without ? TSDB_METRIC_NAME : NULL);
	Counts		counts = {.ev = ev, .capacity = 64, .steps = input->steps};

	if (label.len == 0 || !tsdb_utf8_is_valid(label))
	{
		TsdbBuffer	quoted;

		tsdb_buffer_init(&quoted, ev->arena, 64);
		tsdb_quote(&quoted, label);
		return tsdb_eval_fail(ev, "invalid label name %s", tsdb_buffer_cstring(&quoted));
	}
	if (!aggregate->without || !contains(&filter, label))
		counts.label = label;
	counts.counts = TSDB_NEW_ARRAY(ev->arena, double *, counts.capacity);
	tsdb_eval_groups_init(&counts.rows, ev, (EvalFilter){NULL, 0, false}, counts.capacity);
	for (size_t i = 0; i < input->n; i++)
	{
		tsdb_check_interrupt(ev->env);
		TRY(count_series(&counts, &input->rows[i], group_labels(ev, &filter, input->rows[i].labels, label)));
	}

	*result = (EvalMatrix){TSDB_NEW_ARRAY(ev->arena, EvalRow, counts.rows.n), counts.rows.n, input->steps, false};
	for (size_t i = 0; i < result->n; i++)
		result->rows[i] = (EvalRow){counts.rows.first[i], counts.counts[i], false};
	return TSDB_OK;
}
