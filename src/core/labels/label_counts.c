/*
 * label_counts.c
 *		How many series have which labels.
 *
 * One table of names, and a table of values for each name, count in one pass over the
 * series.  The largest of what was counted are chosen by a heap of that many, whose
 * root is the first to go.
 */
#include "core/labels/label_counts.h"

#include <stdlib.h>

typedef struct Chosen
{
	TsdbFigure *heap;			/* the smallest first */
	size_t		n;
	size_t		limit;
} Chosen;

static TsdbStrTable *values_of(TsdbLabelCounts *counts, TsdbStr name);
static void choose_values(Chosen *chosen, TsdbStr name, const TsdbStrTable *values);
static uint64_t bytes_of(TsdbStr name, const TsdbStrTable *values);
static size_t encoded_bytes(TsdbStr text);
static void choose(Chosen *chosen, TsdbFigure figure);
static void sift_down(Chosen *chosen, size_t at);
static int	compare_figures(const void *a, const void *b);

void
tsdb_label_counts_init(TsdbLabelCounts *counts, TsdbArena *arena)
{
	memset(counts, 0, sizeof(*counts));
	counts->arena = arena;
	tsdb_str_table_init(&counts->names, arena);
}

void
tsdb_label_counts_add(TsdbLabelCounts *counts, TsdbLabels labels)
{
	counts->n_series++;
	for (size_t i = 0; i < labels.n; i++)
		tsdb_label_counts_add_pair(counts, labels.pairs[i], 1);
}

void
tsdb_label_counts_add_pair(TsdbLabelCounts *counts, TsdbLabel label, uint64_t n_series)
{
	TsdbStrTable *values = values_of(counts, label.name);
	size_t		at = tsdb_str_table_add(values, label.value);

	counts->n_pairs += values->entries[at].number == 0;
	values->entries[at].number += n_series;
}

static TsdbStrTable *
values_of(TsdbLabelCounts *counts, TsdbStr name)
{
	size_t		n_known = counts->names.n;
	size_t		at = tsdb_str_table_add(&counts->names, name);

	if (at < n_known)
		return &counts->values[at];
	if (at == counts->capacity)
	{
		size_t		more = at == 0 ? 16 : at * 2;

		counts->values = tsdb_grow(counts->arena, counts->values, at * sizeof(TsdbStrTable),
										more * sizeof(TsdbStrTable));
		counts->capacity = more;
	}
	tsdb_str_table_init(&counts->values[at], counts->arena);
	return &counts->values[at];
}

size_t
tsdb_label_counts_top(const TsdbLabelCounts *counts, const TsdbEnv *env, TsdbLabelCountOf what, size_t limit,
					 TsdbFigure **top)
{
	Chosen		chosen = {.heap = TSDB_NEW_ARRAY(counts->arena, TsdbFigure, limit), .limit = limit};

	for (size_t i = 0; i < counts->names.n; i++)
	{
		const TsdbStrTable *values = &counts->values[i];
		TsdbStr		name = counts->names.entries[i].text;

		tsdb_check_interrupt(env);
		switch (what)
		{
			case TSDB_SERIES_OF_METRIC:
				if (!tsdb_str_equal(name, TSDB_STR(TSDB_METRIC_NAME)))
					break;
				for (size_t v = 0; v < values->n; v++)
					choose(&chosen, (TsdbFigure){values->entries[v].text, {NULL, 0}, values->entries[v].number});
				break;
			case TSDB_VALUES_OF_LABEL:
				choose(&chosen, (TsdbFigure){name, {NULL, 0}, values->n});
				break;
			case TSDB_BYTES_OF_LABEL:
				choose(&chosen, (TsdbFigure){name, {NULL, 0}, bytes_of(name, values)});
				break;
			case TSDB_SERIES_OF_PAIR:
				choose_values(&chosen, name, values);
				break;
		}
	}
	if (chosen.n > 1)
		qsort(chosen.heap, chosen.n, sizeof(TsdbFigure), compare_figures);
	*top = chosen.heap;
	return chosen.n;
}

static void
choose_values(Chosen *chosen, TsdbStr name, const TsdbStrTable *values)
{
	for (size_t v = 0; v < values->n; v++)
		choose(chosen, (TsdbFigure){name, values->entries[v].text, values->entries[v].number});
}

static uint64_t
bytes_of(TsdbStr name, const TsdbStrTable *values)
{
	uint64_t	bytes = 0;

	for (size_t v = 0; v < values->n; v++)
		bytes += (encoded_bytes(name) + encoded_bytes(values->entries[v].text)) * values->entries[v].number;
	return bytes;
}

/* Prometheus puts a length of one byte before short strings, and of four before others. */
static size_t
encoded_bytes(TsdbStr text)
{
	return text.len + (text.len < 255 ? 1 : 4);
}

static void
choose(Chosen *chosen, TsdbFigure figure)
{
	size_t		at;

	if (chosen->n == chosen->limit)
	{
		if (chosen->limit == 0 || compare_figures(&figure, &chosen->heap[0]) >= 0)
			return;
		chosen->heap[0] = figure;
		sift_down(chosen, 0);
		return;
	}
	for (at = chosen->n++; at > 0 && compare_figures(&figure, &chosen->heap[(at - 1) / 2]) > 0; at = (at - 1) / 2)
		chosen->heap[at] = chosen->heap[(at - 1) / 2];
	chosen->heap[at] = figure;
}

static void
sift_down(Chosen *chosen, size_t at)
{
	for (;;)
	{
		size_t		child = 2 * at + 1;
		TsdbFigure	swap = chosen->heap[at];

		if (child + 1 < chosen->n && compare_figures(&chosen->heap[child], &chosen->heap[child + 1]) < 0)
			child++;
		if (child >= chosen->n || compare_figures(&chosen->heap[at], &chosen->heap[child]) >= 0)
			return;
		chosen->heap[at] = chosen->heap[child];
		chosen->heap[child] = swap;
		at = child;
	}
}

/* The order of the answer, so that the last comes first in the heap. */
static int
compare_figures(const void *a, const void *b)
{
	const TsdbFigure *x = a;
	const TsdbFigure *y = b;
	int			order;

	if (x->figure != y->figure)
		return x->figure > y->figure ? -1 : 1;
	order = tsdb_str_compare(x->name, y->name);
	return order != 0 ? order : tsdb_str_compare(x->value, y->value);
}
