/*
 * eval_matching.c
 *		Arithmetic and comparison of two vectors.
 *
 * Rows belong together when the labels that matter agree.  That is found out
 * once per query: rows are numbered by those labels, and each pair of rows with
 * the same number becomes a row of the result, computed as a column.
 *
 * What must be unique, though, must be so at each step, and rows that are not may
 * never be there at the same time.  So where several rows of a side share a
 * number, their steps are compared, and of all that is wrong the first is
 * reported: lowest step, then the "one" side before the "many" side, then the
 * place of the row, which is the order in which Prometheus meets it.
 *
 * One-to-many is many-to-one with the sides swapped; one-to-one is that, too,
 * with a "many" side that may not have two.  A fill value is a row that is
 * there where no other row of its side is.
 */
#include "core/promql/eval_internal.h"

#define FILLED SIZE_MAX			/* in a pair: not a row, but the fill value */

typedef struct Pair
{
	size_t		many;
	size_t		one;
} Pair;

typedef enum ViolationKind
{
	NO_VIOLATION,
	DUPLICATE_ONE,				/* two rows of the "one" side */
	SECOND_MANY,				/* two matches in one-to-one */
	EQUAL_RESULTS				/* two results with equal labels */
} ViolationKind;

typedef struct Violation
{
	ViolationKind kind;
	size_t		step;
	size_t		row;			/* the second of the two */
	size_t		other;
} Violation;

typedef struct Matching
{
	Evaluator  *ev;
	const TsdbExpr *expr;
	const TsdbVectorMatching *how;
	bool		swapped;		/* the "many" side is on the right */
	size_t		steps;
	EvalMatrix *many;
	EvalMatrix *one;
	size_t	   *many_groups;
	size_t	   *one_groups;
	size_t		n_groups;
	EvalMembers many_of;		/* of each group */
	EvalMembers one_of;
	EvalFilter	filter;
	Pair	   *pairs;
	size_t		n_pairs;
	Violation	violation;		/* the first found so far */
	bool		has_rivals;		/* rows of one side with the same number */
} Matching;

/* ---- groups ---- */

static size_t
count_members(const EvalMembers *members, size_t group)
{
	return members->starts[group + 1] - members->starts[group];
}

static void
find_groups(Matching *m)
{
	EvalGroups	groups;

	m->filter = tsdb_eval_matching_filter(m->ev, m->how);
	tsdb_eval_groups_init(&groups, m->ev, m->filter, m->one->n);
	m->one_groups = tsdb_eval_number_rows(&groups, m->one);
	m->many_groups = tsdb_eval_number_rows(&groups, m->many);
	m->n_groups = groups.n;
	m->one_of = tsdb_eval_members(m->ev->arena, m->one_groups, m->one->n, groups.n);
	m->many_of = tsdb_eval_members(m->ev->arena, m->many_groups, m->many->n, groups.n);
}

static bool
any_present(const EvalMatrix *side, const EvalMembers *members, size_t group, size_t step)
{
	for (size_t k = members->starts[group]; k < members->starts[group + 1]; k++)
		if (!is_absent(side->rows[members->rows[k]].v[step]))
			return true;
	return false;
}

/* ---- what must be unique ---- */

static void
found_violation(Matching *m, ViolationKind kind, size_t step, size_t row, size_t other)
{
	const Violation *first = &m->violation;
	bool		is_one = kind == DUPLICATE_ONE;
	bool		first_is_one = first->kind == DUPLICATE_ONE;

	if (first->kind == NO_VIOLATION || step < first->step ||
		(step == first->step && (is_one > first_is_one || (is_one == first_is_one && row < first->row))))
		m->violation = (Violation){kind, step, row, other};
}

/* The first step at which two of the group's rows are there, other than steps at which nobody asks. */
static void
find_duplicates(Matching *m, ViolationKind kind, const EvalMatrix *side, const EvalMembers *members, size_t group,
				const bool *asked)
{
	for (size_t step = 0; step < m->steps; step++)
	{
		size_t		seen = SIZE_MAX;

		tsdb_check_interrupt(m->ev->env);
		if (!asked[step])
			continue;
		for (size_t k = members->starts[group]; k < members->starts[group + 1]; k++)
		{
			size_t		row = members->rows[k];

			if (is_absent(side->rows[row].v[step]))
				continue;
			if (seen != SIZE_MAX)
			{
				found_violation(m, kind, step, row, seen);
				return;
			}
			seen = row;
		}
	}
}

/* Where the "many" side has no row at all, Prometheus does not look at the other side. */
static void
check_one_side(Matching *m)
{
	bool	   *asked = NULL;

	for (size_t g = 0; g < m->n_groups; g++)
	{
		if (count_members(&m->one_of, g) < 2)
			continue;
		m->has_rivals = true;
		tsdb_check_interrupt(m->ev->env);
		if (asked == NULL)
		{
			asked = TSDB_NEW_ARRAY(m->ev->arena, bool, m->steps);
			for (size_t step = 0; step < m->steps; step++)
			{
				tsdb_check_interrupt(m->ev->env);
				asked[step] = m->how->fills_left || m->how->fills_right;
				for (size_t i = 0; i < m->many->n && !asked[step]; i++)
					asked[step] = !is_absent(m->many->rows[i].v[step]);
			}
		}
		find_duplicates(m, DUPLICATE_ONE, m->one, &m->one_of, g, asked);
	}
}

/* One-to-one: at most one row of the "many" side finds a match. */
static void
check_many_side(Matching *m)
{
	bool	   *asked = NULL;

	for (size_t g = 0; g < m->n_groups; g++)
	{
		if (count_members(&m->many_of, g) < 2 || (count_members(&m->one_of, g) == 0 && !m->how->fills_right))
			continue;
		m->has_rivals = true;
		tsdb_check_interrupt(m->ev->env);
		if (asked == NULL)
			asked = TSDB_NEW_ARRAY(m->ev->arena, bool, m->steps);
		for (size_t step = 0; step < m->steps; step++)
			asked[step] = m->how->fills_right || any_present(m->one, &m->one_of, g, step);
		find_duplicates(m, SECOND_MANY, m->many, &m->many_of, g, asked);
	}
}

/* Whether the pair comes together at this step, even if a comparison then drops the result. */
static bool
pair_matches(const Matching *m, const Pair *pair, size_t step)
{
	size_t		group = pair->many != FILLED ? m->many_groups[pair->many] : m->one_groups[pair->one];

	if (pair->many == FILLED)
		return !is_absent(m->one->rows[pair->one].v[step]) && !any_present(m->many, &m->many_of, group, step);
	if (is_absent(m->many->rows[pair->many].v[step]))
		return false;
	if (pair->one == FILLED)
		return !any_present(m->one, &m->one_of, group, step);
	return !is_absent(m->one->rows[pair->one].v[step]);
}

static void
compare_equal_results(Matching *m, const Pair *earlier, const Pair *later)
{
	if (earlier->many == FILLED || later->many == FILLED ||
		m->many_groups[earlier->many] != m->many_groups[later->many])
		return;
	for (size_t step = 0; step < m->steps; step++)
		if (pair_matches(m, earlier, step) && pair_matches(m, later, step))
		{
			found_violation(m, EQUAL_RESULTS, step, later->many, earlier->many);
			return;
		}
}

/* Many-to-one: the results of a group must differ in their labels. */
static void
check_results(Matching *m, const EvalMatrix *result)
{
	EvalGroups	groups;
	const size_t *numbers;
	EvalMembers same;

	tsdb_eval_groups_init(&groups, m->ev, (EvalFilter){NULL, 0, false}, result->n);
	numbers = tsdb_eval_number_rows(&groups, result);
	if (groups.n == result->n)
		return;
	same = tsdb_eval_members(m->ev->arena, numbers, result->n, groups.n);
	for (size_t g = 0; g < groups.n; g++)
		for (size_t k = same.starts[g]; k < same.starts[g + 1]; k++)
			for (size_t before = same.starts[g]; before < k; before++)
			{
				tsdb_check_interrupt(m->ev->env);
				compare_equal_results(m, &m->pairs[same.rows[before]], &m->pairs[same.rows[k]]);
			}
}

static TsdbStatus
report_duplicate(Matching *m)
{
	TsdbBuffer	group;
	TsdbBuffer	texts[2];
	size_t		rows[2] = {m->violation.row, m->violation.other};
	bool		in_order;

	tsdb_buffer_init(&group, m->ev->arena, 128);
	tsdb_eval_print_labels(&group, tsdb_eval_filter_apply(m->ev->arena, &m->filter, m->one->rows[rows[0]].labels));
	for (int i = 0; i < 2; i++)
	{
		tsdb_buffer_init(&texts[i], m->ev->arena, 256);
		tsdb_eval_print_labels(&texts[i], m->one->rows[rows[i]].labels);
	}
	in_order = tsdb_str_compare((TsdbStr){(char *) texts[0].data, texts[0].len},
								(TsdbStr){(char *) texts[1].data, texts[1].len}) <= 0;
	return tsdb_eval_fail(m->ev,
						  "found duplicate series for the match group %s on the %s hand-side of the operation: [%s, %s]"
						  ";many-to-many matching not allowed: matching labels must be unique on one side",
						  tsdb_buffer_cstring(&group), m->swapped ? "left" : "right",
						  tsdb_buffer_cstring(&texts[in_order ? 0 : 1]), tsdb_buffer_cstring(&texts[in_order ? 1 : 0]));
}

static TsdbStatus
report_violation(Matching *m)
{
	switch (m->violation.kind)
	{
		case NO_VIOLATION:
			break;
		case DUPLICATE_ONE:
			return report_duplicate(m);
		case SECOND_MANY:
			return tsdb_eval_fail(m->ev, "multiple matches for labels: many-to-one matching must be explicit "
								  "(group_left/group_right)");
		case EQUAL_RESULTS:
			return tsdb_eval_fail(m->ev, "multiple matches for labels: grouping labels must ensure unique matches");
	}
	return TSDB_OK;
}

/* ---- results ---- */

/* In the order of the "many" side, then what only the "one" side has. */
static void
list_pairs(Matching *m)
{
	size_t		most = m->how->fills_left ? m->one->n : 0;

	for (size_t i = 0; i < m->many->n; i++)
		most += count_members(&m->one_of, m->many_groups[i]) + m->how->fills_right;
	m->pairs = TSDB_NEW_ARRAY(m->ev->arena, Pair, most);
	m->n_pairs = 0;
	for (size_t i = 0; i < m->many->n; i++)
	{
		size_t		g = m->many_groups[i];

		tsdb_check_interrupt(m->ev->env);
		for (size_t k = m->one_of.starts[g]; k < m->one_of.starts[g + 1]; k++)
			m->pairs[m->n_pairs++] = (Pair){i, m->one_of.rows[k]};
		if (m->how->fills_right)
			m->pairs[m->n_pairs++] = (Pair){i, FILLED};
	}
	if (m->how->fills_left)
		for (size_t i = 0; i < m->one->n; i++)
			m->pairs[m->n_pairs++] = (Pair){FILLED, i};
}

/* A filled side has the labels that the other side was matched by. */
static TsdbLabels
result_labels(const Matching *m, const Pair *pair, const EvalFilter *one_to_one)
{
	TsdbArena  *arena = m->ev->arena;
	bool		drops_name = tsdb_eval_is_arithmetic(m->expr->binary.op) ||
		(m->expr->binary.returns_bool && !m->ev->options.delayed_name_removal);
	TsdbLabels	one = pair->one == FILLED ?
		tsdb_eval_filter_apply(arena, &m->filter, m->many->rows[pair->many].labels) : m->one->rows[pair->one].labels;
	TsdbLabels	labels = pair->many == FILLED ?
		tsdb_eval_filter_apply(arena, &m->filter, one) : m->many->rows[pair->many].labels;

	if (drops_name)
		labels = tsdb_eval_without_name(arena, labels);
	if (m->how->cardinality == TSDB_ONE_TO_ONE && (one_to_one->keep || one_to_one->n > 0))
		labels = tsdb_eval_filter_apply(arena, one_to_one, labels);
	for (size_t i = 0; i < m->how->n_include; i++)
		labels = tsdb_eval_with_label(arena, labels, m->how->include[i], tsdb_labels_get(one, m->how->include[i]));
	return labels;
}

/* The fill value where the other row is there and its group has no row on this side. */
static const double *
filled_column(const Matching *m, const Pair *pair, double value, double *column)
{
	for (size_t step = 0; step < m->steps; step++)
		column[step] = pair_matches(m, pair, step) ? value : absent_value();
	return column;
}

/* After a swap the values keep the sides they were written for, as in Prometheus. */
static void
compute_pair(const Matching *m, const Pair *pair, double *filled, double *out)
{
	const double *many = pair->many == FILLED ? filled_column(m, pair, m->how->fill_left, filled) :
		m->many->rows[pair->many].v;
	const double *one = pair->one == FILLED ? filled_column(m, pair, m->how->fill_right, filled) :
		m->one->rows[pair->one].v;
	const double *x = m->swapped ? one : many;
	const double *y = m->swapped ? many : one;

	tsdb_eval_combine(&m->expr->binary, x, y, x, out, m->steps);
}

static TsdbStatus
label_results(Matching *m, EvalMatrix *result)
{
	EvalFilter	one_to_one = tsdb_eval_filter(m->ev->arena, m->how->labels, m->how->n_labels, m->how->on, NULL);

	TRY(tsdb_eval_matrix_make(m->ev, m->n_pairs, m->steps, result));
	for (size_t i = 0; i < m->n_pairs; i++)
	{
		tsdb_check_interrupt(m->ev->env);
		result->rows[i].labels = result_labels(m, &m->pairs[i], &one_to_one);
		result->rows[i].drop_name = m->expr->binary.returns_bool;
	}
	return TSDB_OK;
}

TsdbStatus
tsdb_eval_match_vectors(Evaluator *ev, const TsdbExpr *expr, EvalMatrix *lhs, EvalMatrix *rhs, EvalMatrix *result)
{
	bool		swapped = expr->binary.matching->cardinality == TSDB_ONE_TO_MANY;
	Matching	m = {
		.ev = ev,
		.expr = expr,
		.how = expr->binary.matching,
		.swapped = swapped,
		.steps = lhs->steps,
		.many = swapped ? rhs : lhs,
		.one = swapped ? lhs : rhs
	};
	double	   *filled;

	find_groups(&m);
	list_pairs(&m);
	check_one_side(&m);
	if (m.how->cardinality == TSDB_ONE_TO_ONE)
		check_many_side(&m);
	TRY(label_results(&m, result));
	if (m.how->cardinality != TSDB_ONE_TO_ONE)
		check_results(&m, result);
	TRY(report_violation(&m));

	filled = m.how->fills_left || m.how->fills_right ? TSDB_NEW_ARRAY(ev->arena, double, m.steps) : NULL;
	for (size_t i = 0; i < m.n_pairs; i++)
	{
		tsdb_check_interrupt(ev->env);
		compute_pair(&m, &m.pairs[i], filled, result->rows[i].v);
	}
	if (m.n_pairs > 0 && (expr->binary.op == TSDB_OP_TRIM_LOWER || expr->binary.op == TSDB_OP_TRIM_UPPER))
		tsdb_eval_note_float_operands(ev, expr);
	tsdb_eval_drop_empty_rows(result);
	/* results of one-to-one have all labels they were matched by: other numbers, other labels */
	if (m.how->cardinality == TSDB_ONE_TO_ONE && !m.has_rivals && filled == NULL)
		return TSDB_OK;
	return tsdb_eval_check_rows(ev, result);
}
