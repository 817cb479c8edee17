/*
 * storage_internal.h
 *		What only the files of the write path share.
 */
#ifndef PGTSDB_STORAGE_INTERNAL_H
#define PGTSDB_STORAGE_INTERNAL_H

#include "postgres.h"

#include "core/base/base.h"
#include "pg/times.h"

/* schema.c */

/* One statement through SPI.  Every name in it must be qualified: search_path is the caller's. */
extern void pgtsdb_execute(const char *format,...) pg_attribute_printf(1, 2);

/* A longer array in the arena; the pointer's type tells the size of an element. */
#define pgtsdb_grow_array(arena, array, old_n, new_n) \
	tsdb_grow((arena), (array), (old_n) * sizeof(*(array)), (new_n) * sizeof(*(array)))

/* For messages: 2026-11-21 10:00:00.123+00, or the number. */
extern char *pgtsdb_format_ms(int64 t);

#endif							/* PGTSDB_STORAGE_INTERNAL_H */
