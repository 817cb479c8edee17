/*
 * mem.h
 *		Memory contexts: the arena of the core on top of them, and formatted text.
 */
#ifndef PGTSDB_MEM_H
#define PGTSDB_MEM_H

#include "postgres.h"

#include "core/base/base.h"

/*
 * An arena whose blocks are chunks of the context: it needs no freeing beyond
 * that of the context, and out of memory is an ereport(ERROR).  max_bytes 0: no
 * limit; else exceeding it is ERRCODE_PROGRAM_LIMIT_EXCEEDED and the hint names the setting.
 */
extern TsdbArena *pgtsdb_arena_create(MemoryContext context, Size max_bytes, const char *setting);
/* The most that it and its children have held at one time. */
extern Size pgtsdb_arena_peak(const TsdbArena *arena);

/* TsdbEnv whose interrupt() is CHECK_FOR_INTERRUPTS(). */
extern const TsdbEnv pgtsdb_env;

/*
 * Keeps this process from giving memory back to the system after each request, only to fault the same pages in again
 * for the next one: up to 16 MB that are free stay with it.
 */
extern void pgtsdb_keep_freed_memory(void);

/* psprintf() for functions that take a format themselves. */
extern char *pgtsdb_vformat(const char *format, va_list args) pg_attribute_printf(1, 0);

#endif							/* PGTSDB_MEM_H */
