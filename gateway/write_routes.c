/*
 * write_routes.c
 *		Remote write, JSON push, deletion.
 */
#include <string.h>
#include <strings.h>

#include "gateway/gateway.h"

static void add_written(GwRequest *request, const PGresult *result);

/*
 * Remote write, both versions.  What cannot be stored does not keep the rest out; the function tells of it by a warning, and
 * the sender by a 400, which it does not repeat.
 */
void
gw_handle_write(GwRequest *request, GwSession *session)
{
	GwWriteFormat format = gw_write_format(request->content_type);
	GwArguments arguments = {0};
	PGresult   *result;

	if (format == GW_UNKNOWN_FORMAT)
	{
		gw_fail(request, GW_MEDIA_TYPE, "content type is not application/x-protobuf with a message of remote write");
		return;
	}
	if (request->content_encoding != NULL && strcasecmp(request->content_encoding, "snappy") != 0)
	{
		gw_fail(request, GW_MEDIA_TYPE, "content encoding is not snappy");
		return;
	}
	gw_add_bytes(&arguments, &request->body);
	result = gw_session_run(request, session, format == GW_REMOTE_WRITE_1 ? GW_SQL_REMOTE_WRITE : GW_SQL_REMOTE_WRITE_2, &arguments);
	if (result != NULL && session->warning.len > 0)
		gw_fail(request, GW_BAD_DATA, "%s", session->warning.data);
	else if (result != NULL)
		gw_respond_empty(request, MHD_HTTP_NO_CONTENT);
	if (format == GW_REMOTE_WRITE_2)
		add_written(request, result);
	PQclear(result);
}

/* Version 2 wants to know how much was stored, of a request that failed too. */
static void
add_written(GwRequest *request, const PGresult *result)
{
	static const char *const names[] = {
		"X-Prometheus-Remote-Write-Samples-Written",
		"X-Prometheus-Remote-Write-Histograms-Written",
		"X-Prometheus-Remote-Write-Exemplars-Written"
	};

	for (int i = 0; i < GW_COUNT(names); i++)
		gw_add_header(request, names[i], result != NULL ? PQgetvalue(result, 0, i) : "0");
}

/* {"samples": [{"metric", "labels", "timestampMs", "value"}]}; the answer counts what was stored and what was not. */
void
gw_handle_push(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	GwBuffer	plain = {0};
	const GwBuffer *body = &request->body;
	bool		too_large = false;
	const char *problem = NULL;
	PGresult   *result = NULL;

	if (request->content_encoding != NULL && strcasecmp(request->content_encoding, "gzip") == 0)
	{
		problem = gw_gunzip(body->data, body->len, (size_t) gw_options.max_body, &plain, &too_large);
		body = &plain;
	}
	if (problem == NULL && (body->len == 0 || memchr(body->data, '\0', body->len) != NULL))
		problem = "body is not JSON";
	if (problem != NULL)
		gw_fail(request, too_large ? GW_TOO_LARGE : GW_BAD_DATA, "%s", problem);
	else
	{
		gw_add_text(&arguments, body->data);
		result = gw_session_run(request, session, GW_SQL_PUSH, &arguments);
	}
	if (result != NULL)
		gw_respond_result(request, MHD_HTTP_ACCEPTED, "application/json", result);
	gw_buffer_free(&plain);
}

/* One statement for each selector, as Prometheus does: the ones before one that fails stay deleted. */
void
gw_handle_delete_series(GwRequest *request, GwSession *session)
{
	int			n = 0;

	for (size_t i = 0; i < request->parameters.n; i++)
	{
		GwArguments arguments = {0};
		PGresult   *result;

		if (strcmp(request->parameters.items[i].name, "match[]") != 0)
			continue;
		n++;
		gw_add_text(&arguments, request->parameters.items[i].value);
		if (!gw_time_argument(request, "start", false, &arguments) || !gw_time_argument(request, "end", false, &arguments))
			return;
		result = gw_session_run(request, session, GW_SQL_DELETE_SERIES, &arguments);
		if (result == NULL)
			return;
		PQclear(result);
	}
	if (n == 0)
		gw_fail(request, GW_BAD_DATA, "no match[] parameter provided");
	else
		gw_respond_empty(request, MHD_HTTP_NO_CONTENT);
}
