/*
 * json.c
 *		Strings, numbers and label sets as JSON.
 *
 * Escapes are those of json-iterator, which Prometheus uses: \" \\ \n \r \t,
 * other control characters as \u00xx, everything else as it is.
 */
#include "core/json/json.h"

static const char hex[] = "0123456789abcdef";

static void
append_unicode_escape(TsdbBuffer *buffer, unsigned code)
{
	char		text[6] = {'\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15], hex[code & 15]};

	tsdb_buffer_append(buffer, text, sizeof(text));
}

static void
append_ascii(TsdbBuffer *buffer, unsigned char c)
{
	char		letter = c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : c == '"' || c == '\\' ? (char) c : '\0';

	if (letter == '\0')
	{
		append_unicode_escape(buffer, c);
		return;
	}
	tsdb_buffer_u8(buffer, '\\');
	tsdb_buffer_u8(buffer, (uint8_t) letter);
}

/* ASCII that stands for itself. */
static bool
is_plain(unsigned char c, bool html)
{
	if (c < 0x20 || c == '"' || c == '\\')
		return false;
	return !html || (c != '<' && c != '>' && c != '&');
}

/* U+2028 and U+2029 are e2 80 a8 and a9: line ends in JavaScript, but not in JSON. */
static bool
is_line_separator(const char *text, size_t left)
{
	return left >= 3 && memcmp(text, "\xe2\x80", 2) == 0 && ((unsigned char) text[2] & 0xfe) == 0xa8;
}

/* One character that is not plain ASCII; returns its bytes.  Valid UTF-8 reaches up to text[valid]. */
static size_t
append_special(TsdbBuffer *buffer, const char *text, size_t valid, bool html)
{
	unsigned char c = (unsigned char) text[0];

	if (c < 0x80)
	{
		append_ascii(buffer, c);
		return 1;
	}
	if (valid == 0)
	{
		append_unicode_escape(buffer, 0xfffd);
		return 1;
	}
	if (html && is_line_separator(text, valid))
	{
		append_unicode_escape(buffer, 0x2000 | (unsigned char) (text[2] & 0x7f));
		return 3;
	}
	tsdb_buffer_u8(buffer, c);
	return 1;
}

static void
append_string(TsdbBuffer *buffer, TsdbStr text, bool html)
{
	size_t		at = 0;
	size_t		valid_end = tsdb_utf8_valid_prefix(text.data, text.len);

	tsdb_buffer_u8(buffer, '"');
	while (at < text.len)
	{
		size_t		run = at;

		while (run < text.len && (unsigned char) text.data[run] < 0x80 && is_plain((unsigned char) text.data[run], html))
			run++;
		tsdb_buffer_append(buffer, text.data + at, run - at);
		at = run;
		if (at == text.len)
			break;
		if (at >= valid_end)
			valid_end = at + tsdb_utf8_valid_prefix(text.data + at, text.len - at);
		at += append_special(buffer, text.data + at, valid_end - at, html);
	}
	tsdb_buffer_u8(buffer, '"');
}

void
tsdb_json_string(TsdbBuffer *buffer, TsdbStr text)
{
	append_string(buffer, text, false);
}

void
tsdb_json_html_string(TsdbBuffer *buffer, TsdbStr text)
{
	append_string(buffer, text, true);
}

void
tsdb_json_timestamp(TsdbBuffer *buffer, int64_t milliseconds)
{
	uint64_t	magnitude = milliseconds < 0 ? 0 - (uint64_t) milliseconds : (uint64_t) milliseconds;
	char		text[32];
	char	   *end = text;

	if (milliseconds < 0)
		*end++ = '-';
	end += tsdb_format_u64(end, magnitude / 1000);
	if (magnitude % 1000 != 0)
	{
		/* with the zeros in front, which a larger number has behind its first digit */
		tsdb_format_u64(end, 1000 + magnitude % 1000);
		*end = '.';
		end += 4;
	}
	tsdb_buffer_append(buffer, text, (size_t) (end - text));
}

void
tsdb_json_value(TsdbBuffer *buffer, double value)
{
	char	   *out;

	tsdb_buffer_reserve(buffer, TSDB_NUMBER_MAX + 2);
	out = (char *) buffer->data + buffer->len;
	*out = '"';
	buffer->len += 1 + tsdb_format_json_double(out + 1, value);
	tsdb_buffer_u8(buffer, '"');
}

void
tsdb_json_number(TsdbBuffer *buffer, double value)
{
	char		text[TSDB_NUMBER_MAX];
	size_t		len = tsdb_format_json_double(text, value);

	/* json-iterator leaves out the zero of e-09 */
	if (len > 4 && memcmp(text + len - 4, "e-0", 3) == 0)
	{
		text[len - 2] = text[len - 1];
		len--;
	}
	tsdb_buffer_append(buffer, text, len);
}

void
tsdb_json_labels(TsdbBuffer *buffer, TsdbLabels labels)
{
	tsdb_buffer_u8(buffer, '{');
	for (size_t i = 0; i < labels.n; i++)
	{
		if (i > 0)
			tsdb_buffer_u8(buffer, ',');
		tsdb_json_string(buffer, labels.pairs[i].name);
		tsdb_buffer_u8(buffer, ':');
		tsdb_json_string(buffer, labels.pairs[i].value);
	}
	tsdb_buffer_u8(buffer, '}');
}
