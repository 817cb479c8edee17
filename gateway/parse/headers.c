/*
 * headers.c
 *		Headers that choose a format.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/parse/parse.h"

#define SPACE " \t"

static bool next_item(const char **text, char separator, const char **item, size_t *len);
static bool is_word(const char *item, size_t len, const char *word);
static bool is_refused(const char *parameters, size_t len);

/* Prometheus: no proto means the first message there was. */
GwWriteFormat
gw_write_format(const char *content_type)
{
	GwWriteFormat format = GW_REMOTE_WRITE_1;
	const char *item;
	size_t		len;

	if (content_type == NULL || !next_item(&content_type, ';', &item, &len) || !is_word(item, len, "application/x-protobuf"))
		return GW_UNKNOWN_FORMAT;
	while (next_item(&content_type, ';', &item, &len))
	{
		if (len < 6 || strncasecmp(item, "proto=", 6) != 0)
			continue;
		if (is_word(item + 6, len - 6, "prometheus.WriteRequest"))
			format = GW_REMOTE_WRITE_1;
		else if (is_word(item + 6, len - 6, "io.prometheus.write.v2.Request"))
			format = GW_REMOTE_WRITE_2;
		else
			return GW_UNKNOWN_FORMAT;
	}
	return format;
}

bool
gw_is_media_type(const char *content_type, const char *type)
{
	const char *item;
	size_t		len;

	return content_type != NULL && next_item(&content_type, ';', &item, &len) && is_word(item, len, type);
}

bool
gw_accepts_gzip(const char *accept_encoding)
{
	const char *item;
	size_t		len;

	if (accept_encoding == NULL)
		return false;
	while (next_item(&accept_encoding, ',', &item, &len))
	{
		const char *semicolon = memchr(item, ';', len);
		size_t		name_len = semicolon != NULL ? (size_t) (semicolon - item) : len;

		while (name_len > 0 && strchr(SPACE, item[name_len - 1]) != NULL)
			name_len--;
		if (is_word(item, name_len, "gzip"))
			return semicolon == NULL || !is_refused(semicolon + 1, item + len - semicolon - 1);
	}
	return false;
}

/* Cuts the next item off, without the space around it. */
static bool
next_item(const char **text, char separator, const char **item, size_t *len)
{
	const char *end;

	if (*text == NULL)
		return false;
	end = strchr(*text, separator);
	*item = *text + strspn(*text, SPACE);
	*len = end != NULL ? (size_t) (end > *item ? end - *item : 0) : strlen(*item);
	while (*len > 0 && strchr(SPACE, (*item)[*len - 1]) != NULL)
		(*len)--;
	*text = end != NULL ? end + 1 : NULL;
	return true;
}

static bool
is_word(const char *item, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(item, word, len) == 0;
}

/* q=0 */
static bool
is_refused(const char *parameters, size_t len)
{
	size_t		i = 0;

	while (i < len && strchr(SPACE, parameters[i]) != NULL)
		i++;
	if (len - i < 3 || (parameters[i] != 'q' && parameters[i] != 'Q') || parameters[i + 1] != '=' || parameters[i + 2] != '0')
		return false;
	for (i += 3; i < len; i++)
		if (parameters[i] != '.' && parameters[i] != '0' && strchr(SPACE, parameters[i]) == NULL)
			return false;
	return true;
}
