/*
 * postings.c
 *		Sorted lists of numbers in memory.
 */
#include "core/postings/postings.h"

/* How many words a dense table may have for each of the list, before sorting is cheaper. */
#define DENSE_FACTOR 16

void
tsdb_postings_init(TsdbPostings *list, TsdbArena *arena)
{
	*list = (TsdbPostings){.arena = arena};
}

static void
reserve(TsdbPostings *list, size_t more)
{
	size_t		capacity = list->capacity * 2;

	if (list->capacity - list->n >= more)
		return;
	if (capacity < list->n + more)
		capacity = list->n + more;
	if (capacity < 16)
		capacity = 16;
	list->words = tsdb_grow(list->arena, list->words, list->capacity * sizeof(TsdbPostingsWord),
							capacity * sizeof(TsdbPostingsWord));
	list->capacity = capacity;
}

/* The first word from `from` on whose high is at least this: steps that double, since it is mostly near. */
static size_t
find_word(const TsdbPostings *list, size_t from, uint64_t high)
{
	size_t		step = 1;
	size_t		to = from;

	while (to < list->n && list->words[to].high < high)
	{
		from = to + 1;
		to += step;
		step *= 2;
	}
	if (to > list->n)
		to = list->n;
	while (from < to)
	{
		size_t		middle = from + (to - from) / 2;

		if (list->words[middle].high < high)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

void
tsdb_postings_add(TsdbPostings *list, uint64_t number)
{
	TsdbPostingsWord word = {number / 64, UINT64_C(1) << number % 64};
	size_t		at = list->n;

	if (list->n > 0 && list->words[list->n - 1].high >= word.high)
		at = find_word(list, 0, word.high);
	if (at < list->n && list->words[at].high == word.high)
	{
		list->words[at].bits |= word.bits;
		return;
	}
	reserve(list, 1);
	memmove(list->words + at + 1, list->words + at, (list->n - at) * sizeof(TsdbPostingsWord));
	list->words[at] = word;
	list->n++;
}

uint64_t
tsdb_postings_count(const TsdbPostings *list)
{
	uint64_t	count = 0;

	for (size_t i = 0; i < list->n; i++)
		count += (uint64_t) __builtin_popcountll(list->words[i].bits);
	return count;
}

bool
tsdb_postings_contain(const TsdbPostings *list, uint64_t number)
{
	size_t		at = find_word(list, 0, number / 64);

	return at < list->n && list->words[at].high == number / 64 && (list->words[at].bits >> number % 64 & 1) != 0;
}

/* ---- two lists ---- */

void
tsdb_postings_intersect(TsdbPostings *list, const TsdbPostings *with)
{
	size_t		kept = 0;
	size_t		at = 0;
	size_t		other = 0;

	while (at < list->n && other < with->n)
	{
		TsdbPostingsWord word = list->words[at];

		if (word.high < with->words[other].high)
			at = find_word(list, at, with->words[other].high);
		else if (word.high > with->words[other].high)
			other = find_word(with, other, word.high);
		else
		{
			word.bits &= with->words[other++].bits;
			at++;
			if (word.bits != 0)
				list->words[kept++] = word;
		}
	}
	list->n = kept;
}

uint64_t
tsdb_postings_count_common(const TsdbPostings *list, const TsdbPostings *with)
{
	uint64_t	count = 0;
	size_t		other = 0;

	for (size_t at = 0; at < list->n && other < with->n; at++)
	{
		other = find_word(with, other, list->words[at].high);
		if (other < with->n && with->words[other].high == list->words[at].high)
			count += (uint64_t) __builtin_popcountll(list->words[at].bits & with->words[other].bits);
	}
	return count;
}

void
tsdb_postings_subtract(TsdbPostings *list, const TsdbPostings *what)
{
	size_t		kept = 0;
	size_t		other = 0;

	for (size_t at = 0; at < list->n; at++)
	{
		TsdbPostingsWord word = list->words[at];

		other = find_word(what, other, word.high);
		if (other < what->n && what->words[other].high == word.high)
			word.bits &= ~what->words[other].bits;
		if (word.bits != 0)
			list->words[kept++] = word;
	}
	list->n = kept;
}

void
tsdb_postings_unite(TsdbPostings *list, const TsdbPostings *with, const TsdbEnv *env)
{
	if (with->n == 0)
		return;
	reserve(list, with->n);
	if (list->n > 0 && list->words[list->n - 1].high >= with->words[0].high)
		list->unsettled = true;
	memcpy(list->words + list->n, with->words, with->n * sizeof(TsdbPostingsWord));
	list->n += with->n;
	tsdb_postings_settle(list, env);
}

/* ---- settling ---- */

static int
compare_words(const void *a, const void *b, const void *context)
{
	const TsdbPostingsWord *x = a;
	const TsdbPostingsWord *y = b;

	(void) context;
	return (x->high > y->high) - (x->high < y->high);
}

static void
settle_by_sorting(TsdbPostings *list, const TsdbEnv *env)
{
	size_t		kept = 0;

	tsdb_sort(list->arena, env, list->words, list->n, sizeof(TsdbPostingsWord), compare_words, NULL);
	for (size_t i = 0; i < list->n; i++)
	{
		if (kept > 0 && list->words[kept - 1].high == list->words[i].high)
			list->words[kept - 1].bits |= list->words[i].bits;
		else
			list->words[kept++] = list->words[i];
	}
	list->n = kept;
}

static void
settle_by_table(TsdbPostings *list, const TsdbEnv *env, uint64_t lowest, uint64_t highest)
{
	size_t		range = (size_t) (highest - lowest) + 1;
	TsdbArenaMark mark = tsdb_arena_mark(list->arena);
	uint64_t   *table = tsdb_alloc0(list->arena, range * sizeof(uint64_t));
	size_t		kept = 0;

	for (size_t i = 0; i < list->n; i++)
		table[list->words[i].high - lowest] |= list->words[i].bits;
	tsdb_check_interrupt(env);
	for (size_t i = 0; i < range; i++)
		if (table[i] != 0)
			list->words[kept++] = (TsdbPostingsWord){lowest + i, table[i]};
	list->n = kept;
	tsdb_arena_rewind(list->arena, mark);
}

void
tsdb_postings_settle(TsdbPostings *list, const TsdbEnv *env)
{
	uint64_t	lowest = UINT64_MAX;
	uint64_t	highest = 0;

	if (!list->unsettled)
		return;
	list->unsettled = false;
	for (size_t i = 0; i < list->n; i++)
	{
		lowest = list->words[i].high < lowest ? list->words[i].high : lowest;
		highest = list->words[i].high > highest ? list->words[i].high : highest;
	}
	tsdb_check_interrupt(env);
	if (highest - lowest < (uint64_t) list->n * DENSE_FACTOR)
		settle_by_table(list, env, lowest, highest);
	else
		settle_by_sorting(list, env);
}

/* ---- one after the other ---- */

TsdbPostingsIterator
tsdb_postings_iterate(const TsdbPostings *list)
{
	return (TsdbPostingsIterator){.list = list};
}

bool
tsdb_postings_next(TsdbPostingsIterator *iterator, uint64_t *number)
{
	if (iterator->bits == 0)
	{
		if (iterator->word == iterator->list->n)
			return false;
		iterator->high = iterator->list->words[iterator->word].high;
		iterator->bits = iterator->list->words[iterator->word++].bits;
	}
	*number = iterator->high * 64 + (uint64_t) __builtin_ctzll(iterator->bits);
	iterator->bits &= iterator->bits - 1;
	return true;
}
