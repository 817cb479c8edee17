/*
 * arena.c
 *		Memory that is freed as a whole, grown through one callback.
 */
#include "core/base/base.h"

#include <stdio.h>
#include <stdlib.h>

#define ALIGNMENT 16
#define ALIGN_UP(n) (((n) + (ALIGNMENT - 1)) & ~(size_t) (ALIGNMENT - 1))

#define LARGEST_BLOCK_BYTES (1024 * 1024)
#define MAX_SPARE_BLOCKS 16

struct TsdbArenaBlock
{
	TsdbArenaBlock *next;
	size_t		bytes;			/* with this header */
	bool		is_own;			/* of one large object */
};

#define HEADER_BYTES ALIGN_UP(sizeof(TsdbArenaBlock))

static TsdbArenaBlock *
acquire_block(TsdbArena *arena, size_t payload)
{
	size_t		bytes = payload > SIZE_MAX - HEADER_BYTES ? SIZE_MAX : payload + HEADER_BYTES;
	TsdbArenaBlock *block = arena->acquire(arena, bytes);

	block->bytes = bytes;
	arena->acquired += bytes;
	return block;
}

static void
push_block(TsdbArena *arena, TsdbArenaBlock *block, bool is_own)
{
	block->is_own = is_own;
	block->next = arena->blocks;
	arena->blocks = block;
}

static TsdbArenaBlock *
own_block(TsdbArena *arena, size_t payload)
{
	TsdbArenaBlock *block = acquire_block(arena, payload);

	push_block(arena, block, true);
	return block;
}

/* A block for objects of up to this size: one that a rewind has left, or a new one, each twice as large as the last. */
static TsdbArenaBlock *
shared_block(TsdbArena *arena, size_t object)
{
	TsdbArenaBlock *block = arena->spare;

	if (block != NULL && block->bytes - HEADER_BYTES >= object)
	{
		arena->spare = block->next;
		arena->n_spare--;
	}
	else
	{
		block = acquire_block(arena, arena->block_size);
		if (arena->block_size < LARGEST_BLOCK_BYTES)
			arena->block_size *= 2;
	}
	push_block(arena, block, false);
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
	TsdbArenaBlock *block;
	char	   *object;

	if (arena->block_size == 0)
		return payload_of(own_block(arena, bytes));
	if (aligned <= (size_t) (arena->limit - arena->cursor))
	{
		object = arena->cursor;
		arena->cursor += aligned;
		return object;
	}
	if (aligned > arena->block_size / 4)
		return payload_of(own_block(arena, aligned));
	block = shared_block(arena, aligned);
	object = payload_of(block);
	arena->cursor = object + aligned;
	arena->limit = (char *) block + block->bytes;
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

static void
release_block(TsdbArena *arena, TsdbArenaBlock *block)
{
	arena->acquired -= block->bytes;
	arena->release(arena, block, block->bytes);
}

void
tsdb_arena_rewind(TsdbArena *arena, TsdbArenaMark mark)
{
	while (arena->blocks != mark.blocks)
	{
		TsdbArenaBlock *block = arena->blocks;

		arena->blocks = block->next;
		if (block->is_own || arena->n_spare == MAX_SPARE_BLOCKS)
		{
			release_block(arena, block);
			continue;
		}
		block->next = arena->spare;
		arena->spare = block;
		arena->n_spare++;
	}
	arena->cursor = mark.cursor;
	arena->limit = mark.limit;
}

void
tsdb_arena_reset(TsdbArena *arena)
{
	tsdb_arena_rewind(arena, (TsdbArenaMark){NULL, NULL, NULL});
}

TsdbArena *
tsdb_arena_child(TsdbArena *parent)
{
	TsdbArena  *child = TSDB_NEW(parent, TsdbArena);

	child->acquire = parent->acquire;
	child->release = parent->release;
	child->context = parent->context;
	child->block_size = parent->block_size;
	child->sibling = parent->children;
	parent->children = child;
	return child;
}

void
tsdb_arena_free(TsdbArena *arena)
{
	for (TsdbArena *child = arena->children; child != NULL; child = child->sibling)
		tsdb_arena_free(child);
	arena->children = NULL;
	tsdb_arena_reset(arena);
	while (arena->spare != NULL)
	{
		TsdbArenaBlock *block = arena->spare;

		arena->spare = block->next;
		release_block(arena, block);
	}
	arena->n_spare = 0;
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
