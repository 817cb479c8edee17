/*
 * features.c
 *		What this server can do, in the words of Prometheus's /api/v1/features.
 *
 * An object of objects of booleans.  Functions, operators and aggregators come from the tables of PromQL, so that none is told
 * of that the parser does not know.  Names that Prometheus has and this server has not are false; those of parts that
 * do not exist here (its UI, its own storage) are left out.
 */
#include "core/json/json.h"
#include "core/promql/ast.h"

typedef struct Feature
{
	const char *name;
	bool		enabled;
} Feature;

static const Feature api[] = {
	{"admin", true}, {"exclude_alerts", true}, {"label_values_match", true}, {"lifecycle", false}, {"openapi_3.1", false},
	{"openapi_3.2", false}, {"otlp_write_receiver", false}, {"query_stats", true}, {"query_warnings", true},
	{"remote_write_receiver", true}, {"search", false}, {"time_range_labels", true}, {"time_range_series", true},
};

static const Feature promql[] = {
	{"anchored", true}, {"at_modifier", true}, {"bool", true}, {"by", true}, {"duration_expr", true}, {"fill", true},
	{"fill_left", true}, {"fill_right", true}, {"group_left", true}, {"group_right", true}, {"ignoring", true},
	{"negative_offset", true}, {"offset", true}, {"on", true}, {"per_query_lookback_delta", true}, {"per_step_stats", false},
	{"smoothed", true}, {"subqueries", true}, {"type_and_unit_labels", false}, {"without", true},
};

/* Operators of selectors, which are no binary ones. */
static const Feature matchers[] = {{"!~", true}, {"=~", true}, {"@", true}};

static const Feature rules[] = {{"concurrent_rule_eval", false}, {"keep_firing_for", true}, {"query_offset", false}};

static const Feature scrape[] = {
	{"extra_scrape_metrics", false}, {"start_timestamp_zero_ingestion", false}, {"type_and_unit_labels", false},
};

static const Feature storage[] = {
	{"delayed_compaction", true}, {"exemplar_storage", false}, {"isolation", true}, {"native_histograms", false},
};

static void
open_section(TsdbBuffer *buffer, const char *name)
{
	if (buffer->data[buffer->len - 1] == '}')
		tsdb_buffer_u8(buffer, ',');
	tsdb_buffer_printf(buffer, "\"%s\":{", name);
}

static void
put(TsdbBuffer *buffer, const char *name, bool enabled)
{
	if (buffer->data[buffer->len - 1] != '{')
		tsdb_buffer_u8(buffer, ',');
	tsdb_json_string(buffer, tsdb_str(name));
	tsdb_buffer_printf(buffer, enabled ? ":true" : ":false");
}

static void
put_all(TsdbBuffer *buffer, const Feature *features, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(buffer, features[i].name, features[i].enabled);
}

static void
put_operators(TsdbBuffer *buffer)
{
	put_all(buffer, matchers, TSDB_COUNT(matchers));
	for (int op = 0; op <= TSDB_OP_UNLESS; op++)
		put(buffer, tsdb_binary_op_text(op), op != TSDB_OP_TRIM_UPPER && op != TSDB_OP_TRIM_LOWER);
	for (int op = 0; op <= TSDB_AGG_TOPK; op++)
		put(buffer, tsdb_aggregate_text(op), true);
}

void
tsdb_json_features(TsdbBuffer *buffer, bool delayed_name_removal)
{
	tsdb_buffer_printf(buffer, "{\"status\":\"success\",\"data\":{");
	open_section(buffer, "api");
	put_all(buffer, api, TSDB_COUNT(api));
	tsdb_buffer_u8(buffer, '}');
	open_section(buffer, "promql");
	put(buffer, "delayed_name_removal", delayed_name_removal);
	put_all(buffer, promql, TSDB_COUNT(promql));
	tsdb_buffer_u8(buffer, '}');
	open_section(buffer, "promql_functions");
	for (int id = 0; id < TSDB_FN_COUNT; id++)
		put(buffer, tsdb_promql_function(id)->name, true);
	tsdb_buffer_u8(buffer, '}');
	open_section(buffer, "promql_operators");
	put_operators(buffer);
	tsdb_buffer_u8(buffer, '}');
	open_section(buffer, "rules");
	put_all(buffer, rules, TSDB_COUNT(rules));
	tsdb_buffer_u8(buffer, '}');
	open_section(buffer, "scrape");
	put_all(buffer, scrape, TSDB_COUNT(scrape));
	tsdb_buffer_u8(buffer, '}');
	open_section(buffer, "tsdb");
	put_all(buffer, storage, TSDB_COUNT(storage));
	tsdb_buffer_printf(buffer, "}}}");
}
