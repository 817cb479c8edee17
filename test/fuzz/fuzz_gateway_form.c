/*
 * fuzz_gateway_form.c
 *		Any bytes as a form: parameters come out as text that can be quoted and read back.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/parse/parse.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
put_escaped(GwBuffer *out, const char *text)
{
	for (; *text != '\0'; text++)
		gw_buffer_printf(out, "%%%02X", (unsigned char) *text);
}

/* Written with every byte escaped, the parameters read back as they were. */
static void
read_back(const GwParameters *parameters)
{
	GwBuffer	form = {0};
	GwParameters again = {0};

	for (size_t i = 0; i < parameters->n; i++)
	{
		gw_buffer_puts(&form, i > 0 ? "&" : "");
		put_escaped(&form, parameters->items[i].name);
		gw_buffer_puts(&form, "=");
		put_escaped(&form, parameters->items[i].value);
	}
	require(gw_parameters_add(&again, form.data, form.len) == NULL && again.n == parameters->n);
	for (size_t i = 0; i < again.n; i++)
		require(strcmp(again.items[i].name, parameters->items[i].name) == 0 &&
				strcmp(again.items[i].value, parameters->items[i].value) == 0);
	gw_parameters_free(&again);
	gw_buffer_free(&form);
}

static void
check_quotes(const char *text)
{
	GwBuffer	quoted = {0};

	require(gw_is_utf8(text, strlen(text)));
	gw_quote_json(&quoted, text, strlen(text));
	for (size_t i = 0; i < quoted.len; i++)
		require((unsigned char) quoted.data[i] >= 0x20);
	require(quoted.len >= 2 && gw_is_utf8(quoted.data, quoted.len));
	quoted.len = 0;
	gw_quote_element(&quoted, text);
	require(quoted.len >= strlen(text) + 2);
	quoted.len = 0;
	gw_quote_go(&quoted, text);
	require(strchr(quoted.data, '\n') == NULL);
	gw_buffer_free(&quoted);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GwParameters parameters = {0};
	GwBuffer	quoted = {0};

	gw_quote_json(&quoted, (const char *) data, size);
	require(gw_is_utf8(quoted.data, quoted.len));
	gw_buffer_free(&quoted);

	if (gw_parameters_add(&parameters, (const char *) data, size) == NULL)
		read_back(&parameters);
	require(parameters.n <= GW_MAX_PARAMETERS);
	for (size_t i = 0; i < parameters.n; i++)
	{
		check_quotes(parameters.items[i].name);
		check_quotes(parameters.items[i].value);
		require(gw_parameter(&parameters, parameters.items[i].name) != NULL);
	}
	gw_parameters_free(&parameters);
	return 0;
}
