/*
 * json.h
 *		The JSON of the Prometheus HTTP API.
 *
 * Byte for byte what Prometheus 3.14 writes (web/api/v1/json_codec.go,
 * util/jsonutil), with one exception: bytes that are not UTF-8, which a query can put
 * into a label, come out as U+FFFD, since a server's text must be valid.
 */
#ifndef TSDB_JSON_H
#define TSDB_JSON_H

#include "core/base/base.h"
#include "core/base/str_table.h"
#include "core/ingest/ingest.h"
#include "core/labels/label_counts.h"
#include "core/labels/labels.h"
#include "core/promql/eval.h"

/* Warnings and infos that one answer shows, each; the rest is counted. */
#define TSDB_JSON_MAX_ANNOTATIONS 10
/* The warning of an answer that was cut at a limit. */
#define TSDB_JSON_TRUNCATED "results truncated due to limit"

/* ---- json.c ---- */

/* "text" with the escapes JSON needs. */
extern void tsdb_json_string(TsdbBuffer *buffer, TsdbStr text);
/* The same, and <, >, & and the line separators U+2028 and U+2029 as \u003c ...: messages and string results. */
extern void tsdb_json_html_string(TsdbBuffer *buffer, TsdbStr text);
/* Seconds with as many decimals as needed: 1435781451.781 */
extern void tsdb_json_timestamp(TsdbBuffer *buffer, int64_t milliseconds);
/* A finite value as a JSON number: 0.5, 1e-9 */
extern void tsdb_json_number(TsdbBuffer *buffer, double value);
/* A sample's value, in quotes: "1.5", "1e+21", "NaN", "+Inf" */
extern void tsdb_json_value(TsdbBuffer *buffer, double value);
/* {"__name__":"up","job":"node"} */
extern void tsdb_json_labels(TsdbBuffer *buffer, TsdbLabels labels);

/* ---- result.c ---- */

/*
 * The whole answer to a query:
 * {"status":"success","data":{"resultType":..,"result":..},"warnings":[..],"infos":[..]}
 * env may be NULL.
 */
extern void tsdb_json_query_result(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbQueryResult *result, bool with_stats);
/* {"status":"error","errorType":"bad_data","error":"text"} */
extern void tsdb_json_error(TsdbBuffer *buffer, const char *type, TsdbStr text);

/* ---- catalogue.c: env may be NULL; `truncated` adds the warning that there was more ---- */

extern void tsdb_json_series(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbLabels *series, size_t n, bool truncated);
/* The first n entries of the table. */
extern void tsdb_json_strings(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbStrTable *table, size_t n, bool truncated);
/* {"status":"success","data":"text"} */
extern void tsdb_json_text(TsdbBuffer *buffer, TsdbStr text);
/* Sorted by metric.  A type that was not told is unknown. */
extern void tsdb_json_metadata(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbMetadata *definitions, size_t n);

/* Samples that are not compressed yet. */
typedef struct TsdbHeadFigures
{
	uint64_t	chunks;
	int64_t		t_min;			/* milliseconds; INT64_MAX, and t_max INT64_MIN, when there is none */
	int64_t		t_max;
} TsdbHeadFigures;

/* The lists have at most `limit` elements. */
extern void tsdb_json_tsdb_status(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbHeadFigures *head,
								  const TsdbLabelCounts *counts, size_t limit);

/* ---- label_name.c ---- */

/* What a name in a path means: U__a_2e_b is a.b; names that are not escaped, or wrongly, mean themselves. */
extern TsdbStr tsdb_json_label_name(TsdbArena *arena, TsdbStr name);

/* ---- syntax_tree.c ---- */

/* The whole answer of parse_query.  env may be NULL. */
extern void tsdb_json_syntax_tree(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbExpr *expr);

/* ---- features.c ---- */

/* {"status":"success","data":{"api":{"admin":true,..},"promql":{..},..}} */
extern void tsdb_json_features(TsdbBuffer *buffer, bool delayed_name_removal);

#endif							/* TSDB_JSON_H */
