/*
 * fuzz_labels.c
 *		Any bytes as an encoded label set: reading stays in bounds, and what is accepted is the encoding of what was read.
 */
#include "core/labels/labels.h"
#include "fuzz_check.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_found(TsdbArena *arena, const uint8_t *data, size_t size, TsdbLabels labels)
{
	for (size_t i = 0; i < labels.n; i++)
		check(tsdb_str_equal(tsdb_labels_find(arena, data, size, labels.pairs[i].name), labels.pairs[i].value));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbArena	arena;
	TsdbLabels	seen;
	TsdbLabels	labels;
	TsdbBuffer	again;
	TsdbError	error;

	tsdb_arena_init_malloc(&arena, 0);
	seen = tsdb_labels_view(&arena, data, size);
	if (seen.n > 0)
		tsdb_labels_find(&arena, data, size, seen.pairs[seen.n - 1].name);
	if (tsdb_labels_decode(&arena, data, size, &labels, &error) == TSDB_OK)
	{
		check(tsdb_labels_equal(labels, seen));
		check_found(&arena, data, size, labels);
		tsdb_buffer_init(&again, &arena, 0);
		tsdb_labels_encode(&again, labels);
		check(again.len == size && memcmp(again.data, data, size) == 0);
	}
	tsdb_arena_free(&arena);
	return 0;
}
