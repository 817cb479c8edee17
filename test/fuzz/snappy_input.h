/*
 * snappy_input.h
 *		The entry of fuzz targets whose input is a snappy block: decode() gets any bytes as a block, and as the message inside one.
 *
 * To be included behind decode(TsdbArena *arena, const void *body, size_t len).
 */
#ifndef PGTSDB_SNAPPY_INPUT_H
#define PGTSDB_SNAPPY_INPUT_H

#include <snappy-c.h>

#include "core/base/base.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbArena	arena;
	size_t		len = snappy_max_compressed_length(size);
	char	   *body;

	tsdb_arena_init_malloc(&arena, 0);
	decode(&arena, data, size);
	body = tsdb_alloc(&arena, len);
	if (snappy_compress((const char *) data, size, body, &len) == SNAPPY_OK)
		decode(&arena, body, len);
	tsdb_arena_free(&arena);
	return 0;
}

#endif							/* PGTSDB_SNAPPY_INPUT_H */
