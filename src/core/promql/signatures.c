/*
 * signatures.c
 *		Functions, aggregators, operators and value types: their names and what they take.
 *
 * The whole list of Prometheus 3.14; what the evaluator does not do it refuses.
 */
#include "core/promql/ast.h"

#define NONE TSDB_VALUE_NONE
#define SCALAR TSDB_VALUE_SCALAR
#define STRING TSDB_VALUE_STRING
#define VECTOR TSDB_VALUE_VECTOR
#define MATRIX TSDB_VALUE_MATRIX

#define FUNCTION(id, name, returns, variadic, experimental, n_args, ...) \
	[TSDB_FN_##id] = {TSDB_FN_##id, name, returns, n_args, {__VA_ARGS__}, variadic, experimental}

/* id, name, result, variadic, experimental, number and types of arguments; sorted by name */
static const TsdbFunction functions[TSDB_FN_COUNT] =
{
	FUNCTION(ABS, "abs", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(ABSENT, "absent", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(ABSENT_OVER_TIME, "absent_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(ACOS, "acos", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(ACOSH, "acosh", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(ASIN, "asin", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(ASINH, "asinh", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(ATAN, "atan", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(ATANH, "atanh", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(AVG_OVER_TIME, "avg_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(CEIL, "ceil", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(CHANGES, "changes", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(CLAMP, "clamp", VECTOR, 0, false, 3, VECTOR, SCALAR, SCALAR),
	FUNCTION(CLAMP_MAX, "clamp_max", VECTOR, 0, false, 2, VECTOR, SCALAR),
	FUNCTION(CLAMP_MIN, "clamp_min", VECTOR, 0, false, 2, VECTOR, SCALAR),
	FUNCTION(COS, "cos", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(COSH, "cosh", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(COUNT_OVER_TIME, "count_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(DAY_OF_MONTH, "day_of_month", VECTOR, 1, false, 1, VECTOR),
	FUNCTION(DAY_OF_WEEK, "day_of_week", VECTOR, 1, false, 1, VECTOR),
	FUNCTION(DAY_OF_YEAR, "day_of_year", VECTOR, 1, false, 1, VECTOR),
	FUNCTION(DAYS_IN_MONTH, "days_in_month", VECTOR, 1, false, 1, VECTOR),
	FUNCTION(DEG, "deg", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(DELTA, "delta", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(DERIV, "deriv", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(DOUBLE_EXPONENTIAL_SMOOTHING, "double_exponential_smoothing", VECTOR, 0, true, 3, MATRIX, SCALAR, SCALAR),
	FUNCTION(END, "end", SCALAR, 0, true, 0, NONE),
	FUNCTION(EXP, "exp", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(FIRST_OVER_TIME, "first_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(FLOOR, "floor", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(HISTOGRAM_AVG, "histogram_avg", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(HISTOGRAM_COUNT, "histogram_count", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(HISTOGRAM_FRACTION, "histogram_fraction", VECTOR, 0, false, 3, SCALAR, SCALAR, VECTOR),
	FUNCTION(HISTOGRAM_QUANTILE, "histogram_quantile", VECTOR, 0, false, 2, SCALAR, VECTOR),
	FUNCTION(HISTOGRAM_QUANTILES, "histogram_quantiles", VECTOR, 9, true, 4, VECTOR, STRING, SCALAR, SCALAR),
	FUNCTION(HISTOGRAM_STDDEV, "histogram_stddev", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(HISTOGRAM_STDVAR, "histogram_stdvar", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(HISTOGRAM_SUM, "histogram_sum", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(HOUR, "hour", VECTOR, 1, false, 1, VECTOR),
	FUNCTION(IDELTA, "idelta", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(INCREASE, "increase", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(INFO, "info", VECTOR, 1, true, 2, VECTOR, VECTOR),
	FUNCTION(IRATE, "irate", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(LABEL_JOIN, "label_join", VECTOR, -1, false, 4, VECTOR, STRING, STRING, STRING),
	FUNCTION(LABEL_REPLACE, "label_replace", VECTOR, 0, false, 5, VECTOR, STRING, STRING, STRING, STRING),
	FUNCTION(LAST_OVER_TIME, "last_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(LN, "ln", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(LOG10, "log10", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(LOG2, "log2", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(MAD_OVER_TIME, "mad_over_time", VECTOR, 0, true, 1, MATRIX),
	FUNCTION(MAX_OF, "max_of", SCALAR, 0, true, 2, SCALAR, SCALAR),
	FUNCTION(MAX_OVER_TIME, "max_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(MIN_OF, "min_of", SCALAR, 0, true, 2, SCALAR, SCALAR),
	FUNCTION(MIN_OVER_TIME, "min_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(MINUTE, "minute", VECTOR, 1, false, 1, VECTOR),
	FUNCTION(MONTH, "month", VECTOR, 1, false, 1, VECTOR),
	FUNCTION(PI, "pi", SCALAR, 0, false, 0, NONE),
	FUNCTION(PREDICT_LINEAR, "predict_linear", VECTOR, 0, false, 2, MATRIX, SCALAR),
	FUNCTION(PRESENT_OVER_TIME, "present_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(QUANTILE_OVER_TIME, "quantile_over_time", VECTOR, 0, false, 2, SCALAR, MATRIX),
	FUNCTION(RAD, "rad", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(RANGE, "range", SCALAR, 0, true, 0, NONE),
	FUNCTION(RATE, "rate", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(RESETS, "resets", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(ROUND, "round", VECTOR, 1, false, 2, VECTOR, SCALAR),
	FUNCTION(SCALAR, "scalar", SCALAR, 0, false, 1, VECTOR),
	FUNCTION(SGN, "sgn", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(SIN, "sin", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(SINH, "sinh", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(SORT, "sort", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(SORT_BY_LABEL, "sort_by_label", VECTOR, -1, true, 2, VECTOR, STRING),
	FUNCTION(SORT_BY_LABEL_DESC, "sort_by_label_desc", VECTOR, -1, true, 2, VECTOR, STRING),
	FUNCTION(SORT_DESC, "sort_desc", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(SQRT, "sqrt", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(START, "start", SCALAR, 0, true, 0, NONE),
	FUNCTION(START_TIMESTAMP, "start_timestamp", VECTOR, 0, true, 1, VECTOR),
	FUNCTION(STDDEV_OVER_TIME, "stddev_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(STDVAR_OVER_TIME, "stdvar_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(STEP, "step", SCALAR, 0, true, 0, NONE),
	FUNCTION(SUM_OVER_TIME, "sum_over_time", VECTOR, 0, false, 1, MATRIX),
	FUNCTION(TAN, "tan", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(TANH, "tanh", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(TIME, "time", SCALAR, 0, false, 0, NONE),
	FUNCTION(TIMESTAMP, "timestamp", VECTOR, 0, false, 1, VECTOR),
	FUNCTION(TS_OF_FIRST_OVER_TIME, "ts_of_first_over_time", VECTOR, 0, true, 1, MATRIX),
	FUNCTION(TS_OF_LAST_OVER_TIME, "ts_of_last_over_time", VECTOR, 0, true, 1, MATRIX),
	FUNCTION(TS_OF_MAX_OVER_TIME, "ts_of_max_over_time", VECTOR, 0, true, 1, MATRIX),
	FUNCTION(TS_OF_MIN_OVER_TIME, "ts_of_min_over_time", VECTOR, 0, true, 1, MATRIX),
	FUNCTION(VECTOR, "vector", VECTOR, 0, false, 1, SCALAR),
	FUNCTION(YEAR, "year", VECTOR, 1, false, 1, VECTOR),
};

static const char *const binary_ops[] =
{
	[TSDB_OP_ADD] = "+",
	[TSDB_OP_SUB] = "-",
	[TSDB_OP_MUL] = "*",
	[TSDB_OP_DIV] = "/",
	[TSDB_OP_MOD] = "%",
	[TSDB_OP_POW] = "^",
	[TSDB_OP_ATAN2] = "atan2",
	[TSDB_OP_EQUAL] = "==",
	[TSDB_OP_NOT_EQUAL] = "!=",
	[TSDB_OP_LESS] = "<",
	[TSDB_OP_LESS_EQUAL] = "<=",
	[TSDB_OP_GREATER] = ">",
	[TSDB_OP_GREATER_EQUAL] = ">=",
	[TSDB_OP_TRIM_UPPER] = "</",
	[TSDB_OP_TRIM_LOWER] = ">/",
	[TSDB_OP_AND] = "and",
	[TSDB_OP_OR] = "or",
	[TSDB_OP_UNLESS] = "unless",
};

static const char *const aggregates[] =
{
	[TSDB_AGG_AVG] = "avg",
	[TSDB_AGG_BOTTOMK] = "bottomk",
	[TSDB_AGG_COUNT] = "count",
	[TSDB_AGG_COUNT_VALUES] = "count_values",
	[TSDB_AGG_GROUP] = "group",
	[TSDB_AGG_LIMITK] = "limitk",
	[TSDB_AGG_LIMIT_RATIO] = "limit_ratio",
	[TSDB_AGG_MAX] = "max",
	[TSDB_AGG_MIN] = "min",
	[TSDB_AGG_QUANTILE] = "quantile",
	[TSDB_AGG_STDDEV] = "stddev",
	[TSDB_AGG_STDVAR] = "stdvar",
	[TSDB_AGG_SUM] = "sum",
	[TSDB_AGG_TOPK] = "topk",
};

const TsdbFunction *
tsdb_promql_find_function(TsdbStr name)
{
	size_t		low = 0;
	size_t		high = TSDB_FN_COUNT;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;
		int			order = tsdb_str_compare(name, tsdb_str(functions[middle].name));

		if (order == 0)
			return &functions[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const TsdbFunction *
tsdb_promql_function(TsdbFunctionId id)
{
	return &functions[id];
}

const char *
tsdb_binary_op_text(TsdbBinaryOp op)
{
	return binary_ops[op];
}

const char *
tsdb_duration_op_text(TsdbDurationOp op)
{
	static const char *const texts[] =
	{
		[TSDB_DURATION_STEP] = "step",
		[TSDB_DURATION_RANGE] = "range",
		[TSDB_DURATION_MIN_OF] = "min_of",
		[TSDB_DURATION_MAX_OF] = "max_of",
		[TSDB_DURATION_ADD] = "+",
		[TSDB_DURATION_SUB] = "-",
		[TSDB_DURATION_MUL] = "*",
		[TSDB_DURATION_DIV] = "/",
		[TSDB_DURATION_MOD] = "%",
		[TSDB_DURATION_POW] = "^",
	};

	return texts[op];
}

bool
tsdb_binary_op_is_comparison(TsdbBinaryOp op)
{
	return op >= TSDB_OP_EQUAL && op <= TSDB_OP_GREATER_EQUAL;
}

bool
tsdb_binary_op_is_set(TsdbBinaryOp op)
{
	return op >= TSDB_OP_AND && op <= TSDB_OP_UNLESS;
}

const char *
tsdb_aggregate_text(TsdbAggregateOp op)
{
	return aggregates[op];
}

bool
tsdb_aggregate_has_param(TsdbAggregateOp op)
{
	return op == TSDB_AGG_TOPK || op == TSDB_AGG_BOTTOMK || op == TSDB_AGG_COUNT_VALUES ||
		op == TSDB_AGG_QUANTILE || tsdb_aggregate_is_experimental(op);
}

bool
tsdb_aggregate_is_experimental(TsdbAggregateOp op)
{
	return op == TSDB_AGG_LIMITK || op == TSDB_AGG_LIMIT_RATIO;
}

const char *
tsdb_value_type_name(TsdbValueType type)
{
	switch (type)
	{
		case TSDB_VALUE_SCALAR:
			return "scalar";
		case TSDB_VALUE_STRING:
			return "string";
		case TSDB_VALUE_VECTOR:
			return "vector";
		case TSDB_VALUE_MATRIX:
			return "matrix";
		default:
			return "none";
	}
}

const char *
tsdb_value_type_documented(TsdbValueType type)
{
	switch (type)
	{
		case TSDB_VALUE_VECTOR:
			return "instant vector";
		case TSDB_VALUE_MATRIX:
			return "range vector";
		default:
			return tsdb_value_type_name(type);
	}
}
