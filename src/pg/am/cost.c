/*
 * cost.c
 *		What a scan costs, for the planner.
 *
 * How many rows match is the business of the operator (types/selectivity.c).  Lists are so dense that reading them
 * costs little beside the rows; what counts is the search for each matcher.
 */
#include "postgres.h"

#include "optimizer/optimizer.h"
#include "utils/selfuncs.h"

#include "pg/am/am_internal.h"

/* Comparisons on the way to a leaf. */
#define SEARCH_OPERATIONS 50

void
pgtsdb_am_cost(PlannerInfo *root, IndexPath *path, double loop_count, Cost *startup_cost, Cost *total_cost,
			   Selectivity *selectivity, double *correlation, double *pages)
{
	GenericCosts costs = {0};
	double		search = SEARCH_OPERATIONS * cpu_operator_cost * Max(list_length(path->indexclauses), 1);

	genericcostestimate(root, path, loop_count, &costs);
	*startup_cost = costs.indexStartupCost + search;
	*total_cost = costs.indexTotalCost + search;
	*selectivity = costs.indexSelectivity;
	*correlation = costs.indexCorrelation;
	*pages = costs.numIndexPages;
}
