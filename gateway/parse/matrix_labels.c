/*
 * matrix_labels.c
 *		The order of series, by the JSON of their labels.
 *
 * Prometheus compares names and values in turn, byte by byte, and a set that ends sooner comes first.  In JSON some bytes are
 * escaped, and the quote behind a string is not less than all that may stand in its place, so texts cannot be compared as they are.
 */
#include <string.h>

#include "gateway/parse/parse.h"

/* The strings of an object, one byte after the other. */
typedef struct Strings
{
	const unsigned char *at;
	const unsigned char *end;
	unsigned char pending[4];	/* of a character that was escaped */
	int			n_pending;
	int			taken;
} Strings;

#define END_OF_STRING (-1)

static bool next_string(Strings *strings);
static int	next_byte(Strings *strings);
static void unescape(Strings *strings);
static unsigned hex4(Strings *strings);

int
gw_compare_metrics(const char *a, size_t a_len, const char *b, size_t b_len)
{
	Strings		x = {(const unsigned char *) a, (const unsigned char *) a + a_len, {0}, 0, 0};
	Strings		y = {(const unsigned char *) b, (const unsigned char *) b + b_len, {0}, 0, 0};

	if (a_len == b_len && memcmp(a, b, a_len) == 0)
		return 0;
	for (;;)
	{
		bool		more = next_string(&x);
		int			c;
		int			d;

		if (more != next_string(&y))
			return more ? 1 : -1;
		if (!more)
			return 0;
		do
		{
			c = next_byte(&x);
			d = next_byte(&y);
			if (c != d)
				return c < d ? -1 : 1;
		} while (c != END_OF_STRING);
	}
}

/* Moves behind the quote that opens the next one. */
static bool
next_string(Strings *strings)
{
	while (strings->at < strings->end && *strings->at != '"')
		strings->at++;
	if (strings->at == strings->end)
		return false;
	strings->at++;
	return true;
}

static int
next_byte(Strings *strings)
{
	if (strings->taken < strings->n_pending)
		return strings->pending[strings->taken++];
	if (strings->at >= strings->end)
		return END_OF_STRING;
	if (*strings->at == '"')
	{
		strings->at++;
		return END_OF_STRING;
	}
	if (*strings->at != '\\' || strings->at + 1 >= strings->end)
		return *strings->at++;
	unescape(strings);
	return strings->pending[strings->taken++];
}

/* As much of UTF-8 as an escape can say; halves of a pair stay what they are, since the database writes none. */
static void
unescape(Strings *strings)
{
	static const char short_forms[] = "b\bf\fn\nr\rt\t";
	unsigned char c = strings->at[1];
	const char *found = strchr(short_forms, c);
	unsigned	code;

	strings->at += 2;
	strings->taken = 0;
	strings->n_pending = 1;
	if (c != 'u')
	{
		strings->pending[0] = found != NULL && c >= 'b' ? (unsigned char) found[1] : c;
		return;
	}
	code = hex4(strings);
	if (code < 0x80)
		strings->pending[0] = (unsigned char) code;
	else if (code < 0x800)
	{
		strings->n_pending = 2;
		strings->pending[0] = (unsigned char) (0xc0 | code >> 6);
		strings->pending[1] = (unsigned char) (0x80 | (code & 0x3f));
	}
	else
	{
		strings->n_pending = 3;
		strings->pending[0] = (unsigned char) (0xe0 | code >> 12);
		strings->pending[1] = (unsigned char) (0x80 | (code >> 6 & 0x3f));
		strings->pending[2] = (unsigned char) (0x80 | (code & 0x3f));
	}
}

static unsigned
hex4(Strings *strings)
{
	unsigned	code = 0;

	for (int i = 0; i < 4 && strings->at < strings->end && *strings->at != '"'; i++)
	{
		unsigned char c = *strings->at++;

		code = code * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10) % 16;
	}
	return code;
}
