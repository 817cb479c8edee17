/*
 * range_sums.c
 *		sum_over_time and avg_over_time.
 *
 * A compensated sum is a chain of additions that wait for each other, and it has to begin anew with each window, since
 * another order has another last bit.  But the windows of a series do not wait for each other: four go side by side.
 *
 * Neumaier takes what an addition has lost from the larger operand.  Knuth's formula for it (The Art of Computer Programming
 * 2, 4.2.2) does without asking which one that is.  What is lost is a double, and both are exact as long as nothing
 * overflows, so they are the same.
 */
#include "core/promql/eval_range.h"
#include "core/promql/pairs.h"

#define SIDE_BY_SIDE 4
#define LONG_WINDOW 8			/* from here on it pays */
#define TAME_SUM 1e300			/* of magnitudes: none of the sums below can overflow */

typedef struct WindowSum
{
	double		sum;
	double		rest;			/* compensation */
} WindowSum;

/* ---- one window ---- */

static double
window_sum(RangeCall *call, RangeWindow window, size_t step)
{
	double		sum = 0;
	double		rest = 0;

	for (size_t i = 0; i < window.n; i++)
		kahan_add(window.v[i], &sum, &rest);
	return isinf(sum) ? sum : sum + rest;
}

/* The plain mean as long as the sum does not overflow, from there on a running one. */
static double
window_avg(RangeCall *call, RangeWindow window, size_t step)
{
	double		sum = window.v[0];
	double		rest = 0;
	double		mean;
	size_t		i;

	for (i = 1; i < window.n; i++)
	{
		double		next_sum = sum;
		double		next_rest = rest;

		kahan_add(window.v[i], &next_sum, &next_rest);
		if (isinf(next_sum))
			break;
		sum = next_sum;
		rest = next_rest;
	}
	if (i == window.n)
		return sum / (double) i + rest / (double) i;

	mean = sum / (double) i;
	rest /= (double) i;
	for (; i < window.n; i++)
	{
		double		count = (double) (i + 1);
		double		share = (count - 1) / count;

		mean *= share;
		rest *= share;
		kahan_add(window.v[i] / count, &mean, &rest);
	}
	return mean + rest;
}

/* ---- windows side by side ---- */

/* False for a NaN or an infinity, too. */
static bool
is_tame(const EvalSeries *series)
{
	double		sums[SIDE_BY_SIDE] = {0};
	size_t		i = 0;

	for (; i + SIDE_BY_SIDE <= series->n; i += SIDE_BY_SIDE)
		for (size_t k = 0; k < SIDE_BY_SIDE; k++)
			sums[k] += fabs(series->v[i + k]);
	for (; i < series->n; i++)
		sums[0] += fabs(series->v[i]);
	return sums[0] + sums[1] + sums[2] + sums[3] < TAME_SUM;
}

static inline void
add_pair(Pair x, Pair *sum, Pair *rest)
{
	Pair		total = *sum + x;
	Pair		added = total - *sum;

	*rest += (*sum - (total - added)) + (x - added);
	*sum = total;
}

/* The first n of the samples of four windows; they have as many. */
static void
sum_beginnings(const double *const v[SIDE_BY_SIDE], size_t n, WindowSum sums[SIDE_BY_SIDE])
{
	Pair		sum[2] = {{0, 0}, {0, 0}};
	Pair		rest[2] = {{0, 0}, {0, 0}};

	for (size_t i = 0; i < n; i++)
	{
		add_pair((Pair){v[0][i], v[1][i]}, &sum[0], &rest[0]);
		add_pair((Pair){v[2][i], v[3][i]}, &sum[1], &rest[1]);
	}
	for (size_t k = 0; k < SIDE_BY_SIDE; k++)
		sums[k] = (WindowSum){sum[k / 2][k % 2], rest[k / 2][k % 2]};
}

/* Of the windows from this step on. */
static void
sum_four(const RangeCall *call, const EvalSeries *series, size_t step, WindowSum sums[SIDE_BY_SIDE])
{
	const double *v[SIDE_BY_SIDE];
	size_t		n = SIZE_MAX;

	for (size_t k = 0; k < SIDE_BY_SIDE; k++)
	{
		size_t		length = call->to[step + k] - call->from[step + k];

		v[k] = series->v + call->from[step + k];
		n = length < n ? length : n;
	}
	sum_beginnings(v, n, sums);
	for (size_t k = 0; k < SIDE_BY_SIDE; k++)
		for (size_t i = n; i < call->to[step + k] - call->from[step + k]; i++)
			kahan_add(v[k][i], &sums[k].sum, &sums[k].rest);
}

/* As many windows as there are fours of, if these are worth while; the others are left to be done one by one. */
static size_t
sum_fours(RangeCall *call, const EvalSeries *series, double *out, bool is_mean)
{
	size_t		n_steps = call->grid.n / SIDE_BY_SIDE * SIDE_BY_SIDE;

	if (call->n_looked_at / LONG_WINDOW < call->grid.n || !is_tame(series))
		return 0;
	for (size_t step = 0; step < n_steps; step += SIDE_BY_SIDE)
	{
		WindowSum	sums[SIDE_BY_SIDE];

		tsdb_check_interrupt(call->ev->env);
		sum_four(call, series, step, sums);
		for (size_t k = 0; k < SIDE_BY_SIDE; k++)
		{
			double		n = (double) (call->to[step + k] - call->from[step + k]);

			if (n == 0)
				out[step + k] = absent_value();
			else if (is_mean)
				out[step + k] = sums[k].sum / n + sums[k].rest / n;
			else
				out[step + k] = sums[k].sum + sums[k].rest;
		}
	}
	return n_steps;
}

/* ---- the kernels ---- */

TsdbStatus
tsdb_range_sum(RangeCall *call, const EvalSeries *series, double *out)
{
	return for_each_window_from(call, series, sum_fours(call, series, out, false), out, window_sum);
}

TsdbStatus
tsdb_range_avg(RangeCall *call, const EvalSeries *series, double *out)
{
	return for_each_window_from(call, series, sum_fours(call, series, out, true), out, window_avg);
}
