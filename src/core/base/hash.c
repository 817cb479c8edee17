/*
 * hash.c
 *		XXH3, 128 bit (https://github.com/Cyan4973/xxHash), header only.
 */
#include "core/base/base.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

TsdbHash
tsdb_hash(const void *data, size_t len, uint64_t seed)
{
	XXH128_hash_t hash = XXH3_128bits_withSeed(data, len, seed);

	if (hash.low64 == 0 && hash.high64 == 0)
		hash.low64 = 1;
	return (TsdbHash){hash.low64, hash.high64};
}
