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
	TsdbReadRequest request;
	TsdbError	error;

	if (tsdb_remote_read_decode(arena, body, len, &limits, &request, &error) != TSDB_OK)
	{
		if (error.code == TSDB_OK || error.message[0] == '\0')
			abort();
		return;
	}
	if (!request.takes_samples && !request.wants_chunks)
		abort();
	for (size_t i = 0; i < request.n; i++)
		for (size_t j = 0; j < request.queries[i].n_matchers; j++)
			(void) tsdb_matcher_matches(&request.queries[i].matchers[j], TSDB_STR("value"));
}

#include "snappy_input.h"
