/*
 * utf8.c
 *		UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, up to U+10FFFF.
 */
#include "core/base/base.h"

/* Bytes of the valid sequence at p, or 0. */
static size_t
sequence_length(const unsigned char *p, size_t left)
{
	unsigned char lead = p[0];
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t		len;

	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	if (lead == 0xe0)
		low = 0xa0;				/* overlong */
	else if (lead == 0xed)
		high = 0x9f;			/* surrogates */
	else if (lead == 0xf0)
		low = 0x90;				/* overlong */
	else if (lead == 0xf4)
		high = 0x8f;			/* above U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

size_t
tsdb_utf8_valid_prefix(const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *) data;
	size_t		at = 0;

	while (at < len)
	{
		uint64_t	word;
		size_t		step;

		/* eight ASCII bytes at a time: nearly all labels are ASCII */
		while (len - at >= 8)
		{
			memcpy(&word, p + at, 8);
			if ((word & UINT64_C(0x8080808080808080)) != 0)
				break;
			at += 8;
		}
		if (at == len)
			break;
		step = sequence_length(p + at, len - at);
		if (step == 0)
			break;
		at += step;
	}
	return at;
}

size_t
tsdb_utf8_copy(char *to, size_t size, const char *from)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t		left = strlen(from);
	size_t		at = 0;

	while (left > 0)
	{
		size_t		step = sequence_length((const unsigned char *) from, left);
		const char *character = step > 0 ? from : replacement;
		size_t		len = step > 0 ? step : sizeof(replacement) - 1;

		if (at + len >= size)
			break;
		memcpy(to + at, character, len);
		at += len;
		from += step > 0 ? step : 1;
		left -= step > 0 ? step : 1;
	}
	to[at] = '\0';
	return at;
}
