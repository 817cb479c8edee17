/*
 * query_arguments.c
 *		What the routes ask their parameters; refusals are in Prometheus's words.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"

static bool parse_int(const char *text, int32_t *number);

/* A time that is not required and not there is null. */
bool
gw_time_argument(GwRequest *request, const char *name, bool required, GwArguments *arguments)
{
	const char *text = gw_parameter(&request->parameters, name);
	int64_t		ms;
	char	   *quote;

	if (*text == '\0' && !required)
	{
		gw_add_null(arguments);
		return true;
	}
	if (gw_parse_time(text, &ms))
	{
		gw_add_time(arguments, ms);
		return true;
	}
	quote = gw_quoted(text);
	if (required)
		gw_fail_parameter(request, name, "cannot parse %s to a valid timestamp", quote);
	else
		gw_fail_parameter(request, name, "invalid time value for '%s': cannot parse %s to a valid timestamp", name, quote);
	free(quote);
	return false;
}

bool
gw_lookback_argument(GwRequest *request, GwArguments *arguments)
{
	const char *text = gw_parameter(&request->parameters, "lookback_delta");
	int64_t		ns;
	bool		overflow;
	char	   *quote;

	if (*text == '\0')
	{
		gw_add_null(arguments);
		return true;
	}
	if (gw_parse_duration(text, &ns, &overflow))
	{
		gw_add_interval(arguments, ns);
		return true;
	}
	quote = gw_quoted(text);
	gw_fail(request, GW_BAD_DATA, "error parsing lookback delta duration: cannot parse %s to a valid duration%s", quote,
			overflow ? ". It overflows int64" : "");
	free(quote);
	return false;
}

bool
gw_step_argument(GwRequest *request, GwArguments *arguments)
{
	const char *text = gw_parameter(&request->parameters, "step");
	int64_t		ns;
	bool		overflow;
	char	   *quote;

	if (gw_parse_duration(text, &ns, &overflow))
	{
		gw_add_interval(arguments, ns);
		return true;
	}
	quote = gw_quoted(text);
	gw_fail_parameter(request, "step", "cannot parse %s to a valid duration%s", quote,
					  overflow ? ". It overflows int64" : "");
	free(quote);
	return false;
}

char *
gw_quoted(const char *text)
{
	GwBuffer	quote = {0};

	gw_quote_go(&quote, text);
	return quote.data;
}

bool
gw_limit_argument(GwRequest *request, int32_t *limit)
{
	const char *text = gw_parameter(&request->parameters, "limit");
	char	   *quote;

	*limit = 0;
	if (*text == '\0')
		return true;
	if (!parse_int(text, limit))
	{
		quote = gw_quoted(text);
		gw_fail_parameter(request, "limit", "strconv.Atoi: parsing %s: invalid syntax", quote);
		free(quote);
		return false;
	}
	if (*limit < 0)
		gw_fail_parameter(request, "limit", "limit must be non-negative");
	return *limit >= 0;
}

bool
gw_int_argument(GwRequest *request, const char *name, int32_t otherwise, const char *problem, int32_t *number)
{
	const char *text = gw_parameter(&request->parameters, name);

	*number = otherwise;
	if (*text == '\0' || parse_int(text, number))
		return true;
	gw_fail(request, GW_BAD_DATA, "%s", problem);
	return false;
}

/* What does not fit is the nearest that does. */
static bool
parse_int(const char *text, int32_t *number)
{
	char	   *end;
	long long	value;

	if (strspn(text, "+-0123456789") != strlen(text))
		return false;
	value = strtoll(text, &end, 10);
	*number = value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t) value;
	return end != text && *end == '\0';
}

/* The limit is the one of the pool unless the request asks for less. */
bool
gw_query_timeout(GwRequest *request, int *timeout_ms)
{
	const char *text = gw_parameter(&request->parameters, "timeout");
	int64_t		ns;
	bool		overflow;
	char	   *quote;

	if (*text == '\0')
		return true;
	if (gw_parse_duration(text, &ns, &overflow))
	{
		int64_t		ms = ns <= 1000000 ? 1 : ns / 1000000;

		*timeout_ms = ms < *timeout_ms ? (int) ms : *timeout_ms;
		return true;
	}
	quote = gw_quoted(text);
	gw_fail_parameter(request, "timeout", "cannot parse %s to a valid duration%s", quote,
					  overflow ? ". It overflows int64" : "");
	free(quote);
	return false;
}

void
gw_matches(GwRequest *request, GwBuffer *out)
{
	gw_array_argument(request, "match[]", out);
}

void
gw_array_argument(GwRequest *request, const char *name, GwBuffer *out)
{
	const char *separator = "{";

	for (size_t i = 0; i < request->parameters.n; i++)
	{
		if (strcmp(request->parameters.items[i].name, name) != 0)
			continue;
		gw_buffer_puts(out, separator);
		gw_quote_element(out, request->parameters.items[i].value);
		separator = ",";
	}
	gw_buffer_puts(out, *separator == '{' ? "{}" : "}");
}
