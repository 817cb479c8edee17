/*
 * fuzz_gateway_gunzip.c
 *		Any bytes as a gzip body: never more than the limit comes out, and too much is told from wrong.
 */
#include <stdlib.h>

#include "gateway/parse/parse.h"

#define LIMIT 100000

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GwBuffer	plain = {0};
	bool		too_large;
	const char *problem = gw_gunzip(data, size, LIMIT, &plain, &too_large);

	if ((problem == NULL && plain.len > LIMIT) || (too_large && problem == NULL) || plain.len > LIMIT + 65536)
		abort();
	gw_buffer_free(&plain);
	return 0;
}
