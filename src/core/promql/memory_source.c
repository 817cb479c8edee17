/*
 * memory_source.c
 *		A series source over samples held in memory.
 *
 * Sorted arrays: series by labels, samples by time.  Samples mostly come in order.
 */
#include "core/promql/memory_source.h"

static size_t
find_series(const TsdbMemorySource *memory, TsdbLabels labels)
{
	size_t		low = 0;
	size_t		high = memory->n;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (tsdb_labels_compare(memory->series[middle].labels, labels) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* How many samples are before `t`, or at it. */
static size_t
count_samples(const TsdbMemorySeries *series, int64_t t, bool inclusive)
{
	size_t		low = 0;
	size_t		high = series->n;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (series->t[middle] < t || (inclusive && series->t[middle] == t))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
add_series(TsdbMemorySource *memory, size_t place, TsdbLabels labels)
{
	if (memory->n == memory->capacity)
	{
		size_t		capacity = memory->capacity == 0 ? 16 : memory->capacity * 2;

		memory->series = tsdb_grow(memory->arena, memory->series, memory->capacity * sizeof(TsdbMemorySeries),
								   capacity * sizeof(TsdbMemorySeries));
		memory->capacity = capacity;
	}
	memmove(memory->series + place + 1, memory->series + place, (memory->n - place) * sizeof(TsdbMemorySeries));
	memory->series[place] = (TsdbMemorySeries){.labels = tsdb_labels_copy(memory->arena, labels)};
	memory->n++;
}

static void
add_sample(TsdbMemorySource *memory, TsdbMemorySeries *series, size_t place, int64_t t, double v)
{
	if (series->n == series->capacity)
	{
		size_t		capacity = series->capacity == 0 ? 16 : series->capacity * 2;

		series->t = tsdb_grow(memory->arena, series->t, series->capacity * sizeof(int64_t), capacity * sizeof(int64_t));
		series->v = tsdb_grow(memory->arena, series->v, series->capacity * sizeof(double), capacity * sizeof(double));
		series->capacity = capacity;
	}
	memmove(series->t + place + 1, series->t + place, (series->n - place) * sizeof(int64_t));
	memmove(series->v + place + 1, series->v + place, (series->n - place) * sizeof(double));
	series->t[place] = t;
	series->v[place] = v;
	series->n++;
}

void
tsdb_memory_source_add(TsdbMemorySource *memory, TsdbLabels labels, int64_t t, double v)
{
	size_t		place = find_series(memory, labels);
	TsdbMemorySeries *series;

	if (place == memory->n || !tsdb_labels_equal(memory->series[place].labels, labels))
		add_series(memory, place, labels);
	series = &memory->series[place];
	place = series->n > 0 && series->t[series->n - 1] < t ? series->n : count_samples(series, t, false);
	if (place == series->n || series->t[place] != t)
		add_sample(memory, series, place, t, v);
}

static TsdbStatus
select_samples(TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what, TsdbSeriesSink *sink, TsdbError *error)
{
	const TsdbMemorySource *memory = source->context;
	size_t		n_series = 0;

	for (size_t i = 0; i < memory->n; i++)
	{
		const TsdbMemorySeries *found = &memory->series[i];
		size_t		from = count_samples(found, what->t_min, false);
		size_t		to = count_samples(found, what->t_max, true);
		TsdbSeriesData data = {found->labels, to - from, found->t + from, found->v + from};
		TsdbStatus	status;

		if (!tsdb_matchers_match(what->matchers, what->n_matchers, found->labels))
			continue;
		if (what->max_series > 0 && ++n_series > what->max_series)
			return tsdb_fail_too_many_series(error, what->max_series);
		source->stats.series++;
		if (to <= from)
			continue;
		source->stats.samples += data.n;
		status = sink->take(sink, &data, false, error);
		if (status != TSDB_OK)
			return status;
	}
	return TSDB_OK;
}

void
tsdb_memory_source_init(TsdbMemorySource *memory, TsdbArena *arena)
{
	*memory = (TsdbMemorySource){.arena = arena};
	memory->source = (TsdbSeriesSource){.select = select_samples, .context = memory};
}
