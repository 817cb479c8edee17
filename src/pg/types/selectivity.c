/*
 * selectivity.c
 *		How many rows labels @@ selector leaves, for the planner.
 *
 * There are no statistics of labels.  These are the shares in a typical server: hundreds of metrics, tens of
 * values of a label.  What matters is that a matcher that excludes nothing is told from one that picks a few rows.
 */
#include "postgres.h"

#include "nodes/pathnodes.h"
#include "utils/memutils.h"
#include "utils/selfuncs.h"

#include "pg/mem.h"
#include "pg/types/types.h"

#define DEFAULT_SHARE 0.005		/* of an unknown selector */
#define METRIC_SHARE 0.005		/* of one metric name */
#define VALUE_SHARE 0.05		/* of one value of another label */
#define PREFIX_SHARE 0.1
#define PATTERN_SHARE 0.3
#define LABELLED_SHARE 0.5		/* of the rows that have a label */

static double
share_of_matches(const TsdbMatcher *matcher)
{
	bool		is_metric = tsdb_str_equal(matcher->name, TSDB_STR(TSDB_METRIC_NAME));
	double		one = is_metric ? METRIC_SHARE : VALUE_SHARE;
	size_t		n;

	if (matcher->regex == NULL)
	{
		if (matcher->value.len == 0)
			return is_metric ? 0 : 1 - LABELLED_SHARE;
		return one;
	}
	tsdb_regex_alternatives(matcher->regex, &n);
	if (n > 0)
		return Min(1, n * one);
	if (tsdb_regex_matches(matcher->regex, TSDB_STR("")))
		return 1 - PATTERN_SHARE;
	return tsdb_regex_prefix(matcher->regex).len > 0 ? PREFIX_SHARE : PATTERN_SHARE;
}

PG_FUNCTION_INFO_V1(pgtsdb_labels_match_sel);
Datum
pgtsdb_labels_match_sel(PG_FUNCTION_ARGS)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	List	   *arguments = (List *) PG_GETARG_POINTER(2);
	TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	double		selectivity = 1;
	VariableStatData variable;
	TsdbMatcher *matchers;
	Node	   *other;
	bool		on_left;
	size_t		n;

	if (!get_restriction_variable(root, arguments, PG_GETARG_INT32(3), &variable, &other, &on_left))
		PG_RETURN_FLOAT8(DEFAULT_SHARE);
	ReleaseVariableStats(variable);
	if (!IsA(other, Const) || !on_left)
		PG_RETURN_FLOAT8(DEFAULT_SHARE);
	if (((Const *) other)->constisnull)
		PG_RETURN_FLOAT8(0);
	pgtsdb_datum_selector(arena, ((Const *) other)->constvalue, &matchers, &n);
	for (size_t i = 0; i < n; i++)
	{
		bool		positive = matchers[i].type == TSDB_MATCH_EQUAL || matchers[i].type == TSDB_MATCH_REGEX;
		double		share = share_of_matches(&matchers[i]);

		selectivity *= positive ? share : 1 - share;
	}
	CLAMP_PROBABILITY(selectivity);
	PG_RETURN_FLOAT8(selectivity);
}
