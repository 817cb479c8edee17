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
#include "core/labels/labels.h"
#include "core/promql/eval.h"

/* Warnings and infos that one answer shows, each; the rest is counted. */
#define TSDB_JSON_MAX_ANNOTATIONS 10

/* ---- json.c ---- */

/* "text" with the escapes JSON needs. */
extern void tsdb_json_string(TsdbBuffer *buffer, TsdbStr text);
/* The same, and <, >, & and the line separators U+2028 and U+2029 as \u003c ...: messages and string results. */
extern void tsdb_json_html_string(TsdbBuffer *buffer, TsdbStr text);
/* Seconds with as many decimals as needed: 1435781451.781 */
extern void tsdb_json_timestamp(TsdbBuffer *buffer, int64_t milliseconds);
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
extern void tsdb_json_query_result(TsdbBuffer *buffer, const TsdbEnv *env, const TsdbQueryResult *result);
/* {"status":"error","errorType":"bad_data","error":"text"} */
extern void tsdb_json_error(TsdbBuffer *buffer, const char *type, TsdbStr text);

#endif							/* TSDB_JSON_H */
