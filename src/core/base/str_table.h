/*
 * str_table.h
 *		Distinct strings in order of arrival, each with a number that belongs to the caller.
 */
#ifndef TSDB_STR_TABLE_H
#define TSDB_STR_TABLE_H

#include "core/base/base.h"

typedef struct TsdbStrEntry
{
	TsdbStr		text;
	uint64_t	hash;
	uint64_t	number;
} TsdbStrEntry;

typedef struct TsdbStrTable
{
	TsdbArena  *arena;
	TsdbStrEntry *entries;
	size_t		n;
	size_t		capacity;
	uint32_t   *slots;			/* open addressing: 1 + place of an entry, 0: free */
	size_t		n_slots;		/* a power of two, at least twice the capacity */
} TsdbStrTable;

extern void tsdb_str_table_init(TsdbStrTable *table, TsdbArena *arena);
/*
 * The place of the text in entries[], at the end when it is new: then it is copied, and its number is 0.
 * A table holds less than 2^31 strings, which is more than fits into the memory of a query.
 */
extern size_t tsdb_str_table_add(TsdbStrTable *table, TsdbStr text);
/* Sorts the entries bytewise.  Nothing can be added afterwards. */
extern void tsdb_str_table_sort(TsdbStrTable *table);

#endif							/* TSDB_STR_TABLE_H */
