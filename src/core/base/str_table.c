/*
 * str_table.c
 *		Distinct strings in order of arrival.
 */
#include "core/base/str_table.h"

#include <stdlib.h>

#define MIN_ENTRIES 8

static void grow(TsdbStrTable *table);
static uint32_t *find_slot(const TsdbStrTable *table, TsdbStr text, uint64_t hash);
static int	compare_entries(const void *a, const void *b);

void
tsdb_str_table_init(TsdbStrTable *table, TsdbArena *arena)
{
	memset(table, 0, sizeof(*table));
	table->arena = arena;
}

size_t
tsdb_str_table_add(TsdbStrTable *table, TsdbStr text)
{
	uint64_t	hash = tsdb_hash(text.data, text.len, 0).lo;
	uint32_t   *slot;

	if (table->n == table->capacity)
		grow(table);
	slot = find_slot(table, text, hash);
	if (*slot == 0)
	{
		table->entries[table->n++] = (TsdbStrEntry){tsdb_str_copy(table->arena, text), hash, 0};
		*slot = (uint32_t) table->n;
	}
	return *slot - 1;
}

/* The old slots stay in the arena: together they are smaller than the new ones. */
static void
grow(TsdbStrTable *table)
{
	size_t		capacity = table->capacity == 0 ? MIN_ENTRIES : table->capacity * 2;

	table->entries = tsdb_grow(table->arena, table->entries, table->capacity * sizeof(TsdbStrEntry),
							   capacity * sizeof(TsdbStrEntry));
	table->capacity = capacity;
	table->n_slots = capacity * 2;
	table->slots = tsdb_alloc0(table->arena, table->n_slots * sizeof(uint32_t));
	for (size_t i = 0; i < table->n; i++)
		*find_slot(table, table->entries[i].text, table->entries[i].hash) = (uint32_t) i + 1;
}

/* That of the text, or the free one where it belongs. */
static uint32_t *
find_slot(const TsdbStrTable *table, TsdbStr text, uint64_t hash)
{
	size_t		mask = table->n_slots - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask)
	{
		const TsdbStrEntry *entry;

		if (table->slots[i] == 0)
			return &table->slots[i];
		entry = &table->entries[table->slots[i] - 1];
		if (entry->hash == hash && tsdb_str_equal(entry->text, text))
			return &table->slots[i];
	}
}

void
tsdb_str_table_sort(TsdbStrTable *table)
{
	if (table->n > 1)
		qsort(table->entries, table->n, sizeof(TsdbStrEntry), compare_entries);
}

static int
compare_entries(const void *a, const void *b)
{
	return tsdb_str_compare(((const TsdbStrEntry *) a)->text, ((const TsdbStrEntry *) b)->text);
}
