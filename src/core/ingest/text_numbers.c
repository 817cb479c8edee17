/*
 * text_numbers.c
 *		Values and timestamps of the text format.
 *
 * A value of up to 19 digits with a decimal exponent within 10^+-22 and a mantissa
 * up to 2^53 is the product or quotient of two exact doubles, and so correctly
 * rounded (Clinger 1990): most lines need no strtod().
 */
#include "core/ingest/text_internal.h"

#include <math.h>

static const double exact_powers[] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define MAX_EXACT_POWER ((int) TSDB_COUNT(exact_powers) - 1)

/* The exponent behind an 'e', of at most three digits. */
static bool
parse_exponent(const char *p, const char *end, int *exponent)
{
	bool		negative = p < end && *p == '-';
	int			n = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (p == end || end - p > 3)
		return false;
	for (; p < end; p++)
	{
		if (!is_digit(*p))
			return false;
		n = n * 10 + (*p - '0');
	}
	*exponent = negative ? -n : n;
	return true;
}

/* False for whatever is not short enough to be exact, or not a decimal number. */
static bool
parse_short_decimal(TsdbStr text, double *value)
{
	const char *p = text.data;
	const char *end = p + text.len;
	bool		negative = p < end && *p == '-';
	uint64_t	mantissa = 0;
	int			digits = 0;
	int			decimals = 0;
	int			exponent = 0;
	bool		point = false;

	if (negative)
		p++;
	for (; p < end; p++)
	{
		if (is_digit(*p))
		{
			mantissa = mantissa * 10 + (uint64_t) (*p - '0');
			decimals += point;
			if (++digits > 19)
				return false;
		}
		else if (*p == '.' && !point)
			point = true;
		else
			break;
	}
	if (digits == 0 || mantissa > UINT64_C(1) << 53)
		return false;
	if (p < end && ((*p | 0x20) != 'e' || !parse_exponent(p + 1, end, &exponent)))
		return false;
	exponent -= decimals;
	if (exponent < -MAX_EXACT_POWER || exponent > MAX_EXACT_POWER)
		return false;
	*value = exponent < 0 ? (double) mantissa / exact_powers[-exponent] : (double) mantissa * exact_powers[exponent];
	if (negative)
		*value = -*value;
	return true;
}

bool
tsdb_text_parse_value(TsdbStr text, double *value)
{
	if (tsdb_likely(parse_short_decimal(text, value)))
		return true;
	for (size_t i = 0; i < text.len; i++)
		if ((text.data[i] | 0x20) == 'x')
			return false;
	if (!tsdb_parse_double(text, value))
		return false;
	/* 1e999 is out of range; the infinities are spelt with letters */
	return !isinf(*value) || (text.data[text.len - 1] | 0x20) >= 'a';
}

bool
tsdb_text_parse_milliseconds(TsdbStr text, int64_t *t)
{
	bool		negative = text.len > 0 && text.data[0] == '-';
	int64_t		n = 0;

	if (text.len == negative)
		return false;
	for (size_t i = negative; i < text.len; i++)
	{
		int			digit = text.data[i] - '0';

		if (!is_digit(text.data[i]) || n > (INT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*t = negative ? -n : n;
	return true;
}

bool
tsdb_text_parse_seconds(TsdbStr text, int64_t *t)
{
	bool		negative = text.len > 0 && text.data[0] == '-';
	size_t		i = negative;
	int64_t		n = 0;
	int			decimals = -1;
	double		value;

	for (; i < text.len && n < INT64_MAX / 10000; i++)
	{
		if (text.data[i] == '.' && decimals < 0 && i > negative)
			decimals = 0;
		else if (!is_digit(text.data[i]))
			break;
		else if (decimals < 3)
		{
			n = n * 10 + (text.data[i] - '0');
			decimals += decimals >= 0;
		}
	}
	if (i == text.len && i > negative)
	{
		for (decimals = decimals < 0 ? 0 : decimals; decimals < 3; decimals++)
			n *= 10;
		*t = negative ? -n : n;
		return true;
	}
	/* 1.6e9 and the like */
	if (!tsdb_text_parse_value(text, &value) || !(fabs(value) < 9e15))
		return false;
	*t = (int64_t) (value * 1000);
	return true;
}
