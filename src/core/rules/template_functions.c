/*
 * template_functions.c
 *		The functions of templates, named and behaving as in Prometheus (template/template.go).
 *
 * toUpper, toLower and title change ASCII letters only.
 */
#include <math.h>
#include <stdio.h>

#include "core/rules/template_internal.h"

static TsdbStatus to_number(const TsdbTemplateValue *value, const char *function, double *number, TsdbError *error);
static TsdbStatus to_string(const TsdbTemplateValue *value, const char *function, TsdbStr *string, TsdbError *error);
static TsdbStatus answer(TsdbBuffer *text, TsdbTemplateValue *value);
static void print_scaled(TsdbBuffer *out, double number, double factor, const char *const *prefixes, size_t n);
static void print_small(TsdbBuffer *out, double number);
static void date_of_day(int64_t day_number, int64_t *year, int *month, int *day);
static bool split_host_port(TsdbStr text, TsdbStr *host, TsdbStr *port);
static bool is_ip(TsdbStr host);

static const char *const decimal_prefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
static const char *const binary_prefixes[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
static const char *const small_prefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y"};

#define FUNCTION(function) static TsdbStatus function(TsdbArena *arena, const TsdbTemplateValue *arguments, int n, \
													  TsdbTemplateValue *value, TsdbError *error)

/* ---- numbers for people ---- */

FUNCTION(humanize)
{
	TsdbBuffer	out;
	double		v = 0;
	TsdbStatus	status = to_number(&arguments[0], "humanize", &v, error);

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, 32);
	if (v == 0 || !isfinite(v))
		tsdb_template_print_4g(&out, v);
	else if (fabs(v) >= 1)
		print_scaled(&out, v, 1000, decimal_prefixes, TSDB_COUNT(decimal_prefixes));
	else
		print_small(&out, v);
	return answer(&out, value);
}

FUNCTION(humanize1024)
{
	TsdbBuffer	out;
	double		v = 0;
	TsdbStatus	status = to_number(&arguments[0], "humanize1024", &v, error);

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, 32);
	if (fabs(v) <= 1 || !isfinite(v))
		tsdb_template_print_4g(&out, v);
	else
		print_scaled(&out, v, 1024, binary_prefixes, TSDB_COUNT(binary_prefixes));
	return answer(&out, value);
}

/* 1d 2h 3m 4s from a minute on, digits below. */
FUNCTION(humanize_duration)
{
	TsdbBuffer	out;
	double		v = 0;
	TsdbStatus	status = to_number(&arguments[0], "humanizeDuration", &v, error);

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, 32);
	if (!isfinite(v) || fabs(v) >= 9e18)
		tsdb_template_print_4g(&out, v);
	else if (v == 0)
		tsdb_buffer_printf(&out, "0s");
	else if (fabs(v) < 1)
	{
		print_small(&out, v);
		tsdb_buffer_u8(&out, 's');
	}
	else
	{
		int64_t		whole = (int64_t) fabs(v);
		int			seconds = (int) (whole % 60);
		int			minutes = (int) (whole / 60 % 60);
		int			hours = (int) (whole / 3600 % 24);
		int64_t		days = whole / 86400;
		const char *sign = v < 0 ? "-" : "";

		if (days != 0)
			tsdb_buffer_printf(&out, "%s%lldd %dh %dm %ds", sign, (long long) days, hours, minutes, seconds);
		else if (hours != 0)
			tsdb_buffer_printf(&out, "%s%dh %dm %ds", sign, hours, minutes, seconds);
		else if (minutes != 0)
			tsdb_buffer_printf(&out, "%s%dm %ds", sign, minutes, seconds);
		else
		{
			tsdb_template_print_4g(&out, v);
			tsdb_buffer_u8(&out, 's');
		}
	}
	return answer(&out, value);
}

FUNCTION(humanize_percentage)
{
	TsdbBuffer	out;
	double		v = 0;
	TsdbStatus	status = to_number(&arguments[0], "humanizePercentage", &v, error);

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, 32);
	tsdb_template_print_4g(&out, v * 100);
	tsdb_buffer_u8(&out, '%');
	return answer(&out, value);
}

/* Seconds since 1970 as Go prints a time in UTC. */
FUNCTION(humanize_timestamp)
{
	TsdbBuffer	out;
	double		v = 0;
	TsdbStatus	status = to_number(&arguments[0], "humanizeTimestamp", &v, error);

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, 64);
	if (!isfinite(v))
		tsdb_template_print_4g(&out, v);
	else if (v >= 253402300800.0 || v < -62135596800.0)	/* the years 1 to 9999 */
		return tsdb_fail(error, TSDB_ERR_EXECUTION, "error calling humanizeTimestamp: %.4g is out of range", v);
	else
	{
		double		whole = floor(v);
		long long	nanoseconds = llround((v - whole) * 1e9);
		int64_t		seconds = (int64_t) whole + nanoseconds / 1000000000;
		int			of_day = (int) (((seconds % 86400) + 86400) % 86400);
		int64_t		year;
		int			month;
		int			day;
		char		text[64];

		nanoseconds %= 1000000000;
		date_of_day((seconds - of_day) / 86400, &year, &month, &day);
		tsdb_buffer_printf(&out, "%04lld-%02d-%02d %02d:%02d:%02d", (long long) year, month, day,
						   of_day / 3600, of_day / 60 % 60, of_day % 60);
		if (nanoseconds != 0)
		{
			int			length = snprintf(text, sizeof(text), ".%09lld", nanoseconds);

			while (text[length - 1] == '0')
				length--;
			tsdb_buffer_append(&out, text, (size_t) length);
		}
		tsdb_buffer_printf(&out, " +0000 UTC");
	}
	return answer(&out, value);
}

/* ---- text ---- */

FUNCTION(print_formatted)
{
	TsdbBuffer	out;
	TsdbStr		format;
	TsdbStatus	status = to_string(&arguments[0], "printf", &format, error);

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, 64);
	status = tsdb_template_printf(&out, format, arguments + 1, n - 1, error);
	return status == TSDB_OK ? answer(&out, value) : status;
}

FUNCTION(to_upper)
{
	TsdbStr		text;
	TsdbStatus	status = to_string(&arguments[0], "toUpper", &text, error);
	TsdbBuffer	out;

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, text.len);
	for (size_t i = 0; i < text.len; i++)
		tsdb_buffer_u8(&out, (uint8_t) (text.data[i] >= 'a' && text.data[i] <= 'z' ? text.data[i] - 32 : text.data[i]));
	return answer(&out, value);
}

FUNCTION(to_lower)
{
	TsdbStr		text;
	TsdbStatus	status = to_string(&arguments[0], "toLower", &text, error);
	TsdbBuffer	out;

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, text.len);
	for (size_t i = 0; i < text.len; i++)
		tsdb_buffer_u8(&out, (uint8_t) (text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] + 32 : text.data[i]));
	return answer(&out, value);
}

/* The first letter of each word; the others stay. */
FUNCTION(title)
{
	TsdbStr		text;
	TsdbStatus	status = to_string(&arguments[0], "title", &text, error);
	TsdbBuffer	out;
	bool		inside = false;

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, text.len);
	for (size_t i = 0; i < text.len; i++)
	{
		char		c = text.data[i];
		bool		letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '_' || c == '\'' || (c & 0x80);

		tsdb_buffer_u8(&out, (uint8_t) (!inside && c >= 'a' && c <= 'z' ? c - 32 : c));
		inside = letter;
	}
	return answer(&out, value);
}

FUNCTION(safe_html)
{
	TsdbStr		text;
	TsdbStatus	status = to_string(&arguments[0], "safeHtml", &text, error);

	*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = text};
	return status;
}

FUNCTION(url_query_escape)
{
	static const char hex[] = "0123456789ABCDEF";
	TsdbStr		text;
	TsdbStatus	status = to_string(&arguments[0], "urlQueryEscape", &text, error);
	TsdbBuffer	out;

	if (status != TSDB_OK)
		return status;
	tsdb_buffer_init(&out, arena, text.len * 3);
	for (size_t i = 0; i < text.len; i++)
	{
		uint8_t		c = (uint8_t) text.data[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '_' || c == '.' || c == '~')
			tsdb_buffer_u8(&out, c);
		else if (c == ' ')
			tsdb_buffer_u8(&out, '+');
		else
			tsdb_buffer_printf(&out, "%%%c%c", hex[c >> 4], hex[c & 15]);
	}
	return answer(&out, value);
}

FUNCTION(strip_port)
{
	TsdbStr		text;
	TsdbStr		host;
	TsdbStr		port;
	TsdbStatus	status = to_string(&arguments[0], "stripPort", &text, error);

	if (status != TSDB_OK)
		return status;
	*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = split_host_port(text, &host, &port) ? host : text};
	return TSDB_OK;
}

/* The first label of a host name; addresses stay as they are, and so does the port. */
FUNCTION(strip_domain)
{
	TsdbStr		text;
	TsdbStr		host;
	TsdbStr		port = {NULL, 0};
	TsdbStatus	status = to_string(&arguments[0], "stripDomain", &text, error);
	TsdbBuffer	out;
	const char *dot;

	if (status != TSDB_OK)
		return status;
	if (!split_host_port(text, &host, &port))
		host = text;
	dot = host.len == 0 ? NULL : memchr(host.data, '.', host.len);
	if (is_ip(host) || dot == NULL)
	{
		*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = text};
		return TSDB_OK;
	}
	tsdb_buffer_init(&out, arena, text.len);
	tsdb_buffer_append(&out, host.data, (size_t) (dot - host.data));
	if (port.len > 0)
		tsdb_buffer_printf(&out, ":%.*s", (int) port.len, port.data);
	return answer(&out, value);
}

/* ---- of Go's own ---- */

FUNCTION(length)
{
	size_t		result;

	if (arguments[0].kind == TSDB_TEMPLATE_STRING)
		result = arguments[0].string.len;
	else if (arguments[0].kind == TSDB_TEMPLATE_LABELS)
		result = arguments[0].labels.n;
	else
		return tsdb_fail(error, TSDB_ERR_EXECUTION, "error calling len: len of a number");
	*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_INTEGER, .number = (double) result};
	return TSDB_OK;
}

/* index $labels "name": for names that are no words */
FUNCTION(index_labels)
{
	TsdbStr		name;
	TsdbStatus	status = to_string(&arguments[1], "index", &name, error);

	if (status != TSDB_OK)
		return status;
	if (arguments[0].kind != TSDB_TEMPLATE_LABELS)
		return tsdb_fail(error, TSDB_ERR_EXECUTION, "error calling index: only labels can be indexed");
	*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = tsdb_labels_get(arguments[0].labels, name)};
	return TSDB_OK;
}

static const TsdbTemplateFunction functions[] = {
	{"humanize", 1, 1, humanize},
	{"humanize1024", 1, 1, humanize1024},
	{"humanizeDuration", 1, 1, humanize_duration},
	{"humanizePercentage", 1, 1, humanize_percentage},
	{"humanizeTimestamp", 1, 1, humanize_timestamp},
	{"index", 2, 2, index_labels},
	{"len", 1, 1, length},
	{"printf", 1, 16, print_formatted},
	{"safeHtml", 1, 1, safe_html},
	{"stripDomain", 1, 1, strip_domain},
	{"stripPort", 1, 1, strip_port},
	{"title", 1, 1, title},
	{"toLower", 1, 1, to_lower},
	{"toUpper", 1, 1, to_upper},
	{"urlQueryEscape", 1, 1, url_query_escape},
	{"urlquery", 1, 1, url_query_escape},
};

/* Functions and keywords of Prometheus's templates that are left out. */
static const char *const left_out[] = {
	"and", "args", "block", "break", "call", "continue", "define", "else", "end", "eq", "externalURL", "false",
	"first", "ge", "graphLink", "gt", "html", "if", "js", "label", "le", "lt", "match", "ne", "nil", "not", "now", "or",
	"parseDuration", "pathPrefix", "print", "println", "query", "range", "reReplaceAll", "slice", "sortByLabel",
	"strvalue", "tableLink", "template", "toDuration", "toTime", "true", "value", "with",
};

const TsdbTemplateFunction *
tsdb_template_function(TsdbStr name)
{
	for (size_t i = 0; i < TSDB_COUNT(functions); i++)
		if (tsdb_str_equal(name, tsdb_str(functions[i].name)))
			return &functions[i];
	return NULL;
}

bool
tsdb_template_is_known(TsdbStr name)
{
	for (size_t i = 0; i < TSDB_COUNT(left_out); i++)
		if (tsdb_str_equal(name, tsdb_str(left_out[i])))
			return true;
	return false;
}

/* ---- helpers ---- */

static TsdbStatus
to_number(const TsdbTemplateValue *value, const char *function, double *number, TsdbError *error)
{
	switch (value->kind)
	{
		case TSDB_TEMPLATE_FLOAT:
		case TSDB_TEMPLATE_INTEGER:
			*number = value->number;
			return TSDB_OK;
		case TSDB_TEMPLATE_STRING:
			if (tsdb_parse_double(value->string, number))
				return TSDB_OK;
			return tsdb_fail(error, TSDB_ERR_EXECUTION, "error calling %s: parsing \"%.*s\": invalid syntax", function,
							 (int) value->string.len, value->string.len == 0 ? "" : value->string.data);
		case TSDB_TEMPLATE_LABELS:
			break;
	}
	return tsdb_fail(error, TSDB_ERR_EXECUTION, "error calling %s: can't convert labels to float", function);
}

static TsdbStatus
to_string(const TsdbTemplateValue *value, const char *function, TsdbStr *string, TsdbError *error)
{
	*string = value->string;
	if (value->kind == TSDB_TEMPLATE_STRING)
		return TSDB_OK;
	return tsdb_fail(error, TSDB_ERR_EXECUTION, "error calling %s: wrong type for value; expected string", function);
}

static TsdbStatus
answer(TsdbBuffer *text, TsdbTemplateValue *value)
{
	*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = {(const char *) text->data, text->len}};
	return TSDB_OK;
}

static void
print_scaled(TsdbBuffer *out, double number, double factor, const char *const *prefixes, size_t n)
{
	const char *prefix = "";

	for (size_t i = 0; i < n && fabs(number) >= factor; i++)
	{
		prefix = prefixes[i];
		number /= factor;
	}
	tsdb_template_print_4g(out, number);
	tsdb_buffer_printf(out, "%s", prefix);
}

static void
print_small(TsdbBuffer *out, double number)
{
	const char *prefix = "";

	for (size_t i = 0; i < TSDB_COUNT(small_prefixes) && fabs(number) < 1; i++)
	{
		prefix = small_prefixes[i];
		number *= 1000;
	}
	tsdb_template_print_4g(out, number);
	tsdb_buffer_printf(out, "%s", prefix);
}

/* Of a day counted from 1970-01-01.  Years are counted from March, so that the leap day is the last one. */
static void
date_of_day(int64_t day_number, int64_t *year, int *month, int *day)
{
	int64_t		days = day_number + 719468;	/* since 0000-03-01 */
	int64_t		era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t		of_era = days - era * 146097;
	int64_t		year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int			of_year = (int) (of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
	int			from_march = (5 * of_year + 2) / 153;

	*day = of_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = era * 400 + year_of_era + (*month <= 2);
}

/* host:port or [v6]:port; a bare IPv6 address has too many colons. */
static bool
split_host_port(TsdbStr text, TsdbStr *host, TsdbStr *port)
{
	size_t		colon = text.len;

	while (colon > 0 && text.data[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	*host = (TsdbStr) {text.data, colon - 1};
	*port = (TsdbStr) {text.data + colon, text.len - colon};
	if (host->len >= 2 && host->data[0] == '[' && host->data[host->len - 1] == ']')
		*host = (TsdbStr) {host->data + 1, host->len - 2};
	else if (host->len > 0 && memchr(host->data, ':', host->len) != NULL)
		return false;
	return true;
}

/* Four groups of digits, or anything with a colon: what is left of a host name can have neither. */
static bool
is_ip(TsdbStr host)
{
	int			dots = 0;

	for (size_t i = 0; i < host.len; i++)
	{
		char		c = host.data[i];

		if (c == ':')
			return true;
		if (c == '.')
			dots++;
		else if (c < '0' || c > '9')
			return false;
	}
	return dots == 3;
}
