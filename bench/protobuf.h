/*
 * protobuf.h
 *		The few field types of a remote-write request.
 */
#ifndef BENCH_PROTOBUF_H
#define BENCH_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint8_t *
put_varint(uint8_t *p, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*p++ = (uint8_t) (value | 0x80);
	*p++ = (uint8_t) value;
	return p;
}

static inline uint8_t *
put_string(uint8_t *p, int field, const char *text)
{
	size_t		len = strlen(text);

	p = put_varint(p, (uint64_t) field << 3 | 2);
	p = put_varint(p, len);
	memcpy(p, text, len);
	return p + len;
}

static inline size_t
varint_len(uint64_t value)
{
	size_t		len = 1;

	for (; value >= 0x80; value >>= 7)
		len++;
	return len;
}

#endif
