/*
 * buffer.c
 *		Growing output buffer, bounded input reader, strings.
 */
#include "core/base/base.h"

#include <stdio.h>

void
tsdb_buffer_init(TsdbBuffer *buffer, TsdbArena *arena, size_t capacity)
{
	buffer->arena = arena;
	buffer->len = 0;
	buffer->capacity = capacity < 16 ? 16 : capacity;
	buffer->data = tsdb_alloc(arena, buffer->capacity);
}

void
tsdb_buffer_reserve(TsdbBuffer *buffer, size_t more)
{
	size_t		wanted = buffer->len + more;
	size_t		capacity = buffer->capacity;

	if (more <= capacity - buffer->len)
		return;
	if (wanted < more)
		wanted = SIZE_MAX;
	capacity = capacity > SIZE_MAX / 2 ? SIZE_MAX : capacity * 2;
	if (capacity < wanted)
		capacity = wanted;
	buffer->data = tsdb_grow(buffer->arena, buffer->data, buffer->capacity, capacity);
	buffer->capacity = capacity;
}

void
tsdb_buffer_append(TsdbBuffer *buffer, const void *data, size_t len)
{
	if (len == 0)
		return;
	tsdb_buffer_reserve(buffer, len);
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
}

void
tsdb_buffer_append_str(TsdbBuffer *buffer, TsdbStr text)
{
	tsdb_buffer_append(buffer, text.data, text.len);
}

void
tsdb_buffer_printf(TsdbBuffer *buffer, const char *format, ...)
{
	va_list		args;
	int			needed;

	va_start(args, format);
	needed = vsnprintf((char *) buffer->data + buffer->len, buffer->capacity - buffer->len, format, args);
	va_end(args);
	if (needed < 0)
		return;
	if ((size_t) needed >= buffer->capacity - buffer->len)
	{
		tsdb_buffer_reserve(buffer, (size_t) needed + 1);
		va_start(args, format);
		vsnprintf((char *) buffer->data + buffer->len, buffer->capacity - buffer->len, format, args);
		va_end(args);
	}
	buffer->len += (size_t) needed;
}

void
tsdb_buffer_varint(TsdbBuffer *buffer, uint64_t value)
{
	tsdb_buffer_reserve(buffer, 10);
	while (value >= 0x80)
	{
		buffer->data[buffer->len++] = (uint8_t) (value | 0x80);
		value >>= 7;
	}
	buffer->data[buffer->len++] = (uint8_t) value;
}

char *
tsdb_buffer_cstring(TsdbBuffer *buffer)
{
	tsdb_buffer_reserve(buffer, 1);
	buffer->data[buffer->len] = '\0';
	return (char *) buffer->data;
}

uint64_t
tsdb_read_varint_slow(TsdbReader *reader)
{
	uint64_t	value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7)
	{
		uint8_t		byte;

		if (reader->cursor >= reader->end)
			break;
		byte = *reader->cursor++;
		/* the tenth byte holds one bit only */
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	reader->failed = true;
	reader->cursor = reader->end;
	return 0;
}

int
tsdb_str_compare(TsdbStr a, TsdbStr b)
{
	size_t		common = a.len < b.len ? a.len : b.len;
	int			order = common == 0 ? 0 : memcmp(a.data, b.data, common);

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

TsdbStr
tsdb_str_copy(TsdbArena *arena, TsdbStr text)
{
	return (TsdbStr){tsdb_strndup(arena, text.data, text.len), text.len};
}
