/*
 * sort.c
 *		Sorting without static state.
 */
#include "core/base/base.h"

/* Bottom-up merge sort: stable, n log n in the worst case, and needs no static state for its context. */
void
tsdb_sort(TsdbArena *arena, void *base, size_t n, size_t size, TsdbCompare compare, const void *context)
{
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
			size_t		a = left;
			size_t		b = middle;

			for (size_t k = left; k < end; k++)
			{
				bool		take_left = b == end ||
					(a < middle && compare(from + a * size, from + b * size, context) <= 0);

				memcpy(to + k * size, from + (take_left ? a++ : b++) * size, size);
			}
		}
		from = to;
		to = swap;
	}
	if (from == spare)
		memcpy(base, spare, n * size);
}
