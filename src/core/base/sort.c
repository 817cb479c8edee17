/*
 * sort.c
 *		Sorting without static state: a bottom-up merge sort.
 */
#include "core/base/base.h"

#define ITEMS_BETWEEN_POLLS 4096

typedef struct Sort
{
	size_t		size;			/* of an item */
	TsdbCompare compare;
	const void *context;
	const TsdbEnv *env;
} Sort;

/* The items [left, middle) and [middle, end), each in order, as one. */
static void
merge(const Sort *sort, const char *from, char *to, size_t left, size_t middle, size_t end)
{
	size_t		size = sort->size;
	size_t		a = left;
	size_t		b = middle;

	for (size_t k = left; k < end; k++)
	{
		bool		take_left = b == end ||
			(a < middle && sort->compare(from + a * size, from + b * size, sort->context) <= 0);

		memcpy(to + k * size, from + (take_left ? a++ : b++) * size, size);
		if (k % ITEMS_BETWEEN_POLLS == 0)
			tsdb_check_interrupt(sort->env);
	}
}

void
tsdb_sort(TsdbArena *arena, const TsdbEnv *env, void *base, size_t n, size_t size, TsdbCompare compare, const void *context)
{
	Sort		sort = {size, compare, context, env};
	TsdbArenaMark mark = tsdb_arena_mark(arena);
	char	   *from = base;
	char	   *to;
	char	   *spare;

	if (n < 2)
		return;
	spare = to = tsdb_alloc_array(arena, n, size);
	for (size_t width = 1; width < n; width *= 2)
	{
		char	   *swap = from;

		for (size_t left = 0; left < n; left += 2 * width)
		{
			size_t		middle = n - left > width ? left + width : n;
			size_t		end = n - middle > width ? middle + width : n;

			merge(&sort, from, to, left, middle, end);
		}
		from = to;
		to = swap;
	}
	if (from == spare)
		memcpy(base, spare, n * size);
	tsdb_arena_rewind(arena, mark);
}
