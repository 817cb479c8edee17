/*
 * functions_date.c
 *		Year, month, day, hour and minute of a time, in UTC.
 *
 * Days are counted from 1 March of a year that begins a cycle of 400 years, so
 * that the day that leap years insert is the last one of a counted year.  The
 * count is unsigned and wraps as that of Go's time package does, whose answers
 * for times beyond all years (and for NaN) these then are.
 */
#include "core/promql/eval_functions.h"

#define SECONDS_PER_DAY 86400
#define DAYS_PER_CYCLE 146097	/* of 400 years; they begin in March of a year divisible by 400 */
#define DAYS_FROM_MARCH 306		/* to the end of the year */

/* Go counts from 1 January of this year, one more than a multiple of 400. */
#define FIRST_YEAR INT64_C(-292277022399)
#define SECONDS_BEFORE_1970 UINT64_C(9223372028715321600)

typedef struct Date
{
	int64_t		year;
	int			month;			/* 1 to 12 */
	int			day;			/* 1 to 31 */
	int			day_of_year;	/* 1 to 366 */
	int			weekday;		/* 0 is Sunday */
	int			hour;
	int			minute;
	bool		is_leap_year;
} Date;

static Date
date_of(int64_t unix_seconds)
{
	uint64_t	seconds = (uint64_t) unix_seconds + SECONDS_BEFORE_1970;
	uint64_t	days = seconds / SECONDS_PER_DAY;
	uint32_t	second_of_day = (uint32_t) (seconds % SECONDS_PER_DAY);
	uint64_t	since_march = days + DAYS_FROM_MARCH;
	uint64_t	cycle = since_march / DAYS_PER_CYCLE;
	uint32_t	day = (uint32_t) (since_march % DAYS_PER_CYCLE);
	uint32_t	year;
	uint32_t	march_day;
	uint32_t	march_month;
	Date		date;

	/* a counted year has 365 days, and one more every 4 years, but not every 100, but every 400 */
	year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	march_day = day - (365 * year + year / 4 - year / 100);
	march_month = (5 * march_day + 2) / 153;
	date.month = (int) (march_month < 10 ? march_month + 3 : march_month - 9);
	date.day = (int) (march_day - (153 * march_month + 2) / 5 + 1);
	date.year = FIRST_YEAR - 1 + (int64_t) (cycle * 400) + year + (date.month <= 2);
	date.is_leap_year = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
	date.day_of_year = (int) (date.month > 2 ? march_day + 60 + date.is_leap_year : march_day - 305);
	date.weekday = (int) ((days + 1) % 7);
	date.hour = (int) (second_of_day / 3600);
	date.minute = (int) (second_of_day / 60 % 60);
	return date;
}

static int
days_in_month(const Date *date)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[date->month - 1] + (date->month == 2 && date->is_leap_year);
}

/* Toward zero; what does not fit becomes the lowest integer, as the processor has it. */
static int64_t
to_integer(double x)
{
	return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t) x : INT64_MIN;
}

static double
part_of(TsdbFunctionId id, double unix_seconds)
{
	Date		date = date_of(to_integer(unix_seconds));

	switch (id)
	{
		case TSDB_FN_DAY_OF_MONTH:
			return date.day;
		case TSDB_FN_DAY_OF_WEEK:
			return date.weekday;
		case TSDB_FN_DAY_OF_YEAR:
			return date.day_of_year;
		case TSDB_FN_DAYS_IN_MONTH:
			return days_in_month(&date);
		case TSDB_FN_HOUR:
			return date.hour;
		case TSDB_FN_MINUTE:
			return date.minute;
		case TSDB_FN_MONTH:
			return date.month;
		default:
			return (double) date.year;
	}
}

TsdbStatus
tsdb_function_date(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	if (expr->call.n_args == 0)
		TRY(tsdb_function_time(ev, expr, grid, result));
	else
		TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, result));
	for (size_t i = 0; i < result->n; i++)
	{
		double	   *v = result->rows[i].v;

		tsdb_check_interrupt(ev->env);
		for (size_t step = 0; step < grid->n; step++)
			if (!is_absent(v[step]))
				v[step] = part_of(expr->call.function->id, v[step]);
	}
	return tsdb_eval_finish_function(ev, result);
}
