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

/* id, name, result, number and types of arguments, variadic, experimental; sorted by name */
static const TsdbFunction functions[TSDB_FN_COUNT] =
{
	[TSDB_FN_ABS] = {TSDB_FN_ABS, "abs", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_ABSENT] = {TSDB_FN_ABSENT, "absent", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_ABSENT_OVER_TIME] = {TSDB_FN_ABSENT_OVER_TIME, "absent_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_ACOS] = {TSDB_FN_ACOS, "acos", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_ACOSH] = {TSDB_FN_ACOSH, "acosh", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_ASIN] = {TSDB_FN_ASIN, "asin", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_ASINH] = {TSDB_FN_ASINH, "asinh", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_ATAN] = {TSDB_FN_ATAN, "atan", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_ATANH] = {TSDB_FN_ATANH, "atanh", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_AVG_OVER_TIME] = {TSDB_FN_AVG_OVER_TIME, "avg_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_CEIL] = {TSDB_FN_CEIL, "ceil", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_CHANGES] = {TSDB_FN_CHANGES, "changes", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_CLAMP] = {TSDB_FN_CLAMP, "clamp", VECTOR, 3, {VECTOR, SCALAR, SCALAR}, 0, false},
	[TSDB_FN_CLAMP_MAX] = {TSDB_FN_CLAMP_MAX, "clamp_max", VECTOR, 2, {VECTOR, SCALAR}, 0, false},
	[TSDB_FN_CLAMP_MIN] = {TSDB_FN_CLAMP_MIN, "clamp_min", VECTOR, 2, {VECTOR, SCALAR}, 0, false},
	[TSDB_FN_COS] = {TSDB_FN_COS, "cos", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_COSH] = {TSDB_FN_COSH, "cosh", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_COUNT_OVER_TIME] = {TSDB_FN_COUNT_OVER_TIME, "count_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_DAY_OF_MONTH] = {TSDB_FN_DAY_OF_MONTH, "day_of_month", VECTOR, 1, {VECTOR}, 1, false},
	[TSDB_FN_DAY_OF_WEEK] = {TSDB_FN_DAY_OF_WEEK, "day_of_week", VECTOR, 1, {VECTOR}, 1, false},
	[TSDB_FN_DAY_OF_YEAR] = {TSDB_FN_DAY_OF_YEAR, "day_of_year", VECTOR, 1, {VECTOR}, 1, false},
	[TSDB_FN_DAYS_IN_MONTH] = {TSDB_FN_DAYS_IN_MONTH, "days_in_month", VECTOR, 1, {VECTOR}, 1, false},
	[TSDB_FN_DEG] = {TSDB_FN_DEG, "deg", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_DELTA] = {TSDB_FN_DELTA, "delta", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_DERIV] = {TSDB_FN_DERIV, "deriv", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_DOUBLE_EXPONENTIAL_SMOOTHING] = {TSDB_FN_DOUBLE_EXPONENTIAL_SMOOTHING, "double_exponential_smoothing", VECTOR, 3, {MATRIX, SCALAR, SCALAR}, 0, true},
	[TSDB_FN_END] = {TSDB_FN_END, "end", SCALAR, 0, {NONE}, 0, true},
	[TSDB_FN_EXP] = {TSDB_FN_EXP, "exp", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_FIRST_OVER_TIME] = {TSDB_FN_FIRST_OVER_TIME, "first_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_FLOOR] = {TSDB_FN_FLOOR, "floor", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_HISTOGRAM_AVG] = {TSDB_FN_HISTOGRAM_AVG, "histogram_avg", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_HISTOGRAM_COUNT] = {TSDB_FN_HISTOGRAM_COUNT, "histogram_count", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_HISTOGRAM_FRACTION] = {TSDB_FN_HISTOGRAM_FRACTION, "histogram_fraction", VECTOR, 3, {SCALAR, SCALAR, VECTOR}, 0, false},
	[TSDB_FN_HISTOGRAM_QUANTILE] = {TSDB_FN_HISTOGRAM_QUANTILE, "histogram_quantile", VECTOR, 2, {SCALAR, VECTOR}, 0, false},
	[TSDB_FN_HISTOGRAM_QUANTILES] = {TSDB_FN_HISTOGRAM_QUANTILES, "histogram_quantiles", VECTOR, 4, {VECTOR, STRING, SCALAR, SCALAR}, 9, true},
	[TSDB_FN_HISTOGRAM_STDDEV] = {TSDB_FN_HISTOGRAM_STDDEV, "histogram_stddev", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_HISTOGRAM_STDVAR] = {TSDB_FN_HISTOGRAM_STDVAR, "histogram_stdvar", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_HISTOGRAM_SUM] = {TSDB_FN_HISTOGRAM_SUM, "histogram_sum", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_HOUR] = {TSDB_FN_HOUR, "hour", VECTOR, 1, {VECTOR}, 1, false},
	[TSDB_FN_IDELTA] = {TSDB_FN_IDELTA, "idelta", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_INCREASE] = {TSDB_FN_INCREASE, "increase", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_INFO] = {TSDB_FN_INFO, "info", VECTOR, 2, {VECTOR, VECTOR}, 1, true},
	[TSDB_FN_IRATE] = {TSDB_FN_IRATE, "irate", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_LABEL_JOIN] = {TSDB_FN_LABEL_JOIN, "label_join", VECTOR, 4, {VECTOR, STRING, STRING, STRING}, -1, false},
	[TSDB_FN_LABEL_REPLACE] = {TSDB_FN_LABEL_REPLACE, "label_replace", VECTOR, 5, {VECTOR, STRING, STRING, STRING, STRING}, 0, false},
	[TSDB_FN_LAST_OVER_TIME] = {TSDB_FN_LAST_OVER_TIME, "last_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_LN] = {TSDB_FN_LN, "ln", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_LOG10] = {TSDB_FN_LOG10, "log10", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_LOG2] = {TSDB_FN_LOG2, "log2", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_MAD_OVER_TIME] = {TSDB_FN_MAD_OVER_TIME, "mad_over_time", VECTOR, 1, {MATRIX}, 0, true},
	[TSDB_FN_MAX_OF] = {TSDB_FN_MAX_OF, "max_of", SCALAR, 2, {SCALAR, SCALAR}, 0, true},
	[TSDB_FN_MAX_OVER_TIME] = {TSDB_FN_MAX_OVER_TIME, "max_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_MIN_OF] = {TSDB_FN_MIN_OF, "min_of", SCALAR, 2, {SCALAR, SCALAR}, 0, true},
	[TSDB_FN_MIN_OVER_TIME] = {TSDB_FN_MIN_OVER_TIME, "min_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_MINUTE] = {TSDB_FN_MINUTE, "minute", VECTOR, 1, {VECTOR}, 1, false},
	[TSDB_FN_MONTH] = {TSDB_FN_MONTH, "month", VECTOR, 1, {VECTOR}, 1, false},
	[TSDB_FN_PI] = {TSDB_FN_PI, "pi", SCALAR, 0, {NONE}, 0, false},
	[TSDB_FN_PREDICT_LINEAR] = {TSDB_FN_PREDICT_LINEAR, "predict_linear", VECTOR, 2, {MATRIX, SCALAR}, 0, false},
	[TSDB_FN_PRESENT_OVER_TIME] = {TSDB_FN_PRESENT_OVER_TIME, "present_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_QUANTILE_OVER_TIME] = {TSDB_FN_QUANTILE_OVER_TIME, "quantile_over_time", VECTOR, 2, {SCALAR, MATRIX}, 0, false},
	[TSDB_FN_RAD] = {TSDB_FN_RAD, "rad", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_RANGE] = {TSDB_FN_RANGE, "range", SCALAR, 0, {NONE}, 0, true},
	[TSDB_FN_RATE] = {TSDB_FN_RATE, "rate", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_RESETS] = {TSDB_FN_RESETS, "resets", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_ROUND] = {TSDB_FN_ROUND, "round", VECTOR, 2, {VECTOR, SCALAR}, 1, false},
	[TSDB_FN_SCALAR] = {TSDB_FN_SCALAR, "scalar", SCALAR, 1, {VECTOR}, 0, false},
	[TSDB_FN_SGN] = {TSDB_FN_SGN, "sgn", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_SIN] = {TSDB_FN_SIN, "sin", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_SINH] = {TSDB_FN_SINH, "sinh", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_SORT] = {TSDB_FN_SORT, "sort", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_SORT_BY_LABEL] = {TSDB_FN_SORT_BY_LABEL, "sort_by_label", VECTOR, 2, {VECTOR, STRING}, -1, true},
	[TSDB_FN_SORT_BY_LABEL_DESC] = {TSDB_FN_SORT_BY_LABEL_DESC, "sort_by_label_desc", VECTOR, 2, {VECTOR, STRING}, -1, true},
	[TSDB_FN_SORT_DESC] = {TSDB_FN_SORT_DESC, "sort_desc", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_SQRT] = {TSDB_FN_SQRT, "sqrt", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_START] = {TSDB_FN_START, "start", SCALAR, 0, {NONE}, 0, true},
	[TSDB_FN_START_TIMESTAMP] = {TSDB_FN_START_TIMESTAMP, "start_timestamp", VECTOR, 1, {VECTOR}, 0, true},
	[TSDB_FN_STDDEV_OVER_TIME] = {TSDB_FN_STDDEV_OVER_TIME, "stddev_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_STDVAR_OVER_TIME] = {TSDB_FN_STDVAR_OVER_TIME, "stdvar_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_STEP] = {TSDB_FN_STEP, "step", SCALAR, 0, {NONE}, 0, true},
	[TSDB_FN_SUM_OVER_TIME] = {TSDB_FN_SUM_OVER_TIME, "sum_over_time", VECTOR, 1, {MATRIX}, 0, false},
	[TSDB_FN_TAN] = {TSDB_FN_TAN, "tan", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_TANH] = {TSDB_FN_TANH, "tanh", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_TIME] = {TSDB_FN_TIME, "time", SCALAR, 0, {NONE}, 0, false},
	[TSDB_FN_TIMESTAMP] = {TSDB_FN_TIMESTAMP, "timestamp", VECTOR, 1, {VECTOR}, 0, false},
	[TSDB_FN_TS_OF_FIRST_OVER_TIME] = {TSDB_FN_TS_OF_FIRST_OVER_TIME, "ts_of_first_over_time", VECTOR, 1, {MATRIX}, 0, true},
	[TSDB_FN_TS_OF_LAST_OVER_TIME] = {TSDB_FN_TS_OF_LAST_OVER_TIME, "ts_of_last_over_time", VECTOR, 1, {MATRIX}, 0, true},
	[TSDB_FN_TS_OF_MAX_OVER_TIME] = {TSDB_FN_TS_OF_MAX_OVER_TIME, "ts_of_max_over_time", VECTOR, 1, {MATRIX}, 0, true},
	[TSDB_FN_TS_OF_MIN_OVER_TIME] = {TSDB_FN_TS_OF_MIN_OVER_TIME, "ts_of_min_over_time", VECTOR, 1, {MATRIX}, 0, true},
	[TSDB_FN_VECTOR] = {TSDB_FN_VECTOR, "vector", VECTOR, 1, {SCALAR}, 0, false},
	[TSDB_FN_YEAR] = {TSDB_FN_YEAR, "year", VECTOR, 1, {VECTOR}, 1, false},
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
