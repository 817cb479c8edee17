/*
 * functions_math.c
 *		Functions that change each value by itself, and powers.
 *
 * Where Go has its own way to a function that shows in more than the last bit, it is gone here, too.
 */
#include "core/promql/eval_functions.h"

#define PI 3.14159265358979323846
#define LOG2_E 1.44269504088896340736
#define LOG10_E 0.43429448190325182765

typedef double (*MathFunction) (double x);

static double
to_degrees(double x)
{
	return x * 180 / PI;
}

static double
to_radians(double x)
{
	return x * PI / 180;
}

/* As Go computes them from the natural logarithm, which shows: log10(1e15) is a little more than 15. */
static double
binary_logarithm(double x)
{
	int			exponent;
	double		fraction;

	if (!isfinite(x))
		return log(x);
	fraction = frexp(x, &exponent);
	if (fraction == 0.5)
		return exponent - 1;
	return log(fraction) * LOG2_E + exponent;
}

static double
decimal_logarithm(double x)
{
	return log(x) * LOG10_E;
}

/* Go has it from the arctangent, whose argument suffers near 0.7 and near 1. */
static double
arcsine(double x)
{
	double		cosine = sqrt(1 - x * x);
	double		angle = fabs(x) > 0.7 ? PI / 2 - atan(cosine / fabs(x)) : atan(fabs(x) / cosine);

	return copysign(angle, x);
}

static double
arccosine(double x)
{
	return PI / 2 - arcsine(x);
}

#define LARGE 21					/* from here on exp(-x) does not show in exp(x) */

/* As in Go the exponential comes first, which overflows a little earlier than the result. */
static double
hyperbolic_cosine(double x)
{
	return fabs(x) > LARGE ? exp(fabs(x)) * 0.5 : cosh(x);
}

static double
hyperbolic_sine(double x)
{
	return fabs(x) > LARGE ? copysign(exp(fabs(x)) * 0.5, x) : sinh(x);
}

/* Zeros keep their sign, and NaN stays. */
static double
sign_of(double x)
{
	return x < 0 ? -1 : x > 0 ? 1 : x;
}

static MathFunction
math_function(TsdbFunctionId id)
{
	switch (id)
	{
		case TSDB_FN_ABS:
			return fabs;
		case TSDB_FN_ACOS:
			return arccosine;
		case TSDB_FN_ACOSH:
			return acosh;
		case TSDB_FN_ASIN:
			return arcsine;
		case TSDB_FN_ASINH:
			return asinh;
		case TSDB_FN_ATAN:
			return atan;
		case TSDB_FN_ATANH:
			return atanh;
		case TSDB_FN_CEIL:
			return ceil;
		case TSDB_FN_COS:
			return cos;
		case TSDB_FN_COSH:
			return hyperbolic_cosine;
		case TSDB_FN_DEG:
			return to_degrees;
		case TSDB_FN_EXP:
			return exp;
		case TSDB_FN_FLOOR:
			return floor;
		case TSDB_FN_LN:
			return log;
		case TSDB_FN_LOG10:
			return decimal_logarithm;
		case TSDB_FN_LOG2:
			return binary_logarithm;
		case TSDB_FN_RAD:
			return to_radians;
		case TSDB_FN_SGN:
			return sign_of;
		case TSDB_FN_SIN:
			return sin;
		case TSDB_FN_SINH:
			return hyperbolic_sine;
		case TSDB_FN_SQRT:
			return sqrt;
		case TSDB_FN_TAN:
			return tan;
		case TSDB_FN_TANH:
			return tanh;
		default:
			return NULL;
	}
}

TsdbStatus
tsdb_function_math(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	MathFunction function = math_function(expr->call.function->id);

	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, result));
	for (size_t i = 0; i < result->n; i++)
	{
		double	   *v = result->rows[i].v;

		tsdb_check_interrupt(ev->env);
		for (size_t step = 0; step < grid->n; step++)
			if (!is_absent(v[step]))
				v[step] = function(v[step]);
	}
	return tsdb_eval_finish_function(ev, result);
}

/* ---- powers ---- */

#define EXPONENT_LIMIT (1 << 12)	/* beyond it all is zero or infinite, and the exponents would overflow */

/*
 * The whole part of the exponent by repeated squaring, as Go does it: the error of each
 * product stays, so that x ^ 3 is x * (x * x).  What has a value without any
 * computation, or none, is the same in C.
 */
double
tsdb_eval_power(double x, double y)
{
	double		whole;
	double		part = modf(fabs(y), &whole);
	double		result = 1;
	int64_t		result_exponent = 0;
	double		square;
	int			exponent;
	int64_t		square_exponent;

	if (!isfinite(x) || !isfinite(y) || x == 0 || x == 1 || y == 0 || y == 1 || whole >= 0x1p63 || (x < 0 && part != 0))
		return pow(x, y);
	if (fabs(y) == 0.5)
		return y > 0 ? sqrt(x) : 1 / sqrt(x);
	if (part > 0.5)
	{
		part--;
		whole++;
	}
	if (part != 0)
		result = exp(part * log(x));
	square = frexp(x, &exponent);
	square_exponent = exponent;
	for (uint64_t i = (uint64_t) whole; i != 0; i >>= 1)
	{
		if (square_exponent < -EXPONENT_LIMIT || square_exponent > EXPONENT_LIMIT)
		{
			result_exponent += square_exponent;
			break;
		}
		if (i & 1)
		{
			result *= square;
			result_exponent += square_exponent;
		}
		square *= square;
		square_exponent *= 2;
		if (square < 0.5)
		{
			square += square;
			square_exponent--;
		}
	}
	return y < 0 ? ldexp(1 / result, (int) -result_exponent) : ldexp(result, (int) result_exponent);
}

/* ---- extremes ---- */

/* Go's math.Max: infinity wins over NaN, and NaN over all else; 0 is more than -0. */
static double
go_max(double x, double y)
{
	if (x == INFINITY || y == INFINITY)
		return INFINITY;
	if (isnan(x) || isnan(y))
		return normal_nan();
	if (x == 0 && x == y)
		return signbit(x) ? y : x;
	return x > y ? x : y;
}

static double
go_min(double x, double y)
{
	if (x == -INFINITY || y == -INFINITY)
		return -INFINITY;
	if (isnan(x) || isnan(y))
		return normal_nan();
	if (x == 0 && x == y)
		return signbit(x) ? x : y;
	return x < y ? x : y;
}

/* max_of(), min_of(): of two scalars */
TsdbStatus
tsdb_function_extreme_of(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	bool		is_max = expr->call.function->id == TSDB_FN_MAX_OF;
	double	   *x;
	double	   *y;

	TRY(tsdb_eval_scalar(ev, argument(expr, 0), grid, &x));
	TRY(tsdb_eval_scalar(ev, argument(expr, 1), grid, &y));
	TRY(tsdb_eval_matrix_make(ev, 1, grid->n, result));
	for (size_t step = 0; step < grid->n; step++)
		result->rows[0].v[step] = is_max ? go_max(x[step], y[step]) : go_min(x[step], y[step]);
	return TSDB_OK;
}

/* clamp(), clamp_min(), clamp_max(); nothing where the lower border is above the upper one */
TsdbStatus
tsdb_function_clamp(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	TsdbFunctionId id = expr->call.function->id;
	double	   *lower = NULL;
	double	   *upper = NULL;

	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, result));
	if (id != TSDB_FN_CLAMP_MAX)
		TRY(tsdb_eval_scalar(ev, argument(expr, 1), grid, &lower));
	if (id != TSDB_FN_CLAMP_MIN)
		TRY(tsdb_eval_scalar(ev, argument(expr, id == TSDB_FN_CLAMP ? 2 : 1), grid, &upper));
	for (size_t i = 0; i < result->n; i++)
	{
		double	   *v = result->rows[i].v;

		tsdb_check_interrupt(ev->env);
		for (size_t step = 0; step < grid->n; step++)
		{
			double		low = lower == NULL ? -INFINITY : lower[step];
			double		high = upper == NULL ? INFINITY : upper[step];

			if (is_absent(v[step]))
				continue;
			v[step] = high < low ? absent_value() : go_max(low, go_min(high, v[step]));
		}
	}
	tsdb_eval_drop_empty_rows(result);
	return tsdb_eval_finish_function(ev, result);
}

/* To a multiple of the second argument, halves up; its inverse is what Prometheus calculates with. */
TsdbStatus
tsdb_function_round(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	double	   *nearest = NULL;

	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, result));
	if (expr->call.n_args > 1)
		TRY(tsdb_eval_scalar(ev, argument(expr, 1), grid, &nearest));
	for (size_t i = 0; i < result->n; i++)
	{
		double	   *v = result->rows[i].v;

		tsdb_check_interrupt(ev->env);
		for (size_t step = 0; step < grid->n; step++)
		{
			double		inverse = 1.0 / (nearest == NULL ? 1.0 : nearest[step]);

			if (!is_absent(v[step]))
				v[step] = floor(v[step] * inverse + 0.5) / inverse;
		}
	}
	return tsdb_eval_finish_function(ev, result);
}
