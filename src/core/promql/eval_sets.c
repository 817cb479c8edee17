/*
 * eval_sets.c
 *		and, or, unless: points pass or not by the presence of a match.
 */
#include "core/promql/eval_internal.h"

/* For each group of labels where any row of one side has a point; NULL: nowhere. */
typedef struct Presence
{
	double	  **of_group;
} Presence;

/* A group of one row is present where the row is; several are laid over each other. */
static Presence
find_presence(Evaluator *ev, const EvalMatrix *side, const size_t *group_of, size_t n_groups)
{
	Presence	presence = {TSDB_NEW_ARRAY(ev->arena, double *, n_groups)};
	bool	   *is_own = TSDB_NEW_ARRAY(ev->arena, bool, n_groups);

	memset(is_own, 0, n_groups * sizeof(bool));
	for (size_t g = 0; g < n_groups; g++)
		presence.of_group[g] = NULL;
	for (size_t i = 0; i < side->n; i++)
	{
		size_t		g = group_of[i];

		tsdb_check_interrupt(ev->env);
		if (presence.of_group[g] == NULL)
		{
			presence.of_group[g] = side->rows[i].v;
			continue;
		}
		if (!is_own[g])
		{
			double	   *own = TSDB_NEW_ARRAY(ev->arena, double, side->steps);

			memcpy(own, presence.of_group[g], side->steps * sizeof(double));
			presence.of_group[g] = own;
			is_own[g] = true;
		}
		for (size_t step = 0; step < side->steps; step++)
			if (!is_absent(side->rows[i].v[step]))
				presence.of_group[g][step] = side->rows[i].v[step];
	}
	return presence;
}

/* Takes the points away where the other side's presence of their group is not what is wanted. */
static void
keep_where(Evaluator *ev, EvalMatrix *side, const size_t *group_of, Presence other, bool wanted)
{
	for (size_t i = 0; i < side->n; i++)
	{
		double	   *v = side->rows[i].v;
		const double *present = other.of_group[group_of[i]];

		tsdb_check_interrupt(ev->env);
		for (size_t step = 0; step < side->steps; step++)
			if ((present != NULL && !is_absent(present[step])) != wanted)
				v[step] = absent_value();
	}
	tsdb_eval_drop_empty_rows(side);
}

static void
append_rows(Evaluator *ev, const EvalMatrix *lhs, const EvalMatrix *rhs, EvalMatrix *result)
{
	*result = (EvalMatrix){TSDB_NEW_ARRAY(ev->arena, EvalRow, lhs->n + rhs->n), lhs->n + rhs->n, lhs->steps, false};
	for (size_t i = 0; i < lhs->n; i++)
		result->rows[i] = lhs->rows[i];
	for (size_t i = 0; i < rhs->n; i++)
		result->rows[lhs->n + i] = rhs->rows[i];
}

TsdbStatus
tsdb_eval_set_operation(Evaluator *ev, const TsdbExpr *expr, EvalMatrix *lhs, EvalMatrix *rhs, EvalMatrix *result)
{
	EvalGroups	groups;
	const size_t *left_groups;
	const size_t *right_groups;

	tsdb_eval_groups_init(&groups, ev, tsdb_eval_matching_filter(ev, expr->binary.matching), rhs->n);
	right_groups = tsdb_eval_number_rows(&groups, rhs);
	left_groups = tsdb_eval_number_rows(&groups, lhs);
	if (expr->binary.op == TSDB_OP_OR)
	{
		keep_where(ev, rhs, right_groups, find_presence(ev, lhs, left_groups, groups.n), false);
		append_rows(ev, lhs, rhs, result);
		return tsdb_eval_check_rows(ev, result);
	}
	keep_where(ev, lhs, left_groups, find_presence(ev, rhs, right_groups, groups.n),
			   expr->binary.op == TSDB_OP_AND);
	*result = *lhs;
	return TSDB_OK;
}
