/*
 * template.c
 *		Texts of labels and annotations with {{ actions }}, as Prometheus rules have them.
 *
 * Prometheus uses Go's text/template.  This is the part of it that texts of
 * alerts are made of:
 *
 *		template   text { "{{" ["- "] [ pipeline | comment ] [" -"] "}}" text }
 *		pipeline   command { "|" command }
 *		command    operand | function { operand }
 *		operand    $value | .Value | $labels[.name] | .Labels[.name] | $externalLabels.name
 *				   | "string" | `string` | number | true | false | "(" pipeline ")"
 *
 * with the functions of the table in template_functions.c.  What a pipe
 * carries is the last argument of the next command.  Control structures (if, range, with,
 * define ...), variables of one's own and functions that run queries are not there:
 * they are named in the error, never left out silently.  An action is evaluated while it is
 * parsed; there is no tree.
 */
#include "core/rules/template.h"
#include "core/rules/template_internal.h"

#define MAX_DEPTH 32
#define MAX_ARGUMENTS 16

typedef struct Parser
{
	TsdbArena  *arena;
	const TsdbTemplateData *data;
	TsdbStr		text;
	size_t		at;				/* byte offset of the next character */
	int			depth;
	TsdbError  *error;
} Parser;

static TsdbStatus expand_text(Parser *parser, TsdbBuffer *out);
static TsdbStatus expand_action(Parser *parser, TsdbBuffer *out);
static TsdbStatus parse_pipeline(Parser *parser, TsdbTemplateValue *value);
static TsdbStatus parse_command(Parser *parser, const TsdbTemplateValue *piped, TsdbTemplateValue *value);
static TsdbStatus parse_call(Parser *parser, const TsdbTemplateValue *piped, TsdbTemplateValue *value);
static TsdbStatus parse_operand(Parser *parser, TsdbTemplateValue *value);
static TsdbStatus parse_variable(Parser *parser, TsdbTemplateValue *value);
static TsdbStatus parse_quoted(Parser *parser, TsdbTemplateValue *value);
static TsdbStatus parse_raw(Parser *parser, TsdbTemplateValue *value);
static TsdbStatus parse_number(Parser *parser, TsdbTemplateValue *value);
static TsdbStatus bad_token(Parser *parser, size_t start, const char *what);
static bool unescape(Parser *parser, TsdbBuffer *out);
static TsdbStr parse_word(Parser *parser);
static void skip_space(Parser *parser);
static bool at_operand(const Parser *parser);
static bool at_text(const Parser *parser, const char *text);
static bool at_close(const Parser *parser);
static int	peek(const Parser *parser);
static bool is_space(int c);
static bool is_word(int c);
static TsdbStr error_text(TsdbArena *arena, TsdbStr name, TsdbStr text, const TsdbError *error);

TsdbStr
tsdb_template_expand(TsdbArena *arena, TsdbStr name, TsdbStr text, const TsdbTemplateData *data)
{
	TsdbError	error;
	Parser		parser = {arena, data, text, 0, 0, &error};
	TsdbBuffer	out;

	tsdb_error_clear(&error);
	tsdb_buffer_init(&out, arena, text.len + 16);
	if (expand_text(&parser, &out) != TSDB_OK)
		return error_text(arena, name, text, &error);
	return (TsdbStr) {(const char *) out.data, out.len};
}

/* The template is tried on a series without labels; what goes wrong because of that is no fault of its own. */
TsdbStatus
tsdb_template_check(TsdbArena *arena, TsdbStr text, TsdbError *error)
{
	TsdbTemplateData data = {{NULL, 0}, 0};
	Parser		parser = {arena, &data, text, 0, 0, error};
	TsdbBuffer	out;
	TsdbStatus	status;

	tsdb_buffer_init(&out, arena, text.len + 16);
	status = expand_text(&parser, &out);
	if (status != TSDB_ERR_EXECUTION)
		return status;
	tsdb_error_clear(error);
	return TSDB_OK;
}

static TsdbStr
error_text(TsdbArena *arena, TsdbStr name, TsdbStr text, const TsdbError *error)
{
	bool		ran = error->code == TSDB_ERR_EXECUTION;
	TsdbBuffer	out;
	int			line = 1;

	for (int64_t i = 0; i < error->start; i++)
		line += text.data[i] == '\n';
	tsdb_buffer_init(&out, arena, 256);
	tsdb_buffer_printf(&out, "<error expanding template: error %s template __alert_%.*s: template: __alert_%.*s:%d: %s>",
					   ran ? "executing" : "parsing", (int) name.len, name.data, (int) name.len, name.data,
					   line, error->message);
	return (TsdbStr) {(const char *) out.data, out.len};
}

/* ---- text and actions ---- */

static TsdbStatus
expand_text(Parser *parser, TsdbBuffer *out)
{
	bool		trim = false;	/* the action before ended with " -}}" */

	while (parser->at < parser->text.len)
	{
		size_t		start;
		TsdbStatus	status;

		while (trim && is_space(peek(parser)))
			parser->at++;
		start = parser->at;
		while (parser->at < parser->text.len && !at_text(parser, "{{"))
			parser->at++;
		tsdb_buffer_append(out, parser->text.data + start, parser->at - start);
		if (parser->at == parser->text.len)
			break;

		parser->at += 2;
		if (at_text(parser, "-") && parser->at + 1 < parser->text.len && is_space(parser->text.data[parser->at + 1]))
		{
			parser->at++;
			while (out->len > 0 && is_space(out->data[out->len - 1]))
				out->len--;
		}
		status = expand_action(parser, out);
		if (status != TSDB_OK)
			return status;
		skip_space(parser);
		trim = at_text(parser, "-}}");
		if (!at_close(parser))
			return bad_token(parser, parser->at, "in operand");
		parser->at += trim ? 3 : 2;
	}
	return TSDB_OK;
}

static TsdbStatus
expand_action(Parser *parser, TsdbBuffer *out)
{
	TsdbTemplateValue value;
	TsdbStatus	status;

	skip_space(parser);
	if (at_text(parser, "/*"))
	{
		size_t		start = parser->at;

		while (parser->at < parser->text.len && !at_text(parser, "*/"))
			parser->at++;
		if (parser->at == parser->text.len)
			return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start, parser->at, "unclosed comment");
		parser->at += 2;
		return TSDB_OK;
	}
	if (at_close(parser))
		return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, parser->at, parser->at, "missing value for command");
	status = parse_pipeline(parser, &value);
	if (status == TSDB_OK)
		tsdb_template_print(out, &value);
	return status;
}

static TsdbStatus
parse_pipeline(Parser *parser, TsdbTemplateValue *value)
{
	TsdbTemplateValue piped;
	bool		first = true;

	if (++parser->depth > MAX_DEPTH)
		return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, parser->at, parser->at, "too many nested parentheses");
	do
	{
		TsdbStatus	status;

		if (!first)
			parser->at++;		/* the bar */
		status = parse_command(parser, first ? NULL : &piped, value);
		if (status != TSDB_OK)
			return status;
		piped = *value;
		first = false;
		skip_space(parser);
	} while (peek(parser) == '|');
	parser->depth--;
	return TSDB_OK;
}

static TsdbStatus
parse_command(Parser *parser, const TsdbTemplateValue *piped, TsdbTemplateValue *value)
{
	size_t		start;
	TsdbStatus	status;

	skip_space(parser);
	start = parser->at;
	if (is_word(peek(parser)) && !(peek(parser) >= '0' && peek(parser) <= '9') &&
		!at_operand(parser))
		return parse_call(parser, piped, value);

	status = parse_operand(parser, value);
	if (status != TSDB_OK)
		return status;
	skip_space(parser);
	if (piped != NULL || at_operand(parser) || is_word(peek(parser)))
		return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start, parser->at,
							"can't give argument to non-function %.*s", (int) (parser->at - start), parser->text.data + start);
	return TSDB_OK;
}

static TsdbStatus
parse_call(Parser *parser, const TsdbTemplateValue *piped, TsdbTemplateValue *value)
{
	TsdbTemplateValue arguments[MAX_ARGUMENTS];
	int			n = 0;
	size_t		start = parser->at;
	TsdbStr		name = parse_word(parser);
	const TsdbTemplateFunction *function = tsdb_template_function(name);
	TsdbStatus	status;

	if (function == NULL && tsdb_template_is_known(name))
		return tsdb_fail_at(parser->error, TSDB_ERR_UNSUPPORTED, start, parser->at,
							"\"%.*s\" is not supported in templates", (int) name.len, name.data);
	if (function == NULL)
		return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start, parser->at,
							"function \"%.*s\" not defined", (int) name.len, name.data);

	for (skip_space(parser); at_operand(parser); skip_space(parser))
	{
		if (n == MAX_ARGUMENTS - 1)
			return bad_token(parser, parser->at, "after too many arguments");
		status = parse_operand(parser, &arguments[n]);
		if (status != TSDB_OK)
			return status;
		n++;
	}
	if (is_word(peek(parser)))
		return bad_token(parser, parser->at, "as an argument: put it in parentheses");
	if (piped != NULL)
		arguments[n++] = *piped;
	if (n < function->min_arguments || n > function->max_arguments)
		return tsdb_fail_at(parser->error, TSDB_ERR_EXECUTION, start, parser->at,
							"wrong number of args for %s: want %s%d got %d", function->name,
							function->max_arguments > function->min_arguments ? "at least " : "", function->min_arguments, n);
	status = tsdb_template_call(parser->arena, function, arguments, n, value, parser->error);
	if (status != TSDB_OK)
		parser->error->start = parser->error->end = (int64_t) start;
	return status;
}

/* ---- operands ---- */

static TsdbStatus
parse_operand(Parser *parser, TsdbTemplateValue *value)
{
	int			c = peek(parser);
	TsdbStatus	status;

	if (c == '$' || c == '.')
		return parse_variable(parser, value);
	if (c == '"')
		return parse_quoted(parser, value);
	if (c == '`')
		return parse_raw(parser, value);
	if (c == '(')
	{
		parser->at++;
		status = parse_pipeline(parser, value);
		if (status != TSDB_OK)
			return status;
		if (peek(parser) != ')')
			return bad_token(parser, parser->at, "instead of a right parenthesis");
		parser->at++;
		return TSDB_OK;
	}
	if (at_operand(parser))
		return parse_number(parser, value);
	return bad_token(parser, parser->at, "in command");
}

static TsdbStatus
parse_variable(Parser *parser, TsdbTemplateValue *value)
{
	size_t		start = parser->at++;
	bool		dollar = parser->text.data[start] == '$';
	TsdbStr		name = parse_word(parser);
	bool		own = tsdb_str_equal(name, dollar ? TSDB_STR("labels") : TSDB_STR("Labels"));

	if (tsdb_str_equal(name, dollar ? TSDB_STR("value") : TSDB_STR("Value")))
	{
		*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_FLOAT, .number = parser->data->value};
		if (peek(parser) == '.')
			return bad_token(parser, parser->at, "after a number");
		return TSDB_OK;
	}
	if (!own && !tsdb_str_equal(name, dollar ? TSDB_STR("externalLabels") : TSDB_STR("ExternalLabels")))
		return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start, parser->at, "undefined variable \"%.*s\"",
							(int) (parser->at - start), parser->text.data + start);

	*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_LABELS};
	if (own)
		value->labels = parser->data->labels;
	if (peek(parser) == '.')
	{
		parser->at++;
		name = parse_word(parser);
		if (name.len == 0)
			return bad_token(parser, parser->at, "instead of a label name");
		*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = tsdb_labels_get(value->labels, name)};
	}
	return TSDB_OK;
}

static TsdbStatus
parse_quoted(Parser *parser, TsdbTemplateValue *value)
{
	size_t		start = parser->at++;
	TsdbBuffer	out;

	tsdb_buffer_init(&out, parser->arena, 16);
	while (peek(parser) != '"')
	{
		if (parser->at == parser->text.len || peek(parser) == '\n')
			return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start, parser->at, "unterminated quoted string");
		if (peek(parser) != '\\')
			tsdb_buffer_u8(&out, (uint8_t) parser->text.data[parser->at++]);
		else if (!unescape(parser, &out))
			return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start, parser->at, "invalid escape in quoted string");
	}
	parser->at++;
	*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = {(const char *) out.data, out.len}};
	return TSDB_OK;
}

/* One letter after the backslash: what texts for people need of Go's escapes. */
static bool
unescape(Parser *parser, TsdbBuffer *out)
{
	static const char letters[] = "nrt\\\"'";
	static const char meanings[] = "\n\r\t\\\"'";
	const char *found;

	parser->at++;
	if (parser->at == parser->text.len || peek(parser) == '\0')
		return false;
	found = strchr(letters, peek(parser));
	if (found == NULL)
		return false;
	parser->at++;
	tsdb_buffer_u8(out, (uint8_t) meanings[found - letters]);
	return true;
}

static TsdbStatus
parse_raw(Parser *parser, TsdbTemplateValue *value)
{
	size_t		start = ++parser->at;

	while (parser->at < parser->text.len && peek(parser) != '`')
		parser->at++;
	if (parser->at == parser->text.len)
		return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start - 1, parser->at, "unterminated raw quoted string");
	*value = (TsdbTemplateValue) {.kind = TSDB_TEMPLATE_STRING, .string = {parser->text.data + start, parser->at - start}};
	parser->at++;
	return TSDB_OK;
}

static TsdbStatus
parse_number(Parser *parser, TsdbTemplateValue *value)
{
	size_t		start = parser->at;
	bool		whole = true;
	TsdbStr		digits;

	if (peek(parser) == '-' || peek(parser) == '+')
		parser->at++;
	while (is_word(peek(parser)) || peek(parser) == '.' ||
		   ((peek(parser) == '-' || peek(parser) == '+') && (parser->text.data[parser->at - 1] | 32) == 'e'))
	{
		whole = whole && peek(parser) >= '0' && peek(parser) <= '9';
		parser->at++;
	}
	digits = (TsdbStr) {parser->text.data + start, parser->at - start};
	*value = (TsdbTemplateValue) {.kind = whole ? TSDB_TEMPLATE_INTEGER : TSDB_TEMPLATE_FLOAT};
	if (!tsdb_parse_double(digits, &value->number))
		return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start, parser->at, "bad number syntax: \"%.*s\"",
							(int) digits.len, digits.data);
	return TSDB_OK;
}

/* ---- characters ---- */

static TsdbStatus
bad_token(Parser *parser, size_t start, const char *what)
{
	size_t		end = start < parser->text.len ? start + 1 : start;

	if (start == end)
		return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start, end, "unclosed action");
	return tsdb_fail_at(parser->error, TSDB_ERR_SYNTAX, start, end, "unexpected \"%c\" %s",
						(parser->text.data[start] & 0x80) ? '?' : parser->text.data[start], what);
}

static TsdbStr
parse_word(Parser *parser)
{
	size_t		start = parser->at;

	while (is_word(peek(parser)))
		parser->at++;
	return (TsdbStr) {parser->text.data + start, parser->at - start};
}

static void
skip_space(Parser *parser)
{
	while (is_space(peek(parser)))
		parser->at++;
}

static bool
at_operand(const Parser *parser)
{
	int			c = peek(parser);
	bool		sign = c == '-' || c == '+';
	int			next = parser->at + 1 < parser->text.len ? (unsigned char) parser->text.data[parser->at + 1] : -1;

	return c == '$' || c == '.' || c == '"' || c == '`' || c == '(' || (c >= '0' && c <= '9') ||
		(sign && ((next >= '0' && next <= '9') || next == '.'));
}

static bool
at_text(const Parser *parser, const char *text)
{
	size_t		len = strlen(text);

	return parser->text.len - parser->at >= len && memcmp(parser->text.data + parser->at, text, len) == 0;
}

static bool
at_close(const Parser *parser)
{
	return at_text(parser, "}}") || at_text(parser, "-}}");
}

static int
peek(const Parser *parser)
{
	return parser->at < parser->text.len ? (unsigned char) parser->text.data[parser->at] : -1;
}

static bool
is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_word(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}
