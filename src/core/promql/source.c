/*
 * source.c
 *		What all series sources and those who ask them share.
 */
#include "core/promql/source.h"

TsdbStatus
tsdb_fail_too_many_samples(TsdbError *error)
{
	tsdb_fail(error, TSDB_ERR_LIMIT, "query processing would load too many samples into memory in query execution");
	tsdb_error_hint(error, "Ask for fewer series, a shorter range or a longer step, or raise \"pgtsdb.query_max_samples\".");
	return error->code;
}

TsdbStatus
tsdb_fail_too_many_series(TsdbError *error, size_t max_series)
{
	tsdb_fail(error, TSDB_ERR_LIMIT, "selector matches more than %zu series", max_series);
	tsdb_error_hint(error, "Ask for fewer series, or raise \"pgtsdb.query_max_series\".");
	return error->code;
}

void
tsdb_source_stats_add(TsdbSourceStats *sum, const TsdbSourceStats *now, const TsdbSourceStats *before)
{
	sum->series += now->series - before->series;
	sum->chunks += now->chunks - before->chunks;
	sum->head_rows += now->head_rows - before->head_rows;
	sum->samples += now->samples - before->samples;
}

/* ---- collecting ---- */

typedef struct Collector
{
	TsdbSeriesSink sink;		/* first: the source sees only this */
	TsdbArena  *arena;
	TsdbSeriesData *series;
	size_t		n;
	size_t		capacity;
	size_t		samples_left;
} Collector;

static TsdbStatus
collect(TsdbSeriesSink *sink, const TsdbSeriesData *series, bool same_times, TsdbError *error)
{
	Collector  *collector = (Collector *) sink;
	TsdbSeriesData *copy;

	if (series->n > collector->samples_left)
		return tsdb_fail_too_many_samples(error);
	collector->samples_left -= series->n;
	if (collector->n == collector->capacity)
	{
		size_t		capacity = collector->capacity == 0 ? 64 : collector->capacity * 2;

		collector->series = tsdb_grow(collector->arena, collector->series, collector->capacity * sizeof(TsdbSeriesData),
									  capacity * sizeof(TsdbSeriesData));
		collector->capacity = capacity;
	}
	copy = &collector->series[collector->n++];
	*copy = *series;
	copy->v = memcpy(TSDB_NEW_ARRAY(collector->arena, double, series->n), series->v, series->n * sizeof(double));
	copy->t = same_times ? copy[-1].t :
		memcpy(TSDB_NEW_ARRAY(collector->arena, int64_t, series->n), series->t, series->n * sizeof(int64_t));
	return TSDB_OK;
}

static int
compare_series(const void *a, const void *b, const void *context)
{
	(void) context;
	return tsdb_labels_compare(((const TsdbSeriesData *) a)->labels, ((const TsdbSeriesData *) b)->labels);
}

TsdbStatus
tsdb_source_collect(TsdbSeriesSource *source, TsdbArena *arena, const TsdbSelect *what,
					size_t max_samples, TsdbSeriesData **series, size_t *n, TsdbError *error)
{
	Collector	collector = {.sink = {collect}, .arena = arena, .samples_left = max_samples};
	TsdbStatus	status = source->select(source, arena, what, &collector.sink, error);

	if (status != TSDB_OK)
		return status;
	tsdb_sort(arena, NULL, collector.series, collector.n, sizeof(TsdbSeriesData), compare_series, NULL);
	*series = collector.series;
	*n = collector.n;
	return TSDB_OK;
}
