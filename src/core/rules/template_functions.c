/*
 * template_functions.c
 *		The functions of templates, named and behaving as in Prometheus (template/template.go).
 *
 * toUpper, toLower and title change ASCII letters only.
 */
#include <math.h>

#include "core/rules/template_internal.h"

static void print_scaled(TsdbBuffer *out, double number, double factor, const char *const *prefixes, size_t n);
static void print_small(TsdbBuffer *out, double number);
static bool split_host_port(TsdbStr text, TsdbStr *host, TsdbStr *port);
static bool is_ip(TsdbStr host);

static const char *const decimal_prefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
static const char *const binary_prefixes[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
static const char *const small_prefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y"};

/* ---- numbers for people ---- */

static TsdbStatus
humanize(TsdbBuffer *out, double v, TsdbError *error)
{
	(void) error;
	if (v == 0 || !isfinite(v))
		tsdb_template_print_4g(out, v);
	else if (fabs(v) >= 1)
		print_scaled(out, v, 1000, decimal_prefixes, TSDB_COUNT(decimal_prefixes));
	else
		print_small(out, v);
	return TSDB_OK;
}

static TsdbStatus
humanize1024(TsdbBuffer *out, double v, TsdbError *error)
{
	(void) error;
	if (fabs(v) <= 1 || !isfinite(v))
		tsdb_template_print_4g(out, v);
	else
		print_scaled(out, v, 1024, binary_prefixes, TSDB_COUNT(binary_prefixes));
	return TSDB_OK;
}

/* 1d 2h 3m 4s from a minute on; v is at least that. */
static void
print_long_duration(TsdbBuffer *out, double v)
{
	int64_t		whole = (int64_t) fabs(v);
	int			seconds = (int) (whole % 60);
	int			minutes = (int) (whole / 60 % 60);
	int			hours = (int) (whole / 3600 % 24);
	int64_t		days = whole / 86400;

	if (v < 0)
		tsdb_buffer_u8(out, '-');
	if (days != 0)
		tsdb_buffer_printf(out, "%lldd ", (long long) days);
	if (days != 0 || hours != 0)
		tsdb_buffer_printf(out, "%dh ", hours);
	tsdb_buffer_printf(out, "%dm %ds", minutes, seconds);
}

static TsdbStatus
humanize_duration(TsdbBuffer *out, double v, TsdbError *error)
{
	(void) error;
	if (!isfinite(v) || fabs(v) >= 9e18)
		tsdb_template_print_4g(out, v);
	else if (fabs(v) >= 60)
		print_long_duration(out, v);
	else
	{
		if (v == 0 || fabs(v) >= 1)
			tsdb_template_print_4g(out, v);
		else
			print_small(out, v);
		tsdb_buffer_u8(out, 's');
	}
	return TSDB_OK;
}

static TsdbStatus
humanize_percentage(TsdbBuffer *out, double v, TsdbError *error)
{
	(void) error;
	tsdb_template_print_4g(out, v * 100);
	tsdb_buffer_u8(out, '%');
	return TSDB_OK;
}

/* Seconds since 1970 as Go prints a time in UTC. */
static TsdbStatus
humanize_timestamp(TsdbBuffer *out, double v, TsdbError *error)
{
	double		whole = floor(v);
	long long	nanoseconds;

	if (!isfinite(v))
	{
		tsdb_template_print_4g(out, v);
		return TSDB_OK;
	}
	if (v >= 253402300800.0 || v < -62135596800.0)	/* the years 1 to 9999 */
		return tsdb_fail(error, TSDB_ERR_EXECUTION, "error calling humanizeTimestamp: %.4g is out of range", v);
	nanoseconds = llround((v - whole) * 1e9);
	tsdb_buffer_time(out, (int64_t) whole + nanoseconds / 1000000000, ' ');
	nanoseconds %= 1000000000;
	if (nanoseconds != 0)
	{
		tsdb_buffer_printf(out, ".%09lld", nanoseconds);
		while (out->data[out->len - 1] == '0')
			out->len--;
	}
	tsdb_buffer_append_str(out, TSDB_STR(" +0000 UTC"));
	return TSDB_OK;
}

/* ---- text ---- */

static void
to_upper(TsdbBuffer *out, TsdbStr text)
{
	for (size_t i = 0; i < text.len; i++)
		tsdb_buffer_u8(out, (uint8_t) (text.data[i] >= 'a' && text.data[i] <= 'z' ? text.data[i] - 32 : text.data[i]));
}

static void
to_lower(TsdbBuffer *out, TsdbStr text)
{
	for (size_t i = 0; i < text.len; i++)
		tsdb_buffer_u8(out, (uint8_t) (text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] + 32 : text.data[i]));
}

/* The first letter of each word; the others stay. */
static void
title(TsdbBuffer *out, TsdbStr text)
{
	bool		inside = false;

	for (size_t i = 0; i < text.len; i++)
	{
		char		c = text.data[i];

		tsdb_buffer_u8(out, (uint8_t) (!inside && c >= 'a' && c <= 'z' ? c - 32 : c));
		inside = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '\'' ||
			(c & 0x80);
	}
}

static void
url_query_escape(TsdbBuffer *out, TsdbStr text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++)
	{
		uint8_t		c = (uint8_t) text.data[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '_' || c == '.' || c == '~')
			tsdb_buffer_u8(out, c);
		else if (c == ' ')
			tsdb_buffer_u8(out, '+');
		else
			tsdb_buffer_printf(out, "%%%c%c", hex[c >> 4], hex[c & 15]);
	}
}

static void
strip_port(TsdbBuffer *out, TsdbStr text)
{
	TsdbStr		host;
	TsdbStr		port;

	tsdb_buffer_append_str(out, split_host_port(text, &host, &port) ? host : text);
}

/* The first label of a host name; addresses stay as they are, and so does the port. */
static void
strip_domain(TsdbBuffer *out, TsdbStr text)
{
	TsdbStr		host;
	TsdbStr		port = {NULL, 0};
	const char *dot;

	if (!split_host_port(text, &host, &port))
		host = text;
	dot = host.len == 0 ? NULL : memchr(host.data, '.', host.len);
	if (is_ip(host) || dot == NULL)
	{
		tsdb_buffer_append_str(out, text);
		return;
	}
	tsdb_buffer_append(out, host.data, (size_t) (dot - host.data));
	if (port.len > 0)
		tsdb_buffer_u8(out, ':');
	tsdb_buffer_append_str(out, port);
}

/* ---- of Go's own ---- */

static TsdbStatus to_number(const TsdbTemplateValue *value, const char *function, double *number, TsdbError *error);
static TsdbStatus to_text(const TsdbTemplateValue *value, const char *function, TsdbStr *text, TsdbError *error);

static TsdbTemplateValue
string_value(const TsdbBuffer *text)
{
	return (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = {(const char *) text->data, text->len}};
}

static TsdbStatus
print_formatted(TsdbArena *arena, const TsdbTemplateValue *arguments, int n, TsdbTemplateValue *value, TsdbError *error)
{
	TsdbBuffer	out;
	TsdbStr		format;

	if (to_text(&arguments[0], "printf", &format, error) != TSDB_OK)
		return error->code;
	tsdb_buffer_init(&out, arena, 64);
	if (tsdb_template_printf(&out, format, arguments + 1, n - 1, error) != TSDB_OK)
		return error->code;
	*value = string_value(&out);
	return TSDB_OK;
}

static TsdbStatus
length(TsdbArena *arena, const TsdbTemplateValue *arguments, int n, TsdbTemplateValue *value, TsdbError *error)
{
	size_t		result;

	(void) arena;
	(void) n;
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
static TsdbStatus
index_labels(TsdbArena *arena, const TsdbTemplateValue *arguments, int n, TsdbTemplateValue *value, TsdbError *error)
{
	TsdbStr		name;

	(void) arena;
	(void) n;
	if (to_text(&arguments[1], "index", &name, error) != TSDB_OK)
		return error->code;
	if (arguments[0].kind != TSDB_TEMPLATE_LABELS)
		return tsdb_fail(error, TSDB_ERR_EXECUTION, "error calling index: only labels can be indexed");
	*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = tsdb_labels_get(arguments[0].labels, name)};
	return TSDB_OK;
}

/* ---- the table, and calls ---- */

static const TsdbTemplateFunction functions[] = {
	{"humanize", 1, 1, .of_number = humanize},
	{"humanize1024", 1, 1, .of_number = humanize1024},
	{"humanizeDuration", 1, 1, .of_number = humanize_duration},
	{"humanizePercentage", 1, 1, .of_number = humanize_percentage},
	{"humanizeTimestamp", 1, 1, .of_number = humanize_timestamp},
	{"index", 2, 2, .of_values = index_labels},
	{"len", 1, 1, .of_values = length},
	{"printf", 1, 16, .of_values = print_formatted},
	{"safeHtml", 1, 1, .of_text = tsdb_buffer_append_str},
	{"stripDomain", 1, 1, .of_text = strip_domain},
	{"stripPort", 1, 1, .of_text = strip_port},
	{"title", 1, 1, .of_text = title},
	{"toLower", 1, 1, .of_text = to_lower},
	{"toUpper", 1, 1, .of_text = to_upper},
	{"urlQueryEscape", 1, 1, .of_text = url_query_escape},
	{"urlquery", 1, 1, .of_text = url_query_escape},
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

TsdbStatus
tsdb_template_call(TsdbArena *arena, const TsdbTemplateFunction *function, const TsdbTemplateValue *arguments, int n,
				   TsdbTemplateValue *value, TsdbError *error)
{
	TsdbBuffer	out;
	TsdbStr		text;
	double		number;

	if (function->of_values != NULL)
		return function->of_values(arena, arguments, n, value, error);
	tsdb_buffer_init(&out, arena, 64);
	if (function->of_number != NULL)
	{
		if (to_number(&arguments[0], function->name, &number, error) != TSDB_OK ||
			function->of_number(&out, number, error) != TSDB_OK)
			return error->code;
	}
	else
	{
		if (to_text(&arguments[0], function->name, &text, error) != TSDB_OK)
			return error->code;
		function->of_text(&out, text);
	}
	*value = string_value(&out);
	return TSDB_OK;
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
to_text(const TsdbTemplateValue *value, const char *function, TsdbStr *text, TsdbError *error)
{
	*text = value->string;
	if (value->kind == TSDB_TEMPLATE_STRING)
		return TSDB_OK;
	return tsdb_fail(error, TSDB_ERR_EXECUTION, "error calling %s: wrong type for value; expected string", function);
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
