/*
 * catalogue.c
 *		Answers about what there is: series, label names and values, metadata, cardinality.
 */
#include "core/json/json_internal.h"

static void append_head(TsdbBuffer *buffer, const TsdbHeadFigures *head, const TsdbLabelCounts *counts);
static void append_top(TsdbBuffer *buffer, const TsdbEnv *env, const char *key, const TsdbLabelCounts *counts,
					   TsdbLabelCountOf what, size_t limit);
static void append_figure(TsdbBuffer *buffer, const TsdbFigure *figure);
static void append_definition(TsdbBuffer *buffer, const TsdbMetadata *definition);
static void append_end(TsdbBuffer *buffer, bool truncated);

void
tsdb_json_series(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbLabels *series, size_t n, bool truncated)
{
	append_text(buffer, "{\"status\":\"success\",\"data\":");
	for (size_t i = 0; i < n; i++)
	{
		tsdb_check_interrupt(env);
		append_separator(buffer, i);
		tsdb_json_labels(buffer, series[i]);
	}
	append_list_end(buffer, n);
	append_end(buffer, truncated);
}

void
tsdb_json_strings(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbStrTable *table, size_t n, bool truncated)
{
	append_text(buffer, "{\"status\":\"success\",\"data\":");
	for (size_t i = 0; i < n; i++)
	{
		tsdb_check_interrupt(env);
		append_separator(buffer, i);
		tsdb_json_html_string(buffer, table->entries[i].text);
	}
	append_list_end(buffer, n);
	append_end(buffer, truncated);
}

void
tsdb_json_text(TsdbBuffer *buffer, TsdbStr text)
{
	append_text(buffer, "{\"status\":\"success\",\"data\":");
	tsdb_json_html_string(buffer, text);
	append_end(buffer, false);
}

void
tsdb_json_metadata(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbMetadata *definitions, size_t n)
{
	append_text(buffer, "{\"status\":\"success\",\"data\":{");
	for (size_t i = 0; i < n; i++)
	{
		bool		same_metric = i > 0 && tsdb_str_equal(definitions[i].metric, definitions[i - 1].metric);

		tsdb_check_interrupt(env);
		if (!same_metric)
		{
			append_text(buffer, i > 0 ? "]," : "");
			tsdb_json_html_string(buffer, definitions[i].metric);
			append_text(buffer, ":[");
		}
		else
			tsdb_buffer_u8(buffer, ',');
		append_definition(buffer, &definitions[i]);
	}
	append_text(buffer, n > 0 ? "]}" : "}");
	append_end(buffer, false);
}

static void
append_definition(TsdbBuffer *buffer, const TsdbMetadata *definition)
{
	append_text(buffer, "{\"type\":");
	tsdb_json_html_string(buffer, definition->type.len > 0 ? definition->type : TSDB_STR("unknown"));
	append_text(buffer, ",\"unit\":");
	tsdb_json_html_string(buffer, definition->unit);
	append_text(buffer, ",\"help\":");
	tsdb_json_html_string(buffer, definition->help);
	tsdb_buffer_u8(buffer, '}');
}

void
tsdb_json_tsdb_status(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbHeadFigures *head,
					  const TsdbLabelCounts *counts, size_t limit)
{
	append_text(buffer, "{\"status\":\"success\",\"data\":{\"headStats\":");
	append_head(buffer, head, counts);
	append_top(buffer, env, "seriesCountByMetricName", counts, TSDB_SERIES_OF_METRIC, limit);
	append_top(buffer, env, "labelValueCountByLabelName", counts, TSDB_VALUES_OF_LABEL, limit);
	append_top(buffer, env, "memoryInBytesByLabelName", counts, TSDB_BYTES_OF_LABEL, limit);
	append_top(buffer, env, "seriesCountByLabelValuePair", counts, TSDB_SERIES_OF_PAIR, limit);
	tsdb_buffer_u8(buffer, '}');
	append_end(buffer, false);
}

static void
append_head(TsdbBuffer *buffer, const TsdbHeadFigures *head, const TsdbLabelCounts *counts)
{
	tsdb_buffer_printf(buffer, "{\"numSeries\":%llu,\"numLabelPairs\":%zu,\"chunkCount\":%llu,\"minTime\":%lld,\"maxTime\":%lld}",
					   (unsigned long long) counts->n_series, counts->n_pairs,
					   (unsigned long long) head->chunks, (long long) head->t_min, (long long) head->t_max);
}

static void
append_top(TsdbBuffer *buffer, const TsdbEnv *env, const char *key, const TsdbLabelCounts *counts,
		   TsdbLabelCountOf what, size_t limit)
{
	TsdbFigure *top;
	size_t		n = tsdb_label_counts_top(counts, env, what, limit, &top);

	tsdb_buffer_printf(buffer, ",\"%s\":", key);
	for (size_t i = 0; i < n; i++)
	{
		append_separator(buffer, i);
		append_figure(buffer, &top[i]);
	}
	append_list_end(buffer, n);
}

/* A pair is one string: job=node */
static void
append_figure(TsdbBuffer *buffer, const TsdbFigure *figure)
{
	TsdbBuffer	name;

	tsdb_buffer_init(&name, buffer->arena, figure->name.len + figure->value.len + 1);
	tsdb_buffer_append_str(&name, figure->name);
	if (figure->value.len > 0)
	{
		tsdb_buffer_u8(&name, '=');
		tsdb_buffer_append_str(&name, figure->value);
	}
	append_text(buffer, "{\"name\":");
	tsdb_json_html_string(buffer, (TsdbStr){(const char *) name.data, name.len});
	tsdb_buffer_printf(buffer, ",\"value\":%llu}", (unsigned long long) figure->figure);
}

/* What stands behind the data. */
static void
append_end(TsdbBuffer *buffer, bool truncated)
{
	append_text(buffer, truncated ? ",\"warnings\":[\"" TSDB_JSON_TRUNCATED "\"]}" : "}");
}
