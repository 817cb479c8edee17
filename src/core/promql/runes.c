/*
 * runes.c
 *		Characters and strings as Go prints them: %q and %#U.
 */
#include "core/promql/lexer.h"

#include <stdio.h>

int32_t
tsdb_decode_rune(const char *text, size_t len, int32_t *width)
{
	const unsigned char *p = (const unsigned char *) text;
	int32_t		rune;

	*width = 1;
	if (len > 4)
		len = 4;
	if (p[0] < 0x80)
		return p[0];
	*width = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if ((size_t) *width > len || tsdb_utf8_valid_prefix(text, (size_t) *width) != (size_t) *width)
	{
		*width = 1;
		return RUNE_INVALID;
	}
	rune = p[0] & (0xff >> (*width + 1));
	for (int32_t i = 1; i < *width; i++)
		rune = (rune << 6) | (p[i] & 0x3f);
	return rune;
}

size_t
tsdb_encode_rune(char *out, int32_t rune)
{
	if (rune < 0x80)
	{
		out[0] = (char) rune;
		return 1;
	}
	if (rune < 0x800)
	{
		out[0] = (char) (0xc0 | (rune >> 6));
		out[1] = (char) (0x80 | (rune & 0x3f));
		return 2;
	}
	if (rune < 0x10000)
	{
		out[0] = (char) (0xe0 | (rune >> 12));
		out[1] = (char) (0x80 | ((rune >> 6) & 0x3f));
		out[2] = (char) (0x80 | (rune & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | (rune >> 18));
	out[1] = (char) (0x80 | ((rune >> 12) & 0x3f));
	out[2] = (char) (0x80 | ((rune >> 6) & 0x3f));
	out[3] = (char) (0x80 | (rune & 0x3f));
	return 4;
}

/*
 * Go asks the Unicode tables for letters, marks, numbers, punctuation and
 * symbols.  These are the blocks that hold none of them; code points not assigned
 * yet, which Go escapes, count as printable here.
 */
bool
tsdb_rune_is_print(int32_t rune)
{
	static const struct
	{
		int32_t		first;
		int32_t		last;
	}			unprintable[] =
	{
		{0x0000, 0x001f}, {0x007f, 0x00a0}, {0x00ad, 0x00ad}, {0x0600, 0x0605}, {0x061c, 0x061c}, {0x06dd, 0x06dd},
		{0x070f, 0x070f}, {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f},
		{0x3000, 0x3000}, {0xd800, 0xf8ff}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe00ff},
		{0xe01f0, 0x7fffffff},
	};

	for (size_t i = 0; i < TSDB_COUNT(unprintable); i++)
		if (rune >= unprintable[i].first && rune <= unprintable[i].last)
			return false;
	return true;
}

/* The letter of a one-letter escape, or 0. */
static char
escape_letter(int32_t rune)
{
	static const char from[] = "\a\b\f\n\r\t\v\\'";
	static const char to[] = "abfnrtv\\'";
	const char *found = rune > 0 && rune < 0x80 ? strchr(from, rune) : NULL;

	return found != NULL ? to[found - from] : '\0';
}

const char *
tsdb_quote_rune(char out[QUOTED_RUNE_MAX], int32_t rune)
{
	char		encoded[4];

	if (rune < 0 || rune > 0x10ffff)
		rune = RUNE_INVALID;
	if (escape_letter(rune) != '\0')
		snprintf(out, QUOTED_RUNE_MAX, "'\\%c'", escape_letter(rune));
	else if (tsdb_rune_is_print(rune))
		snprintf(out, QUOTED_RUNE_MAX, "'%.*s'", (int) tsdb_encode_rune(encoded, rune), encoded);
	else if (rune < 0x20 || rune == 0x7f)
		snprintf(out, QUOTED_RUNE_MAX, "'\\x%02x'", (unsigned) rune);
	else if (rune < 0x10000)
		snprintf(out, QUOTED_RUNE_MAX, "'\\u%04x'", (unsigned) rune);
	else
		snprintf(out, QUOTED_RUNE_MAX, "'\\U%08x'", (unsigned) rune);
	return out;
}

const char *
tsdb_name_rune(char out[2 * QUOTED_RUNE_MAX], int32_t rune)
{
	char		encoded[4];

	if (tsdb_rune_is_print(rune))
		snprintf(out, 2 * QUOTED_RUNE_MAX, "U+%04X '%.*s'", (unsigned) rune, (int) tsdb_encode_rune(encoded, rune), encoded);
	else
		snprintf(out, 2 * QUOTED_RUNE_MAX, "U+%04X", (unsigned) rune);
	return out;
}

/* The body of a quoted rune, without its quotes; a rune that is not printable always comes out as ASCII. */
static void
append_escaped(TsdbBuffer *buffer, int32_t rune)
{
	char		quoted[QUOTED_RUNE_MAX];

	tsdb_quote_rune(quoted, rune);
	tsdb_buffer_append(buffer, quoted + 1, strlen(quoted) - 2);
}

void
tsdb_quote_string(TsdbBuffer *buffer, TsdbStr text)
{
	tsdb_buffer_u8(buffer, '"');
	for (size_t at = 0; at < text.len;)
	{
		int32_t		width;
		int32_t		rune = tsdb_decode_rune(text.data + at, text.len - at, &width);

		if (rune == RUNE_INVALID && width == 1)
			tsdb_buffer_printf(buffer, "\\x%02x", (unsigned char) text.data[at]);
		else if (rune == RUNE_INVALID)
			tsdb_buffer_append_str(buffer, TSDB_STR("\\ufffd"));
		else if (rune == '"')
			tsdb_buffer_append_str(buffer, TSDB_STR("\\\""));
		else if (rune == '\'')
			tsdb_buffer_u8(buffer, '\'');
		else
			append_escaped(buffer, rune);
		at += (size_t) width;
	}
	tsdb_buffer_u8(buffer, '"');
}
