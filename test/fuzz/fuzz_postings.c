/*
 * fuzz_postings.c
 *		Any bytes as a list of numbers: reading stays in bounds, and what is read is what is written.
 */
#include "core/postings/postings.h"
#include "fuzz_check.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same bytes, whatever they are cut into. */
static void
encode_again(const TsdbPostings *list, const uint8_t *data, size_t size)
{
	uint8_t    *out = malloc(size);
	size_t		taken;

	check(tsdb_postings_encode(list->words, list->n, out, size, &taken) == size && taken == list->n);
	check(memcmp(out, data, size) == 0);
	free(out);
}

/* One number less never takes more bytes, whichever it is. */
static void
take_away(const TsdbPostings *list, size_t size)
{
	TsdbPostingsWord *words = malloc(list->n * sizeof(TsdbPostingsWord));
	uint8_t    *out = malloc(size);
	size_t		step = list->n / 50 + 1;

	for (size_t i = 0; i < list->n; i += step)
	{
		for (uint64_t bits = list->words[i].bits; bits != 0; bits &= bits - 1)
		{
			size_t		taken;
			size_t		n = list->n;

			memcpy(words, list->words, n * sizeof(TsdbPostingsWord));
			words[i].bits &= ~(bits & -bits);
			if (words[i].bits == 0)
				memmove(&words[i], &words[i + 1], (--n - i) * sizeof(TsdbPostingsWord));
			tsdb_postings_encode(words, n, out, size, &taken);
			check(taken == n);
		}
	}
	free(out);
	free(words);
}

/* The first eight bytes are the first number. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbArena	arena;
	TsdbPostings list;
	TsdbPostings again;
	TsdbPostingsIterator iterator;
	TsdbError	error;
	uint64_t	first;
	uint64_t	number;
	uint64_t	last = 0;

	if (size < sizeof(first))
		return 0;
	memcpy(&first, data, sizeof(first));
	data += sizeof(first);
	size -= sizeof(first);
	tsdb_arena_init_malloc(&arena, 0);
	tsdb_postings_init(&list, &arena);
	if (tsdb_postings_decode(data, size, first, &list, &error) == TSDB_OK)
	{
		check(!list.unsettled);
		encode_again(&list, data, size);
		take_away(&list, size);
		tsdb_postings_init(&again, &arena);
		iterator = tsdb_postings_iterate(&list);
		while (tsdb_postings_next(&iterator, &number))
		{
			check(again.n == 0 ? number == first : number > last);
			check(number < TSDB_POSTINGS_LIMIT);
			tsdb_postings_add(&again, number);
			last = number;
		}
		check(tsdb_postings_count(&again) == tsdb_postings_count(&list));
	}
	tsdb_arena_free(&arena);
	return 0;
}
