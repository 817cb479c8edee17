/*
 * template_format.c
 *		How Go's fmt package writes values: what {{ }} and printf print.
 *
 * printf knows %v %s %q %d %t %% and %f %F %e %E %g %G with flags, width and
 * precision.  A verb that does not fit its argument prints as in Go,
 * "%!d(string=x)", rather than failing.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/rules/template_internal.h"

#define MAX_WIDTH 1000

/* One verb of a format: "%-08.2f". */
typedef struct Verb
{
	bool		minus;
	bool		plus;
	bool		space;
	bool		zero;
	int			width;
	int			precision;		/* -1: none */
	char		letter;
} Verb;

static bool parse_verb(TsdbStr format, size_t *at, Verb *verb);
static TsdbStatus print_verb(TsdbBuffer *out, const Verb *verb, const TsdbTemplateValue *value, TsdbError *error);
static void print_float(TsdbBuffer *out, const Verb *verb, double number);
static void print_padded(TsdbBuffer *out, const Verb *verb, TsdbStr text);
static void print_shortest(TsdbBuffer *out, double number);
static void print_mismatch(TsdbBuffer *out, char letter, const TsdbTemplateValue *value);
static void print_typed(TsdbBuffer *out, const TsdbTemplateValue *value);
static bool print_special(TsdbBuffer *out, double number);

void
tsdb_template_print(TsdbBuffer *out, const TsdbTemplateValue *value)
{
	switch (value->kind)
	{
		case TSDB_TEMPLATE_STRING:
			tsdb_buffer_append_str(out, value->string);
			break;
		case TSDB_TEMPLATE_FLOAT:
			print_shortest(out, value->number);
			break;
		case TSDB_TEMPLATE_INTEGER:
			tsdb_buffer_printf(out, "%.0f", value->number);
			break;
		case TSDB_TEMPLATE_LABELS:
			tsdb_buffer_printf(out, "map[");
			for (size_t i = 0; i < value->labels.n; i++)
			{
				if (i > 0)
					tsdb_buffer_u8(out, ' ');
				tsdb_buffer_append_str(out, value->labels.pairs[i].name);
				tsdb_buffer_u8(out, ':');
				tsdb_buffer_append_str(out, value->labels.pairs[i].value);
			}
			tsdb_buffer_u8(out, ']');
			break;
	}
}

TsdbStatus
tsdb_template_printf(TsdbBuffer *out, TsdbStr format, const TsdbTemplateValue *arguments, int n, TsdbError *error)
{
	int			used = 0;

	for (size_t at = 0; at < format.len;)
	{
		Verb		verb;
		TsdbStatus	status;

		if (format.data[at] != '%')
		{
			tsdb_buffer_u8(out, (uint8_t) format.data[at++]);
			continue;
		}
		if (!parse_verb(format, &at, &verb))
			tsdb_buffer_printf(out, "%%!(NOVERB)");
		else if (verb.letter == '%')
			tsdb_buffer_u8(out, '%');
		else if (used == n)
			tsdb_buffer_printf(out, "%%!%c(MISSING)", verb.letter);
		else
		{
			status = print_verb(out, &verb, &arguments[used++], error);
			if (status != TSDB_OK)
				return status;
		}
	}
	for (int i = used; i < n; i++)
	{
		tsdb_buffer_printf(out, i == used ? "%%!(EXTRA " : ", ");
		print_typed(out, &arguments[i]);
		if (i == n - 1)
			tsdb_buffer_u8(out, ')');
	}
	return TSDB_OK;
}

/* False when the format ends before the letter. */
static bool
parse_verb(TsdbStr format, size_t *at, Verb *verb)
{
	*verb = (Verb) {.precision = -1};
	for (++*at; *at < format.len; ++*at)
	{
		char		c = format.data[*at];

		if (c == '-')
			verb->minus = true;
		else if (c == '+')
			verb->plus = true;
		else if (c == ' ')
			verb->space = true;
		else if (c == '0')
			verb->zero = true;
		else if (c != '#')
			break;
	}
	for (; *at < format.len && format.data[*at] >= '0' && format.data[*at] <= '9'; ++*at)
		if (verb->width < MAX_WIDTH)
			verb->width = verb->width * 10 + (format.data[*at] - '0');
	if (*at < format.len && format.data[*at] == '.')
		for (++*at, verb->precision = 0; *at < format.len && format.data[*at] >= '0' && format.data[*at] <= '9'; ++*at)
			if (verb->precision < MAX_WIDTH)
				verb->precision = verb->precision * 10 + (format.data[*at] - '0');
	if (*at == format.len)
		return false;
	verb->letter = format.data[(*at)++];
	return true;
}

static TsdbStatus
print_verb(TsdbBuffer *out, const Verb *verb, const TsdbTemplateValue *value, TsdbError *error)
{
	TsdbBuffer	text;

	tsdb_buffer_init(&text, out->arena, 32);
	if (strchr("vsqdtfFeEgG", verb->letter) == NULL || verb->letter == '\0')
		return tsdb_fail(error, TSDB_ERR_UNSUPPORTED, "printf verb %%%c is not supported in templates",
						 (verb->letter & 0x80) || verb->letter < ' ' ? '?' : verb->letter);

	if (value->kind == TSDB_TEMPLATE_FLOAT && strchr("fFeEgG", verb->letter) != NULL)
	{
		print_float(out, verb, value->number);
		return TSDB_OK;
	}
	if (verb->letter == 'v' || (verb->letter == 's' && value->kind == TSDB_TEMPLATE_STRING) ||
		(verb->letter == 'd' && value->kind == TSDB_TEMPLATE_INTEGER))
		tsdb_template_print(&text, value);
	else if (verb->letter == 'q' && value->kind == TSDB_TEMPLATE_STRING)
		tsdb_quote(&text, value->string);
	else
		print_mismatch(&text, verb->letter, value);
	if (value->kind == TSDB_TEMPLATE_STRING && verb->letter != 'q' && verb->precision >= 0 && (size_t) verb->precision < text.len)
		text.len = tsdb_utf8_valid_prefix((const char *) text.data, (size_t) verb->precision);
	print_padded(out, verb, (TsdbStr) {(const char *) text.data, text.len});
	return TSDB_OK;
}

static void
print_float(TsdbBuffer *out, const Verb *verb, double number)
{
	TsdbBuffer	text;
	char		format[32];

	tsdb_buffer_init(&text, out->arena, 32);
	if (print_special(&text, number))
		;
	else if ((verb->letter | 32) == 'g' && verb->precision < 0)
		print_shortest(&text, number);
	else
	{
		snprintf(format, sizeof(format), "%%%s%s%s%s%d.%d%c", verb->minus ? "-" : "", verb->plus ? "+" : "",
				 verb->space ? " " : "", verb->zero ? "0" : "", verb->width,
				 verb->precision < 0 ? 6 : verb->precision, verb->letter);
		tsdb_buffer_reserve(&text, 2 * MAX_WIDTH * 10 + TSDB_NUMBER_MAX);
		text.len = (size_t) snprintf((char *) text.data, text.capacity, format, number);
	}
	print_padded(out, verb, (TsdbStr) {(const char *) text.data, text.len});
}

static void
print_padded(TsdbBuffer *out, const Verb *verb, TsdbStr text)
{
	size_t		letters = 0;

	for (size_t i = 0; i < text.len; i++)
		letters += (text.data[i] & 0xC0) != 0x80;
	for (size_t i = letters; !verb->minus && i < (size_t) verb->width; i++)
		tsdb_buffer_u8(out, ' ');
	tsdb_buffer_append_str(out, text);
	for (size_t i = letters; verb->minus && i < (size_t) verb->width; i++)
		tsdb_buffer_u8(out, ' ');
}

/* Go's %v of a float64. */
static void
print_shortest(TsdbBuffer *out, double number)
{
	char		text[TSDB_NUMBER_MAX];

	tsdb_buffer_append(out, text, tsdb_format_general_double(text, number));
}

void
tsdb_template_print_4g(TsdbBuffer *out, double number)
{
	if (!print_special(out, number))
		tsdb_buffer_printf(out, "%.4g", number);
}

static bool
print_special(TsdbBuffer *out, double number)
{
	if (isfinite(number))
		return false;
	tsdb_buffer_printf(out, "%s", isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
	return true;
}

static void
print_mismatch(TsdbBuffer *out, char letter, const TsdbTemplateValue *value)
{
	tsdb_buffer_printf(out, "%%!%c(", letter);
	print_typed(out, value);
	tsdb_buffer_u8(out, ')');
}

static void
print_typed(TsdbBuffer *out, const TsdbTemplateValue *value)
{
	static const char *const types[] = {
		[TSDB_TEMPLATE_STRING] = "string",
		[TSDB_TEMPLATE_FLOAT] = "float64",
		[TSDB_TEMPLATE_INTEGER] = "int",
		[TSDB_TEMPLATE_LABELS] = "map[string]string",
	};

	tsdb_buffer_printf(out, "%s=", types[value->kind]);
	tsdb_template_print(out, value);
}
