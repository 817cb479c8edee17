/*
 * query_routes.c
 *		Reads: each route is one function of the extension, which answers the API's JSON.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/gateway.h"

#define JSON "application/json"
#define STREAMED "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
/* Of Mimir's cardinality API: how many names or values it lists, and what has no sample for so long is not active. */
#define MAX_CARDINALITY_LIMIT 500
#define CARDINALITY_LIMIT 20
#define ACTIVE_MS (20 * 60 * 1000)

static bool range_arguments(GwRequest *request, GwArguments *arguments);
static bool cardinality_limit(GwRequest *request, int32_t *limit);
static void run_and_answer(GwRequest *request, GwSession *session, GwStatement statement, const GwArguments *arguments);
static unsigned status_of_answer(const char *json);
static bool group_page(GwRequest *request, GwArguments *arguments);
static const char *parameter(GwRequest *request, const char *name);
static bool take_read_row(void *context, PGresult *row);

void
gw_handle_query(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	int32_t		limit;

	gw_add_text(&arguments, parameter(request, "query"));
	if (!gw_limit_argument(request, &limit))
		return;
	if (*parameter(request, "time") == '\0')
		gw_add_time(&arguments, gw_wall_ms());
	else if (!gw_time_argument(request, "time", false, &arguments))
		return;
	if (!gw_lookback_argument(request, &arguments))
		return;
	gw_add_int(&arguments, limit);
	gw_add_bool(&arguments, *parameter(request, "stats") != '\0');
	run_and_answer(request, session, GW_SQL_QUERY, &arguments);
}

static const char *
parameter(GwRequest *request, const char *name)
{
	return gw_parameter(&request->parameters, name);
}

/* ---- the catalogue ---- */

void
gw_handle_labels(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	GwBuffer	matches = {0};

	gw_matches(request, &matches);
	gw_add_text(&arguments, matches.data);
	if (range_arguments(request, &arguments))
		run_and_answer(request, session, GW_SQL_LABELS, &arguments);
	gw_buffer_free(&matches);
}

void
gw_handle_label_values(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	GwBuffer	matches = {0};

	gw_matches(request, &matches);
	gw_add_text(&arguments, request->argument);
	gw_add_text(&arguments, matches.data);
	if (range_arguments(request, &arguments))
		run_and_answer(request, session, GW_SQL_LABEL_VALUES, &arguments);
	gw_buffer_free(&matches);
}

void
gw_handle_series(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	GwBuffer	matches = {0};

	gw_matches(request, &matches);
	gw_add_text(&arguments, matches.data);
	if (range_arguments(request, &arguments))
		run_and_answer(request, session, GW_SQL_SERIES, &arguments);
	gw_buffer_free(&matches);
}

/* start, end and limit, which come last in all three. */
static bool
range_arguments(GwRequest *request, GwArguments *arguments)
{
	int32_t		limit;

	if (!gw_limit_argument(request, &limit) ||
		!gw_time_argument(request, "start", false, arguments) ||
		!gw_time_argument(request, "end", false, arguments))
		return false;
	gw_add_int(arguments, limit);
	return true;
}

void
gw_handle_metadata(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	const char *metric = parameter(request, "metric");
	int32_t		limit;
	int32_t		per_metric;

	if (!gw_int_argument(request, "limit", -1, "limit must be a number", &limit) ||
		!gw_int_argument(request, "limit_per_metric", -1, "limit_per_metric must be a number", &per_metric))
		return;
	gw_add_text(&arguments, *metric == '\0' ? NULL : metric);
	gw_add_int(&arguments, limit);
	gw_add_int(&arguments, per_metric);
	run_and_answer(request, session, GW_SQL_METADATA, &arguments);
}

/* ---- Mimir's cardinality API ---- */

void
gw_handle_label_names_cardinality(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	int32_t		limit;

	if (!cardinality_limit(request, &limit))
		return;
	gw_add_text(&arguments, parameter(request, "selector"));
	gw_add_int(&arguments, limit);
	run_and_answer(request, session, GW_SQL_NAMES_CARDINALITY, &arguments);
}

void
gw_handle_label_values_cardinality(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	GwBuffer	names = {0};
	int32_t		limit;

	gw_array_argument(request, "label_names[]", &names);
	if (strcmp(names.data, "{}") == 0)
		gw_fail(request, GW_BAD_DATA, "'label_names[]' param is required");
	else if (cardinality_limit(request, &limit))
	{
		gw_add_text(&arguments, names.data);
		gw_add_text(&arguments, parameter(request, "selector"));
		gw_add_int(&arguments, limit);
		run_and_answer(request, session, GW_SQL_VALUES_CARDINALITY, &arguments);
	}
	gw_buffer_free(&names);
}

void
gw_handle_active_series(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	GwBuffer	selectors = {0};
	int64_t		now = gw_wall_ms();

	gw_array_argument(request, "selector", &selectors);
	if (strcmp(selectors.data, "{}") == 0)
		gw_fail(request, GW_BAD_DATA, "'selector' param is required");
	else
	{
		gw_add_text(&arguments, selectors.data);
		gw_add_time(&arguments, now - ACTIVE_MS);
		gw_add_time(&arguments, now);
		gw_add_int(&arguments, 0);
		run_and_answer(request, session, GW_SQL_SERIES, &arguments);
	}
	gw_buffer_free(&selectors);
}

static bool
cardinality_limit(GwRequest *request, int32_t *limit)
{
	if (!gw_int_argument(request, "limit", CARDINALITY_LIMIT, "'limit' param is not a number", limit))
		return false;
	if (*limit >= 0 && *limit <= MAX_CARDINALITY_LIMIT)
		return true;
	gw_fail(request, GW_BAD_DATA, "'limit' param is not within 0 and %d", MAX_CARDINALITY_LIMIT);
	return false;
}

/* ---- rules, alerts, targets ---- */

void
gw_handle_rules(GwRequest *request, GwSession *session)
{
	static const char *const filters[] = {"rule_name[]", "rule_group[]", "file[]", "match[]"};
	GwBuffer	arrays[GW_COUNT(filters)] = {{0}};
	GwArguments arguments = {0};
	const char *type = parameter(request, "type");

	if (*type != '\0' && strcmp(type, "alert") != 0 && strcmp(type, "record") != 0)
	{
		char	   *quote = gw_quoted(type);

		gw_fail_parameter(request, "type", "not supported value %s", quote);
		free(quote);
		return;
	}
	gw_add_text(&arguments, type);
	gw_add_bool(&arguments, strcmp(parameter(request, "exclude_alerts"), "true") == 0);
	for (int i = 0; i < GW_COUNT(filters); i++)
	{
		gw_array_argument(request, filters[i], &arrays[i]);
		gw_add_text(&arguments, arrays[i].data);
	}
	if (group_page(request, &arguments))
		run_and_answer(request, session, GW_SQL_RULES, &arguments);
	for (int i = 0; i < GW_COUNT(filters); i++)
		gw_buffer_free(&arrays[i]);
}

/* How many groups, and from which one on; a limit of 0 is none. */
static bool
group_page(GwRequest *request, GwArguments *arguments)
{
	const char *limit = parameter(request, "group_limit");
	const char *token = parameter(request, "group_next_token");
	char	   *end;
	long		groups = strtol(limit, &end, 10);

	if (*limit == '\0' && *token != '\0')
		gw_fail_parameter(request, "group_next_token", "group_limit needs to be present in order to paginate over the groups");
	else if (*limit != '\0' && (*end != '\0' || groups > INT32_MAX))
		gw_fail_parameter(request, "group_limit", "group_limit needs to be a valid number");
	else if (*limit != '\0' && groups <= 0)
		gw_fail_parameter(request, "group_limit", "group_limit needs to be greater than 0");
	else
	{
		gw_add_int(arguments, (int32_t) groups);
		gw_add_text(arguments, token);
		return true;
	}
	return false;
}

void
gw_handle_alerts(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};

	run_and_answer(request, session, GW_SQL_ALERTS, &arguments);
}

void
gw_handle_targets(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};

	gw_add_text(&arguments, parameter(request, "state"));
	gw_add_text(&arguments, parameter(request, "scrapePool"));
	run_and_answer(request, session, GW_SQL_TARGETS, &arguments);
}

void
gw_handle_targets_metadata(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	int32_t		limit;

	if (!gw_int_argument(request, "limit", -1, "limit must be a number", &limit))
		return;
	gw_add_text(&arguments, parameter(request, "match_target"));
	gw_add_text(&arguments, parameter(request, "metric"));
	gw_add_int(&arguments, limit);
	run_and_answer(request, session, GW_SQL_TARGETS_METADATA, &arguments);
}

void
gw_handle_scrape_pools(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};

	run_and_answer(request, session, GW_SQL_SCRAPE_POOLS, &arguments);
}

/* ---- the text of a query ---- */

void
gw_handle_format_query(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};

	gw_add_text(&arguments, parameter(request, "query"));
	run_and_answer(request, session, GW_SQL_FORMAT_QUERY, &arguments);
}

void
gw_handle_parse_query(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};

	gw_add_text(&arguments, parameter(request, "query"));
	run_and_answer(request, session, GW_SQL_PARSE_QUERY, &arguments);
}

void
gw_handle_features(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};

	run_and_answer(request, session, GW_SQL_FEATURES, &arguments);
}

/* No exemplars are stored.  Grafana asks at its start with times far away, and must not see an error. */
void
gw_handle_query_exemplars(GwRequest *request, GwSession *session)
{
	gw_respond_json(request, "{\"status\":\"success\",\"data\":[]}");
}

void
gw_handle_status_tsdb(GwRequest *request, GwSession *session)
{
	static const char problem[] = "limit must be a positive number";
	GwArguments arguments = {0};
	int32_t		limit;

	if (!gw_int_argument(request, "limit", 10, problem, &limit))
		return;
	if (limit < 1)
		gw_fail(request, GW_BAD_DATA, problem);
	else if (limit > 10000)
		gw_fail(request, GW_BAD_DATA, "limit must not exceed 10000");
	else
	{
		gw_add_int(&arguments, limit);
		run_and_answer(request, session, GW_SQL_STATUS_TSDB, &arguments);
	}
}

/* ---- answers ---- */

static void
run_and_answer(GwRequest *request, GwSession *session, GwStatement statement, const GwArguments *arguments)
{
	PGresult   *result = gw_session_run(request, session, statement, arguments);

	if (result != NULL)
		gw_respond_answer(request, result);
}

void
gw_respond_answer(GwRequest *request, PGresult *result)
{
	gw_respond_result(request, status_of_answer(PQgetvalue(result, 0, 0)), JSON, result);
}

/* The error object tells its type first. */
static unsigned
status_of_answer(const char *json)
{
	static const char error[] = "{\"status\":\"error\",\"errorType\":\"";
	const char *type = json + sizeof(error) - 1;

	if (strncmp(json, error, sizeof(error) - 1) != 0)
		return MHD_HTTP_OK;
	return gw_status_of_type(type, strcspn(type, "\""));
}

void
gw_handle_federate(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	GwBuffer	matches = {0};
	PGresult   *result;

	gw_matches(request, &matches);
	gw_add_text(&arguments, matches.data);
	result = gw_session_run(request, session, GW_SQL_FEDERATE, &arguments);
	if (result != NULL)
		gw_respond_result(request, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", result);
	gw_buffer_free(&matches);
}

/* ---- remote read ---- */

typedef struct ReadAnswer
{
	GwRequest  *request;
	GwSession  *session;
	GwStream   *stream;			/* NULL: it is not streamed, or has not begun */
} ReadAnswer;

/* One row with a block of snappy, or any number with frames, as the client likes it. */
void
gw_handle_read(GwRequest *request, GwSession *session)
{
	ReadAnswer	answer = {request, session, NULL};
	GwArguments arguments = {0};
	bool		whole;

	if (request->content_encoding != NULL && strcasecmp(request->content_encoding, "snappy") != 0)
	{
		gw_fail(request, GW_MEDIA_TYPE, "content encoding is not snappy");
		return;
	}
	gw_add_bytes(&arguments, &request->body);
	whole = gw_session_run_rows(request, session, GW_SQL_REMOTE_READ, &arguments, take_read_row, &answer);
	if (answer.stream != NULL)
		gw_stream_end(answer.stream, whole);
	else if (whole && request->status == 0)
	{
		GwBuffer	nothing = {0};

		gw_respond(request, MHD_HTTP_OK, STREAMED, &nothing);
	}
}

static bool
take_read_row(void *context, PGresult *row)
{
	ReadAnswer *answer = context;
	bool		taken;

	if (!*PQgetvalue(row, 0, 1))
	{
		answer->request->accepts_gzip = false;
		gw_respond_result(answer->request, MHD_HTTP_OK, "application/x-protobuf", row);
		gw_add_header(answer->request, MHD_HTTP_HEADER_CONTENT_ENCODING, "snappy");
		return true;
	}
	if (answer->stream == NULL)
		answer->stream = gw_stream_start(answer->request, answer->session, STREAMED);
	taken = gw_stream_put(answer->stream, PQgetvalue(row, 0, 0), (size_t) PQgetlength(row, 0, 0));
	PQclear(row);
	return taken;
}
