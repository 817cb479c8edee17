/*
 * labels_text.c
 *		Label sets as text: name{a="x", "b.c"="y"}.
 *
 *		labels	= [ metric ] [ "{" [ item { "," item } [ "," ] ] "}" ]
 *		item	= name "=" string | string [ "=" string ]
 *
 * A string without "=" is the metric name.  Strings are in double quotes with
 * the escapes of Go's strconv.Quote.
 */
#include "core/labels/labels.h"

/* ---- printing ---- */

/* Bytes of the multi-byte character that stands here; 0 when it is not valid. */
static size_t
rune_width(const char *data, size_t len)
{
	for (size_t width = 2; width <= 4 && width <= len; width++)
		if (tsdb_utf8_valid_prefix(data, width) == width)
			return width;
	return 0;
}

/* Go's strconv.Quote for valid UTF-8: control characters are escaped, everything printable stays. */
void
tsdb_quote(TsdbBuffer *buffer, TsdbStr text)
{
	tsdb_buffer_u8(buffer, '"');
	for (size_t i = 0; i < text.len; i++)
	{
		static const char letters[] = "abtnvfr";	/* of the control characters 7 to 13 */
		unsigned char c = (unsigned char) text.data[i];

		if (c == '"' || c == '\\')
		{
			tsdb_buffer_u8(buffer, '\\');
			tsdb_buffer_u8(buffer, c);
		}
		else if (c >= 7 && c <= 13)
		{
			tsdb_buffer_u8(buffer, '\\');
			tsdb_buffer_u8(buffer, (uint8_t) letters[c - 7]);
		}
		else if (c < 0x20 || c == 0x7f)
			tsdb_buffer_printf(buffer, "\\x%02x", c);
		else if (c < 0x80)
			tsdb_buffer_u8(buffer, c);
		else
		{
			size_t		width = rune_width(text.data + i, text.len - i);

			if (width == 0)
				tsdb_buffer_printf(buffer, "\\x%02x", c);
			else
			{
				tsdb_buffer_append(buffer, text.data + i, width);
				i += width - 1;
			}
		}
	}
	tsdb_buffer_u8(buffer, '"');
}

static void
print_name(TsdbBuffer *buffer, TsdbStr name, bool legacy)
{
	if (legacy)
		tsdb_buffer_append_str(buffer, name);
	else
		tsdb_quote(buffer, name);
}

void
tsdb_labels_print(TsdbBuffer *buffer, TsdbLabels labels)
{
	TsdbStr		metric = tsdb_labels_get(labels, TSDB_STR(TSDB_METRIC_NAME));
	bool		outside = metric.len > 0 && tsdb_is_legacy_metric_name(metric);
	bool		first = true;

	if (outside)
		tsdb_buffer_append_str(buffer, metric);
	if (outside && labels.n == 1)
		return;
	tsdb_buffer_u8(buffer, '{');
	if (metric.len > 0 && !outside)
	{
		tsdb_quote(buffer, metric);
		first = false;
	}
	for (size_t i = 0; i < labels.n; i++)
	{
		const TsdbLabel *pair = &labels.pairs[i];

		if (tsdb_str_equal(pair->name, TSDB_STR(TSDB_METRIC_NAME)))
			continue;
		if (!first)
			tsdb_buffer_append(buffer, ", ", 2);
		first = false;
		print_name(buffer, pair->name, tsdb_is_legacy_label_name(pair->name));
		tsdb_buffer_u8(buffer, '=');
		tsdb_quote(buffer, pair->value);
	}
	tsdb_buffer_u8(buffer, '}');
}

/* ---- parsing ---- */

typedef struct Parser
{
	TsdbArena  *arena;
	TsdbStr		text;
	size_t		at;
	TsdbError  *error;
	TsdbLabel  *pairs;
	size_t		n;
	size_t		capacity;
} Parser;

static TsdbStatus
fail_here(Parser *parser, const char *what)
{
	if (parser->at >= parser->text.len)
		return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, (int64_t) parser->text.len, (int64_t) parser->text.len,
							"expected %s at the end of the label set", what);
	return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, (int64_t) parser->at, (int64_t) parser->at + 1,
						"expected %s at byte %zu of the label set", what, parser->at + 1);
}

static void
skip_space(Parser *parser)
{
	while (parser->at < parser->text.len && strchr(" \t\r\n", parser->text.data[parser->at]) != NULL &&
		   parser->text.data[parser->at] != '\0')
		parser->at++;
}

static bool
take(Parser *parser, char c)
{
	skip_space(parser);
	if (parser->at >= parser->text.len || parser->text.data[parser->at] != c)
		return false;
	parser->at++;
	return true;
}

static TsdbStr
bare_name(Parser *parser)
{
	size_t		start;

	skip_space(parser);
	start = parser->at;
	while (parser->at < parser->text.len)
	{
		char		c = parser->text.data[parser->at];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
			  (parser->at > start && c >= '0' && c <= '9')))
			break;
		parser->at++;
	}
	return (TsdbStr){parser->text.data + start, parser->at - start};
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \xhh, \uhhhh, \Uhhhhhhhh: the digits behind the letter */
static TsdbStatus
hex_escape(Parser *parser, int digits, TsdbBuffer *out)
{
	uint32_t	code = 0;

	for (int i = 0; i < digits; i++, parser->at++)
	{
		int			digit = parser->at < parser->text.len ? hex_value(parser->text.data[parser->at]) : -1;

		if (digit < 0)
			return fail_here(parser, "a hexadecimal digit");
		code = code << 4 | (uint32_t) digit;
	}
	if (digits == 2 || code < 0x80)
	{
		tsdb_buffer_u8(out, (uint8_t) code);
		return TSDB_OK;
	}
	if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return fail_here(parser, "a Unicode character");
	if (code < 0x800)
		tsdb_buffer_u8(out, (uint8_t) (0xc0 | code >> 6));
	else
	{
		if (code < 0x10000)
			tsdb_buffer_u8(out, (uint8_t) (0xe0 | code >> 12));
		else
		{
			tsdb_buffer_u8(out, (uint8_t) (0xf0 | code >> 18));
			tsdb_buffer_u8(out, (uint8_t) (0x80 | (code >> 12 & 0x3f)));
		}
		tsdb_buffer_u8(out, (uint8_t) (0x80 | (code >> 6 & 0x3f)));
	}
	tsdb_buffer_u8(out, (uint8_t) (0x80 | (code & 0x3f)));
	return TSDB_OK;
}

static TsdbStatus
escape(Parser *parser, TsdbBuffer *out)
{
	static const char letters[] = "abtnvfr";
	char		c = parser->at < parser->text.len ? parser->text.data[parser->at] : '\0';
	const char *letter = c == '\0' ? NULL : strchr(letters, c);

	if (letter != NULL)
		c = (char) (7 + (letter - letters));
	else if (c == 'x' || c == 'u' || c == 'U')
	{
		parser->at++;
		return hex_escape(parser, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
	}
	else if (c != '"' && c != '\\' && c != '\'')
		return fail_here(parser, "an escape sequence");
	parser->at++;
	tsdb_buffer_u8(out, (uint8_t) c);
	return TSDB_OK;
}

static TsdbStatus
quoted(Parser *parser, TsdbStr *result)
{
	TsdbBuffer	out;

	if (!take(parser, '"'))
		return fail_here(parser, "a string in double quotes");
	tsdb_buffer_init(&out, parser->arena, 32);
	for (;;)
	{
		char		c;

		if (parser->at >= parser->text.len)
			return fail_here(parser, "a closing quote");
		c = parser->text.data[parser->at++];
		if (c == '"')
			break;
		if (c != '\\')
			tsdb_buffer_u8(&out, (uint8_t) c);
		else if (escape(parser, &out) != TSDB_OK)
			return parser->error->code;
	}
	*result = (TsdbStr){(const char *) out.data, out.len};
	return TSDB_OK;
}

static TsdbStatus
add(Parser *parser, TsdbStr name, TsdbStr value)
{
	if (parser->n == TSDB_MAX_LABELS)
		return tsdb_fail(parser->error, TSDB_ERR_LABELS, "label set has more than %d labels", TSDB_MAX_LABELS);
	if (parser->n == parser->capacity)
	{
		size_t		wider = parser->capacity * 2 + 8;

		parser->pairs = tsdb_grow(parser->arena, parser->pairs, parser->capacity * sizeof(TsdbLabel),
								  wider * sizeof(TsdbLabel));
		parser->capacity = wider;
	}
	parser->pairs[parser->n++] = (TsdbLabel){name, value};
	return TSDB_OK;
}

static TsdbStatus
item(Parser *parser)
{
	TsdbStr		name;
	TsdbStr		value;

	skip_space(parser);
	if (parser->at < parser->text.len && parser->text.data[parser->at] == '"')
	{
		if (quoted(parser, &name) != TSDB_OK)
			return parser->error->code;
		if (!take(parser, '='))
			return add(parser, TSDB_STR(TSDB_METRIC_NAME), name);
	}
	else
	{
		name = bare_name(parser);
		if (name.len == 0)
			return fail_here(parser, "a label name");
		if (!take(parser, '='))
			return fail_here(parser, "\"=\"");
	}
	if (quoted(parser, &value) != TSDB_OK)
		return parser->error->code;
	return add(parser, name, value);
}

static TsdbStatus
items(Parser *parser)
{
	while (!take(parser, '}'))
	{
		if (item(parser) != TSDB_OK)
			return parser->error->code;
		if (take(parser, ','))
			continue;
		if (!take(parser, '}'))
			return fail_here(parser, "\",\" or \"}\"");
		break;
	}
	return TSDB_OK;
}

TsdbStatus
tsdb_labels_parse(TsdbArena *arena, TsdbStr text, TsdbLabels *labels, TsdbError *error)
{
	Parser		parser = {.arena = arena, .text = text, .error = error};
	TsdbStr		metric = bare_name(&parser);

	if (metric.len > 0 && add(&parser, TSDB_STR(TSDB_METRIC_NAME), metric) != TSDB_OK)
		return error->code;
	if (take(&parser, '{'))
	{
		if (items(&parser) != TSDB_OK)
			return error->code;
	}
	else if (metric.len == 0)
		return fail_here(&parser, "a metric name or \"{\"");
	skip_space(&parser);
	if (parser.at < text.len)
		return fail_here(&parser, "the end");
	return tsdb_labels_make(parser.pairs, parser.n, labels, error);
}
