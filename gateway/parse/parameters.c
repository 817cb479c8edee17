/*
 * parameters.c
 *		application/x-www-form-urlencoded, in URLs and in bodies.
 *
 * Values become text parameters of SQL, so they must be UTF-8 without zero bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/parse/parse.h"

static const char *add_pair(GwParameters *parameters, const char *pair, size_t len);
static int	hex_digit(char c);

const char *
gw_parameters_add(GwParameters *parameters, const char *text, size_t len)
{
	const char *end = len > 0 ? text + len : text;

	while (text < end)
	{
		const char *ampersand = memchr(text, '&', end - text);
		const char *pair_end = ampersand != NULL ? ampersand : end;
		const char *problem = pair_end == text ? NULL : add_pair(parameters, text, pair_end - text);

		if (problem != NULL)
			return problem;
		text = pair_end + 1;
	}
	return NULL;
}

static const char *
add_pair(GwParameters *parameters, const char *pair, size_t len)
{
	const char *equals = memchr(pair, '=', len);
	size_t		name_len = equals != NULL ? (size_t) (equals - pair) : len;
	size_t		value_len = equals != NULL ? len - name_len - 1 : 0;
	char	   *name;
	char	   *value;

	if (parameters->n == GW_MAX_PARAMETERS)
		return "too many parameters";
	name = gw_percent_decode(pair, name_len, true);
	value = gw_percent_decode(equals != NULL ? equals + 1 : pair, value_len, true);
	if (name == NULL || value == NULL)
	{
		free(name);
		free(value);
		return "invalid escape or encoding in a parameter";
	}
	if (parameters->n == parameters->capacity)
	{
		GwParameter *items;

		parameters->capacity = parameters->capacity == 0 ? 8 : parameters->capacity * 2;
		items = gw_alloc(parameters->capacity * sizeof(GwParameter));
		if (parameters->n > 0)
			memcpy(items, parameters->items, parameters->n * sizeof(GwParameter));
		free(parameters->items);
		parameters->items = items;
	}
	parameters->items[parameters->n++] = (GwParameter) {name, value};
	return NULL;
}

char *
gw_percent_decode(const char *text, size_t len, bool plus_is_space)
{
	char	   *decoded = gw_alloc(len + 1);
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
	{
		char		c = text[i];

		if (c == '%')
		{
			if (len - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0)
				break;
			c = (char) (hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
			i += 2;
		}
		else if (c == '+' && plus_is_space)
			c = ' ';
		if (c == '\0')
			break;
		decoded[n++] = c;
		if (i + 1 == len && gw_is_utf8(decoded, n))
			return decoded;
	}
	if (len == 0)
		return decoded;
	free(decoded);
	return NULL;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

const char *
gw_parameter(const GwParameters *parameters, const char *name)
{
	for (size_t i = 0; i < parameters->n; i++)
		if (strcmp(parameters->items[i].name, name) == 0)
			return parameters->items[i].value;
	return "";
}

void
gw_parameters_free(GwParameters *parameters)
{
	for (size_t i = 0; i < parameters->n; i++)
	{
		free(parameters->items[i].name);
		free(parameters->items[i].value);
	}
	free(parameters->items);
	*parameters = (GwParameters) {0};
}
