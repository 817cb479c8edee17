/*
 * ast.h
 *		The syntax tree of a PromQL expression, and the tables of functions, aggregators and operators.
 *
 * tsdb_promql_parse() (parser.h) builds the tree in an arena, type-checks it and
 * bounds its height; what comes out of it is well formed, so that a reader
 * of the tree need not check again.  Durations may be expressions
 * (`[step() * 2]`, `offset min_of(5m, range())`): tsdb_promql_resolve_durations()
 * turns them into milliseconds once the times of the query are known.
 */
#ifndef TSDB_PROMQL_AST_H
#define TSDB_PROMQL_AST_H

#include "core/base/base.h"
#include "core/labels/labels.h"

/* Levels a tree may have, so that whoever walks it may recurse. */
#define TSDB_PROMQL_MAX_DEPTH 500

typedef enum TsdbValueType
{
	TSDB_VALUE_NONE,
	TSDB_VALUE_SCALAR,
	TSDB_VALUE_STRING,
	TSDB_VALUE_VECTOR,			/* instant vector */
	TSDB_VALUE_MATRIX			/* range vector */
} TsdbValueType;

typedef enum TsdbExprKind
{
	TSDB_EXPR_NUMBER,
	TSDB_EXPR_STRING,
	TSDB_EXPR_VECTOR,			/* name{matchers} */
	TSDB_EXPR_MATRIX,			/* selector[range] */
	TSDB_EXPR_SUBQUERY,			/* expr[range:step] */
	TSDB_EXPR_AGGREGATE,
	TSDB_EXPR_BINARY,
	TSDB_EXPR_UNARY,
	TSDB_EXPR_CALL,
	TSDB_EXPR_PAREN,
	TSDB_EXPR_DURATION			/* below range_expr, step_expr and offset_expr only */
} TsdbExprKind;

typedef enum TsdbBinaryOp
{
	TSDB_OP_ADD,
	TSDB_OP_SUB,
	TSDB_OP_MUL,
	TSDB_OP_DIV,
	TSDB_OP_MOD,
	TSDB_OP_POW,
	TSDB_OP_ATAN2,
	TSDB_OP_EQUAL,
	TSDB_OP_NOT_EQUAL,
	TSDB_OP_LESS,
	TSDB_OP_LESS_EQUAL,
	TSDB_OP_GREATER,
	TSDB_OP_GREATER_EQUAL,
	TSDB_OP_TRIM_UPPER,			/* </ : native histograms only */
	TSDB_OP_TRIM_LOWER,			/* >/ */
	TSDB_OP_AND,
	TSDB_OP_OR,
	TSDB_OP_UNLESS
} TsdbBinaryOp;

typedef enum TsdbAggregateOp
{
	TSDB_AGG_AVG,
	TSDB_AGG_BOTTOMK,
	TSDB_AGG_COUNT,
	TSDB_AGG_COUNT_VALUES,
	TSDB_AGG_GROUP,
	TSDB_AGG_LIMITK,
	TSDB_AGG_LIMIT_RATIO,
	TSDB_AGG_MAX,
	TSDB_AGG_MIN,
	TSDB_AGG_QUANTILE,
	TSDB_AGG_STDDEV,
	TSDB_AGG_STDVAR,
	TSDB_AGG_SUM,
	TSDB_AGG_TOPK
} TsdbAggregateOp;

typedef enum TsdbDurationOp
{
	TSDB_DURATION_STEP,			/* step() and range() have no operands */
	TSDB_DURATION_RANGE,
	TSDB_DURATION_MIN_OF,
	TSDB_DURATION_MAX_OF,
	TSDB_DURATION_ADD,			/* lhs NULL: unary */
	TSDB_DURATION_SUB,			/* lhs NULL: unary */
	TSDB_DURATION_MUL,
	TSDB_DURATION_DIV,
	TSDB_DURATION_MOD,
	TSDB_DURATION_POW
} TsdbDurationOp;

/* ---- functions (signatures.c) ---- */

typedef enum TsdbFunctionId
{
	TSDB_FN_ABS,
	TSDB_FN_ABSENT,
	TSDB_FN_ABSENT_OVER_TIME,
	TSDB_FN_ACOS,
	TSDB_FN_ACOSH,
	TSDB_FN_ASIN,
	TSDB_FN_ASINH,
	TSDB_FN_ATAN,
	TSDB_FN_ATANH,
	TSDB_FN_AVG_OVER_TIME,
	TSDB_FN_CEIL,
	TSDB_FN_CHANGES,
	TSDB_FN_CLAMP,
	TSDB_FN_CLAMP_MAX,
	TSDB_FN_CLAMP_MIN,
	TSDB_FN_COS,
	TSDB_FN_COSH,
	TSDB_FN_COUNT_OVER_TIME,
	TSDB_FN_DAY_OF_MONTH,
	TSDB_FN_DAY_OF_WEEK,
	TSDB_FN_DAY_OF_YEAR,
	TSDB_FN_DAYS_IN_MONTH,
	TSDB_FN_DEG,
	TSDB_FN_DELTA,
	TSDB_FN_DERIV,
	TSDB_FN_DOUBLE_EXPONENTIAL_SMOOTHING,
	TSDB_FN_END,
	TSDB_FN_EXP,
	TSDB_FN_FIRST_OVER_TIME,
	TSDB_FN_FLOOR,
	TSDB_FN_HISTOGRAM_AVG,
	TSDB_FN_HISTOGRAM_COUNT,
	TSDB_FN_HISTOGRAM_FRACTION,
	TSDB_FN_HISTOGRAM_QUANTILE,
	TSDB_FN_HISTOGRAM_QUANTILES,
	TSDB_FN_HISTOGRAM_STDDEV,
	TSDB_FN_HISTOGRAM_STDVAR,
	TSDB_FN_HISTOGRAM_SUM,
	TSDB_FN_HOUR,
	TSDB_FN_IDELTA,
	TSDB_FN_INCREASE,
	TSDB_FN_INFO,
	TSDB_FN_IRATE,
	TSDB_FN_LABEL_JOIN,
	TSDB_FN_LABEL_REPLACE,
	TSDB_FN_LAST_OVER_TIME,
	TSDB_FN_LN,
	TSDB_FN_LOG10,
	TSDB_FN_LOG2,
	TSDB_FN_MAD_OVER_TIME,
	TSDB_FN_MAX_OF,
	TSDB_FN_MAX_OVER_TIME,
	TSDB_FN_MIN_OF,
	TSDB_FN_MIN_OVER_TIME,
	TSDB_FN_MINUTE,
	TSDB_FN_MONTH,
	TSDB_FN_PI,
	TSDB_FN_PREDICT_LINEAR,
	TSDB_FN_PRESENT_OVER_TIME,
	TSDB_FN_QUANTILE_OVER_TIME,
	TSDB_FN_RAD,
	TSDB_FN_RANGE,
	TSDB_FN_RATE,
	TSDB_FN_RESETS,
	TSDB_FN_ROUND,
	TSDB_FN_SCALAR,
	TSDB_FN_SGN,
	TSDB_FN_SIN,
	TSDB_FN_SINH,
	TSDB_FN_SORT,
	TSDB_FN_SORT_BY_LABEL,
	TSDB_FN_SORT_BY_LABEL_DESC,
	TSDB_FN_SORT_DESC,
	TSDB_FN_SQRT,
	TSDB_FN_START,
	TSDB_FN_START_TIMESTAMP,
	TSDB_FN_STDDEV_OVER_TIME,
	TSDB_FN_STDVAR_OVER_TIME,
	TSDB_FN_STEP,
	TSDB_FN_SUM_OVER_TIME,
	TSDB_FN_TAN,
	TSDB_FN_TANH,
	TSDB_FN_TIME,
	TSDB_FN_TIMESTAMP,
	TSDB_FN_TS_OF_FIRST_OVER_TIME,
	TSDB_FN_TS_OF_LAST_OVER_TIME,
	TSDB_FN_TS_OF_MAX_OVER_TIME,
	TSDB_FN_TS_OF_MIN_OVER_TIME,
	TSDB_FN_VECTOR,
	TSDB_FN_YEAR,
	TSDB_FN_COUNT				/* not a function */
} TsdbFunctionId;

#define TSDB_FUNCTION_MAX_ARGS 5

/*
 * variadic 0: exactly n_args arguments; v > 0: n_args - 1 up to n_args - 1 + v;
 * v < 0: n_args - 1 or more.  Arguments beyond n_args have the last one's type.
 */
typedef struct TsdbFunction
{
	TsdbFunctionId id;
	const char *name;
	TsdbValueType returns;
	int			n_args;
	TsdbValueType args[TSDB_FUNCTION_MAX_ARGS];
	int			variadic;
	bool		experimental;
} TsdbFunction;

/* Case-sensitive; NULL when there is no such function. */
extern const TsdbFunction *tsdb_promql_find_function(TsdbStr name);
extern const TsdbFunction *tsdb_promql_function(TsdbFunctionId id);
extern const char *tsdb_binary_op_text(TsdbBinaryOp op);
/* step, range, min_of, max_of without parentheses, or an operator. */
extern const char *tsdb_duration_op_text(TsdbDurationOp op);
extern bool tsdb_binary_op_is_comparison(TsdbBinaryOp op);
extern bool tsdb_binary_op_is_set(TsdbBinaryOp op);
extern const char *tsdb_aggregate_text(TsdbAggregateOp op);
/* topk, bottomk, quantile, count_values, limitk, limit_ratio */
extern bool tsdb_aggregate_has_param(TsdbAggregateOp op);
extern bool tsdb_aggregate_is_experimental(TsdbAggregateOp op);
/* "vector", as in the API's resultType */
extern const char *tsdb_value_type_name(TsdbValueType type);
/* "instant vector", as in messages */
extern const char *tsdb_value_type_documented(TsdbValueType type);

/* ---- nodes ---- */

typedef struct TsdbExpr TsdbExpr;

/* Bytes [start, end) of the query. */
typedef struct TsdbRange
{
	int32_t		start;
	int32_t		end;
} TsdbRange;

typedef enum TsdbAtKind
{
	TSDB_AT_NONE,
	TSDB_AT_TIME,
	TSDB_AT_START,				/* @ start() */
	TSDB_AT_END					/* @ end() */
} TsdbAtKind;

/* The modifiers `@` and `offset`, as written at a selector or a subquery. */
typedef struct TsdbTimeShift
{
	TsdbAtKind	at;
	int64_t		at_ms;			/* for start() and end() known after resolving */
	bool		has_offset;
	int64_t		offset_ms;		/* positive looks back; of an expression known after resolving */
	TsdbExpr   *offset_expr;	/* TSDB_EXPR_DURATION, or NULL */
} TsdbTimeShift;

typedef struct TsdbNumberExpr
{
	double		value;			/* a duration in seconds */
	bool		is_duration;	/* was written as one, and prints as one */
} TsdbNumberExpr;

typedef struct TsdbVectorExpr
{
	TsdbStr		name;			/* the one written before the braces, else empty */
	TsdbMatcher *matchers;		/* in the order of the query; that of `name` is the last */
	size_t		n_matchers;
	TsdbTimeShift shift;
	bool		anchored;		/* extended range selectors; not both */
	bool		smoothed;
	bool		may_match_all;	/* second argument of info(): may be {} */
} TsdbVectorExpr;

typedef struct TsdbMatrixExpr
{
	TsdbExpr   *selector;		/* TSDB_EXPR_VECTOR, carries the time shift */
	int64_t		range_ms;		/* of an expression known after resolving */
	TsdbExpr   *range_expr;		/* TSDB_EXPR_DURATION, or NULL */
} TsdbMatrixExpr;

typedef struct TsdbSubqueryExpr
{
	TsdbExpr   *expr;
	int64_t		range_ms;
	TsdbExpr   *range_expr;
	int64_t		step_ms;		/* 0: the default of the evaluator */
	TsdbExpr   *step_expr;
	TsdbTimeShift shift;
} TsdbSubqueryExpr;

typedef struct TsdbAggregateExpr
{
	TsdbAggregateOp op;
	TsdbExpr   *expr;
	TsdbExpr   *param;			/* NULL unless tsdb_aggregate_has_param() */
	bool		without;
	TsdbStr    *labels;			/* by or without these */
	size_t		n_labels;
} TsdbAggregateExpr;

typedef enum TsdbCardinality
{
	TSDB_ONE_TO_ONE,
	TSDB_MANY_TO_ONE,			/* group_left */
	TSDB_ONE_TO_MANY,			/* group_right */
	TSDB_MANY_TO_MANY			/* and, or, unless */
} TsdbCardinality;

typedef struct TsdbVectorMatching
{
	TsdbCardinality cardinality;
	bool		on;				/* else ignoring, which is also the default with no label */
	TsdbStr    *labels;
	size_t		n_labels;
	TsdbStr    *include;		/* group_left(these) */
	size_t		n_include;
	bool		fills_left;		/* fill_left() and fill(): value of a missing left series */
	bool		fills_right;
	double		fill_left;
	double		fill_right;
} TsdbVectorMatching;

typedef struct TsdbBinaryExpr
{
	TsdbBinaryOp op;
	TsdbExpr   *lhs;
	TsdbExpr   *rhs;
	bool		returns_bool;
	TsdbVectorMatching *matching;	/* NULL unless both sides are vectors */
} TsdbBinaryExpr;

typedef struct TsdbUnaryExpr
{
	bool		negative;		/* else a plus sign */
	TsdbExpr   *expr;
} TsdbUnaryExpr;

typedef struct TsdbCallExpr
{
	const TsdbFunction *function;
	TsdbExpr  **args;
	size_t		n_args;
} TsdbCallExpr;

typedef struct TsdbDurationExpr
{
	TsdbDurationOp op;
	TsdbExpr   *lhs;			/* TSDB_EXPR_NUMBER or TSDB_EXPR_DURATION, or NULL */
	TsdbExpr   *rhs;
	bool		in_parens;
	bool		keeps_plus;		/* an offset +(5m) whose text needs the sign, or (5m) would take in the operator behind it */
} TsdbDurationExpr;

struct TsdbExpr
{
	TsdbExprKind kind;
	TsdbValueType type;			/* set by the type check; see tsdb_expr_type() */
	int			depth;			/* levels of this tree, at most TSDB_PROMQL_MAX_DEPTH */
	TsdbRange	range;
	struct TsdbNodeProfile *profile;	/* what its evaluation took, when that is to be known (eval.h) */
	union
	{
		TsdbNumberExpr number;
		TsdbStr		string;
		TsdbVectorExpr vector;
		TsdbMatrixExpr matrix;
		TsdbSubqueryExpr subquery;
		TsdbAggregateExpr aggregate;
		TsdbBinaryExpr binary;
		TsdbUnaryExpr unary;
		TsdbCallExpr call;
		TsdbExpr   *paren;
		TsdbDurationExpr duration;
	};
};

/* ---- ast.c ---- */

/* Looks at the children only where the type check has not been. */
extern TsdbValueType tsdb_expr_type(const TsdbExpr *expr);

/* The child at this place, NULL after the last; duration expressions are not children. */
extern TsdbExpr *tsdb_expr_child(const TsdbExpr *expr, size_t place);

/* Visit the tree, parents first; stops and returns false as soon as visit() does. */
typedef bool (*TsdbExprVisitor) (TsdbExpr *expr, void *context);
extern bool tsdb_expr_walk(TsdbExpr *expr, TsdbExprVisitor visit, void *context);

/* The expression inside all enclosing parentheses. */
extern TsdbExpr *tsdb_expr_unwrap(TsdbExpr *expr);

/* ---- durations.c ---- */

/*
 * Fill in every range_ms, step_ms, offset_ms and at_ms of the tree that depends
 * on the times of the query (an instant query has start = end and step 0).
 * May be called again for other times.  TSDB_ERR_SYNTAX where a duration comes
 * out as NaN, out of range, or not positive where it has to be.
 */
extern TsdbStatus tsdb_promql_resolve_durations(TsdbExpr *expr, int64_t start_ms, int64_t end_ms, int64_t step_ms,
												TsdbError *error);

#endif							/* TSDB_PROMQL_AST_H */
