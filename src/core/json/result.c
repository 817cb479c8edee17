/*
 * result.c
 *		Answers of the query endpoints.
 *
 * A vector is [{"metric":{},"value":[t,"v"]}], a matrix [{"metric":{},"values":[[t,"v"]]}],
 * a scalar and a string [t,"v"].  A scalar never has an exponent, other values do below 1e-6
 * and from 1e21: Prometheus writes them by different code.
 */
#include "core/json/json_internal.h"

static void
append_point(TsdbBuffer *buffer, int64_t t, double value)
{
	tsdb_buffer_u8(buffer, '[');
	tsdb_json_timestamp(buffer, t);
	tsdb_buffer_u8(buffer, ',');
	tsdb_json_value(buffer, value);
	tsdb_buffer_u8(buffer, ']');
}

static void
append_scalar(TsdbBuffer *buffer, const TsdbQueryResult *result)
{
	char		value[TSDB_NUMBER_MAX];

	tsdb_format_double(value, result->scalar);
	tsdb_buffer_u8(buffer, '[');
	tsdb_json_timestamp(buffer, result->t);
	append_text(buffer, ",\"");
	append_text(buffer, value);
	append_text(buffer, "\"]");
}

static void
append_string_result(TsdbBuffer *buffer, const TsdbQueryResult *result)
{
	tsdb_buffer_u8(buffer, '[');
	tsdb_json_timestamp(buffer, result->t);
	tsdb_buffer_u8(buffer, ',');
	tsdb_json_html_string(buffer, result->string);
	tsdb_buffer_u8(buffer, ']');
}

static void
append_sample(TsdbBuffer *buffer, const TsdbSeriesData *series)
{
	append_text(buffer, "{\"metric\":");
	tsdb_json_labels(buffer, series->labels);
	append_text(buffer, ",\"value\":");
	append_point(buffer, series->t[0], series->v[0]);
	tsdb_buffer_u8(buffer, '}');
}

/* Times as they stand in a list of points, written once for all series that have them. */
typedef struct TimesText
{
	TsdbArena  *arena;			/* holds nothing else */
	const int64_t *t;
	size_t		n;
	TsdbBuffer	text;			/* [1.5,[2.5, ... */
	size_t	   *ends;			/* of each in the text */
} TimesText;

static void
write_times(TimesText *times, const int64_t *t, size_t n)
{
	tsdb_arena_reset(times->arena);
	times->t = t;
	times->n = n;
	times->ends = TSDB_NEW_ARRAY(times->arena, size_t, n);
	tsdb_buffer_init(&times->text, times->arena, 16 * n);
	for (size_t i = 0; i < n; i++)
	{
		tsdb_buffer_u8(&times->text, '[');
		tsdb_json_timestamp(&times->text, t[i]);
		tsdb_buffer_u8(&times->text, ',');
		times->ends[i] = times->text.len;
	}
}

static void
append_points(TsdbBuffer *buffer, const TimesText *times, const double *v)
{
	size_t		start = 0;

	for (size_t i = 0; i < times->n; i++)
	{
		if (i > 0)
			tsdb_buffer_u8(buffer, ',');
		tsdb_buffer_append(buffer, times->text.data + start, times->ends[i] - start);
		tsdb_json_value(buffer, v[i]);
		tsdb_buffer_u8(buffer, ']');
		start = times->ends[i];
	}
}

static void
append_series(TsdbBuffer *buffer, TimesText *times, const TsdbSeriesData *series)
{
	append_text(buffer, "{\"metric\":");
	tsdb_json_labels(buffer, series->labels);
	if (series->n > 0)
	{
		if (series->t != times->t || series->n != times->n)
			write_times(times, series->t, series->n);
		append_text(buffer, ",\"values\":[");
		append_points(buffer, times, series->v);
		tsdb_buffer_u8(buffer, ']');
	}
	tsdb_buffer_u8(buffer, '}');
}

static void
append_list(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbQueryResult *result)
{
	TimesText	times = {.arena = tsdb_arena_child(buffer->arena)};

	tsdb_buffer_u8(buffer, '[');
	for (size_t i = 0; i < result->n_series; i++)
	{
		tsdb_check_interrupt(env);
		if (i > 0)
			tsdb_buffer_u8(buffer, ',');
		if (result->type == TSDB_VALUE_VECTOR)
			append_sample(buffer, &result->series[i]);
		else
			append_series(buffer, &times, &result->series[i]);
	}
	tsdb_buffer_u8(buffer, ']');
	tsdb_arena_free(times.arena);
}

static void
append_result(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbQueryResult *result)
{
	switch (result->type)
	{
		case TSDB_VALUE_SCALAR:
			append_scalar(buffer, result);
			break;
		case TSDB_VALUE_STRING:
			append_string_result(buffer, result);
			break;
		default:
			append_list(buffer, env, result);
			break;
	}
}

/* ,"warnings":["..", "3 more warning annotations omitted"] */
static void
append_annotations(TsdbBuffer *buffer, const char *key, const char *kind, const TsdbStr *texts, size_t n)
{
	size_t		shown = n < TSDB_JSON_MAX_ANNOTATIONS ? n : TSDB_JSON_MAX_ANNOTATIONS;

	if (n == 0)
		return;
	tsdb_buffer_printf(buffer, ",\"%s\":[", key);
	for (size_t i = 0; i < shown; i++)
	{
		if (i > 0)
			tsdb_buffer_u8(buffer, ',');
		tsdb_json_html_string(buffer, texts[i]);
	}
	if (shown < n)
		tsdb_buffer_printf(buffer, ",\"%zu more %s annotations omitted\"", n - shown, kind);
	tsdb_buffer_u8(buffer, ']');
}

static void
append_seconds(TsdbBuffer *buffer, const char *key, int64_t ns)
{
	append_text(buffer, key);
	tsdb_json_number(buffer, (double) ns / 1e9);
}

/* What ?stats= asks for.  Nothing waits in a queue here. */
static void
append_stats(TsdbBuffer *buffer, const TsdbEvalStats *stats)
{
	int64_t		total = stats->prepare_ns + stats->eval_ns;

	append_text(buffer, ",\"stats\":{\"timings\":{");
	append_seconds(buffer, "\"evalTotalTime\":", total);
	append_seconds(buffer, ",\"resultSortTime\":", stats->sort_ns);
	append_seconds(buffer, ",\"queryPreparationTime\":", stats->prepare_ns);
	append_seconds(buffer, ",\"innerEvalTime\":", stats->eval_ns);
	append_seconds(buffer, ",\"execQueueTime\":", 0);
	append_seconds(buffer, ",\"execTotalTime\":", total);
	tsdb_buffer_printf(buffer, "},\"samples\":{\"totalQueryableSamples\":%llu,\"peakSamples\":%llu}}",
					   (unsigned long long) stats->total_samples, (unsigned long long) stats->peak_samples);
}

void
tsdb_json_query_result(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbQueryResult *result, bool with_stats)
{
	tsdb_buffer_printf(buffer, "{\"status\":\"success\",\"data\":{\"resultType\":\"%s\",\"result\":",
					   tsdb_value_type_name(result->type));
	append_result(buffer, env, result);
	if (with_stats)
		append_stats(buffer, &result->stats);
	tsdb_buffer_u8(buffer, '}');
	append_annotations(buffer, "warnings", "warning", result->warnings, result->n_warnings);
	append_annotations(buffer, "infos", "info", result->infos, result->n_infos);
	tsdb_buffer_u8(buffer, '}');
}

void
tsdb_json_error(TsdbBuffer *buffer, const char *type, TsdbStr text)
{
	tsdb_buffer_printf(buffer, "{\"status\":\"error\",\"errorType\":\"%s\",\"error\":", type);
	tsdb_json_html_string(buffer, text);
	tsdb_buffer_u8(buffer, '}');
}
