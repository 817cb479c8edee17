/*
 * fuzz_remote_read.c
 *		Remote read requests: any bytes, as a snappy block and as the message inside one.
 */
#include <stdlib.h>

#include "core/ingest/ingest.h"

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

#include "snappy_input.h"
