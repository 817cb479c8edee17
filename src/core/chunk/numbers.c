/*
 * numbers.c
 *		Doubles as integers, and back without losing a bit.
 *
 * Monitoring data is mostly integers and short decimals: 0.07 s is the integer 7
 * with exponent 2.  Division of an integer below 2^53 by a power of ten up to
 * 10^22 is correctly rounded, as is the parsing that once made the double, so the
 * quotient has the same bits; multiplying by 0.01 would not.  Every value is tried
 * anyway, and one that does not come back (-0, NaN, 1/3) rules the exponent out.
 *
 * Where a few values do not come back, or all miss by a little (sums of decimals,
 * a stale marker in a counter), the nearest decimal is kept with a correction: the
 * distance between the bits of both, as ordered integers.
 */
#include <math.h>

#include "core/chunk/chunk_internal.h"

#define PROBES 32				/* values looked at before all are converted */

const double tsdb_powers_of_ten[MAX_EXPONENT + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

static inline bool
to_decimal(double value, int exponent, int64_t *integer)
{
	double		power = tsdb_powers_of_ten[exponent];
	double		scaled = value * power;

	/* also false for NaN, and the conversion below is defined */
	if (!(fabs(scaled) < MAX_DECIMAL))
		return false;
	/* adding a half may round an integer above 2^52 away: nothing is to be rounded there */
	if (exponent > 0)
		scaled += scaled < 0 ? -0.5 : 0.5;
	*integer = (int64_t) scaled;
	return tsdb_double_bits((double) *integer / power) == tsdb_double_bits(value);
}

/*
 * Raises the exponent until the value fits.  What fits at some exponent
 * fits at any larger one that keeps the integer in range.
 */
static bool
raise_exponent(double value, int *exponent)
{
	int64_t		integer;

	while (!to_decimal(value, *exponent, &integer))
		if (++*exponent > MAX_EXPONENT)
			return false;
	return true;
}

bool
tsdb_decimals_find(const double *values, size_t n, int64_t *integers, int *exponent)
{
	size_t		stride = n / PROBES + 1;
	size_t		i = 0;

	*exponent = 0;
	for (size_t probe = 0; probe < n; probe += stride)
		if (!raise_exponent(values[probe], exponent))
			return false;
	while (i < n)
	{
		if (tsdb_likely(to_decimal(values[i], *exponent, &integers[i])))
			i++;
		else if (raise_exponent(values[i], exponent))
			i = 0;				/* the integers so far have the wrong scale */
		else
			return false;
	}
	return true;
}

/*
 * (double) integer by arithmetic that compilers make vectors of, which baseline x86-64 has no instruction for.
 * Its halves are the last bits of 2^52 + low and 2^84 + high * 2^32; the only sum that may be inexact is the last,
 * so it rounds as the conversion does.
 */
static inline double
to_double(int64_t integer)
{
	uint64_t	low = ((uint64_t) integer & UINT32_MAX) | UINT64_C(0x4330000000000000);
	uint64_t	high = ((uint64_t) integer >> 32) ^ UINT64_C(0x4530000080000000);

	return (tsdb_double_from_bits(high) - 0x1.00000801p84) + tsdb_double_from_bits(low);
}

void
tsdb_decimals_to_doubles(const int64_t *integers, size_t n, int exponent, double *values)
{
	double		power = tsdb_powers_of_ten[exponent];

	if (exponent == 0)
		for (size_t i = 0; i < n; i++)
			values[i] = to_double(integers[i]);
	else
		for (size_t i = 0; i < n; i++)
			values[i] = to_double(integers[i]) / power;
}

void
tsdb_bits_to_doubles(const int64_t *integers, size_t n, double *values)
{
	for (size_t i = 0; i < n; i++)
		values[i] = tsdb_double_from_bits((uint64_t) tsdb_ordered_bits((uint64_t) integers[i]));
}

void
tsdb_doubles_to_bits(const double *values, size_t n, int64_t *integers)
{
	for (size_t i = 0; i < n; i++)
		integers[i] = tsdb_ordered_bits(tsdb_double_bits(values[i]));
}

/* What is added to it, up to 2^51, is rounded to an integer, which then stands in the last bits of the sum. */
#define ROUNDER 0x1.8p52
#define ROUNDED_LIMIT 0x1p51

static inline int64_t
correction_of(double value, double decimal)
{
	return (int64_t) ((uint64_t) tsdb_ordered_bits(tsdb_double_bits(value)) -
					  (uint64_t) tsdb_ordered_bits(tsdb_double_bits(decimal)));
}

/* False when some values need more care.  A loop that compilers make vectors of. */
static bool
to_corrected(const double *values, size_t n, double power, int64_t *integers, int64_t *corrections)
{
	uint64_t	outside = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		scaled = values[i] * power;
		double		sum = scaled + ROUNDER;

		/* a comparison with NaN is false */
		outside |= (uint64_t) !(fabs(scaled) < ROUNDED_LIMIT);
		integers[i] = (int64_t) (tsdb_double_bits(sum) - tsdb_double_bits(ROUNDER));
		corrections[i] = correction_of(values[i], (sum - ROUNDER) / power);
	}
	return outside == 0;
}

void
tsdb_doubles_to_corrected(const double *values, size_t n, int exponent, int64_t *integers, int64_t *corrections)
{
	double		power = tsdb_powers_of_ten[exponent];
	int64_t		integer = 0;

	if (to_corrected(values, n, power, integers, corrections))
		return;
	for (size_t i = 0; i < n; i++)
	{
		double		scaled = values[i] * power;

		/* NaN and what is too large stay at the decimal before, so as not to disturb the others */
		if (fabs(scaled) < MAX_DECIMAL)
			integer = (int64_t) (scaled + (scaled < 0 ? -0.5 : 0.5));
		integers[i] = integer;
		corrections[i] = correction_of(values[i], (double) integer / power);
	}
}

void
tsdb_correct_doubles(double *values, const int64_t *corrections, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	ordered = (uint64_t) tsdb_ordered_bits(tsdb_double_bits(values[i]));

		values[i] = tsdb_double_from_bits((uint64_t) tsdb_ordered_bits(ordered + (uint64_t) corrections[i]));
	}
}
