/*
 * buffer.c
 *		Bytes that grow.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/parse/parse.h"

static void
out_of_memory(void)
{
	fputs("pgtsdb-gateway: out of memory\n", stderr);
	abort();
}

void *
gw_alloc(size_t bytes)
{
	void	   *memory = calloc(1, bytes > 0 ? bytes : 1);

	if (memory == NULL)
		out_of_memory();
	return memory;
}

char *
gw_strndup(const char *text, size_t len)
{
	char	   *copy = gw_alloc(len + 1);

	memcpy(copy, text, len);
	return copy;
}

/* Room for that many more, and for the zero byte. */
void
gw_buffer_reserve(GwBuffer *buffer, size_t bytes)
{
	size_t		capacity = buffer->capacity;

	if (bytes < capacity - buffer->len)
		return;
	if (capacity < 64)
		capacity = 64;
	while (capacity - buffer->len <= bytes)
	{
		if (capacity > SIZE_MAX / 2)
			out_of_memory();
		capacity *= 2;
	}
	buffer->data = realloc(buffer->data, capacity);
	if (buffer->data == NULL)
		out_of_memory();
	buffer->capacity = capacity;
	buffer->data[buffer->len] = '\0';
}

void
gw_buffer_append(GwBuffer *buffer, const void *bytes, size_t len)
{
	gw_buffer_reserve(buffer, len);
	if (len > 0)
		memcpy(buffer->data + buffer->len, bytes, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
}

void
gw_buffer_puts(GwBuffer *buffer, const char *text)
{
	gw_buffer_append(buffer, text, strlen(text));
}

void
gw_buffer_printf(GwBuffer *buffer, const char *format, ...)
{
	va_list		args;
	int			len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return;
	gw_buffer_reserve(buffer, len);
	va_start(args, format);
	vsnprintf(buffer->data + buffer->len, len + 1, format, args);
	va_end(args);
	buffer->len += len;
}

void
gw_buffer_shrink(GwBuffer *buffer)
{
	char	   *smaller = buffer->data == NULL ? NULL : realloc(buffer->data, buffer->len + 1);

	if (smaller == NULL)
		return;
	buffer->data = smaller;
	buffer->capacity = buffer->len + 1;
}

void
gw_buffer_free(GwBuffer *buffer)
{
	free(buffer->data);
	*buffer = (GwBuffer) {0};
}
