/*
 * status_routes.c
 *		Health, build, settings: what clients look at before they ask for data.
 */
#include <string.h>
#include <unistd.h>

#include "gateway/gateway.h"

/* The versions whose API this is. */
#define PROMETHEUS_VERSION "3.14.0"
#define MIMIR_VERSION "2.17.0"

void
gw_handle_healthy(GwRequest *request, GwSession *session)
{
	GwBuffer	body = {0};

	gw_buffer_puts(&body, "pgtsdb-gateway is Healthy.\n");
	gw_respond(request, MHD_HTTP_OK, "text/plain; charset=utf-8", &body);
}

/* Ready is who can ask a database that has the extension. */
void
gw_handle_ready(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	GwBuffer	body = {0};
	PGresult   *result = gw_session_run(request, session, GW_SQL_READY, &arguments);

	if (result == NULL)
		return;
	if (PQntuples(result) == 0)
		gw_fail(request, GW_UNAVAILABLE, "the database does not have the extension pgtsdb");
	else
	{
		gw_buffer_puts(&body, "pgtsdb-gateway is Ready.\n");
		gw_respond(request, MHD_HTTP_OK, "text/plain; charset=utf-8", &body);
	}
	PQclear(result);
}

/*
 * At the root this is a Prometheus; under /prometheus a Mimir, whose features Grafana wants to be strings.  Those of the
 * routes by which it would edit rules and the configuration of an Alertmanager are false: it shows rules, and changes none.
 */
void
gw_handle_buildinfo(GwRequest *request, GwSession *session)
{
	if (request->under_prefix)
		gw_respond_json(request, "{\"status\":\"success\",\"data\":{\"application\":\"Grafana Mimir\",\"version\":\"" MIMIR_VERSION "\","
						"\"revision\":\"pgtsdb " PGTSDB_VERSION "\",\"branch\":\"\",\"buildUser\":\"pgtsdb\",\"buildDate\":\"\",\"goVersion\":\"\","
						"\"features\":{\"ruler_config_api\":\"false\",\"alertmanager_config_api\":\"false\","
						"\"query_sharding\":\"false\",\"federated_rules\":\"false\"}}}");
	else
		gw_respond_json(request, "{\"status\":\"success\",\"data\":{\"version\":\"" PROMETHEUS_VERSION "\","
						"\"revision\":\"pgtsdb " PGTSDB_VERSION "\",\"branch\":\"\",\"buildUser\":\"pgtsdb\","
						"\"buildDate\":\"\",\"goVersion\":\"\"}}");
}

void
gw_handle_runtimeinfo(GwRequest *request, GwSession *session)
{
	GwBuffer	body = {0};
	char		host[256] = "";

	gethostname(host, sizeof(host) - 1);
	gw_buffer_puts(&body, "{\"status\":\"success\",\"data\":{\"startTime\":");
	gw_put_wall_time(&body, gw_started);
	gw_buffer_puts(&body, ",\"CWD\":\"\",\"hostname\":");
	gw_quote_json(&body, host, strlen(host));
	gw_buffer_puts(&body, ",\"serverTime\":");
	gw_put_wall_time(&body, gw_wall_ms());
	gw_buffer_puts(&body, ",\"reloadConfigSuccess\":true,\"lastConfigTime\":");
	gw_put_wall_time(&body, gw_started);
	gw_buffer_printf(&body, ",\"corruptionCount\":0,\"goroutineCount\":%d,\"GOMAXPROCS\":%d,\"GOMEMLIMIT\":0,"
					 "\"GOGC\":\"\",\"GODEBUG\":\"\",\"storageRetention\":\"\"}}",
					 gw_options.io_threads + gw_options.read_connections + gw_options.write_connections, gw_options.io_threads);
	gw_respond(request, MHD_HTTP_OK, "application/json", &body);
}

/* The configuration is in tables. */
void
gw_handle_config(GwRequest *request, GwSession *session)
{
	gw_respond_json(request, "{\"status\":\"success\",\"data\":{\"yaml\":\"\"}}");
}

void
gw_handle_flags(GwRequest *request, GwSession *session)
{
	GwBuffer	body = {0};

	gw_buffer_puts(&body, "{\"status\":\"success\",\"data\":");
	gw_options_json(&body);
	gw_buffer_puts(&body, "}");
	gw_respond(request, MHD_HTTP_OK, "application/json", &body);
}

/* Notifications go to receivers, not through an Alertmanager. */
void
gw_handle_alertmanagers(GwRequest *request, GwSession *session)
{
	gw_respond_json(request, "{\"status\":\"success\",\"data\":{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}}");
}

/* There are no blocks, and no log is replayed before the database answers. */
void
gw_handle_status_blocks(GwRequest *request, GwSession *session)
{
	gw_respond_json(request, "{\"status\":\"success\",\"data\":{\"blocks\":[]}}");
}

void
gw_handle_walreplay(GwRequest *request, GwSession *session)
{
	gw_respond_json(request, "{\"status\":\"success\",\"data\":{\"min\":0,\"max\":0,\"current\":0}}");
}

/* What a Prometheus tells its own page: that a configuration could not be read, say.  Here the statement that writes it fails. */
void
gw_handle_notifications(GwRequest *request, GwSession *session)
{
	gw_respond_json(request, "{\"status\":\"success\",\"data\":[]}");
}

/* A deletion has rewritten what it touched before it is answered, so there are no tombstones. */
void
gw_handle_clean_tombstones(GwRequest *request, GwSession *session)
{
	gw_respond_empty(request, MHD_HTTP_NO_CONTENT);
}

void
gw_handle_snapshot(GwRequest *request, GwSession *session)
{
	gw_fail(request, GW_NOT_PROVIDED,
			"the samples are in a PostgreSQL database: take a snapshot with pg_basebackup, or a dump with pg_dump");
}

/* Rows of configuration hold when they are committed. */
void
gw_handle_reload(GwRequest *request, GwSession *session)
{
	gw_respond_empty(request, MHD_HTTP_OK);
}
