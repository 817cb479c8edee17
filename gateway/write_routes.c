/*
 * write_routes.c
 *		Remote write, JSON push, deletion.
 */
#include <string.h>
#include <strings.h>

#include "gateway/gateway.h"

/*
 * Remote write 1.0.  What cannot be stored does not keep the rest out; the function tells of it by a warning, and the sender by
 * a 400, which it does not repeat.
 */
void
gw_handle_write(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	PGresult   *result;

	if (gw_write_format(request->content_type) != GW_REMOTE_WRITE_1)
	{
		gw_fail(request, GW_MEDIA_TYPE, "content type is not application/x-protobuf with message prometheus.WriteRequest");
		return;
	}
	if (request->content_encoding != NULL && strcasecmp(request->content_encoding, "snappy") != 0)
	{
		gw_fail(request, GW_MEDIA_TYPE, "content encoding is not snappy");
		return;
	}
	gw_add_bytes(&arguments, &request->body);
	result = gw_session_run(request, session, GW_SQL_REMOTE_WRITE, &arguments);
	if (result == NULL)
		return;
	if (session->warning.len > 0)
		gw_fail(request, GW_BAD_DATA, "%s", session->warning.data);
	else
		gw_respond_empty(request, MHD_HTTP_NO_CONTENT);
	PQclear(result);
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
