/*
 * fuzz_xor_chunk.c
 *		Prometheus's XOR chunks: any samples come back as they were. Input: 8 bytes of time and 8 of value for each.
 */
#include "core/chunk/xor_chunk.h"
#include "fuzz_check.h"
#include "test/xor_chunk_reader.h"

#define MAX_SAMPLES 1000

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int64_t t[MAX_SAMPLES];
	static double v[MAX_SAMPLES];
	static int64_t read_t[MAX_SAMPLES];
	static uint64_t read_v[MAX_SAMPLES];
	size_t		n = size / 16 < MAX_SAMPLES ? size / 16 : MAX_SAMPLES;
	TsdbArena	arena;
	TsdbBuffer	out;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
	{
		memcpy(&t[i], data + 16 * i, 8);
		memcpy(&v[i], data + 16 * i + 8, 8);
	}
	tsdb_arena_init_malloc(&arena, 0);
	tsdb_buffer_init(&out, &arena, 0);
	tsdb_xor_chunk_write(&out, t, v, n);
	check(xor_chunk_read(out.data, out.len, read_t, read_v, MAX_SAMPLES) == (int) n);
	check(memcmp(t, read_t, n * sizeof(int64_t)) == 0 && memcmp(v, read_v, n * sizeof(double)) == 0);
	tsdb_arena_free(&arena);
	return 0;
}
