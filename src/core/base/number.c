/*
 * number.c
 *		Doubles to text and back, as Go's strconv does it.
 *
 * Integers and short decimals are found by rounding.  Else
 * the shortest digits that read back to a double are those of the roundest
 * decimal between the midpoints to its neighbours; of several equally round
 * ones the nearest.  (A midpoint itself reads back to the neighbour with the even
 * mantissa.)  From 1e-4 up to 1e17, where values of metrics live, 128-bit
 * integers hold the three ends of that interval exactly, scaled to 17 or 18 digits before the point:
 *
 *		value = m / 2^s,  midpoints (2m - 1) / 2^(s+1) and (2m + 1) / 2^(s+1),  all times 10^k
 *
 * Elsewhere printf() and strtod() search for the number of digits.
 */
#include "core/base/base.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MANTISSA_BITS 52
#define MANTISSA_MASK ((UINT64_C(1) << MANTISSA_BITS) - 1)
#define EXPONENT_BIAS 1075		/* of a mantissa taken as an integer */

/* Digits without a point: 0.d1d2d3... x 10^exponent. */
typedef struct Decimal
{
	char		digits[24];
	int			n;
	int			exponent;
} Decimal;

static int
count_digits(uint64_t number)
{
	int			n = 1;

	for (; number >= 10000; number /= 10000)
		n += 4;
	return n + (number >= 10) + (number >= 100) + (number >= 1000);
}

static const char pairs[] =
	"00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
	"4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798"
	"99";

/* In halves, which do not wait for each other. */
static void
put_eight_digits(char *out, uint32_t number)
{
	uint32_t	high = number / 10000;
	uint32_t	low = number % 10000;

	memcpy(out, pairs + 2 * (high / 100), 2);
	memcpy(out + 2, pairs + 2 * (high % 100), 2);
	memcpy(out + 4, pairs + 2 * (low / 100), 2);
	memcpy(out + 6, pairs + 2 * (low % 100), 2);
}

size_t
tsdb_format_u64(char *out, uint64_t number)
{
	int			n = count_digits(number);
	char	   *p = out + n;

	for (; number >= 100000000; number /= 100000000)
		put_eight_digits(p -= 8, (uint32_t) (number % 100000000));
	for (; number >= 100; number /= 100)
		memcpy(p -= 2, pairs + 2 * (number % 100), 2);
	if (number >= 10)
		memcpy(p - 2, pairs + 2 * number, 2);
	else
		p[-1] = (char) ('0' + number);
	return (size_t) n;
}

/* number x 10^scale, without the zeros at its end; number > 0 */
static void
set_digits(Decimal *decimal, uint64_t number, int scale)
{
	decimal->n = (int) tsdb_format_u64(decimal->digits, number);
	decimal->exponent = decimal->n + scale;
	while (decimal->digits[decimal->n - 1] == '0')
		decimal->n--;
}

/*
 * A decimal of up to 15 digits is the only one of that length that reads back to its double, so what turns out
 * to be one need not be looked for.  Most values of metrics are.  One with fewer digits behind the point has zeros there.
 */
static bool
shortest_by_rounding(double value, Decimal *decimal)
{
	int			places = value < 1e6 ? 9 : value < 1e9 ? 6 : 3;
	double		power = places == 9 ? 1e9 : places == 6 ? 1e6 : 1e3;
	double		scaled = value * power;
	uint64_t	number;

	if (!(scaled < 1e15))
		return false;
	number = (uint64_t) (scaled + 0.5);
	if (number == 0 || (double) number / power != value)
		return false;
	set_digits(decimal, number, -places);
	return true;
}

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 Wide;

/* k such that value x 10^k has 17 or 18 digits before the point. */
static int
scale_to_17_digits(uint64_t bits)
{
	int			exponent = (int) (bits >> MANTISSA_BITS) - (EXPONENT_BIAS - MANTISSA_BITS);

	/* log10(2) = 78913 / 2^18; the product is rounded down, also when negative */
	return 16 - (exponent * 78913 >> 18);
}

static Wide
power_of_ten(int k)
{
	static const uint64_t powers[] = {
		UINT64_C(1), UINT64_C(10), UINT64_C(100), UINT64_C(1000), UINT64_C(10000), UINT64_C(100000), UINT64_C(1000000),
		UINT64_C(10000000), UINT64_C(100000000), UINT64_C(1000000000), UINT64_C(10000000000), UINT64_C(100000000000),
		UINT64_C(1000000000000), UINT64_C(10000000000000), UINT64_C(100000000000000), UINT64_C(1000000000000000),
		UINT64_C(10000000000000000), UINT64_C(100000000000000000), UINT64_C(1000000000000000000),
		UINT64_C(10000000000000000000)
	};
	int			most = (int) TSDB_COUNT(powers) - 1;

	return k <= most ? powers[k] : (Wide) powers[most] * powers[k - most];
}

/* The roundest number in [low, high], nearest to mid / 2^shift; its trailing zeros go into *zeros. */
static uint64_t
roundest(uint64_t low, uint64_t high, Wide mid, int shift, int *zeros)
{
	uint64_t	unit = 1;
	uint64_t	below = (uint64_t) (mid >> shift);

	/* division by a constant is none */
	*zeros = 0;
	for (uint64_t units = high / 10; units * (10 * unit) >= low; units /= 10, (*zeros)++)
		unit *= 10;
	if (unit > 1)
		below = below / unit * unit;
	if (below < low)
		return (below + unit) / unit;
	if (below + unit <= high)
	{
		Wide		twice = (mid - ((Wide) below << shift)) * 2;
		Wide		whole = (Wide) unit << shift;

		if (twice > whole || (twice == whole && (below / unit) % 2 == 1))
			return below / unit + 1;
	}
	return below / unit;
}

static bool
shortest_by_integers(double value, Decimal *decimal)
{
	uint64_t	bits = tsdb_double_bits(value);
	uint64_t	fraction = bits & MANTISSA_MASK;
	Wide		mantissa = fraction | (UINT64_C(1) << MANTISSA_BITS);
	int			shift = EXPONENT_BIAS - (int) (bits >> MANTISSA_BITS) + 2;	/* two bits for the midpoints */
	bool		closed = mantissa % 2 == 0;
	Wide		power;
	Wide		low;
	Wide		mid;
	Wide		high;
	uint64_t	first;
	uint64_t	last;
	int			k;
	int			zeros;

	if (value < 1e-4 || value >= 1e17 || shift < 2)
		return false;
	k = scale_to_17_digits(bits);
	power = power_of_ten(k);
	mid = 4 * mantissa * power;
	high = mid + 2 * power;
	low = mid - (fraction == 0 ? power : 2 * power);	/* below a power of two doubles are twice as dense */
	last = (uint64_t) (high >> shift);
	if (!closed && ((Wide) last << shift) == high)
		last--;
	first = (uint64_t) (low >> shift);
	if (!closed || ((Wide) first << shift) != low)
		first++;
	mantissa = roundest(first, last, mid, shift, &zeros);
	set_digits(decimal, (uint64_t) mantissa, zeros - k);
	return true;
}
#else
static bool
shortest_by_integers(double value, Decimal *decimal)
{
	return false;
}
#endif

/* The next larger decimal of as many digits, d.ddde+nn; false where it would need one more. */
static bool
next_decimal(char *text)
{
	for (char *p = strchr(text, 'e') - 1; p >= text; p--)
	{
		if (*p == '.')
			continue;
		if (*p != '9')
		{
			(*p)++;
			return true;
		}
		*p = '0';
	}
	return false;
}

static bool
reads_back(const char *text, double value)
{
	return strtod(text, NULL) == value;
}

/*
 * Up to 15 significant digits survive decimal -> double -> decimal, so the
 * search begins there, except for subnormal values, which have fewer.  The
 * nearest decimal is not the only candidate at a power of two, where the
 * interval reaches further up than down.
 */
static void
shortest_by_search(double value, Decimal *decimal)
{
	bool		lopsided = (tsdb_double_bits(value) & MANTISSA_MASK) == 0;
	char		text[40];

	for (int precision = value < DBL_MIN ? 1 : 15; precision <= 17; precision++)
	{
		snprintf(text, sizeof(text), "%.*e", precision - 1, value);
		if (precision == 17 || reads_back(text, value))
			break;
		if (lopsided && next_decimal(text) && reads_back(text, value))
			break;
	}
	decimal->n = 0;
	for (const char *p = text; *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			decimal->digits[decimal->n++] = *p;
	while (decimal->n > 1 && decimal->digits[decimal->n - 1] == '0')
		decimal->n--;
	decimal->exponent = (int) strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
}

/* Of a finite, positive, non-zero value. */
static void
shortest(double value, Decimal *decimal)
{
	if (!shortest_by_rounding(value, decimal) && !shortest_by_integers(value, decimal))
		shortest_by_search(value, decimal);
}

static size_t
put(char *out, const char *text)
{
	size_t		len = strlen(text);

	memcpy(out, text, len + 1);
	return len;
}

/* NaN and the infinities, or 0. */
static size_t
format_special(char *out, double value)
{
	if (isnan(value))
		return put(out, "NaN");
	if (isinf(value))
		return put(out, value > 0 ? "+Inf" : "-Inf");
	return 0;
}

static size_t
format_plain(char *out, const Decimal *decimal)
{
	char	   *p = out;
	int			before = decimal->exponent > 0 ? decimal->exponent : 0;

	memcpy(p, decimal->digits, (size_t) (before < decimal->n ? before : decimal->n));
	for (int i = decimal->n; i < before; i++)
		p[i] = '0';
	p += before;
	if (before == 0)
		*p++ = '0';
	if (decimal->n > before)
	{
		*p++ = '.';
		for (int i = decimal->exponent; i < 0; i++)
			*p++ = '0';
		memcpy(p, decimal->digits + before, (size_t) (decimal->n - before));
		p += decimal->n - before;
	}
	*p = '\0';
	return (size_t) (p - out);
}

static size_t
format_exponent(char *out, const Decimal *decimal)
{
	char	   *p = out;
	int			exponent = decimal->exponent - 1;

	*p++ = decimal->digits[0];
	if (decimal->n > 1)
	{
		*p++ = '.';
		for (int i = 1; i < decimal->n; i++)
			*p++ = decimal->digits[i];
	}
	return (size_t) (p - out) + (size_t) sprintf(p, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

/* Where to write an exponent: of the decimal exponent as in d.ddd x 10^n, from `low` up to `high` there is none. */
typedef struct PlainRange
{
	int			low;
	int			high;
} PlainRange;

static size_t
format(char *out, double value, PlainRange plain)
{
	Decimal		decimal;
	char	   *p = out;
	double		magnitude = fabs(value);
	size_t		special = format_special(out, value);

	if (special > 0)
		return special;
	if (signbit(value))
		*p++ = '-';
	if (magnitude == 0)
		return (size_t) (p - out) + put(p, "0");
	/* doubles are at most 1 apart here: fewer digits than the integer's own would be another integer */
	if (magnitude < 9e15 && magnitude == (double) (int64_t) magnitude)
	{
		if (plain.high >= 15)
		{
			p += tsdb_format_u64(p, (uint64_t) magnitude);
			*p = '\0';
			return (size_t) (p - out);
		}
		set_digits(&decimal, (uint64_t) magnitude, 0);
	}
	else
		shortest(magnitude, &decimal);
	if (decimal.exponent - 1 < plain.low || decimal.exponent - 1 > plain.high)
		return (size_t) (p - out) + format_exponent(p, &decimal);
	return (size_t) (p - out) + format_plain(p, &decimal);
}

size_t
tsdb_format_double(char *out, double value)
{
	return format(out, value, (PlainRange){INT_MIN, INT_MAX});
}

size_t
tsdb_format_json_double(char *out, double value)
{
	return format(out, value, (PlainRange){-6, 20});
}

size_t
tsdb_format_general_double(char *out, double value)
{
	return format(out, value, (PlainRange){-4, 5});
}

static bool
equal_fold(const char *text, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++)
		if (word[i] == '\0' || (text[i] | 0x20) != word[i])
			return false;
	return word[len] == '\0';
}

static bool
parse_special(const char *text, size_t len, bool negative, bool sign, double *value)
{
	if (equal_fold(text, len, "inf") || equal_fold(text, len, "infinity"))
		*value = negative ? -INFINITY : INFINITY;
	else if (!sign && equal_fold(text, len, "nan"))
		*value = tsdb_double_from_bits(TSDB_NORMAL_NAN_BITS);
	else
		return false;
	return true;
}

/* Only the characters of a float: strtod() also takes locale forms, spaces and nan(...). */
static bool
has_float_shape(const char *text, size_t len)
{
	bool		hex = len > 2 && text[0] == '0' && (text[1] | 0x20) == 'x';
	bool		digits = false;
	bool		exponent = false;

	for (size_t i = hex ? 2 : 0; i < len; i++)
	{
		char		c = text[i];
		char		lower = (char) (c | 0x20);

		if ((c >= '0' && c <= '9') || (hex && !exponent && lower >= 'a' && lower <= 'f'))
			digits = true;
		else if (lower == (hex ? 'p' : 'e') && digits && !exponent)
			exponent = true;
		else if ((c == '+' || c == '-') && exponent && (text[i - 1] | 0x20) == (hex ? 'p' : 'e'))
			continue;
		else if (c != '.' || exponent)
			return false;
	}
	return digits && (!hex || exponent);
}

bool
tsdb_parse_double(TsdbStr text, double *value)
{
	char		small[1024];	/* the longest exact double has 767 significant digits */
	const char *p = text.data;
	size_t		len = text.len;
	bool		sign = len > 0 && (*p == '+' || *p == '-');
	bool		negative = sign && *p == '-';
	char	   *end;

	if (sign)
	{
		p++;
		len--;
	}
	if (len == 0)
		return false;
	if (parse_special(p, len, negative, sign, value))
		return true;
	/* longer than any double needs is still a number, but no sender writes it */
	if (len >= sizeof(small) || !has_float_shape(p, len))
		return false;
	memcpy(small, p, len);
	small[len] = '\0';
	*value = strtod(small, &end);
	if (end != small + len)
		return false;
	if (negative)
		*value = -*value;
	return !isinf(*value);
}
