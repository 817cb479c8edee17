/*
 * label_name.c
 *		Label names as they stand in a path of the API: /api/v1/label/U__http_2e_status__code/values.
 *
 * Behind the prefix U__ two underscores mean one, and hexadecimal digits between underscores
 * mean the character with that code point: the name above is http.status_code.
 */
#include "core/json/json.h"
#include "core/promql/lexer.h"

#define PREFIX_BYTES 3
#define MAX_DIGITS 6			/* of U+10FFFF */

static size_t read_escape(TsdbStr text, int32_t *rune);
static int	hex_digit(char c);

TsdbStr
tsdb_json_label_name(TsdbArena *arena, TsdbStr name)
{
	TsdbStr		rest;
	char	   *out;
	size_t		len = 0;

	if (name.len < PREFIX_BYTES || memcmp(name.data, "U__", PREFIX_BYTES) != 0)
		return name;
	rest = (TsdbStr){name.data + PREFIX_BYTES, name.len - PREFIX_BYTES};
	out = tsdb_alloc(arena, name.len);	/* an escape is longer than its character */
	while (rest.len > 0)
	{
		size_t		width = 1;
		int32_t		rune;

		if (*rest.data != '_')
			out[len++] = *rest.data;
		else
		{
			width = read_escape(rest, &rune);
			if (width == 0)
				return name;
			len += tsdb_encode_rune(out + len, rune);
		}
		rest = (TsdbStr){rest.data + width, rest.len - width};
	}
	return (TsdbStr){out, len};
}

/* The bytes of the escape that the text begins with; 0 when it is none, and then the name means itself. */
static size_t
read_escape(TsdbStr text, int32_t *rune)
{
	*rune = text.len > 1 && text.data[1] == '_' ? '_' : 0;
	if (*rune == '_')
		return 2;
	for (size_t i = 1; i < text.len && i <= MAX_DIGITS + 1; i++)
	{
		if (text.data[i] == '_')
			return *rune <= 0x10ffff && (*rune & ~0x7ff) != 0xd800 ? i + 1 : 0;
		if (i > MAX_DIGITS || hex_digit(text.data[i]) < 0)
			return 0;
		*rune = *rune * 16 + hex_digit(text.data[i]);
	}
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
