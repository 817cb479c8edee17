/*
 * number.c
 *		Doubles to text and back, as Go's strconv does it.
 *
 * Text of up to 15 significant digits survives decimal -> double -> decimal, so
 * %.15g with its trailing zeros cut is the shortest form where it reads back;
 * else 16 or 17 digits are needed.  Subnormal values have fewer digits than
 * that, so for them the search starts at one.
 */
#include "core/base/base.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Shortest digits and decimal exponent of a finite, positive, non-zero value: 0.d1d2d3... x 10^exponent. */
static int
shortest_digits(double value, char *digits, int *exponent)
{
	char		text[40];
	int			n = 0;

	for (int precision = value < DBL_MIN ? 1 : 15; precision <= 17; precision++)
	{
		snprintf(text, sizeof(text), "%.*e", precision - 1, value);
		if (precision == 17 || strtod(text, NULL) == value)
			break;
	}
	for (const char *p = text; *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			digits[n++] = *p;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	*exponent = (int) strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
	return n;
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
format_plain(char *out, const char *digits, int n, int exponent)
{
	char	   *p = out;

	if (exponent <= 0)
	{
		*p++ = '0';
		*p++ = '.';
		for (int i = exponent; i < 0; i++)
			*p++ = '0';
		for (int i = 0; i < n; i++)
			*p++ = digits[i];
	}
	else
	{
		for (int i = 0; i < exponent; i++)
			*p++ = i < n ? digits[i] : '0';
		if (n > exponent)
		{
			*p++ = '.';
			for (int i = exponent; i < n; i++)
				*p++ = digits[i];
		}
	}
	*p = '\0';
	return (size_t) (p - out);
}

static size_t
format_exponent(char *out, const char *digits, int n, int exponent)
{
	char	   *p = out;

	*p++ = digits[0];
	if (n > 1)
	{
		*p++ = '.';
		for (int i = 1; i < n; i++)
			*p++ = digits[i];
	}
	return (size_t) (p - out) + (size_t) sprintf(p, "e%c%02d", exponent - 1 < 0 ? '-' : '+', abs(exponent - 1));
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
	char		digits[24];
	char	   *p = out;
	int			exponent;
	int			n;
	double		magnitude = fabs(value);
	size_t		special = format_special(out, value);

	if (special > 0)
		return special;
	if (signbit(value))
		*p++ = '-';
	if (magnitude == 0)
		return (size_t) (p - out) + put(p, "0");
	if (magnitude < 9e15 && plain.high >= 15 && magnitude == (double) (int64_t) magnitude)
		return (size_t) (p - out) + (size_t) sprintf(p, "%lld", (long long) magnitude);
	n = shortest_digits(magnitude, digits, &exponent);
	if (exponent - 1 < plain.low || exponent - 1 > plain.high)
		return (size_t) (p - out) + format_exponent(p, digits, n, exponent);
	return (size_t) (p - out) + format_plain(p, digits, n, exponent);
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
	return true;
}
