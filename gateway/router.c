/*
 * router.c
 *		Which paths there are.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"

#define API "/api/v1"
#define PREFIX "/prometheus"
#define BOTH (GW_GET | GW_POST)

const GwRoute gw_routes[] = {
	{API "/query", BOTH, GW_CORS, GW_READS, gw_handle_query},
	{API "/query_range", BOTH, GW_CORS, GW_READS, gw_handle_query_range},
	{API "/query_exemplars", BOTH, GW_CORS, GW_LOCAL, gw_handle_query_exemplars},
	{API "/labels", BOTH, GW_CORS, GW_READS, gw_handle_labels},
	{API "/label/*/values", GW_GET, GW_CORS, GW_READS, gw_handle_label_values},
	{API "/series", BOTH, GW_CORS, GW_READS, gw_handle_series},
	{API "/metadata", GW_GET, GW_CORS, GW_READS, gw_handle_metadata},
	{API "/rules", GW_GET, GW_CORS, GW_READS, gw_handle_rules},
	{API "/alerts", GW_GET, GW_CORS, GW_READS, gw_handle_alerts},
	{API "/targets", GW_GET, GW_CORS, GW_READS, gw_handle_targets},
	{API "/targets/metadata", GW_GET, GW_CORS, GW_READS, gw_handle_targets_metadata},
	{API "/scrape_pools", GW_GET, GW_CORS, GW_READS, gw_handle_scrape_pools},
	{API "/alertmanagers", GW_GET, GW_CORS, GW_LOCAL, gw_handle_alertmanagers},
	{API "/cardinality/label_names", BOTH, GW_CORS, GW_READS, gw_handle_label_names_cardinality},
	{API "/cardinality/label_values", BOTH, GW_CORS, GW_READS, gw_handle_label_values_cardinality},
	{API "/cardinality/active_series", BOTH, GW_CORS, GW_READS, gw_handle_active_series},
	{API "/features", GW_GET, GW_CORS, GW_READS, gw_handle_features},
	{API "/notifications", GW_GET, GW_CORS, GW_LOCAL, gw_handle_notifications},
	{API "/format_query", BOTH, GW_CORS, GW_READS, gw_handle_format_query},
	{API "/parse_query", BOTH, GW_CORS, GW_READS, gw_handle_parse_query},
	{API "/status/buildinfo", GW_GET, GW_CORS | GW_OPEN, GW_LOCAL, gw_handle_buildinfo},
	{API "/status/runtimeinfo", GW_GET, GW_CORS, GW_LOCAL, gw_handle_runtimeinfo},
	{API "/status/config", GW_GET, GW_CORS | GW_ROOT_ONLY, GW_LOCAL, gw_handle_config},
	{API "/status/flags", GW_GET, GW_CORS | GW_ROOT_ONLY, GW_LOCAL, gw_handle_flags},
	{API "/status/tsdb", GW_GET, GW_CORS, GW_READS, gw_handle_status_tsdb},
	{API "/status/tsdb/blocks", GW_GET, GW_CORS, GW_LOCAL, gw_handle_status_blocks},
	{API "/status/walreplay", GW_GET, GW_CORS | GW_OPEN, GW_LOCAL, gw_handle_walreplay},
	{API "/read", GW_POST, GW_PLAIN_ERRORS | GW_BODY, GW_READS, gw_handle_read},
	{API "/write", GW_POST, GW_PLAIN_ERRORS | GW_BODY, GW_WRITES, gw_handle_write},
	{API "/push", GW_POST, GW_PLAIN_ERRORS | GW_BODY, GW_WRITES, gw_handle_write},
	{API "/admin/tsdb/delete_series", GW_POST | GW_PUT, 0, GW_WRITES, gw_handle_delete_series},
	{API "/admin/tsdb/clean_tombstones", GW_POST | GW_PUT, 0, GW_LOCAL, gw_handle_clean_tombstones},
	{API "/admin/tsdb/snapshot", GW_POST | GW_PUT, 0, GW_LOCAL, gw_handle_snapshot},
	{"/v1/metrics/push", GW_POST, GW_BODY, GW_WRITES, gw_handle_push},
	{"/v1/metrics/query_range", GW_GET, GW_CORS, GW_READS, gw_handle_query_range},
	{"/federate", GW_GET, GW_PLAIN_ERRORS, GW_READS, gw_handle_federate},
	{"/metrics", GW_GET, GW_PLAIN_ERRORS | GW_OPEN | GW_ANYWAY, GW_METRICS, gw_handle_metrics},
	{"/-/healthy", GW_GET | GW_HEAD, GW_PLAIN_ERRORS | GW_OPEN, GW_LOCAL, gw_handle_healthy},
	{"/-/ready", GW_GET | GW_HEAD, GW_PLAIN_ERRORS | GW_OPEN, GW_READS, gw_handle_ready},
	{"/-/reload", GW_POST | GW_PUT, GW_PLAIN_ERRORS, GW_LOCAL, gw_handle_reload},
};

const int	gw_n_routes = GW_COUNT(gw_routes);

static bool matches(const char *pattern, const char *path, const char **argument, size_t *len);

const GwRoute *
gw_find_route(GwRequest *request, const char *path)
{
	request->under_prefix = strncmp(path, PREFIX "/", sizeof(PREFIX)) == 0;
	if (request->under_prefix)
		path += strlen(PREFIX);
	for (int i = 0; i < gw_n_routes; i++)
	{
		const char *argument = NULL;
		size_t		len = 0;

		if (!matches(gw_routes[i].path, path, &argument, &len) ||
			(request->under_prefix && (gw_routes[i].flags & GW_ROOT_ONLY)))
			continue;
		if (argument != NULL)
			request->argument = gw_percent_decode(argument, len, false);
		return argument != NULL && request->argument == NULL ? NULL : &gw_routes[i];
	}
	return NULL;
}

/* A star is one element of the path, which may not be empty. */
static bool
matches(const char *pattern, const char *path, const char **argument, size_t *len)
{
	for (; *pattern != '\0'; pattern++)
	{
		if (*pattern != '*')
		{
			if (*path++ != *pattern)
				return false;
			continue;
		}
		*argument = path;
		*len = strcspn(path, "/");
		if (*len == 0)
			return false;
		path += *len;
	}
	return *path == '\0';
}

int
gw_method(const char *method)
{
	static const struct
	{
		const char *name;
		int			method;
	}			methods[] = {{"GET", GW_GET}, {"POST", GW_POST}, {"PUT", GW_PUT}, {"HEAD", GW_HEAD}};

	for (int i = 0; i < GW_COUNT(methods); i++)
		if (strcmp(methods[i].name, method) == 0)
			return methods[i].method;
	return 0;
}
