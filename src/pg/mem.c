/*
 * mem.c
 *		Memory contexts: the arena of the core on top of them, and formatted text.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "miscadmin.h"
#include "lib/stringinfo.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "pg/mem.h"

#define ARENA_BLOCK_BYTES (32 * 1024)
#define KEPT_BYTES (16 * 1024 * 1024)

typedef struct ServerArena
{
	TsdbArena	arena;			/* first: the core sees only this */
	MemoryContext context;
	Size		held;			/* by this arena and its children */
	Size		peak;			/* the most of that so far */
	Size		max_bytes;
	const char *setting;
} ServerArena;

static void *
acquire(TsdbArena *arena, size_t bytes)
{
	ServerArena *server = arena->context;
	void	   *block;

	if (server->max_bytes != 0 && (bytes > server->max_bytes || server->held > server->max_bytes - bytes))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("memory limit of %zu MB exceeded", server->max_bytes / (1024 * 1024)),
				 errhint("Ask for fewer series or a shorter range, or raise \"%s\".", server->setting)));
	if (!AllocHugeSizeIsValid(bytes))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("request for %zu bytes of memory is too large", bytes)));
	block = MemoryContextAllocHuge(server->context, bytes);
	server->held += bytes;
	server->peak = Max(server->peak, server->held);
	return block;
}

static void
release(TsdbArena *arena, void *block, size_t bytes)
{
	ServerArena *server = arena->context;

	server->held -= bytes;
	pfree(block);
}

TsdbArena *
pgtsdb_arena_create(MemoryContext context, Size max_bytes, const char *setting)
{
	ServerArena *server = MemoryContextAllocZero(context, sizeof(ServerArena));

	server->context = context;
	server->max_bytes = max_bytes;
	server->setting = setting;
	server->arena.acquire = acquire;
	server->arena.release = release;
	server->arena.context = server;
	server->arena.block_size = ARENA_BLOCK_BYTES;
	return &server->arena;
}

Size
pgtsdb_arena_peak(const TsdbArena *arena)
{
	return ((const ServerArena *) arena->context)->peak;
}

static void
check_for_interrupts(void *context)
{
	CHECK_FOR_INTERRUPTS();
}

static int64
read_clock(void *context)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) (INSTR_TIME_GET_DOUBLE(now) * 1e9);
}

const TsdbEnv pgtsdb_env = {check_for_interrupts, NULL, read_clock};

/* Blocks of their own mappings would go back one by one, whatever the threshold for the rest. */
void
pgtsdb_keep_freed_memory(void)
{
#ifdef __GLIBC__
	static bool done = false;

	if (done)
		return;
	done = true;
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
#endif
}

char *
pgtsdb_vformat(const char *format, va_list args)
{
	StringInfoData text;

	initStringInfo(&text);
	for (;;)
	{
		va_list		again;
		int			needed;

		va_copy(again, args);
		needed = appendStringInfoVA(&text, format, again);
		va_end(again);
		if (needed == 0)
			return text.data;
		enlargeStringInfo(&text, needed);
	}
}
