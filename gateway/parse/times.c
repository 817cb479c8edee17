/*
 * times.c
 *		Times and durations as the Prometheus API takes them.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/parse/parse.h"

#define NS_PER_SECOND INT64_C(1000000000)
/* Later than any timestamptz, and far from overflow. */
#define MS_LIMIT INT64_C(1000000000000000000)

static bool parse_float(const char *text, double *value);
static bool parse_rfc3339(const char *text, int64_t *ms);
static bool read_digits(const char **text, int n, int *value);
static bool is_date(int year, int month, int day);
static int64_t days_since_1970(int year, int month, int day);
static int	fraction_ms(const char **text);
static bool read_zone(const char *text, int *minutes);
static bool parse_units(const char *text, int64_t *ns);

bool
gw_parse_time(const char *text, int64_t *ms)
{
	double		seconds;
	double		whole;
	double		fraction;

	if (!parse_float(text, &seconds))
		return parse_rfc3339(text, ms);
	fraction = modf(seconds, &whole);
	if (isnan(seconds))
		return false;
	if (fabs(whole) >= (double) (MS_LIMIT / 1000))
		*ms = whole < 0 ? -MS_LIMIT : MS_LIMIT;
	else
		*ms = (int64_t) whole * 1000 + (int64_t) round(fraction * 1000);
	return true;
}

/* Decimal or exponent form, infinities and NaN; none of the other things that strtod() takes. */
static bool
parse_float(const char *text, double *value)
{
	char	   *end;

	if (*text == '\0' || isspace((unsigned char) *text) || strpbrk(text, "xXpP(") != NULL)
		return false;
	*value = strtod(text, &end);
	return *end == '\0';
}

static bool
parse_rfc3339(const char *text, int64_t *ms)
{
	int			year,
				month,
				day,
				hour,
				minute,
				second,
				fraction,
				zone;

	if (!read_digits(&text, 4, &year) || *text++ != '-' ||
		!read_digits(&text, 2, &month) || *text++ != '-' ||
		!read_digits(&text, 2, &day) || *text++ != 'T' ||
		!read_digits(&text, 2, &hour) || *text++ != ':' ||
		!read_digits(&text, 2, &minute) || *text++ != ':' ||
		!read_digits(&text, 2, &second))
		return false;
	fraction = fraction_ms(&text);
	if (fraction < 0 || !read_zone(text, &zone) || !is_date(year, month, day) || hour > 23 || minute > 59 || second > 59)
		return false;
	*ms = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute - zone) * INT64_C(60000) + second * 1000 + fraction;
	return true;
}

static bool
read_digits(const char **text, int n, int *value)
{
	*value = 0;
	for (; n > 0; n--, (*text)++)
	{
		if (!isdigit((unsigned char) **text))
			return false;
		*value = *value * 10 + **text - '0';
	}
	return true;
}

static bool
is_date(int year, int month, int day)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (leap && month == 2);
}

/* Years are counted from March, so that the leap day is the last one. */
static int64_t
days_since_1970(int year, int month, int day)
{
	int64_t		y = month > 2 ? year : year - 1;
	int			m = month > 2 ? month - 3 : month + 9;
	int64_t		leaps = y >= 0 ? y / 4 - y / 100 + y / 400 : -1;

	return y * 365 + leaps + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* -1: a point without digits.  What is finer than a millisecond is cut off. */
static int
fraction_ms(const char **text)
{
	int			ms = 0;
	int			digits = 0;

	if (**text != '.')
		return 0;
	for ((*text)++; isdigit((unsigned char) **text); (*text)++)
		if (digits++ < 3)
			ms = ms * 10 + **text - '0';
	if (digits == 0)
		return -1;
	for (; digits < 3; digits++)
		ms *= 10;
	return ms;
}

static bool
read_zone(const char *text, int *minutes)
{
	char		sign = *text;
	int			hours;

	*minutes = 0;
	if (strcmp(text, "Z") == 0)
		return true;
	if (sign != '+' && sign != '-')
		return false;
	text++;
	if (!read_digits(&text, 2, &hours) || *text++ != ':' || !read_digits(&text, 2, minutes) ||
		*text != '\0' || hours > 24 || *minutes > 59)
		return false;
	*minutes = (sign == '-' ? -1 : 1) * (hours * 60 + *minutes);
	return true;
}

bool
gw_parse_duration(const char *text, int64_t *ns, bool *overflow)
{
	double		seconds;

	*overflow = false;
	if (!parse_float(text, &seconds))
		return parse_units(text, ns);
	if (isnan(seconds))
		return false;
	*overflow = fabs(seconds * (double) NS_PER_SECOND) >= 9223372036854775807.0;
	if (*overflow)
		return false;
	*ns = (int64_t) (seconds * (double) NS_PER_SECOND);
	return true;
}

/* 1y2w3d4h5m6s7ms: each unit at most once, in this order. */
static bool
parse_units(const char *text, int64_t *ns)
{
	static const struct
	{
		const char *name;
		int64_t		seconds;
		int64_t		ns;
	}			units[] = {
		{"y", 365 * 86400, 0}, {"w", 7 * 86400, 0}, {"d", 86400, 0}, {"h", 3600, 0}, {"m", 60, 0}, {"s", 1, 0}, {"ms", 0, 1000000}
	};
	size_t		next = 0;

	*ns = 0;
	if (*text == '\0')
		return false;
	while (*text != '\0')
	{
		int64_t		number = 0;
		size_t		len;
		int64_t		part;

		if (!isdigit((unsigned char) *text))
			return false;
		for (; isdigit((unsigned char) *text); text++)
			if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, *text - '0', &number))
				return false;
		len = strspn(text, "ywdhms");
		while (next < sizeof(units) / sizeof(units[0]) &&
			   (strlen(units[next].name) != len || memcmp(units[next].name, text, len) != 0))
			next++;
		if (next == sizeof(units) / sizeof(units[0]) ||
			__builtin_mul_overflow(number, units[next].seconds * NS_PER_SECOND + units[next].ns, &part) ||
			__builtin_add_overflow(*ns, part, ns))
			return false;
		next++;
		text += len;
	}
	return true;
}
