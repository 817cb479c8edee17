/*
 * eval_matrix.c
 *		Rows of labels and points: making, thinning out, uniting, sorting.
 */
#include "core/promql/eval_internal.h"

const TsdbLabels tsdb_eval_no_labels = {NULL, 0};

TsdbStatus
tsdb_eval_matrix_make(Evaluator *ev, size_t rows, size_t steps, EvalMatrix *matrix)
{
	double	   *values;

	TRY(tsdb_eval_count_samples(ev, rows, steps));
	*matrix = (EvalMatrix){.rows = TSDB_NEW_ARRAY(ev->arena, EvalRow, rows), .n = rows, .steps = steps};
	values = TSDB_NEW_ARRAY(ev->arena, double, rows * steps);
	for (size_t i = 0; i < rows; i++)
		matrix->rows[i] = (EvalRow){tsdb_eval_no_labels, values + i * steps, false};
	return TSDB_OK;
}

EvalMatrix
tsdb_eval_matrix_empty(const EvalGrid *grid)
{
	return (EvalMatrix){.steps = grid->n};
}

TsdbStatus
tsdb_eval_matrix_constant(Evaluator *ev, const EvalGrid *grid, double value, EvalMatrix *matrix)
{
	TRY(tsdb_eval_matrix_make(ev, 1, grid->n, matrix));
	for (size_t step = 0; step < grid->n; step++)
		matrix->rows[0].v[step] = value;
	return TSDB_OK;
}

void
tsdb_eval_rows_begin(EvalRows *rows, Evaluator *ev, size_t steps)
{
	*rows = (EvalRows){.ev = ev, .matrix = {.steps = steps}};
}

double *
tsdb_eval_rows_next(EvalRows *rows)
{
	if (rows->next == NULL)
		rows->next = TSDB_NEW_ARRAY(rows->ev->arena, double, rows->matrix.steps);
	return rows->next;
}

TsdbStatus
tsdb_eval_rows_keep(EvalRows *rows, TsdbLabels labels, bool drop_name)
{
	EvalMatrix *matrix = &rows->matrix;

	TRY(tsdb_eval_count_samples(rows->ev, 1, matrix->steps));
	if (matrix->n == rows->capacity)
	{
		size_t		capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;

		matrix->rows = tsdb_grow(rows->ev->arena, matrix->rows, rows->capacity * sizeof(EvalRow),
								 capacity * sizeof(EvalRow));
		rows->capacity = capacity;
	}
	matrix->rows[matrix->n++] = (EvalRow){labels, rows->next, drop_name};
	rows->next = NULL;
	return TSDB_OK;
}

void
tsdb_eval_fill_absent(double *values, size_t n)
{
	double		absent = absent_value();

	for (size_t i = 0; i < n; i++)
		values[i] = absent;
}

bool
tsdb_eval_row_is_empty(const EvalRow *row, size_t steps)
{
	for (size_t step = 0; step < steps; step++)
		if (!is_absent(row->v[step]))
			return false;
	return true;
}

void
tsdb_eval_drop_empty_rows(EvalMatrix *matrix)
{
	size_t		kept = 0;

	for (size_t i = 0; i < matrix->n; i++)
		if (!tsdb_eval_row_is_empty(&matrix->rows[i], matrix->steps))
			matrix->rows[kept++] = matrix->rows[i];
	matrix->n = kept;
}

void
tsdb_eval_drop_names(Evaluator *ev, EvalMatrix *matrix)
{
	for (size_t i = 0; i < matrix->n; i++)
	{
		tsdb_check_interrupt(ev->env);
		matrix->rows[i].drop_name = true;
		if (!ev->options.delayed_name_removal)
			matrix->rows[i].labels = tsdb_eval_without_name(ev->arena, matrix->rows[i].labels);
	}
}

/* ---- rows with equal labels ---- */

static TsdbStatus
fail_equal_labels(Evaluator *ev)
{
	return tsdb_eval_fail(ev, "vector cannot contain metrics with the same labelset");
}

/* Adds the points of one row to another; false where both have one. */
static bool
unite(EvalRow *into, const EvalRow *row, size_t steps)
{
	for (size_t step = 0; step < steps; step++)
	{
		if (is_absent(row->v[step]))
			continue;
		if (!is_absent(into->v[step]))
			return false;
		into->v[step] = row->v[step];
	}
	return true;
}

/* The number of a row's label set among the distinct ones, for each row. */
static size_t *
number_label_sets(Evaluator *ev, const EvalMatrix *matrix, size_t *n_distinct)
{
	EvalGroups	groups;
	size_t	   *numbers;

	tsdb_eval_groups_init(&groups, ev, (EvalFilter){NULL, 0, false}, matrix->n);
	numbers = tsdb_eval_number_rows(&groups, matrix);
	*n_distinct = groups.n;
	return numbers;
}

TsdbStatus
tsdb_eval_merge_rows(Evaluator *ev, EvalMatrix *matrix)
{
	size_t		n_distinct;
	size_t		kept = 0;
	const size_t *numbers;

	if (matrix->n < 2)
		return TSDB_OK;
	numbers = number_label_sets(ev, matrix, &n_distinct);
	if (n_distinct == matrix->n)
		return TSDB_OK;

	/* sets are numbered as they come, so the row of set k has moved to place k */
	for (size_t i = 0; i < matrix->n; i++)
	{
		tsdb_check_interrupt(ev->env);
		if (numbers[i] == kept)
			matrix->rows[kept++] = matrix->rows[i];
		else if (!unite(&matrix->rows[numbers[i]], &matrix->rows[i], matrix->steps))
			return fail_equal_labels(ev);
	}
	matrix->n = kept;
	return TSDB_OK;
}

TsdbStatus
tsdb_eval_forbid_equal_rows(Evaluator *ev, const EvalMatrix *matrix)
{
	size_t		n_distinct;

	if (matrix->n < 2)
		return TSDB_OK;
	number_label_sets(ev, matrix, &n_distinct);
	return n_distinct == matrix->n ? TSDB_OK : fail_equal_labels(ev);
}

TsdbStatus
tsdb_eval_check_rows(Evaluator *ev, EvalMatrix *matrix)
{
	/* with delayed name removal an instant query looks only at its end */
	if (ev->options.delayed_name_removal && matrix->steps == 1 && !ev->grid->is_range)
		return TSDB_OK;
	return tsdb_eval_merge_rows(ev, matrix);
}

bool
tsdb_eval_names_are_equal(const Evaluator *ev, const EvalMatrix *matrix)
{
	static const TsdbStr reserved[] = {{"__name__", 8}, {"__type__", 8}, {"__unit__", 8}};
	TsdbStr		first[TSDB_COUNT(reserved)];

	for (size_t k = 0; k < TSDB_COUNT(reserved) && matrix->n > 0; k++)
		first[k] = tsdb_labels_get(matrix->rows[0].labels, reserved[k]);
	for (size_t i = 1; i < matrix->n; i++)
	{
		tsdb_check_interrupt(ev->env);
		for (size_t k = 0; k < TSDB_COUNT(reserved); k++)
			if (!tsdb_str_equal(first[k], tsdb_labels_get(matrix->rows[i].labels, reserved[k])))
				return false;
	}
	return true;
}

TsdbStatus
tsdb_eval_finish_function(Evaluator *ev, EvalMatrix *matrix)
{
	bool		stay_distinct = ev->options.delayed_name_removal || tsdb_eval_names_are_equal(ev, matrix);

	tsdb_eval_drop_names(ev, matrix);
	return stay_distinct ? TSDB_OK : tsdb_eval_check_rows(ev, matrix);
}

/* ---- sorting ---- */

static int
compare_rows(const void *a, const void *b, const void *context)
{
	(void) context;
	return tsdb_labels_compare(((const EvalRow *) a)->labels, ((const EvalRow *) b)->labels);
}

void
tsdb_eval_sort_rows(Evaluator *ev, EvalMatrix *matrix)
{
	tsdb_sort(ev->arena, ev->env, matrix->rows, matrix->n, sizeof(EvalRow), compare_rows, NULL);
}
