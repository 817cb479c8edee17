/*
 * support.c
 *		What the planner may expect of tsdb.promql() and tsdb.samples(): how many rows, at what cost.
 *
 * The planner asks with the arguments as far as it knows them.  A query is parsed,
 * and its tree says how the number of series goes from the selectors up to the
 * result: an aggregation without labels is one series, a function keeps as many
 * as it gets.  How many series a metric has is counted in an index, up to a
 * limit; how many of them further matchers leave is guessed.  What the evaluation
 * costs is added up on the way.
 *
 * A plan may be made for a call that is never reached.  So what is wrong with an
 * argument, or with the rights of the user, is no error here: the planner then
 * keeps to the ROWS of the function.  Who may not read a tenant gets no estimate
 * either, since it could tell of the tenant's series.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/promql/eval.h"
#include "core/promql/parser.h"
#include "pg/guc.h"
#include "pg/mem.h"
#include "pg/query/query.h"
#include "pg/storage/reader.h"

/* Of an argument that is not known, a parameter say; as ROWS of the functions has it. */
#define UNKNOWN_SERIES 100
#define UNKNOWN_STEPS 100
#define UNKNOWN_STEP_MS MS_PER_MINUTE

/* Values that a label has: what grouping and matching by it is thought to come to. */
#define LABEL_VALUES 10

/* Entries of the index looked at for one query.  Its evaluation reads as many rows at least. */
#define MAX_COUNTED 10000

/* A range may be longer than there are samples. */
#define MAX_SPAN_MS (7 * MS_PER_DAY)

/* The times at which an expression is evaluated. */
typedef struct Grid
{
	int64		start;
	int64		end;
	int64		step;			/* 0: once */
} Grid;

/* A call as far as the planner knows it. */
typedef struct Call
{
	bool		null;			/* an argument is: a strict function is not even called */
	char	   *text;			/* or NULL */
	Grid		grid;
	bool		is_samples;
} Call;

typedef struct Estimator
{
	const PgtsdbTenant *tenant;
	Snapshot	snapshot;
	int64		may_count;		/* entries of the index */
	double		most_counted;	/* series of a metric */
	double		work;			/* samples read and points computed so far */
} Estimator;

typedef struct Estimate
{
	double		rows;
	double		work;
} Estimate;

static bool estimate_call(PlannerInfo *root, Node *node, Estimate *estimate);
static bool read_call(PlannerInfo *root, FuncExpr *call, Call *known);
static bool read_range(PlannerInfo *root, List *arguments, Call *call);
static bool time_argument(PlannerInfo *root, List *arguments, int place, Call *call, int64 *ms);
static bool argument(PlannerInfo *root, List *arguments, int place, Call *call, Datum *value);
static bool estimate_query(Estimator *estimator, TsdbArena *arena, const Call *call, double *rows);
static bool estimate_samples(Estimator *estimator, TsdbArena *arena, const Call *call, double *rows);
static double points_of(const TsdbExpr *expr, const Grid *grid);
static double series_of(Estimator *estimator, TsdbExpr *expr, const Grid *grid);
static double series_of_matrix(Estimator *estimator, const TsdbMatrixExpr *matrix, const Grid *grid);
static double series_of_subquery(Estimator *estimator, const TsdbSubqueryExpr *subquery, const Grid *grid);
static double series_of_aggregate(Estimator *estimator, const TsdbAggregateExpr *aggregate, const Grid *grid);
static double series_of_binary(Estimator *estimator, const TsdbBinaryExpr *binary, const Grid *grid);
static double series_of_call(Estimator *estimator, const TsdbCallExpr *call, const Grid *grid);
static double series_of_selector(Estimator *estimator, const TsdbMatcher *matchers, size_t n);
static double count_series(Estimator *estimator, const TsdbStr *name);
static double selectivity(const TsdbMatcher *matcher);
static double grid_points(const Grid *grid);
static double samples_within(int64 span);

PG_FUNCTION_INFO_V1(pgtsdb_promql_support);

/* tsdb.promql_support(internal) */
Datum
pgtsdb_promql_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	Estimate	estimate;

	if (IsA(request, SupportRequestRows))
	{
		SupportRequestRows *rows = (SupportRequestRows *) request;

		if (estimate_call(rows->root, rows->node, &estimate))
		{
			rows->rows = estimate.rows;
			PG_RETURN_POINTER(rows);
		}
	}
	else if (IsA(request, SupportRequestCost))
	{
		SupportRequestCost *cost = (SupportRequestCost *) request;

		if (estimate_call(cost->root, cost->node, &estimate))
		{
			cost->startup = 0;
			cost->per_tuple = (1 + estimate.work) * cpu_operator_cost;
			PG_RETURN_POINTER(cost);
		}
	}
	PG_RETURN_POINTER(NULL);
}

static bool
estimate_call(PlannerInfo *root, Node *node, Estimate *estimate)
{
	MemoryContext context;
	MemoryContext caller;
	TsdbArena  *arena;
	Call		call;
	Estimator	estimator = {.may_count = MAX_COUNTED};
	bool		done;

	if (node == NULL || !IsA(node, FuncExpr) || !ActiveSnapshotSet())
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb planner support", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	*estimate = (Estimate) {0};
	done = read_call(root, (FuncExpr *) node, &call);
	if (done && !call.null)
	{
		arena = pgtsdb_arena_create(context, 0, NULL);
		estimator.snapshot = GetActiveSnapshot();
		estimator.tenant = pgtsdb_tenant_if_readable();
		done = estimator.tenant != NULL &&
			(call.is_samples ? estimate_samples : estimate_query) (&estimator, arena, &call, &estimate->rows);
		/* More is an error. */
		estimate->rows = Min(estimate->rows, pgtsdb_query_max_samples);
		estimate->work = estimator.work;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return done;
}

/* The functions differ in the number of their arguments.  False: something is wrong with them. */
static bool
read_call(PlannerInfo *root, FuncExpr *function, Call *call)
{
	List	   *arguments = function->args;
	Datum		value;

	*call = (Call) {.is_samples = list_length(arguments) == 3};
	if (list_length(arguments) < 2 || list_length(arguments) > 4)
		return false;
	if (argument(root, arguments, 0, call, &value))
		call->text = TextDatumGetCString(value);
	if (list_length(arguments) > 2)
		return read_range(root, arguments, call);
	if (time_argument(root, arguments, 1, call, &call->grid.start))
		call->grid.end = call->grid.start;
	return true;
}

/* What is not known of (start, end[, step]) is such that there are UNKNOWN_STEPS. */
static bool
read_range(PlannerInfo *root, List *arguments, Call *call)
{
	Grid	   *grid = &call->grid;
	bool		has_step = list_length(arguments) == 4;
	bool		knows_start = time_argument(root, arguments, 1, call, &grid->start);
	bool		knows_end = time_argument(root, arguments, 2, call, &grid->end);
	bool		knows_step = false;
	int64		step = UNKNOWN_STEP_MS;
	Datum		value;

	if (has_step && argument(root, arguments, 3, call, &value))
	{
		step = pgtsdb_step_to_ms(DatumGetIntervalP(value));
		knows_step = true;
	}
	if (!knows_start || !knows_end)
	{
		grid->start = 0;
		grid->end = Min(step, MS_PER_DAY) * (UNKNOWN_STEPS - 1);
	}
	else if (!knows_step)
		step = Max((grid->end - grid->start) / (UNKNOWN_STEPS - 1), 1);
	grid->step = has_step ? step : 0;
	return step > 0 && grid->start <= grid->end;
}

/* Infinity is no time to reckon with either. */
static bool
time_argument(PlannerInfo *root, List *arguments, int place, Call *call, int64 *ms)
{
	Datum		value;

	if (!argument(root, arguments, place, call, &value) || TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(value)))
		return false;
	*ms = pgtsdb_timestamp_to_ms(DatumGetTimestampTz(value));
	return true;
}

/* False when the planner cannot tell the value, also when it is null, which the call notes. */
static bool
argument(PlannerInfo *root, List *arguments, int place, Call *call, Datum *value)
{
	Node	   *node = estimate_expression_value(root, list_nth(arguments, place));
	Const	   *constant = (Const *) node;

	if (!IsA(node, Const))
		return false;
	call->null |= constant->constisnull;
	*value = constant->constvalue;
	return !constant->constisnull;
}

static bool
estimate_query(Estimator *estimator, TsdbArena *arena, const Call *call, double *rows)
{
	const Grid *grid = &call->grid;
	TsdbExpr   *expr;
	TsdbError	error;

	if (call->text == NULL)
	{
		*rows = UNKNOWN_SERIES * grid_points(grid);
		estimator->work = *rows;
		return true;
	}
	if (tsdb_promql_parse(arena, tsdb_str(call->text), NULL, &expr, &error) != TSDB_OK ||
		tsdb_promql_resolve_durations(expr, grid->start, grid->end, grid->step, &error) != TSDB_OK)
		return false;
	*rows = series_of(estimator, expr, grid) * points_of(expr, grid);
	return true;
}

static bool
estimate_samples(Estimator *estimator, TsdbArena *arena, const Call *call, double *rows)
{
	double		series = UNKNOWN_SERIES;
	TsdbMatcher *matchers;
	size_t		n;
	TsdbError	error;

	if (call->text != NULL)
	{
		if (tsdb_promql_parse_selector(arena, tsdb_str(call->text), &matchers, &n, &error) != TSDB_OK)
			return false;
		series = series_of_selector(estimator, matchers, n);
	}
	*rows = series * samples_within(call->grid.end - call->grid.start);
	estimator->work = *rows;
	return true;
}

/* Rows of a series of the result: one per step, but an instant query answers what a range vector holds. */
static double
points_of(const TsdbExpr *expr, const Grid *grid)
{
	const TsdbExpr *inner = tsdb_expr_unwrap(unconstify(TsdbExpr *, expr));

	if (inner->kind == TSDB_EXPR_MATRIX)
		return samples_within(inner->matrix.range_ms);
	if (inner->kind == TSDB_EXPR_SUBQUERY)
		return inner->subquery.range_ms / (inner->subquery.step_ms > 0 ? inner->subquery.step_ms : TSDB_DEFAULT_SUBQUERY_STEP_MS);
	return grid_points(grid);
}

/* The series that an expression evaluates to; adds what that costs to the work. */
static double
series_of(Estimator *estimator, TsdbExpr *expr, const Grid *grid)
{
	double		series = 1;

	switch (expr->kind)
	{
		case TSDB_EXPR_NUMBER:
		case TSDB_EXPR_STRING:
		case TSDB_EXPR_DURATION:
			return 1;
		case TSDB_EXPR_PAREN:
			return series_of(estimator, expr->paren, grid);
		case TSDB_EXPR_VECTOR:
			series = series_of_selector(estimator, expr->vector.matchers, expr->vector.n_matchers);
			estimator->work += series * samples_within(grid->end - grid->start + pgtsdb_query_lookback);
			break;
		case TSDB_EXPR_MATRIX:
			series = series_of_matrix(estimator, &expr->matrix, grid);
			break;
		case TSDB_EXPR_SUBQUERY:
			series = series_of_subquery(estimator, &expr->subquery, grid);
			break;
		case TSDB_EXPR_AGGREGATE:
			series = series_of_aggregate(estimator, &expr->aggregate, grid);
			break;
		case TSDB_EXPR_BINARY:
			series = series_of_binary(estimator, &expr->binary, grid);
			break;
		case TSDB_EXPR_UNARY:
			series = series_of(estimator, expr->unary.expr, grid);
			break;
		case TSDB_EXPR_CALL:
			series = series_of_call(estimator, &expr->call, grid);
			break;
	}
	estimator->work += series * grid_points(grid);
	return series;
}

static double
series_of_matrix(Estimator *estimator, const TsdbMatrixExpr *matrix, const Grid *grid)
{
	const TsdbVectorExpr *selector = &matrix->selector->vector;
	double		series = series_of_selector(estimator, selector->matchers, selector->n_matchers);

	estimator->work += series * samples_within(grid->end - grid->start + matrix->range_ms);
	return series;
}

/* Its expression is evaluated on a grid of its own. */
static double
series_of_subquery(Estimator *estimator, const TsdbSubqueryExpr *subquery, const Grid *grid)
{
	Grid		inner = {
		.start = grid->start - Min(subquery->range_ms, MAX_SPAN_MS),
		.end = grid->end,
		.step = subquery->step_ms > 0 ? subquery->step_ms : TSDB_DEFAULT_SUBQUERY_STEP_MS
	};

	return series_of(estimator, subquery->expr, &inner);
}

static double
series_of_aggregate(Estimator *estimator, const TsdbAggregateExpr *aggregate, const Grid *grid)
{
	double		series = series_of(estimator, aggregate->expr, grid);
	double		values = pow(LABEL_VALUES, Min(aggregate->n_labels, 10));
	double		groups = aggregate->without ? ceil(series / values) : Min(series, values);
	const TsdbExpr *param = aggregate->param != NULL ? tsdb_expr_unwrap(aggregate->param) : NULL;
	double		k = param != NULL && param->kind == TSDB_EXPR_NUMBER ? param->number.value : LABEL_VALUES;

	switch (aggregate->op)
	{
		case TSDB_AGG_TOPK:
		case TSDB_AGG_BOTTOMK:
		case TSDB_AGG_LIMITK:
			return k > 0 ? Min(series, groups * Min(k, series)) : 0;
		case TSDB_AGG_LIMIT_RATIO:
			return series * Min(fabs(k), 1);
		case TSDB_AGG_COUNT_VALUES:
			return Min(series, groups * LABEL_VALUES);
		default:
			return groups;
	}
}

/* A comparison is a filter of which as much is left as of an inequality in SQL. */
static double
series_of_binary(Estimator *estimator, const TsdbBinaryExpr *binary, const Grid *grid)
{
	double		lhs = series_of(estimator, binary->lhs, grid);
	double		rhs = series_of(estimator, binary->rhs, grid);
	const TsdbVectorMatching *matching = binary->matching;
	double		series;

	if (binary->op == TSDB_OP_OR)
		return lhs + rhs;
	if (matching == NULL)
		series = tsdb_expr_type(binary->lhs) == TSDB_VALUE_SCALAR ? rhs : lhs;
	else if (matching->cardinality == TSDB_ONE_TO_ONE)
		series = matching->fills_left || matching->fills_right ? Max(lhs, rhs) : Min(lhs, rhs);
	else
		series = matching->cardinality == TSDB_ONE_TO_MANY ? rhs : lhs;
	return tsdb_binary_op_is_comparison(binary->op) && !binary->returns_bool ? ceil(series * DEFAULT_INEQ_SEL) : series;
}

static double
series_of_call(Estimator *estimator, const TsdbCallExpr *call, const Grid *grid)
{
	double		series = 1;
	bool		found = false;

	for (size_t i = 0; i < call->n_args; i++)
	{
		TsdbValueType type = tsdb_expr_type(call->args[i]);
		double		of_argument = series_of(estimator, call->args[i], grid);

		if (!found && (type == TSDB_VALUE_VECTOR || type == TSDB_VALUE_MATRIX))
		{
			series = of_argument;
			found = true;
		}
	}
	switch (call->function->id)
	{
		case TSDB_FN_ABSENT:
		case TSDB_FN_ABSENT_OVER_TIME:
		case TSDB_FN_SCALAR:
			return 1;
		case TSDB_FN_HISTOGRAM_FRACTION:
		case TSDB_FN_HISTOGRAM_QUANTILE:
		case TSDB_FN_HISTOGRAM_QUANTILES:
			return ceil(series / LABEL_VALUES);	/* of the label le */
		default:
			return series;
	}
}

static double
series_of_selector(Estimator *estimator, const TsdbMatcher *matchers, size_t n)
{
	double		fraction = 1;
	const TsdbStr *names = NULL;
	size_t		n_names = 0;
	double		series = 0;

	for (size_t i = 0; i < n; i++)
	{
		const TsdbMatcher *matcher = &matchers[i];

		if (n_names == 0 && tsdb_str_equal(matcher->name, TSDB_STR(TSDB_METRIC_NAME)))
		{
			if (matcher->type == TSDB_MATCH_EQUAL)
			{
				names = &matcher->value;
				n_names = 1;
				continue;
			}
			if (matcher->type == TSDB_MATCH_REGEX)
				names = tsdb_regex_alternatives(matcher->regex, &n_names);
			if (n_names > 0)
				continue;
		}
		fraction *= selectivity(matcher);
	}
	for (size_t i = 0; i < n_names; i++)
		series += count_series(estimator, &names[i]);
	if (n_names == 0)
		series = count_series(estimator, NULL);
	return ceil(series * fraction);
}

/* Of all metrics where the name is NULL.  Metrics that are no longer counted are taken to be as large as the others of the query. */
static double
count_series(Estimator *estimator, const TsdbStr *name)
{
	double		series = 0;

	if (estimator->may_count <= 0)
		return estimator->most_counted;
	for (int i = 0; i < estimator->tenant->n_parts && estimator->may_count > 0; i++)
	{
		int64		n = pgtsdb_count_series(estimator->tenant->parts[i], estimator->snapshot, name, estimator->may_count);

		series += n;
		/* To open the index costs as much as some of its entries. */
		estimator->may_count -= n + MAX_COUNTED / 100;
	}
	estimator->most_counted = Max(estimator->most_counted, series);
	return series;
}

/* What a matcher leaves of the series of a metric. */
static double
selectivity(const TsdbMatcher *matcher)
{
	size_t		n = 0;

	switch (matcher->type)
	{
		case TSDB_MATCH_EQUAL:
			return matcher->value.len == 0 ? 1 : 1.0 / LABEL_VALUES;
		case TSDB_MATCH_REGEX:
			tsdb_regex_alternatives(matcher->regex, &n);
			return n > 0 ? Min(n, LABEL_VALUES) / (double) LABEL_VALUES : DEFAULT_INEQ_SEL;
		case TSDB_MATCH_NOT_EQUAL:
		case TSDB_MATCH_NOT_REGEX:
			break;
	}
	return 1;
}

static double
grid_points(const Grid *grid)
{
	return (double) tsdb_promql_steps(grid->start, grid->end, grid->step);
}

/* Samples of a series in so many milliseconds, if it is scraped as the setting says. */
static double
samples_within(int64 span)
{
	return ceil((double) Min(span, MAX_SPAN_MS) / pgtsdb_scrape_interval);
}
