/*
 * arena.c
 *		Memory that is freed as a whole, grown through one callback.
 */
#include "core/base/base.h"

#include <stdio.h>
#include <stdlib.h>

#define ALIGNMENT 16
#define ALIGN_UP(n) (((n) + (ALIGNMENT - 1)) & ~(size_t) (ALIGNMENT - 1))

struct TsdbArenaBlock
{
	TsdbArenaBlock *next;
	size_t		bytes;			/* with this header */
};

#define HEADER_BYTES ALIGN_UP(sizeof(TsdbArenaBlock))

static TsdbArenaBlock *
add_block(TsdbArena *arena, size_t payload)
{
	size_t		bytes = payload > SIZE_MAX - HEADER_BYTES ? SIZE_MAX : payload + HEADER_BYTES;
	TsdbArenaBlock *block = arena->acquire(arena, bytes);

	block->bytes = bytes;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->acquired += bytes;
	return block;
}

static void *
payload_of(TsdbArenaBlock *block)
{
	return (char *) block + HEADER_BYTES;
}

/*
 * An object too large for the current block gets one of its own only when it
 * would waste most of a fresh block; the current one then stays in use.
 */
void *
tsdb_alloc(TsdbArena *arena, size_t bytes)
{
	size_t		aligned = bytes == 0 ? ALIGNMENT : bytes > SIZE_MAX - ALIGNMENT ? SIZE_MAX : ALIGN_UP(bytes);
	char	   *object;

	if (arena->block_size == 0)
		return payload_of(add_block(arena, bytes));
	if (aligned <= (size_t) (arena->limit - arena->cursor))
	{
		object = arena->cursor;
		arena->cursor += aligned;
		return object;
	}
	if (aligned > arena->block_size / 4)
		return payload_of(add_block(arena, aligned));
	object = payload_of(add_block(arena, arena->block_size));
	arena->cursor = object + aligned;
	arena->limit = object + arena->block_size;
	return object;
}

void *
tsdb_alloc0(TsdbArena *arena, size_t bytes)
{
	return memset(tsdb_alloc(arena, bytes), 0, bytes);
}

void *
tsdb_alloc_array(TsdbArena *arena, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return tsdb_alloc(arena, SIZE_MAX);
	return tsdb_alloc(arena, count * size);
}

void *
tsdb_grow(TsdbArena *arena, void *object, size_t old_bytes, size_t new_bytes)
{
	void	   *larger;

	if (object != NULL && arena->block_size != 0 &&
		(char *) object + ALIGN_UP(old_bytes) == arena->cursor &&
		new_bytes <= (size_t) (arena->limit - (char *) object))
	{
		size_t		aligned = ALIGN_UP(new_bytes);

		if (aligned <= (size_t) (arena->limit - (char *) object))
		{
			arena->cursor = (char *) object + aligned;
			return object;
		}
	}
	larger = tsdb_alloc(arena, new_bytes);
	if (old_bytes > 0)
		memcpy(larger, object, old_bytes < new_bytes ? old_bytes : new_bytes);
	return larger;
}

char *
tsdb_strndup(TsdbArena *arena, const char *text, size_t length)
{
	char	   *copy = tsdb_alloc(arena, length + 1);

	if (length > 0)
		memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

TsdbArenaMark
tsdb_arena_mark(const TsdbArena *arena)
{
	return (TsdbArenaMark){arena->blocks, arena->cursor, arena->limit};
}

void
tsdb_arena_rewind(TsdbArena *arena, TsdbArenaMark mark)
{
	while (arena->blocks != mark.blocks)
	{
		TsdbArenaBlock *block = arena->blocks;

		arena->blocks = block->next;
		arena->acquired -= block->bytes;
		arena->release(arena, block, block->bytes);
	}
	arena->cursor = mark.cursor;
	arena->limit = mark.limit;
}

void
tsdb_arena_free(TsdbArena *arena)
{
	tsdb_arena_rewind(arena, (TsdbArenaMark){NULL, NULL, NULL});
}

static void *
malloc_or_abort(TsdbArena *arena, size_t bytes)
{
	void	   *block = malloc(bytes);

	(void) arena;
	if (block == NULL)
	{
		fprintf(stderr, "out of memory: %zu bytes\n", bytes);
		abort();
	}
	return block;
}

static void
free_block(TsdbArena *arena, void *block, size_t bytes)
{
	(void) arena;
	(void) bytes;
	free(block);
}

void
tsdb_arena_init_malloc(TsdbArena *arena, size_t block_size)
{
	memset(arena, 0, sizeof(*arena));
	arena->acquire = malloc_or_abort;
	arena->release = free_block;
	arena->block_size = block_size;
}
