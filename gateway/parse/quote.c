/*
 * quote.c
 *		Text inside JSON, inside an array literal, inside a message.
 */
#include <string.h>

#include "gateway/parse/parse.h"

static bool
is_continuation(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Neither overlong forms nor surrogates are characters. */
size_t
gw_utf8_char(const unsigned char *text, size_t len)
{
	if (len >= 1 && text[0] < 0x80)
		return 1;
	if (len >= 2 && text[0] >= 0xc2 && text[0] <= 0xdf && is_continuation(text[1]))
		return 2;
	if (len >= 3 && (text[0] & 0xf0) == 0xe0 && is_continuation(text[1]) && is_continuation(text[2]) &&
		!(text[0] == 0xe0 && text[1] < 0xa0) && !(text[0] == 0xed && text[1] > 0x9f))
		return 3;
	if (len >= 4 && text[0] >= 0xf0 && text[0] <= 0xf4 && is_continuation(text[1]) && is_continuation(text[2]) &&
		is_continuation(text[3]) && !(text[0] == 0xf0 && text[1] < 0x90) && !(text[0] == 0xf4 && text[1] > 0x8f))
		return 4;
	return 0;
}

bool
gw_is_utf8(const char *text, size_t len)
{
	while (len > 0)
	{
		size_t		n = gw_utf8_char((const unsigned char *) text, len);

		if (n == 0)
			return false;
		text += n;
		len -= n;
	}
	return true;
}

void
gw_quote_json(GwBuffer *out, const char *text, size_t len)
{
	gw_buffer_append(out, "\"", 1);
	while (len > 0)
	{
		unsigned char byte = (unsigned char) *text;
		size_t		n = gw_utf8_char((const unsigned char *) text, len);

		if (byte == '"' || byte == '\\')
			gw_buffer_printf(out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			gw_buffer_printf(out, "\\u%04x", byte);
		else if (n == 0)
			gw_buffer_puts(out, "\\ufffd");
		else
			gw_buffer_append(out, text, n);
		n = n == 0 ? 1 : n;
		text += n;
		len -= n;
	}
	gw_buffer_append(out, "\"", 1);
}

void
gw_quote_element(GwBuffer *out, const char *text)
{
	gw_buffer_append(out, "\"", 1);
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			gw_buffer_append(out, "\\", 1);
		gw_buffer_append(out, text, 1);
	}
	gw_buffer_append(out, "\"", 1);
}

void
gw_quote_go(GwBuffer *out, const char *text)
{
	gw_buffer_append(out, "\"", 1);
	for (; *text != '\0'; text++)
	{
		unsigned char byte = (unsigned char) *text;

		if (byte == '"' || byte == '\\')
			gw_buffer_printf(out, "\\%c", byte);
		else if (byte == '\n' || byte == '\t' || byte == '\r')
			gw_buffer_puts(out, byte == '\n' ? "\\n" : byte == '\t' ? "\\t" : "\\r");
		else if (byte < 0x20 || byte == 0x7f)
			gw_buffer_printf(out, "\\x%02x", byte);
		else
			gw_buffer_append(out, text, 1);
	}
	gw_buffer_append(out, "\"", 1);
}
