/*
 * fuzz_remote_read.c
 *		Remote read requests: any bytes, as a snappy block and as the message inside one.
 */
#include <snappy-c.h>
#include <stdlib.h>

#include "core/ingest/ingest.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted can be used. */
static void
decode(TsdbArena *arena, const void *body, size_t len)
{
	TsdbIngestLimits limits = {1 << 20};
	TsdbReadQuery *queries;
	size_t		n;
	TsdbError	error;

	if (tsdb_remote_read_decode(arena, body, len, &limits, &queries, &n, &error) != TSDB_OK)
	{
		if (error.code == TSDB_OK || error.message[0] == '\0')
			abort();
		return;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < queries[i].n_matchers; j++)
			(void) tsdb_matcher_matches(&queries[i].matchers[j], TSDB_STR("value"));
}

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
